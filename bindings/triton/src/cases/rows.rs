//! Element-wise kernels, reductions, scans and sorts.

use super::{Case, Operand, Random, f32s, multiples, size, tiles, to_bytes_f32, to_bytes_i32, words};
use crate::{Allowed, Kernel, Result, Stored, Tally};
use peers::{HALF_UNIT, QUOTIENT, SMALLEST, UNIT};

/// One f32 addition: exactly what the host's gives.
pub(super) fn vector_add(kernel: &Kernel, random: &mut Random) -> Result<Vec<Case>> {
    let block = kernel.constant("BLOCK")?;
    let sizes = [1, 63, 65, block - 1, block, block + 1, 3 * block + 7, 16 * block];
    let case = |n: usize| {
        let (x, y) = (random.normals(n), random.normals(n));
        let sums: Vec<f32> = x.iter().zip(&y).map(|(x, y)| x + y).collect();
        Case {
            shape: format!("N={n}"),
            grid: (tiles(n, block), 1, 1),
            operands: vec![
                ("x_ptr", Operand::Input(to_bytes_f32(&x))),
                ("y_ptr", Operand::Input(to_bytes_f32(&y))),
                ("out_ptr", Operand::Output(4 * n)),
                ("n", size(n)),
            ],
            check: Box::new(move |outputs| exactly(&sums, f32s(&outputs[0]))),
        }
    };
    Ok(multiples(sizes, kernel.multiple_of("n")).into_iter().map(case).collect())
}

/// n - 1 f32 additions in some order: an error of at most n units of half the last place of Σ|x|.
pub(super) fn row_sum(kernel: &Kernel, random: &mut Random) -> Result<Vec<Case>> {
    let block = kernel.constant("BLOCK")?;
    let shapes = [(1, 1), (3, 63), (2, block), (5, block + 1), (2, 3 * block - 5), (1, 8 * block + 3)];
    let case = |(rows, columns): (usize, usize)| {
        let x = random.normals(rows * columns);
        let sums: Vec<Allowed> = x
            .chunks_exact(columns)
            .map(|row| {
                let value = row.iter().map(|&x| f64::from(x)).sum();
                let magnitude: f64 = row.iter().map(|&x| f64::from(x).abs()).sum();
                Allowed::new(value, columns as f64 * HALF_UNIT * magnitude, Stored::F32)
            })
            .collect();
        by_rows(rows, columns, to_bytes_f32(&x), 4 * rows, move |bytes| compare(&sums, f32s(bytes), 1))
    };
    Ok(shapes.into_iter().map(case).collect())
}

/// Counts of every bin, added to what was there: exact.
pub(super) fn histogram(kernel: &Kernel, random: &mut Random) -> Result<Vec<Case>> {
    let (block, bins) = (kernel.constant("BLOCK")?, kernel.constant("BINS")?);
    let case = |n: usize| {
        let x: Vec<i32> = (0..n).map(|_| random.below(bins as u32) as i32).collect();
        let before: Vec<i32> = (0..bins).map(|_| random.below(1000) as i32).collect();
        let mut after = before.clone();
        x.iter().for_each(|&x| after[x as usize] += 1);
        Case {
            shape: format!("N={n}"),
            grid: (tiles(n, block), 1, 1),
            operands: vec![
                ("x_ptr", Operand::Input(to_bytes_i32(&x))),
                ("out_ptr", Operand::Update(to_bytes_i32(&before))),
                ("n", size(n)),
            ],
            check: Box::new(move |outputs| exactly(&after, words(&outputs[0]).map(|word| word as i32))),
        }
    };
    Ok([1, 100, block, block + 1, 7 * block + 3].into_iter().map(case).collect())
}

/// exp(x - max) / Σ exp(x - max).
///
/// The kernel computes e = exp2((x - max) · log2 e) in f32. Relative to e, with d = |x - max|: the difference errs by
/// half a unit of d, log2 e and the product by half a unit each, so the exponent by 1.5 units · d (3 · HALF_UNIT · d);
/// v_exp_f32 by one unit; what is below the smallest normal number may become 0. The sum errs by the average of that
/// and half a unit for each of n additions; the quotient as [`QUOTIENT`]. Second-order terms are within the percent.
pub(super) fn softmax(kernel: &Kernel, random: &mut Random) -> Result<Vec<Case>> {
    let block = kernel.constant("BLOCK")?;
    let shapes = [
        (1, 1, 1.0),
        (3, 2, 1.0),
        (2, 63, 1.0),
        (4, block / 2 + 1, 4.0),
        (3, block - 1, 30.0),
        (2, block, 1.0),
    ];
    let case = |(rows, columns, spread): (usize, usize, f32)| {
        let x: Vec<f32> = random.normals(rows * columns).iter().map(|x| x * spread).collect();
        let allowed: Vec<Allowed> = x.chunks_exact(columns).flat_map(softmax_row).collect();
        let mut case = by_rows(rows, columns, to_bytes_f32(&x), 4 * rows * columns, move |bytes| {
            compare(&allowed, f32s(bytes), columns)
        });
        case.shape.push_str(&format!(" σ={spread}"));
        case
    };
    Ok(shapes.into_iter().map(case).collect())
}

