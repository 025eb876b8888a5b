//! One kernel for each group: it loads the state, executes the group's lines and stores the state.
//!
//! Arguments: addresses of inputs, outputs and memory; a workgroup is one wave and has its own block of each.
//! v0 holds the lane's byte offset, v1 and s80… are scratch, s[8:9] is the wave's memory.

use std::{fmt::Write, path::Path, process::Command};

use super::{
    compile,
    state::{AREA, FIRST_SCALAR, FIRST_VECTOR, SPECIAL},
    vectors::{Group, Place},
};

/// The module's assembly; kernel `i` is `g<i>`.
pub(crate) fn module(groups: &[Group]) -> String {
    let mut text = String::from(".amdgcn_target \"amdgcn-amd-amdhsa--gfx950\"\n.text\n");
    let mut metadata = String::from(".amdgpu_metadata\n---\namdhsa.version: [1, 2]\namdhsa.kernels:\n");
    for (i, group) in groups.iter().enumerate() {
        kernel(&mut text, i, group);
        let _ = write!(
            metadata,
            "  - .name: g{i}\n    .symbol: g{i}.kd\n    .kernarg_segment_size: 24\n    \
             .kernarg_segment_align: 8\n    .group_segment_fixed_size: {lds}\n    \
             .private_segment_fixed_size: 64\n    .wavefront_size: 64\n    .sgpr_count: 102\n    \
             .vgpr_count: 512\n    .agpr_count: 256\n    .max_flat_workgroup_size: 64\n    .args:\n",
            lds = 4 * AREA
        );
        for offset in [0, 8, 16] {
            let _ = writeln!(
                metadata,
                "      - {{.address_space: global, .offset: {offset}, .size: 8, .value_kind: global_buffer}}"
            );
        }
    }
    metadata.push_str("...\n.end_amdgpu_metadata\n");
    text + &metadata
}

/// Bytes of a wave's block of inputs or outputs.
pub(crate) fn block_bytes(group: &Group) -> usize {
    let (vectors, scalars) = group.registers();
    256 * vectors + 4 * (scalars + SPECIAL) + if group.uses(&Place::Lds) { 4 * AREA } else { 0 }
}

fn kernel(text: &mut String, i: usize, group: &Group) {
    let _ = write!(text, ".p2align 8\n.globl g{i}\n.type g{i},@function\ng{i}:\n");
    for line in prologue(group).into_iter().chain(group.code.iter().cloned()).chain(epilogue(group)) {
        let _ = writeln!(text, "  {line}");
    }
    let _ = write!(
        text,
        "  s_endpgm\n.Lend{i}:\n.size g{i}, .Lend{i}-g{i}\n.rodata\n.p2align 6\n.amdhsa_kernel g{i}\n\
         .amdhsa_user_sgpr_kernarg_segment_ptr 1\n.amdhsa_system_sgpr_workgroup_id_x 1\n\
         .amdhsa_next_free_vgpr 512\n.amdhsa_accum_offset 256\n.amdhsa_next_free_sgpr 96\n\
         .amdhsa_group_segment_fixed_size {}\n.amdhsa_private_segment_fixed_size 64\n\
         .amdhsa_enable_private_segment 1\n.end_amdhsa_kernel\n.text\n",
        4 * AREA
    );
}

/// `s[pair] += bytes`.
fn advance(pair: usize, bytes: usize) -> [String; 2] {
    [format!("s_add_u32 s{pair}, s{pair}, {bytes}"), format!("s_addc_u32 s{}, s{}, 0", pair + 1, pair + 1)]
}

