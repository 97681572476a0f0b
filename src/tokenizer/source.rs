//! The files from which a tokenizer is built if there is no tokenizer.json, and functions that all builders share.

use tokenizers::processors::PostProcessorWrapper;
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, Tokenizer};

use super::class::Class;
use super::settings::{Settings, Specials};
use crate::catalogue::files::Files;
use crate::error::{Error, ErrorKind};

/// The most tokens of a vocabulary: four times the largest one known (XLM-V's).
pub(super) const LARGEST: usize = 1 << 22;

/// The size limit of a vocabulary file in bytes: three times the size of XLM-V's.
const LONGEST: usize = 64 << 20;

/// The parts from which a tokenizer without tokenizer.json is built.
pub(super) struct Source<'a> {
    pub(super) files: &'a Files,
    pub(super) class: &'a Class,
    pub(super) settings: &'a Settings,
    pub(super) specials: &'a Specials,
}

impl Source<'_> {
    /// The name of a file in messages.
    pub(super) fn name(&self, file: &str) -> String {
        self.files.name(file)
    }

    /// An error about a file.
    pub(super) fn refuse(&self, file: &str, message: impl std::fmt::Display) -> Error {
        Error::new(ErrorKind::Tokenizer, format!("{}: {message}", self.name(file)))
    }

    /// Reads the bytes of a file.
    pub(super) fn bytes(&self, file: &str) -> Result<impl AsRef<[u8]> + use<>, Error> {
        let bytes = self.files.read(file, ErrorKind::Tokenizer)?;
        if bytes.len() > LONGEST {
            return Err(self.refuse(file, format!("has {} bytes; at most {LONGEST} are read", bytes.len())));
        }
        Ok(bytes)
    }

    /// The special token for `attribute`, which the class needs.
    pub(super) fn special(&self, attribute: &str) -> Result<&str, Error> {
        self.specials.text(attribute).ok_or_else(|| {
            let name = self.settings.config_name();
            let message = format!("{name}: there is no {attribute}, and {} needs one", self.class.name);
            Error::new(ErrorKind::Tokenizer, message)
        })
    }

    /// The id of a special token.
    pub(super) fn id(&self, tokenizer: &Tokenizer, token: &str) -> Result<u32, Error> {
        let file = self.class.kind.files()[0];
        let id = tokenizer.token_to_id(token).ok_or_else(|| {
            self.refuse(file, format!("has no {token:?}, which {} puts around a text", self.class.name))
        })?;
        match self.settings.contradiction(token, id) {
            Some((other, other_id)) => {
                let message =
                    format!("{token:?} is {id}, but another file says that {other:?} is {other_id}");
                Err(self.refuse(file, message))
            }
            None => Ok(id),
        }
    }
}

/// A frame in the form of a template. If `types` is true, the second text is of type 1.
pub(super) fn template(
    source: &Source<'_>,
    tokenizer: &Tokenizer,
    [first, last]: [&str; 2],
    separators: usize,
    types: bool,
) -> Result<PostProcessorWrapper, Error> {
    let refuse = |error: String| {
        let message = format!("{first:?} and {last:?} cannot frame a text: {error}");
        source.refuse(source.class.kind.files()[0], message)
    };
    let second = if types { 1 } else { 0 };
    let mut pair = vec![format!("{first}:0"), "$A:0".to_owned()];
    pair.extend(std::iter::repeat_n(format!("{last}:0"), separators));
    pair.extend([format!("$B:{second}"), format!("{last}:{second}")]);
    let template = TemplateProcessing::builder()
        .try_single(vec![format!("{first}:0"), "$A:0".to_owned(), format!("{last}:0")])
        .map_err(refuse)?
        .try_pair(pair)
        .map_err(refuse)?
        .special_tokens(vec![(first, source.id(tokenizer, first)?), (last, source.id(tokenizer, last)?)])
        .build()
        .map_err(|error| refuse(error.to_string()))?;
    Ok(template.into())
}

/// The frame of BERT's descendants that keep its tokens whatever their files say.
pub(super) fn bert_frame(source: &Source<'_>, tokenizer: &Tokenizer) -> Result<PostProcessorWrapper, Error> {
    template(source, tokenizer, ["[CLS]", "[SEP]"], 1, true)
}

/// The lines of `text` as Python reads them, ended by `\n`, `\r\n` or `\r`, each with whether it was ended.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (&str, bool)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Some(end) = rest.find(['\n', '\r']) else {
            return Some((std::mem::take(&mut rest), false));
        };
        let (line, ended) = rest.split_at(end);
        rest = ended.strip_prefix("\r\n").unwrap_or(&ended[1..]);
        Some((line, true))
    })
}

/// The text of a file that must be UTF-8.
pub(super) fn text<'b>(source: &Source<'_>, file: &str, bytes: &'b [u8]) -> Result<&'b str, Error> {
    std::str::from_utf8(bytes).map_err(|error| {
        let line = 1 + bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count();
        source.refuse(file, format!("line {line} is not UTF-8")).with_source(error)
    })
}

/// A token that is matched in the original text, before normalisation.
pub(super) fn raw(content: String, special: bool) -> AddedToken {
    AddedToken::from(content, special).normalized(false)
}
