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

/// The tasks of the models that a [`Ner`] runs.
pub(crate) const TASKS: [Task; 2] = [Task::Ner, Task::ZeroShotNer];

/// The name of these tasks in messages.
pub(crate) const PURPOSE: &str = "named-entity recognition";

/// Finds the entities of texts: named-entity recognition.
///
/// The model is a token classifier, which has fixed entity types, or it takes entity types as input (GLiNER). In that
/// case, set them with [`EntityOptions::entity_types`].
///
/// Every call takes `&self` and may come from any thread.
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
///
/// # Cost
///
/// On 2 threads of an Intel Xeon with AVX-512 VNNI, one [`tag_batch`](Self::tag_batch) of `ner-en-small` in int8 reads
/// 1,693 sentences per second, of 92 characters on average. A model of this size reads sentences of 19 tokens there, in
/// tokens per second:
///
/// | precision | all in one call | one call per sentence |
/// |---|---:|---:|
/// | int8 | 33,375 | 19,148 |
/// | f32 | 11,139 | 7,024 |
///
/// Rules add 2 % for 1,000 phrases, and 5 % for all built-in sets. [`guides::performance`](crate::guides::performance)
/// explains what makes a call fast, and docs/performance.md in the repository has all figures. To measure, run
/// `cargo bench --bench ner`, or `entopic bench texts.txt --task ner` with your own texts.
///
/// [`Tagger`](crate::Tagger#cost) has the memory and the time to load. Apart from the results, memory does not grow
/// with the number or the length of texts; words are read in one piece.
///
/// # Cloning
///
/// A `Ner` is a handle. Clones, and views with other [options](Self::with) or [limits](Self::within), share the
/// weights, the tokenizer and the threads; nothing is loaded again.
///
/// # Cancelling
///
/// [`within`](Self::within) makes a view with [`Limits`]: a deadline, a flag, a maximum length of texts. The deadline
/// and the flag are checked before each text is read, and before each group of windows; [`Limits`] says how long such a
/// step may take. A text that is not done by then fails; texts that are done keep their results. A stream returns the
/// error for every further text, so stop iterating.
///
/// # Errors
///
/// * [`with`](Self::with) returns the kinds `Options` and `Labels`.
/// * Calls with texts or words return `TooLong`, `Deadline` and `Cancelled` if a limit is exceeded, and `Labels` if a
///   model that takes entity types as input has none. With the features `onnx` and `libtorch` they may also return
///   `Weights` and `System`, if the graph or libtorch fails.
/// * [`logits`](Self::logits) also returns `WrongTask`.
/// * All of them return `Tokenizer` if the tokenizer rejects a text, and `Config` if the parts of a model contradict
///   one another; both are rare.
///
/// In a batch or a stream, each text has its own result.
#[derive(Clone)]
pub struct Ner {
    model: Arc<Model>,
    options: EntityOptions,
    decoding: Arc<Decoding>,
    limits: Limits,
}

/// The decoding of the rows that the model computes.
enum Decoding {
    Tags(Tagging),
    Prompted(Prompting),
}

impl Ner {
    /// Makes a handle to `model`, which does one of [`TASKS`].
    pub(crate) fn new(model: Model) -> Result<Self, Error> {
        let (model, options) = (Arc::new(model), EntityOptions::new());
        let decoding = Arc::new(Decoding::new(&model, &options)?);
        Ok(Self { model, options, decoding, limits: Limits::new() })
    }

