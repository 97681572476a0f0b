pub(crate) mod aggregation;
pub(crate) mod entity;
mod kinds;
pub(crate) mod options;
mod prompted;
pub(crate) mod rules;
mod sequence;
mod spans;
mod tagging;
mod units;
mod words;

use std::fmt;
use std::sync::Arc;

use self::entity::{TaggedText, TaggedWords, TokenLogits};
use self::options::EntityOptions;
use self::prompted::Prompting;
use self::rules::Settled;
use self::tagging::Tagging;
use self::words::JoinedWords;
use crate::catalogue::registry::Task;
use crate::document::Document;
use crate::error::{Error, ErrorKind};
use crate::model::role::Role;
use crate::model::{Framing, Model};
use crate::pipeline;
use crate::schedule::Limits;

/// The tasks of the models that a [`Ner`] runs, and their name in messages.
pub(crate) const TASKS: [Task; 2] = [Task::Ner, Task::ZeroShotNer];
pub(crate) const PURPOSE: &str = "named-entity recognition";

/// Finds the entities of texts: named-entity recognition.
///
/// The model is a token classifier, whose entity types are its own, or one that takes entity types as input
/// (GLiNER): these are given with [`EntityOptions::entity_types`].
///
/// A `Ner` is a handle: cloning it costs nothing, and views of one model with other [options](Self::with) or
/// [limits](Self::within) share its weights and threads. Every call takes `&self` and may come from any thread.
///
/// ```
/// # #[cfg(feature = "bundled")] {
/// let text = "Ada Lovelace was born in London.";
/// let ner = entopic::Ner::bundled()?;
/// let tagged = ner.tag(text)?;
/// let found: Vec<_> = tagged.entities.iter().map(|e| (e.span.of(text), e.label.as_str())).collect();
/// assert_eq!(found, [("Ada Lovelace", "PER"), ("London", "LOC")]);
/// # }
/// # Ok::<(), entopic::Error>(())
/// ```
#[derive(Clone)]
pub struct Ner {
    model: Arc<Model>,
    options: EntityOptions,
    decoding: Arc<Decoding>,
    limits: Limits,
}

/// The decoding of the model's rows.
enum Decoding {
    Tags(Tagging),
    Prompted(Prompting),
}

impl Ner {
    /// A handle of `model`, which does one of [`TASKS`].
    pub(crate) fn new(model: Model) -> Result<Self, Error> {
        let (model, options) = (Arc::new(model), EntityOptions::new());
        let decoding = Arc::new(Decoding::new(&model, &options)?);
        Ok(Self { model, options, decoding, limits: Limits::new() })
    }

    /// The same model with other options. Nothing is loaded; types in the model's input are tokenised.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Options`] if the model has no use for an option, or a value is out of range;
    /// [`ErrorKind::Labels`] if a type is blank or given twice, there is none, they take more than three quarters of a
    /// window, or a threshold is for a type that is not sought.
    pub fn with(&self, options: EntityOptions) -> Result<Self, Error> {
        let options = options.over(&self.options);
        let decoding = Arc::new(Decoding::new(&self.model, &options)?);
        Ok(Self { model: Arc::clone(&self.model), options, decoding, limits: self.limits.clone() })
    }

    /// The same model with limits on each call, in addition to those it has.
    #[must_use]
    pub fn within(&self, limits: &Limits) -> Self {
        Self { limits: limits.over(&self.limits), ..self.clone() }
    }

    /// The model's name, or its folder.
    pub fn name(&self) -> &str {
        &self.model.name
    }

    /// The entity types that are found: the model's own, or those given with [`EntityOptions::entity_types`].
    pub fn entity_types(&self) -> &[String] {
        match &*self.decoding {
            Decoding::Tags(tagging) => &tagging.types,
            Decoding::Prompted(prompting) => &prompting.types,
        }
    }

    /// The kinds that [`Entity::kind`](crate::Entity::kind) may be, behind the entity type and a colon, such as `LOC:city`; none for a model
    /// that tells no kinds.
    pub fn entity_kinds(&self) -> Vec<String> {
        let named = self.model.role.kinds().iter().filter(|kind| !kind.ends_with(':'));
        named.cloned().collect()
    }

