//! The harness behind the `mi355x` command.
