//! Entities by models that take entity types as input and score spans or words (GLiNER,
//! <https://arxiv.org/abs/2311.08526>).

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::LazyLock;

use ndarray::Array2;
use regex::Regex;

use super::entity::{Entity, TaggedText};
use super::options::EntityOptions;
use super::spans;
use crate::batch::{Marks, Sequence};
use crate::document::Document;
use crate::document::boundaries::{self, Bond};
use crate::document::coverage::Coverage;
use crate::document::windows::Windows;
use crate::error::{Error, ErrorKind};
use crate::model::role::PromptStyle;
use crate::model::{Framing, Model};
use crate::pipeline::Reader;
use crate::probability::sigmoid;
use crate::prompt::Prompt;
use crate::schedule::Limits;
use crate::stage::stage;

/// The score that an entity must exceed by default, as in the GLiNER package.
const DEFAULT_THRESHOLD: f32 = 0.5;

/// The entity types to find, and the decoding of their scores.
pub(super) struct Prompting {
    pub(super) types: Vec<String>,
    /// `None` if the caller has set no types.
    prompt: Option<Prompt>,
    rules: Rules,
    boundaries: bool,
    clean_spans: bool,
    pub(super) framing: Framing,
}

/// The rules that decide which runs of words are entities.
#[derive(Clone, Debug)]
struct Rules {
    /// The probability that an entity of each type must exceed.
    thresholds: Vec<f32>,
    /// True if entities may lie within one another.
    nested: bool,
    /// True if the same words may be of several types.
    multi_label: bool,
}

/// A run of words that may be an entity.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    /// Its place, half open: the indices of its words in the window, then in the document, and then its bytes.
    place: Range<usize>,
    label: usize,
    score: f32,
}

/// The reader of models that take entity types as input.
pub(super) struct PromptedReader<'a> {
    model: &'a Model,
    limits: &'a Limits,
    prompting: &'a Prompting,
    prompt: &'a Prompt,
}

impl Prompting {
    pub(super) fn new(model: &Model, style: &PromptStyle, options: &EntityOptions) -> Result<Self, Error> {
        let framing = model.framing(options.window, None, options.prepare_text)?;
        let types = options.types.clone().unwrap_or_default();
        let budget = model.budget(&framing);
        let prompt = match types.is_empty() {
            true => None,
            false => Some(Prompt::of_words(model, style, &types, budget)?),
        };
        let thresholds = options.thresholds(&types, Some(DEFAULT_THRESHOLD))?;
        let rules = Rules {
            thresholds: thresholds
                .into_iter()
                .map(|threshold| threshold.unwrap_or(DEFAULT_THRESHOLD))
                .collect(),
            nested: options.nested.unwrap_or(false),
            multi_label: options.multi_label.unwrap_or(false),
        };
        let (boundaries, clean_spans) =
            (options.boundaries.unwrap_or(true), options.clean_spans.unwrap_or(true));
        Ok(Self { types, prompt, rules, boundaries, clean_spans, framing })
    }

    pub(super) fn entities<'a>(
        &'a self,
        model: &'a Model,
        limits: &'a Limits,
    ) -> Result<PromptedReader<'a>, Error> {
        let prompt = self.prompt.as_ref().ok_or_else(|| {
            let message = format!(
                "the model {:?} takes entity types as input, and none are given; set them with EntityOptions::entity_types",
                model.name
            );
            Error::new(ErrorKind::Labels, message)
        })?;
        Ok(PromptedReader { model, limits, prompting: self, prompt })
    }
}

