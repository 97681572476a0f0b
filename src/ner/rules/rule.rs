//! One rule.

use std::ops::Range;

use super::built_in::BuiltIn;

/// A rule of [`Rules`](crate::Rules): what to find, and the label of the entities.
///
/// ```
/// use entopic::{BuiltIn, Rule, Rules};
///
/// let rules = Rules::new([
///     Rule::phrases("ORG", ["Acme"]).kind("company").ignore_case(true),
///     Rule::pattern("CASE", r"\bcase (?<entity>\d+)\b").priority(1),
///     Rule::built_in(BuiltIn::Date).label("DAY"),
/// ])?;
/// let found = rules.find("ACME won case 12 on 2024-03-11.");
/// let found: Vec<_> = found.iter().map(|entity| (&*entity.label, &*entity.text)).collect();
/// assert_eq!(found, [("ORG", "ACME"), ("CASE", "12"), ("DAY", "2024-03-11")]);
/// # Ok::<(), entopic::Error>(())
/// ```
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
    /// Finds `phrases` that are whole words in the text. White space in a phrase matches any white space, line ends
    /// included.
    ///
    /// ```
    /// use entopic::{Rule, Rules};
    ///
    /// let rules = Rules::new([Rule::phrases("CITY", ["New York"])])?;
    /// assert_eq!(rules.find("in New\nYork")[0].text, "New\nYork");
    /// assert!(rules.find("New Yorkers").is_empty());
    /// # Ok::<(), entopic::Error>(())
    /// ```
    pub fn phrases<I>(label: impl Into<String>, phrases: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let phrases = phrases.into_iter().map(Into::into).collect();
        Self::new(label, Finder::Phrases { phrases, ignore_case: false, exact_space: false })
    }

    /// Finds matches of `pattern`, a regular expression in the syntax of the crate `regex`, in time linear in the text.
    /// If the pattern has a group named `entity`, as in `order no\. (?<entity>\d+)`, the entity is that group.
    ///
    /// ```
    /// use entopic::{Rule, Rules};
    ///
    /// let rules = Rules::new([Rule::pattern("ORDER", r"order no\. (?<entity>\d+)")])?;
    /// assert_eq!(rules.find("It is order no. 4711.")[0].text, "4711");
    /// # Ok::<(), entopic::Error>(())
    /// ```
    pub fn pattern(label: impl Into<String>, pattern: impl Into<String>) -> Self {
        Self::new(label, Finder::Pattern { pattern: pattern.into(), ignore_case: false })
    }

    /// Applies a built-in set, with its own label.
    ///
    /// ```
    /// use entopic::{BuiltIn, Rule, Rules};
    ///
    /// let rules = Rules::new([Rule::built_in(BuiltIn::Percent)])?;
    /// assert_eq!(rules.find("It rose by 3.5 % in May.")[0].label, BuiltIn::Percent.label());
    /// # Ok::<(), entopic::Error>(())
    /// ```
    pub fn built_in(set: BuiltIn) -> Self {
        Self::new(set.label(), Finder::BuiltIn(set))
    }

    fn new(label: impl Into<String>, finder: Finder) -> Self {
        Self { label: label.into(), kind: None, priority: 0, finder }
    }

    /// Replaces the label of the rule.
    ///
    /// ```
    /// use entopic::{BuiltIn, Rule, Rules};
    ///
    /// let rules = Rules::new([Rule::built_in(BuiltIn::Email).label("CONTACT")])?;
    /// assert_eq!(rules.find("Write to ada@example.org.")[0].label, "CONTACT");
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// The [`kind`](crate::Entity::kind) of the entities that the rule finds.
    ///
    /// ```
    /// use entopic::{Rule, Rules};
    ///
    /// let rules = Rules::new([Rule::phrases("PRODUCT", ["Pixel 9"]).kind("phone")])?;
    /// assert_eq!(rules.find("A Pixel 9.")[0].kind.as_deref(), Some("phone"));
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.kind = Some(kind.into());
        self
    }

    /// The priority of the rule where matches overlap, 0 by default. With a negative priority, the model also wins over
    /// the rule.
    ///
    /// ```
    /// use entopic::{Rule, Rules};
    ///
    /// let rules = Rules::new([
    ///     Rule::phrases("CITY", ["York"]).priority(1),
    ///     Rule::phrases("STATE", ["New York"]),
    /// ])?;
    /// assert_eq!(rules.find("New York")[0].label, "CITY");
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// Sets whether phrases and patterns ignore case; off by default. It has no effect on built-in sets.
    ///
    /// ```
    /// use entopic::{Rule, Rules};
    ///
    /// let rules = Rules::new([Rule::phrases("PRODUCT", ["Pixel 9"]).ignore_case(true)])?;
    /// assert_eq!(rules.find("A PIXEL 9.")[0].text, "PIXEL 9");
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn ignore_case(mut self, ignore: bool) -> Self {
        if let Finder::Phrases { ignore_case, .. } | Finder::Pattern { ignore_case, .. } = &mut self.finder {
            *ignore_case = ignore;
        }
        self
    }

    /// Sets whether white space in phrases matches only itself; off by default. In patterns it always does.
    ///
    /// ```
    /// use entopic::{Rule, Rules};
    ///
    /// let text = "New  York";
    /// assert_eq!(Rules::new([Rule::phrases("CITY", ["New York"])])?.find(text).len(), 1);
    /// assert_eq!(Rules::new([Rule::phrases("CITY", ["New York"]).exact_space(true)])?.find(text).len(), 0);
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn exact_space(mut self, exact: bool) -> Self {
        if let Finder::Phrases { exact_space, .. } = &mut self.finder {
            *exact_space = exact;
        }
        self
    }
}

/// A match, before overlaps are resolved.
#[derive(Debug)]
pub(super) struct Match {
    pub(super) bytes: Range<usize>,
    pub(super) rule: usize,
}
