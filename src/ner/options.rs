use crate::error::{Error, ErrorKind};
use crate::labels;
use crate::limits::MOST_LABELS;
use crate::model::Model;
use crate::model::role::Role;
use crate::ner::aggregation::Aggregation;
use crate::ner::rules::Rules;

/// The options of a [`Ner`](crate::Ner), for [`Ner::with`](crate::Ner::with). An option that is not set keeps its
/// value.
///
/// ```
/// # #[cfg(feature = "bundled")] {
/// use entopic::{Aggregation, EntityOptions, Ner};
///
/// let ner = Ner::bundled()?;
/// let sure = ner.with(EntityOptions::new().threshold(0.6).label_threshold("MISC", 0.9))?;
/// let simple = ner.with(EntityOptions::new().aggregation(Aggregation::Simple))?;
/// assert_eq!(sure.tag("Ada Lovelace")?.entities.len(), simple.tag("Ada Lovelace")?.entities.len());
/// # }
/// # Ok::<(), entopic::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct EntityOptions {
    pub(super) aggregation: Option<Aggregation>,
    pub(super) types: Option<Vec<String>>,
    pub(super) threshold: Option<f32>,
    pub(super) label_thresholds: Option<Vec<(String, f32)>>,
    pub(super) nested: Option<bool>,
    pub(super) multi_label: Option<bool>,
    pub(super) window: Option<usize>,
    pub(super) prepare_text: Option<bool>,
    pub(super) boundaries: Option<bool>,
    pub(super) clean_spans: Option<bool>,
    pub(super) rules: Option<Rules>,
}

impl EntityOptions {
    /// Creates options with nothing set.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// use entopic::{EntityOptions, Ner};
    ///
    /// let (ner, text) = (Ner::bundled()?, "Ada Lovelace lived in London.");
    /// assert_eq!(ner.with(EntityOptions::new())?.tag(text)?, ner.tag(text)?);
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// The way in which tokens become entities; [`Aggregation::Word`] by default. Only token classifiers support it.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// use entopic::{Aggregation, EntityOptions, Ner};
    ///
    /// // As transformers' pipeline does with `aggregation_strategy="none"`: each tagged token is an entity.
    /// let ner = Ner::bundled()?.with(EntityOptions::new().aggregation(Aggregation::None))?;
    /// let tagged = ner.tag("Ada Lovelace lived in London.")?;
    /// let labels: Vec<&str> = tagged.entities.iter().map(|entity| &*entity.label).collect();
    /// assert_eq!(labels, ["B-PER", "I-PER", "I-PER", "B-LOC"]);
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn aggregation(mut self, aggregation: Aggregation) -> Self {
        self.aggregation = Some(aggregation);
        self
    }

    /// The entity types to find: any words, such as `person` and `law`. Fewer and clearer types give better results.
    /// Models that take entity types as input (GLiNER) require this option; others do not support it.
    ///
    /// ```no_run
    /// use std::path::Path;
    /// use entopic::{Engine, EntityOptions};
    ///
    /// let ner = Engine::new()?.ner(Path::new("models/my-gliner"))?;
    /// let ner = ner.with(EntityOptions::new().entity_types(["person", "company", "law"]))?;
    /// assert_eq!(ner.entity_types(), ["person", "company", "law"]);
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn entity_types<I>(mut self, types: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        // One more than are allowed, so that the error does not depend on where the list ends.
        self.types = Some(types.into_iter().take(MOST_LABELS + 1).map(Into::into).collect());
        self
    }

    /// The score, 0 to 1, that an entity must exceed. By default a token classifier returns all entities, and a model
    /// that takes entity types as input those above 0.5.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// use entopic::{EntityOptions, Ner};
    ///
    /// let ner = Ner::bundled()?.with(EntityOptions::new().threshold(0.9))?;
    /// let entities = ner.tag("Ada Lovelace lived in London.")?.entities;
    /// assert!(!entities.is_empty() && entities.iter().all(|entity| entity.score > 0.9));
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn threshold(mut self, score: f32) -> Self {
        self.threshold = Some(score);
        self
    }

