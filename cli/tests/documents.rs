//! Many documents in one run: formats of inputs and of results, interrupted runs, and redaction.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use support::{Folder, entopic, failure, shown, text};

const POSTS: &str = "{\"id\": 1, \"text\": \"Ada Lovelace lived in London.\", \"note\": null}\n\
                     {\"id\": 2, \"body\": \"no text\"}\n\
                     {\"id\": 3.10, \"text\": \"🦤 Zoë Keller lives in Oslo.\", \"note\": [1,  2]}\n";

/// The output of a run that must succeed.
fn printed(arguments: &[&str]) -> String {
    let output = entopic(arguments, b"");
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

fn objects(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str(line).expect("each line should be JSON")).collect()
}

/// The labels and texts of a list of entities.
fn names(entities: &Value) -> Vec<(&str, &str)> {
    let entities = entities.as_array().expect("it should be a list");
    entities.iter().filter_map(|entity| Some((entity["label"].as_str()?, entity["text"].as_str()?))).collect()
}

#[test]
fn json_lines_keep_their_fields_and_failures_have_a_file() {
    let folder = Folder::new();
    let (input, out) = (folder.file("posts.jsonl", POSTS), shown(&folder.path("tagged.jsonl")));
    let message = failure(&["tag", &input, "--format", "jsonl", "-o", &out], b"", 1);
    assert!(
        message.contains("1 of 3 documents failed") && message.contains("tagged.jsonl.failed"),
        "{message}"
    );
    let written = fs::read_to_string(&out).expect("the output should be written");
    assert!(
        written
            .starts_with("{\"id\":1,\"text\":\"Ada Lovelace lived in London.\",\"note\":null,\"tagged\":{")
    );
    assert!(
        written.contains("\n{\"id\":3.10,\"text\":") && written.contains("\"note\":[1,  2],"),
        "{written}"
    );
    let tagged = objects(&written);
    assert_eq!(names(&tagged[1]["tagged"]["entities"]), [("PER", "Zoë Keller"), ("LOC", "Oslo")]);
    let failures = fs::read_to_string(folder.path("tagged.jsonl.failed")).expect("it should be written");
    let failures = objects(&failures);
    assert_eq!((failures.len(), &failures[0]["line"]), (1, &2.into()));
    assert!(failures[0]["error"].as_str().is_some_and(|error| error.contains("no field \"text\"")));
    let left: BTreeSet<String> = files(folder.path(".").as_path());
    assert_eq!(left.into_iter().collect::<Vec<_>>(), ["posts.jsonl", "tagged.jsonl", "tagged.jsonl.failed"]);

    // Tagged once more, the results are replaced, and the other fields stay the same.
    let again = printed(&["tag", &out, "--format", "jsonl"]);
    assert_eq!(again, written);
}

fn files(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).expect("the folder should be readable");
    entries
        .map(|entry| entry.expect("it should be readable").file_name().to_string_lossy().into_owned())
        .collect()
}

#[test]
fn places_are_counted_in_the_unit_that_is_asked_for() {
    let folder = Folder::new();
    let input = folder.file("posts.txt", "🦤 Zoë Keller lives in Oslo.");
    let document = printed(&["tag", &input, "--format", "json", "--offsets", "utf16", "--groups"]);
    let document = &objects(&document)[0];
    let span = &document["entities"][1]["span"];
    assert_eq!(
        (&span["chars"]["start"], &span["utf16"]["start"], &span["bytes"]["start"]),
        (&22.into(), &23.into(), &26.into())
    );
    assert_eq!(document["groups"].as_array().map(Vec::len), Some(2));
    for (unit, start) in [("bytes", 26), ("chars", 22), ("utf16", 23)] {
        let table = printed(&["tag", &input, "--format", "csv", "--offsets", unit]);
        assert!(table.contains(&format!("\"\"start\"\":{start},\"\"end\"\":{}", start + 4)), "{table}");
    }
}

