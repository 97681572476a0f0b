//! Streams, limits and sharing, with the bundled models.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use entopic::{EntityOptions, ErrorKind, Limits, MentionGroup, Tagger};

const ARTICLE: &str = include_str!("../../examples/data/article.txt");

#[test]
fn a_stream_takes_texts_as_its_results_are_asked_for() {
    let tagger = Tagger::bundled().expect("it should be bundled");
    let taken = AtomicUsize::new(0);
    let texts = std::iter::repeat_with(|| {
        taken.fetch_add(1, Ordering::Relaxed);
        "Ada Lovelace lived in London."
    });
    let mut stream = tagger.tag_iter(texts);
    for _ in 0..5 {
        let document = stream.next().expect("it should not end").expect("it should be tagged");
        assert_eq!(document.entities.len(), 2);
    }
    let taken = taken.load(Ordering::Relaxed);
    // Some hundred kilobytes at a time, bookkeeping included.
    assert!((5..2000).contains(&taken), "{taken} texts were taken");
}

#[test]
fn a_stream_gives_what_a_batch_gives() {
    let tagger = Tagger::bundled().expect("it should be bundled");
    let lines: Vec<&str> = ARTICLE.lines().collect();
    let streamed: Vec<_> = tagger.tag_iter(&lines).map(|one| one.expect("it should be tagged")).collect();
    let together: Vec<_> =
        tagger.tag_batch(&lines).into_iter().map(|one| one.expect("it should be tagged")).collect();
    assert!(streamed == together);
}

#[test]
fn a_call_ends_at_its_deadline_and_when_it_is_cancelled() {
    let tagger = Tagger::bundled().expect("it should be bundled");
    let long = ARTICLE.repeat(200);
    let start = Instant::now();
    let limits = Limits::new().deadline(start + Duration::from_millis(100));
    let error = tagger.within(&limits).tag(&long).expect_err("it should take longer");
    assert_eq!(error.kind(), ErrorKind::Deadline, "{error}");

    let flag = Arc::new(AtomicBool::new(false));
    let cancelled = tagger.within(&Limits::new().cancel(Arc::clone(&flag)));
    std::thread::scope(|scope| {
        let call = scope.spawn(|| cancelled.tag(&long));
        std::thread::sleep(Duration::from_millis(50));
        flag.store(true, Ordering::Relaxed);
        let error = call.join().expect("it should not panic").expect_err("it should be cancelled");
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    });
    // The view alone is limited.
    assert!(tagger.tag("Ada Lovelace").is_ok());
}

#[test]
fn a_text_that_is_too_long_costs_itself_alone() {
    let tagger = Tagger::bundled().expect("it should be bundled").within(&Limits::new().max_bytes(100));
    let long = "x".repeat(101);
    let results = tagger.tag_batch(&["Ada Lovelace", long.as_str(), ""]);
    assert!(results[0].is_ok() && results[2].is_ok());
    let error = results[1].as_ref().expect_err("it should be refused");
    assert_eq!(error.kind(), ErrorKind::TooLong);
    assert!(error.to_string().contains("101 bytes"), "{error}");
    let error = tagger.ner().tag_words(&[long.as_str()]).expect_err("it should be refused");
    assert_eq!(error.kind(), ErrorKind::TooLong);
}

#[test]
fn handles_are_cheap_and_say_what_they_are() {
    let tagger = Tagger::bundled().expect("it should be bundled");
    let copy = tagger.clone();
    drop(tagger);
    assert_eq!(copy.tag("Ada Lovelace").expect("it should be tagged").entities.len(), 1);
    let debug = format!("{copy:?}");
    assert!(debug.contains("ner-en-small") && debug.contains("topics-en-small"), "{debug}");
}

#[test]
fn cached_labels_are_those_of_their_template() {
    let engine = |labels| entopic::Engine::builder().label_cache(labels).build().expect("it should start");
    let [cached, plain] =
        [100, 0].map(|labels| engine(labels).topics("topics-en-small").expect("it should be bundled"));
    for template in ["{}", "news about {}", "{}"] {
        let topics = |classifier: &entopic::TopicClassifier| {
            let view = classifier.with(entopic::TopicOptions::new().template(template));
            let view = view.expect("the template should have a place");
            let labels = view.label_set(["economy", "sport", "health"]).expect("the labels should fit");
            view.classify(ARTICLE, &labels).expect("it should be classified").topics
        };
        assert_eq!(topics(&cached), topics(&plain), "{template}");
    }
}