    /// The score that entities with this label must exceed, instead of [`threshold`](Self::threshold).
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// use entopic::{EntityOptions, Ner};
    ///
    /// // Of the places, only those with the highest scores.
    /// let options = EntityOptions::new().threshold(0.5).label_threshold("LOC", 0.9999999);
    /// let ner = Ner::bundled()?.with(options)?;
    /// assert_eq!(ner.tag("Ada Lovelace lived in London.")?.entities.len(), 1);
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn label_threshold(mut self, label: impl Into<String>, score: f32) -> Self {
        self.label_thresholds.get_or_insert_default().push((label.into(), score));
        self
    }

    /// Sets whether entities may lie within one another. By default, of two entities that share words, only the one
    /// with the higher score is returned. Only models that take entity types as input support it.
    ///
    /// ```no_run
    /// use std::path::Path;
    /// use entopic::{Engine, EntityOptions};
    ///
    /// let ner = Engine::new()?.ner(Path::new("models/my-gliner"))?;
    /// let ner = ner.with(EntityOptions::new().entity_types(["university", "city"]).nested(true))?;
    /// // "University of London", and "London" within it.
    /// let entities = ner.tag("She studied at the University of London.")?.entities;
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn nested(mut self, nested: bool) -> Self {
        self.nested = Some(nested);
        self
    }

    /// Sets whether the same words may be of several types; off by default. Only models that take entity types as input
    /// support it.
    ///
    /// ```no_run
    /// use std::path::Path;
    /// use entopic::{Engine, EntityOptions};
    ///
    /// let ner = Engine::new()?.ner(Path::new("models/my-gliner"))?;
    /// let ner = ner.with(EntityOptions::new().entity_types(["person", "scientist"]).multi_label(true))?;
    /// // "Marie Curie" may be both.
    /// let entities = ner.tag("Marie Curie won the prize.")?.entities;
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn multi_label(mut self, multi_label: bool) -> Self {
        self.multi_label = Some(multi_label);
        self
    }

    /// The size of a window in tokens, special tokens included. The default is the registry's value, otherwise the
    /// maximum of the model.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// use entopic::{EntityOptions, Ner};
    ///
    /// let ner = Ner::bundled()?.with(EntityOptions::new().window(32))?;
    /// let text = "Ada Lovelace lived in London. ".repeat(10);
    /// let tagged = ner.tag(&text)?;
    /// assert!(tagged.coverage.windows > 1);
    /// assert_eq!(tagged.entities.len(), 20);
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn window(mut self, tokens: usize) -> Self {
        self.window = Some(tokens);
        self
    }

    /// Sets whether texts are prepared before they are tokenised, so that the vocabulary covers more words: emoji and
    /// other symbols are separated from words, ligatures, full-width and styled letters become plain letters, accents
    /// are joined to their letters, and invisible characters and Markdown markup are removed. Spans still refer to the
    /// original text.
    ///
    /// The default is the registry's value: on for the bundled models, off for others, which then read the same tokens
    /// as in transformers.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// use entopic::{EntityOptions, Ner};
    ///
    /// // The vocabulary lacks these letters, but has the plain letters.
    /// let text = "𝐌𝐚𝐫𝐢𝐞 𝐂𝐮𝐫𝐢𝐞 lived in 𝐏𝐚𝐫𝐢𝐬.";
    /// let ner = Ner::bundled()?;
    /// assert_eq!(ner.tag(text)?.entities[0].text, "𝐌𝐚𝐫𝐢𝐞 𝐂𝐮𝐫𝐢𝐞");
    /// // The tokens of transformers, and so its results.
    /// let ner = ner.with(EntityOptions::new().prepare_text(false))?;
    /// assert!(ner.tag(text)?.entities.is_empty());
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn prepare_text(mut self, prepare: bool) -> Self {
        self.prepare_text = Some(prepare);
        self
    }

