//! SQL functions for Apache DataFusion that find entities and topics.
//!
#![cfg_attr(feature = "bundled", doc = include_str!("../README.md"))]
#![deny(missing_docs)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod answers;
mod arguments;
mod function;

use std::sync::Arc;

pub use datafusion;

use datafusion::logical_expr::ScalarUDF;
use datafusion::prelude::SessionContext;
use entopic::{Redaction, Tagger};

use self::answers::Model;
use self::function::{Function, Kind};

/// The functions `entities`, `topics`, `topic` and `redact`, to be registered with DataFusion.
///
/// ```
/// # #[cfg(feature = "bundled")] {
/// use datafusion::prelude::SessionContext;
/// use entopic::{Redaction, Tagger};
/// use entopic_datafusion::Functions;
///
/// let context = SessionContext::new();
/// let functions = Functions::new(Tagger::bundled()?).redaction(Redaction::pseudonym()).strict(true);
/// functions.register(&context);
/// # }
/// # Ok::<(), entopic::Error>(())
/// ```
///
/// All functions share the models of one [`Tagger`], so a process loads them once. To choose the threads, the precision
/// or other models, make the tagger from an [`Engine`](entopic::Engine); for limits on each batch, from
/// [`Tagger::within`].
///
/// # Cost
///
/// A call runs the model over the texts of one batch of rows (8,192 by default; `datafusion.execution.batch_size`) on
/// the threads of the engine, and blocks the thread of DataFusion that made it. A query that is cancelled ends when
/// DataFusion next yields, which may be some batches later.
///
/// Each mention of a function in the plan is a run of its model: DataFusion moves a condition on `topic(text)` below
/// the query that computes it, and then both compute it. To ask several questions, write the results to a file once,
/// and query that.
///
/// Memory is that of one batch and its results for each partition.
#[derive(Clone, Debug)]
pub struct Functions {
    tagger: Tagger,
    redaction: Redaction,
    strict: bool,
}

impl Functions {
    /// The functions with the models of `tagger`. Topics are those of [`Tagger::labels`] where a query names none.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # #[cfg(feature = "bundled")] {
    /// use datafusion::{arrow::array::AsArray, prelude::SessionContext};
    /// use entopic::Tagger;
    /// use entopic_datafusion::Functions;
    ///
    /// let tagger = Tagger::bundled()?;
    /// let labels = tagger.topics().label_set(["football", "tennis"])?;
    /// let context = SessionContext::new();
    /// Functions::new(tagger.with_labels(labels)?).register(&context);
    /// let query = "SELECT topic('The striker headed the ball into the net.')";
    /// let batches = context.sql(query).await?.collect().await?;
    /// assert_eq!(batches[0].column(0).as_string::<i32>().value(0), "football");
    /// # }
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(tagger: Tagger) -> Self {
        Self { tagger, redaction: Redaction::label(), strict: false }
    }

    /// The way in which `redact` takes entities out of a text [default: `[PER]`, the label].
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # #[cfg(feature = "bundled")] {
    /// use datafusion::{arrow::array::AsArray, prelude::SessionContext};
    /// use entopic::{Redaction, Tagger};
    /// use entopic_datafusion::Functions;
    ///
    /// let context = SessionContext::new();
    /// let redaction = Redaction::pseudonym().only(["PER"]);
    /// Functions::new(Tagger::bundled()?).redaction(redaction).register(&context);
    /// let query = "SELECT redact('Angela Merkel spoke in Berlin about the price of gas.')";
    /// let batches = context.sql(query).await?.collect().await?;
    /// let redacted = batches[0].column(0).as_string::<i32>().value(0);
    /// assert_eq!(redacted, "[PER-1] spoke in Berlin about the price of gas.");
    /// # }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn redaction(mut self, redaction: Redaction) -> Self {
        self.redaction = redaction;
        self
    }

    /// Sets whether a text that fails ends the query [default: false]. Otherwise the function is null for that row, and
    /// a warning (of the crate `log`) says how many rows of a batch failed and why.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # #[cfg(feature = "bundled")] {
    /// use datafusion::prelude::SessionContext;
    /// use entopic::{Limits, Tagger};
    /// use entopic_datafusion::Functions;
    ///
    /// // The text is longer than the limit.
    /// let tagger = Tagger::bundled()?.within(&Limits::new().max_bytes(10));
    /// let context = SessionContext::new();
    /// Functions::new(tagger).strict(true).register(&context);
    /// let frame = context.sql("SELECT redact('Ada Lovelace lived in London.')").await?;
    /// let error = frame.collect().await.unwrap_err();
    /// assert!(error.to_string().contains("redact failed"));
    /// # }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }

    /// The functions, for a registry other than a `SessionContext`.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// use entopic::Tagger;
    /// use entopic_datafusion::Functions;
    ///
    /// let functions = Functions::new(Tagger::bundled()?).all();
    /// let names: Vec<&str> = functions.iter().map(|function| function.name()).collect();
    /// assert_eq!(names, ["entities", "topics", "topic", "redact"]);
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    pub fn all(&self) -> Vec<ScalarUDF> {
        let Self { tagger, redaction, strict } = self.clone();
        let model = Arc::new(Model { tagger, redaction, strict });
        Kind::ALL.map(|kind| ScalarUDF::from(Function::new(kind, Some(Arc::clone(&model))))).into()
    }

    /// Registers the functions, so that queries and programs of this context can call them.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # #[cfg(feature = "bundled")] {
    /// use datafusion::{arrow::array::AsArray, prelude::SessionContext};
    /// use entopic::Tagger;
    /// use entopic_datafusion::Functions;
    ///
    /// let context = SessionContext::new();
    /// Functions::new(Tagger::bundled()?).register(&context);
    /// let query = "SELECT redact('Angela Merkel spoke in Berlin.')";
    /// let batches = context.sql(query).await?.collect().await?;
    /// assert_eq!(batches[0].column(0).as_string::<i32>().value(0), "[PER] spoke in [LOC].");
    /// # }
    /// # Ok(())
    /// # }
    /// ```
    pub fn register(&self, context: &SessionContext) {
        for function in self.all() {
            context.register_udf(function);
        }
    }
}

/// The functions without models, for a process that plans queries and leaves their execution to others, such as the
/// scheduler of a cluster. A call of one fails.
///
/// ```
/// use datafusion::prelude::SessionContext;
///
/// let context = SessionContext::new();
/// for function in entopic_datafusion::planning_functions() {
///     context.register_udf(function);
/// }
/// ```
pub fn planning_functions() -> Vec<ScalarUDF> {
    Kind::ALL.map(|kind| ScalarUDF::from(Function::new(kind, None))).into()
}
