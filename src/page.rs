//! A page that shows a tagged document.

mod marks;

use std::collections::HashMap;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use self::marks::{Marked, Text, marked};
use crate::document::coverage::Coverage;
use crate::groups::{GroupOptions, MentionGroup, groups};
use crate::span::Span;
use crate::tagger::TaggedDocument;
use crate::topics::result::Topic;

/// The style sheet of every page. It loads nothing from elsewhere.
const STYLE: &str = include_str!("page/page.css");

/// The content security policy of a page: its own styles, but no scripts and no requests.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/// Colours of labels, distinct to people with any colour vision (Okabe and Ito, *Color Universal Design*, 2008).
const HUES: [&str; 8] =
    ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#999999"];

/// Lines under mentions. With the colours they distinguish 32 labels; the label itself follows each mention.
const STROKES: [&str; 4] = ["solid", "dashed", "dotted", "double"];

/// Topics with a score below this one are folded away.
const UNLIKELY: f32 = 0.02;

/// The number of topics that are shown however unlikely they are.
const SHOWN_TOPICS: usize = 3;

/// The greatest length of a title, and of the beginning of a passage, in characters.
const TITLE: usize = 80;
const BEGINNING: usize = 60;

/// Options of [`TaggedDocument::to_html_with`].
#[derive(Clone, Debug, Default)]
pub struct HtmlOptions {
    title: Option<String>,
    groups: GroupOptions,
}

impl HtmlOptions {
    /// The default options: the first line of the text as the title, and all rules for groups.
    ///
    /// ```
    /// use entopic::{HtmlOptions, TaggedDocument};
    ///
    /// let (text, document) = ("A note", TaggedDocument::default());
    /// assert_eq!(document.to_html_with(text, &HtmlOptions::new()), document.to_html(text));
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// The title of the page.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// use entopic::{HtmlOptions, Tagger};
    ///
    /// let text = "Dear Charles,\nI will be in London on Monday.";
    /// let document = Tagger::bundled()?.tag(text)?;
    /// assert!(document.to_html(text).contains("<title>Dear Charles,</title>"));
    /// let page = document.to_html_with(text, &HtmlOptions::new().title("Letters & notes"));
    /// assert!(page.contains("<title>Letters &amp; notes</title>"));
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// The rules by which mentions are grouped.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// use entopic::{GroupOptions, HtmlOptions, Tagger};
    ///
    /// let text = "Ada Lovelace wrote. Lovelace lived in London.";
    /// let document = Tagger::bundled()?.tag(text)?;
    /// let options = HtmlOptions::new().groups(GroupOptions::new().parts(false));
    /// assert_ne!(document.to_html_with(text, &options), document.to_html(text));
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn groups(mut self, groups: GroupOptions) -> Self {
        self.groups = groups;
        self
    }
}

impl TaggedDocument {
    /// An HTML page that shows the document: `text` with its entities marked, the things that they name with their
    /// mentions, the topics with the passages that support them, and the coverage. `text` is the text of the document.
    ///
    /// The page is one file without scripts, and loads nothing from elsewhere. It works with keyboards and screen
    /// readers, on light and dark screens, and in print. All text is escaped; a zero byte, which HTML does not allow,
    /// becomes U+FFFD. Of overlapping entities, only the one that [`segments`](crate::segments) chooses is marked; all
    /// are listed.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// let text = "Angela Merkel spoke in Berlin.";
    /// let page = entopic::Tagger::bundled()?.tag(text)?.to_html(text);
    /// assert!(page.starts_with("<!DOCTYPE html>") && page.contains("Angela Merkel"));
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    pub fn to_html(&self, text: &str) -> String {
        self.to_html_with(text, &HtmlOptions::new())
    }

    /// An HTML page that shows the document, as [`to_html`](Self::to_html) makes it, with options.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// use entopic::{HtmlOptions, Tagger};
    ///
    /// let text = "Ada Lovelace lived in London.";
    /// let document = Tagger::bundled()?.tag(text)?;
    /// let page = document.to_html_with(text, &HtmlOptions::new().title("A letter"));
    /// assert!(page.contains("<title>A letter</title>"));
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    pub fn to_html_with(&self, text: &str, options: &HtmlOptions) -> String {
        let page = Page::new(self, text, &options.groups);
        let title = match &options.title {
            Some(title) => title.clone(),
            None => beginning(text, TITLE),
        };
        page.render(if title.is_empty() { "Entities and topics" } else { &title }).into_string()
    }
}

