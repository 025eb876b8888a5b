//! The kernels that a command works on: those built into the program, or a folder compiled now.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread;

use rocm_toolchain::{Built, Compiler, Params, Progress, Provisioner, Search, Toolchain};

use crate::code::CodeObject;
use crate::registry::{self, Instance, Operator, Resources};
use crate::{Error, Result};

/// Operators and their kernels.
#[derive(Clone, Debug)]
pub struct Kernels {
    /// By name.
    pub operators: Vec<Operator>,
    /// By operator, in the order of its `instances.toml`.
    pub instances: Vec<Instance>,
}

impl Kernels {
    /// What the program was built with.
    #[must_use]
    pub fn built_in() -> Self {
        Self { operators: registry::OPERATORS.to_vec(), instances: registry::INSTANCES.to_vec() }
    }

    /// Compiles a folder that is laid out as `kernels/`. Unchanged kernels come from `cache`.
    ///
    /// # Errors
    /// Those of finding the compiler and of building; [`Error::Layout`] when an argument struct is not
    /// the one that this program fills.
    pub fn compile(folder: &Path, cache: &Path) -> Result<Self> {
        let folder = folder.canonicalize().map_err(|source| Error::Read { path: folder.into(), source })?;
        let toolchain = find_or_provision(&workspace_of(&folder))?;
        let _lock = lock(cache)?;
        let jobs = thread::available_parallelism().map_or(1, Into::into);
        let built = rocm_toolchain::build(&Compiler { toolchain: &toolchain, jobs }, &folder, cache)?;
        let kernels = Self::from_built(&built);
        for operator in &built.operators {
            check_layout(operator)?;
        }
        if kernels.instances.is_empty() {
            let reason = "no folder in it holds an instances.toml".to_owned();
            return Err(Error::Option { option: "--kernels", value: folder.display().to_string(), reason });
        }
        Ok(kernels)
    }

    /// The operator of that name.
    #[must_use]
    pub fn operator(&self, name: &str) -> Option<&Operator> {
        self.operators.iter().find(|o| o.name == name)
    }

    /// The kernels whose `op/name` contains one of `filters`; all of them without filters.
    ///
    /// # Errors
    /// [`Error::NoMatch`] when none is left, also when one filter alone matches nothing: it is misspelt.
    pub fn select(&self, filters: &[String]) -> Result<Vec<&Instance>> {
        let matches = |filter: &String, instance: &Instance| instance.path().contains(filter.as_str());
        let idle: Vec<_> =
            filters.iter().filter(|f| !self.instances.iter().any(|i| matches(f, i))).cloned().collect();
        if !idle.is_empty() {
            return Err(Error::NoMatch { filters: idle, available: self.instances.len() });
        }
        let chosen = |i: &&Instance| filters.is_empty() || filters.iter().any(|f| matches(f, i));
        Ok(self.instances.iter().filter(chosen).collect())
    }

    /// Replaces the code of the one kernel that matches `filters` by that of `file`.
    ///
    /// # Errors
    /// [`Error::NotOneKernel`], or that the file is no code object with this kernel.
    pub fn replace_code(&mut self, filters: &[String], file: &Path) -> Result<()> {
        let chosen = self.select(filters)?;
        let &[only] = chosen.as_slice() else { return Err(Error::NotOneKernel { count: chosen.len() }) };
        let path = only.path();
        let object = CodeObject::read(file)?;
        let broken = |reason: String| Error::CodeObject { path: file.into(), reason };
        let (_, note) = object.kernel(Some(&only.symbol))?;
        // Other arguments would be read as these.
        let explicit = |n: &rocm_toolchain::KernelNote| -> Vec<(String, u32, u32)> {
            n.explicit_args().map(|a| (a.kind.clone(), a.offset, a.size)).collect()
        };
        let own = rocm_toolchain::read_notes(&only.code_object).map_err(|e| broken(e.to_string()))?;
        let own = own.iter().find(|n| n.name == only.symbol).map(explicit).unwrap_or_default();
        if explicit(note) != own {
            return Err(broken(format!(
                "its kernel {} does not take the struct {}",
                only.symbol, only.params
            )));
        }
        let bytes = object.elf().to_vec();
        let resources = resources(note, rocm_toolchain::waves_per_simd(note, only.dynamic_lds_bytes));
        let instance = self.instances.iter_mut().find(|i| i.path() == path).expect("it was just selected");
        instance.sha256 = sha256(&bytes).into();
        instance.fingerprint = String::new().into();
        instance.compiler = format!("unknown ({})", file.display()).into();
        instance.flags = Vec::new().into();
        instance.code_object = bytes.into();
        instance.resources = resources;
        Ok(())
    }

