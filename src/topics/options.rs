use super::calibration::Calibration;
use super::hypotheses::{self, Columns};
use super::scoring::Scoring;
use crate::error::{Error, ErrorKind};
use crate::limits::LONGEST_LABEL;
use crate::model::role::Role;
use crate::model::{Framing, Model};
use crate::pooling::WindowPooling;

/// The options of a [`TopicClassifier`](crate::TopicClassifier), for
/// [`TopicClassifier::with`](crate::TopicClassifier::with). An option that is not set keeps its value.
///
/// ```
/// # #[cfg(feature = "bundled")] {
/// use entopic::{Scoring, TopicClassifier, TopicOptions};
///
/// let classifier = TopicClassifier::bundled()?;
/// let labels = classifier.label_set(["sport", "health"])?;
/// let several = classifier.with(TopicOptions::new().scoring(Scoring::MultiLabel))?;
/// // The labels are prepared for the model, not for its options.
/// let topics = several.classify("The striker scored twice.", &labels)?.topics;
/// assert_eq!(topics[0].label, "sport");
/// # }
/// # Ok::<(), entopic::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct TopicOptions {
    pub(super) scoring: Option<Scoring>,
    pub(super) pooling: Option<WindowPooling>,
    pub(super) template: Option<String>,
    pub(super) text_prefix: Option<String>,
    pub(super) label_prefix: Option<String>,
    pub(super) temperature: Option<f32>,
    pub(super) midpoint: Option<f32>,
    pub(super) passages: Option<bool>,
    pub(super) window: Option<usize>,
    pub(super) prepare_text: Option<bool>,
}

impl TopicOptions {
    /// Creates options with nothing set.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// use entopic::{TopicClassifier, TopicOptions};
    ///
    /// let (classifier, text) = (TopicClassifier::bundled()?, "The striker scored twice.");
    /// let labels = classifier.label_set(["sport", "health"])?;
    /// let same = classifier.with(TopicOptions::new())?;
    /// assert_eq!(same.classify(text, &labels)?, classifier.classify(text, &labels)?);
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets whether topics exclude one another; [`Scoring::SingleLabel`] by default.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// use entopic::{Scoring, TopicClassifier, TopicOptions};
    ///
    /// let classifier = TopicClassifier::bundled()?;
    /// let labels = classifier.label_set(["sport", "health"])?;
    /// // The text is about neither, but one of the two is likelier than the other.
    /// let text = "Mix the flour and the water.";
    /// assert!(classifier.classify(text, &labels)?.topics[0].score > 0.5);
    /// // Each label has its own score.
    /// let classifier = classifier.with(TopicOptions::new().scoring(Scoring::MultiLabel))?;
    /// assert!(classifier.classify(text, &labels)?.topics[0].score < 0.5);
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn scoring(mut self, scoring: Scoring) -> Self {
        self.scoring = Some(scoring);
        self
    }

    /// The pooling of the windows of a document. The default is the registry's value, otherwise
    /// [`WindowPooling::Mean`].
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// use entopic::{TopicClassifier, TopicOptions, WindowPooling};
    ///
    /// let classifier = TopicClassifier::bundled()?.with(TopicOptions::new().window(32))?;
    /// let sport = classifier.label_set(["sport"])?;
    /// let text = "The striker scored twice. ".to_owned() + &"The hospital hired two nurses. ".repeat(20);
    /// let whole = classifier.classify(&text, &sport)?;
    /// // A single passage about sport is enough.
    /// let classifier = classifier.with(TopicOptions::new().window_pooling(WindowPooling::Max))?;
    /// assert!(classifier.classify(&text, &sport)?.topics[0].score > whole.topics[0].score);
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn window_pooling(mut self, pooling: WindowPooling) -> Self {
        self.pooling = Some(pooling);
        self
    }

