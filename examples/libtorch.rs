//! Tags a news article with libtorch, as rust-bert does, and with entopic's native backend.
//!
//! ```text
//! eval "$(scripts/libtorch.sh)"
//! cargo run --release --features libtorch --example libtorch -- [cpu | cuda]
//! ```
//!
//! docs/backends.md says where to get libtorch, and which backend suits which use.

use std::env;
use std::time::Instant;

use entopic::{Backend, Device, Engine, Error, Precision, Tagger, news_topics};

/// Loads the same models on any engine; the rest of the code does not depend on it.
fn load(engine: &Engine) -> Result<Tagger, Error> {
    let (ner, topics) = (engine.ner("ner-en-small")?, engine.topics("topics-en-small")?);
    let labels = topics.label_set(news_topics())?;
    Tagger::new(ner, topics, labels)
}

fn main() -> Result<(), Error> {
    let article = include_str!("data/article.txt");
    let torch = Engine::builder().backend(Backend::LibTorch);
    let torch = match env::args().nth(1).as_deref() {
        Some("cuda") => torch.device(Device::Cuda(0)).precision(Precision::F16),
        _ => torch,
    };

    let mut found = Vec::new();
    for (name, engine) in [("libtorch", torch.build()?), ("native", Engine::new()?)] {
        let tagger = load(&engine)?;
        tagger.tag(article)?;
        let start = Instant::now();
        let document = tagger.tag(article)?;
        println!("{name:8}  {:4} entities in {:.0?}", document.entities.len(), start.elapsed());
        for topic in document.topics.iter().take(3) {
            println!("    {:>4.0} %  {}", topic.score * 100.0, topic.label);
        }
        found.push(document);
    }
    let is_same = |a: &entopic::Entity, b: &entopic::Entity| a.label == b.label && a.span == b.span;
    let [torch, native] = [&found[0].entities, &found[1].entities];
    let same = torch.iter().filter(|a| native.iter().any(|b| is_same(a, b))).count();
    println!("{same} entities are the same; the native backend computes in 8 bits");
    Ok(())
}
