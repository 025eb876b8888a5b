//! AITER's merge of partial attention results, by its own kernel on the device.
//!
//! Source of the facts: AITER e4048607a5 `csrc/kernels/mla/reduce.cu`, compiled by [`HipSource`](crate::HipSource).

use std::fmt::Write;

use bytemuck::{Pod, Zeroable};
use hip::{Device, DeviceSlice, LaunchConfig, Module, Stream};

use crate::operand::{check_len, word};
use crate::{Error, HipSource, MLA_VALUE, Result};

const FAMILY: &str = "mla reduce";

/// Query heads for which the kernel is instantiated here: those of the persistent kernels that the manifest names.
const HEADS: [usize; 4] = [8, 16, 32, 64];

/// Workgroups that share the tokens of a sequence and a head; AITER also knows 8 and more.
const GROUPS: [usize; 3] = [1, 2, 4];

/// Threads of a workgroup: two waves.
const BLOCK: u32 = 128;

/// Workgroups that AITER expects on a compute unit at a time.
const OCCUPANCY: usize = 8;

/// The kernels, as an object.
#[derive(Debug, Clone)]
pub struct MlaReduce {
    object: Vec<u8>,
}

/// Sizes of a launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReduceShape {
    /// Sequences.
    pub batch: usize,
    /// Query tokens of a sequence.
    pub tokens: usize,
    /// Query heads.
    pub heads: usize,
}

/// What a launch reads and writes. T = batch · tokens.
#[derive(Debug)]
pub struct ReduceOperands<'a> {
    /// Where each sequence's parts begin in `parts`, `[batch + 1]`. One without parts is left alone.
    pub parts_start: DeviceSlice<'a, i32>,
    /// First and last query token of each sequence with parts, exclusive, `[batch, 2]`.
    pub tiles: DeviceSlice<'a, i32>,
    /// The row of each part among the partial results, in tokens.
    pub parts: DeviceSlice<'a, i32>,
    /// Partial results, `[rows, heads, 512]`.
    pub partial: DeviceSlice<'a, f32>,
    /// Their log-sum-exp, `[rows, heads]`.
    pub partial_lse: DeviceSlice<'a, f32>,
    /// Receives the results, `[T, heads, 512]` bf16.
    pub out: DeviceSlice<'a, u16>,
    /// Receives their log-sum-exp, `[T, heads]`, where wanted.
    pub out_lse: Option<DeviceSlice<'a, f32>>,
}

impl MlaReduce {
    /// Compiles the kernels for values of 512 numbers, bf16 results and as many heads as the manifest's kernels have.
    ///
    /// # Errors
    /// Those of [`HipSource::compile`].
    pub fn compile(source: &HipSource) -> Result<Self> {
        // AITER's entry, at the end of the file, instantiates 644 kernels.
        let mut text = source.text("kernels/mla/reduce.cu", Some("\nvoid mla_reduce_v1("))?;
        for heads in HEADS {
            for groups in GROUPS {
                let _ = write!(
                    text,
                    "\ntemplate __global__ void kn_mla_reduce_v1<MlaReduceKernelV1Traits<{MLA_VALUE}, {heads}, \
                     {groups}>, float, opus::bf16_t>(MlaReduceKernelV1Params, MlaReduceKernelV1Configs);"
                );
            }
        }
        Ok(Self { object: source.compile(&text)? })
    }

