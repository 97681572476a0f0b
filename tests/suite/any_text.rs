//! No text makes a panic, a span out of bounds or an unread part, and no batch differs from its
//! documents alone.

use std::fs;

use entopic::{
    Aggregation, Engine, EntityOptions, Ner, Precision, Scoring, TaggedText, Tagger, TopicClassifier,
    TopicOptions, WindowPooling,
};
use proptest::prelude::{ProptestConfig, any, prop, proptest};

use serde_json::Value;

use crate::support::{copy, engine, fixture, load_ner, load_topics};

/// Texts that break programs that take text for ASCII words.
fn nasty() -> Vec<String> {
    let family = "👩\u{200d}👩\u{200d}👧\u{200d}👦";
    [
        "",
        " ",
        "\r\n",
        "\u{0}",
        "\u{feff}",
        "12345 67.8 % -- () !!!",
        "Line one.\r\nLine two.\r\n\r\nAleksandr\u{a0}Lukashenko\tcame.",
        "Zoe\u{308} met Chloe\u{301} in Sa\u{303}o Paulo.",
        "محمد يعيش في القاهرة. דוד גר בירושלים.",
        "東京都は日本の首都です。ไทยไม่มีช่องว่าง",
        " \u{e0100}",
        "a\u{300}\u{301}\u{302}\u{303}\u{304}\u{305}\u{306}\u{307}",
        "\u{202e}Moscow\u{202c} [MASK] [SEP] [CLS] [UNK] ##ing",
        "Obama's U.S. e-mail at x@y.org: O'Neill & Jean-Luc (AT&T's).",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain([
        family.repeat(40),
        "x".repeat(10_000),
        "é".repeat(10_000),
        "名".repeat(3_000),
        "a.".repeat(2_000),
    ])
    .collect()
}

fn check(text: &str, tagged: &TaggedText) {
    let mut end = 0;
    for entity in &tagged.entities {
        let span = &entity.span;
        assert_eq!(entity.text, text[span.bytes.clone()], "{text:?}");
        assert_eq!(entity.text.chars().count(), span.chars.len());
        assert_eq!(text[..span.bytes.start].chars().count(), span.chars.start);
        assert!(span.bytes.start >= end && !entity.text.is_empty(), "{text:?}: {:?}", tagged.entities);
        assert_eq!(entity.text, entity.text.trim(), "white space in {:?}", entity.text);
        assert!((0.0..=1.0).contains(&entity.score));
        end = span.bytes.end;
    }
    assert_eq!(tagged.coverage.chars, text.chars().count());
    assert!(tagged.coverage.chars_read <= tagged.coverage.chars);
}

/// Such a text is read in sections.
#[test]
fn a_long_text_is_read_in_sections_with_exact_spans() {
    use std::sync::{Arc, Mutex};

    let paragraph = "Zoë Müller met Ngũgĩ wa Thiong’o in São Paulo. 🔥 Parliament voted on Monday.\n\n";
    let text = paragraph.repeat(1_400_000 / paragraph.len());
    let reported = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&reported);
    let limits = entopic::Limits::new().progress(move |bytes| {
        seen.lock().expect("no call should panic").push(bytes);
    });
    let ner = load_ner(fixture("ner-wordpiece-cased")).expect("the fixture should load").within(&limits);
    let tagged = ner.tag(&text).expect("the text should be tagged");
    check(&text, &tagged);
    let single = ner.tag(paragraph).expect("the text should be tagged");
    let paragraphs = text.len() / paragraph.len();
    assert!(tagged.entities.len() >= paragraphs * single.entities.len() / 2);
    assert!(tagged.coverage.tokens >= paragraphs * single.coverage.tokens);
    let reported = reported.lock().expect("no call should panic").clone();
    assert!(reported.len() > 3 && reported.contains(&text.len()), "{reported:?}");
    let logits = ner.logits(&text).expect("the text should be read");
    assert_eq!(logits.tokens.len(), tagged.coverage.tokens);
    assert_eq!(logits.logits.nrows(), logits.tokens.len());

    let classifier = load_topics(fixture("embed-mean")).expect("the fixture should load");
    let classifier = classifier.with(TopicOptions::new().passages(true)).expect("the option should fit");
    let labels = classifier.label_set(["politics", "sport"]).expect("the labels should fit");
    let classified = classifier.classify(&text, &labels).expect("the text should be read");
    assert_eq!(classified.coverage.chars, text.chars().count());
    let passages = &classified.passages;
    assert_eq!(passages.len(), classified.coverage.windows);
    assert!(passages.windows(2).all(|pair| pair[0].span.bytes.end <= pair[1].span.bytes.start));
    assert!(passages.last().is_some_and(|last| text.len() - last.span.bytes.end < 4));
}

