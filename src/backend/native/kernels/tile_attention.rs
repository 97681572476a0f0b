use std::f32::consts::LOG2_E;
use std::ops::Range;

use entopic_kernels::{Bf16, Kernel, Line, PANEL, Rows, TileSession, Weights};
use half::bf16;
use rten_simd::ops::{BitOps, NumOps};
use rten_simd::{Isa, Simd, SimdOp};

use super::attention::{Part, fold};
use super::exp::exp2_of_negative;
use super::round_bf16::{RoundBf16, round_bf16};

/// The number of queries that are processed together: the rows of two tiles.
const ROWS: usize = 32;

/// The number of queries whose weights are computed together.
const SOME: usize = 4;

/// Scaled dot-product attention of some heads, separate for each window. It is like
/// [`Attention`](super::attention::Attention), but with both products in bfloat16 and no relation between positions.
pub(crate) struct TileAttention<'a> {
    pub(crate) kernel: Kernel<Bf16>,
    /// Queries, keys and values.
    pub(crate) parts: [Part<'a>; 3],
    /// The bounds of queries, and those of keys.
    pub(crate) bounds: [&'a [usize]; 2],
    pub(crate) heads: Range<usize>,
    /// The number of columns of a head.
    pub(crate) size: usize,
    pub(crate) scale: f32,
    /// `[heads, queries, size]`, for these heads.
    pub(crate) out: &'a mut [f32],
    pub(crate) scratch: &'a mut TileScratch,
}

/// Rounds one head's values in some rows.
struct RoundRows<'a> {
    part: Part<'a>,
    rows: Range<usize>,
    size: usize,
    /// `[rows, stride]`. Values beyond the head's are left unchanged.
    to: &'a mut [bf16],
    stride: usize,
}

impl SimdOp for RoundRows<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let Self { part, rows, size, to, stride } = self;
        for (row, to) in rows.zip(to.chunks_exact_mut(stride.max(1))) {
            RoundBf16 { values: part.row(row, size), rounded: &mut to[..size] }.eval(isa);
        }
    }
}

/// Writes rows of sums, each multiplied by the row's factor.
struct Scale<'a> {
    /// `[rows, stride]`, in whole vectors.
    sums: &'a [f32],
    stride: usize,
    /// `[rows]`.
    factors: &'a [f32],
    /// `[rows, size]`.
    to: &'a mut [f32],
    size: usize,
}

impl SimdOp for Scale<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let Self { sums, stride, factors, to, size } = self;
        let ops = isa.f32();
        let rows = sums.chunks_exact(stride).zip(to.chunks_exact_mut(size));
        for ((sums, to), factor) in rows.zip(factors) {
            let factor = ops.splat(*factor);
            let whole = size - size % ops.len();
            for (sums, to) in sums.chunks_exact(ops.len()).zip(to[..whole].chunks_exact_mut(ops.len())) {
                ops.store(ops.mul(ops.load(sums), factor), to);
            }
            if whole < size {
                let rest = ops.mul(ops.load(&sums[whole..]), factor).to_array();
                to[whole..].copy_from_slice(&rest.as_ref()[..size - whole]);
            }
        }
    }
}

/// Turns the scores of some queries into weights that are not yet divided by their sum, and computes `1 / sum`.
struct Softmax<'a> {
    keys: usize,
    scale: f32,
    /// `[queries, stride]`, in pairs of vectors.
    scores: &'a mut [f32],
    stride: usize,
    /// `[queries, stride]`, like the scores.
    weights: &'a mut [bf16],
    /// `[queries]`.
    shares: &'a mut [f32],
}

impl SimdOp for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let Self { keys, scale, scores, stride, weights, shares } = self;
        let (ops, halves) = (isa.f32(), isa.i16());
        let pair = 2 * ops.len();
        // Weights are powers of two, not of e.
        let scale = ops.splat(LOG2_E * scale);
        // Rows do not wait for each other's sums, so several are processed together.
        let rows = scores.chunks_mut(SOME * stride).zip(weights.chunks_mut(SOME * stride));
        for ((scores, weights), shares) in rows.zip(shares.chunks_mut(SOME)) {
            let weights: &mut [i16] = bytemuck::cast_slice_mut(weights);
            let mut largest = [ops.splat(f32::NEG_INFINITY); SOME];
            for (scores, largest) in scores.chunks_exact_mut(stride).zip(&mut largest) {
                scores[keys..].fill(f32::NEG_INFINITY);
                for scores in scores.chunks_exact(ops.len()) {
                    *largest = ops.max(*largest, ops.load(scores));
                }
            }
            let mut offsets = [0.0; SOME];
            for (offset, largest) in offsets.iter_mut().zip(largest) {
                *offset = -fold(largest, |a, b| if a > b { a } else { b });
            }
            let mut totals = [ops.zero(); SOME];
            let rows = scores.chunks_exact(stride).zip(weights.chunks_exact_mut(stride));
            for ((total, offset), (scores, weights)) in totals.iter_mut().zip(offsets).zip(rows) {
                let offset = ops.mul(ops.splat(offset), scale);
                for (scores, weights) in scores.chunks_exact(pair).zip(weights.chunks_exact_mut(pair)) {
                    // Not in a closure, which would not be compiled with the vector instructions.
                    let [low, high] = ops.load_many::<2>(scores);
                    let low = exp2_of_negative(isa, ops.mul_add(low, scale, offset));
                    let high = exp2_of_negative(isa, ops.mul_add(high, scale, offset));
                    *total = ops.add(*total, ops.add(low, high));
                    halves.store(round_bf16(isa, [low, high]), weights);
                }
            }
            for (share, total) in shares.iter_mut().zip(totals) {
                *share = fold(total, |a, b| a + b).recip();
            }
        }
    }
}

