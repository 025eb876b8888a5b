#!/usr/bin/env python3
"""Writes crates/cdna4/src/table.rs: the gfx950 instruction table, from LLVM's TableGen records.

A maintainer's script; building the project never runs it. What it needs, and how to get it:

  1. llvm-tblgen 22 (part of any LLVM 22 package).
  2. The LLVM 22.1.x sources. Debian serves them as the source package llvm-toolchain-22:

         apt-get --download-only source llvm-toolchain-22     # needs a deb-src line for sid
         tar xf llvm-toolchain-22_*.orig.tar.xz --wildcards '*/llvm/include/*' '*/llvm/lib/Target/AMDGPU/*'

  3. The records as JSON (90 s, about 490 MB):

         cd llvm-toolchain-22_*/llvm
         llvm-tblgen --dump-json -I include -I lib/Target/AMDGPU lib/Target/AMDGPU/AMDGPU.td > amdgpu.json

  4. This script (30 s, 6 GB of memory):

         tools/isa/gen_table.py amdgpu.json crates/cdna4/src/table.rs

What it does with the records:

  * keeps the instructions that LLVM's decoder would accept for gfx950: the decoder namespaces of
    AMDGPUDisassembler.cpp in its order, no pseudo, code-generator-only or assembler-only record, and
    every predicate with an assembler condition evaluated against the features of gfx950;
  * turns the bits of each into mask and value; a bit that names no operand is ignored when matching;
  * shares what repeats: layouts (operand text and bit positions) and operand definitions.
"""
import json
import re
import sys

# The decoder tables in the order in which LLVM tries them on gfx950 (namespace, bits).
TABLES = [("GFX940", 128), ("GFX950", 64), ("GFX9_DL", 64), ("GFX940", 64), ("GFX90A", 64), ("GFX8", 64),
          ("GFX9", 64), ("GFX8", 32), ("AMDGPU", 32), ("GFX9", 32), ("GFX950", 32), ("GFX90A", 32)]

# SIInstrFlags (SIDefines.h): bit in TSFlags -> name of ours.
TSFLAGS = {0: "SALU", 1: "VALU", 16: "TRANS", 25: "DS", 32: "VM_CNT", 34: "LGKM_CNT", 42: "OPSEL4",
           45: "FP_CLAMP", 46: "INT_CLAMP", 49: "PACKED", 50: "D16", 52: "F64_ROUND", 53: "FP_ATOMIC",
           54: "MAI", 55: "DOT", 57: "ATOMIC_NO_RET", 58: "ATOMIC_RET", 62: "GWS"}
TS_VOP1, TS_VOP2, TS_VOPC, TS_VOP3, TS_VOP3P, TS_SDWA, TS_DPP = 7, 8, 9, 10, 12, 14, 15
RECORD_FLAGS = {"mayLoad": "LOAD", "mayStore": "STORE", "isBranch": "BRANCH", "isTerminator": "TERMINATOR",
                "isConvergent": "CONVERGENT"}
IMPLICIT = {"SCC": "SCC", "VCC": "VCC", "EXEC": "EXEC", "M0": "M0", "MODE": "MODE", "FLAT_SCR": "FLAT_SCR"}

ENCODINGS = [(2, "Sop1"), (3, "Sop2"), (4, "Sopc"), (5, "Sopk"), (6, "Sopp"), (19, "Smem"), (54, "Mai"), (14, "Sdwa"),
             (15, "Dpp"), (12, "Vop3p"), (10, "Vop3"), (7, "Vop1"), (8, "Vop2"), (9, "Vopc"), (17, "Mubuf"),
             (18, "Mtbuf"), (51, "Global"), (56, "Scratch"), (24, "Flat"), (25, "Ds")]

