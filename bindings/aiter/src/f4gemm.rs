//! `f4gemm`: dense MXFP4 GEMM, `out = alpha · A·Bᵀ`, bf16 result.
//!
//! Source of the facts: AITER e4048607a5 `csrc/py_itfs_cu/asm_gemm_a4w4.cu` and the loads that the machine code
//! performs. AITER's entry takes a bias and its weight beta as well, but no kernel uses them, and only three use
//! alpha; see [`F4Tile::limits`].

use bytemuck::{Pod, Zeroable};
use hip::{DeviceSlice, DeviceSliceMut, Stream};
use numerics::layout::ScaleShuffle;

use crate::argument::{Float, Pointer, Word};
use crate::gemm::{GemmShape, Tiles};
use crate::manifest::Row;
use crate::operand::{check_len, word};
use crate::{Error, Kernels, Result, order};

const FAMILY: &str = "f4gemm";
const MANIFEST: &str = "f4gemm/f4gemm_bf16_per1x32Fp4.csv";

/// Threads of a workgroup: four waves.
const BLOCK: u32 = 256;

/// One K step of the kernels, in elements; a split of K is a whole number of them.
const K_STEP: usize = 256;

/// The family on one device.
#[derive(Debug, Clone)]
pub struct F4Gemm {
    tiles: Tiles<F4Tile>,
}

/// One kernel: a row of the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct F4Tile {
    /// Rows of the output that one workgroup computes.
    pub m: usize,
    /// Columns of the output that one workgroup computes.
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

/// What the machine code of a kernel can do; none of it is in the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct F4Limits {
    /// M must be a multiple of this. 1 where the range of the output buffer ends with row M.
    pub m_multiple: usize,
    /// N must be a multiple of this: stores are not masked by column, so the excess of one row would land in the
    /// next one, in a race with the workgroup that owns it.
    pub n_multiple: usize,
    /// Smallest K. With less, the unconditional loads of the second K step can leave A or B.
    pub k_minimum: usize,
    /// Whether alpha is used; the other kernels load and ignore it.
    pub alpha: bool,
}

impl F4Tile {
    /// What the kernel can do, from its machine code in AITER e4048607a5.
    ///
    /// Most kernels test every 32 columns against N before they store. The kernels of 192×256, 224×256, 256×256 and
    /// 128×512 store whole tiles of columns; the 256×256 kernel for a row-major B also whole tiles of
    /// rows, for its output buffer has no end.
    pub fn limits(&self) -> F4Limits {
        let whole_columns = matches!((self.m, self.n), (192 | 224 | 256, 256) | (128, 512));
        F4Limits {
            m_multiple: if self.shuffled { 1 } else { self.m },
            n_multiple: if whole_columns { self.n } else { 32 },
            k_minimum: if (self.m, self.n) == (256, 256) { 2 * K_STEP } else { K_STEP },
            alpha: matches!((self.m, self.n), (256, 256) | (128, 512)),
        }
    }
}

/// A kernel, and into how many parts K is split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct F4Choice<'a> {
    /// The kernel.
    pub tile: &'a F4Tile,
    /// Workgroups per tile as a power of two; 0 unless the kernel can split.
    pub log2_split: u32,
}

/// The operands of one launch, on the device of the family.
#[derive(Debug)]
pub struct F4Operands<'a> {
    /// A, `[M, K/2]`, two e2m1 per byte, low nibble first, row-major.
    pub a: DeviceSlice<'a, u8>,
    /// B, `[N, K/2]` in the order that the kernel asks for, see [`F4Tile::shuffled`].
    pub b: DeviceSlice<'a, u8>,
    /// E8M0 scales of A, [`ScaleShuffle::dense`]`(M, K/32)`; the padding may hold anything.
    pub a_scale: DeviceSlice<'a, u8>,
    /// E8M0 scales of B, [`ScaleShuffle::dense`]`(N, K/32)`; the padding may hold anything.
    pub b_scale: DeviceSlice<'a, u8>,
    /// Weight of the product; 1 for kernels without that factor.
    pub alpha: f32,
    /// The result, `[M, N]` bf16. With a split it must be zero before the launch: the parts are added atomically.
    pub out: DeviceSliceMut<'a, u16>,
}