    /// The same model with other options. Nothing is loaded again; entity types for the model's input are tokenised.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// use entopic::{EntityOptions, ErrorKind, Ner};
    ///
    /// let ner = Ner::bundled()?;
    /// let small = ner.with(EntityOptions::new().window(64))?;
    /// // The text fits into one window of either size.
    /// let text = "Ada Lovelace lived in London.";
    /// assert_eq!(small.tag(text)?, ner.tag(text)?);
    ///
    /// let error = ner.with(EntityOptions::new().entity_types(["law"])).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Options);
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Options`] if the model does not support an option, or a value is out of range;
    /// [`ErrorKind::Labels`] if the list of entity types is empty or has more than 10,000, a type is blank, given twice,
    /// or longer than 64 KiB, the types take more than three quarters of a window or 1 MiB, or a threshold is for a type that is not among them.
    pub fn with(&self, options: EntityOptions) -> Result<Self, Error> {
        let options = options.over(&self.options);
        let decoding = Arc::new(Decoding::new(&self.model, &options)?);
        Ok(Self { model: Arc::clone(&self.model), options, decoding, limits: self.limits.clone() })
    }

    /// The same model with limits on each call, in addition to its current ones.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// use entopic::{ErrorKind, Limits, Ner};
    ///
    /// let ner = Ner::bundled()?;
    /// let short = ner.within(&Limits::new().max_bytes(10));
    /// let error = short.tag("Ada Lovelace lived in London.").unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::TooLong);
    /// assert!(ner.tag("Ada Lovelace lived in London.").is_ok());
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn within(&self, limits: &Limits) -> Self {
        Self { limits: limits.over(&self.limits), ..self.clone() }
    }

    /// The name of the model, or its folder.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// let ner = entopic::Ner::bundled()?;
    /// assert_eq!(ner.name(), "ner-en-small");
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    pub fn name(&self) -> &str {
        &self.model.name
    }

    /// The entity types that are found: those of the model, or those set with [`EntityOptions::entity_types`].
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// let ner = entopic::Ner::bundled()?;
    /// assert_eq!(ner.entity_types(), ["PER", "LOC", "ORG", "MISC"]);
    /// let tagged = ner.tag("Ada Lovelace lived in London.")?;
    /// assert!(tagged.entities.iter().all(|entity| ner.entity_types().contains(&entity.label)));
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    pub fn entity_types(&self) -> &[String] {
        match &*self.decoding {
            Decoding::Tags(tagging) => &tagging.types,
            Decoding::Prompted(prompting) => &prompting.types,
        }
    }

    /// The possible values of [`Entity::kind`](crate::Entity::kind), each after its entity type and a colon, such as
    /// `LOC:city`. Empty for a model that does not distinguish kinds.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// let kinds = entopic::Ner::bundled()?.entity_kinds();
    /// assert!(kinds.contains(&"LOC:city".to_owned()));
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    pub fn entity_kinds(&self) -> Vec<String> {
        let named = self.model.role.kinds().iter().filter(|kind| !kind.ends_with(':'));
        named.cloned().collect()
    }

    /// The raw tags of a token classifier, such as `B-PER`, in the order of its columns. Empty for a model that takes
    /// entity types as input.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// let ner = entopic::Ner::bundled()?;
    /// assert_eq!(ner.tags()[..5], ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]);
    /// assert_eq!(ner.tags()[5..], ["B-ORG", "I-ORG", "B-MISC", "I-MISC"]);
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    pub fn tags(&self) -> &[String] {
        self.model.role.labels()
    }

    /// The entities of `text`. A text is read whole, up to [`Limits::max_bytes`]; an empty text has no entities.
    ///
    /// For many short texts, one call per text takes up to twice as long as [`tag_batch`](Self::tag_batch), which keeps
    /// all threads busy.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// let ner = entopic::Ner::bundled()?;
    /// let text = "Ada Lovelace lived in London.";
    /// let tagged = ner.tag(text)?;
    /// assert_eq!(tagged.entities.len(), 2);
    /// assert_eq!(tagged.entities[0].span.of(text), tagged.entities[0].text);
    /// assert!(ner.tag("")?.entities.is_empty());
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Labels`] if the model takes entity types as input and none are set; the errors of the
    /// [limits](Limits); [`ErrorKind::Tokenizer`] if the tokenizer rejects the text (no common tokenizer does).
    pub fn tag(&self, text: &str) -> Result<TaggedText, Error> {
        pipeline::first(self.tag_iter([text]))
    }

    /// The entities of each of `texts`, in their order: the same as [`tag`](Self::tag) returns for each text alone. An
    /// error in one text does not affect the others. Apart from the results, memory does not grow with the number of
    /// texts.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// let ner = entopic::Ner::bundled()?;
    /// let texts = ["Ada lived in London.", "Marie lived in Paris."];
    /// for (text, tagged) in texts.iter().zip(ner.tag_batch(&texts)) {
    ///     assert_eq!(tagged?, ner.tag(text)?);
    /// }
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Each result may have the errors of [`tag`](Self::tag).
    pub fn tag_batch<T: AsRef<str>>(&self, texts: &[T]) -> Vec<Result<TaggedText, Error>> {
        self.tag_iter(texts).collect()
    }

    /// The entities of `texts` as a stream: texts are read and results computed on demand, a few hundred kilobytes of
    /// text at a time, and longer texts in sections of half a megabyte. Apart from the results, memory does not grow
    /// with the number or the length of the texts. The results are those of [`tag_batch`](Self::tag_batch).
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
    ///
    /// # Errors
    ///
    /// Each result may have the errors of [`tag`](Self::tag).
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

    /// The entities of a text that is passed as words, as in annotated corpora. Entities consist of whole words: a word
    /// has the label of its first token.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// let ner = entopic::Ner::bundled()?;
    /// let tagged = ner.tag_words(&["Maria", "Keller", "moved", "to", "London", "."])?;
    /// let first = &tagged.entities[0];
    /// assert_eq!((first.label.as_str(), first.words.clone()), ("PER", 0..2));
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as [`tag`](Self::tag).
    pub fn tag_words<T: AsRef<str>>(&self, words: &[T]) -> Result<TaggedWords, Error> {
        pipeline::first(self.tag_words_batch(&[words]).into_iter())
    }

    /// The entities of each of `sentences`, which are passed as words, in their order: the same as
    /// [`tag_words`](Self::tag_words) returns for each alone.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// let ner = entopic::Ner::bundled()?;
    /// let sentences = [["Ada", "lived", "in", "London"], ["Marie", "lived", "in", "Paris"]];
    /// for (words, tagged) in sentences.iter().zip(ner.tag_words_batch(&sentences)) {
    ///     assert_eq!(tagged?, ner.tag_words(words)?);
    /// }
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Each result may have the errors of [`tag`](Self::tag).
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

    /// The logits of each token of `text`, for callers with their own decoding.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// let ner = entopic::Ner::bundled()?;
    /// let found = ner.logits("Ada Lovelace lived in London.")?;
    /// assert_eq!(found.logits.dim(), (found.tokens.len(), ner.tags().len()));
    /// assert_eq!(ner.tags()[..3], ["O", "B-PER", "I-PER"]);
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::WrongTask`] if the model takes entity types as input: it scores spans of words, not tokens.
    /// Otherwise the same as [`tag`](Self::tag).
    pub fn logits(&self, text: &str) -> Result<TokenLogits, Error> {
        let Decoding::Tags(tagging) = &*self.decoding else {
            let message = format!(
                "the model {:?} has no token logits: it takes entity types as input and scores spans of words; choose \
                 a token classifier",
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

    /// Returns whether another model with the same tokenizer and framing can use the documents that this one
    /// [reads](Self::read).
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

    /// The entities that the model and the rules find in documents of this model.
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

    /// The entities that the model finds in documents.
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
                let message = format!(
                    "the model {:?} is for {}; choose a model for named-entity recognition",
                    model.name,
                    role.task().description()
                );
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
