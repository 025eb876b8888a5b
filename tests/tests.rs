//! The harness from outside.
