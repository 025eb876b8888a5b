//! One launch of any kernel: geometry, arguments, buffers, what came of it.
//!
//! ```text
//! specifications ── Argument ── (placed by the metadata note) ── Launch ── images ── run ── Outcome
//! ```

mod argument;
mod file;
mod place;

use hip::{DeviceBuffer, Event, Function, LaunchConfig, Stream};
use rocm_toolchain::KernelNote;
use serde::Serialize;

pub use argument::{Argument, Buffer, Fill};
pub use file::{LaunchFile, Listed};

use crate::bench::Nanos;
use crate::check::inputs::Source;
use crate::device::OpenDevice;
use crate::dtype::Dtype;
use crate::{Error, Result};

/// A kernel with everything that a launch needs but its buffers' contents.
#[derive(Clone, Debug)]
pub struct Launch<'a> {
    note: &'a KernelNote,
    config: LaunchConfig,
    arguments: Vec<Argument>,
    /// Where each argument lies in the segment, in bytes.
    offsets: Vec<usize>,
    segment_bytes: usize,
}

/// What a launch left.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Contents of every buffer afterwards, by argument; empty for arguments that are none.
    pub images: Vec<Vec<u8>>,
    /// Between the events around the kernel.
    pub time: Nanos,
    /// The virtual device's counters.
    pub report: Option<serde_json::Value>,
}

/// An output buffer in numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The parameter's name, or `#` and its place.
    pub name: String,
    /// Type of its elements.
    pub dtype: Dtype,
    /// How many.
    pub count: usize,
    /// Elements whose bits the kernel changed.
    pub changed: usize,
    /// Elements that are no number.
    pub nan: usize,
    /// The smallest number, as text of the type; without any, nothing.
    pub min: Option<String>,
    /// The largest.
    pub max: Option<String>,
    /// SHA-256 of the bytes, lower-case hexadecimal.
    pub sha256: String,
}

impl<'a> Launch<'a> {
    /// Places `arguments` as the kernel's metadata says.
    ///
    /// A kernel that takes one struct by value takes the struct's fields instead, laid out as C does; so does
    /// one whose metadata lists no arguments.
    ///
    /// # Errors
    /// [`Error::Option`] when number or sizes are not the kernel's, or the workgroup is too large for it.
    pub fn new(note: &'a KernelNote, config: LaunchConfig, arguments: Vec<Argument>) -> Result<Self> {
        let block = [config.block.x, config.block.y, config.block.z];
        let threads: u64 = block.iter().map(|n| u64::from(*n)).product();
        if threads > u64::from(note.max_flat_workgroup_size) {
            let reason =
                format!("{} was compiled for at most {} work-items", note.name, note.max_flat_workgroup_size);
            return Err(Error::Option { option: "--block", value: config.block.to_string(), reason });
        }
        let (offsets, segment_bytes) = place::place(note, &arguments).map_err(|reason| Error::Option {
            option: "--arg",
            value: arguments.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            reason,
        })?;
        Ok(Self { note, config, arguments, offsets, segment_bytes })
    }

    /// What each buffer holds before; empty for arguments that are none. Random values follow from `seed`.
    ///
    /// # Errors
    /// [`Error::Read`] of a file, [`Error::Option`] when it has another size.
    pub fn images(&self, seed: u64) -> Result<Vec<Vec<u8>>> {
        let image = |(index, argument): (usize, &Argument)| match argument {
            Argument::Buffer(buffer) => {
                let mut source = Source::new(&format!("{seed} {} argument {index}", self.note.name));
                buffer.image(&mut source)
            }
            _ => Ok(Vec::new()),
        };
        self.arguments.iter().enumerate().map(image).collect()
    }

    /// Allocates the buffers, copies `images` in, launches, waits, and copies the buffers back.
    ///
    /// # Errors
    /// Those of the runtime, among them that the device stopped the kernel.
    pub fn run(&self, open: &OpenDevice, function: &Function, images: &[Vec<u8>]) -> hip::Result<Outcome> {
        let mut buffers = Vec::new();
        let mut segment = vec![0; self.segment_bytes];
        for ((argument, offset), image) in self.arguments.iter().zip(&self.offsets).zip(images) {
            let buffer = match argument {
                Argument::Buffer(_) => Some(DeviceBuffer::from_slice(&open.device, image)?),
                _ => None,
            };
            let bytes = argument.bytes(buffer.as_ref().map_or(0, DeviceBuffer::address));
            segment[*offset..][..bytes.len()].copy_from_slice(&bytes);
            buffers.push(buffer);
        }
        let stream = Stream::null(&open.device);
        let (start, end) = (Event::new(&open.device)?, Event::new(&open.device)?);
        start.record(&stream)?;
        function.launch_bytes(self.config, &stream, &segment)?;
        end.record(&stream)?;
        stream.synchronize()?;
        let images = buffers
            .iter()
            .map(|buffer| buffer.as_ref().map_or(Ok(Vec::new()), DeviceBuffer::to_vec))
            .collect::<hip::Result<_>>()?;
        Ok(Outcome {
            images,
            time: Nanos(end.elapsed_ms_since(&start)? * 1e6),
            report: open.runtime.last_report()?,
        })
    }

    /// Geometry.
    #[must_use]
    pub fn config(&self) -> LaunchConfig {
        self.config
    }

    /// The buffers whose contents are results, with their places among the arguments.
    pub fn outputs(&self) -> impl Iterator<Item = (usize, &Buffer)> {
        self.arguments.iter().enumerate().filter_map(|(index, argument)| match argument {
            Argument::Buffer(buffer) if buffer.output => Some((index, buffer)),
            _ => None,
        })
    }

    /// The parameter's name; `#` and its place where the metadata has none.
    #[must_use]
    pub fn name(&self, index: usize) -> String {
        let explicit: Vec<_> = self.note.explicit_args().collect();
        match explicit.get(index) {
            Some(argument) if explicit.len() == self.arguments.len() && !argument.name.is_empty() => {
                argument.name.clone()
            }
            _ => format!("#{index}"),
        }
    }

    /// The outputs in numbers: `before` and `after` are images.
    #[must_use]
    pub fn summaries(&self, before: &[Vec<u8>], after: &[Vec<u8>]) -> Vec<Summary> {
        let summary = |(index, buffer): (usize, &Buffer)| {
            let dtype = buffer.dtype;
            let codes = || dtype.codes(&after[index]);
            let number = |code: &u64| !dtype.decode(*code).is_nan();
            let order = |a: &u64, b: &u64| dtype.decode(*a).total_cmp(&dtype.decode(*b));
            Summary {
                name: self.name(index),
                dtype,
                count: buffer.count,
                changed: codes().zip(dtype.codes(&before[index])).filter(|(a, b)| a != b).count(),
                nan: codes().filter(|code| !number(code)).count(),
                min: codes().filter(number).min_by(order).map(|code| dtype.show(code)),
                max: codes().filter(number).max_by(order).map(|code| dtype.show(code)),
                sha256: crate::kernels::sha256(&after[index]),
            }
        };
        self.outputs().map(summary).collect()
    }
}
