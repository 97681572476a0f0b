//! The readers of the three kinds of topic models, and of embeddings.

use std::ops::Range;

use ndarray::{Array1, Array2, ArrayView1};

use super::calibration::Calibration;
use super::hypotheses::Columns;
use super::options::Settings;
use super::result::{Judgement, lengths};
use super::scoring::Support;
use super::windows::pool;
use crate::batch::{Marks, Sequence};
use crate::document::Document;
use crate::document::windows::Windows;
use crate::model::{Framing, Model};
use crate::pipeline::{Placed, Reader};
use crate::pooling::WindowPooling;
use crate::prompt::Prompt;
use crate::schedule::Limits;

/// The data that all readers need.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) model: &'a Model,
    pub(super) limits: &'a Limits,
    pub(super) settings: &'a Settings,
}

impl Context<'_> {
    /// The windows of a document that is read without labels.
    fn windows(&self, document: &Document<'_>) -> Windows {
        document.windows(self.model.budget(&self.settings.framing), 0)
    }

    /// The sequence of a window that is read without labels.
    fn sequence(&self, document: &Document<'_>, window: Range<usize>) -> Sequence {
        self.model.sequence(&self.settings.framing, &document.tokens, window)
    }
}

/// An NLI model reads each window with the hypothesis of each label.
pub(super) struct NliReader<'a> {
    pub(super) context: Context<'a>,
    /// The number of labels.
    pub(super) labels: usize,
    pub(super) hypotheses: &'a [Vec<u32>],
    pub(super) columns: Columns,
}

/// A bi-encoder reads each window once and compares it with the embeddings of the labels.
pub(super) struct BiEncoderReader<'a> {
    pub(super) context: Context<'a>,
    /// The number of labels.
    pub(super) labels: usize,
    pub(super) embeddings: &'a [Vec<f32>],
    pub(super) calibration: Calibration,
}

/// A uni-encoder reads each window together with all labels.
pub(super) struct UniEncoderReader<'a> {
    pub(super) context: Context<'a>,
    /// The number of labels.
    pub(super) labels: usize,
    pub(super) prompt: &'a Prompt,
    pub(super) labels_first: bool,
}

/// The embeddings of windows.
pub(super) struct EmbeddingReader<'a> {
    pub(super) context: Context<'a>,
}

impl NliReader<'_> {
    /// The room for text in a pair, in tokens. The windows are the same for every label, so the longest hypothesis
    /// decides. It takes at most half the room and at least one token, so at least one token is left for text.
    pub(super) fn budget(&self) -> usize {
        let Context { model, settings, .. } = self.context;
        let longest = self.hypotheses.iter().map(Vec::len).max().unwrap_or(0);
        settings.framing.window.saturating_sub(model.tokenizer.pair_specials() + longest).max(1)
    }
}

impl Reader for NliReader<'_> {
    type Part = Support;
    type Section = Judgement;

    fn model(&self) -> &Model {
        self.context.model
    }

    fn limits(&self) -> &Limits {
        self.context.limits
    }

    fn framing(&self) -> &Framing {
        &self.context.settings.framing
    }

    fn windows(&self, document: &Document<'_>) -> Windows {
        document.windows(self.budget(), 0)
    }

    fn sequences_per_window(&self) -> usize {
        self.hypotheses.len()
    }

    fn sequence(&self, document: &Document<'_>, window: Range<usize>, number: usize) -> Sequence {
        self.context.model.pair(&document.tokens, window, &self.hypotheses[number])
    }

    fn reduce(&self, _: &Sequence, logits: Array2<f32>) -> Support {
        let entailment = logits[[0, self.columns.entailment]];
        // Softmax over the two logits is the logistic function of their difference.
        Support { choice: entailment, fit: entailment - logits[[0, self.columns.contradiction]] }
    }

    fn finish(&self, document: &Document<'_>, windows: &Windows, parts: &[Support]) -> Judgement {
        Judgement::of(self.model(), document, windows, self.labels, parts.iter().copied().collect())
    }
}

