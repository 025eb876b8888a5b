//! What the virtual MI355X says about itself: properties and attributes.

use std::ffi::{c_char, c_int};

use hip_sys::*;

use crate::{
    api::{api, put},
    device::{
        CAPABILITY, CLOCK_GHZ, COMPUTE_UNITS, LDS_BYTES, MAX_THREADS, MEMORY_BYTES, NAME, SIMDS,
        WAVES_PER_SIMD, uuid,
    },
    extension,
    runtime::device,
};

fn properties() -> hipDeviceProp_tR0600 {
    // SAFETY: all fields are integers, arrays of integers, a bit-field struct of integers and pointers, for
    // which zero is valid.
    let mut p: hipDeviceProp_tR0600 = unsafe { std::mem::zeroed() };
    text(&mut p.name, NAME);
    text(&mut p.gcnArchName, "gfx950:sramecc+:xnack-");
    p.totalGlobalMem = MEMORY_BYTES as usize;
    p.sharedMemPerBlock = LDS_BYTES;
    p.sharedMemPerMultiprocessor = LDS_BYTES;
    p.sharedMemPerBlockOptin = LDS_BYTES;
    p.maxSharedMemoryPerMultiProcessor = LDS_BYTES;
    p.regsPerBlock = 128 * 1024;
    p.regsPerMultiprocessor = 128 * 1024;
    p.warpSize = 64;
    p.memPitch = i32::MAX as usize;
    p.maxThreadsPerBlock = MAX_THREADS;
    p.maxThreadsDim = [MAX_THREADS; 3];
    p.maxGridSize = [i32::MAX, 65_535, 65_535];
    p.clockRate = (CLOCK_GHZ * 1e6) as c_int;
    p.clockInstructionRate = 100_000;
    p.totalConstMem = i32::MAX as usize;
    (p.major, p.minor) = CAPABILITY;
    p.multiProcessorCount = COMPUTE_UNITS;
    p.maxThreadsPerMultiProcessor = (WAVES_PER_SIMD * SIMDS * 64) as c_int;
    p.maxBlocksPerMultiProcessor = 32;
    p.l2CacheSize = 4 << 20;
    // 8 TB/s over 8192 bits at two transfers a clock.
    p.memoryClockRate = 2_000_000;
    p.memoryBusWidth = 8192;
    p.canMapHostMemory = 1;
    p.unifiedAddressing = 1;
    p.managedMemory = 1;
    p.concurrentManagedAccess = 1;
    p.concurrentKernels = 1;
    p.cooperativeLaunch = 1;
    p.pageableMemoryAccess = extension::is_unified() as c_int;
    p.hostNativeAtomicSupported = 1;
    p.isLargeBar = 1;
    p.ECCEnabled = 1;
    p.asyncEngineCount = 1;
    p.streamPrioritiesSupported = 1;
    p.hostRegisterSupported = 1;
    p.memoryPoolsSupported = 1;
    p.textureAlignment = 256;
    p.texturePitchAlignment = 256;
    // Every feature of the architecture word that a compute kernel can use: atomics, doubles, ballots, shuffles.
    p.arch.set_hasGlobalInt32Atomics(1);
    p.arch.set_hasGlobalFloatAtomicExch(1);
    p.arch.set_hasSharedInt32Atomics(1);
    p.arch.set_hasSharedFloatAtomicExch(1);
    p.arch.set_hasFloatAtomicAdd(1);
    p.arch.set_hasGlobalInt64Atomics(1);
    p.arch.set_hasSharedInt64Atomics(1);
    p.arch.set_hasDoubles(1);
    p.arch.set_hasWarpVote(1);
    p.arch.set_hasWarpBallot(1);
    p.arch.set_hasWarpShuffle(1);
    p.arch.set_hasThreadFenceSystem(1);
    p.arch.set_hasSyncThreadsExt(1);
    p.arch.set_has3dGrid(1);
    p
}

/// Copies `text` into a NUL-terminated C array.
fn text(target: &mut [c_char], text: &str) {
    for (to, from) in target.iter_mut().zip(text.bytes().chain([0])) {
        *to = from as c_char;
    }
}

