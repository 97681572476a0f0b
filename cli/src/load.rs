//! Loads models as the command line specifies.

use std::path::Path;

use entopic::{
    BuiltIn, Engine, EntityOptions, Label, ModelRef, Ner, Registry, Rule, Rules, Scoring, Tagger,
    TopicClassifier, TopicOptions, news_topics,
};
use serde::Deserialize;

use crate::args::models::{ALL, Entities, Models, RuleOptions, RunOptions, Topics};
use crate::failure::Failure;
use crate::input::Input;
use crate::labels::LabelList;
#[cfg(feature = "hub")]
use crate::{args::models::Places, progress};

/// The engine that the options describe.
fn engine(options: &RunOptions) -> Result<Engine, Failure> {
    let mut builder = Engine::builder().registry(registry(options.places.registry.as_deref())?);
    if let Some(precision) = options.precision {
        builder = builder.precision(precision);
    }
    if let Some(threads) = options.threads {
        builder = builder.threads(threads.get());
    }
    #[cfg(feature = "libtorch")]
    {
        builder = builder.backend(options.backend);
        if let Some(device) = options.device {
            builder = builder.device(device);
        }
    }
    #[cfg(feature = "hub")]
    {
        builder = builder.hub(hub(&options.places));
    }
    Ok(builder.build()?)
}

/// The model that an argument names. A folder begins with `.` or `/`, or ends with `/`, so that no folder shadows a
/// name of the registry.
fn model_ref(model: &str, registry: &Registry) -> Result<ModelRef, Failure> {
    let path = Path::new(model);
    if model.starts_with(['.', '/', '\\']) || model.ends_with(['/', '\\']) || path.is_absolute() {
        return Ok(path.into());
    }
    if registry.find(model).is_none() && path.is_file() {
        return Err(Failure::new(format!("{model:?} is a file; name the folder of the model, as ./DIR")));
    }
    if registry.find(model).is_none() && path.is_dir() {
        return Err(Failure::new(format!("no model is named {model:?}; for the folder, write ./{model}")));
    }
    Ok(model.into())
}

/// Both models with their options.
pub(crate) fn tagger(args: &Models) -> Result<Tagger, Failure> {
    tagger_with(args, rules(&args.entities.rules)?.as_ref())
}

/// Both models with their options and with `rules`, which the caller has read from the options.
pub(crate) fn tagger_with(args: &Models, rules: Option<&Rules>) -> Result<Tagger, Failure> {
    let engine = engine(&args.run)?;
    let mut ner = with_entities(&engine, &args.entities)?;
    if let Some(rules) = rules {
        ner = ner.with(EntityOptions::new().rules(rules.clone()))?;
    }
    let mut topic_options = TopicOptions::new();
    if let Some(prepare) = args.entities.prepare_text {
        topic_options = topic_options.prepare_text(prepare);
    }
    let scoring = if args.multi_label { Scoring::MultiLabel } else { Scoring::SingleLabel };
    let topics = engine.topics(model_ref(&args.topic_model, engine.registry())?)?;
    let topics = topics.with(topic_options.scoring(scoring))?;
    let labels = topics.label_set(topics_of(&args.topics)?.unwrap_or_else(news_topics))?;
    Ok(Tagger::new(ner, topics, labels)?)
}

/// The model for entities, without rules.
pub(crate) fn entities(args: &Entities, run: &RunOptions) -> Result<Ner, Failure> {
    with_entities(&engine(run)?, args)
}

fn with_entities(engine: &Engine, args: &Entities) -> Result<Ner, Failure> {
    let ner = with_types(load_ner(engine, &args.model)?, args.entity_types.as_ref())?;
    let mut options = EntityOptions::new();
    if let Some(aggregation) = args.aggregation {
        options = options.aggregation(aggregation);
    }
    if let Some(boundaries) = args.boundaries {
        options = options.boundaries(boundaries);
    }
    if let Some(clean) = args.clean_spans {
        options = options.clean_spans(clean);
    }
    if let Some(prepare) = args.prepare_text {
        options = options.prepare_text(prepare);
    }
    let ner = ner.with(options)?;
    match ner.entity_types().is_empty() {
        true => Err(needs_types(&ner)),
        false => Ok(ner),
    }
}

/// The rules that the options name, if any.
pub(crate) fn rules(args: &RuleOptions) -> Result<Option<Rules>, Failure> {
    let is_named = |name: &str| args.built_in.iter().any(|given| given == name || given == ALL);
    let sets = BuiltIn::NAMES.iter().filter(|(_, name)| is_named(name));
    let sets: Vec<Rule> = sets.map(|(set, _)| Rule::built_in(*set)).collect();
    Ok(match &args.rules {
        Some(path) => Some(Rules::from_file(path)?.and(sets)?),
        None if sets.is_empty() => None,
        None => Some(Rules::new(sets)?),
    })
}

