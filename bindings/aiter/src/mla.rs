//! `mla`: decode attention over a paged latent cache, `[K | V]` shared by all heads.
//!
//! Keys are the 576 numbers of a token in the cache, values the first 512 of them. Two kinds of kernel: without
//! persistence a grid of (query rows, batch, splits) writes one partial result per split; persistent workgroups walk
//! a list of work items, see [`WorkItem`].
//!
//! Source of the facts: AITER e4048607a5 `csrc/py_itfs_cu/asm_mla.cu`, `aiter/mla.py`, `csrc/include/mla.h`, and the
//! loads that the machine code performs.

use std::fmt;

use bytemuck::{Pod, Zeroable};
use hip::{DeviceSlice, LaunchConfig, Stream};

use crate::argument::{Float, Pointer, Word};
use crate::manifest::Manifest;
use crate::mla_choice::{self, MANIFEST, MlaChoice, MlaFormat, MlaRow, MlaTask};
use crate::operand::{check_len, word};
use crate::{Error, Kernels, Result};

const FAMILY: &str = "mla";

/// Threads of a workgroup: four waves.
const BLOCK: u32 = 256;

/// Numbers of a query head and of a cached token.
pub const MLA_KEY: usize = 576;

/// Numbers of a result head: the first so many of a cached token are its value.
pub const MLA_VALUE: usize = 512;

/// The family on one device.
#[derive(Debug, Clone)]
pub struct Mla {
    pub(crate) kernels: Kernels,
    rows: Vec<MlaRow>,
}

/// Sizes of a launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MlaShape {
    /// Sequences.
    pub batch: usize,
    /// Query tokens of a sequence.
    pub tokens: usize,
    /// Query heads.
    pub heads: usize,
    /// Tokens of a page of the cache, a power of two.
    pub page: usize,
    /// Parts of every sequence's cache, without persistence.
    pub splits: usize,
}

/// The operands of one launch, on the device of the family. T = batch · tokens.
#[derive(Debug)]
pub struct MlaOperands<'a> {
    /// Queries, `[T, heads, 576]` in the choice's format. The kernels for 8 heads and 2 tokens also load, and do not
    /// use, up to 256 bytes behind them.
    pub q: DeviceSlice<'a, u8>,
    /// The cache, `[pages, page, 576]` in the choice's format.
    pub kv: DeviceSlice<'a, u8>,
    /// Where each sequence's queries begin, `[batch + 1]` tokens.
    pub q_start: DeviceSlice<'a, i32>,
    /// Where each sequence's pages begin in `pages`, `[batch + 1]`.
    pub page_start: DeviceSlice<'a, i32>,
    /// Pages of all sequences, one after the other.
    pub pages: DeviceSlice<'a, i32>,
    /// Tokens in each sequence's last page, `[batch]`.
    pub last_page: DeviceSlice<'a, i32>,
    /// Weight of the scores before the softmax.
    pub scale: f32,
    /// Scales of queries and cache, `[2]`; used where they are e4m3.
    pub scales: DeviceSlice<'a, f32>,
    /// Partial results. Without persistence `[T, splits, heads, 512]` f32, but bf16 when there is one split and the
    /// kernel [stores bf16](MlaRow::stores_bf16_unsplit). With it
    /// `[partials · tokens, heads, 512]` f32.
    pub partial: DeviceSlice<'a, f32>,
    /// Log-sum-exp of the partial results: as `partial`, without the last dimension. A split without keys is not
    /// written: fill it with -∞ before the launch, and the split has no weight when the splits are merged.
    pub partial_lse: DeviceSlice<'a, f32>,
    /// How the work is divided.
    pub work: MlaWork<'a>,
}

/// How the work is divided.
#[derive(Debug)]
pub enum MlaWork<'a> {
    /// By the grid; `[batch + 1]`, where each sequence's splits begin.
    Grid(DeviceSlice<'a, i32>),
    /// By lists, for persistent kernels.
    Lists {
        /// Address of [`items_start`](Self::Lists::items_start) and of `items`, in this order, `[2]`.
        lists: DeviceSlice<'a, u64>,
        /// Where each workgroup's items begin, `[workgroups + 1]`.
        items_start: DeviceSlice<'a, i32>,
        /// The items.
        items: DeviceSlice<'a, WorkItem>,
        /// Final results, `[T, heads, 512]` bf16: of items that are a whole sequence.
        out: DeviceSlice<'a, u16>,
        /// Their log-sum-exp, `[T, heads]`, for kernels that write it.
        out_lse: Option<DeviceSlice<'a, f32>>,
    },
}

