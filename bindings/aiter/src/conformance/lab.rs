//! The device and the random numbers of a conformance run.

use hip::{Device, DeviceBuffer, GuardedBuffer, LibraryChoice, Runtime, RuntimeKind, Stream};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::{Line, Outcome, Tally};
use crate::{Checkout, Kernels, Result};

/// Bytes of the guard bands on either side of an output.
const BAND: usize = 1 << 16;

/// What a run needs: the kernels, their device, a stream and a generator.
#[derive(Debug)]
pub struct Lab {
    library: LibraryChoice,
    checkout: Checkout,
    session: Session,
    seed: u64,
    filter: String,
    random: ChaCha8Rng,
    lines: Vec<Line>,
    progress: fn(&Line),
}

/// An order in which the virtual device runs the waves of a workgroup. Only barriers and waits promise anything
/// about it, so a kernel that gives right results in one and wrong ones in another lacks one of these.
struct Schedule {
    name: &'static str,
    /// Instructions of a wave's turn; 0 for as many as it can.
    turn: &'static str,
    seed: &'static str,
}

/// The first is nearest to hardware, whose waves start together and advance by turns.
const SCHEDULES: [Schedule; 3] = [
    Schedule { name: "the waves run in lockstep", turn: "1", seed: "none" },
    Schedule { name: "each wave runs ahead to its next barrier", turn: "0", seed: "none" },
    Schedule { name: "random turns of up to 48 instructions", turn: "48", seed: "1" },
];

/// What is lost when a kernel is stopped.
#[derive(Debug)]
struct Session {
    kernels: Kernels,
    stream: Stream,
}

impl Lab {
    /// A lab on the library's first device. Equal seeds give equal inputs; `progress` sees every line at once.
    ///
    /// # Errors
    /// HIP's.
    pub fn new(library: LibraryChoice, checkout: Checkout, seed: u64, progress: fn(&Line)) -> Result<Self> {
        let session = Session::open(&library, &checkout)?;
        let random = ChaCha8Rng::seed_from_u64(seed);
        let (filter, lines) = (String::new(), Vec::new());
        Ok(Self { library, checkout, session, seed, filter, random, lines, progress })
    }

    /// Runs only objects whose name contains `part`.
    pub fn only(&mut self, part: &str) {
        part.clone_into(&mut self.filter);
    }

    /// The device of the run.
    pub fn device(&self) -> &Device {
        self.session.kernels.device()
    }

    pub(super) fn kernels(&self) -> &Kernels {
        &self.session.kernels
    }

    pub(super) fn stream(&self) -> &Stream {
        &self.session.stream
    }

    /// Runs one case and records its line. The inputs depend on the seed and the case alone.
    ///
    /// On the virtual device it runs once per schedule, until one is not right. A kernel that is stopped makes the
    /// device refuse everything until it is reset; that happens here, so that one bad case does not spoil the next.
    ///
    /// # Errors
    /// A device that cannot be used again.
    pub(super) fn case(
        &mut self,
        object: &str,
        shape: String,
        run: impl FnMut(&mut Self) -> Result<Outcome>,
    ) -> Result<()> {
        self.case_in(&SCHEDULES, object, shape, run)
    }

    /// [`case`](Self::case) of a kernel whose workgroups wait for earlier ones. Hardware starts workgroups in order;
    /// a random order of them, which comes with random turns, would make it wait for ever.
    ///
    /// # Errors
    /// As there.
    pub(super) fn case_of_waiting_groups(
        &mut self,
        object: &str,
        shape: String,
        run: impl FnMut(&mut Self) -> Result<Outcome>,
    ) -> Result<()> {
        self.case_in(&SCHEDULES[..2], object, shape, run)
    }

