//! The conversions between float and half that ROCm's library exports for host code of compilers without them.

/// Nearest half of `value`, ties to even, as its bits.
///
/// ROCm's own gives every NaN the payload 0x200; this one keeps the upper payload and makes it quiet, as
/// the processor's instruction does.
#[unsafe(no_mangle)]
pub extern "C" fn __gnu_f2h_ieee(value: f32) -> u16 {
    numerics::f16::from_f32_rne(value)
}
crate::api::version!(__gnu_f2h_ieee);

/// The exact value of a half.
#[unsafe(no_mangle)]
pub extern "C" fn __gnu_h2f_ieee(bits: u16) -> f32 {
    numerics::f16::to_f32(bits)
}
crate::api::version!(__gnu_h2f_ieee);