/// One piece of work of a persistent workgroup.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct WorkItem {
    /// The sequence.
    pub sequence: i32,
    /// Row of the partial results, in tokens; -1 when the item is the sequence's whole cache, so that the result is
    /// final.
    pub partial: i32,
    /// First query token, of all sequences'.
    pub q_start: i32,
    /// Last query token, exclusive.
    pub q_end: i32,
    /// First page, as an index of the page list.
    pub page_start: i32,
    /// Last page, exclusive.
    pub page_end: i32,
    /// Pages of the sequence after the last one of this item.
    pub pages_behind: i32,
    /// Unused.
    pub padding: i32,
}

impl Mla {
    /// Reads the manifest.
    ///
    /// # Errors
    /// [`Error::Read`] or [`Error::Manifest`].
    pub fn open(kernels: &Kernels) -> Result<Self> {
        let text = kernels.checkout().text(MANIFEST)?;
        let manifest = Manifest::parse(&kernels.checkout().path(MANIFEST), &text)?;
        Ok(Self { kernels: kernels.clone(), rows: mla_choice::rows(&manifest)? })
    }

    /// All kernels, in the manifest's order.
    pub fn rows(&self) -> &[MlaRow] {
        &self.rows
    }

    /// AITER's choice for a task on gfx950.
    ///
    /// # Errors
    /// [`Error::NoRow`] when AITER has no kernel for it.
    pub fn choose(&self, task: MlaTask) -> Result<MlaChoice<'_>> {
        mla_choice::choose(&self.rows, task)
    }

    /// Queues one attention.
    ///
    /// # Errors
    /// [`Error::Shape`] or [`Error::Operand`] when an operand does not fit, those of loading the kernel, and HIP's.
    pub fn launch(
        &self,
        choice: MlaChoice<'_>,
        shape: MlaShape,
        operands: &MlaOperands<'_>,
        stream: &Stream,
    ) -> Result<()> {
        let arguments = arguments(choice, shape, operands)?;
        let function =
            self.kernels.function(&format!("{FAMILY}/{}", choice.row.object), &choice.row.symbol)?;
        let number = |value| word(FAMILY, shape, value);
        let grid = match &operands.work {
            MlaWork::Grid(_) => (
                number((shape.tokens * shape.heads).div_ceil(choice.rows_per_group))?,
                number(shape.batch)?,
                number(shape.splits)?,
            ),
            MlaWork::Lists { items_start, .. } => (number(items_start.len() - 1)?, 1, 1),
        };
        function.launch_bytes(LaunchConfig::new(grid, BLOCK), stream, bytemuck::bytes_of(&arguments))?;
        Ok(())
    }
}

impl fmt::Display for MlaShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { batch, tokens, heads, page, splits } = self;
        write!(f, "batch={batch} tokens={tokens} heads={heads} page={page} splits={splits}")
    }
}

/// What the machine code reads; the fields that a kernel does not read are there for their room.
#[derive(Debug, Clone, Copy, Default, Pod, Zeroable)]
#[repr(C)]
struct Arguments {
    partial: Pointer,
    partial_lse: Pointer,
    q: Pointer,
    kv: Pointer,
    page_start: Pointer,
    pages: Pointer,
    last_page: Pointer,
    scale: Float,
    query_rows: Word,
    splits: Word,
    q_stride: Word,
    page_stride: Word,
    log2_page: Word,
    q_start: Pointer,
    work: Pointer,
    out: Pointer,
    q_scale: Pointer,
    kv_scale: Pointer,
    out_is_bf16: Word,
    out_lse: Pointer,
    global_page_start: Pointer,
    shards: Word,
    shard: Word,
}

