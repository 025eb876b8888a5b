"""Which groups each vector ALU mnemonic gets: plain, source modifiers, clamp, MODE, op_sel."""

import constants
import division
import pseudocode as pc
import selects
import valu


def variants(shape):
    """Groups of one mnemonic: plain, source modifiers, clamp, MODE, op_sel."""
    float_sources = shape.sources and valu.float_of(shape.sources[0][0])
    base, long = shape.base, shape.suffix in ("e64", "")
    made = []
    if base.startswith("v_bitop3"):
        for table in (0x96, 0xE8, 0x2A, 0xF1):
            fields = {"INST.OMOD": table >> 6, "INST.ABS": table >> 3 & 7, "INST.NEG": table & 7}
            fields = {name: pc.Value("u", 3, value) for name, value in fields.items()}
            made.append(valu.group(shape, 6, table, f"bitop3:{table:#x}", names=fields))
        return made
    if base.startswith("v_cvt_pk_fp8_f32"):
        for half in (0, 1):
            for mode in (valu.MODE, valu.MODE | 1 << 23):
                made.append(valu.group(shape, 14, f"{half}{mode}", f"op_sel:[0,0,{half}]", mode=mode,
                                  opsel=(0, 0, 0, half)))
        return made
    if base.startswith("v_cvt_scalef32_pk_fp4"):
        choices = [(0, 0, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1), (0, 0, 1, 1)]
        return [valu.group(shape, 14, o, f"op_sel:[0,0,{o[2]},{o[3]}]", opsel=o) for o in choices]
    if base.startswith("v_cvt_scalef32_pk_fp8"):
        return [valu.group(shape, 16, h, f"op_sel:[0,0,0,{h}]", opsel=(0, 0, 0, h)) for h in (0, 1)]
    if base.startswith(("v_cvt_scalef32_pk_f32_fp4", "v_cvt_scalef32_pk_bf16_fp4")):
        choices = [(0, 0, 0, 0), (1, 0, 0, 0), (0, 1, 0, 0), (1, 1, 0, 0)]
        return [valu.group(shape, 10, o, f"op_sel:[{o[0]},{o[1]},0]", opsel=o) for o in choices]
    if base.startswith("v_cvt_scalef32_pk_bf16_fp8"):
        return [valu.group(shape, 16, h, f"op_sel:[{h},0,0]", opsel=(h, 0, 0, 0)) for h in (0, 1)]
    many = 40 if shape.compares or base.startswith(("v_div", "v_fma", "v_max", "v_min", "v_add_f", "v_mul_f")) else 24
    made.append(valu.group(shape, many))
    if base in ("v_fmamk_f32", "v_fmaak_f32"):
        made.append(valu.group(shape, 10, "other"))
    fixed = ("v_pk_", "v_cvt_pk_u8", "v_div_scale", "v_fmamk", "v_fmaak")
    modifiable = long and float_sources and not base.startswith(fixed)
    if modifiable:
        floats = valu.float_of(shape.sources[-1][0]) and "class" not in base
        last = len(shape.sources) - 1 if floats else 0
        made.append(valu.group(shape, 10, "modifiers", modifiers={0: (1, 1)} | ({last: (1, 0)} if last else {})))
        if shape.vdst and valu.float_of(shape.vdst[0]) and not base.startswith(("v_div", "v_cvt_pk", "v_pack", "v_frexp")):
            made.append(valu.group(shape, 10, "clamp", "clamp", clamped=True))
    arithmetic = valu.family(base).removeprefix("v_") in valu.ARITHMETIC
    if float_sources and (arithmetic or shape.compares) and "f32" in base and "class" not in base:
        made.append(valu.group(shape, 16, "flush", mode=valu.FLUSH))
    rounds = valu.family(base) in ("v_add", "v_sub", "v_mul", "v_fma", "v_fmac", "v_pk_fma", "v_pk_add")
    if float_sources and rounds or base in ("v_cvt_f16_f32", "v_cvt_f32_f64", "v_cvt_f32_i32", "v_cvt_f32_u32"):
        for rounding in (1, 2, 3):
            made.append(valu.group(shape, 8, f"round{rounding}", mode=valu.MODE | rounding | rounding << 2))
    return made


def groups(mnemonics):
    """All vector ALU groups except those of DPP and of instructions across lanes."""
    elsewhere = ("v_mfma", "v_smfmac", "v_readlane", "v_readfirstlane", "v_writelane", "v_permlane", "v_mbcnt", "v_swap",
                 "v_nop", "v_accvgpr")
    mine = [m for m in mnemonics if m.startswith("v_") and not m.endswith("_dpp") and not m.startswith(elsewhere)]
    made = division.groups() + constants.groups(mine)
    for mnemonic in mine:
        if mnemonic.startswith("v_fma_mix"):
            made += selects.mixed(mnemonic)
        elif mnemonic.endswith("_sdwa"):
            made += selects.sdwa(valu.Shape(mnemonic))
        elif mnemonic == "v_pack_b32_f16":
            made += selects.pack(valu.Shape(mnemonic))
        elif mnemonic.startswith("v_pk_"):
            made += selects.packed(valu.Shape(mnemonic))
        else:
            made += variants(valu.Shape(mnemonic))
    return made
