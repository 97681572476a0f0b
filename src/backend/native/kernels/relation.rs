use std::ops::Range;

use rten_tensor::NdTensorView;

use super::super::gemm::multiply;

/// The keys that a query attends to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    All,
    /// Keys that are at most this many tokens away.
    Within(usize),
    /// The query's own key and those before it.
    Before,
}

/// The effect of the positions of two tokens on their score, in one layer.
#[derive(Clone, Copy)]
pub(crate) enum Relation<'a> {
    /// No effect.
    None,
    /// A bias that is added to the score: `[heads, 2 * longest - 1]`, by the distance of the key behind the query.
    Bias { values: &'a [f32], longest: usize },
    /// Disentangled attention: the query is multiplied with the embedded distance, and the distance with the key.
    Disentangled {
        /// `[rows, heads * size]`, to multiply with queries.
        of_keys: Option<&'a [f32]>,
        /// `[rows, heads * size]`, to multiply with keys.
        of_queries: Option<&'a [f32]>,
        /// The number of columns of both.
        width: usize,
        /// `[2 * longest - 1]`: the row for each distance of the key behind the query.
        rows: &'a [u32],
        longest: usize,
    },
    /// A rotation of queries and keys: `[positions, size]`, the cosines and then the sines of `size / 2` angles.
    Rotary { turns: &'a [f32] },
}

/// The prepared parts of a relation for one head and window.
#[derive(Default)]
pub(crate) struct RelationScratch {
    /// `[distances, size]`: the embedded distances of a window, by the distance of the key behind the query.
    distances: Vec<f32>,
    /// `[queries, distances]`.
    with_queries: Vec<f32>,
    /// `[distances, padded keys]`.
    with_keys: Vec<f32>,
    padded: usize,
}

/// Keys by column, `[size, padded]`: `count` of the columns are keys.
#[derive(Clone, Copy)]
pub(super) struct Transposed<'a> {
    pub(super) values: &'a [f32],
    pub(super) count: usize,
    pub(super) padded: usize,
}

impl Reach {
    /// The keys among `tokens` that at least one of `queries` attends to.
    pub(super) fn of(self, queries: Range<usize>, tokens: usize) -> Range<usize> {
        match self {
            Self::All => 0..tokens,
            Self::Within(width) => {
                let end = queries.end.saturating_add(width).min(tokens);
                queries.start.saturating_sub(width).min(end)..end
            }
            Self::Before => 0..queries.end.min(tokens),
        }
    }
}

impl Relation<'_> {
    pub(super) fn has_bias(&self) -> bool {
        matches!(self, Self::Bias { .. } | Self::Disentangled { .. })
    }

    /// Rotates a query or key at the position `place`.
    #[inline(always)]
    pub(super) fn turn(&self, place: usize, row: &mut [f32]) {
        let Self::Rotary { turns } = self else { return };
        let (cosines, sines) = turns[place * row.len()..(place + 1) * row.len()].split_at(row.len() / 2);
        let (low, high) = row.split_at_mut(row.len() / 2);
        for (((low, high), cosine), sine) in low.iter_mut().zip(high).zip(cosines).zip(sines) {
            (*low, *high) = (*low * cosine - *high * sine, *high * cosine + *low * sine);
        }
    }
}

impl RelationScratch {
    /// Multiplies queries and keys with the distances of a window; `queries` is `[queries, size]` or longer.
    pub(super) fn prepare(
        &mut self,
        relation: Relation<'_>,
        queries: &[f32],
        keys: Transposed<'_>,
        head: usize,
        size: usize,
    ) {
        let Relation::Disentangled { of_keys, of_queries, width, rows, longest } = relation else { return };
        let tokens = keys.count;
        let count = 2 * tokens - 1;
        // Keys lie up to `tokens - 1` before or behind their query.
        let rows = &rows[longest - tokens..][..count];
        let Self { distances, with_queries, with_keys, padded } = self;
        *padded = keys.padded;
        let gather = |table: &[f32], distances: &mut Vec<f32>| {
            distances.resize(count * size, 0.0);
            for (to, &row) in distances.chunks_exact_mut(size).zip(rows) {
                to.copy_from_slice(&table[row as usize * width + head * size..][..size]);
            }
        };
        if let Some(table) = of_keys {
            gather(table, distances);
            with_queries.resize(tokens * count, 0.0);
            let queries = NdTensorView::from_data([tokens, size], &queries[..tokens * size]);
            let distances = NdTensorView::from_data([count, size], &distances[..]);
            multiply(queries, distances.transposed(), with_queries);
        }
        if let Some(table) = of_queries {
            gather(table, distances);
            with_keys.resize(count * keys.padded, 0.0);
            let distances = NdTensorView::from_data([count, size], &distances[..]);
            let keys = NdTensorView::from_data([size, keys.padded], &keys.values[..size * keys.padded]);
            multiply(distances, keys, with_keys);
        }
    }

    /// Sets `bias`, `[keys]`, to the numbers to add to the scores of `query`, or to zeros beyond the last query.
    pub(super) fn bias(
        &self,
        relation: Relation<'_>,
        head: usize,
        query: usize,
        tokens: usize,
        bias: &mut [f32],
    ) {
        if query >= tokens {
            return bias.fill(0.0);
        }
        match relation {
            Relation::None | Relation::Rotary { .. } => bias.fill(0.0),
            Relation::Bias { values, longest } => {
                let values = &values[head * (2 * longest - 1)..][..2 * longest - 1];
                bias.copy_from_slice(&values[longest - 1 - query..][..tokens]);
            }
            Relation::Disentangled { of_keys, of_queries, .. } => {
                let (count, first) = (2 * tokens - 1, tokens - 1 - query);
                match of_keys {
                    Some(_) => bias.copy_from_slice(&self.with_queries[query * count + first..][..tokens]),
                    None => bias.fill(0.0),
                }
                if of_queries.is_some() {
                    // Each key with its own distance.
                    let met = self.with_keys[first * self.padded..].iter().step_by(self.padded + 1);
                    bias.iter_mut().zip(met).for_each(|(bias, value)| *bias += value);
                }
            }
        }
    }
}
