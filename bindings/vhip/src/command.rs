//! One unit of work of a stream: run at once, or recorded into a graph.

use std::{
    ffi::c_void,
    sync::{Arc, Mutex},
};

use emulator::{LaunchError, MemoryError, Refusal};
use hip_sys::hipError_t;

use crate::{
    api::Status,
    clock::Clock,
    device::VirtualDevice,
    event::Event,
    extension,
    function::Function,
    graph::{ExecutableGraph, Graph},
    graph_memory::GraphMemory,
    grid_sync::{self, GridSync},
    hostcall::HostCalls,
    memory, pointer,
    stream_value::Condition,
    transfer::Transfer,
    unified,
};

/// A host pointer or a device address: both are addresses of this process.
pub(crate) type Address = u64;

/// What a stream executes.
#[derive(Clone)]
pub(crate) enum Command {
    /// A kernel launch.
    Kernel(KernelLaunch),
    /// A copy.
    Copy(Transfer),
    /// Fills `rows` rows of `count` elements of `element` bytes with the low bytes of `value`.
    Fill { target: Address, pitch: u64, value: u32, element: u32, count: u64, rows: u64 },
    /// A host function.
    Host { function: HostFunction, data: usize },
    /// Records an event.
    Record { event: Arc<Event> },
    /// Waits for an event.
    Wait { event: Arc<Event> },
    /// Makes memory of a graph be there.
    Allocate(Arc<GraphMemory>),
    /// Frees memory, of a graph or any other.
    Release { address: Address },
    /// Needs a word to be there.
    Until(Condition),
    /// Another graph, which becomes a `Child` when the graph that it is in is instantiated.
    Graph { graph: Arc<Mutex<Graph>> },
    /// All nodes of another graph.
    Child { graph: Arc<Mutex<ExecutableGraph>> },
    /// A dependency without work.
    Empty,
}

/// A kernel with everything that it runs on.
#[derive(Clone)]
pub(crate) struct KernelLaunch {
    pub function: Arc<Function>,
    /// Workgroups in x, y, z.
    pub grid: [u32; 3],
    /// Work-items of a workgroup in x, y, z.
    pub block: [u32; 3],
    /// Bytes.
    pub dynamic_lds: u32,
    /// The explicit arguments as the code object lays them out.
    pub kernarg: Vec<u8>,
    /// Whether its workgroups may wait for each other.
    pub cooperative: bool,
}

/// `hipHostFn_t` without the Option.
pub(crate) type HostFunction = unsafe extern "C" fn(*mut c_void);

impl Command {
    /// Executes the command on `device`, beginning at the virtual instant `at`; yields the instant of its end.
    /// Both are nanoseconds since the device's creation.
    pub(crate) fn run(&self, device: &Arc<VirtualDevice>, at: f64) -> Result<f64, hipError_t> {
        device.refuse_after_fault()?;
        match self {
            Command::Kernel(launch) => {
                let _turn = device.turn();
                launch.run(device).map(|nanos| at + nanos)
            }
            Command::Copy(transfer) => {
                let _turn = device.turn();
                transfer.run().map(|nanos| at + nanos)
            }
            Command::Fill { target, pitch, value, element, count, rows } => {
                let _turn = device.turn();
                for row in 0..*rows {
                    pointer::fill(target + row * pitch, *value, *element, *count)?;
                }
                Ok(at + pointer::fill_nanos(count * *element as u64 * rows))
            }
            Command::Host { function, data } => {
                // SAFETY: the program gave this function and this argument for each other (hipLaunchHostFunc).
                unsafe { function(*data as *mut c_void) };
                Ok(at)
            }
            Command::Record { event } => {
                event.complete(at);
                Ok(at)
            }
            Command::Wait { event } => Ok(event.time().map_or(at, |instant| at.max(instant))),
            Command::Allocate(memory) => memory.appear().map(|()| at),
            Command::Release { address } => memory::release_now(*address).map(|()| at),
            Command::Until(condition) if condition.holds() => Ok(at),
            Command::Until(condition) => {
                eprintln!(
                    "vhip: a stream waits for the word at {:#x}, which is not there: commands run when they are \
                     enqueued, and nothing could write it meanwhile",
                    condition.address
                );
                Err(hipError_t::hipErrorNotSupported)
            }
            Command::Graph { graph } => crate::runtime::lock(graph).instantiate()?.run(device, at),
            Command::Child { graph } => {
                let graph = crate::runtime::lock(graph).clone();
                graph.run(device, at)
            }
            Command::Empty => Ok(at),
        }
    }
}

