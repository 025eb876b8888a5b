//! AITER's kernels that come as HIP source: compiled here, for gfx950.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rocm_toolchain::{Search, Toolchain};

use crate::{Error, Result};

/// The environment variable that names the folder with AITER's `csrc`.
pub const SOURCE_VARIABLE: &str = "AITER_SRC";

/// What AITER gives the compiler (`aiter/jit/core.py` at e4048607a5, for a HIP of 6.3 or later), without what
/// concerns libraries that these kernels do not use, and without an option that only AMD's build of clang knows
/// (`-amdgpu-coerce-illegal-types`).
const FLAGS: &str = "-O3 -std=c++20 -w -fgpu-flush-denormals-to-zero -fno-offload-uniform-block -DENABLE_CK=0 \
                     -D__Float4_e2m1fn_x2 -mllvm --amdgpu-kernarg-preload-count=32 -mllvm --lsr-drop-solution=1 \
                     -mllvm -enable-post-misched=0 -mllvm -amdgpu-early-inline-all=true \
                     -mllvm -amdgpu-function-calls=false";

/// What every file here includes first. `custom_all_reduce.cuh` is included for its reductions of a wave; its host
/// code has a name that AITER's build rewrites, and assigns structs with restricted pointers, which current clang
/// refuses.
const PROLOGUE: &str = "\
#include \"aiter_hip_common.h\"
#include \"hip_float8.h\"
#include \"opus/opus.hpp\"
#include <hip/hip_bf16.h>
#include <hip/hip_fp16.h>
#include <map>
#include <unordered_map>
#include <vector>
#define CU_POINTER_ATTRIBUTE_RANGE_START_ADDR HIP_POINTER_ATTRIBUTE_RANGE_START_ADDR
#define __restrict__
#include \"custom_all_reduce.cuh\"
#undef __restrict__
";

/// AITER's HIP sources and a compiler for them. Nothing is written to the sources' folder.
#[derive(Debug, Clone)]
pub struct HipSource {
    root: PathBuf,
    toolchain: Toolchain,
}

impl HipSource {
    /// The sources in the folder that `AITER_SRC` names, else `AITER_DIR`, and the first compiler found.
    ///
    /// # Errors
    /// [`Error::NoSource`] without a folder that has `csrc/kernels/mla`, [`Error::Compiler`] without a compiler.
    pub fn from_environment() -> Result<Self> {
        let folder = |name| env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
        let root = folder(SOURCE_VARIABLE)
            .or_else(|| folder(crate::VARIABLE))
            .filter(|root| root.join("csrc/kernels/mla").is_dir())
            .ok_or(Error::NoSource)?;
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let toolchain = rocm_toolchain::find(&Search::from_env(&workspace))
            .map_err(|error| Error::Compiler { what: error.to_string() })?;
        Ok(Self { root, toolchain })
    }

    /// The text of a file below `csrc`, up to `end` where that is given: what instantiates more than is needed can be
    /// left off.
    ///
    /// # Errors
    /// [`Error::Read`], also when `end` is not there.
    pub fn text(&self, relative: &str, end: Option<&str>) -> Result<String> {
        let path = self.root.join("csrc").join(relative);
        let text = fs::read_to_string(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
        let Some(end) = end else { return Ok(text) };
        match text.find(end) {
            Some(at) => Ok(text[..at].to_owned()),
            None => {
                let source = std::io::Error::other(format!("it does not contain {end:?}"));
                Err(Error::Read { path, source })
            }
        }
    }

    /// Compiles `text`, which may include anything below `csrc/include` and `csrc/kernels/mla`, to a gfx950 object.
    ///
    /// # Errors
    /// [`Error::Compiler`] with what the compiler says.
    pub fn compile(&self, text: &str) -> Result<Vec<u8>> {
        let broken = |what: String| Error::Compiler { what };
        let folder = tempfile::tempdir().map_err(|error| broken(format!("no temporary folder: {error}")))?;
        let (source, object) = (folder.path().join("kernels.hip"), folder.path().join("kernels.co"));
        fs::write(&source, format!("{PROLOGUE}{text}"))
            .map_err(|error| broken(format!("writing {}: {error}", source.display())))?;
        let csrc = self.root.join("csrc");
        let output = Command::new(&self.toolchain.hipcc)
            .env("ROCM_PATH", &self.toolchain.root)
            .env("HIP_PATH", &self.toolchain.root)
            .args(["--offload-arch=gfx950", "--offload-device-only", "--no-gpu-bundle-output"])
            .args(FLAGS.split_whitespace())
            .arg("-I")
            .arg(csrc.join("include"))
            .arg("-I")
            .arg(csrc.join("kernels/mla"))
            .arg(&source)
            .arg("-o")
            .arg(&object)
            .output()
            .map_err(|error| broken(format!("{} does not start: {error}", self.toolchain.hipcc.display())))?;
        if !output.status.success() {
            return Err(broken(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
        }
        fs::read(&object).map_err(|source| Error::Read { path: object, source })
    }

    /// The compiler, for a report.
    pub fn versions(&self) -> String {
        self.toolchain.versions()
    }
}
