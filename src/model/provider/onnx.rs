//! Models whose weights are an ONNX graph.

use super::site::{Assembly, Described, Site};
use crate::backend::Runner;
use crate::backend::onnx::Onnx;
use crate::batch::{Marks, Sequence};
use crate::error::{Error, ErrorKind};
use crate::model::config::Config;
use crate::model::config::foreign::Outside;
use crate::model::role::PromptStyle;
use crate::tokenizer::TextTokenizer;

/// The numbers of tokens in the two sequences of a trial run.
const PROBES: [usize; 2] = [3, 5];

pub(super) fn describe(site: Site<'_>) -> Result<Described<'_>, Error> {
    let tokenizer_config = site.files.find("tokenizer_config.json", ErrorKind::Config)?;
    let outside =
        Outside { pooling: site.pooling, tokenizer_config: tokenizer_config.as_deref(), unstated: None };
    let (config, taken) = Config::foreign(site.json, &site.origin(), outside)?;
    let (longest, vocabulary) = (config.longest, config.vocabulary);
    let style = config.role.prompt().cloned();
    let assembly = move |tokenizer: &TextTokenizer| {
        let path = site.weights();
        let bytes = site.files.read(path, ErrorKind::Weights)?.into();
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let beside = |name: &str| {
            let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
            site.files.read(&path, ErrorKind::Weights).map(Vec::from)
        };
        let probes = match &style {
            Some(style) => prompts(style, tokenizer),
            None => probes(longest, vocabulary, tokenizer),
        };
        Ok(Box::new(Onnx::load(site.files.name(path), bytes, beside, taken, &probes)?) as Box<dyn Runner>)
    };
    Ok(Described { config, assembly: Assembly::WithTokenizer(Box::new(assembly)) })
}

/// Sequences of two labels and some words.
fn prompts(style: &PromptStyle, tokenizer: &TextTokenizer) -> [Sequence; 2] {
    let id = |token: &str| tokenizer.id_of(token).unwrap_or(0);
    let (label, separator) = (id(&style.label_token), id(&style.separator));
    let leading = tokenizer.leading_specials();
    PROBES.map(|words| {
        let prompt = [label, 1, label, 1, separator];
        let mut sequence = tokenizer.sequence(&[&prompt[..], &vec![1; words]].concat());
        let first = leading + prompt.len();
        sequence.marks = Marks {
            words: (first..first + words).map(Some).collect(),
            labels: [0, 2].map(|at| leading + at + usize::from(style.mark_follows)).to_vec(),
        };
        sequence
    })
}

/// Sequences of tokens that are spread over the vocabulary.
fn probes(longest: usize, vocabulary: Option<usize>, tokenizer: &TextTokenizer) -> [Sequence; 2] {
    let room = longest.saturating_sub(tokenizer.specials());
    let known = vocabulary.unwrap_or(usize::MAX).saturating_sub(1).min(tokenizer.largest_id() as usize);
    PROBES.map(|tokens| {
        let tokens = tokens.min(room);
        let ids: Vec<u32> = (0..tokens).map(|token| (known * (token + 1) / (tokens + 1)) as u32).collect();
        tokenizer.sequence(&ids)
    })
}
