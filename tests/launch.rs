//! `mi355x run` and `mi355x disasm` on code objects that are none of this repository's operators.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use mi355x::code::CodeObject;
use mi355x::exit;
use rocm_toolchain::{Compilation, Compiler, Search};
use serde_json::Value;

use crate::command::{Mi355x, Outcome};

/// `tests/launch/kernels.hip`, compiled once: with names of parameters, and without.
static OBJECTS: LazyLock<(tempfile::TempDir, [PathBuf; 2])> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let toolchain = rocm_toolchain::find(&Search::from_env(root)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let files = ["named.co", "unnamed.co"].map(|name| folder.path().join(name));
    let flags = [vec!["-fhip-kernel-arg-name".to_owned()], Vec::new()];
    let work = [0, 1].map(|i| Compilation {
        label: "tests/launch".into(),
        source: root.join("tests/launch/kernels.hip"),
        flags: flags[i].clone(),
        output: files[i].clone(),
    });
    Compiler { toolchain: &toolchain, jobs: 2 }.run(&work).unwrap();
    (folder, files)
});

fn object() -> &'static Path {
    &OBJECTS.1[0]
}

/// `mi355x VERB object ARGUMENTS…`, with a policy of the virtual device where one is given.
fn command(verb: &str, object: &Path, arguments: &[&str]) -> Mi355x {
    arguments.iter().fold(Mi355x::new(&[verb]).arg(object), |command, argument| command.arg(argument))
}

fn run(arguments: &[&str]) -> Outcome {
    command("run", object(), arguments).run()
}

fn content(outcome: &Outcome) -> Value {
    outcome.json()["content"].clone()
}

const SCALE: [&str; 6] = ["--kernel", "scale", "--grid", "4", "--block", "64"];

fn scale(arguments: &[&str]) -> Outcome {
    run(&[&SCALE, arguments].concat())
}

#[test]
fn files_go_in_and_come_out() {
    let folder = tempfile::tempdir().unwrap();
    let (x, y) = (folder.path().join("x.bin"), folder.path().join("y.bin"));
    let values: Vec<f32> = (0..200).map(|i| 1.0 / (i as f32 - 60.5)).collect();
    fs::write(&x, bytemuck::cast_slice::<f32, u8>(&values)).unwrap();
    let x = format!("f32x200=@{}", x.display());
    let out = format!("f32x200,out:{}", y.display());
    let outcome = scale(&["--arg", &x, "--arg", &out, "--arg", "f32=-2.5", "--arg", "u32=200", "--json"]);
    let content = content(&outcome.expect(exit::SUCCESS));
    let written = fs::read(&y).unwrap();
    let expected: Vec<u8> = values.iter().flat_map(|v| (v * -2.5).to_le_bytes()).collect();
    assert_eq!(written, expected);
    let output = &content["outputs"][0];
    assert_eq!((&output["name"], &output["changed"], &output["nan"]), (&"y".into(), &200.into(), &0.into()));
    assert_eq!(output["elements"][0], format!("{:?}", values[0] * -2.5));
    assert_eq!(output["max"], format!("{:?}", values[60] * -2.5));
    assert_eq!((&content["report"]["waves"], &content["fault"]), (&4.into(), &Value::Null));
    assert!(content["report"]["instructions"].as_u64().unwrap() > 40, "{content:#}");

    // A file of another size is not cut or padded.
    let error =
        scale(&["--arg", &x.replace("200", "201"), "--arg", &out, "--arg", "f32=1", "--arg", "u32=1"]);
    assert!(error.expect(exit::USAGE).stderr.contains("has 800 bytes, not 804"));
}

#[test]
fn a_count_that_leaves_elements_alone_shows_as_unchanged() {
    let arguments = ["--arg", "f32x200=index", "--arg", "f32x200=7,out", "--arg", "f32=3", "--arg", "u32=50"];
    let text = scale(&arguments).expect(exit::SUCCESS).stdout;
    // Element 0 becomes 0; 49 * 3 is the largest.
    assert!(text.contains("y       f32        200       50    0  0.0  147.0"), "{text}");
    assert!(text.contains("y = 0.0 3.0 6.0 9.0 12.0 15.0 18.0 21.0 ..."), "{text}");
    let bits = scale(&[&arguments[..], &["--hex", "--print", "2"]].concat()).expect(exit::SUCCESS).stdout;
    assert!(bits.contains("y = 00000000 40400000 ..."), "{bits}");
}

