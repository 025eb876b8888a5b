//! Matrix instructions: every MFMA and SMFMAC form of gfx950, and the moves between register files.
//!
//! | file | contents |
//! |---|---|
//! | `mai/form.rs` | shapes, formats, lane layouts |
//! | `mai/operand.rs` | registers → arrays of numbers |
//! | `mai/policy.rs` | [`MfmaPolicy`]: the orders of accumulation |
//! | `mai/exact.rs`, `truncate.rs`, `chain.rs`, `integer.rs` | the arithmetic, per row of D |
//! | `mai/fp4.rs` | FP4 × FP4 as integers, for AVX2 and AVX-512 VNNI |
//! | `mai/double.rs` | FP64 |
//!
//! Matrix instructions ignore EXEC and MODE, but for the f32 forms, which flush denormal A and B as MODE
//! says. Denormals of all other formats are kept. A NaN result is 0x7fc00000 (not documented).
//!
//! Control fields. CBSZ and ABID: each group of 2^CBSZ blocks takes A from its block ABID. BLGP: lanes of B
//! from: 1 the first 32, 2 the last 32, 3 sixteen lanes on (mod 64), 4–7 sixteenth BLGP − 4. FP64: BLGP
//! negates A, B, C. Sparse: indices are 2 bits per stored element of the lane's row, in the register of
//! src2; CBSZ = 0: ABID says which set of them (16-bit formats with 4 stored elements: byte 0–3; 8 stored
//! elements: half 0–1; 16: the whole register), CBSZ ≠ 0: the first. f8f6f4: CBSZ and BLGP are formats. The prefix
//! of a scaled form has the NEG and ABS bits of VOP3P; those of C act, magnitude first.
//!
//! Scales are E8M0 bytes, 0xff NaN. A register provides the byte that {op_sel_hi, op_sel} selects, per
//! lane. An inline float constant provides its exponent, so that 1.0 is a scale of 1: composable_kernel's
//! scale_mapping test passes 1.0 so and its recorded output shows no effect. An inline integer provides
//! its low byte: assumed.

mod chain;
mod double;
mod exact;
mod form;
mod fp4;
mod integer;
mod operand;
mod policy;
mod truncate;

use cdna4::{Encoding, Field, Inst};
use form::{Element, Form, Terms};
use operand::{Items, MAX_ITEMS, Split};
pub use policy::MfmaPolicy;
use truncate::{Grouping, Pair};

use crate::{
    fault::Fault,
    lanes::Lanes,
    op::{Arg, Op, arg},
    simd::{Exec, Level, Step, level},
    wave::{Cx, INLINE_F32, Wave},
};

/// Every NaN result.
const NAN: u32 = 0x7fc0_0000;

/// Sign of an f32.
const SIGN: u32 = 1 << 31;

/// First accumulation register in [`Arg::Vector`].
const ACC: u16 = 256;

/// MODE bit that keeps f32 denormal inputs.
const KEEP_SINGLE: u32 = 1 << 4;

/// Claims the matrix instructions. `src` is A, B, C (or the indices), the scale of A; `sdst` the scale of
/// B; `bits` the [`Form`]; `imm` the [`Control`].
pub(super) fn decode(inst: &Inst, op: &mut Op) -> bool {
    let name = inst.mnemonic();
    if name.starts_with("v_accvgpr_") {
        return decode_move(inst, op);
    }
    if inst.encoding() != Encoding::Mai {
        return false;
    }
    let Some(mut form) = Form::parse(name) else { return false };
    let value = |field| inst.value(field).unwrap_or(0) as u32;
    let scaled = name.starts_with("v_mfma_scale_");
    let control = Control {
        cbsz: value(Field::Cbsz),
        abid: value(Field::Abid),
        blgp: value(Field::Blgp),
        scaled,
        byte_a: value(Field::OpSel) & 1 | (value(Field::OpSelHi) & 1) << 1,
        byte_b: value(Field::OpSel) >> 1 & 1 | (value(Field::OpSelHi) >> 1 & 1) << 1,
        negate_c: scaled && inst.bits() >> 63 & 1 == 1,
        magnitude_c: scaled && inst.bits() >> 10 & 1 == 1,
    };
    if form.narrow {
        let (Some(a), Some(b)) = (Element::from_control(control.cbsz), Element::from_control(control.blgp))
        else {
            return false;
        };
        (form.a, form.b) = (a, b);
    }
    op.dst = arg(inst, Field::Vdst);
    op.src =
        [arg(inst, Field::Src0), arg(inst, Field::Src1), arg(inst, Field::Src2), arg(inst, Field::ScaleSrc0)];
    op.sdst = arg(inst, Field::ScaleSrc1);
    op.bits = form.pack();
    op.imm = control.pack();
    op.exec = handler(form, level());
    true
}

