//! Element types of buffers, as launches name them and reports show them.

use std::fmt;

use numerics::{bf16, e2m1, e4m3, e5m2, e8m0, f16};

/// The type of one element. Narrow formats are OCP's, which gfx950 computes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Dtype {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F16,
    Bf16,
    F32,
    F64,
    E4m3,
    E5m2,
    /// A power of two, as MX formats scale with.
    E8m0,
    /// Two to a byte, the first in the low half.
    E2m1,
}

impl Dtype {
    /// Every type.
    pub const ALL: [Self; 16] = [
        Self::U8,
        Self::I8,
        Self::U16,
        Self::I16,
        Self::U32,
        Self::I32,
        Self::U64,
        Self::I64,
        Self::F16,
        Self::Bf16,
        Self::F32,
        Self::F64,
        Self::E4m3,
        Self::E5m2,
        Self::E8m0,
        Self::E2m1,
    ];

    /// The type of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.name() == name)
    }

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::U8 => "u8",
            Self::I8 => "i8",
            Self::U16 => "u16",
            Self::I16 => "i16",
            Self::U32 => "u32",
            Self::I32 => "i32",
            Self::U64 => "u64",
            Self::I64 => "i64",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::E4m3 => "e4m3",
            Self::E5m2 => "e5m2",
            Self::E8m0 => "e8m0",
            Self::E2m1 => "e2m1",
        }
    }

    /// Bits of one element: 4 to 64.
    #[must_use]
    pub const fn bits(self) -> u32 {
        match self {
            Self::E2m1 => 4,
            Self::U8 | Self::I8 | Self::E4m3 | Self::E5m2 | Self::E8m0 => 8,
            Self::U16 | Self::I16 | Self::F16 | Self::Bf16 => 16,
            Self::U32 | Self::I32 | Self::F32 => 32,
            Self::U64 | Self::I64 | Self::F64 => 64,
        }
    }

    /// Bytes of `count` elements; `None` when they end within a byte or overflow.
    #[must_use]
    pub const fn bytes(self, count: usize) -> Option<usize> {
        match count.checked_mul(self.bits() as usize) {
            Some(bits) if bits.is_multiple_of(8) => Some(bits / 8),
            _ => None,
        }
    }

    /// Whether its elements are numbers with an exponent and a sign.
    #[must_use]
    pub const fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::Bf16 | Self::F32 | Self::F64 | Self::E4m3 | Self::E5m2 | Self::E2m1)
    }

    /// The elements' bits, in order. Bytes that hold no whole element are left out.
    pub fn codes(self, bytes: &[u8]) -> impl Iterator<Item = u64> {
        let size = (self.bits() as usize).div_ceil(8);
        let halves = if self == Self::E2m1 { 2 } else { 1 };
        bytes.chunks_exact(size).flat_map(move |element| {
            let mut word = [0; 8];
            word[..size].copy_from_slice(element);
            let code = u64::from_le_bytes(word);
            (0..halves).map(move |half| if halves == 1 { code } else { code >> (4 * half) & 0xf })
        })
    }

    /// Elements as they lie in memory. Codes beyond the element's bits are cut.
    #[must_use]
    pub fn pack(self, codes: &[u64]) -> Vec<u8> {
        if self == Self::E2m1 {
            return codes
                .chunks(2)
                .map(|c| (c[0] & 0xf | (c.get(1).unwrap_or(&0) & 0xf) << 4) as u8)
                .collect();
        }
        let size = self.bits() as usize / 8;
        codes.iter().flat_map(|code| code.to_le_bytes()[..size].to_vec()).collect()
    }

    /// The code nearest to `x`, ties to even; integers are cut to their range. Formats of at most 16 bits are
    /// reached through f32.
    #[must_use]
    pub fn encode(self, x: f64) -> u64 {
        let short = x as f32;
        match self {
            Self::U8 => u64::from(x as u8),
            Self::I8 => u64::from(x as i8 as u8),
            Self::U16 => u64::from(x as u16),
            Self::I16 => u64::from(x as i16 as u16),
            Self::U32 => u64::from(x as u32),
            Self::I32 => u64::from(x as i32 as u32),
            Self::U64 => x as u64,
            Self::I64 => x as i64 as u64,
            Self::F16 => u64::from(f16::from_f32_rne(short)),
            Self::Bf16 => u64::from(bf16::from_f32_rne(short)),
            Self::F32 => u64::from(short.to_bits()),
            Self::F64 => x.to_bits(),
            Self::E4m3 => u64::from(e4m3::from_f32_rne(short)),
            Self::E5m2 => u64::from(e5m2::from_f32_rne(short)),
            // It has no zero: the nearest is its smallest.
            Self::E8m0 if x == 0.0 => 0,
            Self::E8m0 => u64::from(e8m0::from_f32_rne(short)),
            Self::E2m1 => u64::from(e2m1::from_f32_rne(short)),
        }
    }

    /// The value of a code; exact but for 64-bit integers beyond 2^53.
    #[must_use]
    pub fn decode(self, code: u64) -> f64 {
        match self {
            Self::U8 | Self::U16 | Self::U32 | Self::U64 => code as f64,
            Self::I8 | Self::I16 | Self::I32 | Self::I64 => self.signed(code) as f64,
            Self::F16 => f64::from(f16::to_f32(code as u16)),
            Self::Bf16 => f64::from(bf16::to_f32(code as u16)),
            Self::F32 => f64::from(f32::from_bits(code as u32)),
            Self::F64 => f64::from_bits(code),
            Self::E4m3 => f64::from(e4m3::to_f32(code as u8)),
            Self::E5m2 => f64::from(e5m2::to_f32(code as u8)),
            Self::E8m0 => f64::from(e8m0::to_f32(code as u8)),
            Self::E2m1 => f64::from(e2m1::to_f32(code as u8)),
        }
    }

    /// Reads one value from text, in the type's own notation: `-3`, `0x1f`, `1.5e-3`, `nan`. A hexadecimal
    /// number is the bits of an element, of every type.
    #[must_use]
    pub fn parse(self, text: &str) -> Option<u64> {
        let fits = |code: &u64| self.bits() == 64 || code >> self.bits() == 0;
        if let Some(digits) = text.strip_prefix("0x") {
            return u64::from_str_radix(digits, 16).ok().filter(fits);
        }
        match self {
            Self::U8 | Self::U16 | Self::U32 | Self::U64 => text.parse().ok().filter(fits),
            Self::I8 | Self::I16 | Self::I32 | Self::I64 => {
                let value: i64 = text.parse().ok()?;
                let code = value as u64 & (u64::MAX >> (64 - self.bits()));
                (self.signed(code) == value).then_some(code)
            }
            _ => text.parse().ok().map(|x| self.encode(x)),
        }
    }

    /// The value of a code as text: decimal for integers, else the shortest that reads back as the value.
    #[must_use]
    pub fn show(self, code: u64) -> String {
        match self {
            Self::U8 | Self::U16 | Self::U32 | Self::U64 => code.to_string(),
            Self::I8 | Self::I16 | Self::I32 | Self::I64 => self.signed(code).to_string(),
            Self::F64 => format!("{:?}", f64::from_bits(code)),
            _ => format!("{:?}", self.decode(code) as f32),
        }
    }

    /// Steps of the format from one code to the other: how many representable values lie between, plus one.
    /// The two zeros are one value. `None` when a code is NaN.
    #[must_use]
    pub fn steps(self, a: u64, b: u64) -> Option<u64> {
        if self.decode(a).is_nan() || self.decode(b).is_nan() {
            return None;
        }
        let place = |code: u64| match self {
            _ if self.is_float() => {
                let sign = 1 << (self.bits() - 1);
                let magnitude = i128::from(code & (sign - 1));
                if code & sign == 0 { magnitude } else { -magnitude }
            }
            Self::I8 | Self::I16 | Self::I32 | Self::I64 => i128::from(self.signed(code)),
            _ => i128::from(code),
        };
        u64::try_from((place(a) - place(b)).abs()).ok()
    }

    fn signed(self, code: u64) -> i64 {
        let unused = 64 - self.bits();
        (code << unused) as i64 >> unused
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_a_narrow_type_reads_back() {
        for dtype in Dtype::ALL.into_iter().filter(|t| t.bits() <= 16) {
            for code in 0..1_u64 << dtype.bits() {
                if dtype.decode(code).is_nan() {
                    continue;
                }
                assert_eq!(dtype.encode(dtype.decode(code)), code, "{dtype} {code:#x}");
                assert_eq!(dtype.parse(&dtype.show(code)), Some(code), "{dtype} {code:#x}");
            }
        }
    }

    #[test]
    fn bytes_and_codes_are_the_same_elements() {
        for dtype in Dtype::ALL {
            let bytes: Vec<u8> = (0..16_u8).map(|i| i.wrapping_mul(17).wrapping_add(3)).collect();
            let codes: Vec<u64> = dtype.codes(&bytes).collect();
            assert_eq!(dtype.bytes(codes.len()), Some(16), "{dtype}");
            assert_eq!(dtype.pack(&codes), bytes, "{dtype}");
        }
        assert_eq!(Dtype::E2m1.codes(&[0x21]).collect::<Vec<_>>(), [1, 2]);
        assert_eq!((Dtype::E2m1.bytes(3), Dtype::F32.bytes(usize::MAX)), (None, None));
    }

    #[test]
    fn numbers_outside_the_type_are_not_read() {
        assert_eq!(
            (Dtype::U8.parse("256"), Dtype::U8.parse("-1"), Dtype::U8.parse("255")),
            (None, None, Some(255))
        );
        assert_eq!((Dtype::I8.parse("128"), Dtype::I8.parse("-128")), (None, Some(0x80)));
        assert_eq!((Dtype::I32.parse("-1"), Dtype::I64.parse("-1")), (Some(0xffff_ffff), Some(u64::MAX)));
        assert_eq!(
            (Dtype::F32.parse("0x3f800000"), Dtype::F32.parse("1")),
            (Some(0x3f80_0000), Some(0x3f80_0000))
        );
        assert_eq!((Dtype::Bf16.parse("0x10000"), Dtype::F32.parse("one")), (None, None));
    }

    #[test]
    fn steps_count_representable_values() {
        let bits = |x: f32| u64::from(x.to_bits());
        assert_eq!(Dtype::F32.steps(bits(1.0), bits(1.0_f32.next_up())), Some(1));
        assert_eq!(Dtype::F32.steps(bits(0.0), bits(-0.0)), Some(0));
        assert_eq!(Dtype::F32.steps(bits(f32::MIN_POSITIVE * f32::EPSILON), bits(-0.0)), Some(1));
        assert_eq!(Dtype::F32.steps(bits(f32::NAN), bits(1.0)), None);
        assert_eq!(Dtype::Bf16.steps(0x3f80, 0xbf80), Some(2 * 0x3f80));
        assert_eq!(Dtype::E8m0.steps(127, 120), Some(7));
        assert_eq!(Dtype::I8.steps(0xff, 1), Some(2));
        assert_eq!(Dtype::U64.steps(0, u64::MAX), Some(u64::MAX));
        assert_eq!(Dtype::E2m1.steps(0x1, 0x9), Some(2));
    }
}
