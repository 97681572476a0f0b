//! Options are views on a loaded model: none is ignored, and none changes another view.

use std::fs;

use entopic::{
    Aggregation, EntityOptions, ErrorKind, Label, LabelSet, ModelFiles, Precision, Scoring, Tagger, Topic,
    TopicOptions,
};

use crate::support::{assert_refused, copy, engine, fixture, load_ner, load_topics, precise};

const TEXT: &str = "Maria Okafor met Anders Lindqvist in Geneva on Tuesday.";

#[test]
fn an_option_that_a_token_classifier_cannot_use_is_refused() {
    let ner = load_ner(fixture("ner-wordpiece-cased")).expect("the fixture should load");
    for (options, name) in [
        (EntityOptions::new().entity_types(["person"]), "types"),
        (EntityOptions::new().nested(false), "nested"),
        (EntityOptions::new().multi_label(true), "multi_label"),
    ] {
        assert_refused(ner.with(options), ErrorKind::Options, &[name, "fixed entity types"]);
    }
    assert_refused(ner.with(EntityOptions::new().threshold(1.0)), ErrorKind::Options, &["threshold is 1"]);
    assert_refused(
        ner.with(EntityOptions::new().threshold(f32::NAN)),
        ErrorKind::Options,
        &["threshold is NaN"],
    );
    let options = EntityOptions::new().label_threshold("PERSON", 0.5);
    assert_refused(ner.with(options), ErrorKind::Labels, &["PERSON", "PER"]);
}

#[test]
fn an_option_that_a_model_with_types_in_its_input_cannot_use_is_refused() {
    let ner = load_ner(fixture("gliner-span")).expect("the fixture should load");
    let options = EntityOptions::new().aggregation(Aggregation::Simple);
    assert_refused(ner.with(options), ErrorKind::Options, &["aggregation", "entity types as input"]);
    assert_refused(ner.logits(TEXT), ErrorKind::WrongTask, &["spans of words"]);
    assert_refused(ner.tag(TEXT), ErrorKind::Labels, &["EntityOptions::entity_types"]);
    for (types, says) in [
        (&[][..], "there is no entity type"),
        (&["person", " "], "entity type number 2 is blank"),
        (&["person", "person"], "given twice"),
        (&["a<<ENT>>b"], "<<ENT>>"),
    ] {
        let options = EntityOptions::new().entity_types(types.iter().copied());
        assert_refused(ner.with(options), ErrorKind::Labels, &[says]);
    }
    let long = EntityOptions::new().entity_types(["very ".repeat(200)]);
    assert_refused(ner.with(long), ErrorKind::Labels, &["tokens of a window"]);
    let endless = EntityOptions::new().entity_types((0..).map(|number: usize| number.to_string()));
    assert_refused(ner.with(endless), ErrorKind::Labels, &["more than 10000 entity types"]);
}

#[test]
fn an_option_that_a_topic_model_cannot_use_is_refused() {
    for model in ["nli-cne", "gliclass-deberta"] {
        let classifier = load_topics(fixture(model)).expect("the fixture should load");
        for (options, name) in [
            (TopicOptions::new().temperature(0.1), "temperature"),
            (TopicOptions::new().midpoint(0.2), "midpoint"),
            (TopicOptions::new().text_prefix("query: "), "text_prefix"),
            (TopicOptions::new().label_prefix("query: "), "label_prefix"),
        ] {
            assert_refused(classifier.with(options), ErrorKind::Options, &[name, "does not embed texts"]);
        }
    }
}

