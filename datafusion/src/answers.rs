//! The answers of the functions for a batch of texts.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, StringArray};
use datafusion::common::{DataFusionError, Result, exec_err};
use datafusion::logical_expr::ColumnarValue;
use entopic::{LabelSet, Redaction, Tagger, Topic, redact};
use entopic_arrow::{EntityColumn, TopicColumn};

use crate::arguments::Labels;
use crate::function::Kind;

/// The models that answer, and how.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) tagger: Tagger,
    pub(crate) redaction: Redaction,
    pub(crate) strict: bool,
}

/// The labels of the rows of a batch.
pub(crate) enum Candidates {
    /// Those of the tagger.
    Default,
    /// The same for all rows.
    Same(Labels),
    /// Each row's own.
    Each(Vec<Labels>),
}

/// The failure of one text, or of its labels.
#[derive(Clone)]
enum Failure {
    Entopic(entopic::Error),
    NullLabel,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entopic(error) => error.fmt(f),
            Self::NullLabel => f.write_str("one of the labels is null"),
        }
    }
}

// DataFusion shows the causes of an error in this form.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for Failure {}

impl From<entopic::Error> for Failure {
    fn from(error: entopic::Error) -> Self {
        Self::Entopic(error)
    }
}

/// The answer for one row: none where the text or the labels are null.
type Row<T> = Option<std::result::Result<T, Failure>>;

impl Model {
    /// The column that `kind` answers for `texts`.
    pub(crate) fn answer(
        &self,
        kind: Kind,
        texts: &[Option<&str>],
        candidates: Candidates,
    ) -> Result<ArrayRef> {
        match kind {
            Kind::Entities => {
                let mut column = EntityColumn::new();
                for row in self.checked(kind, self.tagged(texts))? {
                    match row {
                        Some((_, entities)) => {
                            column.push(entities.iter().map(|entity| (entity, entity.span.chars.clone())))?;
                        }
                        None => column.push_null(),
                    }
                }
                Ok(Arc::new(column.finish()?))
            }
            Kind::Redact => {
                let rows = self.checked(kind, self.tagged(texts))?;
                let redacted =
                    |(text, entities): (&str, Vec<_>)| redact(text, &entities, &self.redaction).text;
                strings(kind, rows.into_iter().map(|row| row.map(redacted)).collect())
            }
            Kind::Topics => {
                let mut column = TopicColumn::new();
                for row in self.checked(kind, self.classified(kind, texts, candidates)?)? {
                    match row {
                        Some(topics) => column.push(&topics)?,
                        None => column.push_null(),
                    }
                }
                Ok(Arc::new(column.finish()?))
            }
            Kind::Topic => {
                let rows = self.checked(kind, self.classified(kind, texts, candidates)?)?;
                let best = |topics: Vec<Topic>| topics.into_iter().next().map(|topic| topic.label);
                strings(kind, rows.into_iter().map(|row| row.and_then(best)).collect())
            }
        }
    }

