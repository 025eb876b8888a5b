//! The closed loop against a server of known timing and known faults.

mod support;

use std::time::{Duration, Instant};

use load::{
    Answer, End, Failure, Finding, Latency, Observer, Plan, ReferenceRecord, Run, Stop, Summary, WarmUp,
    Workload, findings, run,
};
use support::{Script, Server, workload};

const FAST: Script = Script::Paced { first: Duration::ZERO, gap: Duration::ZERO, per_event: 1 };

fn plan(server: &Server, concurrency: usize) -> Plan {
    Plan { client: server.client(), concurrency, warm_up: WarmUp::Requests(0), failures_allowed: 0 }
}

fn go(plan: &Plan, workload: Workload) -> Run {
    run(plan, workload, &mut (), &Stop::default()).unwrap()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[test]
fn times_are_those_of_the_server() {
    let ms = Duration::from_millis;
    let server = Server::start(move |_| Script::Paced { first: ms(30), gap: ms(5), per_event: 1 });
    let run = go(&plan(&server, 4), workload(12, 20));
    let summary = Summary::of(&run).unwrap();
    assert_eq!(run.end, End::Complete);
    assert_eq!((summary.completed, summary.input_tokens, summary.output_tokens), (12, 120, 240));

    // The server's own clock, in this process, is the truth: each gap, however late a thread woke.
    let mut truth = Vec::new();
    let mut first = Vec::new();
    for (read, times) in &*server.written.lock().unwrap() {
        first.push((times[0] - *read).as_secs_f64());
        truth.extend(times.windows(2).map(|w| (w[1] - w[0]).as_secs_f64()));
    }
    let error = |found: f64, true_value: f64| (found - true_value).abs() * 1e3;
    let itl = error(summary.itl.median(), median(truth));
    let ttft = error(summary.ttft.median(), median(first));
    eprintln!("median errors: ITL {itl:.4} ms, TTFT {ttft:.4} ms (connection included)");
    assert!(itl < 0.2, "{itl} ms");
    // TTFT includes connecting and the request's way, which the server's clock does not see.
    assert!(ttft < 2.0, "{ttft} ms");
    // TPOT by its definition, from the same answers.
    for (measured, tpot) in run.requests.iter().zip([(); 12].map(|()| 19.0)) {
        let a = &measured.answer;
        assert_eq!(a.events.len(), 20);
        assert!((a.latency().unwrap() - a.first().unwrap()).as_secs_f64() / tpot >= 0.004_9);
    }
    assert_eq!(findings(&run), []);
}

#[test]
fn several_tokens_per_event_lengthen_gaps_and_not_tokens() {
    let ms = Duration::from_millis;
    let server = Server::start(move |_| Script::Paced { first: ms(20), gap: ms(40), per_event: 4 });
    let summary = Summary::of(&go(&plan(&server, 2), workload(2, 41))).unwrap();
    let (itl, tpot) = (summary.itl.median() * 1e3, summary.tpot.median() * 1e3);
    assert!((39.0..44.0).contains(&itl) && (9.9..11.0).contains(&tpot), "{itl} {tpot}");
    assert!((3.7..4.3).contains(&summary.tokens_per_event().unwrap()), "{:?}", summary.tokens_per_event());
}

#[test]
fn requests_keep_their_order_and_their_number() {
    let server = Server::start(|_| Script::Paced {
        first: Duration::from_millis(3),
        gap: Duration::from_millis(1),
        per_event: 1,
    });
    let run = go(&plan(&server, 3), workload(30, 4));
    assert_eq!(findings(&run), []);
    assert!(run.requests.windows(2).all(|w| w[0].begun <= w[1].begun), "turns are given in order");
    assert_eq!(server.most_at_once.load(std::sync::atomic::Ordering::SeqCst), 3);
    let first: serde_json::Value = serde_json::from_str(&server.requests.lock().unwrap()[0].1).unwrap();
    assert_eq!(
        first,
        serde_json::json!({
            "model": "model", "prompt": first["prompt"], "temperature": 0.0, "best_of": 1, "max_tokens": 4,
            "logprobs": null, "stream": true, "stream_options": {"include_usage": true}, "ignore_eos": true
        })
    );
}

#[test]
fn warm_ups_ask_the_first_prompt_and_are_not_measured() {
    for (warm_up, count) in [(WarmUp::TestRun, 1), (WarmUp::Requests(5), 5), (WarmUp::Requests(0), 0)] {
        let server = Server::start(|_| FAST);
        let run = go(&Plan { warm_up, ..plan(&server, 2) }, workload(3, 2));
        let prompts: Vec<_> = server.requests.lock().unwrap().iter().map(|(_, b)| b.clone()).collect();
        assert_eq!((run.requests.len(), prompts.len()), (3, 3 + count));
        assert!(prompts[..count].iter().all(|b| b.contains("\"p0\"")), "{prompts:?}");
    }
}

#[test]
fn every_fault_of_a_server_fails_the_run() {
    for (script, expected) in [
        (Script::Status500, "the server answered 500: no luck!"),
        (Script::Truncated, "the stream broke off after 1 events"),
        (Script::GivesUp, "the server gave up: out of memory"),
        (Script::Garbles, "something else than events"),
        (Script::Empty, "the stream ended without a token"),
        (Script::Hangs, "nothing came for 0 s after 0 events"),
    ] {
        // The third request fails; the run gives the rest up.
        let server = Server::start(move |i| if i == 2 { script } else { FAST });
        let run = go(&plan(&server, 1), workload(6, 3));
        let End::TooManyFailures { first } = &run.end else { panic!("{script:?}: {:?}", run.end) };
        assert!(first.to_string().contains(expected), "{script:?}: {first}");
        let failures: Vec<_> = run.requests.iter().map(|m| m.answer.failure.is_some()).collect();
        assert_eq!(failures, [false, false, true, true, true, true], "{script:?}");
        assert_eq!(run.requests[5].answer.failure, Some(Failure::NotSent));
        let found = findings(&run);
        assert!(found.contains(&Finding::Early), "{found:?}");
        assert!(found.iter().any(|f| matches!(f, Finding::Failed { failed: 4, of: 6, .. })), "{found:?}");
    }
}

#[test]
fn a_reference_that_goes_on_still_gets_its_finding() {
    let server = Server::start(|i| if i == 2 { Script::Status500 } else { FAST });
    let run = go(&Plan { failures_allowed: 6, ..plan(&server, 1) }, workload(6, 3));
    assert_eq!(run.end, End::Complete);
    assert_eq!(Summary::of(&run).unwrap().completed, 5);
    let found = findings(&run);
    assert!(found.iter().any(|f| matches!(f, Finding::Failed { failed: 1, of: 6, .. })), "{found:?}");
}

#[test]
fn answers_of_another_length_are_findings() {
    let short = go(&plan(&Server::start(|_| Script::OneTokenShort), 2), workload(4, 5));
    let expected = Finding::OutputLength { answers: 4, of: 4, found: 4, asked: 5 };
    let mut found = findings(&short);
    // A server without pauses keeps the client busy.
    found.retain(|f| !matches!(f, Finding::Busy { .. }));
    assert_eq!(found, [expected]);

    let early = go(&plan(&Server::start(|_| Script::EndsEarly), 2), workload(4, 5));
    assert_eq!(early.end, End::Complete, "the reference takes it for success");
    let found = findings(&early);
    assert!(found.contains(&Finding::Unfinished { streams: 4, of: 4 }), "{found:?}");
    assert!(found.contains(&Finding::OutputLength { answers: 4, of: 4, found: 0, asked: 5 }), "{found:?}");
}

#[test]
fn a_dead_server_is_a_failed_run_without_figures() {
    let mut plan = plan(&Server::start(|_| FAST), 2);
    plan.client.endpoint = "http://127.0.0.1:1".parse().unwrap();
    for warm_up in [WarmUp::TestRun, WarmUp::Requests(4)] {
        let run = go(&Plan { warm_up, ..plan.clone() }, workload(4, 5));
        let End::NoWarmUp { first: Failure::Connect { reason } } = &run.end else { panic!("{:?}", run.end) };
        assert!(reason.contains("refused"), "{reason}");
        assert!(Summary::of(&run).is_none() && findings(&run).contains(&Finding::Early));
    }
    let run = go(&plan, workload(4, 5));
    assert!(matches!(run.end, End::TooManyFailures { first: Failure::Connect { .. } }), "{:?}", run.end);
    assert!(Summary::of(&run).is_none());
}

#[test]
fn a_run_can_be_stopped() {
    struct StopAfter(usize, Stop);
    impl Observer for StopAfter {
        fn ended(&mut self, done: usize, of: usize, _: &Answer) {
            assert_eq!(of, 50);
            if done == self.0 {
                self.1.stop();
            }
        }
    }
    let server = Server::start(|_| Script::Paced {
        first: Duration::from_millis(10),
        gap: Duration::ZERO,
        per_event: 1,
    });
    let stop = Stop::default();
    let start = Instant::now();
    let run = run(&plan(&server, 2), workload(50, 2), &mut StopAfter(4, stop.clone()), &stop).unwrap();
    assert_eq!(run.end, End::Stopped);
    assert!(start.elapsed() < Duration::from_millis(250), "{:?}", start.elapsed());
    let done = run.requests.iter().filter(|m| m.answer.failure.is_none()).count();
    assert!((4..8).contains(&done), "{done}");
}

#[test]
fn the_record_has_the_references_keys() {
    let server = Server::start(|_| FAST);
    let run = go(&plan(&server, 2), workload(4, 5));
    let summary = Summary::of(&run).unwrap();
    let record =
        ReferenceRecord { run: &run, summary: &summary, model: "m", tokenizer: "t", percentiles: &[99.0] };
    let text = serde_json::to_string(&record).unwrap();
    let mut expected: Vec<String> =
        "date backend model_id tokenizer_id best_of num_prompts request_rate burstiness \
         max_concurrency duration completed total_input_tokens total_output_tokens request_throughput \
         request_goodput: output_throughput total_token_throughput"
            .split_whitespace()
            .map(Into::into)
            .collect();
    for latency in Latency::ALL {
        expected.extend(["mean", "median", "std", "p99"].map(|s| format!("{s}_{}_ms", latency.name())));
    }
    // Order matters to whoever reads the file: find the keys in the text.
    let mut at = 0;
    for key in &expected {
        let quoted = format!("\"{key}\":");
        at += text[at..].find(&quoted).unwrap_or_else(|| panic!("{key} in {text}")) + quoted.len();
    }
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value.as_object().unwrap().len(), expected.len());
    assert_eq!((&value["request_rate"], &value["completed"]), (&"inf".into(), &4.into()));
    assert_eq!(value["median_e2el_ms"].as_f64().unwrap(), summary.e2el.median() * 1e3);
}

#[test]
fn the_key_is_sent_and_never_shown() {
    let server = Server::start(|_| FAST);
    let mut client = server.client();
    client.key = "secret-key".into();
    assert!(!format!("{client:?}").contains("secret"));
}
