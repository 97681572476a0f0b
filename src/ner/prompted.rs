//! Entities of types that are given with the text: what is written before a text, and what scores of
//! spans and words mean (GLiNER, <https://arxiv.org/abs/2311.08526>).

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::sync::LazyLock;

use ndarray::Array2;
use regex::Regex;

use crate::backend::{Marks, Sequence};
use crate::document::{Document, Windows};
use crate::error::{Error, ErrorKind};
use crate::model::{Model, PromptStyle};

/// Entity types in the form that the model reads them.
#[derive(Debug)]
pub(super) struct Prompt {
    ids: Vec<u32>,
    /// The token that stands for each type.
    marks: Vec<usize>,
}

/// What is taken for an entity.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// The least probability.
    pub(super) threshold: f32,
    /// Whether entities may lie within one another.
    pub(super) nested: bool,
    /// Whether the same words may be of several types.
    pub(super) multi_label: bool,
}

/// A run of words that may be an entity.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    /// Half open.
    pub(super) words: Range<usize>,
    pub(super) label: usize,
    pub(super) score: f32,
}

/// Letters and digits as one word, hyphens and underscores between them included, and every other sign
/// by itself: Python's `\w+(?:[-_]\w+)*|\S`, by which these models were trained.
static WORDS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"[\p{L}\p{N}_]+(?:[-_][\p{L}\p{N}_]+)*|[^\s\x1c-\x1f]").ok());

/// The words of `text`, as byte ranges.
pub(super) fn words(text: &str) -> Vec<Range<usize>> {
    WORDS.iter().flat_map(|words| words.find_iter(text)).map(|found| found.range()).collect()
}

impl Prompt {
    /// Tokenises `types`; they must leave a quarter of a window to the text.
    pub(super) fn new<T: AsRef<str>>(model: &Model, style: &PromptStyle, types: &[T]) -> Result<Self, Error> {
        let refuse = |message: String| Err(Error::new(ErrorKind::Labels, message));
        if types.is_empty() {
            return refuse("no entity types were given; give at least one, such as \"person\"".into());
        }
        let mut parts = Vec::with_capacity(2 * types.len() + 1);
        for (at, entity_type) in types.iter().map(AsRef::as_ref).enumerate() {
            if entity_type.trim().is_empty() {
                return refuse(format!("entity type {at} is blank: {entity_type:?}"));
            }
            let marks = [&style.label_token, &style.separator];
            if let Some(mark) = marks.into_iter().find(|mark| entity_type.contains(mark.as_str())) {
                return refuse(format!("entity type {entity_type:?} holds {mark:?}, which parts types"));
            }
            if types[..at].iter().any(|other| other.as_ref() == entity_type) {
                return refuse(format!("entity type {entity_type:?} was given twice"));
            }
            parts.extend([style.label_token.as_str(), entity_type]);
        }
        parts.push(&style.separator);
        let tokens = model.tokenizer.encode_words(&parts)?;
        let marks: Vec<usize> = (0..tokens.ids.len())
            .filter(|&at| Some(tokens.ids[at]) == model.label_token && tokens.words[at] % 2 == 0)
            .map(|at| at + usize::from(style.mark_follows))
            .collect();
        if marks.len() != types.len() {
            let message = format!("{} entity types gave {} marks", types.len(), marks.len());
            return Err(Error::new(ErrorKind::Tokenizer, message));
        }
        let limit = model.window_budget() * 3 / 4;
        if tokens.ids.len() > limit {
            let found = tokens.ids.len();
            return refuse(format!(
                "the {} entity types take {found} tokens of a window; at most {limit} may go to them: give \
                 fewer at a time",
                types.len()
            ));
        }
        Ok(Self { ids: tokens.ids, marks })
    }

    pub(super) fn windows(&self, model: &Model, document: &Document<'_>) -> Windows {
        document.windows_of_words(model.window_budget() - self.ids.len())
    }

    /// The sequence of one window of `document`, and the words that it holds.
    pub(super) fn sequence(
        &self,
        model: &Model,
        document: &Document<'_>,
        window: Range<usize>,
    ) -> (Sequence, Range<usize>) {
        let words = document.words_in(&window);
        let text = &document.tokens.ids[window.clone()];
        let mut sequence = model.tokenizer.sequence(&[&self.ids, text].concat());
        let leading = model.tokenizer.leading_specials();
        let first_of = |token: usize| leading + self.ids.len() + token - window.start;
        sequence.marks = Marks {
            words: document.words[words.clone()].iter().map(|word| word.token.map(first_of)).collect(),
            labels: self.marks.iter().map(|mark| leading + mark).collect(),
        };
        (sequence, words)
    }
}