/// The contents of a page.
struct Page<'a> {
    document: &'a TaggedDocument,
    text: &'a str,
    labels: Vec<&'a str>,
    groups: Vec<MentionGroup>,
    /// The group of each entity.
    group_of: HashMap<usize, usize>,
    /// The windows that support topics, in the order of the text; empty if the text has only one window.
    passages: Vec<&'a Span>,
    marked: Marked,
}

impl<'a> Page<'a> {
    fn new(document: &'a TaggedDocument, text: &'a str, options: &GroupOptions) -> Self {
        let mut labels: Vec<&str> = Vec::new();
        for entity in &document.entities {
            if !labels.contains(&entity.label.as_str()) {
                labels.push(&entity.label);
            }
        }
        let groups = groups(text, &document.entities, options);
        let members = groups.iter().enumerate();
        let group_of = members
            .flat_map(|(at, group)| group.mentions.iter().map(move |&mention| (mention, at)))
            .collect();
        let mut passages: Vec<&Span> = Vec::new();
        if document.coverage.windows > 1 {
            let evidence = document.topics.iter().flat_map(|topic| &topic.evidence);
            let spans = evidence.map(|evidence| &evidence.span);
            passages.extend(spans.filter(|span| text.get(span.bytes.clone()).is_some()));
            passages.sort_by_key(|span| (span.bytes.start, span.bytes.end));
            passages.dedup();
        }
        let marked = marked(text, &document.entities, &passages);
        Self { document, text, labels, groups, group_of, passages, marked }
    }

