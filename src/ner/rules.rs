//! Rules that find entities without a model.

pub(crate) mod built_in;
mod file;
mod phrases;
pub(crate) mod rule;

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use self::phrases::Phrases;
use self::rule::{Finder, Match, Rule};
use super::entity::{Entity, FoundBy, merge};
use crate::bytes::text_of;
use crate::error::{Error, ErrorKind};
use crate::limits::{LARGEST_PATTERNS, LONGEST_LABEL, LONGEST_PATTERN, LONGEST_PHRASES, MOST_PHRASES};
use crate::span::CharIndex;

/// The most bytes that the automaton of a pattern may take: the default of the crate `regex`.
const LARGEST_PATTERN: usize = 10 << 20;

/// The limit with which a pattern is compiled first: enough for some words, but not for `\w`, which has all scripts.
const SMALL_PATTERN: usize = 16 << 10;

/// Rules that find entities without a model: phrases, patterns, and built-in sets for dates, sums of money and the
/// like. [`EntityOptions::rules`](crate::EntityOptions::rules) combines them with a model; [`find`](Self::find) applies
/// them alone.
///
/// The results never overlap. Where matches overlap, the rule with the higher [priority](Rule::priority) wins; with
/// equal priorities the longer match, then the match that begins first, then the rule that was given first. Rules win
/// over a model, unless their priority is below 0. [`Entity::found_by`](crate::Entity::found_by) reports the source of
/// an entity.
///
/// `Rules` is a handle: cloning it costs nothing.
///
/// ```
/// use entopic::{BuiltIn, Rule, Rules};
///
/// let rules = Rules::new([
///     Rule::phrases("PRODUCT", ["Pixel 9", "Pixel 9 Pro"]).ignore_case(true),
///     Rule::pattern("ORDER", r"\border (?<entity>\d{4}-\d{4})\b"),
///     Rule::built_in(BuiltIn::Email),
/// ])?;
/// let found = rules.find("The PIXEL 9 Pro of order 4711-0815 is late, says ada@example.org.");
/// let found: Vec<_> = found.iter().map(|entity| (&*entity.label, &*entity.text)).collect();
/// assert_eq!(found, [("PRODUCT", "PIXEL 9 Pro"), ("ORDER", "4711-0815"), ("EMAIL", "ada@example.org")]);
/// # Ok::<(), entopic::Error>(())
/// ```
#[derive(Clone)]
pub struct Rules {
    compiled: Arc<Compiled>,
}

struct Compiled {
    rules: Vec<Rule>,
    phrases: Phrases,
    /// Each pattern with the index of its rule.
    patterns: Vec<(usize, Regex)>,
    sets: Vec<(usize, built_in::Set)>,
}

impl Rules {
    /// Compiles `rules`.
    ///
    /// ```
    /// use entopic::{ErrorKind, Rule, Rules};
    ///
    /// let rules = Rules::new([Rule::pattern("CASE", r"\b\d+/\d{4}\b")])?;
    /// assert_eq!(rules.find("See case 12/2024.")[0].text, "12/2024");
    /// let error = Rules::new([Rule::pattern("CASE", "(")]).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Rules);
    /// # Ok::<(), entopic::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Rules`] if a label or a phrase is blank, a rule has no phrases, or a pattern is not valid; or if the
    /// rules would take too much memory:
    ///
    /// * There are more than 1,048,576 rules or phrases, or the phrases have more than 32 MiB in total.
    /// * A label, a kind, or a pattern has more than 64 KiB.
    /// * The automaton of a pattern takes more than 10 MiB, or those of all patterns more than 256 MiB. Sizes are
    ///   rounded up, to a power of two.
    pub fn new(rules: impl IntoIterator<Item = Rule>) -> Result<Self, Error> {
        Self::compile(rules.into_iter().take(MOST_PHRASES + 1).collect(), LARGEST_PATTERNS)
    }

