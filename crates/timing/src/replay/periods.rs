//! Loops that have settled are not replayed to their end.

use std::collections::VecDeque;

use super::{Unit, wave::Wave};
use crate::{units::Ticks, watch::Watch};

/// How long the last turns of a loop took, and how far the shared parts were behind at their ends.
#[derive(Default)]
pub(super) struct Periods {
    fold: usize,
    last: Ticks,
    lengths: VecDeque<u64>,
    lags: VecDeque<[u64; 5]>,
}

/// Turns that must agree before the others are taken to be like them.
const AGREEING: usize = 3;

impl Periods {
    /// Called at each turn of the first wave: skips the loop's rest, but for its last turns, if it has settled.
    pub(super) fn look<W: Watch>(&mut self, waves: &mut [Wave<'_>], unit: &mut Unit, watch: &mut W) {
        let (fold, now) = (waves[0].fold, waves[0].time);
        if self.fold != fold || self.last == Ticks(0) {
            *self = Periods { fold, last: now, ..Periods::default() };
            return;
        }
        self.lengths.push_back(now.since(self.last).0);
        self.lags.push_back(unit.lags(now));
        self.last = now;
        if self.lengths.len() < AGREEING {
            return;
        }
        let mean = self.lengths.iter().sum::<u64>() / AGREEING as u64;
        let steady = |values: &mut dyn Iterator<Item = u64>| {
            let (low, high) = values.fold((u64::MAX, 0), |(low, high), n| (low.min(n), high.max(n)));
            high - low <= mean / 512
        };
        // A queue that still fills would stop the waves later.
        let settled = steady(&mut self.lengths.iter().copied())
            && (0..5).all(|part| steady(&mut self.lags.iter().map(|lags| lags[part])));
        self.lengths.pop_front();
        self.lags.pop_front();
        if !settled {
            return;
        }
        let rest = waves.iter().map(|wave| {
            let same = wave.fold == fold && !wave.ended;
            if same { (wave.folds.0[fold].turns - wave.turn).saturating_sub(2) } else { 0 }
        });
        let skipped = rest.min().unwrap_or(0);
        if skipped == 0 {
            return;
        }
        let by = Ticks(mean * skipped as u64);
        watch.skip(skipped, by);
        for wave in waves.iter_mut() {
            wave.turn += skipped;
            wave.shift(by);
        }
        unit.shift(by);
        *self = Periods::default();
    }
}
