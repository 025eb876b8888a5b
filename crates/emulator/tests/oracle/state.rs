//! What a wave's instruction can read and change, as the tests set and compare it.

use super::vectors::{Column, Group, Place};

/// Registers below hold the kernel's own addresses.
pub(crate) const FIRST_VECTOR: usize = 2;
/// See [`FIRST_VECTOR`].
pub(crate) const FIRST_SCALAR: usize = 16;
/// Dwords of memory and of LDS that a wave has.
pub(crate) const AREA: usize = 512;
/// Denormals kept, IEEE, DX10 clamp: what hipcc sets.
const MODE: u32 = 0x3f0;
/// Scalars besides the registers: MODE, M0, SCC, VCC, EXEC.
pub(crate) const SPECIAL: usize = 7;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct State {
    vectors: Vec<[u32; 64]>,
    scalars: Vec<u32>,
    mode: u32,
    m0: u32,
    scc: u32,
    vcc: u64,
    exec: u64,
    pub memory: Vec<u32>,
    pub lds: Vec<u32>,
}

/// A dword that no case is likely to have by chance.
fn pattern(seed: usize) -> u32 {
    ((seed as u32) + 1).wrapping_mul(0x9e37_79b1)
}

impl State {
    pub(crate) fn new(vectors: usize, scalars: usize) -> State {
        State {
            vectors: (0..vectors)
                .map(|i| std::array::from_fn(|lane| pattern(i << 8 | lane) ^ 0xaaaa))
                .collect(),
            scalars: (0..scalars).map(|i| pattern(i) ^ 0x5555_0000).collect(),
            mode: MODE,
            m0: !0,
            scc: 0,
            vcc: 0,
            exec: !0,
            memory: (0..AREA).map(pattern).collect(),
            lds: (0..AREA).map(|i| pattern(i) ^ 0x0f0f_0000).collect(),
        }
    }

    /// Sets what a column says, of one lane or of the wave.
    pub(crate) fn set(&mut self, column: &Column, text: &str, lane: Option<usize>) {
        match column.place {
            Place::Vector(first, dwords) => {
                let digits = 8 * dwords;
                let lanes = lane.map_or(0..64, |lane| lane..lane + 1);
                for at in lanes {
                    let from = if lane.is_some() || text.len() == digits { 0 } else { at * digits };
                    for part in 0..dwords {
                        self.vectors[first - FIRST_VECTOR + part][at] =
                            dword(&text[from..from + digits], part);
                    }
                }
            }
            Place::Scalar(first, dwords) => {
                let text = format!("{text:0>width$}", width = 8 * dwords);
                for part in 0..dwords {
                    self.scalars[first - FIRST_SCALAR + part] = dword(&text, part);
                }
            }
            Place::Bit(register) => {
                let lane = lane.expect("bits are lanes'");
                let mask = match register {
                    None => self.vcc,
                    Some(first) => self.pair(first),
                };
                let mask = mask & !(1 << lane) | ((text == "1") as u64) << lane;
                match register {
                    None => self.vcc = mask,
                    Some(first) => {
                        self.scalars[first - FIRST_SCALAR] = mask as u32;
                        self.scalars[first - FIRST_SCALAR + 1] = (mask >> 32) as u32;
                    }
                }
            }
            Place::Vcc => self.vcc = wide(text),
            Place::Exec => self.exec = wide(text),
            Place::Scc => self.scc = wide(text) as u32,
            Place::M0 => self.m0 = wide(text) as u32,
            Place::Mode => self.mode = wide(text) as u32,
            Place::Memory => area(&mut self.memory, text),
            Place::Lds => area(&mut self.lds, text),
        }
    }

    fn pair(&self, first: usize) -> u64 {
        let low = self.scalars[first - FIRST_SCALAR] as u64;
        low | (self.scalars[first - FIRST_SCALAR + 1] as u64) << 32
    }

    /// The dwords that the kernel loads or stores: vectors by register, scalars, the special ones.
    pub(crate) fn to_dwords(&self) -> Vec<u32> {
        let mut out: Vec<u32> = self.vectors.iter().flatten().copied().collect();
        out.extend(&self.scalars);
        let halves = |x: u64| [x as u32, (x >> 32) as u32];
        out.extend([self.mode, self.m0, self.scc]);
        out.extend(halves(self.vcc));
        out.extend(halves(self.exec));
        out
    }

    /// A state of this one's size from what [`State::to_dwords`] gave.
    pub(crate) fn with_dwords(&self, dwords: &[u32]) -> State {
        let (vectors, rest) = dwords.split_at(64 * self.vectors.len());
        let (scalars, special) = rest.split_at(self.scalars.len());
        let wide = |i: usize| special[i] as u64 | (special[i + 1] as u64) << 32;
        State {
            vectors: vectors.chunks(64).map(|lanes| lanes.try_into().expect("64 lanes")).collect(),
            scalars: scalars.to_vec(),
            mode: special[0],
            m0: special[1],
            scc: special[2],
            vcc: wide(3),
            exec: wide(5),
            memory: self.memory.clone(),
            lds: self.lds.clone(),
        }
    }

