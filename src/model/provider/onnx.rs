//! Models whose weights are an ONNX graph.

use super::site::{Assembly, Described, Site};
use crate::backend::Runner;
use crate::backend::onnx::Onnx;
use crate::batch::Sequence;
use crate::error::{Error, ErrorKind};
use crate::model::config::Config;
use crate::model::config::foreign::Outside;
use crate::tokenizer::TextTokenizer;

/// Tokens of the texts that a graph is tried with.
const PROBES: [usize; 2] = [3, 5];

pub(super) fn describe(site: Site<'_>) -> Result<Described<'_>, Error> {
    let tokenizer_config = site.files.find("tokenizer_config.json", ErrorKind::Config)?;
    let outside =
        Outside { pooling: site.pooling, tokenizer_config: tokenizer_config.as_deref(), unstated: None };
    let (config, rows) = Config::foreign(site.json, &site.origin(), outside)?;
    let (longest, vocabulary) = (config.longest, config.vocabulary);
    let assembly = move |tokenizer: &TextTokenizer| {
        let path = site.weights();
        let bytes = site.files.read(path, ErrorKind::Weights)?.into();
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let beside = |name: &str| {
            let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
            site.files.read(&path, ErrorKind::Weights).map(Vec::from)
        };
        let probes = probes(longest, vocabulary, tokenizer);
        Ok(Box::new(Onnx::load(site.files.name(path), bytes, beside, rows, &probes)?) as Box<dyn Runner>)
    };
    Ok(Described { config, assembly: Assembly::WithTokenizer(Box::new(assembly)) })
}

/// Sequences of tokens from all over the vocabulary.
fn probes(longest: usize, vocabulary: Option<usize>, tokenizer: &TextTokenizer) -> [Sequence; 2] {
    let room = longest.saturating_sub(tokenizer.specials());
    let known = vocabulary.unwrap_or(usize::MAX).saturating_sub(1).min(tokenizer.largest_id() as usize);
    PROBES.map(|tokens| {
        let tokens = tokens.min(room);
        let ids: Vec<u32> = (0..tokens).map(|token| (known * (token + 1) / (tokens + 1)) as u32).collect();
        tokenizer.sequence(&ids)
    })
}
