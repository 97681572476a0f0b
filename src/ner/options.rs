use crate::ner::Aggregation;

/// What a `Ner` does with its model.
#[derive(Clone, Debug)]
pub(crate) struct NerOptions {
    pub(crate) aggregation: Aggregation,
    pub(crate) entity_types: Vec<String>,
    pub(crate) threshold: f32,
    pub(crate) nested: bool,
    pub(crate) multi_label: bool,
}

/// The least probability of an entity of a type that was given with the text, as GLiNER has it.
const DEFAULT_THRESHOLD: f32 = 0.5;

impl Default for NerOptions {
    fn default() -> Self {
        Self {
            aggregation: Aggregation::default(),
            entity_types: Vec::new(),
            threshold: DEFAULT_THRESHOLD,
            nested: false,
            multi_label: false,
        }
    }
}

/// The setters of [`NerOptions`] that every builder with a field `entities` has. Two are named by the
/// builder, since one that classifies topics as well needs other names.
macro_rules! ner_setters {
    ($threshold:ident, $multi_label:ident) => {
        /// How labels of tokens become entities; [`Aggregation::Word`](crate::Aggregation::Word) if not set.
        /// Models that are given entity types with the text do not label tokens, and ignore it.
        #[must_use]
        pub fn aggregation(mut self, aggregation: crate::Aggregation) -> Self {
            self.entities.aggregation = aggregation;
            self
        }

        /// The entity types that are sought where a call names none, in a model that is given them with the
        /// text (GLiNER): `["person", "place"]`.
        #[must_use]
        pub fn entity_types<I>(mut self, types: I) -> Self
        where
            I: IntoIterator,
            I::Item: Into<String>,
        {
            self.entities.entity_types = types.into_iter().map(Into::into).collect();
            self
        }

        /// The probability, 0 to 1, that an entity must exceed, in a model that is given its types with the
        /// text; 0.5 if not set.
        #[must_use]
        pub fn $threshold(mut self, probability: f32) -> Self {
            self.entities.threshold = probability;
            self
        }

        /// Whether entities may lie within one another, in a model that is given their types with the text;
        /// not, if not set: of two that share words the likelier is taken.
        #[must_use]
        pub fn nested(mut self, nested: bool) -> Self {
            self.entities.nested = nested;
            self
        }

        /// Whether the same words may be of several types, in a model that is given these with the text;
        /// not, if not set.
        #[must_use]
        pub fn $multi_label(mut self, multi_label: bool) -> Self {
            self.entities.multi_label = multi_label;
            self
        }
    };
}
pub(crate) use ner_setters;
