//! gfx950 code objects: raw ELF, offload bundles of them, and what the loader needs of both.

use object::{
    Endianness,
    elf::{self, FileHeader64, ProgramHeader64},
    read::elf::{FileHeader, ProgramHeader, SectionHeader, Sym},
};
use thiserror::Error;

use crate::metadata::{self, KernelInfo, Metadata};

/// `EF_AMDGPU_MACH` of gfx950.
const MACH_GFX950: u32 = 0x4f;
/// Code objects v4 to v6 of the HSA ABI.
const ABI_VERSIONS: std::ops::RangeInclusive<u8> = 2..=4;
/// No code object is larger; a broken one may claim so.
const MAX_SPAN: u64 = 1 << 32;
const OS_ABI_HSA: u8 = 64;
const BUNDLE_MAGIC: &[u8] = b"__CLANG_OFFLOAD_BUNDLE__";
const NT_AMDGPU_METADATA: u32 = 32;
/// Bytes of a kernel descriptor.
const DESCRIPTOR_BYTES: usize = 64;

/// Relocation types (LLVM, AMDGPUUsage, "Relocation Records").
mod reloc {
    pub(super) const NONE: u32 = 0;
    pub(super) const ABS32_LO: u32 = 1;
    pub(super) const ABS32_HI: u32 = 2;
    pub(super) const ABS64: u32 = 3;
    pub(super) const REL32: u32 = 4;
    pub(super) const REL64: u32 = 5;
    pub(super) const REL32_LO: u32 = 10;
    pub(super) const REL32_HI: u32 = 11;
    pub(super) const RELATIVE64: u32 = 13;
}

/// Why a code object cannot be loaded.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// Neither an ELF file nor an offload bundle.
    #[error(
        "image of {bytes} bytes is neither an ELF file nor a clang offload bundle; give a .co or .hsaco file"
    )]
    NotAnObject {
        /// Its length.
        bytes: usize,
    },
    /// A compressed bundle that does not expand.
    #[error("{0}")]
    Compressed(#[from] offload::ExpandError),
    /// A bundle without a matching entry.
    #[error("offload bundle has no code for gfx950, only for: {}; compile with --offload-arch=gfx950", found.join(", "))]
    NoEntry {
        /// The targets that it has.
        found: Vec<String>,
    },
    /// Code for another processor.
    #[error("code object is for {found}, the device is gfx950; compile with --offload-arch=gfx950")]
    WrongTarget {
        /// What it is for.
        found: String,
    },
    /// An unknown ABI.
    #[error(
        "code object has ELF OS ABI {os_abi} version {version}; the HSA ABI (64) versions 2 to 4 are known (code object v4 to v6)"
    )]
    Abi {
        /// `EI_OSABI`.
        os_abi: u8,
        /// `EI_ABIVERSION`.
        version: u8,
    },
    /// The file contradicts itself or ends early.
    #[error("reading the {what} of the code object: {reason}; the file is truncated or damaged")]
    Malformed {
        /// The part.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The metadata note is unusable.
    #[error("reading the code object's metadata note: {reason}")]
    Metadata {
        /// What is wrong with it.
        reason: String,
    },
    /// Nothing to launch.
    #[error("code object has no kernels")]
    NoKernels,
    /// A kernel without its 64 bytes.
    #[error("kernel {kernel} has no descriptor: symbol {symbol} is missing or lies outside the file")]
    NoDescriptor {
        /// The kernel.
        kernel: String,
        /// Its descriptor's symbol.
        symbol: String,
    },
    /// A kernel that gfx950 cannot run.
    #[error("kernel {kernel} is for wavefronts of {wavefront_size}; gfx950 has 64")]
    Wavefront {
        /// The kernel.
        kernel: String,
        /// Its wavefront size.
        wavefront_size: u32,
    },
    /// An unknown relocation.
    #[error("relocation type {kind} at {offset:#x} is not known for AMDGPU dynamic objects")]
    Relocation {
        /// `ELF64_R_TYPE`.
        kind: u32,
        /// Where.
        offset: u64,
    },
    /// The program needs a symbol that nobody defines.
    #[error("symbol {symbol} is not defined in the code object; link it in")]
    Undefined {
        /// Its name.
        symbol: String,
    },
    /// The device is full.
    #[error("placing the code object: {0}")]
    Memory(#[from] crate::memory::MemoryError),
}

/// The 64 bytes that the command processor reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Descriptor {
    /// Offset in the loaded image.
    pub address: u64,
    /// Offset of the first instruction in the loaded image.
    pub entry: u64,
    pub lds_bytes: u32,
    pub private_bytes: u32,
    pub rsrc1: u32,
    pub rsrc2: u32,
    pub rsrc3: u32,
    /// `kernel_code_properties`.
    pub properties: u16,
    /// Kernarg preload: dwords in bits 6:0, first dword in 15:7.
    pub preload: u16,
}

