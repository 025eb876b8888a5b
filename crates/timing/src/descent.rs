//! Least absolute deviation by reweighted Gauss–Newton steps, in a box: for models whose evaluation is expensive.

/// Where a descent is.
#[derive(Clone, Debug, PartialEq)]
pub struct Descent {
    /// The best point.
    pub at: Vec<f64>,
    /// Mean absolute residual there.
    pub cost: f64,
    /// Evaluations of all residuals.
    pub evaluations: usize,
}

/// Step of a difference quotient, in logarithms: the model is piecewise smooth, smaller steps see its grain.
const STEP: f64 = 0.04;
/// Residuals below this weigh alike.
const GRAIN: f64 = 0.02;
/// Farthest that one step moves a parameter, in logarithms.
const FARTHEST: f64 = 0.5;
/// A step must lower the cost by this share, or the descent ends.
const WORTH: f64 = 1e-3;

/// Lowers the mean absolute value of `residuals` over positive parameters within `bounds`, from `start`, in
/// logarithms, with about `evaluations` evaluations. `residuals` is told which single parameter differs from the last
/// point that was evaluated whole, if only one does. The order of steps is fixed.
pub fn descend(
    start: &[f64],
    bounds: &[[f64; 2]],
    evaluations: usize,
    mut residuals: impl FnMut(&[f64], Option<usize>) -> Vec<f64>,
) -> Descent {
    let n = start.len();
    let natural = |x: &[f64]| -> Vec<f64> {
        x.iter().zip(bounds).map(|(x, [low, high])| x.exp().clamp(*low, *high)).collect()
    };
    let limits: Vec<[f64; 2]> = bounds.iter().map(|ends| ends.map(f64::ln)).collect();
    let clamped = |x: f64, j: usize| x.clamp(limits[j][0], limits[j][1]);
    let mean = |r: &[f64]| r.iter().map(|r| r.abs()).sum::<f64>() / r.len().max(1) as f64;
    let mut x: Vec<f64> = (0..n).map(|j| clamped(start[j].ln(), j)).collect();
    let mut r = residuals(&natural(&x), None);
    let mut cost = mean(&r);
    let (mut used, mut damping) = (1, 1e-2);
    while used + n < evaluations {
        let mut slopes = Vec::with_capacity(n);
        for j in 0..n {
            let step = if x[j] + STEP <= limits[j][1] { STEP } else { -STEP };
            let mut near = x.clone();
            near[j] += step;
            let other = residuals(&natural(&near), Some(j));
            slopes.push(other.iter().zip(&r).map(|(other, r)| (other - r) / step).collect::<Vec<f64>>());
        }
        used += n;
        let weights: Vec<f64> = r.iter().map(|r| 1.0 / r.abs().max(GRAIN)).collect();
        let dot = |a: &[f64], b: &[f64]| -> f64 {
            a.iter().zip(b).zip(&weights).map(|((a, b), weight)| a * b * weight).sum()
        };
        let gradient: Vec<f64> = slopes.iter().map(|slope| dot(slope, &r)).collect();
        // At a bound, what pushes beyond it stays.
        let moves: Vec<usize> = (0..n)
            .filter(|j| {
                let [low, high] = limits[*j];
                !(x[*j] <= low && gradient[*j] > 0.0 || x[*j] >= high && gradient[*j] < 0.0)
            })
            .collect();
        let before = cost;
        for _ in 0..6 {
            let matrix: Vec<Vec<f64>> = moves
                .iter()
                .map(|i| {
                    let row = moves.iter().map(|j| dot(&slopes[*i], &slopes[*j]));
                    let more = |j: usize, x: f64| if j == *i { x * (1.0 + damping) + 1e-9 } else { x };
                    moves.iter().zip(row).map(|(j, x)| more(*j, x)).collect()
                })
                .collect();
            let step = solve(matrix, moves.iter().map(|j| -gradient[*j]).collect());
            let mut next = x.clone();
            for (j, step) in moves.iter().zip(step) {
                next[*j] = clamped(x[*j] + step.clamp(-FARTHEST, FARTHEST), *j);
            }
            let found = residuals(&natural(&next), None);
            used += 1;
            if mean(&found) < cost {
                (cost, x, r) = (mean(&found), next, found);
                damping = (damping / 4.0f64).max(1e-4);
                break;
            }
            damping *= 8.0;
        }
        if cost > before * (1.0 - WORTH) {
            break;
        }
    }
    Descent { at: natural(&x), cost, evaluations: used }
}

/// Solves a small symmetric positive system by elimination with the largest pivot.
fn solve(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    for k in 0..n {
        let pivot = (k..n).max_by(|i, j| a[*i][k].abs().total_cmp(&a[*j][k].abs())).unwrap_or(k);
        a.swap(k, pivot);
        b.swap(k, pivot);
        let row = a[k].clone();
        for i in k + 1..n {
            let factor = if row[k] == 0.0 { 0.0 } else { a[i][k] / row[k] };
            a[i].iter_mut().zip(&row).skip(k).for_each(|(x, pivot)| *x -= factor * pivot);
            b[i] -= factor * b[k];
        }
    }
    for k in (0..n).rev() {
        let rest: f64 = (k + 1..n).map(|j| a[k][j] * b[j]).sum();
        b[k] = if a[k][k] == 0.0 { 0.0 } else { (b[k] - rest) / a[k][k] };
    }
    b
}

#[cfg(test)]
mod tests {
    use super::*;

    /// y = a·t^b + c with outliers: absolute deviations do not follow them, and a bound holds.
    #[test]
    fn a_curve_is_found_among_outliers() {
        let (a, b, c) = (3.0, 0.7, 2.0);
        let points: Vec<(f64, f64)> = (1..60)
            .map(|i| {
                let t = i as f64 / 7.0;
                let off = if i % 9 == 0 { 1.5 } else { 1.0 };
                (t, (a * t.powf(b) + c) * off)
            })
            .collect();
        let residuals = |x: &[f64], _: Option<usize>| -> Vec<f64> {
            points.iter().map(|(t, y)| ((x[0] * t.powf(x[1]) + x[2]) / y).ln()).collect()
        };
        let free = descend(&[1.0, 1.0, 1.0], &[[0.1, 10.0]; 3], 200, residuals);
        for (found, known) in free.at.iter().zip([a, b, c]) {
            assert!((found / known - 1.0).abs() < 0.03, "{free:?}");
        }
        let bound = descend(&[1.0, 1.0, 1.0], &[[0.1, 10.0], [0.1, 10.0], [0.1, 1.5]], 200, residuals);
        assert!(bound.at[2] <= 1.5 && bound.cost >= free.cost, "{bound:?}");
    }

    #[test]
    fn a_system_is_solved() {
        let a = vec![vec![2.0, 1.0, 0.0], vec![1.0, 3.0, 1.0], vec![0.0, 1.0, 4.0]];
        let x = solve(a, vec![4.0, 10.0, 14.0]);
        for (x, known) in x.iter().zip([1.0, 2.0, 3.0]) {
            assert!((x - known).abs() < 1e-12, "{x}");
        }
    }
}
