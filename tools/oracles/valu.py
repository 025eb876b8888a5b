"""Vector ALU: every encoding, from AMD's pseudocode. What surrounds the operation (source modifiers, SDWA selects,
clamp, MODE) is modelled here from the ISA manual's prose; exceptions to the pseudocode are listed with evidence."""

import re
from fractions import Fraction

import division
import inputs
import isa
import numbers_exact as fp
import pseudocode as pc
from vectors import Group

SOURCE = "pseudocode"
MODE = 0x3F0  # denormals kept, IEEE, DX10 clamp: what hipcc sets
FLUSH = 0x3C0  # f32 denormals flushed: what AITER's kernels set
REGISTERS = ("v2", "v6", "v10")
DESTINATION = 14
CARRY_IN, CARRY_OUT = "s[22:23]", "s[20:21]"

# 16-bit results zero the upper half of the register on GFX9, says LLVM (GCNSubtarget::zeroesHigh16BitsOfDest),
# except for these, which it does not list.
KEEPS_HIGH_HALF = {"v_bitop3_b16", "v_min3_f16", "v_min3_i16", "v_min3_u16", "v_max3_f16", "v_max3_i16", "v_max3_u16",
                   "v_med3_f16", "v_med3_i16", "v_med3_u16", "v_add_i16", "v_sub_i16", "v_cvt_sr_f16_f32",
                   "v_cvt_sr_bf16_f32", "v_ashr_pk_i8_i32", "v_ashr_pk_u8_i32", "v_cvt_scalef32_f16_fp8",
                   "v_cvt_scalef32_f16_bf8"}
ELEMENTARY = {"v_exp", "v_log", "v_rcp", "v_rsq", "v_sqrt", "v_sin", "v_cos", "v_rcp_iflag"}
ARITHMETIC = ("add", "sub", "subrev", "mul", "fma", "fmac", "fmamk", "fmaak", "max", "min", "pk_add", "pk_mul", "pk_fma",
              "max3", "min3", "med3")


def family(base):
    return re.sub(r"_(f16|f32|f64|bf16|b32|u32|i32)$", "", base)


def is_elementary(base):
    return family(base) in ELEMENTARY


def float_of(kind):
    """The float format of an operand format, or None."""
    if kind in fp.FORMATS:
        return kind
    return inputs.PACKED[kind][0] if kind in inputs.PACKED else None


