//! `entopic eval entities` scores the entities of raw documents against gold annotations.

use std::collections::{BTreeMap, HashMap, HashSet};

use entopic::Entity;
use serde::{Deserialize, Serialize};

use super::iob::Mention;
use super::mentions::{self, count, micro, rename, renamed};
use super::partial::AllMatches;
use super::scores::{Counts, Scores};
use crate::args::EvalEntitiesArgs;
use crate::failure::Failure;
use crate::input::Input;
use crate::labels::LabelMap;
use crate::output::{self, OutputFile};

/// A line of the file.
#[derive(Deserialize)]
struct Line {
    text: String,
    entities: Vec<Gold>,
}

/// An entity of a line, from character `start` to `end`, exclusive. The label may be followed by a colon and the kind.
#[derive(Deserialize)]
struct Gold {
    start: usize,
    end: usize,
    label: String,
    kind: Option<String>,
}

/// A text and its entities, with positions in characters.
pub(crate) struct Document {
    /// The number of its line in the file.
    line: usize,
    text: String,
    mentions: Vec<Mention>,
    /// The kinds of those mentions that have one in the file.
    kinds: Kinds,
}

type Kinds = HashMap<Mention, String>;

#[derive(Serialize)]
struct Report {
    precision: f64,
    recall: f64,
    f1: f64,
    labels: BTreeMap<String, Scores>,
    /// The scores of the kinds that the model knows. An entity is correct if its place, its type and its kind are.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    kinds: BTreeMap<String, Scores>,
    matches: AllMatches,
    documents: usize,
    characters: usize,
}

/// A line of the predictions file.
#[derive(Serialize)]
struct Prediction<'a> {
    text: &'a str,
    entities: Vec<Place<'a>>,
    predicted: Vec<Place<'a>>,
}

#[derive(Serialize)]
struct Place<'a> {
    start: usize,
    end: usize,
    label: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
}

pub(crate) fn run(args: &EvalEntitiesArgs) -> Result<(), Failure> {
    let predictions =
        args.predictions.as_deref().map(|path| OutputFile::open(path, &args.file)).transpose()?;
    let input = Input::read(&args.file)?;
    let mut documents = read(&input)?;
    let own: HashSet<String> = documents.iter().flat_map(Document::labels).map(str::to_owned).collect();
    if let Some(map) = &args.map {
        documents.iter_mut().for_each(|document| document.rename(map));
    }
    let gold: Vec<&[Mention]> = documents.iter().map(|document| document.mentions.as_slice()).collect();
    let ner = mentions::model(&args.model, args.entity_types.as_ref(), &args.run, &gold, &input.name)?;
    mentions::note_labels(&ner, &own, &gold, args.map.as_ref(), &input.name)?;
    let mut predicted: Vec<(Vec<Mention>, Kinds)> = Vec::with_capacity(documents.len());
    let texts = documents.iter().map(|document| document.text.as_str());
    for (document, tagged) in documents.iter().zip(ner.tag_iter(texts)) {
        let tagged = tagged
            .map_err(|error| Failure::because(format!("{}: line {}", input.name, document.line), &error))?;
        let mut found: Vec<(Mention, Option<String>)> = tagged.entities.into_iter().map(found).collect();
        if let Some(map) = &args.map {
            found.retain_mut(|(mention, _)| renamed(mention, map));
        }
        let kinds =
            found.iter().filter_map(|(mention, kind)| Some((mention.clone(), kind.clone()?))).collect();
        predicted.push((found.into_iter().map(|(mention, _)| mention).collect(), kinds));
    }

    let pairs = gold.iter().copied().zip(predicted.iter().map(|(mentions, _)| mentions.as_slice()));
    let counts = count(pairs.clone());
    let micro = micro(&counts);
    let known: HashSet<String> = ner.entity_kinds().into_iter().collect();
    let kinds =
        documents.iter().map(|document| &document.kinds).zip(predicted.iter().map(|(_, kinds)| kinds));
    // The scores are printed even if the predictions cannot be written.
    output::print_json(&Report {
        precision: micro.precision,
        recall: micro.recall,
        f1: micro.f1,
        labels: counts.into_iter().map(|(label, counts)| (label, counts.scores())).collect(),
        kinds: count_kinds(kinds, &known),
        matches: AllMatches::of(pairs),
        documents: documents.len(),
        characters: documents.iter().map(|document| document.text.chars().count()).sum(),
    })?;
    let Some(file) = predictions else { return Ok(()) };
    let lines = documents.iter().zip(&predicted).map(|(document, (mentions, kinds))| {
        output::json(&Prediction {
            text: &document.text,
            entities: places(&document.mentions, &document.kinds),
            predicted: places(mentions, kinds),
        })
    });
    let lines: Vec<String> = lines.collect::<Result<_, _>>()?;
    file.write(&(lines.join("\n") + "\n"))
}

