//! `fp8gemm_blockscale`: dense FP8 GEMM with f32 scales per block of 128, `out = A·Bᵀ + bias`, bf16 result.
//!
//! Source of the facts: AITER e4048607a5 `csrc/py_itfs_cu/asm_a8w8_blockscale_bpreshuffle.cu`,
//! `op_tests/test_gemm_a8w8_blockscale.py`, and the loads that the machine code performs.

use bytemuck::{Pod, Zeroable};
use hip::{DeviceSlice, DeviceSliceMut, Stream};

use crate::argument::{Pointer, Word};
use crate::gemm::{GemmShape, Tiles};
use crate::manifest::Row;
use crate::operand::{check_len, word};
use crate::{Error, Kernels, Result, order};

const FAMILY: &str = "fp8gemm_blockscale";
const MANIFEST: &str = "fp8gemm_blockscale/fp8gemm_bf16_blockscale.csv";

/// Threads of a workgroup: four waves.
const BLOCK: u32 = 256;

/// Elements of K, and rows of B, that share a scale; also one K step.
const SCALE_BLOCK: usize = 128;

/// The most parts that AITER tries.
const SPLIT_LIMIT: usize = 16;

/// The family on one device.
#[derive(Debug, Clone)]
pub struct Fp8Gemm {
    tiles: Tiles<Fp8Tile>,
}

/// One kernel: a row of the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fp8Tile {
    /// Rows of the output that one workgroup computes.
    pub m: usize,
    /// Columns of the output that one workgroup computes; N is a multiple.
    pub n: usize,
    /// Whether several workgroups can share the K of one tile.
    pub split_k: bool,
    /// Whether B is in the order of [`numerics::layout::WeightShuffle`]; else it is row-major.
    pub shuffled: bool,
    /// Symbol of the kernel.
    pub symbol: String,
    /// File of the object, in the family's folder.
    pub object: String,
}

/// A kernel, and into how many parts K is split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fp8Choice<'a> {
    /// The kernel.
    pub tile: &'a Fp8Tile,
    /// Workgroups per tile, at least 1.
    pub split: usize,
}

/// The operands of one launch, on the device of the family.
#[derive(Debug)]
pub struct Fp8Operands<'a> {
    /// A, `[M, K]` e4m3, row-major.
    pub a: DeviceSlice<'a, u8>,
    /// B, `[N, K]` e4m3 in the order that the kernel asks for, see [`Fp8Tile::shuffled`].
    pub b: DeviceSlice<'a, u8>,
    /// Scales of A, `[K/128, M]`: all rows of one block of K together.
    pub a_scale: DeviceSlice<'a, f32>,
    /// Scales of B, `[N/128, K/128]`.
    pub b_scale: DeviceSlice<'a, f32>,
    /// Added to every row, `[N]`. There is always one; zeros for none.
    pub bias: DeviceSlice<'a, f32>,
    /// The result, `[M, N]` bf16. With a split it must be zero before the launch: the parts are added atomically.
    pub out: DeviceSliceMut<'a, u16>,
}

impl Fp8Gemm {
    /// Reads the manifest.
    ///
    /// # Errors
    /// [`Error::Read`] or [`Error::Manifest`].
    pub fn open(kernels: &Kernels) -> Result<Self> {
        Ok(Self { tiles: Tiles::open(FAMILY, MANIFEST, kernels, tile)? })
    }

    /// All kernels, in the manifest's order.
    pub fn tiles(&self) -> &[Fp8Tile] {
        self.tiles.all()
    }

    /// AITER's choice for a shape on a device with `compute_units`.
    ///
    /// `split` forces a number of parts; `None` stands for AITER's default, which is no split. Fewest rounds over the
    /// compute units win; then, within equal rounds, fewer idle units or a better ratio of tile area to edges.
    ///
    /// # Errors
    /// [`Error::NoRow`] when no kernel has B in this order or fits N.
    pub fn choose(
        &self,
        shape: GemmShape,
        shuffled: bool,
        split: Option<usize>,
        compute_units: u32,
    ) -> Result<Fp8Choice<'_>> {
        choose(self.tiles.all(), shape, shuffled, split.unwrap_or(1).max(1), compute_units)
    }

    /// Queues one product. A split result is not zeroed here, see [`Fp8Operands::out`].
    ///
    /// # Errors
    /// [`Error::Shape`] or [`Error::Operand`] when an operand does not fit, those of loading the kernel, and HIP's.
    pub fn launch(
        &self,
        choice: Fp8Choice<'_>,
        shape: GemmShape,
        operands: Fp8Operands<'_>,
        stream: &Stream,
    ) -> Result<()> {
        let arguments = arguments(choice, shape, &operands)?;
        let Fp8Choice { tile, split } = choice;
        // The parts of one tile are neighbours along x.
        let x = word(FAMILY, shape, shape.n / tile.n * split)?;
        let y = word(FAMILY, shape, shape.m.div_ceil(tile.m))?;
        self.tiles.launch((&tile.object, &tile.symbol), (x, y), BLOCK, stream, &arguments)
    }
}

