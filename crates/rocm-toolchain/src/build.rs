//! From a `kernels/` folder to checked code objects.

use std::fs;
use std::path::{Path, PathBuf};

use crate::compile::{Compilation, Compiled, Compiler};
use crate::instances::{Instance, Instances};
use crate::note::{KernelNote, read_notes};
use crate::params::Params;
use crate::{Error, GateFailure, Result, waves_per_simd};

/// Everything that a `kernels/` folder builds to.
#[derive(Clone, Debug)]
pub struct Built {
    /// One per operator folder, by name.
    pub operators: Vec<Operator>,
    /// The compiler, in one line.
    pub compiler: String,
}

/// One operator folder.
#[derive(Clone, Debug)]
pub struct Operator {
    /// The folder's name.
    pub name: String,
    /// The folder.
    pub folder: PathBuf,
    /// Its argument structs.
    pub params: Params,
    /// The text of its `params.h`.
    pub header: String,
    /// The text of its `contract.toml`.
    pub contract: String,
    /// In `instances.toml` order.
    pub kernels: Vec<Kernel>,
}

/// One checked code object.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// Which variant it is.
    pub instance: Instance,
    /// The file of the code object.
    pub file: PathBuf,
    /// The code object and what it was made from.
    pub compiled: Compiled,
    /// What it uses.
    pub note: KernelNote,
    /// Waves per SIMD that its resources permit.
    pub waves_per_simd: u32,
}

impl Built {
    /// Every kernel, with its operator's name.
    pub fn kernels(&self) -> impl Iterator<Item = (&str, &Kernel)> {
        self.operators.iter().flat_map(|o| o.kernels.iter().map(move |k| (o.name.as_str(), k)))
    }

    /// How many kernels the compiler ran for, and how many there are.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.kernels().filter(|(_, k)| k.compiled.compiled).count(), self.kernels().count())
    }
}

/// Compiles and checks every operator folder of `kernels`: those that hold an `instances.toml`.
///
/// Code objects go to `out/<op>/<instance>.co`. Include folders are `kernels/include` and the operator's own.
///
/// # Errors
/// All compile failures together, else all gate failures together, else the first other fault.
pub fn build(compiler: &Compiler<'_>, kernels: &Path, out: &Path) -> Result<Built> {
    let mut operators = Vec::new();
    let mut work = Vec::new();
    for folder in operator_folders(kernels)? {
        let name = folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let file = folder.join("instances.toml");
        let declared = Instances::read(&file)?;
        let header = folder.join("params.h");
        let params = Params::read(&header)?;
        let header = fs::read_to_string(&header).map_err(|e| Error::read(&header, e))?;
        let contract = folder.join("contract.toml");
        let contract = fs::read_to_string(&contract).map_err(|e| Error::read(&contract, e))?;
        check_sources(&file, &folder, &declared, &params)?;
        for instance in &declared.instances {
            work.push(compilation(kernels, &folder, &name, &declared.flags, instance, out));
        }
        operators.push((
            Operator { name, folder, params, header, contract, kernels: Vec::new() },
            declared.instances,
        ));
    }
    let mut compiled = compiler.run(&work)?.into_iter().zip(work);
    let mut failures = Vec::new();
    let mut finished = Vec::new();
    for (mut operator, instances) in operators {
        for instance in instances {
            let (compiled, job) = compiled.next().expect("one result per instance");
            let note = note_of(&compiled, &instance, &job, &operator.params)?;
            let waves = waves_per_simd(&note, instance.dynamic_lds_bytes);
            failures.extend(gate(&instance, &job, &note, waves));
            operator.kernels.push(Kernel {
                instance,
                file: job.output,
                compiled,
                note,
                waves_per_simd: waves,
            });
        }
        finished.push(operator);
    }
    if failures.is_empty() {
        Ok(Built { operators: finished, compiler: compiler.toolchain.versions() })
    } else {
        Err(Error::Gate(failures))
    }
}

fn operator_folders(kernels: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(kernels).map_err(|e| Error::read(kernels, e))?;
    let mut folders = Vec::new();
    for entry in entries {
        let folder = entry.map_err(|e| Error::read(kernels, e))?.path();
        if folder.join("instances.toml").is_file() {
            folders.push(folder);
        }
    }
    // The system's order is not the same everywhere; the registry's must be.
    folders.sort();
    Ok(folders)
}

