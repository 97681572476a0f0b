//! The command from outside: what it prints, where, and with which exit code.

mod support;

use std::fs;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use support::{Folder, NEWS, SENTENCES, entopic, failure, json, keys, shown, text};

const DOCUMENTS: &str = "{\"text\": \"The striker scored twice and won the cup for her team.\", \"label\": \"rec\"}\n\
                         {\"text\": \"Doctors treat the disease with a new vaccine.\", \"label\": \"med\"}\n\
                         {\"text\": \"The hospital has more patients with flu.\", \"label\": \"med\"}\n\
                         {\"text\": \"An old bicycle for sale.\", \"label\": \"misc\"}\n";

fn range(span: &Value, unit: &str) -> std::ops::Range<usize> {
    let end = |name: &str| {
        usize::try_from(span[unit][name].as_u64().expect("it should be a number"))
            .expect("it should be small")
    };
    end("start")..end("end")
}

#[test]
fn tag_reads_standard_input_and_prints_one_object() {
    let document = json(&["tag", "-", "--topics", "sport, politics", "--format", "json"], NEWS.as_bytes());
    assert_eq!(keys(&document), ["coverage", "entities", "passages", "topics"]);
    assert_eq!(document["coverage"]["chars"], NEWS.chars().count());
    let entities = document["entities"].as_array().expect("it should be a list");
    assert!(
        entities
            .iter()
            .any(|entity| entity["text"] == "Berlin" && entity["label"] == "LOC" && entity["kind"] == "city"),
        "{document}"
    );
    for entity in entities {
        let kind = entity.get("kind").map(|_| "kind");
        let expected: Vec<&str> = kind.into_iter().chain(["label", "score", "span", "text"]).collect();
        assert_eq!(keys(entity), expected);
        let (bytes, chars) = (range(&entity["span"], "bytes"), range(&entity["span"], "chars"));
        assert_eq!(entity["text"], NEWS[bytes]);
        let by_chars: String = NEWS.chars().skip(chars.start).take(chars.len()).collect();
        assert_eq!(entity["text"], by_chars);
    }
    let topics = document["topics"].as_array().expect("it should be a list");
    assert_eq!(topics.len(), 2);
    assert!(topics[0]["score"].as_f64() >= topics[1]["score"].as_f64());
    assert_eq!(keys(&topics[0]), ["evidence", "fit", "label", "score"]);
}

#[test]
fn tag_prints_text_for_people() {
    let folder = Folder::new();
    let output = entopic(&["tag", &folder.file("news.txt", NEWS)], b"");
    let report = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(report.contains("] met the mayor of [Oslo LOC] on Monday."), "{report}");
    let count = NEWS.chars().count();
    let read = format!("Read {count} of {count} characters");
    for part in ["Topics\n", "\nNames\n", "  1 ×  LOC (city)\n", &read] {
        assert!(report.contains(part), "no {part:?} in {report}");
    }
}

#[test]
fn tag_takes_every_option() {
    let document = json(
        &[
            "tag",
            "-",
            "--aggregation",
            "none",
            "--boundaries",
            "false",
            "--clean-spans",
            "false",
            "--prepare-text",
            "false",
            "--multi-label",
            "--threads",
            "2",
            "--precision",
            "f32",
            "--model",
            "ner-en-small",
            "--topic-model",
            "topics-en-small",
            "--format",
            "json",
        ],
        NEWS.as_bytes(),
    );
    let labels =
        document["entities"].as_array().expect("it should be a list").iter().map(|entity| &entity["label"]);
    assert!(labels.clone().any(|label| label == "B-LOC"), "{:?}", labels.collect::<Vec<_>>());
}

#[test]
fn an_empty_text_has_neither_entities_nor_topics() {
    let document = json(&["tag", "-", "--format", "json"], b"");
    assert_eq!(document["entities"], Value::Array(Vec::new()));
    assert_eq!(document["topics"], Value::Array(Vec::new()));
}

