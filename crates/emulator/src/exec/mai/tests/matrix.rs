//! Formats, shapes and layouts, restated from the manuals: a lane's elements are walked one by one.

use super::{A, B, Bench, Case, INDICES};

/// An element format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Fp8,
    Bf8,
    Fp6,
    Bf6,
    Fp4,
    F16,
    Bf16,
    F32,
    F64,
    I8,
}

impl Format {
    pub(super) fn bits(self) -> u32 {
        match self {
            Format::Fp4 => 4,
            Format::Fp6 | Format::Bf6 => 6,
            Format::Fp8 | Format::Bf8 | Format::I8 => 8,
            Format::F16 | Format::Bf16 => 16,
            Format::F32 => 32,
            Format::F64 => 64,
        }
    }

    pub(super) fn value(self, code: u64) -> f64 {
        match self {
            Format::Fp8 => numerics::e4m3::to_f32(code as u8) as f64,
            Format::Bf8 => numerics::e5m2::to_f32(code as u8) as f64,
            Format::Fp6 => numerics::e2m3::to_f32(code as u8) as f64,
            Format::Bf6 => numerics::e3m2::to_f32(code as u8) as f64,
            Format::Fp4 => numerics::e2m1::to_f32(code as u8) as f64,
            Format::F16 => numerics::f16::to_f32(code as u16) as f64,
            Format::Bf16 => numerics::bf16::to_f32(code as u16) as f64,
            Format::F32 => f32::from_bits(code as u32) as f64,
            Format::F64 => f64::from_bits(code),
            Format::I8 => code as u8 as i8 as f64,
        }
    }

    /// The code of a value that the format has.
    pub(super) fn code(self, value: f64) -> u64 {
        match self {
            Format::Fp8 => numerics::e4m3::from_f32_rne(value as f32) as u64,
            Format::Bf8 => numerics::e5m2::from_f32_rne(value as f32) as u64,
            Format::Fp6 => numerics::e2m3::from_f32_rne(value as f32) as u64,
            Format::Bf6 => numerics::e3m2::from_f32_rne(value as f32) as u64,
            Format::Fp4 => numerics::e2m1::from_f32_rne(value as f32) as u64,
            Format::F16 => numerics::f16::from_f32_rne(value as f32) as u64,
            Format::Bf16 => numerics::bf16::from_f32_rne(value as f32) as u64,
            Format::F32 => (value as f32).to_bits() as u64,
            Format::F64 => value.to_bits(),
            Format::I8 => value as i8 as u8 as u64,
        }
    }

    /// Exponent of a nonzero element, subnormals with that of the smallest normal.
    pub(super) fn exponent(self, value: f64) -> i32 {
        let least = match self {
            Format::Fp8 => -6,
            Format::Bf8 | Format::F16 => -14,
            Format::Bf6 => -2,
            Format::Fp6 | Format::Fp4 => 0,
            _ => -126,
        };
        (value.abs().log2().floor() as i32).max(least)
    }

    /// The f8f6f4 forms' format numbers.
    fn from_number(number: u32) -> Format {
        [Format::Fp8, Format::Bf8, Format::Fp6, Format::Bf6, Format::Fp4][number as usize]
    }

    fn parse(name: &str) -> Format {
        match name {
            "fp8" => Format::Fp8,
            "bf8" => Format::Bf8,
            "f16" => Format::F16,
            "bf16" => Format::Bf16,
            "f32" => Format::F32,
            "f64" => Format::F64,
            "i8" => Format::I8,
            other => panic!("{other}"),
        }
    }
}

/// D\[n\] = C\[n\] + A\[n\]·B\[n\].
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub size: usize,
    pub k: usize,
    pub blocks: usize,
    pub a: Format,
    pub b: Format,
    pub sparse: bool,
    /// f8f6f4.
    pub narrow: bool,
    /// Set of sparse indices.
    pub set: u32,
}

