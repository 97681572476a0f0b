//! Entities by a token classifier.

use std::ops::Range;

use ndarray::Array2;

use super::aggregation::{self, Aggregation, Group, Labels};
use super::entity::{Entity, TaggedText, TokenLogits};
use super::kinds::{self, Kinds};
use super::options::EntityOptions;
use super::sequence::Sequences;
use super::spans;
use super::units::{self, Unit};
use crate::batch::Sequence;
use crate::document::boundaries::{self, Bond};
use crate::document::coverage::Coverage;
use crate::document::windows::Windows;
use crate::document::{Document, merge};
use crate::error::Error;
use crate::model::{Framing, Model};
use crate::pipeline::Reader;
use crate::schedule::Limits;
use crate::stage::stage;
use crate::tags::{self, Tag, TagScheme};

/// The context of a window on each side, in tokens of its neighbours, as a share of the window: 1 / 16. It helps words
/// next to a cut, and costs an eighth more tokens.
const CONTEXT_SHARE: usize = 16;

/// The decoding of a token classifier's rows.
pub(super) struct Tagging {
    pub(super) types: Vec<String>,
    tags: Vec<Tag>,
    kinds: Kinds,
    /// The valid sequences of tags, if the model declares a scheme.
    sequences: Option<Sequences>,
    aggregation: Aggregation,
    boundaries: bool,
    clean_spans: bool,
    /// One per entity type.
    thresholds: Vec<Option<f32>>,
    pub(super) framing: Framing,
}

/// The reader of token classifiers: `finish` makes the result of a document from its logits, `[tokens, tags + kinds]`.
pub(super) struct TagReader<'a, O> {
    model: &'a Model,
    limits: &'a Limits,
    tagging: &'a Tagging,
    finish: fn(&Self, &Document<'_>, &Windows, Array2<f32>) -> O,
}

/// The output of a model for each token of a document.
#[derive(Clone, Copy)]
struct Rows<'a> {
    /// The probabilities of the tags, `[tokens, tags]`.
    probabilities: &'a Array2<f32>,
    /// The logits of the kinds, `[tokens, kinds]`.
    kinds: &'a Array2<f32>,
}

impl Tagging {
    pub(super) fn new(
        model: &Model,
        scheme: Option<TagScheme>,
        kinds: &[String],
        options: &EntityOptions,
    ) -> Result<Self, Error> {
        let tags: Vec<Tag> = model.role.labels().iter().map(|label| Tag::parse(label)).collect();
        let types = tags::entity_types(&tags);
        Ok(Self {
            sequences: (scheme == Some(TagScheme::Iob2)).then(|| Sequences::iob2(&tags)),
            aggregation: options.aggregation.unwrap_or_default(),
            boundaries: options.boundaries.unwrap_or(true),
            clean_spans: options.clean_spans.unwrap_or(true),
            thresholds: options.thresholds(&types, None)?,
            framing: model.framing(options.window, None, options.prepare_text)?,
            kinds: Kinds::new(kinds),
            types,
            tags,
        })
    }

    /// The reader that returns entities.
    pub(super) fn entities<'a>(&'a self, model: &'a Model, limits: &'a Limits) -> TagReader<'a, TaggedText> {
        TagReader { model, limits, tagging: self, finish: TagReader::decode }
    }

    /// The reader that returns the logits themselves.
    pub(super) fn logits<'a>(&'a self, model: &'a Model, limits: &'a Limits) -> TagReader<'a, TokenLogits> {
        let finish = |reader: &TagReader<'a, TokenLogits>, document: &Document<'_>, _: &Windows, logits| {
            let (logits, _) = kinds::split_columns(logits, reader.tagging.tags.len());
            let offsets = document.tokens.offsets.iter();
            TokenLogits { tokens: offsets.map(|range| document.index.span(range.clone())).collect(), logits }
        };
        TagReader { model, limits, tagging: self, finish }
    }

    /// Returns whether an entity with this label and score exceeds the threshold. The label may be a whole tag.
    fn passes(&self, label: &str, score: f32) -> bool {
        let of = |label: &str| self.types.iter().position(|known| known == label);
        let at = of(label).or_else(|| of(Tag::parse(label).label()?));
        at.and_then(|at| self.thresholds[at]).is_none_or(|threshold| score > threshold)
    }
}

