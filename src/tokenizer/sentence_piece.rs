//! Builds tokenizers from SentencePiece models, like `SpmConverter` and its descendants.

mod model_file;

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use tokenizers::models::bpe::{BPE, Merges, Vocab};
use tokenizers::models::unigram::Unigram;
use tokenizers::normalizers::replace::ReplacePattern;
use tokenizers::normalizers::{
    Lowercase, NFKD, NormalizerWrapper, Precompiled, Replace, Sequence, Strip, StripAccents,
};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::pre_tokenizers::punctuation::Punctuation;
use tokenizers::pre_tokenizers::sequence::Sequence as PreTokenizers;
use tokenizers::processors::PostProcessorWrapper;
use tokenizers::{ModelWrapper, SplitDelimiterBehavior, Tokenizer};

use super::class::Pieces;
use super::source::{LARGEST, Source, bert_frame, raw, template};
use crate::error::Error;
use model_file::{Algorithm, ModelFile};

/// The longest piece in bytes. Trained pieces have at most 16 characters, and a piece of a BPE model is split at each
/// of its characters to find its merges.
const LONGEST_PIECE: usize = 1024;

/// The most bytes of all pieces together; each may become a node of the library's prefix tree.
const MOST_BYTES: usize = 16 << 20;

pub(super) fn build(source: &Source<'_>, pieces: Pieces) -> Result<Tokenizer, Error> {
    let file = source.class.kind.files()[0];
    let bytes = source.bytes(file)?;
    let model = ModelFile::read(bytes.as_ref(), LARGEST).map_err(|message| source.refuse(file, message))?;
    check(&model, pieces).map_err(|message| source.refuse(file, message))?;
    let vocabulary = vocabulary(&model, pieces);
    let algorithm = model.algorithm().map_err(|message| source.refuse(file, message))?;
    let refuse = |error| source.refuse(file, "is not a usable SentencePiece model").with_source(error);
    let unknown = match pieces {
        Pieces::XlmRoberta | Pieces::Camembert => Some(3),
        Pieces::Albert | Pieces::DebertaV2 => model.unknown(),
    };
    let splitter: ModelWrapper = match algorithm {
        Algorithm::Unigram => {
            let unknown =
                unknown.ok_or_else(|| source.refuse(file, "has no piece for unknown characters"))?;
            Unigram::from(vocabulary, Some(unknown), false).map_err(refuse)?.into()
        }
        Algorithm::Bpe => {
            let merges = merges(&model, &vocabulary);
            let ids: Vocab = vocabulary.into_iter().map(|(piece, _)| piece).zip(0..).collect();
            BPE::builder()
                .vocab_and_merges(ids, merges)
                .unk_token(model.unknown_text().to_owned())
                .fuse_unk(true)
                .build()
                .map_err(refuse)?
                .into()
        }
    };
    let mut tokenizer = Tokenizer::new(splitter);
    let symbols = model.pieces.iter().filter(|piece| piece.is_control() || piece.is_user_defined());
    tokenizer.add_tokens(symbols.map(|piece| raw(piece.text.clone(), piece.is_control()))).map_err(refuse)?;
    let normalizer = normalizer(source, pieces, model.charsmap())?;
    tokenizer
        .with_normalizer(Some(Sequence::new(normalizer)))
        .map_err(refuse)?
        .with_pre_tokenizer(Some(pre_tokenizer(source, pieces)?));
    Ok(tokenizer)
}

pub(super) fn frame(
    source: &Source<'_>,
    tokenizer: &Tokenizer,
    pieces: Pieces,
) -> Result<PostProcessorWrapper, Error> {
    match pieces {
        Pieces::Albert | Pieces::DebertaV2 => bert_frame(source, tokenizer),
        Pieces::Camembert | Pieces::XlmRoberta => template(source, tokenizer, ["<s>", "</s>"], 2, false),
    }
}

