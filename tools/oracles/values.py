"""Values of the pseudocode: bits with a kind and a width."""

import re
from dataclasses import dataclass

import numbers_exact as fp


@dataclass(frozen=True)
class Value:
    """`bits` is unsigned, masked to `width`; `kind` is u, i, b or a format of `numbers_exact`."""

    kind: str
    width: int
    bits: int

    @property
    def is_float(self):
        return self.kind in fp.FORMATS

    @property
    def number(self):
        """As an integer (floats: their bits)."""
        if self.kind == "i" and self.bits >> self.width - 1:
            return self.bits - (1 << self.width)
        return self.bits


@dataclass(frozen=True)
class Constant:
    """INF, NAN, DENORM and the under- and overflow results: they take the format of what they meet."""

    name: str
    negative: bool = False


def integer(kind, width, number):
    return Value(kind, width, int(number) & (1 << width) - 1)


def floating(name, bits):
    return Value(name, fp.FORMATS[name].width, bits)


def boolean(truth):
    return Value("u", 1, 1 if truth else 0)


def typed(suffix):
    """`u32` → ("u", 32), `bf16` → ("bf16", 16)."""
    if suffix in fp.FORMATS:
        return suffix, fp.FORMATS[suffix].width
    return suffix[0], int(suffix[1:])


SUFFIX = re.compile(r"(?:[uib]\d+|f16|f32|f64|bf16|fp8|bf8|fp4|fp6|bf6)$")
