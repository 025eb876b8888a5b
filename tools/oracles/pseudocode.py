"""An interpreter of the pseudocode language of AMD's ISA documents.

`parse(text)` gives a tree, `run(tree, state)` executes it. Values carry a kind (`u`, `i`, `b` or a float format)
and a width; names live in `state.names`. Nothing of the emulator is used here.
"""

from dataclasses import dataclass, field
from fractions import Fraction

import mpmath
import numbers_exact as fp
from grammar import parse  # noqa: F401 (part of this module's interface)
from values import Constant, Value, boolean, floating, integer, typed


class Break(Exception):
    pass


class Return(Exception):
    pass


@dataclass
class State:
    """`names`: bits by name, with their width. `registers[lane][n]`: what VGPR[lane][n] is. `memory` has
    `load(address, width)` and `store(address, width, bits)`."""

    names: dict = field(default_factory=dict)
    registers: dict = field(default_factory=dict)
    memory: object = None
    rounding: dict = field(default_factory=lambda: {"f16": 0, "bf16": 0, "f32": 0, "f64": 0})
    overflow_saturates: bool = False
    functions: dict = field(default_factory=dict)
    mnemonic: object = None  # resolves v_max_f32(…) and the like: a function of name → tree


def run(tree, state):
    for statement in tree:
        execute(statement, state)


def execute(statement, state):
    kind = statement[0]
    if kind == "assign":
        value = evaluate(statement[2], state)
        for target in statement[1]:
            store(target, value, state)
    elif kind == "if":
        for condition, body in statement[1]:
            if truth(evaluate(condition, state)):
                return run(body, state)
        run(statement[2], state)
    elif kind == "for":
        first, last = (evaluate(bound, state).number for bound in statement[2:4])
        try:
            for i in range(first, last + 1):
                state.names[statement[1]] = integer("i", 32, i)
                run(statement[4], state)
        except Break:
            pass
    elif kind == "declare":
        _, name, width, count = statement
        if name not in state.names:
            state.names[name] = Value("b", width, 0) if count is None else [Value("b", width, 0)] * count
    elif kind == "lambda":
        state.functions[statement[1]] = statement[2:]
    elif kind == "break":
        raise Break
    elif kind == "return":
        raise Return(evaluate(statement[1], state))
    else:
        evaluate(statement[1], state)


def truth(value):
    return value.bits != 0


def base_name(target):
    while target[0] != "name":
        target = target[1]
    return target[1]


def store(target, value, state):
    kind = target[0]
    if kind == "concat":
        widths = [typed(part[2])[1] for part in target[1]]
        at = sum(widths)
        for part, width in zip(target[1], widths):
            at -= width
            store(part, integer("u", width, value.bits >> at), state)
        return
    name = base_name(target)
    if name == "MEM":
        suffix = target[2] if kind == "typed" else "b32"
        index = target[1] if kind == "typed" else target
        value = coerce(value, suffix, state)
        state.memory.store(evaluate(index[2], state).number, value.width, value.bits)
        return
    if name == "HW_REGISTERS":
        state.names["HW_VALUE"] = reinterpret(value, "b", 32)
        return
    if kind == "name":
        old = state.names.get(name)
        if name == "ROUND_MODE":
            state.rounding = {key: value.bits for key in state.rounding} if value.kind != "saved" else value.saved
            return
        state.names[name] = reinterpret(value, "b", old.width) if isinstance(old, Value) and name in FIXED else value
        return
    if kind == "typed":
        value = coerce(value, target[2], state)
        inner = target[1]
        if inner[0] == "name":
            old = state.names.get(inner[1])
            width = old.width if isinstance(old, Value) and old.width >= value.width else value.width
            if inner[1] in FIXED and old is not None:
                low = (1 << value.width) - 1
                state.names[inner[1]] = Value("b", width, old.bits & ~low | value.bits)
                return
            state.names[inner[1]] = value
            return
        if inner[0] == "slice" or inner[0] == "index":
            return store(inner, value, state)
        raise NotImplementedError(target)
    if kind == "index":
        inner = target[1]
        at = evaluate(target[2], state).number
        if inner[0] == "name" and isinstance(state.names.get(inner[1]), list):
            state.names[inner[1]] = [*state.names[inner[1]]]
            state.names[inner[1]][at] = value
            return
        if inner[0] == "index" and inner[1] == ("name", "VGPR"):
            state.registers[evaluate(inner[2], state).number][at] = value.bits & 0xFFFF_FFFF
            return
        return splice(inner, at, 1, value.bits & 1, state)
    if kind == "slice":
        high, low = evaluate(target[2], state).number, evaluate(target[3], state).number
        return splice(target[1], low, high - low + 1, value.bits, state)
    raise NotImplementedError(target)


