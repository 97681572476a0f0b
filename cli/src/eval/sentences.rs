//! Reads annotated sentences: a token, a tab and an IOB2 tag a line.

use entopic::Tag;

use super::iob::{self, Mention, mentions};
use crate::failure::Failure;
use crate::input::Input;

/// A sentence of given words and its entities.
#[derive(Debug)]
pub(crate) struct Sentence<'t> {
    /// The line of its first word.
    pub(crate) line: usize,
    pub(crate) words: Vec<&'t str>,
    pub(crate) mentions: Vec<Mention>,
}

/// The word that marks a new document in CoNLL's files; it is no text.
const DOCUMENT_MARK: &str = "-DOCSTART-";

/// The sentences of `input`, at least one.
pub(crate) fn read(input: &Input) -> Result<Vec<Sentence<'_>>, Failure> {
    let mut sentences = Vec::new();
    let mut open = Open::default();
    for (line, text) in input.lines() {
        if text.trim().is_empty() || text.starts_with(DOCUMENT_MARK) {
            sentences.extend(open.close());
            continue;
        }
        let Some((word, tag)) = text.split_once('\t').filter(|(_, tag)| !tag.contains('\t')) else {
            let message = format!("{}: line {line}: expected a token, one tab and its tag", input.name);
            return Err(Failure::new(message));
        };
        let Some(tag) = iob::parse(tag) else {
            let message = format!(
                "{}: line {line}: the tag {tag:?} is not IOB2; tags are O, B-TYPE and I-TYPE",
                input.name
            );
            return Err(Failure::new(message));
        };
        open.push(line, word, tag);
    }
    sentences.extend(open.close());
    if sentences.is_empty() {
        return Err(Failure::new(format!("{} has no sentence", input.name)));
    }
    Ok(sentences)
}

/// A sentence whose end is not read yet.
#[derive(Default)]
struct Open<'t> {
    line: usize,
    words: Vec<&'t str>,
    tags: Vec<Tag>,
}

impl<'t> Open<'t> {
    fn push(&mut self, line: usize, word: &'t str, tag: Tag) {
        if self.words.is_empty() {
            self.line = line;
        }
        self.words.push(word);
        self.tags.push(tag);
    }

    fn close(&mut self) -> Option<Sentence<'t>> {
        let Self { line, words, tags } = std::mem::take(self);
        (!words.is_empty()).then(|| Sentence { line, words, mentions: mentions(&tags) })
    }
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::input::Input;

    #[test]
    fn sentences_end_at_empty_lines_marks_and_the_end() {
        let input = Input::of(
            "-DOCSTART-\tO\r\n\r\nAda\tB-PER\r\nsmiled\tO\r\n\r\n\r\n-DOCSTART- -X- O\n\nOslo\tB-LOC",
        );
        let sentences = read(&input).expect("it should be well formed");
        let read: Vec<_> = sentences.iter().map(|s| (s.line, s.words.join(" "), s.mentions.len())).collect();
        assert_eq!(read, [(3, "Ada smiled".into(), 1), (9, "Oslo".into(), 1)]);
    }

    #[test]
    fn a_mark_ends_a_sentence() {
        assert_eq!(
            read(&Input::of("a\tO\n-DOCSTART-\tO\nb\tO\n")).expect("it should be well formed").len(),
            2
        );
    }

    #[test]
    fn faults_name_the_line() {
        for (text, fault) in [
            ("a\tO\nb O\n", "test: line 2: expected a token"),
            ("a\tNN\tO\n", "test: line 1: expected a token"),
            ("a\tO\n\nb\tS-PER\n", "test: line 3: the tag \"S-PER\" is not IOB2"),
            ("\n\n", "test has no sentence"),
        ] {
            let failure = read(&Input::of(text)).expect_err("it should fail: it is broken").to_string();
            assert!(failure.starts_with(fault), "{failure}");
        }
    }
}
