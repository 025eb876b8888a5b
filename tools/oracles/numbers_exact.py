"""Binary floating point, exactly: values are fractions, rounding happens once, in the open.

Formats by the pseudocode's names; `fp8` is OCP E4M3 and `bf8` OCP E5M2, as on gfx950.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import isqrt

NEAREST, UP, DOWN, ZERO = range(4)
"""Rounding modes, as MODE numbers them."""


@dataclass(frozen=True)
class Format:
    """`exponent` and `mantissa` are field widths; `top` says what the all-ones exponent means."""

    exponent: int
    mantissa: int
    top: str = "ieee"

    @property
    def width(self):
        return 1 + self.exponent + self.mantissa

    @property
    def bias(self):
        return (1 << self.exponent - 1) - 1

    @property
    def largest(self):
        """Magnitude bits of the largest finite value."""
        if self.top == "ieee":
            return ((1 << self.exponent) - 1 << self.mantissa) - 1
        return (1 << self.width - 1) - (2 if self.top == "nan" else 1)

    @property
    def infinity(self):
        return (1 << self.exponent) - 1 << self.mantissa

    @property
    def nan(self):
        """The default quiet NaN."""
        return self.infinity | 1 << self.mantissa - 1 if self.top == "ieee" else (1 << self.width - 1) - 1


FORMATS = {
    "f16": Format(5, 10),
    "bf16": Format(8, 7),
    "f32": Format(8, 23),
    "f64": Format(11, 52),
    "fp8": Format(4, 3, "nan"),
    "bf8": Format(5, 2),
    "fp6": Format(2, 3, "finite"),
    "bf6": Format(3, 2, "finite"),
    "fp4": Format(2, 1, "finite"),
}


def sign(name, bits):
    return bits >> FORMATS[name].width - 1 & 1


def exponent(name, bits):
    """The biased exponent field."""
    f = FORMATS[name]
    return bits >> f.mantissa & (1 << f.exponent) - 1


def magnitude(name, bits):
    return bits & (1 << FORMATS[name].width - 1) - 1


def is_nan(name, bits):
    f = FORMATS[name]
    if f.top == "ieee":
        return magnitude(name, bits) > f.infinity
    return f.top == "nan" and magnitude(name, bits) == f.nan


def is_signalling(name, bits):
    return is_nan(name, bits) and not bits >> FORMATS[name].mantissa - 1 & 1


def is_infinite(name, bits):
    f = FORMATS[name]
    return f.top == "ieee" and magnitude(name, bits) == f.infinity


def is_denormal(name, bits):
    return exponent(name, bits) == 0 and magnitude(name, bits) != 0


def quiet(name, bits):
    return bits | 1 << FORMATS[name].mantissa - 1


def value(name, bits):
    """The finite value, a fraction."""
    f = FORMATS[name]
    e, m = exponent(name, bits), bits & (1 << f.mantissa) - 1
    scaled = Fraction(m | (1 << f.mantissa if e else 0)) * Fraction(2) ** (max(e, 1) - f.bias - f.mantissa)
    return -scaled if sign(name, bits) else scaled


def signed(name, negative, bits):
    return bits | (1 << FORMATS[name].width - 1 if negative else 0)


def floor_log2(x):
    """For a positive fraction."""
    e = x.numerator.bit_length() - x.denominator.bit_length()
    return e if Fraction(2) ** e <= x else e - 1


def encode(name, x, mode=NEAREST, negative_zero=False, saturate=False, remainder=False):
    """The fraction `x`, rounded. `remainder`: the true value lies just beyond `x`, away from zero, by less
    than any rounding can see."""
    f = FORMATS[name]
    if x == 0:
        return signed(name, negative_zero, 0)
    negative, x = x < 0, abs(x)
    quantum = Fraction(2) ** (max(floor_log2(x), 1 - f.bias) - f.mantissa)
    steps, rest = divmod(x, quantum)
    twice = 2 * rest
    up = {
        NEAREST: twice > quantum or twice == quantum and (steps & 1 or remainder),
        UP: (rest or remainder) and not negative,
        DOWN: (rest or remainder) and negative,
        ZERO: False,
    }[mode]
    scaled = (steps + (1 if up else 0)) * quantum
    largest = value(name, f.largest)
    if scaled > largest:
        toward = mode == ZERO or mode == UP and negative or mode == DOWN and not negative
        if saturate or f.top == "finite" or toward:
            return signed(name, negative, f.largest)
        return signed(name, negative, f.infinity if f.top == "ieee" else f.nan)
    if scaled == 0:
        return signed(name, negative, 0)
    e = max(floor_log2(scaled), 1 - f.bias)
    m = scaled / Fraction(2) ** (e - f.mantissa)
    assert m.denominator == 1
    m = m.numerator
    field = e + f.bias if m >> f.mantissa else 0
    return signed(name, negative, field << f.mantissa | m & (1 << f.mantissa) - 1)


def convert(source, bits, target, mode=NEAREST, saturate=False, quieten=True):
    """Between formats; NaN keeps its leading payload bits, quieted unless `quieten` is off. `saturate` clamps finite values; an infinity
    becomes NaN in a format that has none, or its largest value where not even NaN exists."""
    f, g = FORMATS[source], FORMATS[target]
    if is_nan(source, bits):
        if f.top != "ieee" or g.top != "ieee":
            return signed(target, sign(source, bits), g.nan)
        payload = (quiet(source, bits) if quieten else bits) & (1 << f.mantissa) - 1
        shift = g.mantissa - f.mantissa
        payload = payload << shift if shift >= 0 else payload >> -shift
        return signed(target, sign(source, bits), g.infinity | payload)
    if is_infinite(source, bits):
        top = {"ieee": g.infinity, "nan": g.nan, "finite": g.largest}[g.top]
        return signed(target, sign(source, bits), g.largest if saturate else top)
    return encode(target, value(source, bits), mode, bool(sign(source, bits)), saturate)


def add(name, a, b, mode=NEAREST):
    return fma(name, a, signed(name, False, encode(name, Fraction(1))), b, mode)


def multiply(name, a, b, mode=NEAREST):
    if is_nan(name, a) or is_nan(name, b):
        return quiet(name, a if is_nan(name, a) else b)
    negative = sign(name, a) ^ sign(name, b)
    if is_infinite(name, a) or is_infinite(name, b):
        zero = magnitude(name, a) == 0 or magnitude(name, b) == 0
        return FORMATS[name].nan if zero else signed(name, negative, FORMATS[name].infinity)
    return encode(name, value(name, a) * value(name, b), mode, bool(negative))


def divide(name, a, b, mode=NEAREST):
    if is_nan(name, a) or is_nan(name, b):
        return quiet(name, a if is_nan(name, a) else b)
    negative = sign(name, a) ^ sign(name, b)
    inf, zero = FORMATS[name].infinity, magnitude(name, b) == 0
    if is_infinite(name, a):
        return FORMATS[name].nan if is_infinite(name, b) else signed(name, negative, inf)
    if is_infinite(name, b):
        return signed(name, negative, 0)
    if zero:
        return FORMATS[name].nan if magnitude(name, a) == 0 else signed(name, negative, inf)
    return encode(name, value(name, a) / value(name, b), mode, bool(negative))


def fma(name, a, b, c, mode=NEAREST):
    for x in (a, b, c):
        if is_nan(name, x):
            return quiet(name, x)
    negative = sign(name, a) ^ sign(name, b)
    if is_infinite(name, a) or is_infinite(name, b):
        zero = magnitude(name, a) == 0 or magnitude(name, b) == 0
        opposite = is_infinite(name, c) and sign(name, c) != negative
        return FORMATS[name].nan if zero or opposite else signed(name, negative, FORMATS[name].infinity)
    if is_infinite(name, c):
        return c
    product, addend = value(name, a) * value(name, b), value(name, c)
    # An exact zero sum of unlike signs is +0, or −0 when rounding down.
    both = bool(negative) and bool(sign(name, c))
    like = bool(negative) == bool(sign(name, c))
    zero_sign = both if like else mode == DOWN
    return encode(name, product + addend, mode, zero_sign)


def square_root(name, a, mode=NEAREST):
    if is_nan(name, a):
        return quiet(name, a)
    if magnitude(name, a) == 0 or is_infinite(name, a) and not sign(name, a):
        return a
    if sign(name, a):
        return FORMATS[name].nan
    x = value(name, a)
    # Enough digits that a remainder bit decides every rounding.
    shift = 200 - floor_log2(x) // 2 * 2 // 2
    scaled = x * Fraction(4) ** shift
    whole = isqrt(scaled.numerator // scaled.denominator)
    exact = Fraction(whole) ** 2 == scaled
    return encode(name, Fraction(whole) / Fraction(2) ** shift, mode, remainder=not exact)


def compare(name, a, b):
    """−1, 0, 1, or None when unordered."""
    if is_nan(name, a) or is_nan(name, b):
        return None

    def key(bits):
        if is_infinite(name, bits):
            return Fraction(-1 if sign(name, bits) else 1) * Fraction(2) ** 5000
        return value(name, bits)

    x, y = key(a), key(b)
    return (x > y) - (x < y)


def whole(name, bits, rule):
    """`rule` maps a fraction to an integer; the result keeps the sign of zero."""
    if is_nan(name, bits):
        return quiet(name, bits)
    if is_infinite(name, bits):
        return bits
    return encode(name, Fraction(rule(value(name, bits))), negative_zero=bool(sign(name, bits)))
