//! Converts texts to token ids. `build` makes a model's tokenizer from the files that it has: `class` knows the
//! tokenizer classes of transformers, `settings` reads the files that configure them, and `word_piece`, `byte_level`
//! and `sentence_piece` read vocabularies.

mod added;
mod build;
mod byte_level;
pub(crate) mod casing;
mod class;
mod growth;
pub(crate) mod place;
mod prepared;
mod sentence_piece;
mod settings;
mod source;
#[cfg(test)]
mod tests;
mod word_piece;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tokenizers::{AddedToken, InputSequence, ModelWrapper, Tokenizer};

use self::prepared::Prepared;
use crate::batch::Sequence;
use crate::catalogue::files::Files;
use crate::catalogue::layout;
use crate::error::{Error, ErrorKind, panic_message};

/// Turns text into token ids, and token ids into sequences with special tokens.
pub(crate) struct TextTokenizer {
    tokenizer: Tokenizer,
    frame: Frame,
    pair_frame: Frame,
    /// The id of the token that stands for text outside the vocabulary.
    unknown: Option<u32>,
    /// The prefix of tokens that continue a word, `##` for WordPiece.
    continuing_prefix: Option<String>,
}

/// The tokens of one text, without special tokens. All vectors have one item per token.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    pub(crate) ids: Vec<u32>,
    /// The casing of the token's word, see [`casing`].
    pub(crate) casing: Vec<u32>,
    /// The place of the token's word, see [`place`].
    pub(crate) places: Vec<u32>,
    /// The byte range of each token in the text. Some tokenizers include the space before a word.
    pub(crate) offsets: Vec<Range<usize>>,
    /// True for tokens that stand for text outside the vocabulary.
    pub(crate) unknown: Vec<bool>,
    /// True for tokens that continue a word, by the rule of transformers' pipelines.
    pub(crate) continues: Vec<bool>,
}

/// The tokens of words that were tokenised one by one. All vectors have one item per token.
#[derive(Debug, Default)]
pub(crate) struct WordTokens {
    pub(crate) ids: Vec<u32>,
    /// The index of each token's word.
    pub(crate) words: Vec<usize>,
    /// The byte range of each token in its word.
    pub(crate) offsets: Vec<Range<usize>>,
    /// True for tokens that stand for text outside the vocabulary.
    pub(crate) unknown: Vec<bool>,
}

impl Tokens {
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }
}

/// The positions of the special tokens around one text, or around two.
#[derive(Clone, Debug, Default)]
struct Frame {
    pieces: Vec<Piece>,
    specials: usize,
}

#[derive(Clone, Copy, Debug)]
enum Piece {
    Special { id: u32, token_type: u32 },
    First { token_type: u32 },
    Second { token_type: u32 },
}

impl TextTokenizer {
    /// Reads a model's tokenizer, or builds it from its vocabulary by the rules of its `model_type`.
    pub(crate) fn load(files: &Files, kind: layout::Tokenizer, model_type: &str) -> Result<Self, Error> {
        let origin = files.name(kind.files().first().unwrap_or(&"tokenizer.json"));
        let load = || {
            let (tokenizer, unknown) = build::build(files, kind, model_type)?;
            Self::new(tokenizer, unknown.as_deref(), &origin)
        };
        guarded(load)
            .unwrap_or_else(|message| Err(Error::new(ErrorKind::Tokenizer, format!("{origin}: {message}"))))
    }

    /// Wraps a tokenizer. `unknown` is the text of its unknown token, if its model does not name it, and `origin`
    /// names its file in messages.
    fn new(mut tokenizer: Tokenizer, unknown: Option<&str>, origin: &str) -> Result<Self, Error> {
        let refuse = |message: String| Error::new(ErrorKind::Tokenizer, format!("{origin}: {message}"));
        // The file's truncation would lose text, and its padding would be computed in vain.
        tokenizer
            .with_truncation(None)
            .map_err(|error| refuse("its truncation cannot be cleared".into()).with_source(error))?
            .with_padding(None);
        let (own_unknown, continuing_prefix) = match tokenizer.get_model() {
            ModelWrapper::WordPiece(model) => {
                (Some(model.unk_token.as_str()), Some(model.continuing_subword_prefix.clone()))
            }
            ModelWrapper::WordLevel(model) => (Some(model.unk_token.as_str()), None),
            ModelWrapper::BPE(model) => (model.unk_token.as_deref(), model.continuing_subword_prefix.clone()),
            // It only has the position of its unknown token, and does not expose that.
            ModelWrapper::Unigram(_) => {
                (["<unk>", "[UNK]"].into_iter().find(|token| tokenizer.token_to_id(token).is_some()), None)
            }
        };
        let unknown = unknown.or(own_unknown).and_then(|token| tokenizer.token_to_id(token));
        let continuing_prefix = continuing_prefix.filter(|prefix| !prefix.is_empty());

        let encode_error =
            |error| refuse("the tokenizer cannot encode the letter \"a\"".into()).with_source(error);
        let single = tokenizer.encode("a", true).map_err(encode_error)?;
        let pair = tokenizer.encode(("a", "a"), true).map_err(encode_error)?;
        let frame = |encoding, sequences| {
            Frame::read(encoding, sequences)
                .ok_or_else(|| refuse("the tokenizer has no token for the letter \"a\"".into()))
        };
        let (frame, pair_frame) = (frame(&single, 1)?, frame(&pair, 2)?);
        Ok(Self { tokenizer, frame, pair_frame, unknown, continuing_prefix })
    }

