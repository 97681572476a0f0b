use std::ops::Range;

use ndarray::{Array1, Array2, ArrayView1, Axis, Slice};
use serde::{Deserialize, Serialize};

use super::sequence::Sequences;
use super::units::{self, Unit};
use crate::document::Document;
use crate::document::boundaries::Bond;
use crate::names::named;
use crate::probability::softmax;
use crate::tags::{Tag, pipeline_label, pipeline_tag};

/// The way in which the labels of tokens become entities.
///
/// On texts that are not [prepared](crate::EntityOptions::prepare_text), all strategies but [`Word`](Aggregation::Word)
/// reproduce those of transformers' pipelines with the same names, including their known faults. With
/// [`Precision::F32`](crate::Precision::F32) the results are equal up to f32 rounding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Aggregation {
    /// Each token with a tag other than `O` is an entity by itself, with its whole tag (`B-PER`) as the label.
    None,
    /// Each token has its own label; neighbours of one entity type are grouped. May split words.
    Simple,
    /// A word has the label of its first token.
    First,
    /// A word has the label with the highest mean probability over its tokens.
    Average,
    /// A word has the label of its token with the highest score.
    Max,
    /// The default. Words are Unicode words, or handles with their `@`. A word has the label of its first token, and
    /// words are grouped by the model's tag scheme (IO, IOB, IOB2, BIOES, BMEWO, BILOU). An entity never splits a word,
    /// and never begins or ends with white space; it respects the [boundaries](crate::EntityOptions::boundaries) of the
    /// layout, and its span is [cleaned](crate::EntityOptions::clean_spans). If the config.json of the model declares
    /// the `tag_scheme` `IOB2`, as that of `ner-en-small` does, the labels are the likeliest sequence in which every
    /// `I-` continues an entity.
    ///
    /// The score is the mean, over the words of the entity, of the probability of its type: the sum over all tags of
    /// that type, `B-` and `I-` alike. Corrections of the sequence of tags do not change it.
    #[default]
    Word,
}

named!(Aggregation, "an aggregation", [
    Aggregation::None => "none",
    Aggregation::Simple => "simple",
    Aggregation::First => "first",
    Aggregation::Average => "average",
    Aggregation::Max => "max",
    Aggregation::Word => "word",
]);

/// A run of units with one label.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) label: String,
    /// The mean over its units.
    pub(crate) score: f32,
    /// The indices of its units.
    pub(crate) units: Range<usize>,
}

/// The label of a unit, as a column index, and the probability of that label.
#[derive(Clone, Copy, Debug)]
struct Labelled {
    label: usize,
    score: f32,
}

/// Applies softmax to each row.
pub(crate) fn probabilities(logits: Array2<f32>) -> Array2<f32> {
    let mut probabilities = logits;
    let columns = probabilities.ncols().max(1);
    if let Some(values) = probabilities.as_slice_mut() {
        values.chunks_exact_mut(columns).for_each(softmax);
    }
    probabilities
}

/// The units that `aggregation` labels.
pub(crate) fn units_of(document: &Document<'_>, aggregation: Aggregation) -> Vec<Unit> {
    match aggregation {
        Aggregation::None | Aggregation::Simple => units::tokens(document),
        Aggregation::First | Aggregation::Average | Aggregation::Max => units::pipeline_words(document),
        Aggregation::Word => units::unicode_words(document),
    }
}

/// The labels of a model in the order of their columns, raw and as parsed tags.
#[derive(Clone, Copy)]
pub(crate) struct Labels<'a> {
    pub(crate) names: &'a [String],
    pub(crate) tags: &'a [Tag],
    /// The valid sequences of tags, if the model declares a scheme.
    pub(crate) sequences: Option<&'a Sequences>,
}

