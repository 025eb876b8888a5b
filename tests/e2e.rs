//! The leaderboard flow: profiles, launch commands, result files, payloads, audits, against published values.

use std::collections::BTreeMap;

use mi355x::e2e::audit;
use mi355x::e2e::environment;
use mi355x::e2e::payload::six_digits;
use mi355x::e2e::plan::{Point, Selection};
use mi355x::e2e::result_file::{Accuracy, Measured, Where};
use mi355x::e2e::score::{Figures, Score, pareto, points};
use mi355x::e2e::server::Situation;
use mi355x::e2e::{Error, Profile, Profiles};
use mi355x::exit;
use serde_json::{Value, json};

use crate::command::Mi355x;

fn launch(profile: &Profile<'_>, isl: usize, osl: usize, concurrency: usize, env: &[(&str, &str)]) -> String {
    let variables: BTreeMap<String, String> =
        env.iter().map(|&(n, v)| (n.to_owned(), v.to_owned())).collect();
    let server = profile.server;
    let situation = Situation {
        model: &server.model,
        port: server.port,
        tp: server.tp,
        isl,
        osl,
        concurrency,
        config: "config.yaml",
        variables: &variables,
    };
    server.launch(&situation).unwrap().shell()
}

const S1: &str = "SGLANG_USE_AITER=1 python3 -m sglang.launch_server \
    --model-path=amd/DeepSeek-R1-0528-MXFP4-Preview --trust-remote-code --host=0.0.0.0 --port=8888 \
    --tensor-parallel-size=8 --chunked-prefill-size=196608 --mem-fraction-static=0.8 \
    --num-continuous-decode-steps=4 --max-prefill-tokens=196608 --cuda-graph-max-bs=128 --disable-radix-cache";

#[test]
fn launch_commands_are_the_guides() {
    let profiles = Profiles::built_in();
    let s1 = profiles.choose("s1b", None, None).unwrap();
    assert_eq!(launch(&s1, 1024, 1024, 64, &[]), S1);
    assert_eq!(launch(&s1, 8192, 1024, 32, &[]), S1);
    // The derived prefill size applies to every concurrency above 32, in a batch too.
    assert_eq!(launch(&s1, 8192, 1024, 64, &[]), S1.replace("196608", "32768"));
    let set = [("DISABLE_RADIX_CACHE", "false"), ("MEM_FRACTION", "0.9"), ("CUDA_GRAPH_MAX_BS", "")];
    let expected = S1.replace(" --disable-radix-cache", "").replace("=0.8", "=0.9");
    assert_eq!(launch(&s1, 1024, 1024, 4, &set), expected);

    let mtp = profiles.choose("s2c", None, None).unwrap();
    let command = launch(&mtp, 8192, 1024, 128, &[]);
    assert!(
        command.starts_with("ROCM_QUICK_REDUCE_QUANTIZATION=INT4 SGLANG_USE_AITER=1 python3"),
        "{command}"
    );
    assert!(command.contains("--chunked-prefill-size=32768"), "{command}");
    assert!(
        command.ends_with(
            "--disable-radix-cache --attention-backend aiter --kv-cache-dtype fp8_e4m3 --speculative-algorithm EAGLE \
             --speculative-num-steps 2 --speculative-num-draft-tokens 3 --speculative-eagle-topk 1"
        ),
        "{command}"
    );

    let atom = profiles.choose("s2b", Some("deepseek-r1"), Some("atom-mtp")).unwrap();
    assert!(atom.server.chat_template);
    let command = launch(&atom, 8192, 1024, 4, &[("EP_SIZE", "8")]);
    assert_eq!(
        command,
        "AMDGCN_USE_BUFFER_OPS=1 OMP_NUM_THREADS=1 python3 -m atom.entrypoints.openai_server --model \
         amd/DeepSeek-R1-0528-MXFP4 --server-port 8888 -tp 8 --kv_cache_dtype fp8 --max-model-len 10240 \
         --enable-expert-parallel --method mtp"
    );
    let plain = launch(&atom, 1024, 1024, 4, &[("EP_SIZE", "1")]);
    assert!(!plain.contains("max-model-len") && !plain.contains("expert"), "{plain}");
}