fn found(entity: Entity) -> (Mention, Option<String>) {
    (Mention { label: entity.label, words: entity.span.chars }, entity.kind)
}

fn places<'a>(mentions: &'a [Mention], kinds: &'a Kinds) -> Vec<Place<'a>> {
    let place = |mention: &'a Mention| Place {
        start: mention.words.start,
        end: mention.words.end,
        label: &mention.label,
        kind: kinds.get(mention).map(String::as_str),
    };
    mentions.iter().map(place).collect()
}

/// The scores of each kind in `known`, by type and kind, such as `LOC:city`.
fn count_kinds<'k>(
    pairs: impl Iterator<Item = (&'k Kinds, &'k Kinds)>,
    known: &HashSet<String>,
) -> BTreeMap<String, Scores> {
    let mut counts: BTreeMap<String, Counts> = BTreeMap::new();
    let name = |(mention, kind): (&Mention, &String)| format!("{}:{kind}", mention.label);
    for (gold, predicted) in pairs {
        for (mention, kind) in gold {
            let counts = counts.entry(name((mention, kind))).or_default();
            counts.gold += 1;
            counts.correct += usize::from(predicted.get(mention) == Some(kind));
        }
        for found in predicted {
            counts.entry(name(found)).or_default().predicted += 1;
        }
    }
    let kept = counts.into_iter().filter(|(kind, _)| known.contains(kind));
    kept.map(|(kind, counts)| (kind, counts.scores())).collect()
}

impl Document {
    fn labels(&self) -> impl Iterator<Item = &str> {
        self.mentions.iter().map(|mention| mention.label.as_str())
    }

    fn rename(&mut self, map: &LabelMap) {
        rename(&mut self.mentions, map);
        let kinds = self
            .kinds
            .drain()
            .filter_map(|(mut mention, kind)| renamed(&mut mention, map).then_some((mention, kind)));
        self.kinds = kinds.collect();
    }
}

pub(crate) fn read(input: &Input) -> Result<Vec<Document>, Failure> {
    let filled = input.lines().filter(|(_, text)| !text.trim().is_empty());
    let documents: Vec<Document> =
        filled.map(|(line, text)| document(line, text, &input.name)).collect::<Result<_, _>>()?;
    if documents.is_empty() {
        return Err(Failure::new(format!("{} has no document", input.name)));
    }
    Ok(documents)
}

fn document(line: usize, text: &str, name: &str) -> Result<Document, Failure> {
    let fail = |message: String| Failure::new(format!("{name}: line {line}{message}"));
    let Line { text, entities } = serde_json::from_str(text).map_err(|error| {
        // The error also has a line number, but it has seen only this line.
        let place = format!(" at line {} column {}", error.line(), error.column());
        let cause = error.to_string().replace(&place, "");
        fail(format!(
            ", column {}: expected {{\"text\": …, \"entities\": [{{\"start\": 0, \"end\": 3, \"label\": \"PER\"}}]}}: {cause}",
            error.column()
        ))
    })?;
    let length = text.chars().count();
    let (mut mentions, mut kinds) = (Vec::with_capacity(entities.len()), Kinds::new());
    for Gold { start, end, label, kind } in entities {
        if start >= end || end > length {
            return Err(fail(format!(
                ": an entity spans characters {start} to {end}, but the text has {length}; start must be less than end"
            )));
        }
        let (label, kind) = match (label.split_once(':'), kind) {
            (Some((label, kind)), None) => (label.to_owned(), Some(kind.to_owned())),
            (_, kind) => (label, kind),
        };
        let mention = Mention { label, words: start..end };
        kinds.extend(kind.map(|kind| (mention.clone(), kind)));
        mentions.push(mention);
    }
    mentions.sort_by_key(|mention| (mention.words.start, mention.words.end));
    Ok(Document { line, text, mentions, kinds })
}
