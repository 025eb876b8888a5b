"""SDWA and packed instructions: parts of registers are chosen, then the pseudocode runs on them.

The selects are the ISA manual's: SDWA takes a byte or word of a source, zero- or sign-extended, and writes a part
of the destination; packed instructions choose a half for each of their two operations by op_sel and op_sel_hi."""

import inputs
import numbers_exact as fp
import valu
from vectors import Group

SELECTS = {"BYTE_0": (0, 8), "BYTE_1": (8, 8), "BYTE_2": (16, 8), "BYTE_3": (24, 8), "WORD_0": (0, 16), "WORD_1": (16, 16),
           "DWORD": (0, 32)}
ENCODED = {name: i for i, name in enumerate(SELECTS)}


def selected(bits, name, extend):
    at, width = SELECTS[name]
    part = bits >> at & (1 << width) - 1
    if extend and part >> width - 1:
        part |= 0xFFFF_FFFF & ~((1 << width) - 1)
    return part


def placed(bits, name, unused, old):
    at, width = SELECTS[name]
    mask = (1 << width) - 1 << at
    part = bits << at & mask & 0xFFFF_FFFF
    if unused == "UNUSED_PRESERVE":
        return old & ~mask | part
    if unused == "UNUSED_SEXT" and part >> at + width - 1 & 1:
        return part | 0xFFFF_FFFF & ~((1 << at + width) - 1)
    return part


INTEGER = [("DWORD", "UNUSED_PAD", "BYTE_0", "WORD_1", ()), ("DWORD", "UNUSED_PAD", "WORD_0", "BYTE_3", (0, 1)),
           ("WORD_1", "UNUSED_PRESERVE", "BYTE_2", "DWORD", (0,)), ("BYTE_1", "UNUSED_SEXT", "DWORD", "BYTE_1", ()),
           ("WORD_0", "UNUSED_SEXT", "WORD_1", "WORD_0", (1,)), ("BYTE_3", "UNUSED_PRESERVE", "DWORD", "DWORD", ())]
HALF = [("WORD_1", "UNUSED_PRESERVE", "WORD_1", "WORD_0", ()), ("WORD_0", "UNUSED_PAD", "WORD_0", "WORD_1", ()),
        ("DWORD", "UNUSED_PAD", "WORD_1", "WORD_1", ()), ("WORD_1", "UNUSED_PAD", "WORD_0", "WORD_0", ())]
WIDENING = [("DWORD", "UNUSED_PAD", f"BYTE_{i}", "", ()) for i in range(4)]
WORDS = [("DWORD", "UNUSED_PAD", f"WORD_{i}", "", ()) for i in range(2)]


def choices(shape):
    base = shape.base
    if base in ("v_cvt_f32_fp8", "v_cvt_f32_bf8"):
        return WIDENING
    if base == "v_cvt_pk_f32_fp8":
        return WORDS
    kinds = {kind for kind, _ in shape.sources}
    if "f16" in kinds and shape.vdst and shape.vdst[1] == 32:
        return WORDS
    if "f16" in kinds:
        return HALF
    if base == "v_cndmask_b32":
        return INTEGER
    if shape.vdst and valu.float_of(shape.vdst[0]) == "f32":  # an integer's part to f32
        return [("DWORD", "UNUSED_PAD", *INTEGER[i][2:]) for i in range(3)]
    if kinds == {"f32"}:
        return [("WORD_1", "UNUSED_PRESERVE", "DWORD", "", ()), ("BYTE_0", "UNUSED_PAD", "DWORD", "", ())]
    return INTEGER


def sdwa(shape):
    made = []
    floats = valu.float_of(shape.sources[0][0]) is not None
    for number, (dst, unused, first, second, extended) in enumerate(choices(shape)):
        rng = inputs.generator(shape.mnemonic, number)
        modifiers = {0: (1, 1)} if floats and number % 2 and shape.base[:9] not in ("v_cvt_f32", "v_cvt_pk_") else {}
        own = shape.base in ("v_cvt_f32_fp8", "v_cvt_f32_bf8", "v_cvt_pk_f32_fp8")
        extended = () if floats or own or shape.base == "v_cndmask_b32" else extended
        picks = [first, second][: len(shape.sources)]
        tail = "" if shape.compares or own else f"dst_sel:{dst} dst_unused:{unused} "
        tail += " ".join(f"src{i}_sel:{pick}" for i, pick in enumerate(picks))
        ins, outs = valu.columns(shape)
        text = valu.instruction(shape, tail, modifiers, {i for i in extended if i < len(picks)})
        if shape.vdst and float_class(shape, dst) is not None:
            outs = [outs[0].split(":")[0] + float_class(shape, dst)] + outs[1:]
        group = Group(shape.mnemonic, valu.SOURCE, [text], ins, outs)
        for lane in range(10):
            sources = valu.draw(shape, rng)
            if shape.vdst and shape.vdst[1] == 16 or "f16" in {kind for kind, _ in shape.sources}:
                # Both halves are worth looking at.
                sources = [inputs.a_value(rng, "pk2_f16" if floats else "u32", 1) for _ in sources]
                if shape.base == "v_ldexp_f16":
                    sources[1] = (rng.randint(-30, 30) & 0xFFFF) * 0x1_0001
                if "class" in shape.base:
                    sources[1] = rng.getrandbits(32)
            old, carry = rng.getrandbits(32 * max(1, shape.vdst_dwords)), rng.getrandbits(1)
            seen = sources if own else [selected(s, pick, i in extended)
                                        for i, (s, pick) in enumerate(zip(sources, picks))]
            seen = valu.modify(shape, seen, modifiers)
            bits, bit = valu.compute(shape, seen, 0, carry, lane, selects={"src0": ENCODED[first]})
            expected = []
            if shape.vdst:
                expected.append(placed(bits, dst, unused, old) if shape.vdst_dwords == 1 else bits)
            if len(outs) > len(expected):
                expected.append(bit)
            given = sources + ([old] if shape.vdst else []) + ([carry] if shape.carry_in else [])
            group.cases.append((given, expected))
        made.append(group)
    return made


