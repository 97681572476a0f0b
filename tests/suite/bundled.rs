//! The bundled models: they must find certain entities and topics in the article, and compute what transformers
//! computes with the same weights.

use std::fs;
use std::path::{Path, PathBuf};

use entopic::{
    EntityOptions, Label, Ner, Precision, Registry, Scoring, Source, Tagger, TopicClassifier, TopicOptions,
    news_topics,
};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::support::precise;

const ARTICLE: &str = include_str!("../../examples/data/article.txt");

const TOLERANCE: f32 = 1e-4;

#[derive(Deserialize)]
struct Golden {
    ner: Vec<TaggedCase>,
    topics: Vec<EmbeddedCase>,
}

#[derive(Deserialize)]
struct TaggedCase {
    text: String,
    logits: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
struct EmbeddedCase {
    text: String,
    embedding: Vec<f32>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn golden() -> Golden {
    let json = fs::read(root().join("tests/goldens/bundled.json")).expect("the golden is committed");
    serde_json::from_slice(&json).expect("the golden is JSON")
}

#[test]
fn tags_equal_transformers_with_the_dequantised_weights() {
    // One window per text, as in the reference.
    let ner = precise(Precision::F32).ner("ner-en-small").expect("it should be bundled");
    let ner = ner.with(EntityOptions::new().window(512)).expect("the model should take as many tokens");
    let mut largest: f32 = 0.0;
    for case in golden().ner {
        let found = ner.logits(&case.text).expect("the text should be tagged").logits;
        // The reference has [CLS] first and [SEP] last.
        let expected = &case.logits[1..case.logits.len() - 1];
        assert_eq!(found.nrows(), expected.len(), "tokens of {:?}", case.text);
        for (row, expected) in found.rows().into_iter().zip(expected) {
            for (value, expected) in row.iter().zip(expected) {
                largest = largest.max((value - expected).abs());
            }
        }
    }
    println!("ner-en-small: largest difference of logits {largest:.1e}");
    assert!(largest > 0.0 && largest <= TOLERANCE, "{largest}");
}

#[test]
fn embeddings_equal_transformers_with_the_dequantised_weights() {
    let classifier = precise(Precision::F32).topics("topics-en-small").expect("it should be bundled");
    let classifier =
        classifier.with(TopicOptions::new().window(512)).expect("the model should take as many tokens");
    let mut largest: f32 = 0.0;
    for case in golden().topics {
        let found = classifier.embed(&case.text).expect("it should be embedded");
        for (value, expected) in found.iter().zip(&case.embedding) {
            largest = largest.max((value - expected).abs());
        }
    }
    println!("topics-en-small: largest difference of embeddings {largest:.1e}");
    assert!(largest > 0.0 && largest <= TOLERANCE, "{largest}");
}

/// Every place in the article where `name` stands as whole words.
fn mentions(name: &str) -> Vec<usize> {
    let apart = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '-');
    ARTICLE
        .match_indices(name)
        .map(|(at, _)| at)
        .filter(|&at| {
            apart(ARTICLE[..at].chars().next_back()) && apart(ARTICLE[at + name.len()..].chars().next())
        })
        .collect()
}

#[test]
fn every_name_in_the_article_is_found() {
    let names: [(&str, &[&str]); 4] = [
        ("PER", &["Aleksandr Lukashenko", "Vladimir Putin", "Vladimir Medinsky"]),
        ("LOC", &["Belarus", "Russia", "Ukraine", "Moscow", "Kremlin", "Kazakhstan", "USSR", "Soviet Union"]),
        ("ORG", &["CSTO", "EAEU"]),
        ("MISC", &["Belarusian", "Russian", "Ukrainian", "Belarusian-Russian", "Belarusians"]),
    ];
    // Organisations and states whose names contain another name: the whole is the mention, as in CoNLL-2003, so the
    // part need not be found.
    let longer = ["Armed Forces of Ukraine", "Russian Federation"];
    for precision in [Precision::Int8, Precision::F32] {
        let ner = precise(precision).ner("ner-en-small").expect("it should be bundled");
        let entities = ner.tag(ARTICLE).expect("the text should be tagged").entities;
        let mut missed = Vec::new();
        for (label, names) in names {
            for name in names {
                let places = mentions(name);
                assert!(!places.is_empty(), "{name} is not in the article");
                for at in places {
                    let inside = |whole: &&str| {
                        mentions(whole)
                            .iter()
                            .any(|&first| first <= at && at + name.len() <= first + whole.len())
                    };
                    if longer.iter().any(inside) {
                        continue;
                    }
                    let found = entities.iter().find(|entity| {
                        entity.span.bytes.start == at && entity.text == *name && entity.label == label
                    });
                    if found.is_none() {
                        let near = entities.iter().find(|entity| entity.span.bytes.contains(&at));
                        missed
                            .push(format!("{label} {name} at {at}: {:?}", near.map(|e| (&e.label, &e.text))));
                    }
                }
            }
        }
        assert!(missed.is_empty(), "{precision:?} missed {missed:#?}");
    }
}

#[test]
fn the_article_is_about_politics_and_not_about_sport() {
    let (ner, loaded) = (Ner::bundled(), TopicClassifier::bundled());
    let (ner, loaded) = (ner.expect("it should be bundled"), loaded.expect("it should be bundled"));
    let scores = |labels: &[Label], scoring| {
        let topics = loaded.with(TopicOptions::new().scoring(scoring)).expect("it should have both");
        let labels = topics.label_set(labels).expect("the labels should fit");
        let tagger = Tagger::new(ner.clone(), topics, labels).expect("the labels should be of this model");
        let document = tagger.tag(ARTICLE).expect("it should be tagged");
        assert!(document.coverage.is_complete(), "{:?}", document.coverage);
        document.topics.into_iter().map(|topic| (topic.label, topic.score)).collect::<Vec<_>>()
    };
    let labels = ["politics", "economy", "sanctions", "sport", "health", "entertainment"].map(Label::from);
    for scoring in [Scoring::SingleLabel, Scoring::MultiLabel] {
        let found = scores(&labels, scoring);
        let mut first: Vec<&str> = found[..3].iter().map(|(label, _)| label.as_str()).collect();
        first.sort_unstable();
        assert_eq!(first, ["economy", "politics", "sanctions"], "{found:?}");
    }
    let found = scores(&news_topics(), Scoring::SingleLabel);
    let top: Vec<&str> = found[..3].iter().map(|(label, _)| label.as_str()).collect();
    assert!(top.contains(&"politics") || top.contains(&"economy and business"), "{found:?}");
}

#[test]
fn a_batch_of_real_texts_gives_what_they_give_alone() {
    let tagger = Tagger::bundled().expect("the model should be bundled");
    let texts: Vec<&str> = ARTICLE.lines().chain([ARTICLE, "", "x"]).collect();
    let alone: Vec<_> =
        texts.iter().map(|text| tagger.tag(text).expect("the text should be tagged")).collect();
    let together: Vec<_> =
        tagger.tag_batch(&texts).into_iter().map(|r| r.expect("the text should be tagged")).collect();
    assert!(alone == together);
    assert!(tagger.tag("").expect("the text should be tagged").topics.is_empty());
    assert!(tagger.tag_batch::<&str>(&[]).is_empty());
}

#[test]
fn names_apart_are_not_joined() {
    let ner = Ner::bundled().expect("the model should be bundled");
    let found = |text: &str| {
        ner.tag(text)
            .expect("the text should be tagged")
            .entities
            .into_iter()
            .map(|e| e.text)
            .collect::<Vec<_>>()
    };
    assert_eq!(found("Paris\n\nBerlin"), ["Paris", "Berlin"]);
    assert_eq!(found("Angela Merkel\r\n\r\nParis"), ["Angela Merkel", "Paris"]);
    assert_eq!(found("The leaders of Russia met Belarus’s in Minsk."), ["Russia", "Belarus", "Minsk"]);
}

#[test]
fn results_survive_json() {
    let document = Tagger::bundled()
        .expect("the model should be bundled")
        .tag("Ada Lovelace lived in London.")
        .expect("the text should be tagged");
    let json = serde_json::to_value(&document).expect("it should be JSON");
    assert_eq!(json["entities"][0]["label"], "PER");
    assert_eq!(json["entities"][0]["span"]["bytes"]["end"], 12);
    assert!(json["topics"][0]["score"].is_number() && json["coverage"]["chars"] == 29);
    let back: entopic::TaggedDocument = serde_json::from_value(json).expect("reads back");
    assert_eq!(back.entities, document.entities);
}

#[test]
fn the_registry_has_the_checksums_of_what_is_bundled() {
    let registry = Registry::default();
    let mut checked = 0;
    for entry in registry.entries() {
        let Source::Bundled(name) = &entry.source else { continue };
        for file in &entry.files {
            let pieces: Vec<PathBuf> = match file.path.as_str() {
                "tokenizer.json" => vec!["words-en-1/model/tokenizer.json".into()],
                "words.safetensors" => vec![
                    "words-en-1/model/words.safetensors.1".into(),
                    "words-en-2/model/words.safetensors.2".into(),
                ],
                path => vec![Path::new(name).join("model").join(path)],
            };
            let mut hash = Sha256::new();
            for piece in pieces {
                hash.update(fs::read(root().join("bundled").join(piece)).expect("the file is bundled"));
            }
            let found: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(file.sha256.as_deref(), Some(found.as_str()), "{name}: {}", file.path);
            checked += 1;
        }
    }
    assert_eq!(checked, 12);
}
