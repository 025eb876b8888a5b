//! The code objects of this repository, read by our disassembler and by LLVM's.

use std::path::{Path, PathBuf};
use std::process::Command;

use mi355x::code::CodeObject;
use mi355x::kernels::Kernels;
use mi355x::registry::Instance;
use rocm_toolchain::Search;

/// Every instruction as `(address, text)`, by llvm-objdump.
fn objdump(instance: &Instance) -> Vec<(u64, String)> {
    let toolchain = rocm_toolchain::find(&Search::from_env(Path::new(env!("CARGO_MANIFEST_DIR")))).unwrap();
    let tool: PathBuf = toolchain.llvm_tool("llvm-objdump").expect("the toolchain has llvm-objdump");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kernel.co");
    std::fs::write(&file, &instance.code_object).unwrap();
    let out = Command::new(tool).args(["-d", "--mcpu=gfx950"]).arg(&file).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    // `\tv_mov_b32_e32 v1, v0      // 000000001600: 7E020300`: the comment has the address.
    String::from_utf8(out.stdout)
        .unwrap()
        .lines()
        .filter_map(|line| {
            let (text, comment) = line.strip_prefix('\t')?.split_once("// ")?;
            let address = u64::from_str_radix(comment.split(':').next()?, 16).ok()?;
            Some((address, text.split_whitespace().collect::<Vec<_>>().join(" ")))
        })
        .collect()
}

/// The same by the project's own decoder, at the addresses where LLVM sees instructions.
fn decoded(instance: &Instance, addresses: &[u64]) -> Vec<String> {
    let text = text_section(&instance.code_object);
    addresses
        .iter()
        .map(|address| {
            let at = usize::try_from(address - text.0).unwrap();
            let inst = cdna4::decode(&text.1[at..])
                .unwrap_or_else(|e| panic!("{} at {address:#x}: {e}", instance.path()));
            inst.text(*address).split_whitespace().collect::<Vec<_>>().join(" ")
        })
        .collect()
}

/// Address and bytes of `.text`.
fn text_section(elf: &[u8]) -> (u64, Vec<u8>) {
    use object::{Object, ObjectSection};
    let file = object::File::parse(elf).unwrap();
    let section = file.section_by_name(".text").unwrap();
    (section.address(), section.data().unwrap().to_vec())
}

#[test]
fn every_instruction_reads_as_llvm_reads_it() {
    let mut instructions = 0;
    for instance in &Kernels::built_in().instances {
        let theirs = objdump(instance);
        assert!(theirs.len() > 20, "{}: {} instructions", instance.path(), theirs.len());
        let addresses: Vec<u64> = theirs.iter().map(|(address, _)| *address).collect();
        let ours = decoded(instance, &addresses);
        for ((address, theirs), ours) in theirs.iter().zip(&ours) {
            assert_eq!(ours, theirs, "{} at {address:#x}", instance.path());
        }
        instructions += theirs.len();
    }
    println!("{instructions} instructions of {} kernels", Kernels::built_in().instances.len());
}

#[test]
fn listings_are_llvms_with_labels_for_branch_offsets() {
    let mut branches = 0;
    for instance in &Kernels::built_in().instances {
        let theirs = objdump(instance);
        let object = CodeObject::parse(Path::new("kernel.co"), &instance.code_object).unwrap();
        let (routine, note) = object.kernel(Some(&instance.symbol)).unwrap();
        assert_eq!(note.vgpr_count, instance.resources.vgprs);
        let listing = routine.listing();
        let mut theirs = theirs.iter().skip_while(|(address, _)| *address != routine.address);
        for line in listing.lines() {
            let (address, text) = theirs.next().expect("LLVM sees as many instructions");
            assert_eq!(*address, routine.address + line.offset, "{}", instance.path());
            let ours = line.text.split_whitespace().collect::<Vec<_>>().join(" ");
            let Some((mnemonic, label)) = ours.rsplit_once(' ').filter(|(_, last)| last.starts_with('L'))
            else {
                assert_eq!(ours, *text, "{} at {address:#x}", instance.path());
                continue;
            };
            // LLVM shows the distance in words from the next instruction, as 16 bits.
            let words: u16 = text.strip_prefix(mnemonic).unwrap().trim().parse().unwrap();
            let target = (line.offset + 4).wrapping_add_signed(i64::from(words as i16) * 4);
            let block = listing.blocks.iter().find(|b| b.label == label).unwrap();
            assert_eq!(block.lines[0].offset, target, "{} at {address:#x}", instance.path());
            branches += 1;
        }
        let last = listing.blocks.iter().rfind(|b| b.next.is_empty()).unwrap();
        assert_eq!(last.lines.last().unwrap().text, "s_endpgm", "{}", instance.path());
        // Every block is reached: the first by the launch, the others from one before or behind.
        for block in &listing.blocks[1..] {
            let reached = listing.blocks.iter().any(|b| b.next.contains(&block.label));
            assert!(reached, "{}: nothing leads to {}", instance.path(), block.label);
        }
    }
    assert!(branches > 100, "{branches}");
}

#[test]
fn the_main_kernel_converts_in_hardware_and_moves_16_bytes_at_a_time() {
    let kernels = Kernels::built_in();
    for name in
        ["mxfp4_bf16_even_raw", "mxfp4_bf16_round_up_shuffled", "mxfp4_f16_even_raw", "mxfp4_f32_even_raw"]
    {
        let instance = kernels.instances.iter().find(|i| i.name == name).unwrap();
        let listing = objdump(instance);
        let count = |prefix: &str| listing.iter().filter(|(_, text)| text.starts_with(prefix)).count();
        assert!(count("v_cvt_scalef32_pk_fp4_") >= 16, "{name}");
        assert!(count("global_load_dwordx4") >= 4, "{name}");
        assert!(count("global_store_dwordx4") >= 1, "{name}");
        assert_eq!((count("scratch_"), count("buffer_"), count("flat_")), (0, 0, 0), "{name}");
        // Arguments are the only other loads.
        assert_eq!(count("global_load_"), count("global_load_dwordx4"), "{name}");
        assert_eq!(instance.resources.scratch_bytes, 0, "{name}");
    }
}
