//! Memory results on their way to registers.

/// Outstanding vm and lgkm operations of one wave.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pending {
    _private: (),
}
