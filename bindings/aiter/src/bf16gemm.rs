//! `bf16gemm`: dense bf16 GEMM, `out = A·Bᵀ + bias`, bf16 or f32 result.
//!
//! Source of the facts: AITER e4048607a5 `csrc/py_itfs_cu/asm_gemm_a16w16.cu`, `aiter/ops/gemm_op_a16w16.py`, and
//! the loads that the machine code performs.

use bytemuck::{Pod, Zeroable};
use hip::{DeviceSlice, DeviceSliceMut, Stream};

use crate::argument::{Float, Pointer, Word};
use crate::gemm::{GemmShape, Tiles};
use crate::manifest::Row;
use crate::operand::{check_len, word};
use crate::{Error, Kernels, Result, order};

const FAMILY: &str = "bf16gemm";
const MANIFEST: &str = "bf16gemm/bf16gemm_fp32bf16.csv";

/// Threads of a workgroup: four waves.
const BLOCK: u32 = 256;

/// Elements of a row that one K step takes: K is a multiple.
const K_MULTIPLE: usize = 64;

/// Least size of A in bytes. The machine code advances the address of A by up to three K steps and shortens its
/// range by as much without a test; of a smaller A the range wraps around to 4 GiB, and rows beyond M are loaded.
const A_BYTES: usize = 3 * K_MULTIPLE * 2;

/// Most parts of K.
const SPLIT_LIMIT: usize = 16;

/// Counters that the workgroups of a split share, one per tile.
pub const SEMAPHORES: usize = 1024;

/// The family on one device.
#[derive(Debug, Clone)]
pub struct Bf16Gemm {
    tiles: Tiles<Bf16Tile>,
}

/// One kernel: a row of the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bf16Tile {
    /// Rows of the output that one workgroup computes.
    pub m: usize,
    /// Columns of the output that one workgroup computes; N is a multiple.
    pub n: usize,
    /// Elements of K that one step takes.
    pub sub_k: usize,
    /// Whether several workgroups share the K of one tile.
    pub split_k: bool,
    /// Whether B is in the order of [`numerics::layout::WeightShuffle`] of its bytes; else it is row-major.
    pub shuffled: bool,
    /// Whether a bias can be added.
    pub bias: bool,
    /// Symbol of the kernel.
    pub symbol: String,
    /// File of the object, in the family's folder.
    pub object: String,
}

/// A kernel, and into how many parts K is split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bf16Choice<'a> {
    /// The kernel.
    pub tile: &'a Bf16Tile,
    /// Workgroups per tile; 1 unless the kernel splits.
    pub split: usize,
}

/// The result of a launch.
#[derive(Debug)]
pub enum Bf16Output<'a> {
    /// `[M, N]` bf16.
    Bf16(DeviceSliceMut<'a, u16>),
    /// `[M, N]` f32.
    F32(DeviceSliceMut<'a, f32>),
}

/// The operands of one launch, on the device of the family.
#[derive(Debug)]
pub struct Bf16Operands<'a> {
    /// A, `[M, K]` bf16, row-major.
    pub a: DeviceSlice<'a, u16>,
    /// B, `[N, K]` bf16 in the order that the kernel asks for, see [`Bf16Tile::shuffled`].
    pub b: DeviceSlice<'a, u16>,
    /// Added to every row, `[N]` bf16.
    pub bias: Option<DeviceSlice<'a, u16>>,
    /// `[`[`SEMAPHORES`]`]`, zero; zero again after the launch. Only launches of one stream may share it.
    pub semaphores: DeviceSlice<'a, u32>,
    /// The result.
    pub out: Bf16Output<'a>,
}

impl Bf16Gemm {
    /// Reads the manifest.
    ///
    /// # Errors
    /// [`Error::Read`] or [`Error::Manifest`].
    pub fn open(kernels: &Kernels) -> Result<Self> {
        Ok(Self { tiles: Tiles::open(FAMILY, MANIFEST, kernels, tile)? })
    }

