use crate::error::{Error, ErrorKind};
use crate::labels;
use crate::model::Model;
use crate::model::role::Role;
use crate::ner::aggregation::Aggregation;
use crate::ner::rules::Rules;

/// The options of a [`Ner`](crate::Ner), for [`Ner::with`](crate::Ner::with). An option that is not set stays as it is.
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
    /// No option set.
    pub fn new() -> Self {
        Self::default()
    }

    /// The way in which tokens become entities; [`Aggregation::Word`] by default. For token classifiers.
    #[must_use]
    pub fn aggregation(mut self, aggregation: Aggregation) -> Self {
        self.aggregation = Some(aggregation);
        self
    }

    /// The entity types to find: any words, such as `person` and `law`; fewer and clearer types are found better. For
    /// models with types in their input (GLiNER), which need them.
    #[must_use]
    pub fn entity_types<I>(mut self, types: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.types = Some(types.into_iter().map(Into::into).collect());
        self
    }

    /// The score, 0 to 1, that an entity must exceed. By default a token classifier gives all entities, and a model
    /// with types in its input those above 0.5.
    #[must_use]
    pub fn threshold(mut self, score: f32) -> Self {
        self.threshold = Some(score);
        self
    }

    /// The score that entities with this label must exceed, instead of [`threshold`](Self::threshold).
    #[must_use]
    pub fn label_threshold(mut self, label: impl Into<String>, score: f32) -> Self {
        self.label_thresholds.get_or_insert_default().push((label.into(), score));
        self
    }

    /// Whether entities may lie within one another; by default, of two that share words the one with the higher score
    /// is given. For models with types in their input.
    #[must_use]
    pub fn nested(mut self, nested: bool) -> Self {
        self.nested = Some(nested);
        self
    }

    /// Whether the same words may be of several types; not by default. For models with types in their input.
    #[must_use]
    pub fn multi_label(mut self, multi_label: bool) -> Self {
        self.multi_label = Some(multi_label);
        self
    }

    /// The tokens of a window, special tokens included; the registry's, or the model's maximum by default.
    #[must_use]
    pub fn window(mut self, tokens: usize) -> Self {
        self.window = Some(tokens);
        self
    }

    /// Whether texts are prepared before they are tokenised, so that few words are unreadable: emoji and other signs
    /// are set apart from words, ligatures, full-width and styled letters become plain ones, accents are joined to
    /// their letters, and invisible marks are left out. Spans stay exact to the text.
    ///
    /// The registry's choice by default: on for the bundled models, off for others, which then read what
    /// transformers gives them.
    #[must_use]
    pub fn prepare_text(mut self, prepare: bool) -> Self {
        self.prepare_text = Some(prepare);
        self
    }

    /// Whether the layout of a text bounds entities: no entity crosses a tab, a blank line, a bullet, a table's cell,
    /// the separator of a list, or the end of a line that is no wrapped prose. On by default with
    /// [`Aggregation::Word`] and for models with types in their input; for the former a word behind a boundary
    /// begins an entity even if the model continues the one before.
    ///
    /// The separators are `;`, `|`, `•` and the like, emoji, `—`, a dash between spaces, and `/` between spaces or
    /// words of three letters and more.
    ///
    /// A single line end is a boundary, unless it only wraps the text. It does where the line ends with a comma, a
    /// hyphen, `&` or a particle such as *of* or *van*; where the line is running text (it has a lower-case word
    /// other than such particles, lists names with commas and *and*, or continues such a line) and the next line
    /// goes on with it (it is running text, ends a sentence, or lists names at about the same length); and between two
    /// single words that stand alone. It does not where either line has cells (tabs, `|`, neighbouring spaces), the
    /// line ends with a colon or semicolon, the next line begins with a bullet, a number or a label such as `From:`, or
    /// both lines begin with a digit.
    #[must_use]
    pub fn boundaries(mut self, boundaries: bool) -> Self {
        self.boundaries = Some(boundaries);
        self
    }

    /// Whether spans are cleaned. On by default with [`Aggregation::Word`] and for models with types in their input.
    ///
    /// A clean span does not begin or end with a mark of Markdown, a bracket or what it holds, a quotation mark, `#`, an
    /// emoji or other sign, an invisible mark, a dash, or a function word such as *in*. It has the last dot of an
    /// abbreviation (*Acme Inc.*) and the `@` of a handle. A name that ends with *of* continues with the entity behind
    /// it. Titles (*Mr*, *Dame*) stand outside the spans of persons. What is left without a letter or digit, and a
    /// title alone, is no entity.
    #[must_use]
    pub fn clean_spans(mut self, clean: bool) -> Self {
        self.clean_spans = Some(clean);
        self
    }

    /// Rules that find entities next to the model, in texts; lists of words are left to the model. [`Rules`] says which of
    /// the two wins. The score of their entities is 1, whatever the threshold is.
    ///
    /// A text of more than half a megabyte is read in sections that end with a paragraph or sentence; no rule sees over
    /// their ends.
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

    /// These options over `base`.
    pub(super) fn over(self, base: &Self) -> Self {
        // Thresholds are for the types that they were given with.
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
                true => ("takes entity types as input and labels no tokens", "a token classifier"),
                false => {
                    ("has entity types of its own", "a model that takes types as input, such as a GLiNER")
                }
            };
            let message = format!(
                "the model {:?} cannot use {option}: it {has}; leave it out, or choose {other}",
                model.name
            );
            return refuse(message);
        }
        let raw = self.aggregation.filter(|aggregation| *aggregation != Aggregation::Word);
        let of_words = [("boundaries", self.boundaries), ("clean_spans", self.clean_spans)];
        if let (Some(raw), Some((option, _))) = (raw, of_words.iter().find(|(_, set)| *set == Some(true))) {
            return refuse(format!(
                "{option} cannot be used with the aggregation {raw}, which gives what transformers gives; leave one of them out"
            ));
        }
        let labels = self.label_thresholds.iter().flatten();
        let scores = self.threshold.into_iter().chain(labels.map(|(_, score)| *score));
        if let Some(score) = scores.into_iter().find(|score| !(0.0..1.0).contains(score)) {
            return refuse(format!("the threshold is {score}; it must be at least 0 and below 1"));
        }
        match &self.types {
            Some(types) => labels::check(types, "entity type", "person"),
            None => Ok(()),
        }
    }

    /// The score that entities of each of `types` must exceed; `default` where none is set.
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