    fn render(&self, title: &str) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta http-equiv="Content-Security-Policy" content=(POLICY);
                    link rel="icon" href="data:,";
                    title { (Text(title)) }
                    style { (PreEscaped(STYLE)) (PreEscaped(self.label_styles())) }
                }
                body {
                    header {
                        h1 { (Text(title)) }
                        @if !self.labels.is_empty() { (self.legend()) }
                    }
                    div.columns {
                        main {
                            h2 { "Text" }
                            (self.marked_text())
                        }
                        div {
                            section aria-labelledby="topics" {
                                h2 #topics { "Topics" }
                                (self.topics())
                            }
                            section aria-labelledby="names" {
                                h2 #names { "Names" }
                                (self.names())
                            }
                        }
                    }
                    footer { (coverage(&self.document.coverage)) }
                }
            }
        }
    }

    /// The colour, the line and the switch of each label. Labels have numbers here, because their names may be any
    /// text.
    fn label_styles(&self) -> String {
        let style = |label: usize| {
            let (hue, stroke) = (HUES[label % HUES.len()], STROKES[label / HUES.len() % STROKES.len()]);
            format!(
                ".k{label}{{--hue:{hue};--stroke:{stroke}}}body:has(#k{label}:not(:checked)) .text .k{label}{{background:none;\
                 text-decoration:none}}body:has(#k{label}:not(:checked)) .text .k{label}::after{{content:none}}"
            )
        };
        (0..self.labels.len()).map(style).collect()
    }

    fn legend(&self) -> Markup {
        let count =
            |label: &str| self.document.entities.iter().filter(|entity| entity.label == label).count();
        html! {
            fieldset.legend {
                legend { "Marked in the text" }
                @for (at, label) in self.labels.iter().enumerate() {
                    label {
                        input type="checkbox" id={ "k" (at) } checked;
                        " "
                        mark class={ "k" (at) } { (Text(label)) }
                        " " (count(label))
                    }
                }
            }
        }
    }

    fn class_of(&self, label: &str) -> String {
        let at = self.labels.iter().position(|known| *known == label);
        format!("k{}", at.unwrap_or(self.labels.len()))
    }

    fn marked_text(&self) -> Markup {
        let mark = |entity: usize, part: &str| {
            let found = &self.document.entities[entity];
            let group = self.group_of.get(&entity).copied().unwrap_or_default();
            html! {
                mark #{ "m" (entity) } class=(self.class_of(&found.label)) data-label=(Text(&found.label)) {
                    a href={ "#g" (group) } {
                        (Text(part))
                        span.tip {
                            " " (Text(&found.label))
                            @if let Some(kind) = &found.kind { ", " (Text(kind)) }
                            ", " (percent(found.score))
                        }
                    }
                }
            }
        };
        let language = self.document.coverage.foreign_language.as_deref();
        html! {
            div.text dir="auto" lang=[language] {
                @for run in self.marked.pieces.chunk_by(|a, b| a.passage == b.passage) {
                    @let pieces = html! {
                        @for piece in run {
                            @let part = &self.text[piece.bytes.clone()];
                            @match piece.entity {
                                Some(entity) => (mark(entity, part)),
                                None => (Text(part)),
                            }
                        }
                    };
                    @match run[0].passage {
                        Some(passage) => span #{ "p" (passage) } { (pieces) },
                        None => (pieces),
                    }
                }
            }
        }
    }

    fn topics(&self) -> Markup {
        let topics = &self.document.topics;
        let likely = topics.iter().take_while(|topic| topic.score >= UNLIKELY).count();
        let (shown, folded) = topics.split_at(likely.max(SHOWN_TOPICS).min(topics.len()));
        let list = |topics: &[Topic]| {
            html! {
                ol.topics {
                    @for topic in topics {
                        li {
                            span { (Text(&topic.label)) }
                            meter value=(format!("{:.3}", topic.score)) aria-label=(Text(&topic.label)) { (percent(topic.score)) }
                            span.score { (percent(topic.score)) }
                            @if !self.passages.is_empty() { (self.evidence(topic)) }
                        }
                    }
                }
            }
        };
        html! {
            @if topics.is_empty() { p { "None." } }
            (list(shown))
            @if !topics.is_empty() && !topics.iter().any(Topic::fits) {
                p.note { "None of these topics fits well; the text may be about something else." }
            }
            @if !folded.is_empty() {
                details {
                    summary { (folded.len()) " less likely" }
                    (list(folded))
                }
            }
        }
    }

    /// The passages that support a topic.
    fn evidence(&self, topic: &Topic) -> Markup {
        html! {
            details.passages {
                summary { "passages" }
                ul {
                    @for evidence in &topic.evidence {
                        @if let Some(passage) = self.passage(&evidence.span) {
                            li {
                                (percent(evidence.score)) " "
                                a href={ "#p" (passage) } { (Text(&beginning(evidence.span.of(self.text), BEGINNING))) }
                            }
                        }
                    }
                }
            }
        }
    }

    /// The passage at `span`, if it is marked; a passage within an entity is not.
    fn passage(&self, span: &Span) -> Option<usize> {
        let passage = self.passages.iter().position(|known| *known == span)?;
        let pieces = &self.marked.pieces;
        let at = pieces.partition_point(|piece| piece.bytes.end <= span.bytes.start);
        pieces[at..].iter().take(2).any(|piece| piece.passage == Some(passage)).then_some(passage)
    }

    fn names(&self) -> Markup {
        html! {
            @if self.groups.is_empty() { p { "None." } }
            ol.names {
                @for (at, group) in self.groups.iter().enumerate() {
                    li #{ "g" (at) } {
                        mark class=(self.class_of(&group.label)) { (Text(&group.name)) }
                        span.what {
                            (Text(&group.label))
                            @if let Some(kind) = &group.kind { ", " (Text(kind)) }
                            ", " (group.mentions.len()) @if group.mentions.len() == 1 { " mention" } @else { " mentions" }
                        }
                        @if let Some(country) = group.country {
                            " of "
                            a.country href={ "#g" (country) } { (Text(&self.groups[country].name)) }
                        }
                        div.places {
                            @for (number, &mention) in group.mentions.iter().enumerate() {
                                @if let Some(mark) = self.marked.mark_of[mention] {
                                    a href={ "#m" (mark) } aria-label={ (Text(&group.name)) ", mention " (number + 1) } { (number + 1) }
                                    " "
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The part of the text that was read.
fn coverage(coverage: &Coverage) -> Markup {
    let windows = if coverage.windows == 1 { "window" } else { "windows" };
    html! {
        p {
            "Read " (coverage.chars_read) " of " (coverage.chars) " characters: " (coverage.tokens) " tokens in "
            (coverage.windows) " " (windows) "."
        }
        @if !coverage.is_complete() {
            p.note { (coverage.chars.saturating_sub(coverage.chars_read)) " characters are outside the models' vocabulary." }
        }
        @if let Some(language) = &coverage.foreign_language {
            p.note { "The text looks like a language (" (Text(language)) ") that the models do not know." }
        }
    }
}

fn percent(share: f32) -> String {
    format!("{:.0} %", share * 100.0)
}

/// The first line of `text` that is not blank, cut to `most` characters.
fn beginning(text: &str, most: usize) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let mut short: String = line.chars().take(most).collect();
    if short.len() < line.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests;