#[test]
fn eval_ner_scores_mapped_types() {
    let folder = Folder::new();
    let file = folder.file("gold.tsv", SENTENCES);
    let predictions = shown(&folder.path("predictions.tsv"));
    let map = "person=PER,location=LOC,product=";
    let report = json(&["eval", "ner", &file, "--map", map, "--predictions", &predictions], b"");
    assert_eq!(keys(&report), ["f1", "labels", "matches", "precision", "recall", "sentences", "tokens"]);
    assert_eq!((&report["sentences"], &report["tokens"]), (&3.into(), &14.into()));
    assert_eq!(report["labels"]["PER"]["support"], 1);
    assert_eq!(report["labels"]["LOC"]["support"], 2);
    assert_eq!(report["f1"], 1.0, "{report}");

    let written = fs::read_to_string(&predictions).expect("the file should be written");
    assert!(written.starts_with("Maria\tB-PER\tB-PER\nKeller\tI-PER\tI-PER\nmoved\tO\tO\n"), "{written}");
    assert_eq!(written.split("\n\n").count(), 3, "{written}");
    assert_eq!(report["matches"]["partial"]["correct"], 3);
    // Without the map the model gives none of the file's types.
    let message = failure(&["eval", "ner", &file], b"", 1);
    assert!(
        message.contains("location (2), person (1), product (1)") && message.contains("--map"),
        "{message}"
    );
    let output = entopic(&["eval", "ner", &file, "--map", "person=PER"], b"");
    let warning = text(&output.stderr);
    assert!(output.status.success() && warning.contains("location (2), product (1)"), "{warning}");
    // The map renames what the model finds, too.
    let report = json(&["eval", "ner", &file, "--map", "PER=person,LOC=location,product=,ORG=,MISC="], b"");
    assert_eq!((&report["f1"], &report["labels"]["person"]["support"]), (&1.0.into(), &1.into()), "{report}");
    // What is dropped counts neither in the file nor in what the model finds.
    let report = json(&["eval", "ner", &file, "--map", "person=PER,location=,product=,LOC="], b"");
    assert_eq!((&report["labels"]["LOC"], &report["f1"]), (&Value::Null, &1.0.into()), "{report}");
    // A name that is in neither is most likely a typo.
    let output = entopic(&["eval", "ner", &file, "--map", "person=PER,location=LOC,MISC=,MISK="], b"");
    let note = text(&output.stderr);
    assert!(note.contains("no label MISK,"), "{note}");
}

#[test]
fn eval_ner_names_a_broken_line() {
    let folder = Folder::new();
    let message = failure(&["eval", "ner", &folder.file("gold.tsv", "Oslo B-LOC\nis cold\n")], b"", 1);
    assert!(message.contains("gold.tsv: line 2: \"cold\" is not a tag"), "{message}");
}

#[test]
fn eval_topics_reads_plain_and_gzip_alike() {
    let folder = Folder::new();
    let plain = folder.file("gold.jsonl", DOCUMENTS);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(DOCUMENTS.as_bytes()).expect("a vector should take all");
    let zipped = folder.file("gold.jsonl.gz", encoder.finish().expect("a vector should take all"));
    let predictions = shown(&folder.path("predictions.jsonl"));
    let map = "rec=sport,med=medicine,misc=";
    let report = json(&["eval", "topics", &plain, "--map", map, "--predictions", &predictions], b"");
    assert_eq!(keys(&report), ["accuracy", "documents", "labels", "macro_f1"]);
    assert_eq!(report["documents"], 3);
    assert_eq!(report["labels"]["medicine"]["support"], 2);
    assert_eq!(report["accuracy"], 1.0, "{report}");
    assert_eq!(report, json(&["eval", "topics", &zipped, "--map", map], b""));

    let written = fs::read_to_string(&predictions).expect("the file should be written");
    assert_eq!(written.lines().count(), 3);
    assert_eq!(written.lines().next(), Some("{\"label\":\"sport\",\"predicted\":\"sport\"}"));
}

#[test]
fn eval_topics_judges_several_labels() {
    let folder = Folder::new();
    let lines = "{\"text\": \"The striker scored twice and won the cup.\", \"labels\": [\"sport\", \"football\"]}\n\
                 {\"text\": \"Doctors treat the disease with a vaccine.\", \"labels\": [\"medicine\"]}\n";
    let file = folder.file("gold.jsonl", lines);
    let predictions = shown(&folder.path("predictions.jsonl"));
    let report = json(&["eval", "topics", &file, "--predictions", &predictions], b"");
    let all = ["average_precision", "calibration_error", "documents", "labels", "macro_f1", "micro", "pairs"];
    assert_eq!(keys(&report), all);
    assert_eq!((&report["documents"], &report["pairs"]), (&2.into(), &6.into()));
    assert_eq!(report["average_precision"]["documents"], 1.0, "{report}");
    let written = fs::read_to_string(&predictions).expect("the file should be written");
    assert!(
        written.starts_with("{\"labels\":[\"sport\",\"football\"],\"predicted\":[{\"label\":"),
        "{written}"
    );

    // With labels that do not apply, each text is judged by its own labels.
    let lines = "{\"text\": \"The striker won the cup.\", \"labels\": [\"sport\"], \"not\": [\"law, justice\"]}\n\
                 {\"text\": \"Doctors treat the disease.\", \"labels\": [\"medicine\"], \"not\": [\"Sport\", \"war\"]}\n";
    let report = json(&["eval", "topics", &folder.file("not.jsonl", lines)], b"");
    let all = ["average_precision", "calibration_error", "documents", "micro", "none_of_these", "pairs"];
    assert_eq!(keys(&report), all);
    assert_eq!(report["pairs"], 5);
}

