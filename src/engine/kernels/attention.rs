use std::f32::consts::LOG2_E;
use std::iter::Zip;
use std::ops::Range;
use std::slice::Iter;

use rten_simd::ops::{BitOps, NumOps};
use rten_simd::{Isa, Simd, SimdOp};

use super::exp::exp2_of_negative;
use super::rows::{Columns, Rows};

/// Queries that are worked on together. With two vectors of keys each they keep twelve sums in
/// flight, which covers the latency of a fused multiply-add, and with the keys and a query they
/// fit the sixteen registers of AVX2.
const ROWS: usize = 6;

/// Scaled dot-product attention (<https://arxiv.org/abs/1706.03762>) of some heads, each window for
/// itself: `softmax(Q K^T / sqrt(head size)) V`.
pub(crate) struct Attention<'a> {
    /// `[tokens, 3 * hidden]`: queries, keys and values side by side.
    pub(crate) qkv: Rows<'a>,
    /// `[windows + 1]`: window `i` holds tokens `bounds[i]..bounds[i + 1]`.
    pub(crate) bounds: &'a [usize],
    pub(crate) heads: Range<usize>,
    /// The columns of a head.
    pub(crate) size: usize,
    /// `[heads, tokens, size]`, of these heads.
    pub(crate) out: &'a mut [f32],
    pub(crate) scratch: &'a mut AttentionScratch,
}

/// Buffers of one head and window, taken once and reused. What lies in the padding is computed with
/// and never read.
#[derive(Default)]
pub(crate) struct AttentionScratch {
    /// `[tokens, size]`, filled up to whole blocks of `ROWS` tokens.
    queries: Vec<f32>,
    /// `[size]`.
    key: Vec<f32>,
    /// `[size, padded tokens]`.
    keys: Vec<f32>,
    /// `[parts of two vectors, tokens, two vectors]`.
    values: Vec<f32>,
    /// `[ROWS, padded tokens]`: scores, then weights before they are divided by their sum.
    scores: Vec<f32>,
    /// `[ROWS, two vectors]`.
    context: Vec<f32>,
}

impl SimdOp for Attention<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let Self { qkv, bounds, heads, size, out, scratch } = self;
        let hidden = qkv.bias.len() / 3;
        let tokens = bounds.last().copied().unwrap_or(0);
        for window in bounds.windows(2) {
            let (start, count) = (window[0], window[1] - window[0]);
            scratch.fit(isa, count, size);
            for (head, out) in heads.clone().zip(out.chunks_exact_mut(tokens * size)) {
                let columns = |part: usize| {
                    let first = part * hidden + head * size;
                    qkv.columns(first..first + size)
                };
                scratch.read(isa, [columns(0), columns(1), columns(2)], start, count);
                scratch.attend(isa, count, size, &mut out[start * size..][..count * size]);
            }
        }
    }
}

/// Values that two vectors hold.
#[inline(always)]
fn stride<I: Isa>(isa: I) -> usize {
    2 * isa.f32().len()
}

impl AttentionScratch {
    #[inline(always)]
    fn fit<I: Isa>(&mut self, isa: I, tokens: usize, size: usize) {
        let stride = stride(isa);
        let padded = tokens.next_multiple_of(stride);
        self.queries.resize(tokens.next_multiple_of(ROWS) * size, 0.0);
        self.key.resize(size, 0.0);
        self.keys.resize(size * padded, 0.0);
        self.values.resize(size.div_ceil(stride) * tokens * stride, 0.0);
        self.scores.resize(ROWS * padded, 0.0);
        self.context.resize(ROWS * stride, 0.0);
    }

