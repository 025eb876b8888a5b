//! A problem's tensors on a device.

use std::fmt;

use hip::{DeviceBuffer, DeviceSlice, DeviceSliceMut, Function, GuardedBuffer, Result, Stream};
use serde::Serialize;

use super::{Addresses, Layout, Problem, Start};
use crate::device::OpenDevice;

/// Host copies of tensors, by name: rows without gaps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tensors(pub Vec<(&'static str, Vec<u8>)>);

/// Device copies of a problem's tensors, with everything around them that must not change.
#[derive(Debug)]
pub struct Resident {
    inputs: Vec<DeviceBuffer<u8>>,
    outputs: Vec<Memory>,
    addresses: Vec<(&'static str, u64)>,
    fill: Fill,
}

/// What fills memory around and before data. Two runs with different fills show what one would hide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// Outputs before the launch, and the gaps between their rows: a byte that is never written keeps it.
    pub poison: u8,
    /// The gaps between the rows of inputs.
    pub gap: u8,
}

impl Fill {
    /// For run number `index` of a case. Input gaps are NaN in every float format, then large and finite in
    /// every one: a maximum ignores the first, nothing is ordered above it.
    #[must_use]
    pub fn nth(index: u32) -> Self {
        if index.is_multiple_of(2) {
            Self { poison: 0xa5, gap: 0xff }
        } else {
            Self { poison: 0x5a, gap: 0x7b }
        }
    }
}

/// Bytes that a kernel changed although they are not its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// The tensor's name.
    pub tensor: &'static str,
    /// What the bytes belong to.
    pub place: Place,
    /// The first of them.
    pub at: String,
    /// How many.
    pub bytes: usize,
}

/// What bytes that must not change belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// An input.
    Input,
    /// Between the rows of an output.
    Gap,
    /// Before or behind an output.
    Guard,
}

/// What lies around an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surround {
    /// Nothing: the virtual device stops a store outside the buffer, and names the instruction.
    Exact,
    /// Guard bands, for a GPU, which says nothing about a store that misses its buffer.
    Bands,
}

/// An output's memory.
#[derive(Debug)]
enum Memory {
    Exact(DeviceBuffer<u8>),
    Guarded(GuardedBuffer<u8>),
}

/// At least so many bytes of guard on either side.
const GUARD_BYTES: usize = 16 * 1024;
/// Tensors that span more are written and read row by row: most of them is never touched.
const SPARSE_BYTES: usize = 1 << 28;
/// Of a sparse tensor's gap, so much beside each row is watched.
const WATCHED_BYTES: usize = 4096;

impl Tensors {
    /// The tensor of that name.
    ///
    /// # Panics
    /// When there is none: names come from the problem.
    #[must_use]
    pub fn get(&self, name: &str) -> &[u8] {
        self.find(name).unwrap_or_else(|| panic!("the problem has no tensor {name}"))
    }

    /// The tensor of that name, if the problem has it.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(n, _)| *n == name).map(|(_, bytes)| bytes.as_slice())
    }
}

impl Resident {
    /// Allocates everything. What it holds waits for [`reset`](Self::reset).
    ///
    /// # Errors
    /// Those of allocating.
    pub fn new(open: &OpenDevice, problem: &Problem) -> Result<Self> {
        let surround = if open.is_virtual() { Surround::Exact } else { Surround::Bands };
        Self::with_surround(open, problem, surround)
    }

    /// [`new`](Self::new) with a choice of what lies around the outputs. Sparse ones have no bands.
    ///
    /// # Errors
    /// As there.
    pub fn with_surround(open: &OpenDevice, problem: &Problem, surround: Surround) -> Result<Self> {
        let fill = Fill::nth(0);
        let mut resident = Self { inputs: Vec::new(), outputs: Vec::new(), addresses: Vec::new(), fill };
        for input in &problem.inputs {
            let buffer = DeviceBuffer::new(&open.device, input.layout.span_bytes())?;
            resident.addresses.push((input.name, buffer.address()));
            resident.inputs.push(buffer);
        }
        for output in &problem.outputs {
            let size = output.layout.span_bytes();
            let memory = match surround {
                Surround::Bands if size <= SPARSE_BYTES => {
                    Memory::Guarded(GuardedBuffer::new(&open.device, size, GUARD_BYTES)?)
                }
                _ => Memory::Exact(DeviceBuffer::new(&open.device, size)?),
            };
            resident.addresses.push((output.name, memory.address()));
            resident.outputs.push(memory);
        }
        Ok(resident)
    }

