//! Source lines of instructions, from the DWARF line tables of a code object.

use std::borrow::Cow;
use std::fmt;

use addr2line::gimli::{self, EndianSlice, LittleEndian};
use addr2line::{Context, LookupContinuation, LookupResult};
use object::{Object, ObjectSection};

/// What the line tables of one code object say.
pub struct Lines<'a> {
    context: Option<Context<EndianSlice<'a, LittleEndian>>>,
}

impl fmt::Debug for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("known", &self.context.is_some()).finish()
    }
}

impl<'a> Lines<'a> {
    /// Reads the tables of an ELF; without any, no instruction has a line.
    #[must_use]
    pub fn new(elf: &'a [u8]) -> Self {
        Self { context: context(elf) }
    }

    /// `file:line` of the instruction at an address of the code object; of inlined code the innermost place.
    #[must_use]
    pub fn at(&self, address: u64) -> Option<String> {
        let mut lookup = self.context.as_ref()?.find_frames(address);
        let mut frames = loop {
            match lookup {
                LookupResult::Output(frames) => break frames.ok()?,
                // The tables are not split over files here: there is nothing to load.
                LookupResult::Load { continuation, .. } => lookup = continuation.resume(None),
            }
        };
        let location = frames.next().ok()??.location?;
        let line = location.line.filter(|line| *line > 0)?;
        Some(format!("{}:{line}", location.file?.trim_start_matches("./")))
    }
}

fn context(elf: &[u8]) -> Option<Context<EndianSlice<'_, LittleEndian>>> {
    let file = object::File::parse(elf).ok()?;
    file.section_by_name(".debug_line")?;
    let load = |id: gimli::SectionId| -> Result<EndianSlice<'_, LittleEndian>, gimli::Error> {
        let data = file.section_by_name(id.name()).and_then(|section| section.uncompressed_data().ok());
        // A compressed section would have to be kept alive beside the file; compilers for this target write none.
        let bytes = match data {
            Some(Cow::Borrowed(bytes)) => bytes,
            _ => &[],
        };
        Ok(EndianSlice::new(bytes, LittleEndian))
    };
    Context::from_dwarf(gimli::Dwarf::load(load).ok()?).ok()
}
