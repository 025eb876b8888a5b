//! The bytes of a launch's parameters.

use crate::{Error, Kernel, Result};

/// The value of a parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// A device address, in bytes.
    Address(u64),
    /// A number of rows, columns and so on.
    I32(i32),
    /// A factor.
    F32(f32),
}

/// The kernel's parameters as the machine code reads them: in the manifest's order, each aligned to its size, as the
/// metadata of Triton's objects lists them.
///
/// `values` names the parameters of the Python function; `scratch` gives the address for those that Triton appends,
/// from the bytes of a workgroup.
///
/// # Errors
/// [`Error::Argument`] for a value that is missing, of another type, not of this kernel, or not the multiple that the
/// code was compiled for.
pub fn pack(
    kernel: &Kernel,
    values: &[(&str, Value)],
    mut scratch: impl FnMut(u32) -> Result<u64>,
) -> Result<Vec<u8>> {
    let error = |parameter: &str, reason: String| Error::Argument {
        kernel: kernel.name.clone(),
        parameter: parameter.to_owned(),
        reason,
    };
    let mut bytes = Vec::new();
    for argument in &kernel.arguments {
        let value = values.iter().find(|(name, _)| *name == argument.name).map(|(_, value)| *value);
        match (argument.kind.as_str(), value) {
            ("scratch", None) => put(&mut bytes, &scratch(argument.bytes_per_workgroup)?.to_le_bytes()),
            (kind, Some(Value::Address(address))) if kind.starts_with('*') => {
                put(&mut bytes, &address.to_le_bytes());
            }
            ("i32", Some(Value::I32(number))) => {
                if number % argument.multiple_of as i32 != 0 {
                    let reason = format!("{number} is not a multiple of {}", argument.multiple_of);
                    return Err(error(&argument.name, reason));
                }
                put(&mut bytes, &number.to_le_bytes());
            }
            ("fp32", Some(Value::F32(number))) => put(&mut bytes, &number.to_le_bytes()),
            (kind, Some(value)) => return Err(error(&argument.name, format!("{value:?} is not a {kind}"))),
            (kind, None) => return Err(error(&argument.name, format!("no value for a {kind}"))),
        }
    }
    match values.iter().find(|(name, _)| !kernel.arguments.iter().any(|argument| argument.name == *name)) {
        Some((name, _)) => Err(error(name, "the kernel has no such parameter".to_owned())),
        None => Ok(bytes),
    }
}

/// Appends a value at the next multiple of its size.
fn put(bytes: &mut Vec<u8>, value: &[u8]) {
    bytes.resize(bytes.len().next_multiple_of(value.len()), 0);
    bytes.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::Argument;

    fn kernel() -> Kernel {
        let argument = |name: &str, kind: &str, multiple_of, bytes_per_workgroup| Argument {
            name: name.to_owned(),
            kind: kind.to_owned(),
            multiple_of,
            bytes_per_workgroup,
        };
        Kernel {
            name: "k".to_owned(),
            kernel: "k".to_owned(),
            object: "k.hsaco".to_owned(),
            symbol: "k".to_owned(),
            arguments: vec![
                argument("x", "*bf16", 1, 0),
                argument("n", "i32", 16, 0),
                argument("y", "*u8", 1, 0),
                argument("scale", "fp32", 1, 0),
                argument("global_scratch", "scratch", 1, 64),
            ],
            constants: BTreeMap::new(),
            warps: 1,
            shared_bytes: 0,
        }
    }

    const VALUES: [(&str, Value); 4] = [
        ("scale", Value::F32(1.0)),
        ("x", Value::Address(0x1122_3344_5566_7788)),
        ("y", Value::Address(2)),
        ("n", Value::I32(-32)),
    ];

    #[test]
    fn values_go_to_their_natural_places_in_the_manifests_order() {
        let bytes = pack(&kernel(), &VALUES, |bytes| Ok(u64::from(bytes))).unwrap();
        let mut expected = 0x1122_3344_5566_7788_u64.to_le_bytes().to_vec();
        expected.extend((-32_i32).to_le_bytes());
        expected.extend([0; 4]);
        expected.extend(2_u64.to_le_bytes());
        expected.extend(1.0_f32.to_le_bytes());
        expected.extend([0; 4]);
        expected.extend(64_u64.to_le_bytes());
        assert_eq!(bytes, expected);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let refused = |values: &[(&str, Value)]| pack(&kernel(), values, |_| Ok(0)).unwrap_err().to_string();
        let with = |index: usize, value| {
            let mut values = VALUES;
            values[index] = value;
            refused(&values)
        };
        assert!(with(3, ("n", Value::I32(17))).contains("parameter n: 17 is not a multiple of 16"));
        assert!(with(3, ("n", Value::F32(1.0))).contains("parameter n: F32(1.0) is not a i32"));
        assert!(refused(&VALUES[..3]).contains("parameter n: no value for a i32"));
        let more = [&VALUES[..], &[("z", Value::I32(0))]].concat();
        assert!(refused(&more).contains("parameter z: the kernel has no such parameter"));
    }
}