impl F4Gemm {
    /// Reads the manifest.
    ///
    /// # Errors
    /// [`Error::Read`] or [`Error::Manifest`].
    pub fn open(kernels: &Kernels) -> Result<Self> {
        Ok(Self { tiles: Tiles::open(FAMILY, MANIFEST, kernels, tile)? })
    }

    /// All kernels, in the manifest's order.
    pub fn tiles(&self) -> &[F4Tile] {
        self.tiles.all()
    }

    /// AITER's choice for a shape on a device with `compute_units`.
    ///
    /// `log2_split` forces a split (0: none), `None` lets the choice decide. Fewest rounds over the compute units
    /// win; then, within equal rounds, fewer idle units or a better ratio of tile area to tile edges.
    ///
    /// # Errors
    /// [`Error::NoRow`] when no kernel has B in this order, can split as forced, or fits N.
    pub fn choose(
        &self,
        shape: GemmShape,
        shuffled: bool,
        log2_split: Option<u32>,
        compute_units: u32,
    ) -> Result<F4Choice<'_>> {
        choose(self.tiles.all(), shape, shuffled, log2_split, compute_units)
    }

    /// Queues one product. A split result is not zeroed here, see [`F4Operands::out`].
    ///
    /// # Errors
    /// [`Error::Shape`] or [`Error::Operand`] when an operand does not fit, those of loading the kernel, and HIP's.
    pub fn launch(
        &self,
        choice: F4Choice<'_>,
        shape: GemmShape,
        operands: F4Operands<'_>,
        stream: &Stream,
    ) -> Result<()> {
        let arguments = arguments(choice, shape, &operands)?;
        let grid = (
            word(FAMILY, shape, shape.n.div_ceil(choice.tile.n))?,
            word(FAMILY, shape, shape.m.div_ceil(choice.tile.m))?,
            word(FAMILY, shape, parts(shape.k, choice.log2_split))?,
        );
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
    scale_a: Pointer,
    scale_b: Pointer,
    stride_scale_a0: Word,
    stride_scale_a1: Word,
    stride_scale_b0: Word,
    stride_scale_b1: Word,
    log2_split: Word,
}

fn arguments(choice: F4Choice<'_>, shape: GemmShape, operands: &F4Operands<'_>) -> Result<Arguments> {
    let GemmShape { m, n, k } = shape;
    let refuse = |reason: String| Err(Error::Shape { family: FAMILY, shape: shape.to_string(), reason });
    if m == 0 || n == 0 {
        return refuse("M and N must be positive".to_owned());
    }
    let limits = choice.tile.limits();
    if !m.is_multiple_of(limits.m_multiple) || !n.is_multiple_of(limits.n_multiple) {
        return refuse(format!(
            "{} writes whole units of {} rows and {} columns; pad M and N, or choose another kernel",
            choice.tile.symbol, limits.m_multiple, limits.n_multiple
        ));
    }
    if k < limits.k_minimum || !k.is_multiple_of(K_STEP) {
        return refuse(format!("K must be a multiple of {K_STEP} and at least {}; pad it", limits.k_minimum));
    }
    if operands.alpha != 1.0 && !limits.alpha {
        return refuse(format!(
            "{} ignores alpha; scale the result, or choose another kernel",
            choice.tile.symbol
        ));
    }
    if choice.log2_split > 0 && (!choice.tile.split_k || !k.is_multiple_of(1 << choice.log2_split)) {
        return refuse(format!("{} cannot split K by {}", choice.tile.symbol, 1_u64 << choice.log2_split));
    }
    let (a_scale, b_scale) = (ScaleShuffle::dense(m, k / 32), ScaleShuffle::dense(n, k / 32));
    check_len(FAMILY, "A [M, K/2]", m * k / 2, operands.a.len())?;
    check_len(FAMILY, "B [N, K/2]", n * k / 2, operands.b.len())?;
    check_len(FAMILY, "the scales of A, padded", a_scale.len(), operands.a_scale.len())?;
    check_len(FAMILY, "the scales of B, padded", b_scale.len(), operands.b_scale.len())?;
    check_len(FAMILY, "the result [M, N]", m * n, operands.out.as_slice().len())?;
    let number = |value| word(FAMILY, shape, value).map(Word::from);
    Ok(Arguments {
        d: operands.out.as_slice().address().into(),
        a: operands.a.address().into(),
        b: operands.b.address().into(),
        alpha: operands.alpha.into(),
        stride_c0: number(n)?,
        stride_a0: number(k)?,
        stride_b0: number(k)?,
        m: number(m)?,
        n: number(n)?,
        k: number(k)?,
        scale_a: operands.a_scale.address().into(),
        scale_b: operands.b_scale.address().into(),
        stride_scale_a0: number(a_scale.padded_groups())?,
        stride_scale_b0: number(b_scale.padded_groups())?,
        log2_split: choice.log2_split.into(),
        ..Arguments::default()
    })
}

