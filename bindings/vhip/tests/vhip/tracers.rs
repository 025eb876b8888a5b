//! Exported functions that answer something else than an error code.

use std::{
    collections::BTreeSet,
    ffi::{CStr, c_char, c_int, c_uint, c_void},
    ptr,
};

use crate::{rig::Rig, symbols::function};

type NameOf = extern "C" fn(u32) -> *const c_char;

fn text(name: NameOf, id: u32) -> String {
    // SAFETY: the function answers text of the library's own.
    unsafe { CStr::from_ptr(name(id)) }.to_str().unwrap().to_owned()
}

#[test]
fn functions_and_commands_have_names() {
    let rig = Rig::new();
    let api: NameOf = function(&rig, c"hipApiName");
    assert_eq!(text(api, 1), "__hipPopCallConfiguration");
    assert_eq!(text(api, 98), "hipInit");
    assert_eq!(text(api, 435), "hipGetDriverEntryPoint");
    for unnamed in [0, 50, 450, u32::MAX] {
        assert_eq!(text(api, unnamed), "unknown");
    }
    let symbols = include_str!("../../symbols.csv");
    let known: BTreeSet<&str> = symbols.lines().filter_map(|line| Some(line.split_once(',')?.0)).collect();
    let named: Vec<String> = (0..500).map(|id| text(api, id)).filter(|name| name != "unknown").collect();
    assert_eq!(named.len(), 436);
    let strange: Vec<&String> = named.iter().filter(|name| !known.contains(name.as_str())).collect();
    // The headers number it, and the library does not export it.
    assert_eq!(strange, ["hipExternalMemoryGetMappedMipmappedArray"]);

    let command: NameOf = function(&rig, c"hipGetCmdName");
    assert_eq!(text(command, 0), "InternalMarker");
    assert_eq!(text(command, 0x11f0), "KernelExecution");
    assert_eq!(text(command, 0x1207), "FillBuffer");
    assert_eq!(text(command, 0x4502), "StreamWrite");
    assert_eq!(text(command, 7), "Unknown command kind");
}

#[test]
fn halves_are_rounded_to_nearest_even() {
    let rig = Rig::new();
    let wide: extern "C" fn(u16) -> f32 = function(&rig, c"__gnu_h2f_ieee");
    let narrow: extern "C" fn(f32) -> u16 = function(&rig, c"__gnu_f2h_ieee");
    for bits in 0..=u16::MAX {
        let (exact, value) = (half::f16::from_bits(bits), wide(bits));
        assert_eq!(value.is_nan(), exact.is_nan(), "{bits:#x}");
        if !value.is_nan() {
            assert_eq!(value.to_bits(), exact.to_f32_const().to_bits(), "{bits:#x}");
            assert_eq!(narrow(value), bits);
        }
    }
    // Around every half and every midpoint between two.
    for bits in (0..=u32::MAX >> 12).flat_map(|top| [0, 1, 0xfff].map(|low| top << 12 | low)) {
        let value = f32::from_bits(bits);
        let (got, wanted) = (half::f16::from_bits(narrow(value)), half::f16::from_f32_const(value));
        assert!(got.to_bits() == wanted.to_bits() || got.is_nan() && wanted.is_nan(), "{bits:#x}");
    }
}

#[test]
fn channels_are_described_by_their_arguments() {
    let rig = Rig::new();
    let kind = hip_sys::hipChannelFormatKind_hipChannelFormatKindFloat;
    type Create = extern "C" fn(
        c_int,
        c_int,
        c_int,
        c_int,
        hip_sys::hipChannelFormatKind,
    ) -> hip_sys::hipChannelFormatDesc;
    let create: Create = function(&rig, c"hipCreateChannelDesc");
    let made = create(32, 16, 8, 4, kind);
    assert_eq!((made.x, made.y, made.z, made.w, made.f), (32, 16, 8, 4, kind));
}

#[test]
fn the_build_and_the_header_are_empty() {
    let rig = Rig::new();
    let id: extern "C" fn() -> usize = function(&rig, c"amd_dbgapi_get_build_id");
    assert_eq!(id(), 0);
    for name in [c"amd_dbgapi_get_build_name", c"amd_dbgapi_get_git_hash"] {
        let build: extern "C" fn() -> *const c_char = function(&rig, name);
        // SAFETY: text of the library's own.
        assert!(unsafe { CStr::from_ptr(build()) }.is_empty());
    }
    let get: unsafe extern "C" fn(*mut *const c_char, *mut c_uint) = function(&rig, c"__hipGetPCH");
    let (mut header, mut bytes) = (ptr::dangling(), 1);
    // SAFETY: out-parameters, and none.
    unsafe {
        get(&mut header, &mut bytes);
        get(ptr::null_mut(), ptr::null_mut());
    }
    assert!(header.is_null() && bytes == 0);
}

#[test]
fn a_tracer_is_never_called() {
    extern "C" fn never(_: c_uint, _: u32, _: *mut c_void) -> c_int {
        // Not a panic, which must not cross the C ABI.
        std::process::abort()
    }
    let rig = Rig::new();
    type Callback = extern "C" fn(c_uint, u32, *mut c_void) -> c_int;
    let register: extern "C" fn(Option<Callback>) = function(&rig, c"hipRegisterTracerCallback");
    register(Some(never));
    let nothing = rig.module().function("nothing").unwrap();
    let (config, stream) = (hip::LaunchConfig::new(1, 1), hip::Stream::null(&rig.device));
    // SAFETY: no parameters.
    unsafe { nothing.launch_pointers(config, &stream, &[]) }.unwrap();
    register(None);
}
