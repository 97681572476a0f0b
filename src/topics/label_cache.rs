use std::num::NonZero;
use std::sync::{Mutex, PoisonError};

use lru::LruCache;

use crate::fingerprint::Fingerprint;

/// The longest sentence that is cached, in bytes. Longer ones are rare, and would make the size of the cache uncertain.
const LONGEST: usize = 1 << 10;

/// The embeddings of labels that were prepared before, by model and sentence. The least recently used are evicted
/// first.
pub(crate) struct LabelCache(Option<Mutex<Embeddings>>);

type Embeddings = LruCache<(Fingerprint, String), Vec<f32>>;

impl LabelCache {
    /// A cache of at most `capacity` labels; with 0, nothing is cached.
    pub(crate) fn new(capacity: usize) -> Self {
        Self(NonZero::new(capacity).map(|capacity| Mutex::new(LruCache::new(capacity))))
    }

    pub(super) fn get(&self, model: &Fingerprint, sentence: &str) -> Option<Vec<f32>> {
        let mut cache = self.0.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        cache.get(&(model.clone(), sentence.to_owned())).cloned()
    }

    pub(super) fn put(&self, model: &Fingerprint, sentence: &str, embedding: &[f32]) {
        if let Some(cache) = self.0.as_ref().filter(|_| sentence.len() <= LONGEST) {
            let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
            cache.put((model.clone(), sentence.to_owned()), embedding.to_vec());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::LabelCache;
    use crate::fingerprint::Fingerprint;

    #[test]
    fn the_cache_is_bounded_and_knows_models_apart() {
        let (a, b) = (Fingerprint::of(&[b"a"]), Fingerprint::of(&[b"b"]));
        let cache = LabelCache::new(2);
        for (at, sentence) in ["x", "y", "z"].into_iter().enumerate() {
            cache.put(&a, sentence, &[at as f32]);
        }
        assert_eq!(cache.get(&a, "x"), None);
        assert_eq!(cache.get(&a, "z"), Some(vec![2.0]));
        assert_eq!(cache.get(&b, "z"), None);
        let [long, longer] = [1 << 10, (1 << 10) + 1].map(|length| "x".repeat(length));
        cache.put(&a, &long, &[1.0]);
        cache.put(&a, &longer, &[1.0]);
        assert_eq!((cache.get(&a, &long), cache.get(&a, &longer)), (Some(vec![1.0]), None));
        let none = LabelCache::new(0);
        none.put(&a, "x", &[1.0]);
        assert_eq!(none.get(&a, "x"), None);
    }
}
