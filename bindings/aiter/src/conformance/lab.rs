//! The device and the random numbers of a conformance run.

use hip::{Device, DeviceBuffer, GuardedBuffer, LibraryChoice, Runtime, RuntimeKind, Stream};
use peers::Random;

use super::schedule::{self, Schedule};
use super::{Evidence, Line, Outcome, Tally, evidence};
use crate::{Checkout, Kernels, Result};

/// Bytes of the guard bands on either side of an output.
const BAND: usize = 1 << 16;

/// Cases of an object that are watched for what relies on time.
const WATCHED: usize = 3;

/// What a run needs: the kernels, their device, a stream and a generator.
#[derive(Debug)]
pub struct Lab {
    library: LibraryChoice,
    checkout: Checkout,
    session: Session,
    seed: u64,
    filter: String,
    random: Random,
    lines: Vec<Line>,
    progress: fn(&Line),
    /// An object, and how many of its cases were watched.
    watched: (String, usize),
    /// In force on the virtual device.
    schedule: Option<Schedule>,
}

/// One case: inputs, launch, comparison.
type Run<'a> = dyn FnMut(&mut Lab) -> Result<Outcome> + 'a;

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
        let random = Random::new(seed, "");
        let (filter, lines) = (String::new(), Vec::new());
        let watched = (String::new(), 0);
        let schedule = None;
        Ok(Self { library, checkout, session, seed, filter, random, lines, progress, watched, schedule })
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
    /// On the virtual device it runs once per schedule, and once more if one of them was wrong: watched for what
    /// relies on time. A kernel that is stopped makes the device refuse everything until it is reset; that happens
    /// here, so that one bad case does not spoil the next.
    ///
    /// # Errors
    /// A device that cannot be used again.
    pub(super) fn case(
        &mut self,
        object: &str,
        shape: String,
        run: impl FnMut(&mut Self) -> Result<Outcome>,
    ) -> Result<()> {
        self.case_in(&schedule::ALL, object, shape, run)
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
        self.case_in(&schedule::ORDERED, object, shape, run)
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
        let inputs = Random::new(self.seed, &format!("{object}{shape}"));
        let outcome = if self.device().runtime().kind() == RuntimeKind::Virtual {
            self.in_schedules(&object, schedules, &inputs, &mut run)?
        } else {
            self.once(None, &inputs, &mut run)?
        };
        let line = Line { object, shape, outcome };
        (self.progress)(&line);
        self.lines.push(line);
        Ok(())
    }

    /// The outcome over all schedules.
    fn in_schedules(
        &mut self,
        object: &str,
        schedules: &[Schedule],
        inputs: &Random,
        run: &mut Run<'_>,
    ) -> Result<Outcome> {
        let mut right: Option<(Tally, Schedule)> = None;
        let mut wrong: Vec<(Schedule, Outcome)> = Vec::new();
        for schedule in schedules {
            match self.once(Some(*schedule), inputs, run)? {
                Outcome::Compared(tally) if tally.is_right() => {
                    right = Some(match right {
                        Some((before, first)) => (before.worse(tally), first),
                        None => (tally, *schedule),
                    });
                }
                outcome @ Outcome::Excluded(_) => return Ok(outcome),
                outcome => wrong.push((*schedule, outcome)),
            }
        }
        if right.is_none() {
            for schedule in schedule::TIMED {
                if let Outcome::Compared(tally) = self.once(Some(schedule), inputs, run)?
                    && tally.is_right()
                {
                    right = Some((tally, schedule));
                    break;
                }
            }
        }
        let Some((right, right_in)) = right else {
            // At least one schedule has no condition.
            let first = wrong.into_iter().next().map(|(_, outcome)| outcome);
            return Ok(first.unwrap_or_else(|| Outcome::Failed("nothing ran".to_owned())));
        };
        if wrong.is_empty() {
            return Ok(Outcome::Compared(right));
        }
        let evidence = self.watch(object, right_in, inputs, run)?;
        let wrong = wrong.into_iter().map(|(schedule, outcome)| (schedule.name, outcome.to_string()));
        Ok(Outcome::Timed { right, right_in: right_in.name, wrong: wrong.collect(), evidence })
    }

    /// Runs once more, watched for what relies on time: the first few such cases of an object, as it is slow.
    fn watch(
        &mut self,
        object: &str,
        schedule: Schedule,
        inputs: &Random,
        run: &mut Run<'_>,
    ) -> Result<Vec<Evidence>> {
        if self.watched.0 != object {
            self.watched = (object.to_owned(), 0);
        }
        if self.watched.1 == WATCHED {
            return Ok(Vec::new());
        }
        self.watched.1 += 1;
        self.device().runtime().set_option("races", "1")?;
        let outcome = self.once(Some(schedule), inputs, run);
        let evidence = evidence::of_last_launch(&self.device().runtime());
        self.device().runtime().set_option("races", "0")?;
        outcome?;
        evidence
    }

    /// Runs once. A kernel that is stopped is an outcome.
    ///
    /// # Errors
    /// A device that cannot be used again.
    fn once(&mut self, schedule: Option<Schedule>, inputs: &Random, run: &mut Run<'_>) -> Result<Outcome> {
        if let Some(schedule) = schedule {
            schedule.set(&self.device().runtime())?;
        }
        self.schedule = schedule;
        self.random = inputs.clone();
        run(self).or_else(|error| {
            self.reset()?;
            Ok(Outcome::Failed(error.to_string()))
        })
    }

    /// Launches a kernel that another family's table is about, in a schedule in which it is right, and waits for it.
    /// What follows runs in the case's schedule again.
    ///
    /// # Errors
    /// Those of the launch, and of a kernel that is stopped.
    pub(super) fn steadily(
        &mut self,
        steady: Schedule,
        launch: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        if self.schedule.is_some() {
            steady.set(&self.device().runtime())?;
        }
        launch(self)?;
        self.stream().synchronize()?;
        if let Some(schedule) = self.schedule {
            schedule.set(&self.device().runtime())?;
        }
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

    /// The generator of the case's inputs.
    pub(super) fn random(&mut self) -> &mut Random {
        &mut self.random
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
