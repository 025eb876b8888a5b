//! One compute unit's replay as a trace for Perfetto and `chrome://tracing`: the Trace Event Format's JSON object.
//!
//! Each wave is a thread, and so is each part of the compute unit. Complete events (`ph` X) with `ts` and `dur` in µs of
//! the modelled clock; a wave's events do not overlap. Names of threads are metadata events (`ph` M).

use emulator::Recording;
use serde_json::{Value, json};

use crate::{
    units::{Hertz, Ticks},
    watch::{Part, Stall, Watch},
};

/// Slices that a timeline keeps; what comes later is counted.
const MOST: usize = 400_000;

/// A compute unit's replay, to be watched.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// By event: text and offset of its instruction.
    ops: Vec<(String, i64)>,
    clock: Hertz,
    slices: Vec<Slice>,
    left_out: u64,
    waves: usize,
}

/// Something that takes time.
#[derive(Clone, Copy, Debug)]
struct Slice {
    lane: Lane,
    event: u32,
    why: Option<Stall>,
    from: Ticks,
    until: Ticks,
}

/// Where it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    Wave(usize),
    Part(Part),
}

impl Lane {
    /// A number for the viewer: waves from 1 on, parts from 1001 on.
    fn thread(self) -> usize {
        match self {
            Lane::Wave(wave) => wave + 1,
            Lane::Part(Part::Vector { simd }) => 1001 + usize::from(simd),
            Lane::Part(Part::Matrix { simd }) => 1011 + usize::from(simd),
            Lane::Part(Part::Lds) => 1021,
            Lane::Part(Part::L1) => 1022,
            Lane::Part(Part::L2) => 1023,
            Lane::Part(Part::Fabric) => 1024,
            Lane::Part(Part::Memory) => 1025,
        }
    }

    fn name(self) -> String {
        match self {
            Lane::Wave(wave) => format!("wave {wave}"),
            Lane::Part(part @ (Part::Vector { simd } | Part::Matrix { simd })) => {
                format!("{} {simd}", part.name())
            }
            Lane::Part(part) => part.name().to_owned(),
        }
    }
}

impl Timeline {
    /// An empty timeline for a recording's replay at a clock.
    pub fn new(recording: &Recording, clock: Hertz) -> Timeline {
        let described = |event: &emulator::Event| {
            let op = &recording.ops[event.op as usize];
            (op.mnemonic.clone(), op.offset)
        };
        Timeline {
            ops: recording.events.iter().map(described).collect(),
            clock,
            slices: Vec::new(),
            left_out: 0,
            waves: 0,
        }
    }

    /// The trace, for a kernel of that name.
    pub fn json(&self, kernel: &str) -> Value {
        let us = |ticks: Ticks| ticks.at(self.clock).0 / 1e3;
        let mut lanes: Vec<Lane> = Vec::new();
        let mut events: Vec<Value> = Vec::with_capacity(self.slices.len());
        for slice in &self.slices {
            if !lanes.contains(&slice.lane) {
                lanes.push(slice.lane);
            }
            let (mnemonic, offset) = &self.ops[slice.event as usize];
            let name = match slice.why {
                Some(why) => format!("wait: {}", why.name()),
                None => mnemonic.clone(),
            };
            events.push(json!({
                "ph": "X",
                "pid": 1,
                "tid": slice.lane.thread(),
                "ts": us(slice.from),
                "dur": us(Ticks(slice.until.since(slice.from).0)),
                "name": name,
                "cat": if slice.why.is_some() { "stall" } else { "work" },
                "args": { "offset": format!("+{offset:#x}"), "instruction": mnemonic },
            }));
        }
        let metadata = |name: &str, lane: usize, value: &str| json!({ "ph": "M", "pid": 1, "tid": lane, "name": name, "args": { "name": value } });
        lanes.sort_by_key(|lane| lane.thread());
        let mut all = vec![metadata("process_name", 0, &format!("one compute unit: {kernel}"))];
        all.extend(lanes.iter().map(|lane| metadata("thread_name", lane.thread(), &lane.name())));
        all.extend(events);
        json!({
            "traceEvents": all,
            "displayTimeUnit": "ns",
            "otherData": {
                "kernel": kernel,
                "times": "modelled",
                "clock_ghz": self.clock.0 / 1e9,
                "waves": self.waves,
                "slices_left_out": self.left_out,
            },
        })
    }

