"""The functions that the pseudocode calls without defining them."""

from fractions import Fraction
from math import ceil, floor

import mpmath
import numbers_exact as fp
import pseudocode as pc

PRECISION = 300
"""Bits of the elementary functions before they are rounded to a format."""


def exact(value):
    """A finite float value in mpmath."""
    x = fp.value(value.kind, value.bits)
    return mpmath.mpf(x.numerator) / mpmath.mpf(x.denominator)


def rounded(name, x, mode=0):
    """mpmath → a float value."""
    if mpmath.isnan(x):
        return pc.floating(name, fp.FORMATS[name].nan)
    if mpmath.isinf(x):
        return pc.floating(name, fp.signed(name, x < 0, fp.FORMATS[name].infinity))
    sign, man, e, _ = x._mpf_
    number = Fraction(int(man)) * Fraction(2) ** max(min(e, 6000), -6000)
    return pc.floating(name, fp.encode(name, -number if sign else number, mode))


def finite(value):
    return not (fp.is_nan(value.kind, value.bits) or fp.is_infinite(value.kind, value.bits))


def nan(value):
    return pc.floating(value.kind, fp.quiet(value.kind, value.bits))


def call(name, arguments, state):
    if name in state.functions:
        return invoke(name, arguments, state)
    if name in TABLE:
        return TABLE[name](state, *[pc.evaluate(argument, state) for argument in arguments])
    if "_to_" in name:
        return conversion(name, [pc.evaluate(argument, state) for argument in arguments], state)
    if name.startswith(("v_", "s_")):
        return other_instruction(name, [pc.evaluate(argument, state) for argument in arguments], state)
    raise NotImplementedError(name)


def invoke(name, arguments, state):
    """A lambda of the pseudocode."""
    names, body = state.functions[name]
    saved = dict(state.names)
    values = [pc.evaluate(argument, state) for argument in arguments]
    for key in ("in",):
        state.names.pop(key, None)
    state.names.update(zip(names, values))
    try:
        pc.run(body, state)
    except pc.Return as result:
        state.names = saved
        return result.args[0]
    raise NotImplementedError("a function without a result")


def other_instruction(name, values, state):
    """`v_max_f32(a, b)`: the pseudocode of another mnemonic."""
    inner = pc.State(rounding=state.rounding, mnemonic=state.mnemonic)
    inner.names = {key: state.names[key] for key in ("WAVE_MODE.IEEE",) if key in state.names}
    width = max(value.width for value in values)
    inner.names["D0"] = pc.Value("b", width, 0)
    for i, value in enumerate(values):
        inner.names[f"S{i}"] = pc.Value("b", value.width, value.bits)
    pc.run(state.mnemonic(name), inner)
    kind = values[0].kind
    if name.startswith("s_ff1"):
        return pc.Value("i", 32, inner.names["D0"].bits & 0xFFFF_FFFF)
    return pc.Value(kind, values[0].width, inner.names["D0"].bits & (1 << values[0].width) - 1)


def whole(rule):
    return lambda state, x: pc.floating(x.kind, fp.whole(x.kind, x.bits, rule))


def fract(state, x):
    lower = fp.whole(x.kind, x.bits, floor)
    return pc.float_operate("-", x, pc.floating(x.kind, lower), state)


def power(state, base, x):
    assert fp.value(base.kind, base.bits) == 2
    if fp.is_nan(x.kind, x.bits):
        return nan(x)
    if fp.is_infinite(x.kind, x.bits):
        return pc.floating(x.kind, 0) if fp.sign(x.kind, x.bits) else x
    with mpmath.workprec(PRECISION):
        clamped = max(min(exact(x), 5000), -5000)
        return rounded(x.kind, mpmath.power(2, clamped))


def log2(state, x):
    if fp.is_nan(x.kind, x.bits):
        return nan(x)
    if fp.magnitude(x.kind, x.bits) == 0:
        return pc.floating(x.kind, fp.signed(x.kind, True, fp.FORMATS[x.kind].infinity))
    if fp.sign(x.kind, x.bits):
        return pc.floating(x.kind, fp.FORMATS[x.kind].nan)
    if fp.is_infinite(x.kind, x.bits):
        return x
    with mpmath.workprec(PRECISION):
        return rounded(x.kind, mpmath.log(exact(x), 2))


def trigonometric(function):
    """Of a source times 2π that is still an mpmath product; the format is the instruction's."""

    def apply(state, x):
        name = state.names["FORMAT"]
        source = state.names["S0"]
        bits = source.bits & (1 << fp.FORMATS[name].width) - 1
        if fp.is_nan(name, bits):
            return pc.floating(name, fp.quiet(name, bits))
        if fp.is_infinite(name, bits):
            return pc.floating(name, fp.FORMATS[name].nan)
        if fp.magnitude(name, bits) == 0 and function == "sin":
            return pc.floating(name, bits)
        turns = fp.value(name, bits)
        rest = turns - round(turns)
        # Exact where the function is: a quarter turn must not become 1e-90.
        table = {"sin": {0: 0, Fraction(1, 2): 0, Fraction(-1, 2): 0}, "cos": {Fraction(1, 4): 0, Fraction(-1, 4): 0}}
        if rest in table[function]:
            return pc.floating(name, 0)
        with mpmath.workprec(PRECISION):
            angle = 2 * mpmath.pi * rest.numerator / rest.denominator
            return rounded(name, getattr(mpmath, function)(angle))

    return apply


def ldexp(state, x, e):
    return pc.scale(x, pc.Power(x.kind, e.number), state)


