//! The `mi355x` command.

fn main() {}