    /// Compiles `rules`, whose patterns take at most `largest` bytes.
    fn compile(rules: Vec<Rule>, largest: usize) -> Result<Self, Error> {
        let refuse = |message: String| Err(Error::new(ErrorKind::Rules, message));
        if rules.len() > MOST_PHRASES {
            return refuse(format!(
                "there are more than {MOST_PHRASES} rules; leave some out, or put several phrases into one rule"
            ));
        }
        let (mut patterns, mut sets, mut phrases) = (Vec::new(), Vec::new(), Vec::new());
        let (mut left_for_patterns, mut left_for_phrases) = (largest, LONGEST_PHRASES);
        for (number, rule) in rules.iter().enumerate() {
            let names = [Some(&rule.label), rule.kind.as_ref()];
            if names.into_iter().flatten().any(|name| name.len() > LONGEST_LABEL) {
                return refuse(format!(
                    "the label or the kind of rule {} has more than {LONGEST_LABEL} bytes; shorten it",
                    number + 1
                ));
            }
            let place = || format!("rule {} ({:?})", number + 1, rule.label);
            if rule.label.trim().is_empty() {
                return refuse(format!("{} has a blank label; set a label", place()));
            }
            match &rule.finder {
                Finder::Phrases { phrases: list, ignore_case, exact_space } => {
                    if list.is_empty() {
                        return refuse(format!("{} has no phrase; add one, or leave the rule out", place()));
                    }
                    for phrase in list {
                        if phrase.trim().is_empty() {
                            return refuse(format!("{} has a blank phrase; leave it out", place()));
                        }
                        let left = left_for_phrases.checked_sub(phrase.len());
                        let Some(left) = left.filter(|_| phrases.len() < MOST_PHRASES) else {
                            return refuse(format!(
                                "the phrases up to {} are more than {MOST_PHRASES}, or have more than {LONGEST_PHRASES} \
                                 bytes in total; leave some out",
                                place()
                            ));
                        };
                        left_for_phrases = left;
                        phrases.push(phrases::Phrase {
                            text: phrase,
                            rule: number,
                            ignore_case: *ignore_case,
                            exact_space: *exact_space,
                        });
                    }
                }
                Finder::Pattern { pattern, ignore_case } => {
                    if pattern.len() > LONGEST_PATTERN {
                        return refuse(format!(
                            "the pattern of {} has more than {LONGEST_PATTERN} bytes; shorten it, or use phrases",
                            place()
                        ));
                    }
                    match compile(pattern, *ignore_case, left_for_patterns.min(LARGEST_PATTERN)) {
                        Ok((regex, bytes)) => {
                            left_for_patterns -= bytes;
                            patterns.push((number, regex));
                        }
                        Err(regex::Error::CompiledTooBig(most)) if most < LARGEST_PATTERN => {
                            return refuse(format!(
                                "the patterns up to {} count as more than {largest} bytes of automata; leave \
                                 some out, or make them smaller",
                                place()
                            ));
                        }
                        Err(error) => {
                            return refuse(format!("the pattern of {} is not valid: {error}", place()));
                        }
                    }
                }
                Finder::BuiltIn(set) => sets.push((number, set.compile()?)),
            }
        }
        let phrases = Phrases::new(&phrases).map_err(|error| {
            Error::new(ErrorKind::Rules, format!("the phrases cannot be compiled: {error}"))
        })?;
        Ok(Self { compiled: Arc::new(Compiled { rules, phrases, patterns, sets }) })
    }

