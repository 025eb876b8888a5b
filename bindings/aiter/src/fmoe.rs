//! `fmoe`: a mixture of experts in one kernel, MXFP4 weights and activations, 16-bit result.
//!
//! For every chosen expert of a token `act(gate·x) ∘ (up·x)`, requantised to MXFP4 in blocks of 32, times `down`,
//! times the routing weight, added atomically to the token's row.
//!
//! Source of the facts: AITER e4048607a5 `csrc/py_itfs_cu/asm_fmoe.cu`, `aiter/fused_moe.py`, and the loads that the
//! machine code performs.

use std::fmt;

use bytemuck::{Pod, Zeroable};
use hip::{DeviceSlice, DeviceSliceMut, LaunchConfig, Stream};
use numerics::layout::ScaleShuffle;

use crate::argument::{Pointer, Word};
use crate::manifest::{Manifest, Row};
use crate::operand::{check_len, word};
use crate::{Error, Kernels, Result, order};

const FAMILY: &str = "fmoe";

/// Threads of a workgroup: four waves.
const BLOCK: u32 = 256;

/// Sorted rows of one workgroup, the only size there is.
pub const MOE_BLOCK: usize = 32;

/// Elements behind the result of a flat kernel: 8 bytes.
pub const MOE_FLAGS: usize = 4;

/// The activation between the products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MoeActivation {
    /// `x · sigmoid(x)`.
    Silu,
    /// Gaussian error linear unit.
    Gelu,
}

/// The kernels of one activation and one format of the result.
#[derive(Debug, Clone)]
pub struct Fmoe {
    kernels: Kernels,
    folder: &'static str,
    rows: Vec<MoeRow>,
}

/// One kernel: a row of the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MoeRow {
    /// Sorted rows of one workgroup.
    pub m: usize,
    /// Inner columns of one workgroup; the inner size is a multiple.
    pub n: usize,
    /// Whether instructions are skipped instead of masked for rows without a token. AITER prefers these.
    pub skips: bool,
    /// Whether workgroups persist, and how many per compute unit.
    pub persistent: Option<usize>,
    /// Whether the kernel takes tokens in bf16 and the router's choices unsorted, one workgroup for each choice, and
    /// clears its result itself.
    pub flat: bool,
    /// Symbol of the kernel.
    pub symbol: String,
    /// File of the object, in the folder of the activation.
    pub object: String,
}

/// Sizes of a launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MoeShape {
    /// Tokens.
    pub tokens: usize,
    /// Elements of a token, a multiple of 256, at least 512.
    pub model: usize,
    /// Elements between the products, a multiple of the kernel's.
    pub inner: usize,
    /// Experts.
    pub experts: usize,
    /// Experts per token.
    pub k: usize,
}

/// The operands of one launch, on the device of the family.
#[derive(Debug)]
pub struct MoeOperands<'a> {
    /// Tokens, `[tokens, model/2]`, two e2m1 per byte; for flat kernels `[tokens, model]` bf16.
    pub x: DeviceSlice<'a, u8>,
    /// E8M0 scales of the tokens in sorted order, [`ScaleShuffle::sorted`]`(sorted rows, model/32)`; for flat kernels,
    /// which quantise by themselves, anything.
    pub x_scale: DeviceSlice<'a, u8>,
    /// Gate and up, `[experts, 2·inner, model/2]`, gate first, each expert in
    /// [`numerics::layout::WeightShuffle`]'s order.
    pub gate_up: DeviceSlice<'a, u8>,
    /// Their scales, [`ScaleShuffle::dense`]`(experts·2·inner, model/32)`.
    pub gate_up_scale: DeviceSlice<'a, u8>,
    /// Down, `[experts, model, inner/2]`, likewise.
    pub down: DeviceSlice<'a, u8>,
    /// Its scales, [`ScaleShuffle::dense`]`(experts·model, inner/32)`. Flat kernels also load, and do not use, 2 bytes
    /// behind them.
    pub down_scale: DeviceSlice<'a, u8>,
    /// [`ids`](crate::SortedTokens::ids); for flat kernels the chosen experts, `[tokens, k]`.
    pub ids: DeviceSlice<'a, u32>,
    /// [`weights`](crate::SortedTokens::weights); for flat kernels those of the choices, `[tokens, k]`.
    pub weights: DeviceSlice<'a, f32>,
    /// [`experts`](crate::SortedTokens::experts); not read by flat kernels.
    pub block_experts: DeviceSlice<'a, i32>,
    /// [`valid`](crate::SortedTokens::valid); not read by flat kernels.
    pub valid: DeviceSlice<'a, i32>,
    /// The result, `[tokens, model]` bf16 or f16, zero before the launch. For flat kernels, which clear it, whatever it
    /// holds, and 8 more bytes through which the workgroups of a token tell each other so.
    pub out: DeviceSliceMut<'a, u16>,
}

