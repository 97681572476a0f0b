use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::document::{Document, Field, Place};
use super::{Blank, Documents, Kind};
use crate::args::inputs::{InputFormat, Inputs, MOST_BYTES};

fn inputs(folder: &TempDir, files: &[(&str, &[u8])]) -> Inputs {
    let paths = files.iter().map(|(name, bytes)| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("it should be in the folder"))
            .expect("it should be writable");
        fs::write(&path, bytes).expect("it should be writable");
        path
    });
    Inputs {
        files: paths.collect(),
        input_format: None,
        lines: false,
        text_field: None,
        encoding: None,
        max_bytes: MOST_BYTES,
    }
}

/// Each document's text, or the message of its failure, after its place.
fn read(inputs: &Inputs) -> Vec<String> {
    let documents = Documents::find(inputs, Blank::Skip).expect("the files should be found");
    let shown = |place: &Place| {
        let name = Path::new(&*place.file)
            .file_name()
            .expect("it should have a name")
            .to_string_lossy()
            .into_owned();
        place.line.map_or(name.clone(), |line| format!("{name}:{line}"))
    };
    documents
        .map(|document| match document {
            Ok(document) => format!("{} {}", shown(&document.place), document.text),
            Err(unread) => format!("{} failed: {}", shown(&unread.place), unread.failure),
        })
        .collect()
}

#[test]
fn formats_follow_from_names() {
    let folder = tempfile::tempdir().expect("a folder should be made");
    let inputs = inputs(
        &folder,
        &[
            ("a.txt", b"one\ntwo\n"),
            ("b.JSONL", b"{\"text\": \"three\"}\n\n{\"text\": \"four\"}"),
            ("c.csv", b"id,text\n1,\"five,\n5\"\n2,six\n"),
            ("d.tsv", b"body\nseven\n"),
        ],
    );
    assert_eq!(
        read(&inputs),
        [
            "a.txt one\ntwo\n",
            "b.JSONL:1 three",
            "b.JSONL:3 four",
            "c.csv:2 five,\n5",
            "c.csv:4 six",
            "d.tsv:2 seven"
        ]
    );
    let documents = Documents::find(&inputs, Blank::Skip).expect("the files should be found");
    assert!(!documents.is_one && documents.kind().is_err());
    assert!(documents.bytes.is_some_and(|bytes| bytes > 60));
    let lines = Inputs { files: vec![inputs.files[0].clone()], lines: true, ..inputs };
    assert_eq!(read(&lines), ["a.txt:1 one", "a.txt:2 two"]);
    assert_eq!(
        Documents::find(&lines, Blank::Skip).and_then(|documents| documents.kind()).ok(),
        Some(Kind::Texts)
    );
}

#[test]
fn folders_are_read_in_the_order_of_names() {
    let folder = tempfile::tempdir().expect("a folder should be made");
    inputs(
        &folder,
        &[("in/b.txt", b"b"), ("in/a/z.md", b"z"), ("in/.hidden/x.txt", b"x"), ("in/c.pdf", b"%PDF")],
    );
    let all = Inputs {
        files: vec![folder.path().join("in")],
        input_format: None,
        lines: false,
        text_field: None,
        encoding: None,
        max_bytes: MOST_BYTES,
    };
    assert_eq!(read(&all), ["z.md z", "b.txt b"]);
}

#[test]
fn a_document_that_cannot_be_read_costs_itself_alone() {
    let folder = tempfile::tempdir().expect("a folder should be made");
    let inputs = inputs(
        &folder,
        &[
            (
                "a.jsonl",
                b"{\"text\": 1}\n{\"body\": \"x\"}\nnonsense\n[]\n{\"text\": \"\xE9\"}\n{\"text\": \"good\"}",
            ),
            ("b.csv", b"id,text\n1\n2,good\n3,\xE9\n4,good,4\n5,good\n"),
            ("c.csv", b"id,body\n1,x\n"),
        ],
    );
    let found = read(&Inputs {
        files: [inputs.files.clone(), vec![folder.path().join("gone.txt")]].concat(),
        ..inputs
    });
    let expected = [
        "a.jsonl:1 failed: the field \"text\" is not a string",
        "a.jsonl:2 failed: the object has no field \"text\"; its fields are: \"body\"",
        "a.jsonl:3 failed: the line is not valid",
        "a.jsonl:4 failed: the line is not valid JSON: invalid type: sequence, expected an object",
        "a.jsonl:5 failed: ",
        "a.jsonl:6 good",
        "b.csv:2 failed: the row has 1 columns, but the header has 2",
        "b.csv:3 good",
        "b.csv:4 failed: column 2 is not UTF-8",
        "b.csv:5 failed: the row has 3 columns",
        "b.csv:6 good",
        "c.csv failed: ",
        "gone.txt failed: ",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found} should start with {expected}");
    }
    assert!(
        found[11].contains("no column is named \"text\"; the columns are \"id\", \"body\""),
        "{}",
        found[11]
    );
}

#[test]
fn other_fields_stay_as_they_are_written() {
    let folder = tempfile::tempdir().expect("a folder should be made");
    let line =
        br#"{"z": 1.10, "text": "x", "a": {"b": [1,  2]}, "big": 123456789012345678901234567890, "z": null}"#;
    let inputs = inputs(&folder, &[("a.jsonl", line)]);
    let mut documents = Documents::find(&inputs, Blank::Skip).expect("the file should be found");
    let document: Document = documents.next().expect("it should have one").expect("it should be valid");
    let fields: Vec<String> = document
        .fields
        .iter()
        .map(|(name, field)| match field {
            Field::Text => format!("{name}: the text"),
            Field::Other(value) => format!("{name}: {}", value.get()),
        })
        .collect();
    let expected = [
        "z: 1.10",
        "text: the text",
        "a: {\"b\": [1,  2]}",
        "big: 123456789012345678901234567890",
        "z: null",
    ];
    assert_eq!(fields, expected);
}

#[test]
fn json_in_one_piece_is_asked_about() {
    let folder = tempfile::tempdir().expect("a folder should be made");
    let inputs = inputs(&folder, &[("a.json", b"[]")]);
    let failure = Documents::find(&inputs, Blank::Skip).err().expect("it should be refused").to_string();
    assert!(failure.contains("--input-format jsonl"), "{failure}");
    let as_text = Inputs { input_format: Some(InputFormat::Text), ..inputs };
    assert_eq!(read(&as_text), ["a.json []"]);
}
