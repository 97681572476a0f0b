//! Failures of the system: a full disk, no more descriptors or threads, a closed output. Each ends in an error that
//! names it, or in the right result; nothing is half written. They are made with bash
//! and /dev/full, so on Linux.

#![cfg(all(target_os = "linux", feature = "parquet"))]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use arrow_array::builder::{LargeStringBuilder, ListBuilder};
use arrow_array::{ArrayRef, BinaryArray, LargeStringArray, RecordBatch};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use tempfile::TempDir;

mod support;

use support::text;

/// Formats that are written as the documents are read.
const FORMATS: [&str; 7] = ["text", "json", "jsonl", "csv", "parquet", "conll", "html"];

/// Lines of documents, more than any buffer holds.
const LINES: usize = 3000;

/// A folder with the file `news.jsonl`.
fn folder(lines: usize) -> TempDir {
    let folder = TempDir::new().expect("a folder should be made");
    let lines: String =
        (0..lines).map(|at| format!("{{\"text\": \"Ada met Bo in Oslo.\", \"id\": {at}}}\n")).collect();
    fs::write(folder.path().join("news.jsonl"), lines).expect("the file should be written");
    folder
}

/// Runs a script of bash in `folder`: whether it succeeded, and its standard error.
fn run(folder: &Path, script: &str) -> (bool, String) {
    let output = Command::new("bash")
        .args(["-c", script])
        .current_dir(folder)
        .env("ENTOPIC", env!("CARGO_BIN_EXE_entopic"))
        .stdin(Stdio::null())
        .output()
        .expect("bash should start");
    (output.status.success(), text(&output.stderr))
}

/// `entopic tag`, which finds topics too, of which there is one: that is fast.
const TAG: &str = "\"$ENTOPIC\" tag news.jsonl --topics sport";

/// Checks that a run failed with an error that says `words`.
fn assert_says((success, error): &(bool, String), words: &[&str]) {
    assert!(!success, "it succeeded: {error}");
    assert!(!error.contains("panicked"), "{error}");
    for word in words {
        assert!(error.contains(word), "{error:?} does not say {word:?}");
    }
}

#[test]
fn a_full_disk_is_named_and_a_run_is_resumed() {
    for format in ["jsonl", "csv", "parquet"] {
        let folder = folder(LINES);
        // A file that may not grow is as a full disk is to a program, and a test can make it.
        let full = "trap '' XFSZ; ulimit -f 8;";
        let ran = run(folder.path(), &format!("{full} {TAG} --format {format} -o results.bin"));
        assert_says(&ran, &["results.bin cannot be written"]);
        assert!(!folder.path().join("results.bin").exists(), "{format}: a part has the name of the whole");
        if format == "jsonl" {
            let (success, error) =
                run(folder.path(), &format!("{TAG} --format {format} -o results.bin --resume"));
            assert!(success, "{error}");
            let (success, error) = run(folder.path(), &format!("{TAG} --format {format} -o whole"));
            assert!(success, "{error}");
            let read = |name: &str| fs::read(folder.path().join(name)).expect("the file should be there");
            assert!(read("results.bin") == read("whole"), "a resumed run differs");
        }
    }
}

#[test]
fn an_output_that_is_full_is_named() {
    let folder = folder(40);
    for format in FORMATS.iter().filter(|format| **format != "html") {
        let ran = run(folder.path(), &format!("{TAG} --format {format} > /dev/full"));
        assert_says(&ran, &["No space left"]);
    }
    let ran = run(folder.path(), "\"$ENTOPIC\" redact news.jsonl > /dev/full");
    assert_says(&ran, &["No space left"]);
    let ran = run(folder.path(), "\"$ENTOPIC\" redact news.jsonl --map /dev/full -o out");
    assert_says(&ran, &["/dev/full"]);
    assert!(!folder.path().join("out").exists());
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let folder = folder(LINES);
    for format in FORMATS.iter().filter(|format| **format != "html") {
        let script = format!("set -o pipefail; {TAG} --format {format} | head -c 10 > /dev/null");
        let (success, error) = run(folder.path(), &script);
        assert!(success && error.is_empty(), "{format}: {error}");
    }
}

#[test]
fn files_are_opened_one_after_another() {
    let folder = TempDir::new().expect("a folder should be made");
    for at in 0..60 {
        fs::write(folder.path().join(format!("{at}.txt")), "Ada met Bo.")
            .expect("the file should be written");
    }
    let (success, error) = run(folder.path(), "ulimit -n 24; \"$ENTOPIC\" tag . --format jsonl > /dev/null");
    assert!(success, "{error}");
    // The output takes the last one.
    let ran = run(
        folder.path(),
        "exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; ulimit -n 4; \"$ENTOPIC\" tag 0.txt -o out",
    );
    assert_says(&ran, &["error: ", "open files"]);
    assert!(!folder.path().join("out").exists());
}

