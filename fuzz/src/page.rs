//! Pages for a browser.

use std::sync::LazyLock;

use entopic::{Label, Tagger};
use scraper::{ElementRef, Html, Node, Selector};

use crate::models::whole;
use crate::texts::ENGINE;

static TAGGER: LazyLock<Tagger> = LazyLock::new(|| {
    let ner = ENGINE.ner(whole("ner-wordpiece-cased").path()).expect("the fixture should load");
    let topics = ENGINE.topics(whole("embed-mean").path()).expect("the fixture should load");
    let labels = topics.label_set(["sport", "law"]).expect("the labels should fit");
    Tagger::new(ner, topics, labels).expect("the labels should be of this model")
});

/// Renders a text, with its own first line as a label, and reads the page with a parser of HTML: the text comes back,
/// and nothing in the page runs or loads.
pub fn page(data: &[u8]) {
    let text = &*String::from_utf8_lossy(data);
    let label = Label::from(text.lines().next().unwrap_or_default());
    let labels = TAGGER.topics().label_set([label, Label::from("other")]);
    let tagged = match labels {
        Ok(labels) => TAGGER.tag_with(text, &labels),
        Err(_) => TAGGER.tag(text),
    };
    let mut tagged = tagged.expect("the text should be read");
    for entity in &mut tagged.entities {
        entity.label.push_str(text);
    }
    let page = Html::parse_document(&tagged.to_html(text));
    for element in page.root_element().descendants().filter_map(ElementRef::wrap) {
        let element = element.value();
        let names = ["script", "iframe", "object", "embed", "form", "img", "base", "svg", "audio", "video"];
        assert!(!names.contains(&element.name()), "{} in {text:?}", element.name());
        for (name, value) in element.attrs() {
            assert!(!name.starts_with("on") && !["src", "srcdoc", "action", "formaction"].contains(&name));
            assert!(name != "href" || value.starts_with('#') || value == "data:,", "{value:?} in {text:?}");
        }
    }
    let document = Selector::parse(".text").expect("the selector should be valid");
    let shown: String = page.select(&document).flat_map(shown).collect();
    // HTML has no NUL.
    assert_eq!(shown, text.replace('\0', "\u{fffd}"));
}

/// The text of an element without its tips, as a reader sees it at first.
fn shown(element: ElementRef<'_>) -> Vec<String> {
    let nodes = element.descendants().filter_map(|node| match node.value() {
        Node::Text(text) => {
            let is_tip = |element: ElementRef<'_>| element.value().classes().any(|class| class == "tip");
            (!node.ancestors().filter_map(ElementRef::wrap).any(is_tip)).then(|| text.to_string())
        }
        _ => None,
    });
    nodes.collect()
}
