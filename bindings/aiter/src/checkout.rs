//! A checkout of ROCm/aiter on this machine.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// The environment variable that names the checkout.
pub const VARIABLE: &str = "AITER_DIR";

/// How to get a checkout, as a clause of an error message.
pub const ADVICE: &str = "set it to a checkout of ROCm/aiter (git clone https://github.com/ROCm/aiter); only the \
                          folder hsa/gfx950 is used";

/// A folder with AITER's gfx950 manifests and code objects. Read only, and only on demand.
#[derive(Debug, Clone)]
pub struct Checkout {
    objects: PathBuf,
}

impl Checkout {
    /// The checkout that `AITER_DIR` names.
    ///
    /// # Errors
    /// [`Error::NoCheckout`] when the variable is not set or empty, else those of [`at`](Self::at).
    pub fn from_environment() -> Result<Self> {
        match env::var_os(VARIABLE) {
            Some(path) if !path.is_empty() => Self::at(Path::new(&path)),
            _ => Err(Error::NoCheckout),
        }
    }

    /// The checkout in this folder.
    ///
    /// # Errors
    /// [`Error::NotACheckout`] when it has no `hsa/gfx950`.
    pub fn at(path: &Path) -> Result<Self> {
        let objects = path.join("hsa").join("gfx950");
        if !objects.is_dir() {
            return Err(Error::NotACheckout { path: path.to_owned() });
        }
        Ok(Self { objects })
    }

    /// A path below `hsa/gfx950`.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.objects.join(relative)
    }

    /// The text of a file below `hsa/gfx950`.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn text(&self, relative: &str) -> Result<String> {
        let path = self.path(relative);
        fs::read_to_string(&path).map_err(|source| Error::Read { path, source })
    }

    /// The names of the files in a folder below `hsa/gfx950`, sorted.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn names(&self, folder: &str) -> Result<Vec<String>> {
        let path = self.path(folder);
        let read = || -> std::io::Result<Vec<String>> {
            let names =
                fs::read_dir(&path)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
            names.collect()
        };
        let mut names = read().map_err(|source| Error::Read { path: path.clone(), source })?;
        names.sort();
        Ok(names)
    }

    /// The bytes of the code object of a kernel.
    ///
    /// # Errors
    /// [`Error::NoObject`] when the file does not exist, [`Error::Read`] when it cannot be read.
    pub fn object(&self, relative: &str, kernel: &str) -> Result<Vec<u8>> {
        let path = self.path(relative);
        fs::read(&path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => Error::NoObject { kernel: kernel.to_owned(), path },
            _ => Error::Read { path, source },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_objects_is_refused_with_advice() {
        let folder = tempfile::tempdir().unwrap();
        let error = Checkout::at(folder.path()).unwrap_err();
        assert!(matches!(error, Error::NotACheckout { .. }));
        assert!(error.to_string().contains("ROCm/aiter"), "{error}");
    }

    #[test]
    fn a_missing_object_names_kernel_and_path() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("hsa/gfx950")).unwrap();
        let checkout = Checkout::at(folder.path()).unwrap();
        let error = checkout.object("f4gemm/none.co", "kernel_x").unwrap_err();
        assert!(matches!(&error, Error::NoObject { kernel, .. } if kernel == "kernel_x"), "{error}");
        assert!(matches!(checkout.text("none.csv"), Err(Error::Read { .. })));
    }
}