/// A size of stack that no system has room for, so that every thread is refused.
const NO_THREADS: &str = "export RUST_MIN_STACK=1000000000000000;";

#[test]
fn threads_that_are_refused_are_named() {
    let folder = folder(3);
    let mut commands = vec![TAG.to_owned(), "\"$ENTOPIC\" redact news.jsonl".to_owned()];
    if cfg!(feature = "serve") {
        commands.push("\"$ENTOPIC\" serve --listen 127.0.0.1:0".to_owned());
    }
    if cfg!(feature = "sql") {
        commands.push("\"$ENTOPIC\" sql news.jsonl 'SELECT topic(text) FROM documents'".to_owned());
    }
    for command in commands {
        assert_says(&run(folder.path(), &format!("{NO_THREADS} {command}")), &["error: ", "thread"]);
    }
}

#[test]
fn texts_that_are_too_long_fail_alone() {
    let folder = TempDir::new().expect("a folder should be made");
    let long = "x".repeat(3000);
    let files = [
        ("a.jsonl", format!("{{\"text\": \"{long}\"}}\n{{\"text\": \"Ada\"}}\n")),
        ("b.txt", long.clone()),
        ("c.csv", format!("text,id\nAda,1\n{long},2\n")),
    ];
    for (name, content) in &files {
        fs::write(folder.path().join(name), content).expect("the file should be written");
    }
    let tag = |name: &str| {
        run(
            folder.path(),
            &format!("\"$ENTOPIC\" tag {name} --topics sport --max-bytes 1000 --format jsonl > out"),
        )
    };
    let out = || fs::read_to_string(folder.path().join("out")).expect("the output should be there");
    assert_says(&tag("a.jsonl"), &["more than 1000 bytes", "--max-bytes"]);
    assert_eq!(out().lines().count(), 1);
    assert_says(&tag("b.txt"), &["b.txt", "more than 1000 bytes"]);
    assert_says(&tag("c.csv"), &["more than 1000 bytes"]);
    // Of a packed file no more is read than a text may have.
    let packed = "head -c 100000000 /dev/zero | tr '\\0' x | gzip -1 > big.txt.gz";
    assert!(run(folder.path(), packed).0);
    let ran = run(folder.path(), "\"$ENTOPIC\" tag big.txt.gz --max-bytes 1000000");
    assert_says(&ran, &["big.txt.gz", "more than 1000000 bytes"]);
    // The rows after a row that is larger than the buffer are lost.
    let row = "x".repeat(300_000);
    fs::write(folder.path().join("c.csv"), format!("text\nAda\n{row}\nBo\n")).expect("it should be written");
    assert_says(&tag("c.csv"), &["all rows after it", "more than 1000 bytes"]);
    assert_eq!(out().lines().count(), 1);
}

#[test]
fn what_is_read_whole_has_a_limit() {
    let folder = TempDir::new().expect("a folder should be made");
    // The map of a longer text is read in several parts.
    let text = "Ada Lovelace lived in London. ".repeat(1500);
    fs::write(folder.path().join("a.txt"), &text).expect("the file should be written");
    let made = run(
        folder.path(),
        "\"$ENTOPIC\" tag a.txt --topics sport --format parquet -o a.parquet && \"$ENTOPIC\" redact a.txt --map map -o b.txt",
    );
    assert!(made.0, "{}", made.1);
    let read = |limit: u32| {
        let script = "\"$ENTOPIC\" tag - --input-format parquet --topics sport --format jsonl";
        run(folder.path(), &format!("cat a.parquet | {script} --max-bytes {limit} > out"))
    };
    assert_says(&read(100), &["standard input has more than 100 bytes", "--max-bytes"]);
    assert!(read(10_000_000).0);
    let undo = |limit: u32| {
        run(folder.path(), &format!("\"$ENTOPIC\" redact b.txt --undo map --max-bytes {limit} > out"))
    };
    assert_says(&undo(10_000), &["more than 10000 bytes", "--max-bytes"]);
    assert!(undo(10_000_000).0);
    let out = fs::read_to_string(folder.path().join("out")).expect("the output should be there");
    assert!(out == text, "the text should be as it was");
}

