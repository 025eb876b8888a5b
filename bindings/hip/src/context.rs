//! What every object of one runtime shares: the library, and the failures of dropped objects.

use std::ffi::CStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hip_sys::{HipLibrary, hip_call, hipError_t};

use crate::error::may_stem_from_a_kernel;
use crate::reach::Reach;
use crate::{CallError, DeviceFault, Error, Result};

/// The shared state behind a [`Runtime`](crate::Runtime) and everything made from it.
#[derive(Debug)]
pub(crate) struct Context {
    library: HipLibrary,
    reach: Arc<Reach>,
    failed_releases: Mutex<FailedReleases>,
}

#[derive(Debug, Default)]
struct FailedReleases {
    count: usize,
    first: Option<Error>,
}

/// Calls HIP: `call!(context, hipSetDevice(ordinal), "device = {}", ordinal)` is a `Result<()>`.
///
/// Reports failed releases first, and formats the operands only when the call fails. Must stand in
/// an `unsafe` block, whose comment answers for the arguments.
macro_rules! call {
    ($context:expr, $name:ident($($argument:expr),* $(,)?), $($operands:tt)+) => {{
        let context: &$crate::context::Context = &$context;
        match context.report_failed_releases() {
            Ok(()) => $crate::context::call_in_drop!(context, $name($($argument),*), $($operands)+),
            Err(error) => Err(error),
        }
    }};
}

/// [`call!`] for releasing an object, which must happen whatever failed before.
macro_rules! call_in_drop {
    ($context:expr, $name:ident($($argument:expr),* $(,)?), $($operands:tt)+) => {{
        let context: &$crate::context::Context = $context;
        match hip_sys::hip_call!(context.library(), $name($($argument),*)) {
            Ok(status) => context.check(stringify!($name), status, || format!($($operands)+)),
            Err(missing) => Err($crate::Error::from(missing)),
        }
    }};
}

pub(crate) use {call, call_in_drop};

impl Context {
    pub(crate) fn new(library: HipLibrary) -> Self {
        Self { reach: Reach::of(library.path()), library, failed_releases: Mutex::default() }
    }

    pub(crate) fn library(&self) -> &HipLibrary {
        &self.library
    }

    /// The host memory that the library's devices reach.
    pub(crate) fn reach(&self) -> &Reach {
        &self.reach
    }

    /// Turns a status into a `Result`, asking the library for its own words about an error.
    pub(crate) fn check(
        &self,
        call: &'static str,
        status: hipError_t,
        operands: impl FnOnce() -> String,
    ) -> Result<()> {
        if status == hipError_t::hipSuccess {
            return Ok(());
        }
        let fault = may_stem_from_a_kernel(status).then(|| self.last_fault()).flatten();
        Err(Error::Call(Box::new(CallError {
            call,
            operands: operands(),
            code: status,
            name: self.error_name(status),
            text: self.error_text(status),
            library: self.library.path().to_owned(),
            fault: fault.map(Box::new),
        })))
    }

    /// The virtual device's last fault. Text that does not parse is kept as the fault's message:
    /// this runs while another error is being reported and must not replace it.
    pub(crate) fn last_fault(&self) -> Option<DeviceFault> {
        let text = self.extension_text(self.library.extension().last_fault?)?;
        Some(DeviceFault::parse(&text).unwrap_or_else(|_| DeviceFault::from_text(text)))
    }

    /// The text that an extension function writes into a buffer; `None` when it has nothing to say.
    pub(crate) fn extension_text(
        &self,
        function: unsafe extern "C" fn(*mut core::ffi::c_char, usize) -> core::ffi::c_int,
    ) -> Option<String> {
        let mut buffer = vec![0u8; 4096];
        loop {
            // SAFETY: the function writes at most `buffer.len()` bytes to the buffer it is given.
            let length = unsafe { function(buffer.as_mut_ptr().cast(), buffer.len()) };
            let length = usize::try_from(length).ok().filter(|&length| length > 0)?;
            // One byte is the terminating NUL. Another thread may have made the text longer.
            if length < buffer.len() {
                buffer.truncate(length);
                return Some(String::from_utf8_lossy(&buffer).into_owned());
            }
            buffer.resize(length + 1, 0);
        }
    }

    /// Remembers the failure of a release in `Drop`.
    pub(crate) fn remember(&self, released: Result<()>) {
        if let Err(error) = released {
            let mut failed = self.failed_releases();
            failed.count += 1;
            failed.first.get_or_insert(error);
        }
    }

    /// Fails once when objects could not be released since the last time.
    pub(crate) fn report_failed_releases(&self) -> Result<()> {
        let mut failed = self.failed_releases();
        match failed.first.take() {
            None => Ok(()),
            Some(first) => {
                let count = std::mem::take(&mut failed.count);
                Err(Error::Deferred { count, first: Box::new(first) })
            }
        }
    }

    fn failed_releases(&self) -> MutexGuard<'_, FailedReleases> {
        // The state is two plain fields: a panic elsewhere cannot leave it half changed.
        self.failed_releases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error_name(&self, status: hipError_t) -> String {
        // SAFETY: the function takes any status and returns static text or null.
        let name = unsafe { hip_call!(&self.library, hipGetErrorName(status)) };
        name.ok().and_then(static_text).unwrap_or_else(|| "unnamed status".to_owned())
    }

    fn error_text(&self, status: hipError_t) -> String {
        // SAFETY: the function takes any status and returns static text or null.
        let text = unsafe { hip_call!(&self.library, hipGetErrorString(status)) };
        text.ok().and_then(static_text).unwrap_or_else(|| "the library has no text for it".to_owned())
    }
}

/// Copies text that the library keeps for the life of the process.
pub(crate) fn static_text(text: *const core::ffi::c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: not null, and the functions this is used for return NUL-terminated static text.
    Some(unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}