    /// The raw tags of a token classifier, such as `B-PER`, in the order of its columns; none for a model that takes
    /// types as input.
    pub fn tags(&self) -> &[String] {
        self.model.role.labels()
    }

    /// The entities of `text`. A text of any length is read whole; an empty one has none.
    ///
    /// A call for each of many short texts takes up to twice the time of [`tag_batch`](Self::tag_batch), which fills all threads.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Labels`] if the model takes entity types as input and none are set; those of the
    /// [limits](Limits); [`ErrorKind::Tokenizer`] if the tokenizer refuses the text, which no common tokenizer does.
    pub fn tag(&self, text: &str) -> Result<TaggedText, Error> {
        pipeline::first(self.tag_iter([text]))
    }

    /// The entities of each of `texts`, in their order: the same as [`tag`](Self::tag) gives for each alone. A text that
    /// fails costs itself alone. Apart from the results, memory does not grow with the number of texts.
    pub fn tag_batch<T: AsRef<str>>(&self, texts: &[T]) -> Vec<Result<TaggedText, Error>> {
        self.tag_iter(texts).collect()
    }

    /// [`tag_batch`](Self::tag_batch) as a stream: texts are taken and results computed as they are asked for, some
    /// hundred kilobytes of text at a time, longer texts in sections of half a megabyte. So memory does not grow with the
    /// texts, apart from their results.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// let ner = entopic::Ner::bundled()?;
    /// let lines = "Ada lived in London.\nMarie lived in Paris.".lines();
    /// for tagged in ner.tag_iter(lines) {
    ///     assert_eq!(tagged?.entities.len(), 2);
    /// }
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    pub fn tag_iter<T: AsRef<str>>(
        &self,
        texts: impl IntoIterator<Item = T>,
    ) -> impl Iterator<Item = Result<TaggedText, Error>> {
        pipeline::texts(
            texts,
            self.limits.clone(),
            |parts| self.tag_texts(&self.read(parts)),
            TaggedText::join,
        )
    }

    /// The entities of a text that is given as words, as corpora have it. Entities are whole words: a word has the label
    /// of its first token.
    ///
    /// # Errors
    ///
    /// As [`tag`](Self::tag).
    pub fn tag_words<T: AsRef<str>>(&self, words: &[T]) -> Result<TaggedWords, Error> {
        pipeline::first(self.tag_words_batch(&[words]).into_iter())
    }

    /// [`tag_words`](Self::tag_words) for each of `sentences`, in their order.
    pub fn tag_words_batch<S, T>(&self, sentences: &[S]) -> Vec<Result<TaggedWords, Error>>
    where
        S: AsRef<[T]>,
        T: AsRef<str>,
    {
        let joined = sentences.iter().map(|words| JoinedWords::new(words.as_ref()));
        let results = pipeline::stream(
            joined,
            |words| words.text.len(),
            |chunk: &[JoinedWords]| {
                let documents = self.model.workers.map(chunk.len(), |index| self.read_words(&chunk[index]));
                let tagged = self.tag_documents(&documents).into_iter().zip(chunk);
                tagged.map(|(tagged, words)| Ok(words.by_words(tagged?))).collect()
            },
        );
        results.collect()
    }

    /// The logits of each token of `text`, for callers that decode by themselves.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::WrongTask`] if the model takes entity types as input: it scores spans of words, not tokens. Else as
    /// [`tag`](Self::tag).
    pub fn logits(&self, text: &str) -> Result<TokenLogits, Error> {
        let Decoding::Tags(tagging) = &*self.decoding else {
            let message = format!(
                "the model {:?} has no logits of tokens: it takes entity types as input and scores spans of words",
                self.model.name
            );
            return Err(Error::new(ErrorKind::WrongTask, message));
        };
        let reader = tagging.logits(&self.model, &self.limits);
        let work = |parts: &[&str]| pipeline::run_documents(&reader, &pipeline::read_all(&reader, parts));
        pipeline::first(pipeline::texts([text], self.limits.clone(), work, TokenLogits::join))
    }

