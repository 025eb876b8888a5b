"""Instructions that move values between lanes: a case is a wave. DPP's lane patterns are the ISA manual's, the rest
is AMD's pseudocode over all 64 lanes."""

import inputs
import isa
import pseudocode as pc
import valu
from vectors import Group

SOURCE = "pseudocode"
MASKS = (0xFFFF_FFFF_FFFF_FFFF, 0xF0F1_8001_FFFE_7357)


def row(rule):
    """A pattern within each row of 16 lanes: `rule(position)` is the source position, or out of the row."""
    def source(lane):
        at = rule(lane & 15)
        return lane & 48 | at if 0 <= at < 16 else None
    return source


def inside(rule):
    """A pattern over the wave."""
    def source(lane):
        at = rule(lane)
        return at if 0 <= at < 64 else None
    return source


PATTERNS = {
    "quad_perm:[1,0,3,2]": lambda lane: lane ^ 1,
    "quad_perm:[3,3,0,1]": lambda lane: lane & ~3 | (3, 3, 0, 1)[lane & 3],
    "row_shl:1": row(lambda i: i + 1),
    "row_shl:5": row(lambda i: i + 5),
    "row_shr:1": row(lambda i: i - 1),
    "row_shr:8": row(lambda i: i - 8),
    "row_ror:3": row(lambda i: i - 3 & 15),
    "wave_shl:1": inside(lambda i: i + 1),
    "wave_shr:1": inside(lambda i: i - 1),
    "wave_rol:1": lambda lane: lane + 1 & 63,
    "wave_ror:1": lambda lane: lane - 1 & 63,
    "row_mirror": row(lambda i: 15 - i),
    "row_half_mirror": row(lambda i: i & 8 | 7 - (i & 7)),
    "row_newbcast:6": row(lambda i: 6),
    # The last lane of a row, or of the lower half, to the rows behind it; rows before have no source.
    "row_bcast:15": lambda lane: (lane & 48) - 1 if lane >= 16 else None,
    "row_bcast:31": lambda lane: 31 if lane >= 32 else None,
}


def dpp(shape):
    made = []
    every = shape.base == "v_mov_b32"
    picks = list(PATTERNS) if every else ["quad_perm:[1,0,3,2]", "row_shr:1", "row_newbcast:6"]
    for number, pattern in enumerate(picks):
        rng = inputs.generator(shape.mnemonic, pattern)
        bound = number % 2 == 1
        rows, banks = [(0xF, 0xF), (0xA, 0xF), (0xF, 0x5)][number % 3] if every else (0xF, 0xF)
        floats = valu.float_of(shape.sources[0][0]) is not None
        modifiers = {0: (1, 0)} if floats and number == 1 else {}
        tail = f"{pattern} row_mask:{rows:#x} bank_mask:{banks:#x}" + (" bound_ctrl:1" if bound else "")
        ins, outs = valu.columns(shape)
        group = Group(shape.mnemonic, SOURCE, [valu.instruction(shape, tail, modifiers)], ins + ["exec"], outs, "wave")
        for execute in MASKS:
            columns = [[inputs.a_value(rng, kind, 1) for _ in range(64)] for kind, _ in shape.sources]
            old = [rng.getrandbits(32) for _ in range(64)]
            result = list(old)
            for lane in range(64):
                enabled = execute >> lane & rows >> (lane >> 4) & banks >> (lane >> 2 & 3) & 1
                source = PATTERNS[pattern](lane)
                valid = source is not None and execute >> source & 1
                if not enabled or not (valid or bound):
                    continue
                values = [columns[0][source] if valid else 0] + [c[lane] for c in columns[1:]]
                result[lane] = valu.compute(shape, valu.modify(shape, values, modifiers), old[lane], 0, lane)[0]
            group.cases.append((columns + [old, execute], [result]))
        made.append(group)
    return made


def wave_state(registers, execute, **names):
    state = pc.State(mnemonic=lambda name: isa.tree(name))
    state.registers = [dict(lane) for lane in registers]
    state.names.update({"EXEC": pc.Value("b", 64, execute), **names})
    return state


def number(value):
    return pc.integer("i", 32, value)


