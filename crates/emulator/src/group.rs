//! One workgroup: its waves take turns until all have ended.
//!
//! A wave runs until it waits at a barrier, ends, or has used its turn. Turns keep a wave that polls
//! LDS or memory for another wave's word from starving it. Without a seed the order is that of the wave
//! indices and turns are long; with a seed both are random, which shows missing barriers.

use crate::{
    fault::{Fault, FaultKind},
    op::{Arg, Op},
    program::Program,
    simd::execute,
    wave::{Cx, GPR_INDEX, Status, VSKIP, Wave},
};

/// Watches a wave; the run loop is compiled for each observer.
pub(crate) trait Observer {
    /// `op` is about to be executed by `wave`.
    fn issue(&mut self, wave: &Wave, op: &Op);
}

/// How waves take turns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    /// Random turns from this state on.
    pub seed: Option<u64>,
    /// Instructions that one wave may issue in its life.
    pub budget: u64,
    /// Report waves that disagree about a barrier; the hardware only counts arrivals.
    pub strict_barriers: bool,
}

/// Instructions of a turn without a seed.
const TURN: u64 = 1 << 16;
/// Longest turn with a seed.
const SHORT_TURN: u64 = 48;

/// Runs the waves of one workgroup to their ends.
///
/// # Errors
/// The first fault and the wave that it happened in.
pub(crate) fn run<O: Observer>(
    waves: &mut [Wave],
    program: &Program,
    cx: &mut Cx<'_>,
    schedule: Schedule,
    observer: &mut O,
) -> Result<(), (usize, Box<Fault>)> {
    let mut random = schedule.seed.map(Random);
    let n = waves.len();
    loop {
        let mut ready = false;
        let first = random.as_mut().map_or(0, |random| random.below(n as u64) as usize);
        for i in 0..n {
            let index = (first + i) % n;
            let wave = &mut waves[index];
            if wave.status != Status::Ready {
                continue;
            }
            ready = true;
            let turn = random.as_mut().map_or(TURN, |random| 1 + random.below(SHORT_TURN));
            let until = schedule.budget.min(wave.issued.saturating_add(turn));
            issue(wave, program, cx, until, observer).map_err(|fault| (index, fault))?;
            if wave.status == Status::Ready && wave.issued >= schedule.budget {
                let instructions = wave.issued;
                return Err((index, Fault::new(FaultKind::Budget { instructions })));
            }
        }
        if ready {
            continue;
        }
        if waves.iter().all(|wave| wave.status == Status::Ended) {
            return if schedule.strict_barriers { agree(waves) } else { Ok(()) };
        }
        if schedule.strict_barriers {
            agree(waves)?;
        }
        for wave in waves.iter_mut().filter(|wave| wave.status == Status::Barrier) {
            wave.status = Status::Ready;
        }
    }
}

/// Executes until the wave stops being ready or has issued `until` instructions.
#[inline(always)]
fn issue<O: Observer>(
    wave: &mut Wave,
    program: &Program,
    cx: &mut Cx<'_>,
    until: u64,
    observer: &mut O,
) -> Result<(), Box<Fault>> {
    while wave.issued < until {
        let Some(op) = program.at(wave.pc) else {
            return Err(Fault::new(FaultKind::BadProgramCounter { pc: wave.pc }));
        };
        wave.next_pc = wave.pc + 4 * op.length as u64;
        wave.issued += 1;
        if wave.mode & (GPR_INDEX | VSKIP) == 0 || !op.class.is_vector() {
            observer.issue(wave, op);
            execute(wave, op, cx)?;
        } else if wave.mode & VSKIP == 0 {
            let op = indexed(wave, op);
            observer.issue(wave, &op);
            execute(wave, &op, cx)?;
        }
        if wave.status != Status::Ready {
            wave.barriers += (wave.status == Status::Barrier) as u64;
            // A barrier's pc stays for the report of a disagreement until the wave goes on.
            wave.at = wave.pc;
            wave.pc = wave.next_pc;
            return Ok(());
        }
        wave.pc = wave.next_pc;
    }
    Ok(())
}

/// GPR-index mode: M0\[7:0\] is added to the vector registers that M0\[15:12\] selects (source 0, 1, 2,
/// destination). Vector ALU instructions only; an index beyond the allocation faults in the handler.
#[cold]
fn indexed(wave: &Wave, op: &Op) -> Op {
    let mut op = op.clone();
    if op.class != crate::cost::Class::Valu {
        return op;
    }
    let (index, mask) = ((wave.m0() & 0xff) as u16, wave.m0() >> 12 & 15);
    let shift = |arg: &mut Arg| {
        if let Arg::Vector(register) = arg {
            *register += index;
        }
    };
    for source in 0..3 {
        if mask >> source & 1 == 1 {
            shift(&mut op.src[source]);
        }
    }
    if mask >> 3 & 1 == 1 {
        shift(&mut op.dst);
    }
    op
}

/// At a barrier, or at the end: all waves must stand at the same place, none may have ended before it.
fn agree(waves: &[Wave]) -> Result<(), (usize, Box<Fault>)> {
    // The wave with the most barriers, a waiting one of those: the others should have come as far.
    let Some((index, front)) = waves
        .iter()
        .enumerate()
        .max_by_key(|(i, wave)| (wave.barriers, wave.status == Status::Barrier, usize::MAX - i))
    else {
        return Ok(());
    };
    let other = waves.iter().position(|wave| {
        let behind = wave.barriers < front.barriers;
        let elsewhere =
            wave.status == Status::Barrier && front.status == Status::Barrier && wave.at != front.at;
        behind || elsewhere
    });
    let Some(other) = other else { return Ok(()) };
    Err((
        index,
        Fault::new(FaultKind::BarrierDivergence {
            wave: index as u32,
            pc: front.at,
            barriers: front.barriers,
            other: other as u32,
            other_pc: waves[other].at,
            other_ended: waves[other].status == Status::Ended,
        }),
    ))
}

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Random(pub u64);

impl Random {
    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((self.next() as u128 * bound as u128) >> 64) as u64
    }
}
