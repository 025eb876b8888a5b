//! Exit codes, the same for every verb.
//!
//! 2 is what clap ends with on its own; the others leave a shell's 126 and above free.

/// Everything asked for was done, and is right.
pub const SUCCESS: u8 = 0;
/// At least one kernel is wrong: a wrong element, a fault, a difference between schedules.
pub const CHECK_FAILED: u8 = 1;
/// The command line cannot be carried out: an unknown option, a filter that matches nothing.
pub const USAGE: u8 = 2;
/// A part of the environment is missing or broken: compiler, runtime library.
pub const ENVIRONMENT: u8 = 3;
/// The device that was asked for is not there.
pub const NO_DEVICE: u8 = 4;
/// Kernels do not compile, spill, or differ from their declarations; or a code object is unreadable.
pub const KERNELS: u8 = 5;
/// Results cannot be stored: folder not writable, disk full. Those already stored are intact.
pub const STORE: u8 = 6;
/// The device answered a call with an error that no kernel's own fault explains.
pub const DEVICE: u8 = 7;
/// Leaderboard flow: something that a run needs is missing or broken, found before anything was started.
pub const PREFLIGHT: u8 = 10;
/// Leaderboard flow: the server does not start, died or hangs.
pub const SERVER: u8 = 11;
/// Leaderboard flow: the model's accuracy is below the gate, or could not be measured.
pub const ACCURACY: u8 = 12;
/// Leaderboard flow: performance could not be measured.
pub const PERFORMANCE: u8 = 13;
/// Leaderboard flow: a result cannot be what it says.
pub const INTEGRITY: u8 = 14;
/// Leaderboard flow: a submission was not accepted, or its outcome is unknown.
pub const SUBMISSION: u8 = 15;
/// Ended by Ctrl-C, as shells number it.
pub const INTERRUPTED: u8 = 130;
