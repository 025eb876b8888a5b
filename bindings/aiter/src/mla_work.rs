//! Dividing the caches of a batch among persistent workgroups.

use crate::WorkItem;

/// Tokens below which a part of a cache is not worth a work item of its own.
const TOKENS_PER_SPLIT: usize = 196;

/// A rest of so few tokens or fewer is added to the item before it.
const REST: usize = 4;

/// The lists that persistent attention kernels walk, and where their partial results lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkPlan {
    /// All items, those of one sequence together.
    pub items: Vec<WorkItem>,
    /// Where each workgroup's items begin, `[workgroups + 1]`.
    pub items_start: Vec<i32>,
    /// For each sequence its items, as a range of [`items`](Self::items). A single item is final; the results of
    /// several are to be merged.
    pub sequences: Vec<std::ops::Range<usize>>,
}

impl WorkPlan {
    /// AITER's division within each sequence, for pages of one token.
    ///
    /// A sequence has at most `splits` items, at most its share of the workgroups, and at most one per 196 tokens;
    /// items are multiples of `granularity` tokens, and a rest of up to 4 tokens joins the item before it. (Source:
    /// AITER e4048607a5 `csrc/kernels/mla/metadata/v1_0_device.cuh`, which divides by zero below 196 tokens; here
    /// such a sequence has one item.)
    ///
    /// `tokens` are the query tokens of a sequence, `lengths` the cached ones.
    pub fn within_sequences(
        lengths: &[usize],
        tokens: usize,
        workgroups: usize,
        splits: usize,
        granularity: usize,
    ) -> Self {
        let share = workgroups.div_ceil(lengths.len().max(1));
        let (mut items, mut sequences): (Vec<WorkItem>, Vec<_>) = (Vec::new(), Vec::new());
        let mut begin = 0;
        for (sequence, &length) in lengths.iter().enumerate() {
            let first = items.len();
            let blocks = length.div_ceil(granularity);
            let payload =
                blocks.div_ceil((length / TOKENS_PER_SPLIT).min(share).min(splits).max(1)) * granularity;
            let mut count = length.div_ceil(payload).max(1);
            let rest = length % payload;
            if (1..=REST).contains(&rest) && count > 1 {
                count -= 1;
            }
            for part in 0..count {
                let start = part * payload;
                let end = if part + 1 == count { length } else { start + payload };
                items.push(WorkItem {
                    sequence: sequence as i32,
                    partial: if count == 1 { -1 } else { ((first + part) * tokens) as i32 },
                    q_start: (sequence * tokens) as i32,
                    q_end: ((sequence + 1) * tokens) as i32,
                    page_start: (begin + start) as i32,
                    page_end: (begin + end) as i32,
                    pages_behind: (length - end) as i32,
                    padding: 0,
                });
            }
            sequences.push(first..items.len());
            begin += length;
        }
        // The first workgroups have one item more when the items do not divide evenly.
        let (each, more) = (items.len() / workgroups, items.len() % workgroups);
        let items_start = (0..=workgroups).map(|group| (group * each + group.min(more)) as i32).collect();
        Self { items, items_start, sequences }
    }

    /// Rows of the partial results, in tokens: every item has its place, also the final ones.
    pub fn partial_tokens(&self, tokens: usize) -> usize {
        self.items.len() * tokens
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 500 tokens of 16: 32 blocks in 2 items of 256; 195 tokens: one item; 3 items on 2 workgroups are 2 and 1.
    #[test]
    fn a_plan_by_hand() {
        let plan = WorkPlan::within_sequences(&[500, 195], 2, 2, 32, 16);
        assert_eq!(plan.sequences, [0..1, 1..2]);
        let plan = WorkPlan::within_sequences(&[500, 195], 2, 4, 32, 16);
        assert_eq!(plan.sequences, [0..2, 2..3]);
        assert_eq!(plan.items_start, [0, 1, 2, 3, 3]);
        let item = |sequence, partial, q_start, pages: (i32, i32), pages_behind| WorkItem {
            sequence,
            partial,
            q_start,
            q_end: q_start + 2,
            page_start: pages.0,
            page_end: pages.1,
            pages_behind,
            padding: 0,
        };
        assert_eq!(
            plan.items,
            [item(0, 0, 0, (0, 256), 244), item(0, 2, 0, (256, 500), 0), item(1, -1, 2, (500, 695), 0)]
        );
        assert_eq!(plan.partial_tokens(2), 6);
    }

    #[test]
    fn a_short_rest_joins_the_item_before_it() {
        // 3 · 256 + 3: four items by division, the last of 3 tokens.
        let plan = WorkPlan::within_sequences(&[771], 1, 8, 3, 256);
        assert_eq!(
            plan.items.iter().map(|item| (item.page_start, item.page_end)).collect::<Vec<_>>(),
            [(0, 512), (512, 771)]
        );
        let plan = WorkPlan::within_sequences(&[515], 1, 8, 2, 256);
        assert_eq!(plan.items.len(), 1);
        let plan = WorkPlan::within_sequences(&[1], 1, 1, 32, 16);
        assert_eq!(plan.items[0].page_end, 1);
    }
}
