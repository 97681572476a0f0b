//! WordPiece from vocab.txt, as `BertConverter` and `MPNetConverter` build it.

use tokenizers::Tokenizer;
use tokenizers::models::bpe::Vocab;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::PostProcessorWrapper;

use super::class::Kind;
use super::source::{LARGEST, Source, lines, template, text};
use crate::error::Error;

const FILE: &str = "vocab.txt";

pub(super) fn build(source: &Source<'_>) -> Result<Tokenizer, Error> {
    let unknown = source.special("unk_token")?;
    let vocabulary = vocabulary(source)?;
    if !vocabulary.contains_key(unknown) {
        return Err(source.refuse(FILE, format!("has no {unknown:?}, which stands for unknown words")));
    }
    let model = WordPiece::builder().vocab(vocabulary).unk_token(unknown.to_owned()).build();
    let refuse = |error| source.refuse(FILE, "is not a usable vocabulary").with_source(error);
    let mut tokenizer = Tokenizer::new(model.map_err(refuse)?);
    let settings = source.settings;
    let lowercase = settings.flag("do_lower_case", true)?;
    let strip_accents = settings.choice("strip_accents")?;
    // MPNet's fast class does not set this option again after the conversion.
    let is_basic = source.class.kind == Kind::WordPiece || settings.flag("do_basic_tokenize", true)?;
    let chinese = is_basic && settings.flag("tokenize_chinese_chars", true)?;
    tokenizer
        .with_normalizer(Some(BertNormalizer::new(true, chinese, strip_accents, lowercase)))
        .map_err(refuse)?
        .with_pre_tokenizer(Some(BertPreTokenizer));
    Ok(tokenizer)
}

pub(super) fn frame(source: &Source<'_>, tokenizer: &Tokenizer) -> Result<PostProcessorWrapper, Error> {
    let tokens = [source.special("cls_token")?, source.special("sep_token")?];
    let separators = if source.class.kind == Kind::MpnetWordPiece { 2 } else { 1 };
    template(source, tokenizer, tokens, separators, true)
}

/// Reads the tokens by line; if a token appears twice, the last one counts.
fn vocabulary(source: &Source<'_>) -> Result<Vocab, Error> {
    let bytes = source.bytes(FILE)?;
    let text = text(source, FILE, bytes.as_ref())?;
    let mut vocabulary = Vocab::default();
    for ((token, _), id) in lines(text).zip(0..) {
        if id as usize >= LARGEST {
            return Err(source.refuse(FILE, format!("has more than {LARGEST} lines")));
        }
        vocabulary.insert(token.to_owned(), id);
    }
    Ok(vocabulary)
}