FIELDS = {"vdst": "Vdst", "vaddr": "Vaddr", "addr": "Vaddr", "vdata": "Vdata", "data0": "Data0", "data1": "Data1",
          "saddr": "Saddr", "srsrc": "Srsrc", "soffset": "Soffset", "sbase": "Sbase", "sdata": "Sdata",
          "simm16": "Simm16", "imm": "Literal", "src2": "Src2", "idx": "Src2", "cpol": "Cpol", "offset0": "Offset0",
          "offset1": "Offset1", "format": "Format", "src0_modifiers": "Src0Mods",
          "src1_modifiers": "Src1Mods", "src2_modifiers": "Src2Mods", "op_sel": "OpSel", "op_sel_hi": "OpSelHi",
          "neg_lo": "NegLo", "neg_hi": "NegHi", "clamp": "Clamp", "omod": "Omod", "dpp_ctrl": "DppCtrl",
          "row_mask": "RowMask", "bank_mask": "BankMask", "bound_ctrl": "BoundCtrl", "fi": "Fi", "dst_sel": "DstSel",
          "dst_unused": "DstUnused", "src0_sel": "Src0Sel", "src1_sel": "Src1Sel", "cbsz": "Cbsz", "abid": "Abid",
          "blgp": "Blgp", "scale_src0": "ScaleSrc0", "scale_src1": "ScaleSrc1", "bitop3": "Bitop3"}
# Operands that LLVM ties to another or always supplies as zero; they are not in the encoding and never printed.
TIED = {"vdst_in", "old", "swz", "sdst_in", "src0_out", "vdst1", "vdata_in"}
# gfx940 and later have no global data share: LLVM decodes the bit and forgets it (convert to zero when !hasGDS).
ABSENT = {"gds"}

# Instructions that change the program counter and are neither branches nor calls for LLVM.
BRANCHES = {"s_setpc_b64", "s_swappc_b64", "s_rfe_b64", "s_rfe_restore_b64", "s_cbranch_g_fork", "s_cbranch_join"}

HWMODE = "AVAlign2LoadStoreMode"  # the register-class mode of gfx90a and later CDNA


