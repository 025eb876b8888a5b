//! The middle of a mixture of experts: activation and requantisation, with what a device may make of them.

use numerics::mx::{BLOCK, Mxfp4Rule};
use numerics::{e2m1, e8m0};

use super::Dot;

/// A number that the device knows only to within an error.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Uncertain {
    /// The exact value, or the middle of what it may be.
    pub value: f64,
    /// Largest distance of the device's value.
    pub error: f64,
}

/// `act(gate) · up`. `steps` additions made each of the two sums.
///
/// With u = 2^-23 a sum errs by steps·u·Σ|term|. Neither activation is steeper than 1.13; evaluating one errs by at
/// most (16 + 4·|gate|)·u relative, for exp2 of a scaled argument, a reciprocal and some products.
pub fn gated(gate: Dot, up: Dot, steps: f64, activation: impl Fn(f64) -> f64) -> Uncertain {
    let unit = 2.0_f64.powi(-23);
    let error = |dot: Dot| steps * unit * dot.magnitude * (1.0 + steps * unit);
    let active = activation(gate.value);
    let value = active * up.value;
    let active_error = 1.13 * error(gate) + (16.0 + 4.0 * gate.value.abs()) * unit * active.abs();
    let error = active_error * (up.value.abs() + error(up)) + active.abs() * error(up) + unit * value.abs();
    Uncertain { value, error }
}

/// What an MXFP4 block may hold after the device has quantised these numbers: all that any values within their
/// errors give under any scale that an amax within the errors gives.
pub fn requantised(block: &[Uncertain], rule: &Mxfp4Rule) -> Vec<Uncertain> {
    let amax = |sign: f64| block.iter().fold(0.0_f64, |max, x| max.max(x.value.abs() + sign * x.error));
    let scales = rule.scale_byte(amax(-1.0) as f32)..=rule.scale_byte(amax(1.0) as f32);
    debug_assert_eq!(block.len(), BLOCK);
    let quantised = |x: &Uncertain| {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for scale in scales.clone() {
            for end in [x.value - x.error, x.value + x.error] {
                let code = e2m1::from_f32(end as f32, i32::from(scale) - 127, rule.element);
                let value = f64::from(e2m1::to_f32(code)) * f64::from(e8m0::to_f32(scale));
                (low, high) = (low.min(value), high.max(value));
            }
        }
        Uncertain { value: (low + high) / 2.0, error: (high - low) / 2.0 }
    };
    block.iter().map(quantised).collect()
}

/// `x · sigmoid(x)`.
pub fn silu(x: f64) -> f64 {
    x / (1.0 + (-x).exp())
}

/// The Gaussian error linear unit, in the form with tanh.
pub fn gelu_tanh(x: f64) -> f64 {
    let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
    0.5 * x * (1.0 + inner.tanh())
}

#[cfg(test)]
mod tests {
    use numerics::mx::ScaleRounding;

    use super::*;

    #[test]
    fn exact_values_are_quantised_as_they_are_and_uncertain_ones_cover_both_codes() {
        let rule = Mxfp4Rule::new(ScaleRounding::Even);
        let mut block = vec![Uncertain::default(); BLOCK];
        block[0].value = 6.0;
        // Between the codes 1 and 1.5 the boundary is 1.25.
        block[1] = Uncertain { value: 1.25, error: 0.01 };
        block[2] = Uncertain { value: 1.1, error: 0.01 };
        let out = requantised(&block, &rule);
        assert_eq!(out[0], Uncertain { value: 6.0, error: 0.0 });
        assert_eq!(out[1], Uncertain { value: 1.25, error: 0.25 });
        assert_eq!(out[2], Uncertain { value: 1.0, error: 0.0 });
    }

    #[test]
    fn activations_at_known_points() {
        assert_eq!((silu(0.0), gelu_tanh(0.0)), (0.0, 0.0));
        assert!((silu(1.0) - 0.731_058_578_630_004_9).abs() < 1e-15);
        assert!((gelu_tanh(1.0) - 0.841_191_990_608_276_8).abs() < 1e-12);
    }
}
