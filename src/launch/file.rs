//! A launch written down in a TOML file.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rocm_toolchain::KernelNote;
use serde::Deserialize;

use super::Argument;
use crate::{Error, Result};

/// A launch, or parts of one; the command line says the rest, and overrides it.
///
/// ```toml
/// kernel = "scale"
/// grid = [4]
/// block = [256]
/// dynamic_lds = 0
/// args = { x = "f32x1024=normal", y = "f32x1024,out", factor = "f32=2.5" }   # or a list, in order
/// ```
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct LaunchFile {
    /// The kernel's name.
    pub kernel: Option<String>,
    /// Workgroups.
    pub grid: Option<Vec<u32>>,
    /// Work-items of a workgroup.
    pub block: Option<Vec<u32>>,
    /// Bytes of LDS on top of what the kernel declares.
    pub dynamic_lds: Option<u32>,
    /// Its arguments.
    #[serde(default)]
    pub args: Listed,
}

/// Arguments in a file, each written as on the command line.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(untagged)]
pub enum Listed {
    /// In the order of the parameters.
    Ordered(Vec<String>),
    /// By the parameter's name; parameters that share a name are padding, and zero when left out.
    Named(BTreeMap<String, String>),
}

impl Default for Listed {
    fn default() -> Self {
        Self::Ordered(Vec::new())
    }
}

impl LaunchFile {
    /// Reads the file.
    ///
    /// # Errors
    /// [`Error::Read`]; [`Error::Option`] with the parser's reason.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|source| Error::Read { path: path.into(), source })?;
        toml::from_str(&text).map_err(|error| refused(path, error.to_string().trim_end().to_owned()))
    }

    /// Its arguments in the order of the kernel's parameters.
    ///
    /// # Errors
    /// [`Error::Option`] for one that cannot be read, and for names that are not the kernel's.
    pub fn arguments(&self, path: &Path, note: &KernelNote) -> Result<Vec<Argument>> {
        let parse =
            |text: &String| text.parse().map_err(|reason| refused(path, format!("{text:?}: {reason}")));
        let named = match &self.args {
            Listed::Ordered(list) => return list.iter().map(parse).collect(),
            Listed::Named(named) => named,
        };
        if note.explicit_args().any(|p| p.name.is_empty()) {
            let reason = format!("the metadata of {} names no parameters; write args as a list", note.name);
            return Err(refused(path, reason));
        }
        let names: Vec<_> = note.explicit_args().map(|p| p.name.clone()).collect();
        if let Some(unknown) = named.keys().find(|name| !names.contains(name)) {
            let reason = format!("{} has no parameter {unknown}, only {}", note.name, names.join(", "));
            return Err(refused(path, reason));
        }
        let argument = |name: &String| match named.get(name) {
            Some(text) => parse(text),
            // Hand-written code objects list padding, every piece under one name.
            None if names.iter().filter(|n| *n == name).count() > 1 => Ok(Argument::Zeros),
            None => Err(refused(path, format!("the parameter {name} of {} has no argument", note.name))),
        };
        names.iter().map(argument).collect()
    }
}

fn refused(path: &Path, reason: String) -> Error {
    Error::Option { option: "--args", value: path.display().to_string(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note() -> KernelNote {
        let parameter = |name: &str| rocm_toolchain::Argument {
            name: name.into(),
            offset: 0,
            size: 4,
            kind: "by_value".into(),
        };
        KernelNote {
            name: "k".into(),
            args: ["first", "pad", "second", "pad"].map(parameter).into(),
            ..KernelNote::default()
        }
    }

    fn arguments(text: &str) -> Result<Vec<String>> {
        let file: LaunchFile = toml::from_str(text).unwrap();
        let all = file.arguments(Path::new("k.toml"), &note())?;
        Ok(all.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn names_put_arguments_in_order() {
        assert_eq!(
            arguments(r#"args = { second = "u32=2", first = "u32=1" }"#).unwrap(),
            ["u32=1", "_", "u32=2", "_"]
        );
        assert_eq!(arguments(r#"args = ["u32=2", "u32=1"]"#).unwrap(), ["u32=2", "u32=1"]);
        for (text, part) in [
            (r#"args = { first = "u32=1" }"#, "parameter second of k has no argument"),
            (r#"args = { first = "u32=1", second = "u32=1", third = "u32=1" }"#, "no parameter third"),
            (r#"args = ["u32=x"]"#, "is no u32"),
        ] {
            let error = arguments(text).unwrap_err().to_string();
            assert!(error.starts_with("--args k.toml: ") && error.contains(part), "{error}");
        }
        assert!(toml::from_str::<LaunchFile>("grids = [1]").is_err());
    }
}
