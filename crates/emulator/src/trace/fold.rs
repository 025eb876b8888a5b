//! A stream of numbers with its loops folded.

use serde::{Deserialize, Serialize};

/// A run that is repeated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fold {
    /// What one turn is.
    pub body: Vec<u32>,
    /// How many turns.
    pub turns: u32,
}

/// A stream as a sequence of folds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folds(pub Vec<Fold>);

impl Folds {
    /// Appends a piece; if it equals the last one, as one more turn.
    pub(super) fn push(&mut self, piece: &[u32]) {
        match self.0.last_mut() {
            _ if piece.is_empty() => {}
            Some(last) if last.body == piece => last.turns += 1,
            _ => self.0.push(Fold { body: piece.to_vec(), turns: 1 }),
        }
    }

    /// Numbers in the stream.
    pub fn len(&self) -> u64 {
        self.0.iter().map(|fold| fold.body.len() as u64 * fold.turns as u64).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The stream.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        self.0.iter().flat_map(|fold| (0..fold.turns).flat_map(|_| fold.body.iter().copied()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_pieces_become_turns() {
        let mut folds = Folds::default();
        for piece in [&[7, 8][..], &[1, 2], &[1, 2], &[], &[1, 2], &[3]] {
            folds.push(piece);
        }
        assert_eq!(folds.0.iter().map(|fold| fold.turns).collect::<Vec<_>>(), [1, 3, 1]);
        assert_eq!(folds.iter().collect::<Vec<_>>(), [7, 8, 1, 2, 1, 2, 1, 2, 3]);
        assert_eq!(folds.len(), 9);
    }
}