FIXED = {"D0", "D", "VDATA", "RETURN_DATA", "SDATA", "VCC", "EXEC", "SCC", "M0", "VSKIP"}
"""Names whose width the state gives and that partial writes must keep."""


def splice(target, low, width, bits, state):
    """Replaces bits of a name, or of VGPR[lane][n]."""
    if target[0] == "typed":
        target = target[1]
    mask = (1 << width) - 1 << low
    if target[0] == "index" and target[1][0] == "index":
        lane, register = evaluate(target[1][2], state).number, evaluate(target[2], state).number
        old = state.registers[lane][register]
        state.registers[lane][register] = old & ~mask | bits << low & mask
        return
    old = state.names.get(target[1])
    old_width = old.width if isinstance(old, Value) else 0
    old_bits = old.bits if isinstance(old, Value) else 0
    state.names[target[1]] = Value("b", max(old_width, low + width), old_bits & ~mask | bits << low & mask)


def reinterpret(value, kind, width):
    bits = value.bits
    if value.kind == "i" and width > value.width and kind in "ui":
        bits = value.number
    return Value(kind, width, bits & (1 << width) - 1)


def coerce(value, suffix, state):
    """The value as it is stored into a place of that type: floats convert, bits stay."""
    kind, width = typed(suffix)
    if isinstance(value, Constant):
        return constant(value, kind)
    if kind in fp.FORMATS:
        if value.is_float and value.kind != kind:
            return floating(kind, fp.convert(value.kind, value.bits, kind, state.rounding.get(kind, 0)))
        return Value(kind, width, value.bits & (1 << width) - 1)
    return reinterpret(value, kind, width)


def constant(value, name):
    f = fp.FORMATS[name]
    bits = {"INF": f.infinity, "NAN": f.nan, "UNDERFLOW": 0, "OVERFLOW": f.infinity}[value.name]
    return floating(name, fp.signed(name, value.negative, bits))


def evaluate(node, state):
    kind = node[0]
    if kind == "literal":
        return node[1]
    if kind == "name":
        return name_value(node[1], state)
    if kind == "typed":
        return read_typed(node, state)
    if kind == "cast":
        return cast(node, state)
    if kind == "concat":
        bits, width = 0, 0
        for part in node[1]:
            value = evaluate(part, state)
            bits, width = bits << value.width | value.bits, width + value.width
        return Value("b", width, bits)
    if kind == "choose":
        return evaluate(node[2] if truth(evaluate(node[1], state)) else node[3], state)
    if kind == "unary":
        return unary(node[1], evaluate(node[2], state))
    if kind == "binary":
        if node[1] in ("&&", "||"):
            left = truth(evaluate(node[2], state))
            if left == (node[1] == "||"):
                return boolean(left)
            return boolean(truth(evaluate(node[3], state)))
        return operate(node[1], evaluate(node[2], state), evaluate(node[3], state), state)
    if kind == "index":
        return read_index(node, state)
    if kind == "slice":
        high, low = evaluate(node[2], state).number, evaluate(node[3], state).number
        bits = evaluate(node[1], state).bits
        if high < low:  # a reversed range reverses the bits
            width = low - high + 1
            return Value("b", width, int(f"{bits >> high & (1 << width) - 1:0{width}b}"[::-1], 2))
        width = high - low + 1
        return Value("b", width, bits >> low & (1 << width) - 1)
    if kind == "call":
        import functions

        return functions.call(node[1], node[2], state)
    raise NotImplementedError(node)


