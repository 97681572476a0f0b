use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::label::Label;
use super::options::Settings;
use super::scoring::LabelEvidence;
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
    /// All labels, the one with the highest score first; empty if the text is empty.
    pub topics: Vec<Topic>,
    /// The scores of all labels for each window, in the order of the text, if
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
    /// The name of the label.
    pub label: String,
    /// The probability of the label, 0 to 1; see [`Scoring`](crate::Scoring).
    pub score: f32,
    /// The probability that the label applies, 0 to 1, whatever the other labels are. If it is at most 0.5 for all
    /// labels, the model takes the text to be about none of them. With
    /// [`Scoring::MultiLabel`](crate::Scoring::MultiLabel) it equals the score.
    #[serde(default)]
    pub fit: f32,
    /// The windows with the highest scores for the label, the highest first; at most three.
    pub evidence: Vec<Evidence>,
}

/// The probability that a fitting topic exceeds: it is then likelier than not.
const FITS: f32 = 0.5;

impl Topic {
    /// Returns whether the topic fits the text: its [`fit`](Self::fit) is above 0.5. If no topic fits, the model takes
    /// the text to be about none of them.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// let classifier = entopic::TopicClassifier::bundled()?;
    /// let labels = classifier.label_set(["astronomy", "cooking"])?;
    /// let text = "The union called off the bus drivers' strike after talks with the city.";
    /// let classified = classifier.classify(text, &labels)?;
    /// // One of the two is likelier than the other, but the text is about neither.
    /// assert!(classified.topics[0].score > 0.5);
    /// assert!(!classified.topics.iter().any(|topic| topic.fits()));
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    pub fn fits(&self) -> bool {
        self.fit > FITS
    }
}

/// A part of the text, and the score of a topic for this part alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Evidence {
    /// The place of the window in the text.
    pub span: Span,
    /// The probability of the topic for this window.
    pub score: f32,
}

/// A part of the text, and the scores of all labels for this part alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Passage {
    /// The place of the window in the text.
    pub span: Span,
    /// The probability of each label, in the order of [`LabelSet::labels`](crate::LabelSet::labels).
    pub scores: Vec<f32>,
}

/// The number of windows reported for a topic: enough to see whether one passage or many support it.
const EVIDENCE: usize = 3;

/// The number of tokens in each window.
pub(super) fn lengths(windows: &Windows) -> Vec<usize> {
    windows.ranges().iter().map(ExactSizeIterator::len).collect()
}

/// The evidence that a section gives for the labels.
pub(crate) struct Judgement {
    coverage: Coverage,
    windows: Vec<Window>,
    /// `[windows, labels]`
    evidence: LabelEvidence,
    labels: usize,
}

struct Window {
    span: Span,
    tokens: usize,
}

impl Judgement {
    /// The judgement of a document, from the `evidence` that each window gives for each of `labels` labels,
    /// `[windows, labels]`.
    pub(super) fn of(
        model: &Model,
        document: &Document<'_>,
        windows: &Windows,
        labels: usize,
        evidence: LabelEvidence,
    ) -> Self {
        let window =
            |range: &Range<usize>| Window { span: document.span(range.clone()), tokens: range.len() };
        Self {
            coverage: Coverage::of(document, windows, &model.profile.languages),
            windows: windows.ranges().iter().map(window).collect(),
            evidence,
            labels,
        }
    }

    /// Joins the judgements of the sections of a text.
    fn join(sections: Vec<Placed<Self>>) -> Self {
        let mut whole = Self {
            coverage: Coverage::default(),
            windows: Vec::new(),
            evidence: LabelEvidence::default(),
            labels: 1,
        };
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

/// The topics of a text, from the judgements of its sections on `labels`.
pub(super) fn judge(
    settings: &Settings,
    labels: &[Label],
    sections: Vec<Placed<Judgement>>,
) -> ClassifiedText {
    stage!("judge");
    let Judgement { coverage, windows, evidence, labels: count } = Judgement::join(sections);
    if windows.is_empty() {
        return ClassifiedText { coverage, ..ClassifiedText::default() };
    }
    let count = count.max(1);
    let choice: Vec<&[f32]> = evidence.choice.chunks_exact(count).collect();
    let fit: Vec<&[f32]> = evidence.fit.chunks_exact(count).collect();
    let scoring = settings.scoring(labels.len());
    let tokens: Vec<usize> = windows.iter().map(|window| window.tokens).collect();
    let whole = LabelEvidence {
        choice: pool(&choice, &tokens, settings.pooling),
        fit: pool(&fit, &tokens, settings.pooling),
    };
    let (scores, fits) = (whole.probabilities(scoring), whole.fits());
    let passages: Vec<Passage> = windows
        .into_iter()
        .zip(choice.into_iter().zip(fit))
        .map(|(window, (choice, fit))| {
            let evidence = LabelEvidence { choice: choice.to_vec(), fit: fit.to_vec() };
            Passage { span: window.span, scores: evidence.probabilities(scoring) }
        })
        .collect();
    let strongest = |label: usize| {
        let mut order: Vec<&Passage> = passages.iter().collect();
        order.sort_by(|a, b| b.scores[label].total_cmp(&a.scores[label]));
        let evidence = order.into_iter().take(EVIDENCE);
        evidence
            .map(|passage| Evidence { span: passage.span.clone(), score: passage.scores[label] })
            .collect()
    };
    let topic = |(at, label): (usize, &Label)| Topic {
        label: label.name().to_owned(),
        score: scores[at],
        fit: fits[at],
        evidence: strongest(at),
    };
    let mut topics: Vec<Topic> = labels.iter().enumerate().map(topic).collect();
    topics.sort_by(|a, b| b.score.total_cmp(&a.score));
    ClassifiedText { topics, passages: if settings.passages { passages } else { Vec::new() }, coverage }
}