/// Workgroups that share one tile: each takes a whole number of K steps, so that there may be fewer than asked for.
fn parts(k: usize, log2_split: u32) -> usize {
    k.div_ceil((k >> log2_split).next_multiple_of(K_STEP))
}

fn tile(row: Row<'_>) -> Result<F4Tile> {
    Ok(F4Tile {
        m: row.number("tile_M")? as usize,
        n: row.number("tile_N")? as usize,
        split_k: row.flag("splitK")?,
        shuffled: row.flag("bpreshuffle")?,
        symbol: row.text("knl_name")?.to_owned(),
        object: row.text("co_name")?.to_owned(),
    })
}

fn choose(
    tiles: &[F4Tile],
    shape: GemmShape,
    shuffled: bool,
    log2_split: Option<u32>,
    compute_units: u32,
) -> Result<F4Choice<'_>> {
    let units = compute_units as usize;
    let must_split = log2_split.is_some_and(|split| split > 0);
    let mut best = None;
    let (mut rounds, mut idle, mut ratio) = (usize::MAX, units, 1);
    for index in order::walk(tiles.iter().map(|tile| tile.symbol.as_str())) {
        let tile = &tiles[index];
        // The 128×512 kernel has no N tail.
        let has_tail = (tile.m, tile.n) == (128, 512) && !shape.n.is_multiple_of(tile.n);
        if tile.shuffled != shuffled || (must_split && !tile.split_k) || has_tail {
            continue;
        }
        let splits: &[u32] = match (tile.split_k, &log2_split) {
            (false, _) => &[0],
            (true, Some(split)) => std::slice::from_ref(split),
            (true, None) => &[1, 2, 3, 4],
        };
        for &split in splits {
            let groups = (shape.m.div_ceil(tile.m) * shape.n.div_ceil(tile.n)) << split;
            let own_rounds = groups.div_ceil(units);
            let own_idle = own_rounds * units - groups;
            // AITER divides integers here.
            let own_ratio = tile.m * tile.n / (tile.m + tile.n);
            if own_rounds < rounds || (own_rounds == rounds && (own_idle < idle || own_ratio > ratio)) {
                (rounds, idle, ratio) = (own_rounds, own_idle, own_ratio);
                best = Some(F4Choice { tile, log2_split: split });
            }
        }
    }
    best.ok_or_else(|| Error::NoRow {
        manifest: MANIFEST,
        wanted: format!(
            "{shape}, B {}, split {log2_split:?}",
            if shuffled { "shuffled" } else { "row-major" }
        ),
        advice: "shuffle B, or do not force a split".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::argument::assert_offsets;
    use crate::gemm::parsed;

    fn tile(m: usize, n: usize, split_k: bool) -> F4Tile {
        let symbol = format!("k{m}x{n}");
        F4Tile { m, n, split_k, shuffled: true, object: format!("{symbol}.co"), symbol }
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
            stride_d0: 0x60,
            stride_d1: 0x70,
            stride_c0: 0x80,
            stride_c1: 0x90,
            stride_a0: 0xa0,
            stride_a1: 0xb0,
            stride_b0: 0xc0,
            stride_b1: 0xd0,
            m: 0xe0,
            n: 0xf0,
            k: 0x100,
            scale_a: 0x110,
            scale_b: 0x120,
            stride_scale_a0: 0x130,
            stride_scale_a1: 0x140,
            stride_scale_b0: 0x150,
            stride_scale_b1: 0x160,
            log2_split: 0x170,
        });
        assert_eq!(size_of::<Arguments>(), 384);
    }

    #[test]
    fn rows_of_a_manifest_become_tiles() {
        let text = "tile_M,tile_N,splitK,bpreshuffle,knl_name,co_name\n256,128,1,0,sym,obj.co\n";
        let rows = parsed(text, super::tile).unwrap();
        let expected = F4Tile {
            m: 256,
            n: 128,
            split_k: true,
            shuffled: false,
            symbol: "sym".to_owned(),
            object: "obj.co".to_owned(),
        };
        assert_eq!(rows, [expected]);
        assert!(parsed("tile_M,knl_name\n1,k\n", super::tile).is_err());
    }

    /// M=16 N=2112 on 256 units: 32×128 takes 17 groups, 32×256 takes 9, both one round. 32×128 leaves 239 idle, 32×256
    /// leaves 247 but has ratio 28 against 25: whichever comes second, it stays if it came last on either ground.
    #[test]
    fn within_one_round_a_better_ratio_or_fewer_idle_units_replace_the_earlier_kernel() {
        let shape = GemmShape { m: 16, n: 2112, k: 7168 };
        let tiles = [tile(32, 128, false), tile(32, 256, false)];
        let last = *order::walk(tiles.iter().map(|tile| tile.symbol.as_str())).last().unwrap();
        let choice = choose(&tiles, shape, true, None, 256).unwrap();
        assert_eq!(choice.tile, &tiles[last]);
        assert_eq!(choice.log2_split, 0);
    }

    /// M=512 N=4096 on 4 units: 256×256 needs 32 groups = 8 rounds, 128×128 needs 128 groups = 32 rounds.
    #[test]
    fn fewer_rounds_win() {
        let tiles = [tile(128, 128, false), tile(256, 256, false)];
        let choice = choose(&tiles, GemmShape { m: 512, n: 4096, k: 512 }, true, None, 4).unwrap();
        assert_eq!(choice.tile.symbol, "k256x256");
    }

    /// One 256×256 tile on 256 units: the splits 2, 4, 8, 16 leave 254, 252, 248, 240 idle; the last is best.
    #[test]
    fn a_kernel_that_can_split_is_split_until_the_units_are_busy() {
        let tiles = [tile(256, 256, true)];
        let shape = GemmShape { m: 256, n: 256, k: 8192 };
        assert_eq!(choose(&tiles, shape, true, None, 256).unwrap().log2_split, 4);
        assert_eq!(choose(&tiles, shape, true, Some(0), 256).unwrap().log2_split, 0);
        assert_eq!(choose(&tiles, shape, true, Some(2), 256).unwrap().log2_split, 2);
    }

    #[test]
    fn what_no_kernel_can_do_is_an_error_with_advice() {
        let shape = GemmShape { m: 128, n: 640, k: 512 };
        let error = choose(&[tile(128, 512, false)], shape, true, None, 256).unwrap_err();
        assert!(matches!(error, Error::NoRow { .. }) && error.to_string().contains("M=128 N=640"), "{error}");
        assert!(choose(&[tile(128, 512, false)], GemmShape { n: 1024, ..shape }, true, None, 256).is_ok());
        assert!(choose(&[tile(32, 128, false)], shape, true, Some(1), 256).is_err());
        assert!(choose(&[tile(32, 128, false)], shape, false, None, 256).is_err());
    }

    #[test]
    fn parts_are_whole_k_steps() {
        assert_eq!((parts(7168, 0), parts(7168, 2), parts(512, 4), parts(768, 1)), (1, 4, 2, 2));
    }
}
