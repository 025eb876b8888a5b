//! Containers of code objects, whole and broken.

use std::{ffi::c_void, ptr};

use hip::{DeviceBuffer, Error, LaunchConfig, Module, Stream};
use hip_sys::*;

use crate::rig::{Rig, bundle, compressed, elf, ok, raw};

fn runs(rig: &Rig, module: &Module) {
    let out = DeviceBuffer::<i32>::from_slice(&rig.device, &[0; 4]).unwrap();
    let read_table = module.function("read_table").unwrap();
    // SAFETY: one address is the kernel's parameter.
    unsafe { read_table.launch(LaunchConfig::new(1, 4), &Stream::null(&rig.device), &out.address()) }
        .unwrap();
    assert_eq!(out.as_slice().to_vec().unwrap(), [2, 3, 5, 7]);
}

#[test]
fn a_bundle_and_a_bare_elf_file_load() {
    let rig = Rig::new();
    assert!(bundle().starts_with(b"__CLANG_OFFLOAD_BUNDLE__") && elf().starts_with(b"\x7fELF"));
    for image in [bundle(), elf()] {
        runs(&rig, &Module::load(&rig.device, image).unwrap());
    }
}

#[test]
fn a_fat_binary_wrapper_is_looked_through() {
    #[repr(C)]
    struct Wrapper {
        magic: u32,
        version: u32,
        binary: *const c_void,
        unused: *const c_void,
    }
    let rig = Rig::new();
    let wrapper =
        Wrapper { magic: 0x4849_5046, version: 1, binary: bundle().as_ptr().cast(), unused: ptr::null() };
    let (mut module, mut count) = (ptr::null_mut(), 0);
    ok!(rig, hipModuleLoadFatBinary(&mut module, ptr::from_ref(&wrapper).cast()));
    ok!(rig, hipModuleGetFunctionCount(&mut count, module));
    assert_eq!(count, 16);
    ok!(rig, hipModuleUnload(module));
}

#[test]
fn variables_have_an_address() {
    let rig = Rig::new();
    let (mut module, mut address, mut bytes) = (ptr::null_mut(), ptr::null_mut(), 0);
    ok!(rig, hipModuleLoadData(&mut module, bundle().as_ptr().cast()));
    ok!(rig, hipModuleGetGlobal(&mut address, &mut bytes, module, c"table".as_ptr()));
    let mut values = [0i32; 4];
    ok!(rig, hipMemcpyDtoH(values.as_mut_ptr().cast(), address, bytes));
    assert_eq!((values, bytes), ([2, 3, 5, 7], 16));
    assert_eq!(
        raw!(rig, hipModuleGetGlobal(&mut address, &mut bytes, module, c"absent".as_ptr())),
        hipError_t::hipErrorNotFound
    );
}

#[test]
fn a_file_loads_and_a_missing_one_is_named() {
    let rig = Rig::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kernels.co");
    std::fs::write(&path, elf()).unwrap();
    let c_path = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
    let mut module = ptr::null_mut();
    ok!(rig, hipModuleLoad(&mut module, c_path.as_ptr()));
    ok!(rig, hipModuleUnload(module));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(raw!(rig, hipModuleLoad(&mut module, c_path.as_ptr())), hipError_t::hipErrorFileNotFound);
}

#[test]
fn truncated_and_foreign_code_objects_are_errors() {
    let rig = Rig::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.co");
    let c_path = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
    let load = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let mut module = ptr::null_mut();
        raw!(rig, hipModuleLoad(&mut module, c_path.as_ptr()))
    };
    for length in [0, 3, 16, 64, 1000, elf().len() / 2] {
        let status = load(&elf()[..length]);
        assert_eq!(status, hipError_t::hipErrorInvalidImage, "an ELF file of {length} bytes");
    }
    for length in [24, 40, 100, bundle().len() / 2] {
        let status = load(&bundle()[..length]);
        assert_eq!(status, hipError_t::hipErrorInvalidImage, "a bundle of {length} bytes");
    }
    // EF_AMDGPU_MACH of gfx942 in e_flags.
    let mut foreign = elf().to_vec();
    foreign[48] = 0x4c;
    assert_eq!(load(&foreign), hipError_t::hipErrorNoBinaryForGpu);
    // A host program.
    let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    assert_eq!(load(&program), hipError_t::hipErrorNoBinaryForGpu);
    // A bundle without gfx950: the target's name stands in the table.
    let at = bundle().windows(6).position(|name| name == b"gfx950").unwrap();
    let mut other = bundle().to_vec();
    other[at..at + 6].copy_from_slice(b"gfx90a");
    assert_eq!(load(&other), hipError_t::hipErrorNoBinaryForGpu);
    assert_eq!(load(elf()), hipError_t::hipSuccess);
    // In memory no size is given: the crate compares the headers with the slice.
    let error = Module::load(&rig.device, &elf()[..1000]).unwrap_err();
    assert!(matches!(&error, Error::Argument { reason, .. } if reason.contains("is cut short")), "{error}");
}

