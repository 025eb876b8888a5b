//! The resource note of a code object: what each kernel uses, as the compiler recorded it.
//!
//! The record is a MessagePack map in the ELF note `AMDGPU`/`NT_AMDGPU_METADATA`; its keys are specified in
//! LLVM's "User Guide for AMDGPU Backend", section "Code Object Metadata". Reading it works for any
//! compiler's output and needs no text scraping.

use object::Endianness;
use object::elf::FileHeader64;
use object::read::elf::{FileHeader, SectionHeader};
use rmpv::Value;

use crate::{Error, Result};

/// Note type of the record (LLVM, AMDGPUUsage, "Note Records").
const NT_AMDGPU_METADATA: u32 = 32;

/// What one kernel uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelNote {
    /// Name to look up in the module.
    pub name: String,
    /// Symbol of the kernel descriptor; empty when the compiler recorded none.
    pub symbol: String,
    /// Vector registers per lane, accumulation registers included.
    pub vgpr_count: u32,
    /// Accumulation registers among them.
    pub agpr_count: u32,
    /// Scalar registers per wave.
    pub sgpr_count: u32,
    /// Vector registers spilled to scratch.
    pub vgpr_spill_count: u32,
    /// Scalar registers spilled to vector registers or scratch.
    pub sgpr_spill_count: u32,
    /// LDS bytes per workgroup, without dynamic LDS.
    pub group_segment_fixed_size: u32,
    /// Scratch bytes per lane.
    pub private_segment_fixed_size: u32,
    /// Largest workgroup it was compiled for, in work-items.
    pub max_flat_workgroup_size: u32,
    /// Bytes of the kernel-argument segment, hidden arguments included.
    pub kernarg_segment_size: u32,
    /// Every argument, hidden ones included, in order.
    pub args: Vec<Argument>,
}

/// One kernel argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// The parameter's name; empty when the compiler recorded none.
    pub name: String,
    /// Bytes from the start of the segment.
    pub offset: u32,
    /// Bytes.
    pub size: u32,
    /// `by_value`, `global_buffer`, `hidden_…`.
    pub kind: String,
}

impl KernelNote {
    /// The arguments that the kernel's source declares.
    pub fn explicit_args(&self) -> impl Iterator<Item = &Argument> {
        self.args.iter().filter(|a| !a.kind.starts_with("hidden_"))
    }
}

/// The notes of all kernels in the code object `elf`, in file order.
///
/// # Errors
/// [`Error::CodeObject`] for anything that is not a 64-bit ELF with a well-formed record. Never panics,
/// whatever the bytes.
pub fn read_notes(elf: &[u8]) -> Result<Vec<KernelNote>> {
    let bad = |what: String| Error::CodeObject(what);
    let header = FileHeader64::<Endianness>::parse(elf).map_err(|e| bad(e.to_string()))?;
    let endian = header.endian().map_err(|e| bad(e.to_string()))?;
    let sections = header.sections(endian, elf).map_err(|e| bad(e.to_string()))?;
    for section in sections.iter() {
        let Some(mut notes) = section.notes(endian, elf).map_err(|e| bad(e.to_string()))? else { continue };
        while let Some(note) = notes.next().map_err(|e| bad(e.to_string()))? {
            if note.n_type(endian).0 == NT_AMDGPU_METADATA && note.name() == b"AMDGPU" {
                return kernels(note.desc());
            }
        }
    }
    Err(bad("it has no AMDGPU metadata note".into()))
}

fn kernels(mut record: &[u8]) -> Result<Vec<KernelNote>> {
    // The record nests four maps deep; the limit keeps crafted input from exhausting the stack.
    let value = rmpv::decode::read_value_with_max_depth(&mut record, 32)
        .map_err(|e| Error::CodeObject(format!("its metadata is no MessagePack: {e}")))?;
    let kernels = get(&value, "amdhsa.kernels")
        .and_then(Value::as_array)
        .ok_or_else(|| Error::CodeObject("its metadata has no amdhsa.kernels".into()))?;
    kernels.iter().map(kernel).collect()
}

fn kernel(map: &Value) -> Result<KernelNote> {
    let args = get(map, ".args").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    Ok(KernelNote {
        name: text(map, ".name")?,
        symbol: get(map, ".symbol").and_then(Value::as_str).unwrap_or_default().to_owned(),
        vgpr_count: number(map, ".vgpr_count")?,
        agpr_count: number(map, ".agpr_count").unwrap_or(0),
        sgpr_count: number(map, ".sgpr_count")?,
        vgpr_spill_count: number(map, ".vgpr_spill_count").unwrap_or(0),
        sgpr_spill_count: number(map, ".sgpr_spill_count").unwrap_or(0),
        group_segment_fixed_size: number(map, ".group_segment_fixed_size")?,
        private_segment_fixed_size: number(map, ".private_segment_fixed_size")?,
        max_flat_workgroup_size: number(map, ".max_flat_workgroup_size")?,
        kernarg_segment_size: number(map, ".kernarg_segment_size")?,
        args: args.iter().map(argument).collect::<Result<_>>()?,
    })
}

fn argument(map: &Value) -> Result<Argument> {
    Ok(Argument {
        name: get(map, ".name").and_then(Value::as_str).unwrap_or_default().to_owned(),
        offset: number(map, ".offset")?,
        size: number(map, ".size")?,
        kind: text(map, ".value_kind")?,
    })
}

fn get<'a>(map: &'a Value, key: &str) -> Option<&'a Value> {
    map.as_map()?.iter().find(|(k, _)| k.as_str() == Some(key)).map(|(_, v)| v)
}

fn number(map: &Value, key: &str) -> Result<u32> {
    get(map, key)
        .and_then(Value::as_u64)
        .and_then(|n| u32::try_from(n).ok())
        .ok_or_else(|| Error::CodeObject(format!("its metadata has no number {key}")))
}

fn text(map: &Value, key: &str) -> Result<String> {
    get(map, key)
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| Error::CodeObject(format!("its metadata has no text {key}")))
}