fn attribute(which: hipDeviceAttribute_t, id: usize) -> Option<c_int> {
    let p = properties();
    Some(match which {
        hipDeviceAttribute_t_hipDeviceAttributeMaxThreadsPerBlock => p.maxThreadsPerBlock,
        hipDeviceAttribute_t_hipDeviceAttributeMaxBlockDimX
        | hipDeviceAttribute_t_hipDeviceAttributeMaxBlockDimY
        | hipDeviceAttribute_t_hipDeviceAttributeMaxBlockDimZ => MAX_THREADS,
        hipDeviceAttribute_t_hipDeviceAttributeMaxGridDimX => p.maxGridSize[0],
        hipDeviceAttribute_t_hipDeviceAttributeMaxGridDimY => p.maxGridSize[1],
        hipDeviceAttribute_t_hipDeviceAttributeMaxGridDimZ => p.maxGridSize[2],
        hipDeviceAttribute_t_hipDeviceAttributeMaxSharedMemoryPerBlock
        | hipDeviceAttribute_t_hipDeviceAttributeMaxSharedMemoryPerMultiprocessor
        | hipDeviceAttribute_t_hipDeviceAttributeSharedMemPerBlockOptin
        | hipDeviceAttribute_t_hipDeviceAttributeSharedMemPerMultiprocessor => LDS_BYTES as c_int,
        hipDeviceAttribute_t_hipDeviceAttributeTotalConstantMemory => p.totalConstMem as c_int,
        hipDeviceAttribute_t_hipDeviceAttributeWarpSize => p.warpSize,
        hipDeviceAttribute_t_hipDeviceAttributeMaxRegistersPerBlock
        | hipDeviceAttribute_t_hipDeviceAttributeMaxRegistersPerMultiprocessor => p.regsPerBlock,
        hipDeviceAttribute_t_hipDeviceAttributeClockRate => p.clockRate,
        hipDeviceAttribute_t_hipDeviceAttributeWallClockRate => 100_000,
        hipDeviceAttribute_t_hipDeviceAttributeMemoryClockRate => p.memoryClockRate,
        hipDeviceAttribute_t_hipDeviceAttributeMemoryBusWidth => p.memoryBusWidth,
        hipDeviceAttribute_t_hipDeviceAttributeMultiprocessorCount
        | hipDeviceAttribute_t_hipDeviceAttributePhysicalMultiProcessorCount => COMPUTE_UNITS,
        hipDeviceAttribute_t_hipDeviceAttributeComputeMode => 0,
        hipDeviceAttribute_t_hipDeviceAttributeL2CacheSize => p.l2CacheSize,
        hipDeviceAttribute_t_hipDeviceAttributeMaxThreadsPerMultiProcessor => p.maxThreadsPerMultiProcessor,
        hipDeviceAttribute_t_hipDeviceAttributeMaxBlocksPerMultiProcessor => p.maxBlocksPerMultiProcessor,
        hipDeviceAttribute_t_hipDeviceAttributeComputeCapabilityMajor => p.major,
        hipDeviceAttribute_t_hipDeviceAttributeComputeCapabilityMinor => p.minor,
        hipDeviceAttribute_t_hipDeviceAttributeConcurrentKernels
        | hipDeviceAttribute_t_hipDeviceAttributeManagedMemory
        | hipDeviceAttribute_t_hipDeviceAttributeConcurrentManagedAccess
        | hipDeviceAttribute_t_hipDeviceAttributeCanMapHostMemory
        | hipDeviceAttribute_t_hipDeviceAttributeMemoryPoolsSupported
        | hipDeviceAttribute_t_hipDeviceAttributeVirtualMemoryManagementSupported
        | hipDeviceAttribute_t_hipDeviceAttributeUnifiedAddressing
        | hipDeviceAttribute_t_hipDeviceAttributeCooperativeLaunch
        | hipDeviceAttribute_t_hipDeviceAttributeHostNativeAtomicSupported
        | hipDeviceAttribute_t_hipDeviceAttributeHostRegisterSupported
        | hipDeviceAttribute_t_hipDeviceAttributeStreamPrioritiesSupported
        | hipDeviceAttribute_t_hipDeviceAttributeIsLargeBar
        | hipDeviceAttribute_t_hipDeviceAttributeAsyncEngineCount
        | hipDeviceAttribute_t_hipDeviceAttributeEccEnabled => 1,
        hipDeviceAttribute_t_hipDeviceAttributeCooperativeMultiDeviceLaunch
        | hipDeviceAttribute_t_hipDeviceAttributeIntegrated
        | hipDeviceAttribute_t_hipDeviceAttributeIsMultiGpuBoard
        | hipDeviceAttribute_t_hipDeviceAttributeKernelExecTimeout
        | hipDeviceAttribute_t_hipDeviceAttributePciDomainId
        | hipDeviceAttribute_t_hipDeviceAttributePciDeviceId
        | hipDeviceAttribute_t_hipDeviceAttributeAsicRevision
        | hipDeviceAttribute_t_hipDeviceAttributeImageSupport
        | hipDeviceAttribute_t_hipDeviceAttributeCanUseStreamWaitValue
        | hipDeviceAttribute_t_hipDeviceAttributeDirectManagedMemAccessFromHost
        | hipDeviceAttribute_t_hipDeviceAttributePageableMemoryAccessUsesHostPageTables => 0,
        hipDeviceAttribute_t_hipDeviceAttributePageableMemoryAccess => extension::is_unified() as c_int,
        hipDeviceAttribute_t_hipDeviceAttributePciBusId => bus(id),
        hipDeviceAttribute_t_hipDeviceAttributeTextureAlignment
        | hipDeviceAttribute_t_hipDeviceAttributeTexturePitchAlignment => 256,
        hipDeviceAttribute_t_hipDeviceAttributeMaxPitch => p.memPitch as c_int,
        _ => return None,
    })
}

