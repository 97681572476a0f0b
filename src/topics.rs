mod calibration;
mod hypotheses;
pub(crate) mod label;
pub(crate) mod label_cache;
pub(crate) mod label_set;
mod labels;
pub(crate) mod options;
mod prototypes;
mod readers;
pub(crate) mod result;
pub(crate) mod scoring;
mod windows;

use std::fmt;
use std::sync::Arc;

use ndarray::Array1;

use self::label::Label;
use self::label_cache::LabelCache;
use self::label_set::{LabelSet, Prepared};
use self::labels::Preparer;
use self::options::{Kind, Settings, TopicOptions};
use self::readers::{BiEncoderReader, Context, Embedded, EmbeddingReader, NliReader, UniEncoderReader};
use self::result::{ClassifiedText, Judgement, judge};
use crate::catalogue::registry::Task;
use crate::document::Document;
use crate::error::{Error, ErrorKind};
use crate::model::role::Role;
use crate::model::{Framing, Model};
use crate::pipeline::{self, Placed};
use crate::schedule::Limits;

/// The tasks of the models that a [`TopicClassifier`] runs.
pub(crate) const TASKS: [Task; 3] = [Task::Nli, Task::Embedding, Task::ZeroShotTopics];

/// The name of these tasks in messages.
pub(crate) const PURPOSE: &str = "topic classification";

/// The topics by which news agencies file stories, with descriptions: the top level of the IPTC Media Topics
/// (<https://iptc.org/standards/media-topics/>), with shortened names.
///
/// ```
/// let topics = entopic::news_topics();
/// assert_eq!(topics.len(), 17);
/// assert_eq!(topics[0].name(), "arts and entertainment");
/// ```
pub fn news_topics() -> Vec<Label> {
    NEWS_TOPICS.iter().map(|(name, description)| Label::new(*name).description(*description)).collect()
}

const NEWS_TOPICS: [(&str, &str); 17] = [
    ("arts and entertainment", "music, film, theatre, books, art, television and celebrities"),
    ("conflict and war", "wars, armed conflict, attacks, armies, coups, protests and peace talks"),
    ("crime and justice", "crimes, police, courts, trials, prisons and laws"),
    ("disasters and accidents", "earthquakes, floods, fires, crashes and rescue"),
    ("economy and business", "companies, markets, prices, trade, banks and money"),
    ("education", "schools, universities, teachers, pupils, students and exams"),
    ("environment", "climate change, nature, animals, pollution and conservation"),
    ("health", "diseases, medicine, doctors, hospitals and diet"),
    ("human interest", "curious, moving or funny stories of people and animals"),
    ("labour", "trade unions, strikes, wages, jobs and unemployment"),
    ("lifestyle and leisure", "food, travel, fashion, homes, hobbies and games"),
    ("politics", "governments, elections, parties, parliaments and diplomacy"),
    ("religion", "faiths, churches, mosques, temples, worship and belief"),
    ("science and technology", "research, space, computers, software and inventions"),
    ("society", "families, population, migration, equality, discrimination and welfare"),
    ("sport", "matches, athletes, teams, leagues and tournaments"),
    ("weather", "forecasts, temperatures, rain, snow and storms"),
];