/// The control fields of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Control {
    cbsz: u32,
    abid: u32,
    blgp: u32,
    scaled: bool,
    byte_a: u32,
    byte_b: u32,
    negate_c: bool,
    magnitude_c: bool,
}

impl Control {
    fn pack(self) -> i32 {
        (self.cbsz
            | self.abid << 4
            | self.blgp << 8
            | (self.scaled as u32) << 12
            | self.byte_a << 16
            | self.byte_b << 20
            | (self.negate_c as u32) << 24
            | (self.magnitude_c as u32) << 25) as i32
    }

    #[inline(always)]
    fn unpack(word: i32) -> Control {
        let field = |at: u32, mask: u32| word as u32 >> at & mask;
        Control {
            cbsz: field(0, 7),
            abid: field(4, 15),
            blgp: field(8, 7),
            scaled: field(12, 1) == 1,
            byte_a: field(16, 3),
            byte_b: field(20, 3),
            negate_c: field(24, 1) == 1,
            magnitude_c: field(25, 1) == 1,
        }
    }

    /// The block of A that block `n` of D takes.
    #[inline(always)]
    fn block_a(self, n: usize) -> usize {
        n >> self.cbsz << self.cbsz | (self.abid as usize & ((1 << self.cbsz) - 1))
    }
}