/// Every option that is accepted changes something.
#[test]
fn options_have_an_effect() {
    let texts = [TEXT, "The guests won the cup final, and the court ruled on the law.", &TEXT.repeat(9)];
    let labels = ["sport", "law", "economy"];
    for (model, all) in [
        ("nli-cne", vec![TopicOptions::new().template("It is {}!"), TopicOptions::new().window(40)]),
        ("gliclass-deberta", vec![TopicOptions::new().template("It is {}!"), TopicOptions::new().window(40)]),
        (
            "embed-mean",
            vec![
                TopicOptions::new().template("It is {}!"),
                TopicOptions::new().text_prefix("query: "),
                TopicOptions::new().label_prefix("query: "),
                TopicOptions::new().temperature(0.5),
                TopicOptions::new().window(20),
            ],
        ),
    ] {
        let loaded = load_topics(fixture(model)).expect("the fixture should load");
        let scores = |options: TopicOptions| -> Vec<_> {
            let classifier = loaded.with(options).expect("the option should be of use");
            let labels = classifier.label_set(labels).expect("the labels should fit");
            let classified = classifier.classify_batch(&texts, &labels).into_iter();
            classified.map(|one| one.expect("it should be classified").topics).collect()
        };
        for options in all {
            assert_ne!(scores(options.clone()), scores(TopicOptions::new()), "{model}: {options:?}");
        }
        let several = |options: TopicOptions| scores(options.scoring(Scoring::MultiLabel));
        assert_ne!(several(TopicOptions::new()), scores(TopicOptions::new()), "{model}");
        if model == "embed-mean" {
            assert_ne!(several(TopicOptions::new().midpoint(0.9)), several(TopicOptions::new()));
        }
    }
}

#[test]
fn thresholds_keep_the_entities_above_them() {
    let ner = load_ner(fixture("ner-wordpiece-cased")).expect("the fixture should load");
    let text = TEXT.repeat(20);
    let all = ner.tag(&text).expect("it should be tagged").entities;
    assert!(all.len() > 10);
    let mut scores: Vec<f32> = all.iter().map(|entity| entity.score).collect();
    scores.sort_by(f32::total_cmp);
    let middle = scores[scores.len() / 2];
    let above = ner.with(EntityOptions::new().threshold(middle)).expect("it should be in range");
    let expected: Vec<_> = all.iter().filter(|entity| entity.score > middle).cloned().collect();
    assert_eq!(above.tag(&text).expect("it should be tagged").entities, expected);
    // One label has a separate threshold, in every strategy.
    for aggregation in [Aggregation::Word, Aggregation::None, Aggregation::Simple] {
        let ner =
            ner.with(EntityOptions::new().aggregation(aggregation)).expect("it should have the strategy");
        let all = ner.tag(&text).expect("it should be tagged").entities;
        let label = &ner.entity_types()[0];
        let is_of = |entity: &&entopic::Entity| entity.label.ends_with(label.as_str());
        assert!(all.iter().any(|entity| is_of(&entity)), "{aggregation}");
        let strict =
            ner.with(EntityOptions::new().label_threshold(label, 0.999)).expect("it should be a type");
        let found = strict.tag(&text).expect("it should be tagged").entities;
        let expected: Vec<_> =
            all.iter().filter(|entity| !is_of(entity) || entity.score > 0.999).cloned().collect();
        assert_eq!(found, expected, "{aggregation}");
    }
}

#[test]
fn types_and_tags_are_distinguished() {
    let ner = load_ner(fixture("ner-bioes")).expect("the fixture should load");
    assert!(ner.tags().iter().any(|tag| tag.starts_with("S-")));
    assert!(ner.entity_types().iter().all(|label| !label.contains('-')), "{:?}", ner.entity_types());
    let ner = load_ner(fixture("gliner-span")).expect("the fixture should load");
    assert!(ner.tags().is_empty() && ner.entity_types().is_empty());
    let ner = ner.with(EntityOptions::new().entity_types(["person", "law"])).expect("the types should fit");
    assert_eq!(ner.entity_types(), ["person", "law"]);
    // A later view keeps what it does not set.
    let ner = ner.with(EntityOptions::new().threshold(0.1)).expect("it should be in range");
    assert_eq!(ner.entity_types(), ["person", "law"]);
}

