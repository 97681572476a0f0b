//! The arguments of the functions: texts and lists of labels, of whatever string type.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, exec_err, plan_err};

/// The type that an argument `text` is converted to.
pub(crate) fn text_type(of: &DataType) -> Result<DataType> {
    match of {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Ok(of.clone()),
        DataType::Null => Ok(DataType::Utf8),
        DataType::Dictionary(_, value) => text_type(value),
        other => plan_err!("a text must be a string, not {other}; cast it by text::VARCHAR"),
    }
}

/// The type that an argument `labels` is converted to: a list of strings.
pub(crate) fn labels_type(of: &DataType) -> Result<DataType> {
    let item = match of {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            item.data_type()
        }
        DataType::Null => &DataType::Utf8,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            return plan_err!("labels must be a list, such as ['sport', 'politics'], not one string");
        }
        other => return plan_err!("labels must be a list of strings, not {other}"),
    };
    let item = text_type(item).or_else(|_| plan_err!("labels must be strings, not {item}"))?;
    Ok(DataType::List(Arc::new(Field::new_list_field(item, true))))
}

/// The texts of a column, null where the column is.
pub(crate) fn texts(column: &dyn Array) -> Result<Vec<Option<&str>>> {
    Ok(match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().iter().collect(),
        DataType::LargeUtf8 => column.as_string::<i64>().iter().collect(),
        DataType::Utf8View => column.as_string_view().iter().collect(),
        other => return exec_err!("a text must be a string, not {other}"),
    })
}

/// A list of labels, null where the column is.
pub(crate) type Labels = Option<Vec<Option<String>>>;

/// The lists of labels of a column.
pub(crate) fn labels(column: &ArrayRef) -> Result<Vec<Labels>> {
    let Some(lists) = column.as_list_opt::<i32>() else {
        return exec_err!("labels must be a list of strings, not {}", column.data_type());
    };
    let owned = |list: ArrayRef| -> Result<Vec<Option<String>>> {
        Ok(texts(&list)?.into_iter().map(|label| label.map(str::to_owned)).collect())
    };
    lists.iter().map(|list| list.map(owned).transpose()).collect()
}
