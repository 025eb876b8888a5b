//! Objects of the program that live as long as the graphs that use them.

use std::{
    ffi::{c_uint, c_void},
    sync::{Arc, Mutex},
};

use hip_sys::*;

use crate::{
    api::{api, put},
    command::HostFunction,
    graph,
    runtime::{lock, runtime},
};

const INVALID: hipError_t = hipError_t::hipErrorInvalidValue;

/// An object with a count of references; the last one to go calls its destructor.
pub(crate) struct UserObject {
    data: usize,
    destroy: HostFunction,
    count: Mutex<u64>,
}

impl UserObject {
    fn retain(&self, count: u32) {
        *lock(&self.count) += count as u64;
    }

    /// Whether there were so many references to give up.
    fn release(&self, count: u32) -> bool {
        let mut own = lock(&self.count);
        let Some(left) = own.checked_sub(count as u64) else { return false };
        *own = left;
        drop(own);
        if left == 0 {
            // SAFETY: the program gave this destructor for this object (hipUserObjectCreate).
            unsafe { (self.destroy)(self.data as *mut c_void) };
        }
        true
    }
}

/// References that a graph has.
pub(crate) struct Held {
    object: Arc<UserObject>,
    count: u32,
}

impl Clone for Held {
    fn clone(&self) -> Held {
        self.object.retain(self.count);
        Held { object: self.object.clone(), count: self.count }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // The graph has had them since it was told to retain them.
        let _released = self.object.release(self.count);
    }
}

fn resolve(object: hipUserObject_t) -> Result<Arc<UserObject>, hipError_t> {
    runtime().user_objects.get(object).map_err(|_| INVALID)
}

/// Forgets the handle of an object that is gone.
fn forget_when_gone(handle: hipUserObject_t, object: &UserObject) {
    if *lock(&object.count) == 0 {
        // Whoever came first has removed it.
        let _removed = runtime().user_objects.remove(handle);
    }
}

api! {
    /// An object with `count` references and a destructor, which must not call HIP.
    fn hipUserObjectCreate(
        target: *mut hipUserObject_t, data: *mut c_void, destroy: hipHostFn_t, count: c_uint, flags: c_uint,
    ) {
        let destroy = destroy.ok_or(INVALID)?;
        let no_sync = hipUserObjectFlags_hipUserObjectNoDestructorSync;
        if target.is_null() || data.is_null() || count == 0 || count > i32::MAX as u32 || flags != no_sync {
            return Err(INVALID);
        }
        let object = UserObject { data: data as usize, destroy, count: Mutex::new(count as u64) };
        // SAFETY: the caller's out-parameter, not null.
        unsafe { put(target, runtime().user_objects.insert(Arc::new(object))) }
    }
    /// Adds references.
    fn hipUserObjectRetain(object: hipUserObject_t, count: c_uint) {
        if count == 0 || count > i32::MAX as u32 {
            return Err(INVALID);
        }
        resolve(object)?.retain(count);
        Ok(())
    }
    /// Gives references up.
    fn hipUserObjectRelease(handle: hipUserObject_t, count: c_uint) {
        if count == 0 || count > i32::MAX as u32 {
            return Err(INVALID);
        }
        let object = resolve(handle)?;
        let released = object.release(count);
        forget_when_gone(handle, &object);
        if released { Ok(()) } else { Err(INVALID) }
    }
    /// Gives a graph references: new ones, or with flag 1 the caller's.
    fn hipGraphRetainUserObject(graph: hipGraph_t, object: hipUserObject_t, count: c_uint, flags: c_uint) {
        let moved = hipUserObjectRetainFlags_hipGraphUserObjectMove;
        if count == 0 || count > i32::MAX as u32 || flags & !moved != 0 {
            return Err(INVALID);
        }
        let (graph, object) = (graph::resolve(graph)?, resolve(object)?);
        if flags != moved {
            object.retain(count);
        }
        lock(&graph).objects.push(Held { object, count });
        Ok(())
    }
    /// Gives up references that a graph has.
    fn hipGraphReleaseUserObject(graph: hipGraph_t, handle: hipUserObject_t, count: c_uint) {
        if count == 0 || count > i32::MAX as u32 {
            return Err(INVALID);
        }
        let (graph, object) = (graph::resolve(graph)?, resolve(handle)?);
        let mut gone = Vec::new();
        let mut graph = lock(&graph);
        let own = |held: &Held| Arc::ptr_eq(&held.object, &object);
        let total: u64 = graph.objects.iter().filter(|held| own(held)).map(|held| held.count as u64).sum();
        if total < count as u64 {
            return Err(INVALID);
        }
        let mut rest = count;
        for held in graph.objects.iter_mut().filter(|held| own(held)) {
            let taken = rest.min(held.count);
            held.count -= taken;
            rest -= taken;
        }
        gone.extend(graph.objects.extract_if(.., |held| held.count == 0));
        // A destructor may use the graph's handle.
        drop(graph);
        drop(gone);
        let released = object.release(count);
        forget_when_gone(handle, &object);
        if released { Ok(()) } else { Err(INVALID) }
    }
}
