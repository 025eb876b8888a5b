//! Whole-tensor byte permutations. The index functions are in `numerics::layout`.

use numerics::layout::{GateUpInterleave, WeightShuffle};

use crate::{Error, SCALE_PADDING, ScaleLayout};

/// `[rows, row_bytes]` packed weights into the order of `shuffle_weight((16, 16))`. Rows are a multiple of 16,
/// row_bytes of 32. Stacked experts are one tall matrix.
pub fn shuffle_weights(weights: &[u8], rows: usize, row_bytes: usize) -> Result<Vec<u8>, Error> {
    let layout = weight_layout("shuffle weights", weights, rows, row_bytes)?;
    let mut shuffled = vec![0; layout.len()];
    // Runs of 16 bytes stay together.
    for row in 0..rows {
        for byte in (0..row_bytes).step_by(16) {
            let run = &weights[row * row_bytes + byte..][..16];
            shuffled[layout.index(row, byte)..][..16].copy_from_slice(run);
        }
    }
    Ok(shuffled)
}

/// Inverse of [`shuffle_weights`].
pub fn unshuffle_weights(shuffled: &[u8], rows: usize, row_bytes: usize) -> Result<Vec<u8>, Error> {
    let layout = weight_layout("unshuffle weights", shuffled, rows, row_bytes)?;
    let mut weights = vec![0; layout.len()];
    for row in 0..rows {
        for byte in (0..row_bytes).step_by(16) {
            let run = &shuffled[layout.index(row, byte)..][..16];
            weights[row * row_bytes + byte..][..16].copy_from_slice(run);
        }
    }
    Ok(weights)
}

/// `[rows, row_bytes]` weights, gate rows above up rows, into panels of 16 gate and 16 up rows in turn. Rows are a
/// multiple of 32, row_bytes of 64.
pub fn interleave_gate_up(weights: &[u8], rows: usize, row_bytes: usize) -> Result<Vec<u8>, Error> {
    let operation = "interleave gate and up";
    let layout =
        GateUpInterleave::new(rows, row_bytes).map_err(|source| Error::Layout { operation, source })?;
    check_len(operation, "weights", layout.len(), weights.len())?;
    let mut interleaved = vec![0; layout.len()];
    for row in 0..rows {
        for byte in (0..row_bytes).step_by(16) {
            let run = &weights[row * row_bytes + byte..][..16];
            interleaved[layout.index(row, byte)..][..16].copy_from_slice(run);
        }
    }
    Ok(interleaved)
}

/// `[m, groups]` raw E8M0 bytes into `layout`; padding becomes [`SCALE_PADDING`].
pub fn shuffle_scales(raw: &[u8], m: usize, groups: usize, layout: ScaleLayout) -> Result<Vec<u8>, Error> {
    check_len("shuffle scales", "raw scales", m * groups, raw.len())?;
    let mut scales = vec![SCALE_PADDING; layout.len(m, groups)];
    for row in 0..m {
        for group in 0..groups {
            scales[layout.index(m, groups, row, group)] = raw[row * groups + group];
        }
    }
    Ok(scales)
}

/// Inverse of [`shuffle_scales`]; padding is not read.
pub fn unshuffle_scales(
    scales: &[u8],
    m: usize,
    groups: usize,
    layout: ScaleLayout,
) -> Result<Vec<u8>, Error> {
    check_len("unshuffle scales", "scales", layout.len(m, groups), scales.len())?;
    let mut raw = vec![0; m * groups];
    for row in 0..m {
        for group in 0..groups {
            raw[row * groups + group] = scales[layout.index(m, groups, row, group)];
        }
    }
    Ok(raw)
}

fn weight_layout(
    operation: &'static str,
    weights: &[u8],
    rows: usize,
    row_bytes: usize,
) -> Result<WeightShuffle, Error> {
    let layout = WeightShuffle::new(rows, row_bytes).map_err(|source| Error::Layout { operation, source })?;
    check_len(operation, "weights", layout.len(), weights.len())?;
    Ok(layout)
}

fn check_len(
    operation: &'static str,
    operand: &'static str,
    needed: usize,
    actual: usize,
) -> Result<(), Error> {
    if actual < needed { Err(Error::TooShort { operation, operand, needed, actual }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(count: usize) -> Vec<u8> {
        (0..count as u32).map(|i| (i.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect()
    }

    #[test]
    fn weights_return() {
        let weights = bytes(48 * 96);
        let shuffled = shuffle_weights(&weights, 48, 96).unwrap();
        assert_ne!(shuffled, weights);
        assert_eq!(unshuffle_weights(&shuffled, 48, 96).unwrap(), weights);
        // Row 1's first run follows row 0's; row 0's second run is 256 bytes on.
        assert_eq!((&shuffled[16..32], &shuffled[256..272]), (&weights[96..112], &weights[16..32]));
    }

    #[test]
    fn gate_and_up_alternate_by_panels() {
        let weights = bytes(64 * 64);
        let interleaved = interleave_gate_up(&weights, 64, 64).unwrap();
        let panels = shuffle_weights(&weights, 64, 64).unwrap();
        let panel = |bytes: &[u8], i: usize| bytes[i * 1024..(i + 1) * 1024].to_vec();
        for (at, from) in [(0, 0), (1, 2), (2, 1), (3, 3)] {
            assert_eq!(panel(&interleaved, at), panel(&panels, from));
        }
    }

    #[test]
    fn scales_return_from_every_layout_without_their_padding() {
        let raw = bytes(33 * 13);
        for layout in ScaleLayout::ALL {
            let mut scales = shuffle_scales(&raw, 33, 13, layout).unwrap();
            for at in layout.padding(33, 13).collect::<Vec<_>>() {
                assert_eq!(scales[at], SCALE_PADDING);
                scales[at] = 0xa5;
            }
            assert_eq!(unshuffle_scales(&scales, 33, 13, layout).unwrap(), raw, "{layout:?}");
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        assert!(matches!(shuffle_weights(&[0; 512], 16, 48), Err(Error::Layout { .. })));
        assert!(matches!(shuffle_weights(&[0; 511], 16, 32), Err(Error::TooShort { needed: 512, .. })));
        assert!(matches!(shuffle_scales(&[0; 7], 2, 4, ScaleLayout::Raw), Err(Error::TooShort { .. })));
    }
}
