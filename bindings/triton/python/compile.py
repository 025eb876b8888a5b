"""Compiles the kernels for gfx950 without a GPU: code objects and a manifest.json in the folder given.

Usage: compile.py FOLDER SOURCES, where SOURCES identifies this text for whoever reads the manifest.

The code objects are what Triton's own back end makes of kernels.py; nothing of them is written by hand.
"""

import json
import sys
from pathlib import Path

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, make_backend

import kernels

TARGET = GPUTarget("hip", "gfx950", 64)
FORMAT = 1

# Triton's launcher tells the compiler what it sees of the arguments: pointers that are multiples of 16 bytes ("D") into
# allocations below 2 GiB ("S", which turns global accesses into buffer accesses), and integers that are multiples of 16.
ALIGNED = 16

VARIANTS = []


def variant(name, kernel, types, constants, warps=4, wide=False, aligned=(), **options):
    """One compilation of a kernel.

    types: of the arguments that are not constants; wide: pointers into allocations of any size; aligned: integers that
    are multiples of 16 at every launch; options: of Triton's back end.
    """
    VARIANTS.append((name, kernel, types, constants, warps, wide, aligned, options))


F32_ROWS = dict(x_ptr="*fp32", out_ptr="*fp32", columns="i32")
I32_ROWS = dict(x_ptr="*i32", out_ptr="*i32", columns="i32")
MXFP4 = dict(
    a_ptr="*u8", a_scale_ptr="*u8", b_ptr="*u8", b_scale_ptr="*u8", c_ptr="*bf16", m="i32", n="i32", k="i32"
)
HEADS = dict(q_ptr="*bf16", k_ptr="*bf16", v_ptr="*bf16", out_ptr="*bf16", queries="i32", keys="i32", scale="fp32")


def gemm(name, element, result, tile, **more):
    pointers = dict(a_ptr=f"*{element}", b_ptr=f"*{element}", c_ptr=f"*{result}")
    variant(name, "gemm", pointers | dict(m="i32", n="i32", k="i32"), dict(zip(("BM", "BN", "BK"), tile)), **more)


ADD = dict(x_ptr="*fp32", y_ptr="*fp32", out_ptr="*fp32", n="i32")
variant("vector_add", "vector_add", ADD, dict(BLOCK=1024))
variant("vector_add_wide", "vector_add", ADD, dict(BLOCK=512), wide=True)
variant("vector_add_aligned", "vector_add", ADD, dict(BLOCK=1024), aligned=("n",))
variant("row_sum", "row_sum", F32_ROWS, dict(BLOCK=512))
variant("row_sum_8_waves", "row_sum", F32_ROWS, dict(BLOCK=1024), warps=8, wide=True)
variant("histogram", "atomic_histogram", dict(x_ptr="*i32", out_ptr="*i32", n="i32"), dict(BLOCK=512, BINS=64))
variant("softmax", "softmax", F32_ROWS, dict(BLOCK=1024))
variant("softmax_1_wave", "softmax", F32_ROWS, dict(BLOCK=256), warps=1)
variant("scan", "scan", I32_ROWS, dict(BLOCK=1024))
variant("sort", "sort", F32_ROWS, dict(BLOCK=256))
FP8 = dict(x_ptr="*bf16", out_ptr="*fp8e4nv", scale_ptr="*fp32", columns="i32")
variant("fp8_quantise", "fp8_quantise", FP8, dict(BLOCK=512))
FP4 = dict(x_ptr="*bf16", out_ptr="*u8", scale_ptr="*u8", groups="i32")
variant("mxfp4_quantise", "mxfp4_quantise", FP4, dict(BLOCK=64))
gemm("bf16_gemm_16", "bf16", "bf16", (64, 64, 64), matrix_instr_nonkdim=16)
gemm("bf16_gemm_32", "bf16", "bf16", (64, 128, 32), matrix_instr_nonkdim=32)
gemm("bf16_gemm_aligned", "bf16", "bf16", (128, 128, 64), aligned=("m", "n", "k"))
gemm("bf16_gemm_wide", "bf16", "fp32", (64, 64, 64), wide=True, aligned=("k",), num_stages=3)
gemm("f16_gemm", "fp16", "fp32", (32, 32, 64), warps=2)
gemm("fp8_gemm_16", "fp8e4nv", "bf16", (64, 64, 128), matrix_instr_nonkdim=16)
gemm("fp8_gemm_32", "fp8e4nv", "bf16", (64, 64, 128), matrix_instr_nonkdim=32)
gemm("fp8_gemm_aligned", "fp8e4nv", "bf16", (128, 128, 128), aligned=("k", "n"))
gemm("bf8_gemm", "fp8e5", "bf16", (64, 64, 64))
gemm("i8_gemm", "i8", "i32", (64, 64, 64))
gemm("i8_gemm_aligned", "i8", "i32", (64, 64, 128), matrix_instr_nonkdim=16, aligned=("k",))
MXFP4_TILE = dict(BM=64, BN=64, BK=256)
variant("mxfp4_gemm_16", "mxfp4_gemm", MXFP4, MXFP4_TILE, matrix_instr_nonkdim=16)
variant("mxfp4_gemm_32", "mxfp4_gemm", MXFP4, MXFP4_TILE, matrix_instr_nonkdim=32)
variant("mxfp4_gemm_aligned", "mxfp4_gemm", MXFP4, dict(BM=128, BN=128, BK=256), warps=8, aligned=("n", "k"))
MXFP8_TILE = dict(BM=64, BN=64, BK=128)
variant("mxfp8_gemm", "mxfp8_gemm", MXFP4, MXFP8_TILE | dict(B_PACK=1))
variant("mxfp8_mxfp4_gemm", "mxfp8_gemm", MXFP4, MXFP8_TILE | dict(B_PACK=2), matrix_instr_nonkdim=16)
variant("attention", "attention", HEADS, dict(D=64, BM=64, BN=32, CAUSAL=False))
variant("attention_causal", "attention", HEADS, dict(D=128, BM=64, BN=64, CAUSAL=True))


