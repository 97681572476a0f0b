//! Reads annotated sentences: one token per line, in columns of which one has its tag.

use entopic::Tag;

use super::iob::{self, Mention, mentions};
use crate::failure::Failure;
use crate::input::Input;

/// The words of a sentence and its entities.
#[derive(Debug)]
pub(crate) struct Sentence<'t> {
    /// The line of its first word.
    pub(crate) line: usize,
    pub(crate) words: Vec<&'t str>,
    pub(crate) mentions: Vec<Mention>,
}

/// The word that marks a new document in CoNLL's files; it is not part of the text.
const DOCUMENT_MARK: &str = "-DOCSTART-";

/// The columns of CoNLL-U (<https://universaldependencies.org/format.html>).
const CONLL_U: usize = 10;

/// The types of CoNLL-2000's chunks, whose column looks like a column of entities.
const CHUNKS: [&str; 11] = ["ADJP", "ADVP", "CONJP", "INTJ", "LST", "NP", "PP", "PRT", "SBAR", "UCP", "VP"];

/// The keys of a tag in CoNLL-U's last column.
const TAG_KEYS: [&str; 3] = ["NER", "Entity", "Ner"];

/// The separator of a file's columns.
#[derive(Clone, Copy)]
enum Separator {
    Tab,
    Space,
}

/// The places of words and tags.
#[derive(Clone, Copy)]
enum Columns {
    /// The indices of the columns.
    Of { word: usize, tag: usize },
    /// CoNLL-U.
    ConllU,
}

/// A line with a token.
struct Row<'t> {
    line: usize,
    columns: Vec<&'t str>,
}

/// A line of a file.
enum Line<'t> {
    Token(Row<'t>),
    /// A boundary between sentences.
    Bound,
}

/// The sentences of `input`, at least one.
///
/// Columns are separated by tabs, or by spaces in a file without tabs. The tag is in the only column that has a tag in
/// each line, except for chunks; the word is in the first column, or in the second if the first numbers the words.
pub(crate) fn read(input: &Input) -> Result<Vec<Sentence<'_>>, Failure> {
    let lines = lines(input);
    let rows: Vec<&Row<'_>> =
        lines.iter().filter_map(|line| if let Line::Token(row) = line { Some(row) } else { None }).collect();
    if rows.is_empty() {
        return Err(Failure::new(format!("{} has no sentence", input.name)));
    }
    let columns = columns(&rows, &input.name)?;
    let mut sentences = Vec::new();
    let mut open = Open::default();
    for line in &lines {
        match line {
            Line::Bound => sentences.extend(open.close()),
            Line::Token(row) => {
                let read = columns.read(row).map_err(|message| {
                    Failure::new(format!("{}: line {}: {message}", input.name, row.line))
                })?;
                if let Some((word, tag)) = read {
                    open.push(row.line, word, tag);
                }
            }
        }
    }
    sentences.extend(open.close());
    Ok(sentences)
}

fn lines(input: &Input) -> Vec<Line<'_>> {
    let has_tabs =
        input.lines().any(|(_, text)| text.contains('\t') && !is_bound(text) && !text.starts_with('#'));
    let separator = if has_tabs { Separator::Tab } else { Separator::Space };
    let mut lines = Vec::new();
    let mut begins = true;
    for (line, text) in input.lines() {
        if is_bound(text) {
            lines.push(Line::Bound);
            begins = true;
            continue;
        }
        let columns: Vec<&str> = match separator {
            Separator::Tab => text.split('\t').map(str::trim).collect(),
            Separator::Space => text.split_ascii_whitespace().collect(),
        };
        // A comment stands before a sentence, and none of its columns is a tag.
        let has_tag = columns.len() > 1 && columns.iter().any(|column| iob::parse(column).is_some());
        if begins && text.starts_with('#') && !has_tag {
            continue;
        }
        begins = false;
        lines.push(Line::Token(Row { line, columns }));
    }
    lines
}

fn is_bound(text: &str) -> bool {
    text.trim().is_empty() || text.starts_with(DOCUMENT_MARK)
}

