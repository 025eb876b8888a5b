//! silu(gate) · up, the input of the second MLP projection.

use crate::{Elements, Error, Rows, TruthRows};

/// The device's error bound: `relative · |silu(g)·u| + silu_absolute · |u|`, the second term for gates below
/// [`EXPONENTIAL_RANGE`] only. What f32 loses to its denormals, in silu and in the product, is added to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SiluTolerance {
    /// From exp, rcp and the two products, as a share of the result.
    pub relative: f64,
    /// On silu itself, where 1 + exp(-g) or its reciprocal leaves f32's normal range: the device's silu may be 0
    /// where the truth is some 1e-36.
    pub silu_absolute: f64,
}

/// Gates below this have a 1 + exp(-g) above 2^126 = exp(87.34), within an error far above any device's.
pub const EXPONENTIAL_RANGE: f64 = -87.0;

/// silu(gate) · up of rows `[gate(k) ; up(k)]`; silu(g) = g / (1 + exp(-g)).
///
/// The device computes in f32 and quantises the f32 product: where a bound's end lies beyond f32, it may be Inf. -Inf
/// as gate gives NaN, as does 0 · Inf.
#[derive(Debug, Clone, Copy)]
pub struct SiluMul<'a> {
    x: Elements<'a>,
    rows: Rows,
    tolerance: SiluTolerance,
}

impl<'a> SiluMul<'a> {
    /// `rows.k` is the number of *outputs* per row; each row of `x` holds `2·k` elements, `rows.stride >= 2·k`.
    pub fn new(x: Elements<'a>, rows: Rows, tolerance: SiluTolerance) -> Result<Self, Error> {
        rows.check("silu_mul", "x", 2 * rows.k, x.len())?;
        Ok(Self { x, rows, tolerance })
    }
}

impl TruthRows for SiluMul<'_> {
    fn m(&self) -> usize {
        self.rows.m
    }

    fn k(&self) -> usize {
        self.rows.k
    }

    fn row(&self, row: usize, values: &mut [f64], errors: &mut [f64]) {
        const CHUNK: usize = 64;
        let (mut gates, mut ups) = ([0.0_f32; CHUNK], [0.0_f32; CHUNK]);
        let start = row * self.rows.stride;
        let chunks = values.chunks_mut(CHUNK).zip(errors.chunks_mut(CHUNK)).enumerate();
        for (chunk, (values, errors)) in chunks {
            let (gates, ups) = (&mut gates[..values.len()], &mut ups[..values.len()]);
            self.x.widen(start + chunk * CHUNK, gates);
            self.x.widen(start + self.rows.k + chunk * CHUNK, ups);
            for (((value, error), gate), up) in values.iter_mut().zip(errors).zip(gates).zip(ups) {
                let (gate, up) = (f64::from(*gate), f64::from(*up));
                *value = gate / (1.0 + (-gate).exp()) * up;
                let out_of_range = if gate < EXPONENTIAL_RANGE { self.tolerance.silu_absolute } else { 0.0 };
                let silu_error = out_of_range + SMALLEST_F32;
                let bound = self.tolerance.relative * value.abs() + silu_error * up.abs() + SMALLEST_F32;
                // A product keeps its sign even where it underflows.
                *error = bound.min(value.abs());
            }
        }
    }
}

/// The smallest f32, 2^-149: twice what rounding to a denormal may lose.
pub(crate) const SMALLEST_F32: f64 = f32::from_bits(1) as f64;

#[cfg(test)]
mod tests {
    use super::*;

    const TOLERANCE: SiluTolerance = SiluTolerance { relative: 1e-5, silu_absolute: 1e-36 };

    /// Value and bound of one gate and one up, as the first of 32.
    fn of(gate: f32, up: f32) -> (f64, f64) {
        let x: Vec<f32> = (0..64).map(|i| if i < 32 { gate } else { up }).collect();
        let truth = SiluMul::new(Elements::F32(&x), Rows { m: 1, k: 32, stride: 64 }, TOLERANCE).unwrap();
        let (mut values, mut errors) = ([0.0; 32], [0.0; 32]);
        truth.row(0, &mut values, &mut errors);
        (values[0], errors[0])
    }

    #[test]
    fn values() {
        let (value, error) = of(1.0, 3.0);
        assert!((value - 3.0 * 0.731_058_578_630_005).abs() < 1e-14 && error < 3e-5, "{value} {error}");
        assert_eq!(of(0.0, 5.0), (0.0, 0.0));
        assert_eq!(of(f32::INFINITY, 2.0).0, f64::INFINITY);
        assert!(of(f32::NEG_INFINITY, 2.0).0.is_nan());
        assert!(of(0.0, f32::INFINITY).0.is_nan());
        // Beyond f32, within f64.
        assert!((of(1e30, -1e30).0 + 1e60).abs() < 1e54);
    }

    #[test]
    fn the_bound_reaches_zero_where_the_device_may_and_not_elsewhere() {
        let (value, error) = of(-88.0, 1.0);
        assert_eq!(value.abs(), error);
        let (value, error) = of(-86.0, 1.0);
        assert!(error < 2e-5 * value.abs());
        // A product that underflows.
        let (value, error) = of(1e-30, 1e-30);
        assert!(value > 0.0 && value == error);
    }
}
