//! Elementary functions: deterministic, branch-free, the same bits on every host.
//!
//! The hardware documents 1 ULP for exp, log, rcp, rsq and sqrt of f32 but not its bits. Here they are
//! evaluated in f64 with errors below 2⁻³⁸ relative and rounded once, so results are within 0.5001 ULP of the
//! true value. sin and cos take revolutions and are as accurate for |x| up to 2²⁴; GFX9 reduces the range
//! itself (LLVM applies no v_fract before them there). No fused operations: the portable and the AVX2 build
//! agree.

/// Adding and subtracting this rounds an f64 below 2⁵¹ to an integer, ties to even.
const ROUND_F64: f64 = 6_755_399_441_055_744.0;

/// 2^x.
#[inline(always)]
pub(super) fn exp2(x: f32) -> f32 {
    let clamped = (x as f64).clamp(-200.0, 200.0);
    let integer = (clamped + ROUND_F64) - ROUND_F64;
    let f = (clamped - integer) * std::f64::consts::LN_2;
    // Taylor of e^f for |f| ≤ 0.3466: the first dropped term is f¹⁰/10! < 7e−12.
    let e = 1.0 / 362_880.0;
    let e = e * f + 1.0 / 40_320.0;
    let e = e * f + 1.0 / 5_040.0;
    let e = e * f + 1.0 / 720.0;
    let e = e * f + 1.0 / 120.0;
    let e = e * f + 1.0 / 24.0;
    let e = e * f + 1.0 / 6.0;
    let e = e * f + 0.5;
    let e = e * f + 1.0;
    let e = e * f + 1.0;
    let power = ((integer + ROUND_F64).to_bits() << 52).wrapping_add(1.0f64.to_bits());
    let result = (e * f64::from_bits(power)) as f32;
    if x.is_nan() { x } else { result }
}

/// log2(x): −∞ of zeros, NaN below zero.
#[inline(always)]
pub(super) fn log2(x: f32) -> f32 {
    let bits = (x as f64).to_bits();
    // Splits so that the mantissa lies in [√½, √2).
    let offset = bits.wrapping_sub(0x3fe6_a09e_667f_3bcd);
    let exponent = (offset as i64 >> 52) as i32;
    let mantissa = f64::from_bits(bits.wrapping_sub(offset & 0xfff0_0000_0000_0000));
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let z = s * s;
    // 2·atanh(s) for |s| ≤ 0.1716: the first dropped term is s¹⁷/17 relative s, < 4e−14.
    let p = 1.0 / 15.0;
    let p = p * z + 1.0 / 13.0;
    let p = p * z + 1.0 / 11.0;
    let p = p * z + 1.0 / 9.0;
    let p = p * z + 1.0 / 7.0;
    let p = p * z + 1.0 / 5.0;
    let p = p * z + 1.0 / 3.0;
    let p = p * z + 1.0;
    let result = (exponent as f64 + s * p * (2.0 * std::f64::consts::LOG2_E)) as f32;
    if x == 0.0 {
        f32::NEG_INFINITY
    } else if x < 0.0 {
        f32::NAN
    } else if x < f32::INFINITY {
        result
    } else {
        x
    }
}

/// 1/√x.
#[inline(always)]
pub(super) fn rsq(x: f32) -> f32 {
    let result = (1.0 / (x as f64).sqrt()) as f32;
    // The root of −0 is −0 in IEEE 754; its reciprocal keeps the sign.
    if x == 0.0 { 1.0 / x } else { result }
}

/// sin(2π·x).
#[inline(always)]
pub(super) fn sin(x: f32) -> f32 {
    let (quadrant, sine, cosine) = circle(x);
    let value = if quadrant & 1 == 0 { sine } else { cosine };
    let result = (if quadrant & 2 == 0 { value } else { -value }) as f32;
    if x == 0.0 { x } else { result }
}

/// cos(2π·x).
#[inline(always)]
pub(super) fn cos(x: f32) -> f32 {
    let (quadrant, sine, cosine) = circle(x);
    let value = if quadrant & 1 == 0 { cosine } else { sine };
    (if (quadrant + 1) & 2 == 0 { value } else { -value }) as f32
}

