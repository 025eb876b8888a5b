//! Virtual time of launches: the timing model's where somebody asks for time, and that asking changes nothing else.

use emulator::{Launch, RunOptions};
use hip::{DeviceBuffer, Event, Graph, LaunchConfig, Stream};
use hip_sys::*;
use serde_json::Value;
use timing::{
    model::Model,
    sample::{Caches, Sample},
    units::Topology,
};

use crate::{
    kernels::{VaddArguments, Vectors},
    rig::{Rig, elf},
};

const N: usize = 64 * 1024;

/// `vadd` of `N` elements between two events: nanoseconds.
fn between_events(rig: &Rig, vectors: &Vectors, stream: &Stream) -> hip::Result<f64> {
    let vadd = rig.module().function("vadd")?;
    let (start, stop) = (Event::new(&rig.device)?, Event::new(&rig.device)?);
    start.record(stream)?;
    // SAFETY: the struct is the kernel's.
    unsafe { vadd.launch(LaunchConfig::new(256, 256), stream, &vectors.arguments(N)) }?;
    stop.record(stream)?;
    Ok(stop.elapsed_ms_since(&start)? * 1e6)
}

fn report(rig: &Rig) -> Value {
    rig.runtime.last_report().unwrap().unwrap()
}

/// What the model says of the same launch on a device of its own.
fn directly(caches: Caches) -> (timing::model::Timed, usize) {
    let device = emulator::Device::new(emulator::DeviceConfig { memory_bytes: 1 << 30 });
    let module = device.load(elf()).unwrap();
    let place = || device.memory().alloc(4 * N as u64).unwrap();
    let mut kernarg: Vec<u8> = (0..3).flat_map(|_| place().to_le_bytes()).collect();
    kernarg.extend((N as u64).to_le_bytes());
    assert_eq!(kernarg.len(), size_of::<VaddArguments>());
    let launch = Launch {
        grid: [256, 1, 1],
        block: [256, 1, 1],
        dynamic_lds: 0,
        kernarg: &kernarg,
        options: RunOptions::default(),
    };
    let sample = Sample::take(&device, &module, "vadd", &launch, Topology::MI355X).unwrap();
    (Model::mi355x().unwrap().time(&sample, caches), sample.classes.len())
}

#[test]
fn events_tell_what_the_model_says() {
    for (name, caches) in [("cold", Caches::Cold), ("warm", Caches::WarmInfinityCache), ("hot", Caches::Hot)]
    {
        let rig = Rig::with_options(&[("caches", name)]);
        let vectors = Vectors::new(&rig, N);
        let stream = Stream::new(&rig.device).unwrap();
        let took = between_events(&rig, &vectors, &stream).unwrap();
        let (timed, classes) = directly(caches);
        let clock = report(&rig)["clock"].take();
        assert_eq!(clock["label"], timed.envelope.label(), "{clock}");
        assert_eq!(clock["caches"], name);
        let Some(expected) = timed.duration() else {
            assert!(clock["ns"].is_null() && clock["reasons"][0].is_string(), "{clock}");
            continue;
        };
        // Milliseconds are passed as f32.
        assert!((took / expected.0 - 1.0).abs() < 1e-6, "{name}: {took}, {expected:?}");
        assert!((clock["ns"].as_f64().unwrap() - expected.0).abs() < 1e-3);
        assert_eq!(clock["band"]["p90"].as_f64(), timed.band.map(|band| band.p90));
        assert_eq!(clock["recorded_workgroups"], classes);
        vectors.assert_sums(N);
    }
}

/// Also in another process's place: a rig is a runtime of its own.
#[test]
fn the_same_launch_takes_the_same_nanoseconds() {
    let mut times = Vec::new();
    for seed in ["none", "7"] {
        let rig = Rig::with_options(&[("seed", seed)]);
        let vectors = Vectors::new(&rig, N);
        let stream = Stream::new(&rig.device).unwrap();
        for _ in 0..2 {
            between_events(&rig, &vectors, &stream).unwrap();
            times.push(report(&rig)["clock"]["ns"].to_string());
        }
        // A copy to the device makes the model look again.
        let mut other = DeviceBuffer::<f32>::from_slice(&rig.device, &[0.0; 64]).unwrap();
        other.as_mut_slice().copy_from(&[1.0; 64]).unwrap();
        between_events(&rig, &vectors, &stream).unwrap();
        times.push(report(&rig)["clock"]["ns"].to_string());
    }
    assert!(times.iter().all(|time| *time == times[0]), "{times:?}");
}

#[test]
fn a_launch_that_nobody_times_is_not_modelled() {
    let rig = Rig::new();
    let vectors = Vectors::new(&rig, N);
    let stream = Stream::new(&rig.device).unwrap();
    let vadd = rig.module().function("vadd").unwrap();
    let launch = || {
        // SAFETY: the struct is the kernel's.
        unsafe { vadd.launch(LaunchConfig::new(256, 256), &stream, &vectors.arguments(N)) }.unwrap();
        report(&rig)["clock"].clone()
    };
    assert!(launch().is_null());
    let silent = Event::without_timing(&rig.device).unwrap();
    silent.record(&stream).unwrap();
    assert!(launch().is_null(), "an event without timing has no time");
    let event = Event::new(&rig.device).unwrap();
    assert!(launch().is_null(), "it is not recorded");
    event.record(&stream).unwrap();
    assert!(launch().is_object());
    rig.runtime.set_option("clock", "issue").unwrap();
    assert!(launch().is_null());
    rig.runtime.set_option("clock", "auto").unwrap();
    drop(event);
    assert!(launch().is_null(), "the event is gone");
    rig.runtime.set_option("clock", "model").unwrap();
    assert!(launch().is_object());
}

