"""Vector ALU sources that are not vector registers: scalar registers, inline constants, literals.

What they are worth is the ISA manual's: inline integers are sign-extended to the operand, inline floats have the
operand's format, a literal is 32 bits and of a 64-bit float the upper half."""

from fractions import Fraction

import inputs
import numbers_exact as fp
import valu
from vectors import Group

INVERSE_TWO_PI = {"f16": 0x3118, "f32": 0x3E22F983, "f64": 0x3FC45F306DC9C882}
"""1/2π rounded to nearest."""

ELSEWHERE = ("v_pk_", "v_cvt_scalef32", "v_cvt_pk_fp8", "v_bitop3", "v_pack", "v_fma_mix", "v_div_scale", "v_swap",
             "v_fmamk", "v_fmaak", "v_fmac_f64", "v_cvt_f32_fp8", "v_cvt_f32_bf8", "v_cvt_pk_f32_fp8", "v_trig",
             "v_cvt_pk_u8", "v_perm_b32", "v_mov_b64")


def choices(shape):
    """(text, value) of source 0."""
    kind, bits = shape.sources[0]
    wide = bits == 64
    ones = (1 << max(32, bits)) - 1
    out = [(str(number), number & ones) for number in (-16, 64, 7)]
    name = kind if kind in INVERSE_TWO_PI else "f32" if bits == 32 else None
    if name:
        out += [(text, fp.encode(name, Fraction(text))) for text in ("0.5", "-4.0", "1.0")]
        out.append(("0.15915494309189532" if wide else "0.15915494", INVERSE_TWO_PI[name]))
    if shape.suffix == "e32" and (not wide or kind == "f64") and not shape.carry_in:
        literal = 0x4008_1234 if wide else 0x3C01 if bits == 16 else 0x3E4C_CCCD
        out.append((f"{literal:#x}", literal << 32 if wide else literal))
    return out


def groups(mnemonics):
    made = []
    for number, mnemonic in enumerate(mnemonics):
        if mnemonic.endswith(("_sdwa", "_dpp")) or mnemonic.startswith(ELSEWHERE):
            continue
        shape = valu.Shape(mnemonic)
        rng = inputs.generator(mnemonic, "constants")
        found = choices(shape)
        text, value = found[number % len(found)]
        # An instruction reads one scalar value at most, and the carry is one.
        scalar = number % 5 == 0 and not shape.carry_in
        if scalar:
            value = inputs.a_value(rng, shape.sources[0][0], shape.source_dwords(0))
            text = "s16" if shape.source_dwords(0) == 1 else "s[16:17]"
        ins, outs = valu.columns(shape)
        code = valu.instruction(shape).replace(f" {shape.register(0)},", f" {text},", 1)
        if len(shape.sources) == 1:
            code = valu.instruction(shape)
            assert code.endswith(f" {shape.register(0)}")
            code = code.removesuffix(shape.register(0)) + text
        group = Group(mnemonic, valu.SOURCE, [code], ins[1:], outs)
        if scalar:
            group.shared = {"s16" if shape.source_dwords(0) == 1 else "s16.2": value}
        for lane in range(5):
            sources = valu.draw(shape, rng)
            sources[0] = value
            old = rng.getrandbits(32 * shape.vdst_dwords) if shape.vdst else 0
            carry = rng.getrandbits(1)
            bits, bit = valu.compute(shape, sources, old, carry, lane)
            given = sources[1:] + ([old] if shape.vdst else []) + ([carry] if shape.carry_in else [])
            expected = ([bits] if shape.vdst else []) + ([bit] if len(outs) > (1 if shape.vdst else 0) else [])
            group.cases.append((given, expected))
        made.append(group)
    return made
