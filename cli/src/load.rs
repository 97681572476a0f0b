//! Loads models as the command line says.

use std::path::Path;

use entopic::{Ner, Registry, Scoring, Tagger, TopicClassifier};

use crate::args::{RunOptions, TagArgs};
use crate::failure::Failure;
#[cfg(feature = "hub")]
use crate::{args::Places, download};

/// The options that the three builders share, though no type of the library does.
macro_rules! build {
    ($builder:expr, $options:expr) => {{
        let options: &RunOptions = $options;
        let mut builder = $builder;
        if let Some(precision) = options.precision {
            builder = builder.precision(precision.into());
        }
        #[cfg(feature = "libtorch")]
        {
            builder = builder.backend(options.backend.into());
            if let Some(device) = options.device {
                builder = builder.device(device);
            }
        }
        if let Some(threads) = options.threads {
            builder = builder.threads(threads.get());
        }
        if let Some(path) = &options.places.registry {
            builder = builder.registry(Registry::from_file(path)?);
        }
        #[cfg(feature = "hub")]
        {
            builder = builder.hub(hub(&options.places));
        }
        builder.build()?
    }};
}

pub(crate) fn tagger(args: &TagArgs) -> Result<Tagger, Failure> {
    let scoring = if args.multi_label { Scoring::MultiLabel } else { Scoring::SingleLabel };
    let mut builder = Tagger::builder().ner(&args.model).topics(&args.topic_model);
    if let Some(topics) = &args.topics {
        builder = builder.labels(&topics.0);
    }
    if let Some(types) = &args.entity_types {
        builder = builder.entity_types(&types.0);
    }
    Ok(build!(builder.aggregation(args.aggregation.into()).scoring(scoring), &args.run))
}

/// The model; with `types`, one that is given them with the text.
pub(crate) fn ner(model: &str, types: &[String], options: &RunOptions) -> Result<Ner, Failure> {
    Ok(build!(Ner::builder(model).entity_types(types), options))
}

pub(crate) fn classifier(model: &str, options: &RunOptions) -> Result<TopicClassifier, Failure> {
    Ok(build!(TopicClassifier::builder(model), options))
}

/// entopic's own models, and before them those of the file `own`.
pub(crate) fn registry(own: Option<&Path>) -> Result<Registry, Failure> {
    let registry = Registry::builtin()?;
    Ok(match own {
        Some(path) => registry.with(Registry::from_file(path)?),
        None => registry,
    })
}

/// The hub; what no option says, the environment does.
#[cfg(feature = "hub")]
pub(crate) fn hub(places: &Places) -> entopic::Hub {
    let mut hub = entopic::Hub::new();
    if places.offline {
        hub = hub.offline(true);
    }
    if let Some(folder) = &places.cache {
        hub = hub.cache(folder);
    }
    if let Some(file) = &places.lock {
        hub = hub.lock(file);
    }
    download::shown(hub)
}
