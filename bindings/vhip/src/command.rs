//! One unit of work of a stream: run at once, or recorded into a graph.

use std::{ffi::c_void, sync::Arc};

use emulator::RunOptions;
use hip_sys::hipError_t;

use crate::{
    api::Status,
    device::VirtualDevice,
    event::Event,
    function::Function,
    graph::ExecutableGraph,
    pointer,
    runtime::lock,
    stream::Stream,
};

/// A host pointer or a device address: both are addresses of this process.
pub(crate) type Address = u64;

/// What a stream executes.
#[derive(Clone)]
pub(crate) enum Command {
    /// A kernel launch; `kernarg` holds the explicit arguments as the code object lays them out.
    Kernel { function: Arc<Function>, grid: [u32; 3], block: [u32; 3], dynamic_lds: u32, kernarg: Vec<u8> },
    /// A copy of `rows` rows of `width` bytes (one row for a linear copy).
    Copy { target: Address, target_pitch: u64, source: Address, source_pitch: u64, width: u64, rows: u64 },
    /// Fills `rows` rows of `count` elements of `element` bytes with the low bytes of `value`.
    Fill { target: Address, pitch: u64, value: u32, element: u32, count: u64, rows: u64 },
    /// A host function.
    Host { function: HostFunction, data: usize },
    /// Records an event.
    Record { event: Arc<Event> },
    /// Waits for an event.
    Wait { event: Arc<Event> },
    /// All nodes of another graph.
    Child { graph: Arc<std::sync::Mutex<ExecutableGraph>> },
    /// A dependency without work.
    Empty,
}

/// `hipHostFn_t` without the Option.
pub(crate) type HostFunction = unsafe extern "C" fn(*mut c_void);

impl Command {
    /// Executes the command as the next one of `stream` on its device.
    pub(crate) fn run(&self, stream: &Stream) -> Status {
        let device = &stream.device;
        device.refuse_after_fault()?;
        match self {
            Command::Kernel { function, grid, block, dynamic_lds, kernarg } => {
                let nanos = launch(device, function, *grid, *block, *dynamic_lds, kernarg)?;
                stream.advance(nanos);
                Ok(())
            }
            Command::Copy { target, target_pitch, source, source_pitch, width, rows } => {
                for row in 0..*rows {
                    pointer::copy(target + row * target_pitch, source + row * source_pitch, *width)?;
                }
                Ok(())
            }
            Command::Fill { target, pitch, value, element, count, rows } => {
                for row in 0..*rows {
                    pointer::fill(target + row * pitch, *value, *element, *count)?;
                }
                Ok(())
            }
            Command::Host { function, data } => {
                // SAFETY: the program gave this function and this argument for each other (hipLaunchHostFunc).
                unsafe { function(*data as *mut c_void) };
                Ok(())
            }
            Command::Record { event } => {
                event.complete(stream.now());
                Ok(())
            }
            Command::Wait { event } => {
                if let Some(at) = event.time() {
                    stream.wait_until(at);
                }
                Ok(())
            }
            Command::Child { graph } => {
                let graph = lock(graph).clone();
                graph.run(stream)
            }
            Command::Empty => Ok(()),
        }
    }
}

/// Runs a kernel; a fault becomes the device's sticky error and the launch itself succeeds, as on hardware.
fn launch(
    device: &Arc<VirtualDevice>,
    function: &Function,
    grid: [u32; 3],
    block: [u32; 3],
    dynamic_lds: u32,
    kernarg: &[u8],
) -> Result<f64, hipError_t> {
    if function.module.device.id != device.id {
        return Err(hipError_t::hipErrorInvalidDevice);
    }
    let options: RunOptions = crate::extension::run_options();
    let launch = emulator::Launch { grid, block, dynamic_lds, kernarg, options };
    match device.emulator.launch(&function.module.image, &function.kernel, &launch) {
        Ok(report) => Ok(device.note_launch(&function.kernel, &report)),
        Err(emulator::LaunchError::Fault(fault)) => {
            device.note_fault(&fault);
            Ok(0.0)
        }
        Err(refused) => {
            eprintln!("vhip: launch of {} refused: {refused}", function.kernel);
            Err(hipError_t::hipErrorInvalidConfiguration)
        }
    }
}