#[test]
fn a_variable_that_should_be_a_number_says_so() {
    let profiles = Profiles::built_in();
    let atom = profiles.choose("s2b", None, Some("atom-mtp")).unwrap();
    let variables = BTreeMap::from([("EP_SIZE".to_owned(), "many".to_owned())]);
    let situation = Situation {
        model: "m",
        port: 1,
        tp: 1,
        isl: 8192,
        osl: 1024,
        concurrency: 4,
        config: "c",
        variables: &variables,
    };
    let error = atom.server.launch(&situation).unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), error.exit_code()),
        ("EP_SIZE=many: it is no whole number", exit::USAGE)
    );
}

#[test]
fn every_era_has_its_cases_and_columns() {
    let profiles = Profiles::built_in();
    let expected =
        [("s1a", 15, 11), ("s1b", 15, 14), ("s1c", 18, 13), ("s1d", 18, 12), ("s2b", 3, 12), ("s2c", 3, 9)];
    assert_eq!(profiles.eras.len(), expected.len());
    for ((name, points, columns), era) in expected.into_iter().zip(&profiles.eras) {
        let profile = profiles.choose(name, None, None).unwrap();
        assert_eq!(era.name, name, "oldest first");
        assert_eq!(profile.points(&Selection::default()).unwrap().len(), points, "{name}");
        assert_eq!(era.submission.columns.len(), columns, "{name}");
    }
    let s1 = profiles.choose("s1b", None, None).unwrap();
    let prompts = |osl, concurrency| s1.point(1024, osl, concurrency, &Selection::default()).prompts;
    assert_eq!([prompts(1024, 16), prompts(8192, 16)], [800, 320]);
    let s2 = profiles.choose("s2b", None, None).unwrap();
    assert_eq!(s2.point(8192, 1024, 128, &Selection::default()).prompts, 1280);
    assert_eq!(s1.track.board(1024, 8192, 4), "https://daniehua-dsr1-fp4-sgl-isl1024osl8192.hf.space");
    let s2c = profiles.choose("s2c", Some("kimi-k2.5"), None).unwrap();
    assert_eq!(
        s2c.track.board(8192, 1024, 32),
        "https://daniehua-kimik25-fp4-isl8192-osl1024-conc32.hf.space"
    );
}

#[test]
fn what_does_not_exist_is_named() {
    let profiles = Profiles::built_in();
    let error = profiles.choose("s3", None, None).unwrap_err();
    assert_eq!(error.to_string(), "no protocol is called s3; there are s1a, s1b, s1c, s1d, s2b, s2c");
    let s2 = profiles.choose("s2c", None, None).unwrap();
    let selection = Selection { concurrency: vec![4, 16], ..Selection::default() };
    let error = s2.points(&selection).unwrap_err();
    assert!(matches!(&error, Error::NoCase { concurrency, .. } if concurrency == "16"), "{error}");
}

/// GPUs that each row implies by Little's law at range ratio 0.8: the protocol's table.
#[test]
fn the_b200_rows_imply_their_gpus() {
    let profiles = Profiles::built_in();
    let table = profiles.choose("s1b", None, None).unwrap().table;
    let implied: Vec<String> = table.rows.iter().map(|r| format!("{:.2}", r.implied_gpus(0.9))).collect();
    assert_eq!(
        implied,
        [
            "8.18", "6.44", "8.22", "8.21", "8.19", "8.34", "8.22", "8.22", "8.55", "8.25", "8.33", "8.16",
            "8.24", "8.23", "4.12"
        ]
    );
}