    /// Takes queries, keys and values of `count` tokens from `start` on.
    #[inline(always)]
    fn read<I: Isa>(&mut self, isa: I, parts: [Columns<'_>; 3], start: usize, count: usize) {
        let stride = stride(isa);
        let padded = count.next_multiple_of(stride);
        let Self { queries, key, keys, values, .. } = self;
        let size = key.len();
        let [from_query, from_key, from_value] = parts;
        for token in 0..count {
            from_query.read(isa, start + token, &mut queries[token * size..][..size]);
            from_key.read(isa, start + token, key);
            for (to, value) in keys.chunks_exact_mut(padded).zip(&*key) {
                to[token] = *value;
            }
            from_value.read(isa, start + token, key);
            for (part, from) in values.chunks_exact_mut(count * stride).zip(key.chunks(stride)) {
                part[token * stride..][..from.len()].copy_from_slice(from);
            }
        }
    }

    /// `out` is `[tokens, size]`.
    #[inline(always)]
    fn attend<I: Isa>(&mut self, isa: I, tokens: usize, size: usize, out: &mut [f32]) {
        let ops = isa.f32();
        let (width, stride) = (ops.len(), stride(isa));
        let padded = tokens.next_multiple_of(stride);
        let Self { queries, keys, values, scores, context, .. } = self;
        // Weights are powers of two, not of e.
        let scale = ops.splat(LOG2_E / (size as f32).sqrt());
        for (queries, out) in queries.chunks_exact(ROWS * size).zip(out.chunks_mut(ROWS * size)) {
            let queries = side_by_side(queries, size, size);
            let mut largest = [ops.splat(f32::NEG_INFINITY); ROWS];
            for at in (0..padded).step_by(stride) {
                let mut sums = [[ops.zero(); 2]; ROWS];
                let columns = keys.chunks_exact(padded);
                for (keys, (((((q0, q1), q2), q3), q4), q5)) in columns.zip(queries.clone()) {
                    let [k0, k1] = ops.load_many::<2>(&keys[at..]);
                    for (sum, query) in sums.iter_mut().zip([q0, q1, q2, q3, q4, q5]) {
                        let query = ops.splat(*query);
                        sum[0] = ops.mul_add(query, k0, sum[0]);
                        sum[1] = ops.mul_add(query, k1, sum[1]);
                    }
                }
                if at + stride > tokens {
                    let masks =
                        [0, width].map(|from| ops.first_n_mask(tokens.saturating_sub(at + from).min(width)));
                    let nothing = ops.splat(f32::NEG_INFINITY);
                    for sum in &mut sums {
                        *sum = [ops.select(sum[0], nothing, masks[0]), ops.select(sum[1], nothing, masks[1])];
                    }
                }
                let rows = scores.chunks_exact_mut(padded).zip(&mut largest);
                for ((scores, largest), sum) in rows.zip(sums) {
                    let to = &mut scores[at..at + stride];
                    ops.store(sum[0], &mut to[..width]);
                    ops.store(sum[1], &mut to[width..]);
                    *largest = ops.max(*largest, ops.max(sum[0], sum[1]));
                }
            }

            let mut shares = [0.0; ROWS];
            for ((scores, largest), share) in scores.chunks_exact_mut(padded).zip(largest).zip(&mut shares) {
                let largest = ops.fold_splat(largest, f32::NEG_INFINITY, f32::max);
                let offset = ops.mul(ops.sub(ops.zero(), largest), scale);
                let mut total = ops.zero();
                for scores in scores.chunks_exact_mut(width) {
                    let weight = exp2_of_negative(isa, ops.mul_add(ops.load(scores), scale, offset));
                    total = ops.add(total, weight);
                    ops.store(weight, scores);
                }
                *share = total.to_array().into_iter().sum::<f32>().recip();
            }

            let weights = side_by_side(scores, padded, tokens);
            for (part, values) in values.chunks_exact(tokens * stride).enumerate() {
                let mut sums = [[ops.zero(); 2]; ROWS];
                let columns = values.chunks_exact(stride);
                for (values, (((((w0, w1), w2), w3), w4), w5)) in columns.zip(weights.clone()) {
                    let [v0, v1] = ops.load_many::<2>(values);
                    for (sum, weight) in sums.iter_mut().zip([w0, w1, w2, w3, w4, w5]) {
                        let weight = ops.splat(*weight);
                        sum[0] = ops.mul_add(weight, v0, sum[0]);
                        sum[1] = ops.mul_add(weight, v1, sum[1]);
                    }
                }
                for ((to, sum), share) in context.chunks_exact_mut(stride).zip(sums).zip(shares) {
                    let share = ops.splat(share);
                    ops.store(ops.mul(sum[0], share), &mut to[..width]);
                    ops.store(ops.mul(sum[1], share), &mut to[width..]);
                }
                let start = part * stride;
                let count = stride.min(size - start);
                for (out, from) in out.chunks_exact_mut(size).zip(context.chunks_exact(stride)) {
                    out[start..start + count].copy_from_slice(&from[..count]);
                }
            }
        }
    }
}

type Six<'a> = Zip<
    Zip<Zip<Zip<Zip<Iter<'a, f32>, Iter<'a, f32>>, Iter<'a, f32>>, Iter<'a, f32>>, Iter<'a, f32>>,
    Iter<'a, f32>,
>;

/// The first `count` values of each of `ROWS` rows of `width`, a value of each at a time: zipped
/// slices need no check of their bounds in the loops that matter most.
#[inline(always)]
fn side_by_side(rows: &[f32], width: usize, count: usize) -> Six<'_> {
    let mut rows = rows.chunks_exact(width);
    let [a, b, c, d, e, f]: [Iter<'_, f32>; ROWS] =
        std::array::from_fn(|_| rows.next().map_or([].iter(), |row| row[..count].iter()));
    a.zip(b).zip(c).zip(d).zip(e).zip(f)
}

#[cfg(test)]
mod tests {
    use rten_simd::SimdOp;