    /// Tokenises `text` after preparing it; offsets are those in `text` itself.
    pub(crate) fn encode_prepared(&self, text: &str) -> Result<Tokens, Error> {
        let prepared = Prepared::new(text);
        let mut tokens = self.encode(&prepared.text)?;
        for range in &mut tokens.offsets {
            *range = prepared.source(range.clone());
        }
        Ok(tokens)
    }

    /// Tokenises the whole of `text`, without special tokens.
    pub(crate) fn encode(&self, text: &str) -> Result<Tokens, Error> {
        let refuse = || {
            let start: String = text.chars().take(40).collect();
            Error::new(ErrorKind::Tokenizer, format!("the tokenizer refused the text that begins {start:?}"))
        };
        let encoding = guarded(|| self.tokenizer.encode(text, false))
            .map_err(|message| refuse().with_source(message))?
            .map_err(|error| refuse().with_source(error))?;
        let offsets: Vec<Range<usize>> = encoding
            .get_offsets()
            .iter()
            .map(|&(start, end)| {
                let end = end.min(text.len());
                start.min(end)..end
            })
            .collect();
        let unknown: Vec<bool> = encoding.get_ids().iter().map(|&id| Some(id) == self.unknown).collect();
        let continues = (0..offsets.len())
            .map(|at| {
                // The string of a special token that absorbs the space before it includes that space.
                let token = encoding.get_tokens()[at].trim_matches(' ');
                !unknown[at] && self.continues(text, token, &offsets[at])
            })
            .collect();
        let (casing, places) = word_classes(text, encoding.get_word_ids(), &offsets);
        Ok(Tokens { ids: encoding.get_ids().to_vec(), casing, places, offsets, unknown, continues })
    }

    /// Tokenises each of `words` separately after preparing it; offsets are those in the words themselves.
    pub(crate) fn encode_prepared_words(&self, words: &[&str]) -> Result<WordTokens, Error> {
        let prepared: Vec<Prepared<'_>> = words.iter().map(|word| Prepared::new(word)).collect();
        let texts: Vec<&str> = prepared.iter().map(|word| &*word.text).collect();
        let mut tokens = self.encode_words(&texts)?;
        for (range, &word) in tokens.offsets.iter_mut().zip(&tokens.words) {
            if let Some(word) = prepared.get(word) {
                *range = word.source(range.clone());
            }
        }
        Ok(tokens)
    }

    /// Tokenises each of `words` separately, without special tokens.
    pub(crate) fn encode_words(&self, words: &[&str]) -> Result<WordTokens, Error> {
        let refuse = || {
            let start = words.first().copied().unwrap_or_default();
            Error::new(ErrorKind::Tokenizer, format!("the tokenizer refused the words that begin {start:?}"))
        };
        let input = InputSequence::from(words);
        let encoding = guarded(|| self.tokenizer.encode(input, false))
            .map_err(|message| refuse().with_source(message))?
            .map_err(|error| refuse().with_source(error))?;
        let words_of = encoding.get_word_ids().iter().map(|word| word.map_or(0, |word| word as usize));
        Ok(WordTokens {
            ids: encoding.get_ids().to_vec(),
            words: words_of.collect(),
            offsets: encoding.get_offsets().iter().map(|&(start, end)| start..end.max(start)).collect(),
            unknown: encoding.get_ids().iter().map(|&id| Some(id) == self.unknown).collect(),
        })
    }

    /// The id of a token.
    pub(crate) fn id_of(&self, token: &str) -> Option<u32> {
        self.tokenizer.token_to_id(token)
    }

