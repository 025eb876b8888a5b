//! Which host memory a kernel that nobody answers for could reach, and that there is none.
//!
//! A wrong kernel can form any address. Device memory is nobody's `&T`: the host sees it by copies only.
//! Host memory is, so a launch by [`Function::launch_bytes`](crate::Function::launch_bytes) and a live
//! [`PinnedBuffer`](crate::PinnedBuffer) of the same library exclude each other:
//!
//! - while such a buffer lives, the launch is refused;
//! - a new buffer is handed out only once the launches before it have ended;
//! - a device that reaches all host memory (HMM with XNACK, or the virtual device's unified memory) is refused.
//!
//! Memory that other code pins by calls of its own is that code's to answer for: such calls are unsafe.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use hip_sys::hipDeviceAttribute_t_hipDeviceAttributePageableMemoryAccess as PAGEABLE;

use crate::context::{Context, call};
use crate::{Device, Error, Result};

/// By library, because runtimes that opened the same one share its devices.
static LIBRARIES: Mutex<BTreeMap<PathBuf, Arc<Reach>>> = Mutex::new(BTreeMap::new());

/// One library's host memory and launches.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    /// Live pinned buffers. Launches hold it for reading while they submit.
    pinned: RwLock<usize>,
    /// Devices, by number, with launches that may not have ended.
    busy: Mutex<BTreeSet<u32>>,
}

impl Reach {
    /// The one of the library at `path`.
    pub(crate) fn of(path: &Path) -> Arc<Reach> {
        let mut libraries = LIBRARIES.lock().unwrap_or_else(PoisonError::into_inner);
        libraries.entry(path.to_owned()).or_default().clone()
    }

    /// Submits a launch that can reach no host memory of ours.
    ///
    /// # Errors
    /// [`Error::Argument`] while there is some, the status of `hipDeviceGetAttribute`, and those of `submit`.
    pub(crate) fn launch(&self, device: &Device, submit: impl FnOnce() -> Result<()>) -> Result<()> {
        let refuse = |reason| Err(Error::Argument { call: "hipModuleLaunchKernel", reason });
        if reaches_everything(device.context(), device.ordinal())? {
            return refuse(format!(
                "device {} reaches all host memory, so a wrong kernel could change any value of this program; \
                 switch that off (HSA_XNACK=0, or the virtual device's option unified=0) or use the unsafe launch",
                device.ordinal()
            ));
        }
        // Held until the launch is submitted: whoever pins memory then waits for it.
        let pinned = self.pinned.read().unwrap_or_else(PoisonError::into_inner);
        if *pinned > 0 {
            return refuse(format!(
                "{} pinned host buffers are alive, which a wrong kernel could change; drop them first or use \
                 the unsafe launch",
                *pinned
            ));
        }
        self.busy().insert(device.ordinal());
        submit()
    }

    /// Counts a pinned buffer that is about to be handed out, and waits for the launches before it. The
    /// buffer counts until [`unpin`](Self::unpin), also when this fails.
    ///
    /// # Errors
    /// The status of `hipDeviceSynchronize`, among them those of kernels that were stopped.
    pub(crate) fn pin(&self, context: &Arc<Context>) -> Result<()> {
        *self.pinned.write().unwrap_or_else(PoisonError::into_inner) += 1;
        loop {
            let Some(ordinal) = self.busy().pop_first() else { return Ok(()) };
            if let Err(error) = Device::new(context.clone(), ordinal).synchronize() {
                self.busy().insert(ordinal);
                return Err(error);
            }
        }
    }

    /// The device cannot reach a buffer any more.
    pub(crate) fn unpin(&self) {
        *self.pinned.write().unwrap_or_else(PoisonError::into_inner) -= 1;
    }

    fn busy(&self) -> MutexGuard<'_, BTreeSet<u32>> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether every pointer of the process is a device pointer.
fn reaches_everything(context: &Context, ordinal: u32) -> Result<bool> {
    let mut value = 0;
    // SAFETY: the out-pointer is valid for one int.
    unsafe {
        call!(
            context,
            hipDeviceGetAttribute(&mut value, PAGEABLE, ordinal as i32),
            "attribute = PageableMemoryAccess, device = {ordinal}"
        )
    }?;
    Ok(value != 0)
}
