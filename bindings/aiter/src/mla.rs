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
use crate::manifest::{Manifest, Row};
use crate::operand::{check_len, word};
use crate::{Error, Kernels, Result, order};

const FAMILY: &str = "mla";
const MANIFEST: &str = "mla/mla_asm.csv";

/// Threads of a workgroup: four waves.
const BLOCK: u32 = 256;

/// What a split costs, in tokens of a cache; measured by AITER's authors.
const SPLIT_OVERHEAD: f64 = 84.1;

/// Numbers of a query head and of a cached token.
pub const MLA_KEY: usize = 576;

/// Numbers of a result head: the first so many of a cached token are its value.
pub const MLA_VALUE: usize = 512;

/// The family on one device.
#[derive(Debug, Clone)]
pub struct Mla {
    kernels: Kernels,
    rows: Vec<MlaRow>,
}

/// The format of queries or of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MlaFormat {
    /// bf16.
    Bf16,
    /// e4m3 with one f32 scale.
    Fp8,
}

/// One kernel: a row of the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MlaRow {
    /// Format of the queries.
    pub q: MlaFormat,
    /// Format of the cache.
    pub kv: MlaFormat,
    /// Query heads that the kernel was made for.
    pub heads: usize,
    /// Query tokens that the kernel was made for; 0 for any.
    pub tokens: usize,
    /// Whether workgroups walk a list of work items.
    pub persistent: bool,
    /// Whether it is for prompts, which have another argument struct.
    pub prefill: bool,
    /// Whether the manifest says that a query token sees only the cache up to its own place; see
    /// [`masks`](Self::masks).
    pub causal: bool,
    /// Whether the manifest says that the log-sum-exp of the final result is written too; see
    /// [`writes_lse`](Self::writes_lse).
    pub lse: bool,
    /// Whether the cache may be a round-robin shard of several devices. Here it is the only one.
    pub sharded: bool,
    /// Symbol of the kernel.
    pub symbol: String,
    /// File of the object, in the family's folder.
    pub object: String,
}

/// What a kernel is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MlaTask {
    /// Format of the queries.
    pub q: MlaFormat,
    /// Format of the cache.
    pub kv: MlaFormat,
    /// Query heads.
    pub heads: usize,
    /// Query tokens of a sequence, the same for all.
    pub tokens: usize,
    /// Whether there is a list of work items.
    pub persistent: bool,
    /// Whether a query token sees only the cache up to its own place.
    pub causal: bool,
    /// Whether the log-sum-exp of the final result is wanted; persistent kernels only.
    pub lse: bool,
}

/// A kernel and what AITER's host code derives for its launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MlaChoice<'a> {
    /// The kernel.
    pub row: &'a MlaRow,
    /// Query rows (tokens × heads) of one workgroup of the grid, without persistence.
    pub rows_per_group: usize,
    /// What the kernel is told about the query: its heads, or heads × tokens.
    pub query_rows: usize,
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
    /// kernel [stores bf16](MlaRow::stores_bf16_unsplit), and in [another order](MlaRow::splits_before_tokens). With it `[partials · tokens, heads, 512]` f32.
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
        Ok(Self { kernels: kernels.clone(), rows: rows(&manifest)? })
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
        choose(&self.rows, task)
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

impl MlaFormat {
    /// Bytes of an element.
    pub fn bytes(self) -> usize {
        match self {
            MlaFormat::Bf16 => 2,
            MlaFormat::Fp8 => 1,
        }
    }
}

