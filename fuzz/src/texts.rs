//! Texts, read by a tiny model of each kind.

use std::sync::LazyLock;

use entopic::internals::Plan;
use entopic::{
    Aggregation, Engine, Entity, EntityOptions, GroupOptions, Ner, Redaction, Rules, Scoring,
    TopicClassifier, TopicOptions, groups, redact,
};

use crate::first;
use crate::models::whole;

/// Token classifiers, one for each kind of tokenizer and with several architectures.
const TAGGERS: [&str; 10] = [
    "ner-wordpiece-cased",
    "ner-wordpiece-uncased",
    "ner-bioes",
    "ner-bytelevel",
    "ner-metaspace",
    "albert-ner",
    "deberta-v2-ner",
    "modernbert-ner",
    "mpnet-ner",
    "roberta-ner",
];

/// Models that take entity types as input.
const PROMPTED: [&str; 3] = ["gliner-span", "gliner-token", "gliner-span-plain"];

const CLASSIFIERS: [&str; 7] = [
    "nli-cne",
    "roberta-nli",
    "modernbert-nli",
    "embed-mean",
    "mpnet-embed",
    "gliclass-deberta",
    "gliclass-modernbert",
];

/// The tokens of a window; few, so that short texts have several windows.
const WINDOW: usize = 24;

pub(crate) static ENGINE: LazyLock<Engine> =
    LazyLock::new(|| Engine::builder().threads(1).build().expect("a thread should start"));

static NER: LazyLock<Vec<Ner>> = LazyLock::new(|| {
    let load =
        |name: &&str| ENGINE.ner(whole(name).path()).unwrap_or_else(|error| panic!("{name}: {error:?}"));
    let taggers = TAGGERS.iter().map(load).flat_map(|ner| {
        Aggregation::NAMES.iter().map(move |&(aggregation, _)| {
            let options = EntityOptions::new().window(WINDOW).aggregation(aggregation);
            ner.with(options).expect("the fixture should have it")
        })
    });
    let prompted = PROMPTED.iter().map(load).map(|ner| {
        let types = EntityOptions::new().entity_types(["person", "place", "law"]);
        ner.with(types).expect("the fixture should have it")
    });
    taggers.chain(prompted).collect()
});

static TOPICS: LazyLock<Vec<TopicClassifier>> = LazyLock::new(|| {
    let load =
        |name: &&str| ENGINE.topics(whole(name).path()).unwrap_or_else(|error| panic!("{name}: {error:?}"));
    let classifiers = CLASSIFIERS.iter().map(load).flat_map(|classifier| {
        [Scoring::SingleLabel, Scoring::MultiLabel].map(|scoring| {
            let options = TopicOptions::new().scoring(scoring);
            classifier.with(options).expect("the fixture should have it")
        })
    });
    classifiers.collect()
});

fn check(text: &str, entities: &[Entity]) {
    for entity in entities {
        let span = &entity.span;
        assert_eq!(Some(&*entity.text), text.get(span.bytes.clone()), "{entity:?}");
        assert_eq!(entity.text.chars().count(), span.chars.len(), "{entity:?}");
        assert_eq!(text[..span.bytes.start].chars().count(), span.chars.start, "{entity:?}");
        assert!((0.0..=1.0).contains(&entity.score), "{entity:?}");
    }
    assert!(entities.is_sorted_by_key(|entity| entity.span.bytes.start), "{entities:?}");
}

