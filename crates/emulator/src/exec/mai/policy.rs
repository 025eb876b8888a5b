//! In which order, and how wide, a matrix instruction adds.

/// How products are accumulated. No vendor document says what CDNA4 does, so the choice is the user's:
/// running a kernel under several policies shows how far its result depends on the answer.
///
/// The i8 forms are exact and the f32 and f64 forms are FMA chains in ascending k under every policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum MfmaPolicy {
    /// [`MfmaPolicy::ExactBlock`] for the f8f6f4 forms, [`MfmaPolicy::Cdna3Truncating`] for f16, bf16 and
    /// the fp8 forms that CDNA3 has too.
    #[default]
    Mixed,
    /// Each dot product over a block of 32 k (f8f6f4) or over all k (other forms) in f64 and ascending k,
    /// exact for all formats whose products span less than 53 bits (FP4, FP6, BF6, FP8; not bf16, f16, and
    /// BF8 only for usual data); times its scales; then ((C + block 0) + block 1) … in f64, rounded once to
    /// f32.
    ExactBlock,
    /// What was measured on CDNA3 (MMA-Sim, arXiv 2511.10909): groups of 8 k (f16, bf16), or of 16 k with
    /// even and odd k apart (8 bits and less), whose products are truncated to 24 fraction bits below the
    /// largest exponent; the sum joins C at 31 and is rounded to nearest f32, group after group.
    Cdna3Truncating,
    /// One f32 FMA per product in ascending k; f8f6f4: one such chain per block of 32 from zero, scaled and
    /// added to C in f32, block after block.
    FmaChain,
}