class Records:
    def __init__(self, path):
        with open(path) as f:
            self.all = json.load(f)
        self.features = set()
        for name in self.all["!instanceof"]["Processor"]:
            if self.all[name]["Name"] == "gfx950":
                for f in self.all[name]["Features"]:
                    self._add_feature(f["def"])
        # A subtarget without a wave-size feature is wave64 (AMDGPUMCTargetDesc).
        self.features.add("FeatureWavefrontSize64")
        self.pseudo = {}
        for name in self.all["!instanceof"]["Instruction"]:
            r = self.all[name]
            if r.get("isPseudo") == 1 and r.get("PseudoInstr"):
                self.pseudo[r["PseudoInstr"]] = r

    def _add_feature(self, name):
        if name not in self.features:
            self.features.add(name)
            for implied in self.all[name]["Implies"]:
                self._add_feature(implied["def"])

    def _condition(self, node):
        if node["kind"] == "def":
            return node["def"] in self.features
        args = [self._condition(a[0]) for a in node["args"]]
        return {"all_of": all, "any_of": any, "not": lambda a: not a[0]}[node["operator"]["def"]](args)

    def holds(self, predicate):
        r = self.all[predicate]
        return not r["AssemblerMatcherPredicate"] or self._condition(r["AssemblerCondDag"])

    def gfx950(self):
        namespaces = {n for n, _ in TABLES}
        for name in self.all["!instanceof"]["Instruction"]:
            r = self.all[name]
            if (r.get("DecoderNamespace") in namespaces and "Inst" in r and r.get("isPseudo") != 1
                    and r.get("isCodeGenOnly") != 1 and r.get("isAsmParserOnly") != 1
                    and all(self.holds(p["def"]) for p in r["Predicates"])):
                assert "SoftFail" not in r and r["hasCompleteDecoder"] == 1, name
                yield name, r

    def ts(self, r):
        return {i for i, b in enumerate(r["TSFlags"]) if b == 1}

    # -- operand definitions ---------------------------------------------------------------------

    def register_class(self, name):
        r = self.all[name]
        if "RegClassByHwMode" in r["!superclasses"]:
            return r["Objects"][[m["def"] for m in r["Modes"]].index(HWMODE)]["def"]
        return name

    def kind(self, name):
        """An operand definition as the Rust expression of a Kind."""
        r = self.all[name]
        method, dec = r.get("PrintMethod", ""), r.get("DecoderMethod", "")
        optype = r.get("OperandType", "OPERAND_REGISTER")
        if "RegisterOperand" in r["!superclasses"] or "RegisterClassLike" in r["!superclasses"] or \
                "RegisterClass" in r["!superclasses"]:
            cls = r["RegClass"]["def"] if "RegisterOperand" in r["!superclasses"] else name
            c = self.class_const(cls)
            imm = imm_type(optype)
            if not dec:
                dec = self.all[cls].get("DecoderMethod") or f"Decode{cls}RegisterClass"
            w = re.search(r"<(\d+)>", dec)
            n = int(w.group(1)) // 32 if w else None
            if method == "printAVLdSt32Align2RegOp":
                return "K::GwsData"
            if dec.startswith("decodeSrcRegOrImm9") or dec.startswith("decodeSrcReg9") or dec.startswith("decodeSrcAV10"):
                return f"src(0, {n}, {imm}, &{c})"
            if dec == "decodeOperand_VSrc_f64":
                return f"src(0, 2, {imm}, &{c})"
            if dec.startswith("decodeSrcRegOrImmA9") or dec.startswith("decodeSrcA9"):
                return f"src(512, {n}, {imm}, &{c})"
            if dec.startswith("decodeAV10") or dec.startswith("decodeAVLdSt"):
                n = n or class_dwords(self.register_class(cls))
                return f"src(256, {n}, {imm}, &{c})"
            if dec == "decodeBoolReg":
                return f"src(0, 2, {imm}, &{c})"
            if dec in ("decodeSDWASrc32", "decodeSDWASrc16"):
                return f"K::Sdwa({imm}, &{c})"
            if dec == "decodeSDWAVopcDst":
                return "K::SdwaVopcDst"
            m = re.match(r"Decode(VGPR_32|VReg_(\d+)|AGPR_32|AReg_(\d+))(_Lo128)?RegisterClass", dec)
            if m:
                bits = int(m.group(2) or m.group(3) or 32)
                return f"K::{'Agpr' if m.group(1).startswith('A') else 'Vgpr'}({bits // 32}, &{c})"
            m = re.match(r"DecodeSReg_(\d+).*RegisterClass", dec)
            if m:
                return f"src(0, {int(m.group(1)) // 32}, I::Register, &{c})"
            raise SystemExit(f"{name}: no rule for decoder {dec}")
        m = re.search(r'printNamedBit\(MI, OpNo, O, "(\w+)"\)', method)
        if m:
            return f'K::Bit("{m.group(1)}")'
        m = re.search(r'printNamedInt\(MI, OpNo, STI, O, "(\w+)", (\w+), (\w+)\)', method)
        if m:
            if dec == "decodeSMEMOffset":
                return "K::SmemOffsetMod"
            return f'K::Int("{m.group(1)}", {m.group(2)}, {m.group(3)})'
        simple = {"printCPol": "Cpol", "printOffset": "Offset", "printFlatOffset": "FlatOffset",
                  "printSMEMOffset": "SmemOffset", "printFORMAT": "Format", "printOModSI": "Omod",
                  "printOpSel": "OpSel", "printOpSelHi": "OpSelHi", "printNegLo": "NegLo", "printNegHi": "NegHi",
                  "printDPPCtrl": "DppCtrl", "printDppBoundCtrl": "BoundCtrl", "printDppFI": "DppFi",
                  "printSDWADstSel": "DstSel", "printSDWASrc0Sel": "Src0Sel", "printSDWASrc1Sel": "Src1Sel",
                  "printSDWADstUnused": "DstUnused", "printBLGP": "Blgp", "printSWaitCnt": "Waitcnt",
                  "printSendMsg": "SendMsg", "printHwreg": "Hwreg", "printGPRIdxMode": "GprIdxMode",
                  "printSwizzle": "Swizzle", "printEndpgm": "Endpgm", "printU32ImmOperand": "KImm32",
                  "printBitOp3": "Bitop3", "printOperandAndFPInputMods": "FpMods",
                  "printOperandAndIntInputMods": "IntMods"}
        if method in simple:
            return "K::" + simple[method]
        if method == "printU16ImmOperand":
            return "K::KImm16" if optype == "OPERAND_KIMM16" else ("K::S16" if name == "s16imm" else "K::U16")
        if method == "printOperand" and optype == "OPERAND_INPUT_MODS":
            return "K::Mods"
        if method == "printOperand" and optype == "OPERAND_PCREL":
            return "K::Branch"
        if method == "printOperand" and optype == "OPERAND_IMMEDIATE":
            return "K::Imm"
        raise SystemExit(f"{name}: no rule for print method {method} ({optype})")

    def class_const(self, name):
        if name in ("SReg_1", "SReg_1_XEXEC"):  # a lane mask: LLVM does not check the register
            self.classes["LANE_MASK"] = 'class("SReg_1", V | A | S | M0 | EXEC_LO | EXEC_HI | LDS, false)'
            return "LANE_MASK"
        name = self.register_class(name)
        const = name.upper()
        self.classes[const] = (f'class("{name}", {class_banks(name)}, {"true" if name.endswith("_Align2") else "false"})')
        return const


