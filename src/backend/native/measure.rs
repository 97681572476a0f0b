//! Workloads of the kernels and products. Each function returns a closure that runs its workload once.

use std::hint::black_box;

use rayon::ThreadPool;
use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::ParallelSlice;
use rten_simd::{SimdOp, SimdUnaryOp};

use super::activations::Activations;
use super::arithmetic::{Arithmetic, Bf16, F32, Int8};
use super::kernels::attention::{Attention, AttentionScratch, Part};
use super::kernels::finish::Finish;
use super::kernels::gelu::Gelu;
use super::kernels::norm::Normalise;
use super::kernels::quantise::QuantiseRow;
use super::kernels::relation::{Reach, Relation};
use super::linear::{Linear, Product};
use super::noise::noise;
use crate::checkpoint::{Matrix, Values};
use crate::precision::Precision;

/// The products of a layer of BERT's shape on `tokens` tokens, with scaling and bias but nothing else around them.
/// They run on the single thread of `pool`.
pub fn products(pool: ThreadPool, precision: Precision, tokens: usize, hidden: usize) -> Box<dyn FnMut()> {
    match precision {
        Precision::Int8 => Box::new(products_in::<Int8>(pool, tokens, hidden)),
        Precision::Bf16 => Box::new(products_in::<Bf16>(pool, tokens, hidden)),
        _ => Box::new(products_in::<F32>(pool, tokens, hidden)),
    }
}

fn products_in<A: Arithmetic>(pool: ThreadPool, tokens: usize, hidden: usize) -> impl FnMut() {
    let shapes = [(hidden, 3 * hidden), (hidden, hidden), (hidden, 4 * hidden), (4 * hidden, hidden)];
    let mut layers: Vec<(Linear<A>, Activations<A>)> = shapes
        .map(|(inputs, outputs)| {
            let weights = Values::F32(noise(inputs * outputs, 1).into());
            let matrix = Matrix { rows: outputs, columns: inputs, values: weights };
            let linear = Linear::new(&matrix, vec![0.0; outputs]);
            let mut activations = Activations::default();
            activations.resize(tokens, inputs);
            let rows = noise(tokens * inputs, 2);
            pool.install(|| {
                let set = activations.all_mut().each().zip(rows.par_chunks_exact(inputs));
                set.for_each(|(to, row)| to.set(row));
            });
            (linear, activations)
        })
        .into();
    let mut product = Product::default();
    move || {
        // Outside a pool of one thread, products would divide themselves among threads.
        pool.install(|| {
            for (linear, activations) in &mut layers {
                let (out, buffers) = product.room(tokens * linear.outputs());
                let done = linear.forward(activations.rows(0..tokens), Finish::default(), out, buffers);
                black_box(done.is_ok());
            }
        });
    }
}

/// Attention of one window in one layer.
pub fn attention(tokens: usize, hidden: usize, heads: usize) -> impl FnMut() {
    let qkv = noise(tokens * 3 * hidden, 1);
    let (mut out, mut scratch) = (vec![0.0; tokens * hidden], AttentionScratch::default());
    let size = hidden / heads;
    move || {
        let part = |part| Part { rows: &qkv, width: 3 * hidden, first: part * hidden };
        let [queries, keys, values] = [0, 1, 2].map(part);
        Attention {
            queries,
            keys,
            values,
            bounds: &[0, tokens],
            key_bounds: &[0, tokens],
            heads: 0..heads,
            size,
            scale: (size as f32).sqrt().recip(),
            reach: Reach::All,
            relation: Relation::None,
            out: &mut out,
            scratch: &mut scratch,
        }
        .dispatch();
    }
}

/// GELU of `count` values.
pub fn gelu(count: usize) -> impl FnMut() {
    let values = noise(count, 1);
    let mut out = values.clone();
    move || {
        out.copy_from_slice(&values);
        Gelu.map_mut(&mut out);
    }
}

/// Layer normalisation of a row of `count` values.
pub fn normalise(count: usize) -> impl FnMut() {
    let (values, weight) = (noise(count, 1), noise(count, 2));
    let mut row = values.clone();
    move || {
        row.copy_from_slice(&values);
        Normalise { row: &mut row, weight: &weight, bias: &values, epsilon: 1e-12 }.dispatch();
    }
}

/// Quantising a row of `count` values.
pub fn quantise(count: usize) -> impl FnMut() {
    let (row, mut codes) = (noise(count, 1), vec![0; count]);
    move || {
        black_box(QuantiseRow { row: &row, largest: 127, codes: &mut codes }.dispatch());
    }
}
