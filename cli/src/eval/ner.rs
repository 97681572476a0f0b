//! `entopic eval ner` scores entities against gold annotations, as seqeval does.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

use super::iob::{self, Mention};
use super::mentions::{self, count, micro, rename};
use super::partial::AllMatches;
use super::scores::Scores;
use super::sentences::{self, Sentence};
use crate::args::EvalNerArgs;
use crate::failure::Failure;
use crate::input::Input;
use crate::output;
use crate::output::OutputFile;

#[derive(Serialize)]
struct Report {
    precision: f64,
    recall: f64,
    f1: f64,
    labels: BTreeMap<String, Scores>,
    matches: AllMatches,
    sentences: usize,
    tokens: usize,
}

pub(crate) fn run(args: &EvalNerArgs) -> Result<(), Failure> {
    let predictions =
        args.predictions.as_deref().map(|path| OutputFile::open(path, &args.file)).transpose()?;
    let input = Input::read(&args.file)?;
    let mut sentences = sentences::read(&input)?;
    let all = sentences.iter().flat_map(|sentence| &sentence.mentions);
    let own: HashSet<String> = all.map(|mention| mention.label.clone()).collect();
    if let Some(map) = &args.map {
        sentences.iter_mut().for_each(|sentence| rename(&mut sentence.mentions, map));
    }

    let gold: Vec<&[Mention]> = sentences.iter().map(|sentence| sentence.mentions.as_slice()).collect();
    let ner = mentions::model(&args.model, args.entity_types.as_ref(), &args.run, &gold, &input.name)?;
    mentions::note_labels(&ner, &own, &gold, args.map.as_ref(), &input.name)?;
    let words: Vec<&[&str]> = sentences.iter().map(|sentence| sentence.words.as_slice()).collect();
    let mut predicted = Vec::with_capacity(sentences.len());
    for (sentence, tagged) in sentences.iter().zip(ner.tag_words_batch(&words)) {
        let tagged = tagged
            .map_err(|error| Failure::because(format!("{}: line {}", input.name, sentence.line), &error))?;
        let found =
            tagged.entities.into_iter().map(|entity| Mention { label: entity.label, words: entity.words });
        let mut found: Vec<Mention> = found.collect();
        if let Some(map) = &args.map {
            rename(&mut found, map);
        }
        predicted.push(found);
    }

    let pairs = gold.iter().copied().zip(predicted.iter().map(Vec::as_slice));
    let counts = count(pairs.clone());
    let micro = micro(&counts);
    // The scores are printed even if the predictions cannot be written.
    output::print_json(&Report {
        precision: micro.precision,
        recall: micro.recall,
        f1: micro.f1,
        labels: counts.into_iter().map(|(label, counts)| (label, counts.scores())).collect(),
        matches: AllMatches::of(pairs),
        sentences: sentences.len(),
        tokens: words.iter().map(|words| words.len()).sum(),
    })?;
    match predictions {
        Some(file) => file.write(&columns(&sentences, &predicted)),
        None => Ok(()),
    }
}

/// One line per word, with the word, its gold tag and its predicted tag; an empty line between sentences.
fn columns(sentences: &[Sentence<'_>], predicted: &[Vec<Mention>]) -> String {
    let mut text = String::new();
    for (sentence, predicted) in sentences.iter().zip(predicted) {
        if !text.is_empty() {
            text.push('\n');
        }
        let count = sentence.words.len();
        let tags = iob::tags(&sentence.mentions, count).into_iter().zip(iob::tags(predicted, count));
        for (word, (gold, predicted)) in sentence.words.iter().zip(tags) {
            text.push_str(&format!("{word}\t{gold}\t{predicted}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::columns;
    use crate::eval::iob::{self, Mention, mentions};
    use crate::eval::sentences;
    use crate::input::Input;

    fn read(line: &str) -> Vec<Mention> {
        let tags: Vec<_> =
            line.split_whitespace().map(|tag| iob::parse(tag).expect("it should be a tag")).collect();
        mentions(&tags)
    }

    #[test]
    fn columns_show_gold_and_predicted_tags() {
        let input = Input::of("Ada\tI-PER\nsmiled\tO\n\nOslo\tB-LOC\n");
        let sentences = sentences::read(&input).expect("it should be well formed");
        let text = columns(&sentences, &[read("B-PER O"), read("O")]);
        assert_eq!(text, "Ada\tB-PER\tB-PER\nsmiled\tO\tO\n\nOslo\tB-LOC\tO\n");
    }
}
