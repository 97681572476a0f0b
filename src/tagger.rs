use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::document::coverage::Coverage;
use crate::engine::Engine;
use crate::error::Error;
use crate::groups::{GroupOptions, MentionGroup, groups};
use crate::ner::Ner;
use crate::ner::entity::{Entity, TaggedText};
use crate::pipeline::{self, Placed};
use crate::schedule::Limits;
use crate::topics::label_set::LabelSet;
use crate::topics::result::{Judgement, Passage, Topic};
use crate::topics::{TopicClassifier, news_topics};

/// Finds the entities and the topics of texts: a [`Ner`] and a [`TopicClassifier`] in one call.
///
/// The two bundled models share a tokenizer if one engine loads both; each text is then tokenised only once.
///
/// Every call takes `&self` and may come from any thread.
///
/// ```
/// # #[cfg(feature = "bundled")] {
/// let tagger = entopic::Tagger::bundled()?;
/// let document = tagger.tag("Kenya's parliament in Nairobi voted on the new budget.")?;
/// assert_eq!(document.entities[0].text, "Kenya");
/// assert!(document.coverage.is_complete());
/// # }
/// # Ok::<(), entopic::Error>(())
/// ```
///
/// # Cost
///
/// On 2 threads of an Intel Xeon with AVX-512 VNNI, one [`tag_batch`](Self::tag_batch) of the bundled models in int8
/// reads 856 sentences per second, of 92 characters on average, for entities and topics. On the same CPU, the command
/// `entopic tag` needs at most 103 MiB of memory for 200,000 documents of 17 tokens. On a Xeon with AVX-512 VNNI and
/// BF16, it needs 263 MB for one text of 20 MB with 200,402 entities. On an AMD EPYC (Zen 4), `entopic tag` loads both
/// models, reads one sentence and ends in 77 ms, with 95 MB. These figures are from docs/performance.md in the
/// repository.
///
/// To measure the time to load, run `cargo bench --bench load`. To measure the speed with your own texts, run
/// `entopic bench texts.txt --task tag`.
///
/// # Cloning
///
/// A `Tagger` is a handle. Clones, and views with other [labels](Self::with_labels) or [limits](Self::within), share
/// both models and the threads; nothing is loaded again.
///
/// # Cancelling
///
/// [`within`](Self::within) sets [`Limits`] for both models; they work as in [`Ner`](Ner#cancelling).
///
/// # Errors
///
/// * [`bundled`](Self::bundled) returns the kind `ModelUnavailable` in a build without the models, and the kinds of
///   [`Engine::new`].
/// * [`new`](Self::new) and [`with_labels`](Self::with_labels) return `Labels`.
/// * Calls with texts return the kinds of [`Ner`](Ner#errors) and [`TopicClassifier`](TopicClassifier#errors). If one
///   of the two models fails for a text, the text has no result.
///
/// In a batch or a stream, each text has its own result.
#[derive(Clone, Debug)]
pub struct Tagger {
    ner: Ner,
    topics: TopicClassifier,
    labels: Arc<LabelSet>,
}

/// The entities and topics of a text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TaggedDocument {
    /// The entities; see [`TaggedText::entities`](crate::TaggedText::entities).
    pub entities: Vec<Entity>,
    /// The topics; see [`ClassifiedText::topics`](crate::ClassifiedText::topics).
    pub topics: Vec<Topic>,
    /// The scores of windows; see [`ClassifiedText::passages`](crate::ClassifiedText::passages).
    #[serde(default)]
    pub passages: Vec<Passage>,
    /// The part of the text that was read: the coverage of the model that read less.
    pub coverage: Coverage,
}

impl TaggedDocument {
    /// Groups the entities by the things that they name, with all rules of [`groups`](crate::groups). `text` is the
    /// text of the document.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// let text = "Angela Merkel spoke in Berlin. Merkel left the city in the evening.";
    /// let groups = entopic::Tagger::bundled()?.tag(text)?.groups(text);
    /// assert_eq!((groups[0].name.as_str(), groups[0].mentions.len()), ("Angela Merkel", 2));
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    pub fn groups(&self, text: &str) -> Vec<MentionGroup> {
        groups(text, &self.entities, &GroupOptions::new())
    }
}