    /// Where the state is not what a group expects.
    pub(crate) fn differences(&self, want: &State, before: &State, group: &Group) -> Vec<String> {
        let mut out = Vec::new();
        for (i, (got, wanted)) in self.vectors.iter().zip(&want.vectors).enumerate() {
            let register = FIRST_VECTOR + i;
            for lane in (0..64).filter(|lane| got[*lane] != wanted[*lane]) {
                if !accepted(self, want, group, register, lane) {
                    let inputs: Vec<String> =
                        before.vectors.iter().map(|v| format!("{:08x}", v[lane])).collect();
                    out.push(format!(
                        "v{register} lane {lane}: {:08x}, not {:08x}; v{FIRST_VECTOR}… was {}",
                        got[lane],
                        wanted[lane],
                        inputs.join(" ")
                    ));
                }
            }
        }
        for (i, (got, wanted)) in self.scalars.iter().zip(&want.scalars).enumerate() {
            let register = FIRST_SCALAR + i;
            if got != wanted && !group.ignores(&Place::Scalar(register, 1)) {
                out.push(format!(
                    "s{register}: {got:08x}, not {wanted:08x}; s{FIRST_SCALAR}… was {:08x?}",
                    before.scalars
                ));
            }
        }
        let special = [
            ("mode", self.mode as u64, want.mode as u64),
            ("m0", self.m0 as u64, want.m0 as u64),
            ("scc", self.scc as u64, want.scc as u64),
            ("vcc", self.vcc, if group.ignores(&Place::Vcc) { self.vcc } else { want.vcc }),
            ("exec", self.exec, want.exec),
        ];
        out.extend(special.iter().filter(|(_, got, wanted)| got != wanted).map(|(name, got, wanted)| {
            format!("{name}: {got:x}, not {wanted:x}; s{FIRST_SCALAR}… was {:08x?}", before.scalars)
        }));
        for (name, got, wanted) in [("memory", &self.memory, &want.memory), ("lds", &self.lds, &want.lds)] {
            let wrong = got.iter().zip(wanted).enumerate().filter(|(_, (got, wanted))| got != wanted);
            out.extend(
                wrong.map(|(i, (got, wanted))| format!("{name} dword {i}: {got:08x}, not {wanted:08x}")),
            );
        }
        out
    }
}

/// Whether a class of results allows a difference of bits.
fn accepted(got: &State, want: &State, group: &Group, register: usize, lane: usize) -> bool {
    let Some((class, first, dwords)) = group.class_of(register) else { return false };
    let (name, ulps) = class.split_once('~').map_or((class, 0), |(n, u)| (n, u.parse().expect("a number")));
    let one = |state: &State, at: usize| state.vectors[at - FIRST_VECTOR][lane];
    let number = |state: &State| match name {
        "f64" => {
            let low = register - (register - first) % 2;
            one(state, low) as u64 | (one(state, low + 1) as u64) << 32
        }
        _ => one(state, register) as u64,
    };
    let (g, w) = (number(got), number(want));
    let parts = |width: u32, mantissa: u32| {
        (0..32 / width).all(|i| {
            let part = |x: u64| x >> (i * width) & ((1 << width) - 1);
            near(part(g), part(w), width, mantissa, ulps)
        })
    };
    match name {
        "any" => true,
        "f64" => dwords.is_multiple_of(2) && near(g, w, 64, 52, ulps),
        "f32" | "pk32" => parts(32, 23),
        "f16" => g >> 16 == w >> 16 && near(g & 0xffff, w & 0xffff, 16, 10, ulps),
        "bf16" => g >> 16 == w >> 16 && near(g & 0xffff, w & 0xffff, 16, 7, ulps),
        "pk16" => parts(16, 10),
        "pkbf" => parts(16, 7),
        _ => false,
    }
}

/// Both NaN, or so many steps apart.
fn near(got: u64, want: u64, width: u32, mantissa: u32, ulps: u64) -> bool {
    let sign = 1u64 << (width - 1);
    let infinity = (sign - 1) & !((1 << mantissa) - 1);
    let nan = |x: u64| x & (sign - 1) > infinity;
    match (nan(got), nan(want)) {
        (true, true) => true,
        // Where the last place may be off, a zero's sign is not known either.
        (false, false) if ulps > 0 && (got | want) & (sign - 1) == 0 => true,
        (false, false) => got & sign == want & sign && got.abs_diff(want) <= ulps,
        _ => false,
    }
}

/// Dword `i` of a big-endian hexadecimal number.
fn dword(hex: &str, i: usize) -> u32 {
    let end = hex.len() - 8 * i;
    u32::from_str_radix(&hex[end - 8..end], 16).expect("hexadecimal")
}

fn wide(text: &str) -> u64 {
    u64::from_str_radix(text, 16).expect("hexadecimal")
}

/// `index=dword,…`, or all dwords of the beginning in a row.
fn area(dwords: &mut [u32], text: &str) {
    if !text.contains('=') {
        if text != "-" {
            let n = text.len() / 8;
            for (i, value) in dwords[..n].iter_mut().enumerate() {
                *value = dword(&text[8 * i..8 * i + 8], 0);
            }
        }
        return;
    }
    for pair in text.split(',') {
        let (index, value) = pair.split_once('=').expect("index=dword");
        dwords[wide(index) as usize] = wide(value) as u32;
    }
}