    /// Adds tokens, which are never split, with the next free ids.
    pub(crate) fn add_tokens(&mut self, tokens: &[String], origin: &str) -> Result<(), Error> {
        let added: Vec<AddedToken> =
            tokens.iter().map(|token| AddedToken::from(token.as_str(), false)).collect();
        let refuse = |source: String| {
            Error::new(ErrorKind::Tokenizer, format!("{origin}: its tokenizer cannot add {tokens:?}"))
                .with_source(source)
        };
        guarded(|| self.tokenizer.add_tokens(added).map(|_| ()))
            .map_err(refuse)?
            .map_err(|error| refuse(error.to_string()))
    }

    /// Returns whether a token continues a word, by transformers' rule
    /// (`TokenClassificationPipeline.gather_pre_entities`).
    fn continues(&self, text: &str, token: &str, range: &Range<usize>) -> bool {
        let source = text.get(range.clone()).unwrap_or_default();
        if self.continuing_prefix.is_some() {
            return token.chars().count() != source.chars().count();
        }
        // Neither the character before the token nor its first one is a space.
        let before = text.get(..range.start).and_then(|before| before.chars().next_back());
        let first = text.get(range.start..).and_then(|rest| rest.chars().next());
        before.is_some() && before != Some(' ') && first != Some(' ')
    }

    /// The number of special tokens around one text.
    pub(crate) fn specials(&self) -> usize {
        self.frame.specials
    }

    /// The number of special tokens around a pair of texts.
    pub(crate) fn pair_specials(&self) -> usize {
        self.pair_frame.specials
    }

    /// The number of special tokens before the text, in a sequence of one text.
    pub(crate) fn leading_specials(&self) -> usize {
        self.frame.pieces.iter().take_while(|piece| matches!(piece, Piece::Special { .. })).count()
    }

    /// Builds the sequence of one text.
    pub(crate) fn sequence(&self, text: &[u32]) -> Sequence {
        self.frame.fill(text, &[])
    }

    /// Builds the sequence of two texts.
    pub(crate) fn pair(&self, first: &[u32], second: &[u32]) -> Sequence {
        self.pair_frame.fill(first, second)
    }

    /// The largest id in the vocabulary.
    pub(crate) fn largest_id(&self) -> u32 {
        self.tokenizer.get_vocab(true).into_values().max().unwrap_or(0)
    }
}

impl Frame {
    /// Reads the frame off an encoding of one-letter texts.
    fn read(encoding: &tokenizers::Encoding, sequences: usize) -> Option<Self> {
        let mut frame = Self::default();
        let mut seen = None;
        for (token, of) in encoding.get_sequence_ids().into_iter().enumerate() {
            let token_type = encoding.get_type_ids()[token];
            match of {
                None => {
                    frame.pieces.push(Piece::Special { id: encoding.get_ids()[token], token_type });
                    frame.specials += 1;
                }
                Some(_) if of == seen => {}
                Some(0) => frame.pieces.push(Piece::First { token_type }),
                Some(_) => frame.pieces.push(Piece::Second { token_type }),
            }
            seen = of.or(seen);
        }
        (frame.pieces.len() == frame.specials + sequences).then_some(frame)
    }

    fn fill(&self, first: &[u32], second: &[u32]) -> Sequence {
        let mut sequence = Sequence::default();
        for piece in &self.pieces {
            let (ids, token_type) = match piece {
                Piece::Special { id, token_type } => (std::slice::from_ref(id), token_type),
                Piece::First { token_type } => (first, token_type),
                Piece::Second { token_type } => (second, token_type),
            };
            sequence.ids.extend_from_slice(ids);
            sequence.token_types.resize(sequence.ids.len(), *token_type);
        }
        sequence
    }
}

/// Runs `f` and turns a panic into a message: the tokenizers library panics on some damaged files and unforeseen
/// texts. Nothing that `f` leaves half done is used afterwards.
fn guarded<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(f))
        .map_err(|panic| format!("the tokenizers library panicked: {}", panic_message(&*panic)))
}

/// The casing and place of each token's word, which is the text from the first to the last token of a pre-tokenised
/// word.
fn word_classes(text: &str, words: &[Option<u32>], offsets: &[Range<usize>]) -> (Vec<u32>, Vec<u32>) {
    let (mut casing, mut places) = (Vec::with_capacity(words.len()), Vec::with_capacity(words.len()));
    while casing.len() < words.len() {
        let first = casing.len();
        let last =
            (first..words.len()).take_while(|&token| words[token] == words[first]).last().unwrap_or(first);
        let word = text.get(offsets[first].start..offsets[last].end).unwrap_or_default();
        casing.resize(last + 1, casing::class(word));
        places.resize(last + 1, place::of_word(text, offsets[first].start));
    }
    (casing, places)
}
