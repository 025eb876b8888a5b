//! Disassembles the code sections of ELF files: `cargo run -p cdna4 --example disasm -- FILE.co`.

use object::{Object, ObjectSection, SectionFlags, elf};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for path in std::env::args().skip(1) {
        let data = std::fs::read(&path)?;
        let file = object::File::parse(&*data)?;
        for section in file.sections() {
            let SectionFlags::Elf { sh_flags, .. } = section.flags() else { continue };
            if sh_flags.0 & elf::SHF_EXECINSTR.0 == 0 {
                continue;
            }
            let bytes = section.data()?;
            println!("\n{path} {}:", section.name()?);
            let mut at = 0;
            while at < bytes.len() {
                let pc = section.address() + at as u64;
                match cdna4::decode(&bytes[at..]) {
                    Ok(inst) => {
                        println!("{pc:#8x}: {}", inst.text(pc));
                        at += inst.size();
                    }
                    Err(error) => {
                        println!("{pc:#8x}: {error}");
                        at += 4;
                    }
                }
            }
        }
    }
    Ok(())
}