impl Shape {
    /// `None` for what is no product.
    pub(super) fn parse(case: &Case) -> Option<Shape> {
        let name = case.mnemonic().replace("_scale", "");
        let mut words: Vec<&str> = name.split('_').skip(1).collect();
        if !matches!(words[0], "mfma" | "smfmac") {
            return None;
        }
        let sparse = words[0] == "smfmac";
        let sizes: Vec<usize> = words[2].split('x').map(|n| n.parse().expect("a number")).collect();
        words.drain(..3);
        let blocks = match words[0].strip_suffix('b').map(str::parse) {
            Some(Ok(n)) => {
                words.remove(0);
                n
            }
            _ => 1,
        };
        let narrow = words == ["f8f6f4"];
        let (a, b) = if narrow {
            (Format::from_number(case.modifier("cbsz")), Format::from_number(case.modifier("blgp")))
        } else {
            (Format::parse(words[0]), Format::parse(words[words.len() - 1]))
        };
        Some(Shape { size: sizes[0], k: sizes[2], blocks, a, b, sparse, narrow, set: case.modifier("abid") })
    }

    /// Elements of A (as stored) or B in a lane.
    fn items(&self, stored: bool) -> usize {
        let all = self.size * self.k * self.blocks / 64;
        if stored && self.sparse { all / 2 } else { all }
    }

    /// Block, row (column of B) and k of an element in a lane. With `stored`, k counts stored elements.
    pub(super) fn place(
        &self,
        format: Format,
        lane: usize,
        item: usize,
        stored: bool,
    ) -> (usize, usize, usize) {
        let row = lane % self.size;
        let block = lane / self.size % self.blocks;
        let group = lane / self.size / self.blocks;
        let k = if self.narrow && format.bits() == 8 {
            // Registers 0–3 hold 16 k of the first half of K, registers 4–7 of the second.
            item / 16 * (self.k / 2) + 16 * group + item % 16
        } else {
            group * self.items(stored) + item
        };
        (block, row, k)
    }

    /// Block, row and column of D in a register (pair) and lane.
    pub(super) fn place_d(&self, register: usize, lane: usize) -> (usize, usize, usize) {
        match (self.size, self.a) {
            (16, Format::F64) => (0, 4 * register + lane / 16, lane % 16),
            (4, Format::F64) => (lane / 4 % 4, lane / 16, lane % 4),
            (32, _) => {
                let r = register % 16;
                (register / 16, 8 * (r / 4) + 4 * (lane / 32) + r % 4, lane % 32)
            }
            (16, _) => (register / 4, 4 * (lane / 16) + register % 4, lane % 16),
            _ => (lane / 4, register, lane % 4),
        }
    }

    pub(super) fn registers_d(&self) -> usize {
        self.size * self.size * self.blocks / 64
    }
}

/// Codes of A (as stored), B and C, by block, row or column, and k.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub shape: Shape,
    pub a: Vec<Vec<Vec<u64>>>,
    pub b: Vec<Vec<Vec<u64>>>,
    /// Bits of C by block, row, column.
    pub c: Vec<Vec<Vec<u64>>>,
    /// Place of each stored element in its group of four, by row.
    pub indices: Vec<Vec<u32>>,
}

impl Problem {
    pub(super) fn new(
        shape: Shape,
        mut a: impl FnMut() -> u64,
        mut b: impl FnMut() -> u64,
        mut c: impl FnMut() -> u64,
        mut pair: impl FnMut() -> (u32, u32),
    ) -> Problem {
        let fill = |outer: usize, inner: usize, value: &mut dyn FnMut() -> u64| -> Vec<Vec<Vec<u64>>> {
            (0..shape.blocks)
                .map(|_| (0..outer).map(|_| (0..inner).map(|_| value()).collect()).collect())
                .collect()
        };
        let stored = if shape.sparse { shape.k / 2 } else { shape.k };
        let (a, b, c) = (
            fill(shape.size, stored, &mut a),
            fill(shape.size, shape.k, &mut b),
            fill(shape.size, shape.size, &mut c),
        );
        let indices = (0..shape.size)
            .map(|_| (0..shape.k / 4).flat_map(|_| <[u32; 2]>::from(pair())).collect())
            .collect();
        Problem { shape, a, b, c, indices }
    }

