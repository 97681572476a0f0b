//! Named-entity recognition with the bundled model, in tokens and documents per second, by the lengths of the texts, by
//! threads and by precision: all texts in one call, and one text per call.

#![allow(missing_docs, reason = "criterion_group makes a public function")]

mod texts;

use criterion::{Criterion, criterion_group, criterion_main};
use entopic::{Engine, Ner, Precision};

use texts::{measure, mixes};

fn ner(criterion: &mut Criterion) {
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    for precision in [Precision::Int8, Precision::F32] {
        for threads in [all, 1] {
            let engine = Engine::builder().precision(precision).threads(threads).build();
            let ner = engine.and_then(|engine| engine.ner(Ner::BUNDLED)).expect("it should be bundled");
            let tokens = |texts: &[String]| -> usize {
                let tagged = ner.tag_batch(texts).into_iter();
                tagged.map(|tagged| tagged.map_or(0, |tagged| tagged.coverage.tokens)).sum()
            };
            let mut group = criterion.benchmark_group(format!("ner/{precision:?}/{threads} threads"));
            group.sample_size(10);
            for (name, texts) in mixes() {
                measure(&mut group, name, texts.len(), || tokens(&texts));
                if texts.len() > 1 {
                    let one_by_one = || texts.chunks(1).map(tokens).sum();
                    measure(&mut group, &format!("{name}, one per call"), texts.len(), one_by_one);
                }
            }
            group.finish();
        }
    }
}

criterion_group!(benches, ner);
criterion_main!(benches);
