use numerics::layout::LayoutError;

/// Operands that do not fit together. Values are never an error: they have a defined result.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// K does not consist of whole blocks.
    #[error("{operation}: K = {k} is not a multiple of {multiple}; pad the rows with zeros")]
    PartialBlock {
        /// The function called.
        operation: &'static str,
        /// Columns given.
        k: usize,
        /// What K must be a multiple of.
        multiple: usize,
    },
    /// Rows would overlap.
    #[error("{operation}: {operand} has a row stride of {stride}, shorter than its rows of {width}")]
    OverlappingRows {
        /// The function called.
        operation: &'static str,
        /// The operand's name.
        operand: &'static str,
        /// Stride given, in elements of the operand.
        stride: usize,
        /// Elements of one row.
        width: usize,
    },
    /// A slice ends before its last row.
    #[error("{operation}: {operand} has {actual} elements but its shape needs {needed}")]
    TooShort {
        /// The function called.
        operation: &'static str,
        /// The operand's name.
        operand: &'static str,
        /// Elements needed.
        needed: usize,
        /// Elements given.
        actual: usize,
    },
    /// RMSNorm's epsilon cannot keep the reciprocal root finite in f32.
    #[error("{operation}: epsilon {epsilon:e} is not a positive normal f32; use the model's, e.g. 1e-6")]
    Epsilon {
        /// The function called.
        operation: &'static str,
        /// The epsilon given.
        epsilon: f32,
    },
    /// A shape that a byte layout cannot hold.
    #[error("{operation}: {source}")]
    Layout {
        /// The function called.
        operation: &'static str,
        /// What the layout needs.
        source: LayoutError,
    },
}
