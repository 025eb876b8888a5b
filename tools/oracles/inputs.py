"""Inputs: the edges of a format and random values of it, from a generator seeded by the mnemonic."""

import random
import zlib

import numbers_exact as fp


def generator(*key):
    return random.Random(zlib.crc32(" ".join(map(str, key)).encode()))


def float_edges(name):
    f = fp.FORMATS[name]
    one = f.bias << f.mantissa
    half, two = one - (1 << f.mantissa), one + (1 << f.mantissa)
    positive = [0, 1, (1 << f.mantissa) - 1, 1 << f.mantissa, one, one - 1, one + 1, half, two,
                two | 1 << f.mantissa - 2, one | 1 << f.mantissa - 1, f.largest]
    if f.top == "ieee":
        positive += [f.infinity, f.nan, f.infinity | 1, f.largest - (1 << f.mantissa)]
    if f.exponent >= 8:  # integers' limits
        positive += [f.bias + n << f.mantissa for n in (15, 16, 23, 24, 31, 32)]
        positive += [(f.bias + 31 << f.mantissa) - 1, (f.bias + 22 << f.mantissa) | 1]
    return positive + [fp.signed(name, True, x) for x in positive]


def a_float(rng, name):
    f = fp.FORMATS[name]
    choice = rng.random()
    if choice < 0.3:
        return rng.choice(float_edges(name))
    if choice < 0.5 or f.width <= 8:
        return rng.getrandbits(f.width)
    spread = 3 if f.exponent == 5 else 12
    e = max(0, min((1 << f.exponent) - 2, f.bias + rng.randint(-spread, spread)))
    short = rng.random() < 0.4
    m = rng.getrandbits(3) << f.mantissa - 3 if short else rng.getrandbits(f.mantissa)
    return fp.signed(name, rng.random() < 0.5, e << f.mantissa | m)


def an_integer(rng, width):
    choice = rng.random()
    ones = (1 << width) - 1
    if choice < 0.35:
        edges = [0, 1, 2, 3, 31, 32, 33, 63, ones, ones - 1, ones >> 1, (ones >> 1) + 1, 0xFF, 0x80, 0x7F, 0xFFFF]
        return rng.choice(edges) & ones
    if choice < 0.5:
        return rng.getrandbits(6) & ones
    return rng.getrandbits(width)


PACKED = {"pk2_f16": ("f16", 2), "pk2_bf16": ("bf16", 2), "pk2_f32": ("f32", 2), "pk2_fp8": ("fp8", 2),
          "pk2_bf8": ("bf8", 2)}


def a_value(rng, kind, dwords):
    """A value of an operand format in so many dwords; what lies above the format is random."""
    width = 32 * dwords
    if kind in fp.FORMATS:
        low = fp.FORMATS[kind].width
        return a_float(rng, kind) | (rng.getrandbits(width - low) << low if width > low else 0)
    if kind in PACKED:
        name, count = PACKED[kind]
        step = fp.FORMATS[name].width
        low = sum(a_float(rng, name) << step * i for i in range(count))
        rest = width - step * count
        return low | (rng.getrandbits(rest) << step * count if rest else 0)
    return an_integer(rng, width)


def related(rng, kinds, values):
    """Sometimes makes the second source equal to the first, or its negative, where comparisons and sums turn."""
    kind = kinds[0]
    if len(values) > 1 and kinds[1] == kind and rng.random() < 0.2:
        values[1] = values[0]
        if kind in fp.FORMATS and rng.random() < 0.5:
            values[1] ^= 1 << fp.FORMATS[kind].width - 1
    return values