#[test]
fn a_struct_by_value_is_given_field_by_field_in_three_dimensions() {
    let arguments = ["--kernel", "add", "--grid", "2,1,2", "--block", "4,2,2", "--json", "--print", "64"];
    let fields = ["--arg", "u32x64=index", "--arg", "u32x64,out", "--arg", "u32=100", "--arg", "u32=0"];
    let content = content(&run(&[&arguments[..], &fields].concat()).expect(exit::SUCCESS));
    let expected: Vec<_> = (100..164).map(|i: u32| i.to_string()).collect();
    assert_eq!(content["outputs"][0]["elements"], Value::from(expected));
    let short = run(&[&arguments[..], &fields[..4]].concat()).expect(exit::USAGE).stderr;
    assert!(short.contains("they take 16 bytes, but it has 24"), "{short}");
}

#[test]
fn dynamic_lds_is_what_was_asked_for() {
    let arguments = ["--kernel", "reverse", "--grid", "1", "--block", "64", "--print", "4"];
    let buffers = ["--arg", "u16x64=index", "--arg", "u16x64,out"];
    let text =
        run(&[&arguments[..], &buffers, &["--dynamic-lds", "128"]].concat()).expect(exit::SUCCESS).stdout;
    assert!(text.contains("y = 63 62 61 60 ..."), "{text}");
    // LDS beyond the allocation keeps nothing, whether or not the device stops the kernel for it.
    let text = run(&[&arguments[..], &buffers].concat()).stdout;
    assert!(!text.contains("y = 63 62 61 60"), "{text}");
}

#[test]
fn a_file_says_the_same_as_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("scale.toml");
    let path = file.to_str().unwrap();
    let head = "kernel = \"scale\"\ngrid = [4]\nblock = [64]\n";
    let named =
        "args = { y = \"f32x200,out\", x = \"f32x200=normal\", count = \"u32=200\", factor = \"f32=2\" }\n";
    let list = "args = [\"f32x200=normal\", \"f32x200,out\", \"f32=2\", \"u32=200\"]\n";
    let typed = ["--arg", "f32x200=normal", "--arg", "f32x200,out", "--arg", "f32=2", "--arg", "u32=200"];
    let typed = content(&scale(&[&typed[..], &["--json"]].concat()).expect(exit::SUCCESS));
    for args in [named, list] {
        fs::write(&file, format!("{head}{args}")).unwrap();
        let written = content(&run(&["--args", path, "--json"]).expect(exit::SUCCESS));
        assert_eq!(written["outputs"], typed["outputs"], "{args}");
    }
    // Another seed, other values; the command line's grid instead of the file's.
    let other = content(&run(&["--args", path, "--json", "--seed", "1"]).expect(exit::SUCCESS));
    assert_ne!(other["outputs"], typed["outputs"]);
    let half = content(&run(&["--args", path, "--json", "--grid", "2"]).expect(exit::SUCCESS));
    assert_eq!((&half["grid"][0], &half["outputs"][0]["changed"]), (&2.into(), &128.into()));

    // Without names in the metadata only a list will do.
    fs::write(&file, format!("{head}{named}")).unwrap();
    let error = command("run", &OBJECTS.1[1], &["--args", path]).run().expect(exit::USAGE).stderr;
    assert!(error.contains("the metadata of scale names no parameters; write args as a list"), "{error}");
    fs::write(&file, format!("{head}arguments = []\n")).unwrap();
    let error = run(&["--args", path]).expect(exit::USAGE).stderr;
    assert!(error.contains("unknown field `arguments`"), "{error}");
}

