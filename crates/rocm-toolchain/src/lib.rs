//! Finds or provisions a HIP compiler for gfx950, compiles kernels, reads their resource notes.
