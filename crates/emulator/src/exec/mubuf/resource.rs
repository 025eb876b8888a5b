//! The buffer resource (V#): addresses and range checks.
//!
//! GFX9's rules (ISA 9.1.5): the offset is VGPR offset + instruction offset. A *raw* buffer counts
//! `num_records` in bytes; a dword is out of range if its offset ≥ `num_records` − scalar offset. A
//! *structured* one (stride ≠ 0, and an index from a VGPR or the lane) counts it in strides; a dword is
//! out of range if its index ≥ `num_records`, or, in a swizzled buffer, if its offset ≥ stride. (Without
//! swizzling an offset may pass the stride: hand-written kernels store 16 bytes per index of a buffer with
//! stride 4.) Out of range, loads give 0 and stores and atomics do nothing, dword by dword. A buffer with a
//! stride but without an index is raw: Triton's descriptors with a cache-swizzle stride rely on bytes.

use crate::{lanes::Lanes, op::Arg, wave::Wave};

use super::super::flat::Aim;

/// Bytes of an element of a swizzled buffer: fixed on GFX9.
const ELEMENT_BYTES: u64 = 4;

/// A decoded V#.
pub(super) struct Resource {
    base: u64,
    stride: u64,
    num_records: u32,
    swizzle: bool,
    index_stride: u64,
    add_lane: bool,
    /// Channel selects, x first: 0 zero, 1 one, 4–7 the data's x–w.
    pub(super) select: [u8; 4],
    /// BUF_NUM_FORMAT.
    pub(super) number: u8,
    /// BUF_DATA_FORMAT.
    pub(super) data: u8,
}

impl Resource {
    /// The V# in four SGPRs from `arg` on.
    #[inline(always)]
    pub(super) fn of(wave: &Wave, arg: Arg) -> Resource {
        let Arg::Scalar(first) = arg else { return Resource::new([0; 4]) };
        let word = |i: usize| wave.scalar.get(first as usize + i).copied().unwrap_or(0);
        Resource::new([word(0), word(1), word(2), word(3)])
    }

    #[inline(always)]
    pub(super) fn new(words: [u32; 4]) -> Resource {
        let [w0, w1, w2, w3] = words;
        let add_lane = w3 >> 23 & 1 == 1;
        let data = w3 >> 15 & 15;
        // With the lane as index, the data format's bits extend the stride.
        let stride = (w1 >> 16 & 0x3fff) | if add_lane { data << 14 } else { 0 };
        Resource {
            base: w0 as u64 | ((w1 & 0xffff) as u64) << 32,
            stride: stride as u64,
            num_records: w2,
            swizzle: w1 >> 31 == 1,
            index_stride: 8 << (w3 >> 21 & 3),
            add_lane,
            select: [w3 & 7, w3 >> 3 & 7, w3 >> 6 & 7, w3 >> 9 & 7].map(|select| select as u8),
            number: (w3 >> 12 & 7) as u8,
            data: data as u8,
        }
    }

    /// Whether offsets alone address it.
    #[inline(always)]
    pub(super) fn is_raw(&self, indexed: bool) -> bool {
        self.stride == 0 && !self.swizzle || !indexed && !self.add_lane
    }

    /// Targets in a raw buffer.
    #[inline(always)]
    pub(super) fn aim_raw(
        &self,
        scalar_offset: u32,
        lane_offset: &Lanes,
        imm: u32,
        bytes: u32,
        exec: u64,
    ) -> Aim {
        let limit = self.num_records.saturating_sub(scalar_offset) as u64;
        let base = self.base.wrapping_add(scalar_offset as u64);
        let mut highest = 0;
        let mut addresses = [0; 64];
        for lane in 0..64 {
            let active = ((exec >> lane & 1) as u32).wrapping_neg();
            highest = highest.max(lane_offset[lane] & active);
            addresses[lane] = base.wrapping_add(lane_offset[lane] as u64 + imm as u64);
        }
        let mut aim = Aim::all(addresses, exec);
        let last_dword = (bytes.div_ceil(4) - 1) as u64 * 4;
        if highest as u64 + imm as u64 + last_dword >= limit {
            for (dword, live) in aim.live.iter_mut().enumerate() {
                let before =
                    |lane: &usize| lane_offset[*lane] as u64 + imm as u64 + 4 * (dword as u64) < limit;
                *live &= mask_of(before);
            }
        }
        aim
    }

    /// Targets in a structured buffer, swizzled or not.
    #[inline(never)]
    pub(super) fn aim_structured(
        &self,
        scalar_offset: u32,
        lane_index: &Lanes,
        lane_offset: &Lanes,
        imm: u32,
        bytes: u32,
        exec: u64,
    ) -> Aim {
        let index = |lane: usize| lane_index[lane] as u64 + if self.add_lane { lane as u64 } else { 0 };
        let offset = |lane: usize| lane_offset[lane] as u64 + imm as u64;
        let base = self.base.wrapping_add(scalar_offset as u64);
        let addresses = std::array::from_fn(|lane| base.wrapping_add(self.place(index(lane), offset(lane))));
        let mut aim = Aim::all(addresses, exec);
        for (dword, live) in aim.live.iter_mut().enumerate().take(bytes.div_ceil(4) as usize) {
            let inside = |lane: &usize| {
                index(*lane) < self.num_records as u64
                    && (!self.swizzle || offset(*lane) + 4 * (dword as u64) < self.stride)
            };
            *live &= mask_of(inside);
        }
        aim
    }

    /// Byte of (index, offset) behind the base.
    fn place(&self, index: u64, offset: u64) -> u64 {
        if !self.swizzle {
            return index * self.stride + offset;
        }
        let (index_block, index_in) = (index / self.index_stride, index % self.index_stride);
        let (element, byte) = (offset / ELEMENT_BYTES, offset % ELEMENT_BYTES);
        (index_block * self.stride + element * ELEMENT_BYTES) * self.index_stride
            + index_in * ELEMENT_BYTES
            + byte
    }
}

fn mask_of(test: impl Fn(&usize) -> bool) -> u64 {
    (0..64).filter(test).fold(0, |mask, lane| mask | 1 << lane)
}
