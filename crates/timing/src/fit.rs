//! Least deviation by the downhill simplex (Nelder and Mead 1965), in a box.

/// What a fit found.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// The best point.
    pub at: Vec<f64>,
    /// Its cost.
    pub cost: f64,
    /// Evaluations.
    pub evaluations: usize,
}

/// Minimises `cost` over positive numbers within `bounds`, from `start`, in logarithms. The order of steps is fixed:
/// the same input gives the same result.
pub fn minimise(
    start: &[f64],
    bounds: &[[f64; 2]],
    evaluations: usize,
    mut cost: impl FnMut(&[f64]) -> f64,
) -> Fit {
    let n = start.len();
    let natural = |x: &[f64]| -> Vec<f64> {
        x.iter().zip(bounds).map(|(x, [low, high])| x.exp().clamp(*low, *high)).collect()
    };
    let mut used = 0;
    let mut evaluate = |x: &[f64]| {
        used += 1;
        // Beyond a bound the cost rises, so that the simplex turns back.
        let outside: f64 = x
            .iter()
            .zip(bounds)
            .map(|(x, [low, high])| (low.ln() - x).max(0.0) + (x - high.ln()).max(0.0))
            .sum();
        (cost(&natural(x)) + 0.1 * outside, used)
    };
    let origin: Vec<f64> = start.iter().map(|x| x.ln()).collect();
    let mut simplex: Vec<(Vec<f64>, f64)> = Vec::with_capacity(n + 1);
    for i in 0..=n {
        let mut point = origin.clone();
        if i > 0 {
            let [low, high] = bounds[i - 1];
            let step = 0.15;
            let up = point[i - 1] + step;
            point[i - 1] = if up.exp() < high || low == high { up } else { point[i - 1] - step };
        }
        let (value, _) = evaluate(&point);
        simplex.push((point, value));
    }
    let mut count = n + 1;
    while count < evaluations {
        simplex.sort_by(|a, b| a.1.total_cmp(&b.1));
        if simplex[n].1 - simplex[0].1 < 1e-7 {
            break;
        }
        let centre: Vec<f64> =
            (0..n).map(|j| simplex[..n].iter().map(|(point, _)| point[j]).sum::<f64>() / n as f64).collect();
        let along = |factor: f64| -> Vec<f64> {
            centre.iter().zip(&simplex[n].0).map(|(c, worst)| c + factor * (c - worst)).collect()
        };
        let reflected = along(1.0);
        let (value, at) = evaluate(&reflected);
        count = at;
        let better = if value < simplex[0].1 {
            let expanded = along(2.0);
            let (further, at) = evaluate(&expanded);
            count = at;
            Some(if further < value { (expanded, further) } else { (reflected, value) })
        } else if value < simplex[n - 1].1 {
            Some((reflected, value))
        } else {
            let contracted = along(if value < simplex[n].1 { 0.5 } else { -0.5 });
            let (nearer, at) = evaluate(&contracted);
            count = at;
            (nearer < value.min(simplex[n].1)).then_some((contracted, nearer))
        };
        match better {
            Some(point) => simplex[n] = point,
            None => {
                let best = simplex[0].0.clone();
                for (point, value) in &mut simplex[1..] {
                    point.iter_mut().zip(&best).for_each(|(x, best)| *x = best + 0.5 * (*x - best));
                    (*value, count) = evaluate(point);
                }
            }
        }
    }
    simplex.sort_by(|a, b| a.1.total_cmp(&b.1));
    let (best, value) = &simplex[0];
    Fit { at: natural(best), cost: *value, evaluations: count }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_valley_is_found_and_bounds_hold() {
        let bounds = [[0.1, 100.0], [0.1, 100.0], [0.1, 5.0]];
        let fit = minimise(&[1.0, 1.0, 1.0], &bounds, 2000, |x| {
            (x[0] - 7.0).powi(2) + (x[1] - 0.5 * x[0]).abs() + (x[2] - 9.0).powi(2)
        });
        assert!((fit.at[0] - 7.0).abs() < 0.01 && (fit.at[1] - 3.5).abs() < 0.01, "{fit:?}");
        assert!((fit.at[2] - 5.0).abs() < 0.01, "the bound holds: {fit:?}");
    }
}
