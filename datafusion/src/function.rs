//! One of the functions, as DataFusion sees it.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::scalar_doc_sections::DOC_SECTION_STRING;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use entopic_arrow::{EntityColumn, TopicColumn};

use crate::answers::{Candidates, Model, scalar};
use crate::arguments;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Entities,
    Topics,
    Topic,
    Redact,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Entities, Self::Topics, Self::Topic, Self::Redact];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Entities => "entities",
            Self::Topics => "topics",
            Self::Topic => "topic",
            Self::Redact => "redact",
        }
    }

    /// True for the functions that take labels after the text.
    fn takes_labels(self) -> bool {
        matches!(self, Self::Topics | Self::Topic)
    }

    fn answer_type(self) -> DataType {
        match self {
            Self::Entities => EntityColumn::data_type(),
            Self::Topics => TopicColumn::data_type(),
            Self::Topic | Self::Redact => DataType::Utf8,
        }
    }

    fn documentation(self) -> &'static Documentation {
        static ALL: LazyLock<[Documentation; 4]> = LazyLock::new(|| Kind::ALL.map(Kind::describe));
        &ALL[self as usize]
    }

    fn describe(self) -> Documentation {
        let (description, example) = match self {
            Self::Entities => (
                "The entities of a text: a list of structs with start and end (in characters), label, kind, text, score \
                 and found_by.",
                "SELECT entities('Ada Lovelace lived in London.')",
            ),
            Self::Topics => (
                "The topics of a text, the likeliest first: a list of structs with label, score and fit.",
                "SELECT topics('The striker scored twice.', ['sport', 'politics'])",
            ),
            Self::Topic => (
                "The likeliest topic of a text; null for an empty text.",
                "SELECT topic('The striker scored twice.', ['sport', 'politics'])",
            ),
            Self::Redact => {
                ("The text without its entities.", "SELECT redact('Ada Lovelace lived in London.')")
            }
        };
        let labels = if self.takes_labels() { "text [, labels]" } else { "text" };
        let documentation =
            Documentation::builder(DOC_SECTION_STRING, description, format!("{}({labels})", self.name()))
                .with_sql_example(format!("```sql\n{example};\n```"))
                .with_argument("text", "A string.");
        match self.takes_labels() {
            true => documentation
                .with_argument(
                    "labels",
                    "A list of strings: the candidate topics [default: those of the tagger].",
                )
                .build(),
            false => documentation.build(),
        }
    }
}

/// A function, and the models that it asks; none if it is only for planning.
#[derive(Debug)]
pub(crate) struct Function {
    kind: Kind,
    model: Option<Arc<Model>>,
    signature: Signature,
}

impl Function {
    pub(crate) fn new(kind: Kind, model: Option<Arc<Model>>) -> Self {
        Self { kind, model, signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        let model = |function: &Self| function.model.as_ref().map(Arc::as_ptr);
        self.kind == other.kind && model(self) == model(other)
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.kind.hash(state);
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        self.kind.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        match given {
            [text] => Ok(vec![arguments::text_type(text)?]),
            [text, labels] if self.kind.takes_labels() => {
                Ok(vec![arguments::text_type(text)?, arguments::labels_type(labels)?])
            }
            _ => {
                let takes = if self.kind.takes_labels() {
                    "a text and, if you like, a list of labels"
                } else {
                    "a text"
                };
                plan_err!("{} takes {takes}, not {} arguments", self.name(), given.len())
            }
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.kind.answer_type())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(model) = &self.model else {
            return exec_err!(
                "{} has no models here, where queries are only planned; run the query on a cluster whose executors have them",
                self.name()
            );
        };
        let Some(text) = args.args.first() else { return exec_err!("{} needs a text", self.name()) };
        let each = args.args.iter().any(|argument| matches!(argument, ColumnarValue::Array(_)));
        let rows = if each { args.number_rows } else { 1 };
        let text = text.to_array(rows)?;
        let candidates = match args.args.get(1) {
            None => Candidates::Default,
            Some(ColumnarValue::Scalar(labels)) => {
                Candidates::Same(arguments::labels(&labels.to_array()?)?.pop().flatten())
            }
            Some(ColumnarValue::Array(labels)) => Candidates::Each(arguments::labels(labels)?),
        };
        let column = model.answer(self.kind, &arguments::texts(&text)?, candidates)?;
        if each { Ok(ColumnarValue::Array(column)) } else { scalar(&column) }
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(self.kind.documentation())
    }
}
