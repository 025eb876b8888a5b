//! Launching the cases on a device.

use hip::{
    Device, DeviceBuffer, GuardedBuffer, LaunchConfig, LibraryChoice, Module, Runtime, RuntimeKind, Stream,
};

use crate::cases::{Case, Operand, Random, cases};
use crate::{Kernel, Line, Manifest, Outcome, Report, Result, Tally, Value, pack};

/// Bytes of the guard bands on either side of an output.
const BAND: usize = 1 << 14;

/// In which order the virtual device runs waves, and when loads arrive. Only barriers and waits promise anything about
/// either, so a kernel that is right under one and wrong under another lacks one of these.
struct Schedule {
    name: &'static str,
    seed: &'static str,
    late: &'static str,
}

const SCHEDULES: [Schedule; 3] = [
    Schedule { name: "waves in order", seed: "none", late: "0" },
    Schedule { name: "waves in random order", seed: "1", late: "0" },
    Schedule { name: "waves in another random order, loads as late as waits allow", seed: "2", late: "1" },
];

/// A device and the choice of kernels.
#[derive(Debug)]
pub struct Lab {
    library: LibraryChoice,
    device: Device,
    stream: Stream,
    seed: u64,
    filter: String,
}

impl Lab {
    /// A lab on the library's first device. Equal seeds give equal inputs.
    ///
    /// # Errors
    /// HIP's.
    pub fn new(library: LibraryChoice, seed: u64) -> Result<Self> {
        let (device, stream) = open(&library)?;
        Ok(Self { library, device, stream, seed, filter: String::new() })
    }

    /// Runs only kernels whose name contains `part`.
    pub fn only(&mut self, part: &str) {
        part.clone_into(&mut self.filter);
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Runs every case of every chosen kernel; `progress` sees every line at once.
    ///
    /// On the virtual device a case runs under three schedules of the waves, until one is not right. A kernel that is
    /// stopped makes the device refuse everything until it is reset; that happens here, so that one bad case does not
    /// spoil the next.
    ///
    /// # Errors
    /// A kernel without cases, a device that cannot be used again.
    pub fn run(&mut self, manifest: &Manifest, mut progress: impl FnMut(&Line)) -> Result<Report> {
        let mut report = Report::default();
        let filter = self.filter.clone();
        for kernel in manifest.kernels.iter().filter(|kernel| kernel.name.contains(&filter)) {
            for case in cases(kernel, &mut Random::new(self.seed, &kernel.name))? {
                let outcome = self.case(manifest, kernel, &case)?;
                let line = Line { kernel: kernel.name.clone(), shape: case.shape, outcome };
                progress(&line);
                report.lines.push(line);
            }
        }
        Ok(report)
    }

    fn case(&mut self, manifest: &Manifest, kernel: &Kernel, case: &Case) -> Result<Outcome> {
        let runtime = self.device.runtime();
        let is_virtual = runtime.kind() == RuntimeKind::Virtual;
        drop(runtime);
        let mut total = Tally::default();
        for schedule in &SCHEDULES[..if is_virtual { SCHEDULES.len() } else { 1 }] {
            if is_virtual {
                let runtime = self.device.runtime();
                runtime.set_option("seed", schedule.seed)?;
                runtime.set_option("late_delivery", schedule.late)?;
            }
            let under = if is_virtual { schedule.name } else { "on the GPU" };
            match self.launch(manifest, kernel, case) {
                Ok(Ok(tally)) if !tally.is_right() => return Ok(Outcome::Wrong { tally, under }),
                Ok(Ok(tally)) => total = total.join(tally),
                Ok(Err(reason)) => return Ok(Outcome::Failed { reason, under }),
                Err(error) => {
                    self.reset()?;
                    return Ok(Outcome::Failed { reason: error.to_string(), under });
                }
            }
        }
        Ok(Outcome::Right(total))
    }

    /// Launches once and compares; the inner `Err` says which guard band was written.
    fn launch(
        &self,
        manifest: &Manifest,
        kernel: &Kernel,
        case: &Case,
    ) -> Result<std::result::Result<Tally, String>> {
        let module = Module::load_file(&self.device, &manifest.object(kernel))?;
        let function = module.function(&kernel.symbol)?;
        let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
        let mut values = Vec::with_capacity(case.operands.len());
        for (name, operand) in &case.operands {
            let value = match operand {
                Operand::I32(number) => Value::I32(*number),
                Operand::F32(number) => Value::F32(*number),
                Operand::Input(bytes) => {
                    let buffer = DeviceBuffer::from_slice(&self.device, bytes)?;
                    let address = buffer.address();
                    inputs.push(buffer);
                    Value::Address(address)
                }
                Operand::Output(len) => self.guarded(name, &vec![0xff; *len], &mut outputs)?,
                Operand::Update(bytes) => self.guarded(name, bytes, &mut outputs)?,
            };
            values.push((*name, value));
        }
        let (x, y, z) = case.grid;
        let workgroups = x as usize * y as usize * z as usize;
        let arguments = pack(kernel, &values, |bytes_per_workgroup| {
            if bytes_per_workgroup == 0 {
                return Ok(0);
            }
            let buffer = DeviceBuffer::zeroed(&self.device, workgroups * bytes_per_workgroup as usize)?;
            let address = buffer.address();
            inputs.push(buffer);
            Ok(address)
        })?;
        let config = LaunchConfig::new(case.grid, kernel.warps * 64).with_shared_bytes(kernel.shared_bytes);
        function.launch_bytes(config, &self.stream, &arguments)?;
        self.stream.synchronize()?;
        let mut contents = Vec::with_capacity(outputs.len());
        for (name, output) in &outputs {
            if let Some(violation) = output.check()? {
                return Ok(Err(format!("{name}: {violation}")));
            }
            contents.push(output.as_slice()?.to_vec()?);
        }
        Ok(Ok((case.check)(&contents)))
    }

    fn guarded(
        &self,
        name: &'static str,
        bytes: &[u8],
        outputs: &mut Vec<(&'static str, GuardedBuffer<u8>)>,
    ) -> Result<Value> {
        let mut buffer = GuardedBuffer::new(&self.device, bytes.len(), BAND)?;
        buffer.as_mut_slice()?.copy_from(bytes)?;
        let address = buffer.as_slice()?.address();
        outputs.push((name, buffer));
        Ok(Value::Address(address))
    }

    fn reset(&mut self) -> Result<()> {
        let mut runtime = Runtime::open(&self.library)?;
        runtime.reset_device(0)?;
        drop(runtime);
        (self.device, self.stream) = open(&self.library)?;
        Ok(())
    }
}

fn open(library: &LibraryChoice) -> Result<(Device, Stream)> {
    let device = Runtime::open(library)?.device(0)?;
    let stream = Stream::new(&device)?;
    Ok((device, stream))
}
