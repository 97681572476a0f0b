//! The native engine and rust-bert on libtorch, in tokens and documents per second: the bundled model for entities on
//! the same texts, with two threads, all texts in one call and one text per call. With `ENTOPIC_BENCH_DEVICE=cuda`, the
//! CUDA device 0 as well, in both precisions.

#![allow(missing_docs, reason = "criterion_group makes a public function")]

mod texts;

use criterion::{Criterion, criterion_group, criterion_main};
use entopic::{Backend, Device, Engine, Ner, Precision};

use texts::{measure, mixes};

const THREADS: usize = 2;

fn backends(criterion: &mut Criterion) {
    let mut kinds = vec![
        ("native int8", Backend::Native, None, Precision::Int8),
        ("native f32", Backend::Native, None, Precision::F32),
        ("libtorch f32", Backend::LibTorch, None, Precision::F32),
    ];
    if std::env::var("ENTOPIC_BENCH_DEVICE").is_ok_and(|device| device == "cuda") {
        let device = Some(Device::Cuda(0));
        kinds.push(("CUDA f32", Backend::LibTorch, device, Precision::F32));
        kinds.push(("CUDA f16", Backend::LibTorch, device, Precision::F16));
    }
    for (name, backend, device, precision) in kinds {
        let builder = Engine::builder().backend(backend).precision(precision).threads(THREADS);
        let builder = match device {
            Some(device) => builder.device(device),
            None => builder,
        };
        let ner = builder.build().and_then(|engine| engine.ner(Ner::BUNDLED)).expect("it should be bundled");
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
                measure(&mut group, &format!("{mix}, one per call"), texts.len(), one_by_one);
            }
        }
        group.finish();
    }
}

criterion_group!(benches, backends);
criterion_main!(benches);
