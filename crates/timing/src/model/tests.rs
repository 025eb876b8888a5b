//! A synthetic launch inside, outside and far outside of an envelope; what watchers see.

use std::collections::BTreeMap;

use emulator::{
    AccessKind, Event, Fold, Folds, GroupTrace, MemoryAccess, Moved, Needs, Recording, TraceOp, Unit, Wait,
};

use super::*;
use crate::{
    envelope::{Errors, Trait},
    sample::{Class, Levels, ONE, Share, Turn},
    watch::Stall,
};

const WHOLE: Levels = Levels { compute_unit: ONE, xcd: ONE, device: ONE, memory: ONE };

/// 64 workgroups of four waves that load, compute and wait in a loop.
fn sample(kernel: &str, kind: AccessKind) -> Sample {
    let op = |mnemonic: &str, unit, cycles, wait| TraceOp {
        offset: 0,
        mnemonic: mnemonic.into(),
        unit,
        cycles,
        writes: if unit == Unit::Matrix { vec![(256, 4)] } else { vec![(0, 4)] },
        reads: if unit == Unit::Matrix { vec![(0, 4), (256, 4)] } else { Vec::new() },
        wait,
    };
    let access = MemoryAccess { allocation: 0, bytes: 1024, lines: 8, sectors: 16, kind, to_lds: false };
    let ops = vec![
        op("load", Unit::Memory, 4, None),
        op("mfma", Unit::Matrix, 16, None),
        op("wait", Unit::Other, 4, Some(Wait { vector: 2, lgkm: 15 })),
        op("barrier", Unit::Barrier, 4, None),
    ];
    let moved = [Moved::Memory(access), Moved::Nothing, Moved::Nothing, Moved::Nothing];
    let events = (0..).zip(moved).map(|(op, moved)| Event { op, moved }).collect();
    let wave = Folds(vec![Fold { body: vec![0, 1, 1, 2, 1, 3], turns: 50 }]);
    let groups = vec![GroupTrace { waves: vec![wave; 4], ..GroupTrace::default() }];
    let needs = Needs { waves: 4, vgprs: 256, ..Needs::default() };
    Sample {
        kernel: kernel.into(),
        groups: 64,
        needs,
        resident: 2,
        classes: vec![Class { count: 64, recording: Recording { needs, ops, events, groups } }],
        turns: vec![(Turn { groups: 64, share: 0, classes: vec![(0, 64)] }, 1)],
        shares: vec![Share(vec![WHOLE])],
        written: 0,
        footprint: 64 * 50 * 4 * 1024,
    }
}

fn model() -> Model {
    let errors = Errors { from_us: 0.0, rows: 10, median: 0.05, p90: 0.1 };
    let wide = Errors { p90: 0.2, ..errors };
    let mut calibrated = Calibrated { known: vec![errors], unknown: vec![wide], ..Calibrated::default() };
    calibrated.include(&sample("gemm_BpreShuffle_1x1", AccessKind::Load), Caches::Cold);
    Model::new(Machine::parse(MI355X).expect("parses"), calibrated).expect("complete")
}

#[test]
fn this_crates_machine_and_envelope_are_a_model() {
    Model::mi355x().expect("a model");
}

#[test]
fn what_was_measured_has_the_band_of_left_out_rows() {
    let timed = model().time(&sample("gemm_BpreShuffle_2x2", AccessKind::Load), Caches::Cold);
    assert_eq!(timed.envelope, Envelope::Calibrated);
    assert_eq!(timed.band.map(|band| band.p90), Some(0.1));
    assert!(timed.to_string().ends_with("± 10 % (calibrated)"), "{timed}");
}

