//! `kernels/<op>/instances.toml`: which kernels exist, in which variants.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::{Error, Result};

/// The whole of one `instances.toml`, with every axis multiplied out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instances {
    /// Compiler flags that all instances share.
    pub flags: Vec<String>,
    /// In file order; the last axis varies fastest.
    pub instances: Vec<Instance>,
}

/// One kernel variant: one compiler run, one code object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Unique within the operator.
    pub name: String,
    /// File beside the `instances.toml`.
    pub source: String,
    /// The `extern "C"` kernel to launch.
    pub symbol: String,
    /// The struct of `params.h` that is the kernel's one argument.
    pub params: String,
    /// Preprocessor definitions: what distinguishes this variant.
    pub defines: BTreeMap<String, String>,
    /// Declared occupancy, 1 to 8: the build fails below it.
    pub min_waves_per_simd: u32,
    /// LDS bytes that the launch adds to the kernel's own.
    pub dynamic_lds_bytes: u32,
    /// Why this kernel may spill registers.
    pub allow_spills: Option<String>,
    /// Why this kernel may run fewer waves than declared.
    pub allow_low_occupancy: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default)]
    flags: Vec<String>,
    #[serde(rename = "instance")]
    instances: Vec<RawInstance>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawInstance {
    name: String,
    source: String,
    symbol: String,
    params: String,
    #[serde(default)]
    defines: BTreeMap<String, String>,
    #[serde(default)]
    axes: BTreeMap<String, Vec<String>>,
    min_waves_per_simd: u32,
    #[serde(default)]
    dynamic_lds_bytes: u32,
    allow_spills: Option<String>,
    allow_low_occupancy: Option<String>,
}

impl Instances {
    /// Reads `file`.
    ///
    /// # Errors
    /// [`Error::Instances`] naming the entry or line.
    pub fn read(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file).map_err(|e| Error::read(file, e))?;
        Self::parse(&text).map_err(|what| Error::Instances { file: file.into(), what })
    }

    /// Parses the text of an `instances.toml`.
    ///
    /// # Errors
    /// What is wrong, as text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let raw: RawFile = toml::from_str(text).map_err(|e| e.to_string())?;
        let mut instances = Vec::new();
        for entry in raw.instances {
            expand(entry, &mut instances)?;
        }
        let mut names: Vec<_> = instances.iter().map(|i: &Instance| &i.name).collect();
        names.sort();
        if let Some(twice) = names.windows(2).find(|w| w[0] == w[1]) {
            return Err(format!("two instances are named \"{}\"", twice[0]));
        }
        Ok(Self { flags: raw.flags, instances })
    }
}

/// Multiplies out the axes: one instance per combination of values, `{AXIS}` in the name replaced by the value.
fn expand(raw: RawInstance, into: &mut Vec<Instance>) -> Result<(), String> {
    let here = |what: String| format!("instance \"{}\": {what}", raw.name);
    if !(1..=8).contains(&raw.min_waves_per_simd) {
        return Err(here(format!("min_waves_per_simd is {}, must be 1 to 8", raw.min_waves_per_simd)));
    }
    for reason in [&raw.allow_spills, &raw.allow_low_occupancy].into_iter().flatten() {
        if reason.trim().is_empty() {
            return Err(here("an allow_ key must give its reason".into()));
        }
    }
    if Path::new(&raw.source).components().count() != 1 || !raw.source.ends_with(".hip") {
        return Err(here(format!("source \"{}\" is not a .hip file of this folder", raw.source)));
    }
    for (axis, values) in &raw.axes {
        if values.is_empty() {
            return Err(here(format!("axis {axis} has no values")));
        }
        if !raw.name.contains(&format!("{{{axis}}}")) {
            return Err(here(format!("the name lacks {{{axis}}}, so its variants would share one name")));
        }
        if raw.defines.contains_key(axis) {
            return Err(here(format!("{axis} is both an axis and a define")));
        }
    }
    let mut variants = vec![(raw.name.clone(), raw.defines.clone())];
    for (axis, values) in &raw.axes {
        variants = variants
            .into_iter()
            .flat_map(|(name, defines)| {
                values.iter().map(move |value| {
                    let mut defines = defines.clone();
                    defines.insert(axis.clone(), value.clone());
                    (name.replace(&format!("{{{axis}}}"), value), defines)
                })
            })
            .collect();
    }
    for (name, defines) in variants {
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c)) {
            return Err(here(format!("name \"{name}\" may hold letters, digits, '_', '.' and '-' only")));
        }
        into.push(Instance {
            name,
            source: raw.source.clone(),
            symbol: raw.symbol.clone(),
            params: raw.params.clone(),
            defines,
            min_waves_per_simd: raw.min_waves_per_simd,
            dynamic_lds_bytes: raw.dynamic_lds_bytes,
            allow_spills: raw.allow_spills.clone(),
            allow_low_occupancy: raw.allow_low_occupancy.clone(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: &str = "[[instance]]\nname = \"k_{A}_{B}\"\nsource = \"k.hip\"\nsymbol = \"k\"\nparams = \"K\"\n\
                         min_waves_per_simd = 8\naxes = { A = [\"x\", \"y\"], B = [\"1\", \"2\"] }\n";

    #[test]
    fn axes_multiply_out_in_order() {
        let parsed = Instances::parse(ENTRY).unwrap();
        let names: Vec<_> = parsed.instances.iter().map(|i| i.name.as_str()).collect();
        assert_eq!(names, ["k_x_1", "k_x_2", "k_y_1", "k_y_2"]);
        assert_eq!(parsed.instances[1].defines["B"], "2");
    }

    #[test]
    fn each_mistake_is_named() {
        let cases = [
            (ENTRY.replace("symbol", "simbol"), "unknown field `simbol`"),
            (ENTRY.replace("k_{A}_{B}", "k_{A}"), "the name lacks {B}"),
            (ENTRY.replace("= 8", "= 9"), "must be 1 to 8"),
            (ENTRY.replace("k.hip", "../k.hip"), "not a .hip file of this folder"),
            (format!("{ENTRY}{ENTRY}"), "two instances are named"),
            (format!("{ENTRY}allow_spills = \"\"\n"), "must give its reason"),
        ];
        for (text, expected) in cases {
            let error = Instances::parse(&text).unwrap_err();
            assert!(error.contains(expected), "{error:?} lacks {expected:?}");
        }
    }
}
