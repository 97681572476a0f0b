use std::ops::Range;

use ndarray::{Array1, Array2, ArrayView1, Axis, Slice};
use serde::{Deserialize, Serialize};

use super::sequence::Sequences;
use super::units::{self, Unit};
use crate::document::Document;
use crate::names::named;
use crate::probability::softmax;
use crate::tags::{Tag, pipeline_label, pipeline_tag};

/// The way in which the labels of tokens become entities.
///
/// All but [`Word`](Aggregation::Word) give what transformers' pipelines give under that name, to
/// the rounding of f32 with [`Precision::F32`](crate::Precision::F32), their known faults included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Aggregation {
    /// Each token by itself, with its whole tag (`B-PER`) as label.
    None,
    /// Each token has its own label; neighbours are grouped. May cut words.
    Simple,
    /// A word has the label of its first token.
    First,
    /// A word has the label of its tokens' mean distribution.
    Average,
    /// A word has the label of its token with the highest score.
    Max,
    /// The default. A word by Unicode's bounds has the label of its first token, and words are
    /// grouped by the model's tag scheme (IO, IOB, IOB2, BIOES, BMEWO, BILOU). Never cuts a word,
    /// never joins words over a blank line, never begins or ends with white space. Where config.json
    /// has `"tag_scheme": "IOB2"`, as that of `ner-en-small` has, the labels are the likeliest sequence
    /// in which every `I-` goes on with an entity.
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
    /// The mean of its units' scores.
    pub(crate) score: f32,
    /// Indices of units.
    pub(crate) units: Range<usize>,
}

/// A unit's label, as its column, and the label's probability.
#[derive(Clone, Copy, Debug)]
struct Labelled {
    label: usize,
    score: f32,
}

/// Softmax of each row.
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

/// A model's labels in the order of their columns, as they stand and as tags.
#[derive(Clone, Copy)]
pub(crate) struct Labels<'a> {
    pub(crate) names: &'a [String],
    pub(crate) tags: &'a [Tag],
    /// The sequences of tags that are possible, if the model declares a scheme.
    pub(crate) sequences: Option<&'a Sequences>,
}

/// The entities among the `units` of `text`. `probabilities` is `[tokens, labels]`.
pub(crate) fn group(
    text: &str,
    units: &[Unit],
    probabilities: &Array2<f32>,
    labels: Labels<'_>,
    aggregation: Aggregation,
) -> Vec<Group> {
    let first = |unit: &Unit| probabilities.row(unit.tokens.start);
    if aggregation == Aggregation::Word {
        let apart = |at: usize| is_blank_line(text, units[at - 1].bytes.end..units[at].bytes.start);
        let labelled: Vec<Labelled> = match labels.sequences {
            None => units.iter().map(|unit| top(first(unit))).collect(),
            Some(sequences) => {
                let path = sequences.likeliest(units.iter().map(first), apart);
                let scored = path.into_iter().zip(units);
                scored.map(|(label, unit)| Labelled { label, score: first(unit)[label] }).collect()
            }
        };
        return group_by_scheme(&labelled, labels.tags, apart);
    }
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

/// `TokenClassificationPipeline.group_entities`: only `B-` and `I-` are prefixes, and `O` is
/// grouped like a type and dropped in the end.
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

/// By the tag scheme. `apart(i)` tells whether units `i - 1` and `i` cannot be one entity, whatever
/// their tags: headlines and lists often end without a full stop.
fn group_by_scheme(labelled: &[Labelled], tags: &[Tag], apart: impl Fn(usize) -> bool) -> Vec<Group> {
    let tag = |at: usize| &tags[labelled[at].label];
    let runs = runs(labelled.len(), |at| tag(at - 1).continues_with(tag(at)) && !apart(at));
    let named = runs.into_iter().filter_map(|units| {
        let label = tags[labelled[units.start].label].label()?.to_owned();
        Some(Group { label, score: mean_score(&labelled[units.clone()]), units })
    });
    named.collect()
}

/// Whether `gap` is white space with two line ends or more.
fn is_blank_line(text: &str, gap: Range<usize>) -> bool {
    let gap = text.get(gap).unwrap_or_default();
    gap.trim().is_empty() && gap.matches('\n').count() > 1
}

/// Cuts `count` units wherever `joins(i)`, whether unit `i` goes on with the one before, is false.
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
