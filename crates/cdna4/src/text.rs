//! The disassembler's text: operand by operand as `llvm-objdump` prints it.

use std::fmt::Write;

use crate::form::{Flags, Op};
use crate::inst::{Encoding, Inst, mods};
use crate::kind::{Class, ImmType, Kind};
use crate::names;
use crate::operand::{FLOAT_NAMES, Operand};
use crate::table::KINDS;

/// The whole instruction: mnemonic, then the layout's text with its operands filled in.
pub(crate) fn text(inst: &Inst) -> String {
    let mut printer = Printer { inst, out: String::with_capacity(64) };
    printer.out.push_str(inst.asm_mnemonic());
    let layout = inst.layout();
    let mut rest = layout.asm;
    while let Some((plain, tail)) = rest.split_once('$') {
        printer.out.push_str(plain);
        let end = tail.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(tail.len());
        let (name, after) = tail.split_at(end);
        let at = layout.ops.iter().position(|op| op.name == name).expect("the generator names every operand");
        printer.operand(at);
        rest = after;
    }
    printer.out.push_str(rest);
    printer.out
}

struct Printer<'a> {
    inst: &'a Inst,
    out: String,
}

impl Printer<'_> {
    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        self.out.write_fmt(text).expect("writing to a String cannot fail");
    }

    fn operand(&mut self, at: usize) {
        let op = &self.inst.layout().ops[at];
        let raw = op.raw(self.inst.bits());
        let kind = self.inst.sized(op, KINDS[usize::from(op.kind)]);
        match kind {
            Kind::Vgpr(_, class) | Kind::Agpr(_, class) => {
                self.register(kind.decode(raw).unwrap_or(Operand::Off), Some(class));
            }
            Kind::Src { imm, class, .. } | Kind::Sdwa(imm, class) => self.source(kind, raw, imm, class),
            Kind::SdwaVopcDst | Kind::GwsData | Kind::ImpliedVcc => {
                self.register(kind.decode(raw).unwrap_or(Operand::Off), None);
            }
            Kind::FpMods => self.float_modified(at, i64::from(raw)),
            Kind::IntMods if i64::from(raw) & mods::SEXT != 0 => {
                self.out.push_str("sext(");
                self.operand(at + 1);
                self.out.push(')');
            }
            Kind::IntMods => self.operand(at + 1),
            Kind::Mods => {}
            Kind::OpSel => self.list("op_sel", mods::OP_SEL),
            Kind::OpSelHi => self.list("op_sel_hi", mods::OP_SEL_HI),
            Kind::NegLo => self.list("neg_lo", mods::NEG),
            Kind::NegHi => self.list("neg_hi", mods::NEG_HI),
            _ => self.immediate(kind, op, raw),
        }
    }

    fn register(&mut self, operand: Operand, class: Option<&Class>) {
        self.push(format_args!("{operand}"));
        if let Some(class) = class.filter(|class| !class.contains(operand)) {
            self.push(format_args!("/*Invalid register, operand has '{}' register class*/", class.name));
        }
    }

    fn source(&mut self, kind: Kind, raw: u32, imm: ImmType, class: &Class) {
        match kind.decode(raw).unwrap_or(Operand::Off) {
            Operand::Int(i) => self.push(format_args!("{i}")),
            Operand::Float(i) => self.inline_float(usize::from(i), imm),
            Operand::Literal(_) => self.literal(self.inst.literal().unwrap_or(0), imm),
            register => return self.register(register, Some(class)),
        }
        if imm == ImmType::Register {
            self.out.push_str("/*Invalid immediate*/");
        }
    }

    fn inline_float(&mut self, index: usize, imm: ImmType) {
        match imm {
            // A 16-bit integer operand shows the half that the constant stands for.
            ImmType::I16 => self.push(format_args!("{:#x}", names::INLINE_F16[index])),
            ImmType::I64 | ImmType::F64 if index == 8 => self.out.push_str("0.15915494309189532"),
            _ => self.out.push_str(FLOAT_NAMES[index]),
        }
    }

    /// A literal; one that an inline constant could express is marked `lit(...)`.
    fn literal(&mut self, value: u32, imm: ImmType) {
        if marked(value, imm) {
            return self.push(format_args!("lit({value:#x})"));
        }
        match imm {
            ImmType::F64 => match names::INLINE_F64_HIGH.iter().position(|&x| x == value) {
                _ if value == 0 => self.out.push('0'),
                Some(i) => self.out.push_str(FLOAT_NAMES[i]),
                None => self.push(format_args!("{value:#x}")),
            },
            ImmType::I16 | ImmType::F16 => self.push(format_args!("{:#x}", value & 0xffff)),
            ImmType::Register => self.plain32(value),
            _ => self.push(format_args!("{value:#x}")),
        }
    }

    /// A 32-bit immediate: as the inline constant of that value if there is one.
    fn plain32(&mut self, value: u32) {
        match (small(value), names::INLINE_F32.iter().position(|&x| x == value)) {
            (Some(i), _) => self.push(format_args!("{i}")),
            (None, Some(i)) => self.out.push_str(FLOAT_NAMES[i]),
            (None, None) => self.push(format_args!("{value:#x}")),
        }
    }

    /// `-x`, `|x|`, `-|x|`; `neg(1)` for a constant, because `-1` is another one.
    fn float_modified(&mut self, at: usize, raw: i64) {
        let (neg, abs) = (raw & mods::NEG != 0, raw & mods::ABS != 0);
        let function = neg && !abs && self.is_plain_constant(at + 1);
        match (neg, function) {
            (true, true) => self.out.push_str("neg("),
            (true, false) => self.out.push('-'),
            _ => {}
        }
        if abs {
            self.out.push('|');
        }
        self.operand(at + 1);
        if abs {
            self.out.push('|');
        }
        if function {
            self.out.push(')');
        }
    }

    fn is_plain_constant(&self, at: usize) -> bool {
        let op = &self.inst.layout().ops[at];
        let kind = KINDS[usize::from(op.kind)];
        let (Kind::Src { imm, .. } | Kind::Sdwa(imm, _)) = kind else { return false };
        match kind.decode(op.raw(self.inst.bits())) {
            Some(Operand::Int(_) | Operand::Float(_)) => true,
            Some(Operand::Literal(_)) => !marked(self.inst.literal().unwrap_or(0), imm),
            _ => false,
        }
    }

    /// `name:[a,b,c]`, unless all have their default.
    fn list(&mut self, name: &str, bit: i64) {
        let layout = self.inst.layout();
        let find = |name: &str| layout.ops.iter().find(|op| op.name == name);
        let hi = bit == mods::OP_SEL_HI && name == "op_sel_hi";
        let mut values = Vec::with_capacity(4);
        let mut first = 0;
        for i in 0..3 {
            if find(["src0", "src1", "src2"][i]).is_none() {
                break;
            }
            let modifiers = find(["src0_modifiers", "src1_modifiers", "src2_modifiers"][i]);
            let raw = modifiers.map_or(0, |op| i64::from(op.raw(self.inst.bits())));
            if i == 0 {
                first = raw;
            }
            values.push(raw & bit != 0);
        }
        let flags = self.inst.flags();
        let destination = name == "op_sel"
            && flags.has(Flags::OPSEL4)
            && !values.is_empty()
            && (find("vdst").is_some() || find("sdst").is_some());
        let default = hi && flags.has(Flags::PACKED);
        if destination {
            values.push(first & mods::DST_OP_SEL != 0);
        }
        if values.iter().all(|&v| v == default) {
            return;
        }
        self.push(format_args!(" {name}:["));
        for (i, v) in values.into_iter().enumerate() {
            self.push(format_args!("{}{}", if i == 0 { "" } else { "," }, u8::from(v)));
        }
        self.out.push(']');
    }

    fn immediate(&mut self, kind: Kind, op: &Op, raw: u32) {
        let value = || self.inst.value(op.field).unwrap_or(0);
        match kind {
            Kind::Bit(name) if raw != 0 => self.push(format_args!(" {name}")),
            Kind::Int(_, _, false) if raw == 0 => {}
            Kind::Int(name, true, _) => self.push(format_args!(" {name}:{raw:#x}")),
            Kind::Int(name, false, _) => self.push(format_args!(" {name}:{raw}")),
            Kind::S16 | Kind::U16 | Kind::KImm16 | Kind::KImm32 => self.push(format_args!("{raw:#x}")),
            Kind::Imm => self.plain32(raw),
            Kind::Branch => self.push(format_args!("{raw}")),
            Kind::Cpol => self.cache_policy(value()),
            Kind::Offset if raw != 0 => self.push(format_args!(" offset:{raw}")),
            Kind::FlatOffset if raw != 0 => {
                let value = value();
                self.push(format_args!(" offset:{value}"));
            }
            Kind::SmemOffset | Kind::SmemOffsetMod => {
                let (value, name) = (value(), if matches!(kind, Kind::SmemOffset) { "" } else { " offset:" });
                let sign = if value < 0 { "-" } else { "" };
                self.push(format_args!("{name}{sign}{:#x}", value.unsigned_abs()));
            }
            Kind::Format => names::buffer_format(&mut self.out, raw),
            Kind::Omod => self.out.push_str(["", " mul:2", " mul:4", " div:2"][raw as usize & 3]),
            Kind::DppCtrl => self.dpp_ctrl(raw),
            Kind::BoundCtrl if raw != 0 => self.out.push_str(" bound_ctrl:1"),
            Kind::DppFi if raw == 1 => self.out.push_str(" fi:1"),
            Kind::DstSel => self.push(format_args!("dst_sel:{}", names::sdwa_select(raw))),
            Kind::Src0Sel => self.push(format_args!("src0_sel:{}", names::sdwa_select(raw))),
            Kind::Src1Sel => self.push(format_args!("src1_sel:{}", names::sdwa_select(raw))),
            Kind::DstUnused => self.push(format_args!("dst_unused:{}", names::sdwa_unused(raw))),
            Kind::Blgp if raw != 0 && self.inst.mnemonic().starts_with("v_mfma_f64") => {
                self.push(format_args!(" neg:[{},{},{}]", raw & 1, raw >> 1 & 1, raw >> 2 & 1));
            }
            Kind::Blgp if raw != 0 => self.push(format_args!(" blgp:{raw}")),
            Kind::Bitop3 if raw > 10 => self.push(format_args!(" bitop3:{raw:#x}")),
            Kind::Bitop3 if raw != 0 => self.push(format_args!(" bitop3:{raw}")),
            Kind::Waitcnt => names::waitcnt(&mut self.out, raw),
            Kind::SendMsg => names::sendmsg(&mut self.out, raw),
            Kind::Hwreg => names::hwreg(&mut self.out, raw),
            Kind::GprIdxMode => names::gpr_idx_mode(&mut self.out, raw),
            Kind::Swizzle if raw != 0 => names::swizzle(&mut self.out, raw),
            Kind::Endpgm if raw != 0 => self.push(format_args!(" {raw}")),
            _ => {}
        }
    }

    fn cache_policy(&mut self, value: i64) {
        if value & 1 != 0 {
            self.out.push_str(if self.inst.encoding() == Encoding::Smem { " glc" } else { " sc0" });
        }
        if value & 2 != 0 {
            self.out.push_str(" nt");
        }
        if value & 16 != 0 {
            self.out.push_str(" sc1");
        }
    }

    fn dpp_ctrl(&mut self, raw: u32) {
        let broadcast = (0x150..=0x15f).contains(&raw);
        if self.inst.flags().has(Flags::DPALU) && !broadcast {
            return self.out.push_str(" /* DP ALU dpp only supports row_newbcast */");
        }
        match raw {
            0..=0xff => self.push(format_args!(
                "quad_perm:[{},{},{},{}]",
                raw & 3,
                raw >> 2 & 3,
                raw >> 4 & 3,
                raw >> 6 & 3
            )),
            0x101..=0x10f => self.push(format_args!("row_shl:{}", raw & 15)),
            0x111..=0x11f => self.push(format_args!("row_shr:{}", raw & 15)),
            0x121..=0x12f => self.push(format_args!("row_ror:{}", raw & 15)),
            0x130 => self.out.push_str("wave_shl:1"),
            0x134 => self.out.push_str("wave_rol:1"),
            0x138 => self.out.push_str("wave_shr:1"),
            0x13c => self.out.push_str("wave_ror:1"),
            0x140 => self.out.push_str("row_mirror"),
            0x141 => self.out.push_str("row_half_mirror"),
            0x142 => self.out.push_str("row_bcast:15"),
            0x143 => self.out.push_str("row_bcast:31"),
            0x150..=0x15f => self.push(format_args!("row_newbcast:{}", raw & 15)),
            0x160..=0x16f => {
                self.out.push_str("/* row_xmask is not supported on ASICs earlier than GFX10 */");
            }
            _ => self.out.push_str("/* Invalid dpp_ctrl value */"),
        }
    }
}

