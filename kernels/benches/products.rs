//! Benchmarks every fast kernel of this CPU on one thread, over the products of a layer: hidden states of 384 and 768
//! numbers, and a feed-forward part four times as wide. Elements are the additions of a product: half of the
//! operations that are counted elsewhere.

#![allow(missing_docs, reason = "criterion_group makes a public function")]

use std::hint::black_box;

use bytemuck::Zeroable;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use entopic_kernels::{Bf16, F32, Format, Int8, Line, Rows, Weights};

const ROWS: [usize; 3] = [17, 32, 128];
/// Inputs and outputs.
const SHAPES: [[usize; 2]; 4] = [[384, 1536], [1536, 384], [768, 3072], [3072, 768]];

fn products(criterion: &mut Criterion) {
    format::<Int8>(&mut criterion.benchmark_group("int8"));
    format::<Bf16>(&mut criterion.benchmark_group("bf16"));
    format::<F32>(&mut criterion.benchmark_group("f32"));
}

fn format<F: Format>(group: &mut BenchmarkGroup<'_, WallTime>) {
    for &kernel in F::kernels().iter().filter(|kernel| !kernel.is_portable()) {
        for [inputs, outputs] in SHAPES {
            let zeros = vec![F::Weight::zeroed(); outputs * inputs];
            let weights = Weights::<F>::pack(kernel, &zeros, [outputs, inputs]);
            for rows in ROWS {
                let lines = vec![Line::default(); rows * weights.row_lines()];
                group.throughput(Throughput::Elements((rows * inputs * outputs) as u64));
                group.bench_function(
                    format!("{}, {inputs} to {outputs}, {rows} rows", kernel.name()),
                    |bencher| {
                        bencher.iter(|| {
                            let rows = Rows::new(black_box(&lines), weights.row_lines());
                            weights.multiply(rows, 0..outputs, |tile| {
                                black_box(tile.sums());
                            });
                        });
                    },
                );
            }
        }
    }
}

criterion_group!(benches, products);
criterion_main!(benches);