#[test]
fn a_fault_names_the_instruction_and_is_exit_code_1() {
    let arguments = ["--arg", "f32x200=zeros", "--arg", "f32x200,out", "--arg", "f32=1", "--arg", "u32=201"];
    let text = scale(&arguments).expect(exit::CHECK_FAILED).stdout;
    assert!(
        text.contains("\nFAULT: out-of-bounds read of 4 bytes") && text.contains("in kernel scale at +"),
        "{text}"
    );
    let content = content(&scale(&[&arguments[..], &["--json"]].concat()).expect(exit::CHECK_FAILED));
    assert_eq!(content["fault"]["kind"], "out-of-bounds");
    assert_eq!(content["fault"]["lanes"], Value::from(vec![200 - 3 * 64]));
    assert_eq!((&content["outputs"], &content["time_ns"]), (&Value::Array(vec![]), &Value::Null));
    let text =
        scale(&[&arguments[..], &["--instruction-budget", "5"]].concat()).expect(exit::CHECK_FAILED).stdout;
    assert!(text.contains("endless loop"), "{text}");
}

/// MXFP4 scales over some sixty powers of two, so that sums do not fit f32 exactly.
fn wide_scales(folder: &Path) -> String {
    let bytes: Vec<u8> =
        (0..512_u32).map(|i| 100 + (i.wrapping_mul(2_654_435_761) >> 16) as u8 % 60).collect();
    let file = folder.join("scales.bin");
    fs::write(&file, bytes).unwrap();
    format!("e8m0x512=@{}", file.display())
}

/// A kernel's arguments, its only output going to `out`.
fn matrix_kernel(kernel: &str, scales: &str, out: &Path) -> Vec<String> {
    let out = format!("f32x256,out:{}", out.display());
    let arguments: &[&str] = match kernel {
        "matmul_bf16" => &["bf16x4096=normal", "bf16x4096=normal", &out, "i32=8"],
        "matmul_mxfp4" => &["e2m1x16384=bits", "e2m1x16384=bits", scales, scales, &out, "i32=8"],
        _ => &["bf16x512=normal", &out.replace(",out", "=0.1,out")],
    };
    let mut all = vec![
        "--kernel".to_owned(),
        kernel.into(),
        "--grid".into(),
        "1".into(),
        "--block".into(),
        "64".into(),
    ];
    all.extend(arguments.iter().flat_map(|argument| ["--arg".to_owned(), (*argument).to_owned()]));
    all
}

#[test]
fn the_envelope_is_the_difference_between_runs_under_each_policy() {
    let folder = tempfile::tempdir().unwrap();
    let (out, scales) = (folder.path().join("out.bin"), wide_scales(folder.path()));
    for kernel in ["matmul_bf16", "matmul_mxfp4", "calls"] {
        let arguments = matrix_kernel(kernel, &scales, &out);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let under = |policy: &str| -> Vec<f32> {
            let command = command("run", object(), &arguments).env("MI355X_VIRTUAL_MFMA", policy);
            command.run().expect(exit::SUCCESS);
            fs::read(&out).unwrap().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
        };
        let envelope = |policy: &str| {
            let all = [&arguments[..], &["--numerics", "envelope", "--json"]].concat();
            let command = command("run", object(), &all).env("MI355X_VIRTUAL_MFMA", policy);
            content(&command.run().expect(exit::SUCCESS))["envelope"].clone()
        };
        let policies = ["mixed", "exact-block", "cdna3-truncating", "fma-chain"];
        let results = policies.map(under);
        assert!(results[0].iter().all(|x| x.is_finite() && *x != 0.0), "{kernel}: {:?}", results[0]);
        let mut moved = 0;
        for (base, base_result) in policies.iter().zip(&results) {
            let envelope = envelope(base);
            assert_eq!(
                (&envelope["matrix_instructions"], &envelope["base"]),
                (&true.into(), &(*base).into())
            );
            let spreads = envelope["spreads"].as_array().unwrap();
            assert_eq!(spreads.len(), 3, "{envelope:#}");
            for spread in spreads {
                let other = policies.iter().position(|policy| spread["policy"] == *policy).unwrap();
                let pairs = || base_result.iter().zip(&results[other]);
                let differing = pairs().filter(|(a, b)| a != b).count() as u64;
                // Steps by walking: the results lie close together.
                let steps = pairs().map(|(a, b)| {
                    let (mut low, high) = (a.min(*b), a.max(*b));
                    let mut steps = 0_u64;
                    while low < high && steps < 1 << 20 {
                        (low, steps) = (low.next_up(), steps + 1);
                    }
                    steps
                });
                let expected = (differing, steps.max().unwrap());
                let found = ["differing", "max_steps"].map(|key| spread[key].as_u64().unwrap());
                assert_eq!((found[0], found[1]), expected, "{kernel}, {base}: {spread:#}");
                assert_eq!(
                    (&spread["elements"], &spread["nan"], &spread["dtype"]),
                    (&256.into(), &0.into(), &"f32".into())
                );
                moved += differing;
            }
        }
        assert!(moved > 0, "{kernel} moves under no policy");
    }
}

