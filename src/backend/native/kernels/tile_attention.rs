use std::f32::consts::LOG2_E;
use std::ops::Range;

use entopic_kernels::{Bf16, Kernel, Line, Rows, Strided, Weights, transpose};
use half::bf16;
use rten_simd::ops::{BitOps, NumOps};
use rten_simd::{Isa, SimdOp};

use super::attention::{Part, fold};
use super::exp::exp2_of_negative;
use super::round_bf16::RoundBf16;

/// Queries that are worked on together: the rows of two tiles.
const ROWS: usize = 32;

/// Scaled dot-product attention of some heads, each window for itself, as
/// [`Attention`](super::attention::Attention), but with both products in bfloat16 and no relation between places.
pub(crate) struct TileAttention<'a> {
    pub(crate) kernel: Kernel<Bf16>,
    /// Queries, keys and values.
    pub(crate) parts: [Part<'a>; 3],
    /// Of queries, and of keys.
    pub(crate) bounds: [&'a [usize]; 2],
    pub(crate) heads: Range<usize>,
    /// The columns of a head.
    pub(crate) size: usize,
    pub(crate) scale: f32,
    /// `[heads, queries, size]`, of these heads.
    pub(crate) out: &'a mut [f32],
    pub(crate) scratch: &'a mut TileScratch,
}

/// Turns the scores of a query into weights that are to be divided by their sum, and gives `1 / sum`.
struct Softmax<'a> {
    /// Whole vectors.
    scores: &'a mut [f32],
    scale: f32,
    /// As long.
    weights: &'a mut [bf16],
}

impl SimdOp for Softmax<'_> {
    type Output = f32;

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) -> f32 {
        let Self { scores, scale, weights } = self;
        let ops = isa.f32();
        let width = ops.len();
        let mut largest = ops.splat(f32::NEG_INFINITY);
        for scores in scores.chunks_exact(width) {
            largest = ops.max(largest, ops.load(scores));
        }
        let largest = fold(largest, |a, b| if a > b { a } else { b });
        // Weights are powers of two, not of e.
        let scale = ops.splat(LOG2_E * scale);
        let offset = ops.mul(ops.splat(-largest), scale);
        let mut total = ops.zero();
        for scores in scores.chunks_exact_mut(width) {
            let weight = exp2_of_negative(isa, ops.mul_add(ops.load(scores), scale, offset));
            total = ops.add(total, weight);
            ops.store(weight, scores);
        }
        RoundBf16 { values: scores, rounded: weights }.eval(isa);
        fold(total, |a, b| a + b).recip()
    }
}

/// Buffers of one head and window, taken once and reused.
#[derive(Default)]
pub(crate) struct TileScratch {
    /// `[queries, lines]`.
    queries: Vec<Line>,
    /// `[keys, size]`.
    rounded: Vec<bf16>,
    /// `[size, keys, up to an even number]`.
    columns: Vec<f32>,
    packed: Option<Packed>,
    /// `[ROWS, keys, up to whole lines]`.
    scores: Vec<f32>,
    /// `[ROWS, lines]`: scores, turned into weights that are not divided by their sum yet.
    weights: Vec<Line>,
}

struct Packed {
    /// To meet queries: `[keys, size]`.
    keys: Weights<Bf16>,
    /// To meet weights: `[size, keys]`.
    values: Weights<Bf16>,
}

impl TileAttention<'_> {
    pub(crate) fn run(self) {
        let Self { kernel, parts, bounds: [bounds, key_bounds], heads, size, scale, out, scratch } = self;
        let tokens = bounds.last().copied().unwrap_or(0);
        for (window, keys_of) in bounds.windows(2).zip(key_bounds.windows(2)) {
            let (window, keys_of) = (window[0]..window[1], keys_of[0]..keys_of[1]);
            for (head, out) in heads.clone().zip(out.chunks_exact_mut((tokens * size).max(1))) {
                let parts = parts.map(|part| part.head(head, size));
                scratch.read(kernel, parts, window.clone(), keys_of.clone(), size);
                scratch.attend(keys_of.len(), size, scale, &mut out[window.start * size..window.end * size]);
            }
        }
    }
}

