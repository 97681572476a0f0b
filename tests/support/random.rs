//! Random texts, and random ways to divide them into calls, for property tests.

use entopic::{Entity, Ner, Topic, TopicClassifier};
use proptest::prelude::{Just, Strategy, any, prop, prop_oneof};

/// Pieces of plain texts: words, numbers, punctuation, white space, other scripts, a joined emoji.
const PIECES: [&str; 18] = [
    "Maria Okafor ",
    "of Lagos ",
    "met Reuters. ",
    "The World Bank, ",
    "on Monday\n",
    "São Tomé ",
    "(",
    ") ",
    "U.S. ",
    "e-mail\t",
    "\n\n",
    "- ",
    "| a | b |\n",
    "東京",
    "محمد ",
    "👩\u{200d}👧 ",
    "@handle ",
    "12,5 % ",
];

/// A text of some pieces, most of them plain.
pub fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(&PIECES[..]).prop_map(str::to_owned),
        1 => any::<String>(),
        1 => Just("x".repeat(70)),
    ];
    prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

/// A way to divide texts into calls.
#[derive(Clone, Debug)]
pub struct Division {
    /// The texts are taken in the order of their keys; the keys repeat.
    keys: Vec<usize>,
    /// The number of texts in each call; the lengths repeat.
    lengths: Vec<usize>,
}

/// A random division into calls of at most `longest` texts.
pub fn division(longest: usize) -> impl Strategy<Value = Division> {
    let keys = prop::collection::vec(any::<usize>(), 1..9);
    let lengths = prop::collection::vec(1..=longest, 1..4);
    (keys, lengths).prop_map(|(keys, lengths)| Division { keys, lengths })
}

impl Division {
    /// The results of `read` for all texts, in the order of `texts`.
    pub fn read<T>(&self, texts: &[String], read: impl Fn(&[&str]) -> Vec<T>) -> Vec<T> {
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|&at| self.keys[at % self.keys.len()]);
        let mut results = Vec::new();
        let mut rest = &order[..];
        for &length in self.lengths.iter().cycle() {
            let (call, more) = rest.split_at(length.min(rest.len()));
            let texts: Vec<&str> = call.iter().map(|&at| texts[at].as_str()).collect();
            let read = read(&texts);
            assert_eq!(read.len(), texts.len(), "every text should have a result");
            results.extend(call.iter().copied().zip(read));
            rest = more;
            if rest.is_empty() {
                break;
            }
        }
        results.sort_by_key(|&(at, _)| at);
        results.into_iter().map(|(_, result)| result).collect()
    }
}

/// Checks that `many` finds in divided texts what `one`, the same model, finds in each alone, but for `tolerance` in
/// the scores.
pub fn check_entities([one, many]: [&Ner; 2], texts: &[String], division: &Division, tolerance: f32) {
    for (text, divided) in texts.iter().zip(division.read(texts, |texts| many.tag_batch(texts))) {
        let divided = divided.expect("the text should be read");
        let alone = one.tag(text).expect("the text should be read");
        assert_eq!(divided.coverage, alone.coverage, "{text:?}");
        let place = |entity: &Entity| (entity.label.clone(), entity.span.clone());
        let places = |entities: &[Entity]| entities.iter().map(place).collect::<Vec<_>>();
        assert_eq!(places(&divided.entities), places(&alone.entities), "{text:?}");
        for (divided, alone) in divided.entities.iter().zip(&alone.entities) {
            assert!((divided.score - alone.score).abs() <= tolerance, "{text:?}: {divided:?} {alone:?}");
        }
    }
}

/// Checks that `many` gives divided texts the topics that `one`, the same model, gives each alone, but for `tolerance`
/// in the scores.
pub fn check_topics(
    [one, many]: [&TopicClassifier; 2],
    texts: &[String],
    division: &Division,
    tolerance: f32,
) {
    let [labels, same] = [one, many].map(|classifier| {
        classifier.label_set(["sport", "law", "politics and culture"]).expect("the labels should fit")
    });
    let read = division.read(texts, |texts| many.classify_batch(texts, &same));
    for (text, divided) in texts.iter().zip(read) {
        let divided = divided.expect("the text should be read");
        let alone = one.classify(text, &labels).expect("the text should be read");
        assert_eq!(divided.coverage, alone.coverage, "{text:?}");
        // The order of equal scores may differ.
        let by_label = |mut topics: Vec<Topic>| {
            topics.sort_by(|one, other| one.label.cmp(&other.label));
            topics
        };
        let (divided, alone) = (by_label(divided.topics), by_label(alone.topics));
        assert_eq!(divided.len(), alone.len(), "{text:?}");
        for (divided, alone) in divided.iter().zip(&alone) {
            assert_eq!(divided.label, alone.label, "{text:?}");
            assert!((divided.score - alone.score).abs() <= tolerance, "{text:?}: {divided:?} {alone:?}");
        }
    }
}
