"""Division: the three instructions that LLVM's expansion uses, and the expansion itself against exact quotients."""

import functools
import re
from fractions import Fraction

import inputs
import isa
import numbers_exact as fp
import pseudocode as pc
from vectors import Group


@functools.cache
def corrected(base):
    """v_div_scale and v_div_fixup with corrections of the published text, without which the division that LLVM
    emits from them is wrong (the `ieee` groups divide). Scale: the source passes unscaled by default; quotients
    are denormal in the instruction's own format, those that round to zero too; a denominator near the top is
    scaled down, up would overflow. Fixup: it is the quotient's exponent that tells an overflow."""
    if base in ("v_div_fixup_f32", "v_div_fixup_f64"):
        name, top = ("f32", 255) if base.endswith("f32") else ("f64", 2047)
        text = isa.TEXTS[base]["VOP3Op"]
        assert text.count(f"exponent(S1.{name}) == {top} then") == 1
        return pc.parse(text.replace(f"exponent(S1.{name}) == {top} then", f"exponent(S0.{name}) == {top} then"))
    if not base.startswith("v_div_scale"):
        return None
    name, step = ("f32", 64) if base.endswith("f32") else ("f64", 128)
    text = isa.TEXTS[base]["VOP3SDOp"].replace("64'F(S1.f32) == DENORM.f64", "S1.f32 == DENORM.f32")
    text = re.sub(r"(1\.0|S2\.f\d\d) / (S1\.f\d\d) == DENORM\.f\d\d", r"tinyQuotient(\1, \2)", text)
    assert text.count("tinyQuotient") == 4
    head, tail = re.split(r"(?=elsif \(\()", text, maxsplit=1)
    tail = tail.replace(f"ldexp(S0.{name}, {step})", f"ldexp(S0.{name}, -{step})", 1)
    assert tail.count(f"-{step}") >= 2
    return pc.parse(f"D0.{name} = S0.{name};\n{head}{tail}")


def multiply_add(name, sources, mode):
    """v_div_fmas undoes v_div_scale: by 2^±64 or 2^±128, up where the addend (the quotient) is above 1. The
    published 2^32 and 2^64 would not undo anything. One rounding: denormal quotients are exact."""
    a, b, c = sources
    if any(fp.is_nan(name, x) or fp.is_infinite(name, x) for x in sources):
        return fp.fma(name, a, b, c)
    power = 64 if name == "f32" else 128
    up = fp.exponent(name, c) > fp.FORMATS[name].bias
    total = fp.value(name, a) * fp.value(name, b) + fp.value(name, c)
    if total == 0:
        return fp.fma(name, a, b, c)
    return fp.encode(name, total * Fraction(2) ** (power if up else -power), mode & 3 if name == "f32" else mode >> 2 & 3)


DIVIDE_F32 = """v_div_scale_f32 v8, s[20:21], v4, v4, v2
v_div_scale_f32 v9, vcc, v2, v4, v2
v_rcp_f32_e32 v10, v8
v_fma_f32 v11, -v8, v10, 1.0
v_fma_f32 v10, v11, v10, v10
v_mul_f32_e32 v12, v9, v10
v_fma_f32 v11, -v8, v12, v9
v_fma_f32 v12, v11, v10, v12
v_fma_f32 v11, -v8, v12, v9
v_div_fmas_f32 v12, v11, v10, v12
v_div_fixup_f32 v6, v12, v4, v2"""
DIVIDE_F64 = """v_div_scale_f64 v[8:9], s[20:21], v[4:5], v[4:5], v[2:3]
v_rcp_f64_e32 v[10:11], v[8:9]
v_fma_f64 v[12:13], -v[8:9], v[10:11], 1.0
v_fma_f64 v[10:11], v[10:11], v[12:13], v[10:11]
v_fma_f64 v[12:13], -v[8:9], v[10:11], 1.0
v_div_scale_f64 v[14:15], vcc, v[2:3], v[4:5], v[2:3]
v_fma_f64 v[10:11], v[10:11], v[12:13], v[10:11]
v_mul_f64 v[16:17], v[14:15], v[10:11]
v_fma_f64 v[8:9], -v[8:9], v[16:17], v[14:15]
v_div_fmas_f64 v[8:9], v[8:9], v[10:11], v[16:17]
v_div_fixup_f64 v[6:7], v[8:9], v[4:5], v[2:3]"""


def groups():
    """The division that LLVM emits must give the correctly rounded quotient, denormals included."""
    made = []
    for name, code, scratch in (("f32", DIVIDE_F32, [f"v{i}:any" for i in range(8, 13)]),
                                ("f64", DIVIDE_F64, ["v8.2:any", "v10.2:any", "v12.2:any", "v14.2:any", "v16.2:any"])):
        suffix = ".2" if name == "f64" else ""
        for mnemonic in ("v_div_scale", "v_div_fmas", "v_div_fixup"):
            rng = inputs.generator("division", name, mnemonic)
            group = Group(f"{mnemonic}_{name}", "ieee", code.splitlines(), [f"v2{suffix}", f"v4{suffix}", f"v6{suffix}"],
                          [f"v6{suffix}:{name}", *scratch, "vcc:any", "s20.2:any"])
            for _ in range(64):
                a, b = (extreme(rng, name) for _ in range(2))
                group.cases.append(([a, b, rng.getrandbits(32)], [fp.divide(name, a, b)] + [0] * (len(scratch) + 2)))
            made.append(group)
    return made


def extreme(rng, name):
    """Floats of all exponents, the ends more often."""
    f = fp.FORMATS[name]
    top = (1 << f.exponent) - 2
    e = rng.choice([0, 0, 1, top, top - 1, top - rng.randint(0, 70), rng.randint(0, 70), rng.randint(0, top), f.bias])
    if rng.random() < 0.1:
        return rng.choice(inputs.float_edges(name))
    return fp.signed(name, rng.getrandbits(1), e << f.mantissa | rng.getrandbits(f.mantissa))