impl MlaTask {
    /// AITER's number of splits without persistence, for sequences with `cached` tokens in total: the one of 1 to 16
    /// that fills the compute units best, weighed against a constant cost per split; for e4m3 at most as many as an
    /// average sequence has blocks of keys.
    pub fn splits(&self, batch: usize, cached: usize, compute_units: u32) -> usize {
        let (units, average) = (compute_units as usize, cached as f64 / batch as f64);
        let gain = |splits: usize| {
            let groups = batch * splits;
            let filled = groups as f64 / groups.next_multiple_of(units) as f64;
            filled * average / (average + SPLIT_OVERHEAD * splits as f64)
        };
        // The first of equals, as Python's max takes it.
        let best = (2..=16).fold(1, |best, splits| if gain(splits) > gain(best) { splits } else { best });
        if self.q != MlaFormat::Fp8 {
            return best;
        }
        let block = match self.heads * self.tokens {
            8 | 48 | 64 => 64,
            ..=32 => 128,
            _ => 32,
        };
        let limited = best.min(cached.div_ceil(batch * block));
        if limited > 1 {
            limited.min(cached.abs_diff(batch * self.tokens) / (batch * block) + 1)
        } else {
            limited
        }
    }
}

impl MlaRow {
    /// Whether the kernel writes a final bf16 result when there is one split, instead of a partial f32 one.
    ///
    /// The bf16 kernels for 8 or 16 heads and 1 token and the e4m3 ones for 16 heads and 4 tokens do not. AITER knows
    /// it for the one with 16 heads and 1 token; to the others it hands a buffer of half the size that they write.
    pub fn stores_bf16_unsplit(&self) -> bool {
        let single = self.q == MlaFormat::Bf16 && self.heads <= 16 && self.tokens == 1;
        !single && !self.splits_before_tokens()
    }

    /// Whether the kernel writes the log-sum-exp of final results. The manifest says so of one that never loads the
    /// address: of 32 e4m3 heads and 1 token.
    pub fn writes_lse(&self) -> bool {
        self.lse && (self.q, self.heads, self.tokens) != (MlaFormat::Fp8, 32, 1)
    }

    /// Whether the kernel hides later keys from earlier query tokens.
    ///
    /// Three of the kernels that the manifest calls causal do not: of 128 and 64 bf16 heads for any number of tokens,
    /// and the first of two for 8 bf16 heads and 2 tokens.
    pub fn masks(&self) -> bool {
        let any = self.q == MlaFormat::Bf16 && self.heads >= 64 && self.tokens == 0;
        let twin = self.symbol.ends_with("mla_a16w16_qh8_qseqlen2_gqaratio8E");
        self.causal && !any && !twin
    }