#[test]
fn limits_are_added_up() {
    let engine = entopic::Engine::new().expect("it should start");
    let ner = engine.ner("ner-en-small").expect("it should be bundled");
    let short = ner.within(&entopic::Limits::new().max_bytes(10));
    let both = short.within(&entopic::Limits::new().max_bytes(1000));
    let error = both.tag("Ada Lovelace lived in London.").expect_err("the text should be too long");
    assert_eq!(error.kind(), entopic::ErrorKind::TooLong);
    // Through a tagger that reads a text once for both models, too.
    let topics = engine.topics("topics-en-small").expect("it should be bundled");
    let topics = topics.within(&entopic::Limits::new().max_bytes(10));
    let labels = topics.label_set(["sport"]).expect("the label should fit");
    let tagger = Tagger::new(ner, topics, labels).expect("the labels should be of the model");
    let error = tagger.tag("Ada Lovelace lived in London.").expect_err("the text should be too long");
    assert_eq!(error.kind(), entopic::ErrorKind::TooLong);
}

#[test]
fn the_limits_apply_to_every_kind_of_model() {
    let engine = entopic::Engine::new().expect("it should start");
    let folder = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens").join(name);
    let long = ARTICLE.repeat(20);
    let short = || Limits::new().max_bytes(10);
    // It passes long before the text is done.
    let soon = || Limits::new().deadline(Instant::now() + Duration::from_millis(1));
    let cases: [(&dyn Fn() -> Limits, _); 2] = [(&short, ErrorKind::TooLong), (&soon, ErrorKind::Deadline)];
    for (name, types) in [("ner-wordpiece-cased", None), ("gliner-span", Some(["person"]))] {
        let mut ner = engine.ner(folder(name)).expect("the fixture should load");
        if let Some(types) = types {
            ner = ner.with(EntityOptions::new().entity_types(types)).expect("it should take types");
        }
        for (limits, kind) in &cases {
            let error = ner.within(&limits()).tag(&long).expect_err("the call should fail");
            assert_eq!(error.kind(), *kind, "{name}");
        }
    }
    for name in ["nli-e-not", "embed-mean", "gliclass-modernbert"] {
        let topics = engine.topics(folder(name)).expect("the fixture should load");
        let labels = topics.label_set(["sport"]).expect("the label should fit");
        for (limits, kind) in &cases {
            let error = topics.within(&limits()).classify(&long, &labels).expect_err("the call should fail");
            assert_eq!(error.kind(), *kind, "{name}");
        }
    }
}

/// The things that the article of the examples is about, each by all its names.
#[test]
fn the_article_has_a_group_for_each_thing() {
    let article = include_str!("../../examples/data/article.txt");
    let document = Tagger::bundled().expect("it should load").tag(article).expect("it should be tagged");
    let groups = document.groups(article);
    // People are named in full and by surname, countries by these names alone.
    let things: [(&str, &[&str]); 7] = [
        ("Lukashenko", &[]),
        ("Putin", &[]),
        ("Medinsky", &[]),
        ("Belarus", &["Belarus"]),
        ("Russia", &["Russia", "Russian Federation"]),
        ("Ukraine", &["Ukraine"]),
        ("USSR", &["USSR", "Soviet Union"]),
    ];
    for (thing, names) in things {
        let names_it =
            |text: &str| if names.is_empty() { text.contains(thing) } else { names.contains(&text) };
        let of = |group: &&MentionGroup| {
            group.mentions.iter().any(|&mention| names_it(&document.entities[mention].text))
        };
        let found: Vec<&MentionGroup> = groups.iter().filter(of).collect();
        assert_eq!(found.len(), 1, "{thing}: {found:?}");
        for name in names {
            let has = |mention: &usize| document.entities[*mention].text == *name;
            assert!(found[0].mentions.iter().any(has), "{thing}: {name}");
        }
    }
}
