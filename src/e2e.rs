//! The leaderboard flow: serve, accuracy, performance, submit.
//!
//! ```text
//! Profiles (TOML) ─▶ Profile = era × track × server ─▶ Plan: points to measure
//!                                   Launch: the server's command
//! measured ─▶ ResultFile (the era's JSON) ─▶ Score (rows, ratios, targets) ─▶ Payload (the era's columns)
//! any result file ─▶ audit: can it be true?
//! ```
//! What differs between eras is data (`profiles/`); nothing here names one.

pub mod audit;
pub mod environment;
pub mod era;
pub mod error;
pub mod payload;
pub mod plan;
pub mod profile;
pub mod result_file;
pub mod rows;
pub mod score;
pub mod server;

pub use error::Error;
pub use profile::{Profile, Profiles};
