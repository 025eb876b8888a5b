"""Loads, stores and atomics: AMD's pseudocode on a model of memory, a case is a wave.

The address arithmetic is the ISA manual's: base + lane offset + instruction offset; a raw buffer drops what lies at
or beyond its number of records, dword by dword; scratch is private to a lane."""

import inputs
import isa
import numbers_exact as fp
import pseudocode as pc
import functions
from vectors import Group

SOURCE = "pseudocode"
AREA = 2048
MASKS = (0xFFFF_FFFF_FFFF_FFFF, 0xC3A5_0FF0_1234_8001)


class Area:
    """Bytes of memory; beyond `limit` reads are zero and writes are dropped."""

    def __init__(self, dwords, limit=AREA):
        self.bytes = bytearray(b"".join(dword.to_bytes(4, "little") for dword in dwords))
        self.start, self.limit = bytes(self.bytes), limit

    def load(self, address, width):
        if address + width // 8 > self.limit:
            return 0
        return int.from_bytes(self.bytes[address : address + width // 8], "little")

    def store(self, address, width, bits):
        if address + width // 8 <= self.limit:
            self.bytes[address : address + width // 8] = bits.to_bytes(width // 8, "little")

    def changed(self):
        """Index → dword of what differs from the start."""
        dwords = lambda b: [int.from_bytes(b[i : i + 4], "little") for i in range(0, len(b), 4)]
        return {i: new for i, (old, new) in enumerate(zip(dwords(self.start), dwords(self.bytes))) if old != new}


def memory_pattern():
    return [(i + 1) * 0x9E37_79B1 & 0xFFFF_FFFF for i in range(AREA // 4)]


def lds_pattern():
    return [x ^ 0x0F0F_0000 for x in memory_pattern()]


def register_address(state, *_):
    return pc.integer("u", 64, state.names["ADDRESS"])


def lds_address(state, base, low, high):
    return pc.integer("u", 32, base.bits + low.bits + (high.bits << 8))


functions.TABLE.update({name: register_address for name in ("CalcGlobalAddr", "CalcScalarGlobalAddr", "CalcBufferAddr",
                                                            "CalcScratchAddr")})
functions.TABLE["CalcDsAddr"] = lds_address


def run(tree, area, address, data=0, data_dwords=1, result_dwords=0, old=0, **names):
    """One lane or scalar access; what the destination holds afterwards."""
    state = pc.State(memory=area)
    data = pc.Value("b", 32 * data_dwords, data)
    result = pc.Value("b", 32 * max(1, result_dwords), old)
    state.names.update({"ADDRESS": address, "ADDR": pc.Value("u", 64, address), "SADDR": pc.Value("u", 32, 0),
                        "OFFSET": pc.Value("u", 16, 0), "SBASE": pc.Value("u", 32, 0), "SOFFSET": pc.Value("u", 32, 0),
                        "VADDR": pc.Value("u", 32, 0), "SRSRC": pc.Value("u", 32, 0), "DATA": data,
                        "RETURN_DATA": result})
    # A register operand that a load fills and a store empties.
    state.names["VDATA"] = state.names["SDATA"] = result if result_dwords else data
    state.names.update(names)
    pc.run(tree, state)
    for name in ("RETURN_DATA", "VDATA", "SDATA"):
        if state.names[name] != (result if name == "RETURN_DATA" or result_dwords else data):
            return state.names[name].bits
    return old


def span(letter, register, dwords):
    return f"{letter}{register}" if dwords == 1 else f"{letter}[{register}:{register + dwords - 1}]"


def column(register, dwords):
    return f"v{register}" if dwords == 1 else f"v{register}.{dwords}"


def width_of(name):
    """Dwords that a load or store of that name moves, and its alignment in bytes."""
    for suffix, found in (("dwordx2", (2, 4)), ("dwordx4", (4, 4)), ("dwordx8", (8, 4)), ("dword", (1, 4)),
                          ("b128", (4, 16)), ("b64", (2, 8)), ("b32", (1, 4)), ("u8", (1, 1)), ("b8", (1, 1)),
                          ("b16", (1, 2)), ("ubyte", (1, 1)), ("byte", (1, 1))):
        if name.endswith(suffix):
            return found
    return (1, 2) if "short" in name else (1, 4)


def slots(rng, step, room):
    """A different place for each lane, aligned to `step` bytes."""
    return [step * slot for slot in rng.sample(range(room // step), 64)]


ATOMIC = {"add_f32": ("f32", 1, 1), "add_f64": ("f64", 2, 2), "pk_add_f16": ("pk2_f16", 1, 1),
          "pk_add_bf16": ("pk2_bf16", 1, 1), "cmpswap": ("u32", 2, 1), "cmpswap_x2": ("u64", 4, 2),
          "add": ("u32", 1, 1), "umax": ("u32", 1, 1)}


def result_class(kind):
    return {"f32": ":f32", "f64": ":f64", "pk2_f16": ":pk16", "pk2_bf16": ":pkbf"}.get(kind, "")


def transfer(mnemonic, operands, prefix="", extra=(), area="mem", limits=(AREA,), offset=0, wait="vmcnt(0)"):
    """A vector load or store. `operands(data)` is the text behind the mnemonic, v2 has the lane's offset."""
    dwords, align = width_of(mnemonic)
    loads = "load" in mnemonic or "read" in mnemonic
    code = [*prefix] + [f"{mnemonic} {operands(span('v', 6, dwords))}", f"s_waitcnt {wait}"]
    extra_columns, extra_values, extra_outs = extra or ([], lambda limit: [], [])
    ins = ["v2", column(6, dwords), "exec"] + extra_columns
    outs = ([column(6, dwords)] if loads else []) + ([area] if area == "lds" or not loads else []) + extra_outs
    group = Group(mnemonic, SOURCE, code, ins, outs, "wave")
    tree = isa.tree(mnemonic)
    rng = inputs.generator(mnemonic, code[-2])
    for limit in limits:
        for execute in MASKS:
            model = Area(memory_pattern() if area == "mem" else lds_pattern(), limit)
            step = max(align, 4 * dwords) if not loads else align
            if loads:
                at = [align * rng.randint(0, (AREA - 64 - offset) // align - 1) for _ in range(64)]
            else:
                at = slots(rng, step, AREA - 64 - offset)
            data = [rng.getrandbits(32 * dwords) for _ in range(64)]
            after = list(data)
            for lane in range(64):
                if execute >> lane & 1:
                    names = {"OFFSET": pc.Value("u", 16, offset)} if area == "lds" else {}
                    address = at[lane] + (0 if area == "lds" and "CalcDsAddr" in isa.TEXTS[mnemonic]["DSOp"] else offset)
                    result = run(tree, model, address, data[lane], dwords, dwords if loads else 0, data[lane], **names)
                    after[lane] = result & (1 << 32 * dwords) - 1
            given = [at, data, execute] + extra_values(limit)
            expected = ([after] if loads else []) + ([model.changed()] if area == "lds" or not loads else [])
            group.cases.append((given, expected + [0 for _ in extra_outs]))
    return group


def addend(rng, kind, dwords):
    """Finite floats: the pseudocode does not say which NaN a sum is, and memory compares exactly."""
    while True:
        value = inputs.a_value(rng, kind, dwords)
        name, count = inputs.PACKED.get(kind, (kind, 1))
        if name not in fp.FORMATS:
            return value
        f = fp.FORMATS[name]
        parts = [value >> f.width * i & (1 << f.width) - 1 for i in range(count)]
        if all(fp.magnitude(name, part) < f.infinity for part in parts):
            return value


def atomic(mnemonic, operands, code_prefix=(), extra=(), returns=True):
    """A vector atomic on memory; with and without the old value."""
    name = mnemonic.split("atomic_")[1]
    kind, data_dwords, result_dwords = ATOMIC[name]
    text = f"{mnemonic} {operands(span('v', 6, data_dwords), span('v', 12, result_dwords), returns)}"
    extra_columns, extra_values, extra_outs = extra or ([], lambda: [], [])
    ins = ["v2", column(6, data_dwords), column(12, result_dwords), "exec", "mem"] + extra_columns
    outs = ["mem"] + ([column(12, result_dwords) + result_class(kind)] if returns else []) + extra_outs
    group = Group(mnemonic, SOURCE, [*code_prefix, text, "s_waitcnt vmcnt(0)"], ins, outs, "wave")
    tree = isa.tree(mnemonic)
    rng = inputs.generator(mnemonic, returns)
    for execute in MASKS:
        start = memory_pattern()
        cells = 64
        initial = []
        for _ in range(cells):
            value = addend(rng, kind, result_dwords)
            initial += [value >> 32 * i & 0xFFFF_FFFF for i in range(result_dwords)]
        start[: len(initial)] = initial
        model = Area(start)
        order = rng.sample(range(64), 64)
        at = [4 * result_dwords * slot for slot in order]
        if not returns and kind.startswith("u"):
            at = [at[lane & ~3] for lane in range(64)]  # four lanes on one cell: integers commute
        data = []
        for lane in range(64):
            value = addend(rng, kind, result_dwords)
            if name.startswith("cmpswap"):
                slot = at[lane] // 4
                stored = sum(start[slot + i] << 32 * i for i in range(result_dwords))
                compare = stored if rng.random() < 0.6 else inputs.an_integer(rng, 32 * result_dwords)
                value |= compare << 32 * result_dwords
            data.append(value)
        if name.startswith("cmpswap"):
            at = [4 * result_dwords * slot for slot in order]
        old = [rng.getrandbits(32 * result_dwords) for _ in range(64)]
        after = list(old)
        for lane in range(64):
            if execute >> lane & 1:
                after[lane] = run(tree, model, at[lane], data[lane], data_dwords, result_dwords, old[lane],
                                  VDATA=pc.Value("b", 32, 0), SDATA=pc.Value("b", 32, 0)) & (1 << 32 * result_dwords) - 1
        given = [at, data, old, execute, initial] + extra_values()
        expected = [model.changed()] + ([after] if returns else []) + [0 for _ in extra_outs]
        group.cases.append((given, expected))
    return group


BUFFER = ["s_mov_b32 s16, s8", "s_pack_ll_b32_b16 s17, s9, 0"]


def buffer_extra(soffset):
    """A raw descriptor of s18 bytes at the wave's memory; its address words are not looked at."""
    return ["s18", "s19", "s20"], lambda limit=AREA: [limit, 0x20000, soffset], ["s16.2:any"]


def lds_pairs():
    made = []
    for mnemonic, dwords, loads, scale in (("ds_write2_b32", 1, False, 4), ("ds_read2_b64", 2, True, 8)):
        text = (f"{mnemonic} v2, v6, v8 offset0:1 offset1:9" if not loads
                else f"{mnemonic} v[6:9], v2 offset0:3 offset1:2")
        first, second = (1, 9) if not loads else (3, 2)
        ins = ["v2", "v6", "v8", "exec"] if not loads else ["v2", "v6.4", "exec"]
        group = Group(mnemonic, SOURCE, [text, "s_waitcnt lgkmcnt(0)"], ins, ["lds"] if not loads else ["v6.4", "lds"], "wave")
        rng = inputs.generator(mnemonic)
        for execute in MASKS:
            model = Area(lds_pattern())
            at = [64 * (i // 8) + 4 * (i % 8) for i in rng.sample(range(64), 64)]
            if loads:
                at = [8 * rng.randint(0, 200) for _ in range(64)]
            a, b = ([rng.getrandbits(32 if not loads else 128) for _ in range(64)] for _ in range(2))
            after = list(a)
            for lane in range(64):
                if execute >> lane & 1:
                    names = {"OFFSET0": pc.Value("u", 32, first), "OFFSET1": pc.Value("u", 32, second),
                             "DATA2": pc.Value("b", 32, b[lane] & 0xFFFF_FFFF)}
                    result = run(isa.tree(mnemonic), model, at[lane], a[lane], 1 if not loads else 4,
                                 4 if loads else 0, a[lane], **names)
                    after[lane] = result
            if loads:
                group.cases.append(([at, a, execute], [after, {}]))
            else:
                group.cases.append(([at, a, b, execute], [model.changed()]))
        made.append(group)
    return made


def lds_add():
    group = Group("ds_add_u32", SOURCE, ["ds_add_u32 v2, v6 offset:8", "s_waitcnt lgkmcnt(0)"], ["v2", "v6", "exec"], ["lds"],
                  "wave")
    rng = inputs.generator("ds_add_u32")
    for execute in MASKS:
        model = Area(lds_pattern())
        at, data = [4 * rng.randint(0, 40) for _ in range(64)], [rng.getrandbits(32) for _ in range(64)]
        for lane in range(64):
            if execute >> lane & 1:
                run(isa.tree("ds_add_u32"), model, at[lane], data[lane], OFFSET0=pc.Value("u", 32, 8),
                    OFFSET1=pc.Value("u", 32, 0))
        group.cases.append(([at, data, execute], [model.changed()]))
    return group


def scratch(mnemonic):
    """Stores are seen through loads of the same lane, and the other way round."""
    dwords, align = width_of(mnemonic)
    load = "scratch_load_dwordx2 v[10:11], v2, off offset:4"
    store = {True: f"{mnemonic} v2, {span('v', 6, dwords)}, off offset:4", False: "scratch_store_dwordx2 v2, v[6:7], off offset:4"}
    stores = "store" in mnemonic
    fill = ["scratch_store_dwordx2 v2, v[14:15], off offset:4", "s_waitcnt vmcnt(0)"] if stores else []
    read = load if stores else f"{mnemonic} {span('v', 10, dwords)}, v2, off offset:4"
    group = Group(mnemonic, SOURCE, fill + [store[stores], "s_waitcnt vmcnt(0)", read, "s_waitcnt vmcnt(0)"],
                  ["v2", "v6.2", "v10.2", "v14.2"], ["v10.2"], "wave")
    rng = inputs.generator(mnemonic)
    for _ in range(2):
        at = [4 * rng.randint(0, 10) for _ in range(64)]
        data, old, filled = ([rng.getrandbits(64) for _ in range(64)] for _ in range(3))
        after = []
        for lane in range(64):
            model = Area([0] * 16, 64)
            model.store(at[lane] + 4, 64, filled[lane] if stores else data[lane])
            width = 32 * dwords
            if stores:
                run(isa.tree(mnemonic), model, at[lane] + 4, data[lane] & (1 << width) - 1, dwords)
                after.append(model.load(at[lane] + 4, 64))
            else:
                got = run(isa.tree(mnemonic), model, at[lane] + 4, 0, 1, dwords, 0)
                after.append(old[lane] & ~((1 << width) - 1) | got)
        group.cases.append(([at, data, old, filled], [after]))
    return group


def scalar(mnemonic):
    """s_load, s_store, s_atomic_dec with immediate and register offsets."""
    made = []
    dwords = width_of(mnemonic)[0]
    for offset, soffset in ((0x10, 0), (0x40, 0), (0, 0x24)):
        where = f"{offset:#x}" if not soffset else "s16"
        rng = inputs.generator(mnemonic, offset)
        data_register = span("s", 24, dwords)
        flags = " glc" if "atomic" in mnemonic else ""
        loads = "load" in mnemonic
        wait = ["s_waitcnt lgkmcnt(0)"] + ([] if loads else ["s_dcache_wb"])
        ins = ["s16", f"s24.{dwords}" if dwords > 1 else "s24", "mem"]
        outs = (["s24" + (f".{dwords}" if dwords > 1 else "")] if "store" not in mnemonic else []) + ([] if loads else ["mem"])
        group = Group(mnemonic, SOURCE, [f"{mnemonic} {data_register}, s[8:9], {where}{flags}", *wait], ins, outs, "wave")
        for number in range(4):
            start = memory_pattern()
            initial = [inputs.an_integer(rng, 32) for _ in range(32)]
            start[:32] = initial
            model = Area(start)
            old = rng.getrandbits(32 * dwords)
            if "atomic" in mnemonic and number == 1:
                old = initial[(offset + soffset) // 4]
            result = run(isa.tree(mnemonic), model, offset + soffset, old, dwords,
                         0 if "store" in mnemonic else dwords, old)
            expected = ([result] if "store" not in mnemonic else []) + ([] if loads else [model.changed()])
            group.cases.append(([soffset, old, initial], expected))
        made.append(group)
    return made


def to_lds(mnemonic):
    """global_load_lds: LDS[M0 + offset + lane · bytes] (the manual's addressing)."""
    size = 16 if mnemonic.endswith("x4") else 4
    code = [f"{mnemonic} v2, s[8:9] offset:16", "s_waitcnt vmcnt(0)"]
    group = Group(mnemonic, "manual", code, ["v2", "m0", "exec"], ["lds"], "wave")
    rng = inputs.generator(mnemonic)
    for execute in MASKS:
        base = 4 * rng.randint(0, 60)
        at = [size * rng.randint(0, (AREA - 64) // size - 1) for _ in range(64)]
        memory, lds = Area(memory_pattern()), Area(lds_pattern())
        for lane in range(64):
            if execute >> lane & 1:
                to = base + 16 + lane * size
                lds.store(to, 8 * size, memory.load(at[lane] + 16, 8 * size))
        group.cases.append(([at, base, execute], [lds.changed()]))
    return group


def transpose(mnemonic):
    """ds_read_b64_tr: a row-major tile of 16 columns in LDS, whose column l the lane l of a group of 16 receives.

    From the use: the four groups read four tiles; a lane of 64 bits holds E elements, so a tile has E rows
    and each row is 16 / E lanes wide."""
    bits = int(mnemonic.split("_b")[-1])
    per_lane = 64 // bits
    row_bytes = 16 * bits // 8
    group = Group(mnemonic, "layout", [f"{mnemonic} v[6:7], v2", "s_waitcnt lgkmcnt(0)"], ["v2", "v6.2", "lds"], ["v6.2"],
                  "wave")
    rng = inputs.generator(mnemonic)
    pad = 2 * row_bytes  # rows are apart, so that an address of a lane matters
    for _ in range(2):
        tiles = [[[rng.getrandbits(bits) for _ in range(16)] for _ in range(per_lane)] for _ in range(4)]
        lds = Area([0] * (AREA // 4))
        at, want = [], []
        for lane in range(64):
            tile, inside = lane // 16, lane % 16
            lanes_in_row = 16 // per_lane if per_lane < 16 else 1
            line, part = inside // lanes_in_row, inside % lanes_in_row
            address = (tile * per_lane + line) * pad // 2 + part * 8
            elements = tiles[tile][line][part * per_lane : (part + 1) * per_lane]
            lds.store(address, 64, sum(e << bits * i for i, e in enumerate(elements)))
            at.append(address)
            want.append(sum(tiles[tile][k][inside] << bits * k for k in range(per_lane)))
        dwords = [lds.load(4 * i, 32) for i in range(AREA // 4)]
        group.cases.append(([at, [rng.getrandbits(64) for _ in range(64)], dwords[: (max(at) + 8) // 4]], [want]))
    return group


def one(mnemonic):
    """All groups of a memory instruction."""
    if mnemonic in ("ds_bpermute_b32", "ds_swizzle_b32", "ds_write2_b32", "ds_read2_b64", "ds_add_u32"):
        return []
    if "_tr_" in mnemonic:
        return [transpose(mnemonic)]
    if "_lds_" in mnemonic:
        return [to_lds(mnemonic)]
    if mnemonic.startswith("scratch_"):
        return [scratch(mnemonic)]
    if mnemonic.startswith("s_"):
        return scalar(mnemonic)
    loads = "load" in mnemonic or "read" in mnemonic
    if mnemonic.startswith("ds_"):
        operands = lambda data: f"{data}, v2 offset:16" if loads else f"v2, {data} offset:16"
        return [transfer(mnemonic, operands, area="lds", offset=16, wait="lgkmcnt(0)")]
    if mnemonic.startswith("buffer_atomic"):
        operands = lambda data, old, returns: f"{data}, v2, s[16:19], s20 offen"
        return [atomic(mnemonic, operands, BUFFER, buffer_extra(0), returns=False)]
    if mnemonic.startswith("buffer_"):
        operands = lambda data: f"{data}, v2, s[16:19], s20 offen offset:8"
        return [transfer(mnemonic, operands, BUFFER, buffer_extra(4), limits=(AREA, 1000), offset=12)]
    if "atomic" in mnemonic:
        operands = lambda data, old, returns: (f"{old}, v2, {data}, s[8:9] sc0" if returns else f"v2, {data}, s[8:9]")
        return [atomic(mnemonic, operands, returns=returns) for returns in (True, False)]
    operands = lambda data: f"{data}, v2, s[8:9] offset:16" if loads else f"v2, {data}, s[8:9] offset:16"
    made = [transfer(mnemonic, operands, offset=16)]
    if mnemonic == "global_load_dword":
        operands = lambda data: f"{data}, v[4:5], off offset:-8"
        address = ["v_mov_b32_e32 v3, 0", "v_lshl_add_u64 v[4:5], s[8:9], 0, v[2:3]"]
        group = transfer(mnemonic, operands, [*address], (["v3"], lambda limit: [0], ["v4.2:any"]), offset=0)
        made.append(shifted(group))
    return made


def shifted(group):
    """Offsets below the base: the lanes' offsets grow by what the instruction takes away."""
    group.cases = [([[x + 8 for x in given[0]], *given[1:]], expected) for given, expected in group.cases]
    return group


def groups(mnemonics):
    made = lds_pairs() + [lds_add()]
    for mnemonic in mnemonics:
        memory = ("ds_", "global_", "buffer_", "scratch_", "s_load", "s_store", "s_atomic")
        if mnemonic.startswith(memory) and mnemonic not in ("buffer_inv", "buffer_wbl2"):
            made += one(mnemonic)
    return made
