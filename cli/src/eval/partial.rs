//! Partial matches, as the package nervaluate counts them (<https://github.com/MantisAI/nervaluate>), after the MUC-5
//! evaluation and SemEval-2013 task 9.1.

use serde::Serialize;

use super::iob::Mention;

/// The four ways to compare a predicted entity with a gold one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Strategy {
    /// Both ends and the type must match.
    Strict,
    /// Both ends must match, whatever the type.
    Exact,
    /// Both ends must match, whatever the type; an overlap counts half.
    Partial,
    /// The types of entities that overlap must match.
    Type,
}

/// The counts of one strategy over all sentences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Matches {
    correct: usize,
    incorrect: usize,
    partial: usize,
    /// Gold entities that no predicted entity was compared with.
    missed: usize,
    /// Predicted entities that no gold entity was compared with.
    spurious: usize,
}

/// Counts, precision, recall and F1 of one strategy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct MatchScores {
    precision: f64,
    recall: f64,
    f1: f64,
    #[serde(flatten)]
    counts: Matches,
}

/// The scores of all strategies.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct AllMatches {
    strict: MatchScores,
    exact: MatchScores,
    partial: MatchScores,
    r#type: MatchScores,
}

impl AllMatches {
    pub(crate) fn of<'m>(pairs: impl Iterator<Item = (&'m [Mention], &'m [Mention])> + Clone) -> Self {
        let by = |strategy| {
            let mut matches = Matches::default();
            pairs.clone().for_each(|(gold, predicted)| matches.add(gold, predicted, strategy));
            matches.scores()
        };
        Self {
            strict: by(Strategy::Strict),
            exact: by(Strategy::Exact),
            partial: by(Strategy::Partial),
            r#type: by(Strategy::Type),
        }
    }
}

impl Matches {
    /// Counts one sentence. Each predicted entity is compared with one gold entity that is not taken yet: the nearest
    /// that it matches, or else the first that it overlaps.
    pub(crate) fn add(&mut self, gold: &[Mention], predicted: &[Mention], strategy: Strategy) {
        let mut taken = vec![false; gold.len()];
        for predicted in predicted {
            let free =
                || gold.iter().enumerate().filter(|(at, gold)| !taken[*at] && overlap(gold, predicted));
            let right = free().filter(|(_, gold)| strategy.is_right(gold, predicted));
            let right = right.min_by_key(|(_, gold)| distance(gold, predicted)).map(|(at, _)| at);
            let near = free().next().map(|(at, _)| at);
            match (right, near, strategy) {
                (Some(_), ..) => self.correct += 1,
                (None, Some(_), Strategy::Partial) => self.partial += 1,
                (None, Some(_), _) => self.incorrect += 1,
                (None, None, _) => self.spurious += 1,
            }
            if let Some(at) = right.or(near) {
                taken[at] = true;
            }
        }
        self.missed += taken.iter().filter(|taken| !**taken).count();
    }

    pub(crate) fn scores(self) -> MatchScores {
        let Self { correct, incorrect, partial, missed, spurious } = self;
        let points = correct as f64 + 0.5 * partial as f64;
        let share = |of: usize| if of == 0 { 0.0 } else { points / of as f64 };
        let compared = correct + incorrect + partial;
        let (precision, recall) = (share(compared + spurious), share(compared + missed));
        let sum = precision + recall;
        let f1 = if sum == 0.0 { 0.0 } else { 2.0 * precision * recall / sum };
        MatchScores { precision, recall, f1, counts: self }
    }
}

impl Strategy {
    fn is_right(self, gold: &Mention, predicted: &Mention) -> bool {
        match self {
            Self::Strict => gold == predicted,
            Self::Exact | Self::Partial => gold.words == predicted.words,
            Self::Type => gold.label == predicted.label,
        }
    }
}

fn overlap(a: &Mention, b: &Mention) -> bool {
    a.words.start < b.words.end && b.words.start < a.words.end
}

fn distance(a: &Mention, b: &Mention) -> usize {
    a.words.start.abs_diff(b.words.start) + a.words.end.abs_diff(b.words.end)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{AllMatches, Mention};

    /// Random sentences and nervaluate's counts; `tests/goldens/eval.py` writes the file.
    #[test]
    fn counts_are_those_of_nervaluate() {
        let golden: Value = serde_json::from_str(include_str!("../../tests/goldens/nervaluate.json"))
            .expect("it should be JSON");
        let mentions = |value: &Value| -> Vec<Mention> {
            let items: Vec<(String, usize, usize)> =
                serde_json::from_value(value.clone()).expect("labels, starts and ends");
            items.into_iter().map(|(label, start, end)| Mention { label, words: start..end }).collect()
        };
        let cases = golden["cases"].as_array().expect("it should be a list");
        assert_eq!(cases.len(), 60);
        for case in cases {
            let sentences = case["sentences"].as_array().expect("it should be a list");
            let pairs: Vec<(Vec<Mention>, Vec<Mention>)> = sentences
                .iter()
                .map(|sentence| (mentions(&sentence["gold"]), mentions(&sentence["predicted"])))
                .collect();
            let found =
                AllMatches::of(pairs.iter().map(|(gold, predicted)| (gold.as_slice(), predicted.as_slice())));
            let found = serde_json::to_value(found).expect("it should be JSON");
            for (strategy, expected) in case["scores"].as_object().expect("it should be an object") {
                for (name, expected) in expected.as_object().expect("it should be an object") {
                    let (found, expected) = (found[strategy][name].as_f64(), expected.as_f64());
                    let (found, expected) = (found.expect("a number"), expected.expect("a number"));
                    assert!((found - expected).abs() < 1e-12, "{strategy} {name}: {found}, not {expected}");
                }
            }
        }
    }
}
