//! Chooses, once per process, how a lane handler is compiled: portable, or for AVX2 + FMA.
//!
//! A handler body is written once; [`simd!`] compiles it twice and returns the variant for this CPU.
//! Wider registers did not pay for 64-lane integer and FP32 loops (the loads and stores dominate);
//! the matrix handlers, where they do pay, choose for themselves.

use std::sync::OnceLock;

use crate::{
    fault::Fault,
    lanes::Lanes,
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

/// Copies the lanes of `value` whose bit of `mask` is set.
#[inline(always)]
pub(crate) fn blend(target: &mut Lanes, value: &Lanes, mask: u64) {
    if mask == !0 {
        *target = *value;
        return;
    }
    #[cfg(target_arch = "x86_64")]
    match level() {
        Level::Portable => {}
        // SAFETY: the CPU has what the level names.
        Level::Avx2 => return unsafe { vector::blend_avx2(target, value, mask) },
        // SAFETY: as above.
        Level::Avx512 => return unsafe { vector::blend_avx512(target, value, mask) },
    }
    blend_lanes(target, value, mask);
}

/// [`blend`] without vector instructions of its own.
fn blend_lanes(target: &mut Lanes, value: &Lanes, mask: u64) {
    const BITS: [u32; 8] = [1, 2, 4, 8, 16, 32, 64, 128];
    for group in 0..8 {
        let byte = (mask >> (8 * group)) as u32 & 0xff;
        for (j, bit) in BITS.iter().enumerate() {
            let lane = 8 * group + j;
            target[lane] = if byte & bit != 0 { value[lane] } else { target[lane] };
        }
    }
}

/// Lane i of the result is lane `sources[i]` of `source`. With `in_rows`, all sources lie in the row of 16 lanes
/// of their result. Beyond 63, any lane.
#[inline(always)]
pub(crate) fn permute(source: &Lanes, sources: &[u8; 64], in_rows: bool) -> Lanes {
    #[cfg(target_arch = "x86_64")]
    if in_rows && level() == Level::Avx512 {
        // SAFETY: the CPU has what the level names.
        return unsafe { vector::permute_rows_avx512(source, sources) };
    }
    Lanes(std::array::from_fn(|lane| source[sources[lane] as usize & 63]))
}

/// Vector registers of the host from and to slices of dwords.
#[cfg(target_arch = "x86_64")]
pub(crate) mod vector {
    use std::arch::x86_64::*;

    use crate::lanes::Lanes;

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

    /// [`blend`](super::blend).
    #[target_feature(enable = "avx2")]
    pub(super) fn blend_avx2(target: &mut Lanes, value: &Lanes, mask: u64) {
        let bits = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
        for group in 0..8 {
            let byte = _mm256_set1_epi32((mask >> (8 * group)) as i32);
            let chosen = _mm256_cmpeq_epi32(_mm256_and_si256(byte, bits), bits);
            let (old, new) = (load256(&target[8 * group..]), load256(&value[8 * group..]));
            store256(&mut target[8 * group..], _mm256_blendv_epi8(old, new, chosen));
        }
    }

    /// [`blend`](super::blend).
    #[target_feature(enable = "avx512f")]
    pub(super) fn blend_avx512(target: &mut Lanes, value: &Lanes, mask: u64) {
        for row in 0..4 {
            let (old, new) = (load512(&target[16 * row..]), load512(&value[16 * row..]));
            let blended = _mm512_mask_mov_epi32(old, (mask >> (16 * row)) as u16, new);
            store512(&mut target[16 * row..], blended);
        }
    }

    /// [`permute`](super::permute) within rows of 16 lanes.
    #[target_feature(enable = "avx512f")]
    pub(super) fn permute_rows_avx512(source: &Lanes, sources: &[u8; 64]) -> Lanes {
        let mut result = Lanes::ZERO;
        for row in 0..4 {
            let from: [u8; 16] = sources[16 * row..][..16].try_into().expect("16 lanes");
            let number = u128::from_le_bytes(from);
            let lanes = _mm512_cvtepu8_epi32(_mm_set_epi64x((number >> 64) as i64, number as i64));
            // The instruction takes the low four bits: the place in the row.
            let permuted = _mm512_permutexvar_epi32(lanes, load512(&source[16 * row..]));
            store512(&mut result[16 * row..], permuted);
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Some masks that vector code gets wrong, and some that it does not.
    const MASKS: [u64; 8] = [
        0,
        !0,
        1,
        1 << 63,
        0x5555_5555_5555_5555,
        0x8000_0001_8000_0001,
        0x00ff_ff00_0f0f_f0f0,
        0xdead_beef_0123_4567,
    ];

    fn check(blend: impl Fn(&mut Lanes, &Lanes, u64)) {
        for mask in MASKS {
            let mut target = Lanes(std::array::from_fn(|lane| lane as u32));
            blend(&mut target, &Lanes(std::array::from_fn(|lane| 0x8000_0000 | lane as u32)), mask);
            for lane in 0..64 {
                let written = (mask >> lane & 1) << 31;
                assert_eq!(target[lane as usize], written as u32 | lane, "lane {lane} of {mask:#x}");
            }
        }
    }

    #[test]
    fn every_blend_writes_the_lanes_of_its_mask() {
        check(blend);
        check(blend_lanes);
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the CPU has AVX2.
            check(|target, value, mask| unsafe { vector::blend_avx2(target, value, mask) });
        }
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the CPU has AVX-512 F.
            check(|target, value, mask| unsafe { vector::blend_avx512(target, value, mask) });
        }
    }
}