/// Refuses models that SentencePiece itself would not load, and those that would take too much memory.
fn check(model: &ModelFile, pieces: Pieces) -> Result<(), String> {
    let mut seen = HashSet::new();
    let mut bytes = 0;
    for (position, piece) in model.pieces.iter().enumerate() {
        let text = piece.text.as_str();
        if text.is_empty() {
            return Err(format!("its piece {position} is empty"));
        }
        if text.len() > LONGEST_PIECE {
            return Err(format!(
                "its piece {position} has {} bytes; at most {LONGEST_PIECE} are read",
                text.len()
            ));
        }
        if !piece.score.is_finite() {
            return Err(format!("its piece {position}, {text:?}, has the score {}", piece.score));
        }
        if !seen.insert(text) {
            return Err(format!("its piece {position}, {text:?}, appears twice"));
        }
        bytes += text.len();
    }
    if bytes > MOST_BYTES {
        return Err(format!("its pieces have {bytes} bytes together; at most {MOST_BYTES} are read"));
    }
    // Both classes renumber the pieces, and assume that these come first.
    let fairseq = ["<unk>", "<s>", "</s>"];
    let first: Vec<&str> = model.pieces.iter().take(3).map(|piece| piece.text.as_str()).collect();
    if matches!(pieces, Pieces::XlmRoberta | Pieces::Camembert) && first != fairseq {
        return Err(format!("its first pieces are {first:?}, not {fairseq:?}"));
    }
    // The library reads this many numbers without checking that they exist.
    let charsmap = model.charsmap();
    if let Some((size, rest)) = charsmap.split_first_chunk() {
        let size = u32::from_le_bytes(*size) as usize;
        if size > rest.len() || size < 4 {
            return Err(format!("its precompiled_charsmap is cut off: {size} bytes of {}", rest.len()));
        }
    } else if !charsmap.is_empty() {
        return Err("its precompiled_charsmap is cut off".into());
    }
    Ok(())
}

/// The pieces by id with their scores.
fn vocabulary(model: &ModelFile, pieces: Pieces) -> Vec<(String, f64)> {
    let own = model.pieces.iter().map(|piece| (piece.text.clone(), f64::from(piece.score)));
    let fixed = |tokens: &[&str]| tokens.iter().map(|&token| (token.to_owned(), 0.0)).collect::<Vec<_>>();
    match pieces {
        Pieces::DebertaV2 => own.collect(),
        Pieces::Albert => own
            .map(|(piece, score)| {
                let score = if ends_in_digit_and_comma(&piece) { score - 100.0 } else { score };
                (piece, score)
            })
            .collect(),
        Pieces::XlmRoberta => {
            let mut vocabulary = fixed(&["<s>", "<pad>", "</s>", "<unk>"]);
            vocabulary.extend(own.skip(3));
            vocabulary.push(("<mask>".to_owned(), 0.0));
            vocabulary
        }
        Pieces::Camembert => {
            let mut vocabulary = fixed(&["<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>"]);
            vocabulary.push(("<unk>NOTUSED".to_owned(), -100.0));
            vocabulary.extend(own.skip(1));
            vocabulary.push(("<mask>".to_owned(), 0.0));
            vocabulary
        }
    }
}

/// `generate_merges`: every split of a piece into two others, the likeliest piece first.
fn merges(model: &ModelFile, vocabulary: &[(String, f64)]) -> Merges {
    let ids: HashMap<&str, usize> = model.pieces.iter().map(|piece| piece.text.as_str()).zip(0..).collect();
    let mut merges = Vec::new();
    for (piece, score) in vocabulary {
        let splits = piece.char_indices().skip(1).map(|(middle, _)| piece.split_at(middle));
        let splits = splits.filter_map(|(left, right)| {
            let order = (*ids.get(left)?, *ids.get(right)?);
            let lengths = (left.chars().count(), right.chars().count());
            Some((order, lengths, *score, (left, right)))
        });
        let mut splits: Vec<_> = splits.collect();
        splits.sort_by_key(|&(order, ..)| order);
        merges.extend(splits);
    }
    merges.sort_by(|(_, left_lengths, left_score, _), (_, lengths, score, _)| {
        let by_score = score.partial_cmp(left_score).unwrap_or(Ordering::Equal);
        by_score.then_with(|| lengths.cmp(left_lengths))
    });
    merges.into_iter().map(|(.., (left, right))| (left.to_owned(), right.to_owned())).collect()
}

fn normalizer(source: &Source<'_>, pieces: Pieces, charsmap: &[u8]) -> Result<Vec<NormalizerWrapper>, Error> {
    let file = source.class.kind.files()[0];
    let settings = source.settings;
    let replace = |pattern: ReplacePattern, content: &str| {
        let refuse = |error| source.refuse(file, "its normaliser cannot be built").with_source(error);
        Replace::new(pattern, content).map(NormalizerWrapper::from).map_err(refuse)
    };
    let literal = |pattern: &str| ReplacePattern::String(pattern.to_owned());
    let spaces = || ReplacePattern::Regex(" {2,}".to_owned());
    let mut rules: Vec<NormalizerWrapper> = Vec::new();
    match pieces {
        Pieces::Albert => {
            rules.push(replace(literal("``"), "\"")?);
            rules.push(replace(literal("''"), "\"")?);
            if !settings.flag("keep_accents", false)? {
                rules.push(NFKD.into());
                rules.push(StripAccents.into());
            }
            if settings.flag("do_lower_case", true)? {
                rules.push(Lowercase.into());
            }
        }
        Pieces::DebertaV2 => {
            if settings.flag("do_lower_case", false)? {
                rules.push(Lowercase.into());
            }
            rules.push(Strip::new(true, true).into());
        }
        Pieces::Camembert | Pieces::XlmRoberta => {}
    }
    if !charsmap.is_empty() {
        let charsmap = Precompiled::from(charsmap)
            .map_err(|error| source.refuse(file, "its precompiled_charsmap is damaged").with_source(error))?;
        rules.push(charsmap.into());
    }
    match pieces {
        Pieces::Albert | Pieces::DebertaV2 => rules.push(replace(spaces(), " ")?),
        Pieces::Camembert | Pieces::XlmRoberta => {
            rules.push(Strip::new(false, true).into());
            rules.push(replace(spaces(), "▁")?);
        }
    }
    Ok(rules)
}

