//! Progress on stderr, for whoever watches.

use std::io::{self, IsTerminal, Write};

/// One line that is overwritten; silent when stderr is no terminal.
#[derive(Debug)]
pub struct Progress {
    shown: bool,
    total: usize,
    done: usize,
}

impl Progress {
    /// Progress towards `total` steps.
    #[must_use]
    pub fn new(total: usize) -> Self {
        Self { shown: io::stderr().is_terminal(), total, done: 0 }
    }

    /// Says what begins now.
    pub fn step(&mut self, what: &str) {
        self.done += 1;
        if self.shown {
            // A terminal that went away must not end the work.
            let _ = write!(io::stderr(), "\r\x1b[2K[{}/{}] {what}", self.done, self.total);
            let _ = io::stderr().flush();
        }
    }

    /// Writes a lasting line.
    pub fn note(&self, text: &str) {
        self.clear();
        let _ = writeln!(io::stderr(), "{text}");
    }

    fn clear(&self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\x1b[2K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}