/// A code object, laid out as it will stand in device memory from address 0 on.
#[derive(Clone, Debug)]
pub(crate) struct CodeObject {
    pub image: Vec<u8>,
    /// The executable part, as offsets into `image`.
    pub text: std::ops::Range<usize>,
    pub kernels: Vec<(KernelInfo, Descriptor)>,
    /// Name, offset, bytes of the data symbols.
    pub globals: Vec<(String, u64, u64)>,
    /// Offsets where code begins.
    pub entries: Vec<u64>,
    /// The format strings of buffered printf.
    pub printf: Vec<String>,
    fixups: Vec<Fixup>,
}

/// A place that depends on the load address.
#[derive(Clone, Copy, Debug)]
struct Fixup {
    offset: u64,
    kind: u32,
    /// Symbol value plus addend, relative to the load address.
    value: u64,
}

impl CodeObject {
    /// Reads an ELF file or picks gfx950's out of a bundle, which may be compressed.
    pub(crate) fn parse(bytes: &[u8]) -> Result<CodeObject, LoadError> {
        let bytes = &*offload::expanded(bytes)?;
        match bytes {
            _ if bytes.starts_with(BUNDLE_MAGIC) => Elf::parse(bundled(bytes)?)?.code_object(),
            _ if bytes.starts_with(&elf::ELFMAG) => Elf::parse(bytes)?.code_object(),
            _ => Err(LoadError::NotAnObject { bytes: bytes.len() }),
        }
    }

    /// Applies the relocations for a load address.
    pub(crate) fn relocate(&mut self, base: u64) {
        for fixup in &self.fixups {
            let value = base.wrapping_add(fixup.value);
            let relative = fixup.value.wrapping_sub(fixup.offset);
            let (bytes, value) = match fixup.kind {
                reloc::ABS32_LO => (4, value),
                reloc::ABS32_HI => (4, value >> 32),
                reloc::REL32 | reloc::REL32_LO => (4, relative),
                reloc::REL32_HI => (4, relative >> 32),
                reloc::REL64 => (8, relative),
                _ => (8, value),
            };
            let at = fixup.offset as usize;
            if let Some(target) = self.image.get_mut(at..at.saturating_add(bytes)) {
                target.copy_from_slice(&value.to_le_bytes()[..bytes]);
            }
        }
    }
}

/// The entry of an uncompressed bundle that is for gfx950.
fn bundled(bytes: &[u8]) -> Result<&[u8], LoadError> {
    let bad = || LoadError::Malformed { what: "offload bundle", reason: "its table leaves the file".into() };
    let mut at = BUNDLE_MAGIC.len();
    let mut take = |n: usize| -> Result<&[u8], LoadError> {
        let slice = bytes.get(at..at.checked_add(n).ok_or_else(bad)?).ok_or_else(bad)?;
        at += n;
        Ok(slice)
    };
    let read = |slice: &[u8]| slice.iter().rev().fold(0u64, |value, byte| value << 8 | *byte as u64);
    let count = read(take(8)?);
    let mut found = Vec::new();
    for _ in 0..count {
        let (offset, size, length) = (read(take(8)?), read(take(8)?), read(take(8)?));
        let target = String::from_utf8_lossy(take(usize::try_from(length).map_err(|_| bad())?)?).into_owned();
        // A bundle's entry has the offload kind in front of the target.
        let (kind, triple) = target.split_once('-').unwrap_or(("", &target));
        let gfx950 = processor(triple).split(':').next() == Some("gfx950");
        if gfx950 && kind != "host" {
            let end = offset.checked_add(size).ok_or_else(bad)?;
            return bytes.get(offset as usize..end as usize).ok_or_else(bad);
        }
        found.push(target);
    }
    Err(LoadError::NoEntry { found })
}

/// A parsed header and the program header table.
struct Elf<'a> {
    bytes: &'a [u8],
    header: &'a FileHeader64<Endianness>,
    segments: &'a [ProgramHeader64<Endianness>],
}

const LE: Endianness = Endianness::Little;

fn malformed(what: &'static str) -> impl Fn(object::Error) -> LoadError {
    move |error| LoadError::Malformed { what, reason: error.to_string() }
}

