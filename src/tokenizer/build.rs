//! Builds the fast tokenizer that transformers would load from a model's files.
//!
//! Without a tokenizer.json, transformers makes the slow tokenizer of the model's class from its
//! vocabulary and converts it (`convert_slow_tokenizer.py`). With one, the class still applies
//! differing settings in tokenizer_config.json. This follows transformers 4.49 in both cases; tests
//! compare it with transformers' own results.

use tokenizers::Tokenizer;
use tokenizers::normalizers::NormalizerWrapper;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::processors::PostProcessorWrapper;

use super::class::{self, Class, Kind};
use super::growth::{self, Steps};
use super::settings::Settings;
use super::source::{Source, bert_frame};
use super::{byte_level, sentence_piece, word_piece};
use crate::catalogue::files::Files;
use crate::catalogue::layout;
use crate::error::{Error, ErrorKind};

/// The file in which a model may name the class of its tokenizer.
const CONFIG: &str = "config.json";

/// A tokenizer, and the text of its unknown token, if the model's class or files name one.
pub(super) type Built = (Tokenizer, Option<String>);

/// Builds or reads the tokenizer of a model of the given `model_type`.
pub(super) fn build(files: &Files, kind: layout::Tokenizer, model_type: &str) -> Result<Built, Error> {
    if kind == layout::Tokenizer::Json {
        return read(files, model_type);
    }
    let settings = Settings::read(files, CONFIG)?;
    let class = choose(files, kind, model_type, &settings)?;
    let specials = settings.converted_specials(class);
    let source = Source { files, class, settings: &settings, specials: &specials };
    let mut tokenizer = match class.kind {
        Kind::WordPiece | Kind::MpnetWordPiece => word_piece::build(&source)?,
        Kind::ByteLevel | Kind::DebertaByteLevel => byte_level::build(&source)?,
        Kind::SentencePiece(pieces) => sentence_piece::build(&source, pieces)?,
    };
    growth::check(&Steps::of(&tokenizer))
        .map_err(|fault| Error::new(ErrorKind::Tokenizer, format!("{}: {fault}", files.origin)))?;
    settings.extend(&mut tokenizer, &specials)?;
    tokenizer.set_encode_special_tokens(settings.flag("split_special_tokens", false)?);
    let frame = match class.kind {
        Kind::WordPiece | Kind::MpnetWordPiece => word_piece::frame(&source, &tokenizer)?,
        Kind::ByteLevel => byte_level::frame(&source, &tokenizer)?,
        Kind::SentencePiece(pieces) => sentence_piece::frame(&source, &tokenizer, pieces)?,
        Kind::DebertaByteLevel => bert_frame(&source, &tokenizer)?,
    };
    tokenizer.with_post_processor(Some(frame));
    let unknown = specials.text("unk_token").map(str::to_owned);
    Ok((tokenizer, unknown))
}

/// Chooses the class of a vocabulary's tokenizer, and checks that all its files exist.
fn choose(
    files: &Files,
    kind: layout::Tokenizer,
    model_type: &str,
    settings: &Settings,
) -> Result<&'static Class, Error> {
    let there = kind.files().join(" and ");
    let refuse = |why: String, way_out: &str| {
        let message = format!("{} has {there} but no tokenizer.json, and {why}; {way_out}", files.origin);
        Err(Error::new(ErrorKind::Tokenizer, message))
    };
    let save = "make tokenizer.json once with transformers: \
                AutoTokenizer.from_pretrained(folder, use_fast=True).save_pretrained(folder)";
    let named = settings.class_name.as_deref();
    if let Some(name) = named.filter(|name| class::is_python_only(name)) {
        let why = format!("its tokenizer class {name} splits text with Python code that has no fast form");
        return refuse(why, "choose a model that has a tokenizer.json");
    }
    let found = match named {
        Some(name) => class::named(name),
        None => class::of_model_type(model_type),
    };
    let Some(class) = found else {
        let why = match named {
            Some(name) => format!("its tokenizer class {name} is not among those that are built without one"),
            None => format!("no tokenizer class is known for model_type {model_type:?}"),
        };
        return refuse(format!("{why} ({})", class::names()), save);
    };
    for file in class.kind.files() {
        if files.find(file, ErrorKind::Tokenizer)?.is_none() {
            return refuse(
                format!("its tokenizer class {} reads {file}, which is missing", class.name),
                save,
            );
        }
    }
    Ok(class)
}