impl KernelLaunch {
    /// What can be refused before the kernel runs, so that a capture refuses it too.
    pub(crate) fn check(&self) -> Status {
        let info = self.function.info();
        let refuse = |why: String| {
            eprintln!("vhip: launch of {} refused: {why}", self.function.kernel());
            Err(hipError_t::hipErrorInvalidConfiguration)
        };
        if self.grid.contains(&0) || self.block.contains(&0) {
            return refuse(format!(
                "grid {:?} and block {:?} need at least 1 in every dimension",
                self.grid, self.block
            ));
        }
        let threads: u64 = self.block.iter().map(|n| *n as u64).product();
        if info.max_workgroup != 0 && threads > info.max_workgroup as u64 {
            return refuse(format!(
                "a block of {threads} work-items exceeds the kernel's limit {}; see __launch_bounds__",
                info.max_workgroup
            ));
        }
        Ok(())
    }

    fn groups(&self) -> u64 {
        self.grid.iter().map(|n| *n as u64).product()
    }

    /// The barrier that the launch needs, if it is cooperative and its kernel may wait there.
    fn grid_sync<'a>(&self, device: &'a VirtualDevice) -> Result<Option<GridSync<'a>>, MemoryError> {
        let needed = self.cooperative && grid_sync::is_used_by(self.function.info());
        needed.then(|| GridSync::new(device, self.groups())).transpose()
    }

    /// Runs the kernel; yields its modelled nanoseconds. A fault becomes the device's sticky error and the
    /// launch itself succeeds, as on hardware.
    fn run(&self, device: &Arc<VirtualDevice>) -> Result<f64, hipError_t> {
        let function = &self.function;
        let (mut kernarg, mut options) = (self.kernarg.clone(), extension::run_options());
        let sync = self.grid_sync(device).map_err(|error| {
            eprintln!("vhip: launch of {}: no memory for the grid's barrier: {error}", function.kernel());
            hipError_t::hipErrorOutOfMemory
        })?;
        if let Some(sync) = &sync {
            sync.place(function.info(), &mut kernarg);
            // All workgroups at once: one waits while the others come.
            options.threads = self.groups() as usize;
        }
        let launch = emulator::Launch {
            grid: self.grid,
            block: self.block,
            dynamic_lds: self.dynamic_lds,
            kernarg: &kernarg,
            options,
        };
        let threads = match launch.options.threads {
            0 => std::thread::available_parallelism().map_or(1, |cores| cores.get()),
            threads => threads,
        };
        unified::prepare(device);
        let image = &function.module.image;
        let host = HostCalls::new(device, function.info(), threads).map_err(|error| {
            eprintln!("vhip: launch of {}: no memory for host calls: {error}", function.kernel());
            hipError_t::hipErrorOutOfMemory
        })?;
        let listener = host.as_ref().map(|host| host as &dyn emulator::Host);
        let kernel = function.kernel();
        let clock = Clock::for_launch(device);
        let waits_for = match () {
            () if sync.is_some() => Some("its workgroups wait for each other"),
            () if host.is_some() => Some("it calls the host"),
            () if extension::is_unified() => {
                Some("it may write to memory of the host, which a recording must not")
            }
            () => None,
        };
        let modelled = clock.as_ref().map(|clock| clock.model(device, self, &launch, waits_for)).transpose();
        let modelled = match modelled {
            Ok(modelled) => modelled,
            Err(error) => return self.fail(device, &error),
        };
        if let (Some(clock), Some(modelled)) = (&clock, &modelled)
            && clock.samples_only()
        {
            return Ok(device.note_sampled(kernel, modelled));
        }
        let outcome = if extension::watches_races() {
            let watched = device.emulator.launch_watching_races(image, kernel, &launch, listener);
            watched.map(|(report, races)| (report, Some(races)))
        } else {
            device.emulator.launch_with_host(image, kernel, &launch, listener).map(|report| (report, None))
        };
        if let Some(host) = host {
            host.finish(image.printf_formats());
        }
        match outcome {
            Ok((report, races)) => Ok(device.note_launch(kernel, &report, races.as_ref(), modelled.as_ref())),
            Err(error) => self.fail(device, &error),
        }
    }

    /// Says why the launch went wrong; a fault takes no time.
    fn fail(&self, device: &VirtualDevice, error: &LaunchError) -> Result<f64, hipError_t> {
        match error {
            LaunchError::Fault(fault) => {
                device.note_fault(fault);
                Ok(0.0)
            }
            LaunchError::Invalid(why) => {
                eprintln!("vhip: launch of {} refused: {why}", self.function.kernel());
                Err(refusal(why))
            }
        }
    }
}

fn refusal(why: &Refusal) -> hipError_t {
    match why {
        Refusal::NoKernel { .. } => hipError_t::hipErrorInvalidDeviceFunction,
        Refusal::OtherDevice => hipError_t::hipErrorInvalidDevice,
        Refusal::LdsTooLarge { .. } | Refusal::ScratchTooLarge { .. } => {
            hipError_t::hipErrorLaunchOutOfResources
        }
        Refusal::KernargTooShort { .. } => hipError_t::hipErrorInvalidValue,
        Refusal::Memory(_) => hipError_t::hipErrorOutOfMemory,
        _ => hipError_t::hipErrorInvalidConfiguration,
    }
}
