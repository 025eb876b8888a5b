//! The containers and tables of a code object.

use std::collections::BTreeMap;

use object::Endianness;
use object::elf::{EM_AMDGPU, FileHeader64, SHF_EXECINSTR, SHN_UNDEF, SHT_NOBITS, STT_FUNC};
use object::read::elf::{FileHeader, SectionHeader, Sym};
use rocm_toolchain::KernelNote;

use super::Routine;

/// First bytes of an offload bundle (LLVM, "Clang Offload Bundler", section "Bundled Binary File Layout").
const BUNDLE_MAGIC: &[u8] = b"__CLANG_OFFLOAD_BUNDLE__";
/// The processor in an ELF header's flags, and gfx950 there (LLVM, "ELF Header", EF_AMDGPU_MACH).
const PROCESSOR_MASK: u32 = 0xff;
const GFX950: u32 = 0x4f;
/// Place of `kernel_code_entry_byte_offset` in a kernel descriptor, in bytes.
const ENTRY_OFFSET: u64 = 16;

/// The gfx950 ELF in `bytes`: themselves, or the entry of a bundle.
pub(super) fn unbundle(bytes: &[u8]) -> Result<&[u8], String> {
    if !bytes.starts_with(BUNDLE_MAGIC) {
        return Ok(bytes);
    }
    let cut = || "the bundle's table is cut short".to_owned();
    let number = |at: usize| -> Result<usize, String> {
        let field = at.checked_add(8).and_then(|end| bytes.get(at..end)).ok_or_else(cut)?;
        usize::try_from(u64::from_le_bytes(field.try_into().expect("eight bytes"))).map_err(|_| cut())
    };
    let part =
        |at: usize, size: usize| at.checked_add(size).and_then(|end| bytes.get(at..end)).ok_or_else(cut);
    let mut at = BUNDLE_MAGIC.len();
    let entries = number(at)?;
    at += 8;
    let mut found = Vec::new();
    for _ in 0..entries {
        let (offset, size, name_size) = (number(at)?, number(at + 8)?, number(at + 16)?);
        let name = String::from_utf8_lossy(part(at + 24, name_size)?).into_owned();
        // `hipv4-amdgcn-amd-amdhsa--gfx950:xnack-`: what follows the processor narrows it.
        let target = name.split(':').next().unwrap_or_default();
        if target.starts_with("hip") && target.ends_with(&format!("-{}", rocm_toolchain::ARCH)) {
            return part(offset, size);
        }
        found.push(name);
        at += 24 + name_size;
    }
    Err(format!("the bundle has no {} entry, only {}", rocm_toolchain::ARCH, found.join(", ")))
}

/// That `elf` is code for this GPU.
pub(super) fn check_target(elf: &[u8]) -> Result<(), String> {
    let header = FileHeader64::<Endianness>::parse(elf).map_err(|e| e.to_string())?;
    let endian = header.endian().map_err(|e| e.to_string())?;
    let machine = header.e_machine(endian);
    if machine != EM_AMDGPU {
        return Err(format!("its machine is {}, not AMD's GPUs ({})", machine.0, EM_AMDGPU.0));
    }
    let processor = header.e_flags(endian).0 & PROCESSOR_MASK;
    if processor != GFX950 {
        return Err(format!(
            "it is for the processor {processor:#x} of EF_AMDGPU_MACH, {} is {GFX950:#x}",
            rocm_toolchain::ARCH
        ));
    }
    Ok(())
}

/// The code of every kernel in `notes`, then that of the other functions.
pub(super) fn routines(elf: &[u8], notes: Vec<KernelNote>) -> Result<Vec<Routine>, String> {
    let image = Image::new(elf).map_err(|e| e.to_string())?;
    let mut routines = Vec::new();
    for note in notes {
        let descriptor =
            if note.symbol.is_empty() { format!("{}.kd", note.name) } else { note.symbol.clone() };
        let at =
            *image.descriptors.get(&descriptor).ok_or_else(|| format!("it has no symbol {descriptor}"))?;
        let field = image.bytes(at.wrapping_add(ENTRY_OFFSET), 8);
        let field = field.ok_or_else(|| format!("the descriptor {descriptor} lies in no section"))?;
        let offset = i64::from_le_bytes(field.try_into().expect("eight bytes"));
        let address = at.wrapping_add_signed(offset);
        let code = image
            .code(address)
            .ok_or_else(|| format!("the entry of {} lies outside the code, at {address:#x}", note.name))?;
        routines.push(Routine { name: note.name.clone(), note: Some(note), address, code });
    }
    for (&address, (name, _)) in &image.functions {
        if routines.iter().all(|r| r.address != address)
            && let Some(code) = image.code(address)
        {
            routines.push(Routine { name: name.clone(), note: None, address, code });
        }
    }
    Ok(routines)
}