def read_lane():
    made = []
    tree = isa.tree("v_readlane_b32")
    for operand, ins in (("s16", ["v2", "s16", "s24", "exec"]), ("37", ["v2", "s24", "exec"])):
        group = Group("v_readlane_b32", SOURCE, [f"v_readlane_b32 s24, v2, {operand}"], ins, ["s24"], "wave")
        rng = inputs.generator("v_readlane_b32", operand)
        for _ in range(4):
            values, lane, execute = [rng.getrandbits(32) for _ in range(64)], rng.getrandbits(32), rng.getrandbits(64)
            lane = lane if operand == "s16" else 37
            state = wave_state([{2: v} for v in values], execute, S1=pc.Value("b", 32, lane), SRC0=number(2),
                               D0=pc.Value("b", 32, 0))
            pc.run(tree, state)
            given = [values] + ([lane] if operand == "s16" else []) + [1, execute]
            group.cases.append((given, [state.names["D0"].bits]))
        made.append(group)
    tree = isa.tree("v_readfirstlane_b32")
    group = Group("v_readfirstlane_b32", SOURCE, ["v_readfirstlane_b32 s24, v2"], ["v2", "exec", "s24"], ["s24"], "wave")
    rng = inputs.generator("v_readfirstlane_b32")
    for execute in (0, 1 << 63, 0xFF00, rng.getrandbits(64) & ~7, 3):
        values = [rng.getrandbits(32) for _ in range(64)]
        state = wave_state([{2: v} for v in values], execute, SRC0=number(2), D0=pc.Value("b", 32, 0))
        pc.run(tree, state)
        group.cases.append(([values, execute, 1], [state.names["D0"].bits]))
    made.append(group)
    tree = isa.tree("v_writelane_b32")
    group = Group("v_writelane_b32", SOURCE, ["v_writelane_b32 v2, s16, s17"], ["v2", "s16", "s17", "exec"], ["v2"], "wave")
    rng = inputs.generator("v_writelane_b32")
    group.code[0] = "v_writelane_b32 v2, s16, m0"
    group.inputs[2] = "m0"
    for _ in range(4):
        values, what, lane, execute = ([rng.getrandbits(32) for _ in range(64)], rng.getrandbits(32),
                                       rng.getrandbits(32), rng.getrandbits(64))
        state = wave_state([{2: v} for v in values], execute, S0=pc.Value("b", 32, what), S1=pc.Value("b", 32, lane),
                           VDST=number(2))
        pc.run(tree, state)
        group.cases.append(([values, what, lane, execute], [[r[2] for r in state.registers]]))
    return made + [group]


def swaps(mnemonics):
    """v_permlane16_swap, v_permlane32_swap: what the pseudocode exchanges, where EXEC allows the write. From a
    disabled lane a value comes only with `fi`; without, `bound_ctrl` gives 0 and else nothing is written (LLVM's
    operands of the intrinsics, which are DPP's)."""
    made = []
    for mnemonic in mnemonics:
        base = mnemonic.removesuffix("_e32").removesuffix("_e64")
        tree, width = isa.tree(base), 32 if "32_swap" in base else 16
        for flags in ("",) if mnemonic.endswith("_e32") else ("", " fi:1", " bound_ctrl:1"):
            text = f"{mnemonic} v2, v4{flags}"
            group = Group(mnemonic, SOURCE, [text], ["v2", "v4", "exec"], ["v2", "v4"], "wave")
            rng = inputs.generator(mnemonic, flags)
            for execute in MASKS:
                a, b = ([rng.getrandbits(32) for _ in range(64)] for _ in range(2))
                state = wave_state([{2: x, 4: y} for x, y in zip(a, b)], execute, VDST=number(2), SRC0=number(4))
                pc.run(tree, state)
                after = []
                for register, old, upper in ((2, a, 1), (4, b, 0)):
                    lanes = list(old)
                    for lane in range(64):
                        exchanged = (lane & width != 0) == bool(upper)
                        if not execute >> lane & 1 or not exchanged:
                            continue
                        if execute >> (lane ^ width) & 1 or "fi" in flags:
                            lanes[lane] = state.registers[lane][register]
                        elif "bound" in flags:
                            lanes[lane] = 0
                    after.append(lanes)
                group.cases.append(([a, b, execute], after))
            made.append(group)
    return made


