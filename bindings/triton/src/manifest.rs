//! What the compile script says of its code objects.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::install::sources_digest;
use crate::{Error, Result};

/// The format that `python/compile.py` writes.
const FORMAT: u32 = 1;
/// The only target of this crate.
const TARGET: &str = "gfx950";

/// The compiled kernels of one folder.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The format's number; other ones are refused.
    pub format: u32,
    /// Version of Triton that compiled.
    pub triton: String,
    /// Instruction set.
    pub target: String,
    /// Identifies the Python sources and the release of Triton.
    pub sources: String,
    /// The kernels, in the order of compilation.
    pub kernels: Vec<Kernel>,
    /// The folder.
    #[serde(skip)]
    pub folder: PathBuf,
}

/// One code object with one kernel.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kernel {
    /// Name of the variant, unique in a manifest.
    pub name: String,
    /// The Python function that it was compiled from.
    pub kernel: String,
    /// File name of the code object.
    pub object: String,
    /// Symbol of the kernel in it.
    pub symbol: String,
    /// The parameters of the machine code, in order.
    pub arguments: Vec<Argument>,
    /// What was constant at compilation.
    pub constants: BTreeMap<String, u32>,
    /// Waves of a workgroup, 64 work-items each.
    pub warps: u32,
    /// LDS to give at the launch, in bytes: Triton's objects declare none themselves.
    pub shared_bytes: u32,
}

/// One parameter of the machine code.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Argument {
    /// Its name in Python, or Triton's for what it appends.
    pub name: String,
    /// Triton's name of the type: `*` and an element for pointers, `i32`, `fp32`; `scratch` for the addresses of
    /// memory that the launcher allocates per workgroup.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the compiler took the value to be a multiple of.
    #[serde(default = "one")]
    pub multiple_of: u32,
    /// For `scratch`, bytes of a workgroup.
    #[serde(default)]
    pub bytes_per_workgroup: u32,
}

fn one() -> u32 {
    1
}

impl Manifest {
    /// Reads `manifest.json` of a folder.
    ///
    /// # Errors
    /// [`Error::Manifest`] when there is none, it is not of this format, or it names a missing object.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("manifest.json");
        let failed = |reason| Error::Manifest { path: path.clone(), reason };
        let text =
            fs::read_to_string(&path).map_err(|source| failed(format!("it cannot be read: {source}")))?;
        let manifest = Self::parse(&text, folder).map_err(failed)?;
        match manifest.kernels.iter().find(|kernel| !manifest.object(kernel).is_file()) {
            Some(kernel) => {
                Err(Error::Manifest { path, reason: format!("the object {} is missing", kernel.object) })
            }
            None => Ok(manifest),
        }
    }

    /// Whether it was made from the Python sources that are in this program.
    pub fn is_current(&self) -> bool {
        self.sources == sources_digest()
    }

    /// The file of a kernel's code object.
    pub fn object(&self, kernel: &Kernel) -> PathBuf {
        self.folder.join(&kernel.object)
    }

    fn parse(text: &str, folder: &Path) -> std::result::Result<Self, String> {
        let mut manifest: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        manifest.folder = folder.to_owned();
        if manifest.format != FORMAT {
            return Err(format!("the format is {}, this program reads {FORMAT}", manifest.format));
        }
        if manifest.target != TARGET {
            return Err(format!("the target is {}, not {TARGET}", manifest.target));
        }
        if manifest.kernels.is_empty() {
            return Err("it lists no kernel".to_owned());
        }
        for (index, kernel) in manifest.kernels.iter().enumerate() {
            if manifest.kernels[..index].iter().any(|other| other.name == kernel.name) {
                return Err(format!("the kernel {} is there twice", kernel.name));
            }
            if !(1..=16).contains(&kernel.warps) {
                return Err(format!("{} has {} waves, a workgroup has 1 to 16", kernel.name, kernel.warps));
            }
        }
        Ok(manifest)
    }
}