impl<'a> Elf<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Elf<'a>, LoadError> {
        let header = FileHeader64::<Endianness>::parse(bytes).map_err(malformed("ELF header"))?;
        if header.e_machine.get(LE) != elf::EM_AMDGPU || !header.is_little_endian() {
            return Err(LoadError::WrongTarget {
                found: format!("ELF machine {}", header.e_machine.get(LE).0),
            });
        }
        let ident = header.e_ident();
        if ident.os_abi.0 != OS_ABI_HSA || !ABI_VERSIONS.contains(&ident.abi_version) {
            return Err(LoadError::Abi { os_abi: ident.os_abi.0, version: ident.abi_version });
        }
        let mach = header.e_flags.get(LE).0 & 0xff;
        if mach != MACH_GFX950 {
            return Err(LoadError::WrongTarget { found: machine_name(mach) });
        }
        let segments = header.program_headers(LE, bytes).map_err(malformed("program headers"))?;
        Ok(Elf { bytes, header, segments })
    }

    fn code_object(&self) -> Result<CodeObject, LoadError> {
        let (image, text) = self.layout()?;
        let Metadata { kernels: infos, printf, .. } = self.metadata()?;
        let sections = self.header.sections(LE, self.bytes).map_err(malformed("sections"))?;
        let symbols =
            sections.symbols(LE, self.bytes, elf::SHT_DYNSYM).map_err(malformed("dynamic symbols"))?;
        let (mut globals, mut entries, mut descriptors) = (Vec::new(), Vec::new(), Vec::new());
        for symbol in symbols.iter().filter(|symbol| !symbol.is_undefined(LE)) {
            let name = symbol.name(LE, symbols.strings()).map_err(malformed("symbol names"))?;
            let name = String::from_utf8_lossy(name).into_owned();
            let (value, size) = (symbol.st_value(LE), symbol.st_size(LE));
            match symbol.st_type() {
                elf::STT_FUNC => entries.push(value.wrapping_sub(text.start as u64)),
                elf::STT_OBJECT if name.ends_with(".kd") => descriptors.push((name, value)),
                elf::STT_OBJECT => globals.push((name, value, size)),
                _ => {}
            }
        }
        let mut kernels = Vec::new();
        for info in infos {
            let found = descriptors.iter().find(|(name, _)| *name == info.symbol);
            let descriptor =
                found.and_then(|(_, address)| Descriptor::read(&image, *address)).ok_or_else(|| {
                    LoadError::NoDescriptor { kernel: info.name.clone(), symbol: info.symbol.clone() }
                })?;
            if descriptor.properties & WAVE32 != 0 || !matches!(info.wavefront_size, 0 | 64) {
                return Err(LoadError::Wavefront { kernel: info.name, wavefront_size: info.wavefront_size });
            }
            entries.push(descriptor.entry.wrapping_sub(text.start as u64));
            kernels.push((info, descriptor));
        }
        if kernels.is_empty() {
            return Err(LoadError::NoKernels);
        }
        let mut fixups = Vec::new();
        for section in sections.iter() {
            let Some((table, _)) = section.rela(LE, self.bytes).map_err(malformed("relocations"))? else {
                continue;
            };
            for entry in table {
                let (kind, offset) = (entry.r_type(LE, false).0, entry.r_offset.get(LE));
                let symbol = entry.r_sym(LE, false);
                let addend = entry.r_addend.get(LE) as u64;
                let value = match kind {
                    reloc::NONE => continue,
                    reloc::RELATIVE64 => addend,
                    reloc::ABS32_LO
                    | reloc::ABS32_HI
                    | reloc::ABS64
                    | reloc::REL32
                    | reloc::REL32_LO
                    | reloc::REL32_HI
                    | reloc::REL64 => {
                        let symbol = symbols
                            .symbol(object::SymbolIndex(symbol as usize))
                            .map_err(malformed("relocated symbols"))?;
                        if symbol.is_undefined(LE) {
                            let name = symbol.name(LE, symbols.strings()).unwrap_or(b"");
                            return Err(LoadError::Undefined {
                                symbol: String::from_utf8_lossy(name).into_owned(),
                            });
                        }
                        symbol.st_value(LE).wrapping_add(addend)
                    }
                    kind => return Err(LoadError::Relocation { kind, offset }),
                };
                fixups.push(Fixup { offset, kind, value });
            }
        }
        Ok(CodeObject { image, text, kernels, globals, entries, printf, fixups })
    }

    /// The loadable segments at their addresses, and the executable range.
    fn layout(&self) -> Result<(Vec<u8>, std::ops::Range<usize>), LoadError> {
        let bad = |reason: &str| LoadError::Malformed { what: "segments", reason: reason.into() };
        let mut image = Vec::new();
        let mut text = 0..0;
        for segment in self.segments.iter().filter(|segment| segment.p_type(LE) == elf::PT_LOAD) {
            let data = segment.data(LE, self.bytes).map_err(|()| bad("a segment leaves the file"))?;
            let (start, length) = (segment.p_vaddr(LE), segment.p_memsz(LE).max(data.len() as u64));
            let end = start
                .checked_add(length)
                .filter(|end| *end <= MAX_SPAN)
                .ok_or_else(|| bad("a segment lies beyond 4 GiB"))?;
            // What a segment does not bring is zero; a damaged header must not make us fill gigabytes.
            if length > data.len() as u64 + MAX_ZEROS || start > image.len() as u64 + MAX_ZEROS {
                return Err(bad("a segment leaves a gap of more than 64 MiB"));
            }
            let (start, end) = (start as usize, end as usize);
            if image.len() < end {
                image.resize(end, 0);
            }
            image[start..start + data.len()].copy_from_slice(data);
            if (segment.p_flags(LE) & elf::PF_X).0 != 0 && text.is_empty() {
                text = start..start + data.len();
            }
        }
        if text.is_empty() {
            return Err(bad("no executable segment"));
        }
        Ok((image, text))
    }

    fn metadata(&self) -> Result<Metadata, LoadError> {
        for segment in self.segments {
            let Some(mut notes) = segment.notes(LE, self.bytes).map_err(malformed("notes"))? else {
                continue;
            };
            while let Some(note) = notes.next().map_err(malformed("notes"))? {
                if note.n_type(LE).0 == NT_AMDGPU_METADATA && note.name() == b"AMDGPU" {
                    let metadata = metadata::parse(note.desc())?;
                    let processor = metadata.target.as_deref().map(processor);
                    return match processor {
                        Some(processor) if processor.split(':').next() != Some("gfx950") => {
                            Err(LoadError::WrongTarget { found: processor.to_owned() })
                        }
                        _ => Ok(metadata),
                    };
                }
            }
        }
        Err(LoadError::Metadata { reason: "there is none".into() })
    }
}