/// The integer that an inline constant can express.
fn small(value: u32) -> Option<i32> {
    (-16..=64).contains(&(value as i32)).then_some(value as i32)
}

/// Whether a literal has a value that an inline constant of the operand's type has too.
fn marked(value: u32, imm: ImmType) -> bool {
    let half = value as u16;
    let small_half = (-16..=64).contains(&(half as i16));
    match imm {
        ImmType::I32 | ImmType::F32 | ImmType::I16 | ImmType::V2I16 => {
            small(value).is_some() || names::INLINE_F32.contains(&value)
        }
        ImmType::F16 => small_half || names::INLINE_F16.contains(&half),
        ImmType::Bf16 => small_half || names::INLINE_BF16.contains(&half),
        ImmType::V2F16 => small(value).is_some() || names::INLINE_F16.iter().any(|&x| u32::from(x) == value),
        ImmType::V2Bf16 => {
            small(value).is_some() || names::INLINE_BF16.iter().any(|&x| u32::from(x) == value)
        }
        ImmType::I64 => value <= 64,
        ImmType::F64 | ImmType::Register => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_that_inline_constants_express_are_marked() {
        assert!(
            marked(5, ImmType::I32)
                && marked(0xffff_fff0, ImmType::F32)
                && marked(0x3f80_0000, ImmType::V2I16)
        );
        assert!(marked(0x1234_3c00, ImmType::F16) && !marked(0x1234_3c00, ImmType::V2F16));
        assert!(!marked(65, ImmType::I64) && !marked(0, ImmType::F64));
    }
}