#[test]
fn tables_stay_tables() {
    let folder = Folder::new();
    let input = folder.file("mails.tsv", "id\tbody\n7\tAda moved to Oslo.\n8\tIt rains.\n");
    let table =
        printed(&["tag", &input, "--text-column", "body", "--format", "csv", "--topics", "weather,moving"]);
    let mut rows = csv::Reader::from_reader(table.as_bytes());
    assert_eq!(
        rows.headers().expect("it should have a header"),
        vec!["id", "body", "topic", "topic_score", "entities"]
    );
    let rows: Vec<csv::StringRecord> = rows.records().map(|row| row.expect("it should be valid")).collect();
    assert_eq!((&rows[0][0], &rows[1][1], &rows[1][2]), ("7", "It rains.", "weather"));
    let entities: Value = serde_json::from_str(&rows[0][4]).expect("it should be JSON");
    assert_eq!(names(&entities), [("PER", "Ada"), ("LOC", "Oslo")]);
    let message = failure(&["tag", &input, "--format", "csv", "-o", &shown(&folder.path("x.csv"))], b"", 1);
    assert_eq!(files(&folder.path(".")).len(), 1, "what failed as a whole should leave nothing behind");
    assert!(message.contains("the columns are \"id\", \"body\"; choose one with --text-column"), "{message}");
}

#[test]
fn one_document_and_several_have_json_of_their_own() {
    let folder = Folder::new();
    let (one, two) = (folder.file("a.txt", "Ada lives in Oslo."), folder.file("b.txt", "It rains."));
    for format in ["json", "displacy"] {
        let single: Value =
            serde_json::from_str(&printed(&["tag", &one, "--format", format])).expect("it should be JSON");
        let list: Value = serde_json::from_str(&printed(&["tag", &one, &two, "--format", format]))
            .expect("it should be JSON");
        assert_eq!(list[0], single);
        assert_eq!(list.as_array().map(Vec::len), Some(2));
    }
    let report = printed(&["tag", &one, &two]);
    assert!(report.contains("── ") && report.contains("b.txt ──\n\nIt rains."), "{report}");
    let empty = folder.file("none.jsonl", "");
    assert_eq!(printed(&["tag", &empty, "--format", "json"]), "[\n]\n");
}

#[test]
fn words_and_tags_make_up_the_text() {
    let folder = Folder::new();
    let input = folder.file("a.txt", "Ada Lovelace, of London, wrote.\nShe met Babbage!\n\nOslo\tis cold.");
    let conll = printed(&["tag", &input, "--format", "conll"]);
    assert!(
        conll.starts_with("-DOCSTART-\tO\n\nAda\tB-PER\nLovelace\tI-PER\n,\tO\nof\tO\nLondon\tB-LOC\n"),
        "{conll}"
    );
    let sentences: Vec<&str> = conll.trim_end().split("\n\n").skip(1).collect();
    assert_eq!(sentences.len(), 3, "{conll}");

    // A corpus of words keeps its words, and here the model finds every gold tag.
    let gold = folder.file(
        "gold.tsv",
        "Maria\tB-PER\nKeller\tI-PER\nmoved\tO\nto\tO\nLondon\tB-LOC\n\nFrance\tB-LOC\nvoted\tO\n",
    );
    let tagged = printed(&["tag", &gold, "--words", "--format", "conll"]);
    assert_eq!(tagged, fs::read_to_string(&gold).expect("it should be readable") + "\n");
    let message = failure(&["tag", &gold, "--words"], b"", 1);
    assert!(message.contains("--format conll"), "{message}");
}