/// A published result of the second stage at concurrency 32, as the reference client wrote it.
fn published() -> Value {
    json!({
        "completed": 320, "duration": 156.7487562, "total_input_tokens": 2_621_440, "total_output_tokens": 327_680,
        "request_throughput": 2.041483538703479, "output_throughput": 2084.6864340912916,
        "total_token_throughput": 18808.519583150195,
        "mean_ttft_ms": 734.0679752844153, "median_ttft_ms": 268.71410105377436,
        "p99_ttft_ms": 6127.636799840257,
        "mean_tpot_ms": 14.244444768612727, "median_tpot_ms": 15.34001882808294,
        "p99_tpot_ms": 20.40315175209723,
        "mean_itl_ms": 38.23034486036415, "median_itl_ms": 23.143738508224487,
        "p99_itl_ms": 226.56817093491554,
        "mean_e2el_ms": 15262.674037579563, "median_e2el_ms": 16460.214231628925,
        "p99_e2el_ms": 22907.652122741565
    })
}

fn point_32() -> Point {
    Point { isl: 8192, osl: 1024, concurrency: 32, prompts: 320, range_ratio: 1.0 }
}

const PUBLISHED_FILE: &str = r#"{
  "total_input_tokens": 2621440,
  "request_throughput": 2.041483538703479,
  "output_throughput": 2084.6864340912916,
  "total_token_throughput": 18808.519583150195,
  "mean_ttft_ms": 734.0679752844153,
  "median_ttft_ms": 268.71410105377436,
  "p99_ttft_ms": 6127.636799840257,
  "mean_tpot_ms": 14.244444768612727,
  "median_tpot_ms": 15.34001882808294,
  "p99_tpot_ms": 20.40315175209723,
  "mean_itl_ms": 38.23034486036415,
  "median_itl_ms": 23.143738508224487,
  "p99_itl_ms": 226.56817093491554,
  "mean_e2el_ms": 15262.674037579563,
  "median_e2el_ms": 16460.214231628925,
  "p99_e2el_ms": 22907.652122741565,
  "benchmark_args": {
    "model": "m",
    "backend": "vllm",
    "base_url": "http://0.0.0.0:8888",
    "dataset_name": "random",
    "random_input_len": 8192,
    "random_output_len": 1024,
    "random_range_ratio": 1.0,
    "num_prompts": 320,
    "max_concurrency": 32,
    "request_rate": "inf"
  },
  "tput_per_gpu": 2351.0649478937744,
  "interactivity": 65.1889682279465,
  "baseline": {
    "baseline_median_e2e": 18000,
    "baseline_tput_per_gpu": 3900,
    "baseline_median_intvty": 50
  },
  "accuracy": {
    "task": "gsm8k",
    "gsm8k_metric": 0.9393
  },
  "accuracy_validation": {
    "status": "PASSED",
    "baseline_gsm8k_metric": 0.38,
    "gsm8k_tol": 0.0,
    "minimum_accepted": 0.38
  }
}"#;

#[test]
fn the_result_file_is_the_published_one() {
    let profiles = Profiles::built_in();
    let profile = profiles.choose("s2c", None, Some("atom-mtp")).unwrap();
    let place = Where { model: "m", base_url: "http://0.0.0.0:8888", gpus: 4 };
    let accuracy = Accuracy::Gsm8k { metric: 0.9393 };
    let file =
        |compat| profile.result_file(&published(), &point_32(), Some(&accuracy), &place, compat).text();
    assert_eq!(file(true), PUBLISHED_FILE);
    let corrected: Value = serde_json::from_str(&file(false)).unwrap();
    assert_eq!(corrected["accuracy_validation"]["minimum_accepted"], 0.93, "the gate that was applied");
    assert_eq!(corrected["tput_per_gpu"], 2351.0649478937744, "the board's field keeps its divisor");
    assert_eq!(corrected["tput_per_gpu_used"], 18808.519583150195 / 4.0);
    assert_eq!(corrected["completed"], 320);
}