impl Reader for PromptedReader<'_> {
    type Part = Vec<Candidate>;
    type Section = TaggedText;

    fn model(&self) -> &Model {
        self.model
    }

    fn limits(&self) -> &Limits {
        self.limits
    }

    fn framing(&self) -> &Framing {
        &self.prompting.framing
    }

    fn read<'t>(&self, text: &'t str) -> Result<Document<'t>, Error> {
        Document::of_words(text, words(text), &self.model.tokenizer, self.framing().prepare)
    }

    fn windows(&self, document: &Document<'_>) -> Windows {
        document.windows_of_words(self.model.budget(&self.prompting.framing) - self.prompt.ids.len())
    }

    fn sequence(&self, document: &Document<'_>, window: Range<usize>, _: usize) -> Sequence {
        let words = document.words_in(&window);
        let text = &document.tokens.ids[window.clone()];
        let mut sequence = self.model.tokenizer.sequence(&[&self.prompt.ids, text].concat());
        let leading = self.model.tokenizer.leading_specials();
        let first_of = |token: usize| leading + self.prompt.ids.len() + token - window.start;
        sequence.marks = Marks {
            words: document.words[words].iter().map(|word| word.token.map(first_of)).collect(),
            labels: self.prompt.marks.iter().map(|mark| leading + mark).collect(),
        };
        sequence
    }

    fn reduce(&self, sequence: &Sequence, scores: Array2<f32>) -> Vec<Candidate> {
        candidates(&scores, sequence.marks.words.len(), &self.prompting.rules)
    }

    fn finish(&self, document: &Document<'_>, windows: &Windows, parts: &[Vec<Candidate>]) -> TaggedText {
        stage!("decode");
        let Prompting { types, rules, boundaries, clean_spans, .. } = self.prompting;
        let bonds = match boundaries & document.has_layout {
            true => {
                let words: Vec<Range<usize>> = document.words.iter().map(|word| word.bytes.clone()).collect();
                boundaries::bonds(document.text, &words)
            }
            false => vec![Bond::Free; document.words.len()],
        };
        let is_one = |words: &Range<usize>| {
            let bonds = &bonds[words.clone()];
            !bonds.contains(&Bond::Outside) && bonds.iter().skip(1).all(|bond| *bond == Bond::Free)
        };
        let clean = |bytes: Range<usize>, label: &str| match clean_spans & document.has_layout {
            true => spans::clean(document.text, bytes, label),
            false => Some(bytes),
        };
        let mut chosen = Vec::new();
        for (window, candidates) in windows.ranges().iter().zip(parts) {
            let first = document.words_in(window).start;
            let of_document = |found: &Candidate| {
                let place = first + found.place.start..first + found.place.end;
                is_one(&place).then(|| Candidate { place, ..found.clone() })
            };
            let of_text = |found: Candidate| {
                let bytes = document.span_of_words(found.place).bytes;
                clean(bytes, &types[found.label]).map(|place| Candidate { place, ..found })
            };
            let candidates = candidates.iter().filter_map(of_document).collect();
            chosen.extend(choose(candidates, rules).into_iter().filter_map(of_text));
        }
        // Once they are clean, two candidates may have the same bytes, cross, or be in another order.
        let entity = |found: Candidate| {
            let span = document.index.span(found.place);
            Entity::new(&types[found.label], document.text, span, found.score)
        };
        let entities = choose(chosen, rules).into_iter().map(entity).collect();
        TaggedText { entities, coverage: Coverage::of(document, windows, &self.model.profile.languages) }
    }
}

/// A word: a run of letters and digits, with hyphens and underscores between them, or any other visible character
/// alone. This is Python's `\w+(?:[-_]\w+)*|\S`, with which these models were trained.
static WORDS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"[\p{L}\p{N}_]+(?:[-_][\p{L}\p{N}_]+)*|[^\s\x1c-\x1f]").ok());

/// The words of `text`, as byte ranges.
fn words(text: &str) -> Vec<Range<usize>> {
    WORDS.iter().flat_map(|words| words.find_iter(text)).map(|found| found.range()).collect()
}

/// The candidates for entities among `words` words, by the scores of a window. These are logits,
/// `[words * widest, labels]` for spans or `[words, 3 * labels]` for words.
fn candidates(scores: &Array2<f32>, words: usize, rules: &Rules) -> Vec<Candidate> {
    let labels = rules.thresholds.len();
    if words == 0 || labels == 0 {
        return Vec::new();
    }
    if scores.ncols() == labels { by_spans(scores, words, rules) } else { by_ends(scores, labels, rules) }
}

fn by_spans(scores: &Array2<f32>, words: usize, rules: &Rules) -> Vec<Candidate> {
    let widest = scores.nrows() / words;
    let mut found = Vec::new();
    for (row, scores) in scores.rows().into_iter().enumerate() {
        let (first, more) = (row / widest, row % widest);
        for (label, &logit) in scores.iter().enumerate() {
            let score = sigmoid(logit);
            if score > rules.thresholds[label] && first + more < words {
                found.push(Candidate { place: first..first + more + 1, label, score });
            }
        }
    }
    found
}

