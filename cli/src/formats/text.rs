//! A tagged document for people to read: the text with its entities, the topics as bars, and the names.

use std::io::{self, Write};

use entopic::{Coverage, GroupOptions, MentionGroup, TaggedDocument, Topic, groups, segments};
use unicode_width::UnicodeWidthStr;

use super::writer::{Problem, Streamed};
use crate::documents::document::Document;
use crate::style::Style;
use crate::text::{cut, printable};

/// Topics below this share are counted, not listed.
const UNLIKELY: f32 = 0.02;

/// The number of topics that are listed however unlikely they are.
const SHOWN_TOPICS: usize = 3;

/// The maximum number of names that are listed.
const SHOWN_NAMES: usize = 40;

/// The widest bar and the widest column of names.
const BAR: usize = 30;
const NAME: usize = 40;

pub(super) struct Text {
    style: Style,
    is_one: bool,
    is_first: bool,
}

impl Text {
    pub(super) fn new(style: Style, is_one: bool) -> Self {
        Self { style, is_one, is_first: true }
    }
}

impl Streamed for Text {
    fn document(
        &mut self,
        out: &mut dyn Write,
        document: &Document,
        tagged: &TaggedDocument,
    ) -> Result<(), Problem> {
        if !std::mem::take(&mut self.is_first) {
            writeln!(out)?;
        }
        if !self.is_one {
            let heading = format!("── {} ──", printable(&document.place.to_string()));
            writeln!(out, "{}\n", self.style.heading(&heading))?;
        }
        Ok(render(out, &document.text, tagged, self.style)?)
    }
}

fn render(out: &mut dyn Write, text: &str, tagged: &TaggedDocument, style: Style) -> io::Result<()> {
    let mut labels: Vec<&str> = Vec::new();
    for entity in &tagged.entities {
        if !labels.contains(&entity.label.as_str()) {
            labels.push(&entity.label);
        }
    }
    let number = |label: &str| labels.iter().position(|known| *known == label).unwrap_or_default();
    let mut marked = String::new();
    for segment in segments(text, &tagged.entities) {
        let Some(entity) = segment.entity else {
            marked.push_str(&plain(segment.text));
            continue;
        };
        // Each line of a mention is marked, so that no colour crosses a line end.
        let label = printable(&entity.label);
        let lines: Vec<String> = segment.text.lines().map(plain).collect();
        for (at, line) in lines.iter().enumerate() {
            if at > 0 {
                marked.push('\n');
            }
            let is_last = at + 1 == lines.len();
            let mark = if is_last { format!("[{line} {label}]") } else { format!("[{line}") };
            marked.push_str(&style.label(number(&entity.label), &mark));
        }
    }
    for line in marked.lines() {
        match style.wraps {
            true => writeln!(out, "{}", textwrap::fill(line, style.width))?,
            false => writeln!(out, "{line}")?,
        }
    }

    writeln!(out, "\n{}", style.heading("Topics"))?;
    topics(out, &tagged.topics, style)?;

    writeln!(out, "\n{}", style.heading("Names"))?;
    let groups = groups(text, &tagged.entities, &GroupOptions::new());
    names(out, &groups, tagged, &number, style)?;

    let read = textwrap::fill(&coverage_line(&tagged.coverage), style.width);
    writeln!(out)?;
    read.lines().try_for_each(|line| writeln!(out, "{}", style.dim(line)))
}

/// `text` without control characters, which could steer a terminal; line ends and tabs stay.
fn plain(text: &str) -> String {
    text.replace("\r\n", "\n").replace(|c: char| c.is_control() && !matches!(c, '\n' | '\t'), "\u{FFFD}")
}

fn topics(out: &mut dyn Write, topics: &[Topic], style: Style) -> io::Result<()> {
    if topics.is_empty() {
        return writeln!(out, "  none");
    }
    let likely = topics.iter().take_while(|topic| topic.score >= UNLIKELY).count();
    let shown = &topics[..likely.max(SHOWN_TOPICS).min(topics.len())];
    let names: Vec<String> = shown.iter().map(|topic| cut(&printable(&topic.label), NAME)).collect();
    let width = names.iter().map(|name| name.width()).max().unwrap_or(0);
    let bar = BAR.min(style.width.saturating_sub(width + 14));
    for (topic, name) in shown.iter().zip(&names) {
        let filled = "█".repeat((topic.score.clamp(0.0, 1.0) * bar as f32).round() as usize);
        let line = format!("  {}  {:>5.1} %  {filled}", pad(name, width), f64::from(topic.score) * 100.0);
        writeln!(out, "{}", line.trim_end())?;
    }
    if shown.len() < topics.len() {
        writeln!(out, "  {}", style.dim(&format!("{} less likely", topics.len() - shown.len())))?;
    }
    if !topics.iter().any(Topic::fits) {
        writeln!(
            out,
            "  {}",
            style.dim("None of them fits on its own: the text may be about something else.")
        )?;
    }
    Ok(())
}

