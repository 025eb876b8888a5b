//! Where arguments lie in the kernel-argument segment.

use rocm_toolchain::KernelNote;

use super::Argument;

/// Offset of each argument and the bytes of them all.
pub(super) fn place(note: &KernelNote, arguments: &[Argument]) -> Result<(Vec<usize>, usize), String> {
    let parameters: Vec<_> = note.explicit_args().collect();
    match parameters.as_slice() {
        [] if note.args.is_empty() && note.kernarg_segment_size > 0 => {
            let (offsets, end, _) = as_fields(arguments)?;
            let segment = note.kernarg_segment_size as usize;
            if end > segment {
                return Err(format!("they take {end} bytes, but {} takes {segment}", note.name));
            }
            Ok((offsets, segment))
        }
        [only] if arguments.len() != 1 || arguments[0].size().is_some_and(|n| n != only.size as usize) => {
            let (offsets, end, align) = as_fields(arguments)?;
            let (size, start) = (only.size as usize, only.offset as usize);
            if end.next_multiple_of(align) != size {
                return Err(format!(
                    "as fields of the one parameter of {} they take {} bytes, but it has {size}",
                    note.name,
                    end.next_multiple_of(align)
                ));
            }
            Ok((offsets.into_iter().map(|offset| start + offset).collect(), start + size))
        }
        _ => {
            let fits = parameters.len() == arguments.len()
                && arguments
                    .iter()
                    .zip(&parameters)
                    .all(|(a, p)| a.size().is_none_or(|n| n == p.size as usize));
            if !fits {
                let list: Vec<_> = parameters
                    .iter()
                    .map(|p| format!("{} ({}, {} bytes)", shown(&p.name), p.kind, p.size))
                    .collect();
                let list = if list.is_empty() { "nothing".to_owned() } else { list.join(", ") };
                return Err(format!("{} takes {list}", note.name));
            }
            let end = parameters.iter().map(|p| p.offset as usize + p.size as usize).max().unwrap_or(0);
            Ok((parameters.iter().map(|p| p.offset as usize).collect(), end))
        }
    }
}

/// Offsets as C lays fields out, each aligned to its size; their end and the struct's alignment.
fn as_fields(arguments: &[Argument]) -> Result<(Vec<usize>, usize, usize), String> {
    let (mut offsets, mut end, mut align) = (Vec::new(), 0_usize, 1);
    for argument in arguments {
        let size = argument
            .size()
            .ok_or("_ stands for a parameter of known size, not for a field; write hex=00…")?;
        // Bytes have no alignment of their own: padding is written out.
        let own = if matches!(argument, Argument::Bytes(_)) { 1 } else { size };
        end = end.next_multiple_of(own);
        offsets.push(end);
        end += size;
        align = align.max(own);
    }
    Ok((offsets, end, align))
}

fn shown(name: &str) -> &str {
    if name.is_empty() { "unnamed" } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(parameters: &[(u32, u32, &str)], segment: u32) -> KernelNote {
        let args = parameters.iter().map(|&(offset, size, kind)| rocm_toolchain::Argument {
            name: String::new(),
            offset,
            size,
            kind: kind.into(),
        });
        KernelNote {
            name: "k".into(),
            args: args.collect(),
            kernarg_segment_size: segment,
            ..KernelNote::default()
        }
    }

    fn placed(note: &KernelNote, arguments: &[&str]) -> Result<(Vec<usize>, usize), String> {
        place(note, &arguments.iter().map(|a| a.parse().unwrap()).collect::<Vec<_>>())
    }

    #[test]
    fn parameters_stand_where_the_note_says() {
        let note = note(
            &[(0, 8, "global_buffer"), (8, 4, "by_value"), (16, 8, "by_value"), (24, 4, "hidden_x")],
            280,
        );
        assert_eq!(placed(&note, &["f32x4=zeros", "u32=1", "_"]), Ok((vec![0, 8, 16], 24)));
        for wrong in [&["f32x4=zeros", "u64=1", "_"][..], &["f32x4=zeros"], &[]] {
            let error = placed(&note, wrong).unwrap_err();
            assert!(error.starts_with("k takes unnamed (global_buffer, 8 bytes), "), "{error}");
        }
    }

    #[test]
    fn a_struct_is_given_by_its_fields() {
        let note = note(&[(0, 24, "by_value")], 24);
        assert_eq!(placed(&note, &["u32=1", "f32x4=zeros", "u16=1"]), Ok((vec![0, 8, 16], 24)));
        assert_eq!(
            placed(&note, &["hex=000000000000000000000000000000000000000000000000"]),
            Ok((vec![0], 24))
        );
        let error = placed(&note, &["u32=1", "u32=1"]).unwrap_err();
        assert!(error.contains("8 bytes, but it has 24"), "{error}");
        assert!(placed(&note, &["_", "u32=1"]).is_err());
    }

    #[test]
    fn without_a_table_the_segment_is_the_limit() {
        let note = note(&[], 16);
        assert_eq!(placed(&note, &["u32=1", "u64=1"]), Ok((vec![0, 8], 16)));
        assert!(placed(&note, &["u32=1", "u64=1", "u8=0"]).is_err());
        assert_eq!(placed(&KernelNote::default(), &[]), Ok((vec![], 0)));
        assert!(placed(&KernelNote::default(), &["u8=0"]).is_err());
    }
}
