//! The `mi355x` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    mi355x::cli::main()
}