#[test]
fn words_have_the_entities_of_their_types() {
    let ner = load_ner(fixture("gliner-span")).expect("the fixture should load");
    let ner = ner.with(EntityOptions::new().entity_types(["person", "city"]).threshold(0.01));
    let ner = ner.expect("the types should fit");
    let words: Vec<&str> = TEXT.split(' ').chain([""]).collect();
    let tagged = ner.tag_words(&words).expect("it should be tagged");
    assert!(!tagged.entities.is_empty());
    assert!(tagged.entities.iter().all(|e| e.words.start < e.words.end && e.words.end < words.len()));

    // Words have no layout that could bound entities, and no spans to clean.
    let words: Vec<&str> = words.iter().flat_map(|word| [*word, "|", "(", "*"]).collect();
    let tagged = |options| ner.with(options).and_then(|ner| ner.tag_words(&words));
    let plain = tagged(EntityOptions::new().boundaries(false).clean_spans(false));
    let plain = plain.expect("the words should be tagged");
    assert!(plain.entities.iter().any(|entity| entity.words.len() > 1), "{plain:?}");
    assert_eq!(tagged(EntityOptions::new()).expect("the words should be tagged"), plain);
}

#[test]
fn label_sets_serve_every_model_of_the_same_weights() {
    for model in ["nli-cne", "embed-mean", "gliclass-deberta"] {
        let first = precise(Precision::F32).topics(fixture(model)).expect("the fixture should load");
        let second = precise(Precision::F32).topics(fixture(model)).expect("the fixture should load");
        let labels = first.label_set(["sport", "law"]).expect("the labels should fit");
        let here = first.classify(TEXT, &labels).expect("it should be classified");
        assert_eq!(second.classify(TEXT, &labels).expect("the set should serve both"), here, "{model}");

        let json = serde_json::to_string(&labels).expect("it should be JSON");
        let back: LabelSet = serde_json::from_str(&json).expect("it should read back");
        assert_eq!(second.classify(TEXT, &back).expect("it should serve from a file"), here, "{model}");

        let longer = second.extend(&back, ["economy"]).expect("the label should fit");
        let all = second.label_set(["sport", "law", "economy"]).expect("the labels should fit");
        assert_eq!(longer.labels(), all.labels());
        let [a, b] = [&longer, &all].map(|set| second.classify(TEXT, set).expect("it should be classified"));
        assert_eq!(a, b, "{model}");
        assert_refused(second.extend(&back, ["law"]), ErrorKind::Labels, &["twice"]);

        // A set from elsewhere may be damaged.
        let mut damaged: serde_json::Value = serde_json::from_str(&json).expect("it should be JSON");
        damaged["labels"]
            .as_array_mut()
            .expect("it should be a list")
            .push(serde_json::json!({"name": "extra"}));
        let damaged: LabelSet = serde_json::from_value(damaged).expect("it should read back");
        assert_refused(first.classify(TEXT, &damaged), ErrorKind::Labels, &["labels"]);
    }
}

#[test]
fn descriptions_and_examples_change_what_a_label_means() {
    let billing = Label::new("billing").description("invoices and refunds");
    for model in ["nli-cne", "gliclass-deberta"] {
        let classifier = load_topics(fixture(model)).expect("the fixture should load");
        let topics = |labels: &[Label]| {
            let labels = classifier.label_set(labels).expect("the labels should fit");
            classifier.classify(TEXT, &labels).expect("it should be classified").topics
        };
        let scores = |topics: Vec<Topic>| topics.into_iter().map(|topic| topic.score).collect::<Vec<_>>();
        let described = topics(&[billing.clone(), "sport".into()]);
        assert!(described.iter().any(|topic| topic.label == "billing"), "{model}");
        let spelt = topics(&["billing (invoices and refunds)".into(), "sport".into()]);
        assert_eq!(scores(described), scores(spelt), "{model}");
        let with_example = billing.clone().examples(["Please refund me."]);
        let refused = classifier.label_set([with_example]);
        assert_refused(refused, ErrorKind::Labels, &["billing", "examples", "embedding model"]);
    }
    let classifier = load_topics(fixture("embed-mean")).expect("the fixture should load");
    let score = |label: Label| {
        let labels = classifier.label_set([label]).expect("the label should fit");
        classifier.classify(TEXT, &labels).expect("it should be classified").topics[0].score
    };
    let plain = score("billing".into());
    let described = score(billing.clone());
    assert_ne!(plain, described);
    // A text is nearer to labels that have it as an example; a long one is read whole.
    assert!(score(billing.clone().examples([TEXT])) > described);
    let long = TEXT.repeat(300);
    assert!(score(billing.clone().examples([TEXT, &long])) > described);
    let labels = classifier.label_set([billing.clone(), "law".into()]).expect("the labels should fit");
    let json = serde_json::to_string(&labels).expect("it should be JSON");
    let back: LabelSet = serde_json::from_str(&json).expect("it should read back");
    assert_eq!(back.labels(), [billing, "law".into()]);
    let blank = Label::new("law").description(" ");
    assert_refused(
        classifier.label_set([blank]),
        ErrorKind::Labels,
        &["the description", "\"law\"", "blank"],
    );
    let blank = Label::new("law").examples(["a", ""]);
    assert_refused(classifier.label_set([blank]), ErrorKind::Labels, &["example number 2", "\"law\""]);
}