fn columns(rows: &[&Row<'_>], name: &str) -> Result<Columns, Failure> {
    let fail = |line: usize, message: String| Err(Failure::new(format!("{name}: line {line}: {message}")));
    let count = rows[0].columns.len();
    if let Some(row) = rows.iter().find(|row| row.columns.len() != count) {
        let found = row.columns.len();
        let noun = if found == 1 { "column" } else { "columns" };
        return fail(row.line, format!("it has {found} {noun}, and line {} has {count}", rows[0].line));
    }
    if count < 2 {
        return fail(rows[0].line, "expected a token and its tag, with a tab or a space between".into());
    }
    if count == CONLL_U && rows.iter().any(|row| value_in_misc(row.columns[CONLL_U - 1]).is_some()) {
        return Ok(Columns::ConllU);
    }
    let numbers_words = count > 2 && rows.iter().all(|row| row.columns[0].parse::<usize>().is_ok());
    let word = usize::from(numbers_words);
    let is_tag = |column: &usize| rows.iter().all(|row| iob::parse(row.columns[*column]).is_some());
    let has_chunks = |column: usize| {
        let mut tags =
            rows.iter().filter_map(|row| iob::parse(row.columns[column])).filter(|tag| *tag != Tag::Outside);
        let mut labels = tags.by_ref().filter_map(|tag| tag.label().map(str::to_owned)).peekable();
        labels.peek().is_some() && labels.all(|label| CHUNKS.contains(&label.as_str()))
    };
    if count > 2 && rows.len() > 1 && rows.iter().all(|row| row.columns[word] == rows[0].columns[word]) {
        let message = format!(
            "column {} is the same in every line, so it has no words; remove it from the file",
            word + 1
        );
        return fail(rows[0].line, message);
    }
    if count == CONLL_U {
        return fail(
            rows[0].line,
            "it has the columns of CoNLL-U, but no line has a tag as NER=… in the last one".into(),
        );
    }
    let tagged: Vec<usize> = (word + 1..count).filter(is_tag).collect();
    let of_entities: Vec<usize> = tagged.iter().copied().filter(|&column| !has_chunks(column)).collect();
    match (of_entities.as_slice(), tagged.as_slice()) {
        ([tag], _) | ([], [tag]) => return Ok(Columns::Of { word, tag: *tag }),
        ([], []) => {}
        ([], several) | (several, _) => {
            let numbers: Vec<String> = several.iter().map(|column| (column + 1).to_string()).collect();
            let numbers = numbers.join(" and ");
            return fail(rows[0].line, format!("columns {numbers} have tags; keep one of them in the file"));
        }
    }
    // The column with the most tags is probably the one meant, so its first wrong tag is reported.
    let tags = |column: &usize| rows.iter().filter(|row| iob::parse(row.columns[*column]).is_some()).count();
    let nearest = (word + 1..count).max_by_key(tags).unwrap_or(count - 1);
    let broken = rows.iter().find(|row| iob::parse(row.columns[nearest]).is_none()).unwrap_or(&rows[0]);
    let tag = broken.columns[nearest];
    let message =
        format!("{tag:?} is not a tag; tags are O, and B-TYPE, I-TYPE, E-TYPE, L-TYPE, S-TYPE and U-TYPE");
    fail(broken.line, message)
}

impl Columns {
    /// The word and tag of a line; `None` for the ranges and empty words of CoNLL-U.
    fn read<'t>(self, row: &Row<'t>) -> Result<Option<(&'t str, Tag)>, String> {
        let (word, tag) = match self {
            Self::Of { word, tag } => (word, row.columns[tag]),
            Self::ConllU if row.columns[0].parse::<usize>().is_err() => return Ok(None),
            Self::ConllU => (1, value_in_misc(row.columns[CONLL_U - 1]).unwrap_or("O")),
        };
        let tag = iob::parse(tag).ok_or_else(|| format!("{tag:?} is not a tag, such as B-PER"))?;
        Ok(Some((row.columns[word], tag)))
    }
}

/// The tag in the last column of CoNLL-U, such as `B-PER` of `SpaceAfter=No|NER=B-PER`.
fn value_in_misc(misc: &str) -> Option<&str> {
    let mut values = misc.split('|').filter_map(|item| item.split_once('='));
    values.find(|(key, _)| TAG_KEYS.contains(key)).map(|(_, tag)| tag)
}

