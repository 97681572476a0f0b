//! `entopic eval topics`: the likeliest label against gold.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use super::note_unused;
use super::scores::{Counts, Scores};
use crate::args::EvalTopicsArgs;
use crate::failure::Failure;
use crate::input::Input;
use crate::labels::{LabelList, LabelMap};
use crate::output::OutputFile;
use crate::{load, output};

/// A text and what it is about.
#[derive(Debug, Deserialize)]
struct Document {
    text: String,
    label: String,
    /// Where in the file it stands.
    #[serde(skip)]
    line: usize,
}

#[derive(Serialize)]
struct Report {
    accuracy: f64,
    macro_f1: f64,
    labels: BTreeMap<String, Scores>,
    documents: usize,
}

/// A line of the predictions file. An empty text has no label predicted.
#[derive(Serialize)]
struct Prediction<'a> {
    label: &'a str,
    predicted: Option<&'a str>,
}

pub(crate) fn run(args: &EvalTopicsArgs) -> Result<(), Failure> {
    let predictions = args.predictions.as_deref().map(OutputFile::check).transpose()?;
    let predictions = predictions.map(|file| file.unless(&args.file)).transpose()?;
    let input = Input::read(&args.file)?;
    let mut documents = read(&input)?;
    if let Some(map) = &args.map {
        let known: HashSet<String> = documents.iter().map(|document| document.label.clone()).collect();
        note_unused(map, &input.name, |label| known.contains(label));
        rename(&mut documents, map);
    }
    if documents.is_empty() {
        return Err(Failure::new(format!("{} has no document, or --map drops all of them", input.name)));
    }
    let candidates = candidates(&documents, args.topics.as_ref(), args.map.as_ref());
    check(&documents, &candidates, &input.name)?;

    let classifier = load::classifier(&args.model, &args.run)?;
    let labels = classifier.label_set(&candidates)?;
    let texts: Vec<&str> = documents.iter().map(|document| document.text.as_str()).collect();
    let mut predicted = Vec::with_capacity(documents.len());
    for (document, classified) in documents.iter().zip(classifier.classify_batch(&texts, &labels)) {
        let classified = classified
            .map_err(|error| Failure::because(format!("{}: line {}", input.name, document.line), &error))?;
        predicted.push(classified.topics.into_iter().next().map(|topic| topic.label));
    }

    let pairs: Vec<Prediction<'_>> = documents
        .iter()
        .zip(&predicted)
        .map(|(document, predicted)| Prediction { label: &document.label, predicted: predicted.as_deref() })
        .collect();
    let report = score(&pairs);
    if let Some(file) = predictions {
        let lines: Vec<String> = pairs.iter().map(output::json).collect::<Result<_, _>>()?;
        file.write(&(lines.join("\n") + "\n"))?;
    }
    output::print_json(&report)
}

fn read(input: &Input) -> Result<Vec<Document>, Failure> {
    let filled = input.lines().filter(|(_, text)| !text.trim().is_empty());
    filled
        .map(|(line, text)| {
            let document: Document = serde_json::from_str(text).map_err(|error| {
                // The error counts lines too, of which it has seen one.
                let place = format!(" at line {} column {}", error.line(), error.column());
                let cause = error.to_string().replace(&place, "");
                Failure::new(format!(
                    "{}: line {line}, column {}: expected {{\"text\": …, \"label\": …}}: {cause}",
                    input.name,
                    error.column()
                ))
            })?;
            Ok(Document { line, ..document })
        })
        .collect()
}

fn rename(documents: &mut Vec<Document>, map: &LabelMap) {
    documents.retain_mut(|document| match map.apply(&document.label) {
        Some(label) => {
            document.label = label.to_owned();
            true
        }
        None => false,
    });
}

/// Each label once, in the order given or else of first appearance.
fn candidates(documents: &[Document], given: Option<&LabelList>, map: Option<&LabelMap>) -> Vec<String> {
    let labels: Vec<&str> = match given {
        Some(list) => {
            let list = list.0.iter().map(String::as_str);
            list.filter_map(|label| map.map_or(Some(label), |map| map.apply(label))).collect()
        }
        None => documents.iter().map(|document| document.label.as_str()).collect(),
    };
    let mut seen = HashSet::new();
    labels.into_iter().filter(|label| seen.insert(*label)).map(str::to_owned).collect()
}

/// A document whose label is no candidate could never be right.
fn check(documents: &[Document], candidates: &[String], name: &str) -> Result<(), Failure> {
    let candidates: HashSet<&str> = candidates.iter().map(String::as_str).collect();
    match documents.iter().find(|document| !candidates.contains(document.label.as_str())) {
        None => Ok(()),
        Some(Document { label, line, .. }) => Err(Failure::new(format!(
            "{name}: line {line}: the label {label:?} is none of --topics; rename it with --map \"{label}=…\", \
             or drop its documents with --map \"{label}=\""
        ))),
    }
}

/// As scikit-learn has it: the macro average is over the labels that were due or predicted.
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
        let read: Vec<_> = documents.iter().map(|d| (d.line, d.label.as_str(), d.text.as_str())).collect();
        assert_eq!(read, [(1, "sport", "The cup final"), (4, "econ", ""), (5, "sport", "A goal")]);
        assert_eq!(candidates(&documents, None, Some(&map)), ["sport", "econ"]);
    }

    #[test]
    fn given_labels_are_worded_too() {
        let map: LabelMap = "rec.sport=sport,misc=".parse().expect("it should be a map");
        let list = "econ,rec.sport,sport,misc,health".parse().expect("it should be a list");
        assert_eq!(candidates(&documents(NEWS, &map), Some(&list), Some(&map)), ["econ", "sport", "health"]);
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
            ("{\"text\": \"a\", \"label\": \"b\"}\n{\"text\": \"a\"}", "test: line 2, column 13: "),
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
