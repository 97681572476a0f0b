//! Models from outside: those that the command lists, checks, is given, and takes from the cache of the hub.

mod support;

#[cfg(feature = "hub")]
use std::fs;
#[cfg(feature = "hub")]
use std::net::TcpListener;
#[cfg(feature = "hub")]
use std::path::Path;

#[cfg(feature = "hub")]
use support::keys;
use support::{Folder, NEWS, SENTENCES, entopic, failure, json, shown, text};

/// The path of a fixture of the library's tests.
fn fixture(name: &str) -> String {
    format!("{}/../tests/goldens/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// A registry file with the fixture `model` as `own`.
fn registry(folder: &Folder, model: &str, task: &str, architecture: &str, more: &str) -> String {
    let text = format!(
        "[[model]]\nname = \"own\"\ntask = {task:?}\narchitecture = {architecture:?}\n\
         source = {{ folder = {:?} }}\n{more}\n",
        fixture(model)
    );
    folder.file("own.toml", text)
}

#[test]
fn models_are_listed_by_task_and_place() {
    let folder = Folder::new();
    let own = registry(&folder, "gliner-span", "zero-shot-ner", "gliner", "");
    let output = entopic(&["models", "list", "--registry", &own], b"");
    let table = text(&output.stdout);
    let headings = table.lines().next().expect("it should have headings");
    let words: Vec<&str> = headings.split_whitespace().collect();
    assert_eq!(words, ["name", "task", "architecture", "languages", "licence", "where"]);
    for (name, place) in [
        ("ner-en-small", "in the build"),
        ("bert-base-ner", "dslim/bert-base-NER"),
        ("own", "goldens/gliner-span"),
    ] {
        let line =
            table.lines().find(|line| line.starts_with(&format!("{name} "))).expect("it should be listed");
        assert!(line.ends_with(place), "{line}");
    }
    let listed = json(&["models", "list", "--task", "embedding", "--format", "json"], b"");
    let listed = listed.as_array().expect("it should be a list");
    assert!(listed.iter().all(|model| model["task"] == "embedding"));
    assert!(listed.iter().any(|model| model["name"] == "topics-en-small"));
}

#[test]
fn a_model_is_shown_as_its_registry_has_it() {
    let output = entopic(&["models", "show", "topics-en-small"], b"");
    let shown = text(&output.stdout);
    let first = "name = \"topics-en-small\"\ntask = \"embedding\"\narchitecture = \"bert\"\n\
                 source = { bundled = \"topics-en-small\" }\n";
    assert!(shown.starts_with(first), "{shown}");
    for line in
        ["temperature = 0.0602\n", "languages = [\"en\"]\n", "  { path = \"config.json\", sha256 = \""]
    {
        assert!(shown.contains(line), "no {line} in {shown}");
    }
    // The output is a valid registry.
    let folder = Folder::new();
    let file = folder.file("shown.toml", format!("[[model]]\n{shown}"));
    let shown = json(&["models", "show", "topics-en-small", "--format", "json"], b"");
    let again = ["models", "show", "topics-en-small", "--format", "json", "--registry", &file];
    assert_eq!(shown, json(&again, b""));
    let message = failure(&["models", "show", "no-such"], b"", 1);
    assert!(message.contains("\"no-such\"") && message.contains("entopic models list"), "{message}");
    assert!(!message.contains("nearest"), "{message}");
    let message = failure(&["models", "show", "ner-small"], b"", 1);
    assert!(message.contains("similar names: ner-en-small"), "{message}");
}

#[test]
fn models_are_checked_against_their_own_files() {
    let output = entopic(&["models", "check", "--all-bundled"], b"");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!((output.stdout.len(), output.stderr.len()), (0, 0));

    let folder = Folder::new();
    let own = registry(&folder, "ner-bioes", "ner", "bert", "labels = [\"PER\"]\ntag_scheme = \"IOB2\"");
    for name in ["own", &fixture("ner-bioes")] {
        let output = entopic(&["models", "check", "ner-en-small", name, "--registry", &own], b"");
        assert_eq!(output.status.code(), Some(1));
        let lines = "own: labels: the registry says PER, config.json says PER, LOC, ORG\n\
                     own: tag_scheme: the registry says IOB2, config.json says BIOES\n";
        assert_eq!((text(&output.stdout).as_str(), output.stderr.len()), (lines, 0));
    }
    for (model, task, architecture) in
        [("gliner-token", "zero-shot-ner", "gliner"), ("gliclass-modernbert", "zero-shot-topics", "GLiClass")]
    {
        let own = registry(&folder, model, task, architecture, "");
        let output = entopic(&["models", "check", "own", "--registry", &own], b"");
        assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    }
    failure(&["models", "check"], b"", 2);
    let message = failure(&["models", "check", &fixture("ner-bioes")], b"", 1);
    assert!(message.contains("no model in the folder"), "{message}");
}

#[test]
fn tag_gives_entity_types_to_models_that_take_them() {
    let model = fixture("gliner-span");
    let tag = ["tag", "-", "--model", &model, "--format", "json", "--entity-types"];
    let document = json(&[&tag[..], &["person, city"]].concat(), NEWS.as_bytes());
    for entity in document["entities"].as_array().expect("it should be a list") {
        assert!(entity["label"] == "person" || entity["label"] == "city", "{entity}");
    }
    let message = failure(&["tag", "-", "--entity-types", "person"], NEWS.as_bytes(), 1);
    assert!(message.contains("\"ner-en-small\" has its own: PER, LOC"), "{message}");
    let message = failure(&["tag", "-", "--model", &model], NEWS.as_bytes(), 1);
    assert!(message.contains("name some with --entity-types"), "{message}");
}

#[test]
fn eval_ner_gives_a_model_the_types_of_the_file() {
    let folder = Folder::new();
    let file = folder.file("gold.tsv", SENTENCES);
    let model = fixture("gliner-span");
    let eval = |more: &[&str]| json(&[&["eval", "ner", &file, "--model", &model], more].concat(), b"");
    let report = eval(&["--map", "location=place,product="]);
    assert_eq!(report["labels"]["place"]["support"], 2);
    assert_eq!(report, eval(&["--map", "location=place,product=", "--entity-types", "person,place"]));
    let dropped = "person=,location=,product=";
    let message = failure(&["eval", "ner", &file, "--model", &model, "--map", dropped], b"", 1);
    assert!(message.contains("--entity-types"), "{message}");
}

#[cfg(feature = "hub")]
#[test]
fn models_of_the_hub_are_taken_from_the_cache() {
    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
    let folder = Folder::new();
    let repository = folder.path("cache/models--owner--model");
    let snapshot = repository.join("snapshots").join(COMMIT);
    fs::create_dir_all(&snapshot).expect("it should be writable");
    fs::create_dir_all(repository.join("refs")).expect("it should be writable");
    fs::write(repository.join("refs/main"), COMMIT).expect("it should be writable");
    for name in ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"] {
        fs::copy(Path::new(&fixture("ner-bioes")).join(name), snapshot.join(name))
            .expect("it should be a fixture");
    }
    let (cache, lock) = (shown(&folder.path("cache")), shown(&folder.path("models.lock")));
    let options = ["--offline", "--cache", &cache, "--lock", &lock];

    let output = entopic(&[&["models", "pull", "owner/model"][..], &options].concat(), b"");
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{err}");
    // No terminal, no progress.
    assert_eq!(err, "");
    for part in ["owner/model@main\n", COMMIT, "/snapshots/", "  config.json            ", " bytes  sha256 "]
    {
        assert!(out.contains(part), "no {part:?} in {out}");
    }
    let pulled = json(&[&["models", "pull", "owner/model", "--format", "json"][..], &options].concat(), b"");
    assert_eq!((&pulled["commit"], pulled["files"].as_array().map(Vec::len)), (&COMMIT.into(), Some(4)));

    let model = ["tag", "-", "--model", "owner/model@main", "--format", "json"];
    let document = json(&[&model[..], &options].concat(), NEWS.as_bytes());
    assert_eq!(keys(&document), ["coverage", "entities", "passages", "topics"]);

    let entry = "[[model]]\nname = \"own\"\ntask = \"ner\"\narchitecture = \"albert\"\n\
                 source = { hub = { id = \"owner/model\", revision = \"main\" } }\n";
    let own = folder.file("own.toml", entry);
    let output = entopic(&[&["models", "check", "own", "--registry", &own][..], &options].concat(), b"");
    let line = "own: architecture: the registry says albert, config.json says bert\n";
    assert_eq!(text(&output.stdout), line, "{}", text(&output.stderr));

    let message = failure(&[&["models", "pull", "owner/other"][..], &options].concat(), b"", 1);
    assert!(message.contains("owner/other cannot be loaded offline"), "{message}");

    // A port where nothing listens.
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let proxy = format!("http://{}", closed.expect("there should be a port"));
    let through = ["models", "pull", "owner/other", "--cache", &cache, "--proxy", &proxy];
    let message = failure(&through, b"", 1);
    assert!(message.contains("cannot be reached") && message.contains("with --proxy"), "{message}");
    let message = failure(&["models", "pull", "ner-en-small"], b"", 1);
    assert!(message.contains("not on the hub"), "{message}");
}

#[test]
fn an_unknown_model_is_answered_with_those_there_are() {
    let message = failure(&["tag", "-", "--model", "ner-xx"], NEWS.as_bytes(), 1);
    assert!(message.contains("\"ner-xx\"") && message.contains("ner-en-small"), "{message}");
}

#[test]
fn a_model_for_another_task_is_refused() {
    let message = failure(&["tag", "-", "--model", "topics-en-small"], NEWS.as_bytes(), 1);
    assert!(message.contains("topics-en-small"), "{message}");
}

#[test]
fn a_registry_file_gives_a_folder_a_name() {
    let folder = Folder::new();
    let registry = "[[model]]\nname = \"own\"\ntask = \"ner\"\narchitecture = \"bert\"\nsource = { folder = \"weights\" }\n";
    let file = folder.file("models.toml", registry);
    let message = failure(&["tag", "-", "--model", "own", "--registry", &file], b"", 1);
    assert!(message.contains(&shown(&folder.path("weights"))), "{message}");
}
