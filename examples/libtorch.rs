//! Tags a news article with libtorch, as rust-bert does, and beside it with entopic's own engine.
//!
//! ```text
//! eval "$(scripts/libtorch.sh)"
//! cargo run --release --features libtorch --example libtorch -- [cpu | cuda]
//! ```
//!
//! docs/backends.md tells where libtorch comes from, and which backend is for whom.

use std::env;
use std::time::Instant;

use entopic::{Backend, Device, Precision, Tagger};

fn main() -> Result<(), entopic::Error> {
    let article = include_str!("data/article.txt");
    let cuda = env::args().nth(1).is_some_and(|device| device == "cuda");

    // The same models on another backend: everything else stays as it is.
    let torch = Tagger::builder().backend(Backend::LibTorch);
    let torch = match cuda {
        true => torch.device(Device::Cuda(0)).precision(Precision::F16).build()?,
        false => torch.build()?,
    };
    let native = Tagger::bundled()?;

    let mut found = Vec::new();
    for (name, tagger) in [("libtorch", &torch), ("native", &native)] {
        tagger.tag(article)?;
        let start = Instant::now();
        let document = tagger.tag(article)?;
        println!("{name:8}  {:4} entities in {:.0?}", document.entities.len(), start.elapsed());
        for topic in document.topics.iter().take(3) {
            println!("    {:>4.0} %  {}", topic.score * 100.0, topic.label);
        }
        found.push(document);
    }
    let span = |entity: &entopic::Entity| (entity.label.clone(), entity.span.bytes.clone());
    let native: Vec<_> = found[1].entities.iter().map(span).collect();
    let same = found[0].entities.iter().filter(|entity| native.contains(&span(entity))).count();
    println!("{same} entities are the same; the native engine computes in 8 bits");
    Ok(())
}
