//! Device memory.

/// A launch's view of device memory.
pub(crate) struct View {
    _private: (),
}
