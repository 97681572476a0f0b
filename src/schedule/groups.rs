//! Groups of sequences that run together.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::batch::Sequence;

/// The number of tokens that run together through all layers. 64, 128 and 256 reached 18,200, 18,300 and 16,000
/// tokens per second (a sketch of this engine, six layers of 384, int8, two threads of a Zen 4): beyond 128 the
/// activations of a group outgrow the cache.
const GROUP_TOKENS: usize = 128;

/// Forms groups of about `GROUP_TOKENS` tokens or less (or up to one sequence more), as indices into `sequences`, the
/// heaviest first. Each worker gets the same number of groups, if there are enough sequences. The groups are about
/// equally heavy: the longest remaining sequence goes to the lightest group.
pub(super) fn balanced(sequences: &[Sequence], workers: usize) -> Vec<Vec<usize>> {
    let tokens = |index: usize| sequences[index].ids.len();
    let mut order: Vec<usize> = (0..sequences.len()).collect();
    order.sort_by_key(|&index| Reverse(tokens(index)));
    let total: usize = (0..sequences.len()).map(tokens).sum();
    let count = total.div_ceil(GROUP_TOKENS).max(1).next_multiple_of(workers).min(sequences.len());
    let mut groups: Vec<Vec<usize>> = vec![Vec::new(); count];
    let mut lightest: BinaryHeap<Reverse<(usize, usize)>> =
        (0..count).map(|group| Reverse((0, group))).collect();
    for index in order {
        if let Some(mut light) = lightest.peek_mut() {
            let Reverse((weight, group)) = *light;
            groups[group].push(index);
            *light = Reverse((weight + tokens(index), group));
        }
    }
    groups.sort_by_cached_key(|group| Reverse(group.iter().map(|&index| tokens(index)).sum::<usize>()));
    groups
}

/// Forms groups of sequences of similar length, as indices into `sequences`, the longest first. Padded to its longest
/// sequence, and that to a multiple of `multiple`, a group has at most `tokens` tokens, or one sequence.
pub(super) fn alike(sequences: &[Sequence], tokens: usize, multiple: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..sequences.len()).collect();
    order.sort_by_key(|&index| Reverse(sequences[index].ids.len()));
    let mut groups = Vec::new();
    let mut rest = order.as_slice();
    while let [first, ..] = rest {
        let longest = sequences[*first].ids.len().max(1).next_multiple_of(multiple.max(1));
        let count = (tokens / longest).clamp(1, rest.len());
        let (group, after) = rest.split_at(count);
        groups.push(group.to_vec());
        rest = after;
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::{Sequence, alike, balanced};

    fn grouped(lengths: &[usize], workers: usize) -> Vec<usize> {
        let sequence = |&length: &usize| Sequence {
            ids: vec![0; length],
            token_types: vec![0; length],
            ..Sequence::default()
        };
        let sequences: Vec<Sequence> = lengths.iter().map(sequence).collect();
        let groups = balanced(&sequences, workers);
        let mut seen: Vec<usize> = groups.concat();
        seen.sort_unstable();
        assert_eq!(seen, (0..lengths.len()).collect::<Vec<_>>());
        groups.into_iter().map(|group| group.into_iter().map(|index| lengths[index]).sum()).collect()
    }

    #[test]
    fn groups_of_like_length_stay_within_the_budget_with_padding() {
        let sequences = [3, 90, 7, 200, 64, 64, 1, 30]
            .map(|length| Sequence { ids: vec![0; length], ..Sequence::default() });
        let groups = alike(&sequences, 128, 1);
        assert_eq!(groups, [&[3][..], &[1], &[4, 5], &[7, 2, 0, 6]]);
        assert_eq!(alike(&sequences, 128, 64).len(), 5);
        assert!(alike(&[], 128, 1).is_empty());
    }

    #[test]
    fn groups_are_balanced_within_the_budget() {
        assert_eq!(grouped(&[3, 128, 7, 200, 64, 64, 1, 127, 2], 1), [200, 128, 127, 71, 70]);
        // All workers have the same amount of work, even if fewer groups could hold all tokens.
        assert_eq!(grouped(&[20; 8], 2), [80, 80]);
        assert_eq!(grouped(&[20; 8], 4), [40; 4]);
        assert_eq!(grouped(&[20; 15], 2), [80, 80, 80, 60]);
        assert_eq!(grouped(&[20; 3], 8), [20; 3]);
        assert_eq!(grouped(&[500], 2), [500]);
        assert_eq!(grouped(&[], 2), [0; 0]);
        assert_eq!(grouped(&[0, 0], 2), [0, 0]);
    }
}