/// What stands behind the four parts of a target's triple, features included: `gfx950:xnack-` of
/// `amdgcn-amd-amdhsa--gfx950:xnack-`. Triton's triples have no empty part: `amdgpu9.50-amd-amdhsa-unknown-gfx950`.
fn processor(target: &str) -> &str {
    target.splitn(5, '-').nth(4).unwrap_or(target)
}

/// Zeros that a segment may add.
const MAX_ZEROS: u64 = 64 << 20;

/// `kernel_code_properties`: wave32.
const WAVE32: u16 = 1 << 10;

impl Descriptor {
    fn read(image: &[u8], address: u64) -> Option<Descriptor> {
        let start = usize::try_from(address).ok()?;
        let bytes = image.get(start..start.checked_add(DESCRIPTOR_BYTES)?)?;
        let dword = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let entry = dword(16) as u64 | (dword(20) as u64) << 32;
        Some(Descriptor {
            address,
            entry: address.wrapping_add(entry),
            lds_bytes: dword(0),
            private_bytes: dword(4),
            rsrc3: dword(44),
            rsrc1: dword(48),
            rsrc2: dword(52),
            properties: dword(56) as u16,
            preload: (dword(56) >> 16) as u16,
        })
    }
}

/// The names of the processors that people mix up with gfx950 (LLVM, AMDGPUUsage).
fn machine_name(mach: u32) -> String {
    match mach {
        0x2f => "gfx906".into(),
        0x30 => "gfx908".into(),
        0x3f => "gfx90a".into(),
        0x40 => "gfx940".into(),
        0x4b => "gfx941".into(),
        0x4c => "gfx942".into(),
        0x41 => "gfx1100".into(),
        0x4e => "gfx1201".into(),
        other => format!("AMDGPU machine {other:#x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_stands_behind_every_compilers_triple() {
        let cases = [
            ("amdgcn-amd-amdhsa--gfx950", "gfx950"),
            ("amdgcn-amd-amdhsa--gfx950:sramecc+:xnack-", "gfx950:sramecc+:xnack-"),
            ("amdgpu9.50-amd-amdhsa-unknown-gfx950", "gfx950"),
            ("amdgcn-amd-amdhsa-unknown-gfx9-4-generic", "gfx9-4-generic"),
            ("gfx950", "gfx950"),
        ];
        for (target, expected) in cases {
            assert_eq!(processor(target), expected, "{target}");
        }
    }
}
