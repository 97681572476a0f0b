//! Reads the files that configure a vocabulary: tokenizer_config.json, special_tokens_map.json, added_tokens.json,
//! and two keys of config.json. They determine the tokens that are matched in a text before it is split.

use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;
use serde_json::{Map, Value};
use tokenizers::{AddedToken, Tokenizer};

use super::added::Added;
use super::class::{ATTRIBUTES, Class, Marks};
use crate::catalogue::files::Files;
use crate::error::{Error, ErrorKind};

const CONFIG: &str = "tokenizer_config.json";
const SPECIALS: &str = "special_tokens_map.json";
const ADDED: &str = "added_tokens.json";
const ADDITIONAL: &str = "additional_special_tokens";
const EXTRA: &str = "extra_special_tokens";

pub(super) struct Settings {
    /// The class that the files name.
    pub(super) class_name: Option<String>,
    config: Map<String, Value>,
    config_name: String,
    /// The special tokens that files name; an inner `None` is a token that they remove.
    given: [Option<Option<Special>>; ATTRIBUTES.len()],
    additional: Option<Vec<Special>>,
    extra: Vec<Special>,
    /// The texts of special tokens; tokens of added_tokens.json with these texts are special.
    named: HashSet<String>,
    /// Tokens beyond the vocabulary, by the ids that the files give them. Only their order counts.
    added: BTreeMap<u32, Added>,
    /// True if `added` came from tokenizer_config.json, in which case it is complete.
    is_whole: bool,
    /// The number of rows in the model's embedding.
    rows: Option<usize>,
}

/// A special token in files and classes: a text alone, or a token with its properties.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Special {
    Text(String),
    Token(Added),
}

impl Special {
    fn content(&self) -> &str {
        match self {
            Self::Text(content) | Self::Token(Added { content, .. }) => content,
        }
    }

    /// Reads a special token; `null` is `None`.
    fn read(value: &Value) -> Result<Option<Self>, String> {
        match value {
            Value::Null => Ok(None),
            Value::String(content) => Ok(Some(Self::Text(content.clone()))),
            Value::Object(_) => match Added::deserialize(value) {
                Ok(added) => Ok(Some(Self::Token(added))),
                Err(error) => Err(error.to_string()),
            },
            _ => Err(format!("{value} is neither a string nor an object")),
        }
    }

    fn read_all(value: &Value) -> Result<Vec<Self>, String> {
        let values = value.as_array().ok_or_else(|| format!("{value} is not a list"))?;
        let tokens = values.iter().map(Self::read).collect::<Result<Vec<_>, _>>()?;
        Ok(tokens.into_iter().flatten().collect())
    }
}

/// The special tokens of a class, with the changes that the files make.
pub(super) struct Specials {
    known: [Option<Special>; ATTRIBUTES.len()],
    additional: Vec<Special>,
}

impl Specials {
    /// The text of an attribute, such as `cls_token`.
    pub(super) fn text(&self, attribute: &str) -> Option<&str> {
        let position = ATTRIBUTES.iter().position(|&name| name == attribute)?;
        self.known[position].as_ref().map(Special::content)
    }
}

impl Settings {
    /// Returns whether there is a tokenizer_config.json.
    pub(super) fn are_there(files: &Files) -> Result<bool, Error> {
        Ok(files.find(CONFIG, ErrorKind::Tokenizer)?.is_some())
    }

    /// Reads the files next to the vocabulary; `config` is the name of the model's own config.
    pub(super) fn read(files: &Files, config: &str) -> Result<Self, Error> {
        let model = object(files, config)?.unwrap_or_default();
        let mut settings = Self {
            class_name: None,
            config: object(files, CONFIG)?.unwrap_or_default(),
            config_name: files.name(CONFIG),
            given: Default::default(),
            additional: None,
            extra: Vec::new(),
            named: HashSet::new(),
            added: BTreeMap::new(),
            is_whole: false,
            rows: model.get("vocab_size").and_then(Value::as_u64).and_then(|rows| rows.try_into().ok()),
        };
        let named = |map: &Map<String, Value>| map.get("tokenizer_class")?.as_str().map(str::to_owned);
        settings.class_name = named(&settings.config).or_else(|| named(&model));
        settings.read_specials(files)?;
        settings.read_added(files)?;
        Ok(settings)
    }