/// Every named source and struct exists, and every `.hip` file is named: an orphan would rot unnoticed.
fn check_sources(file: &Path, folder: &Path, declared: &Instances, params: &Params) -> Result<()> {
    let wrong = |what: String| Error::Instances { file: file.into(), what };
    for instance in &declared.instances {
        if !folder.join(&instance.source).is_file() {
            return Err(wrong(format!("instance \"{}\": no file {}", instance.name, instance.source)));
        }
        if params.get(&instance.params).is_none() {
            return Err(wrong(format!(
                "instance \"{}\": params.h has no struct {}",
                instance.name, instance.params
            )));
        }
    }
    for entry in fs::read_dir(folder).map_err(|e| Error::read(folder, e))? {
        let name = entry.map_err(|e| Error::read(folder, e))?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".hip") && !declared.instances.iter().any(|i| i.source == name) {
            return Err(wrong(format!("no instance compiles {name}")));
        }
    }
    Ok(())
}

fn compilation(
    kernels: &Path,
    folder: &Path,
    op: &str,
    shared: &[String],
    instance: &Instance,
    out: &Path,
) -> Compilation {
    let mut flags = shared.to_vec();
    flags.extend([kernels.join("include").as_path(), folder].map(|d| format!("-I{}", d.display())));
    flags.extend(instance.defines.iter().map(|(name, value)| format!("-D{name}={value}")));
    Compilation {
        label: format!("{op}/{}", instance.name),
        source: folder.join(&instance.source),
        flags,
        output: out.join(op).join(format!("{}.co", instance.name)),
    }
}

/// The instance's kernel in its code object, with the argument that its struct promises.
fn note_of(
    compiled: &Compiled,
    instance: &Instance,
    job: &Compilation,
    params: &Params,
) -> Result<KernelNote> {
    let notes = read_notes(&compiled.code_object)?;
    let Some(note) = notes.iter().find(|n| n.name == instance.symbol) else {
        let names: Vec<_> = notes.iter().map(|n| n.name.as_str()).collect();
        return Err(Error::NoSymbol {
            kernel: job.label.clone(),
            symbol: instance.symbol.clone(),
            file: job.source.clone(),
            found: names.join(", "),
        });
    };
    let expected = params.get(&instance.params).map_or(0, |s| s.size);
    let args: Vec<_> = note.explicit_args().map(|a| (a.kind.as_str(), a.offset, a.size as usize)).collect();
    if args != [("by_value", 0, expected)] {
        let found: Vec<_> = args.iter().map(|(kind, _, size)| format!("{kind} of {size} bytes")).collect();
        let what = format!(
            "{} is {expected} bytes, but the kernel's arguments are [{}]",
            instance.params,
            found.join(", ")
        );
        return Err(Error::Arguments { kernel: job.label.clone(), what });
    }
    Ok(note.clone())
}

/// Whether a kernel spills or runs fewer waves than declared, without a reason given.
fn gate(instance: &Instance, job: &Compilation, note: &KernelNote, waves: u32) -> Vec<GateFailure> {
    let failure = |what| GateFailure { kernel: job.label.clone(), source: job.source.clone(), what };
    let mut failures = Vec::new();
    let spills =
        note.vgpr_spill_count > 0 || note.sgpr_spill_count > 0 || note.private_segment_fixed_size > 0;
    if spills && instance.allow_spills.is_none() {
        failures.push(failure(format!(
            "spills {} VGPRs and {} SGPRs and uses {} bytes of scratch per lane; use fewer registers, or give the \
             reason as allow_spills in instances.toml",
            note.vgpr_spill_count, note.sgpr_spill_count, note.private_segment_fixed_size
        )));
    }
    if waves < instance.min_waves_per_simd && instance.allow_low_occupancy.is_none() {
        failures.push(failure(format!(
            "runs {waves} waves per SIMD and declares {} ({} VGPRs of which {} AGPRs, {} SGPRs, {} + {} bytes of LDS, \
             workgroups up to {}); use less, or give the reason as allow_low_occupancy in instances.toml",
            instance.min_waves_per_simd,
            note.vgpr_count,
            note.agpr_count,
            note.sgpr_count,
            note.group_segment_fixed_size,
            instance.dynamic_lds_bytes,
            note.max_flat_workgroup_size
        )));
    }
    failures
}
