//! Synthetic launches with one thing wrong each, and whether the explanation names it.

use emulator::{AccessKind, Event, Fold, Folds, GroupTrace, MemoryAccess, Recording, TraceOp, Unit, Wait};

use super::*;
use crate::{
    envelope::{Calibrated, Envelope, Errors},
    machine::{MI355X, Machine},
    sample::{Class, Levels, ONE, Share, Turn},
};

fn model() -> Model {
    let errors = vec![Errors { from_us: 0.0, rows: 10, median: 0.05, p90: 0.1 }];
    let calibrated = Calibrated { known: errors.clone(), unknown: errors, ..Calibrated::default() };
    Model::new(Machine::parse(MI355X).expect("parses"), calibrated).expect("complete")
}

fn op(offset: i64, mnemonic: &str, unit: Unit, wait: Option<Wait>) -> TraceOp {
    TraceOp {
        offset,
        mnemonic: mnemonic.into(),
        unit,
        cycles: 4,
        writes: Vec::new(),
        reads: Vec::new(),
        wait,
    }
}

fn access(kind: AccessKind) -> Moved {
    Moved::Memory(MemoryAccess { allocation: 0, bytes: 1024, lines: 8, sectors: 16, kind, to_lds: false })
}

/// `groups` workgroups of four waves that repeat `body`.
fn sample(groups: u32, body: &[(TraceOp, Moved)], turns: u32) -> Sample {
    let ops = body.iter().map(|(op, _)| op.clone()).collect();
    let events = (0..).zip(body).map(|(op, (_, moved))| Event { op, moved: *moved }).collect();
    let fold = Fold { body: (0..body.len() as u32).collect(), turns };
    let groups_of = vec![GroupTrace { waves: vec![Folds(vec![fold]); 4], ..GroupTrace::default() }];
    let needs = Needs { waves: 4, vgprs: 64, ..Needs::default() };
    let whole = Levels { compute_unit: ONE, xcd: ONE, device: ONE, memory: ONE };
    Sample {
        kernel: "synthetic".into(),
        groups: u64::from(groups),
        needs,
        resident: Topology::MI355X.resident(needs),
        classes: vec![Class {
            count: u64::from(groups),
            recording: Recording { needs, ops, events, groups: groups_of },
        }],
        turns: vec![(Turn { groups, share: 0, classes: vec![(0, groups)] }, 1)],
        shares: vec![Share(vec![whole])],
        written: 0,
        footprint: 1 << 30,
    }
}

fn explained(sample: &Sample) -> (Explanation, Timed) {
    let model = model();
    let breakdown = crate::predict::predict(sample, Caches::Cold, model.rates());
    let timed = Timed { breakdown, envelope: Envelope::Calibrated, band: None };
    (Explanation::of(&model, sample, Caches::Cold, &timed), timed)
}

const COUNTED: Option<Wait> = Some(Wait { vector: 0, lgkm: 15 });
const LDS_DONE: Option<Wait> = Some(Wait { vector: 63, lgkm: 0 });

/// Loads of lines that nobody shares, on a full device: memory binds, and most time is waits for it.
#[test]
fn a_copy_is_bound_by_memory() {
    let body = [
        (op(0, "load", Unit::Memory, None), access(AccessKind::Load)),
        (op(8, "load", Unit::Memory, None), access(AccessKind::Load)),
        (op(16, "wait", Unit::Other, COUNTED), Moved::Nothing),
    ];
    let (explanation, _) = explained(&sample(2048, &body, 40));
    assert_eq!(explanation.binding.part, "HBM", "{:?}", explanation.parts);
    assert!(explanation.binding.saturated && explanation.binding.achieved > 0.7, "{:?}", explanation.binding);
    let first = &explanation.causes[0].name;
    assert!(["wait: memory", "wait: address unit"].contains(&first.as_str()), "{:?}", explanation.causes);
    let wait = explanation.stalls.iter().find(|stall| stall.offset == 16).expect("it waits");
    assert_eq!((wait.cause, wait.awaits), ("memory", Some(8)), "the last load's data comes last");
    assert_eq!(explanation.occupancy.limited_by, ["waves"]);
    assert_eq!(explanation.occupancy.waves_per_simd, 8.0);
}