impl Reader for BiEncoderReader<'_> {
    type Part = Vec<Support>;
    type Section = Judgement;

    fn model(&self) -> &Model {
        self.context.model
    }

    fn limits(&self) -> &Limits {
        self.context.limits
    }

    fn framing(&self) -> &Framing {
        &self.context.settings.framing
    }

    fn windows(&self, document: &Document<'_>) -> Windows {
        self.context.windows(document)
    }

    fn sequence(&self, document: &Document<'_>, window: Range<usize>, _: usize) -> Sequence {
        self.context.sequence(document, window)
    }

    fn reduce(&self, _: &Sequence, rows: Array2<f32>) -> Vec<Support> {
        let embedding = Array1::from(unit(rows.row(0).to_vec()));
        let cosine = |label: &Vec<f32>| ArrayView1::from(label).dot(&embedding);
        self.embeddings.iter().map(|label| self.calibration.support(cosine(label))).collect()
    }

    fn finish(&self, document: &Document<'_>, windows: &Windows, parts: &[Vec<Support>]) -> Judgement {
        Judgement::of(self.model(), document, windows, self.labels, parts.iter().flatten().copied().collect())
    }
}

impl Reader for UniEncoderReader<'_> {
    type Part = Vec<Support>;
    type Section = Judgement;

    fn model(&self) -> &Model {
        self.context.model
    }

    fn limits(&self) -> &Limits {
        self.context.limits
    }

    fn framing(&self) -> &Framing {
        &self.context.settings.framing
    }

    fn windows(&self, document: &Document<'_>) -> Windows {
        let budget = self.context.model.budget(&self.context.settings.framing);
        document.windows(budget.saturating_sub(self.prompt.ids.len()).max(1), 0)
    }

    fn sequence(&self, document: &Document<'_>, window: Range<usize>, _: usize) -> Sequence {
        let tokenizer = &self.context.model.tokenizer;
        let text = &document.tokens.ids[window];
        let (ids, before) = match self.labels_first {
            true => ([&self.prompt.ids, text].concat(), 0),
            false => ([text, &self.prompt.ids].concat(), text.len()),
        };
        let mut sequence = tokenizer.sequence(&ids);
        let before = before + tokenizer.leading_specials();
        let labels = self.prompt.marks.iter().map(|mark| before + mark).collect();
        sequence.marks = Marks { words: Vec::new(), labels };
        sequence
    }

    fn reduce(&self, _: &Sequence, rows: Array2<f32>) -> Vec<Support> {
        rows.row(0).iter().map(|&logit| Support { choice: logit, fit: logit }).collect()
    }

    fn finish(&self, document: &Document<'_>, windows: &Windows, parts: &[Vec<Support>]) -> Judgement {
        Judgement::of(self.model(), document, windows, self.labels, parts.iter().flatten().copied().collect())
    }
}

impl Reader for EmbeddingReader<'_> {
    type Part = Vec<f32>;
    type Section = Embedded;

    fn model(&self) -> &Model {
        self.context.model
    }

    fn limits(&self) -> &Limits {
        self.context.limits
    }

    fn framing(&self) -> &Framing {
        &self.context.settings.framing
    }

    fn windows(&self, document: &Document<'_>) -> Windows {
        self.context.windows(document)
    }

    fn sequence(&self, document: &Document<'_>, window: Range<usize>, _: usize) -> Sequence {
        self.context.sequence(document, window)
    }

    fn reduce(&self, _: &Sequence, rows: Array2<f32>) -> Vec<f32> {
        rows.row(0).to_vec()
    }

    fn finish(&self, _: &Document<'_>, windows: &Windows, parts: &[Vec<f32>]) -> Embedded {
        let (rows, lengths): (Vec<&[f32]>, _) = (parts.iter().map(Vec::as_slice).collect(), lengths(windows));
        Embedded { mean: pool(&rows, &lengths, WindowPooling::Mean), tokens: lengths.iter().sum() }
    }
}

/// The embedding of a section.
pub(super) struct Embedded {
    /// The mean of its windows, weighted by their numbers of tokens; empty if it has no windows.
    mean: Vec<f32>,
    tokens: usize,
}

impl Embedded {
    /// Joins the embeddings of the sections of a text into that of the text, which has `width` values.
    pub(super) fn join(sections: Vec<Placed<Self>>, width: usize) -> Array1<f32> {
        let filled = sections.iter().map(|section| &section.value).filter(|section| section.tokens > 0);
        let (means, tokens): (Vec<&[f32]>, Vec<usize>) =
            filled.map(|section| (section.mean.as_slice(), section.tokens)).unzip();
        match means.is_empty() {
            true => Array1::zeros(width),
            false => pool(&means, &tokens, WindowPooling::Mean).into(),
        }
    }
}

/// `vector` scaled to length 1; a zero vector stays zero.
pub(super) fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let norm = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if norm > 0.0 {
        vector.iter_mut().for_each(|value| *value /= norm);
    }
    vector
}
