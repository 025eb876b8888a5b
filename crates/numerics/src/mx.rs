//! MX blocks.
