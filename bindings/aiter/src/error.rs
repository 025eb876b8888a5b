//! What can go wrong, each time with what to do about it.

use std::io;
use std::path::PathBuf;

/// The result of every fallible call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// `AITER_DIR` is not set.
    #[error("AITER_DIR is not set; {}", crate::ADVICE)]
    NoCheckout,
    /// `AITER_DIR` names something else than a checkout with gfx950 objects.
    #[error("{} has no folder hsa/gfx950, so it is no checkout of ROCm/aiter; {}", path.display(), crate::ADVICE)]
    NotACheckout {
        /// The folder that was looked at.
        path: PathBuf,
    },
    /// A file of the checkout cannot be read.
    #[error("reading {} failed: {source}; complete the checkout, for example by git restore", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// A manifest is not what this crate knows.
    #[error("{}, line {line}: {reason}; this crate knows the manifests of AITER e4048607a5", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// The line, from 1; 0 for the file as a whole.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// No kernel of the manifest fits.
    #[error("no kernel of {manifest} fits {wanted}; {advice}")]
    NoRow {
        /// The manifest, relative to hsa/gfx950.
        manifest: &'static str,
        /// What was asked for.
        wanted: String,
        /// What to change.
        advice: String,
    },
    /// The manifest names an object that the checkout lacks.
    #[error("kernel {kernel} needs the object {}, which is missing; fetch it with git", path.display())]
    NoObject {
        /// Symbol of the kernel.
        kernel: String,
        /// Where the object should be.
        path: PathBuf,
    },
    /// The kernels of the family cannot run this shape.
    #[error("{family} cannot run {shape}: {reason}")]
    Shape {
        /// The family.
        family: &'static str,
        /// The shape.
        shape: String,
        /// Why not, and which shape would do.
        reason: String,
    },
    /// A buffer does not have the size that the shape asks for.
    #[error(
        "{family}: {operand} has {found} element(s), the shape asks for {expected}; pass a slice of that length"
    )]
    Operand {
        /// The family.
        family: &'static str,
        /// Name and layout of the operand.
        operand: &'static str,
        /// Elements needed.
        expected: usize,
        /// Elements given.
        found: usize,
    },
    /// There are no HIP sources of AITER.
    #[error(
        "{} names no folder with AITER's csrc/kernels/mla; set it to a checkout of ROCm/aiter, or let AITER_DIR be a \
         whole one",
        crate::SOURCE_VARIABLE
    )]
    NoSource,
    /// There is no HIP compiler, or it refused AITER's sources.
    #[error("compiling AITER's HIP sources failed: {what}")]
    Compiler {
        /// What the search or the compiler says.
        what: String,
    },
    /// HIP refused, or a kernel was stopped.
    #[error(transparent)]
    Hip(#[from] hip::Error),
}
