//! `topksoftmax`: softmax over the experts of each token, and the largest k of it.
//!
//! Source of the facts: AITER e4048607a5 `csrc/py_itfs_cu/asm_topksoftmax.cu` and the loads that the machine code
//! performs.

use std::fmt;

use bytemuck::{Pod, Zeroable};
use hip::{DeviceSlice, DeviceSliceMut, LaunchConfig, Stream};

use crate::argument::{Pointer, Word};
use crate::manifest::{Manifest, Row};
use crate::operand::{check_len, word};
use crate::{Error, Kernels, Result, order};

const FAMILY: &str = "topksoftmax";
const MANIFEST: &str = "topksoftmax/topksoftmax.csv";

/// Threads of a workgroup: four waves.
const BLOCK: u32 = 256;

/// From so many tokens on AITER uses workgroups of 12 tokens, below it of 4.
const MANY_TOKENS: usize = 10_000;

/// The family on one device.
#[derive(Debug, Clone)]
pub struct TopkSoftmax {
    kernels: Kernels,
    rows: Vec<TopkRow>,
}

/// One kernel: a row of the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopkRow {
    /// Tokens of one workgroup.
    pub tokens: usize,
    /// Experts.
    pub experts: usize,
    /// Experts chosen per token.
    pub k: usize,
    /// Whether the gating values are bf16; else f32.
    pub bf16: bool,
    /// Symbol of the kernel.
    pub symbol: String,
    /// File of the object, in the family's folder.
    pub object: String,
}

/// Sizes of a launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TopkShape {
    /// Tokens.
    pub tokens: usize,
    /// Experts, one of the manifest's numbers.
    pub experts: usize,
    /// Experts chosen per token, one of the manifest's numbers.
    pub k: usize,
    /// Elements from one token's results to the next one's, at least `k`.
    pub stride: usize,
}

/// The values to choose by.
#[derive(Debug)]
pub enum TopkGating<'a> {
    /// `[tokens, experts]` bf16.
    Bf16(DeviceSlice<'a, u16>),
    /// `[tokens, experts]` f32.
    F32(DeviceSlice<'a, f32>),
}

/// The operands of one launch, on the device of the family.
#[derive(Debug)]
pub struct TopkOperands<'a> {
    /// The values to choose by.
    pub gating: TopkGating<'a>,
    /// Whether the weights of a token shall sum to 1.
    pub renormalise: bool,
    /// Weights of the chosen experts, largest first, `[tokens, k]` with the shape's stride.
    pub weights: DeviceSliceMut<'a, f32>,
    /// The chosen experts, likewise.
    pub indices: DeviceSliceMut<'a, i32>,
}

impl TopkSoftmax {
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
    pub fn rows(&self) -> &[TopkRow] {
        &self.rows
    }

    /// AITER's choice: the exact experts, k and format, and the largest workgroup that the number of tokens admits.
    ///
    /// # Errors
    /// [`Error::NoRow`] when the manifest does not have the combination.
    pub fn choose(&self, shape: TopkShape, bf16: bool) -> Result<&TopkRow> {
        choose(&self.rows, shape, bf16)
    }

    /// Queues one choice.
    ///
    /// # Errors
    /// [`Error::Shape`] or [`Error::Operand`] when an operand does not fit, those of loading the kernel, and HIP's.
    pub fn launch(
        &self,
        row: &TopkRow,
        shape: TopkShape,
        operands: TopkOperands<'_>,
        stream: &Stream,
    ) -> Result<()> {
        let arguments = arguments(row, shape, &operands)?;
        let function = self.kernels.function(&format!("{FAMILY}/{}", row.object), &row.symbol)?;
        let grid = word(FAMILY, shape, shape.tokens.div_ceil(row.tokens))?;
        function.launch_bytes(LaunchConfig::new(grid, BLOCK), stream, bytemuck::bytes_of(&arguments))?;
        Ok(())
    }
}

impl TopkShape {
    /// Elements of an output: the last token has no padding behind it.
    pub fn output_len(&self) -> usize {
        (self.tokens.max(1) - 1) * self.stride + self.k
    }
}

impl fmt::Display for TopkShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tokens, experts, k, stride } = self;
        write!(f, "tokens={tokens} experts={experts} k={k} stride={stride}")
    }
}

/// What the machine code reads.
#[derive(Debug, Clone, Copy, Default, Pod, Zeroable)]
#[repr(C)]
struct Arguments {
    indices: Pointer,
    weights: Pointer,
    gating: Pointer,
    tokens: Word,
    experts: Word,
    k: Word,
    renormalise: Word,
    stride_bytes: Word,
}