    /// Copies the inputs in and fills the outputs, gaps included, with poison; those that start at zero get zeros.
    ///
    /// # Errors
    /// Those of copying.
    pub fn reset(&mut self, problem: &Problem, tensors: &Tensors, fill: Fill) -> Result<()> {
        self.fill = fill;
        for (input, buffer) in problem.inputs.iter().zip(&mut self.inputs) {
            write_rows(buffer.as_mut_slice(), input.layout, Some(tensors.get(input.name)), fill.gap)?;
        }
        for (output, memory) in problem.outputs.iter().zip(&mut self.outputs) {
            let fill = match output.start {
                Start::Poison => fill.poison,
                Start::Zero => 0,
            };
            write_rows(memory.as_mut_slice()?, output.layout, None, fill)?;
        }
        Ok(())
    }

    /// Queues one launch; of an empty grid, none.
    ///
    /// # Errors
    /// The status of `hipModuleLaunchKernel`.
    pub fn launch(&self, problem: &Problem, function: &Function, stream: &Stream) -> Result<()> {
        if problem.geometry.grid == 0 {
            return Ok(());
        }
        let arguments = (problem.arguments)(&Addresses(&self.addresses));
        function.launch_bytes(problem.geometry.config(), stream, &arguments)
    }

    /// The outputs, and what was changed around them.
    ///
    /// # Errors
    /// Those of copying, among them those of kernels that were stopped.
    pub fn outputs(&self, problem: &Problem) -> Result<(Tensors, Vec<Changed>)> {
        let (mut tensors, mut changed) = (Tensors::default(), Vec::new());
        for (output, memory) in problem.outputs.iter().zip(&self.outputs) {
            let fill = if output.start == Start::Zero { 0 } else { self.fill.poison };
            let (bytes, gap) = read_rows(memory.as_slice()?, output.layout, fill)?;
            changed.extend(gap.map(|(at, bytes)| Changed {
                tensor: output.name,
                place: Place::Gap,
                at,
                bytes,
            }));
            if let Memory::Guarded(buffer) = memory
                && let Some(violation) = buffer.check()?
            {
                changed.push(Changed {
                    tensor: output.name,
                    place: Place::Guard,
                    at: format!("byte {} of {}", violation.first, violation.size_bytes),
                    bytes: violation.count,
                });
            }
            tensors.0.push((output.name, bytes));
        }
        Ok((tensors, changed))
    }

    /// Inputs that are no longer what was copied in.
    ///
    /// # Errors
    /// Those of copying.
    pub fn changed_inputs(&self, problem: &Problem, tensors: &Tensors) -> Result<Vec<Changed>> {
        let mut changed = Vec::new();
        for (input, buffer) in problem.inputs.iter().zip(&self.inputs) {
            let (bytes, gap) = read_rows(buffer.as_slice(), input.layout, self.fill.gap)?;
            let differs = |at, bytes| Changed { tensor: input.name, place: Place::Input, at, bytes };
            changed.extend(gap.map(|(at, bytes)| differs(at, bytes)));
            let before = tensors.get(input.name);
            let count = bytes.iter().zip(before).filter(|(a, b)| a != b).count();
            if let Some(first) = bytes.iter().zip(before).position(|(a, b)| a != b) {
                let (row, byte) = (first / input.layout.row_bytes, first % input.layout.row_bytes);
                changed.push(differs(format!("byte {byte} of row {row}"), count));
            }
        }
        Ok(changed)
    }
}

