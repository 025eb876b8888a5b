"""Matrix instructions: a case is a wave.

Two kinds of expected values. Small numbers, whose sums are exact in any order, give the product and with it the
layout, which is written down here from AMD's matrix instruction calculator (CDNA3) and the CDNA4 manual. Random
numbers are summed by mmasim's bit-exact model of CDNA3; they hold under the policy that follows CDNA3 only."""

from fractions import Fraction

import inputs
import numbers_exact as fp
from vectors import Group

FORMAT = {0: "fp8", 1: "bf8", 2: "fp6", 3: "bf6", 4: "fp4"}


class Shape:
    """m × n × k with element formats; a lane holds `per_lane` consecutive k of one row or column."""

    def __init__(self, mnemonic, a=None, b=None):
        parts = mnemonic.split("_")
        size = next(part for part in parts if "x" in part)
        self.mnemonic = mnemonic
        self.m, self.n, self.k = map(int, size.split("x"))
        kinds = {"bf16": "bf16", "f16": "f16", "fp8": "fp8", "i8": "i8"}
        self.a = a or kinds[parts[parts.index(size) + 1]]
        self.b = b or self.a
        self.integer = "i32" in parts
        self.per_lane = self.k * self.m // 64

    def lane_k(self, lane, element, kind):
        """Row or column, and k. The f8f6f4 forms hold 8-bit elements as two runs of 16, half the matrix apart
        (composable_kernel's register maps, checked on hardware)."""
        if self.mnemonic.endswith("f8f6f4") and width(kind) == 8:
            return lane % self.m, self.k // 2 * (element // 16) + 16 * (lane // self.m) + element % 16
        return lane % self.m, self.per_lane * (lane // self.m) + element

    def result(self, lane, register):
        """Row and column of a result register: columns by lane, rows in runs of four."""
        return 8 * (register // 4) * (self.m == 32) + 4 * (lane // self.m) + register % 4, lane % self.m

    @property
    def results(self):
        return self.m * self.n // 64


def width(kind):
    return 8 if kind == "i8" else fp.FORMATS[kind].width


def operand_dwords(shape, kind):
    return shape.per_lane * width(kind) // 32


def registers(shape, kind, matrix):
    """A lane's elements in little-endian order as one number."""
    out = []
    for lane in range(64):
        bits = 0
        for element in range(shape.per_lane):
            line, k = shape.lane_k(lane, element, kind)
            bits |= matrix[line][k] << width(kind) * element
        out.append(bits)
    return out


SMALL = [Fraction(x, 2) for x in (-6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6)]


def small(rng, kind):
    if kind == "i8":
        return rng.getrandbits(8)
    return fp.encode(kind, rng.choice(SMALL))


def amount(kind, bits):
    if kind == "i8":
        return bits - 256 if bits >> 7 else bits
    return fp.value(kind, bits)


def exact(shape, code, flavour, scales=None, extra=""):
    """A case whose sums are exact; `scales` gives exponents by (line, block of 32)."""
    rng = inputs.generator(shape.mnemonic, flavour, extra)
    a = [[small(rng, shape.a) for _ in range(shape.k)] for _ in range(shape.m)]
    b = [[small(rng, shape.b) for _ in range(shape.k)] for _ in range(shape.n)]
    c = [[rng.randint(-500, 500) for _ in range(shape.n)] for _ in range(shape.m)]
    scale_a, scale_b = scales or ({}, {})
    d = {}
    for i in range(shape.m):
        for j in range(shape.n):
            total = Fraction(c[i][j])
            for k in range(shape.k):
                e = scale_a.get((i, k // 32), 0) + scale_b.get((j, k // 32), 0)
                total += amount(shape.a, a[i][k]) * amount(shape.b, b[j][k]) * Fraction(2) ** e
            d[i, j] = int(total) & 0xFFFF_FFFF if shape.integer else fp.encode("f32", total)
    return a, b, c, d


class Layout:
    """Registers of a matrix instruction: A from v2, B behind it, then C = D, then what else there is."""

    def __init__(self, shape):
        self.a, self.b = operand_dwords(shape, shape.a), operand_dwords(shape, shape.b)
        self.at_a, self.at_b = 2, 2 + (self.a + 1) // 2 * 2
        self.at_c = (self.at_b + self.b + 3) // 4 * 4
        self.at_d = self.at_c + shape.results
        self.at_extra = self.at_d + shape.results
        self.shape = shape

    def text(self, tail="", same=False):
        span = lambda at, n: f"v[{at}:{at + n - 1}]" if n > 1 else f"v{at}"
        n = self.shape.results
        c, d = span(self.at_c, n), span(self.at_c if same else self.at_d, n)
        return f"{self.shape.mnemonic} {d}, {span(self.at_a, self.a)}, {span(self.at_b, self.b)}, {c}{tail}"

    def columns(self):
        one = lambda at, n: f"v{at}.{n}" if n > 1 else f"v{at}"
        return [one(self.at_a, self.a), one(self.at_b, self.b), one(self.at_c, self.shape.results)]

    def result_column(self, kind=":f32"):
        return f"v{self.at_d}.{self.shape.results}" + ("" if self.shape.integer else kind.replace("f32", "pk32"))


def accumulator(shape, values):
    """A matrix of dwords as each lane's result registers."""
    out = []
    for lane in range(64):
        bits = 0
        for register in range(shape.results):
            bits |= values[shape.result(lane, register)] << 32 * register
        out.append(bits)
    return out


def c_dwords(shape, c):
    encode = (lambda x: x & 0xFFFF_FFFF) if shape.integer else (lambda x: fp.encode("f32", Fraction(x)))
    return {(i, j): encode(c[i][j]) for i in range(shape.m) for j in range(shape.n)}


def plain(mnemonic, kinds=((None, None),)):
    made = []
    for a_kind, b_kind in kinds:
        shape = Shape(mnemonic, a_kind, b_kind)
        layout = Layout(shape)
        tail = ""
        if a_kind:
            tail = f" cbsz:{code_of(a_kind)} blgp:{code_of(b_kind)}"
        a, b, c, d = exact(shape, mnemonic, f"{a_kind}{b_kind}")
        group = Group(mnemonic, "layout", [layout.text(tail), "s_nop 15", "s_nop 15"], layout.columns(),
                      [layout.result_column()], "wave")
        values = [registers(shape, shape.a, a), registers(shape, shape.b, b), accumulator(shape, c_dwords(shape, c))]
        group.cases.append((values, [accumulator(shape, d)]))
        made.append(group)
    return made


def code_of(kind):
    return next(code for code, name in FORMAT.items() if name == kind)


def scaled(mnemonic):
    """The scale registers: a selected byte of lane l is the exponent of line l mod m, block l / m."""
    made = []
    for a_kind, b_kind, byte_a, byte_b in (("fp4", "fp4", 0, 1), ("fp8", "fp4", 2, 3), ("fp6", "bf8", 1, 0), ("fp8", "fp8", 3, 2)):
        shape = Shape(mnemonic.replace("_scale", ""), a_kind, b_kind)
        shape.mnemonic = mnemonic
        layout = Layout(shape)
        rng = inputs.generator(mnemonic, a_kind, b_kind, "scales")
        words, scales = [], []
        for lines, byte in ((shape.m, byte_a), (shape.n, byte_b)):
            exponents, register = {}, []
            for lane in range(64):
                e = rng.randint(-4, 4)
                exponents[lane % lines, lane // lines] = e
                others = rng.getrandbits(32) & ~(255 << 8 * byte)
                register.append(others | 127 + e << 8 * byte)
            words.append(register)
            scales.append(exponents)
        at = layout.at_extra
        # op_sel holds bit 0 of the byte's number, op_sel_hi bit 1.
        tail = (f", v{at}, v{at + 1} op_sel:[{byte_a & 1},{byte_b & 1},0] op_sel_hi:[{byte_a >> 1},{byte_b >> 1},0]"
                f" cbsz:{code_of(a_kind)} blgp:{code_of(b_kind)}")
        a, b, c, d = exact(shape, mnemonic, f"{a_kind}{b_kind}", scales)
        group = Group(mnemonic, "layout", [layout.text(tail), "s_nop 15", "s_nop 15"],
                      layout.columns() + [f"v{at}", f"v{at + 1}"], [layout.result_column()], "wave")
        values = [registers(shape, a_kind, a), registers(shape, b_kind, b), accumulator(shape, c_dwords(shape, c))]
        group.cases.append((values + words, [accumulator(shape, d)]))
        made.append(group)
    return made


def sparse(mnemonic):
    """v_smfmac: two of every four A elements are stored, with their two-bit places in an index register."""
    shape = Shape(mnemonic)
    dense, stored = shape.per_lane, shape.per_lane // 2
    rng = inputs.generator(mnemonic)
    pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    b = [[small(rng, shape.b) for _ in range(shape.k)] for _ in range(shape.n)]
    c = [[rng.randint(-500, 500) for _ in range(shape.n)] for _ in range(shape.m)]
    a_full = [[0] * shape.k for _ in range(shape.m)]
    a_registers, index_registers = [], []
    for lane in range(64):
        line, first = lane % shape.m, dense * (lane // shape.m)
        bits = index = 0
        for four in range(dense // 4):
            for n, place in enumerate(rng.choice(pairs)):
                value = small(rng, shape.a)
                a_full[line][first + 4 * four + place] = value
                bits |= value << width(shape.a) * (2 * four + n)
                index |= place << 2 * (2 * four + n)
        a_registers.append(bits)
        index_registers.append(index)
    d = {}
    for i in range(shape.m):
        for j in range(shape.n):
            total = Fraction(c[i][j]) + sum(amount(shape.a, x) * amount(shape.b, y) for x, y in zip(a_full[i], b[j]))
            d[i, j] = fp.encode("f32", total)
    dwords = stored * width(shape.a) // 32
    columns = [f"v2.{dwords}", "v8.8", "v16.4", "v20"]
    group = Group(mnemonic, "layout", [f"{mnemonic} v[16:19], v[2:{1 + dwords}], v[8:15], v20", "s_nop 15", "s_nop 15"],
                  columns, ["v16.4:pk32"], "wave")
    values = [a_registers, registers(shape, shape.b, b), accumulator(shape, c_dwords(shape, c)), index_registers]
    group.cases.append((values, [accumulator(shape, d)]))
    return [group]


def registers_of_accumulators():
    text = ["v_accvgpr_write_b32 a3, v2", "v_accvgpr_read_b32 v4, a3"]
    made = []
    for mnemonic in ("v_accvgpr_read_b32", "v_accvgpr_write_b32"):
        rng = inputs.generator(mnemonic)
        group = Group(mnemonic, "manual", ["v_accvgpr_write_b32 a3, 0", "s_nop 7", *text[:1], "s_nop 7", text[1]],
                      ["v2", "v4"], ["v4"], "lane")
        for _ in range(16):
            x, old = rng.getrandbits(32), rng.getrandbits(32)
            group.cases.append(([x, old], [x]))
        made.append(group)
    return made


MODELLED = {"v_mfma_f32_16x16x16_f16", "v_mfma_f32_16x16x16_bf16", "v_mfma_f32_32x32x8_bf16", "v_mfma_f32_16x16x32_fp8_fp8",
            "v_mfma_f32_16x16x32_bf16", "v_mfma_f32_16x16x32_f16", "v_mfma_f32_32x32x16_bf16", "v_mfma_f32_32x32x16_f16"}
"""The last four are CDNA4's: CDNA3's arithmetic over their longer K."""


def modelled(mnemonic):
    """Random operands through mmasim's CDNA3 arithmetic."""
    import torch
    from mmasim.arithmetic import fdpa

    shape = Shape(mnemonic)
    layout = Layout(shape)
    made = Group(mnemonic, "mmasim", [layout.text(), "s_nop 15", "s_nop 15"], layout.columns(), [layout.result_column()],
                 "wave")
    dtype = {"f16": torch.float16, "bf16": torch.bfloat16, "fp8": torch.float8_e4m3fnuz}[shape.a]
    if shape.a == "fp8":
        arithmetic = fdpa.MMA_GTR_FDPA(F=24, F2=31, rho="RNE-FP32", L_max=16)
    else:
        arithmetic = fdpa.MMA_TR_FDPA(F=24, F2=31, rho="RNE-FP32", L_max=8)
    for spread in (2, 6):
        rng = inputs.generator(mnemonic, spread)

        def element():
            f = fp.FORMATS[shape.a]
            low = f.bias - spread if f.bias > spread else 1
            e = rng.randint(max(1, low), min(f.bias + spread, (1 << f.exponent) - 2))
            return rng.getrandbits(1) << f.width - 1 | e << f.mantissa | rng.getrandbits(f.mantissa)

        a = [[element() for _ in range(shape.k)] for _ in range(shape.m)]
        b = [[element() for _ in range(shape.k)] for _ in range(shape.n)]
        c = [[fp.encode("f32", Fraction(rng.randint(-(1 << 24), 1 << 24), 1 << rng.randint(12, 26)))
              for _ in range(shape.n)] for _ in range(shape.m)]

        def tensor(matrix):
            size = torch.uint8 if shape.a == "fp8" else torch.int16
            limit = 1 << width(shape.a)
            signed = lambda x: x if shape.a == "fp8" or x < limit // 2 else x - limit
            return torch.tensor([[signed(x) for x in line] for line in matrix], dtype=size).view(dtype)

        c_bits = torch.tensor([[x - (x >> 31 << 32) for x in line] for line in c], dtype=torch.int32)
        c_tensor = c_bits.view(torch.float32)
        # gfx950's FP8 is OCP: the same bits mean twice the value of CDNA3's, so products are four times as large.
        factor = 4.0 if shape.a == "fp8" else 1.0
        result = arithmetic(tensor(a), tensor(b).T, c_tensor / factor) * factor
        bits = result.contiguous().view(torch.int32).tolist()
        d = {(i, j): bits[i][j] & 0xFFFF_FFFF for i in range(shape.m) for j in range(shape.n)}
        values = [registers(shape, shape.a, a), registers(shape, shape.b, b),
                  accumulator(shape, {(i, j): c[i][j] for i in range(shape.m) for j in range(shape.n)})]
        made.cases.append((values, [accumulator(shape, d)]))
    return made


PAIRS = (("fp4", "fp4"), ("fp8", "fp8"), ("bf8", "fp4"), ("fp6", "bf6"))


def groups(mnemonics):
    """Those that hold under every policy, and those of CDNA3's."""
    layouts, model = registers_of_accumulators(), []
    for mnemonic in mnemonics:
        if mnemonic.startswith("v_smfmac"):
            layouts += sparse(mnemonic)
        elif mnemonic.startswith("v_mfma_scale"):
            layouts += scaled(mnemonic)
        elif mnemonic.startswith("v_mfma") and mnemonic.endswith("f8f6f4"):
            layouts += plain(mnemonic, PAIRS)
        elif mnemonic.startswith("v_mfma"):
            layouts += plain(mnemonic)
            if mnemonic in MODELLED:
                model.append(modelled(mnemonic))
    return layouts, model