def dword_count(bits):
    return max(1, bits // 32)


def result_class(base, kind):
    """How results compare: NaN payloads are only pinned where the pseudocode moves or quiets a source."""
    exact = ("v_mov", "v_cndmask", "v_max_f", "v_min_f", "v_swap", "v_pack")
    if base.startswith(exact) or kind is None:
        return ""
    tolerance = "~1" if is_elementary(base) else ""
    if kind in inputs.PACKED:
        return {"f16": ":pk16", "bf16": ":pkbf", "f32": ":pk32"}.get(inputs.PACKED[kind][0], "")
    return f":{kind}{tolerance}" if kind in ("f16", "f32", "f64", "bf16") else ""


class Shape:
    """Operands of one instruction: sources, destination, masks."""

    def __init__(self, mnemonic):
        self.mnemonic = mnemonic
        self.base = re.sub(r"_(e32|e64|sdwa|dpp)$", "", mnemonic)
        self.suffix = mnemonic[len(self.base) + 1 :]
        long = ("VOP3Op", "VOP3SDOp", "VOP3POp")
        short = ("VOP1Op", "VOP2Op", "VOPCOp")
        self.kinds = long + short if self.suffix in ("e64", "") else short + long
        if self.base in ("v_fmamk_f32", "v_fmaak_f32", "v_swap_b32"):
            self.kinds = short
        fields = isa.fields(self.base, *self.kinds)
        names = ("src0", "vsrc1", "src1", "src2")
        self.sources = [fields[name] for name in names if name in fields and fields[name][0] != "m64"]
        self.compares = self.base.startswith("v_cmp")
        self.vdst = None if self.compares else fields.get("vdst")
        self.carry_in = self.base in ("v_addc_co_u32", "v_subb_co_u32", "v_subbrev_co_u32", "v_cndmask_b32") or (
            self.base.startswith("v_div_fmas"))
        self.carry_out = "_co_" in self.base or self.base.startswith(("v_div_scale", "v_mad_u64", "v_mad_i64"))
        self.reads_destination = self.base.startswith(("v_fmac", "v_dot2c", "v_dot4c", "v_dot8c", "v_pk_fmac"))
        text = next((isa.TEXTS[self.base][kind] for kind in self.kinds if kind in isa.TEXTS[self.base]), "")
        self.writes_register = "VGPR[laneId][VDST" in text  # a part of it
        self.tree = division.corrected(self.base) or isa.tree(self.base, *self.kinds)

    def source_dwords(self, i):
        return dword_count(self.sources[i][1])

    @property
    def vdst_dwords(self):
        return dword_count(self.vdst[1]) if self.vdst else 0

    def register(self, i):
        return span(REGISTERS[i], self.source_dwords(i))

    def destination(self):
        return span(f"v{DESTINATION}", self.vdst_dwords)


def span(register, dwords):
    number = int(register[1:])
    return register if dwords == 1 else f"{register[0]}[{number}:{number + dwords - 1}]"


def column(register, dwords):
    return register if dwords == 1 else f"{register}.{dwords}"


def evaluate(shape, sources, old, carry, lane=0, mode=MODE, opsel=(0, 0, 0, 0), names=None, selects=None):
    """Runs the pseudocode for one lane: destination bits and mask bit."""
    state = pc.State(mnemonic=lambda name: isa.tree(name))
    r32, r16 = mode & 3, mode >> 2 & 3
    state.rounding = {"f32": r32, "f16": r16, "f64": r16, "bf16": r32}
    state.overflow_saturates = bool(mode >> 23 & 1)
    kept = float_of(shape.sources[0][0]) if shape.sources else None
    width = 32 * shape.vdst_dwords if shape.vdst else 64
    low = shape.vdst[1] if shape.vdst else 64
    partial = low < 32 and shape.base in KEEPS_HIGH_HALF
    initial = old if partial or shape.reads_destination or shape.base in ("v_swap_b32",) else 0
    state.names.update({
        "D0": pc.Value("b", width, initial),
        "D": pc.Value("b", width, initial),
        "D1": pc.Value("b", 1, 0),
        "VCC": pc.Value("u", 64, carry << lane),
        "laneId": pc.integer("u", 32, lane),
        "WAVE_MODE.IEEE": pc.boolean(mode >> 9 & 1),
        "FORMAT": kept,
        "SRC0": pc.integer("i", 32, 0),
        "SRC1": pc.integer("i", 32, 1),
        "SRC2": pc.integer("i", 32, 2),
        "VDST": pc.integer("i", 32, 100),
        "OPSEL": pc.Value("u", 4, sum(bit << i for i, bit in enumerate(opsel))),
        "SDWA_SRC0_SEL": pc.integer("u", 3, (selects or {}).get("src0", 0)),
    })
    for i, source in enumerate(sources):
        state.names[f"S{i}"] = pc.Value("b", 32 * shape.source_dwords(i), source)
    # A lane's registers by dword, for the pseudocode that selects parts of them itself.
    state.registers[lane] = {100: old & 0xFFFF_FFFF, **{i: s & 0xFFFF_FFFF for i, s in enumerate(sources)}}
    state.names.update(names or {})
    pc.run(shape.tree, state)
    bit = state.names["VCC"].bits >> lane & 1
    if shape.base.startswith("v_div_scale"):
        bit = state.names["VCC"].bits & 1
    if shape.base.startswith("v_mad_") and shape.carry_out:
        bit = state.names["D1"].bits
    if shape.compares:
        return None, state.names["D0"].bits >> lane & 1
    result = state.names["D"] if shape.base.startswith("v_bitop3") else state.names["D0"]
    bits = result.bits & (1 << width) - 1
    if shape.writes_register:
        bits = state.registers[lane][100]
    return bits, bit


def flush(name, bits):
    """A denormal as a zero of its sign."""
    return bits & ~((1 << fp.FORMATS[name].mantissa) - 1) if fp.is_denormal(name, bits) else bits


def by_parts(kind, bits, rule):
    """Applies a rule of (format, bits) to each float of an operand."""
    name = float_of(kind)
    count = inputs.PACKED[kind][1] if kind in inputs.PACKED else 1
    width = fp.FORMATS[name].width
    for i in range(count):
        part = bits >> width * i & (1 << width) - 1
        bits = bits & ~((1 << width) - 1 << width * i) | rule(name, part) << width * i
    return bits


def compute(shape, sources, old, carry, lane=0, mode=MODE, **more):
    """The operation with what MODE does to f32 denormals, and the exceptions to the pseudocode."""
    base = shape.base
    # GFX9 takes no f32 denormals in the elementary functions, whatever MODE says (LLVM scales around that).
    periodic = family(base) in ("v_sin", "v_cos")
    flushes = mode & 0x30 == 0 or is_elementary(base) and base.endswith("f32") and not periodic
    if flushes and any(float_of(kind) == "f32" for kind, _ in shape.sources):
        sources = [by_parts(kind, s, lambda n, b: flush(n, b) if n == "f32" else b) if float_of(kind) else s
                   for (kind, _), s in zip(shape.sources, sources)]
        if shape.reads_destination:
            old = flush("f32", old)
    bits, bit = exception(shape, sources, mode, carry) or evaluate(shape, sources, old, carry, lane, mode, **more)
    if flushes and shape.vdst and float_of(shape.vdst[0]) == "f32":
        bits = by_parts(shape.vdst[0], bits, flush)
    return bits, bit


def exception(shape, sources, mode, carry):
    """Where the pseudocode's shorthand is not the instruction; the prose or another source says what is."""
    base = shape.base
    name = float_of(shape.sources[0][0]) if shape.sources else None
    if base.startswith("v_frexp_exp"):
        # "S0 = significand × 2^exponent, significand in ±[½, 1)": zero gives 0 (LLVM folds it so), denormals count.
        bits = sources[0] & (1 << fp.FORMATS[name].width) - 1
        if fp.is_nan(name, bits) or fp.is_infinite(name, bits) or fp.magnitude(name, bits) == 0:
            return 0, 0
        e = fp.floor_log2(abs(fp.value(name, bits))) + 1
        return e & (0xFFFF if name == "f16" else 0xFFFF_FFFF), 0
    if base.startswith("v_rndne"):
        # Ties to even of the exact value: the pseudocode's floor(x + 0.5) would round twice.
        bits = sources[0] & (1 << fp.FORMATS[name].width) - 1
        return fp.whole(name, bits, round), 0
    if base == "v_trig_preop_f64":
        return trig_preop(sources), 0
    if base.startswith("v_div_fmas") and carry:
        return division.multiply_add(name, sources, mode), 0
    if base.startswith("v_fract"):
        return fract(name, sources[0] & (1 << fp.FORMATS[name].width) - 1), 0
    return None


def fract(name, bits):
    """x − floor(x), below 1 (the manual: "the result is clamped to the largest value below 1")."""
    f = fp.FORMATS[name]
    if fp.is_nan(name, bits) or fp.is_infinite(name, bits):
        return f.nan if fp.is_infinite(name, bits) else fp.quiet(name, bits)
    x = fp.value(name, bits)
    result = fp.encode(name, x - (x.numerator // x.denominator))
    return min(result, (f.bias << f.mantissa) - 1)


def trig_preop(sources):
    """53 bits of 2/π from a bit position, scaled: in mpmath's digits of π."""
    import mpmath

    e = fp.exponent("f64", sources[0])
    shift = (sources[1] & 31) * 53 + max(0, e - 1077)
    with mpmath.workprec(1400):
        digits = int(mpmath.floor(mpmath.ldexp(2 / mpmath.pi, 1201)))
    part = digits << shift >> 1201 - 53 & (1 << 53) - 1 if shift < 1201 else 0
    scale = -53 - shift + (128 if e >= 1968 else 0)
    return fp.encode("f64", Fraction(part) * Fraction(2) ** scale)


HINTS = {
    ("v_ldexp_f32", 1): lambda r: r.randint(-300, 300) & 0xFFFF_FFFF,
    ("v_ldexp_f64", 1): lambda r: r.randint(-2200, 2200) & 0xFFFF_FFFF,
    ("v_ldexp_f16", 1): lambda r: r.randint(-40, 40) & 0xFFFF | r.getrandbits(16) << 16,
    ("v_perm_b32", 2): lambda r: sum(r.choice([*range(14), 255]) << 8 * i for i in range(4)),
    ("v_trig_preop_f64", 1): lambda r: r.randint(0, 31),
    ("v_div_fmas_f32", 2): lambda r: inputs.a_float(r, "f32"),
}


def hint(base, i, rng):
    if (base, i) in HINTS:
        return HINTS[base, i](rng)
    if base.startswith("v_cmp_class") and i == 1:
        return 1 << rng.randint(0, 9) if rng.random() < 0.5 else rng.getrandbits(32)
    two = ("v_cvt_scalef32_pk_fp4_f32", "v_cvt_scalef32_pk_fp8_f32", "v_cvt_scalef32_pk_bf8_f32")
    if base.startswith("v_cvt_scalef32") and i == (2 if base.startswith(two) else 1):
        e = rng.choice([rng.randint(118, 136), rng.randint(0, 254), 127, 127])
        return e << 23 | rng.getrandbits(23) | rng.getrandbits(1) << 31
    return None


def draw(shape, rng):
    values = []
    for i, (kind, _) in enumerate(shape.sources):
        found = hint(shape.base, i, rng)
        values.append(inputs.a_value(rng, kind, shape.source_dwords(i)) if found is None else found)
    values = inputs.related(rng, [kind for kind, _ in shape.sources], values)
    if shape.base.startswith("v_cvt_scalef32_pk_fp4"):  # what becomes of NaN is not published
        scale = len(values) - 1
        values[:scale] = [by_parts(kind, x, lambda n, b: 0 if fp.is_nan(n, b) else b)
                          for x, (kind, _) in zip(values, shape.sources[:scale])]
    if shape.base.startswith("v_div_scale"):
        values[0] = rng.choice([values[1], values[2]])  # the pseudocode asks for one of the two
    return values


def operand_text(shape, i, modifiers, sext):
    text = shape.register(i)
    if sext and i in sext:
        return f"sext({text})"
    if i in modifiers:
        negate, absolute = modifiers[i]
        text = f"|{text}|" if absolute else text
        return f"-{text}" if negate else text
    return text


def instruction(shape, tail="", modifiers=None, sext=None, literal=None):
    """The assembly text with this module's registers."""
    modifiers = modifiers or {}
    operands = [operand_text(shape, i, modifiers, sext) for i in range(len(shape.sources))]
    masks_in_text = shape.suffix in ("e64", "")
    if literal is not None:
        operands.insert(1 if shape.base == "v_fmamk_f32" else 2, f"{literal:#x}")
    vcc_out = "vcc" if not masks_in_text else CARRY_OUT
    if shape.suffix == "sdwa" and shape.compares:
        vcc_out = CARRY_OUT
    front = []
    if shape.compares:
        front = [vcc_out]
    else:
        front = [shape.destination()]
        if shape.carry_out:
            front.append(vcc_out)
    if shape.carry_in and not shape.base.startswith("v_div_fmas"):
        operands.append("vcc" if not masks_in_text else CARRY_IN)
    return f"{shape.mnemonic} {', '.join(front + operands)} {tail}".rstrip()


def columns(shape):
    ins = [column(REGISTERS[i], shape.source_dwords(i)) for i in range(len(shape.sources))]
    long = shape.suffix in ("e64", "")
    outs = []
    if shape.vdst:
        place = column(f"v{DESTINATION}", shape.vdst_dwords)
        ins.append(place)
        outs.append(place + result_class(shape.base, shape.vdst[0]))
    if shape.carry_in:
        vcc = not long or shape.base.startswith("v_div_fmas")
        ins.append("bit:vcc" if vcc else "bit:s22")
    if shape.carry_out or shape.compares:
        out_long = long or shape.suffix == "sdwa" and shape.compares
        outs.append("bit:s20" if out_long else "bit:vcc")
    return ins, outs


def modify(shape, sources, modifiers):
    """Negation and absolute value of float sources."""
    out = list(sources)
    for i, (negate, absolute) in modifiers.items():
        kind = shape.sources[i][0]
        out[i] = by_parts(kind, out[i], lambda n, b: fp.magnitude(n, b) if absolute else b)
        out[i] = by_parts(kind, out[i], lambda n, b: b ^ 1 << fp.FORMATS[n].width - 1 if negate else b)
    return out


def clamp(kind, bits):
    """To [0, 1]; NaN becomes 0 with MODE.DX10_CLAMP."""
    def rule(name, x):
        one = fp.encode(name, Fraction(1))
        if fp.is_nan(name, x) or fp.sign(name, x):
            return 0
        return min(x, one)

    return by_parts(kind, bits, rule)


def group(shape, count, salt="", tail="", modifiers=None, clamped=False, mode=MODE, opsel=(0, 0, 0, 0), names=None):
    rng = inputs.generator(shape.mnemonic, salt)
    literal = None
    names = dict(names or {})
    if shape.base in ("v_fmamk_f32", "v_fmaak_f32"):
        literal = inputs.a_float(rng, "f32") if salt else 0x40490FDB
        names["SIMM32"] = pc.Value("b", 32, literal)
    ins, outs = columns(shape)
    text = instruction(shape, tail, modifiers, literal=literal)
    made = Group(shape.mnemonic, SOURCE, [text], ins, outs)
    if mode != MODE:
        made.shared["mode"] = mode
    for lane in range(count):
        sources = draw(shape, rng)
        old = rng.getrandbits(32 * shape.vdst_dwords) if shape.vdst else 0
        if shape.reads_destination:
            old = inputs.a_value(rng, shape.vdst[0], shape.vdst_dwords)
        carry = rng.getrandbits(1)
        seen = modify(shape, sources, modifiers or {})
        bits, bit = compute(shape, seen, old, carry, lane, mode, opsel=opsel, names=names)
        if clamped:
            bits = clamp(shape.vdst[0], bits)
        given = [*sources] + ([old] if shape.vdst else []) + ([carry] if shape.carry_in else [])
        expected = ([bits] if shape.vdst else []) + ([bit] if len(outs) > (1 if shape.vdst else 0) else [])
        made.cases.append((given, expected))
    return made
