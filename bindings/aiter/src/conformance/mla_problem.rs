//! Random queries and a paged cache for `mla`'s decode kernels, on the host and on the device.

use std::cell::OnceCell;

use hip::{DeviceBuffer, DeviceSlice};
use numerics::{bf16, e4m3};

use super::Lab;
use crate::reference::{AttentionHead, AttentionQuery, AttentionRounding, attention};
use crate::{MLA_KEY, MLA_VALUE, MlaFormat, MlaOperands, MlaRow, MlaWork, Result};

/// Tokens of a page. Every kernel sets the register with the logarithm of the page's size, argument 0xc0, to 0
/// (`s_mov_b32 s69, 0`) before it uses it; only two that no manifest names do not.
pub(super) const PAGE: usize = 1;

/// Random queries and caches with their layout on the device.
pub(super) struct Problem {
    pub lengths: Vec<usize>,
    pub tokens: usize,
    heads: usize,
    q: Vec<f64>,
    q_codes: Vec<u8>,
    /// The cached tokens of each sequence, in order.
    caches: Vec<Vec<Vec<f64>>>,
    kv_codes: Vec<u8>,
    page_start: Vec<i32>,
    pages: Vec<i32>,
    last_page: Vec<i32>,
    /// The truth of each head of each token, once computed: the same for every schedule.
    heads_truth: Vec<OnceCell<AttentionHead>>,
}

impl Problem {
    /// Weight of the scores, large enough for the softmax to prefer a few keys.
    const SCALE: f64 = 0.125;
    const Q_SCALE: f64 = 0.75;
    const KV_SCALE: f64 = 0.5;

    pub(super) fn new(lab: &mut Lab, row: &MlaRow, lengths: &[usize], tokens: usize) -> Self {
        let all = lengths.len() * tokens;
        let (q, q_codes) = numbers(lab, row.q, all * row.heads * MLA_KEY);
        let total: usize = lengths.iter().sum();
        // Every other page of the cache belongs to nobody, and the pages of a sequence are in no order.
        let (kv, kv_codes) = numbers(lab, row.kv, 2 * total * MLA_KEY);
        let mut pages: Vec<i32> = (0..2 * total as i32).collect();
        for index in (1..pages.len()).rev() {
            pages.swap(index, lab.random().below(index as u32 + 1) as usize);
        }
        pages.truncate(total);
        let mut page_start = vec![0_i32];
        let (mut caches, last_page) = (Vec::new(), vec![PAGE as i32; lengths.len()]);
        for &length in lengths {
            let first = page_start[page_start.len() - 1] as usize;
            page_start.push((first + length) as i32);
            let token = |index: usize| kv[pages[first + index] as usize * MLA_KEY..][..MLA_KEY].to_vec();
            caches.push((0..length).map(token).collect());
        }
        let lengths = lengths.to_vec();
        let heads_truth = vec![OnceCell::new(); all * row.heads];
        Self {
            lengths,
            tokens,
            heads: row.heads,
            q,
            q_codes,
            caches,
            kv_codes,
            page_start,
            pages,
            last_page,
            heads_truth,
        }
    }

    /// The largest magnitude among the values of a sequence.
    pub(super) fn largest(&self, row: &MlaRow, sequence: usize) -> f64 {
        let scale = if row.kv == MlaFormat::Fp8 { Self::KV_SCALE } else { 1.0 };
        let values = self.caches[sequence].iter().flat_map(|key| &key[..MLA_VALUE]);
        values.fold(0.0_f64, |largest, value| largest.max(value.abs())) * scale
    }

    /// The truth of one head of one token.
    pub(super) fn head(&self, row: &MlaRow, token: usize, head: usize) -> &AttentionHead {
        self.heads_truth[token * self.heads + head].get_or_init(|| self.truth(row, token, head))
    }