/// The buffers for one head and window, allocated once and reused.
#[derive(Default)]
pub(crate) struct TileScratch {
    /// The number of columns of the head.
    size: usize,
    /// `[queries, lines]`.
    queries: Vec<Line>,
    /// `[keys, size]`: the keys, and after them the values.
    rounded: Vec<bf16>,
    packed: Option<Packed>,
    /// `[ROWS, keys, up to whole lines of weights]`.
    scores: Vec<f32>,
    /// `[ROWS, lines]`: weights that are not yet divided by their sum.
    weights: Vec<Line>,
    /// `[ROWS, size, up to two panels]`: sums of values.
    sums: Vec<f32>,
}

struct Packed {
    /// Keys to multiply with queries: `[keys, size]`.
    keys: Weights<Bf16>,
    /// Values to multiply with weights: `[size, keys]`.
    values: Weights<Bf16>,
}

impl TileAttention<'_> {
    pub(crate) fn run(self) {
        let Self { kernel, parts, bounds: [bounds, key_bounds], heads, size, scale, out, scratch } = self;
        let tokens = bounds.last().copied().unwrap_or(0);
        let _session = TileSession::new();
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
    /// Reads the queries of `window` and the keys and values of `keys_of`.
    fn read(
        &mut self,
        kernel: Kernel<Bf16>,
        [queries, keys, values]: [Part<'_>; 3],
        window: Range<usize>,
        keys_of: Range<usize>,
        size: usize,
    ) {
        let count = keys_of.len();
        let lines = Line::holding::<bf16>(size);
        let stride = lines * Line::BYTES / size_of::<bf16>();
        if self.size != size {
            // Lines are zero beyond the values of a head, and stay so.
            self.queries.clear();
            self.size = size;
        }
        self.queries.resize(window.len() * lines, Line::default());
        let to = Line::values_mut(&mut self.queries);
        RoundRows { part: queries, rows: window, size, to, stride }.dispatch();
        self.packed.take_if(|packed| packed.keys.kernel().name() != kernel.name());
        let empty = || Weights::pack(kernel, &[], [0, 0]);
        let packed = self.packed.get_or_insert_with(|| Packed { keys: empty(), values: empty() });
        self.rounded.resize(count * size, bf16::ZERO);
        RoundRows { part: keys, rows: keys_of.clone(), size, to: &mut self.rounded, stride: size }.dispatch();
        packed.keys.repack(&self.rounded, size, [count, size]);
        RoundRows { part: values, rows: keys_of, size, to: &mut self.rounded, stride: size }.dispatch();
        // Values are summed over keys.
        packed.values.repack_turned(&self.rounded, [size, count]);
    }

    /// `out` is `[queries, size]`.
    fn attend(&mut self, keys: usize, size: usize, scale: f32, out: &mut [f32]) {
        let Self { queries, packed, scores, weights, sums, .. } = self;
        let Some(packed) = packed else { return };
        let lines = packed.values.row_lines();
        // Weights are read in whole lines.
        let stride = lines * Line::BYTES / size_of::<bf16>();
        scores.resize(ROWS * stride, 0.0);
        weights.resize(ROWS * lines, Line::default());
        let width = size.next_multiple_of(2 * PANEL);
        sums.resize(ROWS * width, 0.0);
        let blocks = queries.chunks(ROWS * packed.keys.row_lines()).zip(out.chunks_mut(ROWS * size));
        for (queries, out) in blocks {
            let rows = Rows::new(queries, packed.keys.row_lines());
            packed.keys.multiply_into(rows, scores, stride);
            let mut shares = [0.0; ROWS];
            let shares = &mut shares[..rows.count()];
            let to = Line::values_mut(weights);
            Softmax { keys, scale, scores, stride, weights: to, shares }.dispatch();
            let rows = Rows::new(&weights[..rows.count() * lines], lines);
            packed.values.multiply_into(rows, sums, width);
            Scale { sums, stride: width, factors: shares, to: out, size }.dispatch();
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

    /// Longer windows come first, so that later ones meet the remains of these in the scratch. Heads take half a
    /// line, one line and two lines; windows end around the edges of tiles.
    const CASES: [(&[usize], usize, usize); 6] = [
        (&[0, 130, 290], 64, 2),
        (&[0, 33, 34, 50, 82], 48, 3),
        (&[0, 512], 64, 1),
        (&[0, 31, 63], 128, 2),
        (&[0, 5, 11, 12], 32, 2),
        (&[0, 1], 64, 1),
    ];

    /// Computes attention in tiles and in f32, and returns the largest difference. `bounds` are those of queries and
    /// of keys.
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
        // Heads may be computed separately.
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

    /// A decoder reads an encoder's states like this.
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
