mod builder;
mod hypotheses;
mod label_set;
mod pooling;
mod prompt;

use std::sync::Arc;

use ndarray::{Array1, Array2, Axis};
use serde::{Deserialize, Serialize};

pub use crate::model::WindowPooling;
pub use builder::TopicClassifierBuilder;
pub(crate) use builder::TopicOptions;
pub use label_set::LabelSet;
pub use pooling::Scoring;

use crate::backend::Sequence;
use crate::document::{Coverage, Document, Windows};
use crate::error::{Error, ErrorKind};
use crate::inference::{WindowOutputs, run_windows};
use crate::model::{HeadKind, Loader, Model};
use crate::schedule::{chunks, single};
use crate::span::Span;
use crate::stage::stage;
use hypotheses::Columns;
use label_set::Prepared;
use pooling::Calibration;
use prompt::TopicPrompt;

/// The topics that news agencies file under: the top level of the IPTC Media Topics
/// (<https://iptc.org/standards/media-topics/>), in short words.
pub const NEWS_TOPICS: [&str; 17] = [
    "arts and entertainment",
    "conflict and war",
    "crime and justice",
    "disasters and accidents",
    "economy and business",
    "education",
    "environment",
    "health",
    "human interest",
    "labour",
    "lifestyle and leisure",
    "politics",
    "religion",
    "science and technology",
    "society",
    "sport",
    "weather",
];

/// Tells which of any given topics a text is about, with no training for them: zero-shot
/// classification by a bi-encoder or by an NLI cross-encoder.
///
/// A bi-encoder encodes the labels once and each text once, whatever the number of labels. A uni-encoder
/// (GLiClass) reads all labels together with each window of the text. An NLI model reads each text once for
/// each label; its scores are those of transformers' `zero-shot-classification` pipeline for a text of one
/// window, to the rounding of f32 with [`Precision::F32`](crate::Precision::F32).
///
/// One `TopicClassifier` serves any number of threads; every call takes `&self`.
///
/// ```
/// # #[cfg(feature = "bundled")] {
/// let classifier = entopic::TopicClassifier::bundled()?;
/// let labels = classifier.label_set(["economy", "sport", "health"])?;
/// let text = "The striker scored twice and won the cup for her team.";
/// assert_eq!(classifier.classify(text, &labels)?.topics[0].label, "sport");
/// # }
/// # Ok::<(), entopic::Error>(())
/// ```
pub struct TopicClassifier {
    model: Model,
    kind: Kind,
    template: String,
    label_prefix: String,
    scoring: Scoring,
    pooling: WindowPooling,
}

/// How the model compares a text and a label.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Nli(Columns),
    BiEncoder(Calibration),
    /// Labels and text in one sequence.
    UniEncoder,
}

/// The topics of a text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ClassifiedText {
    /// All labels, the likeliest first; none if the text is empty.
    pub topics: Vec<Topic>,
    /// How much of the text was read.
    pub coverage: Coverage,
}

/// A label and how likely it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Topic {
    /// The label, as it was given.
    pub label: String,
    /// Its probability, 0 to 1; see [`Scoring`].
    pub score: f32,
    /// The windows that spoke most for it, strongest first; at most three.
    pub evidence: Vec<Evidence>,
}

/// A part of the text and how likely a topic is by it alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Evidence {
    /// Where the window stands in the source.
    pub span: Span,
    /// The topic's probability by this window.
    pub score: f32,
}

/// Windows named for a topic: enough to see whether one passage or many speak for it.
const EVIDENCE: usize = 3;

/// Pairs of windows and labels in flight. An NLI model meets every window with every label; this
/// bounds the memory that takes, and is a thousand groups' worth of scheduling freedom.
const PAIRS: usize = 1024;

/// Bi-encoders of which no temperature is known: sentence-transformers train with a scale of 20.
const DEFAULT_TEMPERATURE: f32 = 0.05;

/// Bi-encoders of which no threshold is known.
const DEFAULT_THRESHOLD: f32 = 0.3;

