//! What atomics compute: one line each, shared by FLAT, buffers and scalar memory.
//!
//! The float ones round to nearest even and keep denormals whatever MODE says (gfx942 and later:
//! LLVM's `memory-atomic-fadd-f32-denormal-support`).

use half::{bf16, f16};

/// New value of a dword from (old, data).
pub(in crate::exec) type Update32 = fn(u32, u32) -> u32;

/// New value of a quadword from (old, data).
pub(in crate::exec) type Update64 = fn(u64, u64) -> u64;

/// 32-bit atomics by the mnemonic's end; `cmpswap` is apart, it takes two data.
const UPDATES_32: [(&str, Update32); 15] = [
    ("swap", |_, data| data),
    ("add", u32::wrapping_add),
    ("sub", u32::wrapping_sub),
    ("smin", |old, data| (old as i32).min(data as i32) as u32),
    ("umin", |old, data| old.min(data)),
    ("smax", |old, data| (old as i32).max(data as i32) as u32),
    ("umax", |old, data| old.max(data)),
    ("and", |old, data| old & data),
    ("or", |old, data| old | data),
    ("xor", |old, data| old ^ data),
    ("inc", |old, data| if old >= data { 0 } else { old + 1 }),
    ("dec", |old, data| if old == 0 || old > data { data } else { old - 1 }),
    ("add_f32", |old, data| (f32::from_bits(old) + f32::from_bits(data)).to_bits()),
    ("pk_add_f16", |old, data| halves(old, data, add_f16)),
    ("pk_add_bf16", |old, data| halves(old, data, add_bf16)),
];

/// 64-bit atomics by the mnemonic's end; integer ones without their `_x2`.
const UPDATES_64: [(&str, Update64); 15] = [
    ("swap_x2", |_, data| data),
    ("add_x2", u64::wrapping_add),
    ("sub_x2", u64::wrapping_sub),
    ("smin_x2", |old, data| (old as i64).min(data as i64) as u64),
    ("umin_x2", |old, data| old.min(data)),
    ("smax_x2", |old, data| (old as i64).max(data as i64) as u64),
    ("umax_x2", |old, data| old.max(data)),
    ("and_x2", |old, data| old & data),
    ("or_x2", |old, data| old | data),
    ("xor_x2", |old, data| old ^ data),
    ("inc_x2", |old, data| if old >= data { 0 } else { old + 1 }),
    ("dec_x2", |old, data| if old == 0 || old > data { data } else { old - 1 }),
    ("add_f64", |old, data| (f64::from_bits(old) + f64::from_bits(data)).to_bits()),
    ("min_f64", |old, data| if f64::from_bits(data) < f64::from_bits(old) { data } else { old }),
    ("max_f64", |old, data| if f64::from_bits(data) > f64::from_bits(old) { data } else { old }),
];

/// Index of a 32-bit atomic, for [`update32`].
pub(in crate::exec) fn index32(name: &str) -> Option<usize> {
    UPDATES_32.iter().position(|(known, _)| *known == name)
}

/// Index of a 64-bit atomic, for [`update64`].
pub(in crate::exec) fn index64(name: &str) -> Option<usize> {
    UPDATES_64.iter().position(|(known, _)| *known == name)
}

/// The 32-bit atomic of an index.
pub(in crate::exec) fn update32(index: usize) -> Update32 {
    UPDATES_32[index].1
}

/// The 64-bit atomic of an index.
pub(in crate::exec) fn update64(index: usize) -> Update64 {
    UPDATES_64[index].1
}

fn halves(old: u32, data: u32, add: fn(u16, u16) -> u16) -> u32 {
    let low = add(old as u16, data as u16);
    let high = add((old >> 16) as u16, (data >> 16) as u16);
    low as u32 | (high as u32) << 16
}

/// Rounding the FP32 sum again is exact: FP32 has at least twice FP16's precision plus two bits.
fn add_f16(a: u16, b: u16) -> u16 {
    f16::from_f32(f16::from_bits(a).to_f32() + f16::from_bits(b).to_f32()).to_bits()
}

/// As [`add_f16`]; BF16 has FP32's exponents, so its denormal sums are exact in FP32.
fn add_bf16(a: u16, b: u16) -> u16 {
    bf16::from_f32(bf16::from_bits(a).to_f32() + bf16::from_bits(b).to_f32()).to_bits()
}
