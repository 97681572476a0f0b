//! `entopic eval ner`: entities against gold, counted as seqeval counts.

use std::collections::{BTreeMap, HashSet};

use entopic::{EntityOptions, Ner};
use serde::Serialize;

use super::iob::{self, Mention};
use super::note_unused;
use super::partial::AllMatches;
use super::scores::{Counts, Scores};
use super::sentences::{self, Sentence};
use crate::args::EvalNerArgs;
use crate::failure::Failure;
use crate::input::Input;
use crate::labels::LabelMap;
use crate::output::OutputFile;
use crate::{load, output};

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
    let own: HashSet<String> = labels(&sentences).map(str::to_owned).collect();
    if let Some(map) = &args.map {
        sentences.iter_mut().for_each(|sentence| rename(&mut sentence.mentions, map));
    }

    let ner = model(args, &sentences, &input.name)?;
    if let Some(map) = &args.map {
        let finds = |label: &str| ner.entity_types().iter().any(|known| known == label);
        note_unused(map, &input.name, |label| own.contains(label) || finds(label));
    }
    if labels(&sentences).next().is_none() {
        output::warn(&format!(
            "warning: {} has no entity, or --map drops all of them: recall and F1 are 0",
            input.name
        ));
    }
    note_missing(&ner, &sentences, args.map.as_ref(), &input.name)?;
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

    let gold = sentences.iter().map(|sentence| sentence.mentions.as_slice());
    let pairs = gold.zip(predicted.iter().map(Vec::as_slice));
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

