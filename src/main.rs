//! The `mi355x` command.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    mi355x::cli::main()
}
