//! Tagged documents as spaCy's displaCy shows them.

use serde::{Deserialize, Serialize};

use crate::ner::entity::segments;
use crate::span::Span;
use crate::tagger::TaggedDocument;

/// A document with its entities, as displaCy renders it with `manual=True`. As JSON it is what spaCy's documentation
/// calls the *ent* style.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DisplacyDocument {
    /// The text.
    pub text: String,
    /// The entities in the order of the text; they do not overlap.
    pub ents: Vec<DisplacyEntity>,
    /// A heading over the text; displaCy needs the key, not a heading.
    pub title: Option<String>,
}

/// An entity of a [`DisplacyDocument`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DisplacyEntity {
    /// The character (code point) that it begins at.
    pub start: usize,
    /// The character behind it.
    pub end: usize,
    /// Its label.
    pub label: String,
}

impl TaggedDocument {
    /// The document for displaCy. `text` is the document. Of entities that overlap, which displaCy cannot show, one is
    /// given, as [`segments`](crate::segments) chooses it.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// let text = "Ada lived in London.";
    /// let document = entopic::Tagger::bundled()?.tag(text)?;
    /// // In Python: displacy.render(json.load(file), style="ent", manual=True)
    /// println!("{}", serde_json::to_string(&document.to_displacy(text))?);
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_displacy(&self, text: &str) -> DisplacyDocument {
        let ents = segments(text, &self.entities).filter_map(|segment| {
            let entity = segment.entity?;
            let Span { chars, .. } = &entity.span;
            Some(DisplacyEntity { start: chars.start, end: chars.end, label: entity.label.clone() })
        });
        DisplacyDocument { text: text.to_owned(), ents: ents.collect(), title: None }
    }
}
