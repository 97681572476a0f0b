//! `entopic eval topics` scores topics against gold labels.

use std::collections::{BTreeMap, HashSet};

use entopic::{Error, Label, Scoring, Topic, TopicClassifier, TopicOptions};
use serde::{Deserialize, Serialize};

use super::multi_label::{self, Judged};
use super::note_unused;
use super::scores::{Counts, Scores};
use crate::args::EvalTopicsArgs;
use crate::failure::Failure;
use crate::input::Input;
use crate::labels::LabelMap;
use crate::output::OutputFile;
use crate::{load, output};

/// A line of the file.
#[derive(Deserialize)]
struct Line {
    text: String,
    label: Option<String>,
    labels: Option<Vec<String>>,
    not: Option<Vec<String>>,
}

/// A text and its gold labels.
#[derive(Debug)]
pub(crate) struct Document {
    text: String,
    gold: Gold,
    /// The number of its line in the file.
    line: usize,
}

#[derive(Debug)]
enum Gold {
    /// One label.
    One(String),
    /// The labels that apply, and those that do not, if the file names them.
    Several { labels: Vec<String>, not: Option<Vec<String>> },
}

#[derive(Serialize)]
struct Report {
    accuracy: f64,
    macro_f1: f64,
    labels: BTreeMap<String, Scores>,
    documents: usize,
}

/// A line of the predictions file. An empty text has no predicted label.
#[derive(Serialize)]
struct Prediction<'a> {
    label: &'a str,
    predicted: Option<&'a str>,
}

/// A line of the predictions file for texts with several labels.
#[derive(Serialize)]
struct Predictions<'a> {
    labels: Vec<&'a str>,
    predicted: Vec<Topic>,
}

pub(crate) fn run(args: &EvalTopicsArgs) -> Result<(), Failure> {
    let predictions =
        args.predictions.as_deref().map(|path| OutputFile::open(path, &args.file)).transpose()?;
    let input = Input::read(&args.file)?;
    let mut documents = read(&input)?;
    if let Some(map) = &args.map {
        let known: HashSet<String> = documents.iter().flat_map(Document::all).map(str::to_owned).collect();
        note_unused(map, &input.name, |label| known.contains(label));
        rename(&mut documents, map);
    }
    if documents.is_empty() {
        return Err(Failure::new(format!("{} has no document, or --map drops all of them", input.name)));
    }
    let given = load::topics_of(&args.topics)?;
    let own = documents.iter().find(|document| document.not().is_some());
    if let (Some(_), Some(document)) = (&given, own) {
        return Err(Failure::new(format!(
            "{}: line {} has \"not\", so each text is judged by its own labels; leave out --topics, --topic and --topics-file",
            input.name, document.line
        )));
    }
    let candidates = candidates(&documents, given.as_deref(), args.map.as_ref());
    check(&documents, &candidates, &input.name)?;
    let classifier = load::classifier(&args.model, &args.run)?;
    let lines = match &documents[0].gold {
        Gold::One(_) => one_label(&classifier, &candidates, &documents, &input.name)?,
        Gold::Several { .. } => several_labels(&classifier, &candidates, &documents, &input.name)?,
    };
    match predictions {
        Some(file) => file.write(&(lines.join("\n") + "\n")),
        None => Ok(()),
    }
}

/// Prints the scores of the likeliest label, and returns the lines of the predictions file.
fn one_label(
    classifier: &TopicClassifier,
    candidates: &[Label],
    documents: &[Document],
    name: &str,
) -> Result<Vec<String>, Failure> {
    let labels = classifier.label_set(candidates)?;
    let texts: Vec<&str> = documents.iter().map(|document| document.text.as_str()).collect();
    let mut predicted = Vec::with_capacity(documents.len());
    for (document, classified) in documents.iter().zip(classifier.classify_batch(&texts, &labels)) {
        let classified = classified.map_err(|error| at(name, document, &error))?;
        predicted.push(classified.topics.into_iter().next().map(|topic| topic.label));
    }
    let gold = documents.iter().flat_map(Document::labels);
    let pairs: Vec<Prediction<'_>> = gold
        .zip(&predicted)
        .map(|(label, predicted)| Prediction { label, predicted: predicted.as_deref() })
        .collect();
    // The scores are printed even if the predictions cannot be written.
    output::print_json(&score(&pairs))?;
    pairs.iter().map(output::json).collect()
}