#[test]
fn a_kernel_without_matrix_instructions_has_no_envelope() {
    let arguments = ["--arg", "f32x200=zeros", "--arg", "f32x200,out", "--arg", "f32=1", "--arg", "u32=200"];
    let arguments = [&arguments[..], &["--numerics", "envelope"]].concat();
    let text = scale(&arguments).expect(exit::SUCCESS).stdout;
    let said =
        "scale has no matrix instructions: its results are the same under every policy, none was tried";
    assert!(text.contains(said) && !text.contains("fma-chain"), "{text}");
    let envelope = content(&scale(&[&arguments[..], &["--json"]].concat()))["envelope"].clone();
    assert_eq!(
        (&envelope["matrix_instructions"], &envelope["spreads"]),
        (&false.into(), &Value::Array(vec![]))
    );
}

#[test]
fn kernels_are_listed_with_what_they_use() {
    let document = content(&command("disasm", object(), &["--json"]).run().expect(exit::SUCCESS));
    let routines = document["routines"].as_array().unwrap();
    let names: Vec<_> = routines.iter().map(|r| r["name"].as_str().unwrap()).collect();
    assert_eq!(names[..7], ["scale", "add", "look_up", "reverse", "matmul_bf16", "matmul_mxfp4", "calls"]);
    assert!(names.len() == 8 && names[7].contains("multiply"), "{names:?}");
    let [scale, matmul, calls, function] = [0, 4, 6, 7].map(|i| &routines[i]);
    assert_eq!(
        scale["parameters"][2],
        serde_json::json!({"name": "factor", "offset": 16, "size": 4, "kind": "by_value"})
    );
    assert_eq!(matmul["resources"]["max_workgroup"], 64);
    let matrix = [scale, matmul, calls, function].map(|r| r["matrix_instructions"].as_u64().unwrap());
    assert_eq!(matrix, [0, 1, 0, 1]);
    assert_eq!(function["resources"], Value::Null);
    // The loop of the matrix kernel: some block leads back to itself or to one before it.
    let blocks = matmul["listing"]["blocks"].as_array().unwrap();
    let number = |label: &Value| label.as_str().unwrap()[1..].parse::<usize>().unwrap();
    let back =
        blocks.iter().any(|b| b["next"].as_array().unwrap().iter().any(|n| number(n) <= number(&b["label"])));
    assert!(back, "{blocks:#?}");

    let one = command("disasm", object(), &["--kernel", "scale"]).run().expect(exit::SUCCESS).stdout;
    assert!(
        one.contains("\nscale:\nL0:  -> ") && one.contains("  s_endpgm\n") && !one.contains("matmul"),
        "{one}"
    );
    assert!(one.contains("s_cbranch_execz L"), "{one}");
    let list = command("disasm", object(), &["--list"]).run().expect(exit::SUCCESS).stdout;
    assert!(list.contains("factor      16      4  by_value") && !list.contains("s_endpgm"), "{list}");
}

