//! Puts labels into the form that a model takes.

use ndarray::Array2;

use super::hypotheses;
use super::label::Label;
use super::label_cache::LabelCache;
use super::label_set::{LabelSet, Prepared};
use super::options::Kind;
use super::prototypes;
use super::readers::{Context, Embedded, EmbeddingReader, unit};
use crate::batch::Sequence;
use crate::error::{Error, ErrorKind};
use crate::labels;
use crate::limits::MOST_EXAMPLES;
use crate::model::Model;
use crate::model::role::Role;
use crate::pipeline;
use crate::prompt::Prompt;
use crate::schedule;

/// Puts labels into `template` and prepares them for a model.
pub(super) struct Preparer<'a> {
    pub(super) context: Context<'a>,
    pub(super) cache: &'a LabelCache,
    pub(super) template: &'a str,
}

fn too_long(label: &str, tokens: usize, limit: usize) -> Error {
    let message = format!("the label {label:?} takes {tokens} tokens, but at most {limit} fit; shorten it");
    Error::new(ErrorKind::Labels, message)
}

/// The error for a label set that was prepared for another model.
pub(super) fn mismatch(labels: &LabelSet, model: &Model) -> Error {
    let message = format!(
        "the label set was prepared for the model {:?}, but {:?} has different weights, pooling or tokenizer; prepare \
         it with the classifier that uses it",
        labels.model, model.name
    );
    Error::new(ErrorKind::Labels, message)
}

