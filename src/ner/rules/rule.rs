//! One rule.

use std::ops::Range;

use super::built_in::BuiltIn;

/// A rule of [`Rules`](crate::Rules): what it finds, and the label for it.
#[derive(Clone, Debug)]
pub struct Rule {
    pub(super) label: String,
    pub(super) kind: Option<String>,
    pub(super) priority: i32,
    pub(super) finder: Finder,
}

#[derive(Clone, Debug)]
pub(super) enum Finder {
    Phrases { phrases: Vec<String>, ignore_case: bool, exact_space: bool },
    Pattern { pattern: String, ignore_case: bool },
    BuiltIn(BuiltIn),
}

impl Rule {
    /// Finds `phrases` where they stand as whole words. White space in a phrase stands for any white space, line ends
    /// included.
    pub fn phrases<I>(label: impl Into<String>, phrases: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let phrases = phrases.into_iter().map(Into::into).collect();
        Self::new(label, Finder::Phrases { phrases, ignore_case: false, exact_space: false })
    }

    /// Finds what matches `pattern`, in the syntax of the crate `regex`, which takes time linear in the text. If it has a
    /// group named `entity`, as in `order no\. (?<entity>\d+)`, that part is the entity.
    pub fn pattern(label: impl Into<String>, pattern: impl Into<String>) -> Self {
        Self::new(label, Finder::Pattern { pattern: pattern.into(), ignore_case: false })
    }

    /// A built-in set, with its own label.
    pub fn built_in(set: BuiltIn) -> Self {
        Self::new(set.label(), Finder::BuiltIn(set))
    }

    fn new(label: impl Into<String>, finder: Finder) -> Self {
        Self { label: label.into(), kind: None, priority: 0, finder }
    }

    /// Another label.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// The [`kind`](crate::Entity::kind) of its entities.
    #[must_use]
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.kind = Some(kind.into());
        self
    }

    /// Its rank among rules that overlap, 0 by default. One below 0 yields to the model, too.
    #[must_use]
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// Whether phrases and patterns match upper and lower case alike; not by default. Built-in sets have rules of their
    /// own.
    #[must_use]
    pub fn ignore_case(mut self, ignore: bool) -> Self {
        if let Finder::Phrases { ignore_case, .. } | Finder::Pattern { ignore_case, .. } = &mut self.finder {
            *ignore_case = ignore;
        }
        self
    }

    /// Whether white space in phrases stands for itself alone; not by default. In patterns it always does.
    #[must_use]
    pub fn exact_space(mut self, exact: bool) -> Self {
        if let Finder::Phrases { exact_space, .. } = &mut self.finder {
            *exact_space = exact;
        }
        self
    }
}

/// A match, before those that overlap are settled.
#[derive(Debug)]
pub(super) struct Match {
    pub(super) bytes: Range<usize>,
    pub(super) rule: usize,
}