/// Finds runs of words whose first word may begin an entity, whose last word may end one, and whose words may all be
/// inside one.
fn by_ends(scores: &Array2<f32>, labels: usize, rules: &Rules) -> Vec<Candidate> {
    let words = scores.nrows();
    let of = |word: usize, label: usize, kind: usize| sigmoid(scores[[word, 3 * label + kind]]);
    let mut found = Vec::new();
    for first in 0..words {
        for label in 0..labels {
            let threshold = rules.thresholds[label];
            let begins = of(first, label, 0);
            if begins <= threshold {
                continue;
            }
            let mut least = begins;
            for last in first..words {
                let inside = of(last, label, 2);
                if inside < threshold {
                    break;
                }
                least = least.min(inside);
                let ends = of(last, label, 1);
                if ends > threshold {
                    found.push(Candidate { place: first..last + 1, label, score: least.min(ends) });
                }
            }
        }
    }
    found
}

/// Selects candidates in descending order of score, and drops those that clash with one already selected.
fn choose(mut candidates: Vec<Candidate>, rules: &Rules) -> Vec<Candidate> {
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut taken = Taken::default();
    candidates.retain(|candidate| taken.take(candidate, rules));
    candidates.sort_by_key(|candidate| candidate.place.start);
    candidates
}

/// The places of the selected candidates, ordered so that the starts and ends inside a new candidate show whether it
/// clashes with any of them.
#[derive(Default)]
struct Taken {
    /// The labels of each place.
    labels: HashMap<Range<usize>, Vec<usize>>,
    /// The end of the longest candidate that begins at each start.
    ends: BTreeMap<usize, usize>,
    /// The start of the longest candidate that ends at each end.
    starts: BTreeMap<usize, usize>,
}

impl Taken {
    /// Adds a candidate unless it clashes, and returns whether it did.
    fn take(&mut self, candidate: &Candidate, rules: &Rules) -> bool {
        let Candidate { place, label, .. } = candidate;
        let clashes = match self.labels.get(place) {
            Some(labels) => !rules.multi_label || labels.contains(label),
            None if rules.nested => self.crosses(place),
            None => self.overlaps(place),
        };
        if clashes {
            return false;
        }
        self.labels.entry(place.clone()).or_default().push(*label);
        let end = self.ends.entry(place.start).or_insert(place.end);
        *end = place.end.max(*end);
        let start = self.starts.entry(place.end).or_insert(place.start);
        *start = place.start.min(*start);
        true
    }

    /// Returns whether a selected candidate overlaps `place`, and each of the two has a part that the other lacks.
    fn crosses(&self, place: &Range<usize>) -> bool {
        let inside = place.start + 1..place.end;
        self.starts.range(inside.clone()).any(|(_, &start)| start < place.start)
            || self.ends.range(inside).any(|(_, &end)| end > place.end)
    }

