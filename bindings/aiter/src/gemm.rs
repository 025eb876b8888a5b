//! What AITER's families of matrix products have in common.

use std::fmt;

use bytemuck::Pod;
use hip::{Dim3, LaunchConfig, Stream};

use crate::manifest::{Manifest, Row};
use crate::{Kernels, Result};

/// The sizes of a product of `[M, K]` by `[N, K]` transposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GemmShape {
    /// Rows of A and of the result.
    pub m: usize,
    /// Rows of B, columns of the result.
    pub n: usize,
    /// Elements of a row of A and of B; what it must be a multiple of is the family's.
    pub k: usize,
}

impl fmt::Display for GemmShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "M={} N={} K={}", self.m, self.n, self.k)
    }
}

/// The kernels of one family on one device.
#[derive(Debug, Clone)]
pub(crate) struct Tiles<T> {
    family: &'static str,
    kernels: Kernels,
    tiles: Vec<T>,
}

impl<T> Tiles<T> {
    /// Reads the family's manifest, row by row.
    ///
    /// # Errors
    /// [`Error::Read`](crate::Error::Read) or [`Error::Manifest`](crate::Error::Manifest).
    pub(crate) fn open(
        family: &'static str,
        manifest: &str,
        kernels: &Kernels,
        tile: impl Fn(Row<'_>) -> Result<T>,
    ) -> Result<Self> {
        let text = kernels.checkout().text(manifest)?;
        let manifest = Manifest::parse(&kernels.checkout().path(manifest), &text)?;
        Ok(Self {
            family,
            kernels: kernels.clone(),
            tiles: manifest.rows().map(tile).collect::<Result<_>>()?,
        })
    }

    /// All kernels, in the manifest's order.
    pub(crate) fn all(&self) -> &[T] {
        &self.tiles
    }

    /// Queues a launch of the kernel `symbol` of the family's file `object`, with this argument struct.
    ///
    /// # Errors
    /// Those of loading the kernel, and HIP's.
    pub(crate) fn launch(
        &self,
        (object, symbol): (&str, &str),
        grid: impl Into<Dim3>,
        block: u32,
        stream: &Stream,
        arguments: &impl Pod,
    ) -> Result<()> {
        let function = self.kernels.function(&format!("{}/{object}", self.family), symbol)?;
        function.launch_bytes(LaunchConfig::new(grid, block), stream, bytemuck::bytes_of(arguments))?;
        Ok(())
    }
}

/// The rows of a manifest in a test.
#[cfg(test)]
pub(crate) fn parsed<T>(text: &str, tile: impl Fn(Row<'_>) -> Result<T>) -> Result<Vec<T>> {
    Manifest::parse(std::path::Path::new("m.csv"), text)?.rows().map(tile).collect()
}
