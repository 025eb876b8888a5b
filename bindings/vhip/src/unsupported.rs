//! Every function of libamdhip64 that the virtual MI355X does not implement.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use hip_sys::hipError_t;

use crate::error;

/// How often each unimplemented function was called.
static CALLS: Mutex<BTreeMap<&'static str, u64>> = Mutex::new(BTreeMap::new());

/// Logs the first call of `name` and answers hipErrorNotSupported: a silent success would be a lie.
pub(crate) fn unsupported(name: &'static str) -> hipError_t {
    let mut calls = CALLS.lock().unwrap_or_else(PoisonError::into_inner);
    let count = calls.entry(name).or_insert(0);
    if *count == 0 {
        eprintln!("vhip: {name} is not implemented by the virtual MI355X: hipErrorNotSupported");
    }
    *count += 1;
    error::record(hipError_t::hipErrorNotSupported);
    hipError_t::hipErrorNotSupported
}

/// The unimplemented functions that were called, with counts.
pub(crate) fn calls() -> BTreeMap<&'static str, u64> {
    CALLS.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Functions that answer hipErrorNotSupported.
pub(crate) const NOT_SUPPORTED: &[&str] = include!(concat!(env!("OUT_DIR"), "/not_supported.rs"));

/// A function whose arguments are not looked at: the C calling convention lets it ignore them.
macro_rules! stub {
    ($name:ident) => {
        #[doc = concat!("`", stringify!($name), "`: not implemented, answers hipErrorNotSupported.")]
        #[unsafe(no_mangle)]
        pub extern "C" fn $name() -> hipError_t {
            unsupported(stringify!($name))
        }
        $crate::api::version!($name);
    };
}
include!(concat!(env!("OUT_DIR"), "/stubs.rs"));