    /// Queues the merge.
    ///
    /// # Errors
    /// [`Error::Shape`] or [`Error::Operand`] when something does not fit, those of loading the kernel, and HIP's.
    pub fn launch(
        &self,
        device: &Device,
        shape: ReduceShape,
        operands: &ReduceOperands<'_>,
        stream: &Stream,
    ) -> Result<()> {
        let ReduceShape { batch, tokens, heads } = shape;
        let refuse = |reason: &str| {
            Err(Error::Shape { family: FAMILY, shape: format!("{shape:?}"), reason: reason.to_owned() })
        };
        let units = device.properties()?.compute_units as usize;
        let groups = groups(shape, units);
        if !HEADS.contains(&heads) || !GROUPS.contains(&groups) {
            return refuse("kernels are compiled for 8, 16, 32 and 64 heads and up to 4 tokens");
        }
        if heads * groups * batch > 2 * OCCUPANCY * units {
            return refuse(
                "for so many sequences AITER launches persistent workgroups, which are not compiled here",
            );
        }
        let all = batch * tokens;
        check_len(FAMILY, "where parts begin [batch + 1]", batch + 1, operands.parts_start.len())?;
        check_len(FAMILY, "the tiles [batch, 2]", 2 * batch, operands.tiles.len())?;
        check_len(
            FAMILY,
            "the partial results [rows, heads, 512]",
            operands.partial_lse.len() * MLA_VALUE,
            operands.partial.len(),
        )?;
        check_len(FAMILY, "the result [T, heads, 512]", all * heads * MLA_VALUE, operands.out.len())?;
        if let Some(out_lse) = &operands.out_lse {
            check_len(FAMILY, "the log-sum-exp [T, heads]", all * heads, out_lse.len())?;
        }
        let number = |value| word(FAMILY, format!("{shape:?}"), value);
        // The most parts that AITER reckons with, and the weights that one wave writes for them: one, four or more a
        // lane.
        let most = units;
        let weights = match most {
            0..=64 => 64,
            65..=256 => 256,
            _ => most.next_multiple_of(64),
        };
        let arguments = Arguments {
            parts_start: operands.parts_start.address(),
            tiles: operands.tiles.address(),
            parts: operands.parts.address(),
            out_lse: operands.out_lse.as_ref().map_or(0, |lse| lse.address()),
            out: operands.out.address(),
            partial_lse: operands.partial_lse.address(),
            partial: operands.partial.address(),
            token_stride: number(heads * MLA_VALUE)?,
            head_stride: number(MLA_VALUE)?,
            most_parts: number(most)?,
            tiles_len: number(batch)?,
            writes_lse: u8::from(operands.out_lse.is_some()),
            has_tiles: 1,
            padding: [0; 6],
            weights: number(weights)?,
            end: 0,
        };
        let symbol = format!(
            "_Z16kn_mla_reduce_v1I23MlaReduceKernelV1TraitsILi{MLA_VALUE}ELi{heads}ELi{groups}EEfDF16bEv\
             23MlaReduceKernelV1Params24MlaReduceKernelV1Configs"
        );
        let function = Module::load(device, &self.object)?.function(&symbol)?;
        let shared = 4 * (most + weights + weights.saturating_sub(256));
        let grid = (number(heads)?, number(groups)?, number(batch)?);
        let config = LaunchConfig::new(grid, BLOCK).with_shared_bytes(number(shared)?);
        // The struct ends behind `weights`; Rust rounds its size up to 8.
        let bytes = &bytemuck::bytes_of(&arguments)[..core::mem::offset_of!(Arguments, end)];
        function.launch_bytes(config, stream, bytes)?;
        Ok(())
    }
}

/// Workgroups that share the tokens of a sequence and a head: by AITER's rule as many as fill the device 1.3 times.
fn groups(shape: ReduceShape, units: usize) -> usize {
    let work = shape.batch * shape.heads;
    let room = (OCCUPANCY * units) as f64 * 1.3;
    if room <= work as f64 {
        return 1;
    }
    (room as usize).div_ceil(work).min(shape.tokens).next_power_of_two()
}

/// `MlaReduceKernelV1Params` and `MlaReduceKernelV1Configs`.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Arguments {
    parts_start: u64,
    tiles: u64,
    parts: u64,
    out_lse: u64,
    out: u64,
    partial_lse: u64,
    partial: u64,
    token_stride: u32,
    head_stride: u32,
    most_parts: u32,
    tiles_len: u32,
    writes_lse: u8,
    has_tiles: u8,
    padding: [u8; 6],
    weights: u32,
    end: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::argument::assert_offsets;

    #[test]
    fn fields_lie_where_the_compiler_puts_them() {
        assert_offsets!(Arguments {
            partial: 48,
            token_stride: 56,
            tiles_len: 68,
            writes_lse: 72,
            weights: 80,
            end: 84
        });
    }

    #[test]
    fn tokens_are_shared_while_the_device_has_room() {
        let groups = |batch, tokens, heads| groups(ReduceShape { batch, tokens, heads }, 256);
        assert_eq!(
            (groups(3, 4, 16), groups(3, 1, 16), groups(100, 4, 16), groups(200, 4, 16)),
            (4, 1, 2, 1)
        );
    }
}
