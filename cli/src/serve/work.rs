//! The models with the options of a request, prepared once for all requests with the same options.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use entopic::{
    BuiltIn, ClassifiedText, Entity, EntityOptions, Error, Label, LabelSet, Limits, Rule, Rules, Scoring,
    TaggedDocument, TaggedText, Tagger, TopicOptions,
};
use lru::LruCache;
use serde::Serialize;

use super::refusal::Refusal;
use crate::args::models::ALL;

/// The number of prepared works that are kept.
const KEPT: NonZeroUsize = NonZeroUsize::new(32).unwrap();

/// The maximum number of names of built-in rules, entity types and thresholds in a request.
const MOST_NAMES: usize = 100;

/// The maximum number of bytes of one of these names.
const MOST_NAME_BYTES: usize = 1000;

/// The maximum number of results of a request: texts times labels.
const MOST_RESULTS: usize = 200_000;

/// The kinds of results to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum Search {
    Entities,
    Topics,
    Both,
}

/// The results to find, and the options for finding them. Equal values are prepared once.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Wanted {
    pub(super) search: Search,
    /// The candidate topics; those of the service by default.
    pub(super) labels: Option<Vec<Label>>,
    pub(super) multi_label: Option<bool>,
    /// The minimum score of an entity, and of entities with certain labels.
    pub(super) threshold: Option<f32>,
    pub(super) thresholds: BTreeMap<String, f32>,
    /// The entity types, for models that take them as input.
    pub(super) entity_types: Option<Vec<String>>,
    /// The names of built-in rules.
    pub(super) built_in: Vec<String>,
}

impl Wanted {
    pub(super) fn new(search: Search) -> Self {
        Self {
            search,
            labels: None,
            multi_label: None,
            threshold: None,
            thresholds: BTreeMap::new(),
            entity_types: None,
            built_in: Vec::new(),
        }
    }

    /// A key that is the same for equal values. Invalid values are refused before they are kept.
    pub(super) fn key(&mut self) -> Result<String, Refusal> {
        for threshold in self.threshold.iter().chain(self.thresholds.values()) {
            if !(0.0..1.0).contains(threshold) {
                return Err(Refusal::input(format!(
                    "a threshold is {threshold}; it must be at least 0 and below 1"
                )));
            }
        }
        let types = self.entity_types.iter().flatten();
        let names = self.built_in.iter().chain(types).chain(self.thresholds.keys());
        if names.clone().count() > MOST_NAMES || names.clone().any(|name| name.len() > MOST_NAME_BYTES) {
            return Err(Refusal::input(format!(
                "a request may have at most {MOST_NAMES} names of rules, entity types and labels with thresholds, of \
                 {MOST_NAME_BYTES} bytes each"
            )));
        }
        self.built_in.sort_unstable();
        self.built_in.dedup();
        serde_json::to_string(self).map_err(|error| Refusal::input(error.to_string()))
    }
}

/// The results for a text.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Found {
    Entities(TaggedText),
    Topics(ClassifiedText),
    Both(TaggedDocument),
}

impl Found {
    pub(super) fn entities(&self) -> &[Entity] {
        match self {
            Self::Entities(found) => &found.entities,
            Self::Topics(_) => &[],
            Self::Both(found) => &found.entities,
        }
    }
}

/// The models with the options of a request.
pub(super) struct Work {
    search: Search,
    tagger: Tagger,
}

impl Work {
    /// Refuses more texts than the labels allow.
    pub(super) fn check(&self, texts: usize) -> Result<(), Refusal> {
        let labels = match self.search {
            Search::Entities => 0,
            Search::Topics | Search::Both => self.tagger.labels().labels().len(),
        };
        match texts.saturating_mul(labels) > MOST_RESULTS {
            true => Err(Refusal::input(format!(
                "{texts} texts with {labels} labels are too many; send at most {MOST_RESULTS} pairs of text and label"
            ))),
            false => Ok(()),
        }
    }

