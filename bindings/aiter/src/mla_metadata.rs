//! AITER's division of a batch's caches among persistent workgroups, by its own kernel on the device.
//!
//! Source of the facts: AITER e4048607a5 `csrc/kernels/mla/metadata/v1_2_device.cuh` and `v1_comm.cuh`, compiled by
//! [`HipSource`](crate::HipSource).

use std::fmt::Write;

use bytemuck::{Pod, Zeroable};
use hip::{Device, DeviceSlice, LaunchConfig, Module, Stream};

use crate::operand::{check_len, word};
use crate::{Error, HipSource, MlaFormat, MlaRow, Result, WorkItem};

const FAMILY: &str = "mla metadata";

/// Query tokens for which a kernel is instantiated here: those of the kernels that the manifest names.
const TOKENS: [usize; 3] = [1, 2, 4];

/// Query rows of a workgroup, of which AITER knows two on gfx950.
const ROWS: [usize; 2] = [64, 128];

/// Waves of the kernel for one token, which fills the lists in parallel.
const WAVES: u32 = 8;

/// Dynamic LDS: all that a workgroup of gfx950 can have, as AITER asks for.
const SHARED_BYTES: u32 = 160 << 10;

/// The kernels, as an object.
#[derive(Debug, Clone)]
pub struct MlaMetadata {
    object: Vec<u8>,
}

/// Sizes of a launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetadataShape {
    /// Sequences.
    pub batch: usize,
    /// Query tokens of a sequence.
    pub tokens: usize,
    /// Persistent workgroups.
    pub workgroups: usize,
    /// Most parts of one sequence, on average; `None` for no limit but the workgroups.
    pub splits: Option<usize>,
    /// Tokens that a part is a multiple of, a power of two.
    pub granularity: usize,
}

impl MetadataShape {
    /// Items that the lists must have room for: every workgroup adds at most one boundary to those of the sequences.
    pub fn items(&self) -> usize {
        self.batch + self.workgroups
    }
}

/// What a launch reads and writes.
#[derive(Debug)]
pub struct MetadataOperands<'a> {
    /// Where each sequence's queries begin, `[batch + 1]` tokens.
    pub q_start: DeviceSlice<'a, i32>,
    /// Where each sequence's pages, of one token, begin, `[batch + 1]`.
    pub page_start: DeviceSlice<'a, i32>,
    /// Tokens in each sequence's last page, `[batch]`.
    pub last_page: DeviceSlice<'a, i32>,
    /// Receives the addresses of the next two, `[2]`.
    pub lists: DeviceSlice<'a, u64>,
    /// Receives where each workgroup's items begin, `[workgroups + 1]`.
    pub items_start: DeviceSlice<'a, i32>,
    /// Receives the items, `[items]`, see [`MetadataShape::items`].
    pub items: DeviceSlice<'a, WorkItem>,
    /// Receives where each sequence's parts begin in `parts`, `[batch + 1]`.
    pub parts_start: DeviceSlice<'a, i32>,
    /// Receives the first and the last query token of each sequence with parts, exclusive, `[batch, 2]`.
    pub tiles: DeviceSlice<'a, i32>,
    /// Receives the row of each part among the partial results, in tokens, `[items]`.
    pub parts: DeviceSlice<'a, i32>,
}

impl MlaMetadata {
    /// Compiles the kernels that pages of one token and no more than 128 query rows need.
    ///
    /// # Errors
    /// Those of [`HipSource::compile`].
    pub fn compile(source: &HipSource) -> Result<Self> {
        let mut text = "#include \"metadata/v1_2_device.cuh\"\n".to_owned();
        // The host code that follows the kernels in this file instantiates 160 of them: only these are emitted
        // because it is left off.
        let kernels = source
            .text("kernels/mla/metadata/v1_2_device.cuh", Some("\nvoid get_mla_metadata_v1_2_device("))?;
        text.clear();
        text.push_str(&kernels.replace("\"v1_comm.cuh\"", "\"metadata/v1_comm.cuh\""));
        for tokens in TOKENS {
            for rows in ROWS {
                let name = if tokens == 1 {
                    "kn_get_mla_metadata_v1_2_parallel"
                } else {
                    "kn_get_mla_metadata_v1_2"
                };
                let _ = write!(
                    text,
                    "\ntemplate __global__ void {name}<MlaMetadataV12Traits<{rows}, false, {tokens}, true, false>>\
                     (MlaMetadataV1KernelParameter);"
                );
            }
        }
        Ok(Self { object: source.compile(&text)? })
    }