#[test]
fn a_bundle_is_opened_and_other_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let elf = fs::read(object()).unwrap();
    let bundle = |target: &str| {
        let mut bytes = b"__CLANG_OFFLOAD_BUNDLE__".to_vec();
        let offset = 24 + 8 + 24 + target.len();
        for field in [1, offset, elf.len(), target.len()] {
            bytes.extend((field as u64).to_le_bytes());
        }
        bytes.extend(target.as_bytes());
        bytes.extend(&elf);
        let file = folder.path().join("bundle.co");
        fs::write(&file, bytes).unwrap();
        file
    };
    let arguments = ["--arg", "f32x64=index", "--arg", "f32x64,out", "--arg", "f32=1", "--arg", "u32=64"];
    let all = [&["--kernel", "scale", "--grid", "1", "--block", "64"], &arguments[..]].concat();
    let file = bundle("hipv4-amdgcn-amd-amdhsa--gfx950");
    assert!(command("run", &file, &all).run().expect(exit::SUCCESS).stdout.contains("y = 0.0 1.0 2.0"));

    let mut other = elf.clone();
    other[48] = 0x4c; // EF_AMDGPU_MACH of gfx942, in the ELF header's flags
    let written = |name: &str, bytes: &[u8]| {
        let file = folder.path().join(name);
        fs::write(&file, bytes).unwrap();
        file
    };
    for (file, reason) in [
        (
            bundle("hipv4-amdgcn-amd-amdhsa--gfx942"),
            "the bundle has no gfx950 entry, only hipv4-amdgcn-amd-amdhsa--gfx942",
        ),
        (written("gfx942.co", &other), "for the processor 0x4c"),
        (written("half.co", &elf[..elf.len() / 2]), ""),
        (written("text.co", b"no code"), ""),
        (written("compressed.co", b"CCOB..."), "the compressed offload bundle of 7 bytes ends in its header"),
        (std::env::current_exe().unwrap(), "not AMD's GPUs"),
    ] {
        for verb in ["disasm", "run"] {
            let error = command(verb, &file, &[]).run().expect(exit::KERNELS).stderr;
            assert!(error.contains("is no usable code object: ") && error.contains(reason), "{error}");
        }
    }
    let missing = command("disasm", Path::new("/nowhere/k.co"), &[]).run().expect(exit::ENVIRONMENT).stderr;
    assert!(missing.contains("cannot read /nowhere/k.co"), "{missing}");
}

#[test]
fn a_compressed_bundle_is_opened() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let toolchain = rocm_toolchain::find(&Search::from_env(root)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("compressed.co");
    let status = std::process::Command::new(&toolchain.hipcc)
        .env("ROCM_PATH", &toolchain.root)
        .args(["--genco", "--offload-compress", "--offload-arch=gfx950", "-O2", "-o"])
        .arg(&file)
        .arg(root.join("tests/launch/kernels.hip"))
        .status()
        .unwrap();
    assert!(status.success());
    assert!(fs::read(&file).unwrap().starts_with(b"CCOB"), "hipcc compresses");
    let arguments = ["--arg", "f32x64=index", "--arg", "f32x64,out", "--arg", "f32=2", "--arg", "u32=64"];
    let all = [&["--kernel", "scale", "--grid", "1", "--block", "64"], &arguments[..]].concat();
    assert!(command("run", &file, &all).run().expect(exit::SUCCESS).stdout.contains(" = 0.0 2.0 4.0"));
    assert!(command("disasm", &file, &["--list"]).run().expect(exit::SUCCESS).stdout.contains("scale"));
}