def swap():
    group = Group("v_swap_b32", SOURCE, ["v_swap_b32 v2, v4"], ["v2", "v4", "exec"], ["v2", "v4"], "wave")
    rng = inputs.generator("v_swap_b32")
    for execute in MASKS:
        a, b = ([rng.getrandbits(32) for _ in range(64)] for _ in range(2))
        after_a, after_b = list(a), list(b)
        for lane in range(64):
            if execute >> lane & 1:
                state = pc.State(names={"D0": pc.Value("b", 32, a[lane]), "S0": pc.Value("b", 32, b[lane])})
                pc.run(isa.tree("v_swap_b32"), state)
                after_a[lane], after_b[lane] = state.names["D0"].bits, state.names["S0"].bits
        group.cases.append(([a, b, execute], [after_a, after_b]))
    return [group]


def counts():
    """v_mbcnt: bits of a mask below the lane."""
    made = []
    for mnemonic in ("v_mbcnt_lo_u32_b32", "v_mbcnt_hi_u32_b32"):
        group = Group(mnemonic, SOURCE, [f"{mnemonic} v6, v2, v4"], ["v2", "v4", "v6", "exec"], ["v6"], "wave")
        rng = inputs.generator(mnemonic)
        for execute in MASKS:
            a = [rng.choice([0xFFFF_FFFF, rng.getrandbits(32)]) for _ in range(64)]
            b, old = ([rng.getrandbits(32) for _ in range(64)] for _ in range(2))
            after = list(old)
            for lane in range(64):
                state = pc.State(names={"S0": pc.Value("b", 32, a[lane]), "S1": pc.Value("b", 32, b[lane]),
                                        "D0": pc.Value("b", 32, 0), "laneId": pc.integer("u", 32, lane)})
                pc.run(isa.tree(mnemonic), state)
                if execute >> lane & 1:
                    after[lane] = state.names["D0"].bits
            group.cases.append(([a, b, old, execute], [after]))
        made.append(group)
    return made


def bpermute():
    group = Group("ds_bpermute_b32", SOURCE, ["ds_bpermute_b32 v6, v2, v4 offset:12"], ["v2", "v4", "v6", "exec"], ["v6"],
                  "wave")
    rng = inputs.generator("ds_bpermute_b32")
    for execute in MASKS:
        at = [rng.getrandbits(32) if rng.random() < 0.3 else 4 * rng.randint(0, 63) for _ in range(64)]
        data, old = ([rng.getrandbits(32) for _ in range(64)] for _ in range(2))
        state = wave_state([{2: x, 4: y, 6: z} for x, y, z in zip(at, data, old)], execute, ADDR=number(2),
                           DATA0=number(4), VDST=number(6), OFFSET=pc.integer("u", 16, 12))
        pc.run(isa.tree("ds_bpermute_b32"), state)
        group.cases.append(([at, data, old, execute], [[r[6] for r in state.registers]]))
    return [group]


def swizzle():
    """ds_swizzle_b32, the manual's two modes: and/or/xor masks within 32 lanes, a permutation of four."""
    made = []
    patterns = {"offset:swizzle(QUAD_PERM,3,0,2,1)": lambda i: i & ~3 | (3, 0, 2, 1)[i & 3],
                "offset:swizzle(SWAP,4)": lambda i: i ^ 4,
                "offset:swizzle(REVERSE,8)": lambda i: i & ~7 | 7 - (i & 7),
                "offset:swizzle(BROADCAST,16,5)": lambda i: i & ~15 | 5,
                "offset:swizzle(BITMASK_PERM,\"01pi0\")": lambda i: i & 32 | 8 | i & 4 | (i & 2 ^ 2)}
    for text, source in patterns.items():
        group = Group("ds_swizzle_b32", "manual", [f"ds_swizzle_b32 v6, v2 {text}"], ["v2", "v6", "exec"], ["v6"], "wave")
        rng = inputs.generator("ds_swizzle_b32", text)
        for execute in MASKS:
            data, old = ([rng.getrandbits(32) for _ in range(64)] for _ in range(2))
            # A disabled lane provides 0.
            after = [(data[source(i)] if execute >> source(i) & 1 else 0) if execute >> i & 1 else old[i]
                     for i in range(64)]
            group.cases.append(([data, old, execute], [after]))
        made.append(group)
    return made


def groups(mnemonics):
    shapes = [valu.Shape(m) for m in mnemonics if m.endswith("_dpp")]
    made = [group for shape in shapes for group in dpp(shape)]
    made += read_lane() + swap() + counts() + bpermute() + swizzle()
    return made + swaps([m for m in mnemonics if m.startswith("v_permlane")])