impl Fmoe {
    /// Reads the manifest of an activation and a format of the result: bf16, else f16.
    ///
    /// # Errors
    /// [`Error::Read`] or [`Error::Manifest`].
    pub fn open(kernels: &Kernels, activation: MoeActivation, bf16: bool) -> Result<Self> {
        let (folder, path) = match (activation, bf16) {
            (MoeActivation::Silu, true) => ("fmoe/silu", "fmoe/silu/fmoe_bf16_pertokenMXfp4_g1u1_silu.csv"),
            (MoeActivation::Silu, false) => ("fmoe/silu", "fmoe/silu/fmoe_fp16_pertokenMXfp4_g1u1_silu.csv"),
            (MoeActivation::Gelu, true) => ("fmoe/gelu", "fmoe/gelu/fmoe_bf16_pertokenMXfp4_g1u1_gelu.csv"),
            (MoeActivation::Gelu, false) => ("fmoe/gelu", "fmoe/gelu/fmoe_fp16_pertokenMXfp4_g1u1_gelu.csv"),
        };
        let text = kernels.checkout().text(path)?;
        let manifest = Manifest::parse(&kernels.checkout().path(path), &text)?;
        Ok(Self { kernels: kernels.clone(), folder, rows: rows(&manifest)? })
    }

    /// All kernels, in the manifest's order.
    pub fn rows(&self) -> &[MoeRow] {
        &self.rows
    }

    /// Kernels of the folder that no manifest names, so that AITER cannot launch them: copies under an older name.
    /// They take what the kernel takes whose name differs by `fp16` for `f16`, or by `vs`; those without such a
    /// namesake are left out.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn unlisted(&self) -> Result<Vec<MoeRow>> {
        let names = self.kernels.checkout().names(self.folder)?;
        let row = |name: &String| {
            let listed = namesake(name);
            let known = self.rows.iter().any(|row| row.object == *name);
            let row = self.rows.iter().find(|row| !known && row.object == listed)?;
            let stem = name.strip_suffix(".co")?;
            let symbol = format!("_ZN5aiter{}{stem}E", stem.len());
            Some(MoeRow { symbol, object: name.clone(), ..row.clone() })
        };
        Ok(names.iter().filter_map(row).collect())
    }

    /// AITER's choice for an inner size and a number of sorted blocks on a device with `compute_units`: fewest rounds
    /// over the units, then fewest idle units, then persistence.
    ///
    /// # Errors
    /// [`Error::NoRow`] when the inner size is a multiple of no kernel's.
    pub fn choose(&self, inner: usize, blocks: usize, compute_units: u32) -> Result<&MoeRow> {
        choose(&self.rows, inner, blocks, compute_units)
    }

    /// Queues one mixture.
    ///
    /// # Errors
    /// [`Error::Shape`] or [`Error::Operand`] when an operand does not fit, those of loading the kernel, and HIP's.
    pub fn launch(
        &self,
        row: &MoeRow,
        shape: MoeShape,
        operands: MoeOperands<'_>,
        stream: &Stream,
    ) -> Result<()> {
        let units = self.kernels.device().properties()?.compute_units as usize;
        let parts = shape.inner.div_ceil(row.n);
        let groups = row.persistent.map_or(0, |each| each * units) / parts * parts;
        let arguments = arguments(row, shape, &operands, groups)?;
        let function = self.kernels.function(&format!("{}/{}", self.folder, row.object), &row.symbol)?;
        let number = |value| word(FAMILY, shape, value);
        let grid = if row.flat {
            (number(parts)?, number(shape.k)?, number(shape.tokens)?)
        } else if groups > 0 {
            (number(row.persistent.unwrap_or(0) * units)?, 1, 1)
        } else {
            (number(parts)?, number(operands.block_experts.len())?, 1)
        };
        // Flat kernels have two more slots, which they do not read.
        let used = if row.flat { 480 } else { 448 };
        let bytes = &bytemuck::bytes_of(&arguments)[..used];
        function.launch_bytes(LaunchConfig::new(grid, BLOCK), stream, bytes)?;
        Ok(())
    }
}

/// The name that a manifest would have for an object.
fn namesake(object: &str) -> String {
    let name = object.replacen("fmoe_f16_", "fmoe_fp16_", 1);
    if name.contains("vs_") { name } else { name.replacen("_g1u1_", "_g1u1_vs_", 1) }
}

impl fmt::Display for MoeShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tokens, model, inner, experts, k } = self;
        write!(f, "tokens={tokens} model={model} inner={inner} experts={experts} k={k}")
    }
}

