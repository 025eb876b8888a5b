//! Whether an ELF file or a code object is as long as its own headers say.
//!
//! Neither the loader nor `hipModuleLoadData` is told a size: both believe the headers, and a file
//! that was cut short ends the process with SIGBUS or is read past its end.

use std::fmt;
use std::ops::Range;

/// What is wrong with an image; completes "the code object of N bytes …".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageError {
    /// The first bytes are those of no container that HIP loads.
    Unknown,
    /// A header field or a header's table points behind the end.
    Truncated {
        /// Bytes the image would need to have.
        needed: u64,
    },
    /// A size or offset in a header overflows.
    Malformed,
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImageError::Unknown => {
                f.write_str("is neither a 64-bit little-endian ELF file nor an offload bundle")
            }
            ImageError::Truncated { needed } => {
                write!(f, "is cut short: its headers describe {needed} bytes; build or copy it again")
            }
            ImageError::Malformed => f.write_str("has headers with sizes that overflow; build it again"),
        }
    }
}

impl std::error::Error for ImageError {}

/// Checks a code object: a bare ELF file, `__CLANG_OFFLOAD_BUNDLE__`, or a compressed `CCOB` bundle.
///
/// # Errors
/// [`ImageError`], when the image is no such container or shorter than its headers say.
pub fn check(data: &[u8]) -> Result<(), ImageError> {
    if data.starts_with(b"\x7fELF") {
        check_elf(data)
    } else if data.starts_with(BUNDLE_MAGIC) {
        check_bundle(data)
    } else if data.starts_with(b"CCOB") {
        check_compressed(data)
    } else {
        Err(ImageError::Unknown)
    }
}

const BUNDLE_MAGIC: &[u8] = b"__CLANG_OFFLOAD_BUNDLE__";

/// Field positions of the ELF-64 header, of its program headers (`p_`) and section headers (`sh_`).
pub(crate) fn check_elf(data: &[u8]) -> Result<(), ImageError> {
    if !data.starts_with(b"\x7fELF\x02\x01") {
        return Err(if data.starts_with(b"\x7fELF") && data.len() < 6 {
            ImageError::Truncated { needed: 64 }
        } else {
            ImageError::Unknown
        });
    }
    let header = part(data, 0, 64)?;
    let (e_phoff, e_shoff) = (u64_at(header, 32), u64_at(header, 40));
    let (e_phentsize, e_phnum) = (u16_at(header, 54), u16_at(header, 56));
    let (e_shentsize, e_shnum) = (u16_at(header, 58), u16_at(header, 60));
    for segment in table(data, e_phoff, e_phentsize, e_phnum, 56)? {
        let (p_offset, p_filesz) = (u64_at(segment, 8), u64_at(segment, 32));
        part(data, p_offset, p_filesz)?;
    }
    const SHT_NOBITS: u32 = 8;
    for section in table(data, e_shoff, e_shentsize, e_shnum, 64)? {
        let (sh_type, sh_offset, sh_size) = (u32_at(section, 4), u64_at(section, 24), u64_at(section, 32));
        if sh_type != SHT_NOBITS {
            part(data, sh_offset, sh_size)?;
        }
    }
    Ok(())
}

/// Magic, number of entries, then per entry offset, size, length of the target's name, the name.
fn check_bundle(data: &[u8]) -> Result<(), ImageError> {
    let mut at = BUNDLE_MAGIC.len() as u64;
    let entries = u64_at(part(data, at, 8)?, 0);
    at += 8;
    for _ in 0..entries {
        let entry = part(data, at, 24)?;
        let (offset, size, name) = (u64_at(entry, 0), u64_at(entry, 8), u64_at(entry, 16));
        part(data, at + 24, name)?;
        at += 24 + name;
        let image = part(data, offset, size)?;
        if image.starts_with(b"\x7fELF") {
            check_elf(image)?;
        }
    }
    Ok(())
}

/// Magic, version and method (u16 each), then the file's size: u32 in version 2, u64 from version 3
/// on. Version 1 does not record it.
fn check_compressed(data: &[u8]) -> Result<(), ImageError> {
    let total = match u16_at(part(data, 4, 4)?, 0) {
        0 | 1 => 8,
        2 => u64::from(u32_at(part(data, 8, 4)?, 0)),
        _ => u64_at(part(data, 8, 8)?, 0),
    };
    part(data, 0, total).map(drop)
}

