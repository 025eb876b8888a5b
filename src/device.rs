//! Which device a command works on: a value, never a compile-time choice.

use hip::{Device, DeviceProperties, LibraryChoice, Runtime, RuntimeKind};
use serde::Serialize;

use crate::{Error, Result};

/// What `--device` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum DeviceChoice {
    /// The virtual MI355X
    Virtual,
    /// A real one, through ROCm
    Rocm,
    /// A real one where there is one, else the virtual
    Auto,
}

/// An open runtime and its first MI355X.
#[derive(Clone, Debug)]
pub struct OpenDevice {
    /// The runtime.
    pub runtime: Runtime,
    /// The device.
    pub device: Device,
    /// What it says of itself.
    pub properties: DeviceProperties,
}

/// What every record says about where its numbers come from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeviceRecord {
    /// `virtual` or `rocm`.
    pub kind: String,
    /// Marketing name.
    pub name: String,
    /// Target with its features.
    pub arch: String,
    /// The runtime library's file.
    pub library: String,
    /// The runtime's version.
    pub version: String,
    /// Of the virtual device: which time model, as `vhipInfo` names it.
    pub model: Option<String>,
    /// Whether times are `measured` or `modelled`.
    pub times: &'static str,
}

impl OpenDevice {
    /// Opens the chosen runtime and takes its first gfx950.
    ///
    /// # Errors
    /// [`Error::Runtime`] when there is no usable library, [`Error::NoDevice`] when it has no gfx950.
    pub fn open(choice: DeviceChoice) -> Result<Self> {
        match choice {
            DeviceChoice::Virtual => Self::open_kind(RuntimeKind::Virtual),
            DeviceChoice::Rocm => Self::open_kind(RuntimeKind::Rocm),
            // A machine without ROCm is the usual case, not a failure. The device is named beside every result.
            DeviceChoice::Auto => {
                Self::open_kind(RuntimeKind::Rocm).or_else(|_| Self::open_kind(RuntimeKind::Virtual))
            }
        }
    }

    /// Whether kernels run on the CPU and times are modelled.
    #[must_use]
    pub fn is_virtual(&self) -> bool {
        self.runtime.kind() == RuntimeKind::Virtual
    }

    /// The same device after a kernel was stopped on it. Everything made from it must be dropped.
    ///
    /// # Errors
    /// Those of [`Runtime::reset_device`] and of finding the device again.
    pub fn recover(self) -> Result<Self> {
        let Self { mut runtime, device, properties } = self;
        let ordinal = device.ordinal();
        drop(device);
        runtime.reset_device(ordinal)?;
        Ok(Self { device: runtime.device(ordinal)?, runtime, properties })
    }

    /// What its times are worth; stands beside every number.
    #[must_use]
    pub fn times(&self) -> &'static str {
        if self.is_virtual() { "modelled" } else { "measured" }
    }

    /// The part of a record that says where it comes from.
    ///
    /// # Errors
    /// Those of asking the runtime for its version.
    pub fn record(&self) -> Result<DeviceRecord> {
        let info = self.runtime.virtual_info()?;
        let model = info.and_then(|info| info.get("model")?.as_str().map(str::to_owned));
        Ok(DeviceRecord {
            version: self.runtime.version()?.to_string(),
            model,
            kind: self.runtime.kind().to_string(),
            name: self.properties.name.clone(),
            arch: self.properties.arch.clone(),
            library: self.runtime.library_path().display().to_string(),
            times: self.times(),
        })
    }

    fn open_kind(kind: RuntimeKind) -> Result<Self> {
        let (choice, name) = match kind {
            RuntimeKind::Virtual => (LibraryChoice::Virtual, "virtual"),
            RuntimeKind::Rocm => (LibraryChoice::Rocm, "rocm"),
        };
        let broken = |source| Error::Runtime { kind: name, source };
        let runtime = Runtime::open(&choice).map_err(broken)?;
        if runtime.kind() != kind {
            let found = format!("a {} device", runtime.kind());
            return Err(Error::NoDevice { library: runtime.library_path().to_owned(), found });
        }
        let mut found = Vec::new();
        for device in runtime.devices().map_err(broken)? {
            let properties = device.properties().map_err(broken)?;
            if properties.target() == rocm_toolchain::ARCH {
                return Ok(Self { runtime, device, properties });
            }
            found.push(properties.arch);
        }
        let found = if found.is_empty() { "no device".to_owned() } else { found.join(", ") };
        Err(Error::NoDevice { library: runtime.library_path().to_owned(), found })
    }
}
