//! Entities and topics as Apache Arrow columns: one list per document.
//!
//! ```
//! use entopic::{Entity, Span};
//! use entopic_arrow::EntityColumn;
//!
//! let text = "Nairobi is in Kenya.";
//! let span = Span::find(text, "Nairobi").expect("the text has it");
//! let city = Entity::new("LOC", text, span, 0.9);
//!
//! let mut column = EntityColumn::new();
//! column.push([(&city, city.span.chars.clone())])?;
//! column.push_null();
//! let column = column.finish()?;
//! assert_eq!(arrow_array::Array::len(&column), 2);
//! # Ok::<(), arrow_schema::ArrowError>(())
//! ```

#![deny(missing_docs)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod lists;

pub use arrow_array;
pub use arrow_schema;

use std::ops::Range;
use std::sync::Arc;

use arrow_array::ListArray;
use arrow_array::builder::{Float32Builder, Int64Builder, StringBuilder};
use arrow_schema::{ArrowError, DataType, Field, Fields};
use entopic::{Entity, Topic};

use self::lists::Lists;

/// The most bytes of a name of [`entopic::FoundBy`].
const FOUND_BY: usize = "model".len();

/// Lists of entities, one list per document.
///
/// Each entity is a struct of `start` and `end` (Int64, in the unit that the caller chooses), `label`, `kind` (null if
/// the model is not sure of one), `text`, `score` (Float32) and `found_by` (`model` or `rule`).
///
/// ```
/// use entopic::{Entity, Span};
/// use entopic_arrow::EntityColumn;
/// use entopic_arrow::arrow_array::Array;
///
/// let text = "Nairobi is in Kenya.";
/// let span = Span::find(text, "Kenya").expect("the text has it");
/// let country = Entity::new("LOC", text, span, 0.9);
/// let mut column = EntityColumn::new();
/// column.push([(&country, country.span.bytes.clone())])?;
/// let column = column.finish()?;
/// assert_eq!((column.len(), column.value(0).len()), (1, 1));
/// # Ok::<(), entopic_arrow::arrow_schema::ArrowError>(())
/// ```
#[derive(Debug, Default)]
pub struct EntityColumn {
    lists: Lists,
    start: Int64Builder,
    end: Int64Builder,
    label: StringBuilder,
    kind: StringBuilder,
    text: StringBuilder,
    score: Float32Builder,
    found_by: StringBuilder,
}

impl EntityColumn {
    /// A column without documents.
    ///
    /// ```
    /// use entopic_arrow::EntityColumn;
    /// use entopic_arrow::arrow_array::Array;
    ///
    /// assert!(EntityColumn::new().finish()?.is_empty());
    /// # Ok::<(), entopic_arrow::arrow_schema::ArrowError>(())
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// The type of the column.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use entopic_arrow::EntityColumn;
    /// use entopic_arrow::arrow_array::RecordBatch;
    /// use entopic_arrow::arrow_schema::{Field, Schema};
    ///
    /// let schema = Schema::new(vec![Field::new("entities", EntityColumn::data_type(), true)]);
    /// let column = EntityColumn::new().finish()?;
    /// let batch = RecordBatch::try_new(Arc::new(schema), vec![Arc::new(column)])?;
    /// assert_eq!((batch.num_rows(), batch.num_columns()), (0, 1));
    /// # Ok::<(), entopic_arrow::arrow_schema::ArrowError>(())
    /// ```
    pub fn data_type() -> DataType {
        lists::data_type(Self::fields())
    }

    fn fields() -> Fields {
        Fields::from(vec![
            Field::new("start", DataType::Int64, false),
            Field::new("end", DataType::Int64, false),
            Field::new("label", DataType::Utf8, false),
            Field::new("kind", DataType::Utf8, true),
            Field::new("text", DataType::Utf8, false),
            Field::new("score", DataType::Float32, false),
            Field::new("found_by", DataType::Utf8, false),
        ])
    }