#[test]
fn a_ledger_says_what_an_assumed_result_reached() {
    let buffers = ["--arg", "f32x64=1", "--arg", "f32x64=index", "--arg", "f32x64,out", "--ledger"];
    let look_up = [&["--kernel", "look_up", "--grid", "1", "--block", "64"], &buffers[..]].concat();
    let text = run(&look_up).expect(exit::SUCCESS).stdout;
    for part in [
        "ledger of look_up: ",
        " 1 assumed (1 executed), 0 unsupported",
        "v_exp_f32  assumed      1  address, output  1 ULP is documented",
        "v_exp_f32 reaches an address at +0x",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let document = content(&run(&[&look_up, &["--json"][..]].concat()).expect(exit::SUCCESS));
    let ledger = document["ledger"].as_array().unwrap();
    let exp = ledger.iter().find(|entry| entry["mnemonic"] == "v_exp_f32").unwrap();
    assert!(exp["address"]["instruction"].as_str().unwrap().starts_with("global_load_dword "), "{exp:#}");
    assert_eq!(
        (&exp["branch"], &exp["output"], &document["report"]["ledger"]),
        (&Value::Null, &true.into(), &Value::Null)
    );
    // Everything that was executed is in it.
    let counted: u64 = ledger.iter().map(|entry| entry["count"].as_u64().unwrap()).sum();
    assert_eq!(counted, document["report"]["instructions"].as_u64().unwrap());

    let exact = scale(&[
        "--arg",
        "f32x64=index",
        "--arg",
        "f32x64,out",
        "--arg",
        "f32=1",
        "--arg",
        "u32=64",
        "--ledger",
    ]);
    let exact = exact.expect(exit::SUCCESS).stdout;
    assert!(
        exact.contains(" 0 assumed (0 executed), 0 unsupported\n") && !exact.contains("mnemonic "),
        "{exact}"
    );
    let none = scale(&["--arg", "f32x64=index", "--arg", "f32x64,out", "--arg", "f32=1", "--arg", "u32=64"]);
    assert!(!none.expect(exit::SUCCESS).stdout.contains("ledger"));
}

#[test]
fn a_damaged_object_is_an_error_or_a_listing_and_no_panic() {
    let elf = fs::read(object()).unwrap();
    let (mut state, mut opened) = (0x9e37_79b9_7f4a_7c15_u64, 0);
    let mut below = |end: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % end as u64) as usize
    };
    for _ in 0..4000 {
        let mut bytes = elf.clone();
        for _ in 0..=below(4) {
            // Headers and tables lie at both ends.
            let at = if below(2) == 0 { below(elf.len()) } else { below(0x600) };
            bytes[at] = [0, 0xff, 0x80, below(256) as u8][below(4)];
        }
        if below(8) == 0 {
            bytes.truncate(below(elf.len()));
        }
        let Ok(object) = CodeObject::parse(Path::new("damaged.co"), &bytes) else { continue };
        opened += 1;
        for (routine, _) in object.kernels() {
            let listed: usize = routine.listing().lines().map(|line| line.size).sum();
            assert_eq!(listed, routine.code.len());
        }
    }
    // Otherwise the loop above looked at nothing.
    assert!((100..4000).contains(&opened), "{opened}");
}

#[test]
fn what_cannot_be_launched_is_said_before_the_device_is_opened() {
    let four = ["--arg", "f32x4=zeros", "--arg", "f32x4,out", "--arg", "f32=1", "--arg", "u32=4"];
    let cases: [(&[&str], &str); 5] = [
        (
            &["--grid", "1", "--block", "1"],
            "has the kernels scale, add, look_up, reverse, matmul_bf16, matmul_mxfp4, calls",
        ),
        (&["--kernel", "none", "--grid", "1", "--block", "1"], "--kernel none: "),
        (&["--kernel", "scale", "--block", "1"], "--grid (none): "),
        (&["--kernel", "scale", "--grid", "1", "--block", "32,32,2"], "compiled for at most 1024 work-items"),
        (
            &["--kernel", "scale", "--grid", "1", "--block", "1", "--arg", "f32=1"],
            "scale takes x (global_buffer, 8 bytes), y",
        ),
    ];
    for (arguments, part) in cases {
        let all = [arguments, &four[..if part.contains("takes") { 0 } else { 8 }]].concat();
        let command = command("run", object(), &all).env("MI355X_VHIP_LIBRARY", "/nowhere/libvhip.so");
        let error = command.run().expect(exit::USAGE).stderr;
        assert!(error.contains(part), "{part} is not in\n{error}");
    }
    let arguments = [&SCALE[..], &four, &["--device", "rocm"]].concat();
    let command = command("run", object(), &arguments).env("MI355X_HIP_LIBRARY", "/nowhere/libamdhip64.so");
    command.run().expect(exit::ENVIRONMENT);
}
