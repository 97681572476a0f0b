//! What the command says when it cannot go on.

use std::error::Error;
use std::fmt;

/// A message for the user, with its causes: `news.txt cannot be read: permission denied`.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// `message`, then `cause` and the causes behind it.
    pub(crate) fn because(message: impl Into<String>, cause: &dyn Error) -> Self {
        let mut text = message.into();
        let mut next = Some(cause);
        while let Some(cause) = next {
            text.push_str(&format!(": {cause}"));
            next = cause.source();
        }
        Self(text)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<entopic::Error> for Failure {
    fn from(error: entopic::Error) -> Self {
        match error.source() {
            Some(source) => Self::because(error.to_string(), source),
            None => Self::new(error.to_string()),
        }
    }
}