/// Quadrant of `x` revolutions, and sine and cosine of the rest in ±π/4. Infinities give NaN.
#[inline(always)]
fn circle(x: f32) -> (u32, f64, f64) {
    let x = x as f64;
    let large = x.abs() > 1e9;
    // Beyond 2²⁴ every f32 is a whole number of revolutions.
    let turns = if large { 0.0 * x.abs() } else { x };
    let quarters = turns * 4.0;
    let nearest = (quarters + ROUND_F64) - ROUND_F64;
    let quadrant = (nearest + ROUND_F64).to_bits() as u32 & 3;
    let a = (quarters - nearest) * std::f64::consts::FRAC_PI_2;
    let z = a * a;
    // Taylor on |a| ≤ π/4: first dropped terms a¹³/13! < 7e−12 and a¹⁴/14! < 4e−13.
    let s = -1.0 / 39_916_800.0;
    let s = s * z + 1.0 / 362_880.0;
    let s = s * z - 1.0 / 5_040.0;
    let s = s * z + 1.0 / 120.0;
    let s = s * z - 1.0 / 6.0;
    let s = s * z * a + a;
    let c = 1.0 / 479_001_600.0;
    let c = c * z - 1.0 / 3_628_800.0;
    let c = c * z + 1.0 / 40_320.0;
    let c = c * z - 1.0 / 720.0;
    let c = c * z + 1.0 / 24.0;
    let c = c * z - 0.5;
    let c = c * z + 1.0;
    (quadrant, s, c)
}

/// Nearest integer, ties to even; keeps the sign of zero.
#[inline(always)]
pub(super) fn rndne(x: f32) -> f32 {
    const ROUND_F32: f32 = 8_388_608.0;
    let magnitude = x.abs();
    let rounded = ((magnitude + ROUND_F32) - ROUND_F32).copysign(x);
    if magnitude < ROUND_F32 { rounded } else { x }
}

/// Integer towards zero; keeps the sign of zero.
#[inline(always)]
pub(super) fn trunc(x: f32) -> f32 {
    let magnitude = x.abs();
    let rounded = rndne(magnitude);
    let lowered = if rounded > magnitude { rounded - 1.0 } else { rounded };
    lowered.copysign(x)
}

/// Integer towards −∞.
#[inline(always)]
pub(super) fn floor(x: f32) -> f32 {
    let rounded = rndne(x);
    if rounded > x { rounded - 1.0 } else { rounded }
}

/// Integer towards +∞.
#[inline(always)]
pub(super) fn ceil(x: f32) -> f32 {
    let rounded = rndne(x);
    (if rounded < x { rounded + 1.0 } else { rounded }).copysign(x)
}

/// x − ⌊x⌋, never 1: the result stays at `largest`, the bits of the format's last value below one, where the
/// difference would round up.
#[inline(always)]
pub(super) fn fract_below(x: f32, largest: u32) -> f32 {
    let fraction = x - floor(x);
    if fraction > f32::from_bits(largest) { f32::from_bits(largest) } else { fraction }
}

/// Mantissa in ±[0.5, 1); zeros, infinities and NaN unchanged.
#[inline(always)]
pub(super) fn frexp_mantissa(x: f64) -> f64 {
    if x == 0.0 || !x.is_finite() {
        return x;
    }
    let normal = if x.abs() < f64::MIN_POSITIVE { x * 18_014_398_509_481_984.0 } else { x };
    f64::from_bits(normal.to_bits() & 0x800f_ffff_ffff_ffff | 0x3fe0_0000_0000_0000)
}

/// Exponent that goes with [`frexp_mantissa`]; 0 for zeros, infinities and NaN.
#[inline(always)]
pub(super) fn frexp_exponent(x: f64) -> i32 {
    if x == 0.0 || !x.is_finite() {
        return 0;
    }
    let denormal = x.abs() < f64::MIN_POSITIVE;
    let normal = if denormal { x * 18_014_398_509_481_984.0 } else { x };
    (normal.to_bits() >> 52 & 0x7ff) as i32 - 1022 - if denormal { 54 } else { 0 }
}