    fn truth(&self, row: &MlaRow, token: usize, head: usize) -> AttentionHead {
        let (sequence, within) = (token / self.tokens, token % self.tokens);
        let cache = &self.caches[sequence];
        // The last token sees everything, each one before it one key less.
        let hidden = if row.masks() { self.tokens - 1 - within } else { 0 };
        let keys: Vec<&[f64]> = cache[..cache.len() - hidden].iter().map(Vec::as_slice).collect();
        let factor = |format, scale| if format == MlaFormat::Fp8 { scale } else { 1.0 };
        let (q_scale, kv_scale) = (factor(row.q, Self::Q_SCALE), factor(row.kv, Self::KV_SCALE));
        let query = AttentionQuery {
            q: &self.q[(token * self.heads + head) * MLA_KEY..][..MLA_KEY],
            keys: &keys,
            scale: Self::SCALE * q_scale * kv_scale,
            value_scale: kv_scale,
        };
        let rounding = match row.q {
            MlaFormat::Bf16 => (2.0_f64.powi(-8), 0.0),
            MlaFormat::Fp8 => (2.0_f64.powi(-4), 2.0_f64.powi(-10)),
        };
        let rounding = AttentionRounding {
            probability: rounding.0,
            probability_floor: rounding.1,
            exponent_steps: 16.0,
        };
        attention(query, MLA_VALUE, rounding)
    }
}

/// A problem's inputs on the device.
pub(super) struct Inputs {
    q: DeviceBuffer<u8>,
    q_len: usize,
    kv: DeviceBuffer<u8>,
    pub q_start: DeviceBuffer<i32>,
    pub page_start: DeviceBuffer<i32>,
    pages: DeviceBuffer<i32>,
    pub last_page: DeviceBuffer<i32>,
    scales: DeviceBuffer<f32>,
}

impl Inputs {
    pub(super) fn new(lab: &Lab, problem: &Problem) -> Result<Self> {
        // The kernels for 8 heads and 2 tokens also load, and do not use, up to 256 bytes behind the queries.
        let mut padded = problem.q_codes.clone();
        padded.resize(problem.q_codes.len() + 256, 0x7f);
        Ok(Self {
            q: lab.upload(&padded)?,
            q_len: problem.q_codes.len(),
            kv: lab.upload(&problem.kv_codes)?,
            q_start: lab.upload(&starts(problem.lengths.len(), problem.tokens))?,
            page_start: lab.upload(&problem.page_start)?,
            pages: lab.upload(&problem.pages)?,
            last_page: lab.upload(&problem.last_page)?,
            scales: lab.upload(&[Problem::Q_SCALE as f32, Problem::KV_SCALE as f32])?,
        })
    }

    /// The operands of a launch that leaves its parts in `partial` and `partial_lse`.
    pub(super) fn operands<'a>(
        &'a self,
        partial: DeviceSlice<'a, f32>,
        partial_lse: DeviceSlice<'a, f32>,
        work: MlaWork<'a>,
    ) -> Result<MlaOperands<'a>> {
        Ok(MlaOperands {
            q: self.q.slice(..self.q_len)?,
            kv: self.kv.as_slice(),
            q_start: self.q_start.as_slice(),
            page_start: self.page_start.as_slice(),
            pages: self.pages.as_slice(),
            last_page: self.last_page.as_slice(),
            scale: Problem::SCALE as f32,
            scales: self.scales.as_slice(),
            partial,
            partial_lse,
            work,
        })
    }
}

/// Where each of `count` equal parts begins, and the end.
pub(super) fn starts(count: usize, step: usize) -> Vec<i32> {
    (0..=count).map(|index| (index * step) as i32).collect()
}

/// Random numbers, and their codes as bytes.
pub(super) fn numbers(lab: &mut Lab, format: MlaFormat, len: usize) -> (Vec<f64>, Vec<u8>) {
    let (mut values, mut codes) = (Vec::with_capacity(len), Vec::with_capacity(len * format.bytes()));
    for _ in 0..len {
        match format {
            MlaFormat::Bf16 => {
                let code = bf16::from_f32_rne(lab.random().normal());
                values.push(f64::from(bf16::to_f32(code)));
                codes.extend(code.to_le_bytes());
            }
            MlaFormat::Fp8 => {
                let code = e4m3::from_f32_rne(lab.random().normal());
                values.push(f64::from(e4m3::to_f32(code)));
                codes.push(code);
            }
        }
    }
    (values, codes)
}
