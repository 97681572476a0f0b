//! A tagged document for people to read.

use entopic::{Coverage, Entity, TaggedDocument, Topic};

use crate::text::printable;

/// Positions shown for one name; a document that names it more often shows `…` after them.
const POSITIONS: usize = 5;

/// The widest column of names; a longer name moves its own line alone.
const WIDEST: usize = 40;

/// Topics with percentages, then entities by label and name, then how much was read.
pub(crate) fn render(document: &TaggedDocument) -> String {
    let mut lines = vec!["Topics".to_owned()];
    lines.extend(document.topics.iter().map(topic_line));
    if document.topics.is_empty() {
        lines.push("  none".into());
    }
    lines.push(String::new());
    lines.push("Entities, with the characters where they begin".into());
    let groups = group(&document.entities);
    let widths = groups.iter().flat_map(|group| &group.names).map(|name| name.text.chars().count());
    let width = widths.filter(|&width| width <= WIDEST).max().unwrap_or(0);
    for group in &groups {
        lines.push(format!("  {}", group.label));
        lines.extend(group.names.iter().map(|name| name_line(name, width)));
    }
    if groups.is_empty() {
        lines.push("  none".into());
    }
    lines.push(String::new());
    lines.push(coverage_line(&document.coverage));
    lines.join("\n") + "\n"
}

/// The names of one label, the most frequent first.
struct LabelGroup<'d> {
    label: &'d str,
    names: Vec<Name>,
}

/// A name and the characters where its mentions begin.
struct Name {
    text: String,
    starts: Vec<usize>,
}

fn group(entities: &[Entity]) -> Vec<LabelGroup<'_>> {
    let mut groups: Vec<LabelGroup<'_>> = Vec::new();
    for entity in entities {
        let at = groups.iter().position(|group| group.label == entity.label).unwrap_or_else(|| {
            groups.push(LabelGroup { label: &entity.label, names: Vec::new() });
            groups.len() - 1
        });
        let names = &mut groups[at].names;
        let text = printable(&entity.text);
        let start = entity.span.chars.start;
        match names.iter_mut().find(|name| name.text == text) {
            Some(name) => name.starts.push(start),
            None => names.push(Name { text, starts: vec![start] }),
        }
    }
    for group in &mut groups {
        group.names.sort_by_key(|name| std::cmp::Reverse(name.starts.len()));
    }
    groups
}

fn topic_line(topic: &Topic) -> String {
    format!("  {:>5.1} %  {}", f64::from(topic.score) * 100.0, printable(&topic.label))
}

fn name_line(name: &Name, width: usize) -> String {
    let shown: Vec<String> = name.starts.iter().take(POSITIONS).map(usize::to_string).collect();
    let more = if name.starts.len() > POSITIONS { ", …" } else { "" };
    format!("    {:<width$}  {:>3} ×   {}{more}", name.text, name.starts.len(), shown.join(", "))
}

fn coverage_line(coverage: &Coverage) -> String {
    let Coverage { chars, chars_read, tokens, windows, .. } = coverage;
    let noun = if *windows == 1 { "window" } else { "windows" };
    format!("Read {chars_read} of {chars} characters: {tokens} tokens in {windows} {noun}")
}

#[cfg(test)]
mod tests {
    use entopic::TaggedDocument;

    use super::{Name, name_line, render};

    fn document(json: &str) -> TaggedDocument {
        serde_json::from_str(json).expect("it should have the library's form")
    }

    #[test]
    fn names_are_counted_under_their_label() {
        let entity = |label: &str, text: &str, start: usize| {
            let end = start + text.len();
            let span = format!(
                r#"{{"bytes":{{"start":{start},"end":{end}}},"chars":{{"start":{start},"end":{end}}}}}"#
            );
            format!(r#"{{"label":"{label}","text":"{text}","score":0.9,"span":{span}}}"#)
        };
        let entities = [
            entity("LOC", "Oslo", 0),
            entity("PER", "Ada", 9),
            entity("LOC", "New  York", 20),
            entity("LOC", "New York", 40),
        ];
        let report = render(&document(&format!(
            r#"{{"entities":[{}],"topics":[{{"label":"sport","score":0.875,"evidence":[]}}],
                "coverage":{{"chars":50,"chars_read":49,"tokens":12,"unknown_tokens":1,"windows":1}}}}"#,
            entities.join(",")
        )));
        assert_eq!(
            report,
            "Topics\n   87.5 %  sport\n\nEntities, with the characters where they begin\n  LOC\n    \
             New York    2 ×   20, 40\n    Oslo        1 ×   0\n  PER\n    Ada         1 ×   9\n\n\
             Read 49 of 50 characters: 12 tokens in 1 window\n"
        );
    }

    #[test]
    fn a_long_name_moves_its_own_line_alone() {
        let name = |text: &str| Name { text: text.into(), starts: vec![3] };
        let long = "x".repeat(70_000);
        assert_eq!(name_line(&name(&long), 4), format!("    {long}    1 ×   3"));
        let end = long.chars().count();
        let span = format!(r#"{{"start":0,"end":{end}}}"#);
        let entity = |text: &str| {
            format!(r#"{{"label":"PER","text":"{text}","score":1,"span":{{"bytes":{span},"chars":{span}}}}}"#)
        };
        let coverage = r#"{"chars":1,"chars_read":1,"tokens":1,"unknown_tokens":0,"windows":1}"#;
        let json = format!(
            r#"{{"entities":[{},{}],"topics":[],"coverage":{coverage}}}"#,
            entity("Ada"),
            entity(&long)
        );
        assert!(render(&document(&json)).contains("    Ada    1 ×   0\n"));
    }

    #[test]
    fn an_empty_document_has_none() {
        let report = render(&TaggedDocument::default());
        assert_eq!(report.matches("  none\n").count(), 2, "{report}");
    }
}