    pub(crate) fn model(&self) -> &Model {
        &self.model
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn framing(&self) -> &Framing {
        match &*self.decoding {
            Decoding::Tags(tagging) => &tagging.framing,
            Decoding::Prompted(prompting) => &prompting.framing,
        }
    }

    /// Whether documents that it [reads](Self::read) can be read by another model with the same tokenizer and framing.
    pub(crate) fn reads_whole_texts(&self) -> bool {
        matches!(*self.decoding, Decoding::Tags(_))
    }

    /// Reads texts into documents of this model.
    pub(crate) fn read<'t>(&self, texts: &[&'t str]) -> Vec<Result<Document<'t>, Error>> {
        match &*self.decoding {
            Decoding::Tags(tagging) => {
                pipeline::read_all(&tagging.entities(&self.model, &self.limits), texts)
            }
            Decoding::Prompted(prompting) => match prompting.entities(&self.model, &self.limits) {
                Ok(reader) => pipeline::read_all(&reader, texts),
                Err(error) => texts.iter().map(|_| Err(error.clone())).collect(),
            },
        }
    }

    fn read_words<'t>(&self, words: &'t JoinedWords) -> Result<Document<'t>, Error> {
        self.limits.check()?;
        self.limits.check_length(words.text.len())?;
        let (tokenizer, prepare) = (&self.model.tokenizer, self.framing().prepare);
        match &*self.decoding {
            Decoding::Tags(_) => Document::with_words(&words.text, words.filled(), tokenizer, prepare),
            Decoding::Prompted(_) => {
                let document = Document::of_words(&words.text, words.filled(), tokenizer, prepare)?;
                Ok(Document { has_layout: false, ..document })
            }
        }
    }

    /// The entities of documents of this model, and those of the rules.
    pub(crate) fn tag_texts(
        &self,
        documents: &[Result<Document<'_>, Error>],
    ) -> Vec<Result<TaggedText, Error>> {
        let tagged = self.tag_documents(documents);
        let Some(rules) = &self.options.rules else { return tagged };
        let found = self.model.workers.map(documents.len(), |index| {
            documents[index].as_ref().map_or_else(|_| Vec::new(), |document| rules.settled(document.text))
        });
        let with_rules = |(tagged, found): (Result<TaggedText, Error>, Vec<Settled>)| {
            let TaggedText { entities, coverage } = tagged?;
            Ok(TaggedText { entities: rules::merged(found, entities), coverage })
        };
        tagged.into_iter().zip(found).map(with_rules).collect()
    }

    /// The model's entities of documents.
    fn tag_documents(&self, documents: &[Result<Document<'_>, Error>]) -> Vec<Result<TaggedText, Error>> {
        match &*self.decoding {
            Decoding::Tags(tagging) => {
                pipeline::run_documents(&tagging.entities(&self.model, &self.limits), documents)
            }
            Decoding::Prompted(prompting) => match prompting.entities(&self.model, &self.limits) {
                Ok(reader) => pipeline::run_documents(&reader, documents),
                Err(error) => documents.iter().map(|_| Err(error.clone())).collect(),
            },
        }
    }
}

impl Decoding {
    fn new(model: &Model, options: &EntityOptions) -> Result<Self, Error> {
        options.check(model)?;
        match &model.role {
            Role::Tags { scheme, kinds, .. } => Ok(Self::Tags(Tagging::new(model, *scheme, kinds, options)?)),
            Role::PromptedEntities(style) => Ok(Self::Prompted(Prompting::new(model, style, options)?)),
            role => {
                let message = format!("the model {:?} is for {}", model.name, role.task().description());
                Err(Error::new(ErrorKind::WrongTask, message))
            }
        }
    }
}

impl fmt::Debug for Ner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let types = self.entity_types();
        f.debug_struct("Ner").field("model", &self.model.name).field("entity_types", &types).finish()
    }
}