    /// Sets whether the layout of a text bounds entities: no entity crosses a tab, a blank line, a bullet, a table
    /// cell, a list separator, or the end of a line that is not wrapped prose. On by default with [`Aggregation::Word`]
    /// and for models that take entity types as input. With [`Aggregation::Word`], a word after a boundary begins an
    /// entity even if the model continues the entity before it.
    ///
    /// The separators are `;`, `|`, `•` and the like, emoji, `—`, a dash between spaces, and `/` between spaces or
    /// between words of three or more letters.
    ///
    /// A single line end is a boundary unless it only wraps the text. It wraps the text in these cases:
    ///
    /// * The line ends with a comma, a hyphen, `&` or a particle such as *of* or *van*.
    /// * The line is running text (it has a lower-case word other than such particles, lists names with commas and
    ///   *and*, or continues such a line), and the next line continues it (it is running text, ends a sentence, or
    ///   lists names at about the same length).
    /// * The two lines stand alone and have one word each.
    ///
    /// In the first two cases, the line end is a boundary all the same if either line has a tab, both lines have cells
    /// (`|`, neighbouring spaces), the line ends with a colon or semicolon, the next line begins with a bullet or a
    /// number, or both lines begin with a digit or a label such as `From:`.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// use entopic::{EntityOptions, Ner};
    ///
    /// let ner = Ner::bundled()?;
    /// assert_eq!(ner.tag("Paris\n\nBerlin")?.entities.len(), 2);
    /// // For texts whose line ends mean nothing.
    /// let ner = ner.with(EntityOptions::new().boundaries(false))?;
    /// assert_eq!(ner.tag("the Bank\nof England")?.entities[0].text, "Bank\nof England");
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn boundaries(mut self, boundaries: bool) -> Self {
        self.boundaries = Some(boundaries);
        self
    }

    /// Sets whether spans are cleaned. On by default with [`Aggregation::Word`] and for models that take entity types
    /// as input.
    ///
    /// A clean span does not begin or end with a Markdown mark, a bracket or its contents, a quotation mark, `#`, an
    /// emoji or other sign, an invisible mark, a dash, or a function word such as *in*. It includes the final dot of an
    /// abbreviation (*Acme Inc.*) and the `@` of a handle. A name that ends with *of* continues with the entity after
    /// it. Titles (*Mr*, *Dame*) are outside the spans of persons. A span without a letter or digit is dropped, and so
    /// is a title alone. Of entity types other than people, places, organisations and the like, which a caller may
    /// name, spans keep their brackets and symbols.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// use entopic::{EntityOptions, Ner};
    ///
    /// let ner = Ner::bundled()?;
    /// assert_eq!(ner.tag("Dame Ada in London")?.entities[0].text, "Ada");
    /// // The span that the model found.
    /// let ner = ner.with(EntityOptions::new().clean_spans(false))?;
    /// assert_eq!(ner.tag("Dame Ada in London")?.entities[0].text, "Dame Ada");
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn clean_spans(mut self, clean: bool) -> Self {
        self.clean_spans = Some(clean);
        self
    }

    /// Rules that find entities in addition to the model. They apply to texts, not to texts that are passed as words.
    /// [`Rules`] describes whether the rule or the model wins where they overlap. The score of their entities is 1,
    /// whatever the threshold is.
    ///
    /// A text of more than half a megabyte is read in sections that end with a paragraph or sentence; no rule matches
    /// across the end of a section.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// use entopic::{BuiltIn, EntityOptions, FoundBy, Ner, Rule, Rules};
    ///
    /// let rules = Rules::new([Rule::built_in(BuiltIn::Email), Rule::phrases("GENE", ["BRCA1"])])?;
    /// let ner = Ner::bundled()?.with(EntityOptions::new().rules(rules))?;
    /// let tagged = ner.tag("Ada Lovelace (ada@example.org) works on BRCA1.")?;
    /// let found: Vec<_> = tagged.entities.iter().map(|entity| (&*entity.label, entity.found_by)).collect();
    /// assert_eq!(found, [("PER", FoundBy::Model), ("EMAIL", FoundBy::Rule), ("GENE", FoundBy::Rule)]);
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn rules(mut self, rules: Rules) -> Self {
        self.rules = Some(rules);
        self
    }