/// Prints the scores of all labels, each judged independently, and returns the lines of the predictions file.
fn several_labels(
    classifier: &TopicClassifier,
    candidates: &[Label],
    documents: &[Document],
    name: &str,
) -> Result<Vec<String>, Failure> {
    let classifier = classifier.with(TopicOptions::new().scoring(Scoring::MultiLabel))?;
    let are_own = documents.iter().any(|document| document.not().is_some());
    let topics: Vec<Vec<Topic>> = if are_own {
        let classify = |document: &Document| -> Result<_, Error> {
            if document.all().next().is_none() {
                return Ok(Vec::new());
            }
            let labels = classifier.label_set(document.all())?;
            let classified = classifier.classify(&document.text, &labels)?;
            Ok(classified.topics)
        };
        let results =
            documents.iter().map(|document| classify(document).map_err(|error| at(name, document, &error)));
        results.collect::<Result<_, Failure>>()?
    } else {
        let labels = classifier.label_set(candidates)?;
        let texts: Vec<&str> = documents.iter().map(|document| document.text.as_str()).collect();
        let results = classifier.classify_batch(&texts, &labels).into_iter().zip(documents);
        let topics =
            results.map(|(result, document)| Ok(result.map_err(|error| at(name, document, &error))?.topics));
        topics.collect::<Result<_, Failure>>()?
    };
    let judge = |(document, topics): (&Document, &Vec<Topic>)| {
        let gold: HashSet<&str> = document.labels().collect();
        let judge = |topic: &Topic| Judged {
            label: topic.label.clone(),
            score: f64::from(topic.score),
            applies: gold.contains(topic.label.as_str()),
        };
        let mut judged: Vec<Judged> = topics.iter().map(judge).collect();
        if topics.is_empty() {
            // An empty text has no topics, so that no label is predicted.
            let all = if are_own {
                document.all().collect()
            } else {
                candidates.iter().map(Label::name).collect::<Vec<_>>()
            };
            judged.extend(all.into_iter().map(|label| Judged {
                label: label.to_owned(),
                score: 0.0,
                applies: gold.contains(label),
            }));
        }
        judged
    };
    let judged: Vec<Vec<Judged>> = documents.iter().zip(&topics).map(judge).collect();
    output::print_json(&multi_label::score(&judged, !are_own))?;
    let lines = documents.iter().zip(topics).map(|(document, predicted)| {
        output::json(&Predictions { labels: document.labels().collect(), predicted })
    });
    lines.collect()
}

fn at(name: &str, document: &Document, error: &Error) -> Failure {
    Failure::because(format!("{name}: line {}", document.line), error)
}

impl Document {
    /// The labels that apply.
    fn labels(&self) -> impl Iterator<Item = &str> {
        let labels = match &self.gold {
            Gold::One(label) => std::slice::from_ref(label),
            Gold::Several { labels, .. } => labels,
        };
        labels.iter().map(String::as_str)
    }

    /// The labels that apply, and those that do not.
    fn all(&self) -> impl Iterator<Item = &str> {
        self.labels().chain(self.not().unwrap_or_default().iter().map(String::as_str))
    }

    /// The labels that the file says do not apply.
    fn not(&self) -> Option<&[String]> {
        match &self.gold {
            Gold::Several { not, .. } => not.as_deref(),
            Gold::One(_) => None,
        }
    }
}

