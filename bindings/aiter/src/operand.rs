//! Checks of operands before a launch: a kernel that is given a short buffer would corrupt memory.

use crate::{Error, Result};

/// That `operand` of a launch has the elements that the shape asks for.
pub(crate) fn check_len(
    family: &'static str,
    operand: &'static str,
    expected: usize,
    found: usize,
) -> Result<()> {
    if expected == found { Ok(()) } else { Err(Error::Operand { family, operand, expected, found }) }
}

/// A size or stride as the kernels take it.
pub(crate) fn word(family: &'static str, shape: impl ToString, value: usize) -> Result<u32> {
    u32::try_from(value).map_err(|_| Error::Shape {
        family,
        shape: shape.to_string(),
        reason: format!("{value} does not fit the 32 bits of the argument struct; split the problem"),
    })
}
