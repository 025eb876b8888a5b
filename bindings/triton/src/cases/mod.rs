//! The cases of each kernel: shapes, random inputs, f64 references and derived bounds.
//!
//! Bounds hold for every order of additions and for matrix instructions that round or truncate: nothing here knows
//! how Triton splits the work or what the virtual device does.

mod attention;
mod product;
mod quantise;
mod rows;

pub use peers::Random;

use crate::{Error, Kernel, Result, Tally};

/// One launch and what must come of it.
pub struct Case {
    /// The sizes, short.
    pub shape: String,
    /// Workgroups in each dimension.
    pub grid: (u32, u32, u32),
    /// The parameters of the Python function.
    pub operands: Vec<(&'static str, Operand)>,
    /// Compares the contents of the outputs, in the order of `operands`.
    pub check: Check,
}

/// A comparison of outputs, as bytes, with the reference.
pub type Check = Box<dyn Fn(&[Vec<u8>]) -> Tally>;

/// One parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// Memory that the kernel reads: an allocation of exactly these bytes.
    Input(Vec<u8>),
    /// Memory that the kernel writes, so many bytes between guard bands, filled with NaN of every format.
    Output(usize),
    /// Memory that the kernel updates, between guard bands.
    Update(Vec<u8>),
    /// A number.
    I32(i32),
    /// A factor.
    F32(f32),
}

/// The cases of a kernel. Equal generators give equal cases.
///
/// # Errors
/// [`Error::NoCases`] for a Python function that this crate does not know, [`Error::Argument`] for a constant that
/// the manifest lacks.
pub fn cases(kernel: &Kernel, random: &mut Random) -> Result<Vec<Case>> {
    match kernel.kernel.as_str() {
        "vector_add" => rows::vector_add(kernel, random),
        "row_sum" => rows::row_sum(kernel, random),
        "atomic_histogram" => rows::histogram(kernel, random),
        "softmax" => rows::softmax(kernel, random),
        "scan" => rows::scan(kernel, random),
        "sort" => rows::sort(kernel, random),
        "gemm" => product::gemm(kernel, random),
        "mxfp4_gemm" => product::mxfp4(kernel, random),
        "mxfp8_gemm" => product::mxfp8(kernel, random),
        "attention" => attention::attention(kernel, random),
        "fp8_quantise" => quantise::fp8(kernel, random),
        "mxfp4_quantise" => quantise::mxfp4(kernel, random),
        other => Err(Error::NoCases { kernel: other.to_owned() }),
    }
}

/// Workgroups of `tile` elements for `elements`.
fn tiles(elements: usize, tile: usize) -> u32 {
    elements.div_ceil(tile) as u32
}

/// A size as the kernels take it; those of the cases are far below 2^31.
fn size(value: usize) -> Operand {
    Operand::I32(value as i32)
}

/// The sizes that fit what the code was compiled for, in order and each once.
fn multiples(sizes: impl IntoIterator<Item = usize>, of: usize) -> Vec<usize> {
    let mut out: Vec<usize> = Vec::new();
    for size in sizes.into_iter().map(|size| size.next_multiple_of(of)) {
        if !out.contains(&size) {
            out.push(size);
        }
    }
    out
}

fn to_bytes_f32(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn to_bytes_u16(values: &[u16]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn to_bytes_i32(values: &[i32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word))
}

fn f32s(bytes: &[u8]) -> impl Iterator<Item = f32> {
    words(bytes).map(f32::from_bits)
}

fn bf16s(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.as_chunks::<2>().0.iter().map(|half| numerics::bf16::to_f32(u16::from_le_bytes(*half)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_become_multiples_once_each() {
        assert_eq!(multiples([1, 15, 17, 64], 16), [16, 32, 64]);
        assert_eq!(multiples([1, 3, 1], 1), [1, 3]);
        assert_eq!(tiles(65, 64), 2);
    }
}
