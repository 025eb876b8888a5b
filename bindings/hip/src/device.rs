//! A device and its properties.

use std::ffi::{c_char, c_int};
use std::fmt;
use std::mem::MaybeUninit;
use std::sync::Arc;

use hip_sys::{hipDeviceProp_tR0000, hipDeviceProp_tR0600};

use crate::context::{Context, call, call_in_drop};
use crate::{Error, Result, Runtime};

/// The fields that both property structs have under the same names.
macro_rules! shared_fields {
    ($raw:ident) => {
        DeviceProperties {
            name: text(&$raw.name),
            arch: text(&$raw.gcnArchName),
            compute_units: count($raw.multiProcessorCount),
            wave_size: count($raw.warpSize),
            max_threads_per_group: count($raw.maxThreadsPerBlock),
            max_threads_per_compute_unit: count($raw.maxThreadsPerMultiProcessor),
            memory_bytes: $raw.totalGlobalMem as u64,
            lds_bytes_per_group: $raw.sharedMemPerBlock as u64,
            lds_bytes_per_compute_unit: $raw.maxSharedMemoryPerMultiProcessor as u64,
            registers_per_group: count($raw.regsPerBlock),
            l2_bytes: u64::from(count($raw.l2CacheSize)),
            clock_khz: count($raw.clockRate),
            memory_clock_khz: count($raw.memoryClockRate),
            memory_bus_bits: count($raw.memoryBusWidth),
            pci_domain: count($raw.pciDomainID),
            pci_bus: count($raw.pciBusID),
            pci_device: count($raw.pciDeviceID),
        }
    };
}

/// One device of a runtime; clones are handles to the same device.
#[derive(Clone)]
pub struct Device {
    context: Arc<Context>,
    ordinal: u32,
}

impl Device {
    pub(crate) fn new(context: Arc<Context>, ordinal: u32) -> Self {
        Self { context, ordinal }
    }

    /// Its number in the runtime, from 0.
    pub fn ordinal(&self) -> u32 {
        self.ordinal
    }

    /// The runtime it belongs to.
    pub fn runtime(&self) -> Runtime {
        Runtime::from_context(Arc::clone(&self.context))
    }

    /// Makes this the calling thread's current device.
    ///
    /// The objects of this crate do so themselves; it is for code that calls HIP beside them.
    ///
    /// # Errors
    /// The status of `hipSetDevice`.
    pub fn make_current(&self) -> Result<()> {
        // SAFETY: the call takes a number and touches no memory of ours.
        unsafe { call!(self.context, hipSetDevice(self.c_ordinal()), "device = {}", self.ordinal) }
    }

    /// [`make_current`](Self::make_current) without reporting failed releases, for `Drop`.
    pub(crate) fn make_current_in_drop(&self) -> Result<()> {
        // SAFETY: the call takes a number and touches no memory of ours.
        unsafe { call_in_drop!(&self.context, hipSetDevice(self.c_ordinal()), "device = {}", self.ordinal) }
    }

    /// Waits until everything submitted to the device is done.
    ///
    /// # Errors
    /// The status of `hipDeviceSynchronize`, among them those of kernels that were stopped.
    pub fn synchronize(&self) -> Result<()> {
        self.make_current()?;
        // SAFETY: the call takes nothing.
        unsafe { call!(self.context, hipDeviceSynchronize(), "device = {}", self.ordinal) }
    }

    /// Free and total device memory.
    ///
    /// # Errors
    /// The status of `hipMemGetInfo`.
    pub fn memory_info(&self) -> Result<MemoryInfo> {
        self.make_current()?;
        let (mut free, mut total) = (0, 0);
        // SAFETY: both out-pointers are valid for one size.
        unsafe { call!(self.context, hipMemGetInfo(&mut free, &mut total), "device = {}", self.ordinal) }?;
        Ok(MemoryInfo { free_bytes: free as u64, total_bytes: total as u64 })
    }

    /// What the device is.
    ///
    /// Uses `hipGetDevicePropertiesR0600`, the name behind the C macro `hipGetDeviceProperties`, and
    /// on a runtime that does not have it the struct of the runtimes before 6.0.
    ///
    /// # Errors
    /// The status of the call, or the missing R0600 symbol when neither function exists.
    pub fn properties(&self) -> Result<DeviceProperties> {
        match self.properties_r0600() {
            Err(Error::MissingSymbol(missing)) => match self.properties_r0000() {
                Err(Error::MissingSymbol(_)) => Err(missing.into()),
                older => older,
            },
            newer => newer,
        }
    }