const MODELS: [&str; 5] =
    ["ner-wordpiece-cased", "ner-wordpiece-uncased", "ner-bioes", "ner-bytelevel", "ner-metaspace"];

#[test]
fn nasty_texts_have_valid_spans_with_every_tokenizer_and_strategy() {
    for model in MODELS {
        let loaded = load_ner(fixture(model)).expect("the fixture should load");
        for aggregation in [
            Aggregation::None,
            Aggregation::Simple,
            Aggregation::First,
            Aggregation::Average,
            Aggregation::Max,
            Aggregation::Word,
        ] {
            let ner = loaded.with(EntityOptions::new().aggregation(aggregation)).expect("it should have it");
            for text in nasty() {
                let tagged = ner.tag(&text).expect("the text should be tagged");
                if aggregation == Aggregation::Word {
                    check(&text, &tagged);
                } else {
                    // The pipelines' own spans may hold white space, or nothing.
                    for entity in &tagged.entities {
                        assert_eq!(entity.text, text[entity.span.bytes.clone()]);
                    }
                }
            }
        }
    }
}

fn windowed(precision: Precision, threads: usize, window: usize) -> Ner {
    let engine = Engine::builder().precision(precision).threads(threads).build();
    let ner = engine.and_then(|engine| engine.ner(fixture("ner-wordpiece-cased")));
    ner.and_then(|ner| ner.with(EntityOptions::new().window(window))).expect("the fixture should load")
}

#[test]
fn a_batch_gives_what_its_documents_give_alone() {
    for precision in [Precision::F32, Precision::Int8] {
        let ner = windowed(precision, 2, 20);
        // 200 long documents in one call, among short and empty ones, forwards and backwards.
        let mut texts = nasty();
        for i in 0..200 {
            texts.push(format!("Anna Kowalska of Berlin met Reuters in {i} cities. ").repeat(1 + i % 9));
        }
        let alone: Vec<TaggedText> =
            texts.iter().map(|text| ner.tag(text).expect("the text should be tagged")).collect();
        let together: Vec<TaggedText> =
            ner.tag_batch(&texts).into_iter().map(|r| r.expect("the text should be tagged")).collect();
        assert!(alone == together, "a batch differs from its documents at {precision:?}");
        texts.reverse();
        let mut reversed: Vec<TaggedText> =
            ner.tag_batch(&texts).into_iter().map(|r| r.expect("the text should be tagged")).collect();
        reversed.reverse();
        assert!(alone == reversed, "the order matters at {precision:?}");
    }
}

#[test]
fn threads_make_no_difference() {
    let text = "Anna Kowalska of Berlin met Reuters in Oslo. ".repeat(60);
    let texts: Vec<&str> = (0..9).map(|i| &text[..1 + i * i * 40]).collect();
    for precision in [Precision::F32, Precision::Int8] {
        let tag = |threads: usize, window: usize| {
            let ner = windowed(precision, threads, window);
            let one_by_one = texts.iter().map(|text| ner.logits(text).expect("it should be read").logits);
            let alone: Vec<_> = one_by_one.collect();
            let together: Vec<TaggedText> = ner
                .tag_batch(&texts)
                .into_iter()
                .map(|tagged| tagged.expect("the text should be tagged"))
                .collect();
            (alone, together)
        };
        for window in [20, 64] {
            let expected = tag(1, window);
            for threads in [2, 3, 5] {
                assert!(tag(threads, window) == expected, "{threads} threads differ at {precision:?}");
            }
        }
    }
}

