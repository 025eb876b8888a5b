//! The compiled kernels: what `build.rs` made of `kernels/`, as one static table.
//!
//! The same types describe a folder that is compiled while the program runs, so text and bytes are
//! borrowed there and owned here. Below this module, one module per operator (such as [`quant`]) holds the
//! kernel-argument structs of its `params.h`.

use std::borrow::Cow;
use std::fmt;

/// One operator folder of `kernels/`.
#[derive(Clone, Debug)]
pub struct Operator {
    /// The folder's name.
    pub name: Cow<'static, str>,
    /// The text of its `contract.toml`: shapes, layouts, tolerance.
    pub contract: Cow<'static, str>,
    /// The text of its `params.h`: the layout of the argument structs.
    pub params: Cow<'static, str>,
}

/// One kernel variant: one compiler run, one code object, one kernel in it.
#[derive(Clone)]
pub struct Instance {
    /// The operator's folder.
    pub op: Cow<'static, str>,
    /// Unique within the operator.
    pub name: Cow<'static, str>,
    /// The kernel's name in the code object.
    pub symbol: Cow<'static, str>,
    /// The `.hip` file within the operator's folder.
    pub source: Cow<'static, str>,
    /// The struct, in the operator's module, that is the kernel's one argument.
    pub params: Cow<'static, str>,
    /// Preprocessor definitions that make this variant, by name.
    pub defines: Cow<'static, [Define]>,
    /// LDS bytes that a launch adds to the kernel's own.
    pub dynamic_lds_bytes: u32,
    /// A bare gfx950 ELF, as `hipModuleLoadData` takes it.
    pub code_object: Cow<'static, [u8]>,
    /// SHA-256 of the code object.
    pub sha256: Cow<'static, str>,
    /// SHA-256 of all it was made from: compiler, flags, source, headers.
    pub fingerprint: Cow<'static, str>,
    /// Compiler versions.
    pub compiler: Cow<'static, str>,
    /// Every compiler flag.
    pub flags: Cow<'static, [Cow<'static, str>]>,
    /// What the kernel uses.
    pub resources: Resources,
}

/// A preprocessor definition: name and value.
pub type Define = (Cow<'static, str>, Cow<'static, str>);

/// What one kernel uses, from its code object's resource note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Resources {
    /// Vector registers per lane, accumulation registers included.
    pub vgprs: u32,
    /// Accumulation registers among them.
    pub agprs: u32,
    /// Scalar registers per wave.
    pub sgprs: u32,
    /// Vector registers spilled.
    pub vgpr_spills: u32,
    /// Scalar registers spilled.
    pub sgpr_spills: u32,
    /// LDS bytes per workgroup, without dynamic LDS.
    pub lds_bytes: u32,
    /// Scratch bytes per lane.
    pub scratch_bytes: u32,
    /// Largest workgroup, in work-items.
    pub max_workgroup: u32,
    /// Bytes of the argument segment, hidden arguments included.
    pub kernarg_bytes: u32,
    /// Waves per SIMD that these numbers permit, of 8.
    pub waves_per_simd: u32,
}

impl Instance {
    /// The value of one of its definitions.
    #[must_use]
    pub fn define(&self, name: &str) -> Option<&str> {
        self.defines.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_ref())
    }

    /// `op/name`, as filters, tables and records spell it.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/{}", self.op, self.name)
    }
}

impl fmt::Debug for Instance {
    /// Names the kernel; a code object's bytes help nobody.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} ({} bytes, {})", self.op, self.name, self.code_object.len(), self.compiler)
    }
}

include!(concat!(env!("OUT_DIR"), "/registry.rs"));
