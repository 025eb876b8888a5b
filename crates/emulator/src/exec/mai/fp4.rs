//! FP4 × FP4 as integers: an element is a multiple of ½ up to 6, so the dot product of a block of 32 is an
//! integer up to 4608 in units of ¼, which every order of f64 or f32 additions gives too. Only what follows,
//! the scales and the sum of the blocks, depends on [`MfmaPolicy`].
//!
//! The multipliers of the host take bytes, unsigned by signed: A is looked up as twice its value, B as that
//! plus [`OFFSET`], and each sum starts from −[`OFFSET`] times the sum of A.

use super::{
    Control, MfmaPolicy,
    form::{Element, Form},
    levels, narrow, power_of, read_c, registers, scales, write_d,
};
use crate::{
    fault::Fault,
    lanes::Lanes,
    op::Op,
    simd::{Exec, Level, Step},
    wave::{Cx, Wave},
};

/// What makes twice an FP4 value unsigned.
#[cfg(target_arch = "x86_64")]
const OFFSET: i8 = 12;

/// Twice the value of each FP4 code.
#[cfg(target_arch = "x86_64")]
const DOUBLED: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

/// Dot products in units of ¼, S columns for each block and row: as the lanes of A, row + S · block.
type Dots<const S: usize> = [[i32; S]; 64];

