//! Number formats of the MI355X: E2M1, E2M3, E3M2, E4M3, E5M2, E8M0, bf16, f16, rounding modes, MX blocks.