impl Tagger {
    /// Combines any two models, and the labels by which texts are classified.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// use entopic::{Engine, Ner, Tagger, TopicClassifier};
    ///
    /// let engine = Engine::new()?;
    /// let (ner, topics) = (engine.ner(Ner::BUNDLED)?, engine.topics(TopicClassifier::BUNDLED)?);
    /// let labels = topics.label_set(["politics", "sport"])?;
    /// let tagger = Tagger::new(ner, topics, labels)?;
    /// assert_eq!(tagger.tag("Kenya's parliament voted.")?.topics[0].label, "politics");
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Labels`](crate::ErrorKind::Labels) if the labels were prepared for another model.
    pub fn new(ner: Ner, topics: TopicClassifier, labels: LabelSet) -> Result<Self, Error> {
        topics.check(&labels)?;
        Ok(Self { ner, topics, labels: Arc::new(labels) })
    }

    /// The bundled English models and [`news_topics`]. They run on a new [`Engine`].
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// let tagger = entopic::Tagger::bundled()?;
    /// assert_eq!(tagger.ner().name(), "ner-en-small");
    /// assert_eq!(tagger.labels().names().len(), 17);
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ModelUnavailable`](crate::ErrorKind::ModelUnavailable) in a build without the feature `bundled`;
    /// otherwise the errors of [`Engine::new`].
    pub fn bundled() -> Result<Self, Error> {
        let engine = Engine::new()?;
        let (ner, topics) = (engine.ner(Ner::BUNDLED)?, engine.topics(TopicClassifier::BUNDLED)?);
        let labels = topics.label_set(news_topics())?;
        Self::new(ner, topics, labels)
    }

    /// The same models with other labels by which texts are classified.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// let tagger = entopic::Tagger::bundled()?;
    /// let labels = tagger.topics().label_set(["football", "tennis"])?;
    /// let tagger = tagger.with_labels(labels)?;
    /// let document = tagger.tag("The striker headed the ball into the net.")?;
    /// assert_eq!(document.topics[0].label, "football");
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as [`new`](Self::new).
    pub fn with_labels(&self, labels: LabelSet) -> Result<Self, Error> {
        Self::new(self.ner.clone(), self.topics.clone(), labels)
    }

    /// The same models with limits on each call, in addition to their current ones.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// use entopic::{ErrorKind, Limits, Tagger};
    ///
    /// let tagger = Tagger::bundled()?.within(&Limits::new().max_bytes(10));
    /// let results = tagger.tag_batch(&["Ada", "Ada Lovelace lived in London."]);
    /// assert!(results[0].is_ok());
    /// assert_eq!(results[1].as_ref().unwrap_err().kind(), ErrorKind::TooLong);
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn within(&self, limits: &Limits) -> Self {
        let (ner, topics) = (self.ner.within(limits), self.topics.within(limits));
        Self { ner, topics, labels: Arc::clone(&self.labels) }
    }

    /// The entities and topics of `text`. A text is read whole, up to [`Limits::max_bytes`]; an empty text has none.
    ///
    /// For many short texts, one call per text takes up to twice as long as [`tag_batch`](Self::tag_batch), which keeps
    /// all threads busy.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// let tagger = entopic::Tagger::bundled()?;
    /// let document = tagger.tag("Ada Lovelace lived in London.")?;
    /// assert_eq!(document.entities.len(), 2);
    /// assert_eq!(document.topics.len(), tagger.labels().names().len());
    /// assert!(tagger.tag("")?.topics.is_empty());
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as [`Ner::tag`] and [`TopicClassifier::classify`].
    pub fn tag(&self, text: &str) -> Result<TaggedDocument, Error> {
        self.tag_with(text, &self.labels)
    }

    /// The entities and topics of `text`, which is classified by `labels` instead of the labels of the tagger.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// let tagger = entopic::Tagger::bundled()?;
    /// let labels = tagger.topics().label_set(["football", "tennis"])?;
    /// let document = tagger.tag_with("The striker headed the ball into the net.", &labels)?;
    /// assert_eq!(document.topics[0].label, "football");
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as [`Ner::tag`] and [`TopicClassifier::classify`].
    pub fn tag_with(&self, text: &str, labels: &LabelSet) -> Result<TaggedDocument, Error> {
        pipeline::first(self.tag_all([text], labels))
    }

    /// The entities and topics of each of `texts`, in their order: the same as [`tag`](Self::tag) returns for each text
    /// alone. An error in one text does not affect the others. Apart from the results, memory does not grow with the
    /// number of texts.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// let tagger = entopic::Tagger::bundled()?;
    /// let texts = ["Ada lived in London.", "Marie lived in Paris."];
    /// for (text, document) in texts.iter().zip(tagger.tag_batch(&texts)) {
    ///     assert_eq!(document?, tagger.tag(text)?);
    /// }
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Each result may have the errors of [`tag`](Self::tag).
    pub fn tag_batch<T: AsRef<str>>(&self, texts: &[T]) -> Vec<Result<TaggedDocument, Error>> {
        self.tag_iter(texts).collect()
    }

    /// The entities and topics of `texts` as a stream: texts are read and results computed on demand, a few hundred
    /// kilobytes of text at a time. The results are those of [`tag_batch`](Self::tag_batch).
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// let tagger = entopic::Tagger::bundled()?;
    /// let lines = "Ada lived in London.\nMarie lived in Paris.".lines();
    /// for document in tagger.tag_iter(lines) {
    ///     assert_eq!(document?.entities.len(), 2);
    /// }
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Each result may have the errors of [`tag`](Self::tag).
    pub fn tag_iter<T: AsRef<str>>(
        &self,
        texts: impl IntoIterator<Item = T>,
    ) -> impl Iterator<Item = Result<TaggedDocument, Error>> {
        self.tag_all(texts, &self.labels)
    }

    /// The model that finds entities.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// let tagger = entopic::Tagger::bundled()?;
    /// let text = "Ada Lovelace lived in London.";
    /// assert_eq!(tagger.ner().tag(text)?.entities, tagger.tag(text)?.entities);
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    pub fn ner(&self) -> &Ner {
        &self.ner
    }

    /// The model that scores topics.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// let tagger = entopic::Tagger::bundled()?;
    /// assert_eq!(tagger.topics().name(), "topics-en-small");
    /// let labels = tagger.topics().label_set(["football", "tennis"])?;
    /// assert_eq!(labels.names().collect::<Vec<_>>(), ["football", "tennis"]);
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    pub fn topics(&self) -> &TopicClassifier {
        &self.topics
    }

    /// The labels by which texts are classified.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// let tagger = entopic::Tagger::bundled()?;
    /// assert_eq!(tagger.labels().labels(), entopic::news_topics());
    /// let tagger = tagger.with_labels(tagger.topics().label_set(["football", "tennis"])?)?;
    /// assert_eq!(tagger.labels().names().collect::<Vec<_>>(), ["football", "tennis"]);
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    pub fn labels(&self) -> &LabelSet {
        &self.labels
    }

    fn tag_all<T: AsRef<str>>(
        &self,
        texts: impl IntoIterator<Item = T>,
        labels: &LabelSet,
    ) -> impl Iterator<Item = Result<TaggedDocument, Error>> {
        let join = |sections: Vec<Placed<(TaggedText, Judgement)>>| {
            let parts = sections.into_iter().map(|Placed { start, value: (tagged, judgement) }| {
                (Placed { start, value: tagged }, Placed { start, value: judgement })
            });
            let (tagged, judgements): (Vec<_>, Vec<_>) = parts.unzip();
            let (tagged, classified) = (TaggedText::join(tagged), self.topics.join(labels, judgements));
            let coverage = tagged.coverage.or_less(classified.coverage);
            let (topics, passages) = (classified.topics, classified.passages);
            TaggedDocument { entities: tagged.entities, topics, passages, coverage }
        };
        let limits = self.topics.limits().over(self.ner.limits()).for_labels(labels.labels().len());
        pipeline::texts(texts, limits, |parts| self.tag_sections(parts, labels), join)
    }

    fn tag_sections(&self, parts: &[&str], labels: &LabelSet) -> Vec<Result<(TaggedText, Judgement), Error>> {
        if let Err(error) = self.topics.check(labels) {
            return parts.iter().map(|_| Err(error.clone())).collect();
        }
        let documents = self.ner.read(parts);
        let tagged = self.ner.tag_texts(&documents);
        let same = Arc::ptr_eq(&self.ner.model().tokenizer, &self.topics.model().tokenizer)
            && self.ner.framing().prepare == self.topics.framing().prepare;
        let judged = if same && self.ner.reads_whole_texts() {
            self.topics.judge_documents(&documents, labels)
        } else {
            self.topics.judge_documents(&self.topics.read(parts), labels)
        };
        tagged.into_iter().zip(judged).map(|(tagged, judged)| Ok((tagged?, judged?))).collect()
    }
}
