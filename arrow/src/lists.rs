//! The bounds of lists, and which are null.

use std::sync::Arc;

use arrow_array::{ArrayRef, ListArray, StructArray};
use arrow_buffer::{NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, Field, Fields};

/// The end of each list, and which lists are null.
#[derive(Debug)]
pub(crate) struct Lists {
    ends: Vec<i32>,
    valid: NullBufferBuilder,
    items: i32,
    /// The bytes of text of all items; no column of text has more.
    bytes: usize,
}

/// The most bytes of text, and items: Arrow counts both in 32 bits with a sign.
const MOST: usize = i32::MAX as usize;

impl Default for Lists {
    fn default() -> Self {
        Self { ends: vec![0], valid: NullBufferBuilder::new(0), items: 0, bytes: 0 }
    }
}

impl Lists {
    /// Adds a list, whose items have so many bytes of text each.
    pub(crate) fn push(&mut self, sizes: impl Iterator<Item = usize>) -> Result<(), ArrowError> {
        let (items, bytes) = sizes.fold((0_usize, 0_usize), |(items, bytes), size| (items + 1, bytes + size));
        let items = i32::try_from(items).ok().and_then(|items| self.items.checked_add(items));
        let bytes = self.bytes.checked_add(bytes).filter(|bytes| *bytes <= MOST);
        let (Some(items), Some(bytes)) = (items, bytes) else {
            return Err(ArrowError::ComputeError(format!(
                "the results of one batch have more than {MOST} bytes or items; read fewer documents at once"
            )));
        };
        (self.items, self.bytes) = (items, bytes);
        self.ends.push(items);
        self.valid.append_non_null();
        Ok(())
    }

    pub(crate) fn push_null(&mut self) {
        self.ends.push(self.items);
        self.valid.append_null();
    }

    /// The lists of items with these fields, in these columns. Empty afterwards.
    pub(crate) fn finish(&mut self, fields: Fields, columns: Vec<ArrayRef>) -> Result<ListArray, ArrowError> {
        let Self { ends, mut valid, .. } = std::mem::take(self);
        let items = StructArray::try_new(fields.clone(), columns, None)?;
        let ends = OffsetBuffer::new(ScalarBuffer::from(ends));
        ListArray::try_new(item(fields), ends, Arc::new(items), valid.finish())
    }
}

fn item(fields: Fields) -> Arc<Field> {
    Arc::new(Field::new("item", DataType::Struct(fields), false))
}

/// The type of lists of items with these fields.
pub(crate) fn data_type(fields: Fields) -> DataType {
    DataType::List(item(fields))
}

#[cfg(test)]
mod tests {
    use super::{Lists, MOST};

    #[test]
    fn what_would_not_fit_is_refused_and_not_added() {
        let mut lists = Lists::default();
        lists.push([1, MOST - 1].into_iter()).expect("it should fit");
        let error = lists.push([1].into_iter()).expect_err("it should not fit");
        assert!(error.to_string().contains("read fewer documents at once"), "{error}");
        lists.push([].into_iter()).expect("an empty list always fits");
        assert_eq!((lists.ends, lists.items), (vec![0, 2, 2], 2));
    }
}
