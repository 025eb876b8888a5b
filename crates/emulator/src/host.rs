//! What a running kernel reaches of the host.

/// The host's side of a launch: buffers that device code finds through hidden arguments, and the interrupt
/// by which it asks for attention (device libraries, `__ockl_hostcall_internal`).
pub trait Host: Sync {
    /// Value of `hidden_hostcall_buffer`; the buffer stays allocated until the launch has ended.
    fn hostcall_buffer(&self) -> u64;

    /// Value of `hidden_printf_buffer`, as above.
    fn printf_buffer(&self) -> u64;

    /// A wave executed `s_sendmsg` with MSG_INTERRUPT; its earlier stores are in memory. The wave goes on
    /// when this returns. Waves on several host threads may call at the same time.
    fn interrupt(&self);
}
