//! Code objects behind a bare pointer: HIP is given no size, so the headers have to say it.

use std::{ffi::c_void, fs};

use hip_sys::{
    hipError_t,
    image::{self, ImageError},
};

/// First word of the wrapper that hipcc puts before a program's fat binary, "HIPF" (clang, CGCUDANV).
const WRAPPER_MAGIC: u32 = 0x4849_5046;

/// `__CudaFatBinaryWrapper` of clang: magic, version, the binary, an unused pointer.
#[repr(C)]
#[derive(Clone, Copy)]
struct Wrapper {
    magic: u32,
    version: u32,
    binary: *const c_void,
    unused: *const c_void,
}

/// Copies the code object or bundle at `pointer`, looking through a fat binary's wrapper.
///
/// # Errors
/// hipErrorInvalidValue for null, hipErrorInvalidImage for what is no code object or ends (at the end of
/// its memory mapping) before its headers say; stderr has the reason.
///
/// # Safety
/// `pointer` is null, or points into memory that nobody unmaps or changes meanwhile.
pub(crate) unsafe fn read(pointer: *const c_void) -> Result<Vec<u8>, hipError_t> {
    if pointer.is_null() {
        return Err(hipError_t::hipErrorInvalidValue);
    }
    let refuse = |what: String| {
        eprintln!("vhip: the code object at {pointer:p} {what}");
        hipError_t::hipErrorInvalidImage
    };
    let mut start = pointer;
    let mut readable = readable_bytes(start);
    if readable >= size_of::<Wrapper>() {
        // SAFETY: readable for the wrapper's size; integers and pointers have no invalid values.
        let wrapper = unsafe { start.cast::<Wrapper>().read_unaligned() };
        if wrapper.magic == WRAPPER_MAGIC {
            start = wrapper.binary;
            readable = readable_bytes(start);
        }
    }
    let mut bytes = Vec::new();
    let mut needed = 8.min(readable);
    loop {
        let have = bytes.len();
        // SAFETY: `needed` never exceeds what is readable from `start` on.
        bytes.extend_from_slice(unsafe {
            std::slice::from_raw_parts(start.cast::<u8>().add(have), needed - have)
        });
        match image::check(&bytes) {
            Ok(()) if offload::is_endless(&bytes) && needed < readable => needed = readable,
            Ok(()) => return Ok(bytes),
            // A bundle's magic is longer than the first bytes.
            Err(ImageError::Unknown) if have == 0 && needed < 24.min(readable) => needed = 24.min(readable),
            Err(ImageError::Truncated { needed: more }) if more <= readable as u64 => needed = more as usize,
            Err(error) => return Err(refuse(error.to_string())),
        }
    }
}

/// How many bytes from `pointer` on are readable without a gap, as the kernel's list of mappings says.
pub(crate) fn readable_bytes(pointer: *const c_void) -> usize {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    readable_in(&maps, pointer as usize)
}

fn readable_in(maps: &str, address: usize) -> usize {
    let mut end = address;
    for line in maps.lines() {
        let mut fields = line.split_ascii_whitespace();
        let range = fields.next().and_then(|range| range.split_once('-'));
        let Some((from, to)) = range else { continue };
        let (Ok(from), Ok(to)) = (usize::from_str_radix(from, 16), usize::from_str_radix(to, 16)) else {
            continue;
        };
        let is_readable = fields.next().is_some_and(|rights| rights.starts_with('r'));
        // The list is sorted by address.
        if (from..to).contains(&end) {
            if !is_readable {
                break;
            }
            end = to;
        }
    }
    end - address
}