const TASK: &str = "topic classification";

impl TopicClassifier {
    /// The bundled English model `topics-en-small`, a bi-encoder.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ModelUnavailable`] in a build without the feature `bundled`.
    pub fn bundled() -> Result<Self, Error> {
        Self::builder("topics-en-small").build()
    }

    /// Starts from a model: a name of the [`Registry`](crate::Registry), or the path of a folder with
    /// `config.json`, `tokenizer.json` and `model.safetensors`. A sequence classifier is taken
    /// for an NLI model, a bare encoder for a bi-encoder. With the feature `hub` it may be
    /// `owner/name` or `owner/name@revision` on the Hugging Face hub.
    pub fn builder(model: impl Into<String>) -> TopicClassifierBuilder {
        TopicClassifierBuilder::new(model.into())
    }

    pub(crate) fn load(loader: &mut Loader, name: &str, options: TopicOptions) -> Result<Self, Error> {
        let heads = [HeadKind::SequenceClassification, HeadKind::Embedding, HeadKind::PromptedTopics];
        let model = loader.load(name, TASK, &heads)?;
        let profile = &model.profile;
        let kind = if model.config.head == HeadKind::PromptedTopics {
            Kind::UniEncoder
        } else if model.config.head == HeadKind::SequenceClassification {
            let labels = &model.config.labels;
            Kind::Nli(Columns::find(labels).ok_or_else(|| {
                let message = format!("the model {name:?} has the labels {labels:?}; NLI takes two or more");
                Error::new(ErrorKind::WrongTask, message)
            })?)
        } else {
            let temperature = options.temperature.or(profile.temperature).unwrap_or(DEFAULT_TEMPERATURE);
            if !(temperature.is_finite() && temperature > 0.0) {
                let message = format!("the temperature is {temperature}; it must be above 0");
                return Err(Error::new(ErrorKind::Options, message));
            }
            let threshold = options.threshold.or(profile.threshold).unwrap_or(DEFAULT_THRESHOLD);
            if !(-1.0..=1.0).contains(&threshold) {
                let message = format!("the threshold is {threshold}; a cosine is between -1 and 1");
                return Err(Error::new(ErrorKind::Options, message));
            }
            let multi_label_temperature = options.temperature.or(profile.multi_label_temperature);
            Kind::BiEncoder(Calibration {
                temperature,
                multi_label_temperature: multi_label_temperature.unwrap_or(temperature),
                threshold,
            })
        };
        let template = options.template.or_else(|| profile.template.clone());
        let template = template.unwrap_or_else(|| match kind {
            Kind::Nli(_) => hypotheses::DEFAULT_TEMPLATE.to_owned(),
            Kind::BiEncoder(_) | Kind::UniEncoder => "{}".to_owned(),
        });
        if !template.contains(hypotheses::PLACE) {
            let message =
                format!("the template {template:?} has no {{}}, so every topic would read the same");
            return Err(Error::new(ErrorKind::Options, message));
        }
        let label_prefix = options.label_prefix.or_else(|| profile.label_prefix.clone()).unwrap_or_default();
        let pooling = options.pooling.or(profile.window_pooling).unwrap_or_default();
        Ok(Self { model, kind, template, label_prefix, scoring: options.scoring, pooling })
    }