/// Reads a tokenizer.json, with the changes that its class makes on loading.
fn read(files: &Files, model_type: &str) -> Result<Built, Error> {
    const FILE: &str = "tokenizer.json";
    let json = files.read(FILE, ErrorKind::Tokenizer)?;
    let refuse =
        |message: String| Error::new(ErrorKind::Tokenizer, format!("{} {message}", files.name(FILE)));
    let unusable = || refuse("is not a usable tokenizer.json".into());
    let steps: Steps = serde_json::from_slice(&json).map_err(|error| unusable().with_source(error))?;
    growth::check(&steps).map_err(|fault| refuse(format!("is refused: {fault}")))?;
    let mut tokenizer = Tokenizer::from_bytes(&json).map_err(|error| unusable().with_source(error))?;
    // Without other files, it is used unchanged. transformers lower-cases even then for BERT's classes.
    if !Settings::are_there(files)? {
        return Ok((tokenizer, None));
    }
    let settings = Settings::read(files, CONFIG)?;
    let class = match settings.class_name.as_deref() {
        Some(name) => class::named(name),
        None => class::of_model_type(model_type),
    };
    let specials = settings.amend(&mut tokenizer, class)?;
    tokenizer.set_encode_special_tokens(settings.flag("split_special_tokens", false)?);
    let add_prefix_space = settings.flag("add_prefix_space", false)?;
    if let Some(PreTokenizerWrapper::ByteLevel(byte_level)) = tokenizer.get_pre_tokenizer() {
        let byte_level = byte_level.add_prefix_space(add_prefix_space);
        tokenizer.with_pre_tokenizer(Some(byte_level));
    }
    match class.map(|class| class.kind) {
        Some(kind @ (Kind::WordPiece | Kind::MpnetWordPiece)) => {
            renormalize(&mut tokenizer, &settings, kind)?
        }
        Some(Kind::ByteLevel) => {
            let trim_offsets = settings.flag("trim_offsets", true)?;
            match tokenizer.get_post_processor().cloned() {
                Some(PostProcessorWrapper::Roberta(frame)) => {
                    let frame = frame.add_prefix_space(add_prefix_space).trim_offsets(trim_offsets);
                    tokenizer.with_post_processor(Some(frame));
                }
                Some(PostProcessorWrapper::ByteLevel(frame)) => {
                    let frame = frame.add_prefix_space(add_prefix_space).trim_offsets(trim_offsets);
                    tokenizer.with_post_processor(Some(frame));
                }
                _ => {}
            }
        }
        _ => {}
    }
    Ok((tokenizer, specials.text("unk_token").map(str::to_owned)))
}

/// Sets BERT's normaliser as tokenizer_config.json says.
fn renormalize(tokenizer: &mut Tokenizer, settings: &Settings, kind: Kind) -> Result<(), Error> {
    let Some(NormalizerWrapper::BertNormalizer(found)) = tokenizer.get_normalizer() else { return Ok(()) };
    let mut normalizer = *found;
    normalizer.lowercase = settings.flag("do_lower_case", true)?;
    normalizer.strip_accents = settings.choice("strip_accents")?;
    if kind == Kind::WordPiece {
        normalizer.handle_chinese_chars = settings.flag("tokenize_chinese_chars", true)?;
    }
    tokenizer.with_normalizer(Some(normalizer)).map(drop).map_err(|error| {
        let message = "its added tokens cannot be normalised";
        Error::new(ErrorKind::Tokenizer, format!("{}: {message}", settings.config_name())).with_source(error)
    })
}