#[test]
fn labels_may_have_descriptions_and_examples() {
    let folder = Folder::new();
    let toml = "[[label]]\nname = \"billing\"\ndescription = \"invoices, charges and refunds\"\n\
                examples = [\"Why was I charged twice?\", \"I want my money back.\"]\n\n\
                [[label]]\nname = \"delivery\"\n";
    let file = folder.file("topics.toml", toml);
    let tag =
        |file: &str| json(&["tag", "-", "--format", "json", "--topics-file", file], b"You charged me twice.");
    let document = tag(&file);
    assert_eq!(document["topics"][0]["label"], "billing", "{document}");
    let plain = tag(&folder.file("topics.txt", "billing\ndelivery\n"));
    assert!(document["topics"][0]["score"].as_f64() > plain["topics"][0]["score"].as_f64());
    let message = |text: &str| {
        failure(&["tag", "-", "--topics-file", &folder.file("broken.TOML", text)], NEWS.as_bytes(), 1)
    };
    assert!(message("[[label]]\nname = \"a\"\ndescriptoin = \"b\"\n").contains("descriptoin"));
    assert!(message("").contains("[[label]]"));
}

#[test]
fn eval_entities_scores_documents_as_they_are() {
    let folder = Folder::new();
    let lines = "{\"text\": \"Zoë Maria\\n\\nAngela Merkel lives in Berlin.\", \"entities\": [\
                 {\"start\": 11, \"end\": 24, \"label\": \"PER\"}, \
                 {\"start\": 34, \"end\": 40, \"label\": \"LOC:city\"}]}\n";
    let file = folder.file("gold.jsonl", lines);
    let predictions = shown(&folder.path("predictions.jsonl"));
    let report = json(&["eval", "entities", &file, "--predictions", &predictions], b"");
    assert_eq!((&report["documents"], &report["characters"]), (&1.into(), &41.into()));
    assert_eq!(report["labels"]["LOC"]["f1"], 1.0, "{report}");
    assert_eq!(report["recall"], 1.0, "{report}");
    assert_eq!(report["matches"]["strict"]["correct"], 2, "{report}");
    let written = fs::read_to_string(&predictions).expect("the file should be written");
    assert!(written.contains("{\"start\":34,\"end\":40,\"label\":\"LOC\""), "{written}");
    assert!(written.contains("\"kind\":\"city\""), "{written}");
    let report = json(&["eval", "entities", &file, "--map", "PER="], b"");
    assert_eq!(report["labels"]["PER"], serde_json::Value::Null);

    for (line, says) in [
        ("{\"text\": \"a\"}", "missing field `entities`"),
        (
            "{\"text\": \"ab\", \"entities\": [{\"start\": 1, \"end\": 3, \"label\": \"PER\"}]}",
            "the text has 2",
        ),
        (
            "{\"text\": \"ab\", \"entities\": [{\"start\": 1, \"end\": 1, \"label\": \"PER\"}]}",
            "less than end",
        ),
        ("\n", "has no document"),
    ] {
        let message = failure(&["eval", "entities", &folder.file("broken.jsonl", line)], b"", 1);
        assert!(message.contains(says), "{message}");
    }
}

#[test]
fn labels_may_have_commas() {
    let folder = Folder::new();
    let file = folder.file("topics.txt", "law, crime and justice\r\n\nsport\n");
    for given in [&["--topic", "law, crime and justice", "--topic", "sport"][..], &["--topics-file", &file]] {
        let arguments = [&["tag", "-", "--format", "json"], given].concat();
        let document = json(&arguments, NEWS.as_bytes());
        let mut labels: Vec<&str> = document["topics"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|topic| topic["label"].as_str())
            .collect();
        labels.sort_unstable();
        assert_eq!(labels, ["law, crime and justice", "sport"]);
    }
    let empty = folder.file("none.txt", "\n");
    let message = failure(&["tag", "-", "--topics-file", &empty], NEWS.as_bytes(), 1);
    assert!(message.contains("has no topic"), "{message}");
    failure(&["tag", "-", "--topics", "a,b", "--topic", "c"], NEWS.as_bytes(), 2);
    let message = failure(&["tag", "-", "--topics", "Sport,sport"], NEWS.as_bytes(), 1);
    assert!(message.contains("differ by case or white space alone"), "{message}");
}

