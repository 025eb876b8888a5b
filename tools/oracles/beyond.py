"""Instructions beyond those that real code was seen to use: the pseudocode is there, so they are tested too."""

import isa
import scalar
import selects
import valu

VECTOR = """
    v_add_i16 v_alignbyte_b32 v_ashr_pk_i8_i32 v_ashr_pk_u8_i32 v_ashrrev_i64 v_bcnt_u32_b32 v_cmp_eq_i16_e32
    v_cmp_eq_i32_e32 v_cmp_eq_i64_e32 v_cmp_f_f16_e32 v_cmp_f_f32_e32 v_cmp_f_f64_e32 v_cmp_f_i16_e32
    v_cmp_f_i32_e32 v_cmp_f_i64_e32 v_cmp_f_u16_e32 v_cmp_f_u32_e32 v_cmp_f_u64_e32 v_cmp_ge_u16_e32
    v_cmp_ge_u64_e32 v_cmp_gt_u16_e32 v_cmp_gt_u64_e32 v_cmp_le_i16_e32 v_cmp_le_i64_e32 v_cmp_le_u16_e32
    v_cmp_lt_u16_e32 v_cmp_lt_u64_e32 v_cmp_ne_i16_e32 v_cmp_ne_i32_e32 v_cmp_ne_i64_e32 v_cmp_nge_f16_e32
    v_cmp_nlg_f16_e32 v_cmp_t_i16_e32 v_cmp_t_i32_e32 v_cmp_t_i64_e32 v_cmp_t_u16_e32 v_cmp_t_u32_e32
    v_cmp_t_u64_e32 v_cmp_tru_f16_e32 v_cmp_tru_f32_e32 v_cmp_tru_f64_e32 v_cubeid_f32 v_cubema_f32 v_cubesc_f32
    v_cubetc_f32 v_cvt_f16_i16_e32 v_cvt_f16_u16_e32 v_cvt_f32_ubyte0_e32 v_cvt_f32_ubyte1_e32 v_cvt_f32_ubyte2_e32
    v_cvt_f32_ubyte3_e32 v_cvt_flr_i32_f32_e32 v_cvt_pk_f32_bf8_e32 v_cvt_rpi_i32_f32_e32 v_cvt_scalef32_f32_bf8
    v_cvt_scalef32_f32_fp8 v_cvt_scalef32_pk_bf16_bf8 v_cvt_scalef32_pk_bf8_f32 v_cvt_scalef32_pk_f16_bf8
    v_cvt_scalef32_pk_f16_fp4 v_cvt_scalef32_pk_f16_fp8 v_cvt_scalef32_pk_f32_bf8 v_cvt_scalef32_pk_f32_fp8
    v_cvt_scalef32_pk_fp4_bf16 v_cvt_scalef32_pk_fp4_f16 v_cvt_scalef32_pk_fp8_bf16 v_cvt_scalef32_pk_fp8_f16
    v_cvt_u16_f16_e32 v_cvt_u32_f64_e32 v_dot2_f32_bf16 v_dot2_f32_f16 v_dot2c_f32_bf16_e32 v_dot2c_f32_f16_e32
    v_ffbh_i32_e32 v_ffbl_b32_e32 v_mad_i16 v_mad_i32_i16 v_mad_i32_i24 v_mad_u16 v_mad_u32_u16 v_mad_u32_u24
    v_max3_f16 v_max3_i16 v_max3_i32 v_max3_u16 v_max3_u32 v_max_i16_e32 v_max_u16_e32 v_med3_f16 v_med3_i16
    v_med3_u16 v_min3_f16 v_min3_f32 v_min3_i16 v_min3_u16 v_min_i16_e32 v_min_u16_e32 v_mul_hi_i32_i24_e32
    v_mul_hi_u32_u24_e32 v_mul_legacy_f32 v_mul_lo_u16_e32 v_pk_add_i16 v_pk_add_u16 v_pk_ashrrev_i16
    v_pk_lshlrev_b16 v_pk_lshrrev_b16 v_pk_mad_i16 v_pk_mad_u16 v_pk_max_i16 v_pk_max_u16 v_pk_min_i16 v_pk_min_u16
    v_pk_mul_f16 v_pk_mul_lo_u16 v_pk_sub_i16 v_pk_sub_u16 v_prng_b32_e32 v_sat_pk_u8_i16_e32 v_sub_i16
    v_subrev_co_u32_e32 v_subrev_f16_e32 v_subrev_u16_e32 v_xnor_b32_e32
"""

# Jumps, traps and modes have groups of their own or none; the rest needs state that no case sets.
NOT_SCALAR = ("s_endpgm", "s_trap", "s_rfe", "s_cbranch", "s_sethalt", "s_getpc", "s_setpc", "s_swappc", "s_set_gpr",
              "s_setvskip", "s_call", "s_movrel", "s_setreg", "s_getreg", "s_quadmask", "s_wqm")


def groups(used):
    made = []
    for mnemonic in VECTOR.split():
        shape = valu.Shape(mnemonic)
        made += selects.packed(shape) if mnemonic.startswith("v_pk_") else [valu.group(shape, 16)]
    for mnemonic, kinds in isa.TEXTS.items():
        if not mnemonic.startswith("s_") or mnemonic in used or mnemonic.startswith(NOT_SCALAR):
            continue
        if "SOPKOp" in kinds:
            made += scalar.constant(mnemonic)
        elif kinds.keys() & {"SOP1Op", "SOP2Op", "SOPCOp"}:
            made += scalar.alu(mnemonic, 12)
    return made