fn arguments(choice: MlaChoice<'_>, shape: MlaShape, operands: &MlaOperands<'_>) -> Result<Arguments> {
    let (row, MlaShape { batch, tokens, heads, page, splits }) = (choice.row, shape);
    let refuse = |reason: &str| {
        Err(Error::Shape { family: FAMILY, shape: shape.to_string(), reason: reason.to_owned() })
    };
    if batch == 0 || tokens == 0 || heads == 0 || !page.is_power_of_two() || splits == 0 {
        return refuse("all sizes must be positive and the page a power of two");
    }
    if row.prefill && row.persistent {
        return refuse("this kernel for prompts has another argument struct and its own launch");
    }
    if row.prefill && splits != 1 {
        return refuse("kernels for prompts do not split");
    }
    if row.ignores_splits() && splits != 1 {
        return refuse("the kernel writes all splits to the same place");
    }
    let all = batch * tokens;
    check_len(
        FAMILY,
        "the queries [T, heads, 576], in bytes",
        all * heads * MLA_KEY * row.q.bytes(),
        operands.q.len(),
    )?;
    check_len(FAMILY, "where queries begin [batch + 1]", batch + 1, operands.q_start.len())?;
    check_len(FAMILY, "where pages begin [batch + 1]", batch + 1, operands.page_start.len())?;
    check_len(FAMILY, "tokens of the last pages [batch]", batch, operands.last_page.len())?;
    check_len(FAMILY, "the scales", 2, operands.scales.len())?;
    let page_bytes = page * MLA_KEY * row.kv.bytes();
    if !operands.kv.len().is_multiple_of(page_bytes) {
        return refuse("the cache must have whole pages");
    }
    let number = |value| word(FAMILY, shape, value).map(Word::from);
    let scale = |index: u64, format| match format {
        MlaFormat::Fp8 => Pointer::from(operands.scales.address() + 4 * index),
        MlaFormat::Bf16 => Pointer::default(),
    };
    let mut arguments = Arguments {
        partial: operands.partial.address().into(),
        partial_lse: operands.partial_lse.address().into(),
        q: operands.q.address().into(),
        kv: operands.kv.address().into(),
        page_start: operands.page_start.address().into(),
        pages: operands.pages.address().into(),
        last_page: operands.last_page.address().into(),
        scale: operands.scale.into(),
        query_rows: number(choice.query_rows)?,
        splits: number(splits)?,
        q_stride: number(heads * MLA_KEY * row.q.bytes() * if row.prefill { 1 } else { tokens })?,
        page_stride: number(page_bytes)?,
        log2_page: page.ilog2().into(),
        q_start: operands.q_start.address().into(),
        q_scale: scale(0, row.q),
        kv_scale: scale(1, row.kv),
        // A cache in one piece is a single shard.
        global_page_start: if row.sharded { operands.page_start.address() } else { 0 }.into(),
        shards: 1.into(),
        ..Arguments::default()
    };
    match &operands.work {
        MlaWork::Grid(_) if row.persistent => return refuse("a persistent kernel needs lists of work"),
        MlaWork::Lists { .. } if !row.persistent => return refuse("the kernel takes its work from the grid"),
        MlaWork::Grid(split_start) => {
            check_len(FAMILY, "where splits begin [batch + 1]", batch + 1, split_start.len())?;
            check_len(
                FAMILY,
                "the partial log-sum-exp [T, splits, heads]",
                all * splits * heads,
                operands.partial_lse.len(),
            )?;
            let halves = if splits == 1 && row.stores_bf16_unsplit() { 2 } else { 1 };
            check_len(
                FAMILY,
                "the partial results [T, splits, heads, 512]",
                all * splits * heads * MLA_VALUE / halves,
                operands.partial.len(),
            )?;
            arguments.work = split_start.address().into();
            // Some kernels store an unsplit result through this one, where AITER passes null.
            arguments.out = if splits == 1 { operands.partial.address() } else { 0 }.into();
            arguments.out_is_bf16 = u32::from(splits == 1).into();
        }
        MlaWork::Lists { lists, items_start, out, out_lse, .. } => {
            check_len(FAMILY, "the addresses of the lists", 2, lists.len())?;
            check_len(FAMILY, "the result [T, heads, 512]", all * heads * MLA_VALUE, out.len())?;
            if items_start.len() < 2 {
                return refuse("a persistent launch needs at least one workgroup");
            }
            if let Some(out_lse) = out_lse {
                check_len(FAMILY, "the log-sum-exp [T, heads]", all * heads, out_lse.len())?;
            }
            if row.writes_lse() != out_lse.is_some() {
                return refuse("the kernel and the operands disagree about the log-sum-exp of the result");
            }
            arguments.work = lists.address().into();
            arguments.out = out.address().into();
            arguments.out_lse = out_lse.as_ref().map_or(0, |lse| lse.address()).into();
            arguments.out_is_bf16 = number(splits)?;
        }
    }
    Ok(arguments)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::argument::assert_offsets;

    #[test]
    fn fields_lie_where_the_machine_code_reads_them() {
        assert_offsets!(Arguments {
            partial: 0x00,
            partial_lse: 0x10,
            q: 0x20,
            kv: 0x30,
            page_start: 0x40,
            pages: 0x50,
            last_page: 0x60,
            scale: 0x70,
            query_rows: 0x80,
            splits: 0x90,
            q_stride: 0xa0,
            page_stride: 0xb0,
            log2_page: 0xc0,
            q_start: 0xd0,
            work: 0xe0,
            out: 0xf0,
            q_scale: 0x100,
            kv_scale: 0x110,
            out_is_bf16: 0x120,
            out_lse: 0x130,
            global_page_start: 0x140,
            shards: 0x150,
            shard: 0x160,
        });
        assert_eq!((size_of::<Arguments>(), size_of::<WorkItem>()), (368, 32));
    }
}