    /// Adds the entities of one document, each with its start and end.
    ///
    /// ```
    /// use entopic::{Entity, Span};
    /// use entopic_arrow::EntityColumn;
    /// use entopic_arrow::arrow_array::cast::AsArray;
    ///
    /// let text = "Nairobi is in Kenya.";
    /// let span = Span::find(text, "Kenya").expect("it should exist");
    /// let country = Entity::new("LOC", text, span, 0.9);
    /// let mut column = EntityColumn::new();
    /// column.push([(&country, country.span.chars.clone())])?;
    /// let entities = column.finish()?.value(0);
    /// let names = entities.as_struct().column_by_name("text").expect("it should be a field");
    /// assert_eq!(names.as_string::<i32>().value(0), "Kenya");
    /// # Ok::<(), entopic_arrow::arrow_schema::ArrowError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the column would have more than 2 GiB of text or 2³¹ entities. The document is not added.
    pub fn push<'a, I>(&mut self, entities: I) -> Result<(), ArrowError>
    where
        I: IntoIterator<Item = (&'a Entity, Range<usize>)>,
        I::IntoIter: Clone,
    {
        let entities = entities.into_iter();
        let bytes = |entity: &Entity| {
            let kind = entity.kind.as_ref().map_or(0, String::len);
            entity.text.len() + entity.label.len() + kind + FOUND_BY
        };
        self.lists.push(entities.clone().map(|(entity, _)| bytes(entity)))?;
        for (entity, place) in entities {
            self.start.append_value(place.start as i64);
            self.end.append_value(place.end as i64);
            self.label.append_value(&entity.label);
            self.kind.append_option(entity.kind.as_ref());
            self.text.append_value(&entity.text);
            self.score.append_value(entity.score);
            self.found_by.append_value(entity.found_by.to_string());
        }
        Ok(())
    }

    /// Adds a document whose entities are unknown.
    ///
    /// ```
    /// use entopic_arrow::EntityColumn;
    /// use entopic_arrow::arrow_array::Array;
    ///
    /// let mut column = EntityColumn::new();
    /// column.push_null();
    /// column.push([])?; // no entities
    /// let column = column.finish()?;
    /// assert!(column.is_null(0) && column.is_valid(1));
    /// # Ok::<(), entopic_arrow::arrow_schema::ArrowError>(())
    /// ```
    pub fn push_null(&mut self) {
        self.lists.push_null();
    }

    /// Returns the column, and leaves the builder empty.
    ///
    /// ```
    /// use entopic_arrow::EntityColumn;
    /// use entopic_arrow::arrow_array::Array;
    ///
    /// let mut column = EntityColumn::new();
    /// column.push_null();
    /// assert_eq!(column.finish()?.len(), 1);
    /// assert_eq!(column.finish()?.len(), 0);
    /// # Ok::<(), entopic_arrow::arrow_schema::ArrowError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// None are known: the parts of the column are made to fit.
    pub fn finish(&mut self) -> Result<ListArray, ArrowError> {
        self.lists.finish(
            Self::fields(),
            vec![
                Arc::new(self.start.finish()),
                Arc::new(self.end.finish()),
                Arc::new(self.label.finish()),
                Arc::new(self.kind.finish()),
                Arc::new(self.text.finish()),
                Arc::new(self.score.finish()),
                Arc::new(self.found_by.finish()),
            ],
        )
    }
}

/// Lists of topics, one list per document.
///
/// Each topic is a struct of `label`, `score` and `fit` (Float32; see [`Topic`]).
///
/// ```
/// use entopic_arrow::TopicColumn;
/// use entopic_arrow::arrow_array::Array;
///
/// let mut column = TopicColumn::new();
/// column.push(&[])?; // the topics of an empty text
/// column.push_null();
/// let column = column.finish()?;
/// assert_eq!((column.len(), column.null_count()), (2, 1));
/// assert_eq!(column.data_type(), &TopicColumn::data_type());
/// # Ok::<(), entopic_arrow::arrow_schema::ArrowError>(())
/// ```
#[derive(Debug, Default)]
pub struct TopicColumn {
    lists: Lists,
    label: StringBuilder,
    score: Float32Builder,
    fit: Float32Builder,
}

impl TopicColumn {
    /// A column without documents.
    ///
    /// ```
    /// use entopic_arrow::TopicColumn;
    /// use entopic_arrow::arrow_array::Array;
    ///
    /// assert!(TopicColumn::new().finish()?.is_empty());
    /// # Ok::<(), entopic_arrow::arrow_schema::ArrowError>(())
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// The type of the column.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use entopic_arrow::TopicColumn;
    /// use entopic_arrow::arrow_array::RecordBatch;
    /// use entopic_arrow::arrow_schema::{Field, Schema};
    ///
    /// let schema = Schema::new(vec![Field::new("topics", TopicColumn::data_type(), true)]);
    /// let column = TopicColumn::new().finish()?;
    /// let batch = RecordBatch::try_new(Arc::new(schema), vec![Arc::new(column)])?;
    /// assert_eq!((batch.num_rows(), batch.num_columns()), (0, 1));
    /// # Ok::<(), entopic_arrow::arrow_schema::ArrowError>(())
    /// ```
    pub fn data_type() -> DataType {
        lists::data_type(Self::fields())
    }

