//! `mla`: attention of prompts in e4m3, with keys of 192 and values of 128 numbers per head.
//!
//! Persistent workgroups of eight waves walk a list of items, each a tile of up to 256 query tokens of one head
//! against a range of keys. A page holds one token.
//!
//! Source of the facts: AITER e4048607a5 `csrc/py_itfs_cu/asm_mla.cu` (`PsKernelArgs`),
//! `csrc/kernels/mla/metadata/v1_2_host.cuh`, `op_tests/test_mla_prefill_ps.py`, and the loads that the machine code
//! performs.

use std::fmt;

use bytemuck::{Pod, Zeroable};
use hip::{DeviceSlice, LaunchConfig, Stream};

use crate::argument::{Float, Pointer, Word};
use crate::operand::{check_len, word};
use crate::{Error, Mla, MlaRow, Result, WorkItem};

const FAMILY: &str = "mla";

/// Threads of a workgroup: eight waves.
const BLOCK: u32 = 512;

/// Numbers of a query and of a key, per head.
pub const PREFILL_KEY: usize = 192;

/// Numbers of a value and of a result, per head.
pub const PREFILL_VALUE: usize = 128;

/// Query tokens of a tile; partial results have room for whole tiles.
pub const PREFILL_TILE: usize = 256;

/// Keys that the division of work does not divide further.
const KEYS_PER_UNIT: usize = 128;

/// Sizes of a launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PrefillShape {
    /// Heads of queries, keys and values.
    pub heads: usize,
    /// Query tokens of all sequences.
    pub tokens: usize,
    /// Tokens that keys and values have room for.
    pub pages: usize,
}

/// The operands of one launch, on the device of the family.
#[derive(Debug)]
pub struct PrefillOperands<'a> {
    /// Queries, `[tokens, heads, 192]` e4m3.
    pub q: DeviceSlice<'a, u8>,
    /// Keys, `[pages, heads, 192]` e4m3.
    pub k: DeviceSlice<'a, u8>,
    /// Values, `[pages, heads, 128]` e4m3.
    pub v: DeviceSlice<'a, u8>,
    /// The result, `[tokens, heads, 128]` bf16: of items that are all keys of their tile.
    pub out: DeviceSlice<'a, u16>,
    /// Partial results, `[256·n, heads, 128]`.
    pub partial: DeviceSlice<'a, f32>,
    /// Their log-sum-exp, `[256·n, heads]`.
    pub partial_lse: DeviceSlice<'a, f32>,
    /// Where each workgroup's items begin, `[workgroups + 1]`.
    pub items_start: DeviceSlice<'a, i32>,
    /// The items; [`padding`](WorkItem::padding) is the head, and the one after it in the upper half.
    pub items: DeviceSlice<'a, WorkItem>,
    /// Where each sequence's queries begin, `[sequences + 1]`.
    pub q_start: DeviceSlice<'a, i32>,
    /// Where each sequence's pages begin in `pages`, `[sequences + 1]`.
    pub page_start: DeviceSlice<'a, i32>,
    /// Pages of all sequences, one after the other.
    pub pages: DeviceSlice<'a, i32>,
    /// Weight of the scores before the softmax.
    pub scale: f32,
    /// Scales of queries, keys and values, `[3]`.
    pub scales: DeviceSlice<'a, f32>,
}

/// The items of a launch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrefillPlan {
    /// All items, in the order of the workgroups.
    pub items: Vec<WorkItem>,
    /// Where each workgroup's items begin, `[workgroups + 1]`.
    pub items_start: Vec<i32>,
    /// The tiles.
    pub tiles: Vec<PrefillTile>,
    /// Tiles of partial results.
    pub partial_tiles: usize,
}

/// A tile of query tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrefillTile {
    /// Its tokens, of all sequences'.
    pub tokens: std::ops::Range<usize>,
    /// First rows of its partial results; none when the result is final.
    pub partials: Vec<usize>,
}

