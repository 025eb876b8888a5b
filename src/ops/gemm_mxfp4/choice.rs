//! Which instance multiplies a shape, and how many workgroups share a tile.
//!
//! `kernels/gemm_mxfp4/choice.csv` has the fastest instance of the shapes that `mi355x tune` tried. Any other shape gets
//! the choice of the nearest of them whose instance takes it.

use super::{Tiling, kind};
use crate::dtype::Dtype;
use crate::ops::GemmMxfp4;
use crate::registry::Instance;
use crate::{Error, Result};

/// The table that this program was built with.
pub const BUILT_IN: &str = include_str!("../../../kernels/gemm_mxfp4/choice.csv");

/// The first line of every table.
pub const HEADER: &str = "activations,m,n,k,tile,splits,us,times";

/// A shape to multiply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Whether activations are bf16, to be quantised; they are MXFP4 otherwise.
    pub bf16: bool,
    /// M, N, K.
    pub sizes: [usize; 3],
}

/// One line: what was fastest for a shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The shape.
    pub shape: Shape,
    /// The last part of the instance's name.
    pub tile: String,
    /// Workgroups that share a tile.
    pub splits: usize,
    /// Its time in µs.
    pub us: f64,
    /// `modelled …` or `measured`.
    pub times: String,
}

/// What to launch.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    /// The kernel.
    pub instance: &'a Instance,
    /// Workgroups that share a tile.
    pub splits: usize,
}

/// The lines of a table.
///
/// # Errors
/// [`Error::Contract`] with the line that is none.
pub fn entries(text: &str) -> Result<Vec<Entry>> {
    let wrong = |line: usize, text: &str| Error::Contract {
        op: "gemm_mxfp4".into(),
        reason: format!("line {} of the choices is no line of {HEADER}: {text}", line + 1),
    };
    let mut entries = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
        if number == 0 && line == HEADER {
            continue;
        }
        entries.push(entry(line).ok_or_else(|| wrong(number, line))?);
    }
    Ok(entries)
}

fn entry(line: &str) -> Option<Entry> {
    let fields: Vec<&str> = line.split(',').collect();
    let &[activations, m, n, k, tile, splits, us, times] = fields.as_slice() else { return None };
    let bf16 = match activations {
        "bf16" => true,
        "mxfp4" => false,
        _ => return None,
    };
    let number = |text: &str| text.parse::<usize>().ok().filter(|n| *n > 0);
    Some(Entry {
        shape: Shape { bf16, sizes: [number(m)?, number(n)?, number(k)?] },
        tile: tile.to_owned(),
        splits: number(splits)?,
        us: us.parse().ok()?,
        times: times.to_owned(),
    })
}

/// The instance of `instances` for `shape` whose formats are `wanted`'s, by the nearest entry of the table; an
/// instance that takes any K if none of the table's does. None when no instance has these formats.
#[must_use]
pub fn choose<'a>(
    instances: &'a [Instance],
    entries: &[Entry],
    wanted: &GemmMxfp4,
    shape: Shape,
) -> Option<Choice<'a>> {
    let fitting: Vec<&Instance> = instances.iter().filter(|i| takes(i, wanted, shape)).collect();
    let mut nearest: Vec<&Entry> = entries.iter().filter(|e| e.shape.bf16 == shape.bf16).collect();
    nearest.sort_by(|a, b| distance(a.shape, shape).total_cmp(&distance(b.shape, shape)));
    for entry in nearest {
        if let Some(instance) = fitting.iter().copied().find(|i| tile(i) == entry.tile) {
            return Some(Choice { instance, splits: entry.splits });
        }
    }
    fitting.first().map(|instance| Choice { instance, splits: 1 })
}

/// The last part of an instance's name: what distinguishes instances of equal formats.
#[must_use]
pub fn tile(instance: &Instance) -> &str {
    instance.name.rsplit('_').next().unwrap_or_default()
}

/// Whether an instance has these formats and takes a product of this K.
#[must_use]
pub fn takes(instance: &Instance, wanted: &GemmMxfp4, shape: Shape) -> bool {
    let (Ok(own), Ok(tiling)) = (kind(instance), Tiling::of(instance)) else { return false };
    instance.op == "gemm_mxfp4"
        && own.rule == wanted.rule
        && own.weights_shuffled == wanted.weights_shuffled
        && own.scales == wanted.scales
        && own.out == wanted.out
        && instance.define("BATCHED") != Some("1")
        && (instance.define("TAIL") == Some("1") || shape.sizes[2].is_multiple_of(tiling.k_step))
}

/// The formats of the public product contest and of SGLang's pre-shuffled path: bf16 out, everything shuffled.
#[must_use]
pub fn usual(rule: Option<numerics::mx::Mxfp4Rule>) -> GemmMxfp4 {
    GemmMxfp4 {
        rule,
        weights_shuffled: true,
        scales: reference::ScaleLayout::Shuffled,
        out: Dtype::Bf16,
        k_step: 0,
        waves_k: 0,
        counters: 0,
    }
}

/// How unlike two shapes are, in powers of e; an entry for fewer rows costs more than one for more.
fn distance(entry: Shape, shape: Shape) -> f64 {
    let apart = |i: usize| (shape.sizes[i].max(1) as f64 / entry.sizes[i] as f64).ln();
    let rows = apart(0);
    apart(1).abs() + apart(2).abs() + if rows > 0.0 { 4.0 * rows } else { -rows }
}

#[cfg(test)]
mod tests {
    use numerics::mx::{Mxfp4Rule, ScaleRounding};

    use super::*;
    use crate::registry::INSTANCES;

    #[test]
    fn every_entry_names_an_instance_that_takes_it() {
        let entries = entries(BUILT_IN).unwrap();
        assert!(!entries.is_empty());
        for entry in &entries {
            let rule = entry.shape.bf16.then(|| Mxfp4Rule::new(ScaleRounding::Even));
            let chosen = choose(INSTANCES, std::slice::from_ref(entry), &usual(rule), entry.shape).unwrap();
            assert_eq!((tile(chosen.instance), chosen.splits), (entry.tile.as_str(), entry.splits));
        }
    }

    #[test]
    fn any_shape_and_format_gets_a_legal_instance() {
        let entries = entries(BUILT_IN).unwrap();
        for sizes in
            [[1, 16, 64], [3, 2112, 7168], [100, 48, 192], [32_768, 512, 1344], [17, 106_496, 16_384]]
        {
            for bf16 in [false, true] {
                for (weights_shuffled, scales) in
                    [(false, reference::ScaleLayout::Raw), (true, reference::ScaleLayout::Shuffled)]
                {
                    let rule = bf16.then(|| Mxfp4Rule::new(ScaleRounding::RoundUp));
                    let wanted = GemmMxfp4 { weights_shuffled, scales, ..usual(rule) };
                    let chosen = choose(INSTANCES, &entries, &wanted, Shape { bf16, sizes }).unwrap();
                    let k_step = Tiling::of(chosen.instance).unwrap().k_step;
                    assert!(chosen.instance.define("TAIL") == Some("1") || sizes[2].is_multiple_of(k_step));
                }
            }
        }
    }

    #[test]
    fn a_table_that_is_none_is_refused_with_its_line() {
        let error = entries(&format!("{HEADER}\nmxfp4,1,2,3,t,0,1.0,modelled\n")).unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
    }
}
