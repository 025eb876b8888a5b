//! The FP64 forms: an FMA chain in ascending k; BLGP negates A, B and C.

use super::{
    Control,
    form::{Element, Form},
    registers,
};
use crate::{
    fault::Fault,
    lanes::Lanes,
    op::{Arg, Op},
    simd::Step,
    wave::Wave,
};

/// The inline float constants as f64.
const INLINE: [f64; 9] = [0.5, -0.5, 1.0, -1.0, 2.0, -2.0, 4.0, -4.0, std::f64::consts::FRAC_1_PI / 2.0];

#[inline(always)]
pub(super) fn execute(wave: &mut Wave, op: &Op) -> Step {
    let (form, control) = (Form::unpack(op.bits), Control::unpack(op.imm));
    let mut d = [Lanes::ZERO; 8];
    {
        let a = doubles(wave, op.src[0], form, control.blgp & 1 == 1)?;
        let b = doubles(wave, op.src[1], form, control.blgp >> 1 & 1 == 1)?;
        let c = read_c(wave, op, form.registers_d())?;
        let terms = form.terms();
        for n in 0..form.blocks {
            for i in 0..form.size {
                let (register, lane) = form.row_f64(n, i);
                for j in 0..form.size {
                    let bits = c[register][lane + j] as u64 | (c[register + 1][lane + j] as u64) << 32;
                    let mut sum = f64::from_bits(bits ^ (control.blgp as u64 >> 2) << 63);
                    for t in 0..terms.count {
                        let x = a[terms.a[t] as usize + form.size * control.block_a(n) + i];
                        sum = x.mul_add(b[terms.b[t] as usize + form.size * n + j], sum);
                    }
                    let bits = if sum.is_nan() { f64::NAN.to_bits() } else { sum.to_bits() };
                    d[register][lane + j] = bits as u32;
                    d[register + 1][lane + j] = (bits >> 32) as u32;
                }
            }
        }
    }
    super::write_d(wave, op, &d[..form.registers_d()])
}

fn doubles(wave: &Wave, from: Arg, form: Form, negate: bool) -> Result<[f64; 64], Box<Fault>> {
    let list = registers(wave, from, Form::registers(form.items_b(), Element::F64))?;
    let flip = (negate as u64) << 63;
    Ok(std::array::from_fn(|lane| {
        f64::from_bits((list[0][lane] as u64 | (list[1][lane] as u64) << 32) ^ flip)
    }))
}

fn read_c(wave: &Wave, op: &Op, count: usize) -> Result<[Lanes; 8], Box<Fault>> {
    let constant = |bits: u64| std::array::from_fn(|i| Lanes::splat((bits >> (32 * (i % 2))) as u32));
    Ok(match op.src[2] {
        Arg::Vector(_) => registers(wave, op.src[2], count)?.map(|lanes| *lanes),
        Arg::Float(index) => constant(INLINE[index as usize].to_bits()),
        Arg::Int(value) => constant(value as i64 as u64),
        other => constant(wave.scalar_arg(other) as u64),
    })
}