impl Kernel {
    /// A constant of the compilation, such as a tile size.
    ///
    /// # Errors
    /// [`Error::Argument`] when there is none of this name.
    pub fn constant(&self, name: &str) -> Result<usize> {
        self.constants.get(name).map(|&value| value as usize).ok_or_else(|| Error::Argument {
            kernel: self.name.clone(),
            parameter: name.to_owned(),
            reason: "the manifest lists no such constant".to_owned(),
        })
    }

    /// What the compiler took an argument to be a multiple of; 1 for one that does not exist.
    pub fn multiple_of(&self, argument: &str) -> usize {
        self.arguments.iter().find(|a| a.name == argument).map_or(1, |a| a.multiple_of as usize)
    }

    /// Triton's type of an argument; empty for one that does not exist.
    pub fn kind_of(&self, argument: &str) -> &str {
        self.arguments.iter().find(|a| a.name == argument).map_or("", |a| &a.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"format": 1, "triton": "3.9.0", "target": "gfx950", "sources": "00", "kernels": [
        {"name": "add", "kernel": "vector_add", "object": "add.hsaco", "symbol": "vector_add",
         "arguments": [{"name": "x_ptr", "type": "*fp32", "multiple_of": 1}, {"name": "n", "type": "i32", "multiple_of": 16},
                       {"name": "global_scratch", "type": "scratch", "bytes_per_workgroup": 128}],
         "constants": {"BLOCK": 1024}, "warps": 4, "shared_bytes": 0}]}"#;

    fn parse(text: &str) -> std::result::Result<Manifest, String> {
        Manifest::parse(text, Path::new("folder"))
    }

    #[test]
    fn a_manifest_is_read_field_by_field() {
        let manifest = parse(TEXT).unwrap();
        let kernel = &manifest.kernels[0];
        assert_eq!(manifest.object(kernel), Path::new("folder/add.hsaco"));
        assert_eq!((kernel.warps, kernel.constant("BLOCK").unwrap()), (4, 1024));
        assert_eq!((kernel.multiple_of("x_ptr"), kernel.multiple_of("n")), (1, 16));
        assert_eq!(kernel.arguments[2].bytes_per_workgroup, 128);
        let error = kernel.constant("BM").unwrap_err().to_string();
        assert!(error.contains("kernel add, parameter BM"), "{error}");
    }

    #[test]
    fn what_another_version_wrote_is_refused() {
        let wrong = [
            ("\"format\": 1", "\"format\": 2", "format is 2"),
            ("gfx950", "gfx942", "target is gfx942"),
            ("\"warps\": 4", "\"warps\": 32", "32 waves"),
            ("\"warps\": 4", "\"lanes\": 4", "unknown field"),
            ("\"symbol\": \"vector_add\",", "", "missing field"),
        ];
        for (from, to, reason) in wrong {
            let error = parse(&TEXT.replace(from, to)).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
        let empty = r#"{"format": 1, "triton": "3.9.0", "target": "gfx950", "sources": "00", "kernels": []}"#;
        assert!(parse(empty).unwrap_err().contains("no kernel"));
    }

    #[test]
    fn a_name_must_be_unique() {
        let start = TEXT.find("{\"name\": \"add\"").unwrap();
        let entry = &TEXT[start..TEXT.len() - 2];
        let twice = format!("{}{entry},{entry}]}}", &TEXT[..start]);
        assert!(parse(&twice).unwrap_err().contains("add is there twice"));
    }

    #[test]
    fn a_folder_without_its_objects_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = Manifest::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("it cannot be read") && error.contains("--recompile"), "{error}");
        fs::write(folder.path().join("manifest.json"), TEXT).unwrap();
        let error = Manifest::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("the object add.hsaco is missing"), "{error}");
        fs::write(folder.path().join("add.hsaco"), b"").unwrap();
        assert!(Manifest::read(folder.path()).is_ok());
    }
}