/// Entities among `words` words, in their order, by the scores of a window: `[words * widest, labels]` of
/// spans or `[words, 3 * labels]` of words, as logits.
pub(super) fn decode(scores: &Array2<f32>, words: usize, labels: usize, rules: Rules) -> Vec<Candidate> {
    if words == 0 || labels == 0 {
        return Vec::new();
    }
    let found =
        if scores.ncols() == labels { spans(scores, words, rules) } else { by_ends(scores, labels, rules) };
    choose(found, rules)
}

fn probability(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

fn spans(scores: &Array2<f32>, words: usize, rules: Rules) -> Vec<Candidate> {
    let widest = scores.nrows() / words;
    let mut found = Vec::new();
    for (row, scores) in scores.rows().into_iter().enumerate() {
        let (first, more) = (row / widest, row % widest);
        for (label, &logit) in scores.iter().enumerate() {
            let score = probability(logit);
            if score > rules.threshold && first + more < words {
                found.push(Candidate { words: first..first + more + 1, label, score });
            }
        }
    }
    found
}

/// An entity begins at a word that may begin one, ends at one that may end one, and goes on at all between.
fn by_ends(scores: &Array2<f32>, labels: usize, rules: Rules) -> Vec<Candidate> {
    let words = scores.nrows();
    let of = |word: usize, label: usize, kind: usize| probability(scores[[word, 3 * label + kind]]);
    let mut found = Vec::new();
    for first in 0..words {
        for label in 0..labels {
            let begins = of(first, label, 0);
            if begins <= rules.threshold {
                continue;
            }
            let mut least = begins;
            for last in first..words {
                let inside = of(last, label, 2);
                if inside < rules.threshold {
                    break;
                }
                least = least.min(inside);
                let ends = of(last, label, 1);
                if ends > rules.threshold {
                    found.push(Candidate { words: first..last + 1, label, score: least.min(ends) });
                }
            }
        }
    }
    found
}

/// Takes candidates by their scores, the best first, and leaves out those that clash with one taken.
fn choose(mut candidates: Vec<Candidate>, rules: Rules) -> Vec<Candidate> {
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut taken = Taken::default();
    candidates.retain(|candidate| taken.take(&candidate.words, rules));
    candidates.sort_by_key(|candidate| candidate.words.start);
    candidates
}

/// The words of the candidates that were taken, such that a look at the ends inside a candidate tells
/// whether it clashes with any.
#[derive(Default)]
struct Taken {
    spans: HashSet<Range<usize>>,
    /// Where the longest that begins at a word ends.
    ends: BTreeMap<usize, usize>,
    /// Where the longest that ends at a word begins.
    starts: BTreeMap<usize, usize>,
}

impl Taken {
    /// Takes `words`, unless they clash.
    fn take(&mut self, words: &Range<usize>, rules: Rules) -> bool {
        let clashes = match self.spans.contains(words) {
            true => !rules.multi_label,
            false if rules.nested => self.crosses(words),
            false => self.overlaps(words),
        };
        if clashes {
            return false;
        }
        self.spans.insert(words.clone());
        let end = self.ends.entry(words.start).or_insert(words.end);
        *end = words.end.max(*end);
        let start = self.starts.entry(words.end).or_insert(words.start);
        *start = words.start.min(*start);
        true
    }

    /// Whether one of them has some of `words` and others besides, and lacks some.
    fn crosses(&self, words: &Range<usize>) -> bool {
        let inside = words.start + 1..words.end;
        self.starts.range(inside.clone()).any(|(_, &start)| start < words.start)
            || self.ends.range(inside).any(|(_, &end)| end > words.end)
    }

    /// Whether one of them, which are apart or the same, has any of `words`.
    fn overlaps(&self, words: &Range<usize>) -> bool {
        self.ends.range(..words.end).next_back().is_some_and(|(_, &end)| end > words.start)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use serde_json::Value;

    use super::super::{Kind, Ner};
    use super::{Candidate, Prompt, Rules, choose, decode, words};
    use crate::backend::Precision;

    const FLAT: Rules = Rules { threshold: 0.5, nested: false, multi_label: false };

    fn chosen(spans: &[(usize, usize, f32)], rules: Rules) -> Vec<(usize, usize)> {
        let candidates = spans.iter().enumerate();
        let candidates = candidates
            .map(|(label, &(start, end, score))| Candidate { words: start..end, label, score })
            .collect();
        choose(candidates, rules).into_iter().map(|found| (found.words.start, found.words.end)).collect()
    }

    #[test]
    fn the_best_of_what_overlaps_is_taken() {
        let spans = [(0, 2, 0.6), (1, 3, 0.9), (3, 4, 0.7), (1, 2, 0.8)];
        assert_eq!(chosen(&spans, FLAT), [(1, 3), (3, 4)]);
        assert_eq!(chosen(&spans, Rules { nested: true, ..FLAT }), [(1, 3), (1, 2), (3, 4)]);
        assert_eq!(chosen(&[(0, 1, 0.6), (0, 1, 0.7)], FLAT), [(0, 1)]);
        assert_eq!(chosen(&[(0, 1, 0.6), (0, 1, 0.7)], Rules { multi_label: true, ..FLAT }).len(), 2);
    }

    /// Candidates against one another, pair by pair.
    fn chosen_plainly(spans: &[(usize, usize, f32)], rules: Rules) -> Vec<(usize, usize)> {
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
            let rules = Rules { nested, multi_label, ..FLAT };
            proptest::prop_assert_eq!(chosen(&spans, rules), chosen_plainly(&spans, rules));
        }
    }

    #[test]
    fn a_span_beyond_the_last_word_is_none() {
        let scores = Array2::from_elem((2 * 3, 1), 5.0);
        let found = decode(&scores, 2, 1, FLAT);
        assert!(found.iter().all(|found| found.words.end <= 2));
        assert!(decode(&scores, 0, 1, FLAT).is_empty());
    }

    fn golden(model: &str) -> Value {
        let path = format!("{}/tests/goldens/{model}/golden.json", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_slice(&std::fs::read(path).expect("the golden is committed")).expect("is JSON")
    }

    #[test]
    fn words_are_pythons() {
        for case in golden("gliner-span")["splits"].as_array().expect("a list") {
            let text = case["text"].as_str().expect("a text");
            let expected: Vec<(usize, usize)> =
                serde_json::from_value(case["words"].clone()).expect("pairs of characters");
            let chars = |byte: usize| text[..byte].chars().count();
            let found: Vec<(usize, usize)> =
                words(text).into_iter().map(|word| (chars(word.start), chars(word.end))).collect();
            assert_eq!(found, expected, "{text:?}");
        }
    }

    /// Ids, marks and logits of the package, which the crate's interface does not show.
    #[test]
    fn sequences_and_logits_equal_the_package() {
        for model in ["gliner-span", "gliner-span-plain", "gliner-token"] {
            let folder = format!("{}/tests/goldens/{model}", env!("CARGO_MANIFEST_DIR"));
            let ner = Ner::builder(folder).precision(Precision::F32).threads(1).build().expect("loads");
            let Kind::Prompted { style, .. } = &ner.kind else { panic!("is given its types") };
            let (mut largest, mut compared): (f32, usize) = (0.0, 0);
            for case in golden(model)["cases"].as_array().expect("a list") {
                let text = case["text"].as_str().expect("a text");
                let types: Vec<String> = serde_json::from_value(case["labels"].clone()).expect("names");
                let ids: Vec<u32> = serde_json::from_value(case["ids"].clone()).expect("ids");
                if ids.is_empty() {
                    continue;
                }
                let document = ner.read(text).expect("is read");
                let prompt = Prompt::new(&ner.model, style, &types).expect("fits");
                let (sequence, words) = prompt.sequence(&ner.model, &document, 0..document.tokens.len());
                assert_eq!(sequence.ids, ids, "{model}: {text:?}");
                let mask: Vec<usize> = serde_json::from_value(case["words_mask"].clone()).expect("numbers");
                for (word, mark) in sequence.marks.words.iter().enumerate() {
                    assert_eq!(
                        mask.iter().position(|&number| number == word + 1),
                        *mark,
                        "{model}: {text:?}"
                    );
                }
                let scores = ner.model.runtime.run(&*ner.model.backend, &[sequence]).remove(0).expect("runs");
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
            // Portable kernels, where the test is told of them, round each product and each sum.
            let portable = std::env::var("ENTOPIC_EXPECT_KERNELS").is_ok_and(|it| it.contains("generic"));
            let tolerance = if portable { 2e-4 } else { 1e-4 };
            assert!(largest <= tolerance && compared > 400, "{model}: {largest} of {compared}");
        }
    }
}
