//! Replaces the names in texts.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::ops::Range;

use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::error::{Error, ErrorKind};
use crate::groups::{GroupOptions, groups};
use crate::hex::hex;
use crate::ner::entity::Entity;
use crate::span::Span;
use crate::tagger::TaggedDocument;

/// The fewest bytes in a key: a shorter key can be guessed, and with it the names.
const KEY_BYTES: usize = 16;

/// The number of bytes of a hash that are shown. Among a million names, two have the same hash with a probability of
/// 0.2 %.
const HASH_BYTES: usize = 6;

/// The way in which entities are replaced in a text, for [`TaggedDocument::redact`].
///
/// Only entities that were found are replaced. A model misses some mentions, and more of them in texts that differ from
/// its training data. Its recall, which `entopic eval` measures on your own texts, is the share of mentions that it
/// finds; a mention that it misses stays readable. Read the result before you rely on it. To add rules, pass [`redact`]
/// the entities of the model together with those of [`Rules::find_all`](crate::Rules::find_all). Of two entities that
/// overlap, [`EntityOptions::rules`](crate::EntityOptions::rules) would keep only one, and the rest of the other would
/// stay readable.
///
/// ```
/// use entopic::{BuiltIn, Redaction, Rule, Rules, redact};
///
/// let rules = Rules::new([Rule::built_in(BuiltIn::Email), Rule::built_in(BuiltIn::Phone)])?;
/// let text = "Write to ada@example.org or call +44 20 7946 0958.";
/// let redaction = Redaction::label().only(["EMAIL"]);
/// let redacted = redact(text, &rules.find_all(text), &redaction);
/// assert_eq!(redacted.text, "Write to [EMAIL] or call +44 20 7946 0958.");
/// # Ok::<(), entopic::Error>(())
/// ```
#[derive(Clone)]
pub struct Redaction {
    style: Style,
    only: Option<Vec<String>>,
}

#[derive(Clone)]
enum Style {
    Label,
    Mask(char),
    Hash(Vec<u8>),
    Pseudonym,
}

impl Redaction {
    /// Replaces each entity with its label: `[PER]`.
    ///
    /// ```
    /// use entopic::{BuiltIn, Redaction, Rule, Rules, redact};
    ///
    /// let text = "Write to ada@example.org.";
    /// let found = Rules::new([Rule::built_in(BuiltIn::Email)])?.find_all(text);
    /// assert_eq!(redact(text, &found, &Redaction::label()).text, "Write to [EMAIL].");
    /// # Ok::<(), entopic::Error>(())
    /// ```
    pub fn label() -> Self {
        Self { style: Style::Label, only: None }
    }

    /// Replaces each character of an entity except white space with `mark`, so that the layout stays the same. The
    /// length of names remains visible.
    ///
    /// ```
    /// use entopic::{BuiltIn, Redaction, Rule, Rules, redact};
    ///
    /// let text = "Write to ada@example.org.";
    /// let found = Rules::new([Rule::built_in(BuiltIn::Email)])?.find_all(text);
    /// assert_eq!(redact(text, &found, &Redaction::mask('*')).text, "Write to ***************.");
    /// # Ok::<(), entopic::Error>(())
    /// ```
    pub fn mask(mark: char) -> Self {
        Self { style: Style::Mask(mark), only: None }
    }

    /// Replaces each entity with a keyed hash: `[PER-3f2a91c04b7e]`, the first 48 bits of HMAC-SHA256 over the label
    /// and the mention. A mention has the same hash in all texts, so that texts can be joined; without the key, names
    /// cannot be found by trying candidates. Only equal mentions have the same hash: *Merkel* and *Angela Merkel* do
    /// not.
    ///
    /// ```
    /// use entopic::{BuiltIn, ErrorKind, Redaction, Rule, Rules, redact};
    ///
    /// // In your program, read a random key from where you keep secrets.
    /// let redaction = Redaction::hash([7_u8; 32])?;
    /// let text = "ada@example.org wrote to ada@example.org.";
    /// let found = Rules::new([Rule::built_in(BuiltIn::Email)])?.find_all(text);
    /// let replaced = redact(text, &found, &redaction).replacements;
    /// assert!(replaced[0].replacement.starts_with("[EMAIL-"));
    /// assert_eq!(replaced[0].replacement, replaced[1].replacement);
    /// assert_eq!(Redaction::hash("short").unwrap_err().kind(), ErrorKind::Options);
    /// # Ok::<(), entopic::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Options`] if the key has fewer than 16 bytes.
    pub fn hash(key: impl Into<Vec<u8>>) -> Result<Self, Error> {
        let key = key.into();
        if key.len() < KEY_BYTES {
            let message = format!(
                "the key has {} bytes; it needs at least {KEY_BYTES} random bytes, for example from `openssl rand -hex 32`",
                key.len()
            );
            return Err(Error::new(ErrorKind::Options, message));
        }
        Ok(Self { style: Style::Hash(key), only: None })
    }

