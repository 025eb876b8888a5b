//! `mi355x ops`: operators, kernels, what they use.

use std::collections::BTreeSet;

use clap::Args;
use serde::Serialize;

use super::KernelArguments;
use crate::registry::{Instance, Resources};
use crate::report;
use crate::{Result, exit};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    kernels: KernelArguments,
    /// Print one JSON document instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Listed<'a> {
    kernel: String,
    symbol: &'a str,
    source: &'a str,
    defines: Vec<String>,
    resources: Resources,
    bytes: usize,
    sha256: &'a str,
    fingerprint: &'a str,
    compiler: &'a str,
    flags: Vec<&'a str>,
}

pub(super) fn run(arguments: &Arguments) -> Result<u8> {
    let kernels = arguments.kernels.load()?;
    let chosen = kernels.select(&arguments.kernels.filters)?;
    if arguments.json {
        let listed: Vec<_> = chosen.iter().map(|i| Listed::of(i)).collect();
        report::print_json("ops", &serde_json::json!({ "kernels": listed }))?;
        return Ok(exit::SUCCESS);
    }
    let rows = chosen.iter().map(|i| {
        let r = i.resources;
        let numbers =
            [r.vgprs, r.agprs, r.sgprs, r.lds_bytes, r.vgpr_spills + r.sgpr_spills, r.waves_per_simd];
        let mut row = vec![i.path()];
        row.extend(numbers.map(|n| n.to_string()));
        row.extend([i.code_object.len().to_string(), i.sha256[..12].to_owned()]);
        row
    });
    let header = ["kernel", "VGPR", "AGPR", "SGPR", "LDS B", "spills", "waves/SIMD", "bytes", "sha256"];
    let mut text = report::table(&header, &[1, 2, 3, 4, 5, 6, 7], rows);
    let operators: BTreeSet<_> = chosen.iter().map(|i| i.op.as_ref()).collect();
    let compilers: BTreeSet<_> = chosen.iter().map(|i| i.compiler.as_ref()).collect();
    text += &format!(
        "\n{} kernel(s) of {} for {}, compiled by {}\n",
        chosen.len(),
        operators.into_iter().collect::<Vec<_>>().join(", "),
        rocm_toolchain::ARCH,
        compilers.into_iter().collect::<Vec<_>>().join("; ")
    );
    report::print(&text)?;
    Ok(exit::SUCCESS)
}

impl<'a> Listed<'a> {
    fn of(instance: &'a Instance) -> Self {
        Self {
            kernel: instance.path(),
            symbol: &instance.symbol,
            source: &instance.source,
            defines: instance.defines.iter().map(|(name, value)| format!("{name}={value}")).collect(),
            resources: instance.resources,
            bytes: instance.code_object.len(),
            sha256: &instance.sha256,
            fingerprint: &instance.fingerprint,
            compiler: &instance.compiler,
            flags: instance.flags.iter().map(AsRef::as_ref).collect(),
        }
    }
}
