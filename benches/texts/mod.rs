//! Texts in several mixes of lengths, and the measurement of how fast they are read.

use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Throughput};

/// A news article of about 2,000 tokens.
pub const ARTICLE: &str = include_str!("../../examples/data/article.txt");

/// A name and the texts.
pub type Mix = (&'static str, Vec<String>);

/// Short, long and mixed texts of about the same number of tokens.
pub fn mixes() -> Vec<Mix> {
    let sentences: Vec<String> = ARTICLE
        .lines()
        .flat_map(|line| line.split_inclusive(". "))
        .map(|sentence| sentence.trim().to_owned())
        .filter(|sentence| !sentence.is_empty())
        .collect();
    // Of 1, 2, 4, 8 and 16 sentences in turn.
    let mut mixed = Vec::new();
    let mut rest = &sentences[..];
    for count in [1, 2, 4, 8, 16].into_iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (text, after) = rest.split_at(count.min(rest.len()));
        mixed.push(text.join(" "));
        rest = after;
    }
    vec![("sentences", sentences), ("mixed", mixed), ("article", vec![ARTICLE.to_owned()])]
}

/// Measures `pass`, which reads `documents` texts and returns the number of their tokens. Criterion
/// reports tokens per second; this also prints documents per second.
pub fn measure(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    documents: usize,
    mut pass: impl FnMut() -> usize,
) {
    group.throughput(Throughput::Elements(pass() as u64));
    let (mut passes, mut time) = (0, Duration::ZERO);
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|count| {
            let start = Instant::now();
            for _ in 0..count {
                std::hint::black_box(pass());
            }
            let elapsed = start.elapsed();
            (passes, time) = (passes + count, time + elapsed);
            elapsed
        });
    });
    if !time.is_zero() {
        println!(
            "{:24}docs:  {:.1} documents/s",
            "",
            (passes * documents as u64) as f64 / time.as_secs_f64()
        );
    }
}
