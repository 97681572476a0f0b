mod aggregation;
mod scheme;
mod units;

use std::ops::Range;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

pub use aggregation::Aggregation;

use crate::document::{Coverage, Document, Windows, merge};
use crate::error::Error;
use crate::inference::{WindowOutputs, run_windows};
use crate::model::{HeadKind, LoadOptions, Loader, Model, load_setters};
use crate::schedule::{chunks, single};
use crate::span::Span;
use crate::stage::stage;
use scheme::Tag;
use units::Unit;

/// Finds the entities of texts: named-entity recognition by a token-classification model.
///
/// One `Ner` serves any number of threads; every call takes `&self`.
///
/// ```
/// # #[cfg(feature = "bundled")] {
/// let ner = entopic::Ner::bundled()?;
/// let tagged = ner.tag("Ada Lovelace was born in London.")?;
/// let found: Vec<_> = tagged.entities.iter().map(|e| (e.text.as_str(), e.label.as_str())).collect();
/// assert_eq!(found, [("Ada Lovelace", "PER"), ("London", "LOC")]);
/// # }
/// # Ok::<(), entopic::Error>(())
/// ```
pub struct Ner {
    model: Model,
    tags: Vec<Tag>,
    aggregation: Aggregation,
}

/// Builds a [`Ner`].
#[derive(Clone, Debug)]
pub struct NerBuilder {
    model: String,
    aggregation: Aggregation,
    load: LoadOptions,
}

/// One mention of something that has a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Entity {
    /// The entity type, such as `PER`; which there are depends on the model.
    pub label: String,
    /// The mention, as it stands in the source: `source[span.bytes]`.
    pub text: String,
    /// The mean probability of its words' labels, 0 to 1.
    pub score: f32,
    /// Where it stands in the source.
    pub span: Span,
}

/// The entities of a text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TaggedText {
    /// The entities, in the order of the text. With [`Aggregation::Word`] they do not overlap.
    pub entities: Vec<Entity>,
    /// How much of the text was read.
    pub coverage: Coverage,
}

/// The entities of a text that was given as words.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TaggedWords {
    /// The entities, in the order of the words. They do not overlap.
    pub entities: Vec<WordEntity>,
    /// How much of the text was read; its characters are those of the words joined by spaces.
    pub coverage: Coverage,
}

/// One mention in a text that was given as words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WordEntity {
    /// The entity type.
    pub label: String,
    /// The mean probability of its words' labels, 0 to 1.
    pub score: f32,
    /// The indices of its words.
    pub words: Range<usize>,
}

/// What the model said of each token, before any decoding.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TokenLogits {
    /// Where each token stands in the source. Special tokens are left out.
    pub tokens: Vec<Span>,
    /// The logits, `[tokens, labels]`; the columns are in the order of [`Ner::labels`].
    pub logits: Array2<f32>,
}

/// Tokens of its neighbours that a window holds on each side, as a share of the window: 1 / 16.
/// It helps the words beside a cut; an eighth more tokens are computed.
const CONTEXT_SHARE: usize = 16;

const TASK: &str = "named-entity recognition";

impl Ner {
    /// The bundled English model `ner-en-small`: `PER`, `LOC`, `ORG` and `MISC`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ModelUnavailable`](crate::ErrorKind::ModelUnavailable) in a build without the feature `bundled`.
    pub fn bundled() -> Result<Self, Error> {
        Self::builder("ner-en-small").build()
    }

    /// Starts from a model: a name of the [`Registry`](crate::Registry), or the path of a folder with
    /// `config.json`, `tokenizer.json` and `model.safetensors`. With the feature `hub` it may be
    /// `owner/name` or `owner/name@revision` on the Hugging Face hub.
    pub fn builder(model: impl Into<String>) -> NerBuilder {
        NerBuilder { model: model.into(), aggregation: Aggregation::default(), load: LoadOptions::default() }
    }

    pub(crate) fn load(loader: &mut Loader, name: &str, aggregation: Aggregation) -> Result<Self, Error> {
        let model = loader.load(name, TASK, &[HeadKind::TokenClassification])?;
        let tags = model.config.labels.iter().map(|label| Tag::parse(label)).collect();
        Ok(Self { model, tags, aggregation })
    }