/// Scores texts for any topics, without training on them: zero-shot classification.
///
/// The model is a bi-encoder, which embeds labels once and each text once, whatever the number of labels; a uni-encoder
/// (GLiClass), which reads all labels together with each window of the text; or an NLI model, which reads each text
/// once for each label. For a text of one window and with [`Precision::F32`](crate::Precision::F32), the scores of an
/// NLI model equal those of transformers' `zero-shot-classification` pipeline up to f32 rounding.
///
/// Every call takes `&self` and may come from any thread.
///
/// ```
/// # #[cfg(feature = "bundled")] {
/// let classifier = entopic::TopicClassifier::bundled()?;
/// let labels = classifier.label_set(["economy", "sport", "health"])?;
/// let text = "The striker scored twice and won the cup for her team.";
/// assert_eq!(classifier.classify(text, &labels)?.topics[0].label, "sport");
/// # }
/// # Ok::<(), entopic::Error>(())
/// ```
///
/// # Cost
///
/// The time of a bi-encoder hardly depends on the number of labels. That of an NLI model grows with the number of
/// labels: it reads each window once for each. The labels of a uni-encoder take room in each window, so a text needs
/// more windows. Labels are prepared once, by [`label_set`](Self::label_set), and the engine caches their embeddings.
/// [`Tagger`](crate::Tagger#cost) has figures for entities and topics together. To measure, run `cargo bench --bench
/// topics`, or `entopic bench texts.txt --task topics` with your own texts.
///
/// Models run on the threads of the [`Engine`](crate::Engine#cost). Memory does not grow with the number of texts; a
/// long text needs three numbers per label for each of its windows, some hundred tokens long.
///
/// # Cloning
///
/// A `TopicClassifier` is a handle. Clones, and views with other [options](Self::with) or [limits](Self::within), share
/// the weights, the tokenizer, the threads and the cached embeddings of labels; nothing is loaded again. A [`LabelSet`]
/// works with all of them whose windows it fits.
///
/// # Cancelling
///
/// [`within`](Self::within) makes a view with [`Limits`]: a deadline, a flag, a maximum length of texts and
/// a maximum number of labels. The deadline
/// and the flag are checked before each text is read, and before each group of windows; [`Limits`] says how long such a
/// step may take. A text that is not done by then fails; texts that are done keep their results. A stream returns the
/// error for every further text, so stop iterating. The limits also apply to the embedding of labels and of their
/// examples.
///
/// # Errors
///
/// * [`with`](Self::with) returns the kind `Options`.
/// * [`label_set`](Self::label_set) and [`extend`](Self::extend) return `Labels`, and the kinds of the limits.
/// * Calls with texts return `TooLong`, `Deadline` and `Cancelled` if a limit is exceeded, and `Labels` if the label
///   set was prepared for another model, does not fit a window, or is damaged. With the features `onnx` and `libtorch`
///   they may also return `Weights` and `System`, if the graph or libtorch fails.
/// * [`embed`](Self::embed) also returns `WrongTask`.
/// * All of them return `Tokenizer` if the tokenizer rejects a text, and `Config` if the parts of a model contradict
///   one another; both are rare.
///
/// In a batch or a stream, each text has its own result.
#[derive(Clone)]
pub struct TopicClassifier {
    model: Arc<Model>,
    cache: Arc<LabelCache>,
    options: TopicOptions,
    settings: Arc<Settings>,
    limits: Limits,
}

impl TopicClassifier {
    /// Makes a handle to `model`, which does one of [`TASKS`].
    pub(crate) fn new(model: Model, cache: Arc<LabelCache>) -> Result<Self, Error> {
        let options = TopicOptions::new();
        let settings = Arc::new(Settings::new(&model, &options)?);
        Ok(Self { model: Arc::new(model), cache, options, settings, limits: Limits::new() })
    }