    /// Reads rules from a file: spaCy's patterns if the file name ends in `.jsonl`, otherwise TOML.
    ///
    /// ```no_run
    /// let rules = entopic::Rules::from_file("rules.toml")?;
    /// println!("{}", rules.labels().join(", "));
    /// # Ok::<(), entopic::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Rules`] if the file cannot be read; and the errors of [`from_toml`](Self::from_toml) or
    /// [`from_jsonl`](Self::from_jsonl).
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let read = text_of(path);
        let text = read.map_err(|error| {
            Error::new(ErrorKind::Rules, format!("the rules file {} cannot be read", path.display()))
                .with_source(error)
        })?;
        let is_jsonl = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("jsonl"));
        let read = if is_jsonl { Self::from_jsonl(&text) } else { Self::from_toml(&text) };
        read.map_err(|error| Error::new(error.kind(), format!("{}: {error}", path.display())))
    }

    /// Reads rules from a text in TOML, a list of `[[rule]]` tables. A table has exactly one of `phrases`, `pattern`
    /// and `built_in`; a `label`, which a built-in set has already; and optionally `kind`, `priority`, `ignore_case`
    /// and `exact_space`.
    ///
    /// ```
    /// let rules = entopic::Rules::from_toml(
    ///     r#"
    ///     [[rule]]
    ///     label = "PRODUCT"
    ///     phrases = ["Pixel 9", "Pixel 9 Pro"]
    ///     ignore_case = true
    ///     kind = "phone"
    ///
    ///     [[rule]]
    ///     label = "CASE"
    ///     pattern = '\b\d+/\d{4}\b'
    ///     priority = -1
    ///
    ///     [[rule]]
    ///     built_in = "iban"
    ///     "#,
    /// )?;
    /// assert_eq!(rules.find("pixel 9")[0].kind.as_deref(), Some("phone"));
    /// # Ok::<(), entopic::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Rules`] if `text` is not valid TOML or has no rule, or a rule has an unknown key or not exactly one
    /// of `phrases`, `pattern` and `built_in`; and the errors of [`new`](Self::new).
    pub fn from_toml(text: &str) -> Result<Self, Error> {
        Self::new(file::toml(text)?)
    }

    /// Reads the patterns of spaCy's EntityRuler: one object per line, with `label` and `pattern`. A pattern is a
    /// phrase, or a list of tokens of which each has one of `ORTH`, `TEXT` and `LOWER`; a list must not mix `LOWER`
    /// with the other two. `id` is ignored.
    ///
    /// ```
    /// let rules = entopic::Rules::from_jsonl(
    ///     r#"{"label": "GPE", "pattern": [{"LOWER": "san"}, {"LOWER": "francisco"}]}"#,
    /// )?;
    /// assert_eq!(rules.find("Apple in SAN Francisco")[0].text, "SAN Francisco");
    /// # Ok::<(), entopic::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Rules`] if `text` has no pattern, or a line is not such an object; and the errors of
    /// [`new`](Self::new).
    pub fn from_jsonl(text: &str) -> Result<Self, Error> {
        Self::new(file::jsonl(text)?)
    }

    /// The labels of the rules, each once, in the order of the rules.
    ///
    /// ```
    /// use entopic::{BuiltIn, Rule, Rules};
    ///
    /// let rules = Rules::new([Rule::phrases("PRODUCT", ["Pixel 9"]), Rule::built_in(BuiltIn::Date)])?;
    /// assert_eq!(rules.labels(), ["PRODUCT", "DATE"]);
    /// # Ok::<(), entopic::Error>(())
    /// ```
    pub fn labels(&self) -> Vec<String> {
        let mut known = HashSet::new();
        let labels = self.compiled.rules.iter().map(|rule| &rule.label);
        labels.filter(|label| known.insert(*label)).cloned().collect()
    }

    /// The entities of `text`, in the order of the text. They do not overlap.
    ///
    /// ```
    /// use entopic::{BuiltIn, Rule, Rules};
    ///
    /// let rules = Rules::new([Rule::built_in(BuiltIn::Date)])?;
    /// let text = "The ship left on 2024-03-11.";
    /// let found = rules.find(text);
    /// assert_eq!((found.len(), found[0].span.of(text)), (1, "2024-03-11"));
    /// # Ok::<(), entopic::Error>(())
    /// ```
    pub fn find(&self, text: &str) -> Vec<Entity> {
        self.settled(text).into_iter().map(|found| found.entity).collect()
    }

    /// All matches of the rules in `text`, in the order of the text, including those that overlap.
    /// [`redact`](crate::redact) needs these, so that no part of a match stays readable.
    ///
    /// ```
    /// use entopic::{Rule, Rules};
    ///
    /// let people = Rule::phrases("PERSON", ["John Smith"]);
    /// let rules = Rules::new([people, Rule::phrases("STREET", ["Smith Street"])])?;
    /// assert_eq!(rules.find_all("John Smith Street").len(), 2);
    /// // The longer match wins.
    /// assert_eq!(rules.find("John Smith Street")[0].label, "STREET");
    /// # Ok::<(), entopic::Error>(())
    /// ```
    pub fn find_all(&self, text: &str) -> Vec<Entity> {
        let mut matches = self.matches(text);
        matches.sort_by_key(|found| (found.bytes.start, found.bytes.end, found.rule));
        let index = CharIndex::new(text);
        matches.into_iter().map(|found| self.entity(text, &index, found)).collect()
    }

    /// The entities that the rules find in `text`, to add to those of a model.
    pub(crate) fn settled(&self, text: &str) -> Vec<Settled> {
        let rules = &self.compiled.rules;
        let mut matches = self.matches(text);
        matches.sort_by_key(|found| {
            let Range { start, end } = found.bytes;
            (std::cmp::Reverse(rules[found.rule].priority), std::cmp::Reverse(end - start), start, found.rule)
        });
        // The end and the rule of each match, by its start; matches do not overlap.
        let mut taken: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
        for Match { bytes, rule } in matches {
            let before = taken.range(..bytes.end).next_back();
            if before.is_none_or(|(_, (end, _))| *end <= bytes.start) {
                taken.insert(bytes.start, (bytes.end, rule));
            }
        }
        let index = CharIndex::new(text);
        let entities = taken.into_iter().map(|(start, (end, rule))| Settled {
            entity: self.entity(text, &index, Match { bytes: start..end, rule }),
            priority: rules[rule].priority,
        });
        entities.collect()
    }

    fn entity(&self, text: &str, index: &CharIndex<'_>, found: Match) -> Entity {
        let Rule { label, kind, .. } = &self.compiled.rules[found.rule];
        let entity = Entity::new(label.clone(), text, index.span(found.bytes), 1.0);
        Entity { kind: kind.clone(), found_by: FoundBy::Rule, ..entity }
    }

    /// All matches, in no particular order.
    fn matches(&self, text: &str) -> Vec<Match> {
        let Compiled { phrases, patterns, sets, .. } = &*self.compiled;
        let mut matches = phrases.find(text);
        for (rule, regex) in patterns {
            let has_part = regex.capture_names().flatten().any(|name| name == "entity");
            if has_part {
                let parts =
                    regex.captures_iter(text).filter_map(|captures| Some(captures.name("entity")?.range()));
                matches.extend(parts.map(|bytes| Match { bytes, rule: *rule }));
            } else {
                let wholes = regex.find_iter(text).map(|found| found.range());
                matches.extend(wholes.map(|bytes| Match { bytes, rule: *rule }));
            }
        }
        for (rule, set) in sets {
            matches.extend(set.find(text).into_iter().map(|bytes| Match { bytes, rule: *rule }));
        }
        matches.retain(|found| !found.bytes.is_empty());
        matches
    }

    /// These rules followed by `others`.
    ///
    /// ```
    /// use entopic::{BuiltIn, Rule, Rules};
    ///
    /// let rules = Rules::new([Rule::built_in(BuiltIn::Email)])?;
    /// let rules = rules.and([Rule::phrases("PRODUCT", ["Pixel 9"])])?;
    /// assert_eq!(rules.labels(), ["EMAIL", "PRODUCT"]);
    /// # Ok::<(), entopic::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as [`new`](Self::new).
    pub fn and(&self, others: impl IntoIterator<Item = Rule>) -> Result<Self, Error> {
        Self::new(self.compiled.rules.iter().cloned().chain(others))
    }
}

