//! Runs the bundled models for a long time: `cargo bench --bench soak -- MINUTES` (by default 1). Eight threads tag
//! texts of all lengths, with label sets and calls of all kinds, and compare each answer with the first. Each line has
//! the minute, the texts per second and the resident memory. It fails if an answer changes, if the memory grows after
//! the first tenth by more than a twentieth, or if the last tenth is slower than the second by more than a fifth.

use std::fs;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use entopic::{LabelSet, Limits, TaggedDocument, Tagger};

const THREADS: usize = 8;

/// The parts of the time that are measured.
const PARTS: u32 = 20;

/// A text, the labels of its topics, and the right answer.
struct Job<'a> {
    text: String,
    labels: &'a LabelSet,
    answer: TaggedDocument,
}

/// Resident memory in KiB, where the system reports it.
fn resident() -> Option<usize> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

fn texts() -> Vec<String> {
    let article = include_str!("../examples/data/article.txt");
    let mut texts: Vec<String> =
        article.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
    texts.extend([0, 1, 7, 60, 400, 3000].map(|length| article.chars().take(length).collect()));
    texts.extend([
        article.to_owned(),
        article.repeat(6),
        "é".repeat(2000),
        "a.".repeat(900),
        " \n".repeat(500),
    ]);
    texts
}

/// One round of a thread over all jobs, from its own place on.
fn round(
    tagger: &Tagger,
    jobs: &[Job<'_>],
    start: usize,
    stop: &AtomicBool,
    done: &AtomicUsize,
) -> Result<(), String> {
    for at in 0..jobs.len() {
        if stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        let jobs_of_call: Vec<&Job<'_>> =
            (0..1 + at % 4).map(|more| &jobs[(start + 7 * at + more) % jobs.len()]).collect();
        let labels = jobs_of_call[0].labels;
        let own = tagger.with_labels(labels.clone()).map_err(|error| error.to_string())?;
        // Calls that are cancelled must not disturb the others.
        if at % 16 == 0 {
            let past = Limits::new().deadline(Instant::now() + Duration::from_millis(3));
            let _ = own.within(&past).tag(&jobs_of_call[0].text);
        }
        let same: Vec<&Job<'_>> =
            jobs_of_call.into_iter().filter(|job| std::ptr::eq(job.labels, labels)).collect();
        let texts: Vec<&str> = same.iter().map(|job| job.text.as_str()).collect();
        for (found, job) in own.tag_batch(&texts).into_iter().zip(&same) {
            if found.map_err(|error| error.to_string())? != job.answer {
                return Err(format!(
                    "another answer for {:?}",
                    job.text.chars().take(60).collect::<String>()
                ));
            }
            done.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(())
}

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let minutes = std::env::args().skip(1).find_map(|argument| argument.parse::<f64>().ok()).unwrap_or(1.0);
    let tagger = Tagger::bundled()?;
    let sets = [
        tagger.labels().clone(),
        tagger.topics().label_set(["sport", "politics"])?,
        tagger.topics().label_set((0..100).map(|at| format!("topic number {at}")))?,
    ];
    let mut jobs = Vec::new();
    for text in texts() {
        for labels in &sets {
            jobs.push(Job { answer: tagger.tag_with(&text, labels)?, text: text.clone(), labels });
        }
    }
    let (stop, done) = (AtomicBool::new(false), AtomicUsize::new(0));
    let part = Duration::from_secs_f64(60.0 * minutes / f64::from(PARTS));
    let (mut speeds, mut memory) = (Vec::new(), Vec::new());
    let failure = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|at| {
                let (tagger, jobs, stop, done) = (&tagger, &jobs, &stop, &done);
                scope.spawn(move || {
                    let mut result = Ok(());
                    while result.is_ok() && !stop.load(Ordering::Relaxed) {
                        result = round(tagger, jobs, at * 5, stop, done);
                    }
                    stop.store(true, Ordering::Relaxed);
                    result
                })
            })
            .collect();
        let begun = Instant::now();
        for number in 1..=PARTS {
            let (before, start) = (done.load(Ordering::Relaxed), Instant::now());
            while start.elapsed() < part && !stop.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(50).min(part));
            }
            let count = done.load(Ordering::Relaxed) - before;
            speeds.push(count as f64 / start.elapsed().as_secs_f64());
            memory.push(resident().unwrap_or(0));
            let minute = begun.elapsed().as_secs_f64() / 60.0;
            println!(
                "{minute:6.1} min {:8.1} texts/s {:8} KiB",
                speeds[speeds.len() - 1],
                memory[memory.len() - 1]
            );
            if stop.load(Ordering::Relaxed) || number == PARTS {
                break;
            }
        }
        stop.store(true, Ordering::Relaxed);
        threads.into_iter().find_map(|thread| match thread.join() {
            Ok(result) => result.err(),
            Err(_) => Some("a thread panicked".to_owned()),
        })
    });
    if let Some(failure) = failure {
        return Err(failure.into());
    }
    let tenth = PARTS as usize / 10;
    let (early, late) = (memory[..tenth].iter().max(), memory[tenth..].iter().max());
    let (early, late) = (*early.unwrap_or(&0) as f64, *late.unwrap_or(&0) as f64);
    let mean = |speeds: &[f64]| speeds.iter().sum::<f64>() / speeds.len() as f64;
    let (first, last) = (mean(&speeds[tenth..2 * tenth]), mean(&speeds[speeds.len() - tenth..]));
    println!(
        "{} texts; memory {:.3} of the first tenth's; speed {:.3} of the second tenth's",
        done.load(Ordering::Relaxed),
        late / early.max(1.0),
        last / first
    );
    Ok(if late > 1.05 * early || last < 0.8 * first { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
