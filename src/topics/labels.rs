//! Labels, put into the form that a model takes.

use super::hypotheses;
use super::label_cache::LabelCache;
use super::label_set::{LabelSet, Prepared};
use super::options::Kind;
use super::readers::{Context, unit};
use crate::batch::Sequence;
use crate::error::{Error, ErrorKind};
use crate::labels;
use crate::model::Model;
use crate::model::role::Role;
use crate::prompt::Prompt;
use crate::schedule;

/// Prepares labels for a model, put into `template`.
pub(super) struct Preparer<'a> {
    pub(super) context: Context<'a>,
    pub(super) cache: &'a LabelCache,
    pub(super) template: &'a str,
}

/// The error of a label set that was prepared for another model.
pub(super) fn mismatch(labels: &LabelSet, model: &Model) -> Error {
    let message = format!(
        "the label set was prepared for the model {:?}, and {:?} has other weights, another pooling or another \
         tokenizer; prepare it with the classifier that uses it",
        labels.model, model.name
    );
    Error::new(ErrorKind::Labels, message)
}

impl Preparer<'_> {
    pub(super) fn label_set(&self, labels: Vec<String>) -> Result<LabelSet, Error> {
        labels::check(&labels, "label", "politics")?;
        labels::check_apart(&labels, "label")?;
        let prepared = self.prepare(&labels)?;
        Ok(self.set(labels, prepared))
    }

    /// `set` with `more` labels; `set` is one of this model.
    pub(super) fn extend(&self, set: &LabelSet, more: Vec<String>) -> Result<LabelSet, Error> {
        let all = [set.labels.clone(), more.clone()].concat();
        labels::check(&all, "label", "politics")?;
        labels::check_apart(&all, "label")?;
        if more.is_empty() {
            return Ok(set.clone());
        }
        let prepared = match &set.prepared {
            Prepared::Prompt(_) => self.prepare(&all)?,
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

    fn set(&self, labels: Vec<String>, prepared: Prepared) -> LabelSet {
        let model = self.context.model;
        LabelSet {
            labels,
            template: self.template.to_owned(),
            prepared,
            model: model.name.clone(),
            fingerprint: model.fingerprint.clone(),
        }
    }

    /// Checks that `set` was prepared for this model and fits its windows; a set may be from a file.
    pub(super) fn check(&self, set: &LabelSet) -> Result<(), Error> {
        let Context { model, settings, .. } = self.context;
        if set.fingerprint != model.fingerprint {
            return Err(mismatch(set, model));
        }
        let count = set.labels.len();
        let damaged = || {
            let message =
                "the label set is damaged: its labels do not fit what was prepared of them; prepare it again";
            Err(Error::new(ErrorKind::Labels, message))
        };
        let known = |ids: &[u32]| ids.iter().all(|&id| id <= model.tokenizer.largest_id());
        if labels::check(&set.labels, "label", "politics").is_err() {
            return damaged();
        }
        match (&set.prepared, &model.role) {
            (Prepared::Hypotheses(hypotheses), Role::Nli { .. })
                if hypotheses.len() == count && hypotheses.iter().all(|ids| known(ids)) =>
            {
                let longest = hypotheses.iter().map(Vec::len).max().unwrap_or(0);
                if longest > self.hypothesis_limit() {
                    let message = format!(
                        "a label takes {longest} tokens; at most {} fit into half of a window",
                        self.hypothesis_limit()
                    );
                    return Err(Error::new(ErrorKind::Labels, message));
                }
                Ok(())
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

    fn prepare(&self, labels: &[String]) -> Result<Prepared, Error> {
        let Context { model, settings, .. } = self.context;
        let sentences: Vec<String> =
            labels.iter().map(|label| hypotheses::fill(self.template, label)).collect();
        match (settings.kind, &model.role) {
            (Kind::UniEncoder { .. }, Role::PromptedTopics(style)) => {
                let budget = model.budget(&settings.framing);
                Ok(Prepared::Prompt(Prompt::of_text(model, style, &sentences, budget)?))
            }
            (Kind::Nli(_), _) => {
                Ok(Prepared::Hypotheses(self.encode(labels, &sentences, self.hypothesis_limit())?))
            }
            _ => Ok(Prepared::Embeddings(self.embed(labels, &sentences)?)),
        }
    }

    /// The most tokens of a hypothesis: half the room of a window, so that no label takes more of it than the text.
    fn hypothesis_limit(&self) -> usize {
        let Context { model, settings, .. } = self.context;
        settings.framing.window.saturating_sub(model.tokenizer.pair_specials()) / 2
    }

    /// The tokens of each label's sentence, at most `limit`.
    fn encode(&self, labels: &[String], sentences: &[String], limit: usize) -> Result<Vec<Vec<u32>>, Error> {
        let encode = |(label, sentence): (&String, &String)| {
            let ids = self.context.model.tokenizer.encode(sentence)?.ids;
            if ids.len() > limit {
                let found = ids.len();
                let message = format!("the label {label:?} takes {found} tokens; at most {limit} fit");
                return Err(Error::new(ErrorKind::Labels, message));
            }
            Ok(ids)
        };
        labels.iter().zip(sentences).map(encode).collect()
    }

    /// A unit vector per label, from the cache where it has one.
    fn embed(&self, labels: &[String], sentences: &[String]) -> Result<Vec<Vec<f32>>, Error> {
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