    use super::super::{Rows, Sums};
    use super::{Attention, AttentionScratch};

    /// The definition, in f64, one query at a time; `[heads, tokens, size]`.
    fn plain(qkv: &[f32], bounds: &[usize], hidden: usize, heads: usize) -> Vec<f64> {
        let (tokens, size) = (qkv.len() / (3 * hidden), hidden / heads);
        let at = |token: usize, part: usize, i: usize| f64::from(qkv[token * 3 * hidden + part * hidden + i]);
        let mut out = vec![0.0; tokens * hidden];
        for head in 0..heads {
            for window in bounds.windows(2) {
                for query in window[0]..window[1] {
                    let column = |i: usize| head * size + i;
                    let scores: Vec<f64> = (window[0]..window[1])
                        .map(|key| {
                            let dot: f64 =
                                (0..size).map(|i| at(query, 0, column(i)) * at(key, 1, column(i))).sum();
                            (dot / (size as f64).sqrt()).exp()
                        })
                        .collect();
                    let total: f64 = scores.iter().sum();
                    for i in 0..size {
                        let keys = scores.iter().zip(window[0]..);
                        out[(head * tokens + query) * size + i] =
                            keys.map(|(score, key)| score / total * at(key, 2, column(i))).sum();
                    }
                }
            }
        }
        out
    }

    #[test]
    fn agrees_with_the_definition() {
        let mut scratch = AttentionScratch::default();
        // Longer windows come first, so that later ones meet what these left in the scratch.
        let cases: [(&[usize], usize, usize); 5] = [
            (&[0, 130], 64, 2),
            (&[0, 33, 34, 50], 24, 3),
            (&[0, 32], 32, 1),
            (&[0, 5, 11], 16, 4),
            (&[0, 1], 8, 2),
        ];
        for (bounds, hidden, heads) in cases {
            let (tokens, size) = (bounds[bounds.len() - 1], hidden / heads);
            let qkv: Vec<f32> = (0..tokens * hidden * 3)
                .map(|i| ((i * 2654435761_usize % 997) as f32 - 498.0) / 200.0)
                .collect();
            let rows = Rows { sums: Sums::F32(&qkv), bias: &vec![0.0; 3 * hidden] };
            let expected = plain(&qkv, bounds, hidden, heads);
            let mut out = vec![0.0; tokens * hidden];
            // Heads may be computed apart.
            let (first, rest) = out.split_at_mut(tokens * size);
            for (heads, out) in [(0..1, first), (1..heads, rest)] {
                Attention { qkv: rows, bounds, heads, size, out, scratch: &mut scratch }.dispatch();
            }
            for (value, expected) in out.iter().zip(expected) {
                assert!((f64::from(*value) - expected).abs() < 1e-5, "{value} {expected}");
            }
        }
    }
}