impl Preparer<'_> {
    pub(super) fn label_set(&self, labels: Vec<Label>) -> Result<LabelSet, Error> {
        check_names(&labels)?;
        let prepared = self.prepare(&labels)?;
        Ok(self.set(labels, prepared))
    }

    /// Adds `more` labels to `set`, which was prepared for this model.
    pub(super) fn extend(&self, set: &LabelSet, more: Vec<Label>) -> Result<LabelSet, Error> {
        let all = [set.labels.clone(), more.clone()].concat();
        check_names(&all)?;
        if more.is_empty() {
            return Ok(set.clone());
        }
        // Uni-encoders read all labels together, and examples change the embeddings of all labels.
        let has_examples = all.iter().any(|label| !label.details().1.is_empty());
        let prepared = match &set.prepared {
            Prepared::Prompt(_) => self.prepare(&all)?,
            Prepared::Embeddings(_) if has_examples => self.prepare(&all)?,
            before => match (before.clone(), self.prepare(&more)?) {
                (Prepared::Hypotheses(before), Prepared::Hypotheses(new)) => {
                    Prepared::Hypotheses([before, new].concat())
                }
                (Prepared::Embeddings(before), Prepared::Embeddings(new)) => {
                    Prepared::Embeddings([before, new].concat())
                }
                _ => return Err(mismatch(set, self.context.model)),
            },
        };
        Ok(self.set(all, prepared))
    }

    fn set(&self, labels: Vec<Label>, prepared: Prepared) -> LabelSet {
        let model = self.context.model;
        LabelSet {
            labels,
            template: self.template.to_owned(),
            prepared,
            model: model.name.clone(),
            fingerprint: model.fingerprint.clone(),
        }
    }

    /// Checks that `set`, which may come from a file, was prepared for this model and fits its windows.
    pub(super) fn check(&self, set: &LabelSet) -> Result<(), Error> {
        let Context { model, settings, .. } = self.context;
        if set.fingerprint != model.fingerprint {
            return Err(mismatch(set, model));
        }
        let count = set.labels.len();
        let damaged = || {
            let message =
                "the label set is damaged: its labels do not match their prepared form; prepare it again";
            Err(Error::new(ErrorKind::Labels, message))
        };
        let known = |ids: &[u32]| ids.iter().all(|&id| id <= model.tokenizer.largest_id());
        if labels::check(&names(&set.labels), "label", "politics").is_err() {
            return damaged();
        }
        match (&set.prepared, &model.role) {
            (Prepared::Hypotheses(hypotheses), Role::Nli { .. })
                if hypotheses.len() == count && hypotheses.iter().all(|ids| known(ids)) =>
            {
                let limit = self.hypothesis_limit();
                match hypotheses.iter().zip(set.names()).find(|(ids, _)| ids.len() > limit) {
                    Some((ids, label)) => Err(too_long(label, ids.len(), limit)),
                    None => Ok(()),
                }
            }
            (Prepared::Embeddings(embeddings), Role::Embedding { hidden })
                if embeddings.len() == count && embeddings.iter().all(|label| label.len() == *hidden) =>
            {
                Ok(())
            }
            (Prepared::Prompt(prompt), Role::PromptedTopics(_)) if known(&prompt.ids) => {
                prompt.check(count, model.budget(&settings.framing))
            }
            _ => damaged(),
        }
    }

    fn prepare(&self, labels: &[Label]) -> Result<Prepared, Error> {
        let Context { model, settings, .. } = self.context;
        let fill = |text: &str| hypotheses::fill(self.template, text);
        if let (Kind::BiEncoder(_), _) = (settings.kind, &model.role) {
            return Ok(Prepared::Embeddings(self.embed(labels)?));
        }
        if let Some(label) = labels.iter().find(|label| !label.details().1.is_empty()) {
            let message = format!(
                "the label {:?} has examples, but the model {:?} cannot use them: it is for {}; leave them out, or \
                 choose an embedding model",
                label.name(),
                model.name,
                model.role.task().description()
            );
            return Err(Error::new(ErrorKind::Labels, message));
        }
        let sentences: Vec<String> = labels.iter().map(|label| fill(&described(label))).collect();
        match &model.role {
            Role::PromptedTopics(style) => {
                let budget = model.budget(&settings.framing);
                Ok(Prepared::Prompt(Prompt::of_text(model, style, &sentences, budget)?))
            }
            _ => {
                Ok(Prepared::Hypotheses(self.encode(&names(labels), &sentences, self.hypothesis_limit())?))
            }
        }
    }

    /// The most tokens in a hypothesis: half the room in a window, so that no label takes more of it than the text.
    fn hypothesis_limit(&self) -> usize {
        let Context { model, settings, .. } = self.context;
        settings.framing.window.saturating_sub(model.tokenizer.pair_specials()) / 2
    }

    /// The tokens of each label's sentence, at most `limit`.
    fn encode(&self, labels: &[String], sentences: &[String], limit: usize) -> Result<Vec<Vec<u32>>, Error> {
        let encode = |(label, sentence): (&String, &String)| {
            let ids = self.context.model.tokenizer.encode(sentence)?.ids;
            if ids.len() > limit { Err(too_long(label, ids.len(), limit)) } else { Ok(ids) }
        };
        labels.iter().zip(sentences).map(encode).collect()
    }

    /// One vector per label: the mean of the embeddings of its name and its description, each in the template, scaled
    /// to length 1. If any label has examples, the vectors are then moved towards the examples.
    fn embed(&self, labels: &[Label]) -> Result<Vec<Vec<f32>>, Error> {
        let fill = |text: &str| hypotheses::fill(self.template, text);
        let described: Vec<&Label> = labels.iter().filter(|label| label.details().0.is_some()).collect();
        let owners = names(labels.iter().chain(described.iter().copied()));
        let texts = labels.iter().map(|label| fill(label.name()));
        let texts = texts.chain(described.iter().filter_map(|label| label.details().0.map(fill)));
        let mut vectors = self.embed_sentences(&owners, &texts.collect::<Vec<_>>())?;
        let mut descriptions = vectors.split_off(labels.len()).into_iter();
        for (vector, label) in vectors.iter_mut().zip(labels) {
            if let Some(description) = label.details().0.and_then(|_| descriptions.next()) {
                vector.iter_mut().zip(description).for_each(|(value, other)| *value += other);
                *vector = unit(std::mem::take(vector));
            }
        }
        let (label_of, examples) = self.embed_examples(labels)?;
        if examples.is_empty() {
            return Ok(vectors);
        }
        let mut vectors = matrix(&vectors);
        prototypes::lean(&mut vectors, matrix(&examples).view(), &label_of, || self.context.limits.check())?;
        Ok(vectors.rows().into_iter().map(|row| row.to_vec()).collect())
    }

    /// The index of the label of each example, and a unit vector for each example, which may be of any length.
    fn embed_examples(&self, labels: &[Label]) -> Result<(Vec<usize>, Vec<Vec<f32>>), Error> {
        let Context { model, limits, .. } = self.context;
        let Role::Embedding { hidden } = model.role else { return Ok(Default::default()) };
        let reader = EmbeddingReader { context: self.context };
        let work = |parts: &[&str]| pipeline::run_documents(&reader, &pipeline::read_all(&reader, parts));
        let all = labels
            .iter()
            .enumerate()
            .flat_map(|(at, label)| label.details().1.iter().map(move |text| (at, text)));
        let (label_of, texts): (Vec<usize>, Vec<&String>) = all.unzip();
        let vectors =
            pipeline::texts(texts, limits.clone(), work, |sections| Embedded::join(sections, hidden));
        let vectors = vectors.map(|vector| Ok(unit(vector?.to_vec())));
        Ok((label_of, vectors.collect::<Result<_, Error>>()?))
    }

    /// One unit vector per sentence, from the cache if it has one. `labels` has the label of each sentence, for
    /// messages.
    fn embed_sentences(&self, labels: &[String], sentences: &[String]) -> Result<Vec<Vec<f32>>, Error> {
        let Context { model, limits, .. } = self.context;
        let mut found: Vec<Option<Vec<f32>>> =
            sentences.iter().map(|sentence| self.cache.get(&model.fingerprint, sentence)).collect();
        let missing: Vec<usize> = (0..labels.len()).filter(|&at| found[at].is_none()).collect();
        let of = |list: &[String]| -> Vec<String> { missing.iter().map(|&at| list[at].clone()).collect() };
        let limit = model.max_length.saturating_sub(model.tokenizer.specials());
        let encoded = self.encode(&of(labels), &of(sentences), limit)?;
        let sequences: Vec<Sequence> = encoded.iter().map(|ids| model.tokenizer.sequence(ids)).collect();
        let embedded = schedule::run(&model.workers, &*model.backend, &sequences, limits, |_, rows| {
            unit(rows.row(0).to_vec())
        });
        for (at, embedding) in missing.into_iter().zip(embedded) {
            let embedding = embedding?;
            self.cache.put(&model.fingerprint, &sentences[at], &embedding);
            found[at] = Some(embedding);
        }
        Ok(found.into_iter().flatten().collect())
    }
}