fn arguments(row: &TopkRow, shape: TopkShape, operands: &TopkOperands<'_>) -> Result<Arguments> {
    let TopkShape { tokens, experts, k, stride } = shape;
    let refuse = |reason: &str| {
        Err(Error::Shape { family: FAMILY, shape: shape.to_string(), reason: reason.to_owned() })
    };
    if tokens == 0 || (experts, k) != (row.experts, row.k) || stride < k {
        return refuse("tokens must be positive, experts and k the kernel's, and the stride at least k");
    }
    let (gating, len, bf16) = match &operands.gating {
        TopkGating::Bf16(gating) => (gating.address(), gating.len(), true),
        TopkGating::F32(gating) => (gating.address(), gating.len(), false),
    };
    if bf16 != row.bf16 {
        return refuse("the gating values do not have the kernel's format");
    }
    check_len(FAMILY, "the gating values [tokens, experts]", tokens * experts, len)?;
    check_len(FAMILY, "the weights [tokens, k]", shape.output_len(), operands.weights.as_slice().len())?;
    check_len(FAMILY, "the indices [tokens, k]", shape.output_len(), operands.indices.as_slice().len())?;
    let number = |value| word(FAMILY, shape, value).map(Word::from);
    Ok(Arguments {
        indices: operands.indices.as_slice().address().into(),
        weights: operands.weights.as_slice().address().into(),
        gating: gating.into(),
        tokens: number(tokens)?,
        experts: number(experts)?,
        k: number(k)?,
        renormalise: u32::from(operands.renormalise).into(),
        stride_bytes: number(stride * 4)?,
    })
}

fn rows(manifest: &Manifest) -> Result<Vec<TopkRow>> {
    let row = |row: Row<'_>| {
        Ok(TopkRow {
            tokens: row.number("subm")? as usize,
            experts: row.number("num_experts")? as usize,
            k: row.number("topk")? as usize,
            bf16: match row.text("dtype")? {
                "bf16" => true,
                "fp32" => false,
                other => return Err(row.fail(format!("dtype is {other}, not bf16 or fp32"))),
            },
            symbol: row.text("knl_name")?.to_owned(),
            object: row.text("co_name")?.to_owned(),
        })
    };
    manifest.rows().map(row).collect()
}

fn choose(rows: &[TopkRow], shape: TopkShape, bf16: bool) -> Result<&TopkRow> {
    let limit = if shape.tokens < MANY_TOKENS { 4 } else { 12 };
    let mut best: Option<&TopkRow> = None;
    for index in order::walk(rows.iter().map(|row| row.symbol.as_str())) {
        let row = &rows[index];
        let fits = (row.experts, row.k, row.bf16) == (shape.experts, shape.k, bf16) && row.tokens <= limit;
        if fits && best.is_none_or(|best| row.tokens > best.tokens) {
            best = Some(row);
        }
    }
    best.ok_or_else(|| Error::NoRow {
        manifest: MANIFEST,
        wanted: format!("{shape}, {}", if bf16 { "bf16" } else { "f32" }),
        advice: "only the manifest's combinations of experts and k exist; use another kernel".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::argument::assert_offsets;

    #[test]
    fn fields_lie_where_the_machine_code_reads_them() {
        assert_offsets!(Arguments {
            indices: 0x00,
            weights: 0x10,
            gating: 0x20,
            tokens: 0x30,
            experts: 0x40,
            k: 0x50,
            renormalise: 0x60,
            stride_bytes: 0x70,
        });
        assert_eq!(size_of::<Arguments>(), 0x80);
    }

    #[test]
    fn the_number_of_tokens_decides_the_workgroup() {
        let text = "knl_name,co_name,subm,num_experts,topk,dtype\na,a.co,4,128,8,fp32\nb,b.co,12,128,8,fp32\n\
                    c,c.co,4,128,8,bf16\n";
        let rows = rows(&Manifest::parse(Path::new("m.csv"), text).unwrap()).unwrap();
        let shape = |tokens| TopkShape { tokens, experts: 128, k: 8, stride: 8 };
        assert_eq!(choose(&rows, shape(9_999), false).unwrap().symbol, "a");
        assert_eq!(choose(&rows, shape(10_000), false).unwrap().symbol, "b");
        assert_eq!(choose(&rows, shape(10_000), true).unwrap().symbol, "c");
        let error = choose(&rows, TopkShape { k: 6, ..shape(1) }, false).unwrap_err();
        assert!(matches!(error, Error::NoRow { .. }), "{error}");
    }

    #[test]
    fn the_last_token_has_no_padding() {
        let shape = TopkShape { tokens: 3, experts: 128, k: 4, stride: 10 };
        assert_eq!(shape.output_len(), 24);
    }
}
