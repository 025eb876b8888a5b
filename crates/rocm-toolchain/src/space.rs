//! Free disk space, asked before it is needed: a linker that maps its output dies of a signal on a full disk, and no
//! message of its own says why.

use std::path::Path;

use crate::{Error, Result};

/// Fails when the disk of `folder` has less than `needed` bytes free.
pub(crate) fn check_space(folder: &Path, needed: u64) -> Result<()> {
    let stat = rustix::fs::statvfs(folder).map_err(|e| Error::read(folder, e.into()))?;
    let available = stat.f_bavail.saturating_mul(stat.f_frsize);
    if available < needed {
        return Err(Error::NotEnoughSpace {
            path: folder.into(),
            needed_mb: needed.div_ceil(1_000_000),
            available_mb: available / 1_000_000,
        });
    }
    Ok(())
}
