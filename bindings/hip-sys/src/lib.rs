//! Raw bindings to libamdhip64, opened at run time.
