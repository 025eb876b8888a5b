//! Buffered printf (`-mprintf-kind=buffered`): the kernel appends to a buffer, the host prints at its end.
//!
//! The buffer is two u32, the bytes that are written and its size, and then entries: a control word, the hash
//! of a constant format or the format itself, the arguments. Control is the entry's bytes times 4, plus 2 for
//! a hash, plus 1 for stderr (LLVM, AMDGPUEmitPrintf; device libraries, `__printf_alloc`). The formats
//! behind the hashes are in the code object's metadata, `amdhsa.printf`.

use emulator::{AllocationKind, MemoryError};

use crate::{
    device::VirtualDevice,
    printf::{self, Target},
    setting,
};

const HEAD: usize = 8;

/// One launch's buffer; what a kernel prints beyond its size (hipLimitPrintfFifoSize) is lost, as on hardware.
pub(crate) struct PrintfBuffer<'a> {
    device: &'a VirtualDevice,
    base: u64,
    bytes: u32,
}

impl<'a> PrintfBuffer<'a> {
    /// An empty one.
    pub(crate) fn new(device: &'a VirtualDevice) -> Result<PrintfBuffer<'a>, MemoryError> {
        let memory = device.emulator.memory();
        let bytes = setting::printf_bytes(device.id).max(HEAD) as u32;
        let base = memory.alloc_kind(bytes as u64, AllocationKind::Code)?;
        memory.write(base + 4, &bytes.to_le_bytes())?;
        Ok(PrintfBuffer { device, base, bytes })
    }

    pub(crate) fn address(&self) -> u64 {
        self.base
    }

    /// Prints the entries; whether there were any.
    pub(crate) fn print(&self, formats: &[String]) -> bool {
        let memory = self.device.emulator.memory();
        let mut used = [0; 4];
        if memory.read(self.base, &mut used).is_err() {
            return false;
        }
        let used = u32::from_le_bytes(used).min(self.bytes - HEAD as u32);
        let mut content = vec![0; used as usize];
        if used == 0 || memory.read(self.base + HEAD as u64, &mut content).is_err() {
            return false;
        }
        let mut rest = content.as_slice();
        while let Some(control) = rest.first_chunk::<4>().map(|bytes| u32::from_le_bytes(*bytes)) {
            let bytes = (control >> 2) as usize;
            let Some(entry) = rest.get(4..bytes) else {
                eprintln!(
                    "vhip: an entry of {bytes} bytes does not fit the {} of the printf buffer",
                    rest.len()
                );
                break;
            };
            let target = if control & 1 == 1 { Target::Error } else { Target::Out };
            show(target, control & 2 != 0, entry, formats);
            rest = &rest[bytes..];
        }
        true
    }
}

impl Drop for PrintfBuffer<'_> {
    fn drop(&mut self) {
        // Its own allocation: nobody else frees it.
        let _freed = self.device.emulator.memory().free(self.base);
    }
}

fn show(target: Target, hashed: bool, entry: &[u8], formats: &[String]) {
    if hashed {
        let Some((hash, arguments)) = entry.split_first_chunk::<8>() else { return };
        let hash = u64::from_le_bytes(*hash);
        match formats.iter().find_map(|format| text_of(format, hash)) {
            Some(format) => {
                printf::print(target, format.as_bytes(), arguments);
            }
            None => eprintln!("vhip: no printf format of the code object has the hash {hash:016x}"),
        }
    } else if let Some(end) = entry.iter().position(|byte| *byte == 0) {
        let arguments = entry.get((end + 1).next_multiple_of(8)..).unwrap_or(&[]);
        printf::print(target, &entry[..end], arguments);
    }
}

/// The format of "id:count:hash,format" if it has this hash.
fn text_of(entry: &str, hash: u64) -> Option<&str> {
    let (head, format) = entry.split_once(',')?;
    let own = u64::from_str_radix(head.rsplit(':').next()?, 16).ok()?;
    (own == hash).then_some(format)
}