    /// Replaces each entity with a pseudonym: `[PER-1]`, the same for all mentions of a thing that have one label, as
    /// found by [`groups`](crate::groups). Things are numbered in the order of the text; numbers that the text already
    /// has in this form are left out.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// use entopic::{Ner, Redaction, redact};
    ///
    /// let text = "Ada Lovelace lives in London. Lovelace writes programs.";
    /// let found = Ner::bundled()?.tag(text)?.entities;
    /// let redacted = redact(text, &found, &Redaction::pseudonym());
    /// assert_eq!(redacted.text, "[PER-1] lives in [LOC-1]. [PER-1] writes programs.");
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    pub fn pseudonym() -> Self {
        Self { style: Style::Pseudonym, only: None }
    }

    /// Replaces only entities with the given labels.
    ///
    /// ```
    /// use entopic::{BuiltIn, Redaction, Rule, Rules, redact};
    ///
    /// let rules = Rules::new([Rule::built_in(BuiltIn::Email), Rule::built_in(BuiltIn::Phone)])?;
    /// let text = "Write to ada@example.org or call +44 20 7946 0958.";
    /// let redacted = redact(text, &rules.find(text), &Redaction::label().only(["EMAIL"]));
    /// assert_eq!(redacted.text, "Write to [EMAIL] or call +44 20 7946 0958.");
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn only<I>(mut self, labels: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.only = Some(labels.into_iter().map(Into::into).collect());
        self
    }

    fn takes(&self, entity: &Entity) -> bool {
        self.only.as_ref().is_none_or(|labels| labels.contains(&entity.label))
    }
}

impl fmt::Debug for Redaction {
    // The key is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let style = match self.style {
            Style::Label => "label",
            Style::Mask(_) => "mask",
            Style::Hash(_) => "hash",
            Style::Pseudonym => "pseudonym",
        };
        f.debug_struct("Redaction").field("style", &style).field("only", &self.only).finish_non_exhaustive()
    }
}

/// A text whose entities were replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Redacted {
    /// The text, which is unchanged outside the replacements.
    pub text: String,
    /// The replacements, in the order of the text. Anyone who has them can undo the redaction: store them separately
    /// from the text.
    pub replacements: Vec<Replacement>,
}

/// A part of a text that was replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Replacement {
    /// The label of the entity; where several overlapped, that of the longest.
    pub label: String,
    /// The original text.
    pub original: String,
    /// The text that replaces it.
    pub replacement: String,
    /// The place of the replacement in the redacted text.
    pub span: Span,
}

impl TaggedDocument {
    /// Replaces the entities in `text`, which is the text of the document. Entities that overlap are replaced as one.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// use entopic::Redaction;
    ///
    /// let text = "Angela Merkel met Joe Biden in Washington. Merkel smiled.";
    /// let document = entopic::Tagger::bundled()?.tag(text)?;
    /// let redacted = document.redact(text, &Redaction::pseudonym());
    /// assert_eq!(redacted.text, "[PER-1] met [PER-2] in [LOC-1]. [PER-1] smiled.");
    /// assert_eq!(redacted.restore().as_deref(), Some(text));
    ///
    /// let people = document.redact(text, &Redaction::label().only(["PER"]));
    /// assert_eq!(people.text, "[PER] met [PER] in Washington. [PER] smiled.");
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    pub fn redact(&self, text: &str, redaction: &Redaction) -> Redacted {
        redact(text, &self.entities, redaction)
    }
}

/// Replaces `entities`, which may be in any order, in `text`. Entities that overlap are replaced as one. See
/// [`TaggedDocument::redact`](crate::TaggedDocument::redact).
///
/// ```
/// use entopic::{BuiltIn, Redaction, Rule, Rules, redact};
///
/// let rules = Rules::new([Rule::built_in(BuiltIn::Email), Rule::built_in(BuiltIn::Phone)])?;
/// let text = "Write to ada@example.org or call +44 20 7946 0958.";
/// let redacted = redact(text, &rules.find(text), &Redaction::label());
/// assert_eq!(redacted.text, "Write to [EMAIL] or call [PHONE].");
/// # Ok::<(), entopic::Error>(())
/// ```
pub fn redact(text: &str, entities: &[Entity], redaction: &Redaction) -> Redacted {
    let numbers = match redaction.style {
        Style::Pseudonym => numbers(text, entities),
        _ => BTreeMap::new(),
    };
    let mut redacted = Redacted { text: String::with_capacity(text.len()), replacements: Vec::new() };
    let (mut done, mut chars) = (0, 0);
    let mut push = |into: &mut String, part: &str| {
        into.push_str(part);
        let start = chars;
        chars += part.chars().count();
        start..chars
    };
    for Part { bytes, entity } in parts(text, entities, redaction) {
        push(&mut redacted.text, &text[done..bytes.start]);
        done = bytes.end;
        let (label, original) = (entities[entity].label.clone(), text[bytes].to_owned());
        let replacement = redaction.style.replace(&label, &original, numbers.get(&entity));
        let start = redacted.text.len();
        let chars = push(&mut redacted.text, &replacement);
        let span = Span { bytes: start..redacted.text.len(), chars };
        redacted.replacements.push(Replacement { label, original, replacement, span });
    }
    push(&mut redacted.text, &text[done..]);
    redacted
}