    /// The texts with their entities.
    fn tagged<'t>(&self, texts: &[Option<&'t str>]) -> Vec<Row<(&'t str, Vec<entopic::Entity>)>> {
        let present: Vec<&str> = texts.iter().copied().flatten().collect();
        let mut tagged = self.tagger.ner().tag_iter(present);
        let mut row = |text| {
            let result = tagged.next()?;
            Some(result.map(|tagged| (text, tagged.entities)).map_err(Failure::from))
        };
        texts.iter().map(|text| text.and_then(&mut row)).collect()
    }

    /// The topics of the texts, by the labels of each. Labels that are the same for all rows and cannot be used are a
    /// fault of the query.
    fn classified(
        &self,
        kind: Kind,
        texts: &[Option<&str>],
        candidates: Candidates,
    ) -> Result<Vec<Row<Vec<Topic>>>> {
        let mut rows = vec![None; texts.len()];
        match candidates {
            Candidates::Default => {
                let all: Vec<usize> = (0..texts.len()).collect();
                self.classify(texts, &all, self.tagger.labels(), &mut rows);
            }
            Candidates::Same(None) => {}
            Candidates::Same(Some(labels)) => match self.prepared(labels) {
                Ok(labels) => {
                    let all: Vec<usize> = (0..texts.len()).collect();
                    self.classify(texts, &all, &labels, &mut rows);
                }
                Err(failure) => return exec_err!("the labels of {} cannot be used: {failure}", kind.name()),
            },
            Candidates::Each(labels) => {
                let mut of: HashMap<Labels, Vec<usize>> = HashMap::new();
                for (row, labels) in labels.into_iter().enumerate() {
                    of.entry(labels).or_default().push(row);
                }
                for (labels, chosen) in of {
                    self.classify_by(texts, chosen, labels, &mut rows);
                }
            }
        }
        Ok(rows)
    }

    fn prepared(&self, labels: Vec<Option<String>>) -> std::result::Result<LabelSet, Failure> {
        let labels: Option<Vec<String>> = labels.into_iter().collect();
        Ok(self.tagger.topics().label_set(labels.ok_or(Failure::NullLabel)?)?)
    }

    /// Classifies the rows `chosen`, which have the same labels.
    fn classify_by(
        &self,
        texts: &[Option<&str>],
        mut chosen: Vec<usize>,
        labels: Labels,
        rows: &mut [Row<Vec<Topic>>],
    ) {
        chosen.retain(|row| texts[*row].is_some());
        let Some(labels) = labels.filter(|_| !chosen.is_empty()) else { return };
        match self.prepared(labels) {
            Ok(labels) => self.classify(texts, &chosen, &labels, rows),
            Err(failure) => chosen.into_iter().for_each(|row| rows[row] = Some(Err(failure.clone()))),
        }
    }

    fn classify(
        &self,
        texts: &[Option<&str>],
        chosen: &[usize],
        labels: &LabelSet,
        rows: &mut [Row<Vec<Topic>>],
    ) {
        let present = chosen.iter().filter_map(|row| texts[*row].map(|text| (*row, text)));
        let (at, present): (Vec<usize>, Vec<&str>) = present.unzip();
        let classified = self.tagger.topics().classify_iter(present, labels);
        for (row, result) in at.into_iter().zip(classified) {
            rows[row] = Some(result.map(|classified| classified.topics).map_err(Failure::from));
        }
    }

    /// The rows, null where one failed; or the first failure, if a failure ends the query.
    fn checked<T>(&self, kind: Kind, rows: Vec<Row<T>>) -> Result<Vec<Option<T>>> {
        let (mut failed, mut first) = (0, None);
        let (mut checked, all) = (Vec::with_capacity(rows.len()), rows.len());
        for row in rows {
            checked.push(match row {
                Some(Ok(answer)) => Some(answer),
                Some(Err(failure)) if self.strict => {
                    let error = DataFusionError::External(Box::new(failure));
                    return Err(error.context(format!("{} failed", kind.name())));
                }
                Some(Err(failure)) => {
                    failed += 1;
                    first.get_or_insert(failure);
                    None
                }
                None => None,
            });
        }
        if let Some(first) = first {
            log::warn!(
                "{} is null for {failed} of {all} rows, which failed; the first: {first}",
                kind.name()
            );
        }
        Ok(checked)
    }
}

/// A column of strings, which Arrow can have up to 2 GiB of.
///
/// Its type is not Utf8View, since Ballista sends columns of that type at the size of the buffers that they are part
/// of.
fn strings(kind: Kind, rows: Vec<Option<String>>) -> Result<ArrayRef> {
    let bytes: usize = rows.iter().flatten().map(String::len).sum();
    if i32::try_from(bytes).is_err() {
        let name = kind.name();
        return exec_err!(
            "{name} has {bytes} bytes of text for one batch; lower datafusion.execution.batch_size"
        );
    }
    Ok(Arc::new(StringArray::from(rows)))
}

/// A column of one row as the value that it is.
pub(crate) fn scalar(column: &ArrayRef) -> Result<ColumnarValue> {
    Ok(ColumnarValue::Scalar(datafusion::common::ScalarValue::try_from_array(column, 0)?))
}
