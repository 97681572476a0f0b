//! Loads models as the command line says.

use entopic::{Ner, Registry, Scoring, Tagger, TopicClassifier};

use crate::args::{RunOptions, TagArgs};
use crate::failure::Failure;

/// The options that the three builders share, though no type of the library does.
macro_rules! build {
    ($builder:expr, $options:expr) => {{
        let options: &RunOptions = $options;
        let mut builder = $builder.precision(options.precision.into());
        if let Some(threads) = options.threads {
            builder = builder.threads(threads.get());
        }
        if let Some(path) = &options.registry {
            builder = builder.registry(Registry::from_file(path)?);
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
    Ok(build!(builder.aggregation(args.aggregation.into()).scoring(scoring), &args.run))
}

pub(crate) fn ner(model: &str, options: &RunOptions) -> Result<Ner, Failure> {
    Ok(build!(Ner::builder(model), options))
}

pub(crate) fn classifier(model: &str, options: &RunOptions) -> Result<TopicClassifier, Failure> {
    Ok(build!(TopicClassifier::builder(model), options))
}
