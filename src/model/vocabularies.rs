use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::backend::native::embeddings::Table;
use crate::error::Error;
use crate::tokenizer::TextTokenizer;

/// The tokenizers and word embeddings that loaded models share, by the name of their vocabulary. They are dropped
/// with the last model that uses them.
#[derive(Default)]
pub(crate) struct Vocabularies {
    tokenizers: Shared<TextTokenizer>,
    words: Shared<Table>,
}

struct Shared<T>(Mutex<Vec<(&'static str, Weak<T>)>>);

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Shared<T> {
    fn get(&self, name: &'static str, load: impl FnOnce() -> Result<T, Error>) -> Result<Arc<T>, Error> {
        // Locked while it is loaded, so that another caller that wants the same one waits for it.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) =
            known.iter().find(|(other, _)| *other == name).and_then(|(_, value)| value.upgrade())
        {
            return Ok(found);
        }
        let loaded = Arc::new(load()?);
        known.retain(|(other, _)| *other != name);
        known.push((name, Arc::downgrade(&loaded)));
        Ok(loaded)
    }
}

impl Vocabularies {
    pub(crate) fn tokenizer(
        &self,
        name: &'static str,
        load: impl FnOnce() -> Result<TextTokenizer, Error>,
    ) -> Result<Arc<TextTokenizer>, Error> {
        self.tokenizers.get(name, load)
    }

    pub(crate) fn words(
        &self,
        name: &'static str,
        load: impl FnOnce() -> Result<Table, Error>,
    ) -> Result<Arc<Table>, Error> {
        self.words.get(name, load)
    }
}