/// A made-up PCI bus number, distinct for each device.
pub(crate) fn bus(id: usize) -> c_int {
    id as c_int + 1
}

/// The properties of device `id` in the layout of the headers before HIP 6.
fn older_properties(id: usize) -> hipDeviceProp_tR0000 {
    let new = properties();
    // SAFETY: as in `properties`.
    let mut old: hipDeviceProp_tR0000 = unsafe { std::mem::zeroed() };
    macro_rules! same {
        ($($field:ident)*) => { $(old.$field = new.$field;)* };
    }
    same! {
        name totalGlobalMem sharedMemPerBlock regsPerBlock warpSize maxThreadsPerBlock maxThreadsDim maxGridSize
        clockRate memoryClockRate memoryBusWidth totalConstMem major minor multiProcessorCount l2CacheSize
        maxThreadsPerMultiProcessor computeMode clockInstructionRate arch concurrentKernels canMapHostMemory
        gcnArchName integrated cooperativeLaunch memPitch textureAlignment texturePitchAlignment ECCEnabled
        isLargeBar managedMemory concurrentManagedAccess
    }
    old.maxSharedMemoryPerMultiProcessor = new.maxSharedMemoryPerMultiProcessor;
    old.pciBusID = bus(id);
    old
}

api! {
    /// All properties, in the layout of HIP 6 and later.
    fn hipGetDevicePropertiesR0600(target: *mut hipDeviceProp_tR0600, ordinal: c_int) {
        let id = device(ordinal)?.id;
        let mut p = properties();
        p.pciBusID = bus(id);
        p.uuid = uuid(id);
        // SAFETY: the caller's out-parameter.
        unsafe { put(target, p) }
    }
    /// One property.
    fn hipDeviceGetAttribute(value: *mut c_int, which: hipDeviceAttribute_t, ordinal: c_int) {
        let id = device(ordinal)?.id;
        let found = attribute(which, id).ok_or_else(|| {
            if which > hipDeviceAttribute_t_hipDeviceAttributeAmdSpecificEnd {
                return hipError_t::hipErrorInvalidValue;
            }
            eprintln!("vhip: device attribute {which} is not implemented by the virtual MI355X");
            hipError_t::hipErrorNotSupported
        })?;
        // SAFETY: the caller's out-parameter.
        unsafe { put(value, found) }
    }
    /// All properties, in the layout of the headers before HIP 6.
    fn hipGetDevicePropertiesR0000(target: *mut hipDeviceProp_tR0000, ordinal: c_int) {
        let id = device(ordinal)?.id;
        // SAFETY: the caller's out-parameter.
        unsafe { put(target, older_properties(id)) }
    }
    /// As `hipGetDevicePropertiesR0000`: programs of those headers know only this name.
    fn hipGetDeviceProperties(target: *mut hipDeviceProp_tR0000, ordinal: c_int) {
        let id = device(ordinal)?.id;
        // SAFETY: the caller's out-parameter.
        unsafe { put(target, older_properties(id)) }
    }
}
