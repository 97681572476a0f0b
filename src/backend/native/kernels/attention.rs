use std::f32::consts::LOG2_E;
use std::iter::Zip;
use std::ops::Range;
use std::slice::Iter;

use entopic_kernels::{Strided, transpose};
use rten_simd::ops::{BitOps, NumOps};
use rten_simd::{Isa, Simd, SimdOp};

use super::exp::exp2_of_negative;
use super::relation::{Reach, Relation, RelationScratch, Transposed};

/// The number of queries that are processed together. With two vectors of keys, they keep twelve sums in flight,
/// which covers the latency of a fused multiply-add; these sums, the keys and a query fit into the sixteen registers
/// of AVX2.
const ROWS: usize = 6;

/// Scaled dot-product attention (<https://arxiv.org/abs/1706.03762>) of some heads, separate for each window:
/// `softmax(scale (Q K^T + bias)) V`, where the bias comes from the relation between two positions.
pub(crate) struct Attention<'a> {
    pub(crate) queries: Part<'a>,
    pub(crate) keys: Part<'a>,
    pub(crate) values: Part<'a>,
    /// `[windows + 1]`: the queries of window `i` are those from `bounds[i]` to `bounds[i + 1]`.
    pub(crate) bounds: &'a [usize],
    /// The same for keys and values. It equals `bounds` if there is a relation or the reach is limited.
    pub(crate) key_bounds: &'a [usize],
    pub(crate) heads: Range<usize>,
    /// The number of columns of a head.
    pub(crate) size: usize,
    pub(crate) scale: f32,
    pub(crate) reach: Reach,
    pub(crate) relation: Relation<'a>,
    /// `[heads, queries, size]`, for these heads.
    pub(crate) out: &'a mut [f32],
    pub(crate) scratch: &'a mut AttentionScratch,
}

/// Some columns of all rows: `heads * size` columns from `first` on.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    pub(crate) rows: &'a [f32],
    /// The length of a row.
    pub(crate) width: usize,
    pub(crate) first: usize,
}

impl<'a> Part<'a> {
    /// The columns of one head.
    pub(super) fn head(&self, head: usize, size: usize) -> Self {
        Self { first: self.first + head * size, ..*self }
    }

    /// The `size` values of a row from `first` on.
    #[inline(always)]
    pub(super) fn row(&self, row: usize, size: usize) -> &'a [f32] {
        &self.rows[row * self.width + self.first..][..size]
    }
}

/// The buffers for one head and window, allocated once and reused. Padding enters computations, but its results are
/// never read.
#[derive(Default)]
pub(crate) struct AttentionScratch {
    /// `[queries, size]`, padded to whole blocks of `ROWS` tokens.
    queries: Vec<f32>,
    /// The number of columns of the head.
    size: usize,
    /// `[keys, size]`: rotated keys.
    turned: Vec<f32>,
    /// `[size, padded keys]`.
    keys: Vec<f32>,
    /// `[parts of two vectors, keys, two vectors]`.
    values: Vec<f32>,
    /// `[ROWS, padded keys]`: scores, and after them weights that are not yet divided by their sum.
    scores: Vec<f32>,
    /// `[ROWS, padded keys]`: the bias, which is added to scores before they are scaled.
    bias: Vec<f32>,
    /// `[ROWS, two vectors]`.
    context: Vec<f32>,
    relation: RelationScratch,
}

impl SimdOp for Attention<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let Self { queries, keys, values, bounds, key_bounds, heads, size, .. } = self;
        let Self { scale, reach, relation, out, scratch, .. } = self;
        let tokens = bounds.last().copied().unwrap_or(0);
        for (window, keys_of) in bounds.windows(2).zip(key_bounds.windows(2)) {
            let (window, keys_of) = (window[0]..window[1], keys_of[0]..keys_of[1]);
            scratch.fit(isa, window.len(), keys_of.len(), size);
            for (head, out) in heads.clone().zip(out.chunks_exact_mut(tokens * size)) {
                let parts = [queries, keys, values].map(|part| part.head(head, size));
                scratch.read(isa, parts, window.clone(), keys_of.clone(), relation);
                let padded = keys_of.len().next_multiple_of(stride(isa));
                let keys_by_column = Transposed { values: &scratch.keys, count: keys_of.len(), padded };
                scratch.relation.prepare(relation, &scratch.queries, keys_by_column, head, size);
                let out = &mut out[window.start * size..window.end * size];
                let scope = Scope { keys: keys_of.len(), size, scale, reach, relation, head };
                scratch.attend(isa, scope, out);
            }
        }
    }
}