pub(crate) fn read(input: &Input) -> Result<Vec<Document>, Failure> {
    let filled = input.lines().filter(|(_, text)| !text.trim().is_empty());
    let documents = filled.map(|(line, text)| {
        let fail = |message: String| Failure::new(format!("{}: line {line}{message}", input.name));
        let Line { text, label, labels, not } = serde_json::from_str(text).map_err(|error| {
            // The error also has a line number, but it has seen only this line.
            let place = format!(" at line {} column {}", error.line(), error.column());
            let cause = error.to_string().replace(&place, "");
            fail(format!(
                ", column {}: expected {{\"text\": …, \"label\": …}} or {{\"text\": …, \"labels\": […]}}: {cause}",
                error.column()
            ))
        })?;
        let gold = match (label, labels) {
            (Some(label), None) if not.is_none() => Gold::One(label),
            (None, Some(labels)) => Gold::Several { labels, not },
            (None, None) => return Err(fail(": it has no \"label\" and no \"labels\"".into())),
            _ => return Err(fail(": it has \"label\" and \"labels\" or \"not\"; leave out one of them".into())),
        };
        Ok(Document { text, gold, line })
    });
    let documents: Vec<Document> = documents.collect::<Result<_, _>>()?;
    let is_one = |document: &Document| matches!(document.gold, Gold::One(_));
    match documents.iter().find(|document| is_one(document) != is_one(&documents[0])) {
        Some(Document { line, .. }) => Err(Failure::new(format!(
            "{}: line {line} has {}, but line {} does not; give all lines the same fields",
            input.name,
            if is_one(&documents[0]) { "\"labels\"" } else { "\"label\"" },
            documents[0].line
        ))),
        None => Ok(documents),
    }
}

fn rename(documents: &mut Vec<Document>, map: &LabelMap) {
    let renamed = |labels: &mut Vec<String>| {
        let mut seen = HashSet::new();
        let others = labels.iter().filter_map(|label| map.apply(label).map(str::to_owned));
        *labels = others.filter(|label| seen.insert(label.clone())).collect();
    };
    documents.retain_mut(|document| match &mut document.gold {
        Gold::One(label) => match map.apply(label).map(str::to_owned) {
            Some(other) => {
                *label = other;
                true
            }
            None => false,
        },
        Gold::Several { labels, not } => {
            renamed(labels);
            not.iter_mut().for_each(renamed);
            true
        }
    });
}

/// The candidate labels without repetition, in the order given, or else of first appearance.
fn candidates(documents: &[Document], given: Option<&[Label]>, map: Option<&LabelMap>) -> Vec<Label> {
    let renamed = |label: &Label| {
        let name = map.map_or(Some(label.name()), |map| map.apply(label.name()))?.to_owned();
        Some(label.clone().rename(name))
    };
    let labels: Vec<Label> = match given {
        Some(list) => list.iter().filter_map(renamed).collect(),
        None => documents.iter().flat_map(Document::labels).map(Label::from).collect(),
    };
    let mut seen = HashSet::new();
    labels.into_iter().filter(|label| seen.insert(label.name().to_owned())).collect()
}

/// Refuses documents whose label is not a candidate, since their label could never be predicted.
fn check(documents: &[Document], candidates: &[Label], name: &str) -> Result<(), Failure> {
    let candidates: HashSet<&str> = candidates.iter().map(Label::name).collect();
    let judged = documents.iter().filter(|document| document.not().is_none());
    let mut labels = judged.flat_map(|document| document.labels().map(move |label| (label, document.line)));
    match labels.find(|(label, _)| !candidates.contains(label)) {
        None => Ok(()),
        Some((label, line)) => Err(Failure::new(format!(
            "{name}: line {line}: the label {label:?} is not one of the topics; rename it with --map \"{label}=…\", \
             or drop it with --map \"{label}=\""
        ))),
    }
}

