//! The hypotheses of NLI models, and the columns of their answers.

/// transformers' default template for zero-shot classification.
pub(crate) const DEFAULT_TEMPLATE: &str = "This example is {}.";

/// The columns of an NLI head that say whether a hypothesis holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Columns {
    pub(crate) entailment: usize,
    pub(crate) contradiction: usize,
}

impl Columns {
    /// Finds the columns as transformers' zero-shot pipeline does: entailment is the first label that begins with
    /// `entail` in any case; contradiction (or `not_entailment`) is the first column, or the last if entailment is the
    /// first. If no label begins with `entail`, the pipeline guesses the last column, and this function returns `None`.
    pub(crate) fn find(labels: &[String]) -> Option<Self> {
        let last = labels.len().checked_sub(1).filter(|&last| last > 0)?;
        let entailment = labels.iter().position(|label| label.to_lowercase().starts_with("entail"))?;
        let contradiction = if entailment == 0 { last } else { 0 };
        Some(Self { entailment, contradiction })
    }
}

/// The sentence that states that a text is about `label`.
pub(crate) fn fill(template: &str, label: &str) -> String {
    template.replace(PLACE, label)
}

/// The placeholder for the label in a template.
pub(crate) const PLACE: &str = "{}";

#[cfg(test)]
mod tests {
    use super::Columns;

    fn columns(labels: &[&str]) -> Option<(usize, usize)> {
        let labels: Vec<String> = labels.iter().map(|&label| label.to_owned()).collect();
        Columns::find(&labels).map(|columns| (columns.entailment, columns.contradiction))
    }

    #[test]
    fn columns_are_found_by_name() {
        assert_eq!(columns(&["contradiction", "neutral", "entailment"]), Some((2, 0)));
        assert_eq!(columns(&["ENTAILMENT", "NEUTRAL", "CONTRADICTION"]), Some((0, 2)));
        assert_eq!(columns(&["entailment", "not_entailment"]), Some((0, 1)));
        assert_eq!(columns(&["not_entailment", "entailment"]), Some((1, 0)));
        assert_eq!(columns(&["LABEL_0", "LABEL_1", "LABEL_2"]), None);
        assert_eq!(columns(&["only"]), None);
    }
}
