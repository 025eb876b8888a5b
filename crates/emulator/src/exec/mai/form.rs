//! What a matrix instruction multiplies, and where its elements are.
//!
//! D[b] = C[b] + A[b]·B[b] for each of `blocks` matrices; A is size × k, B is k × size, C and D size × size.
//! Layouts (CDNA3 ISA and AMD's matrix instruction calculator, which the tests restate; gfx950's new forms
//! follow the same rules in ROCm's HIP documentation and composable_kernel):
//!
//! - A lane holds `items` consecutive k of one row of A (column of B): lane = row + size·(block + blocks·q),
//!   where q = k / items.
//! - Exception: an 8-bit operand of the f8f6f4 forms has 32 items but holds two runs of 16 k, the second
//!   half the matrix away: registers 0–3 have k = 16·q + 0..16, registers 4–7 k = K/2 + 16·q + 0..16.
//!   4- and 6-bit operands hold 32 consecutive k. Evidence: composable_kernel's test/mx_mfma_op, whose
//!   register maps are checked on hardware and whose recorded output (scale_mapping_16x16x128.txt) shows the
//!   first 16 bytes of lanes 0–31 scaled by lane 0–15's scale and the last 16 by lane 32–47's.
//! - Row i of D: register i mod 4 + 4·(i / 8) for size 32, lanes from 32·(i / 4 mod 2); register i mod 4 for
//!   size 16, lanes from 16·(i / 4); register i for size 4, lanes from 4·block. Further blocks of sizes 16
//!   and 32 follow in further registers. FP64: see [`Form::row_f64`].

/// An element format of A or B.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Element {
    /// The first five are the values of CBSZ and BLGP in the f8f6f4 forms: E4M3.
    Fp8 = 0,
    /// E5M2.
    Bf8 = 1,
    /// E2M3.
    Fp6 = 2,
    /// E3M2.
    Bf6 = 3,
    /// E2M1.
    Fp4 = 4,
    F16 = 5,
    Bf16 = 6,
    F32 = 7,
    F64 = 8,
    I8 = 9,
}

const ELEMENTS: [Element; 10] = [
    Element::Fp8,
    Element::Bf8,
    Element::Fp6,
    Element::Bf6,
    Element::Fp4,
    Element::F16,
    Element::Bf16,
    Element::F32,
    Element::F64,
    Element::I8,
];

impl Element {
    /// The format that a CBSZ or BLGP value of an f8f6f4 form names.
    pub(super) fn from_control(value: u32) -> Option<Element> {
        ELEMENTS[..5].get(value as usize).copied()
    }

    fn parse(name: &str) -> Option<Element> {
        Some(match name {
            "fp8" => Element::Fp8,
            "bf8" => Element::Bf8,
            "f16" => Element::F16,
            "bf16" => Element::Bf16,
            "f32" => Element::F32,
            "f64" => Element::F64,
            "i8" => Element::I8,
            _ => return None,
        })
    }

    pub(super) fn bits(self) -> usize {
        match self {
            Element::Fp4 => 4,
            Element::Fp6 | Element::Bf6 => 6,
            Element::Fp8 | Element::Bf8 | Element::I8 => 8,
            Element::F16 | Element::Bf16 => 16,
            Element::F32 => 32,
            Element::F64 => 64,
        }
    }
}

/// A matrix instruction's operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    /// Rows of A and columns of B: 4, 16 or 32.
    pub size: usize,
    /// Columns of A before compression, rows of B.
    pub k: usize,
    pub blocks: usize,
    pub a: Element,
    pub b: Element,
    /// A is 4:2 structured sparse: only two of four consecutive k are stored.
    pub sparse: bool,
    /// One of the f8f6f4 forms, whose operands have blocks of 32 k.
    pub narrow: bool,
}

/// Most k of any form.
pub(super) const MAX_K: usize = 128;

/// Where the products of one output are: offsets into item-major arrays of 64 lanes, in ascending k.
/// Row i of A is at `a[t] + i`, column j of B at `b[t] + j`; block n adds size·n to both.
pub(super) struct Terms {
    pub count: usize,
    pub a: [u16; MAX_K],
    pub b: [u16; MAX_K],
}

impl Terms {
    /// No products.
    pub(super) const NONE: Terms = Terms { count: 0, a: [0; MAX_K], b: [0; MAX_K] };
}

impl Form {
    /// Parses `v_mfma_f32_16x16x4_4b_f16`, `v_smfmac_i32_32x32x32_i8`, `v_mfma_f32_16x16x32_fp8_bf8` …;
    /// the formats of the f8f6f4 forms are E4M3 until the controls say otherwise.
    pub(super) fn parse(mnemonic: &str) -> Option<Form> {
        let (sparse, rest) = match mnemonic.strip_prefix("v_smfmac_") {
            Some(rest) => (true, rest),
            None => (false, mnemonic.strip_prefix("v_mfma_")?),
        };
        let rest = rest.strip_prefix("scale_").unwrap_or(rest);
        let mut words = rest.split('_').skip(1);
        let mut numbers = words.next()?.split('x').map(|n| n.parse::<usize>().ok());
        let (size, _, k) = (numbers.next()??, numbers.next()??, numbers.next()??);
        let words: Vec<&str> = words.collect();
        let (blocks, types) = match words.split_first()? {
            (first, types) if first.ends_with('b') => (first[..first.len() - 1].parse().ok()?, types),
            _ => (1, &words[..]),
        };
        let narrow = types == ["f8f6f4"];
        let (a, b) = match types {
            ["f8f6f4"] => (Element::Fp8, Element::Fp8),
            [both] => (Element::parse(both)?, Element::parse(both)?),
            [a, b] => (Element::parse(a)?, Element::parse(b)?),
            _ => return None,
        };
        Some(Form { size, k, blocks, a, b, sparse, narrow })
    }