    /// Prepares candidate labels for [`classify`](Self::classify): put into the template, and
    /// tokenised (NLI) or encoded (bi-encoder). Labels may repeat. Their
    /// order does not matter, but to a uni-encoder, whose labels see one another.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Labels`] if there is no label, one is blank, or one is so long that it leaves a
    /// window no room for text.
    pub fn label_set<I>(&self, labels: I) -> Result<LabelSet, Error>
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let labels: Vec<String> = labels.into_iter().map(Into::into).collect();
        let refuse = |message: String| Err(Error::new(ErrorKind::Labels, message));
        if labels.is_empty() {
            return refuse("no labels were given; give at least one, such as \"politics\"".into());
        }
        if let Some(at) = labels.iter().position(|label| label.trim().is_empty()) {
            return refuse(format!("label {at} is blank: {:?}", labels[at]));
        }
        let sentence =
            |label: &String| format!("{}{}", self.label_prefix, hypotheses::fill(&self.template, label));
        let sentences: Vec<String> = labels.iter().map(sentence).collect();
        let prepared = match (self.kind, &self.model.config.prompt) {
            (Kind::UniEncoder, Some(style)) => {
                Prepared::Prompt(TopicPrompt::new(&self.model, style, &sentences)?)
            }
            (Kind::Nli(columns), _) => {
                // Half the room of a window, so that no label takes more of it than the text.
                let limit = self.model.window.saturating_sub(self.model.tokenizer.pair_specials()) / 2;
                Prepared::Hypotheses { hypotheses: self.encode_labels(&labels, &sentences, limit)?, columns }
            }
            (Kind::BiEncoder(calibration), _) => {
                let limit = self.model.max_length.saturating_sub(self.model.tokenizer.specials());
                let encoded = self.encode_labels(&labels, &sentences, limit)?;
                let sequences: Vec<Sequence> =
                    encoded.iter().map(|ids| self.model.tokenizer.sequence(ids)).collect();
                Prepared::Embeddings { embeddings: self.embed(&sequences)?, calibration }
            }
            (Kind::UniEncoder, None) => {
                let message = format!("the model {:?} does not say how it is given labels", self.model.name);
                return Err(Error::new(ErrorKind::Config, message));
            }
        };
        let identity = Arc::clone(&self.model.identity);
        Ok(LabelSet { labels, prepared, model: self.model.name.clone(), identity })
    }

    /// The tokens of each label's sentence, at most `limit`.
    fn encode_labels(
        &self,
        labels: &[String],
        sentences: &[String],
        limit: usize,
    ) -> Result<Vec<Vec<u32>>, Error> {
        let encode = |(label, sentence): (&String, &String)| {
            let ids = self.model.tokenizer.encode(sentence)?.ids;
            if ids.len() > limit {
                let found = ids.len();
                let message = format!("the label {label:?} takes {found} tokens; at most {limit} fit");
                return Err(Error::new(ErrorKind::Labels, message));
            }
            Ok(ids)
        };
        labels.iter().zip(sentences).map(encode).collect()
    }

    /// How likely each of `labels` is for `text`. A text of any length is read whole; an empty one
    /// has no topics.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Labels`] if the label set was prepared for another model,
    /// [`ErrorKind::Tokenizer`] if the model's tokenizer refuses the text.
    pub fn classify(&self, text: &str, labels: &LabelSet) -> Result<ClassifiedText, Error> {
        single(self.classify_batch(&[text], labels))
    }

    /// [`classify`](Self::classify) for each of `texts`, in their order. Memory does not grow with
    /// the number of texts, but for the results.
    pub fn classify_batch<T: AsRef<str> + Sync>(
        &self,
        texts: &[T],
        labels: &LabelSet,
    ) -> Vec<Result<ClassifiedText, Error>> {
        let mut results = Vec::with_capacity(texts.len());
        for chunk in chunks(texts, |text| text.as_ref().len()) {
            let documents = self
                .model
                .runtime
                .map(chunk.len(), |index| Document::read(chunk[index].as_ref(), &self.model.tokenizer));
            results.extend(self.classify_documents(&documents, labels));
        }
        results
    }

    /// The embedding of `text`, `[hidden]`, not normalised: the token-weighted mean of its
    /// windows'. All zeros for an empty text.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::WrongTask`] if the model is not a bi-encoder; else as
    /// [`classify`](Self::classify).
    pub fn embed_text(&self, text: &str) -> Result<Array1<f32>, Error> {
        if !matches!(self.kind, Kind::BiEncoder(_)) {
            let message = format!("the model {:?} is no bi-encoder and embeds no texts", self.model.name);
            return Err(Error::new(ErrorKind::WrongTask, message));
        }
        let document = Document::read(text, &self.model.tokenizer);
        let WindowOutputs { windows, rows } = single(run_windows(&self.model, &[document], 0))?;
        if rows.is_empty() {
            return Ok(Array1::zeros(self.model.config.hidden));
        }
        Ok(pooling::pool(&stack(&rows, self.model.config.hidden), &lengths(&windows), WindowPooling::Mean))
    }

    /// The logits of an NLI model for one label of `labels` and a text of one window, in the order
    /// of [`nli_labels`](Self::nli_labels): `[windows, labels of the head]`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::WrongTask`] if the model is no NLI model, [`ErrorKind::Labels`] if the label
    /// set was prepared for another model or has no label `label`.
    pub fn nli_logits(&self, text: &str, labels: &LabelSet, label: usize) -> Result<Array2<f32>, Error> {
        let Prepared::Hypotheses { hypotheses, .. } = self.check(labels)? else {
            let message = format!("the model {:?} is no NLI model and has no NLI logits", self.model.name);
            return Err(Error::new(ErrorKind::WrongTask, message));
        };
        let Some(hypothesis) = hypotheses.get(label) else {
            let message = format!("there is no label {label}: the set has {}", hypotheses.len());
            return Err(Error::new(ErrorKind::Labels, message));
        };
        let document = Document::read(text, &self.model.tokenizer)?;
        let windows = document.windows(self.pair_budget(hypotheses), 0);
        let pair =
            |range: &std::ops::Range<usize>| self.model.pair(&document.tokens, range.clone(), hypothesis);
        self.run(&windows.ranges().iter().map(pair).collect::<Vec<_>>())
    }

    /// The classes of an NLI model's head, in the order of its columns; none for a bi-encoder.
    pub fn nli_labels(&self) -> &[String] {
        &self.model.config.labels
    }

    pub(crate) fn model(&self) -> &Model {
        &self.model
    }

    /// The topics of documents that were read with this model's tokenizer.
    pub(crate) fn classify_documents(
        &self,
        documents: &[Result<Document<'_>, Error>],
        labels: &LabelSet,
    ) -> Vec<Result<ClassifiedText, Error>> {
        let prepared = match self.check(labels) {
            Ok(prepared) => prepared,
            Err(error) => return documents.iter().map(|_| Err(error.clone())).collect(),
        };
        let evidence: Vec<Result<WindowEvidence, Error>> = match prepared {
            Prepared::Hypotheses { hypotheses, columns } => {
                self.nli_evidence(documents, hypotheses, *columns)
            }
            Prepared::Embeddings { embeddings, calibration } => {
                self.bi_encoder_evidence(documents, embeddings, *calibration)
            }
            Prepared::Prompt(prompt) => self.uni_encoder_evidence(documents, prompt),
        };
        self.model.runtime.map(documents.len(), |index| {
            let document = documents[index].as_ref().map_err(Clone::clone)?;
            Ok(self.judge(document, evidence[index].as_ref().map_err(Clone::clone)?, labels))
        })
    }

    fn check<'l>(&self, labels: &'l LabelSet) -> Result<&'l Prepared, Error> {
        if Arc::ptr_eq(&labels.identity, &self.model.identity) {
            return Ok(&labels.prepared);
        }
        let message = format!(
            "the label set was prepared for another classifier, of {:?}; prepare one with this, of {:?}",
            labels.model, self.model.name
        );
        Err(Error::new(ErrorKind::Labels, message))
    }

    /// One mode for all labels; a single label has nothing to be compared with.
    fn scoring(&self, labels: usize) -> Scoring {
        if labels == 1 { Scoring::MultiLabel } else { self.scoring }
    }

    fn pair_budget(&self, hypotheses: &[Vec<u32>]) -> usize {
        // The same windows for every label, so the longest decides. It takes at most half the room,
        // and at least one token, so one is left.
        let longest = hypotheses.iter().map(Vec::len).max().unwrap_or(0);
        self.model.window.saturating_sub(self.model.tokenizer.pair_specials() + longest).max(1)
    }

    fn nli_evidence(
        &self,
        documents: &[Result<Document<'_>, Error>],
        hypotheses: &[Vec<u32>],
        columns: Columns,
    ) -> Vec<Result<WindowEvidence, Error>> {
        let budget = self.pair_budget(hypotheses);
        let scoring = self.scoring(hypotheses.len());
        let mut found: Vec<Result<WindowEvidence, Error>> = documents
            .iter()
            .map(|document| {
                let windows = document.as_ref().map_err(Clone::clone)?.windows(budget, 0);
                let evidence = Array2::zeros((windows.ranges().len(), hypotheses.len()));
                Ok(WindowEvidence { windows, evidence })
            })
            .collect();
        let counts: Vec<usize> =
            found.iter().map(|found| found.as_ref().map_or(0, |found| found.evidence.nrows())).collect();
        // Each window of each document with each label.
        let mut cells = counts.iter().enumerate().flat_map(|(document, &windows)| {
            (0..windows)
                .flat_map(move |window| (0..hypotheses.len()).map(move |label| (document, window, label)))
        });
        loop {
            let part: Vec<(usize, usize, usize)> = cells.by_ref().take(PAIRS).collect();
            if part.is_empty() {
                break found;
            }
            // A document that failed on the way needs no more pairs.
            let pair = |(document, window, label): (usize, usize, usize)| {
                let ranges = found[document].as_ref().ok()?.windows.ranges();
                let tokens = &documents[document].as_ref().ok()?.tokens;
                let pair = self.model.pair(tokens, ranges[window].clone(), &hypotheses[label]);
                Some(((document, window, label), pair))
            };
            let (part, pairs): (Vec<_>, Vec<Sequence>) = part.into_iter().filter_map(pair).unzip();
            let outputs = self.model.runtime.run(&*self.model.backend, &pairs);
            for ((document, window, label), output) in part.into_iter().zip(outputs) {
                match (&mut found[document], output) {
                    (Ok(found), Ok(logits)) => {
                        let contradiction = match scoring {
                            Scoring::SingleLabel => 0.0,
                            // Softmax over the two is the logistic function of their difference.
                            Scoring::MultiLabel => logits[[0, columns.contradiction]],
                        };
                        found.evidence[[window, label]] = logits[[0, columns.entailment]] - contradiction;
                    }
                    (failed @ Ok(_), Err(error)) => *failed = Err(error),
                    (Err(_), _) => {}
                }
            }
        }
    }

    fn bi_encoder_evidence(
        &self,
        documents: &[Result<Document<'_>, Error>],
        labels: &Array2<f32>,
        calibration: Calibration,
    ) -> Vec<Result<WindowEvidence, Error>> {
        let scoring = self.scoring(labels.nrows());
        let compare = |outputs: Result<WindowOutputs, Error>| {
            let WindowOutputs { windows, rows } = outputs?;
            let mut embeddings = stack(&rows, self.model.config.hidden);
            normalise(&mut embeddings);
            // Each document by itself: a product of all windows may round differently with their
            // number, and a batch must give what its documents give alone.
            let mut evidence = embeddings.dot(&labels.t());
            evidence.mapv_inplace(|cosine| calibration.evidence(cosine, scoring));
            Ok(WindowEvidence { windows, evidence })
        };
        run_windows(&self.model, documents, 0).into_iter().map(compare).collect()
    }

    fn uni_encoder_evidence(
        &self,
        documents: &[Result<Document<'_>, Error>],
        prompt: &TopicPrompt,
    ) -> Vec<Result<WindowEvidence, Error>> {
        let mut sequences = Vec::new();
        let plan = |document: &Result<Document<'_>, Error>| {
            let document = document.as_ref().map_err(Clone::clone)?;
            let windows = document.windows(prompt.budget(&self.model), 0);
            let each = windows
                .ranges()
                .iter()
                .map(|range| prompt.sequence(&self.model, &document.tokens, range.clone()));
            sequences.extend(each);
            Ok(windows)
        };
        let plans: Vec<Result<Windows, Error>> = documents.iter().map(plan).collect();
        let mut outputs = self.model.runtime.run(&*self.model.backend, &sequences).into_iter();
        let with_evidence = |windows: Result<Windows, Error>| {
            let windows = windows?;
            let rows: Vec<_> = outputs.by_ref().take(windows.ranges().len()).collect();
            let rows: Vec<Array2<f32>> = rows.into_iter().collect::<Result<_, _>>()?;
            Ok(WindowEvidence { windows, evidence: stack(&rows, prompt.labels()) })
        };
        plans.into_iter().map(with_evidence).collect()
    }

    fn judge(&self, document: &Document<'_>, found: &WindowEvidence, labels: &LabelSet) -> ClassifiedText {
        stage!("judge");
        let WindowEvidence { windows, evidence } = found;
        let coverage = document.coverage(windows);
        if windows.ranges().is_empty() {
            return ClassifiedText { topics: Vec::new(), coverage };
        }
        let scoring = self.scoring(labels.labels.len());
        let pooled = pooling::pool(evidence, &lengths(windows), self.pooling);
        let scores = pooling::probabilities(pooled.view(), scoring);
        let rows = evidence.rows().into_iter();
        let by_window: Vec<Array1<f32>> = rows.map(|row| pooling::probabilities(row, scoring)).collect();
        let bytes = windows.ranges().iter().map(|range| document.bytes(range.clone()));
        let spans: Vec<Span> = bytes.map(|bytes| document.index.span(bytes)).collect();
        let mut topics: Vec<Topic> = labels
            .labels
            .iter()
            .enumerate()
            .map(|(label, name)| {
                let mut order: Vec<usize> = (0..by_window.len()).collect();
                order.sort_by(|&a, &b| by_window[b][label].total_cmp(&by_window[a][label]));
                let strongest = order.into_iter().take(EVIDENCE);
                let evidence = strongest
                    .map(|window| Evidence { span: spans[window].clone(), score: by_window[window][label] })
                    .collect();
                Topic { label: name.clone(), score: scores[label], evidence }
            })
            .collect();
        topics.sort_by(|a, b| b.score.total_cmp(&a.score));
        ClassifiedText { topics, coverage }
    }

    /// One row a sequence.
    fn run(&self, sequences: &[Sequence]) -> Result<Array2<f32>, Error> {
        let outputs = self.model.runtime.run(&*self.model.backend, sequences);
        let rows: Vec<Array2<f32>> = outputs.into_iter().collect::<Result<_, _>>()?;
        Ok(stack(&rows, rows.first().map_or(0, Array2::ncols)))
    }

    /// One unit vector a sequence.
    fn embed(&self, sequences: &[Sequence]) -> Result<Array2<f32>, Error> {
        let mut rows = self.run(sequences)?;
        normalise(&mut rows);
        Ok(rows)
    }
}

/// What each window says of each label, `[windows, labels]`.
struct WindowEvidence {
    windows: Windows,
    evidence: Array2<f32>,
}

/// The tokens of each window.
fn lengths(windows: &Windows) -> Vec<usize> {
    windows.ranges().iter().map(ExactSizeIterator::len).collect()
}

fn stack(rows: &[Array2<f32>], columns: usize) -> Array2<f32> {
    let mut stacked = Array2::zeros((rows.len(), columns));
    for (mut to, from) in stacked.rows_mut().into_iter().zip(rows) {
        to.assign(&from.row(0));
    }
    stacked
}

/// Scales each row to length 1; a row of zeros stays.
fn normalise(rows: &mut Array2<f32>) {
    for mut row in rows.axis_iter_mut(Axis(0)) {
        let norm = row.dot(&row).sqrt();
        if norm > 0.0 {
            row /= norm;
        }
    }
}
