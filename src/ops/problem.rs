//! One launch, described: tensors, work, arguments.

use numerics::mx::Mxfp4Rule;
use reference::{Fp8Granularity, Fp8Rule, ScaleLayout};

use super::{Case, Element, Geometry};
use crate::dtype::Dtype;

/// Everything about a launch except the values.
pub struct Problem {
    /// What it was made from.
    pub case: Case,
    /// What it computes.
    pub kind: Kind,
    /// Tensors that the kernel reads, and must not change.
    pub inputs: Vec<Input>,
    /// Tensors that the kernel writes.
    pub outputs: Vec<Output>,
    /// How it is launched.
    pub geometry: Geometry,
    /// The least work it takes.
    pub traffic: Traffic,
    /// The kernel's argument struct, as bytes, for these addresses.
    pub arguments: Arguments,
}

/// Makes a kernel's argument struct from its tensors' addresses.
pub type Arguments = Box<dyn Fn(&Addresses<'_>) -> Vec<u8>>;

/// What a kernel computes, with everything that decides its bits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Plain quantisation.
    QuantiseMxfp4 {
        /// Of the input.
        element: Element,
        /// Scale rounding and floor.
        rule: Mxfp4Rule,
        /// Of the scales.
        layout: ScaleLayout,
    },
    /// MXFP4 to bf16.
    DequantiseMxfp4 {
        /// Of the scales.
        layout: ScaleLayout,
    },
    /// silu(gate) · up.
    SiluMulMxfp4 {
        /// Of the input.
        element: Element,
        /// Scale rounding and floor.
        rule: Mxfp4Rule,
        /// Of the scales.
        layout: ScaleLayout,
    },
    /// Residual add and RMSNorm.
    RmsNormMxfp4 {
        /// Of the inputs.
        element: Element,
        /// Scale rounding and floor.
        rule: Mxfp4Rule,
        /// Of the scales.
        layout: ScaleLayout,
        /// Added to the mean of squares.
        epsilon: f32,
    },
    /// FP8 with f32 scales.
    QuantiseFp8 {
        /// Of the input.
        element: Element,
        /// Which elements share a scale.
        granularity: Fp8Granularity,
        /// How scale and quotient are formed.
        rule: Fp8Rule,
    },
    /// The largest magnitude.
    TensorAmax {
        /// Of the input.
        element: Element,
    },
    /// a · wᵀ + bias, of MXFP4 operands.
    GemmMxfp4(GemmMxfp4),
    /// Weight reordering.
    ShuffleWeights {
        /// Which way.
        direction: Direction,
    },
    /// Scale reordering.
    ShuffleScales {
        /// Which way.
        direction: Direction,
    },
}

/// What decides the bits of an MXFP4 product.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GemmMxfp4 {
    /// How bf16 activations become MXFP4; they are MXFP4 already without.
    pub rule: Option<Mxfp4Rule>,
    /// Whether the weights are in the order of `shuffle_weight((16, 16))`.
    pub weights_shuffled: bool,
    /// Of the scales of both operands.
    pub scales: ScaleLayout,
    /// Of the result: bf16 or f32.
    pub out: Dtype,
    /// Columns of K that a wave takes at a time.
    pub k_step: usize,
    /// Waves that share a tile of a workgroup.
    pub waves_k: usize,
    /// Bytes of counters at the start of the workspace.
    pub counters: usize,
}

/// Into the kernel's order, or back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Row-major to shuffled.
    Shuffle,
    /// Shuffled to row-major.
    Unshuffle,
}

/// Rows of bytes in device memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Rows.
    pub rows: usize,
    /// Bytes of a row.
    pub row_bytes: usize,
    /// Bytes from row to row.
    pub stride: usize,
}

/// A tensor that the kernel reads.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Its field in the argument struct.
    pub name: &'static str,
    /// Where its rows lie.
    pub layout: Layout,
    /// What it holds.
    pub content: Content,
}

/// What an input is filled with; `check::inputs` makes the bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Content {
    /// Numbers, as the case's [`Values`](super::Values) say; patterns change from span to span.
    Elements {
        /// Their format.
        element: Element,
        /// Which elements form a pattern.
        span: Span,
        /// The powers of two of [`Values::Wide`](super::Values::Wide), both inclusive.
        exponents: (i32, i32),
    },
    /// Numbers around 1.
    Weights {
        /// Their format.
        element: Element,
    },
    /// Any bytes.
    Bytes,
    /// E8M0 bytes in this layout, padding random: no kernel may depend on it.
    Scales {
        /// Their order.
        layout: ScaleLayout,
        /// Rows.
        m: usize,
        /// Groups of a row.
        groups: usize,
    },
    /// E8M0 bytes around 2^0, from the values of the case: sums of products in any order stay within f32.
    ProductScales {
        /// Their order.
        layout: ScaleLayout,
        /// Rows.
        m: usize,
        /// Groups of a row.
        groups: usize,
        /// Operands, each with a buffer of its own, one after the other.
        batch: usize,
    },
    /// The f32 bits of the largest magnitude of the input `x`.
    AmaxOfX {
        /// The format of `x`.
        element: Element,
    },
}

/// Which elements share the pattern of an adversarial case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// This many of a row.
    Columns(usize),
    /// A row.
    Row,
}

/// A tensor that the kernel writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its field in the argument struct.
    pub name: &'static str,
    /// Type of its elements.
    pub dtype: Dtype,
    /// Where its rows lie. What is between them must stay as it was.
    pub layout: Layout,
    /// What it holds before.
    pub start: Start,
}

/// What an output holds before the launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Bytes that must not survive.
    Poison,
    /// Zeros, because the kernel's contract says so.
    Zero,
}

/// The least that a launch must move and compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes read plus bytes written, each once.
    pub bytes: u64,
    /// Floating-point operations.
    pub flop: u64,
}

/// Device addresses of a problem's tensors, by name.
#[derive(Clone, Copy, Debug)]
pub struct Addresses<'a>(pub &'a [(&'static str, u64)]);

impl Addresses<'_> {
    /// The address of the tensor of that name; null when the problem has none.
    #[must_use]
    pub fn get(&self, name: &str) -> u64 {
        self.0.iter().find(|(n, _)| *n == name).map_or(0, |(_, address)| *address)
    }
}

impl Layout {
    /// Rows without gaps.
    #[must_use]
    pub const fn packed(rows: usize, row_bytes: usize) -> Self {
        Self { rows, row_bytes, stride: row_bytes }
    }

    /// Bytes without the gaps.
    #[must_use]
    pub const fn live_bytes(&self) -> usize {
        self.rows * self.row_bytes
    }

    /// Bytes from the first row's start to the last row's end.
    #[must_use]
    pub const fn span_bytes(&self) -> usize {
        match self.rows {
            0 => 0,
            rows => (rows - 1) * self.stride + self.row_bytes,
        }
    }
}

impl Problem {
    /// The traffic of reading all inputs and writing all outputs once, with `flop` operations.
    #[must_use]
    pub fn traffic_of(inputs: &[Input], outputs: &[Output], flop: usize) -> Traffic {
        let read: usize = inputs.iter().map(|i| i.layout.live_bytes()).sum();
        let written: usize = outputs.iter().map(|o| o.layout.live_bytes()).sum();
        Traffic { bytes: (read + written) as u64, flop: flop as u64 }
    }
}
