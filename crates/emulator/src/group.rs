//! One workgroup: its waves take turns until all have ended.
//!
//! A wave runs until it waits at a barrier, ends, or has used its turn. Turns keep a wave that polls
//! LDS or memory for another wave's word from starving it. Without a seed the order is that of the wave
//! indices and turns are long; with a seed both are random, which shows missing barriers.

use crate::{
    fault::{Fault, FaultKind},
    observe::Observer,
    op::{Arg, Op},
    program::Program,
    simd::execute,
    wave::{Cx, GPR_INDEX, Status, VSKIP, Wave},
};

/// How waves take turns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    /// Random turns from this state on.
    pub seed: Option<u64>,
    /// Instructions of a turn, with a seed the most; 0 is [`TURN`] or [`SHORT_TURN`].
    pub turn: u64,
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
            let turn = match (&mut random, schedule.turn) {
                (None, 0) => TURN,
                (None, turn) => turn,
                (Some(random), 0) => 1 + random.below(SHORT_TURN),
                (Some(random), turn) => 1 + random.below(turn),
            };
            let until = schedule.budget.min(wave.issued.saturating_add(turn));
            if wave.pending.lands() {
                while wave.status == Status::Ready && wave.issued < until {
                    wave.land(cx);
                    let next = wave.issued + 1;
                    issue(wave, program, cx, next, observer).map_err(|fault| (index, fault))?;
                }
            } else {
                issue(wave, program, cx, until, observer).map_err(|fault| (index, fault))?;
            }
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
        observer.release(waves);
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
            observer.issue(wave, op)?;
            execute(wave, op, cx)?;
        } else if wave.mode & VSKIP == 0 {
            let op = indexed(wave, op);
            observer.issue(wave, &op)?;
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
            // The architectural registers end at 255: an index does not reach into the accumulation file.
            *register = if *register < 256 && *register + index > 255 { u16::MAX } else { *register + index };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{lanes::Lanes, memory::Memory, simd::Step};

    const END: u32 = 0xbf81_0000;
    const BARRIER: u32 = 0xbf8a_0000;

    /// Runs `waves` (16 vector registers) on assembled words.
    fn run_words(
        words: &[u32],
        waves: &mut [Wave],
        strict: bool,
        budget: u64,
    ) -> Result<(), (usize, FaultKind)> {
        observe_words(words, waves, strict, budget, &mut ())
    }

    fn observe_words(
        words: &[u32],
        waves: &mut [Wave],
        strict: bool,
        budget: u64,
        observer: &mut impl Observer,
    ) -> Result<(), (usize, FaultKind)> {
        let text: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let program = Program::new(0, text, &[0]);
        let memory = Memory::new(1 << 16).view();
        let mut lds = Vec::new();
        let schedule = Schedule { seed: None, turn: 0, budget, strict_barriers: strict };
        run(waves, &program, &mut Cx::new(&mut lds, &memory), schedule, observer)
            .map_err(|(index, fault)| (index, fault.kind))
    }

    fn wave(id: u32) -> Wave {
        let mut wave = Wave::new(id, 16, 4);
        for register in 0..16 {
            *wave.vector_mut(register).expect("allocated") = Lanes::splat(100 + register as u32);
        }
        wave
    }

    fn value(wave: &Wave, register: u16) -> u32 {
        wave.vector(register).expect("allocated")[5]
    }

    #[test]
    fn gpr_index_mode_moves_the_named_operands_once() {
        let mut waves = [wave(0)];
        waves[0].scalar[4] = 5;
        let words = [
            0xbf11_0904, // s_set_gpr_idx_on s4, gpr_idx(SRC0,DST)
            0x7e04_0303, // v_mov_b32 v2, v3: v7 = v8
            0x6804_0702, // v_add_u32 v2, v2, v3: v7 = v7 + v3
            0xbf9c_0000, // s_set_gpr_idx_off
            0x7e10_0303, // v_mov_b32 v8, v3
            0xbf11_0104, // s_set_gpr_idx_on s4, gpr_idx(SRC0)
            0x7e12_02fa,
            0xff01_1103, // v_mov_b32_dpp v9, v3 row_shr:1: v9 = v8
            0xd289_0008,
            0x0000_0b03, // v_readlane_b32 s8, v3, s5: from v8
            0xbf9c_0000,
            END,
        ];
        run_words(&words, &mut waves, true, 100).expect("no fault");
        assert_eq!((value(&waves[0], 7), value(&waves[0], 2)), (108 + 103, 102));
        assert_eq!((value(&waves[0], 8), value(&waves[0], 9)), (103, 103));
        assert_eq!(waves[0].scalar[8], 103);
    }

    #[test]
    fn a_gpr_index_beyond_the_allocation_faults() {
        for index in [17, 253] {
            let mut waves = [wave(0)];
            waves[0].scalar[4] = index;
            let words = [0xbf11_0104, 0x7e04_0303, 0xbf9c_0000, END];
            let fault = run_words(&words, &mut waves, true, 100);
            assert!(matches!(fault, Err((0, FaultKind::BadRegister { allocated: 20 | 4, .. }))), "{fault:?}");
        }
    }

    /// Instructions by wave, and how many had been issued at each release; stops the launch at one address.
    #[derive(Default)]
    struct Log {
        issued: Vec<(u32, u64)>,
        releases: Vec<usize>,
        stop: Option<u64>,
    }

    impl Observer for Log {
        fn issue(&mut self, wave: &Wave, _op: &Op) -> Step {
            self.issued.push((wave.id, wave.pc));
            match self.stop {
                Some(pc) if pc == wave.pc => Err(Fault::new(FaultKind::Halt)),
                _ => Ok(()),
            }
        }

        fn release(&mut self, _waves: &[Wave]) {
            self.releases.push(self.issued.len());
        }

        fn merge(&mut self, _other: Log) {}
    }

    #[test]
    fn observers_see_every_instruction_and_barrier_and_can_stop_the_launch() {
        let words = [0xbf80_0000, BARRIER, 0x7e04_0303, END]; // s_nop 0; s_barrier; v_mov_b32 v2, v3; s_endpgm
        let both = || (Log::default(), Some(Log::default()));
        let (mut waves, mut observers) = ([wave(0), wave(1)], both());
        observe_words(&words, &mut waves, true, 100, &mut observers).expect("no fault");
        let expected = [(0, 0), (0, 4), (1, 0), (1, 4), (0, 8), (0, 12), (1, 8), (1, 12)];
        assert_eq!(observers.0.issued, expected);
        assert_eq!(observers.0.releases, [4]);
        assert_eq!(observers.1.map(|log| log.issued), Some(expected.to_vec()));

        let mut stopping = (both(), Log { stop: Some(8), ..Log::default() });
        let mut waves = [wave(0), wave(1)];
        let fault = observe_words(&words, &mut waves, true, 100, &mut stopping);
        assert_eq!(fault, Err((0, FaultKind::Halt)));
        assert_eq!(value(&waves[0], 2), 102, "the instruction was not executed");
    }

    #[test]
    fn vskip_skips_vector_instructions_only() {
        let mut waves = [wave(0)];
        waves[0].scalar[6] = 1;
        // s_setvskip s6, 0; v_mov_b32 v8, 0; s_mov_b32 s7, 9; s_setvskip s6, 1; v_mov_b32 v9, 0
        let words = [0xbf10_8006, 0x7e10_0280, 0xbe87_0089, 0xbf10_8106, 0x7e12_0280, END];
        run_words(&words, &mut waves, true, 100).expect("no fault");
        assert_eq!((value(&waves[0], 8), value(&waves[0], 9), waves[0].scalar[7]), (108, 0, 9));
    }

    #[test]
    fn an_endless_loop_exhausts_the_budget() {
        // s_branch to itself
        let fault = run_words(&[0xbf82_ffff, END], &mut [wave(0), wave(1)], true, 1000);
        assert_eq!(fault, Err((0, FaultKind::Budget { instructions: 1000 })));
    }

    /// The wave with s0 = 0 skips the barrier: s_cmp_eq_u32 s0, 0; s_cbranch_scc1 +1.
    const SKIPPING: [u32; 4] = [0xbf06_8000, 0xbf85_0001, BARRIER, END];

    fn first_skips() -> [Wave; 3] {
        let mut waves = [wave(0), wave(1), wave(2)];
        for (i, wave) in waves.iter_mut().enumerate() {
            wave.scalar[0] = i as u32;
        }
        waves
    }

    #[test]
    fn a_barrier_that_one_wave_skips_is_reported() {
        let fault = run_words(&SKIPPING, &mut first_skips(), true, 100);
        let expected = FaultKind::BarrierDivergence {
            wave: 1,
            pc: 8,
            barriers: 1,
            other: 0,
            other_pc: 12,
            other_ended: true,
        };
        assert_eq!(fault, Err((1, expected)));
    }

    #[test]
    fn the_hardware_lets_waves_go_when_the_others_have_ended() {
        let mut waves = first_skips();
        run_words(&SKIPPING, &mut waves, false, 100).expect("no fault");
        assert!(waves.iter().all(|wave| wave.status == Status::Ended));
    }

    #[test]
    fn a_jump_out_of_the_code_is_no_instruction() {
        let fault = run_words(&[0xbf82_0010], &mut [wave(0)], true, 100);
        assert_eq!(fault, Err((0, FaultKind::BadProgramCounter { pc: 0x44 })));
    }
}