#[test]
fn topics_of_a_batch_are_those_of_its_documents_alone() {
    for (model, pooling) in [
        ("nli-cne", WindowPooling::Mean),
        ("embed-mean", WindowPooling::Lead),
        ("embed-cls", WindowPooling::Max),
    ] {
        let loaded = engine(2).topics(fixture(model)).expect("the fixture should load");
        for scoring in [Scoring::SingleLabel, Scoring::MultiLabel] {
            let options = TopicOptions::new().window(40).window_pooling(pooling).scoring(scoring);
            let classifier = loaded.with(options).expect("the options should fit");
            let labels =
                classifier.label_set(["economy", "sport", "health"]).expect("the labels should be prepared");
            let texts: Vec<String> = nasty()
                .into_iter()
                .filter(|text| text.len() < 3_000)
                .chain((0..30).map(|i| format!("The bank of Lagos sold {i} harbours. ").repeat(1 + i % 7)))
                .collect();
            let alone: Vec<_> = texts
                .iter()
                .map(|text| classifier.classify(text, &labels).expect("it should succeed"))
                .collect();
            let together: Vec<_> = classifier
                .classify_batch(&texts, &labels)
                .into_iter()
                .map(|r| r.expect("it should succeed"))
                .collect();
            assert!(alone == together, "{model}: a batch differs from its documents");
            for (text, classified) in texts.iter().zip(&alone) {
                let scores: Vec<f32> = classified.topics.iter().map(|topic| topic.score).collect();
                assert!(scores.iter().all(|score| (0.0..=1.0).contains(score)), "{model}: {scores:?}");
                assert!(scores.is_sorted_by(|a, b| a >= b));
                if scoring == Scoring::SingleLabel && !scores.is_empty() {
                    assert!((scores.iter().sum::<f32>() - 1.0).abs() < 1e-4);
                }
                for evidence in classified.topics.iter().flat_map(|topic| &topic.evidence) {
                    assert!(text.get(evidence.span.bytes.clone()).is_some_and(|part| !part.is_empty()));
                }
            }
        }
    }
}

#[test]
fn a_window_that_is_exactly_full_is_run() {
    for model in MODELS {
        let ner = load_ner(fixture(model)).expect("the fixture should load");
        let mut text = String::new();
        // Token by token past the longest window: one of these lengths fills it exactly.
        for _ in 0..140 {
            text.push_str("Lagos ");
            let tagged = ner.tag(&text).expect("the text should be tagged");
            check(&text, &tagged);
            assert!(tagged.coverage.is_complete(), "{model}: {:?}", tagged.coverage);
        }
    }
}

/// The entities of one fixture, and the topics of another.
fn tagger(engine: &Engine, topics: &str) -> Tagger {
    let ner = engine.ner(fixture("ner-wordpiece-cased")).expect("the fixture should load");
    let topics = engine.topics(fixture(topics)).expect("the fixture should load");
    let labels = topics.label_set(["economy", "sport"]).expect("the labels should fit");
    Tagger::new(ner, topics, labels).expect("the labels should be of this model")
}

#[test]
fn a_document_of_300_000_characters_is_read_whole() {
    let tagger = tagger(&engine(2), "embed-mean");
    let text = "Anna Kowalska of Berlin met the mayor of Lagos in March. ".repeat(5_300);
    assert!(text.len() > 300_000);
    let document = tagger.tag(&text).expect("the text should be tagged");
    assert!(document.coverage.is_complete(), "{:?}", document.coverage);
    assert!(document.coverage.windows > 1_000);
    assert_eq!(document.topics.len(), 2);
}

#[test]
fn public_types_are_send_and_sync() {
    fn shared<T: Send + Sync>() {}
    shared::<(Tagger, Ner, TopicClassifier, entopic::LabelSet, entopic::Registry, entopic::Error)>();
    shared::<(Engine, entopic::EngineBuilder, EntityOptions, TopicOptions, entopic::Limits)>();
    shared::<(entopic::TaggedDocument, TaggedText, entopic::TaggedWords, entopic::ClassifiedText)>();
    shared::<entopic::TokenLogits>();
}

