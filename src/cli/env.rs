//! `mi355x env`: the files of variables that the quick-start guides have one `source`.

use std::fs;
use std::path::PathBuf;

use clap::Args;

use super::flow::ProfileArguments;
use crate::e2e::environment;
use crate::report;
use crate::{Error, Result, exit};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    profile: ProfileArguments,
    /// Folder for specific_conc_var.sh and all_conc_var.sh
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Result<u8> {
    let profiles = arguments.profile.load()?;
    let profile = arguments.profile.choose(&profiles)?;
    let files = [
        ("specific_conc_var.sh", environment::specific(&profile)),
        ("all_conc_var.sh", environment::all(&profile)),
    ];
    for (name, text) in files {
        let path = arguments.out.join(name);
        fs::write(&path, text).map_err(|source| Error::Store { path: path.clone(), source })?;
        report::print(&format!("{}\n", path.display()))?;
    }
    Ok(exit::SUCCESS)
}