/// The scores, as in scikit-learn: the macro average is over the labels that are in the gold data or predicted.
fn score(pairs: &[Prediction<'_>]) -> Report {
    let mut counts: BTreeMap<String, Counts> = BTreeMap::new();
    for Prediction { label, predicted } in pairs {
        let correct = *predicted == Some(label);
        let gold = counts.entry((*label).to_owned()).or_default();
        gold.gold += 1;
        gold.correct += usize::from(correct);
        if let Some(predicted) = predicted {
            counts.entry((*predicted).to_owned()).or_default().predicted += 1;
        }
    }
    let correct: usize = counts.values().map(|counts| counts.correct).sum();
    let labels: BTreeMap<String, Scores> =
        counts.into_iter().map(|(label, counts)| (label, counts.scores())).collect();
    let f1: f64 = labels.values().map(|scores| scores.f1).sum();
    Report {
        accuracy: correct as f64 / pairs.len().max(1) as f64,
        macro_f1: f1 / labels.len().max(1) as f64,
        labels,
        documents: pairs.len(),
    }
}

#[cfg(test)]
mod tests {
    use entopic::Label;

    use super::{Prediction, candidates, check, read, rename, score};
    use crate::input::Input;
    use crate::labels::LabelMap;

    fn documents(text: &str, map: &LabelMap) -> Vec<super::Document> {
        let mut documents = read(&Input::of(text)).expect("it should be well formed");
        rename(&mut documents, map);
        documents
    }

    const NEWS: &str = "{\"text\": \"The cup final\", \"label\": \"rec.sport\"}\n\n\
                        {\"label\": \"misc\", \"text\": \"For sale\", \"id\": 7}\r\n\
                        {\"text\": \"\", \"label\": \"econ\"}\n\
                        {\"text\": \"A goal\", \"label\": \"rec.sport\"}";

    #[test]
    fn labels_are_worded_and_dropped() {
        let map: LabelMap = "rec.sport=sport,misc=".parse().expect("it should be a map");
        let documents = documents(NEWS, &map);
        let read: Vec<_> =
            documents.iter().map(|d| (d.line, d.labels().collect::<String>(), d.text.as_str())).collect();
        let expected = [(1, "sport", "The cup final"), (4, "econ", ""), (5, "sport", "A goal")];
        assert_eq!(read, expected.map(|(line, label, text)| (line, label.to_owned(), text)));
        assert_eq!(candidates(&documents, None, Some(&map)), ["sport", "econ"].map(Label::from));
    }

    #[test]
    fn given_labels_are_worded_too() {
        let map: LabelMap = "rec.sport=sport,misc=".parse().expect("it should be a map");
        let sport = Label::new("rec.sport").description("games");
        let list = ["econ".into(), sport, "sport".into(), "misc".into(), "health".into()];
        let expected = ["econ".into(), Label::new("sport").description("games"), "health".into()];
        assert_eq!(candidates(&documents(NEWS, &map), Some(&list), Some(&map)), expected);
    }

    #[test]
    fn a_label_that_cannot_be_predicted_is_named() {
        let documents = documents(NEWS, &LabelMap::default());
        let failure = check(&documents, &["rec.sport".into(), "econ".into()], "news")
            .expect_err("it should fail: it lacks misc");
        assert!(failure.to_string().starts_with("news: line 3: the label \"misc\""), "{failure}");
    }

    #[test]
    fn faults_name_the_line() {
        for (text, fault) in [
            ("{\"text\": \"a\", \"label\": \"b\"}\n{\"text\": \"a\"}", "test: line 2: it has no \"label\""),
            ("{\"text\": \"a\", \"label\": \"b\", \"labels\": []}", "test: line 1: it has \"label\" and"),
            (
                "{\"text\": \"a\", \"label\": \"b\"}\n{\"text\": \"a\", \"labels\": []}",
                "test: line 2 has \"labels\", but line 1 does not",
            ),
            ("{\"text\": \"a\", \"label\": 1}", "test: line 1, column 24: "),
            ("text", "test: line 1, column 2: "),
        ] {
            let failure = read(&Input::of(text)).expect_err("it should fail: it is broken").to_string();
            assert!(failure.starts_with(fault) && !failure.contains("at line"), "{failure}");
        }
    }

    /// The numbers are scikit-learn 1.9.1's `accuracy_score` and `f1_score(average="macro")`, with
    /// `"none"` for the text that has no prediction and its zero left out of the average.
    #[test]
    fn scores_are_those_of_scikit_learn() {
        let pairs = [("a", Some("a")), ("a", Some("b")), ("b", Some("b")), ("b", Some("d")), ("c", None)];
        let pairs = pairs.map(|(label, predicted)| Prediction { label, predicted });
        let report = score(&pairs);
        assert_eq!(report.accuracy, 0.4);
        assert!((report.macro_f1 - 0.291_666_666_666_666_63).abs() < 1e-15, "{}", report.macro_f1);
        assert_eq!(report.labels.keys().collect::<Vec<_>>(), ["a", "b", "c", "d"]);
        assert_eq!(report.labels["c"].support, 1);
        assert_eq!(report.documents, 5);
    }
}