    /// The sentence into which each label is put, in place of `{}`, which it has once. The default is the registry's
    /// value, otherwise `This example is {}.` for an NLI model, and the label alone for other models. It applies to
    /// label sets that are prepared afterwards; labels that are added to a set have the template of the set.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// use entopic::{TopicClassifier, TopicOptions};
    ///
    /// let classifier = TopicClassifier::bundled()?.with(TopicOptions::new().template("This text is about {}."))?;
    /// let labels = classifier.label_set(["sport", "health"])?;
    /// assert_eq!(classifier.classify("The striker scored twice.", &labels)?.topics[0].label, "sport");
    /// // Without a place for the label, all labels would be the same.
    /// assert!(classifier.with(TopicOptions::new().template("news")).is_err());
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn template(mut self, template: impl Into<String>) -> Self {
        self.template = Some(template.into());
        self
    }

    /// The prefix of each text, such as `query: ` for E5. The default is the registry's value, otherwise none. Only
    /// embedding models support it.
    ///
    /// ```no_run
    /// use std::path::Path;
    /// use entopic::{Engine, TopicOptions};
    ///
    /// // E5 wants a prefix on both sides.
    /// let classifier = Engine::new()?.topics(Path::new("models/e5-small-v2"))?;
    /// let classifier = classifier.with(TopicOptions::new().text_prefix("query: ").label_prefix("query: "))?;
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn text_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.text_prefix = Some(prefix.into());
        self
    }

    /// The prefix of the sentence of each label. The default is the registry's value, otherwise none. Only embedding
    /// models support it. It applies to labels that are prepared afterwards.
    ///
    /// ```no_run
    /// use std::path::Path;
    /// use entopic::{Engine, TopicOptions};
    ///
    /// let classifier = Engine::new()?.topics(Path::new("models/e5-small-v2"))?;
    /// let classifier = classifier.with(TopicOptions::new().label_prefix("query: ").template("news about {}"))?;
    /// // The model reads "query: news about sport".
    /// let labels = classifier.label_set(["sport"])?;
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn label_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.label_prefix = Some(prefix.into());
        self
    }

    /// The temperature by which cosines are divided, with either [`Scoring`]. The default is the registry's value,
    /// otherwise 0.05. Only embedding models support it.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// use entopic::{TopicClassifier, TopicOptions};
    ///
    /// let classifier = TopicClassifier::bundled()?;
    /// let labels = classifier.label_set(["sport", "health"])?;
    /// let text = "The striker scored twice.";
    /// // A higher temperature brings scores closer to each other.
    /// let warm = classifier.with(TopicOptions::new().temperature(1.0))?;
    /// let score = warm.classify(text, &labels)?.topics[0].score;
    /// assert!(score > 0.5 && score < classifier.classify(text, &labels)?.topics[0].score);
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn temperature(mut self, temperature: f32) -> Self {
        self.temperature = Some(temperature);
        self
    }

    /// The cosine, -1 to 1, at which the [fit](crate::Topic::fit) of a topic is 0.5, and with [`Scoring::MultiLabel`]
    /// its score. The default is the registry's value, otherwise 0.3. Only embedding models support it.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// use entopic::{TopicClassifier, TopicOptions};
    ///
    /// let classifier = TopicClassifier::bundled()?;
    /// let labels = classifier.label_set(["sport", "health"])?;
    /// let text = "The striker scored twice.";
    /// assert!(classifier.classify(text, &labels)?.topics[0].fits());
    /// // Labels fit only if their cosine is above 0.9.
    /// let strict = classifier.with(TopicOptions::new().midpoint(0.9))?;
    /// assert!(!strict.classify(text, &labels)?.topics[0].fits());
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn midpoint(mut self, cosine: f32) -> Self {
        self.midpoint = Some(cosine);
        self
    }

    /// Sets whether results include the scores of every label for every window, in
    /// [`ClassifiedText::passages`](crate::ClassifiedText::passages); off by default.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// use entopic::{TopicClassifier, TopicOptions};
    ///
    /// let classifier = TopicClassifier::bundled()?.with(TopicOptions::new().passages(true))?;
    /// let labels = classifier.label_set(["sport", "health"])?;
    /// let text = "The striker scored twice.";
    /// let passages = classifier.classify(text, &labels)?.passages;
    /// assert_eq!(passages[0].span.of(text), text);
    /// assert_eq!(passages[0].scores.len(), 2);
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn passages(mut self, passages: bool) -> Self {
        self.passages = Some(passages);
        self
    }

    /// The size of a window in tokens, including special tokens and, for NLI models and uni-encoders, the labels. The
    /// default is the registry's value, otherwise the maximum of the model.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// use entopic::{TopicClassifier, TopicOptions};
    ///
    /// let classifier = TopicClassifier::bundled()?.with(TopicOptions::new().window(32))?;
    /// let labels = classifier.label_set(["sport", "health"])?;
    /// let classified = classifier.classify(&"The striker scored twice. ".repeat(10), &labels)?;
    /// assert!(classified.coverage.windows > 1);
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn window(mut self, tokens: usize) -> Self {
        self.window = Some(tokens);
        self
    }

    /// Sets whether texts are prepared before they are tokenised; see
    /// [`EntityOptions::prepare_text`](crate::EntityOptions::prepare_text).
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// use entopic::{TopicClassifier, TopicOptions};
    ///
    /// let classifier = TopicClassifier::bundled()?;
    /// let labels = classifier.label_set(["sport", "health"])?;
    /// // The tokens that the tokenizer alone makes of this text.
    /// let plain = classifier.with(TopicOptions::new().prepare_text(false))?;
    /// let text = "The 𝐬𝐭𝐫𝐢𝐤𝐞𝐫 scored twice.";
    /// assert_ne!(classifier.classify(text, &labels)?.topics, plain.classify(text, &labels)?.topics);
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn prepare_text(mut self, prepare: bool) -> Self {
        self.prepare_text = Some(prepare);
        self
    }

    /// These options, and those of `base` that are not set here.
    pub(super) fn over(self, base: &Self) -> Self {
        Self {
            scoring: self.scoring.or(base.scoring),
            pooling: self.pooling.or(base.pooling),
            template: self.template.or_else(|| base.template.clone()),
            text_prefix: self.text_prefix.or_else(|| base.text_prefix.clone()),
            label_prefix: self.label_prefix.or_else(|| base.label_prefix.clone()),
            temperature: self.temperature.or(base.temperature),
            midpoint: self.midpoint.or(base.midpoint),
            passages: self.passages.or(base.passages),
            window: self.window.or(base.window),
            prepare_text: self.prepare_text.or(base.prepare_text),
        }
    }
}