def class_dwords(name):
    m = re.search(r"_(\d+)", name)
    return int(m.group(1)) // 32


def class_banks(name):
    if name.startswith(("VReg_", "VGPR_")):
        return "V"
    if name.startswith(("AReg_", "AGPR_")):
        return "A"
    if name.startswith("AV_"):
        return "V | A"
    if name == "VRegOrLds_32":
        return "V | LDS"
    if name == "VS_32":
        return "V | S | M0 | EXEC_LO | EXEC_HI | LDS"
    if name in ("VS_64", "VS_64_Align2"):
        return "V | S | EXEC_LO"
    if name in ("SReg_64", "SReg_64_Encodable"):
        return "S | EXEC_LO"
    table = {"SReg_32": "S | M0 | EXEC_LO | EXEC_HI", "SReg_32_XM0": "S | EXEC_LO | EXEC_HI", "SReg_32_XM0_XEXEC": "S",
             "SReg_32_XEXEC": "S | M0", "SReg_32_XEXEC_HI": "S | M0 | EXEC_LO", "SReg_64_XEXEC": "S",
             "SReg_64_XEXEC_XNULL": "S", "SReg_128": "S", "SReg_128_XNULL": "S", "SReg_256": "S",
             "SReg_256_XNULL": "S", "SReg_512": "S"}
    return table[name]


def imm_type(optype):
    if optype in ("OPERAND_REGISTER", "OPERAND_SDWA_VOPC_DST"):
        return "I::Register"
    t = re.sub(r"OPERAND_REG_(IMM|INLINE_C|INLINE_AC)_", "", optype)
    return "I::" + {"INT32": "I32", "FP32": "F32", "V2INT32": "I32", "V2FP32": "F32", "INT16": "I16", "FP16": "F16",
                    "BF16": "Bf16", "INT64": "I64", "FP64": "F64", "V2INT16": "V2I16", "V2FP16": "V2F16",
                    "V2FP16_SPLAT": "V2F16", "V2BF16": "V2Bf16"}[t]


def bits_of(record):
    """mask, value and the operand segments {name: [(instruction bit, operand bit, length)]}."""
    mask = value = 0
    segs = {}
    for i, b in enumerate(record["Inst"]):
        if b in (0, 1):
            mask |= 1 << i
            value |= b << i
        elif isinstance(b, dict) and b["kind"] in ("var", "varbit"):
            s = segs.setdefault(b["var"] if b["kind"] == "varbit" else b["printable"], [])
            k = b.get("index", 0)
            if s and s[-1][0] + s[-1][2] == i and s[-1][1] + s[-1][2] == k:
                s[-1] = (s[-1][0], s[-1][1], s[-1][2] + 1)
            else:
                s.append((i, k, 1))
    return mask, value, segs


def is_single(recs, r):
    p = recs.pseudo.get(r.get("PseudoInstr"), {})
    return (r.get("IsSingle") or p.get("IsSingle")) == 1


def suffix(recs, r, ts):
    """The mnemonic suffix that AMDGPUInstPrinter::printVOPDst adds."""
    if TS_VOP3 in ts and TS_DPP in ts:
        return "_e64_dpp"
    if TS_VOP3 in ts:
        return "" if is_single(recs, r) else "_e64"
    if TS_DPP in ts:
        return "_dpp"
    if TS_SDWA in ts:
        return "_sdwa"
    if (TS_VOP1 in ts or TS_VOP2 in ts) and not is_single(recs, r):
        return "_e32"
    return ""


