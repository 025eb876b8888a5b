//! `mi355x disasm`: kernels of a code object, what they use, their instructions.

use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::code::{CodeObject, Listing, Routine};
use crate::report;
use crate::{Result, exit};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A gfx950 code object, or an offload bundle with one
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only this kernel, without the functions that it may call
    #[arg(long, value_name = "NAME")]
    kernel: Option<String>,
    /// Print kernels, resources and parameters, and no instructions
    #[arg(long)]
    list: bool,
    /// Print one JSON document instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Document {
    file: String,
    routines: Vec<Described>,
}

#[derive(Debug, Serialize)]
struct Described {
    name: String,
    /// Absent for a function that is no kernel.
    resources: Option<crate::registry::Resources>,
    parameters: Vec<Parameter>,
    address: u64,
    bytes: usize,
    instructions: usize,
    matrix_instructions: usize,
    /// Absent with `--list`.
    listing: Option<Listing>,
}

#[derive(Debug, Serialize)]
struct Parameter {
    name: String,
    offset: u32,
    size: u32,
    kind: String,
}

pub(super) fn run(arguments: &Arguments) -> Result<u8> {
    let object = CodeObject::read(&arguments.file)?;
    let routines: Vec<&Routine> = match &arguments.kernel {
        Some(name) => vec![object.kernel(Some(name))?.0],
        None => object.routines.iter().collect(),
    };
    let routines = routines.into_iter().map(|routine| Described::of(routine, arguments.list)).collect();
    let document = Document { file: arguments.file.display().to_string(), routines };
    if arguments.json {
        report::print_json("disasm", &document)?;
    } else {
        report::print(&render(&document))?;
    }
    Ok(exit::SUCCESS)
}

impl Described {
    fn of(routine: &Routine, list: bool) -> Self {
        let listing = routine.listing();
        let parameters = routine.note.iter().flat_map(|note| note.explicit_args()).map(|p| Parameter {
            name: p.name.clone(),
            offset: p.offset,
            size: p.size,
            kind: p.kind.clone(),
        });
        Self {
            name: routine.name.clone(),
            resources: routine.note.as_ref().map(crate::kernels::resources_of),
            parameters: parameters.collect(),
            address: routine.address,
            bytes: routine.code.len(),
            instructions: listing.lines().count(),
            matrix_instructions: listing.matrix_instructions(),
            listing: (!list).then_some(listing),
        }
    }
}

fn render(document: &Document) -> String {
    let header = [
        "kernel",
        "VGPR",
        "AGPR",
        "SGPR",
        "LDS B",
        "scratch B",
        "spills",
        "waves/SIMD",
        "work-items",
        "bytes",
        "instructions",
        "matrix",
    ];
    let rows = document.routines.iter().map(|routine| {
        let mut row = vec![match routine.resources {
            Some(_) => routine.name.clone(),
            None => format!("{} (function)", routine.name),
        }];
        row.extend(match routine.resources {
            Some(r) => [
                r.vgprs,
                r.agprs,
                r.sgprs,
                r.lds_bytes,
                r.scratch_bytes,
                r.vgpr_spills + r.sgpr_spills,
                r.waves_per_simd,
                r.max_workgroup,
            ]
            .map(|n| n.to_string()),
            None => ["-"; 8].map(str::to_owned),
        });
        row.extend([routine.bytes, routine.instructions, routine.matrix_instructions].map(|n| n.to_string()));
        row
    });
    let mut text = report::table(&header, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], rows);
    for routine in &document.routines {
        if !routine.parameters.is_empty() {
            text += &format!("\nparameters of {}:\n", routine.name);
            let rows = routine.parameters.iter().map(|p| {
                let name = if p.name.is_empty() { "(unnamed)" } else { &p.name };
                vec![name.to_owned(), p.offset.to_string(), p.size.to_string(), p.kind.clone()]
            });
            text += &report::table(&["name", "offset", "bytes", "kind"], &[1, 2], rows);
        }
    }
    for routine in &document.routines {
        if let Some(listing) = &routine.listing {
            text += &format!("\n{}:\n", routine.name);
            write_listing(&mut text, listing);
        }
    }
    text
}

fn write_listing(text: &mut String, listing: &Listing) {
    for block in &listing.blocks {
        let next = match (block.next.as_slice(), block.indirect) {
            (_, true) => "where a register says".to_owned(),
            ([], false) => "end".to_owned(),
            (labels, false) => labels.join(", "),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}:  -> {next}", block.label);
        for line in &block.lines {
            let _ = writeln!(text, "  {:>6x}  {:<17}  {}", line.offset, line.words, line.text);
        }
    }
}