    /// All kernels, in the manifest's order.
    pub fn tiles(&self) -> &[Bf16Tile] {
        self.tiles.all()
    }

    /// AITER's choice for a shape on a device with `compute_units`.
    ///
    /// A kernel that splits K does so into as many parts as there are units for, from 2 to 16. Fewest rounds over
    /// the units win; then, within equal rounds, fewer idle units or fewer rows computed beyond M, or, these being
    /// equal, a better ratio of tile area to tile edges.
    ///
    /// # Errors
    /// [`Error::NoRow`] when no kernel has B in this order, adds a bias as asked, and fits N and K.
    pub fn choose(
        &self,
        shape: GemmShape,
        shuffled: bool,
        bias: bool,
        compute_units: u32,
    ) -> Result<Bf16Choice<'_>> {
        choose(self.tiles.all(), shape, shuffled, bias, compute_units)
    }

    /// Queues one product.
    ///
    /// # Errors
    /// [`Error::Shape`] or [`Error::Operand`] when an operand does not fit, those of loading the kernel, and HIP's.
    pub fn launch(
        &self,
        choice: Bf16Choice<'_>,
        shape: GemmShape,
        operands: Bf16Operands<'_>,
        stream: &Stream,
    ) -> Result<()> {
        let arguments = arguments(choice, shape, &operands)?;
        let (x, y) = grid(choice.tile, shape);
        let grid = (word(FAMILY, shape, x)?, word(FAMILY, shape, y)?, word(FAMILY, shape, choice.split)?);
        self.tiles.launch((&choice.tile.object, &choice.tile.symbol), grid, BLOCK, stream, &arguments)
    }
}

/// What the machine code reads; the fields that it does not read are there for their room.
#[derive(Debug, Clone, Copy, Default, Pod, Zeroable)]
#[repr(C)]
struct Arguments {
    d: Pointer,
    c: Pointer,
    a: Pointer,
    b: Pointer,
    alpha: Float,
    beta: Float,
    stride_d0: Word,
    stride_d1: Word,
    stride_c0: Word,
    stride_c1: Word,
    stride_a0: Word,
    stride_a1: Word,
    stride_b0: Word,
    stride_b1: Word,
    m: Word,
    n: Word,
    k: Word,
    split: Word,
    out_is_bf16: Word,
    bias: Pointer,
    add_bias: Word,
    semaphores: Pointer,
}

