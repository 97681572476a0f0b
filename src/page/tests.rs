use proptest::prelude::{Just, Strategy, any, prop, prop_oneof, proptest};
use scraper::{ElementRef, Html, Node, Selector};

use super::HtmlOptions;
use crate::ner::entity::Entity;
use crate::span::Span;
use crate::tagger::TaggedDocument;
use crate::topics::result::{Evidence, Topic};

fn all<'a>(page: &'a Html, selector: &str) -> Vec<ElementRef<'a>> {
    page.select(&Selector::parse(selector).expect("the selector should be valid")).collect()
}

/// The text of an element without its tips, as a reader sees it at first.
fn shown(element: ElementRef<'_>) -> String {
    let nodes = element.descendants().filter_map(|node| match node.value() {
        Node::Text(text) => {
            let is_tip = |element: ElementRef<'_>| element.value().classes().any(|class| class == "tip");
            (!node.ancestors().filter_map(ElementRef::wrap).any(is_tip)).then_some(&**text)
        }
        _ => None,
    });
    nodes.collect()
}

/// Texts that HTML might read as markup.
fn texts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<String>(),
        Just("<script>alert(1)</script>".to_owned()),
        Just("</div></span><!--".to_owned()),
        Just("&amp; &#0; &lt\r\n\r\u{0}\u{c}".to_owned()),
        Just("\"'><img src=x onerror=alert(1)>".to_owned()),
    ];
    prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

/// A document of `text` with entities and evidence at `places`, in any order, with the text itself in the labels.
fn document(text: &str, places: &[(usize, usize)]) -> TaggedDocument {
    let bounds: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let span = |&(start, length): &(usize, usize)| {
        let start = start % bounds.len();
        let end = (start + length).min(bounds.len() - 1);
        Span::from_bytes(text, bounds[start]..bounds[end]).expect("the ends should be bounds")
    };
    let label = |at: usize| format!("{}{text}", at % 3);
    let evidence = |place| Evidence { span: span(place), score: 0.5 };
    let mut document = TaggedDocument {
        entities: places
            .iter()
            .enumerate()
            .map(|(at, place)| Entity::new(label(at), text, span(place), 0.9))
            .collect(),
        topics: vec![Topic {
            label: text.to_owned(),
            score: 0.7,
            fit: 0.2,
            evidence: places.iter().map(evidence).collect(),
        }],
        ..TaggedDocument::default()
    };
    document.coverage.windows = 2;
    document
}

proptest! {
    #[test]
    fn any_text_comes_back_and_nothing_else(
        text in texts(),
        places in prop::collection::vec((0_usize..90, 0_usize..12), 0..9),
    ) {
        let document = document(&text, &places);
        let html = document.to_html_with(&text, &HtmlOptions::new().title(text.as_str()));
        let page = Html::parse_document(&html);
        let body = all(&page, ".text");
        assert_eq!(shown(body[0]), text.replace('\0', "\u{FFFD}"));
        assert!(all(&page, "script, img, iframe, object, embed, [onerror]").is_empty());
        // Every mark is an entity, and every link leads to a place in the page.
        for mark in all(&page, ".text mark") {
            let id = mark.value().id().expect("a mark should have an id");
            let entity = &document.entities[id[1..].parse::<usize>().expect("an id should have a number")];
            assert_eq!(shown(mark), entity.text.replace('\0', "\u{FFFD}"));
        }
        let ids: Vec<&str> = all(&page, "[id]").iter().filter_map(|element| element.value().id()).collect();
        for link in all(&page, "a") {
            let target = link.value().attr("href").expect("a link should have a target");
            assert!(target.strip_prefix('#').is_some_and(|id| ids.contains(&id)), "{target}");
        }
    }
}

#[test]
fn a_page_of_another_text_marks_nothing() {
    let document = document("Ada lived in London.", &[(0, 3), (13, 6)]);
    let page = document.to_html("Zoë");
    assert!(!page.contains("id=\"m1\""), "{page}");
}

#[test]
fn an_empty_document_has_a_title_and_says_that_it_has_nothing() {
    let page = Html::parse_document(&TaggedDocument::default().to_html(" \n"));
    assert_eq!(shown(all(&page, "h1")[0]), "Entities and topics");
    assert_eq!(page.root_element().text().filter(|text| *text == "None.").count(), 2);
}

#[test]
fn passages_that_a_mark_crosses_end_behind_it() {
    let text = "One two three four.";
    let mut document = document(text, &[(4, 9)]);
    let passage =
        |bytes| Evidence { span: Span::from_bytes(text, bytes).expect("it should fit"), score: 0.5 };
    document.topics[0].evidence = vec![passage(0..7), passage(7..19)];
    let page = Html::parse_document(&document.to_html(text));
    let passages: Vec<String> = all(&page, ".text > span").into_iter().map(shown).collect();
    assert_eq!(passages, ["One two three", " four."]);
}