#[test]
fn an_image_that_ends_with_its_mapping_is_not_read_past_it() {
    // A page of its own, and no page behind it.
    let page = 4096;
    // SAFETY: a fresh anonymous mapping, whose second page is taken away.
    let image = unsafe {
        let (read_write, private) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        let base = libc::mmap(ptr::null_mut(), 2 * page, read_write, private, -1, 0);
        assert_ne!(base, libc::MAP_FAILED);
        assert_eq!(libc::mprotect(base.cast::<u8>().add(page).cast(), page, libc::PROT_NONE), 0);
        base.cast::<u8>()
    };
    let rig = Rig::new();
    for (length, bytes) in [(4096, elf()), (64, elf()), (8, elf()), (4096, bundle()), (24, bundle())] {
        // SAFETY: the bytes end with the readable page.
        let start = unsafe {
            let start = image.add(page - length);
            ptr::copy_nonoverlapping(bytes.as_ptr(), start, length);
            start
        };
        let mut module = ptr::null_mut();
        assert_eq!(
            raw!(rig, hipModuleLoadData(&mut module, start.cast())),
            hipError_t::hipErrorInvalidImage,
            "{length} bytes"
        );
    }
    let mut module = ptr::null_mut();
    assert_eq!(raw!(rig, hipModuleLoadData(&mut module, ptr::null())), hipError_t::hipErrorInvalidValue);
    assert_eq!(
        raw!(rig, hipModuleLoadData(&mut module, 16 as *const c_void)),
        hipError_t::hipErrorInvalidImage
    );
}

/// Loads an image from memory that ends with it.
fn load_from_memory(rig: &Rig, image: &[u8]) -> hipError_t {
    let mut module = ptr::null_mut();
    raw!(rig, hipModuleLoadData(&mut module, image.as_ptr().cast()))
}

/// The same compressed content behind the header of an older version; version 1 does not say where it ends.
fn older(version: u8) -> Vec<u8> {
    let newest = compressed();
    assert!(newest.starts_with(b"CCOB\x03\x00\x01\x00"), "version 3, Zstandard: {:?}", &newest[..8]);
    let bytes = newest.len() as u32 - 32 + 24;
    let mut image = newest[..8].to_vec();
    image[4] = version;
    if version == 2 {
        image.extend(bytes.to_le_bytes());
    }
    image.extend(&newest[16..20]);
    image.extend(&newest[24..]);
    image
}

#[test]
fn compressed_bundles_load() {
    let rig = Rig::new();
    assert!(compressed().len() < bundle().len() / 2);
    runs(&rig, &Module::load(&rig.device, compressed()).unwrap());
    for version in [1, 2] {
        let image = older(version);
        runs(&rig, &Module::load(&rig.device, &image).unwrap());
    }
    // A file is as long as it is.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kernels.co");
    let c_path = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
    // Method 0, which clang writes when it was built without Zstandard.
    let mut zlib = b"CCOB\x02\x00\x00\x00".to_vec();
    let content = miniz_oxide::deflate::compress_to_vec_zlib(bundle(), 6);
    zlib.extend((content.len() as u32 + 24).to_le_bytes());
    zlib.extend((bundle().len() as u32).to_le_bytes());
    zlib.extend([0; 8]);
    zlib.extend(content);
    for image in [compressed(), &older(1), &older(2), &zlib] {
        std::fs::write(&path, image).unwrap();
        let mut module = ptr::null_mut();
        ok!(rig, hipModuleLoad(&mut module, c_path.as_ptr()));
        ok!(rig, hipModuleUnload(module));
    }
}

#[test]
fn damaged_compressed_bundles_are_errors() {
    let rig = Rig::new();
    let invalid = hipError_t::hipErrorInvalidImage;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kernels.co");
    let c_path = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
    let load = |image: &[u8]| {
        std::fs::write(&path, image).unwrap();
        let mut module = ptr::null_mut();
        raw!(rig, hipModuleLoad(&mut module, c_path.as_ptr()))
    };
    for length in [4, 8, 31, 32, 40, compressed().len() / 2, compressed().len() - 1] {
        assert_eq!(load(&compressed()[..length]), invalid, "cut to {length} bytes");
    }
    let damaged = |at: usize, value: u8| {
        let mut image = compressed().to_vec();
        image[at] = value;
        image
    };
    // Version, method, the bundle's size, the stream's magic.
    for (at, value) in [(4, 4), (6, 2), (16, compressed()[16] ^ 1), (32, 0)] {
        assert_eq!(load(&damaged(at, value)), invalid, "byte {at}");
        assert_eq!(load_from_memory(&rig, &damaged(at, value)), invalid, "byte {at}");
    }
    assert_eq!(load(compressed()), hipError_t::hipSuccess);
}
