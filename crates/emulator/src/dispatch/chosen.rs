//! Some workgroups of a launch, one after the other, for observers that need no more.

use super::{Kernel, Launch, LaunchError, Refusal, job::Room, ready::Ready};
use crate::{fault::FaultKind, memory::Memory, observe::Observer, trace::Needs};

/// Runs the workgroups at these coordinates. If `may_stop`, an observer that returns [`FaultKind::Budget`] ends its
/// workgroup and not the launch; use short turns then, so that the waves have come equally far.
///
/// # Errors
/// A launch that cannot start, and the first fault.
pub(crate) fn run_chosen<O: Observer>(
    memory: &Memory,
    kernel: &Kernel<'_>,
    launch: &Launch<'_>,
    workgroups: &[[u32; 3]],
    may_stop: bool,
    observer: &mut O,
) -> Result<Needs, LaunchError> {
    let ready = Ready::new(memory, kernel, launch, None)?;
    let (shape, scratch, view) = (&ready.shape, ready.scratch()?, memory.view());
    let job = ready.job(kernel, launch, None);
    let mut room = Room::new(shape);
    let [x, y, z] = launch.grid.map(u64::from);
    for at in workgroups {
        let [i, j, k] = at.map(u64::from);
        if i >= x || j >= y || k >= z {
            return Err(Refusal::NoWorkgroup { workgroup: *at, grid: launch.grid }.into());
        }
        match job.one((k * y + j) * x + i, &mut room, &view, scratch.as_ref(), observer) {
            Err(fault) if may_stop && matches!(fault.kind, FaultKind::Budget { .. }) => {}
            other => other.map_err(LaunchError::Fault)?,
        }
    }
    Ok(Needs {
        waves: shape.waves,
        lds_bytes: shape.lds_bytes,
        vgprs: (shape.arch_vgprs + shape.acc_vgprs) as u32,
        scratch_bytes: shape.private_bytes,
    })
}
