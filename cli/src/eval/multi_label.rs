//! Scores for texts with several labels, each judged independently: those of scikit-learn, and the calibration error.

use std::collections::BTreeMap;

use serde::Serialize;

use super::scores::{Counts, Scores};

/// A label is predicted if its score is higher.
const THRESHOLD: f64 = 0.5;

/// The bins of the calibration error, of equal width.
const BINS: usize = 10;

/// A label's score for a text, and whether the label applies.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    pub(crate) label: String,
    pub(crate) score: f64,
    pub(crate) applies: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// The scores over all pairs of a text and a label.
    micro: Scores,
    /// The mean over the labels that apply or are predicted for any text. `None` if the texts have different labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    macro_f1: Option<f64>,
    average_precision: AveragePrecision,
    /// The mean distance of the scores from the share of labels that apply, in bins of scores (expected calibration
    /// error, <https://ojs.aaai.org/index.php/AAAI/article/view/9602>).
    calibration_error: f64,
    /// The recognition of texts that no label fits, if the texts have different labels. Each text counts twice: with
    /// all its labels, and with only those that do not apply. A text is taken to fit none if no label is predicted.
    #[serde(skip_serializing_if = "Option::is_none")]
    none_of_these: Option<Scores>,
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<BTreeMap<String, Scores>>,
    documents: usize,
    pairs: usize,
}

#[derive(Debug, Serialize)]
struct AveragePrecision {
    /// The average precision over all pairs in one ranking.
    micro: f64,
    /// The mean over the labels that apply to at least one text.
    #[serde(skip_serializing_if = "Option::is_none")]
    r#macro: Option<f64>,
    /// The mean over the texts to which at least one label applies.
    documents: f64,
}

/// Scores texts by their labels. `by_label` says whether all texts share their labels.
pub(crate) fn score(texts: &[Vec<Judged>], by_label: bool) -> Report {
    let mut labels: BTreeMap<&str, Vec<&Judged>> = BTreeMap::new();
    for judged in texts.iter().flatten() {
        labels.entry(&judged.label).or_default().push(judged);
    }
    let all: Vec<&Judged> = texts.iter().flatten().collect();
    let scores: BTreeMap<String, Scores> = labels
        .iter()
        .map(|(label, judged)| (label, counts(judged)))
        .filter(|(_, counts)| counts.gold + counts.predicted > 0)
        .map(|(label, counts)| ((*label).to_owned(), counts.scores()))
        .collect();
    Report {
        micro: counts(&all).scores(),
        macro_f1: by_label.then(|| mean(scores.values().map(|scores| scores.f1))),
        average_precision: AveragePrecision {
            micro: average_precision(&all).unwrap_or(0.0),
            r#macro: by_label.then(|| mean(labels.values().filter_map(|judged| average_precision(judged)))),
            documents: mean(
                texts.iter().filter_map(|text| average_precision(&text.iter().collect::<Vec<_>>())),
            ),
        },
        calibration_error: calibration_error(&all),
        none_of_these: (!by_label).then(|| none_of_these(texts).scores()),
        labels: by_label.then_some(scores),
        documents: texts.len(),
        pairs: all.len(),
    }
}

fn counts(judged: &[&Judged]) -> Counts {
    let is_predicted = |judged: &&&Judged| judged.score > THRESHOLD;
    Counts {
        gold: judged.iter().filter(|judged| judged.applies).count(),
        predicted: judged.iter().filter(is_predicted).count(),
        correct: judged.iter().filter(is_predicted).filter(|judged| judged.applies).count(),
    }
}

fn none_of_these(texts: &[Vec<Judged>]) -> Counts {
    let mut counts = Counts::default();
    let is_predicted = |judged: &Judged| judged.score > THRESHOLD;
    for text in texts {
        if text.iter().any(|judged| judged.applies) && !text.iter().any(is_predicted) {
            counts.predicted += 1;
        }
        let wrong: Vec<&Judged> = text.iter().filter(|judged| !judged.applies).collect();
        if !wrong.is_empty() {
            counts.gold += 1;
            if !wrong.into_iter().any(is_predicted) {
                counts.predicted += 1;
                counts.correct += 1;
            }
        }
    }
    counts
}