CONSTANTS = {
    "INF": Constant("INF"),
    "NAN": Constant("NAN"),
    "DENORM": Constant("DENORM"),
    "UNDERFLOW_F32": Constant("UNDERFLOW"),
    "UNDERFLOW_F64": Constant("UNDERFLOW"),
    "OVERFLOW_F32": Constant("OVERFLOW"),
    "OVERFLOW_F64": Constant("OVERFLOW"),
    "ROUND_NEAREST_EVEN": integer("u", 2, fp.NEAREST),
    "ROUND_TOWARD_ZERO": integer("u", 2, fp.ZERO),
    **{f"BYTE{i}": integer("u", 3, i) for i in range(4)},
    "WORD0": integer("u", 3, 4),
    "WORD1": integer("u", 3, 5),
}


@dataclass(frozen=True)
class Saved:
    """ROUND_MODE as a value: all formats' modes."""

    saved: dict
    kind: str = "saved"
    width: int = 4
    bits: int = 0


def name_value(name, state):
    if name == "ROUND_MODE":
        return Saved(dict(state.rounding))
    if name in state.names:
        return state.names[name]
    if name == "PI":
        return mpmath.pi
    return CONSTANTS[name]


def read_typed(node, state):
    _, inner, suffix = node
    kind, width = typed(suffix)
    if inner[0] == "index" and inner[1] == ("name", "MEM"):
        return Value(kind, width, state.memory.load(evaluate(inner[2], state).number, width))
    value = evaluate(inner, state)
    if isinstance(value, Constant):
        return value if value.name == "DENORM" else constant(value, kind)
    if value.is_float and kind in fp.FORMATS and kind != value.kind:
        return floating(kind, fp.convert(value.kind, value.bits, kind, state.rounding.get(kind, 0)))
    bits = value.number if value.kind == "i" else value.bits
    return Value(kind, width, bits & (1 << width) - 1)


def read_index(node, state):
    at = evaluate(node[2], state).number
    inner = node[1]
    if inner == ("name", "MEM"):
        return Value("b", 32, state.memory.load(at, 32))
    if inner == ("name", "VGPR"):
        raise NotImplementedError("a whole lane")
    if inner == ("name", "HW_REGISTERS"):
        return state.names["HW_VALUE"]
    if inner[0] == "index" and inner[1] == ("name", "VGPR"):
        return Value("b", 32, state.registers[evaluate(inner[2], state).number][at])
    if inner[0] == "name" and isinstance(state.names.get(inner[1]), list):
        return state.names[inner[1]][at]
    return Value("u", 1, evaluate(inner, state).bits >> at & 1)


def cast(node, state):
    width, letter = int(node[1].split("'")[0]), node[1][-1]
    value = evaluate(node[2], state)
    if letter != "F":
        if isinstance(value, Value) and value.is_float:
            raise NotImplementedError("a float as an integer needs a conversion's name")
        return reinterpret(value, {"U": "u", "I": "i", "B": "b"}[letter], width)
    name = {16: "f16", 32: "f32", 64: "f64"}[width]
    if isinstance(value, (mpmath.ctx_mp_python._mpf, Power)) or value is mpmath.pi:
        return value
    if value.is_float:
        # Widened only to be looked at: a signalling NaN stays one.
        quieten = fp.FORMATS[name].width < value.width
        return floating(name, fp.convert(value.kind, value.bits, name, state.rounding.get(name, 0), quieten=quieten))
    hexadecimal = node[2][0] == "literal" and node[2][2].startswith("0x")
    if value.kind == "b" or hexadecimal:
        return floating(name, value.bits & (1 << width) - 1)
    return floating(name, fp.encode(name, Fraction(value.number), state.rounding.get(name, 0)))


def unary(op, value):
    if isinstance(value, Constant):
        return Constant(value.name, op == "-") if op in "+-" else value
    if op == "+":
        return value
    if op == "!":
        return boolean(not truth(value))
    if op == "~":
        kind = "u" if value.kind == "b" else value.kind
        return integer(kind, value.width, ~value.bits)
    if value.is_float:
        return floating(value.kind, value.bits ^ 1 << value.width - 1)
    return integer(value.kind, value.width, -value.bits)