/// A bank conflict costs LDS cycles at its instruction, and the wait for it points there.
#[test]
fn a_bank_conflict_shows_at_its_instruction() {
    let lds = |conflicts| Moved::Lds { cycles: 8 + conflicts, conflicts };
    let body = |conflicts| {
        [
            (op(0, "read", Unit::Lds, None), lds(0)),
            (op(8, "read_column", Unit::Lds, None), lds(conflicts)),
            (op(16, "wait", Unit::Other, LDS_DONE), Moved::Nothing),
        ]
    };
    let (smooth, _) = explained(&sample(256, &body(0), 50));
    let (rough, _) = explained(&sample(256, &body(120), 50));
    assert!(smooth.places.iter().all(|place| place.conflict_cycles == 0.0));
    let conflicts: Vec<(i64, f64)> =
        rough.places.iter().map(|place| (place.offset, place.conflict_cycles)).collect();
    // Four waves, 50 turns.
    assert_eq!(conflicts, [(0, 0.0), (8, 120.0 * 200.0), (16, 0.0)]);
    assert_eq!(rough.binding.part, "LDS port");
    assert_eq!((rough.stalls[0].offset, rough.stalls[0].awaits), (16, Some(8)));
    assert!(rough.time_ns > smooth.time_ns);
}

/// Whatever a launch does, causes add up to its time and none is negative.
#[test]
fn causes_add_up_to_the_time() {
    let uneven = [
        (op(0, "valu", Unit::Valu, None), Moved::Nothing),
        (op(4, "load", Unit::Memory, None), access(AccessKind::Load)),
        (op(8, "read", Unit::Lds, None), Moved::Lds { cycles: 16, conflicts: 8 }),
        (op(12, "wait", Unit::Other, Some(Wait { vector: 2, lgkm: 0 })), Moved::Nothing),
        (op(16, "barrier", Unit::Barrier, None), Moved::Nothing),
        (op(20, "store", Unit::Memory, None), access(AccessKind::Store)),
        (op(24, "branch", Unit::Branch, None), Moved::Nothing),
    ];
    for (groups, turns) in [(1, 1), (100, 7), (300, 200), (2048, 33)] {
        let mut sample = sample(groups, &uneven, turns);
        // A second kind of workgroup ends early, and a second turn has few workgroups.
        let mut short = sample.classes[0].clone();
        short.recording.groups[0].waves.truncate(3);
        sample.classes.push(short);
        sample.turns[0].0.classes = vec![(0, groups - groups / 3), (1, groups / 3)];
        sample.turns.push((Turn { groups: 1, share: 0, classes: vec![(1, 1)] }, 1));
        // One wave has less to do.
        sample.classes[0].recording.groups[0].waves[3].0[0].turns = 1;
        let recording = &sample.classes[0].recording;
        let mut account = Account::new(recording);
        let length = model().watch(&sample, Caches::Cold, 0, 0, &mut account);
        account.finish(length);
        let accounted: f64 = account.causes.values().sum();
        assert!((accounted / account.length - 1.0).abs() < 1e-9, "{accounted} of {}", account.length);
        assert_eq!(account.causes.contains_key("ended before the last wave"), turns > 1);
        let (explanation, timed) = explained(&sample);
        let sum: f64 = explanation.causes.iter().map(|cause| cause.ns).sum();
        assert!((sum / timed.breakdown.time.0 - 1.0).abs() < 1e-9, "{groups}: {sum}, {:?}", timed.breakdown);
        assert!(explanation.causes.iter().all(|cause| cause.ns >= -1e-6), "{:?}", explanation.causes);
        let attributed: f64 =
            explanation.causes.iter().filter(|c| c.name.contains(": ")).map(|cause| cause.ns).sum();
        let placed: f64 = explanation.places.iter().map(|place| place.issue_ns + place.stall_ns).sum();
        assert!((placed / attributed - 1.0).abs() < 1e-9, "{placed}, {attributed}");
        assert_eq!(explained(&sample).0, explanation, "the same again");
    }
}