    /// The form in one word for [`Op::bits`](crate::op::Op::bits).
    pub(super) fn pack(self) -> u32 {
        self.size as u32
            | (self.k as u32) << 6
            | (self.blocks as u32) << 14
            | (self.a as u32) << 20
            | (self.b as u32) << 24
            | (self.sparse as u32) << 28
            | (self.narrow as u32) << 29
    }

    #[inline(always)]
    pub(super) fn unpack(word: u32) -> Form {
        Form {
            size: (word & 63) as usize,
            k: (word >> 6 & 255) as usize,
            blocks: (word >> 14 & 63) as usize,
            a: ELEMENTS[(word >> 20 & 15) as usize],
            b: ELEMENTS[(word >> 24 & 15) as usize],
            sparse: word >> 28 & 1 == 1,
            narrow: word >> 29 & 1 == 1,
        }
    }

    /// Elements of B in one lane.
    pub(super) fn items_b(self) -> usize {
        self.size * self.k * self.blocks / 64
    }

    /// Stored elements of A in one lane.
    pub(super) fn items_a(self) -> usize {
        if self.sparse { self.items_b() / 2 } else { self.items_b() }
    }

    /// Registers of C and of D.
    pub(super) fn registers_d(self) -> usize {
        let dwords = if self.a == Element::F64 { 2 } else { 1 };
        self.size * self.size * self.blocks / 64 * dwords
    }

    /// Registers of an operand with `items` elements of `element`.
    pub(super) fn registers(items: usize, element: Element) -> usize {
        (items * element.bits()).div_ceil(32)
    }

    /// Item and lane group q of k in an operand of `items` per lane.
    #[inline(always)]
    fn place(self, k: usize, items: usize, element: Element) -> (usize, usize) {
        if self.narrow && element.bits() == 8 {
            let half = self.k / 2;
            (16 * (k / half) + k % 16, k % half / 16)
        } else {
            (k % items, k / items)
        }
    }

    /// The products of a dense form.
    #[inline(always)]
    pub(super) fn terms(self) -> Terms {
        let mut terms = Terms { count: self.k, a: [0; MAX_K], b: [0; MAX_K] };
        let group = self.size * self.blocks;
        for k in 0..self.k {
            let (item, q) = self.place(k, self.items_b(), self.a);
            terms.a[k] = (64 * item + group * q) as u16;
            let (item, q) = self.place(k, self.items_b(), self.b);
            terms.b[k] = (64 * item + group * q) as u16;
        }
        terms
    }

    /// The products of row `i` of a sparse form. `select(lane)` is a lane's index bits: two bits per stored
    /// element, its place in its group of four.
    pub(super) fn sparse_terms(self, i: usize, select: impl Fn(usize) -> u32) -> Terms {
        let items = self.items_a();
        let mut terms = Terms { count: self.k / 2, a: [0; MAX_K], b: [0; MAX_K] };
        for stored in 0..terms.count {
            let (item, q) = (stored % items, stored / items);
            let place = select(i + self.size * q) >> (2 * item) & 3;
            terms.a[stored] = (64 * item + self.size * q) as u16;
            terms.b[stored] = (64 * (4 * (item / 2) + place as usize) + self.size * q) as u16;
        }
        terms
    }

    /// The lane that holds the scale of the 32-block that item `item` of lane `lane` belongs to, and the
    /// item and lane's block: scales are placed like 32 consecutive k, lane = row + size·block.
    #[inline(always)]
    pub(super) fn scale_lane(self, lane: usize, item: usize, element: Element) -> usize {
        let (row, q) = (lane % self.size, lane / self.size);
        let k = if element.bits() == 8 { self.k / 2 * (item / 16) + 16 * q } else { 32 * q };
        row + self.size * (k / 32)
    }

    /// Register and first lane of row `i` of block `block` of C and D, 32-bit.
    #[inline(always)]
    pub(super) fn row(self, block: usize, i: usize) -> (usize, usize) {
        match self.size {
            32 => (i % 4 + 4 * (i / 8) + 16 * block, 32 * (i / 4 % 2)),
            16 => (i % 4 + 4 * block, 16 * (i / 4)),
            _ => (i, 4 * block),
        }
    }

    /// First register of the pair and first lane of row `i`, FP64: one row per 16 lanes and pair.
    pub(super) fn row_f64(self, block: usize, i: usize) -> (usize, usize) {
        if self.size == 16 { (2 * (i / 4), 16 * (i % 4)) } else { (0, 4 * block + 16 * i) }
    }
}
