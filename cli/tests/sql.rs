//! `entopic sql`: a file as a table, and rows in each form.

mod support;

use std::fs;

use serde_json::{Value, json};

use support::{Folder, entopic, failure, shown, text};

const NEWS: &str = "{\"id\": 1, \"text\": \"Angela Merkel spoke in Berlin.\"}\n\
                    {\"id\": 2, \"text\": null}\n\
                    {\"id\": 3, \"text\": \"Shares fell in Lima on Monday.\"}\n";

const NAMES: &str = "SELECT id, entity['text'] AS name FROM (SELECT id, unnest(entities(text)) AS entity FROM documents) \
                     ORDER BY id, name";

fn printed(arguments: &[&str]) -> String {
    let output = entopic(arguments, b"");
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

fn rows(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str(line).expect("each line should be JSON")).collect()
}

#[test]
fn a_query_prints_a_table() {
    let folder = Folder::new();
    let news = folder.file("news.jsonl", NEWS);
    let table = printed(&["sql", &news, NAMES]);
    assert!(table.starts_with("+----+"), "{table}");
    assert!(table.contains("| 1  | Angela Merkel |") && table.contains("| 3  | Lima          |"), "{table}");
    let none = printed(&["sql", &news, "SELECT id, topic(text) AS topic FROM documents WHERE id > 9"]);
    assert!(none.contains("| id | topic |"), "{none}");
}

#[test]
fn rows_are_written_in_each_form_and_read_again() {
    let folder = Folder::new();
    let news = folder.file("news.jsonl", NEWS);
    let (parquet, csv, jsonl) = (folder.path("t.parquet"), folder.path("t.csv"), folder.path("t.jsonl"));
    let query = "SELECT id, topics(text, ['sport', 'economy']) AS topics, redact(text) AS redacted FROM documents ORDER BY id";
    printed(&["sql", &news, query, "--format", "parquet", "-o", &shown(&parquet)]);
    printed(&["sql", &news, query, "--format", "jsonl", "-o", &shown(&jsonl)]);
    let again = "SELECT * FROM documents ORDER BY id";
    let first = printed(&["sql", &shown(&parquet), again, "--format", "jsonl"]);
    assert_eq!(first, fs::read_to_string(&jsonl).expect("it should be written"));
    let found = rows(&first);
    assert_eq!(found[0]["redacted"], "[PER] spoke in [LOC].");
    assert_eq!(found[1], json!({"id": 2, "topics": null, "redacted": null}));
    assert_eq!(found[2]["topics"][0]["label"], "economy");
    let flat = "SELECT id, redacted FROM documents ORDER BY id";
    printed(&["sql", &shown(&parquet), flat, "--format", "csv", "-o", &shown(&csv)]);
    let written = fs::read_to_string(&csv).expect("it should be written");
    assert_eq!(written, "id,redacted\n1,[PER] spoke in [LOC].\n2,\n3,Shares fell in [LOC] on Monday.\n");
    let counted = printed(&["sql", &shown(&csv), "SELECT count(*) AS n FROM documents", "--format", "jsonl"]);
    assert_eq!(rows(&counted), [json!({"n": 3})]);
    // A folder of Parquet files is one table.
    let folder_of_files = folder.path("many");
    fs::create_dir(&folder_of_files).expect("there should be a folder");
    for name in ["a.parquet", "b.parquet"] {
        fs::copy(&parquet, folder_of_files.join(name)).expect("it should be copied");
    }
    let all = ["sql", &shown(&folder_of_files), "SELECT count(*) AS n FROM documents", "--format", "csv"];
    assert_eq!(printed(&all), "n\n6\n");
    let left: Vec<_> = fs::read_dir(folder.path("")).expect("the folder should exist").collect();
    assert_eq!(left.len(), 5, "{left:?}");
}

#[test]
fn the_options_of_the_models_apply() {
    let folder = Folder::new();
    let news = folder.file("news.jsonl", NEWS);
    let query = "SELECT topic(text) AS topic, redact(text) AS redacted FROM documents WHERE id = 3";
    let found = printed(&["sql", &news, query, "--topics", "cooking,finance", "--format", "jsonl"]);
    assert_eq!(rows(&found), [json!({"topic": "finance", "redacted": "Shares fell in [LOC] on Monday."})]);
}