def main():
    src, dst = sys.argv[1:3]
    recs = Records(src)
    recs.classes = {}
    kinds, layouts, forms = {}, {}, []
    for name, r in recs.gfx950():
        ts = recs.ts(r)
        enc = next(e for b, e in ENCODINGS if b in ts)
        scalar = enc.startswith("Sop") or enc == "Smem"
        mask, value, segs = bits_of(r)
        args = [(a[1], a[0]["def"]) for part in ("OutOperandList", "InOperandList") for a in r[part]["args"]]
        asm = r["AsmString"]
        cut = min([x for x in (asm.find(" "), asm.find("$")) if x >= 0] or [len(asm)])
        mnemonic, tail = asm[:cut], asm[cut:]
        printer = {a: recs.all[d].get("PrintMethod", "") for a, d in args}
        if tail.startswith("$") and printer[re.match(r"\$(\w+)", tail).group(1)] == "printVOPDst":
            mnemonic += suffix(recs, r, ts)
            tail = " " + tail
        defs = {d["def"] for d in r["Defs"] or []}
        implied = []
        if enc == "Vopc":  # printOperand's default VCC destination
            assert "VCC" in defs, name
            tail = " vcc, " + tail.lstrip()
            implied = ["VSdst"]
        elif mnemonic == "v_cndmask_b32_e32":
            tail += ", vcc"
            implied = ["Src2"]
        elif ", vcc" in tail:
            implied = (["VSdst"] if "$vdst, vcc" in tail else []) + \
                      (["Src2"] if re.search(r"\$src1(_modifiers)?, vcc", tail) else [])
        tail = tail.replace(",$format $soffset", ", $soffset$format").replace("$gds", "")
        ops = []
        for arg, definition in args:
            if arg in TIED | ABSENT or (arg not in segs and arg in ("sdata", "src0", "src1")):
                continue
            if arg in ("src0", "src1") and scalar:
                field = "Ssrc" + arg[3]
            elif arg in ("src0", "src1"):
                field = "Src" + arg[3]
            elif arg == "sdst":
                field = "Sdst" if scalar else "VSdst"
            elif arg == "offset":
                field = "SmemOffset" if enc == "Smem" else "Offset"
            else:
                field = FIELDS[arg]
            k = kinds.setdefault(recs.kind(definition), len(kinds))
            ops.append((arg, field, k, tuple(segs.get(arg, ()))))
        for field in implied:
            ops.append(("", field, kinds.setdefault("K::ImpliedVcc", len(kinds)), ()))
        flags = {TSFLAGS[b] for b in ts if b in TSFLAGS}
        pseudo = recs.pseudo.get(r.get("PseudoInstr"), {})
        for key, flag in RECORD_FLAGS.items():
            v = r.get(key)
            if v is None:
                v = pseudo.get(key)
            if v == 1:
                flags.add(flag)
        for rec in (r, pseudo):
            for key, word in (("Defs", "DEF_"), ("Uses", "USE_")):
                for d in rec.get(key) or []:
                    if d["def"] in IMPLICIT:
                        flags.add(word + IMPLICIT[d["def"]])
        flags |= {"BRANCH"} if pseudo.get("isCall") == 1 or mnemonic in BRANCHES or \
            any(list(kinds)[k] == "K::Branch" for _, _, k, _ in ops) else set()
        # LLVM's flags serve its scheduler; these say something else than their names here.
        if not enc.startswith(("Vop", "Mai", "Dpp", "Sdwa")):
            flags.discard("VALU")  # set for loads to LDS
        if enc == "Mai" and not mnemonic.startswith("v_accvgpr"):
            flags.discard("USE_EXEC")  # matrix instructions ignore EXEC
        if enc == "Sopp":
            flags -= {"LOAD", "STORE"}  # set to keep s_wakeup in place
        fields = {field for _, field, _, _ in ops}
        if "VSdst" in fields:
            flags.discard("DEF_VCC")
        if "Src2" in implied:
            flags.discard("USE_VCC")
        if enc == "Dpp" and any("VREG_64" in list(kinds)[k] for f, _, k, _ in ops if f in ("vdst", "src0", "src1", "src2")):
            flags.add("DPALU")
        layout = layouts.setdefault((tail, tuple(ops)), len(layouts))
        table = TABLES.index((r["DecoderNamespace"], len(r["Inst"])))
        forms.append((table, -bin(mask).count("1"), value, mask, mnemonic, enc, layout, flags, name))
    forms.sort(key=lambda f: f[:3] + (f[8],))
    forms = reachable(forms, list(layouts), list(kinds))
    write(dst, recs, kinds, layouts, forms)