def absolute(state, x):
    return pc.floating(x.kind, fp.magnitude(x.kind, x.bits))


def significand(state, x):
    """In ±[½, 1), denormals too."""
    if fp.magnitude(x.kind, x.bits) == 0:
        return x
    number = fp.value(x.kind, x.bits)
    return pc.floating(x.kind, fp.encode(x.kind, number / Fraction(2) ** (fp.floor_log2(abs(number)) + 1)))


def is_even(state, x):
    return pc.boolean(finite(x) and fp.value(x.kind, x.bits) % 2 == 0)


def to_integer(x, low, high, saturated=True):
    """Truncated, clamped; NaN is 0."""
    if fp.is_nan(x.kind, x.bits):
        return 0
    if fp.is_infinite(x.kind, x.bits):
        return low if fp.sign(x.kind, x.bits) else high
    number = fp.value(x.kind, x.bits)
    truncated = ceil(number) if number < 0 else floor(number)
    return max(low, min(high, truncated))


def conversion(name, values, state):
    scaled = name.endswith("_scale")
    source, target = name.removesuffix("_scale").split("_to_")
    x = values[0]
    mode = state.rounding.get(target, 0)
    if scaled:
        return scaled_conversion(source, target, x, values[1].bits & 255, state)
    if source in fp.FORMATS and target in fp.FORMATS:
        x = pc.Value(source, fp.FORMATS[source].width, x.bits & (1 << fp.FORMATS[source].width) - 1)
        saturate = target in ("fp8", "bf8") and state.overflow_saturates
        return pc.floating(target, fp.convert(source, x.bits, target, mode, saturate))
    if target in fp.FORMATS:
        kind, width = pc.typed(source)
        return pc.floating(target, fp.encode(target, Fraction(pc.reinterpret(x, kind, width).number), mode))
    kind, width = pc.typed(target)
    low, high = (0, (1 << width) - 1) if kind == "u" else (-(1 << width - 1), (1 << width - 1) - 1)
    return pc.integer(kind, width, to_integer(x, low, high))


def scaled_conversion(source, target, x, biased, state):
    """Narrow → wide multiplies by the scale, wide → narrow divides by it; round to nearest even. The scale is an
    E8M0 byte; 255 is NaN. Overflow: FP4 saturates, FP8 and BF8 follow MODE.FP16_OVFL as the unscaled ones do."""
    bits = x.bits & (1 << fp.FORMATS[source].width) - 1
    widening = fp.FORMATS[source].width < fp.FORMATS[target].width
    if fp.is_nan(source, bits) or biased == 255:
        f = fp.FORMATS[target]
        return pc.floating(target, fp.signed(target, fp.sign(source, bits), f.largest if f.top == "finite" else f.nan))
    saturate = not widening and (target not in ("fp8", "bf8") or state.overflow_saturates)
    if fp.is_infinite(source, bits):
        return pc.floating(target, fp.convert(source, bits, target, 0, saturate))
    factor = Fraction(2) ** (biased - 127 if widening else 127 - biased)
    number = fp.value(source, bits) * factor
    return pc.floating(target, fp.encode(target, number, 0, bool(fp.sign(source, bits)), saturate=saturate))


def tiny_quotient(state, a, b):
    """a / b is below the normal numbers of b's format, but not zero."""
    x, y = fp.value(a.kind, a.bits), fp.value(b.kind, b.bits)
    if not finite(a) or not finite(b) or y == 0:
        return pc.boolean(False)
    return pc.boolean(0 < abs(x / y) < Fraction(2) ** (1 - fp.FORMATS[b.kind].bias))


def sign_extend(state, x, width=None):
    if width is None:
        return pc.integer("i", 64, x.number if x.kind == "i" else x.bits)
    n = width.number
    if n == 0:
        return pc.integer(x.kind, x.width, 0)
    low = x.bits & (1 << n) - 1
    return pc.integer(x.kind, x.width, low - (1 << n) if low >> n - 1 & 1 else low)


TABLE = {
    "trunc": whole(lambda x: ceil(x) if x < 0 else floor(x)),
    "floor": whole(floor),
    "fract": fract,
    "sqrt": lambda state, x: pc.floating(x.kind, fp.square_root(x.kind, x.bits)),
    "pow": power,
    "log2": log2,
    "sin": trigonometric("sin"),
    "cos": trigonometric("cos"),
    "fma": lambda state, a, b, c: pc.floating(
        a.kind, fp.fma(a.kind, a.bits, b.bits, c.bits, state.rounding.get(a.kind, 0))),
    "ldexp": ldexp,
    "abs": absolute,
    "sign": lambda state, x: pc.boolean(fp.sign(x.kind, x.bits)),
    "exponent": lambda state, x: pc.integer("i", 32, fp.exponent(x.kind, x.bits)),
    "mantissa": significand,
    "isNAN": lambda state, x: pc.boolean(fp.is_nan(x.kind, x.bits)),
    "isSignalNAN": lambda state, x: pc.boolean(fp.is_signalling(x.kind, x.bits)),
    "isQuietNAN": lambda state, x: pc.boolean(
        fp.is_nan(x.kind, x.bits) and not fp.is_signalling(x.kind, x.bits)),
    "cvtToQuietNAN": lambda state, x: nan(x),
    "tinyQuotient": tiny_quotient,
    "isEven": is_even,
    "signext": sign_extend,
    "signext_from_bit": sign_extend,
    "HwRegWriteMask": lambda state, register, privileged: pc.integer("i", 32, -1),
    "nop": lambda state: None,
}