#[test]
fn what_no_token_has_is_not_reported_as_read() {
    let ner = load_ner(fixture("ner-wordpiece-cased")).expect("the fixture should load");
    let unknown = "x".repeat(200);
    let coverage = ner.tag(&format!("Lagos {unknown} Lagos")).expect("the text should be tagged").coverage;
    assert_eq!((coverage.chars, coverage.chars_read, coverage.unknown_tokens), (212, 12, 1));
    assert!(!coverage.is_complete());
}

#[test]
fn unknown_and_undecoded_characters_are_not_reported_as_read() {
    for (model, text, unread) in [
        // The tokenizer has a token for the beginning of a word, in the place of the first character.
        ("gliner-span", "\u{10A00}", 1),
        // Tokens of single bytes have any character.
        ("ner-bytelevel", "a \u{FFFD} b\u{FFFD}", 2),
        ("gliner-span", "\u{FFFD}", 1),
    ] {
        let ner = load_ner(fixture(model)).expect("the fixture should load");
        let ner = match model.starts_with("gliner") {
            true => ner.with(EntityOptions::new().entity_types(["person"])).expect("the type should fit"),
            false => ner,
        };
        let coverage = ner.tag(text).expect("the text should be tagged").coverage;
        assert_eq!(coverage.chars - coverage.chars_read, unread, "{model}: {text:?}, {coverage:?}");
    }
}

/// A token may begin within a character: the library `tokenizers` counts the white space before a special token in
/// characters, and uses the number as bytes.
#[test]
fn special_tokens_after_wide_white_space_are_read() {
    let mut places = 0;
    for (model, unknown) in
        [("ner-bytelevel", "<unk>"), ("ner-metaspace", "<unk>"), ("ner-wordpiece-cased", "[UNK]")]
    {
        let folder = copy(model);
        let path = folder.path().join("tokenizer.json");
        let text = fs::read_to_string(&path).expect("the fixture should have a tokenizer");
        let mut tokenizer: Value = serde_json::from_str(&text).expect("it should be JSON");
        for token in tokenizer["added_tokens"].as_array_mut().expect("it should be a list") {
            if token["content"] == unknown {
                token["lstrip"] = true.into();
                places += 1;
            }
        }
        fs::write(&path, tokenizer.to_string()).expect("the tokenizer should be written");
        let ner = load_ner(folder.path()).expect("the model should load");
        for text in [format!("a\u{3000}{unknown}"), format!("\u{FFFD}\u{3000}\u{3000}{unknown} b")] {
            let coverage = ner.tag(&text).expect("the text should be tagged").coverage;
            assert_eq!(coverage.chars, text.chars().count());
            assert!(coverage.chars_read < coverage.chars, "{text:?}: {coverage:?}");
        }
    }
    assert_eq!(places, 3);
}

#[test]
fn one_model_serves_many_threads() {
    let tagger = &tagger(&engine(2), "nli-cne");
    let text = "Anna Kowalska of Berlin met the mayor of Lagos.";
    let expected = tagger.tag(text).expect("the text should be tagged");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..5 {
                    assert_eq!(tagger.tag(text).expect("the text should be tagged"), expected);
                }
            });
        }
    });
    // Inside another rayon pool, too.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().expect("the threads should start");
    pool.scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|_| assert_eq!(tagger.tag(text).expect("the text should be tagged"), expected));
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_string_has_valid_spans(text in any::<String>(), model in prop::sample::select(&MODELS[..])) {
        let ner = load_ner(fixture(model)).and_then(|ner| ner.with(EntityOptions::new().window(12)));
        let ner = ner.expect("the fixture should load");
        check(&text, &ner.tag(&text).expect("the text should be tagged"));
        let words: Vec<&str> = text.split(' ').collect();
        for entity in ner.tag_words(&words).expect("the text should be tagged").entities {
            assert!(entity.words.start < entity.words.end && entity.words.end <= words.len());
        }
    }
}
