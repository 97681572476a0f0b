//! Topic classification of the article by the bundled bi-encoder, by the number of labels.

#![allow(missing_docs, reason = "criterion_group makes a public function")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use entopic::{Precision, TopicClassifier};

const ARTICLE: &str = include_str!("../examples/data/article.txt");

fn topics(criterion: &mut Criterion) {
    for precision in [Precision::Int8, Precision::F32] {
        let builder = TopicClassifier::builder("topics-en-small").precision(precision);
        let classifier = builder.build().expect("is bundled");
        let mut group = criterion.benchmark_group(format!("topics/{precision:?}"));
        group.sample_size(10);
        for count in [10, 100, 1_000] {
            let labels = classifier.label_set((0..count).map(|i| format!("topic {i}"))).expect("are labels");
            let tokens =
                classifier.classify(ARTICLE, &labels).map_or(0, |classified| classified.coverage.tokens);
            group.throughput(Throughput::Elements(tokens as u64));
            group.bench_function(format!("article, {count} labels"), |bencher| {
                bencher.iter(|| black_box(classifier.classify(ARTICLE, &labels)));
            });
        }
        group.bench_function("preparing 100 labels", |bencher| {
            bencher.iter(|| black_box(classifier.label_set((0..100).map(|i| format!("topic {i}")))));
        });
        group.finish();
    }
}

criterion_group!(benches, topics);
criterion_main!(benches);