    /// The same model with other options. Nothing is loaded again.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// use entopic::{Scoring, TopicClassifier, TopicOptions};
    ///
    /// let options = TopicOptions::new().scoring(Scoring::MultiLabel).passages(true);
    /// let classifier = TopicClassifier::bundled()?.with(options)?;
    /// let labels = classifier.label_set(["sport", "health"])?;
    /// let classified = classifier.classify("The striker scored twice.", &labels)?;
    /// assert_eq!(classified.passages.len(), classified.coverage.windows);
    /// assert!(classified.topics.iter().all(|topic| topic.score == topic.fit));
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Options`] if the model does not support an option, or a value is out of range.
    pub fn with(&self, options: TopicOptions) -> Result<Self, Error> {
        let options = options.over(&self.options);
        let settings = Arc::new(Settings::new(&self.model, &options)?);
        Ok(Self { options, settings, ..self.clone() })
    }

    /// The same model with limits on each call, in addition to its current ones.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// use entopic::{ErrorKind, Limits, TopicClassifier};
    ///
    /// let classifier = TopicClassifier::bundled()?;
    /// let labels = classifier.label_set(["sport", "health"])?;
    /// let short = classifier.within(&Limits::new().max_bytes(10));
    /// let error = short.classify("The striker scored twice.", &labels).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::TooLong);
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
    /// assert_eq!(entopic::TopicClassifier::bundled()?.name(), "topics-en-small");
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    pub fn name(&self) -> &str {
        &self.model.name
    }

    /// Prepares candidate labels: puts them into the template, and tokenises (NLI, uni-encoder) or embeds (bi-encoder)
    /// them. Their order does not matter, except to a uni-encoder, whose labels attend to one another. The engine
    /// caches the embeddings of labels, so an embedding model does not embed a label twice; examples are embedded each
    /// time.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// use entopic::{ErrorKind, Label, TopicClassifier};
    ///
    /// let classifier = TopicClassifier::bundled()?;
    /// let billing = Label::new("billing").description("invoices, charges and refunds");
    /// let labels = classifier.label_set([billing, Label::new("delivery")])?;
    /// assert_eq!(labels.names().collect::<Vec<_>>(), ["billing", "delivery"]);
    ///
    /// let error = classifier.label_set(["sport", "sport"]).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Labels);
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of the [limits](Limits), and [`ErrorKind::Labels`] in these cases:
    ///
    /// * There are no labels, or more than [`Limits::max_labels`]; or a label, description or example is blank.
    /// * Two labels are equal, or differ only in case or white space.
    /// * A label has examples, and the model does not embed texts.
    /// * A label has a token that the model uses as a separator.
    /// * A label or a description has more than 64 KiB, or all labels have more than 100,000 examples.
    /// * A label has too many tokens: more than half of a window for an NLI model, the longest sequence of an embedding model; for a
    ///   uni-encoder, all labels together more than three quarters of a window or 1 MiB.
    pub fn label_set<I>(&self, labels: I) -> Result<LabelSet, Error>
    where
        I: IntoIterator,
        I::Item: Into<Label>,
    {
        let labels = self.limits.collect_labels(0, labels.into_iter().map(Into::into))?;
        self.preparer(&self.settings.template).label_set(labels)
    }

    /// Combines `labels` and `more` labels into one set. Only the new labels are prepared, unless the model is a
    /// uni-encoder, which reads all labels together, or a label has examples.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// let classifier = entopic::TopicClassifier::bundled()?;
    /// let labels = classifier.label_set(["economy", "sport"])?;
    /// let labels = classifier.extend(&labels, ["health"])?;
    /// assert_eq!(labels.names().collect::<Vec<_>>(), ["economy", "sport", "health"]);
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as [`label_set`](Self::label_set), and [`ErrorKind::Labels`] if `labels` was prepared for another
    /// model.
    pub fn extend<I>(&self, labels: &LabelSet, more: I) -> Result<LabelSet, Error>
    where
        I: IntoIterator,
        I::Item: Into<Label>,
    {
        self.check(labels)?;
        let more = self.limits.collect_labels(labels.labels.len(), more.into_iter().map(Into::into))?;
        self.preparer(&labels.template).extend(labels, more)
    }

    /// Checks that a label set was prepared for this model, and fits its windows.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Labels`].
    pub(crate) fn check(&self, labels: &LabelSet) -> Result<(), Error> {
        self.preparer(&labels.template).check(labels)
    }

    /// The scores of `labels` for `text`. A text is read whole, up to [`Limits::max_bytes`]; an empty text has no topics.
    ///
    /// For many short texts, one call per text takes up to twice as long as [`classify_batch`](Self::classify_batch),
    /// which keeps all threads busy.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// let classifier = entopic::TopicClassifier::bundled()?;
    /// let labels = classifier.label_set(["economy", "sport", "health"])?;
    /// let text = "The striker scored twice and won the cup for her team.";
    /// let topics = classifier.classify(text, &labels)?.topics;
    /// // All labels, the one with the highest score first.
    /// assert_eq!((topics.len(), topics[0].label.as_str()), (3, "sport"));
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Labels`] if the label set was prepared for another model; the errors of the [limits](Limits);
    /// [`ErrorKind::Tokenizer`] if the tokenizer rejects the text (no common tokenizer does).
    pub fn classify(&self, text: &str, labels: &LabelSet) -> Result<ClassifiedText, Error> {
        pipeline::first(self.classify_iter([text], labels))
    }

    /// The scores of `labels` for each of `texts`, in their order: the same as [`classify`](Self::classify) returns for
    /// each text alone. An error in one text does not affect the others. Apart from the results, memory does not grow
    /// with the number of texts.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// let classifier = entopic::TopicClassifier::bundled()?;
    /// let labels = classifier.label_set(["economy", "sport"])?;
    /// let texts = ["The striker scored twice.", "The bank raised its rates."];
    /// for (text, classified) in texts.iter().zip(classifier.classify_batch(&texts, &labels)) {
    ///     assert_eq!(classified?, classifier.classify(text, &labels)?);
    /// }
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Each result may have the errors of [`classify`](Self::classify).
    pub fn classify_batch<T: AsRef<str>>(
        &self,
        texts: &[T],
        labels: &LabelSet,
    ) -> Vec<Result<ClassifiedText, Error>> {
        self.classify_iter(texts, labels).collect()
    }

    /// The scores of `labels` for `texts` as a stream: texts are read and results computed on demand, a few hundred
    /// kilobytes of text at a time. The results are those of [`classify_batch`](Self::classify_batch).
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// let classifier = entopic::TopicClassifier::bundled()?;
    /// let labels = classifier.label_set(["economy", "sport"])?;
    /// let lines = "The striker scored twice.\nThe bank raised its rates.".lines();
    /// for classified in classifier.classify_iter(lines, &labels) {
    ///     assert_eq!(classified?.topics.len(), 2);
    /// }
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Each result may have the errors of [`classify`](Self::classify).
    pub fn classify_iter<T: AsRef<str>>(
        &self,
        texts: impl IntoIterator<Item = T>,
        labels: &LabelSet,
    ) -> impl Iterator<Item = Result<ClassifiedText, Error>> {
        let work = |parts: &[&str]| self.judge_documents(&self.read(parts), labels);
        let limits = self.limits.clone().for_labels(labels.labels().len());
        pipeline::texts(texts, limits, work, |sections| self.join(labels, sections))
    }

    /// The embedding of `text`, `[hidden]`, not normalised: the mean of its windows, weighted by their numbers of
    /// tokens. All zeros for an empty text.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// let classifier = entopic::TopicClassifier::bundled()?;
    /// let embedding = classifier.embed("The striker scored twice.")?;
    /// assert_eq!(embedding.len(), 384);
    /// assert!(classifier.embed("")?.iter().all(|value| *value == 0.0));
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::WrongTask`] if the model is not an embedding model; otherwise the same as
    /// [`classify`](Self::classify).
    pub fn embed(&self, text: &str) -> Result<Array1<f32>, Error> {
        pipeline::first(self.embed_batch(&[text]).into_iter())
    }

    /// The embedding of each of `texts`, in their order: the same as [`embed`](Self::embed) returns for each text
    /// alone.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// let classifier = entopic::TopicClassifier::bundled()?;
    /// let texts = ["The striker scored twice.", "The bank raised its rates."];
    /// for (text, embedding) in texts.iter().zip(classifier.embed_batch(&texts)) {
    ///     assert_eq!(embedding?, classifier.embed(text)?);
    /// }
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Each result may have the errors of [`embed`](Self::embed).
    pub fn embed_batch<T: AsRef<str>>(&self, texts: &[T]) -> Vec<Result<Array1<f32>, Error>> {
        let Role::Embedding { hidden } = self.model.role else {
            let message = format!(
                "the model {:?} does not embed texts: it is for {}; choose an embedding model",
                self.model.name,
                self.model.role.task().description()
            );
            let error = Error::new(ErrorKind::WrongTask, message);
            return texts.iter().map(|_| Err(error.clone())).collect();
        };
        let reader = EmbeddingReader { context: self.context() };
        let work = |parts: &[&str]| pipeline::run_documents(&reader, &pipeline::read_all(&reader, parts));
        pipeline::texts(texts, self.limits.clone(), work, |sections| Embedded::join(sections, hidden))
            .collect()
    }

    pub(crate) fn model(&self) -> &Model {
        &self.model
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn framing(&self) -> &Framing {
        &self.settings.framing
    }

    fn context(&self) -> Context<'_> {
        Context { model: &self.model, limits: &self.limits, settings: &self.settings }
    }

    fn preparer<'a>(&'a self, template: &'a str) -> Preparer<'a> {
        Preparer { context: self.context(), cache: &self.cache, template }
    }

    /// Reads texts into documents of this model.
    pub(crate) fn read<'t>(&self, texts: &[&'t str]) -> Vec<Result<Document<'t>, Error>> {
        pipeline::read_texts(&self.model, &self.settings.framing, &self.limits, texts)
    }

    /// The topics of a text, from the judgements of its sections.
    pub(crate) fn join(&self, labels: &LabelSet, sections: Vec<Placed<Judgement>>) -> ClassifiedText {
        judge(&self.settings, &labels.labels, sections)
    }

    /// The judgements of documents of this model on `labels`.
    pub(crate) fn judge_documents(
        &self,
        documents: &[Result<Document<'_>, Error>],
        labels: &LabelSet,
    ) -> Vec<Result<Judgement, Error>> {
        if let Err(error) = self.check(labels) {
            return documents.iter().map(|_| Err(error.clone())).collect();
        }
        let (context, count) = (self.context(), labels.labels.len());
        match (self.settings.kind, &labels.prepared) {
            (Kind::Nli(columns), Prepared::Hypotheses(hypotheses)) => {
                pipeline::run_documents(&NliReader { context, labels: count, hypotheses, columns }, documents)
            }
            (Kind::BiEncoder(calibration), Prepared::Embeddings(embeddings)) => {
                let reader = BiEncoderReader { context, labels: count, embeddings, calibration };
                pipeline::run_documents(&reader, documents)
            }
            (Kind::UniEncoder { labels_first }, Prepared::Prompt(prompt)) => {
                let reader = UniEncoderReader { context, labels: count, prompt, labels_first };
                pipeline::run_documents(&reader, documents)
            }
            _ => documents.iter().map(|_| Err(labels::mismatch(labels, &self.model))).collect(),
        }
    }
}

impl fmt::Debug for TopicClassifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = &self.settings.kind;
        f.debug_struct("TopicClassifier").field("model", &self.model.name).field("kind", kind).finish()
    }
}
