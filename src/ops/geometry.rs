//! How a problem is divided among workgroups.

use hip::LaunchConfig;

use super::declaration;
use crate::registry::Instance;
use crate::{Error, Result};

/// Size of a problem in each of the units that kernels divide by. See the head of `instances.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Groups that share a scale, padding included.
    pub blocks: usize,
    /// Rows, padding rows of a shuffled scale buffer included.
    pub rows: usize,
    /// Bytes of the tensor that is reordered.
    pub bytes: usize,
    /// Elements.
    pub elements: usize,
}

/// A grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Workgroups of the first dimension. With none there is nothing to launch: HIP refuses an empty grid.
    pub grid: u32,
    /// Of the second and third dimension; 1 each for kernels that divide a problem in one way.
    pub layers: [u32; 2],
    /// Work-items of a workgroup.
    pub block: u32,
    /// Dynamic LDS, in bytes.
    pub lds_bytes: u32,
}

impl Geometry {
    /// Divides `extent` by the instance's one `*_PER_WORKGROUP`, rounding up.
    ///
    /// # Errors
    /// [`crate::Error::Declaration`] without exactly one of those definitions or without THREADS,
    /// [`crate::Error::Shape`] for a grid beyond HIP's 2^32 - 1 work-items.
    pub fn of(instance: &Instance, extent: Extent) -> Result<Self> {
        let number = |name: &str| -> Result<Option<usize>> {
            let Some(text) = instance.define(name) else { return Ok(None) };
            match text.parse() {
                Ok(n) if n > 0 => Ok(Some(n)),
                _ => Err(declaration(instance, format!("{name} = \"{text}\" is not a positive number"))),
            }
        };
        let units = [
            ("BLOCKS_PER_WORKGROUP", extent.blocks),
            ("ROWS_PER_WORKGROUP", extent.rows),
            ("BYTES_PER_WORKGROUP", extent.bytes),
            ("ELEMENTS_PER_WORKGROUP", extent.elements),
        ];
        let mut grids = Vec::new();
        for (name, size) in units {
            if let Some(each) = number(name)? {
                grids.push(size.div_ceil(each));
            }
        }
        let &[grid] = grids.as_slice() else {
            let names = units.map(|u| u.0).join(", ");
            return Err(declaration(
                instance,
                format!("defines {} of {names}; needs exactly one", grids.len()),
            ));
        };
        let block =
            number("THREADS")?.ok_or_else(|| declaration(instance, "does not define THREADS".into()))?;
        match (u32::try_from(grid), u32::try_from(block)) {
            (Ok(grid), Ok(block)) if grid.checked_mul(block).is_some() => {
                Ok(Self { grid, layers: [1, 1], block, lds_bytes: instance.dynamic_lds_bytes })
            }
            _ => Err(Error::Shape {
                kernel: instance.path(),
                operands: format!("{} elements", extent.elements),
                reason: format!("HIP launches 2^32 - 1 work-items at most, not {grid} workgroups of {block}"),
            }),
        }
    }

    /// As HIP takes it.
    #[must_use]
    pub fn config(&self) -> LaunchConfig {
        LaunchConfig::new((self.grid, self.layers[0], self.layers[1]), self.block)
            .with_shared_bytes(self.lds_bytes)
    }
}
