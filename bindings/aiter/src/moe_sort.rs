//! Sorting tokens by expert, as the mixture kernels take them.

/// Rows of tokens, those of one expert together, padded to blocks.
#[derive(Debug, Clone, PartialEq)]
pub struct SortedTokens {
    /// For each row the place among the token's experts and the token, `place << 24 | token`; `k << 24 | tokens` in
    /// the padding.
    pub ids: Vec<u32>,
    /// The routing weight of each row; 0 in the padding.
    pub weights: Vec<f32>,
    /// The expert of each block of rows; -1 behind the last one.
    pub experts: Vec<i32>,
    /// Rows in use, a multiple of the block, and tokens.
    pub valid: [i32; 2],
}

impl SortedTokens {
    /// Sorts `[tokens, k]` choices: experts ascending, tokens ascending within an expert, each expert padded to
    /// `block` rows. All lengths are the largest that any choice of this size can need. (Source: AITER e4048607a5
    /// `aiter/fused_moe.py`, `moe_sorting`.)
    ///
    /// # Panics
    /// When the lengths of `choices` and `weights` are not `tokens · k`.
    pub fn new(choices: &[u32], weights: &[f32], k: usize, experts: usize, block: usize) -> Self {
        let tokens = choices.len() / k;
        assert_eq!((choices.len(), weights.len()), (tokens * k, tokens * k), "one weight per choice");
        let blocks = (tokens * k + experts * block - k).div_ceil(block);
        let padding = (k as u32) << 24 | tokens as u32;
        let mut sorted = Self {
            ids: vec![padding; blocks * block],
            weights: vec![0.0; blocks * block],
            experts: vec![-1; blocks],
            valid: [0, tokens as i32],
        };
        let mut row = 0_usize;
        for expert in 0..experts {
            let first = row;
            for (index, _) in choices.iter().enumerate().filter(|(_, choice)| **choice as usize == expert) {
                sorted.ids[row] = ((index % k) as u32) << 24 | (index / k) as u32;
                sorted.weights[row] = weights[index];
                row += 1;
            }
            row = row.next_multiple_of(block);
            sorted.experts[first / block..row / block].fill(expert as i32);
        }
        sorted.valid[0] = row as i32;
        sorted
    }

    /// The token of a row; `None` in the padding.
    pub fn token(&self, row: usize) -> Option<usize> {
        let token = (self.ids[row] & 0x00ff_ffff) as usize;
        (token < self.valid[1] as usize).then_some(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_tokens_by_hand() {
        // Token 0 goes to experts 2 and 0, token 1 to 2 and 1.
        let sorted = SortedTokens::new(&[2, 0, 2, 1], &[0.1, 0.2, 0.3, 0.4], 2, 3, 4);
        assert_eq!(sorted.valid, [12, 2]);
        assert_eq!(sorted.experts, [0, 1, 2, -1]);
        let pad = 2 << 24 | 2;
        assert_eq!(sorted.ids[..12], [1 << 24, pad, pad, pad, 1 << 24 | 1, pad, pad, pad, 0, 1, pad, pad]);
        assert_eq!(
            (sorted.weights[0], sorted.weights[8], sorted.weights[9], sorted.weights[10]),
            (0.2, 0.1, 0.3, 0.0)
        );
        assert_eq!((sorted.token(4), sorted.token(5)), (Some(1), None));
    }
}