/// The handler of an f8f6f4 form with FP4 on both sides.
pub(super) fn handler(form: Form, level: Level) -> Exec {
    #[cfg(target_arch = "x86_64")]
    {
        const AVX2: [Exec; 2] = [avx2::<16, 4>, avx2::<32, 16>];
        const AVX512: [Exec; 2] = [avx512::<16, 4>, avx512::<32, 16>];
        match level {
            Level::Portable => {}
            Level::Avx2 => return AVX2[form.size / 32],
            Level::Avx512 => return AVX512[form.size / 32],
        }
    }
    if form.size == 16 { levels!(level, narrow::<4>) } else { levels!(level, narrow::<16>) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,bmi2,f16c")]
fn avx2<const S: usize, const REGISTERS: usize>(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>) -> Step {
    if cx.mfma == MfmaPolicy::Cdna3Truncating {
        return narrow::<REGISTERS, true>(wave, op, cx);
    }
    let mut dots = [[0; S]; 64];
    let (a, b) = operands(wave, op)?;
    x86::dots_avx2::<S>(&a, &b, &mut dots);
    add::<S, REGISTERS>(wave, op, cx.mfma, &dots)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,bmi2,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn avx512<const S: usize, const REGISTERS: usize>(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>) -> Step {
    if cx.mfma == MfmaPolicy::Cdna3Truncating {
        return narrow::<REGISTERS, true>(wave, op, cx);
    }
    let mut dots = [[0; S]; 64];
    let (a, b) = operands(wave, op)?;
    x86::dots_avx512::<S>(&a, &b, &mut dots);
    add::<S, REGISTERS>(wave, op, cx.mfma, &dots)
}

#[inline(always)]
fn operands<'a>(wave: &'a Wave, op: &Op) -> Result<([&'a Lanes; 8], [&'a Lanes; 8]), Box<Fault>> {
    let count = Form::registers(32, Element::Fp4);
    Ok((registers(wave, op.src[0], count)?, registers(wave, op.src[1], count)?))
}

/// D = C + Σ scaled dot products, in ascending blocks: in f64 and rounded once, or rounded after each.
#[inline(always)]
fn add<const S: usize, const REGISTERS: usize>(
    wave: &mut Wave,
    op: &Op,
    policy: MfmaPolicy,
    dots: &Dots<S>,
) -> Step {
    let form = Form::unpack(op.bits);
    let (scale_a, scale_b) = scales(wave, op, Control::unpack(op.imm))?;
    let factors = |scale: super::ScaleBytes, unit: f64| -> [f64; 64] {
        scale.map_or([unit; 64], |bytes| std::array::from_fn(|lane| unit * power_of(bytes[lane])))
    };
    let (factor_a, factor_b) = (factors(scale_a, 0.25), factors(scale_b, 1.0));
    let mut d = read_c::<REGISTERS>(wave, op)?;
    for i in 0..S {
        let (register, lane) = form.row(0, i);
        for j in (0..S).step_by(16) {
            let target: &mut [u32; 16] =
                (&mut d[register][lane + j..][..16]).try_into().expect("length is 16");
            let mut total: [f64; 16] = std::array::from_fn(|c| f32::from_bits(target[c]) as f64);
            for q in 0..64 / S {
                let dot: &[i32; 16] = dots[S * q + i][j..][..16].try_into().expect("length is 16");
                let right: &[f64; 16] = factor_b[S * q + j..][..16].try_into().expect("length is 16");
                let left = factor_a[S * q + i];
                for c in 0..16 {
                    total[c] += dot[c] as f64 * (left * right[c]);
                }
                if policy == MfmaPolicy::FmaChain {
                    total = total.map(|x| x as f32 as f64);
                }
            }
            for c in 0..16 {
                target[c] = if total[c].is_nan() { super::NAN } else { (total[c] as f32).to_bits() };
            }
        }
    }
    write_d(wave, op, &d)
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{DOUBLED, Dots, OFFSET};
    use crate::{
        lanes::Lanes,
        simd::vector::{load256, load512, store256, store512},
    };

    /// The 32 elements of each lane as bytes, four to a dword, in some order that A and B share; and the
    /// start of the lane's sums.
    struct Left {
        bytes: [[u32; 64]; 8],
        start: [i32; 64],
    }

    /// A 16-entry byte table, as an integer.
    const fn table(offset: i8) -> i128 {
        let (mut bytes, mut i) = ([0; 16], 0);
        while i < 16 {
            bytes[i] = (DOUBLED[i] + offset) as u8;
            i += 1;
        }
        i128::from_le_bytes(bytes)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn table_avx2(offset: i8) -> __m256i {
        let table = table(offset);
        _mm256_broadcastsi128_si256(_mm_set_epi64x((table >> 64) as i64, table as i64))
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn dots_avx2<const S: usize>(a: &[&Lanes; 8], b: &[&Lanes; 8], dots: &mut Dots<S>) {
        let (signed, unsigned) = (table_avx2(0), table_avx2(OFFSET));
        let low = _mm256_set1_epi8(15);
        let ones = _mm256_set1_epi16(1);
        let mut left = Left { bytes: [[0; 64]; 8], start: [0; 64] };
        for first in (0..64).step_by(8) {
            let mut sum = _mm256_setzero_si256();
            for (r, lanes) in a[..4].iter().enumerate() {
                let codes = load256(&lanes[first..]);
                let even = _mm256_shuffle_epi8(signed, _mm256_and_si256(codes, low));
                let odd = _mm256_shuffle_epi8(signed, _mm256_and_si256(_mm256_srli_epi32(codes, 4), low));
                store256(&mut left.bytes[2 * r][first..], even);
                store256(&mut left.bytes[2 * r + 1][first..], odd);
                sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(_mm256_set1_epi8(OFFSET), even));
                sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(_mm256_set1_epi8(OFFSET), odd));
            }
            let start = _mm256_sub_epi32(_mm256_setzero_si256(), _mm256_madd_epi16(sum, ones));
            store256(&mut left.start[first..], start);
        }
        for first in (0..64).step_by(8) {
            let (q, j) = (first / S, first % S);
            let mut right = [low; 8];
            for (r, lanes) in b[..4].iter().enumerate() {
                let codes = load256(&lanes[first..]);
                right[2 * r] = _mm256_shuffle_epi8(unsigned, _mm256_and_si256(codes, low));
                let odd = _mm256_and_si256(_mm256_srli_epi32(codes, 4), low);
                right[2 * r + 1] = _mm256_shuffle_epi8(unsigned, odd);
            }
            for i in 0..S {
                let lane = S * q + i;
                // Sums of 16 products of at most 24 · 12 fit 16 bits.
                let mut pairs = _mm256_setzero_si256();
                for (right, left) in right.iter().zip(&left.bytes) {
                    let broadcast = _mm256_set1_epi32(left[lane] as i32);
                    pairs = _mm256_add_epi16(pairs, _mm256_maddubs_epi16(*right, broadcast));
                }
                let start = _mm256_set1_epi32(left.start[lane]);
                let sum = _mm256_add_epi32(start, _mm256_madd_epi16(pairs, ones));
                store256(&mut dots[lane][j..], sum);
            }
        }
    }

    #[target_feature(enable = "avx2,avx512f,avx512bw,avx512vnni")]
    pub(super) fn dots_avx512<const S: usize>(a: &[&Lanes; 8], b: &[&Lanes; 8], dots: &mut Dots<S>) {
        let (signed, unsigned) =
            (_mm512_broadcast_i64x4(table_avx2(0)), _mm512_broadcast_i64x4(table_avx2(OFFSET)));
        let low = _mm512_set1_epi8(15);
        let mut left = Left { bytes: [[0; 64]; 8], start: [0; 64] };
        for first in (0..64).step_by(16) {
            let mut sum = _mm512_setzero_si512();
            for (r, lanes) in a[..4].iter().enumerate() {
                let codes = load512(&lanes[first..]);
                let even = _mm512_shuffle_epi8(signed, _mm512_and_si512(codes, low));
                let odd = _mm512_shuffle_epi8(signed, _mm512_and_si512(_mm512_srli_epi32(codes, 4), low));
                store512(&mut left.bytes[2 * r][first..], even);
                store512(&mut left.bytes[2 * r + 1][first..], odd);
                sum = _mm512_dpbusd_epi32(sum, _mm512_set1_epi8(OFFSET), even);
                sum = _mm512_dpbusd_epi32(sum, _mm512_set1_epi8(OFFSET), odd);
            }
            store512(&mut left.start[first..], _mm512_sub_epi32(_mm512_setzero_si512(), sum));
        }
        for first in (0..64).step_by(16) {
            let (q, j) = (first / S, first % S);
            let mut right = [low; 8];
            for (r, lanes) in b[..4].iter().enumerate() {
                let codes = load512(&lanes[first..]);
                right[2 * r] = _mm512_shuffle_epi8(unsigned, _mm512_and_si512(codes, low));
                let odd = _mm512_and_si512(_mm512_srli_epi32(codes, 4), low);
                right[2 * r + 1] = _mm512_shuffle_epi8(unsigned, odd);
            }
            for i in 0..S {
                let lane = S * q + i;
                let mut sum = _mm512_set1_epi32(left.start[lane]);
                for (right, left) in right.iter().zip(&left.bytes) {
                    let broadcast = _mm512_set1_epi32(left[lane] as i32);
                    sum = _mm512_dpbusd_epi32(sum, *right, broadcast);
                }
                store512(&mut dots[lane][j..], sum);
            }
        }
    }
}