/// The entities among `words`, by their tags and bonds. `bond(i)` is the bond of word `i`; `probabilities` is
/// `[tokens, labels]`.
pub(crate) fn group_words(
    words: &[Unit],
    probabilities: &Array2<f32>,
    labels: Labels<'_>,
    bond: impl Fn(usize) -> Bond,
) -> Vec<Group> {
    let first = |word: &Unit| probabilities.row(word.tokens.start);
    let path: Vec<usize> = match labels.sequences {
        None => words.iter().map(|word| top(first(word)).label).collect(),
        Some(sequences) => sequences.likeliest(words.iter().map(first), &bond),
    };
    let label = |at: usize| labels.tags[path[at]].label().filter(|_| bond(at) != Bond::Outside);
    let continues = |at: usize| {
        bond(at) == Bond::Free
            && label(at - 1).is_some()
            && labels.tags[path[at - 1]].continues_with(&labels.tags[path[at]])
    };
    let named = runs(words.len(), continues).into_iter().filter_map(|units| {
        let label = label(units.start)?.to_owned();
        let score = score_of_words(&words[units.clone()], probabilities, labels.tags, &label);
        Some(Group { label, score, units })
    });
    named.collect()
}

/// The mean over `words` of the probability of the entity type `label`, summed over its tags.
pub(crate) fn score_of_words(words: &[Unit], probabilities: &Array2<f32>, tags: &[Tag], label: &str) -> f32 {
    let of_type = |(_, tag): &(&f32, &Tag)| tag.label() == Some(label);
    let probability = |word: &Unit| {
        let row = probabilities.row(word.tokens.start);
        row.iter().zip(tags).filter(of_type).map(|(probability, _)| probability).sum::<f32>()
    };
    words.iter().map(probability).sum::<f32>() / words.len().max(1) as f32
}

/// The entities among the `units`, as transformers' pipelines find them. `probabilities` is `[tokens, labels]`.
pub(crate) fn group(
    units: &[Unit],
    probabilities: &Array2<f32>,
    labels: Labels<'_>,
    aggregation: Aggregation,
) -> Vec<Group> {
    let first = |unit: &Unit| probabilities.row(unit.tokens.start);
    let labelled: Vec<Labelled> = units
        .iter()
        .map(|unit| match aggregation {
            Aggregation::Average => label_average(probabilities, unit.tokens.clone()),
            Aggregation::Max => label_max(probabilities, unit.tokens.clone()),
            _ => top(first(unit)),
        })
        .collect();
    match aggregation {
        Aggregation::None => group_none(&labelled, labels.names),
        _ => group_like_pipelines(&labelled, labels.names),
    }
}

/// The first column with the largest value.
fn top(row: ArrayView1<'_, f32>) -> Labelled {
    let first = Labelled { label: 0, score: row.first().copied().unwrap_or(0.0) };
    row.iter().enumerate().fold(
        first,
        |best, (label, &score)| {
            if score > best.score { Labelled { label, score } } else { best }
        },
    )
}

fn label_average(probabilities: &Array2<f32>, tokens: Range<usize>) -> Labelled {
    let rows = probabilities.slice_axis(Axis(0), Slice::from(tokens));
    let mean: Array1<f32> = rows.mean_axis(Axis(0)).unwrap_or_default();
    top(mean.view())
}

fn label_max(probabilities: &Array2<f32>, tokens: Range<usize>) -> Labelled {
    let mut best = top(probabilities.row(tokens.start));
    for token in tokens.skip(1) {
        let other = top(probabilities.row(token));
        if other.score > best.score {
            best = other;
        }
    }
    best
}

fn group_none(labelled: &[Labelled], labels: &[String]) -> Vec<Group> {
    let all = labelled.iter().enumerate();
    all.filter(|(_, unit)| labels[unit.label] != "O")
        .map(|(at, unit)| Group { label: labels[unit.label].clone(), score: unit.score, units: at..at + 1 })
        .collect()
}

/// Groups as `TokenClassificationPipeline.group_entities` does: only `B-` and `I-` are prefixes, and `O` is grouped
/// like a type and dropped at the end.
fn group_like_pipelines(labelled: &[Labelled], labels: &[String]) -> Vec<Group> {
    let tag_of = |unit: &Labelled| pipeline_tag(&labels[unit.label]);
    let runs = runs(labelled.len(), |at| {
        let (begins, tag) = tag_of(&labelled[at]);
        tag == tag_of(&labelled[at - 1]).1 && !begins
    });
    let named = runs.into_iter().map(|units| {
        let label = pipeline_label(&labels[labelled[units.start].label]);
        Group { label: label.to_owned(), score: mean_score(&labelled[units.clone()]), units }
    });
    named.filter(|group| group.label != "O").collect()
}