/// The temperature of embedding models without a known one: sentence-transformers trains with a scale of 20.
const DEFAULT_TEMPERATURE: f32 = 0.05;

/// The midpoint of embedding models without a known one.
const DEFAULT_MIDPOINT: f32 = 0.3;

/// The way in which a model compares a text with a label.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Nli(Columns),
    BiEncoder(Calibration),
    UniEncoder { labels_first: bool },
}

/// Options resolved for a model.
pub(super) struct Settings {
    pub(super) kind: Kind,
    /// The sentence for labels, with their prefix before it.
    pub(super) template: String,
    pub(super) scoring: Scoring,
    pub(super) pooling: WindowPooling,
    pub(super) passages: bool,
    pub(super) framing: Framing,
}

impl Settings {
    pub(super) fn new(model: &Model, options: &TopicOptions) -> Result<Self, Error> {
        let profile = &model.profile;
        let kind = Kind::new(model, options)?;
        let template = options.template.as_ref().or(profile.template.as_ref()).cloned();
        let template = template.unwrap_or_else(|| match kind {
            Kind::Nli(_) => hypotheses::DEFAULT_TEMPLATE.to_owned(),
            Kind::BiEncoder(_) | Kind::UniEncoder { .. } => hypotheses::PLACE.to_owned(),
        });
        if !template.contains(hypotheses::PLACE) {
            let message =
                format!("the template {template:?} has no {{}}, so all topics would read the same; add it");
            return Err(Error::new(ErrorKind::Options, message));
        }
        let prefix = options.label_prefix.as_ref().or(profile.label_prefix.as_ref());
        let template = prefix.cloned().unwrap_or_default() + &template;
        if template.len() > LONGEST_LABEL {
            let message = format!(
                "the template and the prefix of labels have {} bytes, but at most {LONGEST_LABEL} are allowed; shorten \
                 them",
                template.len()
            );
            return Err(Error::new(ErrorKind::Options, message));
        }
        // One label can then make a sentence of at most twice the length of a label.
        if template.matches(hypotheses::PLACE).count() > 1 {
            let message = format!("the template {template:?} has several {{}}; leave one");
            return Err(Error::new(ErrorKind::Options, message));
        }
        Ok(Self {
            kind,
            template,
            scoring: options.scoring.unwrap_or_default(),
            pooling: options.pooling.or(profile.window_pooling).unwrap_or_default(),
            passages: options.passages.unwrap_or(false),
            framing: model.framing(options.window, options.text_prefix.as_deref(), options.prepare_text)?,
        })
    }

