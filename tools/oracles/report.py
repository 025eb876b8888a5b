"""docs/semantics.md: which source covers which instructions."""

import re
import subprocess
import tempfile
from pathlib import Path

import isa

SOURCES = {
    "pseudocode": "AMD's pseudocode (the CDNA4 tables of tinygrad's wheel), run by an interpreter in `tools/oracles`",
    "ieee": "exact rational arithmetic: the division that LLVM expands must give the correctly rounded quotient",
    "manual": "the ISA manual's prose, modelled by hand in `tools/oracles`: no pseudocode is published",
    "layout": "exact matrix products or transposes over layouts written down independently of the emulator",
    "mmasim": "mmasim, a bit-exact model of CDNA3's matrix units, under `--mfma cdna3-truncating`",
}
HOST = "host C++"

ENCODINGS = ["SOP1", "SOP2", "SOPC", "SOPK", "SOPP", "SMEM", "VOP1", "VOP2", "VOPC", "VOP3", "VOP3P", "SDWA", "DPP", "MAI",
             "DS", "MUBUF", "GLOBAL", "SCRATCH"]

# Beyond the vectors: kernels of others that execute what has no pseudocode, checked against f64 references.
PEERS = {
    "v_mfma_scale_f32_16x16x128_f8f6f4": "AITER f4gemm, fmoe",
    "v_mfma_scale_f32_32x32x64_f8f6f4": "Triton's `dot_scaled` kernels",
    "v_mfma_f32_16x16x128_f8f6f4": "AITER MLA, fmoe, FP8 block-scale GEMM",
    "v_mfma_f32_32x32x64_f8f6f4": "AITER MLA; Triton",
    "v_smfmac_f32_16x16x128_fp8_fp8": "none",
    "ds_read_b64_tr_b16": "AITER MLA; Triton",
    "ds_read_b64_tr_b8": "AITER MLA (FP8); Triton",
    "ds_read_b64_tr_b4": "none",
    "global_load_lds_dword": "none",
    "global_load_lds_dwordx4": "AITER MLA",
    "s_barrier": "`tests/kernels.rs`: reductions; a kernel without its barrier is found out",
    "s_waitcnt": "every memory vector again with late delivery",
}

NOTES = """\
## Where a source is wrong or silent

The generator departs from the published pseudocode here, each time for the reason given; everything else is taken as
it stands.

| instruction | published | used | evidence |
|---|---|---|---|
| `v_div_fmas` | × 2^32 (f32), × 2^64 (f64) | × 2^±64, 2^±128 by the addend's exponent, one rounding | undoes `v_div_scale`; the expansion divides right only so (`ieee`) |
| `v_div_scale` | no default result; 1/S1 denormal as f64; huge denominators scaled up | S0; the instruction's own format; scaled down | as above: scaling up overflows |
| `v_div_fixup` | overflow where the *denominator's* exponent is all ones, which was handled before | where the quotient's is | 1e30 / 1e-40 would be NaN for ∞ |
| `v_frexp_exp` | exponent field − bias + 1 | 0 for zero, the true exponent for denormals | "S0 = significand × 2^exponent"; LLVM folds it so |
| `v_rndne` | floor(x + 0.5) | ties to even of the exact value | the sum would round: 0.49999997 |
| `v_fract` | x − floor(x) | at most the largest value below 1 | the manual's prose |
| elementary functions | no accuracy | ≤ 1 ULP of the true value; f32 exp, log, rcp, rsq, sqrt take and give no denormals | the manual; LLVM scales around it |
| 16-bit results | silent on the upper half | zero, except `v_bitop3_b16` and mixlo | LLVM's `zeroesHigh16BitsOfDest` |
| `v_cvt_scalef32_pk_fp8_f32` | silent on overflow | NaN, the largest value with MODE.FP16_OVFL | as `v_cvt_pk_fp8_f32` |
| `v_cvt_scalef32_pk_fp4_f32` | silent on NaN | not tested | FP4 has none |
| `v_permlane*_swap` | ignores EXEC | writes active lanes; from an inactive partner only with `fi`, 0 with `bound_ctrl` | LLVM's operands |
| 8-bit operands of `f8f6f4` | silent | two runs of 16 k, half the matrix apart | composable_kernel's register maps, checked on hardware |
| mmasim's FP8 | FNUZ values | the same bits are twice the value in OCP, so C and D are scaled by 4 | formats' definitions |
| CDNA4's longer K | not in mmasim | CDNA3's groups over more of them | assumption, as the policy's name says |
| NaN payloads | unspecified | any NaN passes where the instruction computes; moves and min/max compare bits | |
"""