    /// Whether partial results are `[batch, splits, tokens, heads, …]` instead of `[batch, tokens, splits, heads, …]`.
    ///
    /// So in the e4m3 kernels for 16 heads and 4 tokens; AITER's merge expects the other order of them.
    pub fn splits_before_tokens(&self) -> bool {
        !self.persistent && (self.q, self.heads, self.tokens) == (MlaFormat::Fp8, 16, 4)
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
    if row.prefill {
        return refuse("this launch is for decoding; prefill kernels have another argument struct");
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
        q_stride: number(heads * MLA_KEY * row.q.bytes() * tokens)?,
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

fn rows(manifest: &Manifest) -> Result<Vec<MlaRow>> {
    let format = |row: &Row<'_>, column| match row.text(column)? {
        "bf16" => Ok(MlaFormat::Bf16),
        "fp8" => Ok(MlaFormat::Fp8),
        other => Err(row.fail(format!("{column} is {other}, not bf16 or fp8"))),
    };
    let row = |row: Row<'_>| {
        Ok(MlaRow {
            q: format(&row, "qType")?,
            kv: format(&row, "kvType")?,
            heads: row.number("Gqa")? as usize,
            tokens: row.number("qSeqLen")? as usize,
            persistent: row.flag("ps")?,
            prefill: row.flag("prefill")?,
            causal: row.flag("causal")?,
            lse: row.flag("lse")?,
            sharded: row.flag("cprr")?,
            symbol: row.text("knl_name")?.to_owned(),
            object: row.text("co_name")?.to_owned(),
        })
    };
    manifest.rows().map(row).collect()
}

/// AITER's mapping of a task to the row that serves it, with the rows of a workgroup and what the kernel is told.
///
/// The mapping is by cases, as measured by AITER's authors; only the gfx950 ones are here.
fn choose(rows: &[MlaRow], task: MlaTask) -> Result<MlaChoice<'_>> {
    use MlaFormat::{Bf16, Fp8};
    let MlaTask { q, kv, heads, tokens, persistent, causal, lse } = task;
    let formats = (q, kv);
    // The row's heads and tokens, rows of a workgroup, and what the kernel is told.
    let (mut row_heads, mut row_tokens, mut group, mut query_rows) = (heads, tokens, 128, heads * tokens);
    match (heads, formats, persistent) {
        (128, ..) => row_tokens = 0,
        (16, (Bf16, Bf16), false) => {
            row_tokens = [1, 4].into_iter().find(|&limit| tokens <= limit).unwrap_or(8);
            group = if tokens == 1 { 16 } else { 128 };
        }
        (16, (Bf16, _), true) if tokens <= 4 => row_tokens = 4,
        (16, (Fp8, _), _) if tokens == 3 || tokens == 4 => (row_tokens, group) = (4, 64),
        (16, (Fp8, _), true) if tokens > 4 => (row_heads, row_tokens, query_rows) = (32, 4, heads),
        (32, (Bf16, Bf16), false) => (row_tokens, group) = (0, 64),
        (32, (Fp8, Fp8), _) if tokens == 1 => group = 32,
        (64, (Bf16, Bf16), false) => {
            row_tokens = if tokens == 1 { 1 } else { 0 };
            group = 64;
        }
        (8, (Bf16, Bf16), false) if tokens == 1 => group = 8,
        (8, (Bf16, Bf16), false) if tokens == 2 => (group, query_rows) = (16, heads),
        (8, (Fp8, Fp8), false) if tokens == 1 => group = 8,
        _ => {}
    }
    // Persistent kernels that serve more than they are named for.
    let reuse = match (formats, heads, tokens) {
        ((Bf16, Bf16), _, _) if (heads * tokens >= 128 || heads > 64) && heads != 48 => Some((32, 4)),
        ((Bf16, Bf16), _, _) if heads * tokens >= 64 || heads >= 16 => Some((64, 1)),
        ((Fp8, Fp8), 32, 4..) | ((Fp8, Fp8), 64, 2..) | ((Fp8, Fp8), 128, _) => Some((32, 4)),
        ((Fp8, Fp8), 16, 3 | 4) | ((Fp8, Fp8), 32, 2 | 3) | ((Fp8, Fp8), 64, 1) => Some((16, 4)),
        _ => None,
    };
    if let Some(reuse) = reuse.filter(|_| persistent) {
        ((row_heads, row_tokens), query_rows) = (reuse, heads);
    }
    // A single token sees the whole cache under either mask.
    let causal = causal || tokens == 1;
    let wanted = |row: &MlaRow| {
        (row.q, row.kv) == formats
            && (row.heads, row.tokens) == (row_heads, row_tokens)
            && (row.persistent, row.causal, row.lse) == (persistent, causal, lse && persistent)
            && !row.prefill
            && !row.sharded
    };
    let order = order::walk(rows.iter().map(|row| row.symbol.as_str()));
    let row = order.into_iter().map(|index| &rows[index]).find(|row| wanted(row));
    row.map(|row| MlaChoice { row, rows_per_group: group, query_rows }).ok_or_else(|| Error::NoRow {
        manifest: MANIFEST,
        wanted: format!("{task:?}"),
        advice: "change the formats, the number of heads or of tokens, or persistence".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::argument::assert_offsets;

    const HEADER: &str = "qType,kvType,Gqa,ps,qSeqLen,prefill,causal,lse,cprr,knl_name,co_name\n";

    fn manifest(lines: &str) -> Vec<MlaRow> {
        rows(&Manifest::parse(Path::new("m.csv"), &format!("{HEADER}{lines}")).unwrap()).unwrap()
    }

    fn task(format: MlaFormat, heads: usize, tokens: usize, persistent: bool) -> MlaTask {
        MlaTask { q: format, kv: format, heads, tokens, persistent, causal: true, lse: false }
    }

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

    #[test]
    fn tasks_map_to_rows_as_in_the_host_code() {
        let rows = manifest(
            "bf16,bf16,16,0,1,0,1,0,0,a,a.co\nbf16,bf16,16,0,4,0,1,0,0,b,b.co\nbf16,bf16,16,0,8,0,1,0,0,c,c.co\n\
             fp8,fp8,16,1,1,0,1,0,0,d,d.co\nfp8,fp8,16,1,4,0,1,0,0,e,e.co\nfp8,fp8,32,1,4,0,1,0,0,f,f.co\n\
             fp8,fp8,128,0,0,0,1,0,0,g,g.co\nbf16,bf16,64,1,1,0,1,0,0,h,h.co\nbf16,bf16,32,1,4,0,1,0,0,i,i.co\n",
        );
        let pick = |format, heads, tokens, persistent| {
            let choice = choose(&rows, task(format, heads, tokens, persistent)).unwrap();
            (choice.row.symbol.as_str(), choice.rows_per_group, choice.query_rows)
        };
        let (half, eight) = (MlaFormat::Bf16, MlaFormat::Fp8);
        assert_eq!(pick(half, 16, 1, false), ("a", 16, 16));
        assert_eq!(pick(half, 16, 3, false), ("b", 128, 48));
        assert_eq!(pick(half, 16, 6, false), ("c", 128, 96));
        assert_eq!(pick(eight, 16, 1, true), ("d", 128, 16));
        // Three tokens are served by the kernel for four, which is told the heads alone.
        assert_eq!(pick(eight, 16, 3, true), ("e", 64, 16));
        assert_eq!(pick(eight, 16, 5, true), ("f", 128, 16));
        assert_eq!(pick(eight, 128, 2, false), ("g", 128, 256));
        // 16 heads · 1 token of bf16 go to the kernel for 64 heads, 16 · 8 to the one for 32 · 4.
        assert_eq!(pick(half, 16, 1, true), ("h", 128, 16));
        assert_eq!(pick(half, 16, 8, true), ("i", 128, 16));
        assert!(matches!(choose(&rows, task(eight, 64, 1, false)), Err(Error::NoRow { .. })));
    }

    #[test]
    fn one_token_uses_the_masked_kernel_whatever_the_mask() {
        let rows = manifest("fp8,fp8,16,0,1,0,0,0,0,m0,x.co\nfp8,fp8,16,0,1,0,1,0,0,m1,y.co\n");
        let task = MlaTask { causal: false, ..task(MlaFormat::Fp8, 16, 1, false) };
        assert_eq!(choose(&rows, task).unwrap().row.symbol, "m1");
    }

    /// 64 sequences on 256 units: 4 splits fill them once, 8 and more twice or worse, and every split costs. 1 sequence
    /// of 100 000 tokens: the more the better. e4m3: 300 tokens are 3 blocks of 128, 200 are 2.
    #[test]
    fn splits_fill_the_units() {
        let bf16 = task(MlaFormat::Bf16, 16, 1, false);
        assert_eq!(bf16.splits(64, 64 * 8192, 256), 4);
        assert_eq!(bf16.splits(1, 100_000, 256), 16);
        let fp8 = task(MlaFormat::Fp8, 16, 1, false);
        assert_eq!((fp8.splits(1, 300, 256), fp8.splits(1, 200, 256), fp8.splits(1, 8, 256)), (3, 2, 1));
    }

    #[test]
    fn an_unknown_format_is_refused_with_its_line() {
        let text = format!("{HEADER}int8,fp8,16,0,1,0,0,0,0,k,x.co\n");
        let error = rows(&Manifest::parse(Path::new("m.csv"), &text).unwrap()).unwrap_err();
        assert!(error.to_string().contains("line 2: qType is int8"), "{error}");
    }
}