    fn read_specials(&mut self, files: &Files) -> Result<(), Error> {
        let refuse = |file: &str, key: &str, message: String| {
            let message = format!("{}: {key} is unusable: {message}", files.name(file));
            Error::new(ErrorKind::Tokenizer, message)
        };
        for (given, key) in self.given.iter_mut().zip(ATTRIBUTES) {
            if let Some(value) = self.config.get(key) {
                *given = Some(Special::read(value).map_err(|message| refuse(CONFIG, key, message))?);
            }
        }
        // Version 5 of transformers lists them under the second key, which used to contain other tokens by name.
        let of = |key| self.config.get(key).map(|value| (key, value));
        let listed = of(EXTRA).filter(|(_, value)| value.is_array());
        if let Some((key, value)) = of(ADDITIONAL).filter(|(_, value)| !value.is_null()).or(listed) {
            let tokens = Special::read_all(value).map_err(|message| refuse(CONFIG, key, message))?;
            self.additional = Some(tokens);
        }
        if let Some(value) = self.config.get(EXTRA).and_then(Value::as_object) {
            for (key, value) in value {
                let token = Special::read(value).map_err(|message| refuse(CONFIG, key, message))?;
                self.extra.extend(token);
            }
        }
        // A config that lists its tokens has the newer form; transformers reads no other files next to it.
        if self.config.contains_key("added_tokens_decoder") {
            return Ok(());
        }
        // Here transformers ignores the tokens of the config that are objects.
        let texts = |token: &&Special| matches!(token, Special::Text(_));
        let config = self.given.iter().flatten().flatten().chain(self.additional.iter().flatten());
        let mut named: HashSet<String> =
            config.filter(texts).map(|token| token.content().to_owned()).collect();
        let map = object(files, SPECIALS)?.unwrap_or_default();
        let special = |token: Special| match token {
            Special::Token(added) => Special::Token(Added { special: true, ..added }),
            text => text,
        };
        for (given, key) in self.given.iter_mut().zip(ATTRIBUTES) {
            if let Some(value) = map.get(key) {
                let token = Special::read(value).map_err(|message| refuse(SPECIALS, key, message))?;
                named.extend(token.iter().map(|token| token.content().to_owned()));
                *given = Some(token.map(special));
            }
        }
        if let Some(value) = map.get(ADDITIONAL) {
            let tokens = Special::read_all(value).map_err(|message| refuse(SPECIALS, ADDITIONAL, message))?;
            let all = self.additional.get_or_insert_default();
            let mut seen: HashSet<Special> = all.iter().cloned().collect();
            for token in tokens.into_iter().map(special) {
                if seen.insert(token.clone()) {
                    named.insert(token.content().to_owned());
                    all.push(token);
                }
            }
        }
        self.named = named;
        Ok(())
    }

    fn read_added(&mut self, files: &Files) -> Result<(), Error> {
        let refuse = |file: &str, token: &str, message: &str| {
            let message = format!("{}: the added token {token:?} is unusable: {message}", files.name(file));
            Error::new(ErrorKind::Tokenizer, message)
        };
        if let Some(value) = self.config.get("added_tokens_decoder") {
            self.is_whole = true;
            let tokens = value.as_object();
            let tokens = tokens.ok_or_else(|| {
                refuse(CONFIG, "added_tokens_decoder", "it is not an object of tokens by id")
            })?;
            for (id, token) in tokens {
                let added =
                    Added::deserialize(token).map_err(|error| refuse(CONFIG, id, &error.to_string()))?;
                let id = id.parse().map_err(|_| refuse(CONFIG, id, "its id is not a number"))?;
                self.added.insert(id, added);
            }
            return Ok(());
        }
        let Some(tokens) = object(files, ADDED)? else { return Ok(()) };
        for (content, id) in &tokens {
            let id = id.as_u64().and_then(|id| u32::try_from(id).ok());
            let id = id.ok_or_else(|| refuse(ADDED, content, "its id is not a number"))?;
            let special = self.named.contains(content);
            // Set explicitly, it does not change when a class makes the token special later.
            let normalized = Some(!special);
            let added = Added { content: content.clone(), special, normalized, ..Added::default() };
            self.added.insert(id, added);
        }
        Ok(())
    }

    /// A setting of tokenizer_config.json that is true or false.
    pub(super) fn flag(&self, key: &str, default: bool) -> Result<bool, Error> {
        Ok(self.choice(key)?.unwrap_or(default))
    }