    fn from_built(built: &Built) -> Self {
        let operators = built.operators.iter().map(|o| Operator {
            name: o.name.clone().into(),
            contract: o.contract.clone().into(),
            params: o.header.clone().into(),
        });
        let instances = built.kernels().map(|(op, kernel)| {
            let rocm_toolchain::Kernel { instance, compiled, note, waves_per_simd, .. } = kernel;
            let defines = instance.defines.iter().map(|(n, v)| (n.clone().into(), v.clone().into()));
            Instance {
                op: op.to_owned().into(),
                name: instance.name.clone().into(),
                symbol: instance.symbol.clone().into(),
                source: instance.source.clone().into(),
                params: instance.params.clone().into(),
                defines: defines.collect(),
                dynamic_lds_bytes: instance.dynamic_lds_bytes,
                code_object: compiled.code_object.clone().into(),
                sha256: compiled.sha256.clone().into(),
                fingerprint: compiled.fingerprint.clone().into(),
                compiler: built.compiler.clone().into(),
                flags: compiled.flags.iter().map(|f| f.clone().into()).collect(),
                resources: resources(note, *waves_per_simd),
            }
        });
        Self { operators: operators.collect(), instances: instances.collect() }
    }
}

/// Where compiled kernels of folders are kept: `$XDG_CACHE_HOME/mi355x`, else `$HOME/.cache/mi355x`, else
/// the system's folder for temporary files. One folder in it per kernels folder.
#[must_use]
pub fn cache_folder(kernels: &Path) -> PathBuf {
    let variable = |name| env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let base = variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")));
    let absolute = kernels.canonicalize().unwrap_or_else(|_| kernels.into());
    let key = sha256(absolute.as_os_str().as_encoded_bytes());
    base.unwrap_or_else(env::temp_dir).join("mi355x").join(&key[..16])
}

/// The compiler that a build script would use; where there is none, that of the source tree which this program was
/// built from, fetched if need be. No other folder's set-up script is ever run.
///
/// # Errors
/// Those of [`rocm_toolchain::find`] and [`rocm_toolchain::provision`].
pub fn find_or_provision(workspace: &Path) -> Result<Toolchain> {
    match rocm_toolchain::find(&Search::from_env(workspace)) {
        Err(rocm_toolchain::Error::NotFound { looked_at }) => {
            let own = Path::new(env!("CARGO_MANIFEST_DIR"));
            let provisioner = Provisioner::new(own, Progress::Stderr);
            if !provisioner.off && provisioner.prefix.join("bin/hipcc").is_file() {
                return Ok(rocm_toolchain::find(&Search::from_env(own))?);
            }
            if !provisioner.off && !provisioner.script.is_file() {
                // The program left its source tree.
                return Err(rocm_toolchain::Error::NotFound { looked_at }.into());
            }
            let (toolchain, summary) = rocm_toolchain::provision(provisioner)?;
            eprintln!("{summary}");
            Ok(toolchain)
        }
        found => Ok(found?),
    }
}