impl Redacted {
    /// The original text. `None` if the redacted text was changed, so that the replacements are not at their places.
    ///
    /// ```
    /// use entopic::{BuiltIn, Redaction, Rule, Rules, redact};
    ///
    /// let text = "Write to ada@example.org.";
    /// let found = Rules::new([Rule::built_in(BuiltIn::Email)])?.find_all(text);
    /// let mut redacted = redact(text, &found, &Redaction::label());
    /// assert_eq!(redacted.restore().as_deref(), Some(text));
    /// redacted.text.insert_str(0, "Please. ");
    /// assert_eq!(redacted.restore(), None);
    /// # Ok::<(), entopic::Error>(())
    /// ```
    pub fn restore(&self) -> Option<String> {
        let mut original = String::with_capacity(self.text.len());
        let mut done = 0;
        for replacement in &self.replacements {
            let Range { start, end } = replacement.span.bytes;
            if self.text.get(start..end)? != replacement.replacement {
                return None;
            }
            original.push_str(self.text.get(done..start)?);
            original.push_str(&replacement.original);
            done = end;
        }
        original.push_str(self.text.get(done..)?);
        Some(original)
    }
}

impl Style {
    fn replace(&self, label: &str, original: &str, number: Option<&usize>) -> String {
        match self {
            Self::Label => format!("[{label}]"),
            Self::Mask(mark) => original
                .chars()
                .map(|character| if character.is_whitespace() { character } else { *mark })
                .collect(),
            Self::Hash(key) => {
                // HMAC takes keys of any length.
                let Ok(mut hash) = Hmac::<Sha256>::new_from_slice(key) else { return format!("[{label}]") };
                hash.update(label.as_bytes());
                hash.update(&[0]);
                hash.update(original.as_bytes());
                let hash = hash.finalize().into_bytes();
                format!("[{label}-{}]", hex(&hash[..HASH_BYTES]))
            }
            Self::Pseudonym => match number {
                Some(number) => format!("[{label}-{number}]"),
                None => format!("[{label}]"),
            },
        }
    }
}

/// A part of a text that is replaced, and the longest entity in it.
struct Part {
    bytes: Range<usize>,
    entity: usize,
}

/// The parts that entities cover. Entities that overlap make one part.
fn parts(text: &str, entities: &[Entity], redaction: &Redaction) -> Vec<Part> {
    let fits = |entity: &Entity| text.get(entity.span.bytes.clone()).is_some_and(|part| !part.is_empty());
    let taken = entities.iter().enumerate().filter(|(_, entity)| redaction.takes(entity) && fits(entity));
    let mut order: Vec<(usize, &Entity)> = taken.collect();
    order.sort_by_key(|(_, entity)| entity.span.bytes.start);
    let mut parts: Vec<Part> = Vec::new();
    for (number, entity) in order {
        let bytes = entity.span.bytes.clone();
        match parts.last_mut().filter(|last| bytes.start < last.bytes.end) {
            Some(last) => {
                last.bytes.end = last.bytes.end.max(bytes.end);
                if bytes.len() > entities[last.entity].span.bytes.len() {
                    last.entity = number;
                }
            }
            None => parts.push(Part { bytes, entity: number }),
        }
    }
    parts
}