/// Finds the entities of a text, alone and in a batch, groups and redacts them.
pub fn entities(data: &[u8]) {
    let (model, data) = first(data);
    let ner = &NER[model % NER.len()];
    let text = &*String::from_utf8_lossy(data);
    let tagged = ner.tag(text).expect("the text should be read");
    check(text, &tagged.entities);
    let coverage = &tagged.coverage;
    assert_eq!(coverage.chars, text.chars().count());
    assert!(coverage.chars_read <= coverage.chars && coverage.unknown_tokens <= coverage.tokens);

    let batch = ner.tag_batch(&[text, "Lagos", text]);
    for of_batch in [&batch[0], &batch[2]] {
        assert_eq!(of_batch.as_ref().expect("the text should be read"), &tagged);
    }

    let words: Vec<&str> = text.split(' ').collect();
    if let Ok(tagged) = ner.tag_words(&words) {
        for entity in tagged.entities {
            assert!(entity.words.start < entity.words.end && entity.words.end <= words.len());
        }
    }

    let grouped: usize = groups(text, &tagged.entities, &GroupOptions::default())
        .iter()
        .map(|group| group.mentions.len())
        .sum();
    assert_eq!(grouped, tagged.entities.len());
    for redaction in [Redaction::label(), Redaction::mask('█'), Redaction::pseudonym()] {
        let redacted = redact(text, &tagged.entities, &redaction);
        assert_eq!(redacted.restore().as_deref(), Some(text));
    }
}

/// Finds the topics of a text. The labels are the lines before an empty line.
pub fn topics(data: &[u8]) {
    let (model, data) = first(data);
    let classifier = &TOPICS[model % TOPICS.len()];
    let input = &*String::from_utf8_lossy(data);
    let (labels, text) = input.split_once("\n\n").unwrap_or(("sport\nlaw", input));
    let Ok(labels) = classifier.label_set(labels.lines()) else { return };
    let classified = classifier.classify(text, &labels).expect("the text should be read");
    assert!(classified.topics.is_empty() || classified.topics.len() == labels.names().len());
    assert!(classified.topics.is_sorted_by(|a, b| a.score >= b.score), "{:?}", classified.topics);
    for topic in &classified.topics {
        assert!((0.0..=1.0).contains(&topic.score) && (0.0..=1.0).contains(&topic.fit), "{topic:?}");
        for evidence in &topic.evidence {
            assert!(text.get(evidence.span.bytes.clone()).is_some_and(|part| !part.is_empty()));
        }
    }
    let batch = classifier.classify_batch(&[text, "Lagos", text], &labels);
    for of_batch in [&batch[0], &batch[2]] {
        assert_eq!(of_batch.as_ref().expect("the text should be read"), &classified);
    }
}

/// Tokenises a text, finds its sentences and plans its windows.
pub fn sentences(data: &[u8]) {
    let (model, data) = first(data);
    let (budget, data) = first(data);
    let budget = budget + 1;
    let text = &*String::from_utf8_lossy(data);
    let ner = &NER[model % NER.len()];
    for Plan { text, tokens, sentences, windows } in entopic::internals::plan(ner, text, budget) {
        for token in &tokens {
            assert!(text.get(token.clone()).is_some(), "{token:?} of {text:?}");
        }
        assert!(sentences.is_sorted_by(|a, b| a < b) && sentences.first().is_none_or(|&start| start == 0));
        assert!(sentences.last().is_none_or(|&start| start < tokens.len()));
        let mut end = 0;
        for window in windows {
            assert!(
                window.start <= end && window.end >= end && window.len() <= budget,
                "{window:?} after {end}"
            );
            end = window.end;
        }
        assert_eq!(end, tokens.len());
    }
}

/// Reads rules, in TOML or as spaCy's patterns, and finds them in a text, which follows a NUL.
pub fn rules(data: &[u8]) {
    let (format, data) = first(data);
    let input = &*String::from_utf8_lossy(data);
    let (rules, text) =
        input.split_once('\0').unwrap_or((input, "On 3 May 2024 ada@example.org paid £5 to x."));
    let rules = if format % 2 == 0 { Rules::from_toml(rules) } else { Rules::from_jsonl(rules) };
    if let Ok(rules) = rules {
        check(text, &rules.find_all(text));
        let found = rules.find(text);
        check(text, &found);
        assert!(found.windows(2).all(|pair| pair[0].span.bytes.end <= pair[1].span.bytes.start), "{found:?}");
        let ner = NER[0].with(EntityOptions::new().rules(rules)).expect("rules should fit any model");
        check(text, &ner.tag(text).expect("the text should be read").entities);
    }
}