/// The sum over the scores, from the highest, of the precision at each score times the recall that it adds; `None` if
/// no label applies.
fn average_precision(judged: &[&Judged]) -> Option<f64> {
    let positives = judged.iter().filter(|judged| judged.applies).count();
    let mut ranked = judged.to_vec();
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score));
    let (mut seen, mut right, mut sum) = (0, 0, 0.0);
    for ties in ranked.chunk_by(|a, b| a.score == b.score) {
        let added = ties.iter().filter(|judged| judged.applies).count();
        seen += ties.len();
        right += added;
        sum += right as f64 / seen as f64 * added as f64;
    }
    (positives > 0).then(|| sum / positives as f64)
}

fn calibration_error(judged: &[&Judged]) -> f64 {
    let mut bins = [(0.0, 0.0); BINS];
    for judged in judged {
        let bin = ((judged.score * BINS as f64) as usize).min(BINS - 1);
        bins[bin].0 += judged.score;
        bins[bin].1 += f64::from(u8::from(judged.applies));
    }
    // The bins' shares of all pairs cancel out with the means within them.
    let distance: f64 = bins.iter().map(|(scores, applying)| (scores - applying).abs()).sum();
    distance / judged.len().max(1) as f64
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
    sum / f64::from(count.max(1))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{Judged, score};

    #[test]
    fn texts_about_none_of_the_labels_are_counted() {
        let text = |scores: &[(f64, bool)]| -> Vec<Judged> {
            scores.iter().map(|&(score, applies)| Judged { label: "a".into(), score, applies }).collect()
        };
        let texts = [
            text(&[(0.9, true), (0.2, false)]),
            text(&[(0.4, true), (0.3, false)]),
            text(&[(0.8, true), (0.7, false)]),
            text(&[(0.1, true)]),
        ];
        let counts = super::none_of_these(&texts);
        assert_eq!((counts.gold, counts.predicted, counts.correct), (3, 4, 2));
    }

    /// Random scores and scikit-learn's measures; `tests/goldens/eval.py` writes the file.
    #[test]
    fn scores_are_those_of_scikit_learn() {
        let golden: Value = serde_json::from_str(include_str!("../../tests/goldens/multilabel.json"))
            .expect("it should be JSON");
        for case in golden["cases"].as_array().expect("it should be a list") {
            let gold: Vec<Vec<bool>> = serde_json::from_value(case["gold"].clone()).expect("rows of labels");
            let scores: Vec<Vec<f64>> =
                serde_json::from_value(case["scores"].clone()).expect("rows of scores");
            let texts: Vec<Vec<Judged>> = gold
                .iter()
                .zip(&scores)
                .map(|(gold, scores)| {
                    let labels = gold.iter().zip(scores).enumerate();
                    labels
                        .map(|(at, (&applies, &score))| Judged { label: at.to_string(), score, applies })
                        .collect()
                })
                .collect();
            let report = serde_json::to_value(score(&texts, true)).expect("it should be JSON");
            for path in [
                "/macro_f1",
                "/average_precision/micro",
                "/average_precision/macro",
                "/average_precision/documents",
                "/calibration_error",
            ] {
                let number = |value: &Value| value.pointer(path).and_then(Value::as_f64).expect("a number");
                let (found, expected) = (number(&report), number(case));
                assert!((found - expected).abs() < 1e-12, "{path}: {found}, not {expected}");
            }
            let micro = report["micro"]["f1"].as_f64().expect("a number");
            assert!((micro - case["micro_f1"].as_f64().expect("a number")).abs() < 1e-12);
        }
    }
}