def operate(op, a, b, state):
    if op == "**":
        base = fp.value(a.kind, a.bits)
        assert base == 2
        return Power(a.kind, b.number if not b.is_float else int(fp.value(b.kind, b.bits)))
    if isinstance(a, Power) or isinstance(b, Power):
        return scale(b, a, state) if isinstance(a, Power) else scale(a, b, state)
    if any(x is mpmath.pi or isinstance(x, mpmath.ctx_mp_python._mpf) for x in (a, b)):
        return real(op, a, b)
    if isinstance(a, Constant) or isinstance(b, Constant):
        return meets_constant(op, a, b)
    if a.is_float or b.is_float:
        return float_operate(op, a, b, state)
    return integer_operate(op, a, b)


@dataclass(frozen=True)
class Power:
    """2 ** exponent, not yet in any format: it may be outside of all."""

    kind: str
    exponent: int
    is_float: bool = True


def scale(value, power, state):
    """value × 2^exponent, rounded once."""
    name = value.kind
    if fp.is_nan(name, value.bits) or fp.is_infinite(name, value.bits) or fp.magnitude(name, value.bits) == 0:
        return floating(name, fp.quiet(name, value.bits) if fp.is_nan(name, value.bits) else value.bits)
    e = max(min(power.exponent, 5000), -5000)
    x = fp.value(name, value.bits) * Fraction(2) ** e
    return floating(name, fp.encode(name, x, state.rounding.get(name, 0)))


def real(op, a, b):
    """Products with π, in many digits: what the elementary functions take."""
    import functions

    with mpmath.workprec(functions.PRECISION):
        x, y = (v if not isinstance(v, Value) else functions.exact(v) for v in (a, b))
        return {"*": lambda: x * y, "/": lambda: x / y}[op]()


def meets_constant(op, a, b):
    if isinstance(a, Constant):
        a, b = b, a
    if b.name == "DENORM":
        return boolean(fp.is_denormal(a.kind, a.bits) == (op == "=="))
    other = constant(b, a.kind)
    return float_operate(op, a, other, None)


def float_operate(op, a, b, state):
    if a.kind != b.kind:
        # A literal or the narrower format is exact in the wider one.
        wide = a.kind if fp.FORMATS[a.kind].width >= fp.FORMATS[b.kind].width else b.kind
        a, b = (floating(wide, fp.convert(x.kind, x.bits, wide)) for x in (a, b))
    name = a.kind
    if op in ("==", "!=", "<>", "<", ">", "<=", ">="):
        order = fp.compare(name, a.bits, b.bits)
        if order is None:
            return boolean(op == "!=")
        return boolean({"==": order == 0, "!=": order != 0, "<>": order != 0, "<": order < 0, ">": order > 0,
                        "<=": order <= 0, ">=": order >= 0}[op])
    mode = state.rounding.get(name, 0)
    if op == "-":
        b, op = floating(name, b.bits if fp.is_nan(name, b.bits) else b.bits ^ 1 << b.width - 1), "+"
    return floating(name, {"+": fp.add, "*": fp.multiply, "/": fp.divide}[op](name, a.bits, b.bits, mode))


def integer_operate(op, a, b):
    if op in ("<<", ">>"):
        shift = b.number
        kind = "u" if a.kind == "b" else a.kind
        number = a.number << shift if op == "<<" else a.number >> shift
        return integer(kind, a.width, number)
    width = max(a.width, b.width)
    unsigned = any(x.kind != "i" and x.width == width for x in (a, b))
    x, y = ((v.number if v.kind == "i" else v.bits) & (1 << width) - 1 for v in (a, b))
    if not unsigned:
        x, y = (v - (1 << width) if v >> width - 1 else v for v in (x, y))
    if op in ("==", "!=", "<>", "<", ">", "<=", ">="):
        return boolean({"==": x == y, "!=": x != y, "<>": x != y, "<": x < y, ">": x > y, "<=": x <= y,
                        ">=": x >= y}[op])
    number = {"+": lambda: x + y, "-": lambda: x - y, "*": lambda: x * y, "/": lambda: x // y,
              "%": lambda: x % y, "&": lambda: x & y, "|": lambda: x | y, "^": lambda: x ^ y}[op]()
    return integer("u" if unsigned else "i", width, number)