/// The number of each entity's group among those with its label, from 1, in the order of the text. Numbers of
/// pseudonyms that the text already has are left out.
fn numbers(text: &str, entities: &[Entity]) -> BTreeMap<usize, usize> {
    let groups = groups(text, entities, &GroupOptions::new());
    let start = |mention: usize| entities[mention].span.bytes.start;
    let mut firsts: Vec<(usize, usize)> = groups
        .iter()
        .enumerate()
        .filter_map(|(group, found)| Some((start(*found.mentions.first()?), group)))
        .collect();
    firsts.sort_unstable();
    // Labels with brackets are not looked for.
    let in_brackets = text.split(']').filter_map(|part| part.rsplit_once('['));
    let taken: HashSet<&str> = in_brackets.map(|(_, content)| content).collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut numbers = BTreeMap::new();
    for (_, group) in firsts {
        // A group has the label of most of its mentions. A mention with another label gets a number of that label.
        let mut of_labels: BTreeMap<&str, usize> = BTreeMap::new();
        for &mention in &groups[group].mentions {
            let label = entities[mention].label.as_str();
            let number = *of_labels.entry(label).or_insert_with(|| {
                let count = counts.entry(label).or_default();
                *count += 1;
                while taken.contains(format!("{label}-{count}").as_str()) {
                    *count += 1;
                }
                *count
            });
            numbers.insert(mention, number);
        }
    }
    numbers
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};

    use super::{Redaction, Replacement, redact};
    use crate::ner::entity::Entity;
    use crate::span::Span;
    use crate::tagger::TaggedDocument;

    fn document(text: &str, places: &[(usize, usize)]) -> TaggedDocument {
        let bounds: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let entity = |&(start, length): &(usize, usize)| {
            let start = start % bounds.len();
            let end = (start + length).min(bounds.len() - 1);
            let span = Span::from_bytes(text, bounds[start]..bounds[end]).expect("the ends should be bounds");
            Entity::new(format!("L{}", length % 3), text, span, 1.0)
        };
        TaggedDocument { entities: places.iter().map(entity).collect(), ..TaggedDocument::default() }
    }

    fn all() -> [Redaction; 4] {
        let hash = Redaction::hash(*b"0123456789abcdef").expect("the key should be long enough");
        [Redaction::label(), Redaction::mask('█'), hash, Redaction::pseudonym()]
    }

    proptest! {
        #[test]
        fn nothing_of_an_entity_is_left_and_all_else_stays(
            text in any::<String>(),
            places in prop::collection::vec((0_usize..40, 0_usize..6), 0..8),
        ) {
            let document = document(&text, &places);
            for redaction in all() {
                let redacted = document.redact(&text, &redaction);
                assert_eq!(redacted.restore().as_deref(), Some(text.as_str()));
                let mut covered = vec![false; text.len()];
                for entity in &document.entities {
                    covered[entity.span.bytes.clone()].fill(true);
                }
                let taken: usize = redacted.replacements.iter().map(|part| part.original.len()).sum();
                assert_eq!(taken, covered.iter().filter(|covered| **covered).count());
                for Replacement { replacement, span, .. } in &redacted.replacements {
                    assert_eq!(span.of(&redacted.text), replacement);
                    assert_eq!(Span::from_bytes(&redacted.text, span.bytes.clone()).as_ref(), Some(span));
                }
            }
        }
    }

    #[test]
    fn pseudonyms_are_numbered_in_the_order_of_the_text() {
        let text = "Ada met Grace.";
        let entity =
            |bytes| Entity::new("PER", text, Span::from_bytes(text, bytes).expect("it should fit"), 1.0);
        let entities = [entity(8..13), entity(0..3)];
        let redacted = redact(text, &entities, &Redaction::pseudonym());
        assert_eq!(redacted.text, "[PER-1] met [PER-2].");
    }

    #[test]
    fn pseudonyms_differ_from_what_the_text_has() {
        let text = "[[PER-1] and [PER-3] met Ada and Grace.";
        let entity =
            |bytes| Entity::new("PER", text, Span::from_bytes(text, bytes).expect("it should fit"), 1.0);
        let redacted = redact(text, &[entity(25..28), entity(33..38)], &Redaction::pseudonym());
        assert_eq!(redacted.text, "[[PER-1] and [PER-3] met [PER-2] and [PER-4].");
    }

    #[test]
    fn hashes_depend_on_the_key_and_the_mention() {
        let text = "Ada, Ada, Bob";
        let document = document(text, &[(0, 3), (5, 3), (10, 3)]);
        let hashes = |key: &[u8]| {
            let redaction = Redaction::hash(key).expect("the key should be long enough");
            document
                .redact(text, &redaction)
                .replacements
                .into_iter()
                .map(|part| part.replacement)
                .collect::<Vec<_>>()
        };
        let (one, other) = (hashes(b"0123456789abcdef"), hashes(b"0123456789abcdeg"));
        assert!(one[0] == one[1] && one[0] != one[2] && one[0] != other[0]);
        assert!(Redaction::hash(*b"short").is_err());
        assert!(!format!("{:?}", Redaction::hash(*b"0123456789abcdef")).contains("48"));
    }

    #[test]
    fn a_text_that_was_changed_is_not_restored() {
        let text = "Ada lived here.";
        let mut redacted = document(text, &[(0, 3)]).redact(text, &Redaction::label());
        redacted.text.insert(0, ' ');
        assert_eq!(redacted.restore(), None);
        redacted.text.clear();
        assert_eq!(redacted.restore(), None);
    }
}