/// What the machine code reads.
#[derive(Debug, Clone, Copy, Default, Pod, Zeroable)]
#[repr(C)]
struct Arguments {
    out: Pointer,
    x: Pointer,
    gate_up: Pointer,
    valid: Pointer,
    down: Pointer,
    x_scale: Pointer,
    gate_up_scale: Pointer,
    down_scale: Pointer,
    smooth_scale: Pointer,
    ids: Pointer,
    weights: Pointer,
    block_experts: Pointer,
    model: Word,
    inner: Word,
    tokens: Word,
    experts: Word,
    /// Row strides in bytes.
    x_stride: Word,
    gate_up_stride: Word,
    down_stride: Word,
    out_stride: Word,
    /// Strides from expert to expert in bytes.
    gate_up_expert: Word,
    down_expert: Word,
    gate_up_scale_expert: Word,
    down_scale_expert: Word,
    smooth_scale_expert: Word,
    k: Word,
    groups: Word,
    parts: Word,
    unread: [Pointer; 2],
}

fn arguments(row: &MoeRow, shape: MoeShape, operands: &MoeOperands<'_>, groups: usize) -> Result<Arguments> {
    let MoeShape { tokens, model, inner, experts, k } = shape;
    let refuse = |reason: &str| {
        Err(Error::Shape { family: FAMILY, shape: shape.to_string(), reason: reason.to_owned() })
    };
    if tokens == 0 || k == 0 || experts == 0 || !inner.is_multiple_of(row.n) {
        return refuse("sizes must be positive and inner a multiple of the kernel's columns");
    }
    // With 256 the loads of the second K step leave the tokens and the weights.
    if model < 512 || !model.is_multiple_of(256) {
        return refuse("model must be a multiple of 256 and at least 512");
    }
    // Two rounds of four waves, with as many columns of down as inner ones of the part.
    if row.flat && !model.is_multiple_of(8 * row.n) {
        return refuse("for a flat kernel model must be a multiple of 8 times the kernel's columns");
    }
    let sorted = operands.ids.len();
    let x_bytes = if row.flat { model * 2 } else { model / 2 };
    check_len(FAMILY, "the tokens, in bytes", tokens * x_bytes, operands.x.len())?;
    if row.flat {
        check_len(FAMILY, "the chosen experts [tokens, k]", tokens * k, sorted)?;
    } else {
        let x_scale = ScaleShuffle::sorted(sorted, model / 32).len();
        check_len(FAMILY, "the scales of the tokens, sorted and padded", x_scale, operands.x_scale.len())?;
        let blocks = sorted.div_ceil(MOE_BLOCK);
        check_len(FAMILY, "the experts of the blocks", blocks, operands.block_experts.len())?;
        check_len(FAMILY, "the number of valid rows", 2, operands.valid.len())?;
    }
    check_len(
        FAMILY,
        "gate and up [experts, 2·inner, model/2]",
        experts * inner * model,
        operands.gate_up.len(),
    )?;
    let gate_up_scale = ScaleShuffle::dense(experts * 2 * inner, model / 32);
    check_len(
        FAMILY,
        "the scales of gate and up, padded",
        gate_up_scale.len(),
        operands.gate_up_scale.len(),
    )?;
    check_len(FAMILY, "down [experts, model, inner/2]", experts * model * inner / 2, operands.down.len())?;
    let down_scale = ScaleShuffle::dense(experts * model, inner / 32);
    check_len(FAMILY, "the scales of down, padded", down_scale.len(), operands.down_scale.len())?;
    check_len(FAMILY, "the sorted weights", sorted, operands.weights.len())?;
    let flags = if row.flat { MOE_FLAGS } else { 0 };
    check_len(FAMILY, "the result [tokens, model]", tokens * model + flags, operands.out.as_slice().len())?;
    let number = |value| word(FAMILY, shape, value).map(Word::from);
    Ok(Arguments {
        out: operands.out.as_slice().address().into(),
        x: operands.x.address().into(),
        gate_up: operands.gate_up.address().into(),
        valid: operands.valid.address().into(),
        down: operands.down.address().into(),
        x_scale: operands.x_scale.address().into(),
        gate_up_scale: operands.gate_up_scale.address().into(),
        down_scale: operands.down_scale.address().into(),
        smooth_scale: Pointer::default(),
        ids: operands.ids.address().into(),
        weights: operands.weights.address().into(),
        block_experts: operands.block_experts.address().into(),
        model: number(model)?,
        inner: number(inner)?,
        tokens: number(tokens)?,
        experts: number(experts)?,
        x_stride: number(x_bytes)?,
        gate_up_stride: number(model / 2)?,
        down_stride: number(inner / 2)?,
        out_stride: number(model * 2)?,
        gate_up_expert: number(inner * model)?,
        down_expert: number(inner / 2 * model)?,
        gate_up_scale_expert: number(2 * inner * gate_up_scale.padded_groups())?,
        down_scale_expert: number(model * down_scale.padded_groups())?,
        smooth_scale_expert: number(inner * 4)?,
        k: number(k)?,
        groups: number(groups)?,
        parts: number(inner.div_ceil(row.n))?,
        unread: [Pointer::default(); 2],
    })
}

