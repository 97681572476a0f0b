use serde::{Deserialize, Serialize};

/// A candidate label: its name, and optionally a description and examples.
///
/// Every model reads descriptions. Only embedding models use examples, which move the embedding of the label towards
/// them.
///
/// ```
/// use entopic::Label;
///
/// let billing = Label::new("billing")
///     .description("invoices, charges and refunds")
///     .examples(["Why was I charged twice?", "Please send me the invoice for May."]);
/// assert_eq!(billing.name(), "billing");
/// assert_eq!(Label::from("sport"), Label::new("sport"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    examples: Vec<String>,
}

impl Label {
    /// A label with the given name, by which results refer to it. A string works wherever a label is expected.
    ///
    /// ```
    /// use entopic::Label;
    ///
    /// assert_eq!(Label::new("sport"), Label::from("sport"));
    /// ```
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), description: None, examples: Vec::new() }
    }

    /// A short description of texts that belong under the label: `invoices, charges and refunds`.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// use entopic::{Label, TopicClassifier};
    ///
    /// let classifier = TopicClassifier::bundled()?;
    /// let fit = |label: Label| -> Result<f32, entopic::Error> {
    ///     let labels = classifier.label_set([label])?;
    ///     Ok(classifier.classify("Space probes visited the planet and its moons.", &labels)?.topics[0].fit)
    /// };
    /// let plain = Label::new("Mercury");
    /// let described = plain.clone().description("planets, moons and space probes");
    /// assert!(fit(described)? > fit(plain)?);
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Adds texts that belong under the label. Eight examples per label gain one to six points of accuracy with the
    /// bundled model.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// use entopic::{Label, TopicClassifier};
    ///
    /// let classifier = TopicClassifier::bundled()?;
    /// let fit = |label: Label| -> Result<f32, entopic::Error> {
    ///     let labels = classifier.label_set([label])?;
    ///     Ok(classifier.classify("Why was I charged three times?", &labels)?.topics[0].fit)
    /// };
    /// let plain = Label::new("billing");
    /// let with_example = plain.clone().examples(["Why was I charged twice?"]);
    /// assert!(fit(with_example)? > fit(plain)?);
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn examples<I>(mut self, examples: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.examples.extend(examples.into_iter().map(Into::into));
        self
    }

    /// The same label under another name.
    ///
    /// ```
    /// use entopic::Label;
    ///
    /// let label = Label::new("sport").description("matches and athletes").rename("games");
    /// assert_eq!(label, Label::new("games").description("matches and athletes"));
    /// ```
    #[must_use]
    pub fn rename(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// The name of the label.
    ///
    /// ```
    /// assert_eq!(entopic::Label::new("sport").description("matches and athletes").name(), "sport");
    /// ```
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The description and the examples of the label.
    pub(super) fn details(&self) -> (Option<&str>, &[String]) {
        (self.description.as_deref(), &self.examples)
    }
}

impl From<&str> for Label {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl From<&&str> for Label {
    fn from(name: &&str) -> Self {
        Self::new(*name)
    }
}

impl From<String> for Label {
    fn from(name: String) -> Self {
        Self::new(name)
    }
}

impl From<&String> for Label {
    fn from(name: &String) -> Self {
        Self::new(name)
    }
}

impl From<&Label> for Label {
    fn from(label: &Label) -> Self {
        label.clone()
    }
}
