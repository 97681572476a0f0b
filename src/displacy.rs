//! Tagged documents in the format of spaCy's displaCy.

use serde::{Deserialize, Serialize};

use crate::ner::entity::segments;
use crate::span::Span;
use crate::tagger::TaggedDocument;

/// A document with its entities, in the form that displaCy renders with `manual=True`. As JSON, it is the input for the
/// style that spaCy's documentation calls *ent*.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DisplacyDocument {
    /// The text.
    pub text: String,
    /// The entities in the order of the text; they do not overlap.
    pub ents: Vec<DisplacyEntity>,
    /// A heading above the text; displaCy needs the key, but the heading may be null.
    pub title: Option<String>,
}

/// An entity of a [`DisplacyDocument`], with its place in characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DisplacyEntity {
    /// The character (code point) at which the entity begins.
    pub start: usize,
    /// The character after the entity.
    pub end: usize,
    /// The label of the entity.
    pub label: String,
}

impl TaggedDocument {
    /// Converts the document for displaCy. `text` is the text of the document. displaCy cannot show entities that
    /// overlap: of these, only the one that [`segments`](crate::segments) chooses is included.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// let text = "Ada lived in London.";
    /// let document = entopic::Tagger::bundled()?.tag(text)?;
    /// let shown = document.to_displacy(text);
    /// assert_eq!((shown.ents.len(), shown.text.as_str()), (2, text));
    /// // In Python: displacy.render(json.load(file), style="ent", manual=True)
    /// println!("{}", serde_json::to_string(&shown)?);
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