#[test]
fn folders_have_a_page_or_two_files_for_each_document() {
    let folder = Folder::new();
    let input =
        folder.file("posts.jsonl", "{\"text\": \"Ada lives in Oslo.\"}\n{\"text\": \"<b>It</b> rains.\"}\n");
    let pages = shown(&folder.path("pages"));
    printed(&["tag", &input, "--format", "html", "-o", &format!("{pages}/")]);
    let names: Vec<String> = files(Path::new(&pages)).into_iter().collect();
    assert_eq!(names, ["000001-posts.html", "000002-posts.html", "index.html"]);
    let index = fs::read_to_string(folder.path("pages/index.html")).expect("it should be written");
    assert!(index.contains("href=\"000002-posts.html\"") && index.contains("1 LOC, 1 PER"), "{index}");
    let page = fs::read_to_string(folder.path("pages/000002-posts.html")).expect("it should be written");
    assert!(page.contains("&lt;b&gt;It&lt;/b&gt; rains."), "{page}");
    let message = failure(&["tag", &input, "--format", "html", "-o", &pages], b"", 1);
    assert!(message.contains("is not an empty folder"), "{message}");
    assert!(failure(&["tag", &input, "--format", "html"], b"", 1).contains("--output DIR/"));

    let brat = shown(&folder.path("brat"));
    printed(&["tag", &input, "--format", "brat", "-o", &brat]);
    let annotations = fs::read_to_string(folder.path("brat/000001-posts.ann")).expect("it should be written");
    assert!(annotations.starts_with("T1\tPER 0 3\tAda\n#1\tAnnotatorNotes T1\t"), "{annotations}");
    assert!(annotations.contains("\nT2\tLOC 13 17\tOslo\n"), "{annotations}");
    let types = fs::read_to_string(folder.path("brat/annotation.conf")).expect("it should be written");
    assert!(types.starts_with("[entities]\nLOC\nPER\n[relations]\n"), "{types}");

    let bad = folder.file("bad.jsonl", "{\"text\": \"Ada lives in Oslo.\"}\n{\"body\": 1}\n");
    let (bad_pages, redacted) = (shown(&folder.path("bad/")), shown(&folder.path("redacted.jsonl")));
    for (arguments, place) in [
        (["tag", &bad, "--format", "html", "-o", &bad_pages].as_slice(), "bad/failed.jsonl"),
        (&["redact", &bad, "-o", &redacted], "redacted.jsonl.failed"),
    ] {
        let message = failure(arguments, b"", 1);
        assert!(message.contains("1 of 2 documents failed") && message.contains(place), "{message}");
        let failures = objects(&fs::read_to_string(folder.path(place)).expect("it should be written"));
        assert_eq!((failures.len(), &failures[0]["line"]), (1, &2.into()));
    }

    let one = folder.file("a.txt", "Ada lives in Oslo.");
    let page = printed(&["tag", &one, "--format", "html"]);
    assert!(page.starts_with("<!DOCTYPE html>"), "{page}");
    let annotation = printed(&["tag", &one, "--format", "web-annotation"]);
    let annotation = &objects(&annotation)[0];
    assert_eq!(annotation["items"][0]["target"]["selector"][1]["suffix"], " lives in Oslo.");
    let ids: BTreeSet<&str> =
        annotation["items"].as_array().into_iter().flatten().filter_map(|item| item["id"].as_str()).collect();
    assert_eq!(Some(ids.len()), annotation["items"].as_array().map(Vec::len));
    assert!(ids.iter().any(|id| id.ends_with("/a.txt#annotation=1")), "{ids:?}");
}

#[test]
fn an_output_is_no_input_of_the_next_run() {
    let folder = Folder::new();
    folder.file("a.txt", "Ada lives in Oslo.");
    let input = shown(&folder.path("."));
    for format in ["jsonl", "brat"] {
        let message =
            failure(&["tag", &input, "--format", format, "-o", &shown(&folder.path("out.jsonl"))], b"", 1);
        assert!(message.contains("choose an output path outside it"), "{message}");
    }
    let packed = folder.file("a.parquet.gz", b"");
    let message = failure(&["tag", &packed, "--format", "jsonl"], b"", 1);
    assert!(message.contains("decompress it first"), "{message}");
}

