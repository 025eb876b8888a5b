#!/usr/bin/env python3
"""Writes tests/data/golden_ml_dtypes_{encode,decode,wide}.csv from the Python package ml_dtypes.

    python3 -m venv /tmp/golden && /tmp/golden/bin/pip install numpy ml_dtypes
    /tmp/golden/bin/python tools/golden/ml_dtypes_golden.py tests/data

encode: every one of the 65,536 bf16 inputs into every narrow format, as runs: the first input of each run of
        equal codes (inputs in order of their bits), so that a mismatch names its input.
decode: the f32 bits of every code of every narrow format.
wide:   f32 -> f16 and f32 -> bf16, 16 low halves for each of the 65,536 upper halves, as one FNV-1a hash per
        256 upper halves; and f16 -> f32, one hash per 256 codes. NaNs count as one code per sign.
"""

import sys
from pathlib import Path

import ml_dtypes
import numpy as np

NARROW = {
    "e2m1": (ml_dtypes.float4_e2m1fn, 16),
    "e2m3": (ml_dtypes.float6_e2m3fn, 64),
    "e3m2": (ml_dtypes.float6_e3m2fn, 64),
    "e4m3": (ml_dtypes.float8_e4m3fn, 256),
    "e4m3fnuz": (ml_dtypes.float8_e4m3fnuz, 256),
    "e5m2": (ml_dtypes.float8_e5m2, 256),
    "e5m2fnuz": (ml_dtypes.float8_e5m2fnuz, 256),
    "e8m0": (ml_dtypes.float8_e8m0fnu, 256),
}

# Low halves that straddle the f16 and bf16 rounding points.
LOW_HALVES = np.array(
    [0x0000, 0x0001, 0x0FFF, 0x1000, 0x1001, 0x1FFF, 0x2FFF, 0x3000,
     0x3001, 0x7FFF, 0x8000, 0x8001, 0xC000, 0xE000, 0xF000, 0xFFFF],
    dtype=np.uint32,
)


def fnv1a(values: np.ndarray, width: int) -> int:
    """64-bit FNV-1a over the values' little-endian bytes."""
    state = 0xCBF29CE484222325
    for byte in values.astype(f"<u{width}").tobytes():
        state = ((state ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return state


def encode_rows():
    inputs = np.arange(1 << 16, dtype=np.uint16).view(ml_dtypes.bfloat16).astype(np.float32)
    for name, (dtype, _) in NARROW.items():
        codes = inputs.astype(dtype).view(np.uint8)
        starts = np.flatnonzero(np.diff(codes.astype(np.int16), prepend=-1))
        for start in starts:
            yield f"{name},{start:04x},{codes[start]:02x}"


def decode_rows():
    for name, (dtype, count) in NARROW.items():
        values = np.arange(count, dtype=np.uint8).view(dtype).astype(np.float32)
        for code, value in enumerate(values):
            bits = "nan" if np.isnan(value) else f"{value.view(np.uint32):08x}"
            yield f"{name},{code:02x},{bits}"


def wide_rows():
    for name, dtype, infinity in (("f16", np.float16, 0x7C00), ("bf16", ml_dtypes.bfloat16, 0x7F80)):
        for block in range(256):
            upper = np.arange(block << 8, (block + 1) << 8, dtype=np.uint32) << 16
            inputs = (upper[:, None] | LOW_HALVES[None, :]).reshape(-1).view(np.float32)
            codes = inputs.astype(dtype).view(np.uint16)
            nan = (codes & 0x7FFF) > infinity
            codes = np.where(nan, (codes & 0x8000) | 0x7FFF, codes)
            yield f"f32_to_{name},{block:02x},{fnv1a(codes, 2):016x}"
    for block in range(256):
        codes = np.arange(block << 8, (block + 1) << 8, dtype=np.uint32).astype(np.uint16)
        bits = codes.view(np.float16).astype(np.float32).view(np.uint32)
        nan = (bits & 0x7FFFFFFF) > 0x7F800000
        bits = np.where(nan, (bits & 0x80000000) | 0x7FFFFFFF, bits)
        yield f"f16_to_f32,{block:02x},{fnv1a(bits, 4):016x}"


def main() -> None:
    folder = Path(sys.argv[1])
    with np.errstate(all="ignore"):
        for part, header, rows in (
            ("encode", "format,first_bf16,code", encode_rows()),
            ("decode", "format,code,f32_bits", decode_rows()),
            ("wide", "conversion,upper_byte,fnv1a64", wide_rows()),
        ):
            path = folder / f"golden_ml_dtypes_{part}.csv"
            path.write_text("\n".join([header, *rows]) + "\n")
    print(f"ml_dtypes {ml_dtypes.__version__}, numpy {np.__version__}", file=sys.stderr)


if __name__ == "__main__":
    main()
