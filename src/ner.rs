mod aggregation;
mod options;
mod prompted;
mod scheme;
mod sequence;
mod units;

use std::ops::Range;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

pub use aggregation::Aggregation;
pub(crate) use options::{NerOptions, ner_setters};

use crate::document::{Coverage, Document, Windows, merge};
use crate::error::{Error, ErrorKind};
use crate::inference::{WindowOutputs, run_windows};
use crate::model::{HeadKind, LoadOptions, Loader, Model, PromptStyle, TagScheme, load_setters};
use crate::schedule::{chunks, single};
use crate::span::Span;
use crate::stage::stage;
use prompted::{Candidate, Prompt, Rules};
use scheme::Tag;
use sequence::Sequences;
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
    kind: Kind,
    aggregation: Aggregation,
}

/// Where entity types come from.
enum Kind {
    /// The model's head: a tag a column.
    Tags { tags: Vec<Tag>, sequences: Option<Sequences> },
    /// The caller, who gives them with the text.
    Prompted { style: PromptStyle, types: Vec<String>, rules: Rules },
}

/// Builds a [`Ner`].
#[derive(Clone, Debug)]
pub struct NerBuilder {
    model: String,
    entities: NerOptions,
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
    /// The mean probability of its words' labels, 0 to 1; of a model that is given its types with the text,
    /// the probability of the whole.
    pub score: f32,
    /// Where it stands in the source.
    pub span: Span,
}

/// The entities of a text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TaggedText {
    /// The entities, in the order of the text. They do not overlap with [`Aggregation::Word`], nor of
    /// types that are given with the text unless that was asked for.
    pub entities: Vec<Entity>,
    /// How much of the text was read.
    pub coverage: Coverage,
}

/// The entities of a text that was given as words.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TaggedWords {
    /// The entities, in the order of the words. They do not overlap, unless types are given with the text
    /// and that was asked for.
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