/// The parameters of attention for one head in one window.
#[derive(Clone, Copy)]
struct Scope<'a> {
    keys: usize,
    size: usize,
    scale: f32,
    reach: Reach,
    relation: Relation<'a>,
    head: usize,
}

/// The number of values in two vectors.
#[inline(always)]
fn stride<I: Isa>(isa: I) -> usize {
    2 * isa.f32().len()
}

impl AttentionScratch {
    #[inline(always)]
    fn fit<I: Isa>(&mut self, isa: I, queries: usize, keys: usize, size: usize) {
        let stride = stride(isa);
        let padded = keys.next_multiple_of(stride);
        self.queries.resize(queries.next_multiple_of(ROWS) * size, 0.0);
        self.size = size;
        self.turned.resize(keys * size, 0.0);
        self.keys.resize(size * padded, 0.0);
        self.values.resize(size.div_ceil(stride) * keys * stride, 0.0);
        self.scores.resize(ROWS * padded, 0.0);
        self.bias.resize(ROWS * padded, 0.0);
        self.context.resize(ROWS * stride, 0.0);
    }

    /// Reads the queries of `window` and the keys and values of `keys_of`.
    #[inline(always)]
    fn read<I: Isa>(
        &mut self,
        isa: I,
        parts: [Part<'_>; 3],
        window: Range<usize>,
        keys_of: Range<usize>,
        relation: Relation<'_>,
    ) {
        let stride = stride(isa);
        let count = keys_of.len();
        let padded = count.next_multiple_of(stride);
        let Self { queries, turned, keys, values, size, .. } = self;
        let size = *size;
        let [from_query, from_key, from_value] = parts;
        for (place, (token, query)) in window.zip(queries.chunks_exact_mut(size)).enumerate() {
            copy(from_query.row(token, size), query);
            relation.turn(place, query);
        }
        let first = from_key.width * keys_of.start + from_key.first;
        let mut rows = Strided { values: &from_key.rows[first..], stride: from_key.width };
        if let Relation::Rotary { .. } = relation {
            for (place, (token, key)) in keys_of.clone().zip(turned.chunks_exact_mut(size)).enumerate() {
                copy(from_key.row(token, size), key);
                relation.turn(place, key);
            }
            rows = Strided { values: turned, stride: size };
        }
        transpose(rows, Strided { values: keys, stride: padded }, [count, size]);
        for (part, values) in values.chunks_exact_mut(count * stride).enumerate() {
            let columns = part * stride..size.min((part + 1) * stride);
            for (token, to) in keys_of.clone().zip(values.chunks_exact_mut(stride)) {
                copy(&from_value.row(token, size)[columns.clone()], &mut to[..columns.len()]);
            }
        }
    }

    /// `out` is `[queries, size]`. This is one function so that vectors stay in registers from the scores to the
    /// sums.
    #[inline(always)]
    fn attend<I: Isa>(&mut self, isa: I, scope: Scope<'_>, out: &mut [f32]) {
        let Scope { keys: tokens, size, reach, relation, head, .. } = scope;
        let ops = isa.f32();
        let (width, stride) = (ops.len(), stride(isa));
        let padded = tokens.next_multiple_of(stride);
        let biased = reach != Reach::All || relation.has_bias();
        let Self { queries, keys, values, scores, bias, context, relation: prepared, .. } = self;
        // Weights are powers of two, not of e.
        let scale = ops.splat(LOG2_E * scope.scale);
        let blocks = queries.chunks_exact(ROWS * size).zip(out.chunks_mut(ROWS * size));
        for (block, (queries, out)) in blocks.enumerate() {
            let first = block * ROWS;
            // The keys that any of these queries attends to.
            let met = reach.of(first..first + ROWS, tokens);
            let start = met.start - met.start % stride;
            let end = met.end.next_multiple_of(stride).min(padded);
            if biased {
                for (row, bias) in bias.chunks_exact_mut(padded).enumerate() {
                    let query = first + row;
                    prepared.bias(relation, head, query, tokens, &mut bias[..tokens]);
                    let own = reach.of(query..query + 1, tokens);
                    bias[start..own.start.max(start)].fill(f32::NEG_INFINITY);
                    bias[own.end..end.max(own.end)].fill(f32::NEG_INFINITY);
                }
            }
            let queries = side_by_side(queries, size, 0..size);
            let mut largest = [ops.splat(f32::NEG_INFINITY); ROWS];
            for at in (start..end).step_by(stride) {
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
                if biased {
                    for (sum, bias) in sums.iter_mut().zip(bias.chunks_exact(padded)) {
                        let [b0, b1] = ops.load_many::<2>(&bias[at..]);
                        *sum = [ops.add(sum[0], b0), ops.add(sum[1], b1)];
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
                let scores = &mut scores[start..end];
                let largest = fold(largest, |a, b| if a > b { a } else { b });
                let offset = ops.mul(ops.splat(-largest), scale);
                let mut total = ops.zero();
                for scores in scores.chunks_exact_mut(width) {
                    let weight = exp2_of_negative(isa, ops.mul_add(ops.load(scores), scale, offset));
                    total = ops.add(total, weight);
                    ops.store(weight, scores);
                }
                *share = fold(total, |a, b| a + b).recip();
            }

            let end = end.min(tokens);
            let weights = side_by_side(scores, padded, start..end);
            for (part, values) in values.chunks_exact(tokens * stride).enumerate() {
                let mut sums = [[ops.zero(); 2]; ROWS];
                let columns = values[start * stride..end * stride].chunks_exact(stride);
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
                let first = part * stride;
                let count = stride.min(size - first);
                for (out, from) in out.chunks_exact_mut(size).zip(context.chunks_exact(stride)) {
                    out[first..first + count].copy_from_slice(&from[..count]);
                }
            }
        }
    }
}

/// Combines the numbers of a vector with `join`, in pairs and then in pairs of pairs.
#[inline(always)]
pub(super) fn fold<V: Simd<Elem = f32>>(vector: V, join: impl Fn(f32, f32) -> f32) -> f32 {
    // A vector has at most 512 bits.
    let mut values = [0.0; 16];
    let array = vector.to_array();
    let array = array.as_ref();
    let mut count = array.len();
    values[..count].copy_from_slice(array);
    while count > 1 {
        count /= 2;
        for at in 0..count {
            values[at] = join(values[at], values[at + count]);
        }
    }
    values[0]
}

/// Copies `from` to `to`, of the same length, in vectors rather than with a call.
#[inline(always)]
pub(crate) fn copy(from: &[f32], to: &mut [f32]) {
    const VECTOR: usize = 16;
    let (vectors, rest) = from.as_chunks::<VECTOR>();
    let (to_vectors, to_rest) = to.as_chunks_mut::<VECTOR>();
    to_vectors.iter_mut().zip(vectors).for_each(|(to, from)| *to = *from);
    to_rest.copy_from_slice(rest);
}

type Six<'a> = Zip<
    Zip<Zip<Zip<Zip<Iter<'a, f32>, Iter<'a, f32>>, Iter<'a, f32>>, Iter<'a, f32>>, Iter<'a, f32>>,
    Iter<'a, f32>,
>;

/// Iterates over the values in `columns` of `ROWS` rows of `width`, one value of each row at a time. Zipped slices
/// need no bounds checks in the hottest loops.
#[inline(always)]
fn side_by_side(rows: &[f32], width: usize, columns: Range<usize>) -> Six<'_> {
    let mut rows = rows.chunks_exact(width);
    let [a, b, c, d, e, f]: [Iter<'_, f32>; ROWS] =
        std::array::from_fn(|_| rows.next().map_or([].iter(), |row| row[columns.clone()].iter()));
    a.zip(b).zip(c).zip(d).zip(e).zip(f)
}

#[cfg(test)]
mod tests {
    use rten_simd::SimdOp;

    use super::super::relation::{Reach, Relation};
    use super::{Attention, AttentionScratch, Part};

    /// The definition, in f64, one query at a time; `[heads, tokens, size]`. `bias` returns the number to add to the
    /// score of a query and a key at two positions, or `None` if the key is out of reach.
    fn plain(
        qkv: &[f32],
        bounds: &[usize],
        hidden: usize,
        heads: usize,
        bias: impl Fn(usize, usize, usize) -> Option<f64>,
    ) -> Vec<f64> {
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
                            let bias = bias(head, query - window[0], key - window[0]);
                            bias.map_or(0.0, |bias| ((dot + bias) / (size as f64).sqrt()).exp())
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

    /// Longer windows come first, so that later ones meet the remains of these in the scratch.
    const CASES: [(&[usize], usize, usize); 5] = [
        (&[0, 130], 64, 2),
        (&[0, 33, 34, 50], 24, 3),
        (&[0, 32], 32, 1),
        (&[0, 5, 11], 16, 4),
        (&[0, 1], 8, 2),
    ];

    fn check(reach: Reach, relation: Relation<'_>, bias: impl Fn(usize, usize, usize) -> Option<f64>) {
        let mut scratch = AttentionScratch::default();
        for (bounds, hidden, heads) in CASES {
            let (tokens, size) = (bounds[bounds.len() - 1], hidden / heads);
            let qkv: Vec<f32> = (0..tokens * hidden * 3)
                .map(|i| ((i * 2654435761_usize % 997) as f32 - 498.0) / 200.0)
                .collect();
            let expected = plain(&qkv, bounds, hidden, heads, &bias);
            let mut out = vec![0.0; tokens * hidden];
            // Heads may be computed separately.
            let (first, rest) = out.split_at_mut(tokens * size);
            for (heads, out) in [(0..1, first), (1..heads, rest)] {
                let part = |part| Part { rows: &qkv, width: 3 * hidden, first: part * hidden };
                let [queries, keys, values] = [0, 1, 2].map(part);
                let scale = (size as f32).sqrt().recip();
                let (key_bounds, scratch) = (bounds, &mut scratch);
                let task = Attention {
                    queries,
                    keys,
                    values,
                    bounds,
                    key_bounds,
                    heads,
                    size,
                    scale,
                    reach,
                    relation,
                    out,
                    scratch,
                };
                task.dispatch();
            }
            for (value, expected) in out.iter().zip(expected) {
                assert!((f64::from(*value) - expected).abs() < 1e-5, "{reach:?}: {value} {expected}");
            }
        }
    }

    #[test]
    fn agrees_with_the_definition() {
        check(Reach::All, Relation::None, |_, _, _| Some(0.0));
    }

    #[test]
    fn only_keys_in_reach_are_met() {
        check(Reach::Before, Relation::None, |_, query, key| (key <= query).then_some(0.0));
        for width in [0, 1, 7, 16, 40, 1000] {
            check(Reach::Within(width), Relation::None, |_, query, key| {
                (query.abs_diff(key) <= width).then_some(0.0)
            });
        }
    }

    #[test]
    fn biases_go_by_distance() {
        let (longest, heads) = (140, 4);
        let values: Vec<f32> =
            (0..heads * (2 * longest - 1)).map(|i| ((i * 48271 % 211) as f32 - 105.0) / 50.0).collect();
        let of = |head: usize, query: usize, key: usize| {
            f64::from(values[head * (2 * longest - 1) + longest - 1 + key - query])
        };
        let relation = Relation::Bias { values: &values, longest };
        check(Reach::All, relation, |head, query, key| Some(of(head, query, key)));
        check(Reach::Within(20), relation, |head, query, key| {
            (query.abs_diff(key) <= 20).then(|| of(head, query, key))
        });
    }
}
