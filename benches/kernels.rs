//! The engine's parts separately, on one thread. `products` measures only the matrix products of a layer: its tokens
//! per second, divided by the number of layers, are the limit of the whole engine.

#![allow(missing_docs, reason = "criterion_group makes a public function")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use entopic::Precision;
use entopic::internals::{attention, gelu, normalise, products, quantise};
use rayon::ThreadPoolBuilder;

fn kernels(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("products of a layer");
    for (shape, hidden) in [("384", 384), ("768", 768)] {
        for precision in [Precision::Int8, Precision::Bf16, Precision::F32] {
            for tokens in [17, 128] {
                group.throughput(Throughput::Elements(tokens as u64));
                let name = format!("{precision:?}, hidden {shape}, {tokens} tokens");
                let pool = ThreadPoolBuilder::new().num_threads(1).build().expect("a thread should start");
                let mut run = products(pool, precision, tokens, hidden);
                group.bench_function(name, |bencher| bencher.iter(&mut run));
            }
        }
    }
    group.finish();

    let mut group = criterion.benchmark_group("attention of a layer");
    for (hidden, heads) in [(384, 12), (768, 12)] {
        for tokens in [17, 128, 512] {
            group.throughput(Throughput::Elements(tokens as u64));
            let mut run = attention(tokens, hidden, heads);
            group.bench_function(format!("hidden {hidden}, {tokens} tokens"), |bencher| {
                bencher.iter(&mut run)
            });
        }
    }
    group.finish();

    let mut group = criterion.benchmark_group("rows");
    let mut measure = |name: &str, count: usize, mut run: Box<dyn FnMut()>| {
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(format!("{name} of {count}"), |bencher| bencher.iter(&mut run));
    };
    measure("GELU", 1536, Box::new(gelu(1536)));
    measure("norm", 384, Box::new(normalise(384)));
    for count in [384, 1536] {
        measure("quantising", count, Box::new(quantise(count)));
    }
    group.finish();
}

criterion_group!(benches, kernels);
criterion_main!(benches);
