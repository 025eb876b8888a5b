//! Strided rows and their element types.

use numerics::{bf16, f16};

use crate::Error;

/// `m` rows of `k` elements, the first element of each `stride` elements after that of the row before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rows {
    /// Rows, 0 allowed.
    pub m: usize,
    /// Elements per row.
    pub k: usize,
    /// Elements from one row to the next, at least the row's width.
    pub stride: usize,
}

impl Rows {
    /// Rows without gaps.
    #[must_use]
    pub const fn packed(m: usize, k: usize) -> Self {
        Self { m, k, stride: k }
    }

    /// Checks that rows of `width` elements fit `len` elements.
    pub(crate) fn check(
        &self,
        operation: &'static str,
        operand: &'static str,
        width: usize,
        len: usize,
    ) -> Result<(), Error> {
        check_rows(operation, operand, self.m, width, self.stride, len)
    }

    /// Checks that K consists of whole blocks.
    pub(crate) fn check_blocks(&self, operation: &'static str, multiple: usize) -> Result<(), Error> {
        if self.k.is_multiple_of(multiple) {
            Ok(())
        } else {
            Err(Error::PartialBlock { operation, k: self.k, multiple })
        }
    }
}

/// Checks that `m` rows of `width` elements, `stride` apart, fit `len` elements.
pub(crate) fn check_rows(
    operation: &'static str,
    operand: &'static str,
    m: usize,
    width: usize,
    stride: usize,
    len: usize,
) -> Result<(), Error> {
    if m > 1 && stride < width {
        return Err(Error::OverlappingRows { operation, operand, stride, width });
    }
    let needed = match m {
        0 => 0,
        _ => (m - 1).saturating_mul(stride).saturating_add(width),
    };
    if len < needed {
        return Err(Error::TooShort { operation, operand, needed, actual: len });
    }
    Ok(())
}

/// A tensor's elements as the device holds them; halves as bits.
#[derive(Debug, Clone, Copy)]
pub enum Elements<'a> {
    /// bf16 bits.
    Bf16(&'a [u16]),
    /// f16 bits.
    F16(&'a [u16]),
    /// f32 values.
    F32(&'a [f32]),
}

impl Elements<'_> {
    /// Number of elements, gaps between rows included.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self {
            Self::Bf16(bits) | Self::F16(bits) => bits.len(),
            Self::F32(values) => values.len(),
        }
    }

    /// True if there is no element.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Widens the `values.len()` elements from `start` on; exact.
    pub(crate) fn widen(&self, start: usize, values: &mut [f32]) {
        let range = start..start + values.len();
        match self {
            Self::Bf16(bits) => {
                values.iter_mut().zip(&bits[range]).for_each(|(x, bits)| *x = bf16::to_f32(*bits));
            }
            Self::F16(bits) => {
                values.iter_mut().zip(&bits[range]).for_each(|(x, bits)| *x = f16::to_f32(*bits));
            }
            Self::F32(source) => values.copy_from_slice(&source[range]),
        }
    }
}

/// The 16-bit formats that operators write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Half {
    /// bfloat16.
    Bf16,
    /// IEEE binary16.
    F16,
}

impl Half {
    /// Exact value.
    #[must_use]
    pub fn to_f32(self, bits: u16) -> f32 {
        match self {
            Self::Bf16 => bf16::to_f32(bits),
            Self::F16 => f16::to_f32(bits),
        }
    }

    /// Nearest, ties to even; overflow to ±Inf.
    #[must_use]
    pub fn from_f32_rne(self, x: f32) -> u16 {
        match self {
            Self::Bf16 => bf16::from_f32_rne(x),
            Self::F16 => f16::from_f32_rne(x),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_must_fit_and_not_overlap() {
        let rows = Rows { m: 3, k: 32, stride: 40 };
        assert_eq!(rows.check("test", "x", 32, 112), Ok(()));
        let short = Error::TooShort { operation: "test", operand: "x", needed: 112, actual: 111 };
        assert_eq!(rows.check("test", "x", 32, 111), Err(short));
        let overlapping = Rows { stride: 31, ..rows }.check("test", "x", 32, 1000);
        assert!(matches!(overlapping, Err(Error::OverlappingRows { stride: 31, width: 32, .. })));
        // One row has no next one, none needs no element.
        assert_eq!(Rows { m: 1, k: 32, stride: 0 }.check("test", "x", 32, 32), Ok(()));
        assert_eq!(Rows::packed(0, 32).check("test", "x", 32, 0), Ok(()));
        assert_eq!(rows.check_blocks("test", 32), Ok(()));
        let partial = Rows::packed(1, 48).check_blocks("test", 32);
        assert!(matches!(partial, Err(Error::PartialBlock { k: 48, multiple: 32, .. })));
    }

    #[test]
    fn elements_widen_from_where_they_are_asked() {
        let mut values = [0.0; 2];
        Elements::Bf16(&[0, 0x3f80, 0xc000]).widen(1, &mut values);
        assert_eq!(values, [1.0, -2.0]);
        Elements::F16(&[0x3c00, 0xc000, 0]).widen(0, &mut values);
        assert_eq!(values, [1.0, -2.0]);
        Elements::F32(&[0.5, 0.25]).widen(0, &mut values);
        assert_eq!(values, [0.5, 0.25]);
    }
}
