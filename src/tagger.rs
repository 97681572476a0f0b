use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::document::{Coverage, Document};
use crate::error::Error;
use crate::model::{LoadOptions, Loader, load_setters};
use crate::ner::{Entity, Ner, NerOptions, ner_setters};
use crate::schedule::{chunks, single};
use crate::topics::{LabelSet, NEWS_TOPICS, Scoring, Topic, TopicClassifier, TopicOptions, WindowPooling};

/// Finds the entities and the topics of texts: [`Ner`] and [`TopicClassifier`] in one call, on the
/// same threads.
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
pub struct Tagger {
    ner: Ner,
    topics: TopicClassifier,
    labels: LabelSet,
}

/// Builds a [`Tagger`].
#[derive(Clone, Debug)]
pub struct TaggerBuilder {
    ner: String,
    topics: String,
    labels: Vec<String>,
    entities: NerOptions,
    options: TopicOptions,
    load: LoadOptions,
}

/// Who and what is in a text, and what it is about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TaggedDocument {
    /// The entities, in the order of the text. They do not overlap with
    /// [`Aggregation::Word`](crate::Aggregation::Word), nor of types that are given with the text unless
    /// that was asked for.
    pub entities: Vec<Entity>,
    /// All topics, the likeliest first; none if the text is empty.
    pub topics: Vec<Topic>,
    /// How much of the text was read: by both models, the lesser of the two.
    pub coverage: Coverage,
}

impl Tagger {
    /// The bundled English models and [`NEWS_TOPICS`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ModelUnavailable`](crate::ErrorKind::ModelUnavailable) in a build without the
    /// feature `bundled`.
    pub fn bundled() -> Result<Self, Error> {
        Self::builder().build()
    }

    /// Starts from the bundled models and [`NEWS_TOPICS`].
    pub fn builder() -> TaggerBuilder {
        TaggerBuilder {
            ner: "ner-en-small".into(),
            topics: "topics-en-small".into(),
            labels: NEWS_TOPICS.map(str::to_owned).into(),
            entities: NerOptions::default(),
            options: TopicOptions::default(),
            load: LoadOptions::default(),
        }
    }

    /// The entities and topics of `text`. A text of any length is read whole; an empty one has
    /// none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Tokenizer`](crate::ErrorKind::Tokenizer) if a model's tokenizer refuses the
    /// text, which none of the usual kinds does.
    pub fn tag(&self, text: &str) -> Result<TaggedDocument, Error> {
        single(self.tag_batch(&[text]))
    }

    /// [`tag`](Self::tag) for each of `texts`, in their order. Memory does not grow with the
    /// number of texts, but for the results.
    pub fn tag_batch<T: AsRef<str> + Sync>(&self, texts: &[T]) -> Vec<Result<TaggedDocument, Error>> {
        let (ner, topics) = (self.ner.model(), self.topics.model());
        let mut results = Vec::with_capacity(texts.len());
        for chunk in chunks(texts, |text| text.as_ref().len()) {
            let read = |tokenizer| {
                ner.runtime.map(chunk.len(), |index| Document::read(chunk[index].as_ref(), tokenizer))
            };
            let documents = ner.runtime.map(chunk.len(), |index| self.ner.read(chunk[index].as_ref()));
            let tagged = self.ner.tag_documents(&documents);
            let shared = !self.ner.reads_words() && Arc::ptr_eq(&ner.tokenizer, &topics.tokenizer);
            let classified = if shared {
                self.topics.classify_documents(&documents, &self.labels)
            } else {
                self.topics.classify_documents(&read(&topics.tokenizer), &self.labels)
            };
            results.extend(tagged.into_iter().zip(classified).map(|(tagged, classified)| {
                let (tagged, classified) = (tagged?, classified?);
                let read = [tagged.coverage, classified.coverage].into_iter();
                let coverage = read.min_by_key(|coverage| coverage.chars_read).unwrap_or_default();
                Ok(TaggedDocument { entities: tagged.entities, topics: classified.topics, coverage })
            }));
        }
        results
    }

    /// The part that finds entities.
    pub fn ner(&self) -> &Ner {
        &self.ner
    }

    /// The part that classifies topics.
    pub fn topics(&self) -> &TopicClassifier {
        &self.topics
    }
}

impl TaggerBuilder {
    /// The model for entities, as [`Ner::builder`] takes it.
    #[must_use]
    pub fn ner(mut self, model: impl Into<String>) -> Self {
        self.ner = model.into();
        self
    }

    /// The model for topics, as [`TopicClassifier::builder`] takes it.
    #[must_use]
    pub fn topics(mut self, model: impl Into<String>) -> Self {
        self.topics = model.into();
        self
    }

    /// The candidate topics; [`NEWS_TOPICS`] if not set.
    #[must_use]
    pub fn labels<I>(mut self, labels: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.labels = labels.into_iter().map(Into::into).collect();
        self
    }

    /// Whether topics exclude one another; [`Scoring::SingleLabel`] if not set.
    #[must_use]
    pub fn scoring(mut self, scoring: Scoring) -> Self {
        self.options.scoring = scoring;
        self
    }

    /// How windows make a document's topics; the registry's, or [`WindowPooling::Mean`], if not set.
    #[must_use]
    pub fn pooling(mut self, pooling: WindowPooling) -> Self {
        self.options.pooling = Some(pooling);
        self
    }

    ner_setters!(entity_threshold, entity_multi_label);
    load_setters!();

    /// Loads the models and prepares the labels.
    ///
    /// # Errors
    ///
    /// As [`Ner::builder`]'s and [`TopicClassifier::builder`]'s, and as
    /// [`TopicClassifier::label_set`] for the labels.
    pub fn build(self) -> Result<Tagger, Error> {
        let mut loader = Loader::new(&self.load)?;
        let ner = Ner::load(&mut loader, &self.ner, self.entities)?;
        let topics = TopicClassifier::load(&mut loader, &self.topics, self.options)?;
        let labels = topics.label_set(self.labels)?;
        Ok(Tagger { ner, topics, labels })
    }
}
