//! What streams are told and asked about themselves, beside what they were created with.

use std::{
    collections::BTreeMap,
    ffi::{c_char, c_uint, c_ulonglong, c_void},
    sync::{Arc, Mutex},
};

use emulator::AllocationKind;
use hip_sys::*;

use crate::{
    api::{api, put},
    command::Address,
    device::COMPUTE_UNITS,
    pointer::owner,
    runtime::{current, lock, runtime},
    stream::{self, Stream},
};

const INVALID: hipError_t = hipError_t::hipErrorInvalidValue;
/// Words of a mask with a bit for each compute unit.
const MASK_WORDS: usize = COMPUTE_UNITS as usize / 32;
/// hipMemAttachGlobal, …Host, …Single.
const ATTACH: [c_uint; 3] = [1, 2, 4];

/// What a stream was told; none of it makes a difference to a stream without a scheduler.
#[derive(Default)]
pub(crate) struct Attributes {
    values: Mutex<BTreeMap<hipLaunchAttributeID, [c_char; 64]>>,
    /// Compute units that it was restricted to.
    units: Option<[u32; MASK_WORDS]>,
}

/// Whether streams have this attribute, other than the priority.
fn is_known(attribute: hipLaunchAttributeID) -> bool {
    matches!(
        attribute,
        hipLaunchAttributeID_hipLaunchAttributeAccessPolicyWindow
            | hipLaunchAttributeID_hipLaunchAttributeSynchronizationPolicy
            | hipLaunchAttributeID_hipLaunchAttributeMemSyncDomainMap
            | hipLaunchAttributeID_hipLaunchAttributeMemSyncDomain
    )
}

fn get(stream: &Stream, attribute: hipLaunchAttributeID) -> Result<hipLaunchAttributeValue, hipError_t> {
    if attribute == hipLaunchAttributeID_hipLaunchAttributePriority {
        let mut value = hipLaunchAttributeValue { pad: [0; 64] };
        value.priority = stream.priority;
        return Ok(value);
    }
    if !is_known(attribute) {
        return Err(INVALID);
    }
    let found = lock(&stream.attributes.values).get(&attribute).copied();
    let mut value = hipLaunchAttributeValue { pad: found.unwrap_or([0; 64]) };
    if found.is_none() && attribute == hipLaunchAttributeID_hipLaunchAttributeSynchronizationPolicy {
        value.syncPolicy = hipSynchronizationPolicy_hipSyncPolicyAuto;
    }
    Ok(value)
}

api! {
    /// A number that no other stream of the process has.
    fn hipStreamGetId(stream: hipStream_t, id: *mut c_ulonglong) {
        let stream = stream::resolve(stream)?;
        // SAFETY: the caller's out-parameter.
        unsafe { put(id, stream.number) }
    }
    /// An attribute of a stream.
    fn hipStreamGetAttribute(
        stream: hipStream_t, attribute: hipLaunchAttributeID, value: *mut hipLaunchAttributeValue,
    ) {
        let found = get(&*stream::resolve(stream)?, attribute)?;
        // SAFETY: the caller's out-parameter.
        unsafe { put(value, found) }
    }
    /// Tells a stream an attribute. The priority is that of the stream's creation.
    fn hipStreamSetAttribute(
        stream: hipStream_t, attribute: hipLaunchAttributeID, value: *const hipLaunchAttributeValue,
    ) {
        let stream = stream::resolve(stream)?;
        if value.is_null() || !is_known(attribute) {
            return Err(INVALID);
        }
        // SAFETY: the caller's union, not null, whose widest member is its bytes.
        let bytes = unsafe { (*value).pad };
        lock(&stream.attributes.values).insert(attribute, bytes);
        Ok(())
    }
    /// Tells a stream what another one was told.
    fn hipStreamCopyAttributes(target: hipStream_t, source: hipStream_t) {
        let (target, source) = (stream::resolve(target)?, stream::resolve(source)?);
        let values = lock(&source.attributes.values).clone();
        *lock(&target.attributes.values) = values;
        Ok(())
    }
    /// A blocking stream whose work may use some compute units only; here it is remembered.
    fn hipExtStreamCreateWithCUMask(target: *mut hipStream_t, words: u32, mask: *const u32) {
        if target.is_null() {
            return Err(hipError_t::hipErrorInvalidHandle);
        }
        if mask.is_null() || words == 0 {
            return Err(INVALID);
        }
        let mut units = [0; MASK_WORDS];
        for (index, word) in units.iter_mut().enumerate().take(words as usize) {
            // SAFETY: the caller's list has `words` entries.
            *word = unsafe { *mask.add(index) };
        }
        let attributes = Attributes { units: Some(units), ..Attributes::default() };
        let stream = Stream::with_attributes(current().clone(), attributes);
        // SAFETY: the caller's out-parameter, not null.
        unsafe { put(target, runtime().streams.insert(Arc::new(stream))) }
    }
    /// The compute units that a stream's work may use: all, unless it was created with a mask.
    fn hipExtStreamGetCUMask(stream: hipStream_t, words: u32, mask: *mut u32) {
        if mask.is_null() || (words as usize) < MASK_WORDS {
            return Err(INVALID);
        }
        let units = stream::resolve(stream)?.attributes.units.unwrap_or([u32::MAX; MASK_WORDS]);
        for (index, word) in units.into_iter().enumerate() {
            // SAFETY: the caller's list has at least as many entries.
            unsafe { mask.add(index).write(word) };
        }
        Ok(())
    }
    /// Managed memory is everyone's: what may be attached makes no difference.
    fn hipStreamAttachMemAsync(stream: hipStream_t, pointer: *mut c_void, bytes: usize, flags: c_uint) {
        let resolved = stream::resolve(stream)?;
        let single = flags == ATTACH[2] && resolved.is_null();
        if pointer.is_null() || single || !ATTACH.contains(&flags) {
            return Err(INVALID);
        }
        let (_, allocation) = owner(pointer as Address).ok_or(INVALID)?;
        let whole = bytes == 0 || bytes as u64 == allocation.bytes;
        if allocation.kind != AllocationKind::Managed || !whole {
            return Err(INVALID);
        }
        Ok(())
    }
}