fn pre_tokenizer(source: &Source<'_>, pieces: Pieces) -> Result<PreTokenizerWrapper, Error> {
    let metaspace = Metaspace::new('▁', PrependScheme::Always, true);
    if pieces != Pieces::DebertaV2 {
        return Ok(metaspace.into());
    }
    let mut all: Vec<PreTokenizerWrapper> = Vec::new();
    if source.settings.flag("split_by_punct", false)? {
        all.push(Punctuation::new(SplitDelimiterBehavior::Isolated).into());
    }
    all.push(metaspace.into());
    Ok(PreTokenizers::new(all).into())
}

/// Returns whether a piece is one that ALBERT's converter takes out of use.
fn ends_in_digit_and_comma(piece: &str) -> bool {
    let mut last = piece.chars().rev();
    last.next() == Some(',') && last.next().is_some_and(is_digit)
}

/// Python's `str.isdigit`: decimal digits of all scripts, superscripts and similar characters.
fn is_digit(character: char) -> bool {
    let code = u32::from(character);
    DIGITS.iter().any(|&(first, last)| (first..=last).contains(&code))
}

/// The ranges of digits, generated with Python 3.11, which has Unicode 14.
#[rustfmt::skip]
const DIGITS: [(u32, u32); 81] = [
    (0x30, 0x39), (0xb2, 0xb3), (0xb9, 0xb9), (0x660, 0x669), (0x6f0, 0x6f9), (0x7c0, 0x7c9),
    (0x966, 0x96f), (0x9e6, 0x9ef), (0xa66, 0xa6f), (0xae6, 0xaef), (0xb66, 0xb6f), (0xbe6, 0xbef),
    (0xc66, 0xc6f), (0xce6, 0xcef), (0xd66, 0xd6f), (0xde6, 0xdef), (0xe50, 0xe59), (0xed0, 0xed9),
    (0xf20, 0xf29), (0x1040, 0x1049), (0x1090, 0x1099), (0x1369, 0x1371), (0x17e0, 0x17e9),
    (0x1810, 0x1819), (0x1946, 0x194f), (0x19d0, 0x19da), (0x1a80, 0x1a89), (0x1a90, 0x1a99),
    (0x1b50, 0x1b59), (0x1bb0, 0x1bb9), (0x1c40, 0x1c49), (0x1c50, 0x1c59), (0x2070, 0x2070),
    (0x2074, 0x2079), (0x2080, 0x2089), (0x2460, 0x2468), (0x2474, 0x247c), (0x2488, 0x2490),
    (0x24ea, 0x24ea), (0x24f5, 0x24fd), (0x24ff, 0x24ff), (0x2776, 0x277e), (0x2780, 0x2788),
    (0x278a, 0x2792), (0xa620, 0xa629), (0xa8d0, 0xa8d9), (0xa900, 0xa909), (0xa9d0, 0xa9d9),
    (0xa9f0, 0xa9f9), (0xaa50, 0xaa59), (0xabf0, 0xabf9), (0xff10, 0xff19), (0x104a0, 0x104a9),
    (0x10a40, 0x10a43), (0x10d30, 0x10d39), (0x10e60, 0x10e68), (0x11052, 0x1105a), (0x11066, 0x1106f),
    (0x110f0, 0x110f9), (0x11136, 0x1113f), (0x111d0, 0x111d9), (0x112f0, 0x112f9), (0x11450, 0x11459),
    (0x114d0, 0x114d9), (0x11650, 0x11659), (0x116c0, 0x116c9), (0x11730, 0x11739), (0x118e0, 0x118e9),
    (0x11950, 0x11959), (0x11c50, 0x11c59), (0x11d50, 0x11d59), (0x11da0, 0x11da9), (0x16a60, 0x16a69),
    (0x16ac0, 0x16ac9), (0x16b50, 0x16b59), (0x1d7ce, 0x1d7ff), (0x1e140, 0x1e149), (0x1e2f0, 0x1e2f9),
    (0x1e950, 0x1e959), (0x1f100, 0x1f10a), (0x1fbf0, 0x1fbf9),
];