    /// The scoring of `labels` labels: a single label has no other to compare with.
    pub(super) fn scoring(&self, labels: usize) -> Scoring {
        if labels == 1 { Scoring::MultiLabel } else { self.scoring }
    }
}

impl Kind {
    fn new(model: &Model, options: &TopicOptions) -> Result<Self, Error> {
        let kind = match &model.role {
            Role::Embedding { .. } => {
                let calibration = Calibration::new(
                    options.temperature.or(model.profile.temperature).unwrap_or(DEFAULT_TEMPERATURE),
                    options.temperature.or(model.profile.multi_label_temperature),
                    options.midpoint.or(model.profile.midpoint).unwrap_or(DEFAULT_MIDPOINT),
                )?;
                return Ok(Self::BiEncoder(calibration));
            }
            Role::Nli { labels } => Columns::find(labels).map(Self::Nli).ok_or_else(|| {
                let message = format!(
                    "the model {:?} has no entailment class among its classes {}; if it is for natural-language \
                     inference, name its classes in id2label of its config.json, or in a registry file as `labels`",
                    model.name,
                    labels.join(", ")
                );
                Error::new(ErrorKind::WrongTask, message)
            })?,
            Role::PromptedTopics(style) => Self::UniEncoder { labels_first: style.labels_first },
            role => {
                let message = format!(
                    "the model {:?} is for {}; choose a model for topic classification",
                    model.name,
                    role.task().description()
                );
                return Err(Error::new(ErrorKind::WrongTask, message));
            }
        };
        let of_embeddings = [
            ("temperature", options.temperature.is_some()),
            ("midpoint", options.midpoint.is_some()),
            ("text_prefix", options.text_prefix.is_some()),
            ("label_prefix", options.label_prefix.is_some()),
        ];
        let of_entries = [
            ("text_prefix", model.profile.text_prefix.is_some()),
            ("label_prefix", model.profile.label_prefix.is_some()),
        ];
        if let Some((field, _)) = of_entries.into_iter().find(|(_, set)| *set) {
            let message = format!(
                "the entry of the model {:?} in the registry has {field}, but the model is for {} and does not embed \
                 texts; remove it from the entry",
                model.name,
                model.role.task().description()
            );
            return Err(Error::new(ErrorKind::Options, message));
        }
        if let Some((option, _)) = of_embeddings.into_iter().find(|(_, set)| *set) {
            let message = format!(
                "the model {:?} cannot use the option {option}: the model is for {} and does not embed texts; leave the \
                 option out, or choose an embedding model",
                model.name,
                model.role.task().description()
            );
            return Err(Error::new(ErrorKind::Options, message));
        }
        Ok(kind)
    }
}
