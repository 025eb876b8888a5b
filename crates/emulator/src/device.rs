//! The virtual device: memory, loaded modules, launches.

use std::sync::Arc;

use crate::{
    code_object::{CodeObject, Descriptor, LoadError},
    dispatch::{self, Launch, LaunchError, LaunchReport, Refusal},
    host::Host,
    ledger,
    memory::{AllocationKind, Memory},
    metadata::KernelInfo,
    program::Program,
};

/// What a device has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceConfig {
    /// Bytes of device memory; host memory backs only what is touched.
    pub memory_bytes: u64,
}

impl Default for DeviceConfig {
    /// An MI355X: 288 GB of HBM3E.
    fn default() -> DeviceConfig {
        DeviceConfig { memory_bytes: 288 << 30 }
    }
}

/// One virtual MI355X. Host threads may share it; launches of several threads run at the same time.
#[derive(Debug)]
pub struct Device {
    memory: Arc<Memory>,
}

impl Device {
    /// A device without allocations.
    pub fn new(config: DeviceConfig) -> Device {
        Device { memory: Arc::new(Memory::new(config.memory_bytes)) }
    }

    /// Its memory.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Places a gfx950 code object (ELF file or offload bundle, compressed or not) into device memory and decodes it.
    ///
    /// # Errors
    /// [`LoadError`] for every image that is broken, foreign or too large.
    pub fn load(&self, image: &[u8]) -> Result<Module, LoadError> {
        let mut object = CodeObject::parse(image)?;
        let base = self.memory.alloc_kind(object.image.len() as u64, AllocationKind::Code)?;
        object.relocate(base);
        let text = object.image[object.text.clone()].to_vec();
        let program = Program::new(base + object.text.start as u64, text, &object.entries);
        let (kernels, descriptors) = object.kernels.into_iter().unzip();
        let module = Module {
            memory: self.memory.clone(),
            base,
            program,
            kernels,
            descriptors,
            globals: object.globals,
            printf: object.printf,
        };
        self.memory.write(base, &object.image)?;
        Ok(module)
    }

    /// Runs a kernel to its end.
    ///
    /// # Errors
    /// [`LaunchError::Invalid`] when it cannot start, [`LaunchError::Fault`] when it goes wrong.
    pub fn launch(
        &self,
        module: &Module,
        kernel: &str,
        launch: &Launch<'_>,
    ) -> Result<LaunchReport, LaunchError> {
        self.launch_with_host(module, kernel, launch, None)
    }

    /// [`Device::launch`], with somebody who answers host calls.
    ///
    /// # Errors
    /// As [`Device::launch`].
    pub fn launch_with_host(
        &self,
        module: &Module,
        kernel: &str,
        launch: &Launch<'_>,
        host: Option<&dyn Host>,
    ) -> Result<LaunchReport, LaunchError> {
        let kernel = self.kernel(module, kernel)?;
        if launch.options.ledger {
            return self.launch_observed(&kernel, launch, host);
        }
        dispatch::run(&self.memory, &kernel, launch, host, || ()).map(|(report, ())| report)
    }

    /// A kernel of a module of this device.
    ///
    /// # Errors
    /// [`Refusal::OtherDevice`], [`Refusal::NoKernel`].
    pub(crate) fn kernel<'a>(&self, module: &'a Module, name: &str) -> Result<dispatch::Kernel<'a>, Refusal> {
        if !Arc::ptr_eq(&self.memory, &module.memory) {
            return Err(Refusal::OtherDevice);
        }
        let Some(index) = module.kernels.iter().position(|info| info.name == name) else {
            return Err(Refusal::NoKernel { kernel: name.to_owned() });
        };
        Ok(dispatch::Kernel {
            info: &module.kernels[index],
            descriptor: module.descriptors[index],
            base: module.base,
            program: &module.program,
        })
    }

    /// The launch with the observers that the options ask for.
    fn launch_observed(
        &self,
        kernel: &dispatch::Kernel<'_>,
        launch: &Launch<'_>,
        host: Option<&dyn Host>,
    ) -> Result<LaunchReport, LaunchError> {
        let ledger = ledger::Book::new(kernel.program);
        let (mut report, watch) = dispatch::run(&self.memory, kernel, launch, host, || ledger.watch())?;
        report.ledger = Some(watch.ledger(kernel.entry()));
        Ok(report)
    }
}

/// A code object in device memory; dropping it frees the memory.
#[derive(Debug)]
pub struct Module {
    memory: Arc<Memory>,
    base: u64,
    program: Program,
    kernels: Vec<KernelInfo>,
    descriptors: Vec<Descriptor>,
    globals: Vec<(String, u64, u64)>,
    printf: Vec<String>,
}

impl Module {
    /// All kernels, in the metadata's order.
    pub fn kernels(&self) -> &[KernelInfo] {
        &self.kernels
    }

    /// One kernel by its mangled name.
    pub fn kernel(&self, name: &str) -> Option<&KernelInfo> {
        self.kernels.iter().find(|info| info.name == name)
    }

    /// The format strings of buffered printf, each "id:count:hash,format" with the hash in hexadecimal.
    pub fn printf_formats(&self) -> &[String] {
        &self.printf
    }

    /// Address and bytes of a device variable.
    pub fn global(&self, name: &str) -> Option<(u64, u64)> {
        let found = self.globals.iter().find(|(global, ..)| global == name);
        found.map(|(_, offset, bytes)| (self.base.wrapping_add(*offset), *bytes))
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        // The allocation is the module's own: it cannot be missing, and there is nobody to tell.
        let _freed = self.memory.free(self.base);
    }
}