/// `scale` works in place: were it recorded on the real memory, it would scale twice.
#[test]
fn being_timed_changes_no_result() {
    let rig = Rig::with_options(&[("clock", "model")]);
    let stream = Stream::new(&rig.device).unwrap();
    let data = DeviceBuffer::<f32>::from_slice(&rig.device, &[1.0; 1000]).unwrap();
    let scale = rig.module().function("scale").unwrap();
    #[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
    #[repr(C)]
    struct Arguments {
        data: u64,
        factor: f32,
        n: i32,
    }
    let arguments = Arguments { data: data.address(), factor: 3.0, n: 1000 };
    let launch = || {
        // SAFETY: the struct is the kernel's.
        unsafe { scale.launch(LaunchConfig::new(4, 256), &stream, &arguments) }.unwrap();
        data.as_slice().to_vec().unwrap()
    };
    assert_eq!(launch(), [3.0; 1000]);
    assert_eq!(launch(), [9.0; 1000]);
    // Sampled, a launch has a time and no results.
    rig.runtime.set_option("clock", "sampled").unwrap();
    assert_eq!(launch(), [9.0; 1000]);
    assert!(report(&rig)["clock"]["label"].is_string() && report(&rig)["instructions"].is_null());
}

#[test]
fn a_span_with_a_launch_that_the_model_does_not_cover_has_no_time() {
    // A recording must not write to memory of the host.
    let rig = Rig::with_options(&[("unified", "1"), ("clock", "model")]);
    let vectors = Vectors::new(&rig, N);
    let stream = Stream::new(&rig.device).unwrap();
    let refused = between_events(&rig, &vectors, &stream).unwrap_err();
    assert_eq!(refused.code(), Some(hipError_t::hipErrorNotSupported));
    let clock = report(&rig)["clock"].take();
    assert_eq!((&clock["label"], clock["reasons"].as_array().unwrap().len()), (&"no data".into(), 1));
    vectors.assert_sums(N);
    // Before and after it there is time again.
    let (start, stop) = (Event::new(&rig.device).unwrap(), Event::new(&rig.device).unwrap());
    start.record(&stream).unwrap();
    stop.record(&stream).unwrap();
    assert_eq!(stop.elapsed_ms_since(&start).unwrap(), 0.0);
    // Who does not insist gets the issue cycles, and the report says that they are no model's.
    rig.runtime.set_option("clock", "auto").unwrap();
    let took = between_events(&rig, &vectors, &stream).unwrap();
    let report = report(&rig);
    assert!((took / report["issue_cycles"].as_f64().unwrap() * 2.4 - 1.0).abs() < 1e-6, "{took}");
    assert_eq!(report["clock"]["label"], "no data");
}

#[test]
fn a_graph_takes_the_time_of_its_kernels() {
    let rig = Rig::new();
    let vectors = Vectors::new(&rig, N);
    let stream = Stream::new(&rig.device).unwrap();
    let one = between_events(&rig, &vectors, &stream).unwrap();
    let vadd = rig.module().function("vadd").unwrap();
    let graph = Graph::capture(&stream, |stream| {
        for _ in 0..3 {
            // SAFETY: the struct is the kernel's, and the vectors outlive the graph.
            unsafe { vadd.launch(LaunchConfig::new(256, 256), stream, &vectors.arguments(N)) }?;
        }
        Ok(())
    })
    .unwrap();
    let executable = graph.instantiate().unwrap();
    let (start, stop) = (Event::new(&rig.device).unwrap(), Event::new(&rig.device).unwrap());
    start.record(&stream).unwrap();
    // SAFETY: every buffer of the capture is alive.
    unsafe { executable.launch(&stream) }.unwrap();
    stop.record(&stream).unwrap();
    let all = stop.elapsed_ms_since(&start).unwrap() * 1e6;
    assert!((all / one - 3.0).abs() < 1e-5, "{all}, {one}");
}

#[test]
fn an_explanation_adds_up_and_a_timeline_is_written() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let file = folder.path().join("timeline.json");
    let rig = Rig::with_options(&[("explain", "1"), ("timeline", file.to_str().unwrap())]);
    let vectors = Vectors::new(&rig, N);
    let stream = Stream::new(&rig.device).unwrap();
    between_events(&rig, &vectors, &stream).unwrap();
    let clock = report(&rig)["clock"].take();
    let explanation = &clock["explanation"];
    let causes = explanation["causes"].as_array().unwrap();
    let sum: f64 = causes.iter().map(|cause| cause["ns"].as_f64().unwrap()).sum();
    assert!((sum / explanation["time_ns"].as_f64().unwrap() - 1.0).abs() < 1e-9, "{explanation}");
    let loads = explanation["places"].as_array().unwrap().iter();
    let loads = loads.filter(|place| place["mnemonic"].as_str().unwrap().starts_with("global_load")).count();
    assert_eq!(loads, 2);
    let trace: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let slices = trace["traceEvents"].as_array().unwrap();
    assert!(slices.iter().any(|slice| slice["name"] == "s_endpgm"), "a wave runs to its end");
    assert_eq!(clock["timeline"]["left_out"], 0);
    rig.runtime.set_option("timeline", folder.path().to_str().unwrap()).unwrap();
    between_events(&rig, &vectors, &stream).unwrap();
    assert!(report(&rig)["clock"]["timeline"]["error"].is_string(), "a folder is no file");
}

#[test]
fn the_clocks_options_refuse_what_they_do_not_know() {
    let rig = Rig::new();
    for (key, value) in [("clock", "fast"), ("caches", "lukewarm"), ("explain", "yes"), ("timeline", "")] {
        assert!(rig.runtime.set_option(key, value).is_err(), "{key}={value}");
    }
}
