//! Names of immediate fields: waits, messages, hardware registers, swizzles, buffer formats.

use std::fmt::Write;

/// Inline floating constants by index: 0.5, -0.5, 1, -1, 2, -2, 4, -4, 1/(2π).
pub(crate) const INLINE_F32: [u32; 9] = [
    0x3f00_0000,
    0xbf00_0000,
    0x3f80_0000,
    0xbf80_0000,
    0x4000_0000,
    0xc000_0000,
    0x4080_0000,
    0xc080_0000,
    0x3e22_f983,
];
pub(crate) const INLINE_F16: [u16; 9] =
    [0x3800, 0xb800, 0x3c00, 0xbc00, 0x4000, 0xc000, 0x4400, 0xc400, 0x3118];
pub(crate) const INLINE_BF16: [u16; 9] =
    [0x3f00, 0xbf00, 0x3f80, 0xbf80, 0x4000, 0xc000, 0x4080, 0xc080, 0x3e22];
/// High halves of the double constants; that of 1/(2π) is missing because its low half is not zero.
pub(crate) const INLINE_F64_HIGH: [u32; 8] =
    [0x3fe0_0000, 0xbfe0_0000, 0x3ff0_0000, 0xbff0_0000, 0x4000_0000, 0xc000_0000, 0x4010_0000, 0xc010_0000];

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to a String cannot fail");
}

pub(crate) fn sdwa_select(raw: u32) -> &'static str {
    ["BYTE_0", "BYTE_1", "BYTE_2", "BYTE_3", "WORD_0", "WORD_1", "DWORD", "reserved"][raw as usize & 7]
}

pub(crate) fn sdwa_unused(raw: u32) -> &'static str {
    ["UNUSED_PAD", "UNUSED_SEXT", "UNUSED_PRESERVE", "reserved"][raw as usize & 3]
}

/// `s_waitcnt`: the counters that are waited for; all three when none is.
pub(crate) fn waitcnt(out: &mut String, raw: u32) {
    let counters = [
        ("vmcnt", (raw & 15) | (raw >> 14 & 3) << 4, 63),
        ("expcnt", raw >> 4 & 7, 7),
        ("lgkmcnt", raw >> 8 & 15, 15),
    ];
    let all = counters.iter().all(|&(_, value, max)| value == max);
    let mut separator = "";
    for (name, value, max) in counters {
        if all || value != max {
            put(out, format_args!("{separator}{name}({value})"));
            separator = " ";
        }
    }
}

/// `s_sendmsg`: message, operation and stream where the message has them.
pub(crate) fn sendmsg(out: &mut String, raw: u32) {
    let (message, operation, stream) = (raw & 15, raw >> 4 & 7, raw >> 8 & 3);
    let name = match message {
        1 => "MSG_INTERRUPT",
        2 => "MSG_GS",
        3 => "MSG_GS_DONE",
        4 => "MSG_SAVEWAVE",
        5 => "MSG_STALL_WAVE_GEN",
        6 => "MSG_HALT_WAVES",
        7 => "MSG_ORDERED_PS_DONE",
        8 => "MSG_EARLY_PRIM_DEALLOC",
        9 => "MSG_GS_ALLOC_REQ",
        10 => "MSG_GET_DOORBELL",
        15 => "MSG_SYSMSG",
        _ => "",
    };
    let operation_name = match (message, operation) {
        (3, 0) => "GS_OP_NOP",
        (2 | 3, 1) => "GS_OP_CUT",
        (2 | 3, 2) => "GS_OP_EMIT",
        (2 | 3, 3) => "GS_OP_EMIT_CUT",
        (15, 1) => "SYSMSG_OP_ECC_ERR_INTERRUPT",
        (15, 2) => "SYSMSG_OP_REG_RD",
        (15, 4) => "SYSMSG_OP_TTRACE_PC",
        _ => "",
    };
    let takes_operation = matches!(message, 2 | 3 | 15);
    let takes_stream = matches!(message, 2 | 3) && operation != 0;
    let valid = !name.is_empty()
        && (if takes_operation { !operation_name.is_empty() } else { operation == 0 })
        && (takes_stream || stream == 0);
    if valid {
        put(out, format_args!("sendmsg({name}"));
        if takes_operation {
            put(out, format_args!(", {operation_name}"));
        }
        if takes_stream {
            put(out, format_args!(", {stream}"));
        }
        out.push(')');
    } else if message | operation << 4 | stream << 8 == raw {
        put(out, format_args!("sendmsg({message}, {operation}, {stream})"));
    } else {
        put(out, format_args!("{raw}"));
    }
}