    fn fields() -> Fields {
        Fields::from(vec![
            Field::new("label", DataType::Utf8, false),
            Field::new("score", DataType::Float32, false),
            Field::new("fit", DataType::Float32, false),
        ])
    }

    /// Adds the topics of one document.
    ///
    /// ```
    /// use entopic::TaggedDocument;
    /// use entopic_arrow::TopicColumn;
    /// use entopic_arrow::arrow_array::Array;
    ///
    /// let document = TaggedDocument::default(); // of an empty text
    /// let mut column = TopicColumn::new();
    /// column.push(&document.topics)?;
    /// let column = column.finish()?;
    /// assert_eq!((column.len(), column.null_count(), column.value(0).len()), (1, 0, 0));
    /// # Ok::<(), entopic_arrow::arrow_schema::ArrowError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the column would have more than 2 GiB of text or 2³¹ topics. The document is not added.
    pub fn push(&mut self, topics: &[Topic]) -> Result<(), ArrowError> {
        self.lists.push(topics.iter().map(|topic| topic.label.len()))?;
        for topic in topics {
            self.label.append_value(&topic.label);
            self.score.append_value(topic.score);
            self.fit.append_value(topic.fit);
        }
        Ok(())
    }

    /// Adds a document whose topics are unknown.
    ///
    /// ```
    /// use entopic_arrow::TopicColumn;
    /// use entopic_arrow::arrow_array::Array;
    ///
    /// let mut column = TopicColumn::new();
    /// column.push_null();
    /// column.push(&[])?; // no topics
    /// let column = column.finish()?;
    /// assert!(column.is_null(0) && column.is_valid(1));
    /// # Ok::<(), entopic_arrow::arrow_schema::ArrowError>(())
    /// ```
    pub fn push_null(&mut self) {
        self.lists.push_null();
    }

    /// Returns the column, and leaves the builder empty.
    ///
    /// ```
    /// use entopic_arrow::TopicColumn;
    /// use entopic_arrow::arrow_array::Array;
    ///
    /// let mut column = TopicColumn::new();
    /// column.push_null();
    /// assert_eq!(column.finish()?.len(), 1);
    /// assert_eq!(column.finish()?.len(), 0);
    /// # Ok::<(), entopic_arrow::arrow_schema::ArrowError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// None are known: the parts of the column are made to fit.
    pub fn finish(&mut self) -> Result<ListArray, ArrowError> {
        self.lists.finish(
            Self::fields(),
            vec![Arc::new(self.label.finish()), Arc::new(self.score.finish()), Arc::new(self.fit.finish())],
        )
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::Array;
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use entopic::{Entity, Span};

    use super::{EntityColumn, TopicColumn};

    #[test]
    fn lists_keep_their_documents_apart() {
        let text = "Ana met Bo in Cadiz";
        let entity = |label: &str, part: &str| {
            let span = Span::find(text, part).expect("the text has it");
            Entity::new(label, text, span, 0.5)
        };
        let (ana, bo, cadiz) = (entity("PER", "Ana"), entity("PER", "Bo"), entity("LOC", "Cadiz"));
        let with_place = |entity| (entity, Entity::clone(entity).span.chars);
        let mut column = EntityColumn::new();
        for documents in 0..2 {
            column.push([&ana, &bo].map(with_place)).expect("it should fit");
            column.push_null();
            column.push([]).expect("it should fit");
            column.push([&cadiz].map(with_place)).expect("it should fit");
            let column = column.finish().expect("its parts should fit");
            assert_eq!(column.data_type(), &EntityColumn::data_type(), "{documents}");
            assert_eq!(column.len(), 4);
            assert_eq!((0..4).map(|at| column.is_null(at)).collect::<Vec<_>>(), [false, true, false, false]);
            let last = column.value(3);
            let last = last.as_struct();
            assert_eq!(last.column_by_name("text").expect("a field").as_string::<i32>().value(0), "Cadiz");
            assert_eq!(
                last.column_by_name("start").expect("a field").as_primitive::<Int64Type>().value(0),
                14
            );
            assert_eq!(column.value(0).len(), 2);
            assert_eq!(column.value(2).len(), 0);
        }
    }

    #[test]
    fn an_empty_column_has_its_type() {
        let column = TopicColumn::new().finish().expect("its parts should fit");
        assert_eq!((column.len(), column.data_type()), (0, &TopicColumn::data_type()));
    }
}