    fn push(&mut self, slice: Slice) {
        if slice.until <= slice.from {
            return;
        }
        if self.slices.len() < MOST {
            self.slices.push(slice);
        } else {
            self.left_out += 1;
        }
    }
}

impl Watch for Timeline {
    fn stall(&mut self, wave: usize, event: u32, why: Stall, from: Ticks, until: Ticks) {
        self.push(Slice { lane: Lane::Wave(wave), event, why: Some(why), from, until });
    }

    fn issue(&mut self, wave: usize, event: u32, from: Ticks, until: Ticks) {
        self.waves = self.waves.max(wave + 1);
        self.push(Slice { lane: Lane::Wave(wave), event, why: None, from, until });
    }

    fn busy(&mut self, _wave: usize, event: u32, part: Part, from: Ticks, until: Ticks) {
        self.push(Slice { lane: Lane::Part(part), event, why: None, from, until });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use emulator::{Event, Moved, TraceOp, Unit};

    use super::*;

    fn timeline() -> Timeline {
        let op = TraceOp {
            offset: 28,
            mnemonic: "v_mov_b32".into(),
            unit: Unit::Valu,
            cycles: 4,
            writes: Vec::new(),
            reads: Vec::new(),
            wait: None,
        };
        let events = vec![Event { op: 0, moved: Moved::Nothing }];
        Timeline::new(&Recording { ops: vec![op], events, ..Recording::default() }, Hertz(2.4e9))
    }

    /// The Trace Event Format: what each kind of event must have.
    #[test]
    fn every_event_is_one_of_the_trace_event_format() {
        let mut timeline = timeline();
        for wave in 0..2 {
            for turn in 0..3 {
                let at = Ticks::cycles(24 * turn);
                timeline.stall(wave, 0, Stall::Memory, at, at + Ticks::cycles(12));
                timeline.issue(wave, 0, at + Ticks::cycles(12), at + Ticks::cycles(24));
                timeline.busy(wave, 0, Part::Vector { simd: wave as u8 }, at, at + Ticks::cycles(4));
            }
        }
        timeline.stall(0, 0, Stall::Barrier, Ticks(5), Ticks(5));
        let trace = timeline.json("kernel");
        let events = trace["traceEvents"].as_array().expect("the JSON object format");
        let mut lanes: BTreeMap<u64, Vec<(f64, f64)>> = BTreeMap::new();
        let mut named = Vec::new();
        for event in events {
            let thread = event["tid"].as_u64().expect("a number");
            assert!(event["pid"].is_u64() && event["name"].is_string());
            match event["ph"].as_str() {
                Some("X") => {
                    let (from, length) =
                        (event["ts"].as_f64().expect("µs"), event["dur"].as_f64().expect("µs"));
                    assert!(from >= 0.0 && length > 0.0 && event["cat"].is_string());
                    assert_eq!(event["args"]["offset"], "+0x1c");
                    lanes.entry(thread).or_default().push((from, from + length));
                }
                Some("M") => {
                    assert!(event["args"]["name"].is_string());
                    named.push(thread);
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(lanes.keys().copied().collect::<Vec<_>>(), [1, 2, 1001, 1002]);
        for (thread, slices) in lanes {
            assert!(named.contains(&thread), "thread {thread} has a name");
            assert!(slices.windows(2).all(|pair| pair[0].1 <= pair[1].0 + 1e-9), "{slices:?}");
        }
        // Twelve cycles at 2.4 GHz.
        assert_eq!(events.iter().find(|event| event["cat"] == "stall").expect("one")["dur"], 0.005);
        assert_eq!(trace["otherData"]["slices_left_out"], 0);
    }

    #[test]
    fn what_is_left_out_is_counted() {
        let mut timeline = timeline();
        for i in 0..MOST as u64 + 3 {
            timeline.issue(0, 0, Ticks(i), Ticks(i + 1));
        }
        assert_eq!((timeline.slices.len(), timeline.left_out), (MOST, 3));
    }
}