/// Warns of entity types in the file that the model cannot give, and refuses a file that has no others.
fn note_missing(
    ner: &Ner,
    sentences: &[Sentence<'_>],
    map: Option<&LabelMap>,
    name: &str,
) -> Result<(), Failure> {
    let types = ner.entity_types().iter();
    let given: HashSet<&str> =
        types.filter_map(|label| map.map_or(Some(label.as_str()), |map| map.apply(label))).collect();
    let mut missing: BTreeMap<&str, usize> = BTreeMap::new();
    for label in labels(sentences).filter(|label| !given.contains(label)) {
        *missing.entry(label).or_default() += 1;
    }
    let Some((example, _)) = missing.first_key_value() else { return Ok(()) };
    let listed: Vec<String> = missing.iter().map(|(label, count)| format!("{label} ({count})")).collect();
    let message = format!(
        "{name} has entity types that the model {:?} does not give: {}; it gives {}. Rename them with --map \
         {example}=TYPE, or drop them with --map {example}=",
        ner.name(),
        listed.join(", "),
        ner.entity_types().join(", "),
    );
    if labels(sentences).all(|label| missing.contains_key(label)) {
        return Err(Failure::new(message));
    }
    output::warn(&format!("warning: {message}; they count as missed"));
    Ok(())
}

/// The model; one that takes entity types as input gets those of the options, or else those of the file.
fn model(args: &EvalNerArgs, sentences: &[Sentence<'_>], name: &str) -> Result<Ner, Failure> {
    let ner = load::ner(&args.model, args.entity_types.as_ref(), &args.run)?;
    if !ner.entity_types().is_empty() {
        return Ok(ner);
    }
    let mut seen = HashSet::new();
    let types: Vec<&str> = labels(sentences).filter(|label| seen.insert(*label)).collect();
    if types.is_empty() {
        return Err(Failure::new(format!(
            "the model {:?} takes entity types as input, and {name} has none, or --map drops all of them; name some \
             with --entity-types",
            args.model
        )));
    }
    Ok(ner.with(EntityOptions::new().entity_types(types))?)
}

fn labels<'s>(sentences: &'s [Sentence<'_>]) -> impl Iterator<Item = &'s str> {
    sentences.iter().flat_map(|sentence| &sentence.mentions).map(|mention| mention.label.as_str())
}

/// Renames the types of gold and predicted entities alike, and takes those away that the map drops. Neighbours that come to have one type stay two entities.
fn rename(mentions: &mut Vec<Mention>, map: &LabelMap) {
    mentions.retain_mut(|mention| match map.apply(&mention.label) {
        Some(label) => {
            mention.label = label.to_owned();
            true
        }
        None => false,
    });
}

/// The counts of each type that is in the gold or the predictions of any sentence. An entity is
/// right if its type and both its ends are.
fn count<'m>(pairs: impl Iterator<Item = (&'m [Mention], &'m [Mention])>) -> BTreeMap<String, Counts> {
    let mut counts: BTreeMap<String, Counts> = BTreeMap::new();
    for (gold, predicted) in pairs {
        for mention in gold {
            counts.entry(mention.label.clone()).or_default().gold += 1;
        }
        let gold: HashSet<&Mention> = gold.iter().collect();
        for mention in predicted {
            let counts = counts.entry(mention.label.clone()).or_default();
            counts.predicted += 1;
            counts.correct += usize::from(gold.contains(mention));
        }
    }
    counts
}

/// The scores over the entities of all types together.
fn micro(counts: &BTreeMap<String, Counts>) -> Scores {
    let mut all = Counts::default();
    counts.values().for_each(|counts| all.add(*counts));
    all.scores()
}

/// A line for each word: word, gold tag, predicted tag; an empty line between sentences.
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
    use std::collections::BTreeMap;

    use super::{columns, count, micro, rename};
    use crate::eval::iob::{self, Mention, mentions};
    use crate::eval::scores::Counts;
    use crate::eval::sentences;
    use crate::input::Input;

    fn read(line: &str) -> Vec<Mention> {
        let tags: Vec<_> =
            line.split_whitespace().map(|tag| iob::parse(tag).expect("it should be a tag")).collect();
        mentions(&tags)
    }

    fn counted(gold: &[&str], predicted: &[&str]) -> BTreeMap<String, Counts> {
        let gold: Vec<_> = gold.iter().map(|line| read(line)).collect();
        let predicted: Vec<_> = predicted.iter().map(|line| read(line)).collect();
        count(gold.iter().zip(&predicted).map(|(gold, predicted)| (gold.as_slice(), predicted.as_slice())))
    }

    /// Gold, predicted, and seqeval 1.2.2's precision, recall and F1 (micro, default mode).
    type Case = (&'static [&'static str], &'static [&'static str], [f64; 3]);

    #[test]
    fn micro_scores_are_those_of_seqeval() {
        let cases: [Case; 9] = [
            (&["O I-PER I-PER O"], &["O B-PER I-PER O"], [1.0, 1.0, 1.0]),
            (&["B-PER I-LOC I-LOC O"], &["B-PER B-LOC I-LOC O"], [1.0, 1.0, 1.0]),
            (&["B-LOC B-LOC I-LOC"], &["B-LOC B-LOC I-LOC"], [1.0, 1.0, 1.0]),
            (&["B-LOC B-LOC I-LOC"], &["B-LOC I-LOC I-LOC"], [0.0, 0.0, 0.0]),
            (&["O O O"], &["B-PER O O"], [0.0, 0.0, 0.0]),
            (&["O O O"], &["O O O"], [0.0, 0.0, 0.0]),
            (&["B-PER", "I-PER"], &["B-PER", "B-PER"], [1.0, 1.0, 1.0]),
            (
                &["B-PER I-PER O B-LOC", "B-LOC O"],
                &["B-PER I-PER O B-ORG", "B-LOC O"],
                [0.666_666_666_666_666_6, 0.666_666_666_666_666_6, 0.666_666_666_666_666_6],
            ),
            (
                &["B-PER I-PER O B-LOC O B-ORG I-ORG I-ORG", "O B-MISC O O", "B-LOC I-PER I-PER O"],
                &["B-PER I-PER O B-LOC O B-ORG I-ORG O", "O B-MISC B-MISC O", "B-LOC B-PER I-PER B-GPE"],
                [0.625, 0.833_333_333_333_333_4, 0.714_285_714_285_714_3],
            ),
        ];
        for (gold, predicted, expected) in cases {
            let scores = micro(&counted(gold, predicted));
            assert_eq!([scores.precision, scores.recall, scores.f1], expected, "{gold:?} {predicted:?}");
        }
    }

    /// The last case above, from seqeval's `classification_report`.
    #[test]
    fn labels_have_scores_of_their_own() {
        let counts = counted(
            &["B-PER I-PER O B-LOC O B-ORG I-ORG I-ORG", "O B-MISC O O", "B-LOC I-PER I-PER O"],
            &["B-PER I-PER O B-LOC O B-ORG I-ORG O", "O B-MISC B-MISC O", "B-LOC B-PER I-PER B-GPE"],
        );
        let found: Vec<_> = counts
            .iter()
            .map(|(label, counts)| (label.as_str(), counts.scores()))
            .map(|(label, s)| (label, s.precision, s.recall, s.f1, s.support))
            .collect();
        assert_eq!(
            found,
            [
                ("GPE", 0.0, 0.0, 0.0, 0),
                ("LOC", 1.0, 1.0, 1.0, 2),
                ("MISC", 0.5, 1.0, 0.666_666_666_666_666_6, 1),
                ("ORG", 0.0, 0.0, 0.0, 1),
                ("PER", 1.0, 1.0, 1.0, 2),
            ]
        );
    }

    #[test]
    fn predicted_types_that_gold_lacks_lower_precision() {
        let mut gold = read("B-person O B-product");
        rename(&mut gold, &"person=PER,product=".parse().expect("it should be a map"));
        let predicted = read("B-PER O B-MISC");
        let scores = micro(&count([(gold.as_slice(), predicted.as_slice())].into_iter()));
        assert_eq!((scores.precision, scores.recall), (0.5, 1.0));
    }

    #[test]
    fn columns_show_gold_and_predicted_tags() {
        let input = Input::of("Ada\tI-PER\nsmiled\tO\n\nOslo\tB-LOC\n");
        let sentences = sentences::read(&input).expect("it should be well formed");
        let text = columns(&sentences, &[read("B-PER O"), read("O")]);
        assert_eq!(text, "Ada\tB-PER\tB-PER\nsmiled\tO\tO\n\nOslo\tB-LOC\tO\n");
    }
}