/// `s_getreg`, `s_setreg`: register, and bit offset and width unless they are the whole register.
pub(crate) fn hwreg(out: &mut String, raw: u32) {
    let (id, offset, width) = (raw & 63, raw >> 6 & 31, (raw >> 11 & 31) + 1);
    let name = match id {
        1 => "HW_REG_MODE",
        2 => "HW_REG_STATUS",
        3 => "HW_REG_TRAPSTS",
        4 => "HW_REG_HW_ID",
        5 => "HW_REG_GPR_ALLOC",
        6 => "HW_REG_LDS_ALLOC",
        7 => "HW_REG_IB_STS",
        15 => "HW_REG_SH_MEM_BASES",
        16 => "HW_REG_TBA_LO",
        17 => "HW_REG_TBA_HI",
        18 => "HW_REG_TMA_LO",
        19 => "HW_REG_TMA_HI",
        20 => "HW_REG_XCC_ID",
        21 => "HW_REG_SQ_PERF_SNAPSHOT_DATA",
        22 => "HW_REG_SQ_PERF_SNAPSHOT_DATA1",
        23 => "HW_REG_SQ_PERF_SNAPSHOT_PC_LO",
        24 => "HW_REG_SQ_PERF_SNAPSHOT_PC_HI",
        _ => "",
    };
    match name {
        "" => put(out, format_args!("hwreg({id}")),
        name => put(out, format_args!("hwreg({name}")),
    }
    if offset != 0 || width != 32 {
        put(out, format_args!(", {offset}, {width}"));
    }
    out.push(')');
}

/// `s_set_gpr_idx_on`: the operands that are indexed.
pub(crate) fn gpr_idx_mode(out: &mut String, raw: u32) {
    if raw > 15 {
        return put(out, format_args!("{raw:#x}"));
    }
    out.push_str("gpr_idx(");
    let mut separator = "";
    for (i, name) in ["SRC0", "SRC1", "SRC2", "DST"].into_iter().enumerate() {
        if raw >> i & 1 != 0 {
            put(out, format_args!("{separator}{name}"));
            separator = ",";
        }
    }
    out.push(')');
}

/// `ds_swizzle_b32`: the pattern that the offset encodes.
pub(crate) fn swizzle(out: &mut String, raw: u32) {
    out.push_str(" offset:");
    let (and, or, xor) = (raw & 31, raw >> 5 & 31, raw >> 10 & 31);
    let group = 32 - and;
    match raw {
        0xe000.. => put(out, format_args!("swizzle(FFT,{and})")),
        0xc000.. => put(out, format_args!("swizzle(ROTATE,{},{})", raw >> 10 & 1, or)),
        0x8000..=0x80ff => put(
            out,
            format_args!("swizzle(QUAD_PERM,{},{},{},{})", raw & 3, raw >> 2 & 3, raw >> 4 & 3, raw >> 6 & 3),
        ),
        0x8100..=0xbfff => put(out, format_args!("{raw}")),
        _ if and == 31 && or == 0 && xor.is_power_of_two() => put(out, format_args!("swizzle(SWAP,{xor})")),
        _ if and == 31 && or == 0 && xor > 0 && (xor + 1).is_power_of_two() => {
            put(out, format_args!("swizzle(REVERSE,{})", xor + 1));
        }
        _ if group > 1 && group.is_power_of_two() && or < group && xor == 0 => {
            put(out, format_args!("swizzle(BROADCAST,{group},{or})"));
        }
        _ => {
            // Per bit of the lane number, high to low: 0, 1, preserved or inverted.
            let (zero, one) = (or ^ xor, ((31 & and) | or) ^ xor);
            let mask: String = (0..5)
                .rev()
                .map(|bit| match (zero >> bit & 1, one >> bit & 1) {
                    (0, 0) => '0',
                    (1, 1) => '1',
                    (0, _) => 'p',
                    _ => 'i',
                })
                .collect();
            put(out, format_args!("swizzle(BITMASK_PERM,\"{mask}\")"));
        }
    }
}

/// Typed buffer instructions: data and number format, unless both are the default (8-bit unorm).
pub(crate) fn buffer_format(out: &mut String, raw: u32) {
    const DATA: [&str; 16] = [
        "INVALID",
        "8",
        "16",
        "8_8",
        "32",
        "16_16",
        "10_11_11",
        "11_11_10",
        "10_10_10_2",
        "2_10_10_10",
        "8_8_8_8",
        "32_32",
        "16_16_16_16",
        "32_32_32",
        "32_32_32_32",
        "RESERVED_15",
    ];
    const NUMBER: [&str; 8] = ["UNORM", "SNORM", "USCALED", "SSCALED", "UINT", "SINT", "RESERVED_6", "FLOAT"];
    let (data, number) = (raw as usize & 15, raw as usize >> 4 & 7);
    if (data, number) == (1, 0) {
        return;
    }
    out.push_str(" format:[");
    if data != 1 {
        put(out, format_args!("BUF_DATA_FORMAT_{}", DATA[data]));
    }
    if number != 0 {
        let comma = if data != 1 { "," } else { "" };
        put(out, format_args!("{comma}BUF_NUM_FORMAT_{}", NUMBER[number]));
    }
    out.push(']');
}