#[test]
fn what_was_not_has_a_wider_one_and_says_why() {
    let timed = model().time(&sample("attention", AccessKind::Load), Caches::Hot);
    let kernel = "attention".to_owned();
    let reasons = vec![Reason::Family { kernel }, Reason::Caches(Caches::Hot)];
    assert_eq!(timed.envelope, Envelope::Extrapolated(reasons));
    assert!(timed.band.is_some_and(|band| band.p90 > 0.2), "{timed:?}");

    let mut other = sample("gemm", AccessKind::Load);
    other.classes[0].recording.ops[1].mnemonic = "fma".into();
    let timed = model().time(&other, Caches::Cold);
    let Envelope::Extrapolated(reasons) = &timed.envelope else { panic!("{timed:?}") };
    assert_eq!(reasons, &[Reason::Instructions { mnemonics: vec!["fma".into()], share: 0.5 }]);
    assert!(timed.band.is_some_and(|band| band.p90 > 0.5), "half of the instructions may take twice as long");

    let mut other = sample("gemm", AccessKind::Load);
    (other.groups, other.turns[0].0.groups) = (512, 512);
    let timed = model().time(&other, Caches::Cold);
    let Envelope::Extrapolated(reasons) = &timed.envelope else { panic!("{timed:?}") };
    assert!(reasons.iter().any(|reason| matches!(
        reason,
        Reason::Trait { what: Trait::WavesPerSimd, value: 2.0, range: [1.0, 1.0] }
    )));
}

#[test]
fn what_the_model_does_not_cover_has_no_time() {
    for other in [
        sample("gemm", AccessKind::Atomic),
        Sample { resident: 0, ..sample("gemm", AccessKind::Load) },
        Sample { classes: Vec::new(), ..sample("gemm", AccessKind::Load) },
    ] {
        let timed = model().time(&other, Caches::Cold);
        assert!(matches!(timed.envelope, Envelope::Refused(_)), "{timed:?}");
        assert_eq!((timed.duration(), timed.band), (None, None));
        assert_eq!(timed.to_string(), "no time: the model does not cover this launch");
    }
}

#[test]
fn caches_that_hold_more_make_it_faster() {
    let (model, sample) = (model(), sample("gemm", AccessKind::Load));
    let time = |caches| model.time(&sample, caches).breakdown.time.0;
    assert!(time(Caches::Hot) < time(Caches::WarmInfinityCache));
    assert!(time(Caches::WarmInfinityCache) < time(Caches::Cold));
}

/// By wave: time that issues and stalls take, and its end.
#[derive(Default)]
struct Account {
    spent: BTreeMap<usize, Ticks>,
    ends: BTreeMap<usize, Ticks>,
    last: BTreeMap<usize, Ticks>,
    barrier: Ticks,
}

impl Watch for Account {
    fn stall(&mut self, wave: usize, event: u32, why: Stall, from: Ticks, until: Ticks) {
        self.barrier += if why == Stall::Barrier { until.since(from) } else { Ticks(0) };
        self.issue(wave, event, from, until);
    }

    fn issue(&mut self, wave: usize, _event: u32, from: Ticks, until: Ticks) {
        let last = self.last.insert(wave, until).unwrap_or_default();
        assert_eq!(last, from, "wave {wave} leaves no gap");
        *self.spent.entry(wave).or_default() += until.since(from);
    }

    fn end(&mut self, wave: usize, at: Ticks) {
        self.ends.insert(wave, at);
    }
}

#[test]
fn a_waves_time_is_issues_and_stalls() {
    let (model, sample) = (model(), sample("gemm", AccessKind::Load));
    let mut account = Account::default();
    let time = model.watch(&sample, Caches::Cold, 0, 0, &mut account);
    assert_eq!(account.spent, account.ends);
    assert_eq!(account.ends.values().max(), Some(&time));
    assert!(account.barrier > Ticks(0));
    let skipping = model.watch(&sample, Caches::Cold, 0, 0, &mut ());
    assert!((time.as_cycles() / skipping.as_cycles() - 1.0).abs() < 0.002, "{time:?} {skipping:?}");
    assert_eq!(model.watch(&sample, Caches::Cold, 1, 0, &mut ()), Ticks(0), "no such turn");
}