fn prologue(group: &Group) -> Vec<String> {
    let (vectors, scalars) = group.registers();
    let lds = group.uses(&Place::Lds);
    let mut out: Vec<String> = Vec::new();
    let lines = |out: &mut Vec<String>, all: &[&str]| out.extend(all.iter().map(|line| line.to_string()));
    lines(
        &mut out,
        &[
            "s_load_dwordx4 s[4:7], s[0:1], 0x0",
            "s_load_dwordx2 s[8:9], s[0:1], 0x10",
            "v_lshlrev_b32_e32 v0, 2, v0",
            "s_waitcnt lgkmcnt(0)",
        ],
    );
    for (pair, bytes) in [(4, block_bytes(group)), (6, block_bytes(group)), (8, 4 * AREA)] {
        out.push(format!("s_mul_i32 s10, s2, {bytes}"));
        out.push(format!("s_add_u32 s{pair}, s{pair}, s10"));
        out.push(format!("s_addc_u32 s{}, s{}, 0", pair + 1, pair + 1));
    }
    for i in 0..vectors {
        out.push(format!("global_load_dword v{}, v0, s[4:5]", FIRST_VECTOR + i));
        out.extend(advance(4, 256));
    }
    for i in 0..scalars + SPECIAL {
        let register = if i < scalars { FIRST_SCALAR + i } else { 80 + i - scalars };
        out.push(format!("s_load_dword s{register}, s[4:5], {:#x}", 4 * i));
    }
    out.push("s_waitcnt lgkmcnt(0)".into());
    if lds {
        out.extend(advance(4, 4 * (scalars + SPECIAL)));
        for i in 0..AREA / 64 {
            out.push("global_load_dword v1, v0, s[4:5]".into());
            out.extend(advance(4, 256));
            out.push("s_waitcnt vmcnt(0)".into());
            out.push(format!("ds_write_b32 v0, v1 offset:{}", 256 * i));
        }
    }
    // The special scalars stand in s80…s86: MODE, M0, SCC, VCC, EXEC.
    lines(
        &mut out,
        &[
            "s_waitcnt vmcnt(0) lgkmcnt(0)",
            "s_setreg_b32 hwreg(HW_REG_MODE), s80",
            "s_mov_b32 m0, s81",
            "s_mov_b32 vcc_lo, s83",
            "s_mov_b32 vcc_hi, s84",
            "s_cmp_lg_u32 s82, 0",
            "s_mov_b32 exec_lo, s85",
            "s_mov_b32 exec_hi, s86",
            "s_nop 7",
        ],
    );
    out
}

fn epilogue(group: &Group) -> Vec<String> {
    let (vectors, scalars) = group.registers();
    let mut out: Vec<String> = [
        "s_nop 7",
        "s_nop 7",
        "s_waitcnt vmcnt(0) lgkmcnt(0)",
        "s_cselect_b32 s82, 1, 0",
        "s_mov_b32 s81, m0",
        "s_mov_b32 s83, vcc_lo",
        "s_mov_b32 s84, vcc_hi",
        "s_mov_b32 s85, exec_lo",
        "s_mov_b32 s86, exec_hi",
        "s_getreg_b32 s80, hwreg(HW_REG_MODE)",
        "s_mov_b32 m0, -1",
        "s_mov_b64 exec, -1",
    ]
    .map(str::to_owned)
    .to_vec();
    for i in 0..vectors {
        out.push(format!("global_store_dword v0, v{}, s[6:7]", FIRST_VECTOR + i));
        out.extend(advance(6, 256));
    }
    out.push("s_mov_b64 exec, 1".into());
    out.push("v_mov_b32_e32 v0, 0".into());
    for i in 0..scalars + SPECIAL {
        let register = if i < scalars { FIRST_SCALAR + i } else { 80 + i - scalars };
        out.push(format!("v_mov_b32_e32 v1, s{register}"));
        out.push(format!("global_store_dword v0, v1, s[6:7] offset:{}", 4 * i));
    }
    if group.uses(&Place::Lds) {
        out.push("s_mov_b64 exec, -1".into());
        out.push("v_mbcnt_lo_u32_b32 v0, -1, 0".into());
        out.push("v_mbcnt_hi_u32_b32 v0, -1, v0".into());
        out.push("v_lshlrev_b32_e32 v0, 2, v0".into());
        out.extend(advance(6, 4 * (scalars + SPECIAL)));
        for i in 0..AREA / 64 {
            out.push(format!("ds_read_b32 v1, v0 offset:{}", 256 * i));
            out.push("s_waitcnt lgkmcnt(0)".into());
            out.push("global_store_dword v0, v1, s[6:7]".into());
            out.extend(advance(6, 256));
        }
    }
    out
}

/// The gfx950 code object of an assembly text; `None` without an assembler.
pub(crate) fn assemble(name: &str, text: &str, scratch: &Path) -> Option<Vec<u8>> {
    let clang = compile::rocm()?.join("bin/clang");
    let source = scratch.join(format!("{name}-{}.s", std::process::id()));
    let target = source.with_extension("co");
    std::fs::write(&source, text).expect("the scratch folder is writable");
    let status = Command::new(clang)
        .args(["-x", "assembler", "--target=amdgcn-amd-amdhsa", "-mcpu=gfx950", "-o"])
        .arg(&target)
        .arg(&source)
        .status()
        .expect("clang starts");
    assert!(status.success(), "the assembler failed on {}", source.display());
    let image = std::fs::read(&target).expect("clang wrote it");
    for file in [source, target] {
        std::fs::remove_file(file).expect("its own file");
    }
    Some(image)
}
