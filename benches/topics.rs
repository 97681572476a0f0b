//! Topic classification with the bundled bi-encoder, in tokens and documents per second, by the number of labels, by
//! threads, by the lengths of the texts and by precision.

#![allow(missing_docs, reason = "criterion_group makes a public function")]

mod texts;

use criterion::{Criterion, criterion_group, criterion_main};
use entopic::{Engine, Precision, TopicClassifier, news_topics};

use texts::{ARTICLE, measure, mixes};

fn topics(criterion: &mut Criterion) {
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    for precision in [Precision::Int8, Precision::F32] {
        for threads in [all, 1] {
            let engine = Engine::builder().precision(precision).threads(threads).label_cache(0).build();
            let classifier = engine.and_then(|engine| engine.topics(TopicClassifier::BUNDLED));
            let classifier = classifier.expect("it should be bundled");
            let mut group = criterion.benchmark_group(format!("topics/{precision:?}/{threads} threads"));
            group.sample_size(10);
            for count in [10, 100, 1_000] {
                let labels = (0..count).map(|label| format!("topic {label}"));
                let labels = classifier.label_set(labels).expect("the labels should be prepared");
                measure(&mut group, &format!("article, {count} labels"), 1, || {
                    classifier.classify(ARTICLE, &labels).map_or(0, |classified| classified.coverage.tokens)
                });
            }
            let labels = classifier.label_set(news_topics()).expect("the labels should be prepared");
            for (name, texts) in mixes() {
                measure(&mut group, &format!("{name}, news topics"), texts.len(), || {
                    let classified = classifier.classify_batch(&texts, &labels).into_iter();
                    classified.map(|one| one.map_or(0, |classified| classified.coverage.tokens)).sum()
                });
            }
            group.bench_function("preparing 100 labels", |bencher| {
                bencher.iter(|| classifier.label_set((0..100).map(|label| format!("topic {label}"))));
            });
            group.finish();
        }
    }
}

criterion_group!(benches, topics);
criterion_main!(benches);