/// A sentence whose end has not been read yet.
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

    /// Lines, words and entities of sentences.
    fn sentences(text: &str) -> Vec<(usize, String, Vec<String>)> {
        let input = Input::of(text);
        let sentences = read(&input).expect("it should be well formed").into_iter();
        let shown = sentences.map(|sentence| {
            let mentions = sentence.mentions.iter().map(|mention| {
                format!("{} {}", mention.label, sentence.words[mention.words.clone()].join(" "))
            });
            (sentence.line, sentence.words.join(" "), mentions.collect())
        });
        shown.collect()
    }

    #[test]
    fn sentences_end_at_empty_lines_marks_and_the_end() {
        let found = sentences(
            "-DOCSTART-\tO\r\n\r\nAda\tB-PER\r\nsmiled\tO\r\n\r\n\r\n-DOCSTART- -X- O\n\nOslo\tB-LOC",
        );
        let expected =
            [(3, "Ada smiled".into(), vec!["PER Ada".into()]), (9, "Oslo".into(), vec!["LOC Oslo".into()])];
        assert_eq!(found, expected);
        assert_eq!(sentences("a\tO\n-DOCSTART-\tO\nb\tO\n").len(), 2);
    }

    #[test]
    fn columns_and_schemes_are_found_out() {
        let expected =
            [(1, "Ada Lovelace saw Paris".into(), vec!["PER Ada Lovelace".into(), "LOC Paris".into()])];
        for (at, text) in [
            // IOB2 with a tab, IOB1 in four columns with spaces and with tabs, BIOES, BILOU.
            "Ada\tB-PER\nLovelace\tI-PER\nsaw\tO\nParis\tB-LOC\n",
            "Ada NNP I-NP I-PER\nLovelace NNP I-NP I-PER\nsaw VBD I-VP O\nParis NNP I-NP I-LOC\n",
            "Ada\tNNP\tI-NP\tI-PER\nLovelace\tNNP\tI-NP\tI-PER\nsaw\tVBD\tI-VP\tO\nParis\tNNP\tI-NP\tI-LOC\n",
            "Ada B-PER\nLovelace E-PER\nsaw O\nParis S-LOC\n",
            "Ada B-PER\nLovelace L-PER\nsaw O\nParis U-LOC\n",
            // MultiCoNER: comments with tabs, and tags behind placeholders.
            "# id 1\tdomain=en\nAda _ _ B-PER\nLovelace _ _ I-PER\nsaw _ _ O\nParis _ _ B-LOC\n",
            // Universal NER: numbered, with columns behind the tag.
            "1\tAda\tB-PER\t-\t-\n2\tLovelace\tI-PER\t-\t-\n3\tsaw\tO\t-\t-\n4\tParis\tB-LOC\t-\t-\n",
        ]
        .into_iter()
        .enumerate()
        {
            // Only MultiCoNER's begins with a comment.
            let found = sentences(text)
                .into_iter()
                .map(|(line, words, mentions)| (line - usize::from(at == 5), words, mentions));
            assert_eq!(found.collect::<Vec<_>>(), expected, "{text}");
        }
    }

    #[test]
    fn conll_u_has_tags_in_its_last_column() {
        let text = "# sent_id = 1\n# text = Ada sees # it.\n\
                    1\tAda\tAda\tPROPN\tNNP\t_\t2\tnsubj\t_\tNER=B-PER\n\
                    2-3\tsees\t_\t_\t_\t_\t_\t_\t_\t_\n\
                    2\tsees\tsee\tVERB\tVBZ\t_\t0\troot\t_\tSpaceAfter=No|NER=O\n\
                    3\t#\t#\tSYM\tNN\t_\t2\tobj\t_\t_\n\
                    3.1\tit\t_\t_\t_\t_\t_\t_\t_\t_\n";
        assert_eq!(sentences(text), [(3, "Ada sees #".into(), vec!["PER Ada".into()])]);
    }

    #[test]
    fn a_hash_may_be_a_word() {
        assert_eq!(sentences("# O\nParis B-LOC\n")[0].1, "# Paris");
        assert_eq!(sentences("#\tO\nParis\tB-LOC\n")[0].1, "# Paris");
    }

    #[test]
    fn faults_name_the_line() {
        for (text, fault) in [
            ("a\tO\nb O\n", "test: line 2: it has 1 column, and line 1 has 2"),
            ("a\tB-PER\tO\nb\tO\tB-LOC\n", "test: line 1: columns 2 and 3 have tags"),
            ("1\ta\t_\t_\t_\t_\t_\t_\t_\tNER=B_PER\n", "test: line 1: \"B_PER\" is not a tag"),
            ("a\tNN\n", "test: line 1: \"NN\" is not a tag"),
            ("a\tO\n\nb\tX-PER\n", "test: line 3: \"X-PER\" is not a tag"),
            ("a\nb\n", "test: line 1: expected a token and its tag"),
            ("d\ta\tB-PER\nd\tb\tO\n", "test: line 1: column 1 is the same in every line"),
            ("1\ta\t_\t_\t_\t_\t_\t_\t_\t_\n", "test: line 1: it has the columns of CoNLL-U"),
            ("\n\n", "test has no sentence"),
        ] {
            let failure = read(&Input::of(text)).expect_err("it should fail: it is broken").to_string();
            assert!(failure.starts_with(fault), "{failure}");
        }
    }
}
