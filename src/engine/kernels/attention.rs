use rten_simd::ops::{BitOps, NumOps};
use rten_simd::{Isa, SimdOp};
use rten_vecmath::Softmax;

/// Queries that are worked on together. With two vectors of keys each they keep twelve sums in
/// flight, which covers the latency of a fused multiply-add, and with the keys and a query they
/// fit the sixteen registers of AVX2.
const ROWS: usize = 6;

/// Keys and head sizes are padded to a multiple of this: two of the widest vectors (AVX-512).
const PAD: usize = 32;

/// Scaled dot-product attention of one window (<https://arxiv.org/abs/1706.03762>):
/// `softmax(Q K^T / sqrt(head size)) V` for each head.
pub(crate) struct Attention<'a> {
    /// `[tokens, 3 * hidden]`: queries, keys and values side by side.
    pub(crate) qkv: &'a [f32],
    pub(crate) hidden: usize,
    pub(crate) heads: usize,
    /// `[tokens, hidden]`.
    pub(crate) out: &'a mut [f32],
    pub(crate) scratch: &'a mut AttentionScratch,
}

/// Buffers of one head, taken once and reused. What lies in the padding is computed with and
/// never read.
#[derive(Default)]
pub(crate) struct AttentionScratch {
    /// `[head size, padded tokens]`.
    keys: Vec<f32>,
    /// `[tokens, padded head size]`.
    values: Vec<f32>,
    /// `[head size]`: the queries of a block side by side, scaled.
    queries: Vec<[f32; ROWS]>,
    /// `[ROWS, padded tokens]`.
    scores: Vec<f32>,
    /// `[tokens]`: the scores of a block side by side, after softmax.
    weights: Vec<[f32; ROWS]>,
    /// `[ROWS, padded head size]`.
    context: Vec<f32>,
}

impl SimdOp for Attention<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let ops = isa.f32();
        let width = ops.len();
        let Self { qkv, hidden, heads, out, scratch } = self;
        let (tokens, size) = (out.len() / hidden, hidden / heads);
        let (padded_tokens, padded_size) = (tokens.next_multiple_of(PAD), size.next_multiple_of(PAD));
        let AttentionScratch { keys, values, queries, scores, weights, context } = scratch;
        keys.resize(size * padded_tokens, 0.0);
        values.resize(tokens * padded_size, 0.0);
        queries.resize(size, [0.0; ROWS]);
        scores.resize(ROWS * padded_tokens, 0.0);
        weights.resize(tokens, [0.0; ROWS]);
        context.resize(ROWS * padded_size, 0.0);
        let scale = 1.0 / (size as f32).sqrt();

        for head in 0..heads {
            for (token, row) in qkv.chunks_exact(3 * hidden).enumerate() {
                let key = &row[hidden + head * size..][..size];
                for (i, &value) in key.iter().enumerate() {
                    keys[i * padded_tokens + token] = value;
                }
                let value = &row[2 * hidden + head * size..][..size];
                values[token * padded_size..][..size].copy_from_slice(value);
            }

            for first in (0..tokens).step_by(ROWS) {
                let rows = ROWS.min(tokens - first);
                for row in 0..ROWS {
                    // A short last block repeats its last query rather than branch in the loops.
                    let token = first + row.min(rows - 1);
                    let query = &qkv[token * 3 * hidden + head * size..][..size];
                    queries.iter_mut().zip(query).for_each(|(to, value)| to[row] = value * scale);
                }
                for at in (0..padded_tokens).step_by(2 * width) {
                    let mut sums = [[ops.zero(); 2]; ROWS];
                    for (query, keys) in queries.iter().zip(keys[at..].chunks(padded_tokens)) {
                        let [k0, k1] = ops.load_many::<2>(keys);
                        for (sum, &query) in sums.iter_mut().zip(query) {
                            let query = ops.splat(query);
                            sum[0] = ops.mul_add(query, k0, sum[0]);
                            sum[1] = ops.mul_add(query, k1, sum[1]);
                        }
                    }
                    for (row, sum) in sums.iter().enumerate() {
                        let to = &mut scores[row * padded_tokens + at..];
                        ops.store(sum[0], to);
                        ops.store(sum[1], &mut to[width..]);
                    }
                }
                for (row, scores) in scores.chunks_exact_mut(padded_tokens).enumerate() {
                    let scores = Softmax::new_mut(&mut scores[..tokens]).eval(isa);
                    weights.iter_mut().zip(scores).for_each(|(to, value)| to[row] = *value);
                }
                for at in (0..padded_size).step_by(2 * width) {
                    let mut sums = [[ops.zero(); 2]; ROWS];
                    for (weights, values) in weights.iter().zip(values[at..].chunks(padded_size)) {
                        let [v0, v1] = ops.load_many::<2>(values);
                        for (sum, &weight) in sums.iter_mut().zip(weights) {
                            let weight = ops.splat(weight);
                            sum[0] = ops.mul_add(weight, v0, sum[0]);
                            sum[1] = ops.mul_add(weight, v1, sum[1]);
                        }
                    }
                    for (row, sum) in sums.iter().enumerate() {
                        let to = &mut context[row * padded_size + at..];
                        ops.store(sum[0], to);
                        ops.store(sum[1], &mut to[width..]);
                    }
                }
                for (row, from) in context.chunks_exact(padded_size).take(rows).enumerate() {
                    out[(first + row) * hidden + head * size..][..size].copy_from_slice(&from[..size]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rten_simd::SimdOp;

    use super::{Attention, AttentionScratch};

    /// The definition, in f64, one query at a time.
    fn plain(qkv: &[f32], hidden: usize, heads: usize) -> Vec<f64> {
        let (tokens, size) = (qkv.len() / (3 * hidden), hidden / heads);
        let at = |token: usize, part: usize, i: usize| f64::from(qkv[token * 3 * hidden + part * hidden + i]);
        let mut out = vec![0.0; tokens * hidden];
        for head in 0..heads {
            let range = head * size..(head + 1) * size;
            for query in 0..tokens {
                let scores: Vec<f64> = (0..tokens)
                    .map(|key| {
                        let dot: f64 = range.clone().map(|i| at(query, 0, i) * at(key, 1, i)).sum();
                        (dot / (size as f64).sqrt()).exp()
                    })
                    .collect();
                let total: f64 = scores.iter().sum();
                for i in range.clone() {
                    out[query * hidden + i] =
                        scores.iter().enumerate().map(|(key, score)| score / total * at(key, 2, i)).sum();
                }
            }
        }
        out
    }

    #[test]
    fn agrees_with_the_definition() {
        let mut scratch = AttentionScratch::default();
        // Longer windows come first, so that later ones meet what these left in the scratch.
        for (tokens, hidden, heads) in [(130, 64, 2), (33, 24, 3), (32, 32, 1), (5, 16, 4), (1, 8, 2)] {
            let qkv: Vec<f32> = (0..tokens * hidden * 3)
                .map(|i| ((i * 2654435761_usize % 997) as f32 - 498.0) / 200.0)
                .collect();
            let mut out = vec![0.0; tokens * hidden];
            Attention { qkv: &qkv, hidden, heads, out: &mut out, scratch: &mut scratch }.dispatch();
            for (value, expected) in out.iter().zip(plain(&qkv, hidden, heads)) {
                assert!((f64::from(*value) - expected).abs() < 1e-5, "{value} {expected}");
            }
        }
    }
}