    /// Returns whether a selected candidate overlaps `place`. Selected candidates are disjoint or identical.
    fn overlaps(&self, place: &Range<usize>) -> bool {
        self.ends.range(..place.end).next_back().is_some_and(|(_, &end)| end > place.start)
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use ndarray::Array2;
    use serde_json::Value;

    use super::super::Decoding;
    use super::{Candidate, Rules, candidates, choose, words};
    use crate::goldens::{engine, folder, golden, native_tolerance};
    use crate::pipeline::Reader;
    use crate::{EntityOptions, Precision, schedule};

    fn flat() -> Rules {
        Rules { thresholds: vec![0.5], nested: false, multi_label: false }
    }

    fn chosen(spans: &[(usize, usize, f32)], rules: &Rules) -> Vec<(usize, usize)> {
        let candidates = spans.iter().enumerate();
        let candidates = candidates
            .map(|(label, &(start, end, score))| Candidate { place: start..end, label, score })
            .collect();
        choose(candidates, rules).into_iter().map(|found| (found.place.start, found.place.end)).collect()
    }

    #[test]
    fn the_best_of_what_overlaps_is_taken() {
        let spans = [(0, 2, 0.6), (1, 3, 0.9), (3, 4, 0.7), (1, 2, 0.8)];
        assert_eq!(chosen(&spans, &flat()), [(1, 3), (3, 4)]);
        assert_eq!(chosen(&spans, &Rules { nested: true, ..flat() }), [(1, 3), (1, 2), (3, 4)]);
        assert_eq!(chosen(&[(0, 1, 0.6), (0, 1, 0.7)], &flat()), [(0, 1)]);
        assert_eq!(chosen(&[(0, 1, 0.6), (0, 1, 0.7)], &Rules { multi_label: true, ..flat() }).len(), 2);
    }

    /// A plain version of `choose` that compares candidates pair by pair.
    fn chosen_plainly(spans: &[(usize, usize, f32)], rules: &Rules) -> Vec<(usize, usize)> {
        let clash = |a: (usize, usize), b: (usize, usize)| {
            let apart = a.1 <= b.0 || b.1 <= a.0;
            let within = |a: (usize, usize), b: (usize, usize)| a.0 <= b.0 && b.1 <= a.1;
            if a == b {
                !rules.multi_label
            } else {
                !apart && !(rules.nested && (within(a, b) || within(b, a)))
            }
        };
        let mut sorted = spans.to_vec();
        sorted.sort_by(|a, b| b.2.total_cmp(&a.2));
        let mut taken: Vec<(usize, usize)> = Vec::new();
        for (start, end, _) in sorted {
            if !taken.iter().any(|&other| clash(other, (start, end))) {
                taken.push((start, end));
            }
        }
        taken.sort_by_key(|&(start, _)| start);
        taken
    }

    proptest::proptest! {
        #[test]
        fn the_choice_is_that_of_the_rule(
            spans in proptest::collection::vec((0..12_usize, 1..6_usize, 0..8_u8), 0..40),
            nested in proptest::bool::ANY,
            multi_label in proptest::bool::ANY,
        ) {
            let spans: Vec<(usize, usize, f32)> =
                spans.into_iter().map(|(start, len, score)| (start, start + len, f32::from(score))).collect();
            let rules = Rules { nested, multi_label, ..flat() };
            proptest::prop_assert_eq!(chosen(&spans, &rules), chosen_plainly(&spans, &rules));
        }
    }

    #[test]
    fn a_span_beyond_the_last_word_is_none() {
        let scores = Array2::from_elem((2 * 3, 1), 5.0);
        let found = candidates(&scores, 2, &flat());
        assert!(found.iter().all(|found| found.place.end <= 2));
        assert!(candidates(&scores, 0, &flat()).is_empty());
    }

    #[test]
    fn clean_candidates_are_chosen_again() {
        let options = EntityOptions::new().entity_types(["person", "place"]).nested(true);
        let ner = engine(Precision::F32).ner(folder("gliner-span")).expect("the fixture should load");
        let ner = ner.with(options).expect("the types should fit");
        let Decoding::Prompted(prompting) = &*ner.decoding else { panic!("it should take types") };
        let reader = prompting.entities(&ner.model, &ner.limits).expect("the types should be set");
        let found = |text: &str, candidates: &[(Range<usize>, usize, f32)]| -> Vec<String> {
            let document = reader.read(text).expect("the text should be read");
            let windows = reader.windows(&document);
            let candidates = candidates.iter().cloned();
            let candidates =
                candidates.map(|(place, label, score)| Candidate { place, label, score }).collect();
            let entities = reader.finish(&document, &windows, &[candidates]).entities;
            entities.into_iter().map(|entity| entity.text.to_string()).collect()
        };
        // "Ada )" and "Ada" have the same clean span.
        assert_eq!(
            found("Ada ) met Charles", &[(0..2, 0, 0.9), (0..1, 0, 0.8), (3..4, 0, 0.7)]),
            ["Ada", "Charles"]
        );
        // "the Ada" begins behind "the" once it is clean.
        assert_eq!(found("the Ada met Charles", &[(0..2, 0, 0.9), (0..1, 0, 0.8)]), ["the", "Ada"]);
        // A title is no part of a person's name. Without it, the name crosses the place, whose score is lower.
        assert_eq!(found("Dr Smith Jones", &[(0..3, 0, 0.9), (0..2, 1, 0.8)]), ["Smith Jones"]);
    }

    #[test]
    fn texts_are_prepared_only_if_that_is_set() {
        let loaded = engine(Precision::F32).ner(folder("gliner-span")).expect("the fixture should load");
        let ids = |prepare: bool, text: &str| {
            let options = EntityOptions::new().entity_types(["person"]).prepare_text(prepare);
            let ner = loaded.with(options).expect("the types should fit");
            let Decoding::Prompted(prompting) = &*ner.decoding else { panic!("it should take types") };
            let reader = prompting.entities(&ner.model, &ner.limits).expect("the types should be set");
            reader.read(text).expect("the text should be read").tokens.ids
        };
        let (marked, plain) = ("__Ada__ met Charles", "Ada met Charles");
        assert_eq!(ids(true, plain), ids(false, plain));
        assert_ne!(ids(true, marked), ids(false, marked));
    }

    #[test]
    fn words_are_pythons() {
        for case in golden::<Value>("gliner-span")["splits"].as_array().expect("it should be a list") {
            let text = case["text"].as_str().expect("it should be a text");
            let expected: Vec<(usize, usize)> =
                serde_json::from_value(case["words"].clone()).expect("pairs of characters");
            let chars = |byte: usize| text[..byte].chars().count();
            let found: Vec<(usize, usize)> =
                words(text).into_iter().map(|word| (chars(word.start), chars(word.end))).collect();
            assert_eq!(found, expected, "{text:?}");
        }
    }

    /// Compares ids, marks and logits, which the public API does not expose, with those of the package.
    #[test]
    fn sequences_and_logits_equal_the_package() {
        for model in ["gliner-span", "gliner-span-plain", "gliner-token"] {
            let loaded = engine(Precision::F32).ner(folder(model)).expect("the fixture should load");
            let (mut largest, mut compared): (f32, usize) = (0.0, 0);
            for case in golden::<Value>(model)["cases"].as_array().expect("it should be a list") {
                let text = case["text"].as_str().expect("it should be a text");
                let types: Vec<String> = serde_json::from_value(case["labels"].clone()).expect("names");
                let ids: Vec<u32> = serde_json::from_value(case["ids"].clone()).expect("ids");
                if ids.is_empty() {
                    continue;
                }
                let ner =
                    loaded.with(EntityOptions::new().entity_types(&types)).expect("the types should fit");
                let Decoding::Prompted(prompting) = &*ner.decoding else { panic!("it should take types") };
                let reader = prompting.entities(&ner.model, &ner.limits).expect("the types should be set");
                let document = reader.read(text).expect("the text should be read");
                let window = 0..document.tokens.len();
                let words = document.words_in(&window);
                let sequence = reader.sequence(&document, window, 0);
                assert_eq!(sequence.ids, ids, "{model}: {text:?}");
                let mask: Vec<usize> = serde_json::from_value(case["words_mask"].clone()).expect("numbers");
                for (word, mark) in sequence.marks.words.iter().enumerate() {
                    assert_eq!(
                        mask.iter().position(|&number| number == word + 1),
                        *mark,
                        "{model}: {text:?}"
                    );
                }
                let model = ner.model();
                let rows =
                    schedule::run(&model.workers, &*model.backend, &[sequence], &ner.limits, |_, rows| rows);
                let scores = rows.into_iter().flatten().next().expect("the sequence should be run");
                let logits: Vec<Vec<Vec<f32>>> =
                    serde_json::from_value(case["logits"].clone()).expect("[words][.][.]");
                assert_eq!(logits.len(), words.len());
                for (word, rows) in logits.iter().enumerate() {
                    for (at, row) in rows.iter().enumerate() {
                        for (column, expected) in row.iter().enumerate() {
                            let found = if scores.ncols() == types.len() {
                                scores[[word * (scores.nrows() / words.len()) + at, column]]
                            } else {
                                scores[[word, 3 * at + column]]
                            };
                            largest = largest.max((found - expected).abs());
                            compared += 1;
                        }
                    }
                }
            }
            println!("{model}: largest difference of logits {largest:.1e}");
            assert!(largest <= native_tolerance() && compared > 400, "{model}: {largest} of {compared}");
        }
    }
}