impl Memory {
    fn address(&self) -> u64 {
        match self {
            Self::Exact(buffer) => buffer.address(),
            Self::Guarded(buffer) => buffer.ptr().address(),
        }
    }

    fn as_slice(&self) -> Result<DeviceSlice<'_, u8>> {
        match self {
            Self::Exact(buffer) => Ok(buffer.as_slice()),
            Self::Guarded(buffer) => buffer.as_slice(),
        }
    }

    fn as_mut_slice(&mut self) -> Result<DeviceSliceMut<'_, u8>> {
        match self {
            Self::Exact(buffer) => Ok(buffer.as_mut_slice()),
            Self::Guarded(buffer) => buffer.as_mut_slice(),
        }
    }
}

/// Writes `rows`, or `fill` where there are none, and `fill` between them.
fn write_rows(
    mut target: DeviceSliceMut<'_, u8>,
    layout: Layout,
    rows: Option<&[u8]>,
    fill: u8,
) -> Result<()> {
    let Layout { row_bytes, stride, .. } = layout;
    if target.len() <= SPARSE_BYTES {
        let mut image = vec![fill; target.len()];
        for (row, bytes) in rows.into_iter().flat_map(|r| r.chunks_exact(row_bytes.max(1))).enumerate() {
            image[row * stride..][..row_bytes].copy_from_slice(bytes);
        }
        return target.copy_from(&image);
    }
    for row in 0..layout.rows {
        let (start, end) = watched(layout, target.len(), row);
        let mut image = vec![fill; end - start];
        if let Some(rows) = rows {
            image[row * stride - start..][..row_bytes].copy_from_slice(&rows[row * row_bytes..][..row_bytes]);
        }
        target.reborrow().slice_mut(start..end)?.copy_from(&image)?;
    }
    Ok(())
}

/// The first place of bytes that should not have changed, and their number.
type Stray = (String, usize);

/// The rows, and what between them is not `fill`.
fn read_rows(source: DeviceSlice<'_, u8>, layout: Layout, fill: u8) -> Result<(Vec<u8>, Option<Stray>)> {
    let Layout { row_bytes, stride, .. } = layout;
    let mut rows = Vec::with_capacity(layout.live_bytes());
    let mut changed: Option<Stray> = None;
    let whole = if source.len() <= SPARSE_BYTES { Some(source.to_vec()?) } else { None };
    for row in 0..layout.rows {
        let (start, end) = match whole {
            // Every gap once: a row's bytes and those behind it.
            Some(_) => (row * stride, ((row + 1) * stride).min(source.len())),
            None => watched(layout, source.len(), row),
        };
        let partial = if whole.is_none() { Some(source.slice(start..end)?.to_vec()?) } else { None };
        let bytes = match &whole {
            Some(whole) => &whole[start..end],
            None => partial.as_deref().unwrap_or_default(),
        };
        let first = row * stride - start;
        rows.extend_from_slice(&bytes[first..first + row_bytes]);
        let outside = (0..first).chain(first + row_bytes..bytes.len());
        for index in outside.filter(|i| bytes[*i] != fill) {
            let offset = index as i64 - first as i64;
            changed.get_or_insert_with(|| (format!("byte {offset} from the start of row {row}"), 0)).1 += 1;
        }
    }
    Ok((rows, changed))
}

/// A row of a sparse tensor with the watched part of the gaps beside it: inclusive, exclusive.
fn watched(layout: Layout, len: usize, row: usize) -> (usize, usize) {
    let start = row * layout.stride;
    let before = if row == 0 { 0 } else { WATCHED_BYTES };
    (start - before, (start + layout.row_bytes + WATCHED_BYTES).min(len))
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tensor, place, at, bytes } = self;
        match place {
            Place::Input => {
                write!(f, "the kernel changed its input {tensor}: {bytes} byte(s), the first {at}")
            }
            Place::Gap => {
                write!(f, "the kernel wrote between the rows of {tensor}: {bytes} byte(s), the first {at}")
            }
            Place::Guard => write!(f, "the kernel wrote outside {tensor}: {bytes} byte(s), the first {at}"),
        }
    }
}