fn arguments(choice: Bf16Choice<'_>, shape: GemmShape, operands: &Bf16Operands<'_>) -> Result<Arguments> {
    let (GemmShape { m, n, k }, Bf16Choice { tile, split }) = (shape, choice);
    let refuse = |reason: String| Err(Error::Shape { family: FAMILY, shape: shape.to_string(), reason });
    if m == 0 || n == 0 || !n.is_multiple_of(tile.n) {
        return refuse(format!("M must be positive and N a multiple of {}; pad N", tile.n));
    }
    if k == 0 || !k.is_multiple_of(K_MULTIPLE) {
        return refuse(format!("K must be a multiple of {K_MULTIPLE}; pad it with zeros"));
    }
    if m * k * 2 < A_BYTES {
        return refuse(format!("A must have at least {A_BYTES} bytes; pad K with zeros"));
    }
    let (x, y) = grid(tile, shape);
    if split == 0 || split > SPLIT_LIMIT.min((k / tile.sub_k).max(1)) || (split > 1 && !tile.split_k) {
        return refuse(format!("{} cannot split K into {split} parts", tile.symbol));
    }
    if split == 1 && tile.split_k {
        return refuse(format!(
            "{} counts on a semaphore even when it does not split, and does not leave it zero; choose another kernel, \
             or pad K with zeros and split it",
            tile.symbol
        ));
    }
    if split > 1 && x * y > SEMAPHORES {
        return refuse(format!("a split has at most {SEMAPHORES} tiles, not {}; do not split", x * y));
    }
    if operands.bias.is_some() && !tile.bias {
        return refuse(format!("{} adds no bias; choose another kernel", tile.symbol));
    }
    let (out, out_len, out_bytes) = match &operands.out {
        Bf16Output::Bf16(out) => (out.as_slice().address(), out.as_slice().len(), 2),
        Bf16Output::F32(out) => (out.as_slice().address(), out.as_slice().len(), 4),
    };
    check_len(FAMILY, "A [M, K]", m * k, operands.a.len())?;
    check_len(FAMILY, "B [N, K]", n * k, operands.b.len())?;
    check_len(FAMILY, "the result [M, N]", m * n, out_len)?;
    check_len(FAMILY, "the semaphores", SEMAPHORES, operands.semaphores.len())?;
    if let Some(bias) = &operands.bias {
        check_len(FAMILY, "the bias [N]", n, bias.len())?;
    }
    let number = |value| word(FAMILY, shape, value).map(Word::from);
    Ok(Arguments {
        d: out.into(),
        a: operands.a.address().into(),
        b: operands.b.address().into(),
        alpha: 1.0.into(),
        stride_d0: number(n * out_bytes)?,
        stride_c0: number(n * out_bytes)?,
        stride_a0: number(k * 2)?,
        stride_b0: number(k * 2)?,
        m: number(m)?,
        n: number(n)?,
        k: number(k)?,
        split: number(split)?,
        out_is_bf16: u32::from(out_bytes == 2).into(),
        bias: operands.bias.as_ref().map_or(0, |bias| bias.address()).into(),
        add_bias: u32::from(operands.bias.is_some()).into(),
        semaphores: operands.semaphores.address().into(),
        ..Arguments::default()
    })
}

/// Tiles along N and along M.
fn grid(tile: &Bf16Tile, shape: GemmShape) -> (usize, usize) {
    (shape.n.div_ceil(tile.n), shape.m.div_ceil(tile.m))
}

fn tile(row: Row<'_>) -> Result<Bf16Tile> {
    Ok(Bf16Tile {
        m: row.number("tileM")? as usize,
        n: row.number("tileN")? as usize,
        sub_k: row.number("subK")? as usize,
        split_k: row.flag("splitK")?,
        shuffled: row.flag("bPreshuffle")?,
        bias: row.flag("bias")?,
        symbol: row.text("knl_name")?.to_owned(),
        object: row.text("co_name")?.to_owned(),
    })
}