/// What the machine code reads.
#[derive(Debug, Clone, Copy, Default, Pod, Zeroable)]
#[repr(C)]
struct Arguments {
    c: Pointer,
    a: Pointer,
    b: Pointer,
    a_scale: Pointer,
    b_scale: Pointer,
    bias: Pointer,
    m: Word,
    n: Word,
    k: Word,
    /// Row strides: of A and B in elements, of the result in bytes.
    stride_a: Word,
    stride_b: Word,
    stride_c: Word,
    split: Word,
    scales_m: Word,
    scales_n: Word,
    scales_k: Word,
}

fn arguments(choice: Fp8Choice<'_>, shape: GemmShape, operands: &Fp8Operands<'_>) -> Result<Arguments> {
    let (GemmShape { m, n, k }, Fp8Choice { tile, split }) = (shape, choice);
    let refuse = |reason: String| Err(Error::Shape { family: FAMILY, shape: shape.to_string(), reason });
    if m == 0 || n == 0 || k == 0 || !n.is_multiple_of(tile.n) || !k.is_multiple_of(SCALE_BLOCK) {
        return refuse(format!("N must be a multiple of {} and K of {SCALE_BLOCK}; pad them", tile.n));
    }
    if split != parts(k, split) || (split > 1 && !tile.split_k) {
        return refuse(format!(
            "{} cannot split K into {split} parts of whole blocks of {SCALE_BLOCK}; {} parts would do",
            tile.symbol,
            parts(k, split)
        ));
    }
    let blocks = k / SCALE_BLOCK;
    check_len(FAMILY, "A [M, K]", m * k, operands.a.len())?;
    check_len(FAMILY, "B [N, K]", n * k, operands.b.len())?;
    check_len(FAMILY, "the scales of A [K/128, M]", m * blocks, operands.a_scale.len())?;
    check_len(FAMILY, "the scales of B [N/128, K/128]", n / SCALE_BLOCK * blocks, operands.b_scale.len())?;
    check_len(FAMILY, "the bias [N]", n, operands.bias.len())?;
    check_len(FAMILY, "the result [M, N]", m * n, operands.out.as_slice().len())?;
    let number = |value| word(FAMILY, shape, value).map(Word::from);
    Ok(Arguments {
        c: operands.out.as_slice().address().into(),
        a: operands.a.address().into(),
        b: operands.b.address().into(),
        a_scale: operands.a_scale.address().into(),
        b_scale: operands.b_scale.address().into(),
        bias: operands.bias.address().into(),
        m: number(m)?,
        n: number(n)?,
        k: number(k)?,
        stride_a: number(k)?,
        stride_b: number(k)?,
        stride_c: number(n * 2)?,
        split: number(split)?,
        scales_m: number(m)?,
        scales_n: number(n / SCALE_BLOCK)?,
        scales_k: number(blocks)?,
    })
}

/// The parts that `split` parts really are when each has a whole number of scale blocks.
fn parts(k: usize, split: usize) -> usize {
    k.div_ceil(k.div_ceil(split.clamp(1, SPLIT_LIMIT)).next_multiple_of(SCALE_BLOCK))
}

fn tile(row: Row<'_>) -> Result<Fp8Tile> {
    Ok(Fp8Tile {
        m: row.number("tile_m")? as usize,
        n: row.number("tile_n")? as usize,
        split_k: row.flag("splitK")?,
        shuffled: row.flag("bpreshuffle")?,
        symbol: row.text("knl_name")?.to_owned(),
        object: row.text("co_name")?.to_owned(),
    })
}

