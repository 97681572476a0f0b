//! One model, many threads.

use std::fs;
use std::thread;

#[cfg(feature = "bundled")]
use entopic::{Engine, Precision, Tagger, news_topics};

use crate::fixtures::{TOLERANCE, fixture, native_ner, torch_ner};
#[cfg(feature = "bundled")]
use crate::fixtures::{native, torch};

const ARTICLE: &str = include_str!("../../examples/data/article.txt");

/// The resident memory of this process, in kilobytes, where the system reports it.
fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok())
}

#[test]
fn thirty_two_threads_get_right_answers_for_a_thousand_documents() {
    let ner = torch_ner(fixture("ner-wordpiece-cased")).expect("the model should load");
    let native = native_ner(fixture("ner-wordpiece-cased")).expect("the model should load");
    let sentences: Vec<&str> = ARTICLE.split_inclusive(". ").collect();
    let texts: Vec<String> = (0..1000)
        .map(|number| sentences.iter().cycle().skip(number % 60).take(1 + number % 4).copied().collect())
        .collect();
    let expected = native.tag_batch(&texts);
    let before = resident();
    thread::scope(|scope| {
        for (texts, expected) in texts.chunks(32).zip(expected.chunks(32)) {
            let ner = &ner;
            scope.spawn(move || {
                for (text, expected) in texts.iter().zip(expected) {
                    let found = ner.tag(text).expect("the text should be tagged").entities;
                    let expected = &expected.as_ref().expect("the text should be tagged").entities;
                    assert_eq!(found.len(), expected.len(), "{text:?}");
                    for (found, expected) in found.iter().zip(expected) {
                        assert_eq!((&found.label, &found.span), (&expected.label, &expected.span));
                        assert!((found.score - expected.score).abs() <= TOLERANCE);
                    }
                }
            });
        }
    });
    if let (Some(before), Some(after)) = (before, resident()) {
        println!("{before} kB before, {after} kB after");
        assert!(after < before + 300_000, "{before} kB became {after} kB");
    }
}

#[test]
fn a_model_may_be_shared_inside_another_pool() {
    let ner = torch_ner(fixture("ner-wordpiece-cased")).expect("the model should load");
    let expected = ner.tag("Maria Okafor met Obama in Geneva").expect("the text should be tagged").entities;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("the threads should start");
    pool.scope(|jobs| {
        for _ in 0..100 {
            jobs.spawn(|_| {
                let found =
                    ner.tag("Maria Okafor met Obama in Geneva").expect("the text should be tagged").entities;
                assert_eq!(found, expected);
            });
        }
    });
}

#[test]
fn models_may_be_loaded_and_dropped_beside_one_another() {
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for name in ["ner-bioes", "distilbert-ner"] {
                    let ner = torch_ner(fixture(name)).expect("the model should load");
                    ner.tag(ARTICLE).expect("the text should be tagged");
                }
            });
        }
    });
}

#[cfg(feature = "bundled")]
#[test]
fn the_bundled_models_say_the_same_of_the_article() {
    let tagger = |engine: &Engine| {
        let (ner, topics) = (engine.ner("ner-en-small"), engine.topics("topics-en-small"));
        let (ner, topics) =
            (ner.expect("the model should be bundled"), topics.expect("the model should be bundled"));
        let labels = topics.label_set(news_topics()).expect("the labels should fit");
        Tagger::new(ner, topics, labels).expect("the labels should be of this model")
    };
    let (native, torch) = (tagger(&native()), tagger(&torch(Precision::F32)));
    let (expected, found) = (
        native.tag(ARTICLE).expect("the text should be tagged"),
        torch.tag(ARTICLE).expect("the text should be tagged"),
    );
    let spans = |entities: &[entopic::Entity]| -> Vec<_> {
        entities.iter().map(|entity| (entity.label.clone(), entity.span.clone())).collect()
    };
    assert!(found.entities.len() > 50);
    assert_eq!(spans(&found.entities), spans(&expected.entities));
    for (found, expected) in found.topics.iter().zip(&expected.topics) {
        assert_eq!(found.label, expected.label);
        assert!((found.score - expected.score).abs() <= 1e-3, "{found:?} {expected:?}");
    }
    let logits = |tagger: &Tagger| tagger.ner().logits(ARTICLE).expect("the text should be tagged").logits;
    let (found, expected) = (logits(&torch), logits(&native));
    let largest = found.iter().zip(&expected).fold(0.0_f32, |largest, (a, b)| largest.max((a - b).abs()));
    println!("ner-en-small on the article: largest difference of logits {largest:.1e}");
    assert!(largest <= TOLERANCE, "{largest}");
}

#[test]
fn a_model_may_be_loaded_called_and_dropped_inside_tokio() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("it should start");
    let found = runtime.block_on(async {
        // On a thread of the runtime itself, as careless servers do.
        let ner =
            std::sync::Arc::new(torch_ner(fixture("ner-wordpiece-cased")).expect("the model should load"));
        let calls = (0..16).map(|_| {
            let ner = std::sync::Arc::clone(&ner);
            tokio::task::spawn_blocking(move || {
                ner.tag("Maria Okafor met Obama in Geneva").expect("the text should be tagged")
            })
        });
        let mut found = Vec::new();
        for call in calls.collect::<Vec<_>>() {
            found.push(call.await.expect("ends").entities);
        }
        assert_eq!(
            ner.tag("Maria Okafor met Obama in Geneva").expect("the text should be tagged").entities,
            found[0]
        );
        found
    });
    assert!(found.iter().all(|entities| *entities == found[0]));
}

/// Longformer pads the texts of a batch to its windows: the padding must count when batches are made.
#[test]
fn windows_that_are_padded_to_stay_within_the_budget() {
    let copy = crate::support::changed("longformer-ner", |json| json["attention_window"] = 512.into());
    let ner = torch_ner(copy.path()).expect("the model should load");
    let before = resident();
    let texts = vec!["Maria Okafor met Obama in Geneva"; 100];
    for found in ner.tag_batch(&texts) {
        found.expect("the text should be tagged");
    }
    if let (Some(before), Some(after)) = (before, resident()) {
        println!("{before} kB before, {after} kB after");
        assert!(after < before + 200_000, "{before} kB became {after} kB");
    }
}
