//! What holds for a real checkout of AITER; without `AITER_DIR` these tests say that they were skipped.

use std::path::Path;

use aiter::{Checkout, Error, HipSource, MlaMetadata, MlaReduce};

/// The checkout, or `None` and a line that names the skipped test.
fn checkout(test: &str) -> Option<Checkout> {
    match Checkout::from_environment() {
        Ok(checkout) => Some(checkout),
        Err(reason) => {
            eprintln!("skipped {test}: {reason}");
            None
        }
    }
}

/// Every object that a manifest of the known families names is there and is an ELF file for a GPU.
#[test]
fn every_object_of_the_known_manifests_is_an_elf_file() {
    let Some(checkout) = checkout("every_object_of_the_known_manifests_is_an_elf_file") else { return };
    let manifests = [
        ("f4gemm", "f4gemm_bf16_per1x32Fp4.csv", 35),
        ("bf16gemm", "bf16gemm_fp32bf16.csv", 24),
        ("fp8gemm_blockscale", "fp8gemm_bf16_blockscale.csv", 6),
        ("mla", "mla_asm.csv", 68),
        ("topksoftmax", "topksoftmax.csv", 24),
    ];
    for (folder, manifest, rows) in manifests {
        let text = checkout.text(&format!("{folder}/{manifest}")).unwrap();
        let mut lines = text.lines();
        let column = lines.next().unwrap().split(',').position(|name| name == "co_name").unwrap();
        let objects: Vec<_> = lines.filter_map(|line| line.split(',').nth(column)).collect();
        assert_eq!(objects.len(), rows, "{folder}");
        for object in objects {
            let path = format!("{folder}/{object}");
            let bytes = checkout.object(&path, object).unwrap();
            assert_eq!(&bytes[..4], b"\x7fELF", "{path}");
            assert_eq!(u16::from_le_bytes([bytes[18], bytes[19]]), 224, "{path}: EM_AMDGPU");
        }
    }
}

/// AITER's own division and reduction for persistent attention compile to gfx950 objects.
#[test]
fn the_sources_of_metadata_and_reduction_compile() {
    let source = match HipSource::from_environment() {
        Ok(source) => source,
        Err(reason) => {
            eprintln!("skipped the_sources_of_metadata_and_reduction_compile: {reason}");
            return;
        }
    };
    MlaMetadata::compile(&source).unwrap();
    MlaReduce::compile(&source).unwrap();
    let error = source.compile("not C++").unwrap_err();
    assert!(error.to_string().contains("error:"), "{error}");
    assert!(matches!(source.text("kernels/mla/reduce.cu", Some("no such text")), Err(Error::Read { .. })));
}

#[test]
fn an_empty_folder_is_no_checkout() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Checkout::at(folder.path()).is_err());
    assert!(Checkout::at(Path::new("/nonexistent")).is_err());
}
