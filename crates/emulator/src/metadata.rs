//! The `NT_AMDGPU_METADATA` note: what a code object says about its kernels.

use rmpv::Value;

use crate::code_object::LoadError;

/// What a kernel argument is; the hidden ones are filled by the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the metadata's `.value_kind`")]
pub enum ArgKind {
    ByValue,
    GlobalBuffer,
    DynamicSharedPointer,
    Sampler,
    Image,
    Pipe,
    Queue,
    HiddenBlockCountX,
    HiddenBlockCountY,
    HiddenBlockCountZ,
    HiddenGroupSizeX,
    HiddenGroupSizeY,
    HiddenGroupSizeZ,
    HiddenRemainderX,
    HiddenRemainderY,
    HiddenRemainderZ,
    HiddenGlobalOffsetX,
    HiddenGlobalOffsetY,
    HiddenGlobalOffsetZ,
    HiddenGridDims,
    HiddenDynamicLdsSize,
    HiddenPrivateBase,
    HiddenSharedBase,
    HiddenQueuePtr,
    HiddenHostcallBuffer,
    HiddenPrintfBuffer,
    /// Hidden, and the caller's to fill: the grid's barrier of a cooperative launch.
    HiddenMultigridSyncArg,
    /// Hidden, and zero on the virtual device: heaps.
    HiddenOther,
}

impl ArgKind {
    /// Whether the engine fills it, not the launch.
    pub fn is_hidden(self) -> bool {
        use ArgKind::*;
        !matches!(self, ByValue | GlobalBuffer | DynamicSharedPointer | Sampler | Image | Pipe | Queue)
    }

    fn parse(name: &str) -> ArgKind {
        use ArgKind::*;
        match name {
            "global_buffer" => GlobalBuffer,
            "dynamic_shared_pointer" => DynamicSharedPointer,
            "sampler" => Sampler,
            "image" => Image,
            "pipe" => Pipe,
            "queue" => Queue,
            "hidden_block_count_x" => HiddenBlockCountX,
            "hidden_block_count_y" => HiddenBlockCountY,
            "hidden_block_count_z" => HiddenBlockCountZ,
            "hidden_group_size_x" => HiddenGroupSizeX,
            "hidden_group_size_y" => HiddenGroupSizeY,
            "hidden_group_size_z" => HiddenGroupSizeZ,
            "hidden_remainder_x" => HiddenRemainderX,
            "hidden_remainder_y" => HiddenRemainderY,
            "hidden_remainder_z" => HiddenRemainderZ,
            "hidden_global_offset_x" => HiddenGlobalOffsetX,
            "hidden_global_offset_y" => HiddenGlobalOffsetY,
            "hidden_global_offset_z" => HiddenGlobalOffsetZ,
            "hidden_grid_dims" => HiddenGridDims,
            "hidden_dynamic_lds_size" => HiddenDynamicLdsSize,
            "hidden_private_base" => HiddenPrivateBase,
            "hidden_shared_base" => HiddenSharedBase,
            "hidden_queue_ptr" => HiddenQueuePtr,
            "hidden_hostcall_buffer" => HiddenHostcallBuffer,
            "hidden_printf_buffer" => HiddenPrintfBuffer,
            "hidden_multigrid_sync_arg" => HiddenMultigridSyncArg,
            other if other.starts_with("hidden_") => HiddenOther,
            _ => ByValue,
        }
    }
}

/// One argument in the kernarg segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KernelArg {
    /// Byte offset in the segment.
    pub offset: u32,
    /// Bytes.
    pub size: u32,
    /// What it is.
    pub kind: ArgKind,
}

/// One kernel, as its metadata and descriptor say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelInfo {
    /// Source-level (mangled) name.
    pub name: String,
    /// Symbol of the kernel descriptor: `<name>.kd`.
    pub symbol: String,
    /// Bytes of the kernarg segment, hidden arguments included.
    pub kernarg_size: u32,
    /// Its alignment.
    pub kernarg_align: u32,
    /// The arguments, by offset.
    pub args: Vec<KernelArg>,
    /// Static LDS of a workgroup.
    pub lds_bytes: u32,
    /// Scratch of a lane.
    pub private_bytes: u32,
    /// Whether the scratch that a call tree needs is unknown.
    pub dynamic_stack: bool,
    /// Architectural vector registers in use.
    pub vgprs: u32,
    /// Accumulation registers in use.
    pub agprs: u32,
    /// Scalar registers in use.
    pub sgprs: u32,
    /// Work-items of a workgroup at most.
    pub max_workgroup: u32,
    /// The workgroup size that the kernel was compiled for, if it was for one.
    pub required_workgroup: Option<[u32; 3]>,
    /// 64, or the kernel cannot run on gfx950.
    pub wavefront_size: u32,
}