#[test]
fn first_stage_files_have_their_own_names() {
    let profiles = Profiles::built_in();
    let point = Point { isl: 1024, osl: 1024, concurrency: 64, prompts: 3200, range_ratio: 1.0 };
    let place = Where { model: "m", base_url: "u", gpus: 8 };
    let file = |era: &str| {
        let profile = profiles.choose(era, None, None).unwrap();
        let text = profile.result_file(&published(), &point, None, &place, true).text();
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let s1b = file("s1b");
    assert_eq!(s1b["b200_baseline_nv1126"]["b200_median_intvty_1126"], 55.476);
    assert_eq!(s1b["tput_per_gpu_ratio_vs_b200_1126"], 2351.0649478937744 / 794.151);
    assert_eq!(s1b["median_e2e_ratio_vs_b200_1126"], 16460.214231628925 / 18130.0);
    let s1a = file("s1a");
    assert!(
        s1a["b200_baseline_nv1126"]["b200_median_intvty_1126"].is_null() && s1a["interactivity"].is_null()
    );
    assert_eq!(file("s1d")["baseline_nv1126"]["baseline_tput_pergpu_1126"], 794.151);
}

#[test]
fn payloads_have_their_eras_columns() {
    let profiles = Profiles::built_in();
    let s2c = profiles.choose("s2c", None, None).unwrap();
    let measured = Measured { file: published() };
    let figures = measured.figures(8.0, 8.0);
    let score = Score::new(figures, &point_32(), s2c.table);
    let gsm8k = Accuracy::Gsm8k { metric: 0.9393 };
    let payload = s2c.payload("Team \"x\" 'y'", &point_32(), &score, &gsm8k).unwrap();
    let expected = json!(["Team \"x\" 'y'", 32, 16460.2, 2351.06, 18000.0, 3900.0, 65.189, 50.0, 0.9393]);
    assert_eq!(Value::from(payload), expected);

    let s1b = profiles.choose("s1b", None, None).unwrap();
    let point = Point { isl: 1024, osl: 1024, concurrency: 64, prompts: 3200, range_ratio: 1.0 };
    let score = Score::new(Figures::new(15979.6, 14.31, 8138.1, 8.0, 8.0), &point, s1b.table);
    let wikitext = Accuracy::Wikitext { bits_per_byte: 0.449, byte_perplexity: 1.365, word_perplexity: 3.26 };
    let payload = s1b.payload("T", &point, &score, &wikitext).unwrap();
    let expected = json!([
        "T", 64, 15979.6, 1017.26, 18130.0, 794.151, 0.88139, 1.28094, 69.8812, 55.476, 1.25967, 0.449,
        1.365, 3.26
    ]);
    assert_eq!(Value::from(payload), expected);
    let error = s1b.payload("T", &point, &score, &gsm8k).unwrap_err().to_string();
    assert_eq!(
        error,
        "the submission has no value for its column bits-per-byte: the accuracy is not of wikitext"
    );

    // A point without a row is sent with zeros.
    let none = Score::new(figures, &Point { concurrency: 5, ..point }, s1b.table);
    let payload = s1b.payload("T", &point, &none, &wikitext).unwrap();
    assert_eq!((&payload[4], &payload[6]), (&json!(0.0), &json!(0.0)));
}

#[test]
fn numbers_have_six_digits() {
    let cases = [(1234.5678, 1234.57), (0.00012345678, 0.000123457), (1e9, 1e9), (0.0, 0.0)];
    for (number, expected) in cases {
        assert_eq!(six_digits(number), expected);
    }
}

/// The published result as it would be if its answers had the length that was asked for.
fn sound() -> Value {
    let mut file: Value = serde_json::from_str(PUBLISHED_FILE).unwrap();
    let rate = file["request_throughput"].as_f64().unwrap();
    file["output_throughput"] = json!(rate * 1024.0);
    file["total_token_throughput"] = json!(rate * 9216.0);
    file["tput_per_gpu"] = json!(rate * 9216.0 / 8.0);
    file
}

#[test]
fn a_result_is_sound_and_altered_ones_are_not() {
    let findings = |file: &Value| audit::findings(&Measured { file: file.clone() });
    // The published one is not: its answers are shorter than asked for, though end-of-text was to be ignored.
    let published = findings(&serde_json::from_str(PUBLISHED_FILE).unwrap());
    assert_eq!(published.len(), 1, "{published:?}");
    assert_eq!(published[0].what, "1021.16 output tokens per request, not 1024");
    let sound = sound();
    assert_eq!(findings(&sound), []);
    let alter = |name: &str, factor: f64| {
        let mut file = sound.clone();
        file[name] = json!(file[name].as_f64().unwrap() * factor);
        findings(&file).iter().map(|f| f.check).collect::<Vec<_>>()
    };
    assert_eq!(alter("total_token_throughput", 1.01), ["throughput", "tput_per_gpu"]);
    assert_eq!(alter("output_throughput", 0.9), ["output tokens", "throughput"]);
    assert_eq!(alter("total_input_tokens", 0.5), ["input tokens"]);
    assert_eq!(alter("mean_e2el_ms", 0.5), ["Little's law"]);
    assert_eq!(alter("mean_e2el_ms", 1.1), ["Little's law"]);
    assert_eq!(alter("median_ttft_ms", 100.0), ["latencies", "percentiles"]);
    assert_eq!(alter("mean_itl_ms", 0.3), ["latencies"]);
    assert_eq!(alter("p99_e2el_ms", 0.5), ["percentiles"]);
    assert_eq!(alter("interactivity", 1.001), ["interactivity"]);
    let mut zeros = sound.clone();
    for (name, value) in zeros.as_object_mut().unwrap() {
        if value.is_number() && name != "interactivity" {
            *value = json!(0.0);
        }
    }
    assert!(findings(&zeros).iter().any(|f| f.what == "no request was completed"), "{:?}", findings(&zeros));
}

#[test]
fn points_and_fronts() {
    assert_eq!((points(1, 1), points(3, 2), points(11, 12)), (1000.0, 840.0, 0.0));
    assert_eq!(
        pareto(&[(1.0, 3.0), (2.0, 2.0), (1.5, 2.0), (3.0, 1.0), (2.0, 2.0)]),
        [true, true, false, true, true]
    );
}

#[test]
fn an_uneven_comparison_says_so() {
    let profiles = Profiles::built_in();
    let s1 = profiles.choose("s1b", None, None).unwrap();
    let figures = Figures::new(9000.0, 10.0, 2000.0, 8.0, 4.0);
    let caveats = |ratio| {
        let point = Point { isl: 8192, osl: 1024, concurrency: 64, prompts: 1, range_ratio: ratio };
        Score::new(figures, &point, s1.table).caveats.join("\n")
    };
    assert!(caveats(1.0).contains("11 % longer"), "{}", caveats(1.0));
    assert!(caveats(0.8).contains("measured on four GPUs") && !caveats(0.8).contains("longer"));
    assert!(caveats(0.8).contains("500.0 tokens/s/GPU"), "{}", caveats(0.8));
    let s2 = profiles.choose("s2c", None, None).unwrap();
    let unreachable = |concurrency| {
        let point = Point { isl: 8192, osl: 1024, concurrency, prompts: 1, range_ratio: 1.0 };
        Score::new(figures, &point, s2.table).caveats.iter().any(|c| c.contains("no deployment on eight"))
    };
    assert_eq!([4, 32, 128].map(unreachable), [true, true, false]);
}

#[test]
fn the_files_of_variables_are_the_guides() {
    let profiles = Profiles::built_in();
    let s1 = profiles.choose("s1b", None, None).unwrap();
    assert_eq!(
        environment::specific(&s1),
        "export MODEL=\"amd/DeepSeek-R1-0528-MXFP4-Preview\"\nexport PORT=8888\nexport TP=8\nexport ISL=1024\n\
         export OSL=1024\nexport CONC=16\nexport RANDOM_RANGE_RATIO=1.0\nexport NUM_PROMPTS=800\n\
         export RESULT_FILENAME=\"test_$(date +%H%M%S)\"\n"
    );
    assert!(environment::all(&s1).ends_with("export TP=8\n"));
    let s2 = profiles.choose("s2c", None, None).unwrap();
    assert!(environment::all(&s2).ends_with("export ISL=8192\nexport OSL=1024\n"));
    assert!(environment::specific(&s2).contains("CONC=4\n"));
    assert!(environment::specific(&s2).contains("NUM_PROMPTS=$((CONC * 10))"));
}

#[test]
fn the_commands_show_plan_rows_and_verdicts() {
    let plan =
        Mi355x::new(&["plan", "--isl", "8192", "--conc", "32,64", "--json"]).run().expect(exit::SUCCESS);
    let content = &plan.json()["content"];
    assert_eq!(content["launches"].as_array().unwrap().len(), 2, "the prefill size changes");
    assert_eq!(content["steps"][1]["point"]["prompts"], 3200);
    let text = Mi355x::new(&["plan", "--protocol", "s2c"]).run().expect(exit::SUCCESS).stdout;
    assert!(text.contains("3 point(s)") && text.contains("launch 2: "), "{text}");
    let text = Mi355x::new(&["plan", "--list"]).run().expect(exit::SUCCESS).stdout;
    assert!(text.contains("kimi-k2.5") && text.lines().count() > 8, "{text}");
    let refused = Mi355x::new(&["plan", "--conc", "5"]).run().expect(exit::USAGE).stderr;
    assert!(
        refused.contains("has no case of 1024 input and 1024 output tokens at concurrency 5"),
        "{refused}"
    );

    let rows = Mi355x::new(&["baseline"]).run().expect(exit::SUCCESS).stdout;
    assert!(rows.contains("794.151") && rows.contains("range ratio 0.8"), "{rows}");

    let folder = tempfile::tempdir().unwrap();
    Mi355x::new(&["env", "--out"]).arg(folder.path()).run().expect(exit::SUCCESS);
    let file = std::fs::read_to_string(folder.path().join("all_conc_var.sh")).unwrap();
    assert!(file.starts_with("export MODEL="), "{file}");

    let file = folder.path().join("result.json");
    std::fs::write(&file, sound().to_string()).unwrap();
    let verify = || Mi355x::new(&["verify", "--protocol", "s2c"]).arg(&file).run();
    let text = verify().expect(exit::SUCCESS).stdout;
    assert!(text.contains("result.json: sound") && text.contains("2.68 tokens per event"), "{text}");
    assert!(text.contains("target 18000   ratio 0.9145   at least as good"), "{text}");
    std::fs::write(&file, sound().to_string().replace("2621440", "1621440")).unwrap();
    let text = verify().expect(exit::INTEGRITY).stdout;
    assert!(text.contains("NOT SOUND") && text.contains("not 320 prompts of 8192"), "{text}");
    std::fs::write(&file, "{}").unwrap();
    let text = verify().expect(exit::INTEGRITY).stderr;
    assert!(text.contains("it has no number total_input_tokens"), "{text}");
}

#[test]
fn a_folder_of_profiles_is_equal_to_the_built_in_ones() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles");
    let (own, read) = (Profiles::built_in(), Profiles::open(&folder).unwrap());
    let names = |p: &Profiles| p.eras.iter().map(|e| e.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&own), names(&read));
    assert_eq!(
        (own.servers.len(), own.tables.len()),
        (read.servers.len(), read.tables.len()),
        "none is forgotten"
    );

    let copy = tempfile::tempdir().unwrap();
    for name in ["eras", "servers"] {
        std::fs::create_dir(copy.path().join(name)).unwrap();
    }
    std::fs::write(copy.path().join("rows.toml"), "version = 1\ntables = []\ncolour = 1\n").unwrap();
    let error = Profiles::open(copy.path()).unwrap_err();
    assert!(error.to_string().contains("unknown field `colour`"), "{error}");
}