fn rows(manifest: &Manifest) -> Result<Vec<MoeRow>> {
    let row = |row: Row<'_>| {
        Ok(MoeRow {
            m: row.number("subGU_m")? as usize,
            n: row.number("subGU_n")? as usize,
            skips: row.flag("vskip")?,
            persistent: row.flag("ps")?.then_some(row.number("tg_num_perCU")? as usize),
            flat: row.has("flat") && row.flag("flat")?,
            symbol: row.text("knl_name")?.to_owned(),
            object: row.text("co_name")?.to_owned(),
        })
    };
    manifest.rows().map(row).collect()
}

fn choose(rows: &[MoeRow], inner: usize, blocks: usize, compute_units: u32) -> Result<&MoeRow> {
    let units = compute_units as usize;
    let mut best = None;
    let (mut rounds, mut idle) = (usize::MAX, units);
    for index in order::walk(rows.iter().map(|row| row.symbol.as_str())) {
        let row = &rows[index];
        if !row.skips || row.flat || row.m != MOE_BLOCK || !inner.is_multiple_of(row.n) {
            continue;
        }
        let groups = inner / row.n * blocks;
        let own_rounds = groups.div_ceil(units);
        let own_idle = own_rounds * units - groups;
        let persists = own_idle == idle && row.persistent.is_some();
        if own_rounds < rounds || (own_rounds == rounds && (own_idle < idle || persists)) {
            (rounds, idle) = (own_rounds, own_idle);
            best = Some(row);
        }
    }
    best.ok_or_else(|| Error::NoRow {
        manifest: "fmoe/*/fmoe_*_pertokenMXfp4_g1u1_*.csv",
        wanted: format!("inner={inner}"),
        advice: "pad the inner size to a multiple of 256".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn older_names_have_namesakes() {
        assert_eq!(namesake("fmoe_f16_x_g1u1_novs_silu.co"), "fmoe_fp16_x_g1u1_novs_silu.co");
        assert_eq!(namesake("fmoe_bf16_x_g1u1_gelu_ps.co"), "fmoe_bf16_x_g1u1_vs_gelu_ps.co");
    }
    use crate::argument::assert_offsets;

    #[test]
    fn fields_lie_where_the_machine_code_reads_them() {
        assert_offsets!(Arguments {
            out: 0x00,
            x: 0x10,
            gate_up: 0x20,
            valid: 0x30,
            down: 0x40,
            x_scale: 0x50,
            gate_up_scale: 0x60,
            down_scale: 0x70,
            smooth_scale: 0x80,
            ids: 0x90,
            weights: 0xa0,
            block_experts: 0xb0,
            model: 0xc0,
            inner: 0xd0,
            tokens: 0xe0,
            experts: 0xf0,
            x_stride: 0x100,
            gate_up_stride: 0x110,
            down_stride: 0x120,
            out_stride: 0x130,
            gate_up_expert: 0x140,
            down_expert: 0x150,
            gate_up_scale_expert: 0x160,
            down_scale_expert: 0x170,
            smooth_scale_expert: 0x180,
            k: 0x190,
            groups: 0x1a0,
            parts: 0x1b0,
        });
        assert_eq!(size_of::<Arguments>(), 480);
    }

    /// Inner 512, 4 blocks on 8 units: 32×256 makes 8 groups and leaves none idle, 32×512 makes 4. Inner 512 and 8
    /// blocks: 16 groups in two rounds against 8 in one.
    #[test]
    fn fewer_rounds_then_fewer_idle_units_then_persistence_win() {
        let header = "knl_name,co_name,atm,vskip,smf,tg_num_perCU,ps,subGU_m,subGU_n,flat\n";
        let text = format!(
            "{header}a,a.co,0,1,0,2,0,32,256,0\nb,b.co,0,1,0,1,0,32,512,0\nc,c.co,0,1,0,1,1,32,512,0\n\
             d,d.co,0,0,0,2,0,32,256,0\ne,e.co,0,1,0,2,0,16,256,1\n"
        );
        let rows = rows(&Manifest::parse(Path::new("m.csv"), &text).unwrap()).unwrap();
        assert_eq!(rows[2].persistent, Some(1));
        assert_eq!(choose(&rows, 512, 4, 8).unwrap().symbol, "a");
        assert_eq!(choose(&rows, 512, 8, 8).unwrap().symbol, "c");
        assert!(choose(&rows, 128, 8, 8).is_err());
    }
}