impl PrefillPlan {
    /// AITER's division: tiles are taken from both ends of a sequence in turn, their keys in units of 128 are dealt
    /// out evenly, and every workgroup does its part for all heads.
    ///
    /// `lengths` are the query tokens and keys of each sequence; with `causal` a query sees the keys up to its own
    /// place, counted from the end.
    pub fn new(lengths: &[(usize, usize)], heads: usize, workgroups: usize, causal: bool) -> Self {
        let mut tiles = Vec::new();
        let (mut q_start, mut page_start) = (0, 0);
        for (sequence, &(q, keys)) in lengths.iter().enumerate() {
            let count = q.div_ceil(PREFILL_TILE);
            for i in 0..count {
                let tile = if i % 2 == 0 { i / 2 } else { count - 1 - i / 2 };
                let (begin, end) = (tile * PREFILL_TILE, ((tile + 1) * PREFILL_TILE).min(q));
                let seen = if causal { keys - q + end } else { keys };
                tiles.push(Tile { sequence, q: (q_start + begin, q_start + end), page_start, keys, seen });
            }
            q_start += q;
            page_start += keys;
        }
        let units: usize = tiles.iter().map(|tile| tile.seen.div_ceil(KEYS_PER_UNIT)).sum();
        let mut plan = Self { items: Vec::new(), items_start: vec![0], tiles: Vec::new(), partial_tiles: 0 };
        plan.tiles = tiles
            .iter()
            .map(|tile| PrefillTile { tokens: tile.q.0..tile.q.1, partials: Vec::new() })
            .collect();
        let (mut tile, mut done) = (0, 0);
        for group in 0..workgroups {
            let share = units / workgroups + usize::from(group < units % workgroups);
            let parts = plan.deal(&tiles, &mut tile, &mut done, share * KEYS_PER_UNIT);
            for head in 0..heads {
                let range = (head | (head + 1) << 16) as i32;
                plan.items.extend(parts.iter().map(|item| WorkItem { padding: range, ..*item }));
            }
            plan.items_start.push(plan.items.len() as i32);
        }
        plan
    }

    /// One workgroup's items of one head: `left` keys from key `done` of tile `tile` on.
    fn deal(&mut self, tiles: &[Tile], tile: &mut usize, done: &mut usize, mut left: usize) -> Vec<WorkItem> {
        let mut items = Vec::new();
        while *tile < tiles.len() && left > 0 {
            let current = &tiles[*tile];
            let rest = current.seen - *done;
            let is_last = rest <= left;
            let end = if is_last { current.seen } else { *done + left };
            let is_whole = is_last && *done == 0;
            let partial = PREFILL_TILE * self.partial_tiles;
            if !is_whole {
                self.tiles[*tile].partials.push(partial);
                self.partial_tiles += 1;
            }
            items.push(WorkItem {
                sequence: current.sequence as i32,
                partial: if is_whole { -1 } else { partial as i32 },
                q_start: current.q.0 as i32,
                q_end: current.q.1 as i32,
                page_start: (current.page_start + *done) as i32,
                page_end: (current.page_start + end) as i32,
                pages_behind: if is_last { 0 } else { (current.keys - end) as i32 },
                padding: 0,
            });
            left -= rest.next_multiple_of(KEYS_PER_UNIT).min(left);
            (*tile, *done) = if is_last { (*tile + 1, 0) } else { (*tile, end) };
        }
        items
    }
}

/// What is left of a tile's description while it is dealt out.
struct Tile {
    sequence: usize,
    q: (usize, usize),
    page_start: usize,
    keys: usize,
    /// Keys that some query of the tile sees.
    seen: usize,
}

impl Mla {
    /// Queues one attention of prompts.
    ///
    /// # Errors
    /// [`Error::Shape`] or [`Error::Operand`] when an operand does not fit, those of loading the kernel, and HIP's.
    pub fn launch_prefill(
        &self,
        row: &MlaRow,
        shape: PrefillShape,
        operands: &PrefillOperands<'_>,
        stream: &Stream,
    ) -> Result<()> {
        let arguments = arguments(row, shape, operands)?;
        let function = self.kernels.function(&format!("{FAMILY}/{}", row.object), &row.symbol)?;
        let groups = word(FAMILY, shape, operands.items_start.len() - 1)?;
        function.launch_bytes(LaunchConfig::new(groups, BLOCK), stream, bytemuck::bytes_of(&arguments))?;
        Ok(())
    }
}

impl fmt::Display for PrefillShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { heads, tokens, pages } = self;
        write!(f, "heads={heads} tokens={tokens} pages={pages}")
    }
}

/// What the machine code reads.
#[derive(Debug, Clone, Copy, Default, Pod, Zeroable)]
#[repr(C)]
struct Arguments {
    q: Pointer,
    k: Pointer,
    v: Pointer,
    out: Pointer,
    partial: Pointer,
    partial_lse: Pointer,
    items_start: Pointer,
    items: Pointer,
    q_start: Pointer,
    page_start: Pointer,
    pages: Pointer,
    q_scale: Pointer,
    k_scale: Pointer,
    v_scale: Pointer,
    scale: Float,
    tokens: Word,
    heads: Word,
    all_pages: Word,
    used_pages: Word,
}

