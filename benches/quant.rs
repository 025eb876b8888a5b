//! Times of the quantisation kernels.

fn main() {}