impl KernelInfo {
    /// Bytes of the explicit arguments: what a launch has to give.
    pub fn explicit_bytes(&self) -> u32 {
        let explicit = self.args.iter().filter(|arg| !arg.kind.is_hidden());
        explicit.map(|arg| arg.offset.saturating_add(arg.size)).max().unwrap_or(0)
    }
}

/// What the note says about the whole code object.
#[derive(Debug)]
pub(crate) struct Metadata {
    pub target: Option<String>,
    pub kernels: Vec<KernelInfo>,
    /// `amdhsa.printf`: the format strings of buffered printf, each "id:count:hash,format".
    pub printf: Vec<String>,
}

/// The note's content.
pub(crate) fn parse(mut note: &[u8]) -> Result<Metadata, LoadError> {
    let bad = |reason: String| LoadError::Metadata { reason };
    let root = rmpv::decode::read_value(&mut note).map_err(|error| bad(error.to_string()))?;
    let target = text(&root, "amdhsa.target");
    let kernels = get(&root, "amdhsa.kernels").and_then(Value::as_array).ok_or(LoadError::NoKernels)?;
    let kernels = kernels.iter().map(kernel).collect::<Option<Vec<_>>>();
    let kernels = kernels.ok_or_else(|| bad("a kernel without .name or .symbol".into()))?;
    let printf = get(&root, "amdhsa.printf").and_then(Value::as_array).into_iter().flatten();
    let printf = printf.filter_map(|format| format.as_str().map(str::to_owned)).collect();
    Ok(Metadata { target, kernels, printf })
}

fn kernel(map: &Value) -> Option<KernelInfo> {
    let args = get(map, ".args").and_then(Value::as_array);
    let mut args: Vec<KernelArg> = args.into_iter().flatten().map(argument).collect();
    args.sort_by_key(|arg| arg.offset);
    let required = get(map, ".reqd_workgroup_size").and_then(Value::as_array).and_then(|sizes| {
        let sizes: Vec<u32> = sizes.iter().filter_map(|size| size.as_u64()?.try_into().ok()).collect();
        sizes.try_into().ok()
    });
    Some(KernelInfo {
        name: text(map, ".name")?,
        symbol: text(map, ".symbol")?,
        kernarg_size: number(map, ".kernarg_segment_size"),
        kernarg_align: number(map, ".kernarg_segment_align"),
        args,
        lds_bytes: number(map, ".group_segment_fixed_size"),
        private_bytes: number(map, ".private_segment_fixed_size"),
        dynamic_stack: get(map, ".uses_dynamic_stack").and_then(Value::as_bool).unwrap_or(false),
        vgprs: number(map, ".vgpr_count").saturating_sub(number(map, ".agpr_count")),
        agprs: number(map, ".agpr_count"),
        sgprs: number(map, ".sgpr_count"),
        max_workgroup: number(map, ".max_flat_workgroup_size"),
        required_workgroup: required,
        wavefront_size: number(map, ".wavefront_size"),
    })
}

fn argument(map: &Value) -> KernelArg {
    let kind = get(map, ".value_kind").and_then(Value::as_str).map_or(ArgKind::ByValue, ArgKind::parse);
    KernelArg { offset: number(map, ".offset"), size: number(map, ".size"), kind }
}

fn get<'a>(map: &'a Value, key: &str) -> Option<&'a Value> {
    map.as_map()?.iter().find(|(name, _)| name.as_str() == Some(key)).map(|(_, value)| value)
}

fn text(map: &Value, key: &str) -> Option<String> {
    get(map, key)?.as_str().map(str::to_owned)
}

/// A count; absent or absurd ones are 0, which later checks refuse where it matters.
fn number(map: &Value, key: &str) -> u32 {
    get(map, key).and_then(Value::as_u64).and_then(|value| value.try_into().ok()).unwrap_or(0)
}
