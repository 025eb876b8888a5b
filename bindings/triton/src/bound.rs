//! How far elements may be from the exact value, and the count of those that are farther.

/// Half a unit in the last place of an f32 in [1, 2): the relative error of one rounded operation.
pub(crate) const HALF_UNIT: f64 = 1.0 / 16_777_216.0;
/// The relative error of an addition that may also truncate, as matrix instructions may.
pub(crate) const UNIT: f64 = 2.0 * HALF_UNIT;
/// Smallest normal f32: what flushing one denormal result costs.
pub(crate) const SMALLEST: f64 = f32::MIN_POSITIVE as f64;
/// Relative error of an f32 quotient: 2.5 units in the last place, what OpenCL demands and LLVM's shorter expansion
/// keeps to; a correctly rounded one is well inside.
pub(crate) const QUOTIENT: f64 = 2.5 * UNIT;

/// The format that a kernel stores its f32 result in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// bf16, rounded to nearest.
    Bf16,
    /// f32, as computed.
    F32,
    /// i32, which has nothing to round.
    I32,
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

    /// The kernel's f32 is within `error` of `value` and is then stored once.
    ///
    /// Rounding to bf16 costs half of its unit 2^(e-7), at a magnitude of at most |value| + error; the unit is never
    /// below that of its denormals, 2^-133.
    pub fn new(value: f64, error: f64, stored: Stored) -> Self {
        let magnitude = value.abs() + error;
        let exponent = ((magnitude.to_bits() >> 52) & 0x7ff) as i32 - 1023;
        let rounding = match stored {
            Stored::Bf16 => 2.0_f64.powi(exponent.max(-126) - 8),
            Stored::F32 | Stored::I32 => 0.0,
        };
        Self { value, distance: error + rounding }
    }

    /// How much of the distance `found` uses: above 1 it is wrong. NaN is infinitely wrong.
    pub fn usage(&self, found: f64) -> f64 {
        let distance = (found - self.value).abs();
        if distance == 0.0 {
            0.0
        } else if distance.is_finite() {
            distance / self.distance
        } else {
            f64::INFINITY
        }
    }
}

/// A comparison, element by element.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tally {
    /// Elements compared.
    pub elements: usize,
    /// Elements outside their bound.
    pub wrong: usize,
    /// The largest distance from the exact value.
    pub worst_error: f64,
    /// The largest share of its bound that an element used.
    pub worst_usage: f64,
    /// The element with that share: name, found, exact value.
    pub worst: Option<(String, f64, f64)>,
}

impl Tally {
    /// Compares one element; `name` is asked for only when it is the worst so far.
    pub fn add(&mut self, allowed: Allowed, found: f64, name: impl FnOnce() -> String) {
        let usage = allowed.usage(found);
        let error = (found - allowed.value).abs();
        self.elements += 1;
        self.wrong += usize::from(usage > 1.0);
        self.worst_error = if error.is_nan() { f64::INFINITY } else { self.worst_error.max(error) };
        if usage > self.worst_usage {
            self.worst_usage = usage;
            self.worst = Some((name(), found, allowed.value));
        }
    }

    /// Both comparisons in one.
    pub fn join(self, other: Self) -> Self {
        let (worst_usage, worst) = if other.worst_usage > self.worst_usage {
            (other.worst_usage, other.worst)
        } else {
            (self.worst_usage, self.worst)
        };
        Self {
            elements: self.elements + other.elements,
            wrong: self.wrong + other.wrong,
            worst_error: self.worst_error.max(other.worst_error),
            worst_usage,
            worst,
        }
    }

    /// Whether it counts against the kernel: something wrong, or nothing compared.
    pub fn is_failure(&self) -> bool {
        self.wrong > 0 || self.elements == 0
    }
}

#[cfg(test)]
mod tests {
    use numerics::bf16;

    use super::*;

    #[test]
    fn the_nearest_bf16_is_allowed_and_its_second_neighbour_is_not() {
        for value in [1.0, 1.003_906_25, 1.99, -2.0, 3.0e-39, 255.5, 1.7e38] {
            let allowed = Allowed::new(value, 0.0, Stored::Bf16);
            let code = bf16::from_f32_rne(value as f32);
            assert!(allowed.usage(f64::from(bf16::to_f32(code))) <= 1.0, "{value}");
            assert!(allowed.usage(f64::from(bf16::to_f32(code + 2))) > 1.0, "{value}");
        }
    }

    #[test]
    fn exact_means_exact_and_nan_is_wrong() {
        let mut tally = Tally::default();
        assert!(tally.is_failure(), "a comparison of nothing proves nothing");
        tally.add(Allowed::exact(1.0), 1.0, || "a".to_owned());
        assert!(!tally.is_failure());
        tally.add(Allowed::exact(1.0), 1.0 + f64::EPSILON, || "b".to_owned());
        tally.add(Allowed::new(1.0, 1e9, Stored::F32), f64::NAN, || "c".to_owned());
        assert_eq!((tally.elements, tally.wrong, tally.worst_error), (3, 2, f64::INFINITY));
        assert_eq!(tally.worst.as_ref().unwrap().0, "b");
        let joined = Tally::default().join(tally);
        assert_eq!((joined.elements, joined.wrong), (3, 2));
    }
}