fn arguments(row: &MlaRow, shape: PrefillShape, operands: &PrefillOperands<'_>) -> Result<Arguments> {
    let PrefillShape { heads, tokens, pages } = shape;
    if !row.prefill || !row.persistent {
        let reason = "the kernel is not one for prompts with lists of work".to_owned();
        return Err(Error::Shape { family: FAMILY, shape: shape.to_string(), reason });
    }
    if heads == 0 || tokens == 0 || pages == 0 || operands.items_start.len() < 2 {
        let reason = "all sizes must be positive, and there must be a workgroup".to_owned();
        return Err(Error::Shape { family: FAMILY, shape: shape.to_string(), reason });
    }
    check_len(FAMILY, "the queries [tokens, heads, 192]", tokens * heads * PREFILL_KEY, operands.q.len())?;
    check_len(FAMILY, "the keys [pages, heads, 192]", pages * heads * PREFILL_KEY, operands.k.len())?;
    check_len(FAMILY, "the values [pages, heads, 128]", pages * heads * PREFILL_VALUE, operands.v.len())?;
    check_len(FAMILY, "the result [tokens, heads, 128]", tokens * heads * PREFILL_VALUE, operands.out.len())?;
    let rows = operands.partial_lse.len();
    check_len(
        FAMILY,
        "the partial results [256·n, heads, 128]",
        rows * PREFILL_VALUE,
        operands.partial.len(),
    )?;
    check_len(FAMILY, "the scales", 3, operands.scales.len())?;
    let number = |value| word(FAMILY, shape, value).map(Word::from);
    let scale = |index: u64| Pointer::from(operands.scales.address() + 4 * index);
    Ok(Arguments {
        q: operands.q.address().into(),
        k: operands.k.address().into(),
        v: operands.v.address().into(),
        out: operands.out.address().into(),
        partial: operands.partial.address().into(),
        partial_lse: operands.partial_lse.address().into(),
        items_start: operands.items_start.address().into(),
        items: operands.items.address().into(),
        q_start: operands.q_start.address().into(),
        page_start: operands.page_start.address().into(),
        pages: operands.pages.address().into(),
        q_scale: scale(0),
        k_scale: scale(1),
        v_scale: scale(2),
        scale: operands.scale.into(),
        tokens: number(tokens)?,
        heads: number(heads)?,
        all_pages: number(pages)?,
        used_pages: number(operands.pages.len())?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::argument::assert_offsets;

    #[test]
    fn fields_lie_where_the_machine_code_reads_them() {
        assert_offsets!(Arguments { q: 0x00, out: 0x30, items_start: 0x60, pages: 0xa0, v_scale: 0xd0 });
        assert_offsets!(Arguments { scale: 0xe0, tokens: 0xf0, heads: 0x100, all_pages: 0x110 });
        assert_eq!(core::mem::offset_of!(Arguments, used_pages), 0x120);
    }

    /// 300 tokens are tiles of 256 and 44, which see 256 and 300 keys: 2 and 3 units. Two workgroups: 3 and 2 units.
    /// The first has the whole first tile and 128 keys of the second one.
    #[test]
    fn a_plan_by_hand() {
        let plan = PrefillPlan::new(&[(300, 300)], 2, 2, true);
        assert_eq!(plan.items_start, [0, 4, 6]);
        let seen: Vec<_> = plan
            .items
            .iter()
            .map(|item| (item.partial, item.q_start, item.page_start, item.page_end, item.pages_behind))
            .collect();
        let (whole, first, rest) = ((-1, 0, 0, 256, 0), (0, 256, 0, 128, 172), (256, 256, 128, 300, 0));
        assert_eq!(seen, [whole, first, whole, first, rest, rest]);
        assert_eq!(plan.items[2].padding, 1 | 2 << 16);
        assert_eq!(plan.tiles[1], PrefillTile { tokens: 256..300, partials: vec![0, 256] });
        assert_eq!((plan.tiles[0].partials.len(), plan.partial_tiles), (0, 2));
    }

    #[test]
    fn without_a_mask_every_tile_sees_all_keys() {
        let plan = PrefillPlan::new(&[(1, 5), (3, 200)], 1, 4, false);
        assert_eq!(plan.items.iter().map(|item| item.page_end).collect::<Vec<_>>(), [5, 133, 205]);
        assert_eq!(plan.items_start, [0, 1, 2, 3, 3]);
    }
}
