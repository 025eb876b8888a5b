//! The virtual device's account of a kernel that it stopped.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where and why the virtual device stopped a kernel.
///
/// A real GPU tells little more than "illegal address"; the virtual one names the instruction. Fields
/// that do not apply to the reason are absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct DeviceFault {
    /// Class of the reason, such as `out-of-bounds` or `barrier-divergence`.
    pub kind: String,
    /// The reason in one sentence.
    pub message: String,
    /// Symbol of the kernel.
    pub kernel: Option<String>,
    /// Address of the instruction in device memory, in bytes.
    pub pc: Option<u64>,
    /// Offset of the instruction from the kernel's entry, in bytes; negative in a function before it.
    pub offset: Option<i64>,
    /// The instruction, disassembled.
    pub instruction: Option<String>,
    /// Coordinates of the workgroup.
    pub workgroup: Option<[u32; 3]>,
    /// Index of the wave in its workgroup.
    pub wave: Option<u32>,
    /// EXEC at the instruction: bit n is lane n.
    pub exec: Option<u64>,
    /// The lanes to blame, 0 to 63.
    pub lanes: Vec<u32>,
    /// The device address that was accessed.
    pub address: Option<u64>,
}

impl DeviceFault {
    /// Reads the text of `vhipLastFault`. Unknown fields are passed over.
    ///
    /// # Errors
    /// The JSON parser's, when the text is not an object with these fields.
    pub fn parse(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }

    /// A fault of which only the text is known.
    pub(crate) fn from_text(text: String) -> Self {
        Self { message: text, ..Self::default() }
    }
}

impl fmt::Display for DeviceFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(kernel) = &self.kernel {
            write!(f, " in kernel {kernel}")?;
        }
        match (self.offset, self.pc) {
            (Some(offset), _) if offset < 0 => write!(f, " at -{:#x}", offset.unsigned_abs())?,
            (Some(offset), _) => write!(f, " at +{offset:#x}")?,
            (None, Some(pc)) => write!(f, " at pc {pc:#x}")?,
            (None, None) => {}
        }
        if let Some(instruction) = &self.instruction {
            write!(f, " `{instruction}`")?;
        }
        if let Some([x, y, z]) = self.workgroup {
            write!(f, ", workgroup ({x}, {y}, {z})")?;
        }
        if let Some(wave) = self.wave {
            write!(f, ", wave {wave}")?;
        }
        match self.lanes.as_slice() {
            [] => Ok(()),
            [lane] => write!(f, ", lane {lane}"),
            lanes => write!(f, ", lanes {lanes:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_report_reads_as_one_line() {
        let fault = DeviceFault::parse(
            r#"{"kind": "out-of-bounds", "message": "4-byte store to 0x7000 outside every allocation",
                "kernel": "vadd", "pc": 4128, "offset": 32, "workgroup": [3, 0, 0], "wave": 1, "lanes": [7],
                "instruction": "global_store_dword v[0:1], v2, off", "address": 28672, "later": true}"#,
        )
        .unwrap();
        assert_eq!(
            fault.to_string(),
            "4-byte store to 0x7000 outside every allocation in kernel vadd at +0x20 \
             `global_store_dword v[0:1], v2, off`, workgroup (3, 0, 0), wave 1, lane 7"
        );
        assert_eq!(fault.address, Some(0x7000));
    }

    #[test]
    fn absent_fields_are_left_out() {
        let fault = DeviceFault::parse(r#"{"message": "waves wait at a barrier", "pc": 16}"#).unwrap();
        assert_eq!(fault.to_string(), "waves wait at a barrier at pc 0x10");
        assert!(DeviceFault::parse("[]x").is_err());
    }

    #[test]
    fn a_place_before_the_entry_has_a_sign() {
        let fault = DeviceFault::parse(r#"{"message": "trap 2", "kernel": "k", "offset": -64}"#).unwrap();
        assert_eq!(fault.to_string(), "trap 2 in kernel k at -0x40");
    }
}