/// A matrix of `rows`, which have the same length.
fn matrix(rows: &[Vec<f32>]) -> Array2<f32> {
    let shape = (rows.len(), rows.first().map_or(0, Vec::len));
    Array2::from_shape_vec(shape, rows.concat()).unwrap_or_default()
}

/// The text of a label, for models that read labels as words.
fn described(label: &Label) -> String {
    match label.details().0 {
        Some(description) => format!("{} ({description})", label.name()),
        None => label.name().to_owned(),
    }
}

fn names<'l>(labels: impl IntoIterator<Item = &'l Label>) -> Vec<String> {
    labels.into_iter().map(|label| label.name().to_owned()).collect()
}

fn check_names(labels: &[Label]) -> Result<(), Error> {
    let names = names(labels);
    labels::check(&names, "label", "politics")?;
    labels::check_apart(&names, "label")?;
    let examples: usize = labels.iter().map(|label| label.details().1.len()).sum();
    if examples > MOST_EXAMPLES {
        let message = format!(
            "the labels have {examples} examples, but at most {MOST_EXAMPLES} are allowed; leave some out"
        );
        return Err(Error::new(ErrorKind::Labels, message));
    }
    for label in labels {
        let (description, examples) = label.details();
        let blank = |what: &str| {
            let message =
                format!("{what} of the label {:?} is blank; fill it in, or leave it out", label.name());
            Err(Error::new(ErrorKind::Labels, message))
        };
        if description.is_some_and(|description| description.trim().is_empty()) {
            return blank("the description");
        }
        if let Some(description) = description {
            labels::check_length(description, || format!("the description of the label {:?}", label.name()))?;
        }
        if let Some(at) = examples.iter().position(|example| example.trim().is_empty()) {
            return blank(&format!("example number {}", at + 1));
        }
    }
    Ok(())
}
