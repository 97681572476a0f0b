//! The time to load the bundled models, for which a process waits before its first text.

#![allow(missing_docs, reason = "criterion_group makes a public function")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use entopic::{Engine, Ner, Precision, Tagger, TopicClassifier};

fn load(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("load");
    group.sample_size(10);
    group.bench_function("Ner", |bencher| bencher.iter(|| black_box(Ner::bundled().is_ok())));
    group.bench_function("Ner in f32", |bencher| {
        let load = || Engine::builder().precision(Precision::F32).build()?.ner(Ner::BUNDLED);
        bencher.iter(|| black_box(load().is_ok()));
    });
    group.bench_function("TopicClassifier", |bencher| {
        bencher.iter(|| black_box(TopicClassifier::bundled().is_ok()));
    });
    group.bench_function("Tagger", |bencher| bencher.iter(|| black_box(Tagger::bundled().is_ok())));
    group.bench_function("Tagger and its first sentence", |bencher| {
        bencher.iter(|| {
            black_box(
                Tagger::bundled().and_then(|tagger| tagger.tag("Ada Lovelace was born in London.")).is_ok(),
            )
        });
    });
    group.finish();
}

criterion_group!(benches, load);
criterion_main!(benches);