fn choose(
    tiles: &[Bf16Tile],
    shape: GemmShape,
    shuffled: bool,
    bias: bool,
    compute_units: u32,
) -> Result<Bf16Choice<'_>> {
    let units = compute_units as usize;
    let mut best = None;
    let (mut rounds, mut idle, mut ratio, mut excess) = (usize::MAX, units, 1.0_f32, shape.m);
    for index in order::walk(tiles.iter().map(|tile| tile.symbol.as_str())) {
        let tile = &tiles[index];
        if tile.shuffled != shuffled || (bias && !tile.bias) || !shape.n.is_multiple_of(tile.n) {
            continue;
        }
        let (x, y) = grid(tile, shape);
        let steps = shape.k / tile.sub_k;
        let split =
            if tile.split_k && steps >= 2 { (units / (x * y)).min(SPLIT_LIMIT).min(steps).max(2) } else { 1 };
        let own_rounds = (x * y * split).div_ceil(units);
        let own_idle = own_rounds * units - x * y * split;
        let own_ratio = (tile.m * tile.n) as f32 / (tile.m + tile.n) as f32;
        // AITER compares the excess of a whole number of tiles as 0 in one place and as a full tile in the other.
        let short_by = tile.m - shape.m % tile.m;
        let own_excess = short_by % tile.m;
        let same_rounds = own_rounds == rounds;
        if own_rounds < rounds
            || (same_rounds && (own_idle < idle || own_excess < excess))
            || (same_rounds && own_idle == idle && short_by == excess && own_ratio > ratio)
        {
            (rounds, idle, ratio, excess) = (own_rounds, own_idle, own_ratio, own_excess);
            best = Some(Bf16Choice { tile, split });
        }
    }
    best.ok_or_else(|| Error::NoRow {
        manifest: MANIFEST,
        wanted: format!(
            "{shape}, B {}{}",
            if shuffled { "shuffled" } else { "row-major" },
            if bias { ", bias" } else { "" }
        ),
        advice: "N must be a multiple of 64; pad B".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::argument::assert_offsets;
    use crate::gemm::parsed;

    fn tile(m: usize, split_k: bool) -> Bf16Tile {
        let symbol = format!("b{m}{split_k}");
        let object = format!("{symbol}.co");
        Bf16Tile { m, n: 64, sub_k: 64, split_k, shuffled: false, bias: true, symbol, object }
    }

    #[test]
    fn fields_lie_where_the_machine_code_reads_them() {
        assert_offsets!(Arguments {
            d: 0x00,
            c: 0x10,
            a: 0x20,
            b: 0x30,
            alpha: 0x40,
            beta: 0x50,
            stride_c0: 0x80,
            stride_a0: 0xa0,
            stride_b0: 0xc0,
            m: 0xe0,
            n: 0xf0,
            k: 0x100,
            split: 0x110,
            out_is_bf16: 0x120,
            bias: 0x130,
            add_bias: 0x140,
            semaphores: 0x150,
        });
        assert_eq!(size_of::<Arguments>(), 0x160);
    }

    #[test]
    fn rows_of_a_manifest_become_tiles() {
        let text =
            "knl_name,co_name,tn,tileM,tileN,pf,bPreshuffle,splitK,subK,bias\ns,o.co,1,96,64,3,0,1,64,1\n";
        let rows = parsed(text, super::tile).unwrap();
        let symbol = "s".to_owned();
        assert_eq!(rows, [Bf16Tile { symbol, object: "o.co".to_owned(), ..tile(96, true) }]);
    }

    /// M=32 N=256 K=1024 on 256 units: 4 tiles of 32, room for 64 parts, at most 16 (both by the limit and by K/64):
    /// 64 groups, 192 idle. Without a split there are 4 groups and 252 idle, so the split kernel wins in any order.
    #[test]
    fn a_split_fills_idle_units() {
        let tiles = [tile(32, false), tile(32, true)];
        let shape = GemmShape { m: 32, n: 256, k: 1024 };
        assert_eq!(
            choose(&tiles, shape, false, false, 256).unwrap(),
            Bf16Choice { tile: &tiles[1], split: 16 }
        );
        // K = 64 is one step: nothing to split.
        let shape = GemmShape { k: 64, ..shape };
        assert_eq!(choose(&tiles[1..], shape, false, false, 256).unwrap().split, 1);
        // 300 tiles on 256 units leave no room, but a kernel that splits does so at least in two.
        let shape = GemmShape { m: 32, n: 64 * 300, k: 1024 };
        assert_eq!(choose(&tiles[1..], shape, false, false, 256).unwrap().split, 2);
    }

    /// M=48: a tile of 48 computes no row too many, a tile of 64 computes 16; both are one tile, one round.
    #[test]
    fn fewer_rows_beyond_m_win_within_a_round() {
        let tiles = [tile(64, false), tile(48, false)];
        let choice = choose(&tiles, GemmShape { m: 48, n: 64, k: 64 }, false, true, 256).unwrap();
        assert_eq!(choice.tile.m, 48);
    }

    #[test]
    fn what_no_kernel_can_do_is_an_error() {
        let shape = GemmShape { m: 1, n: 100, k: 64 };
        assert!(matches!(choose(&[tile(32, false)], shape, false, false, 256), Err(Error::NoRow { .. })));
        let shape = GemmShape { n: 64, ..shape };
        assert!(choose(&[tile(32, false)], shape, true, false, 256).is_err());
        assert!(choose(&[tile(32, false)], shape, false, true, 256).is_ok());
    }
}
