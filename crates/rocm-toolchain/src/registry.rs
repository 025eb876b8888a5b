//! The Rust source that carries the code objects into the program.

use std::fmt::{self, Write};
use std::fs;
use std::path::Path;

use crate::build::{Built, Kernel, Operator};
use crate::{Error, Result};

/// Writes `registry.rs`, for inclusion into a module that defines the types `Operator`, `Instance` and `Resources`.
#[derive(Clone, Copy, Debug)]
pub struct Registry<'a>(
    /// What to write down.
    pub &'a Built,
);

impl Registry<'_> {
    /// Writes the source to `file`, if it differs from what is there: an untouched file spares a recompile.
    ///
    /// # Errors
    /// When `file` cannot be written.
    pub fn write(&self, file: &Path) -> Result<()> {
        let text = self.source();
        if fs::read_to_string(file).is_ok_and(|old| old == text) {
            return Ok(());
        }
        fs::write(file, text).map_err(|e| Error::write(file, e))
    }

    /// The source.
    #[must_use]
    pub fn source(&self) -> String {
        let mut out = String::new();
        self.write_all(&mut out).expect("writing to a String cannot fail");
        out
    }

    fn write_all(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "/// Every operator, by name.\npub static OPERATORS: &[Operator] = &[")?;
        for operator in &self.0.operators {
            writeln!(out, "    Operator {{")?;
            field(out, "name", &operator.name)?;
            field(out, "contract", &operator.contract)?;
            field(out, "params", &operator.header)?;
            writeln!(out, "    }},")?;
        }
        writeln!(out, "];\n\n/// Every kernel, by operator, in the order of its `instances.toml`.")?;
        writeln!(out, "pub static INSTANCES: &[Instance] = &[")?;
        for (op, kernel) in self.0.kernels() {
            write_instance(out, op, kernel, &self.0.compiler)?;
        }
        writeln!(out, "];")?;
        for operator in &self.0.operators {
            write_params(out, operator)?;
        }
        Ok(())
    }
}

/// A field of type `Cow<str>`.
fn field(out: &mut String, name: &str, text: &str) -> fmt::Result {
    writeln!(out, "        {name}: Cow::Borrowed({text:?}),")
}

fn write_instance(out: &mut String, op: &str, kernel: &Kernel, compiler: &str) -> fmt::Result {
    let Kernel { instance, file, compiled, note, waves_per_simd } = kernel;
    let borrowed = |text: &String| format!("Cow::Borrowed({text:?})");
    let defines: Vec<_> =
        instance.defines.iter().map(|(n, value)| format!("({}, {})", borrowed(n), borrowed(value))).collect();
    let flags: Vec<_> = compiled.flags.iter().map(borrowed).collect();
    writeln!(out, "    Instance {{")?;
    field(out, "op", op)?;
    field(out, "name", &instance.name)?;
    field(out, "symbol", &instance.symbol)?;
    field(out, "source", &instance.source)?;
    field(out, "params", &instance.params)?;
    writeln!(out, "        defines: Cow::Borrowed(&[{}]),", defines.join(", "))?;
    writeln!(out, "        dynamic_lds_bytes: {},", instance.dynamic_lds_bytes)?;
    let path = file.display().to_string();
    writeln!(out, "        code_object: Cow::Borrowed(include_bytes!({path:?})),")?;
    field(out, "sha256", &compiled.sha256)?;
    field(out, "fingerprint", &compiled.fingerprint)?;
    field(out, "compiler", compiler)?;
    writeln!(out, "        flags: Cow::Borrowed(&[{}]),", flags.join(", "))?;
    writeln!(out, "        resources: Resources {{")?;
    writeln!(out, "            vgprs: {},", note.vgpr_count)?;
    writeln!(out, "            agprs: {},", note.agpr_count)?;
    writeln!(out, "            sgprs: {},", note.sgpr_count)?;
    writeln!(out, "            vgpr_spills: {},", note.vgpr_spill_count)?;
    writeln!(out, "            sgpr_spills: {},", note.sgpr_spill_count)?;
    writeln!(out, "            lds_bytes: {},", note.group_segment_fixed_size)?;
    writeln!(out, "            scratch_bytes: {},", note.private_segment_fixed_size)?;
    writeln!(out, "            max_workgroup: {},", note.max_flat_workgroup_size)?;
    writeln!(out, "            kernarg_bytes: {},", note.kernarg_segment_size)?;
    writeln!(out, "            waves_per_simd: {waves_per_simd},")?;
    writeln!(out, "        }},\n    }},")
}

fn write_params(out: &mut String, operator: &Operator) -> fmt::Result {
    writeln!(out, "\n/// Kernel-argument structs of `kernels/{}/params.h`.", operator.name)?;
    writeln!(out, "pub mod {} {{", operator.name.replace('-', "_"))?;
    for line in operator.params.to_rust().lines() {
        writeln!(out, "    {line}")?;
    }
    writeln!(out, "}}")
}