    /// Puts A, B, the indices and C into their registers.
    pub(super) fn load(&self, bench: &mut Bench, at: [u16; 3]) {
        let shape = &self.shape;
        for (first, format, matrix, stored) in
            [(at[0], shape.a, &self.a, true), (at[1], shape.b, &self.b, false)]
        {
            let bits = format.bits() as usize;
            let items = shape.items(stored);
            let count = (items * bits).div_ceil(32);
            let mut lanes = vec![vec![0u32; count]; 64];
            for (lane, registers) in lanes.iter_mut().enumerate() {
                for item in 0..items {
                    let (block, row, k) = shape.place(format, lane, item, stored);
                    for bit in 0..bits {
                        let at = item * bits + bit;
                        registers[at / 32] |= ((matrix[block][row][k] >> bit & 1) as u32) << (at % 32);
                    }
                }
            }
            (0..count).for_each(|i| bench.set(first + i as u16, |lane| lanes[lane][i]));
        }
        if shape.sparse {
            let items = shape.items(true);
            bench.set(INDICES, |lane| {
                // What the other sets hold must not matter.
                let other: u32 = if items == 16 { 0 } else { 0xa5a5_5a5a ^ lane as u32 };
                let width = 2 * items as u32;
                let mask = (u32::MAX >> (32 - width)) << (shape.set * width);
                let own: u32 = (0..items)
                    .map(|item| {
                        let (_, row, k) = shape.place(shape.a, lane, item, true);
                        self.indices[row][k] << (2 * item)
                    })
                    .sum();
                other & !mask | own << (shape.set * width)
            });
        }
        let dwords = if shape.a == Format::F64 { 2 } else { 1 };
        for register in 0..shape.registers_d() {
            for part in 0..dwords {
                bench.set(at[2] + (register * dwords + part) as u16, |lane| {
                    let (block, i, j) = shape.place_d(register, lane);
                    (self.c[block][i][j] >> (32 * part)) as u32
                });
            }
        }
    }

    /// Loads into A, B and `c`.
    pub(super) fn load_at(&self, bench: &mut Bench, c: u16) {
        self.load(bench, [A, B, c]);
    }

    /// D's bits by block, row, column, from registers at `first`.
    pub(super) fn fetch(&self, bench: &Bench, first: u16) -> Vec<Vec<Vec<u64>>> {
        let shape = &self.shape;
        let mut d = self.c.clone();
        let dwords = if shape.a == Format::F64 { 2 } else { 1 };
        for register in 0..shape.registers_d() {
            let at = first + (register * dwords) as u16;
            let (low, high) =
                (bench.get(at), if dwords == 2 { bench.get(at + 1) } else { crate::lanes::Lanes::ZERO });
            for lane in 0..64 {
                let (block, i, j) = shape.place_d(register, lane);
                d[block][i][j] = low[lane] as u64 | (high[lane] as u64) << 32;
            }
        }
        d
    }

    /// The products of an output, as pairs of codes in ascending k.
    pub(super) fn terms(&self, block: usize, i: usize, j: usize) -> Vec<(u64, u64)> {
        self.terms_of(block, block, i, j)
    }

    /// As [`Problem::terms`], with another block's A.
    pub(super) fn terms_of(&self, block_a: usize, block: usize, i: usize, j: usize) -> Vec<(u64, u64)> {
        (0..self.a[block_a][i].len())
            .map(|stored| {
                let k = if self.shape.sparse {
                    4 * (stored / 2) + self.indices[i][stored] as usize
                } else {
                    stored
                };
                (self.a[block_a][i][stored], self.b[block][j][k])
            })
            .collect()
    }

    /// The values of [`Problem::terms`].
    pub(super) fn values(&self, block: usize, i: usize, j: usize) -> Vec<(f64, f64)> {
        let (a, b) = (self.shape.a, self.shape.b);
        self.terms(block, i, j).into_iter().map(|(x, y)| (a.value(x), b.value(y))).collect()
    }

    /// Runs `check(block, i, j)` for every output.
    pub(super) fn outputs(&self) -> impl Iterator<Item = (usize, usize, usize)> + use<> {
        let (blocks, size) = (self.shape.blocks, self.shape.size);
        (0..blocks).flat_map(move |n| (0..size).flat_map(move |i| (0..size).map(move |j| (n, i, j))))
    }
}
