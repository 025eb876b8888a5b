//! Synthetic workgroups whose time is known.

use emulator::{AccessKind, Event, Fold, Folds, GroupTrace, MemoryAccess, Moved, Needs, TraceOp, Unit, Wait};

use super::*;
use crate::{
    lower::{Load, Traffic},
    machine::{MI355X, Machine},
    sample::{Levels, ONE, Share},
};

fn rates() -> Rates {
    Rates::of(&Machine::parse(MI355X).expect("parses")).expect("complete")
}

fn op(unit: Unit, cycles: u16, writes: &[(u16, u16)], reads: &[(u16, u16)], wait: Option<Wait>) -> TraceOp {
    let (writes, reads) = (writes.to_vec(), reads.to_vec());
    TraceOp { offset: 0, mnemonic: String::new(), unit, cycles, writes, reads, wait }
}

/// Waves of (body, turns) over these instructions; event i is instruction i.
fn recording(ops: Vec<(TraceOp, Moved)>, waves: &[&[(&[u32], u32)]]) -> Recording {
    let events =
        ops.iter().enumerate().map(|(i, (_, moved))| Event { op: i as u32, moved: *moved }).collect();
    let fold = |(body, turns): &(&[u32], u32)| Fold { body: body.to_vec(), turns: *turns };
    let waves = waves.iter().map(|folds| Folds(folds.iter().map(fold).collect())).collect();
    Recording {
        needs: Needs { waves: 4, ..Needs::default() },
        ops: ops.into_iter().map(|(op, _)| op).collect(),
        events,
        groups: vec![GroupTrace { waves, ..GroupTrace::default() }],
    }
}

fn cycles(recording: &Recording, resident: u32, rates: &Rates) -> f64 {
    let whole = Levels { compute_unit: ONE, xcd: ONE, device: ONE, memory: ONE };
    let share = Share(vec![whole]);
    let traffic = Traffic { share: &share, load: Load { units: 256, units_of_xcd: 32 }, spill: 0.0 };
    replay(recording, &Code::new(recording, traffic, rates), resident, rates).as_cycles()
}

const ACCUMULATORS: (u16, u16) = (256, 4);

#[test]
fn independent_matrix_instructions_run_at_the_rate_of_their_passes() {
    let ops = (0..4).map(|i| {
        let own = (256 + 4 * i, 4);
        (op(Unit::Matrix, 16, &[own], &[(0, 4), (8, 4), own], None), Moved::Nothing)
    });
    let recording = recording(ops.collect(), &[&[(&[0, 1, 2, 3], 100)]]);
    let time = cycles(&recording, 1, &rates());
    assert!((time - 400.0 * 16.0).abs() < 16.0, "{time}");
}

#[test]
fn a_result_is_read_four_passes_later_but_added_onto_at_once() {
    let rates = rates();
    let matrix = op(Unit::Matrix, 16, &[ACCUMULATORS], &[(0, 4), ACCUMULATORS], None);
    let read = op(Unit::Valu, 4, &[(0, 1)], &[(256, 1)], None);
    let ops = vec![(matrix, Moved::Nothing), (read, Moved::Nothing)];
    let chain = cycles(&recording(ops.clone(), &[&[(&[0, 0, 0, 0], 1)]]), 1, &rates);
    let last = rates.issue_matrix_cycles;
    assert!((chain - (3.0 * 16.0 + last)).abs() < 0.1, "{chain}");
    let read = cycles(&recording(ops, &[&[(&[0, 1], 1)]]), 1, &rates);
    assert!((read - (16.0 + 16.0 + 4.0)).abs() < 0.1, "{read}");
}

fn load(bytes: u32) -> (TraceOp, Moved) {
    let lines = (bytes / 128) as u16;
    let access = MemoryAccess {
        allocation: 0,
        bytes,
        lines,
        sectors: 2 * lines,
        kind: AccessKind::Load,
        to_lds: false,
    };
    (op(Unit::Memory, 4, &[(0, 4)], &[], None), Moved::Memory(access))
}

fn wait(vector: u8) -> (TraceOp, Moved) {
    (op(Unit::Other, 4, &[], &[], Some(Wait { vector, lgkm: 15 })), Moved::Nothing)
}