impl<O: Send> Reader for TagReader<'_, O> {
    /// The rows themselves: a token is labelled by the window that gives it the most context.
    type Part = Array2<f32>;
    type Section = O;

    fn model(&self) -> &Model {
        self.model
    }

    fn limits(&self) -> &Limits {
        self.limits
    }

    fn framing(&self) -> &Framing {
        &self.tagging.framing
    }

    fn windows(&self, document: &Document<'_>) -> Windows {
        let budget = self.model.budget(&self.tagging.framing);
        document.windows(budget, budget / CONTEXT_SHARE)
    }

    fn sequence(&self, document: &Document<'_>, window: Range<usize>, _: usize) -> Sequence {
        self.model.sequence(&self.tagging.framing, &document.tokens, window)
    }

    fn reduce(&self, _: &Sequence, rows: Array2<f32>) -> Array2<f32> {
        rows
    }

    fn finish(&self, document: &Document<'_>, windows: &Windows, parts: &[Array2<f32>]) -> O {
        let logits = merge(windows, parts, self.model.tokenizer.leading_specials());
        (self.finish)(self, document, windows, logits)
    }
}

impl TagReader<'_, TaggedText> {
    fn decode(&self, document: &Document<'_>, windows: &Windows, logits: Array2<f32>) -> TaggedText {
        stage!("decode");
        let Tagging { tags, sequences, aggregation, .. } = self.tagging;
        let (logits, kinds) = kinds::split_columns(logits, tags.len());
        let probabilities = aggregation::probabilities(logits);
        let rows = Rows { probabilities: &probabilities, kinds: &kinds };
        let labels =
            aggregation::Labels { names: self.model.role.labels(), tags, sequences: sequences.as_ref() };
        let entities = match (document.has_layout, aggregation) {
            // Words that the caller passes are always aggregated as words, and have no layout.
            (false, _) => {
                let words = units::given_words(document);
                let groups = aggregation::group_words(&words, &probabilities, labels, |_| Bond::Free);
                self.entities(document, &words, groups, rows)
            }
            (true, Aggregation::Word) => self.names(document, rows, labels),
            (true, _) => {
                let units = aggregation::units_of(document, *aggregation);
                let groups = aggregation::group(&units, &probabilities, labels, *aggregation);
                self.entities(document, &units, groups, rows)
            }
        };
        TaggedText { entities, coverage: Coverage::of(document, windows, &self.model.profile.languages) }
    }

    /// The entities of a text with a layout, by its words.
    fn names(&self, document: &Document<'_>, rows: Rows<'_>, labels: Labels<'_>) -> Vec<Entity> {
        let words = units::unicode_words(document);
        let bonds = match self.tagging.boundaries {
            true => {
                let places: Vec<Range<usize>> = words.iter().map(|word| word.bytes.clone()).collect();
                boundaries::bonds(document.text, &places)
            }
            false => vec![Bond::Free; words.len()],
        };
        let groups = aggregation::group_words(&words, rows.probabilities, labels, |at| bonds[at]);
        if !self.tagging.clean_spans {
            return self.entities(document, &words, groups, rows);
        }
        let place = |units: &Range<usize>| words[units.start].bytes.start..words[units.end - 1].bytes.end;
        let mut whole: Vec<Group> = Vec::new();
        for group in groups {
            match whole.last_mut() {
                Some(last)
                    if last.units.end == group.units.start
                        && bonds[group.units.start] == Bond::Free
                        && spans::continues(&document.text[words[last.units.end - 1].bytes.clone()])
                        // *President of* and *King of* are titles, not names, so they do not continue.
                        && spans::clean(document.text, place(&last.units), &last.label).is_some_and(
                            |bytes| !spans::is_title_of_person(&document.text[bytes], &last.label)) =>
                {
                    last.units.end = group.units.end;
                }
                _ => whole.push(group),
            }
        }
        let clean = whole.into_iter().filter_map(|Group { label, units, .. }| {
            let bytes = spans::clean(document.text, place(&units), &label)?;
            // The score is that of the words that are left.
            let first =
                units.start + words[units.clone()].partition_point(|word| word.bytes.end <= bytes.start);
            let left = words[first..units.end].partition_point(|word| word.bytes.start < bytes.end);
            let left = &words[first..first + left];
            let score = aggregation::score_of_words(left, rows.probabilities, labels.tags, &label);
            self.tagging.passes(&label, score).then(|| {
                let kind = self.tagging.kinds.of(&label, left, rows.kinds).map(str::to_owned);
                Entity { kind, ..Entity::new(label, document.text, document.index.span(bytes), score) }
            })
        });
        clean.collect()
    }

    fn entities(
        &self,
        document: &Document<'_>,
        units: &[Unit],
        groups: Vec<Group>,
        rows: Rows<'_>,
    ) -> Vec<Entity> {
        let passing = groups.into_iter().filter(|group| self.tagging.passes(&group.label, group.score));
        let entities = passing.map(|group| {
            let bytes = units[group.units.start].bytes.start..units[group.units.end - 1].bytes.end;
            let words = &units[group.units.clone()];
            let kind = self.tagging.kinds.of(&group.label, words, rows.kinds).map(str::to_owned);
            Entity {
                kind,
                ..Entity::new(group.label, document.text, document.index.span(bytes), group.score)
            }
        });
        entities.collect()
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::super::Decoding;
    use super::{Reader, units};
    use crate::goldens::{engine, folder};
    use crate::{EntityOptions, Precision};

    /// The entities of `text` if the model's best tags of its words are `tags`, with their labels.
    fn entities(text: &str, tags: &[&str], options: EntityOptions) -> Vec<(String, String)> {
        let ner = engine(Precision::F32).ner(folder("ner-wordpiece-cased")).expect("the fixture should load");
        let ner = ner.with(options).expect("the options should fit");
        let Decoding::Tags(tagging) = &*ner.decoding else { panic!("it should be a token classifier") };
        let reader = tagging.entities(&ner.model, &ner.limits);
        let document = reader.read(text).expect("the text should be read");
        let names = ner.model.role.labels();
        let mut logits = Array2::zeros((document.tokens.len(), names.len()));
        let words = units::unicode_words(&document);
        assert_eq!(words.len(), tags.len(), "{text:?}");
        for (word, tag) in words.into_iter().zip(tags) {
            let column = names.iter().position(|name| name == tag).expect("the model should have the tag");
            word.tokens.for_each(|token| logits[[token, column]] = 9.0);
        }
        let tagged = reader.decode(&document, &reader.windows(&document), logits);
        let found = tagged.entities.into_iter().map(|entity| (entity.label, entity.text.to_string()));
        found.collect()
    }

    #[test]
    fn a_name_that_ends_with_of_continues_with_the_next_entity() {
        let of = |text: &str, tags: &[&str]| entities(text, tags, EntityOptions::new());
        let pair = |label: &str, text: &str| (label.to_owned(), text.to_owned());
        let (university, tags) = ("University of Leeds", ["B-ORG", "I-ORG", "B-LOC"]);
        assert_eq!(of(university, &tags), [pair("ORG", "University of Leeds")]);
        // Not over the end of a block, nor over a word, nor if there is no name before *of*.
        let apart = [pair("ORG", "University"), pair("LOC", "Leeds")];
        assert_eq!(of("University of\n\nLeeds", &tags), apart);
        assert_eq!(of("University of old Leeds", &["B-ORG", "I-ORG", "O", "B-LOC"]), apart);
        assert_eq!(of("President of Malta", &["B-PER", "I-PER", "B-LOC"]), [pair("LOC", "Malta")]);
        let apart = [pair("PER", "King"), pair("LOC", "Spain")];
        assert_eq!(of("King of Spain", &["B-PER", "I-PER", "B-LOC"]), apart);
        assert_eq!(of("Joan of Arc", &["B-PER", "I-PER", "B-LOC"]), [pair("PER", "Joan of Arc")]);
        let as_found = entities(university, &tags, EntityOptions::new().clean_spans(false));
        assert_eq!(as_found, [pair("ORG", "University of"), pair("LOC", "Leeds")]);
    }
}