def encoding(mnemonic):
    base = re.sub(r"_(e32|e64|sdwa|dpp)$", "", mnemonic)
    if mnemonic.endswith("_sdwa"):
        return "SDWA"
    if mnemonic.endswith("_dpp"):
        return "DPP"
    if mnemonic.startswith(("v_mfma", "v_smfmac", "v_accvgpr")):
        return "MAI"
    prefix = {"ds_": "DS", "global_": "GLOBAL", "scratch_": "SCRATCH", "buffer_": "MUBUF", "v_fma_mix": "VOP3P",
              "v_pk_": "VOP3P", "v_nop": "VOP1", "s_load": "SMEM", "s_store": "SMEM", "s_atomic": "SMEM"}
    for start, found in prefix.items():
        if mnemonic.startswith(start):
            return found
    kinds = {kind.removesuffix("Op") for kind in isa.TEXTS.get(base, {"SOPPOp": ""})}
    if mnemonic.startswith("v_") and (mnemonic.endswith("_e64") or not kinds & {"VOP1", "VOP2", "VOPC"}):
        return "VOP3"
    return next(kind for kind in ENCODINGS if kind in kinds)


def in_host_kernels(root):
    """Instructions of the kernels that `hipcc_and_the_host_agree` runs, by llvm-objdump."""
    source = root / "crates/emulator/tests/kernels/semantics.hip"
    rocm = root / ".rocm"
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "semantics.co"
        environment = {"ROCM_PATH": str(rocm), "PATH": "/usr/bin:/bin", "HOME": folder}
        subprocess.run([rocm / "bin/hipcc", "--genco", "--offload-arch=gfx950", "-O2", "-o", target, source], check=True,
                       env=environment)
        bundler = rocm / "bin/clang-offload-bundler"
        elf = Path(folder) / "semantics.elf"
        subprocess.run([bundler, "--unbundle", "--type=o", f"--input={target}", f"--output={elf}",
                        "--targets=hipv4-amdgcn-amd-amdhsa--gfx950"], check=True)
        listing = subprocess.run([rocm / "bin/llvm-objdump", "-d", "--no-show-raw-insn", elf], check=True,
                                 capture_output=True, text=True).stdout
    return {line.split()[0] for line in listing.splitlines() if line.startswith("\t")}


def render(used, files, root):
    """The page's text. `files`: groups by vector file."""
    sources = {mnemonic: set() for mnemonic in used}
    cases = {}
    beyond = set()
    for groups in files.values():
        for group in groups:
            if group.mnemonic in sources:
                sources[group.mnemonic].add(group.source)
            else:
                beyond.add(group.mnemonic)
            cases[group.source] = cases.get(group.source, 0) + len(group.cases)
    host = in_host_kernels(root) & set(used)
    columns = [*SOURCES, HOST]
    lines = ["# Semantics", "",
             "Which independent source each instruction of real gfx950 code is tested against. Written by",
             "`tools/oracles/generate.py`; the vectors are in `crates/emulator/tests/data/oracle_*.txt`, and",
             "`cargo test -p emulator --test oracle` assembles a kernel for each of their groups and runs it: decoding,",
             "operands and execution are tested together, and everything an instruction must not change is compared too.",
             "", "| source | what it is | cases |", "|---|---|---|"]
    lines += [f"| {name} | {text} | {cases[name]} |" for name, text in SOURCES.items()]
    lines += [f"| {HOST} | expressions compiled by hipcc for gfx950 and by clang for the host, 4096 inputs each; counted is "
              "what their kernels contain | |", "", f"| encoding | used | with vectors | {' | '.join(columns)} |",
              "|---" * (3 + len(columns)) + "|"]
    total = [0] * (2 + len(columns))
    for name in ENCODINGS:
        members = [mnemonic for mnemonic in used if encoding(mnemonic) == name]
        row = [len(members), sum(bool(sources[m]) for m in members)]
        row += [sum(source in sources[m] for m in members) for source in SOURCES]
        row.append(sum(m in host for m in members))
        total = [a + b for a, b in zip(total, row)]
        lines.append(f"| {name} | {' | '.join(map(str, row))} |")
    lines.append(f"| **all** | {' | '.join(f'**{n}**' for n in total)} |")
    assert total[0] == len(used), "an encoding is missing"
    without = [mnemonic for mnemonic in used if not sources[mnemonic]]
    lines += ["", "Mnemonics count with their encoding suffix, as the disassembler spells them. Beyond the used ones, "
              f"{len(beyond)} more", "scalar and vector ALU instructions have pseudocode vectors.", "",
              f"Without vectors: {', '.join(f'`{m}`' for m in without)} (every kernel ends by it).", "",
              "## What has no pseudocode", "", "| instruction | vectors | also executed by |", "|---|---|---|"]
    for mnemonic in sorted(m for m in used if sources[m] and not sources[m] & {"pseudocode"}):
        lines.append(f"| `{mnemonic}` | {', '.join(sorted(sources[mnemonic]))} | {PEERS.get(mnemonic, '')} |")
    lines += ["", "`none`: no other kernel that a test runs has it.", "", NOTES.rstrip()]
    return "\n".join(lines) + "\n"
