use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::options::Settings;
use super::windows::pool;
use crate::document::Document;
use crate::document::coverage::Coverage;
use crate::document::windows::Windows;
use crate::model::Model;
use crate::pipeline::Placed;
use crate::span::Span;
use crate::stage::stage;

/// The topics of a text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ClassifiedText {
    /// All labels, the one with the highest score first; none if the text is empty.
    pub topics: Vec<Topic>,
    /// The scores of all labels by each window, in the order of the text, if
    /// [`TopicOptions::passages`](crate::TopicOptions::passages) is set.
    #[serde(default)]
    pub passages: Vec<Passage>,
    /// The part of the text that was read.
    pub coverage: Coverage,
}

/// A label and its probability.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Topic {
    /// The label, as it was given.
    pub label: String,
    /// Its probability, 0 to 1; see [`Scoring`](crate::Scoring).
    pub score: f32,
    /// The windows with the highest scores for it, the highest first; at most three.
    pub evidence: Vec<Evidence>,
}

/// A part of the text, and the score of a topic by it alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Evidence {
    /// The place of the window in the text.
    pub span: Span,
    /// The topic's probability by this window.
    pub score: f32,
}

/// A part of the text, and the scores of all labels by it alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Passage {
    /// The place of the window in the text.
    pub span: Span,
    /// The probability of each label, in the order of [`LabelSet::labels`](crate::LabelSet::labels).
    pub scores: Vec<f32>,
}

/// Windows named for a topic: enough to see whether one passage or many speak for it.
const EVIDENCE: usize = 3;

/// The tokens of each window.
pub(super) fn lengths(windows: &Windows) -> Vec<usize> {
    windows.ranges().iter().map(ExactSizeIterator::len).collect()
}

/// What a section says of the labels.
pub(crate) struct Judgement {
    coverage: Coverage,
    windows: Vec<Window>,
    /// `[windows, labels]`
    evidence: Vec<f32>,
    labels: usize,
}

struct Window {
    span: Span,
    tokens: usize,
}

impl Judgement {
    /// The judgement of a document, by the `evidence` that each window gives for each of `labels` labels,
    /// `[windows, labels]`.
    pub(super) fn of(
        model: &Model,
        document: &Document<'_>,
        windows: &Windows,
        labels: usize,
        evidence: &[f32],
    ) -> Self {
        let window =
            |range: &Range<usize>| Window { span: document.span(range.clone()), tokens: range.len() };
        Self {
            coverage: Coverage::of(document, windows, &model.profile.languages),
            windows: windows.ranges().iter().map(window).collect(),
            evidence: evidence.to_vec(),
            labels,
        }
    }

    /// The judgement of a text from those of its sections.
    fn join(sections: Vec<Placed<Self>>) -> Self {
        let mut whole =
            Self { coverage: Coverage::default(), windows: Vec::new(), evidence: Vec::new(), labels: 1 };
        for Placed { start, value } in sections {
            let placed = value
                .windows
                .into_iter()
                .map(|window| Window { span: window.span.moved_by(start), ..window });
            whole.windows.extend(placed);
            whole.evidence.extend(value.evidence);
            whole.coverage = whole.coverage.and(value.coverage);
            whole.labels = value.labels;
        }
        whole
    }
}

/// The topics of a text, from what its sections say of `labels`.
pub(super) fn judge(
    settings: &Settings,
    labels: &[String],
    sections: Vec<Placed<Judgement>>,
) -> ClassifiedText {
    stage!("judge");
    let Judgement { coverage, windows, evidence, labels: count } = Judgement::join(sections);
    if windows.is_empty() {
        return ClassifiedText { coverage, ..ClassifiedText::default() };
    }
    let evidence: Vec<&[f32]> = evidence.chunks_exact(count.max(1)).collect();
    let scoring = settings.scoring(labels.len());
    let tokens: Vec<usize> = windows.iter().map(|window| window.tokens).collect();
    let scores = scoring.probabilities(&pool(&evidence, &tokens, settings.pooling));
    let passages: Vec<Passage> = windows
        .into_iter()
        .zip(&evidence)
        .map(|(window, row)| Passage { span: window.span, scores: scoring.probabilities(row) })
        .collect();
    let strongest = |label: usize| {
        let mut order: Vec<&Passage> = passages.iter().collect();
        order.sort_by(|a, b| b.scores[label].total_cmp(&a.scores[label]));
        let evidence = order.into_iter().take(EVIDENCE);
        evidence
            .map(|passage| Evidence { span: passage.span.clone(), score: passage.scores[label] })
            .collect()
    };
    let topic = |(label, name): (usize, &String)| Topic {
        label: name.clone(),
        score: scores[label],
        evidence: strongest(label),
    };
    let mut topics: Vec<Topic> = labels.iter().enumerate().map(topic).collect();
    topics.sort_by(|a, b| b.score.total_cmp(&a.score));
    ClassifiedText { topics, passages: if settings.passages { passages } else { Vec::new() }, coverage }
}
