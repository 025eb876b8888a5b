//! The virtual MI355X as libamdhip64.