#[test]
fn failures_name_their_cause_and_leave_no_file() {
    let folder = Folder::new();
    let news = folder.file("news.jsonl", NEWS);
    let out = shown(&folder.path("out"));
    let fails = |file: &str, query: &str, format: &str| {
        let message = failure(&["sql", file, query, "--format", format, "-o", &out], b"", 1);
        assert!(!folder.path("out").exists() && !folder.path("out.partial").exists(), "{message}");
        message
    };
    let missing = fails(&shown(&folder.path("none.parquet")), "SELECT 1", "jsonl");
    assert!(missing.contains("none.parquet cannot be read: "), "{missing}");
    let broken = folder.file("broken.parquet", "no Parquet");
    assert!(fails(&broken, "SELECT 1", "jsonl").contains("broken.parquet cannot be read as a table: "));
    let unknown = folder.file("news.txt", "text");
    assert!(
        fails(&unknown, "SELECT 1", "jsonl")
            .contains("its name must end in .parquet, .csv, .jsonl or .ndjson")
    );
    assert!(fails(&news, "SELEC", "jsonl").contains("the query failed: SQL error"));
    let wrong = fails(&news, "SELECT topics(text, 'sport') FROM documents", "jsonl");
    assert!(wrong.contains("labels must be a list, such as ['sport', 'politics']"), "{wrong}");
    let nested = fails(&news, "SELECT entities(text) AS found FROM documents", "csv");
    assert!(nested.contains("the column \"found\" has; unnest it"), "{nested}");
    // It fails in the middle.
    let division = fails(&news, "SELECT redact(text), 1 / (id - 3) FROM documents", "parquet");
    assert!(division.contains("Divide by zero"), "{division}");
    let query = "SELECT id, topic(text, ['a', 'a']) FROM documents";
    assert!(fails(&news, query, "jsonl").contains("the labels of topic cannot be used: "));
    let twice = fails(&news, "SELECT a.id, b.id FROM documents a JOIN documents b ON a.id = b.id", "jsonl");
    assert!(twice.contains("two columns are named \"id\""), "{twice}");
    // Parquet has no such type.
    let interval = fails(&news, "SELECT interval '1 month 1 day' AS i FROM documents", "parquet");
    assert!(interval.contains("the rows cannot be written: "), "{interval}");
    let empty = folder.path("empty");
    fs::create_dir(&empty).expect("there should be a folder");
    assert!(fails(&shown(&empty), "SELECT 1", "jsonl").contains("has no .parquet file"));
}

#[test]
fn a_text_that_fails_is_null_or_ends_the_query() {
    let folder = Folder::new();
    let news = folder.file("news.jsonl", NEWS);
    let query =
        "SELECT topic(text, CASE id WHEN 1 THEN ['a', 'a'] ELSE ['a', 'b'] END) AS topic FROM documents";
    let message = failure(&["sql", &news, query, "--strict"], b"", 1);
    assert!(message.contains("topic failed: ") && message.contains("\"a\""), "{message}");
    let warned = entopic(&["sql", &news, query, "--format", "jsonl"], b"");
    assert!(warned.status.success(), "{}", text(&warned.stderr));
    assert!(
        text(&warned.stderr).contains("topic is null for 1 of 3 rows, which failed"),
        "{}",
        text(&warned.stderr)
    );
    assert_eq!(rows(&text(&warned.stdout))[0], json!({"topic": null}));
}

#[test]
fn names_of_files_are_taken_as_they_are() {
    let folder = Folder::new();
    for name in ["a[1].jsonl", "b:c d.jsonl", "ü%20.JSONL"] {
        let news = folder.file(name, NEWS);
        let found = printed(&["sql", &news, "SELECT count(*) AS n FROM documents", "--format", "csv"]);
        assert_eq!(found, "n\n3\n", "{name}");
    }
}
