//! What ends the leaderboard flow early.

use std::io;
use std::path::PathBuf;

use crate::exit;

/// A failure of the flow, each with an exit code and advice.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A profile cannot be read.
    #[error("profile {file}: {reason}")]
    Profile {
        /// The file.
        file: String,
        /// The parser's or our reason.
        reason: String,
    },
    /// A name that no profile has.
    #[error("no {what} is called {name}; there are {}", .available.join(", "))]
    Unknown {
        /// `protocol`, `model` or `server`.
        what: &'static str,
        /// As given.
        name: String,
        /// What there is.
        available: Vec<String>,
    },
    /// A case that the protocol does not have.
    #[error("{protocol} has no case of {isl} input and {osl} output tokens at concurrency {concurrency}")]
    NoCase {
        /// The protocol.
        protocol: String,
        /// Input tokens.
        isl: usize,
        /// Output tokens.
        osl: usize,
        /// Requests under way.
        concurrency: String,
    },
    /// A variable of the environment cannot be used.
    #[error("{variable}={value}: {reason}")]
    Variable {
        /// Its name.
        variable: String,
        /// Its value.
        value: String,
        /// What is wrong.
        reason: String,
    },
    /// A file cannot be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A result file is not one.
    #[error("{} is no result of a leaderboard run: {reason}", .path.display())]
    ResultFile {
        /// The file.
        path: PathBuf,
        /// What is missing or wrong.
        reason: String,
    },
    /// A payload lacks a value that its era's columns have.
    #[error("the submission has no value for its column {column}: {reason}")]
    Payload {
        /// The column.
        column: String,
        /// Why.
        reason: &'static str,
    },
}

impl Error {
    /// The process's exit code.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Unknown { .. } | Self::NoCase { .. } | Self::Variable { .. } => exit::USAGE,
            Self::Profile { .. } | Self::Read { .. } => exit::PREFLIGHT,
            Self::ResultFile { .. } | Self::Payload { .. } => exit::INTEGRITY,
        }
    }

    /// What to do next.
    #[must_use]
    pub fn advice(&self) -> Option<&'static str> {
        Some(match self {
            Self::Profile { .. } => "correct the file; profiles/README.md says what each holds",
            Self::Unknown { .. } => "`mi355x plan --list` shows protocols, models and servers",
            Self::NoCase { .. } => {
                "`mi355x plan` shows the protocol's cases; other cases have no board and no rows"
            }
            Self::Variable { .. } => "`mi355x env` writes files that set all variables",
            Self::Read { .. } => "check the path and its permissions",
            Self::ResultFile { .. } => "give a JSON file that `perf`, `submit` or the original program wrote",
            Self::Payload { .. } => {
                "run the step that gives the value, or choose the protocol that the result is of"
            }
        })
    }
}