def reachable(forms, layouts, kinds):
    """Drops the forms that an earlier form always takes (the older encodings of most LDS instructions).

    One is kept when the earlier form's operands can fail to decode: then LLVM goes on to later tables.
    """
    keep = []
    for f in forms:
        def shadows(g):
            same = TABLES[g[0]][1] == TABLES[f[0]][1] and g[3] & f[3] == g[3] and (g[2] ^ f[2]) & g[3] == 0
            return g[0] < f[0] and same and (g[6] == f[6] or all(never_fails(kinds[k], bits) for _, _, k, bits in layouts[g[6]][1]))
        if not any(shadows(g) for g in keep):
            keep.append(f)
    return keep


def never_fails(kind, bits):
    """Whether every value of an operand decodes: vector registers, and single accumulation registers."""
    m = re.match(r"src\(256, (\d+),", kind)
    if m:  # tuples of accumulation registers end at a255
        return m.group(1) == "1"
    return kind.startswith("K::") and not re.match(r"K::(Agpr\((?!1,)|Sdwa|\w+Sel|DstUnused)", kind)


FLAG_ORDER = ["SALU", "VALU", "TRANS", "MAI", "DOT", "LOAD", "STORE", "ATOMIC_RET", "ATOMIC_NO_RET", "FP_ATOMIC", "D16",
              "DS", "GWS", "VM_CNT", "LGKM_CNT", "BRANCH", "TERMINATOR", "CONVERGENT", "OPSEL4", "PACKED",
              "FP_CLAMP", "INT_CLAMP", "F64_ROUND", "DPALU", "DEF_SCC", "DEF_EXEC", "DEF_M0", "DEF_MODE",
              "USE_SCC", "USE_VCC", "USE_EXEC", "USE_M0", "USE_MODE", "USE_FLAT_SCR", "DEF_FLAT_SCR"]


def write(dst, recs, kinds, layouts, forms):
    out = ["// Generated by tools/isa/gen_table.py from LLVM 22.1's AMDGPU TableGen records; do not edit.",
           "// A derived work of LLVM: Apache-2.0 WITH LLVM-exception, see NOTICE.",
           "//",
           "// KINDS: what an operand is. LAYOUTS: operand text, then (name, field, kind, [(bit, operand bit, length)]).",
           "// FORMS: decoder table, mask, value, mnemonic, format, layout, flags; in the order in which they are tried.",
           "", "use crate::form::{Flags as G, Form, Layout, form, op};",
           "use crate::inst::{Encoding as E, Field as F};",
           "use crate::kind::{", "    A, Class, EXEC_HI, EXEC_LO, ImmType as I, Kind as K, LDS, M0, S, V, class, src,", "};", ""]
    for const in sorted(recs.classes):
        out.append(f"static {const}: Class = {recs.classes[const]};")
    out.append("")
    names = list(kinds)
    out.append(f"pub(crate) static KINDS: [K; {len(names)}] = [")
    for i, k in enumerate(names):
        out.append(f"    /* {i} */ {k},")
    out.append("];")
    out.append("")
    out.append(f"pub(crate) static LAYOUTS: [Layout; {len(layouts)}] = [")
    for (tail, ops), i in layouts.items():
        parts = ", ".join(f'op("{a}", F::{f}, {k}, &[{", ".join(map(str, s))}])' for a, f, k, s in ops)
        out.append(f'    /* {i} */ Layout {{ asm: "{tail}", ops: &[{parts}] }},')
    out.append("];")
    out.append("")
    combos = {}
    for f in forms:
        combos.setdefault(tuple(x for x in FLAG_ORDER if x in f[7]), len(combos))
        assert f[7] <= set(FLAG_ORDER), f[7]
    out.append(f"static FLAGS: [G; {len(combos)}] = [")
    for combo, i in combos.items():
        out.append(f"    /* {i} */ G::of(&[{', '.join('G::' + c for c in combo)}]),")
    out.append("];")
    out.append("")
    out.append(f"pub(crate) static FORMS: [Form; {len(forms)}] = [")
    for table, _, value, mask, mnemonic, enc, layout, flags, _ in forms:
        width = TABLES[table][1] // 4
        combo = combos[tuple(x for x in FLAG_ORDER if x in flags)]
        out.append(f'    form({table}, 0x{mask:0{width}x}, 0x{value:0{width}x}, "{mnemonic}", E::{enc}, {layout}, FLAGS[{combo}]),')
    out.append("];")
    with open(dst, "w") as f:
        f.write("\n".join(out) + "\n")
    print(len(forms), "forms,", len(layouts), "layouts,", len(names), "kinds,", len(combos), "flag sets")


if __name__ == "__main__":
    main()