    /// Queues the division for a row's launch.
    ///
    /// # Errors
    /// [`Error::Shape`] or [`Error::Operand`] when something does not fit, those of loading the kernel, and HIP's.
    pub fn launch(
        &self,
        device: &Device,
        row: &MlaRow,
        shape: MetadataShape,
        operands: &MetadataOperands<'_>,
        stream: &Stream,
    ) -> Result<()> {
        let MetadataShape { batch, tokens, workgroups, splits, granularity } = shape;
        let refuse = |reason: &str| {
            Err(Error::Shape { family: FAMILY, shape: format!("{shape:?}"), reason: reason.to_owned() })
        };
        if batch == 0 || workgroups == 0 || splits == Some(0) || !granularity.is_power_of_two() {
            return refuse("all sizes must be positive and the granularity a power of two");
        }
        if !TOKENS.contains(&tokens) {
            return refuse("kernels are compiled for 1, 2 and 4 query tokens");
        }
        let packed = row.heads * tokens;
        let rows =
            if row.q == MlaFormat::Bf16 && row.kv == MlaFormat::Bf16 && packed == 64 { 64 } else { 128 };
        if packed > rows {
            return refuse("the queries of a sequence must fit one workgroup");
        }
        check_len(FAMILY, "where queries begin [batch + 1]", batch + 1, operands.q_start.len())?;
        check_len(FAMILY, "where pages begin [batch + 1]", batch + 1, operands.page_start.len())?;
        check_len(FAMILY, "tokens in last pages [batch]", batch, operands.last_page.len())?;
        check_len(FAMILY, "the addresses of the lists", 2, operands.lists.len())?;
        check_len(FAMILY, "where items begin [workgroups + 1]", workgroups + 1, operands.items_start.len())?;
        check_len(FAMILY, "the items", shape.items(), operands.items.len())?;
        check_len(FAMILY, "where parts begin [batch + 1]", batch + 1, operands.parts_start.len())?;
        check_len(FAMILY, "the tiles [batch, 2]", 2 * batch, operands.tiles.len())?;
        check_len(FAMILY, "the parts", shape.items(), operands.parts.len())?;
        let number = |value| word(FAMILY, format!("{shape:?}"), value);
        let arguments = Arguments {
            lists: operands.lists.address(),
            items_start: operands.items_start.address(),
            items: operands.items.address(),
            parts_start: operands.parts_start.address(),
            tiles: operands.tiles.address(),
            parts: operands.parts.address(),
            q_start: operands.q_start.address(),
            page_start: operands.page_start.address(),
            last_page: operands.last_page.address(),
            batch: number(batch)?,
            fixed_batch: 0,
            heads: number(row.heads)?,
            workgroups: number(workgroups)?,
            parts_start_len: number(batch + 1)?,
            page: 1,
            granularity: number(granularity)?,
            log2_granularity: granularity.ilog2(),
            tokens: number(tokens)?,
            all_tokens: number(tokens)?,
            top_k: -1,
            batch_ratio: 1,
            splits: number(splits.map_or(workgroups, |splits| workgroups.min(splits * batch)))?,
            causal: u8::from(row.causal),
            sharded: u8::from(row.sharded),
            padding: [0; 2],
            // What an item costs beside its keys, in pages, by AITER's measure.
            overhead: 16,
            tail: number(tokens)?,
        };
        let traits = format!(
            "I20MlaMetadataV12TraitsILi{rows}ELb0ELi{tokens}ELb1ELb0EEEv28MlaMetadataV1KernelParameter"
        );
        let (symbol, waves) = match tokens {
            1 => (format!("_Z33kn_get_mla_metadata_v1_2_parallel{traits}"), WAVES),
            _ => (format!("_Z24kn_get_mla_metadata_v1_2{traits}"), 1),
        };
        let function = Module::load(device, &self.object)?.function(&symbol)?;
        let config = LaunchConfig::new(1, 64 * waves).with_shared_bytes(SHARED_BYTES);
        function.launch_bytes(config, stream, bytemuck::bytes_of(&arguments))?;
        Ok(())
    }
}

/// `MlaMetadataV1KernelParameter`.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Arguments {
    lists: u64,
    items_start: u64,
    items: u64,
    parts_start: u64,
    tiles: u64,
    parts: u64,
    q_start: u64,
    page_start: u64,
    last_page: u64,
    batch: u32,
    fixed_batch: u32,
    heads: u32,
    workgroups: u32,
    parts_start_len: u32,
    page: u32,
    granularity: u32,
    log2_granularity: u32,
    tokens: u32,
    all_tokens: u32,
    top_k: i32,
    batch_ratio: u32,
    splits: u32,
    causal: u8,
    sharded: u8,
    padding: [u8; 2],
    overhead: u32,
    tail: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::argument::assert_offsets;

    #[test]
    fn fields_lie_where_the_compiler_puts_them() {
        assert_offsets!(Arguments {
            q_start: 48,
            batch: 72,
            splits: 120,
            causal: 124,
            overhead: 128,
            tail: 132
        });
        assert_eq!(size_of::<Arguments>(), 136);
    }
}