    /// The tags that the model gives, in the order of its columns.
    pub fn labels(&self) -> &[String] {
        &self.model.config.labels
    }

    /// The entities of `text`. A text of any length is read whole; an empty one has none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Tokenizer`](crate::ErrorKind::Tokenizer) if the model's tokenizer refuses the text, which none of the usual
    /// kinds does.
    pub fn tag(&self, text: &str) -> Result<TaggedText, Error> {
        single(self.tag_batch(&[text]))
    }

    /// The entities of each of `texts`, in their order: what [`tag`](Self::tag) gives for each
    /// alone. Memory does not grow with the number of texts, but for the results.
    pub fn tag_batch<T: AsRef<str> + Sync>(&self, texts: &[T]) -> Vec<Result<TaggedText, Error>> {
        let mut results = Vec::with_capacity(texts.len());
        for chunk in chunks(texts, |text| text.as_ref().len()) {
            let documents = self.model.runtime.map(chunk.len(), |index| self.read(chunk[index].as_ref()));
            results.extend(self.tag_documents(&documents));
        }
        results
    }

    /// The entities of a text that is given as words, as corpora give it. Entities are whole
    /// words: a word has the label of its first token.
    ///
    /// # Errors
    ///
    /// As [`tag`](Self::tag).
    pub fn tag_words<T: AsRef<str> + Sync>(&self, words: &[T]) -> Result<TaggedWords, Error> {
        single(self.tag_words_batch(&[words]))
    }

    /// [`tag_words`](Self::tag_words) for each of `sentences`, in their order.
    pub fn tag_words_batch<S, T>(&self, sentences: &[S]) -> Vec<Result<TaggedWords, Error>>
    where
        S: AsRef<[T]> + Sync,
        T: AsRef<str> + Sync,
    {
        let bytes = |words: &S| words.as_ref().iter().map(|word| word.as_ref().len() + 1).sum();
        let mut results = Vec::with_capacity(sentences.len());
        for chunk in chunks(sentences, bytes) {
            let joined: Vec<JoinedWords> =
                chunk.iter().map(|words| JoinedWords::new(words.as_ref())).collect();
            let documents = self.model.runtime.map(joined.len(), |index| self.read(&joined[index].text));
            results.extend(self.decode_each(&documents, |index, document, scored| {
                self.decode_words(&joined[index], document, scored)
            }));
        }
        results
    }

    /// The logits of each token of `text`, for callers that decode by themselves.
    ///
    /// # Errors
    ///
    /// As [`tag`](Self::tag).
    pub fn logits(&self, text: &str) -> Result<TokenLogits, Error> {
        let documents = [self.read(text)];
        let scored = single(self.score(&documents))?;
        let [document] = documents;
        let document = document?;
        let tokens = document.tokens.offsets.iter().map(|range| document.index.span(range.clone())).collect();
        Ok(TokenLogits { tokens, logits: scored.logits })
    }

    pub(crate) fn model(&self) -> &Model {
        &self.model
    }