def float_class(shape, dst):
    """A part of a float result that is not at its place compares exactly; halves by their format."""
    if valu.float_of(shape.vdst[0]) == "f16":
        return ":pk16" + ("~1" if valu.is_elementary(shape.base) else "")
    return None if dst == "DWORD" else ""


PACKED = [((0, 0, 0), (1, 1, 1), (0, 0, 0), (0, 0, 0)), ((1, 0, 1), (0, 1, 0), (0, 0, 0), (0, 0, 0)),
          ((0, 1, 1), (1, 0, 1), (1, 0, 0), (0, 1, 1)), ((1, 1, 0), (1, 1, 0), (0, 1, 1), (1, 1, 0))]


def arranged(value, width, low, high, negate_low, negate_high, floats=True):
    part = lambda which: value >> width * which & (1 << width) - 1
    a, b = part(low), part(high)
    if floats:
        a, b = a ^ negate_low << width - 1, b ^ negate_high << width - 1
    return a | b << width


def packed(shape):
    made = []
    n = len(shape.sources)
    move = shape.base == "v_pk_mov_b32"
    width = 32 * shape.vdst_dwords // 2
    for number, (low, high, nlow, nhigh) in enumerate(PACKED):
        rng = inputs.generator(shape.mnemonic, number)
        lists = {"op_sel": low, "op_sel_hi": high, "neg_lo": nlow, "neg_hi": nhigh}
        floats = valu.float_of(shape.sources[0][0]) is not None
        if not floats:
            lists = {"op_sel": low, "op_sel_hi": high}
        if move:
            lists = {"op_sel": low, "op_sel_hi": (1, 1, 1)}
        tail = " ".join(f"{name}:[{','.join(map(str, bits[:n]))}]" for name, bits in lists.items())
        ins, outs = valu.columns(shape)
        group = Group(shape.mnemonic, valu.SOURCE, [valu.instruction(shape, tail)], ins, outs)
        for lane in range(12):
            sources = valu.draw(shape, rng)
            old = rng.getrandbits(32 * shape.vdst_dwords)
            if move:
                bits = sources[0] >> 32 * low[0] & 0xFFFF_FFFF | (sources[1] >> 32 * low[1] & 0xFFFF_FFFF) << 32
            else:
                seen = [arranged(s, width, low[i], high[i], nlow[i], nhigh[i], floats) for i, s in enumerate(sources)]
                bits, _ = valu.compute(shape, seen, old, 0, lane)
            group.cases.append((sources + [old], [bits]))
        made.append(group)
    return made


def pack(shape):
    """v_pack_b32_f16: a half of each source."""
    made = []
    for first, second in ((0, 0), (1, 0), (0, 1), (1, 1)):
        rng = inputs.generator(shape.mnemonic, first, second)
        ins, outs = valu.columns(shape)
        text = valu.instruction(shape, f"op_sel:[{first},{second},0]")
        group = Group(shape.mnemonic, valu.SOURCE, [text], ins, outs)
        for lane in range(6):
            sources = [inputs.a_value(rng, "pk2_f16", 1) for _ in range(2)]
            old = rng.getrandbits(32)
            seen = [s >> 16 * half & 0xFFFF for s, half in zip(sources, (first, second))]
            bits, _ = valu.compute(shape, seen, old, 0, lane)
            group.cases.append((sources + [old], [bits]))
        made.append(group)
    return made


def mixed(mnemonic):
    """v_fma_mix: the manual's rule: op_sel_hi chooses f16 over f32, op_sel the half; one f32 fused multiply-add,
    rounded once more to f16 for mixlo, which keeps the upper half."""
    made = []
    for number, (sel, half, negate) in enumerate((((0, 0, 0), (0, 0, 0), (0, 0, 0)), ((0, 1, 0), (1, 1, 0), (0, 0, 1)),
                                                  ((1, 0, 1), (1, 0, 1), (1, 0, 0)), ((1, 1, 1), (1, 1, 1), (0, 1, 0)))):
        rng = inputs.generator(mnemonic, number)
        operands = ", ".join(("-" if negate[i] else "") + register for i, register in enumerate(valu.REGISTERS))
        tail = f"op_sel:[{','.join(map(str, sel))}] op_sel_hi:[{','.join(map(str, half))}]"
        narrow = mnemonic.endswith("f16")
        outs = ["v14" + (":pk16" if narrow else ":f32")]
        group = Group(mnemonic, "manual", [f"{mnemonic} v14, {operands} {tail}"], ["v2", "v6", "v10", "v14"], outs)
        for _ in range(14):
            sources = [inputs.a_value(rng, "pk2_f16" if half[i] else "f32", 1) for i in range(3)]
            old, terms = rng.getrandbits(32), []
            for i, s in enumerate(sources):
                bits = fp.convert("f16", s >> 16 * sel[i] & 0xFFFF, "f32") if half[i] else s
                terms.append(bits ^ negate[i] << 31)
            result = fp.fma("f32", *terms)
            if narrow:
                result = old & 0xFFFF_0000 | fp.convert("f32", result, "f16")
            group.cases.append((sources + [old], [result]))
        made.append(group)
    return made
