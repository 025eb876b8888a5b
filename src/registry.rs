//! The compiled kernels: what `build.rs` made of `kernels/`, as one static table.
//!
//! Below this module, one module per operator (such as [`quant`]) holds the kernel-argument structs of its
//! `params.h`.

/// One operator folder of `kernels/`.
#[derive(Clone, Copy, Debug)]
pub struct Operator {
    /// The folder's name.
    pub name: &'static str,
    /// The text of its `contract.toml`: shapes, layouts, tolerance.
    pub contract: &'static str,
}

/// One kernel variant: one compiler run, one code object, one kernel in it.
#[derive(Clone, Copy)]
pub struct Instance {
    /// The operator's folder.
    pub op: &'static str,
    /// Unique within the operator.
    pub name: &'static str,
    /// The kernel's name in the code object.
    pub symbol: &'static str,
    /// The `.hip` file within the operator's folder.
    pub source: &'static str,
    /// The struct, in the operator's module, that is the kernel's one argument.
    pub params: &'static str,
    /// Preprocessor definitions that make this variant, by name.
    pub defines: &'static [(&'static str, &'static str)],
    /// A bare gfx950 ELF, as `hipModuleLoadData` takes it.
    pub code_object: &'static [u8],
    /// SHA-256 of the code object.
    pub sha256: &'static str,
    /// SHA-256 of all it was made from: compiler, flags, source, headers.
    pub fingerprint: &'static str,
    /// Compiler versions.
    pub compiler: &'static str,
    /// Every compiler flag.
    pub flags: &'static [&'static str],
    /// What the kernel uses.
    pub resources: Resources,
}

/// What one kernel uses, from its code object's resource note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// The instance of that operator and name.
    #[must_use]
    pub fn find(op: &str, name: &str) -> Option<&'static Self> {
        INSTANCES.iter().find(|i| i.op == op && i.name == name)
    }

    /// The value of one of its definitions.
    #[must_use]
    pub fn define(&self, name: &str) -> Option<&'static str> {
        self.defines.iter().find(|(n, _)| *n == name).map(|(_, value)| *value)
    }
}

impl std::fmt::Debug for Instance {
    /// Names the kernel; a code object's bytes help nobody.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{} ({} bytes, {})", self.op, self.name, self.code_object.len(), self.compiler)
    }
}

include!(concat!(env!("OUT_DIR"), "/registry.rs"));