    /// The results of `texts`, in their order.
    pub(super) fn run(&self, texts: &[&str], limits: &Limits) -> Vec<Result<Found, Error>> {
        let tagger = self.tagger.within(limits);
        match self.search {
            Search::Both => tagger.tag_iter(texts).map(|found| found.map(Found::Both)).collect(),
            Search::Entities => {
                tagger.ner().tag_iter(texts).map(|found| found.map(Found::Entities)).collect()
            }
            Search::Topics => {
                let found = tagger.topics().classify_iter(texts, tagger.labels());
                found.map(|found| found.map(Found::Topics)).collect()
            }
        }
    }
}

/// The models of the service, and the works prepared with them.
pub(super) struct Works {
    tagger: Tagger,
    rules: Option<Rules>,
    prepared: Mutex<LruCache<String, Arc<Work>>>,
}

impl Works {
    /// Works with `tagger`, whose rules are `rules`.
    pub(super) fn new(tagger: Tagger, rules: Option<Rules>) -> Self {
        Self { tagger, rules, prepared: Mutex::new(LruCache::new(KEPT)) }
    }

    /// The work with this key, unless it must be prepared first.
    pub(super) fn find(&self, key: &str) -> Option<Arc<Work>> {
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner).get(key).map(Arc::clone)
    }

    /// The work with this key, prepared now if it is new. Preparing labels takes as long as reading some texts, within
    /// `limits`.
    pub(super) fn prepare(
        &self,
        key: String,
        wanted: &Wanted,
        limits: &Limits,
    ) -> Result<Arc<Work>, Refusal> {
        if let Some(work) = self.find(&key) {
            return Ok(work);
        }
        let work = Arc::new(Work { search: wanted.search, tagger: self.tagger_for(wanted, limits)? });
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner).put(key, Arc::clone(&work));
        Ok(work)
    }

    fn tagger_for(&self, wanted: &Wanted, limits: &Limits) -> Result<Tagger, Refusal> {
        let mut options = EntityOptions::new();
        if let Some(threshold) = wanted.threshold {
            options = options.threshold(threshold);
        }
        for (label, threshold) in &wanted.thresholds {
            options = options.label_threshold(label, *threshold);
        }
        if let Some(types) = &wanted.entity_types {
            options = options.entity_types(types);
        }
        if !wanted.built_in.is_empty() {
            let sets = built_in(&wanted.built_in)?;
            options = options.rules(match &self.rules {
                Some(rules) => rules.clone().and(sets)?,
                None => Rules::new(sets)?,
            });
        }
        let ner = self.tagger.ner().with(options)?;
        let mut options = TopicOptions::new();
        if let Some(multi_label) = wanted.multi_label {
            options = options.scoring(if multi_label { Scoring::MultiLabel } else { Scoring::SingleLabel });
        }
        let topics = self.tagger.topics().with(options)?;
        let labels: LabelSet = match &wanted.labels {
            Some(labels) => topics.within(limits).label_set(labels.iter().cloned())?,
            None => self.tagger.labels().clone(),
        };
        Ok(Tagger::new(ner, topics, labels)?)
    }
}

/// The built-in rules with these names.
fn built_in(names: &[String]) -> Result<Vec<Rule>, Refusal> {
    let known = |name: &str| name == ALL || BuiltIn::NAMES.iter().any(|(_, known)| *known == name);
    if let Some(name) = names.iter().find(|name| !known(name)) {
        let all: Vec<&str> = BuiltIn::NAMES.iter().map(|(_, name)| *name).collect();
        return Err(Refusal::input(format!(
            "no built-in rules are named {name:?}; choose from {}, or {ALL} for all of them",
            all.join(", ")
        )));
    }
    let is_named = |set: &str| names.iter().any(|name| name == set || name == ALL);
    let sets = BuiltIn::NAMES.iter().filter(|(_, name)| is_named(name));
    Ok(sets.map(|(set, _)| Rule::built_in(*set)).collect())
}