/// The candidate topics that the options name, if any.
pub(crate) fn topics_of(topics: &Topics) -> Result<Option<Vec<Label>>, Failure> {
    let Topics { topics, topic, topics_file } = topics;
    let given = match (topics, topics_file) {
        (Some(list), _) => list.0.iter().map(Label::from).collect(),
        (None, Some(path)) => {
            let input = Input::read(path)?;
            let is_toml = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml"));
            let labels = if is_toml { labels_of(&input)? } else { lines_of(&input) };
            if labels.is_empty() {
                let form = if is_toml { "as a [[label]] table with a name" } else { "per line" };
                return Err(Failure::new(format!(
                    "--topics-file {} has no topic; write one {form}",
                    input.name
                )));
            }
            labels
        }
        (None, None) => topic.iter().map(Label::from).collect(),
    };
    Ok((!given.is_empty()).then_some(given))
}

/// The topics of a file with one topic per line.
fn lines_of(input: &Input) -> Vec<Label> {
    let lines = input.lines().map(|(_, line)| line.trim()).filter(|line| !line.is_empty());
    lines.map(Label::from).collect()
}

/// The topics of a TOML file of `[[label]]` tables, each with a name, and optionally a description and examples.
pub(crate) fn labels_of(input: &Input) -> Result<Vec<Label>, Failure> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        #[serde(default)]
        label: Vec<Label>,
    }
    let file: File = toml::from_str(&input.text).map_err(|error| {
        Failure::new(format!("--topics-file {}: {}", input.name, error.to_string().trim_end()))
    })?;
    Ok(file.label)
}

/// `ner` with the rules that the options name.
pub(crate) fn with_rules(ner: &Ner, args: &RuleOptions) -> Result<Ner, Failure> {
    Ok(match rules(args)? {
        Some(rules) => ner.with(EntityOptions::new().rules(rules))?,
        None => ner.clone(),
    })
}

/// The entity model `model` and the bundled topic model, with `topics`, or else the news topics.
pub(crate) fn both(
    model: &str,
    types: Option<&LabelList>,
    topics: Option<Vec<Label>>,
    options: &RunOptions,
) -> Result<Tagger, Failure> {
    let engine = engine(options)?;
    let ner = with_types(load_ner(&engine, model)?, types)?;
    let classifier = engine.topics(TopicClassifier::BUNDLED)?;
    let labels = classifier.label_set(topics.unwrap_or_else(news_topics))?;
    Ok(Tagger::new(ner, classifier, labels)?)
}

/// The model, with the entity types that an option names. A model that takes types as input has none without this
/// option.
pub(crate) fn ner(model: &str, types: Option<&LabelList>, options: &RunOptions) -> Result<Ner, Failure> {
    with_types(load_ner(&engine(options)?, model)?, types)
}

fn load_ner(engine: &Engine, model: &str) -> Result<Ner, Failure> {
    Ok(engine.ner(model_ref(model, engine.registry())?)?)
}

fn with_types(ner: Ner, types: Option<&LabelList>) -> Result<Ner, Failure> {
    match types {
        None => Ok(ner),
        Some(_) if !ner.tags().is_empty() => Err(Failure::new(format!(
            "--entity-types is for models that take types as input; {:?} has its own: {}",
            ner.name(),
            ner.entity_types().join(", ")
        ))),
        Some(types) => Ok(ner.with(EntityOptions::new().entity_types(&types.0))?),
    }
}

/// The failure of a model that takes entity types as input and got none.
pub(crate) fn needs_types(ner: &Ner) -> Failure {
    Failure::new(format!(
        "the model {:?} takes entity types as input; name some with --entity-types",
        ner.name()
    ))
}

pub(crate) fn classifier(model: &str, options: &RunOptions) -> Result<TopicClassifier, Failure> {
    let engine = engine(options)?;
    Ok(engine.topics(model_ref(model, engine.registry())?)?)
}

/// entopic's own models and those of the file `own`, which take precedence.
pub(crate) fn registry(own: Option<&Path>) -> Result<Registry, Failure> {
    Ok(match own {
        Some(path) => Registry::default().with(Registry::from_file(path)?),
        None => Registry::default(),
    })
}

/// The hub, with settings from the options, and otherwise from the environment.
#[cfg(feature = "hub")]
pub(crate) fn hub(places: &Places) -> entopic::Hub {
    let mut hub = entopic::Hub::new();
    if places.offline {
        hub = hub.offline(true);
    }
    if let Some(url) = &places.proxy {
        hub = hub.proxy(url);
    }
    if let Some(folder) = &places.cache {
        hub = hub.cache(folder);
    }
    if let Some(file) = &places.lock {
        hub = hub.lock(file);
    }
    progress::of_downloads(hub)
}