fn choose(
    tiles: &[Fp8Tile],
    shape: GemmShape,
    shuffled: bool,
    split: usize,
    compute_units: u32,
) -> Result<Fp8Choice<'_>> {
    let units = compute_units as usize;
    let mut best = None;
    let (mut rounds, mut idle, mut ratio) = (usize::MAX, units, 1);
    for index in order::walk(tiles.iter().map(|tile| tile.symbol.as_str())) {
        let tile = &tiles[index];
        // AITER asks for a kernel that can split even when it does not split.
        if tile.shuffled != shuffled || !tile.split_k || !shape.n.is_multiple_of(tile.n) {
            continue;
        }
        let groups = shape.m.div_ceil(tile.m) * (shape.n / tile.n) * split;
        let own_rounds = groups.div_ceil(units);
        let own_idle = own_rounds * units - groups;
        // AITER divides integers here.
        let own_ratio = tile.m * tile.n / (tile.m + tile.n);
        if own_rounds < rounds || (own_rounds == rounds && (own_idle < idle || own_ratio > ratio)) {
            (rounds, idle, ratio) = (own_rounds, own_idle, own_ratio);
            best = Some(tile);
        }
    }
    // AITER corrects a split that does not give whole blocks, but only after it has chosen the kernel.
    best.map(|tile| Fp8Choice { tile, split: parts(shape.k, split) }).ok_or_else(|| Error::NoRow {
        manifest: MANIFEST,
        wanted: format!("{shape}, B {}", if shuffled { "shuffled" } else { "row-major" }),
        advice: "shuffle B, and pad N to a multiple of 128".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::argument::assert_offsets;
    use crate::gemm::parsed;

    fn tile(m: usize) -> Fp8Tile {
        let symbol = format!("f{m}");
        Fp8Tile { m, n: 128, split_k: true, shuffled: true, object: format!("{symbol}.co"), symbol }
    }

    #[test]
    fn fields_lie_where_the_machine_code_reads_them() {
        assert_offsets!(Arguments {
            c: 0x00,
            a: 0x10,
            b: 0x20,
            a_scale: 0x30,
            b_scale: 0x40,
            bias: 0x50,
            m: 0x60,
            n: 0x70,
            k: 0x80,
            stride_a: 0x90,
            stride_b: 0xa0,
            stride_c: 0xb0,
            split: 0xc0,
            scales_m: 0xd0,
            scales_n: 0xe0,
            scales_k: 0xf0,
        });
        assert_eq!(size_of::<Arguments>(), 0x100);
    }

    #[test]
    fn rows_of_a_manifest_become_tiles() {
        let text = "tile_m,tile_n,splitK,bpreshuffle,knl_name,co_name\n48,128,1,1,f48,f48.co\n";
        assert_eq!(parsed(text, super::tile).unwrap(), [tile(48)]);
    }

    /// M=96 N=256 on 256 units: tiles of 32 make 6 groups and leave 250 idle, one of 96 makes 2 and leaves 254 but
    /// has ratio 54 against 25. M=4096 N=4096 on 8 units: 4096 groups against 1376.
    #[test]
    fn fewer_rounds_win_and_ties_go_to_the_later_kernel_that_is_better_in_one_respect() {
        let tiles = [tile(32), tile(96)];
        let last = *order::walk(tiles.iter().map(|tile| tile.symbol.as_str())).last().unwrap();
        let shape = GemmShape { m: 96, n: 256, k: 512 };
        assert_eq!(choose(&tiles, shape, true, 1, 256).unwrap().tile, &tiles[last]);
        let shape = GemmShape { m: 4096, n: 4096, k: 512 };
        assert_eq!(choose(&tiles, shape, true, 1, 8).unwrap().tile.m, 96);
    }

    #[test]
    fn parts_have_whole_blocks() {
        // 1280 elements in 4 parts: 320 each, 384 in whole blocks, so 4; in 8 parts: 160, 256, so 5.
        assert_eq!((parts(1280, 4), parts(1280, 8), parts(128, 16), parts(7168, 1)), (4, 5, 1, 1));
        let shape = GemmShape { m: 1, n: 128, k: 1280 };
        assert_eq!(choose(&[tile(32)], shape, true, 8, 256).unwrap().split, 5);
        assert!(choose(&[tile(32)], shape, false, 1, 256).is_err());
    }
}
