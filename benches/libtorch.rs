//! The native engine beside rust-bert on libtorch: the bundled model for entities on the same texts, with two
//! threads, all texts in one call and one text a call. Tokens and documents a second.

#![allow(missing_docs, reason = "criterion_group makes a public function")]

mod texts;

use criterion::{Criterion, criterion_group, criterion_main};
use entopic::{Backend, Ner, Precision};

use texts::{measure, mixes};

const THREADS: usize = 2;

fn backends(criterion: &mut Criterion) {
    for (name, backend, precision) in [
        ("native int8", Backend::Native, Precision::Int8),
        ("native f32", Backend::Native, Precision::F32),
        ("libtorch f32", Backend::LibTorch, Precision::F32),
    ] {
        let builder = Ner::builder("ner-en-small").backend(backend).precision(precision).threads(THREADS);
        let ner = builder.build().expect("is bundled");
        let tokens = |texts: &[String]| -> usize {
            let tagged = ner.tag_batch(texts).into_iter();
            tagged.map(|tagged| tagged.map_or(0, |tagged| tagged.coverage.tokens)).sum()
        };
        let mut group = criterion.benchmark_group(format!("backends/{name}/{THREADS} threads"));
        group.sample_size(10);
        for (mix, texts) in mixes() {
            measure(&mut group, mix, texts.len(), || tokens(&texts));
            if texts.len() > 1 {
                let one_by_one = || texts.chunks(1).map(tokens).sum();
                measure(&mut group, &format!("{mix}, one a call"), texts.len(), one_by_one);
            }
        }
        group.finish();
    }
}

criterion_group!(benches, backends);
criterion_main!(benches);
