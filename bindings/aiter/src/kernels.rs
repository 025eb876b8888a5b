//! Loaded kernels of one device.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use hip::{Device, Function, Module};

use crate::{Checkout, Result};

/// AITER's kernels on one device, each loaded when it is first needed. Clones share what is loaded.
#[derive(Debug, Clone)]
pub struct Kernels {
    checkout: Checkout,
    device: Device,
    loaded: Arc<Mutex<HashMap<String, Function>>>,
}

impl Kernels {
    /// Nothing loaded yet.
    pub fn new(checkout: &Checkout, device: &Device) -> Self {
        Self { checkout: checkout.clone(), device: device.clone(), loaded: Arc::default() }
    }

    /// Where the objects come from.
    pub fn checkout(&self) -> &Checkout {
        &self.checkout
    }

    /// Where the kernels run.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The kernel `symbol` of the object `relative`, a path below `hsa/gfx950`.
    ///
    /// # Errors
    /// Those of [`Checkout::object`], of loading the object and of finding the symbol in it.
    pub fn function(&self, relative: &str, symbol: &str) -> Result<Function> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let key = format!("{relative}:{symbol}");
        if let Some(function) = loaded.get(&key) {
            return Ok(function.clone());
        }
        let image = self.checkout.object(relative, symbol)?;
        let function = Module::load(&self.device, &image)?.function(symbol)?;
        loaded.insert(key, function.clone());
        Ok(function)
    }
}