    fn read<'t>(&self, text: &'t str) -> Result<Document<'t>, Error> {
        Document::read(text, &self.model.tokenizer)
    }

    /// The entities of documents that were read with this model's tokenizer.
    pub(crate) fn tag_documents(
        &self,
        documents: &[Result<Document<'_>, Error>],
    ) -> Vec<Result<TaggedText, Error>> {
        self.decode_each(documents, |_, document, scored| self.decode(document, scored))
    }

    /// Runs `documents` and decodes each, given its index, beside the others.
    fn decode_each<T: Send>(
        &self,
        documents: &[Result<Document<'_>, Error>],
        decode: impl Fn(usize, &Document<'_>, &Scored) -> T + Sync,
    ) -> Vec<Result<T, Error>> {
        let scored = self.score(documents);
        self.model.runtime.map(documents.len(), |index| {
            let document = documents[index].as_ref().map_err(Clone::clone)?;
            Ok(decode(index, document, scored[index].as_ref().map_err(Clone::clone)?))
        })
    }

    fn score(&self, documents: &[Result<Document<'_>, Error>]) -> Vec<Result<Scored, Error>> {
        let context = self.model.window_budget() / CONTEXT_SHARE;
        let leading = self.model.tokenizer.leading_specials();
        let score = |outputs: Result<WindowOutputs, Error>| {
            let WindowOutputs { windows, rows } = outputs?;
            Ok(Scored { logits: merge(&windows, &rows, leading), windows })
        };
        run_windows(&self.model, documents, context).into_iter().map(score).collect()
    }

    fn decode(&self, document: &Document<'_>, scored: &Scored) -> TaggedText {
        stage!("decode");
        let units = aggregation::units_of(document, self.aggregation);
        let groups = self.group(document, &units, scored, self.aggregation);
        let entities = groups.into_iter().map(|group| {
            let bytes = units[group.units.start].bytes.start..units[group.units.end - 1].bytes.end;
            let span = document.index.span(bytes);
            Entity {
                label: group.label,
                text: document.text[span.bytes.clone()].to_owned(),
                score: group.score,
                span,
            }
        });
        TaggedText { entities: entities.collect(), coverage: document.coverage(&scored.windows) }
    }

    fn decode_words(&self, words: &JoinedWords, document: &Document<'_>, scored: &Scored) -> TaggedWords {
        let units =
            units::given_words(document, words.ranges.iter().filter(|range| !range.is_empty()).cloned());
        let groups = self.group(document, &units, scored, Aggregation::Word);
        // Words that have no token are no units, so units and words are matched by their place.
        let word_at = |byte: usize| words.ranges.partition_point(|range| range.end <= byte);
        let entities = groups.into_iter().map(|group| {
            let first = word_at(units[group.units.start].bytes.start);
            let last = word_at(units[group.units.end - 1].bytes.start);
            WordEntity { label: group.label, score: group.score, words: first..last + 1 }
        });
        TaggedWords { entities: entities.collect(), coverage: document.coverage(&scored.windows) }
    }

    fn group(
        &self,
        document: &Document<'_>,
        units: &[Unit],
        scored: &Scored,
        aggregation: Aggregation,
    ) -> Vec<aggregation::Group> {
        let probabilities = aggregation::probabilities(&scored.logits);
        let labels = aggregation::Labels { names: &self.model.config.labels, tags: &self.tags };
        aggregation::group(document.text, units, &probabilities, labels, aggregation)
    }
}

/// The logits of a document's tokens, `[tokens, labels]`, and the windows they are from.
struct Scored {
    logits: Array2<f32>,
    windows: Windows,
}

/// Words joined by spaces, and where each stands.
struct JoinedWords {
    text: String,
    ranges: Vec<Range<usize>>,
}

impl JoinedWords {
    fn new<T: AsRef<str>>(words: &[T]) -> Self {
        let mut text = String::new();
        let mut ranges = Vec::with_capacity(words.len());
        for word in words {
            if !text.is_empty() {
                text.push(' ');
            }
            let start = text.len();
            text.push_str(word.as_ref());
            ranges.push(start..text.len());
        }
        Self { text, ranges }
    }
}

impl NerBuilder {
    /// How labels of tokens become entities; [`Aggregation::Word`] if not set.
    #[must_use]
    pub fn aggregation(mut self, aggregation: Aggregation) -> Self {
        self.aggregation = aggregation;
        self
    }

    load_setters!();

    /// The tokens of a window, special tokens included; the registry's, or the model's maximum
    /// length, if not set.
    #[must_use]
    pub fn window(mut self, tokens: usize) -> Self {
        self.load.window = Some(tokens);
        self
    }

    /// Loads the model.
    ///
    /// # Errors
    ///
    /// Names what is unknown, missing, cut off, mis-shaped or out of range, and the valid choices;
    /// see [`ErrorKind`](crate::ErrorKind).
    pub fn build(self) -> Result<Ner, Error> {
        Ner::load(&mut Loader::new(&self.load)?, &self.model, self.aggregation)
    }
}