def compile_variant(folder, name, kernel, types, constants, warps, wide, aligned, options):
    """One code object and its entry of the manifest."""
    function = getattr(kernels, kernel)
    signature = types | {key: "constexpr" for key in constants}
    attributes = {}
    for index, parameter in enumerate(function.arg_names):
        pointer = types.get(parameter, "").startswith("*")
        if pointer or parameter in aligned:
            attributes[(index,)] = [["tt.divisibility", ALIGNED]]
        if pointer and not wide:
            attributes[(index,)].append(["tt.pointer_range", 32])
    source = ASTSource(function, signature, constexprs=constants, attrs=attributes)
    parsed = make_backend(TARGET).parse_options(dict(num_warps=warps, **options))
    compiled = triton.compile(source, target=TARGET, options=parsed.__dict__)
    (folder / f"{name}.hsaco").write_bytes(compiled.asm["hsaco"])
    metadata = compiled.metadata
    arguments = [
        {"name": parameter, "type": types[parameter], "multiple_of": ALIGNED if parameter in aligned else 1}
        for parameter in function.arg_names
        if parameter in types
    ]
    # Two addresses that Triton appends to every parameter list: of memory that a launcher allocates per workgroup.
    scratch = [
        {"name": label, "type": "scratch", "bytes_per_workgroup": getattr(metadata, f"{label}_size", 0) or 0}
        for label in ("global_scratch", "profile_scratch")
    ]
    return {
        "name": name,
        "kernel": kernel,
        "object": f"{name}.hsaco",
        "symbol": metadata.name,
        "arguments": arguments + scratch,
        "constants": {key: int(value) for key, value in constants.items()},
        "warps": metadata.num_warps,
        "shared_bytes": metadata.shared,
    }


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").unlink(missing_ok=True)
    entries = []
    for index, entry in enumerate(VARIANTS):
        print(f"[{index + 1}/{len(VARIANTS)}] {entry[0]}", file=sys.stderr, flush=True)
        entries.append(compile_variant(folder, *entry))
    manifest = {
        "format": FORMAT,
        "triton": triton.__version__,
        "target": TARGET.arch,
        "sources": sys.argv[2],
        "kernels": entries,
    }
    # Written last and moved into place: a folder with a manifest is complete.
    partial = folder / "manifest.json.partial"
    partial.write_text(json.dumps(manifest, indent=1))
    partial.replace(folder / "manifest.json")


if __name__ == "__main__":
    main()
