//! What a kernel must leave alone: gaps between rows, memory around its outputs, its inputs.
//!
//! A right kernel is told, by a problem that does not fit it, that some of what it writes is not its own.

use hip::{Module, Stream};
use mi355x::check::inputs;
use mi355x::device::{DeviceChoice, OpenDevice};
use mi355x::kernels::Kernels;
use mi355x::ops::{self, Addresses, Case, Changed, Fill, Gap, Place, Problem, Resident, Surround, Values};

/// Runs `quantise_mxfp4` on four rows of 64 bf16, with the problem changed by `change`.
fn run(surround: Surround, change: impl FnOnce(&mut Problem)) -> hip::Result<Vec<Changed>> {
    let open = OpenDevice::open(DeviceChoice::Virtual).unwrap();
    let kernels = Kernels::built_in();
    let instance = kernels.select(&["quant/mxfp4_bf16_even_raw".to_owned()]).unwrap()[0];
    let case = Case::new(4, 64, Values::Normal).gap(Gap::Elements(32));
    let mut problem = ops::problem(instance, case).unwrap();
    let tensors = inputs::generate(&problem, "test", 1);
    change(&mut problem);
    let mut resident = Resident::with_surround(&open, &problem, surround)?;
    resident.reset(&problem, &tensors, Fill::nth(0))?;
    let function = Module::load(&open.device, &instance.code_object)?.function(&instance.symbol)?;
    let stream = Stream::null(&open.device);
    resident.launch(&problem, &function, &stream)?;
    stream.synchronize()?;
    let (_, mut changed) = resident.outputs(&problem)?;
    changed.extend(resident.changed_inputs(&problem, &tensors)?);
    Ok(changed)
}

#[test]
fn a_right_kernel_changes_nothing_else() {
    for surround in [Surround::Exact, Surround::Bands] {
        assert_eq!(run(surround, |_| ()).unwrap(), []);
    }
}

#[test]
fn a_store_into_a_gap_is_found() {
    // Half of each row's 32 bytes belongs to the gap now, and of the last row to the band.
    let changed = run(Surround::Bands, |p| p.outputs[0].layout.row_bytes = 16).unwrap();
    let places: Vec<_> = changed.iter().map(|c| (c.tensor, c.place, c.at.as_str(), c.bytes)).collect();
    let gap = ("data", Place::Gap, "byte 16 from the start of row 0", 48);
    assert_eq!(places, [gap, ("data", Place::Guard, "byte 160 of 160", 16)]);
}

#[test]
fn a_store_behind_an_output_is_found_in_its_guard_band() {
    // The fourth row lies behind a buffer of three, a gap of 16 bytes further on.
    let changed = run(Surround::Bands, |p| p.outputs[0].layout.rows = 3).unwrap();
    assert_eq!((changed.len(), changed[0].tensor, changed[0].place), (1, "data", Place::Guard));
    assert_eq!((changed[0].at.as_str(), changed[0].bytes), ("byte 144 of 128", 32));
}

#[test]
fn a_store_into_an_input_is_found() {
    let changed = run(Surround::Exact, |p| {
        let right = std::mem::replace(&mut p.arguments, Box::new(|_| Vec::new()));
        p.arguments = Box::new(move |at| {
            right(&Addresses(&[("x", at.get("x")), ("data", at.get("x")), ("scales", at.get("scales"))]))
        });
    })
    .unwrap();
    assert!(changed.iter().any(|c| c.tensor == "x" && c.place == Place::Input), "{changed:?}");
}