    pub(crate) fn context(&self) -> &Arc<Context> {
        &self.context
    }

    fn properties_r0600(&self) -> Result<DeviceProperties> {
        let mut raw = MaybeUninit::<hipDeviceProp_tR0600>::zeroed();
        let (out, ordinal) = (raw.as_mut_ptr(), self.c_ordinal());
        // SAFETY: the out-pointer is valid for the R0600 struct, which is what this symbol fills.
        unsafe { call!(self.context, hipGetDevicePropertiesR0600(out, ordinal), "device = {ordinal}") }?;
        // SAFETY: integers, arrays of them and raw pointers, for all of which zero bytes are valid;
        // the call may have overwritten any of them.
        let raw = unsafe { raw.assume_init() };
        Ok(shared_fields!(raw))
    }

    fn properties_r0000(&self) -> Result<DeviceProperties> {
        let mut raw = MaybeUninit::<hipDeviceProp_tR0000>::zeroed();
        let (out, ordinal) = (raw.as_mut_ptr(), self.c_ordinal());
        // SAFETY: the out-pointer is valid for the R0000 struct, which is what this symbol fills.
        unsafe { call!(self.context, hipGetDevicePropertiesR0000(out, ordinal), "device = {ordinal}") }?;
        // SAFETY: as in `properties_r0600`.
        let raw = unsafe { raw.assume_init() };
        Ok(shared_fields!(raw))
    }

    /// The ordinal as HIP takes it; it was below a count that was an int.
    fn c_ordinal(&self) -> c_int {
        self.ordinal as c_int
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device")
            .field("ordinal", &self.ordinal)
            .field("library", &self.context.library().path())
            .finish()
    }
}

/// What a device is, in the terms of AMD's documentation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceProperties {
    /// Marketing name.
    pub name: String,
    /// Target with its features, such as `gfx950:sramecc+:xnack-`.
    pub arch: String,
    /// Compute units.
    pub compute_units: u32,
    /// Lanes of a wave.
    pub wave_size: u32,
    /// Work-items that a workgroup may have.
    pub max_threads_per_group: u32,
    /// Work-items that can be resident on a compute unit.
    pub max_threads_per_compute_unit: u32,
    /// Device memory, in bytes.
    pub memory_bytes: u64,
    /// LDS that one workgroup may use, in bytes.
    pub lds_bytes_per_group: u64,
    /// LDS of a compute unit, in bytes.
    pub lds_bytes_per_compute_unit: u64,
    /// 32-bit registers available to a workgroup.
    pub registers_per_group: u32,
    /// L2 cache, in bytes.
    pub l2_bytes: u64,
    /// Highest shader clock, in kHz.
    pub clock_khz: u32,
    /// Highest memory clock, in kHz.
    pub memory_clock_khz: u32,
    /// Width of the memory bus, in bits.
    pub memory_bus_bits: u32,
    /// PCI domain.
    pub pci_domain: u32,
    /// PCI bus.
    pub pci_bus: u32,
    /// PCI device.
    pub pci_device: u32,
}

impl DeviceProperties {
    /// The target without its features: `gfx950` of `gfx950:sramecc+:xnack-`.
    pub fn target(&self) -> &str {
        self.arch.split(':').next().unwrap_or_default()
    }
}

/// Device memory at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryInfo {
    /// Not allocated, in bytes.
    pub free_bytes: u64,
    /// Of the device, in bytes.
    pub total_bytes: u64,
}

/// A C array of characters up to its NUL, or all of it when it has none.
fn text(characters: &[c_char]) -> String {
    let bytes: Vec<u8> = characters.iter().take_while(|&&c| c != 0).map(|&c| c as u8).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A C int that counts something; runtimes write 0 for what they do not know, never less.
fn count(value: c_int) -> u32 {
    u32::try_from(value).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_ends_at_its_nul_or_with_its_array() {
        assert_eq!(text(&[b'a' as c_char, b'b' as c_char, 0, b'c' as c_char]), "ab");
        assert_eq!(text(&[b'a' as c_char, b'b' as c_char]), "ab");
        assert_eq!(text(&[]), "");
    }
}