/// A body compiled for each level of the host.
macro_rules! levels {
    ($level:expr, $body:ident $(::<$($constant:literal),*>)?) => {{
        fn portable(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>) -> Step {
            $body::<$($($constant,)*)? false>(wave, op, cx)
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma,bmi2,f16c")]
        fn avx2(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>) -> Step {
            $body::<$($($constant,)*)? true>(wave, op, cx)
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma,bmi2,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
        fn avx512(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>) -> Step {
            $body::<$($($constant,)*)? true>(wave, op, cx)
        }
        #[cfg(target_arch = "x86_64")]
        let chosen: Exec = match $level {
            Level::Portable => portable,
            Level::Avx2 => avx2,
            Level::Avx512 => avx512,
        };
        #[cfg(not(target_arch = "x86_64"))]
        let chosen: Exec = portable;
        chosen
    }};
}
use levels;

/// Runs `row` for every block, block of A and row i of D with the row's products, which differ by row in sparse
/// forms. A macro, for a closure called from two levels' handlers would be compiled for neither.
macro_rules! each_row {
    ($wave:expr, $op:expr, $form:expr, $control:expr, |$terms:ident, $n:ident, $block_a:ident, $i:ident| $row:expr) => {{
        let mut spread = Lanes::ZERO;
        let indices = $wave.lanes($op, 2, &mut spread)?;
        let set = index_shift($form, $control);
        let mut terms = if $form.sparse { Terms::NONE } else { $form.terms() };
        for $n in 0..$form.blocks {
            let $block_a = if $form.sparse { 0 } else { $control.block_a($n) };
            for $i in 0..$form.size {
                if $form.sparse {
                    terms = $form.sparse_terms($i, |lane| indices[lane] >> set);
                }
                let $terms = &terms;
                $row;
            }
        }
    }};
}

/// The handler of a form, at most as wide as `level`, which the host must have.
fn handler(form: Form, level: Level) -> Exec {
    match (form.a, form.size, form.registers_d()) {
        (Element::F64, ..) => levels!(level, double_any),
        (Element::F32, 4, _) => levels!(level, single::<4, 4>),
        (Element::F32, _, 4) => levels!(level, single::<16, 4>),
        (Element::F32, _, 16) => levels!(level, single::<16, 16>),
        (Element::F32, ..) => levels!(level, single::<16, 32>),
        (Element::I8, 4, _) => levels!(level, integer_any::<4, 4>),
        (Element::I8, _, 4) => levels!(level, integer_any::<16, 4>),
        (Element::I8, _, 16) => levels!(level, integer_any::<16, 16>),
        (Element::I8, ..) => levels!(level, integer_any::<16, 32>),
        (Element::Fp4, 16, _) if form.b == Element::Fp4 => fp4::handler(form, level),
        (Element::Fp4, 32, _) if form.b == Element::Fp4 => fp4::handler(form, level),
        (_, 16, _) if form.narrow => levels!(level, narrow::<4>),
        (_, 32, _) if form.narrow => levels!(level, narrow::<16>),
        (_, 4, _) => levels!(level, float::<4, 4>),
        (_, _, 4) => levels!(level, float::<16, 4>),
        (_, _, 16) => levels!(level, float::<16, 16>),
        _ => levels!(level, float::<16, 32>),
    }
}

#[inline(always)]
fn double_any<const FMA: bool>(wave: &mut Wave, op: &Op, _cx: &mut Cx<'_>) -> Step {
    double::execute(wave, op)
}

/// The f32 forms.
#[inline(always)]
fn single<const W: usize, const REGISTERS: usize, const FMA: bool>(
    wave: &mut Wave,
    op: &Op,
    _cx: &mut Cx<'_>,
) -> Step {
    let (form, control) = (Form::unpack(op.bits), Control::unpack(op.imm));
    let mut d = read_c::<REGISTERS>(wave, op)?;
    {
        let (a, b) = operands(wave, op, form, control)?;
        let (a, b) = (values_f32(form.a, form.items_a(), &a), values_f32(form.b, form.items_b(), &b));
        let flush = |items: &mut Items<f32>| {
            for x in items.iter_mut() {
                let bits = x.to_bits();
                *x = f32::from_bits(if bits & 0x7f80_0000 == 0 { bits & 0x8000_0000 } else { bits });
            }
        };
        let (mut a, mut b) = (a, b);
        if wave.mode & KEEP_SINGLE == 0 {
            flush(&mut a);
            flush(&mut b);
        }
        let terms = form.terms();
        for n in 0..form.blocks {
            for i in 0..form.size {
                chain::row::<W>(form, &terms, n, control.block_a(n), i, &a, &b, &mut d);
            }
        }
    }
    write_d(wave, op, &d)
}

/// The i8 forms, dense and sparse.
#[inline(always)]
fn integer_any<const W: usize, const REGISTERS: usize, const FMA: bool>(
    wave: &mut Wave,
    op: &Op,
    _cx: &mut Cx<'_>,
) -> Step {
    let (form, control) = (Form::unpack(op.bits), Control::unpack(op.imm));
    let mut d = read_c::<REGISTERS>(wave, op)?;
    {
        let (a, b) = operands(wave, op, form, control)?;
        let (mut items_a, mut items_b) = ([0; 64 * MAX_ITEMS], [0; 64 * MAX_ITEMS]);
        operand::bytes(form.items_a(), &a.list(), &mut items_a);
        operand::bytes(form.items_b(), &b.list(), &mut items_b);
        each_row!(wave, op, form, control, |terms, n, block_a, i| {
            integer::row::<W>(form, terms, n, block_a, i, &items_a, &items_b, &mut d);
        });
    }
    write_d(wave, op, &d)
}

/// The f16, bf16 and fp8 forms of CDNA3's kind, dense and sparse.
#[inline(always)]
fn float<const W: usize, const REGISTERS: usize, const FMA: bool>(
    wave: &mut Wave,
    op: &Op,
    cx: &mut Cx<'_>,
) -> Step {
    let (form, control) = (Form::unpack(op.bits), Control::unpack(op.imm));
    let mut d = read_c::<REGISTERS>(wave, op)?;
    {
        let (a, b) = operands(wave, op, form, control)?;
        match cx.mfma {
            MfmaPolicy::Mixed | MfmaPolicy::Cdna3Truncating => {
                let (mut split_a, mut split_b) = (Split::EMPTY, Split::EMPTY);
                split_both(form, &a, &b, &mut split_a, &mut split_b);
                let grouping = if form.a.bits() == 16 { Grouping::Eights } else { Grouping::Sixteens };
                if truncate::needs_values(&split_a, &split_b, &d) {
                    let (values_a, values_b) =
                        (values_f64(form.a, form.items_a(), &a), values_f64(form.b, form.items_b(), &b));
                    each_row!(wave, op, form, control, |terms, n, block_a, i| {
                        let a = Pair { split: &split_a, values: &values_a };
                        let b = Pair { split: &split_b, values: &values_b };
                        truncate::row_with_specials(form, terms, grouping, n, block_a, i, a, b, &mut d);
                    });
                } else {
                    each_row!(wave, op, form, control, |terms, n, block_a, i| {
                        truncate::row::<W>(form, terms, grouping, n, block_a, i, &split_a, &split_b, &mut d);
                    });
                }
            }
            MfmaPolicy::ExactBlock => {
                let (a, b) = (values_f64(form.a, form.items_a(), &a), values_f64(form.b, form.items_b(), &b));
                if form.sparse {
                    each_row!(wave, op, form, control, |terms, _n, _block_a, i| {
                        exact::sparse_row::<W, FMA>(form, terms, i, &a, &b, &mut d);
                    });
                } else {
                    let terms = form.terms();
                    exact::dense::<W, FMA>(form, &terms, terms.count, |n| control.block_a(n), &a, &b, &mut d);
                }
            }
            MfmaPolicy::FmaChain => {
                let (a, b) = (values_f32(form.a, form.items_a(), &a), values_f32(form.b, form.items_b(), &b));
                each_row!(wave, op, form, control, |terms, n, block_a, i| {
                    chain::row::<W>(form, terms, n, block_a, i, &a, &b, &mut d);
                });
            }
        }
    }
    write_d(wave, op, &d)
}

/// The f8f6f4 forms.
#[inline(always)]
fn narrow<const REGISTERS: usize, const FMA: bool>(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>) -> Step {
    let (form, control) = (Form::unpack(op.bits), Control::unpack(op.imm));
    let mut d = read_c::<REGISTERS>(wave, op)?;
    {
        // The controls name formats, not lanes.
        let (a, b) = operands(wave, op, form, Control { blgp: 0, ..control })?;
        let (scale_a, scale_b) = scales(wave, op, control)?;
        let terms = form.terms();
        match cx.mfma {
            MfmaPolicy::Mixed | MfmaPolicy::ExactBlock => {
                let values_a = scaled_f64(form, form.a, form.items_a(), &a, scale_a.as_ref());
                let values_b = scaled_f64(form, form.b, form.items_b(), &b, scale_b.as_ref());
                exact::dense::<16, FMA>(form, &terms, 32, |n| n, &values_a, &values_b, &mut d);
            }
            MfmaPolicy::Cdna3Truncating => {
                let (mut split_a, mut split_b) = (Split::EMPTY, Split::EMPTY);
                split_both(form, &a, &b, &mut split_a, &mut split_b);
                add_scales(form, form.a, &mut split_a, scale_a.as_ref());
                add_scales(form, form.b, &mut split_b, scale_b.as_ref());
                if truncate::needs_values(&split_a, &split_b, &d) {
                    let values_a = scaled_f64(form, form.a, form.items_a(), &a, scale_a.as_ref());
                    let values_b = scaled_f64(form, form.b, form.items_b(), &b, scale_b.as_ref());
                    for i in 0..form.size {
                        let a = Pair { split: &split_a, values: &values_a };
                        let b = Pair { split: &split_b, values: &values_b };
                        truncate::row_with_specials(form, &terms, Grouping::Sixteens, 0, 0, i, a, b, &mut d);
                    }
                } else {
                    for i in 0..form.size {
                        truncate::row::<16>(
                            form,
                            &terms,
                            Grouping::Sixteens,
                            0,
                            0,
                            i,
                            &split_a,
                            &split_b,
                            &mut d,
                        );
                    }
                }
            }
            MfmaPolicy::FmaChain => {
                let (values_a, values_b) =
                    (values_f32(form.a, form.items_a(), &a), values_f32(form.b, form.items_b(), &b));
                let factors = |scale: Option<&[u8; 64]>| {
                    std::array::from_fn(|lane| scale.map_or(1.0, |s| power_of(s[lane])))
                };
                let (scale_a, scale_b) = (factors(scale_a.as_ref()), factors(scale_b.as_ref()));
                for i in 0..form.size {
                    chain::scaled_row::<16>(
                        form, &terms, i, &values_a, &values_b, &scale_a, &scale_b, &mut d,
                    );
                }
            }
        }
    }
    write_d(wave, op, &d)
}

/// First bit of the set of sparse indices that the controls choose.
#[inline(always)]
fn index_shift(form: Form, control: Control) -> u32 {
    let width = 2 * form.items_a() as u32;
    if form.sparse && control.cbsz == 0 { width * (control.abid % (32 / width)) } else { 0 }
}

/// The registers of A or B.
enum Registers<'a> {
    InPlace([&'a Lanes; 8]),
    Moved(Box<[Lanes; 8]>),
}

impl Registers<'_> {
    #[inline(always)]
    fn list(&self) -> [&Lanes; 8] {
        match self {
            Registers::InPlace(list) => *list,
            Registers::Moved(lanes) => lanes.each_ref(),
        }
    }
}

/// A and B, the latter with its lanes as BLGP says.
#[inline(always)]
fn operands<'a>(
    wave: &'a Wave,
    op: &Op,
    form: Form,
    control: Control,
) -> Result<(Registers<'a>, Registers<'a>), Box<Fault>> {
    let a = registers(wave, op.src[0], Form::registers(form.items_a(), form.a))?;
    let b = registers(wave, op.src[1], Form::registers(form.items_b(), form.b))?;
    if control.blgp == 0 {
        return Ok((Registers::InPlace(a), Registers::InPlace(b)));
    }
    Ok((Registers::InPlace(a), Registers::Moved(Box::new(b.map(|lanes| move_lanes(lanes, control.blgp))))))
}

#[inline(always)]
fn registers(wave: &Wave, from: Arg, count: usize) -> Result<[&Lanes; 8], Box<Fault>> {
    let mut list = [&Lanes::ZERO; 8];
    if let Arg::Vector(first) = from {
        for (i, lanes) in list[..count].iter_mut().enumerate() {
            *lanes = wave.vector(first + i as u16)?;
        }
    }
    Ok(list)
}

#[cold]
fn move_lanes(lanes: &Lanes, pattern: u32) -> Lanes {
    Lanes(std::array::from_fn(|lane| {
        lanes[match pattern {
            1 => lane % 32,
            2 => lane % 32 + 32,
            3 => (lane + 16) % 64,
            _ => lane % 16 + 16 * (pattern as usize - 4),
        }]
    }))
}

/// C: registers or an inline constant. A sparse form accumulates onto its destination.
#[inline(always)]
fn read_c<const REGISTERS: usize>(wave: &Wave, op: &Op) -> Result<[Lanes; REGISTERS], Box<Fault>> {
    let from = if Form::unpack(op.bits).sparse { op.dst } else { op.src[2] };
    let mut c = [Lanes::ZERO; REGISTERS];
    match from {
        Arg::Vector(first) => {
            for (i, lanes) in c.iter_mut().enumerate() {
                *lanes = *wave.vector(first + i as u16)?;
            }
        }
        Arg::Int(0) => {}
        other => c = [Lanes::splat(wave.scalar_arg(other)); REGISTERS],
    }
    let control = Control::unpack(op.imm);
    if control.negate_c || control.magnitude_c {
        let keep = if control.magnitude_c { !SIGN } else { !0 };
        let flip = if control.negate_c { SIGN } else { 0 };
        c.iter_mut().flat_map(|lanes| lanes.iter_mut()).for_each(|x| *x = (*x & keep) ^ flip);
    }
    Ok(c)
}

#[inline(always)]
fn write_d(wave: &mut Wave, op: &Op, d: &[Lanes]) -> Step {
    if let Arg::Vector(first) = op.dst {
        for (i, lanes) in d.iter().enumerate() {
            *wave.vector_mut(first + i as u16)? = *lanes;
        }
    }
    Ok(())
}

#[inline(always)]
fn values_f32(element: Element, items: usize, registers: &Registers<'_>) -> Items<f32> {
    let mut values = [0.0; 64 * MAX_ITEMS];
    operand::to_f32(element, items, &registers.list(), |item, lanes| {
        values[64 * item..][..64].copy_from_slice(lanes)
    });
    values
}

#[inline(always)]
fn values_f64(element: Element, items: usize, registers: &Registers<'_>) -> Items<f64> {
    let mut values = [0.0; 64 * MAX_ITEMS];
    operand::to_f32(element, items, &registers.list(), |item, lanes| {
        for (to, &from) in values[64 * item..][..64].iter_mut().zip(lanes) {
            *to = from as f64;
        }
    });
    values
}

/// Elements of an f8f6f4 operand times their scales: exact, and with an infinite or NaN product as the
/// block's.
#[inline(always)]
fn scaled_f64(
    form: Form,
    element: Element,
    items: usize,
    registers: &Registers<'_>,
    scale: Option<&[u8; 64]>,
) -> Items<f64> {
    let Some(scale) = scale else { return values_f64(element, items, registers) };
    let factors = [scale_factors(form, element, scale, 0), scale_factors(form, element, scale, 16)];
    let mut values = [0.0; 64 * MAX_ITEMS];
    operand::to_f32(element, items, &registers.list(), |item, lanes| {
        let factors = &factors[item / 16];
        for lane in 0..64 {
            values[64 * item + lane] = lanes[lane] as f64 * factors[lane];
        }
    });
    values
}

/// The scale of item `item` (and the 15 after it) of each lane.
#[inline(always)]
fn scale_factors(form: Form, element: Element, scale: &[u8; 64], item: usize) -> [f64; 64] {
    std::array::from_fn(|lane| power_of(scale[form.scale_lane(lane, item, element)]))
}

/// Value of an E8M0 byte.
#[inline(always)]
fn power_of(scale: u8) -> f64 {
    if scale == 0xff { f64::NAN } else { f64::from_bits((scale as u64 + (1023 - 127)) << 52) }
}

#[inline(always)]
fn split_both(form: Form, a: &Registers<'_>, b: &Registers<'_>, split_a: &mut Split, split_b: &mut Split) {
    // A's significands carry the shift that gives the products 24 fraction bits.
    let shift = 24 - operand::fraction_bits(form.a) - operand::fraction_bits(form.b);
    operand::split(form.a, form.items_a(), &a.list(), shift, split_a);
    operand::split(form.b, form.items_b(), &b.list(), 0, split_b);
}

/// Moves the scales into the exponents; a NaN scale makes the operand special.
#[inline(always)]
fn add_scales(form: Form, element: Element, split: &mut Split, scale: Option<&[u8; 64]>) {
    let Some(scale) = scale else { return };
    split.special |= scale.contains(&0xff);
    for item in 0..MAX_ITEMS {
        for lane in 0..64 {
            split.exponent[64 * item + lane] += scale[form.scale_lane(lane, item, element)] as i32 - 127;
        }
    }
    // Products of 8-bit formats and less are not limited to f32's range.
    split.largest = operand::ZERO_EXPONENT;
}

/// One byte per lane; `None` without scaling.
type ScaleBytes = Option<[u8; 64]>;

/// The selected scale bytes of A and B.
#[inline(always)]
fn scales(wave: &Wave, op: &Op, control: Control) -> Result<(ScaleBytes, ScaleBytes), Box<Fault>> {
    if !control.scaled {
        return Ok((None, None));
    }
    let bytes = |from: Arg, byte: u32| -> Result<[u8; 64], Box<Fault>> {
        Ok(match from {
            Arg::Vector(register) => {
                let lanes = wave.vector(register)?;
                std::array::from_fn(|lane| (lanes[lane] >> (8 * byte)) as u8)
            }
            Arg::Float(index) => [(INLINE_F32[index as usize] >> 23) as u8; 64],
            other => [wave.scalar_arg(other) as u8; 64],
        })
    };
    Ok((Some(bytes(op.src[3], control.byte_a)?), Some(bytes(op.sdst, control.byte_b)?)))
}

/// `v_accvgpr_read`, `_write`, `_mov`: moves under EXEC. The encodings of read and write imply the file.
fn decode_move(inst: &Inst, op: &mut Op) -> bool {
    let accumulation = |from: Arg| match from {
        Arg::Vector(register) if register < ACC => Arg::Vector(register + ACC),
        other => other,
    };
    let (to, from) = (arg(inst, Field::Vdst), arg(inst, Field::Src0));
    (op.dst, op.src[0]) = match inst.mnemonic() {
        "v_accvgpr_read_b32" => (to, accumulation(from)),
        "v_accvgpr_write_b32" => (accumulation(to), from),
        "v_accvgpr_mov_b32" => (accumulation(to), accumulation(from)),
        _ => return false,
    };
    op.exec = move_register;
    true
}

fn move_register(wave: &mut Wave, op: &Op, _cx: &mut Cx<'_>) -> Step {
    let mut spread = Lanes::ZERO;
    let value = *wave.lanes(op, 0, &mut spread)?;
    match op.dst {
        Arg::Vector(register) => wave.write_vector(register, &value),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
