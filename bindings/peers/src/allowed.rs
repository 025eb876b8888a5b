//! Error bounds of single elements.

/// Half a unit in the last place of an f32 in [1, 2): the relative error of one rounded operation.
pub const HALF_UNIT: f64 = 1.0 / 16_777_216.0;
/// The relative error of an addition that may also truncate, as matrix instructions may.
pub const UNIT: f64 = 2.0 * HALF_UNIT;
/// Smallest normal f32: what flushing one denormal result costs.
pub const SMALLEST: f64 = f32::MIN_POSITIVE as f64;
/// Relative error of an f32 quotient: 2.5 units in the last place, what OpenCL demands and LLVM's shorter expansion
/// keeps to; a correctly rounded one is well inside.
pub const QUOTIENT: f64 = 2.5 * UNIT;

/// The format that a kernel stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// bf16, rounded to nearest.
    Bf16,
    /// bf16, cut off towards zero: the upper half of the f32.
    Bf16Truncated,
    /// f32, as computed.
    F32,
    /// i32, which has nothing to round.
    I32,
}

impl Stored {
    /// What storing a number of this magnitude may cost: half a unit in the last place when rounding to nearest, a
    /// whole one when cutting off.
    ///
    /// bf16 has 8 significant bits, so the unit at 2^e is 2^(e-7); below 2^-126 it is 2^-133. f32 results are not
    /// rounded again after the operations that the error bound counts.
    fn cost(self, magnitude: f64) -> f64 {
        // The exponent field of an f64: exact, and the same for every number of the binade.
        let exponent = ((magnitude.to_bits() >> 52) & 0x7ff) as i32 - 1023;
        let unit = 2.0_f64.powi(exponent.max(-126) - 7);
        match self {
            Stored::F32 | Stored::I32 => 0.0,
            Stored::Bf16 => unit / 2.0,
            Stored::Bf16Truncated => unit,
        }
    }
}

/// How far one stored element may be from the exact value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Allowed {
    /// The exact value.
    pub value: f64,
    /// Largest distance of a right element from it.
    pub distance: f64,
}

impl Allowed {
    /// Exactly this value.
    pub fn exact(value: f64) -> Self {
        Self { value, distance: 0.0 }
    }

    /// The device's f32 value is within `error` of `value` and is then stored once.
    ///
    /// A stored number is within half a unit (cut off: a unit) of the device's value, whose magnitude is at most
    /// |value| + error; the unit grows with the magnitude, so the sum bounds the distance.
    pub fn new(value: f64, error: f64, stored: Stored) -> Self {
        Self { value, distance: error + stored.cost(value.abs() + error) }
    }

    /// How much of the distance `found` uses: above 1 it is wrong. NaN and infinity are infinitely wrong.
    pub fn usage(&self, found: f64) -> f64 {
        let distance = (found - self.value).abs();
        if !distance.is_finite() {
            f64::INFINITY
        } else if distance == 0.0 {
            0.0
        } else {
            distance / self.distance
        }
    }
}

#[cfg(test)]
mod tests {
    use numerics::bf16;

    use super::*;

    #[test]
    fn correctly_rounded_bf16_is_always_allowed_and_its_second_neighbour_never() {
        for value in [1.0, 1.003_906_25, 1.99, -2.0, 3.0e-39, 1.0e-41, 255.5, 1.7e38, 0.0] {
            let allowed = Allowed::new(value, 0.0, Stored::Bf16);
            let code = bf16::from_f32_rne(value as f32);
            assert!(allowed.usage(f64::from(bf16::to_f32(code))) <= 1.0, "{value}");
            assert!(allowed.usage(f64::from(bf16::to_f32(code + 2))) > 1.0, "{value}");
            let cut = f64::from(f32::from_bits((value as f32).to_bits() & 0xffff_0000));
            assert!(Allowed::new(value, 0.0, Stored::Bf16Truncated).usage(cut) < 1.0, "{value}");
        }
    }

    #[test]
    fn what_is_not_a_number_is_never_allowed() {
        let allowed = Allowed::new(1.0, 1.0e300, Stored::F32);
        assert_eq!(allowed.usage(f64::NAN), f64::INFINITY);
        assert_eq!(allowed.usage(f64::INFINITY), f64::INFINITY);
        assert_eq!(Allowed::new(2.0, 0.0, Stored::F32).usage(2.0), 0.0);
        assert_eq!(Allowed::new(2.0, 0.0, Stored::F32).usage(2.5), f64::INFINITY);
    }
}
