//! Tokenising and finding sentences, on one thread, by the lengths of the texts.

#![allow(missing_docs, reason = "criterion_group makes a public function")]

mod texts;

use criterion::{Criterion, criterion_group, criterion_main};
use entopic::Ner;
use entopic::internals::tokenise;

use texts::{measure, mixes};

fn tokenize(criterion: &mut Criterion) {
    let ner = Ner::bundled().expect("the model should be bundled");
    let mut group = criterion.benchmark_group("tokenize");
    for (name, texts) in mixes() {
        measure(&mut group, name, texts.len(), || texts.iter().map(|text| tokenise(&ner, text)).sum());
    }
    group.finish();
}

criterion_group!(benches, tokenize);
criterion_main!(benches);