fn softmax_row(row: &[f32]) -> Vec<Allowed> {
    let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let terms: Vec<(f64, f64)> = row
        .iter()
        .map(|&x| {
            let distance = f64::from(top) - f64::from(x);
            ((-distance).exp(), 3.0 * HALF_UNIT * distance + UNIT)
        })
        .collect();
    let total: f64 = terms.iter().map(|(e, _)| e).sum();
    let total_error =
        terms.iter().map(|(e, error)| e * error).sum::<f64>() / total + row.len() as f64 * HALF_UNIT;
    let allowed = |&(e, error): &(f64, f64)| {
        let value = e / total;
        Allowed::new(value, 1.01 * value * (error + total_error + QUOTIENT) + SMALLEST, Stored::F32)
    };
    terms.iter().map(allowed).collect()
}

/// Prefix sums of i32, which wrap: exact.
pub(super) fn scan(kernel: &Kernel, random: &mut Random) -> Result<Vec<Case>> {
    let block = kernel.constant("BLOCK")?;
    let shapes = [(1, 1), (3, 64), (2, 65), (3, block / 2 + 3), (2, block - 1), (2, block)];
    let case = |(rows, columns): (usize, usize)| {
        let x: Vec<i32> = (0..rows * columns).map(|_| random.word() as i32).collect();
        let sums: Vec<i32> = x
            .chunks_exact(columns)
            .flat_map(|row| {
                row.iter().scan(0_i32, |sum, &x| {
                    *sum = sum.wrapping_add(x);
                    Some(*sum)
                })
            })
            .collect();
        by_rows(rows, columns, to_bytes_i32(&x), 4 * rows * columns, move |bytes| {
            exactly(&sums, words(bytes).map(|word| word as i32))
        })
    };
    Ok(shapes.into_iter().map(case).collect())
}

/// Ascending order, equal elements among them: exact.
pub(super) fn sort(kernel: &Kernel, random: &mut Random) -> Result<Vec<Case>> {
    let block = kernel.constant("BLOCK")?;
    let shapes = [(1, 1), (3, 2), (2, 65), (3, block / 2 + 3), (2, block - 1), (4, block)];
    let case = |(rows, columns): (usize, usize)| {
        let mut x = random.normals(rows * columns);
        x.iter_mut().step_by(3).for_each(|x| *x = x.round() + 0.0);
        let mut sorted = x.clone();
        sorted.chunks_exact_mut(columns).for_each(|row| row.sort_by(f32::total_cmp));
        by_rows(rows, columns, to_bytes_f32(&x), 4 * rows * columns, move |bytes| {
            exactly(&sorted, f32s(bytes))
        })
    };
    Ok(shapes.into_iter().map(case).collect())
}

/// A launch of one workgroup per row of a matrix.
fn by_rows(
    rows: usize,
    columns: usize,
    input: Vec<u8>,
    output_bytes: usize,
    check: impl Fn(&[u8]) -> Tally + 'static,
) -> Case {
    Case {
        shape: format!("{rows}x{columns}"),
        grid: (rows as u32, 1, 1),
        operands: vec![
            ("x_ptr", Operand::Input(input)),
            ("out_ptr", Operand::Output(output_bytes)),
            ("columns", size(columns)),
        ],
        check: Box::new(move |outputs| check(&outputs[0])),
    }
}

fn exactly<T: Copy + Into<f64>>(expected: &[T], found: impl Iterator<Item = T>) -> Tally {
    let allowed: Vec<Allowed> = expected.iter().map(|&value| Allowed::exact(value.into())).collect();
    compare(&allowed, found, 1)
}

/// Compares a matrix of rows of `columns`.
fn compare<T: Into<f64>>(expected: &[Allowed], found: impl Iterator<Item = T>, columns: usize) -> Tally {
    let mut tally = Tally::default();
    for (index, (allowed, found)) in expected.iter().zip(found).enumerate() {
        tally.add(*allowed, found.into(), || format!("[{}, {}]", index / columns, index % columns));
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_softmax_by_hand_is_allowed_and_a_tenth_of_a_permille_off_is_not() {
        let allowed = softmax_row(&[0.0, 3.0_f32.ln()]);
        for (allowed, value) in allowed.iter().zip([0.25, 0.75]) {
            assert!((allowed.value - value).abs() < 1e-7);
            assert!(allowed.usage(value * 1.0001) > 1.0);
            assert!(allowed.usage(f64::from(value as f32)) <= 1.0);
        }
    }

    #[test]
    fn a_missing_element_is_wrong() {
        let tally = exactly(&[1.0_f32, 2.0], [1.0, f32::NAN].into_iter());
        assert_eq!((tally.elements, tally.wrong), (2, 1));
    }
}