/// The next line of a pipe may not come for a long time.
#[test]
fn what_is_there_is_answered() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_entopic"))
        .args(["tag", "-", "--lines", "--format", "jsonl"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the command should start");
    let mut input = child.stdin.take().expect("it is a pipe");
    let mut results = BufReader::new(child.stdout.take().expect("it is a pipe"));
    // Lines that come before the model is loaded are one chunk.
    std::thread::sleep(Duration::from_secs(2));
    for lines in [["Ada lives in Oslo.", "Zoë Keller lives in London."], ["Ada.", "Zoë Keller."]] {
        write!(input, "{}\n{}\n", lines[0], lines[1]).expect("it should read on");
        for line in lines {
            let mut result = String::new();
            results.read_line(&mut result).expect("it should answer");
            assert!(result.contains(line), "{result}");
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    drop(input);
    assert!(child.wait().expect("it should end").success());
}

#[test]
fn streams_and_encodings_are_read() {
    let document = "J\u{F6}rg lives in K\u{F6}ln.";
    let latin: Vec<u8> =
        document.chars().map(|c| u8::try_from(u32::from(c)).expect("it should be Latin-1")).collect();
    let output = entopic(&["tag", "-", "--lines", "--format", "jsonl", "--encoding", "latin1"], &latin);
    let tagged = objects(&text(&output.stdout));
    assert_eq!((&tagged[0]["text"], &tagged[0]["line"]), (&document.into(), &1.into()));
    let message = failure(&["tag", "-"], &latin, 1);
    assert!(message.contains("--encoding windows-1252"), "{message}");
    let zstandard =
        ruzstd::encoding::compress_to_vec(POSTS.as_bytes(), ruzstd::encoding::CompressionLevel::Fastest);
    let folder = Folder::new();
    let output = entopic(&["tag", &folder.file("posts.jsonl.zst", zstandard), "--format", "jsonl"], b"");
    assert_eq!(objects(&text(&output.stdout)).len(), 2);
    assert!(text(&output.stderr).contains("warning: ") && !output.status.success());
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_is_written_and_read() {
    let folder = Folder::new();
    let (input, out) = (folder.file("posts.jsonl", POSTS), shown(&folder.path("tagged.parquet")));
    failure(&["tag", &input, "--format", "parquet", "-o", &out], b"", 1);
    let tagged = objects(&printed(&["tag", &out, "--format", "jsonl"]));
    assert_eq!(tagged.len(), 2);
    assert_eq!((&tagged[1]["text"], &tagged[1]["line"]), (&"🦤 Zoë Keller lives in Oslo.".into(), &3.into()));
    assert_eq!(tagged[1]["fields"], "{\"id\":3.10,\"note\":[1,  2]}");
}

/// Columns of the types that pandas and others write.
#[cfg(feature = "parquet")]
#[test]
fn every_type_of_parquet_is_read() {
    use std::sync::Arc;

    use arrow_array::builder::{ListBuilder, StringBuilder};
    use arrow_array::types::Int32Type;
    use arrow_array::{ArrayRef, BinaryArray, DictionaryArray, Float64Array, NullArray};
    use arrow_array::{RecordBatch, TimestampMicrosecondArray};

    let mut list = ListBuilder::new(StringBuilder::new());
    list.append_value([Some("x"), Some("y")]);
    list.append_null();
    let day = [Some(1_577_923_200_000_000), None];
    let category = |values: [&str; 2]| values.into_iter().collect::<DictionaryArray<Int32Type>>();
    let columns: [(&str, ArrayRef); 8] = [
        ("text", Arc::new(category(["Ada met Bo.", "Ada met Bo in Oslo."]))),
        ("category", Arc::new(category(["a", "b"]))),
        ("list", Arc::new(list.finish())),
        ("bytes", Arc::new(BinaryArray::from(vec![&b"\xff"[..], b""]))),
        ("nothing", Arc::new(NullArray::new(2))),
        ("number", Arc::new(Float64Array::from(vec![1.5, f64::NAN]))),
        ("day", Arc::new(TimestampMicrosecondArray::from(day.to_vec()).with_timezone("Europe/Oslo"))),
        ("utc", Arc::new(TimestampMicrosecondArray::from(day.to_vec()).with_timezone("UTC"))),
    ];
    let batch = RecordBatch::try_from_iter(columns).expect("the columns should be of one length");
    let folder = Folder::new();
    let file = folder.path("types.parquet");
    let out = std::fs::File::create(&file).expect("the file should be made");
    let mut writer =
        parquet::arrow::ArrowWriter::try_new(out, batch.schema(), None).expect("the writer should start");
    writer.write(&batch).expect("the rows should be written");
    writer.close().expect("the file should be written");
    let read = objects(&printed(&["tag", &shown(&file), "--format", "jsonl", "--topics", "sport"]));
    let expected = [
        serde_json::json!({
            "text": "Ada met Bo.", "category": "a", "list": "[x, y]", "bytes": "ff", "nothing": null, "number": 1.5,
            "day": "2020-01-02T01:00:00+01:00", "utc": "2020-01-02T00:00:00Z"
        }),
        serde_json::json!({
            "text": "Ada met Bo in Oslo.", "category": "b", "list": null, "bytes": "", "nothing": null,
            "number": "NaN", "day": null, "utc": null
        }),
    ];
    assert_eq!(read.len(), expected.len());
    for (mut read, expected) in read.into_iter().zip(expected) {
        assert!(read.as_object_mut().expect("it should be an object").remove("tagged").is_some());
        assert_eq!(read, expected);
    }
}

#[test]
fn a_run_that_is_killed_goes_on_and_loses_nothing() {
    let folder = Folder::new();
    let lines: String = (0..3000)
        .map(|number| match number % 500 {
            7 => format!("{{\"id\": {number}}}\n"),
            _ => format!(
                "{{\"id\": {number}, \"text\": \"Ada Lovelace went to Oslo with {number} friends.\"}}\n"
            ),
        })
        .collect();
    let input = folder.file("many.jsonl", lines);
    let (whole, out) = (shown(&folder.path("whole.jsonl")), shown(&folder.path("out.jsonl")));
    let arguments = |out: &str| {
        ["tag", &input, "--topics", "travel,work", "--format", "jsonl", "--resume", "-o", out]
            .map(str::to_owned)
    };
    let run = |out: &str| {
        let arguments = arguments(out);
        entopic(&arguments.each_ref().map(String::as_str), b"")
    };
    let message = text(&run(&whole).stderr);
    assert!(message.contains("6 of 3000 documents failed"), "{message}");
    let mut killed = 0;
    for pause in [150, 350, 600, 900, 1200] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_entopic"));
        command.args(arguments(&out)).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the command should start");
        std::thread::sleep(Duration::from_millis(pause));
        if child.try_wait().expect("it should be known").is_some() {
            break;
        }
        child.kill().expect("it should be killed");
        child.wait().expect("it should end");
        killed += 1;
        let settings = folder.path("out.jsonl.run");
        if settings.exists() {
            fs::copy(settings, folder.path("settings")).expect("it should be writable");
        }
        // A line that was cut off in the middle.
        let partial = folder.path("out.jsonl.partial");
        if let Ok(bytes) = fs::read(&partial) {
            fs::write(&partial, &bytes[..bytes.len() - bytes.len().min(5)]).expect("it should be writable");
        }
    }
    assert!(killed > 0, "the run should take longer than a moment");
    run(&out);
    let read = |path: &str| fs::read(path).expect("it should be written");
    assert!(read(&whole) == read(&out), "the output should be that of an undisturbed run");
    assert_eq!(read(&format!("{whole}.failed")), read(&format!("{out}.failed")));
    // A complete output is left alone, and its failures are reported again.
    let again = run(&out);
    assert!(
        text(&again.stderr).contains("is complete, but some documents failed") && !again.status.success()
    );
    // A run that was interrupted between its last steps.
    fs::rename(&out, folder.path("out.jsonl.partial")).expect("it should be there");
    fs::copy(folder.path("settings"), folder.path("out.jsonl.run")).expect("it should be there");
    run(&out);
    assert!(read(&whole) == read(&out) && !folder.path("out.jsonl.run").exists());
    assert_eq!(read(&format!("{whole}.failed")), read(&format!("{out}.failed")));
}

#[test]
fn a_run_goes_on_with_the_same_options_alone() {
    let folder = Folder::new();
    let (input, out) = (folder.file("posts.jsonl", POSTS), shown(&folder.path("out.jsonl")));
    folder.file("out.jsonl.partial", "");
    let message = failure(&["tag", &input, "--format", "jsonl", "-o", &out], b"", 1);
    assert!(message.contains("resumed with --resume"), "{message}");
    folder.file("out.jsonl.run", "entopic 0.0.1\n");
    let message = failure(&["tag", &input, "--format", "jsonl", "-o", &out, "--resume"], b"", 1);
    assert!(message.contains("was begun with other options"), "{message}");
    assert!(
        failure(&["tag", &input, "--format", "csv", "-o", &out, "--resume"], b"", 1)
            .contains("--format jsonl")
    );
    assert!(failure(&["tag", &input, "--format", "jsonl", "--resume"], b"", 1).contains("--output"));
    assert!(failure(&["tag", &input, "--format", "jsonl", "-o", &input], b"", 1).contains("is an input"));
}

#[test]
fn rules_stand_next_to_the_model() {
    let folder = Folder::new();
    let input = folder.file("a.txt", "Ada wrote to bob@example.org about the Pixel 9.");
    let rules = folder.file("rules.toml", "[[rule]]\nlabel = \"PRODUCT\"\nphrases = [\"pixel 9\"]\nignore_case = true\n\n[[rule]]\nbuilt_in = \"email\"\n");
    let document = &objects(&printed(&["tag", &input, "--format", "json", "--rules", &rules]))[0];
    assert_eq!(
        names(&document["entities"]),
        [("PER", "Ada"), ("EMAIL", "bob@example.org"), ("PRODUCT", "Pixel 9")]
    );
    assert_eq!(document["entities"][2]["found_by"], "rule");
    let broken = folder.file("broken.toml", "[[rule]]\nlabel = \"A\"\npattern = \"(\"\n");
    let message = failure(&["tag", &input, "--rules", &broken], b"", 1);
    assert!(message.contains("broken.toml: the pattern of rule 1 (\"A\") is not valid"), "{message}");
}

#[test]
fn redaction_can_be_undone_with_its_map() {
    let folder = Folder::new();
    let letter = "Dear Ada Lovelace,\nwrite to ada@example.org.\nAda lives in London.\n";
    let input = folder.file("letter.txt", letter);
    let map = shown(&folder.path("letter.map"));
    let redacted = printed(&["redact", &input, "--built-in", "email", "--with", "pseudonym", "--map", &map]);
    assert_eq!(redacted, "Dear [PER-1],\nwrite to [EMAIL-1].\n[PER-1] lives in [LOC-1].\n");
    let redacted = folder.file("redacted.txt", redacted);
    assert_eq!(printed(&["redact", &redacted, "--undo", &map]), letter);
    let changed = folder.file("changed.txt", "Dear friend");
    assert!(failure(&["redact", &input, "--only", "PERSON"], b"", 1).contains("the labels are"));
    assert!(failure(&["redact", &input, "-o", &input], b"", 1).contains("is an input"));
    let clash = folder.file("clash.csv", "text,topic\nAda moved to Oslo.,mine\n");
    assert!(failure(&["tag", &clash, "--format", "csv"], b"", 1).contains("it has a field \"topic\""));
    let restored = shown(&folder.path("restored.txt"));
    let message = failure(&["redact", &changed, "--undo", &map, "-o", &restored], b"", 1);
    assert!(message.contains("was changed"), "{message}");
    assert!(
        !files(&folder.path(".")).iter().any(|name| name.contains("restored")),
        "nothing should be left behind"
    );

    assert_eq!(
        printed(&["redact", &input, "--only", "PER", "--with", "mask", "--mask", "x"]).lines().next(),
        Some("Dear xxx xxxxxxxx,")
    );
    let key = folder.file("key", "0123456789abcdef0123456789abcdef\n");
    let hashed = printed(&["redact", &input, "--with", "hash", "--key", &key, "--only", "LOC"]);
    assert!(hashed.contains("Ada lives in [LOC-"), "{hashed}");
    let posts = folder.file("posts.jsonl", "{\"id\": 1, \"text\": \"Ada lives in Oslo.\"}\n");
    let tagged = folder.file("tagged.jsonl", printed(&["tag", &posts, "--format", "jsonl"]));
    let refused = entopic(&["redact", &tagged], b"");
    assert!(text(&refused.stderr).contains("its field \"tagged\"") && refused.stdout.is_empty());
    let names = folder.file("names.toml", "[[rule]]\nlabel = \"FIRST\"\nphrases = [\"Angela\"]\n");
    let merkel = folder.file("merkel.txt", "Angela Merkel wrote.");
    assert_eq!(printed(&["redact", &merkel, "--rules", &names, "--built-in", "email"]), "[PER] wrote.");
    assert_eq!(printed(&["redact", &posts]), "{\"id\":1,\"text\":\"[PER] lives in [LOC].\"}\n");
    let table = folder.file("posts.csv", "id,text\n1,Ada lives in Oslo.\n");
    assert_eq!(printed(&["redact", &table]), "id,text\n1,[PER] lives in [LOC].\n");
    assert!(failure(&["redact", &posts, &table], b"", 1).contains("have several formats"));
}

#[test]
fn redaction_leaves_all_else_as_it_is() {
    let folder = Folder::new();
    let lines = "Ada lives in Oslo.\r\n\r\n \nNo name\nZoë Keller";
    let input = folder.file("lines.txt", lines);
    let map = shown(&folder.path("map.jsonl"));
    let redacted = printed(&["redact", &input, "--lines", "--map", &map]);
    assert_eq!(redacted, "[PER] lives in [LOC].\r\n\r\n \nNo name\n[PER]");
    let redacted = folder.file("redacted.txt", redacted);
    assert_eq!(printed(&["redact", &redacted, "--lines", "--undo", &map]), lines);
    let two = [folder.file("a.txt", "Ada.\n"), folder.file("b.txt", "Zoë Keller lives in Oslo")];
    assert_eq!(printed(&["redact", &two[0], &two[1]]), "[PER].\n[PER] lives in [LOC]\n");

    let tables = [folder.file("a.csv", "id,text\n1,Ada lives.\n"), folder.file("b.csv", "text,id\nAda,2\n")];
    let message = failure(&["redact", &tables[0], &tables[1], "-o", &shown(&folder.path("out.csv"))], b"", 1);
    assert!(message.contains("1 of 2 documents failed"), "{message}");
    let failures = fs::read_to_string(folder.path("out.csv.failed")).expect("it should be written");
    assert!(failures.contains("those of the first table are id, text"), "{failures}");
    let tagged = folder.file("tagged.csv", "text,entities\nAda lives.,Ada\nBob lives.,Bob\n");
    let message = failure(&["redact", &tagged, "-o", &shown(&folder.path("none.csv"))], b"", 1);
    assert!(message.contains("2 of 2 documents failed"), "{message}");
}

#[test]
fn options_without_a_use_are_refused() {
    let folder = Folder::new();
    let (input, gold) = (folder.file("a.txt", "Ada lives in Oslo."), folder.file("gold.tsv", "Ada\tB-PER\n"));
    let key = folder.file("key", "0123456789abcdef0123456789abcdef");
    let (page, out) = (shown(&folder.path("page/")), shown(&folder.path("out")));
    let table: [(&[&str], &str); 8] = [
        (&["redact", &input, "--key", &key], "--key requires --with hash"),
        (&["redact", &input, "--mask", "x"], "--mask requires --with mask"),
        (&["redact", &input, "--undo", &key, "--built-in", "email"], "--undo takes no options"),
        (&["redact", &input, "-o", &out, "--map", &out], "name two"),
        (&["redact", &input, "-o", &out, "--map", "/none/map"], "cannot be written"),
        (&["tag", &gold, "--words", "--format", "conll", "-o", &gold], "is an input"),
        (&["tag", &gold, "--words", "--format", "conll", "--offsets", "bytes"], "leave out --offsets"),
        (&["tag", "missing.txt", "--format", "html", "-o", &page], "cannot be read"),
    ];
    for (arguments, expected) in table {
        let message = failure(arguments, b"", 1);
        assert!(message.contains(expected), "{arguments:?}: {message}");
    }
    let left: BTreeSet<String> = files(folder.path(".").as_path());
    assert_eq!(left, ["a.txt", "gold.tsv", "key"].map(str::to_owned).into());
}

#[test]
fn shells_and_manuals_know_every_command() {
    let script = printed(&["completions", "bash"]);
    assert!(script.contains("redact") && script.contains("--text-field"), "{script}");
    let folder = Folder::new();
    printed(&["man", &shown(&folder.path("."))]);
    assert!(files(&folder.path(".")).contains("entopic-tag.1"));
    assert!(printed(&["man"]).contains(".TH entopic"));
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_a_run_cleanly() {
    let folder = Folder::new();
    let lines: String = (0..50_000)
        .map(|number| format!("{{\"text\": \"Ada went to Oslo with {number} friends.\"}}\n"))
        .collect();
    let (input, out) = (folder.file("many.jsonl", lines), shown(&folder.path("out.jsonl")));
    let mut command = Command::new(env!("CARGO_BIN_EXE_entopic"));
    command.args(["tag", &input, "--format", "jsonl", "-o", &out]).stderr(Stdio::piped());
    let child = command.spawn().expect("the command should start");
    let partial = folder.path("out.jsonl.partial");
    while !fs::metadata(&partial).is_ok_and(|data| data.len() > 0) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(kill.expect("kill should run").success());
    let output = child.wait_with_output().expect("the command should end");
    assert_eq!(output.status.code(), Some(130));
    let message = text(&output.stderr);
    let written = fs::read_to_string(&partial).expect("it should be written");
    let count = written.lines().count();
    assert!(message.contains(&format!("stopped after {count} documents")), "{message}");
    assert!(written.ends_with("}\n") && message.contains("--resume"), "{message}");
}