/// The entries of a header table, none when it is empty.
fn table(
    data: &[u8],
    offset: u64,
    entry: u16,
    count: u16,
    at_least: u16,
) -> Result<impl Iterator<Item = &[u8]>, ImageError> {
    if count > 0 && entry < at_least {
        return Err(ImageError::Malformed);
    }
    let bytes = if count == 0 { &[][..] } else { part(data, offset, u64::from(entry) * u64::from(count))? };
    Ok(bytes.chunks_exact(usize::from(entry).max(1)))
}

/// `size` bytes from `offset`.
fn part(data: &[u8], offset: u64, size: u64) -> Result<&[u8], ImageError> {
    let needed = offset.checked_add(size).ok_or(ImageError::Malformed)?;
    let range = || Some(Range { start: usize::try_from(offset).ok()?, end: usize::try_from(needed).ok()? });
    range().and_then(|range| data.get(range)).ok_or(ImageError::Truncated { needed })
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This test program: a real ELF file with every kind of table.
    fn program() -> Vec<u8> {
        std::fs::read(std::env::current_exe().unwrap()).unwrap()
    }

    #[test]
    fn a_whole_elf_file_passes_and_every_cut_is_noticed() {
        let whole = program();
        assert_eq!(check(&whole), Ok(()));
        for cut in [0, 3] {
            assert_eq!(check(&whole[..cut]), Err(ImageError::Unknown), "cut to {cut} bytes");
        }
        for cut in [4, 5, 6, 63, 64, 100, 4096, whole.len() / 2, whole.len() - 1] {
            let result = check(&whole[..cut]);
            assert!(matches!(result, Err(ImageError::Truncated { .. })), "cut to {cut} bytes: {result:?}");
        }
    }

    #[test]
    fn corrupt_headers_are_errors_never_panics() {
        let mut whole = program();
        whole.truncate(1 << 16);
        for at in 0..64 {
            for value in [0x00, 0x7f, 0xff] {
                let mut corrupt = whole.clone();
                corrupt[at] = value;
                // Only the verdict's existence matters: any header may still happen to fit.
                let _ = check(&corrupt);
            }
        }
        let mut corrupt = program();
        corrupt[32..40].fill(0xff);
        assert_eq!(check(&corrupt), Err(ImageError::Malformed));
    }

    fn bundle(image: &[u8]) -> Vec<u8> {
        let target = b"hipv4-amdgcn-amd-amdhsa--gfx950";
        let mut bytes = BUNDLE_MAGIC.to_vec();
        let offset = BUNDLE_MAGIC.len() + 8 + 24 + target.len();
        for field in [1, offset as u64, image.len() as u64, target.len() as u64] {
            bytes.extend(field.to_le_bytes());
        }
        bytes.extend(target);
        bytes.extend(image);
        bytes
    }

    #[test]
    fn a_bundle_is_checked_down_to_its_images() {
        assert_eq!(check(&bundle(&program())), Ok(()));
        let whole = bundle(b"twelve bytes");
        assert_eq!(check(&whole), Ok(()));
        for cut in BUNDLE_MAGIC.len()..whole.len() {
            assert!(matches!(check(&whole[..cut]), Err(ImageError::Truncated { .. })), "cut to {cut} bytes");
        }
        let cut_inside = bundle(&program()[..5000]);
        assert!(matches!(check(&cut_inside), Err(ImageError::Truncated { .. })));
        let mut endless = BUNDLE_MAGIC.to_vec();
        endless.extend(u64::MAX.to_le_bytes());
        assert!(matches!(check(&endless), Err(ImageError::Truncated { .. })));
        endless.extend([0; 16]);
        endless.extend(u64::MAX.to_le_bytes());
        assert_eq!(check(&endless), Err(ImageError::Malformed));
    }

    #[test]
    fn a_compressed_bundle_knows_its_size() {
        let compressed = |version: u16, size: &[u8], length: usize| {
            let mut bytes = b"CCOB".to_vec();
            bytes.extend(version.to_le_bytes());
            bytes.extend([1, 0]);
            bytes.extend(size);
            bytes.resize(length, 0);
            bytes
        };
        assert_eq!(check(&compressed(3, &40u64.to_le_bytes(), 40)), Ok(()));
        assert_eq!(check(&compressed(2, &40u32.to_le_bytes(), 40)), Ok(()));
        assert_eq!(
            check(&compressed(3, &41u64.to_le_bytes(), 40)),
            Err(ImageError::Truncated { needed: 41 })
        );
        assert_eq!(check(b"CCOB"), Err(ImageError::Truncated { needed: 8 }));
    }

    #[test]
    fn text_is_no_code_object() {
        assert_eq!(check(b"; a listing"), Err(ImageError::Unknown));
        assert_eq!(check(b""), Err(ImageError::Unknown));
    }
}
