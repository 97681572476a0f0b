use crate::error::Error;
use crate::model::{LoadOptions, Loader, load_setters};
use crate::topics::{Scoring, TopicClassifier, WindowPooling};

/// Builds a [`TopicClassifier`].
#[derive(Clone, Debug)]
pub struct TopicClassifierBuilder {
    model: String,
    options: TopicOptions,
    load: LoadOptions,
}

/// What a classifier does with its model.
#[derive(Clone, Debug, Default)]
pub(crate) struct TopicOptions {
    pub(crate) template: Option<String>,
    pub(crate) label_prefix: Option<String>,
    pub(crate) scoring: Scoring,
    pub(crate) pooling: Option<WindowPooling>,
    pub(crate) temperature: Option<f32>,
    pub(crate) threshold: Option<f32>,
}

impl TopicClassifierBuilder {
    pub(crate) fn new(model: String) -> Self {
        Self { model, options: TopicOptions::default(), load: LoadOptions::default() }
    }

    /// Whether topics exclude one another; [`Scoring::SingleLabel`] if not set.
    #[must_use]
    pub fn scoring(mut self, scoring: Scoring) -> Self {
        self.options.scoring = scoring;
        self
    }

    /// How windows make a document; the registry's, or [`WindowPooling::Mean`], if not set.
    #[must_use]
    pub fn pooling(mut self, pooling: WindowPooling) -> Self {
        self.options.pooling = Some(pooling);
        self
    }

    /// The sentence that each label is put into, at `{}`. If not set, the registry's; for an NLI
    /// model in no registry `This example is {}.`, for a bi-encoder the label alone.
    #[must_use]
    pub fn template(mut self, template: impl Into<String>) -> Self {
        self.options.template = Some(template.into());
        self
    }

    /// What is put before each text that a bi-encoder encodes, such as `query: ` for E5; the registry's,
    /// or nothing, if not set. NLI models have none.
    #[must_use]
    pub fn text_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.load.text_prefix = Some(prefix.into());
        self
    }

    /// What is put before each label's sentence; the registry's, or nothing, if not set.
    #[must_use]
    pub fn label_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.options.label_prefix = Some(prefix.into());
        self
    }

    /// What a bi-encoder's cosines are divided by, with either scoring; the registry's, or 0.05, if
    /// not set. NLI models have none.
    #[must_use]
    pub fn temperature(mut self, temperature: f32) -> Self {
        self.options.temperature = Some(temperature);
        self
    }

    /// The cosine, -1 to 1, at which a bi-encoder with [`Scoring::MultiLabel`] calls a topic as
    /// likely as not; the registry's, or 0.3, if not set. NLI models have none.
    #[must_use]
    pub fn threshold(mut self, cosine: f32) -> Self {
        self.options.threshold = Some(cosine);
        self
    }

    load_setters!();

    /// The tokens of a window, special tokens and an NLI model's hypothesis included; the
    /// registry's, or the model's maximum length, if not set.
    #[must_use]
    pub fn window(mut self, tokens: usize) -> Self {
        self.load.window = Some(tokens);
        self
    }

    /// Loads the model.
    ///
    /// # Errors
    ///
    /// Names what is unknown, missing, cut off, mis-shaped or out of range, and the valid choices;
    /// see [`ErrorKind`](crate::ErrorKind).
    pub fn build(self) -> Result<TopicClassifier, Error> {
        TopicClassifier::load(&mut Loader::new(&self.load)?, &self.model, self.options)
    }
}
