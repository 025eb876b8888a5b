"""Scalar ALU, jumps, modes: from AMD's pseudocode, a case is a wave."""

import inputs
import isa
import pseudocode as pc
from vectors import Group

SOURCE = "pseudocode"
FIRST, SECOND, RESULT = 16, 20, 24


def span(register, dwords):
    return f"s{register}" if dwords == 1 else f"s[{register}:{register + dwords - 1}]"


def column(register, dwords):
    return f"s{register}" if dwords == 1 else f"s{register}.{dwords}"


def state_of(names):
    state = pc.State(mnemonic=lambda name: isa.tree(name))
    state.names.update(names)
    return state


def alu(mnemonic, count=20):
    """SOP1, SOP2, SOPC."""
    fields = isa.fields(mnemonic, "SOP2Op", "SOP1Op", "SOPCOp")
    tree = isa.tree(mnemonic, "SOP2Op", "SOP1Op", "SOPCOp")
    sources = [(name, fields[name]) for name in ("ssrc0", "ssrc1") if name in fields]
    target = fields.get("sdst")
    widths = [max(1, bits // 32) for _, (_, bits) in sources]
    ins = [column(r, w) for r, w in zip((FIRST, SECOND), widths)] + ["scc"]
    operands = [span(r, w) for r, w in zip((FIRST, SECOND), widths)]
    outs = ["scc"]
    if target:
        width = max(1, target[1] // 32)
        ins.append(column(RESULT, width))
        outs.append(column(RESULT, width))
        operands.insert(0, span(RESULT, width))
    saves = "exec" in mnemonic
    if saves:
        ins.append("exec")
        outs.append("exec")
    group = Group(mnemonic, SOURCE, [f"{mnemonic} {', '.join(operands)}"], ins, outs, "wave")
    rng = inputs.generator(mnemonic)
    for i in range(count):
        values = [inputs.an_integer(rng, 32 * w) for w in widths]
        if rng.random() < 0.2 and len(values) > 1 and widths[0] == widths[1]:
            values[1] = values[0]
        if mnemonic.startswith("s_bfe") and rng.random() < 0.7:
            values[1] = rng.randint(0, 31) | rng.randint(0, 40) << 16
        if saves and i < 2:
            values[0] = 0
        scc, old, execute = rng.getrandbits(1), rng.getrandbits(64), rng.getrandbits(64)
        width = max(1, target[1] // 32) if target else 1
        old &= (1 << 32 * width) - 1
        state = state_of({
            "D0": pc.Value("b", 32 * width, old),
            "SCC": pc.Value("u", 1, scc),
            "EXEC": pc.Value("b", 64, execute),
            **{f"S{i}": pc.Value("b", 32 * w, v) for i, (w, v) in enumerate(zip(widths, values))},
        })
        pc.run(tree, state)
        names = state.names
        given = values + [scc] + ([old] if target else []) + ([execute] if saves else [])
        expected = [names["SCC"].bits & 1]
        expected += [names["D0"].bits & (1 << 32 * width) - 1] if target else []
        expected += [names["EXEC"].bits] if saves else []
        group.cases.append((given, expected))
    return [group]


def constant(mnemonic):
    """SOPK: the constant stands in the instruction."""
    tree = isa.tree(mnemonic, "SOPKOp")
    compares = mnemonic.startswith("s_cmpk")
    unsigned = mnemonic.endswith("u32")
    made = []
    for simm in (0, 7, 0xFFFF if unsigned else -1, 0x8000 if unsigned else -0x8000, 0x7FFF, 0x1234):
        bits = simm & 0xFFFF
        rng = inputs.generator(mnemonic, simm)
        group = Group(mnemonic, SOURCE, [f"{mnemonic} s{RESULT}, {simm:#x}"], [f"s{RESULT}", "scc"],
                      [f"s{RESULT}", "scc"], "wave")
        for i in range(5):
            old = bits if i == 0 else inputs.an_integer(rng, 32)
            scc = rng.getrandbits(1)
            immediate = pc.Value("b", 16, bits)
            state = state_of({"SCC": pc.Value("u", 1, scc), "D0": pc.Value("b", 32, old),
                              "S0": pc.Value("b", 32, old) if compares else immediate, "S1": immediate})
            pc.run(tree, state)
            group.cases.append(([old, scc], [state.names["D0"].bits, state.names["SCC"].bits & 1]))
        made.append(group)
    return made


REGISTERS = {"HW_REG_MODE": 1}


def hardware_register(mnemonic):
    """s_getreg, s_setreg: MODE's fields."""
    made = []
    for offset, size in ((0, 4), (4, 4), (4, 2), (0, 10), (8, 1), (2, 2)):
        rng = inputs.generator(mnemonic, offset, size)
        place = f"hwreg(HW_REG_MODE, {offset}, {size})"
        simm = pc.Value("b", 16, REGISTERS["HW_REG_MODE"] | offset << 6 | size - 1 << 11)
        literal = rng.getrandbits(size)
        text = {
            "s_getreg_b32": f"s_getreg_b32 s{RESULT}, {place}",
            "s_setreg_b32": f"s_setreg_b32 {place}, s{FIRST}",
            "s_setreg_imm32_b32": f"s_setreg_imm32_b32 {place}, {literal:#x}",
        }[mnemonic]
        reads = mnemonic == "s_getreg_b32"
        ins = ["mode"] + ([f"s{FIRST}"] if mnemonic == "s_setreg_b32" else [])
        group = Group(mnemonic, SOURCE, [text], ins, [f"s{RESULT}"] if reads else ["mode"], "wave")
        for _ in range(4):
            mode, value = rng.getrandbits(10), rng.getrandbits(32)
            state = state_of({"SIMM16": simm, "HW_VALUE": pc.Value("b", 32, mode), "WAVE_STATUS.PRIV": pc.boolean(0),
                              "S0": pc.Value("b", 32, value), "SIMM32": pc.Value("b", 32, literal)})
            pc.run(isa.tree(mnemonic), state)
            given = [mode] + ([value] if len(ins) > 1 else [])
            group.cases.append((given, [state.names["D0"].bits if reads else state.names["HW_VALUE"].bits]))
        made.append(group)
    return made


def branch(mnemonic):
    """Over one instruction of four bytes: the pseudocode's PC says whether it runs."""
    group = Group(mnemonic, SOURCE, [f"{mnemonic} 1f", f"s_mov_b32 s{RESULT}, 1", "1:"],
                  [f"s{RESULT}", "scc", "vcc", "exec"], [f"s{RESULT}"], "wave")
    tree = isa.tree(mnemonic, "SOPPOp")
    rng = inputs.generator(mnemonic)
    for i in range(8):
        scc, vcc, execute = i & 1, (rng.getrandbits(64) | 1) * (i >> 1 & 1), (rng.getrandbits(64) | 1) * (i >> 2 & 1)
        state = state_of({"SCC": pc.Value("u", 1, scc), "VCCZ": pc.boolean(vcc == 0), "EXECZ": pc.boolean(execute == 0),
                          "PC": pc.integer("i", 64, 0), "SIMM16": pc.Value("b", 16, 1)})
        pc.run(tree, state)
        skipped = state.names["PC"].number == 8
        assert skipped or state.names["PC"].number == 4
        group.cases.append(([0x77, scc, vcc, execute], [0x77 if skipped else 1]))
    return [group]


def jumps():
    """s_getpc, s_setpc, s_swappc: addresses relative to one another, by the pseudocode's PC + 4."""
    start = ["s_getpc_b64 s[26:27]", "s_add_u32 s26, s26, 16", "s_addc_u32 s27, s27, 0"]
    skip = f"s_mov_b32 s{RESULT}, 1"
    to = start + ["s_setpc_b64 s[26:27]", skip, "s_nop 0"]
    swap = start + ["s_swappc_b64 s[28:29], s[26:27]", skip, f"s_sub_u32 s{RESULT + 1}, s26, s28"]
    made = []
    for mnemonic in ("s_getpc_b64", "s_setpc_b64"):
        made.append(Group(mnemonic, SOURCE, to, [f"s{RESULT}"], [f"s{RESULT}", "s26.2:any", "scc"], "wave", {},
                          [([7], [7, 0, 0])]))
    # The target is one instruction behind the return address.
    made.append(Group("s_swappc_b64", SOURCE, swap, [f"s{RESULT}", f"s{RESULT + 1}"],
                      [f"s{RESULT}", f"s{RESULT + 1}", "s26.2:any", "s28.2:any", "scc"], "wave", {},
                      [([7, 9], [7, 4, 0, 0, 0])]))
    return made


def vector_skip():
    """s_setvskip: vector instructions do nothing while the bit is set."""
    group = Group("s_setvskip", SOURCE, ["s_setvskip s16, s17", "v_mov_b32_e32 v2, 5", "s_setvskip 0, 0"],
                  ["v2", "s16", "s17"], ["v2"], "wave")
    tree = isa.tree("s_setvskip")
    rng = inputs.generator("s_setvskip")
    for _ in range(8):
        values, old = [rng.getrandbits(32), rng.randint(0, 70)], rng.getrandbits(32)
        state = state_of({"VSKIP": pc.Value("u", 1, 0), **{f"S{i}": pc.Value("b", 32, v) for i, v in enumerate(values)}})
        pc.run(tree, state)
        skipped = state.names["VSKIP"].bits & 1
        group.cases.append(([old] + values, [old if skipped else 5]))
    return [group]


def register_index():
    """s_set_gpr_idx_on and _off: M0 as the pseudocode writes it, sources or the destination moved by M0[7:0]."""
    made = []
    rng = inputs.generator("s_set_gpr_idx_on")
    for mnemonic in ("s_set_gpr_idx_on", "s_set_gpr_idx_off"):
        for selected, bits in (("SRC0", 1), ("SRC1", 2), ("DST", 8), ("SRC0,DST", 9)):
            code = [f"s_set_gpr_idx_on s16, gpr_idx({selected})", "v_sub_u32_e32 v8, v2, v5", "s_set_gpr_idx_off",
                    "v_mov_b32_e32 v14, v2"]
            vectors = [f"v{i}" for i in range(2, 15)]
            group = Group(mnemonic, SOURCE, code, vectors + ["s16", "m0"], vectors + ["m0"], "wave")
            for _ in range(2):
                index, m0 = rng.randint(0, 3) | rng.getrandbits(24) << 8, rng.getrandbits(32)
                regs = [rng.getrandbits(32) for _ in vectors]
                state = state_of({"S0": pc.Value("b", 32, index), "SRC1": pc.Value("b", 32, bits),
                                  "M0": pc.Value("b", 32, m0), "WAVE_MODE.GPR_IDX_EN": pc.Value("u", 1, 0)})
                pc.run(isa.tree("s_set_gpr_idx_on"), state)
                step = index & 255
                a = regs[0 + (step if bits & 1 else 0)]
                b = regs[3 + (step if bits & 2 else 0)]
                after = list(regs)
                after[6 + (step if bits & 8 else 0)] = a - b & 0xFFFF_FFFF
                after[12] = after[0]
                group.cases.append((regs + [index, m0], after + [state.names["M0"].bits]))
            made.append(group)
    return made


QUIET = ["s_nop 3", "s_sleep 1", "s_setprio 2", "v_nop", "s_waitcnt vmcnt(0) expcnt(0) lgkmcnt(0)",
         "buffer_inv sc1", "buffer_wbl2 sc1", "s_barrier"]


def quiet():
    """Instructions that the manual gives no effect on registers or memory: everything keeps its value."""
    made = []
    rng = inputs.generator("quiet")
    for text in QUIET:
        values = [rng.getrandbits(32), rng.getrandbits(32), 1, rng.getrandbits(64), rng.getrandbits(64) | 1]
        made.append(Group(text.split()[0], "manual", [text], ["v2", "s16", "scc", "vcc", "exec"],
                          ["v2", "s16", "scc", "vcc", "exec"], "wave", {}, [(values, list(values))]))
    return made


def groups(mnemonics):
    made = jumps() + vector_skip() + register_index() + quiet()
    done = {group.mnemonic for group in made}
    for mnemonic in mnemonics:
        if not mnemonic.startswith("s_") or mnemonic in done or mnemonic not in isa.TEXTS:
            continue
        kinds = isa.TEXTS[mnemonic]
        if mnemonic.startswith(("s_getreg", "s_setreg")):
            made += hardware_register(mnemonic)
        elif "SOPKOp" in kinds:
            made += constant(mnemonic)
        elif mnemonic.startswith(("s_branch", "s_cbranch")):
            made += branch(mnemonic)
        elif kinds.keys() & {"SOP1Op", "SOP2Op", "SOPCOp"}:
            made += alu(mnemonic)
    return made
