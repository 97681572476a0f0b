//! The parts that both evaluations of entities share: the model, the renaming of types, and the counts.

use std::collections::{BTreeMap, HashSet};

use entopic::{EntityOptions, Ner};

use super::iob::Mention;
use super::note_unused;
use super::scores::{Counts, Scores};
use crate::args::models::RunOptions;
use crate::failure::Failure;
use crate::labels::{LabelList, LabelMap};
use crate::{load, output};

/// The model; one that takes entity types as input gets those of the options, or else those of the file.
pub(super) fn model(
    model: &str,
    entity_types: Option<&LabelList>,
    run: &RunOptions,
    gold: &[&[Mention]],
    name: &str,
) -> Result<Ner, Failure> {
    let ner = load::ner(model, entity_types, run)?;
    if !ner.entity_types().is_empty() {
        return Ok(ner);
    }
    let mut seen = HashSet::new();
    let types: Vec<&str> = labels(gold).filter(|label| seen.insert(*label)).collect();
    if types.is_empty() {
        return Err(Failure::new(format!(
            "the model {model:?} takes entity types as input, but {name} has none, or --map drops all of them; name \
             some with --entity-types"
        )));
    }
    Ok(ner.with(EntityOptions::new().entity_types(types))?)
}

/// The entity type of each mention in `gold`.
pub(super) fn labels<'m>(gold: &[&'m [Mention]]) -> impl Iterator<Item = &'m str> {
    gold.iter().copied().flatten().map(|mention| mention.label.as_str())
}

/// Warns of labels that only the map has, and calls [`note_missing`]. `own` are the file's own labels.
pub(super) fn note_labels(
    ner: &Ner,
    own: &HashSet<String>,
    gold: &[&[Mention]],
    map: Option<&LabelMap>,
    name: &str,
) -> Result<(), Failure> {
    if let Some(map) = map {
        let finds = |label: &str| ner.entity_types().iter().any(|known| known == label);
        note_unused(map, name, |label| own.contains(label) || finds(label));
    }
    note_missing(ner, gold, map, name)
}

/// Warns of a file without entities, and of entity types that the model does not know; refuses a file that has only
/// such types.
fn note_missing(ner: &Ner, gold: &[&[Mention]], map: Option<&LabelMap>, name: &str) -> Result<(), Failure> {
    if labels(gold).next().is_none() {
        output::warn(&format!(
            "warning: {name} has no entity, or --map drops all of them: recall and F1 are 0"
        ));
    }
    let types = ner.entity_types().iter();
    let given: HashSet<&str> =
        types.filter_map(|label| map.map_or(Some(label.as_str()), |map| map.apply(label))).collect();
    let mut missing: BTreeMap<&str, usize> = BTreeMap::new();
    for label in labels(gold).filter(|label| !given.contains(label)) {
        *missing.entry(label).or_default() += 1;
    }
    let Some((example, _)) = missing.first_key_value() else { return Ok(()) };
    let listed: Vec<String> = missing.iter().map(|(label, count)| format!("{label} ({count})")).collect();
    let message = format!(
        "{name} has entity types that the model {:?} does not know: {}; it knows {}. Rename them with --map \
         {example}=TYPE, or drop them with --map {example}=",
        ner.name(),
        listed.join(", "),
        ner.entity_types().join(", "),
    );
    if labels(gold).all(|label| missing.contains_key(label)) {
        return Err(Failure::new(message));
    }
    output::warn(&format!("warning: {message}; they count as missed"));
    Ok(())
}

/// Renames the types of gold or predicted entities, and removes entities whose type the map drops. Neighbours that get
/// the same type stay two entities.
pub(super) fn rename(mentions: &mut Vec<Mention>, map: &LabelMap) {
    mentions.retain_mut(|mention| renamed(mention, map));
}

/// Renames the type of `mention`; false if the map drops it.
pub(super) fn renamed(mention: &mut Mention, map: &LabelMap) -> bool {
    match map.apply(&mention.label).map(str::to_owned) {
        Some(label) => {
            mention.label = label;
            true
        }
        None => false,
    }
}

/// The counts of each type that is in the gold annotations or the predictions. An entity is correct if its type and
/// both ends are.
pub(super) fn count<'m>(
    pairs: impl Iterator<Item = (&'m [Mention], &'m [Mention])>,
) -> BTreeMap<String, Counts> {
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
pub(super) fn micro(counts: &BTreeMap<String, Counts>) -> Scores {
    let mut all = Counts::default();
    counts.values().for_each(|counts| all.add(*counts));
    all.scores()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{count, micro, rename};
    use crate::eval::iob::{self, Mention, mentions};
    use crate::eval::scores::Counts;

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
}