/// Windows whose scores are kept at once, where types are given with the text: enough to keep many threads
/// busy.
const WINDOWS: usize = 256;

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
        NerBuilder { model: model.into(), entities: NerOptions::default(), load: LoadOptions::default() }
    }

    pub(crate) fn load(loader: &mut Loader, name: &str, options: NerOptions) -> Result<Self, Error> {
        let model = loader.load(name, TASK, &[HeadKind::TokenClassification, HeadKind::PromptedEntities])?;
        let NerOptions { aggregation, entity_types, threshold, nested, multi_label } = options;
        let kind = match &model.config.prompt {
            None if !entity_types.is_empty() => return Err(own_types(&model)),
            None => {
                let tags: Vec<Tag> = model.config.labels.iter().map(|label| Tag::parse(label)).collect();
                let is_iob2 = model.config.tag_scheme == Some(TagScheme::Iob2);
                let sequences = is_iob2.then(|| Sequences::iob2(&tags));
                Kind::Tags { tags, sequences }
            }
            Some(_) if !(0.0..1.0).contains(&threshold) => {
                let message = format!("the threshold is {threshold}; a probability is between 0 and 1");
                return Err(Error::new(ErrorKind::Options, message));
            }
            Some(style) => {
                if !entity_types.is_empty() {
                    Prompt::new(&model, style, &entity_types)?;
                }
                let rules = Rules { threshold, nested, multi_label };
                Kind::Prompted { style: style.clone(), types: entity_types, rules }
            }
        };
        Ok(Self { model, kind, aggregation })
    }

    /// The tags that the model gives, in the order of its columns; or the entity types that the builder
    /// was given, for a model that takes them with the text.
    pub fn labels(&self) -> &[String] {
        match &self.kind {
            Kind::Tags { .. } => &self.model.config.labels,
            Kind::Prompted { types, .. } => types,
        }
    }

    /// The entities of `text` of these types, whatever types, if the model takes them with the text
    /// (GLiNER). Fewer and clearer types are found better: `person` rather than `PER`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::WrongTask`] if the model's entity types are its own, [`ErrorKind::Labels`] if there is
    /// no type, one is blank or there twice, or they take more than three quarters of a window; else as
    /// [`tag`](Self::tag).
    pub fn tag_types<T: AsRef<str>>(&self, text: &str, types: &[T]) -> Result<TaggedText, Error> {
        single(self.tag_types_batch(&[text], types))
    }

    /// [`tag_types`](Self::tag_types) for each of `texts`, in their order.
    pub fn tag_types_batch<S, T>(&self, texts: &[S], types: &[T]) -> Vec<Result<TaggedText, Error>>
    where
        S: AsRef<str> + Sync,
        T: AsRef<str>,
    {
        let Kind::Prompted { style, rules, .. } = &self.kind else {
            let error = own_types(&self.model);
            return texts.iter().map(|_| Err(error.clone())).collect();
        };
        let types: Vec<String> = types.iter().map(|name| name.as_ref().to_owned()).collect();
        let mut results = Vec::with_capacity(texts.len());
        for chunk in chunks(texts, |text| text.as_ref().len()) {
            let documents = self.model.runtime.map(chunk.len(), |index| self.read(chunk[index].as_ref()));
            results.extend(self.tag_prompted(&documents, style, &types, *rules));
        }
        results
    }

    /// The entities of `text`. A text of any length is read whole; an empty one has none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Labels`] if the model is given its entity types with the text and the builder had none;
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
            if let Kind::Prompted { style, types, rules } = &self.kind {
                let documents = self.model.runtime.map(joined.len(), |index| joined[index].read(&self.model));
                let found = self.candidates(&documents, style, types, *rules);
                results.extend(found.into_iter().zip(&joined).map(|(found, words)| {
                    let (candidates, coverage) = found?;
                    Ok(TaggedWords { entities: words.entities(candidates, types), coverage })
                }));
                continue;
            }
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
    /// [`ErrorKind::WrongTask`] if the model takes entity types with the text and labels no tokens; else as
    /// [`tag`](Self::tag).
    pub fn logits(&self, text: &str) -> Result<TokenLogits, Error> {
        if let Kind::Prompted { .. } = self.kind {
            let message = format!("the model {:?} scores spans of words, not tokens", self.model.name);
            return Err(Error::new(ErrorKind::WrongTask, message));
        }
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

    /// Whether it tokenises texts word by word, and so by itself.
    pub(crate) fn reads_words(&self) -> bool {
        matches!(self.kind, Kind::Prompted { .. })
    }

    pub(crate) fn read<'t>(&self, text: &'t str) -> Result<Document<'t>, Error> {
        match self.kind {
            Kind::Tags { .. } => Document::read(text, &self.model.tokenizer),
            Kind::Prompted { .. } => Document::of_words(text, prompted::words(text), &self.model.tokenizer),
        }
    }

    /// The entities of documents that were [`read`](Self::read) for this model.
    pub(crate) fn tag_documents(
        &self,
        documents: &[Result<Document<'_>, Error>],
    ) -> Vec<Result<TaggedText, Error>> {
        if let Kind::Prompted { style, types, rules } = &self.kind {
            return self.tag_prompted(documents, style, types, *rules);
        }
        self.decode_each(documents, |_, document, scored| self.decode(document, scored))
    }

    fn tag_prompted(
        &self,
        documents: &[Result<Document<'_>, Error>],
        style: &PromptStyle,
        types: &[String],
        rules: Rules,
    ) -> Vec<Result<TaggedText, Error>> {
        let found = self.candidates(documents, style, types, rules);
        let tagged = found.into_iter().zip(documents).map(|(found, document)| {
            let (candidates, coverage) = found?;
            let document = document.as_ref().map_err(Clone::clone)?;
            let entity = |found: Candidate| {
                let words = &document.words[found.words];
                let bytes = words.first().map_or(0, |word| word.bytes.start)
                    ..words.last().map_or(0, |word| word.bytes.end);
                let span = document.index.span(bytes);
                let text = document.text[span.bytes.clone()].to_owned();
                Entity { label: types[found.label].clone(), text, score: found.score, span }
            };
            Ok(TaggedText { entities: candidates.into_iter().map(entity).collect(), coverage })
        });
        tagged.collect()
    }

    /// The entities of `types` among the words of each document, and how much of it was read.
    fn candidates(
        &self,
        documents: &[Result<Document<'_>, Error>],
        style: &PromptStyle,
        types: &[String],
        rules: Rules,
    ) -> Vec<Result<(Vec<Candidate>, Coverage), Error>> {
        let prompt = match Prompt::new(&self.model, style, types) {
            Ok(prompt) => prompt,
            Err(error) => return documents.iter().map(|_| Err(error.clone())).collect(),
        };
        let mut sequences = Vec::new();
        let plan = |document: &Result<Document<'_>, Error>| {
            let document = document.as_ref().map_err(Clone::clone)?;
            let windows = prompt.windows(&self.model, document);
            let words = windows.ranges().iter().map(|range| {
                let (sequence, words) = prompt.sequence(&self.model, document, range.clone());
                sequences.push(sequence);
                words
            });
            Ok((words.collect::<Vec<_>>(), document.coverage(&windows)))
        };
        let plans: Vec<Result<Plan, Error>> = documents.iter().map(plan).collect();
        // Scores of spans are many: some windows at a time, so that memory does not grow with the texts.
        let mut decoded = Vec::with_capacity(sequences.len());
        for part in sequences.chunks(WINDOWS) {
            let outputs = self.model.runtime.run(&*self.model.backend, part);
            decoded.extend(self.model.runtime.map(part.len(), |index| {
                let scores = outputs[index].as_ref().map_err(Clone::clone)?;
                Ok(prompted::decode(scores, part[index].marks.words.len(), types.len(), rules))
            }));
        }
        let mut decoded = decoded.into_iter();
        let join = |plan: Result<Plan, Error>| {
            let (windows, coverage) = plan?;
            let parts: Vec<Result<Vec<Candidate>, Error>> = decoded.by_ref().take(windows.len()).collect();
            let mut found = Vec::new();
            for (words, candidates) in windows.into_iter().zip(parts) {
                found.extend(candidates?.into_iter().map(|candidate| {
                    let Range { start, end } = candidate.words;
                    Candidate { words: words.start + start..words.start + end, ..candidate }
                }));
            }
            Ok((found, coverage))
        };
        plans.into_iter().map(join).collect()
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
        let Kind::Tags { tags, sequences } = &self.kind else { return Vec::new() };
        let labels =
            aggregation::Labels { names: &self.model.config.labels, tags, sequences: sequences.as_ref() };
        aggregation::group(document.text, units, &probabilities, labels, aggregation)
    }
}

/// The words of each window of a document, and how much of it they cover.
type Plan = (Vec<Range<usize>>, Coverage);

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

    /// The words as a document, each tokenised by itself.
    fn read(&self, model: &Model) -> Result<Document<'_>, Error> {
        let words = self.ranges.iter().filter(|range| !range.is_empty()).cloned().collect();
        Document::of_words(&self.text, words, &model.tokenizer)
    }

    /// `candidates` among those words that are not empty, by their places among all.
    fn entities(&self, candidates: Vec<Candidate>, types: &[String]) -> Vec<WordEntity> {
        let filled: Vec<usize> =
            (0..self.ranges.len()).filter(|&word| !self.ranges[word].is_empty()).collect();
        let entity = |found: Candidate| WordEntity {
            label: types[found.label].clone(),
            score: found.score,
            words: filled[found.words.start]..filled[found.words.end - 1] + 1,
        };
        candidates.into_iter().map(entity).collect()
    }
}

/// Why entity types cannot be given.
fn own_types(model: &Model) -> Error {
    let message = format!(
        "the entity types of the model {:?} are its own: {}; take a model that is given them with the text, such as a GLiNER",
        model.name,
        model.config.labels.join(", ")
    );
    Error::new(ErrorKind::WrongTask, message)
}

impl NerBuilder {
    ner_setters!(threshold, multi_label);
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
        Ner::load(&mut Loader::new(&self.load)?, &self.model, self.entities)
    }
}