impl TileScratch {
    /// Takes the queries of `window` and the keys and values of `keys_of`.
    fn read(
        &mut self,
        kernel: Kernel<Bf16>,
        [queries, keys, values]: [Part<'_>; 3],
        window: Range<usize>,
        keys_of: Range<usize>,
        size: usize,
    ) {
        let (lines, count) = (Line::holding::<bf16>(size), keys_of.len());
        self.queries.resize(window.len() * lines, Line::default());
        for (token, to) in window.zip(self.queries.chunks_exact_mut(lines.max(1))) {
            let (to, rest) = Line::values_mut(to).split_at_mut(size);
            RoundBf16 { values: queries.row(token, size), rounded: to }.dispatch();
            rest.fill(bf16::ZERO);
        }
        let even = count.next_multiple_of(2);
        self.rounded.resize(even * size, bf16::ZERO);
        for (token, to) in keys_of.clone().zip(self.rounded.chunks_exact_mut(size.max(1))) {
            RoundBf16 { values: keys.row(token, size), rounded: to }.dispatch();
        }
        self.packed.take_if(|packed| packed.keys.kernel().name() != kernel.name());
        let empty = || Weights::pack(kernel, &[], [0, 0]);
        let packed = self.packed.get_or_insert_with(|| Packed { keys: empty(), values: empty() });
        packed.keys.repack(&self.rounded[..count * size], size, [count, size]);
        // Values are added up over keys, so these have to lie side by side.
        self.columns.clear();
        self.columns.resize(size * even, 0.0);
        let rows = &values.rows[values.width * keys_of.start + values.first..];
        let to = Strided { values: &mut self.columns[..], stride: even };
        transpose(Strided { values: rows, stride: values.width }, to, [count, size]);
        RoundBf16 { values: &self.columns, rounded: &mut self.rounded }.dispatch();
        packed.values.repack(&self.rounded, even, [size, even]);
    }

    /// `out` is `[queries, size]`.
    fn attend(&mut self, keys: usize, size: usize, scale: f32, out: &mut [f32]) {
        let Self { queries, packed, scores, weights, .. } = self;
        let Some(packed) = packed else { return };
        let lines = packed.values.row_lines();
        // Scores become weights in place, and whole lines of these are read.
        let stride = lines * Line::BYTES / size_of::<bf16>();
        scores.resize(ROWS * stride, 0.0);
        weights.resize(ROWS * lines, Line::default());
        let blocks = queries.chunks(ROWS * packed.keys.row_lines()).zip(out.chunks_mut(ROWS * size));
        for (queries, out) in blocks {
            let rows = Rows::new(queries, packed.keys.row_lines());
            packed.keys.multiply(rows, 0..keys, |tile| {
                for (row, sums) in tile.each() {
                    scores[row * stride..][tile.columns.clone()].copy_from_slice(sums);
                }
            });
            let mut shares = [0.0; ROWS];
            let scores = scores.chunks_exact_mut(stride.max(1));
            let each = scores.zip(weights.chunks_exact_mut(lines.max(1))).zip(&mut shares);
            for ((scores, to), share) in each.take(rows.count()) {
                scores[keys..].fill(f32::NEG_INFINITY);
                *share = Softmax { scores, scale, weights: Line::values_mut(to) }.dispatch();
            }
            let rows = Rows::new(&weights[..rows.count() * lines], lines);
            packed.values.multiply(rows, 0..size, |tile| {
                for (row, sums) in tile.each() {
                    let out = &mut out[row * size..][tile.columns.clone()];
                    out.iter_mut().zip(sums).for_each(|(to, sum)| *to = sum * shares[row]);
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use entopic_kernels::{Bf16, Format, Kernel};
    use rten_simd::SimdOp;

    use super::super::super::noise::noise;
    use super::super::attention::{Attention, AttentionScratch, Part};
    use super::super::relation::{Reach, Relation};
    use super::{TileAttention, TileScratch};

    /// Longer windows come first, so that later ones meet what these left in the scratch; heads of half a line, of one and
    /// of two, and windows around the edges of tiles.
    const CASES: [(&[usize], usize, usize); 6] = [
        (&[0, 130, 290], 64, 2),
        (&[0, 33, 34, 50, 82], 48, 3),
        (&[0, 512], 64, 1),
        (&[0, 31, 63], 128, 2),
        (&[0, 5, 11, 12], 32, 2),
        (&[0, 1], 64, 1),
    ];

    /// Attends by tiles and in f32, and gives the largest difference. `bounds` are those of the queries and of the keys.
    fn difference(
        kernel: Kernel<Bf16>,
        [bounds, key_bounds]: [&[usize]; 2],
        [hidden, heads]: [usize; 2],
        scratch: &mut TileScratch,
    ) -> f32 {
        let (tokens, size) = (bounds[bounds.len() - 1], hidden / heads);
        let longest = tokens.max(key_bounds[key_bounds.len() - 1]);
        let qkv: Vec<f32> = noise(longest * hidden * 3, 5).into_iter().map(|value| 2.0 * value).collect();
        let parts = [0, 1, 2].map(|part| Part { rows: &qkv, width: 3 * hidden, first: part * hidden });
        let scale = (size as f32).sqrt().recip();
        let [mut out, mut expected] = [0.0, 1.0].map(|fill| vec![fill; tokens * hidden]);
        let [queries, keys, values] = parts;
        Attention {
            queries,
            keys,
            values,
            bounds,
            key_bounds,
            heads: 0..heads,
            size,
            scale,
            reach: Reach::All,
            relation: Relation::None,
            out: &mut expected,
            scratch: &mut AttentionScratch::default(),
        }
        .dispatch();
        // Heads may be computed apart.
        let (first, rest) = out.split_at_mut(tokens * size);
        for (heads, out) in [(0..1, first), (1..heads, rest)] {
            let bounds = [bounds, key_bounds];
            TileAttention { kernel, parts, bounds, heads, size, scale, out, scratch }.run();
        }
        out.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }

    /// Values reach 2, and bfloat16 has 8 bits.
    const BOUND: f32 = 0.015;

    #[test]
    fn is_near_attention_in_f32() {
        for &kernel in Bf16::kernels() {
            let mut scratch = TileScratch::default();
            for (bounds, hidden, heads) in CASES {
                let largest = difference(kernel, [bounds; 2], [hidden, heads], &mut scratch);
                assert!(largest < BOUND, "{kernel:?}, windows {bounds:?}: {largest}");
            }
        }
    }

    /// As in a decoder that reads an encoder's states.
    #[test]
    fn queries_may_meet_the_keys_of_another_text() {
        for &kernel in Bf16::kernels() {
            let mut scratch = TileScratch::default();
            for bounds in [[&[0, 5, 40][..], &[0, 70, 75]], [&[0, 33, 34], &[0, 1, 64]]] {
                let largest = difference(kernel, bounds, [64, 2], &mut scratch);
                assert!(largest < BOUND, "{kernel:?}, windows {bounds:?}: {largest}");
            }
        }
    }
}