    /// These options, and those of `base` that are not set here.
    pub(super) fn over(self, base: &Self) -> Self {
        // Label thresholds belong to the types with which they were set.
        let label_thresholds = if self.types.is_some() { &None } else { &base.label_thresholds };
        Self {
            aggregation: self.aggregation.or(base.aggregation),
            types: self.types.or_else(|| base.types.clone()),
            threshold: self.threshold.or(base.threshold),
            label_thresholds: self.label_thresholds.or_else(|| label_thresholds.clone()),
            nested: self.nested.or(base.nested),
            multi_label: self.multi_label.or(base.multi_label),
            window: self.window.or(base.window),
            prepare_text: self.prepare_text.or(base.prepare_text),
            boundaries: self.boundaries.or(base.boundaries),
            clean_spans: self.clean_spans.or(base.clean_spans),
            rules: self.rules.or_else(|| base.rules.clone()),
        }
    }

    /// Checks that `model` can use every option that is set, and their values.
    pub(super) fn check(&self, model: &Model) -> Result<(), Error> {
        let refuse = |message: String| Err(Error::new(ErrorKind::Options, message));
        let prompted = matches!(model.role, Role::PromptedEntities(_));
        let misplaced = [
            ("aggregation", self.aggregation.is_some() && prompted),
            ("entity_types", self.types.is_some() && !prompted),
            ("nested", self.nested.is_some() && !prompted),
            ("multi_label", self.multi_label.is_some() && !prompted),
        ];
        if let Some((option, _)) = misplaced.into_iter().find(|(_, misplaced)| *misplaced) {
            let (has, other) = match prompted {
                true => ("does not tag tokens but takes entity types as input", "a token classifier"),
                false => {
                    ("has fixed entity types", "a model that takes entity types as input, such as a GLiNER")
                }
            };
            let message = format!(
                "the model {:?} cannot use the option {option}: the model {has}; leave the option out, or choose {other}",
                model.name
            );
            return refuse(message);
        }
        let raw = self.aggregation.filter(|aggregation| *aggregation != Aggregation::Word);
        let of_words = [("boundaries", self.boundaries), ("clean_spans", self.clean_spans)];
        if let (Some(raw), Some((option, _))) = (raw, of_words.iter().find(|(_, set)| *set == Some(true))) {
            return refuse(format!(
                "the option {option} cannot be used with the aggregation {raw}, which reproduces that of transformers; \
                 leave one of them out"
            ));
        }
        let labels = self.label_thresholds.iter().flatten();
        let scores = self.threshold.into_iter().chain(labels.map(|(_, score)| *score));
        if let Some(score) = scores.into_iter().find(|score| !(0.0..1.0).contains(score)) {
            return refuse(format!("the threshold is {score}; it must be at least 0 and below 1"));
        }
        match &self.types {
            Some(types) if types.len() > MOST_LABELS => Err(Error::new(
                ErrorKind::Labels,
                format!("there are more than {MOST_LABELS} entity types; give fewer"),
            )),
            Some(types) => labels::check(types, "entity type", "person"),
            None => Ok(()),
        }
    }

    /// The score that entities of each of `types` must exceed; `default` for types without one.
    pub(super) fn thresholds(
        &self,
        types: &[String],
        default: Option<f32>,
    ) -> Result<Vec<Option<f32>>, Error> {
        let mut thresholds = vec![self.threshold.or(default); types.len()];
        for (label, score) in self.label_thresholds.iter().flatten() {
            let Some(at) = types.iter().position(|known| known == label) else {
                let known = match types {
                    [] => "set the types first".to_owned(),
                    types => format!("the types are {}", types.join(", ")),
                };
                let message = format!("there is no entity type {label:?} to set a threshold for; {known}");
                return Err(Error::new(ErrorKind::Labels, message));
            };
            thresholds[at] = Some(*score);
        }
        Ok(thresholds)
    }
}
