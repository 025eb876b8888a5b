//! What a person or a program reads: results on stdout, progress on stderr.

mod progress;
mod table;

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::store::Record;
use crate::{Error, Result};

pub use progress::Progress;
pub use table::{table, thousands};

/// Writes text to stdout. A reader that went away is no error.
///
/// # Errors
/// [`Error::Output`] when stdout cannot be written for another reason.
pub fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::Output(error)),
        _ => Ok(()),
    }
}

/// Writes one JSON document to stdout.
///
/// # Errors
/// As [`print()`].
pub fn print_json(verb: &str, content: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(&Record::new(verb, content)).expect("reports are plain data");
    print(&format!("{text}\n"))
}

/// `text` in green or red when stdout is a terminal that wants colour.
#[must_use]
pub fn coloured(text: &str, good: bool) -> String {
    if !io::stdout().is_terminal() || std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty()) {
        return text.to_owned();
    }
    format!("\x1b[{}m{text}\x1b[0m", if good { 32 } else { 31 })
}