    /// A setting of tokenizer_config.json that is true, false or missing.
    pub(super) fn choice(&self, key: &str) -> Result<Option<bool>, Error> {
        match self.config.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(other) => {
                let message = format!("{}: {key} is {other}; it must be true or false", self.config_name);
                Err(Error::new(ErrorKind::Tokenizer, message))
            }
        }
    }

    /// The name of tokenizer_config.json in messages.
    pub(super) fn config_name(&self) -> &str {
        &self.config_name
    }

    /// The text and the id of a token in the files that contradicts that `content` has the id `id`.
    pub(super) fn contradiction(&self, content: &str, id: u32) -> Option<(&str, u32)> {
        let mut listed = self.added.iter().map(|(&id, token)| (token.content.as_str(), id));
        listed.find(|&(other, other_id)| (other == content) != (other_id == id))
    }

    /// The special tokens of a tokenizer that is converted from the files of the slow class.
    pub(super) fn converted_specials(&self, class: &Class) -> Specials {
        let listed = if self.is_whole { self.added.values().collect() } else { Vec::new() };
        let mut specials = self.specials(Some(class), Some(&class.slow), &listed);
        let tokens = specials.known.iter_mut().flatten().chain(&mut specials.additional);
        for token in tokens {
            // The fast class gets copies, in which every property is set.
            if let Special::Token(added) = token {
                added.normalized = Some(added.normalized.unwrap_or(!added.special));
            }
        }
        specials
    }

    /// The special tokens. One that files name has the properties of the token in `listed` with the same text.
    fn specials(&self, class: Option<&Class>, marks: Option<&Marks>, listed: &[&Added]) -> Specials {
        let known = std::array::from_fn(|position| {
            let given = self.given[position].clone().map(|given| {
                let given = given?;
                let listed = listed.iter().find(|token| token.content == given.content());
                Some(listed.map_or(given, |&token| Special::Token(token.clone())))
            });
            let default = || class?.specials[position].map(|content| Special::Text(content.to_owned()));
            match given.unwrap_or_else(default)? {
                Special::Text(content) => {
                    let mark = marks.and_then(|marks| marks.mark(position, &content));
                    Some(mark.map_or(Special::Text(content), Special::Token))
                }
                token => Some(token),
            }
        });
        let default = || class.map_or(&[][..], |class| class.additional_specials).iter();
        let additional = self.additional.clone();
        let mut additional = additional
            .unwrap_or_else(|| default().map(|&content| Special::Text(content.to_owned())).collect());
        additional.extend(self.extra.iter().cloned());
        Specials { known, additional }
    }

    /// Adds the tokens that the files name to a converted tokenizer.
    pub(super) fn extend(&self, tokenizer: &mut Tokenizer, specials: &Specials) -> Result<(), Error> {
        self.add(tokenizer, specials, &self.added)
    }

    /// Adds the tokens that the files name to those of a tokenizer.json, and returns its special tokens.
    pub(super) fn amend(&self, tokenizer: &mut Tokenizer, class: Option<&Class>) -> Result<Specials, Error> {
        let mut added = self.added.clone();
        let own = tokenizer.get_added_tokens_decoder();
        let own: BTreeMap<u32, Added> =
            own.into_iter().map(|(id, token)| (id, Added::from_token(token))).collect();
        let listed = if self.is_whole { &self.added } else { &own };
        let listed: Vec<&Added> = listed.values().collect();
        let specials = self.specials(class, class.map(|class| &class.fast), &listed);
        if !self.is_whole {
            added.extend(own);
        }
        self.add(tokenizer, &specials, &added)?;
        Ok(specials)
    }

    /// Adds the tokens that `PreTrainedTokenizerFast.__init__` adds, in the same order.
    fn add(
        &self,
        tokenizer: &mut Tokenizer,
        specials: &Specials,
        added: &BTreeMap<u32, Added>,
    ) -> Result<(), Error> {
        let mut named: HashSet<&str> = HashSet::new();
        let known = specials.known.iter().flatten();
        let mut all: Vec<&Special> = known.filter(|token| named.insert(token.content())).collect();
        // Among these, a text may appear twice.
        all.extend(specials.additional.iter().filter(|token| !named.contains(token.content())));
        named.extend(specials.additional.iter().map(Special::content));

        let own = tokenizer.get_added_tokens_decoder();
        let mut encoder: HashSet<&str> = own.values().map(|token| token.content.as_str()).collect();
        encoder.extend(added.values().map(|token| token.content.as_str()));
        let marked = |added: &Added| {
            let special = added.special || named.contains(added.content.as_str());
            Added { special, ..added.clone() }.token()
        };
        let mut tokens: Vec<AddedToken> = added.values().map(marked).collect();
        let listed: HashSet<&Added> = added.values().collect();
        // A token that has no id in any file and no row in the embedding could only do harm; transformers adds it and
        // fails on the texts that contain it.
        let is_new = |content: &str| tokenizer.token_to_id(content).is_none();
        let added = tokens.iter().filter(|token| is_new(&token.content)).count();
        let size = tokenizer.get_vocab_size(true) + added;
        let mut room = self.rows.map(|rows| rows.saturating_sub(size));
        for special in all {
            let token = match special {
                Special::Text(content) if encoder.contains(content.as_str()) => continue,
                Special::Text(content) => AddedToken::from(content.as_str(), true),
                Special::Token(token) if listed.contains(token) => continue,
                Special::Token(token) => marked(token),
            };
            if is_new(&token.content) && !encoder.contains(token.content.as_str()) {
                match &mut room {
                    Some(0) => continue,
                    Some(room) => *room -= 1,
                    None => {}
                }
            }
            tokens.push(token);
        }
        tokenizer.add_tokens(tokens).map(drop).map_err(|error| {
            let message = format!("the special and added tokens of {} cannot be used", self.config_name);
            Error::new(ErrorKind::Tokenizer, message).with_source(error)
        })
    }
}

/// Reads the JSON object in a file, if the file exists.
fn object(files: &Files, file: &str) -> Result<Option<Map<String, Value>>, Error> {
    let Some(json) = files.find(file, ErrorKind::Tokenizer)? else { return Ok(None) };
    serde_json::from_slice(&json).map(Some).map_err(|error| {
        let message = format!("{} is not a JSON object", files.name(file));
        Error::new(ErrorKind::Tokenizer, message).with_source(error)
    })
}