/// The nearest folder above `folder`, or above the current one, that holds a `.rocm`; else the current one.
#[must_use]
pub fn workspace_of(folder: &Path) -> PathBuf {
    let here = env::current_dir().unwrap_or_else(|_| ".".into());
    let holds = |f: &&Path| f.join(".rocm").is_dir();
    let found = folder.ancestors().find(holds).or_else(|| here.ancestors().find(holds));
    found.map_or_else(|| here.clone(), Path::to_owned)
}

/// Keeps other processes from compiling into the same cache until the file is dropped.
fn lock(cache: &Path) -> Result<File> {
    let path = cache.join("lock");
    let failed = |source| rocm_toolchain::Error::NotWritable { path: path.clone(), source };
    fs::create_dir_all(cache).map_err(failed)?;
    let file = File::create(&path).map_err(failed)?;
    file.lock().map_err(failed)?;
    Ok(file)
}

/// The structs of a folder must lie in memory as this program fills them.
fn check_layout(operator: &rocm_toolchain::Operator) -> Result<()> {
    let file = operator.folder.join("params.h");
    let wrong =
        |name: &str, what: String| Err(Error::Layout { struct_name: name.into(), file: file.clone(), what });
    let Some(known) = registry::OPERATORS.iter().find(|o| o.name == operator.name.as_str()) else {
        return wrong(
            "every struct",
            format!("belongs to {}, which this program does not know", operator.name),
        );
    };
    let known = Params::parse(&known.params).expect("the build parsed the same text");
    for kernel in &operator.kernels {
        let name = &kernel.instance.params;
        let Some(ours) = known.get(name) else {
            return wrong(name, "is not known to this program".into());
        };
        let theirs = operator.params.get(name).expect("the build found it");
        let fields = |s: &rocm_toolchain::Struct| -> Vec<_> {
            s.fields.iter().map(|f| (f.name.clone(), f.ty.rust(), f.array, f.offset)).collect()
        };
        let (ours, theirs) = (fields(ours), fields(theirs));
        if let Some(i) = (0..ours.len().max(theirs.len())).find(|i| ours.get(*i) != theirs.get(*i)) {
            let show = |f: Option<&(String, &str, Option<usize>, usize)>| {
                f.map_or("nothing".to_owned(), |f| format!("{} {} at byte {}", f.1, f.0, f.3))
            };
            let what = format!("has {} where this program has {}", show(theirs.get(i)), show(ours.get(i)));
            return wrong(name, what);
        }
    }
    Ok(())
}

/// What a kernel uses when it is launched without dynamic LDS.
#[must_use]
pub fn resources_of(note: &rocm_toolchain::KernelNote) -> Resources {
    resources(note, rocm_toolchain::waves_per_simd(note, 0))
}

fn resources(note: &rocm_toolchain::KernelNote, waves_per_simd: u32) -> Resources {
    Resources {
        vgprs: note.vgpr_count,
        agprs: note.agpr_count,
        sgprs: note.sgpr_count,
        vgpr_spills: note.vgpr_spill_count,
        sgpr_spills: note.sgpr_spill_count,
        lds_bytes: note.group_segment_fixed_size,
        scratch_bytes: note.private_segment_fixed_size,
        max_workgroup: note.max_flat_workgroup_size,
        kernarg_bytes: note.kernarg_segment_size,
        waves_per_simd,
    }
}

/// SHA-256 of `bytes`, lower-case hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_part_of_a_path_and_a_misspelt_one_is_an_error() {
        let kernels = Kernels::built_in();
        let one = kernels.select(&["quant/mxfp4_bf16_even_raw".into()]).unwrap();
        assert_eq!(one.len(), 1);
        assert_eq!(kernels.select(&[]).unwrap().len(), kernels.instances.len());
        let both = ["mxfp4_bf16_even".to_owned(), "nonesuch".to_owned()];
        let error = kernels.select(&both).unwrap_err();
        assert!(error.to_string().starts_with("no kernel matches nonesuch; "), "{error}");
    }
}