/// Compiles a pattern whose automaton takes at most `most` bytes. `regex` does not report the size, so the limit is
/// doubled until the pattern fits; the second value is the limit that it fits.
fn compile(pattern: &str, ignore_case: bool, most: usize) -> Result<(Regex, usize), regex::Error> {
    let mut bytes = SMALL_PATTERN.min(most);
    loop {
        match RegexBuilder::new(pattern).case_insensitive(ignore_case).size_limit(bytes).build() {
            Err(regex::Error::CompiledTooBig(_)) if bytes < most => bytes = (2 * bytes).min(most),
            result => return result.map(|regex| (regex, bytes)),
        }
    }
}

/// The entities of a text by rules, `found`, and by a model, `model`. Rules win, unless their priority is below 0.
pub(crate) fn merged(found: Vec<Settled>, model: Vec<Entity>) -> Vec<Entity> {
    let (strong, weak): (Vec<Settled>, Vec<Settled>) =
        found.into_iter().partition(|found| found.priority >= 0);
    let entities = |found: Vec<Settled>| found.into_iter().map(|found| found.entity).collect();
    merge(merge(entities(strong), model), entities(weak))
}

/// An entity that a rule found, and the priority of the rule.
pub(crate) struct Settled {
    entity: Entity,
    priority: i32,
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Rules").field(&self.compiled.rules).finish()
    }
}

#[cfg(test)]
mod tests;
