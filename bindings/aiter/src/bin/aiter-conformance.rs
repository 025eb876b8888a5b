//! Runs AITER's kernels against f64 references and prints the table objects × shapes × worst error.

use std::process::ExitCode;

use aiter::conformance::{Family, Lab, introduction, markdown, text, totals};
use aiter::{Checkout, Error};
use clap::Parser;
use peers::{Exit, Session};

/// Compares AITER's gfx950 kernels with f64 references on a device.
///
/// AITER_DIR names the checkout of ROCm/aiter, AITER_SRC one with csrc if that has none. Exit codes: 0 all is right or
/// known not to be, 1 something is not as is known, 2 usage, 3 no checkout, 4 no device or an unreadable checkout.
#[derive(Parser)]
struct Arguments {
    /// Families to run; all when none is named.
    families: Vec<Family>,
    /// Prints a Markdown document on standard output. The lines of the cases go to standard error anyway.
    #[arg(long)]
    markdown: bool,
    /// What the checkout is, for the document; it need not have its history to say so itself.
    #[arg(long, default_value = "unknown commit", value_name = "COMMIT")]
    aiter_commit: String,
    /// Only objects whose name contains this.
    #[arg(long)]
    object: Option<String>,
    #[command(flatten)]
    session: Session,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(true) => Exit::Right.into(),
        Ok(false) => Exit::Wrong.into(),
        Err(error) => {
            eprintln!("aiter-conformance: {error}");
            match error {
                Error::NoCheckout | Error::NotACheckout { .. } => Exit::NoPeer.into(),
                _ => Exit::Broken.into(),
            }
        }
    }
}

/// Whether everything was as is known.
fn run(arguments: &Arguments) -> Result<bool, Error> {
    let checkout = Checkout::from_environment()?;
    let Session { seed, .. } = arguments.session;
    let mut lab = Lab::new(arguments.session.library(), checkout, seed, |line| eprintln!("{}", text(line)))?;
    let device = Session::announce(lab.device())?;
    lab.only(arguments.object.as_deref().unwrap_or_default());
    let families = if arguments.families.is_empty() { &Family::ALL[..] } else { &arguments.families };
    let mut counts = Vec::new();
    if arguments.markdown {
        let now = jiff::Timestamp::now().to_string();
        let date = now.split('T').next().unwrap_or_default();
        println!("{}", introduction(&device, &arguments.aiter_commit, date, seed));
    }
    for family in families {
        let report = family.run(&mut lab)?;
        report.unexpected().for_each(|line| eprintln!("not as recorded: {}", text(line)));
        counts.push((*family, report.counts()));
        if arguments.markdown {
            println!("{}", markdown(&report));
        }
    }
    if arguments.markdown {
        println!("{}", totals(&counts));
    } else {
        eprintln!("{}", totals(&counts));
    }
    Ok(counts.iter().all(|(_, counts)| counts.unexpected == 0))
}
