//! Rules in files.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::built_in::BuiltIn;
use super::rule::{Finder, Rule};
use crate::error::{Error, ErrorKind};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    rule: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    label: Option<String>,
    kind: Option<String>,
    priority: Option<i32>,
    phrases: Option<Vec<String>>,
    pattern: Option<String>,
    built_in: Option<String>,
    ignore_case: Option<bool>,
    exact_space: Option<bool>,
}

fn refuse<T>(message: impl Into<String>) -> Result<T, Error> {
    Err(Error::new(ErrorKind::Rules, message))
}

/// Reads the rules of a file in TOML.
pub(super) fn toml(text: &str) -> Result<Vec<Rule>, Error> {
    let file: File = match toml::from_str(text) {
        Ok(file) => file,
        Err(error) => return refuse(format!("the rules are not valid: {}", error.to_string().trim_end())),
    };
    if file.rule.is_empty() {
        return refuse("the file has no rule; write one as [[rule]]");
    }
    let rules = file.rule.into_iter().zip(1..).map(|(entry, number)| {
        rule(entry).map_err(|message| Error::new(ErrorKind::Rules, format!("rule {number}: {message}")))
    });
    rules.collect()
}

fn rule(entry: Entry) -> Result<Rule, String> {
    let Entry { label, kind, priority, phrases, pattern, built_in, ignore_case, exact_space } = entry;
    let finder = match (phrases, pattern, built_in) {
        (Some(phrases), None, None) => Finder::Phrases {
            phrases,
            ignore_case: ignore_case.unwrap_or_default(),
            exact_space: exact_space.unwrap_or_default(),
        },
        (None, Some(pattern), None) => {
            Finder::Pattern { pattern, ignore_case: ignore_case.unwrap_or_default() }
        }
        (None, None, Some(name)) => {
            Finder::BuiltIn(name.parse::<BuiltIn>().map_err(|error| error.to_string())?)
        }
        _ => return Err("it must have exactly one of phrases, pattern and built_in".into()),
    };
    if ignore_case.is_some() && matches!(finder, Finder::BuiltIn(_)) {
        return Err("ignore_case is only for phrases and patterns; leave it out".into());
    }
    if exact_space.is_some() && !matches!(finder, Finder::Phrases { .. }) {
        return Err("exact_space is only for phrases; leave it out".into());
    }
    let label = match (label, &finder) {
        (Some(label), _) => label,
        (None, Finder::BuiltIn(set)) => set.label().to_owned(),
        (None, _) => return Err("it has no label; add one".into()),
    };
    Ok(Rule { label, kind, priority: priority.unwrap_or_default(), finder })
}

/// Reads the rules of a file for spaCy's EntityRuler.
pub(super) fn jsonl(text: &str) -> Result<Vec<Rule>, Error> {
    let text = text.trim_start_matches('\u{FEFF}');
    if text.trim().is_empty() {
        return refuse("the file has no pattern; write one per line");
    }
    let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
    let rules = lines.map(|(line, number)| {
        pattern(line).map_err(|message| Error::new(ErrorKind::Rules, format!("line {number}: {message}")))
    });
    rules.collect()
}

fn pattern(line: &str) -> Result<Rule, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Line {
        label: String,
        pattern: Value,
        #[serde(rename = "id")]
        _id: Option<Value>,
    }
    let Line { label, pattern, .. } = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let (phrases, ignore_case) = match pattern {
        Value::String(phrase) => (vec![phrase], false),
        Value::Array(tokens) => {
            let tokens: Vec<(String, bool)> = tokens.iter().map(token).collect::<Result<_, _>>()?;
            let ignore_case = tokens.iter().any(|(_, lower)| *lower);
            if tokens.iter().any(|(_, lower)| *lower != ignore_case) {
                return Err(
                    "its tokens mix LOWER with TEXT or ORTH; use a pattern in a TOML rules file, with (?i) where case does not \
                     matter"
                        .into(),
                );
            }
            let words: Vec<String> = tokens.into_iter().map(|(word, _)| word).collect();
            (spaced(&words), ignore_case)
        }
        _ => return Err("the pattern is neither a string nor a list of tokens".into()),
    };
    Ok(Rule::phrases(label, phrases).ignore_case(ignore_case))
}

/// The texts that tokens may stand for: with white space between all tokens, and also without it around signs, since
/// tokens may touch in spaCy.
fn spaced(words: &[String]) -> Vec<String> {
    let is_sign = |word: &str| !word.contains(char::is_alphanumeric);
    let mut tight = String::new();
    for (at, word) in words.iter().enumerate() {
        if at > 0 && !is_sign(word) && !is_sign(&words[at - 1]) {
            tight.push(' ');
        }
        tight.push_str(word);
    }
    let spaced = words.join(" ");
    if spaced == tight { vec![spaced] } else { vec![spaced, tight] }
}

/// The text of a token, and whether its case is ignored.
fn token(token: &Value) -> Result<(String, bool), String> {
    let known = |token: &Map<String, Value>| {
        let (name, value) = token.iter().next()?;
        let lower = match name.as_str() {
            "LOWER" => true,
            "ORTH" | "TEXT" => false,
            _ => return None,
        };
        (token.len() == 1).then_some((value.as_str()?.to_owned(), lower))
    };
    token.as_object().and_then(known).ok_or_else(|| {
        format!("the token {token} is not one of {{\"LOWER\": …}}, {{\"TEXT\": …}} and {{\"ORTH\": …}}; use a pattern in a TOML rules file")
    })
}