fn names(
    out: &mut dyn Write,
    groups: &[MentionGroup],
    tagged: &TaggedDocument,
    number: &impl Fn(&str) -> usize,
    style: Style,
) -> io::Result<()> {
    if groups.is_empty() {
        return writeln!(out, "  none");
    }
    let shown = &groups[..groups.len().min(SHOWN_NAMES)];
    let widest = NAME.min(style.width / 2);
    let names: Vec<String> = shown.iter().map(|group| cut(&printable(&group.name), widest)).collect();
    let width = names.iter().map(|name| name.width()).max().unwrap_or(0);
    for (group, name) in shown.iter().zip(&names) {
        let kind = group.kind.as_deref().map(|kind| format!(" ({kind})")).unwrap_or_default();
        let what = printable(&format!("{}{kind}", group.label));
        let mut others: Vec<String> = Vec::new();
        for &mention in &group.mentions {
            let other = printable(&tagged.entities[mention].text);
            if other != printable(&group.name) && !others.contains(&other) {
                others.push(other);
            }
        }
        let also = if others.is_empty() { String::new() } else { format!("  also: {}", others.join(", ")) };
        let padded = pad(name, width);
        let plain = format!("  {padded}  {:>3} ×  {what}{also}", group.mentions.len());
        let short = cut(&plain, style.width);
        // The name is coloured once the width is known.
        let rest = short.get(2 + padded.len()..).unwrap_or_default();
        writeln!(out, "  {}{}", style.label(number(&group.label), &padded), rest.trim_end())?;
    }
    if shown.len() < groups.len() {
        writeln!(out, "  {}", style.dim(&format!("{} more", groups.len() - shown.len())))?;
    }
    Ok(())
}

/// `text`, padded with spaces to `width` columns.
fn pad(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

fn coverage_line(coverage: &Coverage) -> String {
    let Coverage { chars, chars_read, tokens, windows, .. } = coverage;
    let noun = if *windows == 1 { "window" } else { "windows" };
    format!("Read {chars_read} of {chars} characters: {tokens} tokens in {windows} {noun}")
}

#[cfg(test)]
mod tests {
    use entopic::TaggedDocument;

    use super::{Style, render};

    const TEXT: &str = "Ada Lovelace met\r\nBabbage in New\nYork.\u{1B}[31m Ada left 東京.\n";

    fn shown(colours: bool, width: usize, wraps: bool) -> String {
        let entity = |label: &str, name: &str, from: usize| {
            let start = from + TEXT[from..].find(name).expect("it should be there");
            let chars = TEXT[..start].chars().count();
            format!(
                r#"{{"label":"{label}","text":{},"score":0.9,"span":{{"bytes":{{"start":{start},"end":{}}},"chars":{{"start":{chars},"end":{}}}}}}}"#,
                serde_json::to_string(name).expect("a string should be JSON"),
                start + name.len(),
                chars + name.chars().count()
            )
        };
        let entities = [
            entity("PER", "Ada Lovelace", 0),
            entity("PER", "Babbage", 0),
            entity("LOC", "New\nYork", 0),
            entity("PER", "Ada", 20),
            entity("LOC", "東京", 0),
        ];
        let json = format!(
            r#"{{"entities":[{}],"topics":[{{"label":"sport","score":0.875,"fit":0.9,"evidence":[]}}],
                "coverage":{{"chars":50,"chars_read":49,"tokens":12,"unknown_tokens":1,"windows":1}}}}"#,
            entities.join(",")
        );
        let tagged: TaggedDocument = serde_json::from_str(&json).expect("it should have the library's form");
        let mut out = Vec::new();
        render(&mut out, TEXT, &tagged, Style { colours, width, wraps }).expect("a vector should take all");
        String::from_utf8(out).expect("it should be UTF-8")
    }

    #[test]
    fn a_report_has_the_text_topics_and_names() {
        assert_eq!(
            shown(false, 100, false),
            "[Ada Lovelace PER] met\n[Babbage PER] in [New\n[York LOC].\u{FFFD}[31m [Ada PER] left [東京 LOC].\n\n\
             Topics\n  sport   87.5 %  ██████████████████████████\n\n\
             Names\n  Ada Lovelace    2 ×  PER  also: Ada\n  Babbage         1 ×  PER\n  \
             New York        1 ×  LOC\n  東京            1 ×  LOC\n\n\
             Read 49 of 50 characters: 12 tokens in 1 window\n"
        );
    }

    #[test]
    fn lines_keep_to_the_width_and_colours_end_with_their_line() {
        let report = shown(true, 40, true);
        for line in report.lines() {
            let plain = anstream::adapter::strip_str(line).to_string();
            assert!(unicode_width::UnicodeWidthStr::width(&*plain) <= 40, "{plain}");
            assert_eq!(line.matches("\u{1B}[0m").count() > 0, line.contains("\u{1B}["), "{line:?}");
        }
        assert!(!report.contains("\u{1B}[31m "), "the text should not steer the terminal");
        let plain = anstream::adapter::strip_str(&report).to_string();
        assert_eq!(
            plain.split_whitespace().collect::<Vec<_>>(),
            shown(false, 40, false).split_whitespace().collect::<Vec<_>>()
        );
    }
}
