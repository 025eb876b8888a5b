//! The kernels of `mla`, and AITER's choice among them.

use crate::manifest::{Manifest, Row};
use crate::{Error, Result, order};

pub(crate) const MANIFEST: &str = "mla/mla_asm.csv";

/// What a split costs, in tokens of a cache; measured by AITER's authors.
const SPLIT_OVERHEAD: f64 = 84.1;

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

impl MlaFormat {
    /// Bytes of an element.
    pub fn bytes(self) -> usize {
        match self {
            MlaFormat::Bf16 => 2,
            MlaFormat::Fp8 => 1,
        }
    }
}

impl MlaRow {
    /// Whether the kernel writes a final bf16 result when there is one split, instead of a partial f32 one.
    ///
    /// The bf16 kernels for 8 or 16 heads and 1 token and the e4m3 ones for 16 heads and 4 tokens do not. AITER knows
    /// it for the one with 16 heads and 1 token; to the others it hands a buffer of half the size that they write. The
    /// e4m3 ones store bf16 if the dword at 0xf0 is 1, where AITER's struct has a null address.
    pub fn stores_bf16_unsplit(&self) -> bool {
        let single = self.q == MlaFormat::Bf16 && self.heads <= 16 && self.tokens == 1;
        !single && !self.ignores_splits()
    }

    /// Whether the kernel writes the log-sum-exp of final results. The manifest says so of one that never loads the
    /// address: of 32 e4m3 heads and 1 token.
    pub fn writes_lse(&self) -> bool {
        self.lse && (self.q, self.heads, self.tokens) != (MlaFormat::Fp8, 32, 1)
    }

    /// Whether the kernel hides later keys from earlier query tokens.
    ///
    /// Three of the kernels that the manifest calls causal do not: of 128 and 64 bf16 heads for any number of tokens,
    /// and the first of two for 8 bf16 heads and 2 tokens. The bf16 ones for prompts do, though it says no.
    pub fn masks(&self) -> bool {
        if self.prefill && !self.persistent {
            return true;
        }
        let any = self.q == MlaFormat::Bf16 && self.heads >= 64 && self.tokens == 0;
        let twin = self.symbol.ends_with("mla_a16w16_qh8_qseqlen2_gqaratio8E");
        self.causal && !any && !twin
    }

    /// Whether all splits are written to the same place, so that a launch must not split.
    ///
    /// So in the e4m3 kernels for 16 heads and 4 tokens without persistence: the address of their results has the
    /// sequence in it and not the split (`s_mul_i32 s56, s79, s75` with s79 = where its queries begin; the split, s4,
    /// enters the choice of keys only). AITER splits nevertheless.
    pub fn ignores_splits(&self) -> bool {
        !self.persistent && (self.q, self.heads, self.tokens) == (MlaFormat::Fp8, 16, 4)
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

pub(crate) fn rows(manifest: &Manifest) -> Result<Vec<MlaRow>> {
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
pub(crate) fn choose(rows: &[MlaRow], task: MlaTask) -> Result<MlaChoice<'_>> {
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

    const HEADER: &str = "qType,kvType,Gqa,ps,qSeqLen,prefill,causal,lse,cprr,knl_name,co_name\n";

    fn manifest(lines: &str) -> Vec<MlaRow> {
        rows(&Manifest::parse(Path::new("m.csv"), &format!("{HEADER}{lines}")).unwrap()).unwrap()
    }

    fn task(format: MlaFormat, heads: usize, tokens: usize, persistent: bool) -> MlaTask {
        MlaTask { q: format, kv: format, heads, tokens, persistent, causal: true, lse: false }
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