#[test]
fn the_fit_of_a_topic_is_its_score_alone() {
    for model in ["nli-cne", "embed-mean", "gliclass-deberta"] {
        let single = load_topics(fixture(model)).expect("the fixture should load");
        let several =
            single.with(TopicOptions::new().scoring(Scoring::MultiLabel)).expect("it should have it");
        let labels = single.label_set(["sport", "law", "economy"]).expect("the labels should fit");
        let text = TEXT.repeat(20);
        let [single, several] = [single, several]
            .map(|classifier| classifier.classify(&text, &labels).expect("it should be classified").topics);
        assert!(several.iter().all(|topic| topic.fit == topic.score && topic.fits() == (topic.fit > 0.5)));
        for topic in single {
            let alone = several.iter().find(|other| other.label == topic.label).map(|other| other.fit);
            assert_eq!(Some(topic.fit), alone, "{model}");
        }
    }
}

#[test]
fn label_sets_of_another_pooling_are_refused() {
    let mean = load_topics(fixture("embed-mean")).expect("the fixture should load");
    let copy = copy("embed-mean");
    let pooling = r#"{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}"#;
    fs::write(copy.path().join("1_Pooling/config.json"), pooling).expect("the file should be written");
    let cls = load_topics(copy.path()).expect("the copy should load");
    let labels = mean.label_set(["sport", "law"]).expect("the labels should fit");
    assert_refused(cls.classify(TEXT, &labels), ErrorKind::Labels, &["different weights"]);
}

#[test]
fn labels_of_a_uni_encoder_must_leave_room() {
    let classifier = load_topics(fixture("gliclass-deberta")).expect("the fixture should load");
    let many = (0..60).map(|number| format!("label {number}"));
    assert_refused(classifier.label_set(many), ErrorKind::Labels, &["tokens of a window"]);
    assert_refused(classifier.label_set(["a<<LABEL>>b"]), ErrorKind::Labels, &["<<LABEL>>"]);
    let long = (0..20).map(|number| number.to_string() + &"x".repeat(60_000));
    assert_refused(classifier.label_set(long), ErrorKind::Labels, &["the 20 labels have", "1048576"]);
    let labels = classifier.label_set(["sport", "law"]).expect("the labels should fit");
    let long = "The guests won the cup final. ".repeat(50);
    let found = classifier.classify(&long, &labels).expect("the text should be classified");
    assert!(found.coverage.is_complete() && found.coverage.windows > 3);
}

#[test]
fn passages_have_the_scores_of_every_label() {
    for model in ["nli-cne", "embed-mean", "gliclass-deberta"] {
        let classifier = load_topics(fixture(model)).expect("the fixture should load");
        let labels = classifier.label_set(["sport", "law"]).expect("the labels should fit");
        let text = TEXT.repeat(20);
        let plain = classifier.classify(&text, &labels).expect("it should be classified");
        assert!(plain.passages.is_empty());
        let classifier = classifier.with(TopicOptions::new().passages(true)).expect("it should have them");
        let found = classifier.classify(&text, &labels).expect("it should be classified");
        assert_eq!(found.topics, plain.topics, "{model}");
        assert_eq!(found.passages.len(), found.coverage.windows, "{model}");
        for passage in &found.passages {
            assert_eq!(passage.scores.len(), 2);
            assert!(!passage.span.of(&text).is_empty());
        }
        // The evidence of a topic is among them.
        let at = labels.names().position(|label| label == found.topics[0].label).expect("it should be one");
        let best = found.passages.iter().map(|passage| passage.scores[at]).fold(0.0, f32::max);
        assert_eq!(found.topics[0].evidence[0].score, best, "{model}");
    }
}

