//! A code object as a person reads it: its kernels, what they use, their instructions.
//!
//! ```text
//! file ── (offload bundle) ── gfx950 ELF ── notes, symbols ── Routine ── Listing (basic blocks)
//! ```
//!
//! Works for any compiler's output: only the ELF headers, the metadata note and the kernel descriptors are
//! relied on (LLVM's "User Guide for AMDGPU Backend", sections "ELF Code Object" and "Kernel Descriptor").

mod elf;
mod listing;

use std::fs;
use std::path::{Path, PathBuf};

use rocm_toolchain::KernelNote;

pub use listing::{Block, Line, Listing};

use crate::{Error, Result};

/// A gfx950 code object and where it came from.
#[derive(Clone, Debug)]
pub struct CodeObject {
    path: PathBuf,
    elf: Vec<u8>,
    /// Kernels in the order of the metadata, then the functions that they may call, by address.
    pub routines: Vec<Routine>,
}

/// Code from one entry to its end.
#[derive(Clone, Debug)]
pub struct Routine {
    /// The kernel's name, or the function's symbol.
    pub name: String,
    /// What the kernel uses; functions have no note of their own.
    pub note: Option<KernelNote>,
    /// Address of the first instruction in the object.
    pub address: u64,
    /// The instructions' bytes, up to the end that the symbol states.
    pub code: Vec<u8>,
}

impl CodeObject {
    /// Reads a bare ELF, or the gfx950 entry of an offload bundle, compressed or not.
    ///
    /// # Errors
    /// [`Error::Read`]; [`Error::CodeObject`] for anything that is not a gfx950 code object.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).map_err(|source| Error::Read { path: path.into(), source })?;
        Self::parse(path, &bytes)
    }

    /// [`read`](Self::read) of bytes that came from `path`.
    ///
    /// # Errors
    /// [`Error::CodeObject`].
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self> {
        let broken = |reason: String| Error::CodeObject { path: path.into(), reason };
        let bytes = &*offload::expanded(bytes).map_err(|e| broken(e.to_string()))?;
        let elf = elf::unbundle(bytes).map_err(broken)?;
        elf::check_target(elf).map_err(broken)?;
        let notes = rocm_toolchain::read_notes(elf).map_err(|e| broken(e.to_string()))?;
        let routines = elf::routines(elf, notes).map_err(broken)?;
        Ok(Self { path: path.into(), elf: elf.to_vec(), routines })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The ELF, as the runtime loads it.
    #[must_use]
    pub fn elf(&self) -> &[u8] {
        &self.elf
    }

    /// The kernels with their notes.
    pub fn kernels(&self) -> impl Iterator<Item = (&Routine, &KernelNote)> {
        self.routines.iter().filter_map(|r| Some((r, r.note.as_ref()?)))
    }

    /// The kernel of that name; without a name, the only one.
    ///
    /// # Errors
    /// [`Error::Option`] with the names that there are.
    pub fn kernel(&self, name: Option<&str>) -> Result<(&Routine, &KernelNote)> {
        let mut matching = self.kernels().filter(|(r, _)| name.is_none_or(|name| r.name == name));
        match (matching.next(), matching.next()) {
            (Some(only), None) => Ok(only),
            _ => {
                let names: Vec<_> = self.kernels().map(|(r, _)| r.name.as_str()).collect();
                Err(Error::Option {
                    option: "--kernel",
                    value: name.unwrap_or("(none)").to_owned(),
                    reason: format!("{} has {}", self.path.display(), listed(&names)),
                })
            }
        }
    }

    /// Whether a launch of `kernel` can reach a matrix instruction: one of its own, or, when it calls
    /// anything, one anywhere in the object.
    #[must_use]
    pub fn uses_matrix_cores(&self, kernel: &Routine) -> bool {
        let own = kernel.listing();
        let any = |listing: &Listing| listing.matrix_instructions() > 0;
        any(&own) || own.calls() && self.routines.iter().any(|r| any(&r.listing()))
    }
}

impl Routine {
    /// Its instructions in basic blocks.
    #[must_use]
    pub fn listing(&self) -> Listing {
        Listing::new(&self.code, self.address)
    }
}

/// "no kernel", or the first names and how many more there are.
fn listed(names: &[&str]) -> String {
    const SHOWN: usize = 8;
    let shown = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    match names.len() {
        0 => "no kernel".to_owned(),
        n if n > SHOWN => format!("the kernels {shown} and {} more", n - SHOWN),
        1 => format!("the kernel {shown}"),
        _ => format!("the kernels {shown}"),
    }
}
