//! Byte-level BPE from vocab.json and merges.txt, as `RobertaConverter` and `DebertaConverter`
//! build it.

use std::collections::HashSet;

use tokenizers::Tokenizer;
use tokenizers::models::bpe::{BPE, Merges, Vocab};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::processors::PostProcessorWrapper;
use tokenizers::processors::roberta::RobertaProcessing;

use super::source::{LARGEST, Source, lines, text};
use crate::error::Error;

const VOCABULARY: &str = "vocab.json";
const MERGES: &str = "merges.txt";

pub(super) fn build(source: &Source<'_>) -> Result<Tokenizer, Error> {
    let bytes = source.bytes(VOCABULARY)?;
    let vocabulary: Vocab = serde_json::from_slice(bytes.as_ref()).map_err(|error| {
        source.refuse(VOCABULARY, "is not an object of tokens and their ids").with_source(error)
    })?;
    if let Some((token, id)) = vocabulary.iter().find(|(_, id)| **id as usize >= LARGEST) {
        return Err(
            source.refuse(VOCABULARY, format!("gives {token:?} the id {id}; ids must be below {LARGEST}"))
        );
    }
    let merges = merges(source, &vocabulary)?;
    let model = BPE::builder()
        .vocab_and_merges(vocabulary, merges)
        .continuing_subword_prefix(String::new())
        .end_of_word_suffix(String::new())
        .build()
        .map_err(|error| source.refuse(MERGES, "does not fit vocab.json").with_source(error))?;
    let mut tokenizer = Tokenizer::new(model);
    let add_prefix_space = source.settings.flag("add_prefix_space", false)?;
    tokenizer.with_pre_tokenizer(Some(ByteLevel::new(add_prefix_space, true, true)));
    Ok(tokenizer)
}

pub(super) fn frame(source: &Source<'_>, tokenizer: &Tokenizer) -> Result<PostProcessorWrapper, Error> {
    let token = |attribute| {
        let token = source.special(attribute)?;
        Ok((token.to_owned(), source.id(tokenizer, token)?))
    };
    let frame = RobertaProcessing::new(token("sep_token")?, token("cls_token")?)
        .add_prefix_space(source.settings.flag("add_prefix_space", false)?)
        .trim_offsets(source.settings.flag("trim_offsets", true)?);
    Ok(frame.into())
}

/// Reads the merges by rank. transformers skips the first line, whatever it says, and a last line without a line end.
/// If a merge appears twice, the first one counts.
fn merges(source: &Source<'_>, vocabulary: &Vocab) -> Result<Merges, Error> {
    let bytes = source.bytes(MERGES)?;
    let text = text(source, MERGES, bytes.as_ref())?;
    let mut seen = HashSet::new();
    let mut merges = Merges::new();
    let mut merged = String::new();
    for (number, (line, is_ended)) in lines(text).enumerate().skip(1) {
        if !is_ended {
            break;
        }
        let refuse = |message: String| source.refuse(MERGES, format!("line {}: {message}", number + 1));
        if merges.len() >= LARGEST {
            return Err(refuse(format!("there are more than {LARGEST} merges")));
        }
        let mut parts = line.split_whitespace();
        let (Some(left), Some(right), None) = (parts.next(), parts.next(), parts.next()) else {
            return Err(refuse(format!("{line:?} is not two tokens and a space between them")));
        };
        merged.clear();
        merged.extend([left, right]);
        for token in [left, right, &merged] {
            if !vocabulary.contains_key(token) {
                return Err(refuse(format!(
                    "merges {left:?} and {right:?}, but vocab.json has no {token:?}"
                )));
            }
        }
        if seen.insert((left, right)) {
            merges.push((left.to_owned(), right.to_owned()));
        }
    }
    Ok(merges)
}