#[test]
fn a_lone_load_takes_translation_and_latency() {
    let rates = rates();
    let recording = recording(vec![load(128), wait(0)], &[&[(&[0, 1], 1)]]);
    let time = cycles(&recording, 1, &rates);
    let least = rates.translation_cycles + rates.memory_latency_cycles;
    assert!(time > least && time < least + 100.0, "{time} {least}");
}

/// All 256 compute units stream from HBM: together they get its bandwidth.
#[test]
fn streams_get_the_bandwidth_of_hbm() {
    let rates = Rates { lines_in_flight: 1e6, ..rates() };
    let stream: &[(&[u32], u32)] = &[(&[0, 0, 0, 0, 1], 4000)];
    let recording = recording(vec![load(1024), wait(60)], &[stream; 4]);
    let time = cycles(&recording, 1, &rates);
    let bytes = 4.0 * 4.0 * 4000.0 * 1024.0 * 256.0;
    let tb_per_s = bytes / (time / (rates.clock_ghz * 1e9)) / 1e12;
    assert!((tb_per_s / rates.memory_tb_per_s - 1.0).abs() < 0.02, "{tb_per_s}");
}

#[test]
fn a_barrier_waits_for_the_last_and_the_ended_do_not_count() {
    let rates = rates();
    let vector = || (op(Unit::Valu, 4, &[], &[], None), Moved::Nothing);
    let ops = vec![vector(), (op(Unit::Barrier, 4, &[], &[], None), Moved::Nothing)];
    let slow: &[(&[u32], u32)] = &[(&[0], 1000), (&[1, 0], 1)];
    let fast: &[(&[u32], u32)] = &[(&[1, 0], 1)];
    let ends: &[(&[u32], u32)] = &[(&[0], 1)];
    let time = cycles(&recording(ops, &[slow, fast, ends]), 1, &rates);
    let expected = 4.0 * 1001.0 + rates.issue_wait_cycles + rates.barrier_cycles;
    assert!((time - expected).abs() < 1.0, "{time} {expected}");
}

#[test]
fn lds_conflicts_take_the_ports_time() {
    let lds = |busy| {
        let moved = Moved::Lds { cycles: busy, conflicts: 0 };
        let ops = vec![(op(Unit::Lds, 4, &[(0, 4)], &[], None), moved)];
        let stream: &[(&[u32], u32)] = &[(&[0; 8], 100)];
        cycles(&recording(ops, &[stream; 4]), 1, &rates())
    };
    let (free, conflicting) = (lds(8), lds(64));
    assert!((conflicting / free - 8.0).abs() < 0.2, "{free} {conflicting}");
}

/// A settled loop that is skipped takes as long as one that is replayed turn by turn.
#[test]
fn skipped_turns_take_as_long_as_replayed_ones() {
    let rates = rates();
    let matrix = op(Unit::Matrix, 16, &[ACCUMULATORS], &[(0, 4), ACCUMULATORS], None);
    let barrier = (op(Unit::Barrier, 4, &[], &[], None), Moved::Nothing);
    let ops = vec![load(1024), wait(3), (matrix, Moved::Nothing), barrier];
    let body: &[u32] = &[0, 2, 2, 0, 2, 2, 2, 2, 1, 3];
    let folded: &[(&[u32], u32)] = &[(body, 200)];
    // The same stream in 100 folds of two turns: never settled.
    let unfolded: Vec<(&[u32], u32)> = (0..100).map(|_| (body, 2)).collect();
    let fast = cycles(&recording(ops.clone(), &[folded; 4]), 1, &rates);
    let slow = cycles(&recording(ops, &[&unfolded[..]; 4]), 1, &rates);
    assert!((fast / slow - 1.0).abs() < 0.002, "{fast} {slow}");
}

#[test]
fn two_workgroups_share_the_matrix_cores() {
    let ops = (0..4).map(|i| {
        let own = (256 + 4 * i, 4);
        (op(Unit::Matrix, 16, &[own], &[own], None), Moved::Nothing)
    });
    let stream: &[(&[u32], u32)] = &[(&[0, 1, 2, 3], 100)];
    let recording = recording(ops.collect(), &[stream; 4]);
    let (one, two) = (cycles(&recording, 1, &rates()), cycles(&recording, 2, &rates()));
    assert!((two / one - 2.0).abs() < 0.02, "{one} {two}");
}