    fn case_in(
        &mut self,
        schedules: &[Schedule],
        object: &str,
        shape: String,
        mut run: impl FnMut(&mut Self) -> Result<Outcome>,
    ) -> Result<()> {
        let object = object.trim_end_matches(".co").to_owned();
        if !object.contains(&self.filter) {
            return Ok(());
        }
        let name = object.bytes().chain(shape.bytes());
        let seed = name.fold(self.seed, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(17)
        });
        let is_virtual = self.device().runtime().kind() == RuntimeKind::Virtual;
        let mut outcome: Option<(Outcome, &'static str)> = None;
        for schedule in &schedules[..if is_virtual { schedules.len() } else { 1 }] {
            if is_virtual {
                let runtime = self.device().runtime();
                // Older virtual runtimes cannot run in lockstep; they do without that schedule.
                if runtime.set_option("turn", schedule.turn).is_err() && schedule.turn == "1" {
                    continue;
                }
                runtime.set_option("seed", schedule.seed)?;
            }
            self.random = ChaCha8Rng::seed_from_u64(seed);
            let next = match run(self) {
                Ok(outcome) => outcome,
                Err(error) => {
                    self.reset()?;
                    Outcome::Failed(error.to_string())
                }
            };
            let next = match (outcome, next) {
                (Some((Outcome::Compared(right), right_in)), next) if next.is_failure() => {
                    let (wrong_in, wrong) = (schedule.name, next.to_string());
                    Outcome::Races { right, right_in, wrong_in, wrong }
                }
                (Some((Outcome::Compared(before), _)), Outcome::Compared(tally)) => {
                    Outcome::Compared(before.worse(tally))
                }
                (_, next) => next,
            };
            let go_on = matches!(next, Outcome::Compared(_)) && !next.is_failure();
            outcome = Some((next, schedule.name));
            if !go_on {
                break;
            }
        }
        // At least one schedule has no condition.
        let outcome =
            outcome.map_or_else(|| Outcome::Failed("nothing ran".to_owned()), |(outcome, _)| outcome);
        let line = Line { object, shape, outcome };
        (self.progress)(&line);
        self.lines.push(line);
        Ok(())
    }

    /// The lines since the last call.
    pub(super) fn take_lines(&mut self) -> Vec<Line> {
        std::mem::take(&mut self.lines)
    }

    pub(super) fn upload<T: bytemuck::Pod>(&self, data: &[T]) -> Result<DeviceBuffer<T>> {
        Ok(DeviceBuffer::from_slice(self.device(), data)?)
    }

    /// An output between guard bands, filled with NaN of every format: an element that is never written shows.
    pub(super) fn output<T: bytemuck::Pod>(&self, len: usize) -> Result<GuardedBuffer<T>> {
        let mut buffer = GuardedBuffer::new(self.device(), len, BAND)?;
        buffer.as_mut_slice()?.fill_bytes(0xff)?;
        Ok(buffer)
    }

    /// Waits for the kernel and reads an output; `Err` says that its guard bands were written.
    pub(super) fn read<T: bytemuck::Pod>(&self, output: &GuardedBuffer<T>) -> Result<Result<Vec<T>, String>> {
        self.stream().synchronize()?;
        Ok(match output.check()? {
            Some(violation) => Err(violation.to_string()),
            None => Ok(output.as_slice()?.to_vec()?),
        })
    }

    /// Waits for the kernel and compares its output, unless it wrote into the guard bands.
    pub(super) fn finish<T: bytemuck::Pod>(
        &self,
        output: &GuardedBuffer<T>,
        compare: impl FnOnce(&[T]) -> Tally,
    ) -> Result<Outcome> {
        Ok(match self.read(output)? {
            Err(violation) => Outcome::Failed(violation),
            Ok(values) => Outcome::Compared(compare(&values)),
        })
    }

    pub(super) fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.random.fill_bytes(&mut bytes);
        bytes
    }

    /// A number from 0 to `end`, exclusive.
    pub(super) fn below(&mut self, end: u32) -> u32 {
        ((u64::from(self.random.next_u32()) * u64::from(end)) >> 32) as u32
    }

    /// A number with a bell-shaped distribution of variance 1: the sum of twelve uniform ones, less 6.
    pub(super) fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.random.next_u32() as f32 / 4_294_967_296.0).sum::<f32>() - 6.0
    }

    fn reset(&mut self) -> Result<()> {
        let mut runtime = Runtime::open(&self.library)?;
        runtime.reset_device(0)?;
        self.session = Session::open(&self.library, &self.checkout)?;
        Ok(())
    }
}

impl Session {
    fn open(library: &LibraryChoice, checkout: &Checkout) -> Result<Self> {
        let runtime = Runtime::open(library)?;
        if runtime.kind() == RuntimeKind::Virtual {
            // AITER's waves take different paths through one workgroup and meet at different s_barrier
            // instructions. The hardware counts arrivals only; the virtual device reports that unless told not to.
            runtime.set_option("divergent_barriers", "1")?;
        }
        let device = runtime.device(0)?;
        Ok(Self { kernels: Kernels::new(checkout, &device), stream: Stream::new(&device)? })
    }
}
