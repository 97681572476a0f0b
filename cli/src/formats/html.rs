//! Pages for people.

use std::collections::BTreeMap;
use std::io::{self, Write};

use entopic::{HtmlOptions, TaggedDocument};
use maud::{DOCTYPE, html};

use super::writer::{Filed, Problem, Streamed};
use crate::documents::document::Document;
use crate::sink::Folder;

/// The page of one document.
pub(super) struct One;

impl Streamed for One {
    fn document(
        &mut self,
        out: &mut dyn Write,
        document: &Document,
        tagged: &TaggedDocument,
    ) -> Result<(), Problem> {
        Ok(out.write_all(tagged.to_html(&document.text).as_bytes())?)
    }
}

/// A page for each document, and an index of them.
#[derive(Default)]
pub(super) struct Pages {
    entries: Vec<Entry>,
}

/// A line of the index.
struct Entry {
    page: String,
    place: String,
    topic: String,
    labels: BTreeMap<String, usize>,
}

impl Filed for Pages {
    fn document(
        &mut self,
        folder: &mut Folder,
        document: &Document,
        tagged: &TaggedDocument,
    ) -> Result<(), Problem> {
        let place = document.place.to_string();
        let page = format!("{}.html", folder.name_for(&document.place));
        let options = HtmlOptions::new().title(place.as_str());
        folder.write(&page, &tagged.to_html_with(&document.text, &options))?;
        let mut labels = BTreeMap::new();
        for entity in &tagged.entities {
            *labels.entry(entity.label.clone()).or_default() += 1;
        }
        let topic = tagged.topics.first().map(|topic| topic.label.clone()).unwrap_or_default();
        self.entries.push(Entry { page, place, topic, labels });
        Ok(())
    }

    fn end(&mut self, folder: &Folder) -> io::Result<()> {
        folder.write("index.html", &index(&self.entries))
    }
}

/// The index of a folder.
fn index(entries: &[Entry]) -> String {
    const STYLE: &str = ":root{color-scheme:light dark}body{margin:1rem auto;max-width:60rem;padding:0 1rem;font:1rem/1.6 system-ui,sans-serif}\
         td,th{text-align:left;vertical-align:top;padding:.15rem 1.5rem .15rem 0;overflow-wrap:anywhere}a{color:inherit}";
    let names = |labels: &BTreeMap<String, usize>| {
        let counts: Vec<String> = labels.iter().map(|(label, count)| format!("{count} {label}")).collect();
        counts.join(", ")
    };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                link rel="icon" href="data:,";
                title { "Entities and topics" }
                style { (STYLE) }
            }
            body {
                main {
                    h1 { (entries.len()) @if entries.len() == 1 { " document" } @else { " documents" } }
                    table {
                        thead { tr { th scope="col" { "Document" } th scope="col" { "Topic" } th scope="col" { "Entities" } } }
                        tbody {
                            @for entry in entries {
                                tr {
                                    th scope="row" { a href=(entry.page) { (entry.place) } }
                                    td { (entry.topic) }
                                    td { (names(&entry.labels)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    };
    page.into_string()
}