#[test]
fn texts_in_utf16_and_with_a_mark_are_read() {
    let plain = json(&["tag", "-", "--topics", "sport", "--format", "json"], NEWS.as_bytes());
    let marked = ["\u{FEFF}".as_bytes(), NEWS.as_bytes()].concat();
    let utf16: Vec<u8> =
        "\u{FEFF}".encode_utf16().chain(NEWS.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    for bytes in [marked, utf16] {
        assert_eq!(json(&["tag", "-", "--topics", "sport", "--format", "json"], &bytes), plain);
    }
}

#[test]
fn eval_topics_refuses_labels_that_cannot_be_predicted() {
    let folder = Folder::new();
    let file = folder.file("gold.jsonl", DOCUMENTS);
    let message = failure(&["eval", "topics", &file, "--topics", "rec,med"], b"", 1);
    assert!(message.contains("line 4: the label \"misc\""), "{message}");
}

#[test]
fn bench_counts_documents_and_tokens() {
    let folder = Folder::new();
    let file = folder.file("texts.txt", "Oslo is cold.\n\n  \nBerlin is warm.\n");
    for task in ["ner", "topics"] {
        let report = json(&["bench", &file, "--task", task, "--threads", "1", "--repeat", "1"], b"");
        let expected = [
            "documents",
            "documents_per_second",
            "model",
            "peak_rss_bytes",
            "precision",
            "seconds",
            "task",
            "threads",
            "tokens",
            "tokens_per_second",
        ];
        assert_eq!(keys(&report), expected);
        assert_eq!((&report["documents"], &report["tokens"]), (&2.into(), &8.into()), "{report}");
        assert_eq!((&report["task"], &report["precision"]), (&task.into(), &"int8".into()));
        assert!(report["tokens_per_second"].as_f64() > Some(0.0), "{report}");
    }
}

#[test]
fn bench_reports_where_the_time_goes() {
    let folder = Folder::new();
    let file = folder.file("texts.txt", "Oslo is cold.\nBerlin is warm.\n");
    let report = json(&["bench", &file, "--task", "ner", "--threads", "1", "--repeat", "1", "--stages"], b"");
    let stages = report["stages"].as_array().expect("they should be stages");
    let names: Vec<&str> = stages.iter().filter_map(|stage| stage["stage"].as_str()).collect();
    for name in ["tokenise", "product", "attention", "head", "decode"] {
        assert!(names.contains(&name), "no {name} in {names:?}");
    }
    let shares: f64 = stages.iter().filter_map(|stage| stage["share"].as_f64()).sum();
    assert!((shares - 1.0).abs() < 1e-6, "{report}");
}

#[test]
fn a_missing_file_is_named_with_the_cause() {
    for command in [&["tag"][..], &["eval", "ner"], &["eval", "topics"], &["bench", "--task", "ner"]] {
        let message = failure(&[command, &["no-such-file.txt"]].concat(), b"", 1);
        assert!(message.starts_with("error: no-such-file.txt cannot be read: "), "{message}");
    }
    let message = failure(&["tag", "-", "--registry", "no-such.toml"], b"", 1);
    assert!(message.contains("no-such.toml"), "{message}");
}

#[test]
fn invalid_utf8_is_named_by_its_byte() {
    let message = failure(&["tag", "-"], b"caf\xC3\xA9, caf\xE9", 1);
    assert!(message.contains("standard input is neither UTF-8 nor UTF-16: 0xE9 at byte 10"), "{message}");
}

#[test]
fn values_that_cannot_be_are_usage_errors() {
    for arguments in [
        &["tag", "-", "--topics", ""][..],
        &["tag", "-", "--topics", " , "],
        &["eval", "topics", "-", "--topics", ","],
        &["eval", "ner", "-", "--map", "PER"],
        &["tag", "-", "--threads", "0"],
        &["tag", "-", "--threads", "100000"],
    ] {
        failure(arguments, b"", 2);
    }
}

#[test]
fn predictions_are_not_written_into_missing_folders() {
    let folder = Folder::new();
    let file = folder.file("gold.tsv", SENTENCES);
    let message =
        failure(&["eval", "ner", &file, "--predictions", &shown(&folder.path("no/such.tsv"))], b"", 1);
    assert!(message.contains("there is no folder"), "{message}");
}

/// Uses a shell, because redirections and process substitutions are features of the shell.
#[cfg(target_os = "linux")]
#[test]
fn predictions_are_written_where_they_are_asked() {
    use std::os::unix::fs::{FileTypeExt, symlink};
    let folder = Folder::new();
    let file = folder.file("gold.tsv", "Oslo\tB-LOC\n");
    let run = |script: &str| {
        let output = Command::new("bash")
            .args(["-c", script])
            .current_dir(folder.path("."))
            .env("ENTOPIC", env!("CARGO_BIN_EXE_entopic"))
            .env("GOLD", &file)
            .output()
            .expect("bash should start");
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    };
    let eval = "\"$ENTOPIC\" eval ner \"$GOLD\" --predictions";
    let read = |name: &str| fs::read_to_string(folder.path(name)).expect("it should be written");
    let both = |text: &str| {
        assert!(text.contains("\"f1\":") && text.ends_with("Oslo\tB-LOC\tB-LOC\n"), "{text}");
    };
    // A folder with links like those in /dev, which would break if a file replaced a link.
    let links = folder.path("links");
    fs::create_dir(&links).expect("a folder should be made");
    symlink("/proc/self/fd/1", links.join("stdout")).expect("a link should be made");
    symlink("/dev/null", links.join("null")).expect("a link should be made");
    for out in ["/dev/stdout", "/proc/self/fd/1", "/dev/fd/1", "links/stdout"] {
        let (_, piped, _) = run(&format!("{eval} {out} | cat"));
        both(&piped);
        run(&format!("{eval} {out} > redirected"));
        both(&read("redirected"));
    }
    run(&format!("{eval} both > both"));
    both(&read("both"));
    let (success, _, error) = run("cp \"$GOLD\" gold; \"$ENTOPIC\" eval ner - --predictions gold < gold");
    assert!(!success && error.contains("gold is the input") && read("gold") == "Oslo\tB-LOC\n", "{error}");
    let (_, _, error) = run(&format!("{eval} /dev/stderr"));
    assert_eq!(error, "Oslo\tB-LOC\tB-LOC\n");
    run(&format!("{eval} >(cat > substituted); wait $!; sleep 0.2"));
    assert_eq!(read("substituted"), "Oslo\tB-LOC\tB-LOC\n");
    run(&format!("exec 3>opened; echo kept >&3; {eval} /dev/fd/3"));
    assert_eq!(read("opened"), "kept\nOslo\tB-LOC\tB-LOC\n");
    run(&format!("mkfifo pipe; cat pipe > received & {eval} pipe; wait"));
    assert_eq!(read("received"), "Oslo\tB-LOC\tB-LOC\n");
    assert!(fs::metadata(folder.path("pipe")).is_ok_and(|pipe| pipe.file_type().is_fifo()));
    assert!(run(&format!("{eval} links/null")).0);
    for link in ["stdout", "null"] {
        assert!(links.join(link).is_symlink(), "{link}");
    }
    assert_eq!(fs::read_dir(&links).expect("the folder should be readable").count(), 2);
    // The scores are printed even if the predictions cannot be written in the end.
    let (success, out, error) = run(&format!("{eval} /dev/full"));
    assert!(!success && out.contains("\"f1\":") && error.contains("/dev/full cannot be written"), "{error}");
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_entopic"));
    command.args(["tag", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the command should start");
    drop(child.stdout.take());
    child.stdin.take().expect("it should be piped").write_all(NEWS.as_bytes()).expect("it should be read");
    let mut message = String::new();
    child
        .stderr
        .take()
        .expect("it should be piped")
        .read_to_string(&mut message)
        .expect("it should be UTF-8");
    assert!(child.wait().expect("the command should end").success(), "{message}");
    assert_eq!(message, "");
}

#[test]
fn help_shows_an_example_of_each_command() {
    for command in [
        &[][..],
        &["tag"],
        &["redact"],
        &["completions"],
        &["man"],
        &["eval"],
        &["eval", "ner"],
        &["eval", "entities"],
        &["eval", "topics"],
        &["bench"],
        &["models"],
        &["models", "list"],
        &["models", "show"],
        &["models", "check"],
    ] {
        let output = entopic(&[command, &["--help"]].concat(), b"");
        assert!(output.status.success());
        let help = text(&output.stdout);
        let has_example =
            ["Example:", "Examples:"].iter().any(|word| help.contains(&format!("{word}\n  entopic ")));
        assert!(has_example, "{command:?}");
    }
    assert!(text(&entopic(&["--version"], b"").stdout).starts_with("entopic "));
}