/// What an address of the object stands for.
struct Image<'a> {
    /// Loaded sections: address, bytes, whether they are code.
    sections: Vec<(u64, &'a [u8], bool)>,
    /// Functions by address: symbol and size, 0 when it is not known.
    functions: BTreeMap<u64, (String, u64)>,
    /// Addresses of everything else that is named.
    descriptors: BTreeMap<String, u64>,
}

impl<'a> Image<'a> {
    fn new(elf: &'a [u8]) -> object::Result<Self> {
        let header = FileHeader64::<Endianness>::parse(elf)?;
        let endian = header.endian()?;
        let table = header.sections(endian, elf)?;
        let mut image =
            Self { sections: Vec::new(), functions: BTreeMap::new(), descriptors: BTreeMap::new() };
        for section in table.iter().filter(|s| s.sh_addr(endian) != 0 && s.sh_type(endian) != SHT_NOBITS) {
            let executable = section.sh_flags(endian).0 & SHF_EXECINSTR.0 != 0;
            image.sections.push((section.sh_addr(endian), section.data(endian, elf)?, executable));
        }
        for kind in [object::elf::SHT_DYNSYM, object::elf::SHT_SYMTAB] {
            let symbols = table.symbols(endian, elf, kind)?;
            for symbol in symbols.iter() {
                if symbol.st_shndx(endian) == SHN_UNDEF {
                    continue;
                }
                let name = String::from_utf8_lossy(symbol.name(endian, symbols.strings())?).into_owned();
                let (address, size) = (symbol.st_value(endian), symbol.st_size(endian));
                if symbol.st_type() == STT_FUNC {
                    image.functions.insert(address, (name, size));
                } else {
                    image.descriptors.insert(name, address);
                }
            }
        }
        Ok(image)
    }

    fn bytes(&self, address: u64, size: usize) -> Option<&'a [u8]> {
        self.sections.iter().find_map(|(start, data, _)| {
            let at = usize::try_from(address.checked_sub(*start)?).ok()?;
            data.get(at..at.checked_add(size)?)
        })
    }

    /// From `address` to the function's end; without a size, to the next function or the section's end.
    fn code(&self, address: u64) -> Option<Vec<u8>> {
        let section = self.sections.iter().find(|(start, data, executable)| {
            *executable && address.checked_sub(*start).is_some_and(|at| at < data.len() as u64)
        })?;
        let rest = &section.1[usize::try_from(address - section.0).ok()?..];
        let stated = self.functions.get(&address).map_or(0, |(_, size)| *size);
        let next = self
            .functions
            .range(address.checked_add(1)?..)
            .next()
            .map_or(u64::MAX, |(next, _)| next - address);
        let size = if stated > 0 { stated } else { next };
        Some(rest[..rest.len().min(usize::try_from(size).unwrap_or(usize::MAX))].to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = BUNDLE_MAGIC.to_vec();
        bytes.extend((entries.len() as u64).to_le_bytes());
        let table: usize = entries.iter().map(|(name, _)| 24 + name.len()).sum();
        let mut offset = bytes.len() + table;
        for (name, image) in entries {
            for field in [offset, image.len(), name.len()] {
                bytes.extend((field as u64).to_le_bytes());
            }
            bytes.extend(name.as_bytes());
            offset += image.len();
        }
        entries.iter().for_each(|(_, image)| bytes.extend(*image));
        bytes
    }

    #[test]
    fn the_entry_of_this_gpu_is_taken_from_a_bundle() {
        let entries: [(&str, &[u8]); 3] = [
            ("host-x86_64-unknown-linux-gnu-", b""),
            ("hipv4-amdgcn-amd-amdhsa--gfx942", b"other"),
            ("hipv4-amdgcn-amd-amdhsa--gfx950:xnack-", b"right"),
        ];
        let whole = bundle(&entries);
        assert_eq!(unbundle(&whole).unwrap(), b"right");
        let error = unbundle(&bundle(&entries[..2])).unwrap_err();
        assert!(error.contains("no gfx950 entry") && error.contains("gfx942"), "{error}");
        for end in BUNDLE_MAGIC.len()..whole.len() {
            assert!(unbundle(&whole[..end]).is_err(), "{end}");
        }
        assert_eq!(unbundle(b"anything").unwrap(), b"anything");
    }

    #[test]
    fn other_machines_are_refused() {
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let error = check_target(&program).unwrap_err();
        assert!(error.contains("not AMD's GPUs"), "{error}");
        assert!(check_target(b"text").is_err());
    }
}
