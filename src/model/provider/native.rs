use super::site::{Assembly, Described, Site};
use crate::backend::native;
use crate::backend::native::embeddings::Table;
use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::model::config::Config;
use crate::model::weights;
use crate::precision::Precision;

/// The precision if none is chosen.
const DEFAULT_PRECISION: Precision = Precision::Int8;

pub(super) fn describe(site: Site<'_>) -> Result<Described<'_>, Error> {
    let (config, blueprint) = Config::native(site.json, &site.origin(), site.pooling)?;
    let assembly = move || {
        let files = weights::read(site.files, site.layout)?;
        let checkpoint = files.open(&blueprint.aliases)?;
        let plan = &blueprint.encoder.embeddings;
        let words = site.files.words().map(|words| {
            site.resources.vocabularies.words(words.name, || {
                let bytes = words.pieces.concat();
                let file = format!("{}/words.safetensors", words.name);
                let checkpoint = Checkpoint::open(&[(&file, &bytes)], &blueprint.aliases)?;
                Table::load(&checkpoint, &plan.words, plan.width)
            })
        });
        let precision = site.resources.precision.unwrap_or(DEFAULT_PRECISION);
        native::load(&checkpoint, &blueprint, words.transpose()?, precision)
    };
    Ok(Described { config, assembly: Assembly::Apart(Box::new(assembly)) })
}
