//! Chooses, once per process, how a lane handler is compiled: portable, or for AVX2 + FMA.
//!
//! A handler body is written once; [`simd!`] compiles it twice and returns the variant for this CPU.
//! Wider registers did not pay for 64-lane integer and FP32 loops (the loads and stores dominate);
//! the matrix handlers, where they do pay, choose for themselves.

use std::sync::OnceLock;

use crate::{
    fault::Fault,
    op::Op,
    wave::{Cx, Wave},
};

/// What a handler returns; the fault is boxed because the good path must stay one register wide.
pub(crate) type Step = Result<(), Box<Fault>>;

/// An instruction handler.
///
/// # Safety
/// May be compiled for the [`Level`] of this process: call it only through an [`Op`] whose `exec` came
/// from [`simd!`] or from a plain function.
pub(crate) type Exec = unsafe fn(&mut Wave, &Op, &mut Cx<'_>) -> Step;

/// Executes one instruction.
///
/// # Errors
/// The handler's fault.
#[inline(always)]
pub(crate) fn execute(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>) -> Step {
    // SAFETY: `exec` is a plain function or was chosen for at most the level of this process.
    unsafe { (op.exec)(wave, op, cx) }
}

/// Vector extensions of the host that handlers are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The target's baseline.
    Portable,
    /// AVX2, FMA, BMI2, F16C.
    Avx2,
    /// AVX-512 F/BW/DQ/VL/VNNI on top.
    Avx512,
}

/// The level of this process: the CPU's, or lower if `MI355X_SIMD` says `portable` or `avx2`.
pub fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(|| {
        let limit = match std::env::var("MI355X_SIMD").as_deref() {
            Ok("portable") => Level::Portable,
            Ok("avx2") => Level::Avx2,
            _ => Level::Avx512,
        };
        detected().min(limit)
    })
}

#[cfg(target_arch = "x86_64")]
fn detected() -> Level {
    let avx2 = is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("f16c");
    let avx512 = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vnni");
    match (avx2, avx512) {
        (true, true) => Level::Avx512,
        (true, false) => Level::Avx2,
        _ => Level::Portable,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn detected() -> Level {
    Level::Portable
}

/// Compiles `body` as a handler for each level and yields the [`Exec`] of this CPU.
///
/// Everything that `body` calls per lane must be `#[inline(always)]`, or it keeps the baseline's
/// instructions (an out-of-line `f32::mul_add` is a libm call, 6 times slower).
macro_rules! simd {
    (|$wave:ident, $op:ident, $cx:pat_param| $body:expr) => {{
        fn portable(
            $wave: &mut $crate::wave::Wave,
            $op: &$crate::op::Op,
            $cx: &mut $crate::wave::Cx<'_>,
        ) -> $crate::simd::Step {
            $body
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma,bmi2,f16c")]
        fn avx2(
            $wave: &mut $crate::wave::Wave,
            $op: &$crate::op::Op,
            $cx: &mut $crate::wave::Cx<'_>,
        ) -> $crate::simd::Step {
            $body
        }
        #[cfg(target_arch = "x86_64")]
        let chosen: $crate::simd::Exec =
            if $crate::simd::level() >= $crate::simd::Level::Avx2 { avx2 } else { portable };
        #[cfg(not(target_arch = "x86_64"))]
        let chosen: $crate::simd::Exec = portable;
        chosen
    }};
}
pub(crate) use simd;

/// Vector registers of the host from and to slices of dwords.
#[cfg(target_arch = "x86_64")]
pub(crate) mod vector {
    use std::arch::x86_64::*;

    /// A 32-bit integer.
    ///
    /// Any bit pattern is a value; size and alignment are 4.
    pub(crate) trait Dword: Copy {}
    impl Dword for u32 {}
    impl Dword for i32 {}

    /// The first 8 dwords. Panics if there are fewer.
    #[inline]
    #[target_feature(enable = "avx")]
    pub(crate) fn load256<T: Dword>(from: &[T]) -> __m256i {
        let from = &from[..8];
        // SAFETY: `from` is 32 readable bytes; the instruction needs no alignment.
        unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
    }

    /// Writes the first 8 dwords. Panics if there are fewer.
    #[inline]
    #[target_feature(enable = "avx")]
    pub(crate) fn store256<T: Dword>(to: &mut [T], value: __m256i) {
        let to = &mut to[..8];
        // SAFETY: `to` is 32 writable bytes of a type that takes any bits; no alignment is needed.
        unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), value) }
    }

    /// The first 16 dwords. Panics if there are fewer.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(crate) fn load512<T: Dword>(from: &[T]) -> __m512i {
        let from = &from[..16];
        // SAFETY: `from` is 64 readable bytes; the instruction needs no alignment.
        unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
    }

    /// Writes the first 16 dwords. Panics if there are fewer.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(crate) fn store512<T: Dword>(to: &mut [T], value: __m512i) {
        let to = &mut to[..16];
        // SAFETY: `to` is 64 writable bytes of a type that takes any bits; no alignment is needed.
        unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), value) }
    }
}