/// A file of Parquet of a few kilobytes, whose rows have the same long values.
fn rows_of_one_long_value(file: &Path) {
    let long = "x".repeat(16 << 20);
    let mut list = ListBuilder::new(LargeStringBuilder::new());
    list.append_value([Some(long.as_str())]);
    let columns: [(&str, ArrayRef); 4] = [
        ("short", Arc::new(LargeStringArray::from(vec!["Ada"]))),
        ("text", Arc::new(LargeStringArray::from(vec![long.as_str()]))),
        ("note", Arc::new(BinaryArray::from(vec![long.as_bytes()]))),
        ("list", Arc::new(list.finish())),
    ];
    let row = RecordBatch::try_from_iter(columns).expect("the columns should be of one length");
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_dictionary_page_size_limit(1 << 30)
        .set_statistics_enabled(EnabledStatistics::None)
        .build();
    let file = fs::File::create(file).expect("the file should be made");
    let mut writer =
        ArrowWriter::try_new(file, row.schema(), Some(properties)).expect("the writer should start");
    for _ in 0..200 {
        writer.write(&row).expect("the row should be written");
    }
    let length = writer.close().expect("the file should be written").file_metadata().num_rows();
    assert_eq!(length, 200);
}

#[test]
fn rows_of_parquet_with_the_same_long_value_take_its_memory_once() {
    let folder = TempDir::new().expect("a folder should be made");
    let file = folder.path().join("a.parquet");
    rows_of_one_long_value(&file);
    assert!(file.metadata().expect("it should be there").len() < 100_000);
    // All rows together have 9 GiB.
    let script = "ulimit -v 2000000; \"$ENTOPIC\" tag a.parquet --topics sport --threads 1 --format jsonl";
    let ran = run(folder.path(), &format!("{script} --max-bytes 1000 > out"));
    assert_says(&ran, &["line 200: the text has more than 1000 bytes", "200 of 200 documents"]);
    // Nor is a column copied that is not asked for.
    let ran = run(folder.path(), &format!("{script} --max-bytes 1000 --text-column short > out"));
    assert_says(&ran, &["line 200: the column \"text\" has more than 1000 bytes", "200 of 200 documents"]);
}

#[test]
fn a_line_of_the_maximum_size_is_read() {
    let folder = TempDir::new().expect("a folder should be made");
    for (end, last) in [("\n", "\n"), ("\r\n", "\r\n"), ("\n", "")] {
        let lines = [99, 100, 101, 300_000, 100].map(|length| "x".repeat(length));
        fs::write(folder.path().join("a.txt"), lines.join(end) + last).expect("the file should be written");
        let script = "\"$ENTOPIC\" tag a.txt --lines --topics sport --max-bytes 100 --format jsonl > out";
        let ran = run(folder.path(), script);
        assert_says(
            &ran,
            &["line 3: the line has more than 100 bytes", "line 4: the line", "2 of 5 documents"],
        );
        let out = fs::read_to_string(folder.path().join("out")).expect("the output should be there");
        assert_eq!(out.lines().count(), 3);
    }
}

#[test]
fn an_input_that_ends_early_is_named() {
    let folder = folder(LINES);
    let (success, error) = run(
        folder.path(),
        "gzip -k news.jsonl && head -c $(($(stat -c %s news.jsonl.gz) / 2)) news.jsonl.gz > cut.jsonl.gz",
    );
    assert!(success, "{error}");
    let ran = run(folder.path(), "\"$ENTOPIC\" tag cut.jsonl.gz --topics sport --format jsonl > out");
    assert_says(&ran, &["cut.jsonl.gz"]);
    let out = fs::read_to_string(folder.path().join("out")).expect("the output should be there");
    assert!((1..LINES).contains(&out.lines().count()), "the documents before the end should be read");
}

#[test]
fn a_model_folder_may_change_while_a_run_reads_texts() {
    let folder = TempDir::new().expect("a folder should be made");
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/goldens/ner-wordpiece-cased");
    let model = folder.path().join("model");
    fs::create_dir(&model).expect("a folder should be made");
    for file in ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"] {
        fs::copy(fixture.join(file), model.join(file)).expect("the file should be copied");
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_entopic"));
    command.args(["redact", "-", "--lines", "--model", "./model"]).current_dir(folder.path());
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command should start");
    let mut input = child.stdin.take().expect("it should be piped");
    let line = "Maria Okafor of Lagos met Reuters in Geneva.\n";
    input.write_all(line.as_bytes()).expect("the line should be read");
    let mut out = std::io::BufReader::new(child.stdout.take().expect("it should be piped"));
    let mut read = || {
        let mut line = String::new();
        std::io::BufRead::read_line(&mut out, &mut line).expect("a line should be written");
        line
    };
    let before = read();
    for file in fs::read_dir(&model).expect("the folder should be there").flatten() {
        fs::write(file.path(), "changed").expect("the file should be written");
    }
    input.write_all(line.as_bytes()).expect("the line should be read");
    assert_eq!(read(), before);
    drop(input);
    assert!(child.wait().expect("the command should end").success());
}
