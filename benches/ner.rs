//! Named-entity recognition over the article's lines: one text a call, all in one call, and the
//! article as one document.

#![allow(missing_docs, reason = "criterion_group makes a public function")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use entopic::{Ner, Precision};

const ARTICLE: &str = include_str!("../examples/data/article.txt");

fn ner(criterion: &mut Criterion) {
    let lines: Vec<&str> = ARTICLE.lines().filter(|line| !line.is_empty()).collect();
    for precision in [Precision::Int8, Precision::F32] {
        let ner = Ner::builder("ner-en-small").precision(precision).build().expect("is bundled");
        let tokens = |texts: &[&str]| {
            let tagged = ner.tag_batch(texts);
            tagged
                .iter()
                .map(|tagged| tagged.as_ref().map_or(0, |tagged| tagged.coverage.tokens))
                .sum::<usize>()
        };
        let mut group = criterion.benchmark_group(format!("ner/{precision:?}"));
        group.sample_size(10);
        group.throughput(Throughput::Elements(tokens(&lines) as u64));
        group.bench_function("lines, one a call", |bencher| {
            bencher.iter(|| lines.iter().for_each(|line| drop(black_box(ner.tag(line)))));
        });
        group.bench_function("lines, one call", |bencher| bencher.iter(|| black_box(ner.tag_batch(&lines))));
        group.throughput(Throughput::Elements(tokens(&[ARTICLE]) as u64));
        group.bench_function("article", |bencher| bencher.iter(|| black_box(ner.tag(ARTICLE))));
        group.finish();
    }
}

criterion_group!(benches, ner);
criterion_main!(benches);