/// Splits `count` units into runs. Unit `i` continues the run of the unit before it if `joins(i)`.
fn runs(count: usize, joins: impl Fn(usize) -> bool) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for at in 0..count {
        match runs.last_mut() {
            Some(run) if joins(at) => run.end = at + 1,
            _ => runs.push(at..at + 1),
        }
    }
    runs
}

fn mean_score(units: &[Labelled]) -> f32 {
    units.iter().map(|unit| unit.score).sum::<f32>() / units.len().max(1) as f32
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use proptest::prelude::{any, prop, prop_assert, proptest};

    use super::{Bond, Labels, Sequences, Unit, group_words, probabilities, top};
    use crate::tags::Tag;

    proptest! {
        /// Whatever the layout, the score is at least the mean probability of the chosen tags. If the best tags of all
        /// words are of the entity's type, it is at least their mean probability, too.
        #[test]
        fn a_repaired_tag_never_lowers_a_score(
            logits in prop::collection::vec(-6.0_f32..6.0, 5..=60),
            bonds in prop::collection::vec(any::<u8>(), 12),
        ) {
            let names: Vec<String> = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"].map(str::to_owned).to_vec();
            let tags: Vec<Tag> = names.iter().map(|name| Tag::parse(name)).collect();
            let count = logits.len() / names.len();
            let logits = Array2::from_shape_vec((count, names.len()), logits[..count * names.len()].to_vec());
            let rows = probabilities(logits.expect("the lengths agree"));
            let words: Vec<Unit> = (0..count).map(|at| Unit { tokens: at..at + 1, bytes: at..at + 1 }).collect();
            let bond = |at: usize| match bonds[at] % 4 {
                0 => Bond::Apart,
                1 => Bond::Outside,
                _ => Bond::Free,
            };
            let sequences = Sequences::iob2(&tags);
            for sequences in [Some(&sequences), None] {
                let labels = Labels { names: &names, tags: &tags, sequences };
                let path = match sequences {
                    Some(sequences) => sequences.likeliest(rows.rows().into_iter(), bond),
                    None => rows.rows().into_iter().map(|row| top(row).label).collect(),
                };
                for group in group_words(&words, &rows, labels, bond) {
                    let mean = |of: &dyn Fn(usize) -> f32| {
                        group.units.clone().map(of).sum::<f32>() / group.units.len() as f32
                    };
                    prop_assert!(group.score >= mean(&|at| rows[[at, path[at]]]) - 1e-6);
                    let best = |at: usize| top(rows.row(at));
                    if group.units.clone().all(|at| tags[best(at).label].label() == Some(&group.label)) {
                        prop_assert!(group.score >= mean(&|at| best(at).score) - 1e-6);
                    }
                    prop_assert!(group.units.clone().all(|at| bond(at) != Bond::Outside));
                    prop_assert!(group.units.clone().skip(1).all(|at| bond(at) == Bond::Free));
                }
            }
        }
    }

    /// A word outside of all entities ends one, whatever its tag.
    #[test]
    fn an_entity_begins_behind_a_word_that_is_outside_of_all() {
        let names = ["O", "B-PER", "I-PER"].map(str::to_owned);
        let tags: Vec<Tag> = names.iter().map(|name| Tag::parse(name)).collect();
        let labels = Labels { names: &names, tags: &tags, sequences: None };
        let rows = ndarray::arr2(&[[0.1, 0.8, 0.1], [0.1, 0.2, 0.7]]);
        let words = [0, 1].map(|at| Unit { tokens: at..at + 1, bytes: at..at + 1 });
        let places = |outside: usize| -> Vec<(usize, usize)> {
            let bond = |at: usize| if at == outside { Bond::Outside } else { Bond::Free };
            let groups = group_words(&words, &rows, labels, bond);
            groups.into_iter().map(|group| (group.units.start, group.units.end)).collect()
        };
        assert_eq!(places(0), [(1, 2)]);
        assert_eq!(places(1), [(0, 1)]);
        assert_eq!(places(2), [(0, 2)]);
    }
}