#[test]
fn a_tagger_has_the_options_of_both_its_models() {
    let engine = engine(1);
    let ner = engine.ner(fixture("gliner-span")).expect("the fixture should load");
    let ner = ner
        .with(EntityOptions::new().entity_types(["person", "city"]).threshold(0.01))
        .expect("they should fit");
    let topics = engine.topics(fixture("gliclass-deberta")).expect("the fixture should load");
    let topics = topics.with(TopicOptions::new().scoring(Scoring::MultiLabel)).expect("it should have it");
    let labels = topics.label_set(["sport", "law"]).expect("the labels should fit");
    let tagger =
        Tagger::new(ner.clone(), topics.clone(), labels.clone()).expect("they should be of this model");
    let tagged = tagger.tag(TEXT).expect("it should be tagged");
    assert_eq!(tagged.entities, ner.tag(TEXT).expect("it should be tagged").entities);
    assert_eq!(tagged.topics, topics.classify(TEXT, &labels).expect("it should be classified").topics);

    let other = engine.topics(fixture("nli-cne")).expect("the fixture should load");
    let foreign = other.label_set(["sport"]).expect("the label should fit");
    assert_refused(Tagger::new(ner, topics, foreign.clone()), ErrorKind::Labels, &["prepared for the model"]);
    assert_refused(tagger.tag_with(TEXT, &foreign), ErrorKind::Labels, &["prepared for the model"]);
    assert_refused(tagger.with_labels(foreign), ErrorKind::Labels, &["prepared for the model"]);
}

#[test]
fn a_model_may_be_in_memory() {
    let folder = fixture("embed-cls");
    let mut files = ModelFiles::new("mine");
    for file in ["config.json", "tokenizer.json", "model.safetensors", "1_Pooling/config.json"] {
        files = files.with(file, std::fs::read(folder.join(file)).expect("the fixture should have it"));
    }
    let engine = precise(Precision::F32);
    let (memory, disk) = (engine.topics(files.clone()), engine.topics(&folder));
    let (memory, disk) = (memory.expect("it should load"), disk.expect("the fixture should load"));
    assert_eq!(memory.name(), "mine");
    assert_eq!(
        memory.embed(TEXT).expect("the text should be embedded"),
        disk.embed(TEXT).expect("the text should be embedded")
    );
    assert_refused(engine.ner(files), ErrorKind::WrongTask, &["\"mine\""]);
    let empty = ModelFiles::new("empty").with("config.json", b"{}");
    assert_refused(engine.ner(empty), ErrorKind::Weights, &["empty"]);
}

#[test]
fn plain_enums_are_written_as_they_are_read() {
    for (aggregation, name) in Aggregation::NAMES {
        assert_eq!(name.parse::<Aggregation>().expect("it should be a name"), *aggregation);
        assert_eq!(aggregation.to_string(), *name);
        assert_eq!(serde_json::to_value(aggregation).expect("it should be JSON"), *name);
    }
    for (scoring, name) in Scoring::NAMES {
        assert_eq!(serde_json::to_value(scoring).expect("it should be JSON"), *name);
        assert_eq!(name.parse::<Scoring>().expect("it should be a name"), *scoring);
    }
    for (task, name) in entopic::Task::NAMES {
        assert_eq!(serde_json::to_value(task).expect("it should be JSON"), *name);
    }
    for (precision, name) in Precision::NAMES {
        assert_eq!(serde_json::to_value(precision).expect("it should be JSON"), *name);
    }
    let error = "mean".parse::<Aggregation>().expect_err("it should fail: it is none");
    assert!(error.to_string().contains("none, simple, first, average, max, word"), "{error}");
}
