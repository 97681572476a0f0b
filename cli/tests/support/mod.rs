//! Runs the command from outside.

#![allow(dead_code, reason = "each program of tests uses some of it")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

pub const NEWS: &str = "Ünal Demir met the mayor of Oslo on Monday.\nThe striker then flew to Berlin, where \
                    Greenpeace had invited her to a match.\n";

pub const SENTENCES: &str = "Maria\tB-person\nKeller\tI-person\nmoved\tO\nto\tO\nLondon\tB-location\n.\tO\n\n\
                         The\tO\nlamp\tB-product\nis\tO\ngreen\tO\n.\tO\n\nFrance\tB-location\nvoted\tO\n.\tO";

pub fn entopic(arguments: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_entopic"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the command should start");
    let mut stdin = child.stdin.take().expect("it should be piped");
    // A command that fails early need not read its input.
    let _ = stdin.write_all(input);
    drop(stdin);
    child.wait_with_output().expect("the command should end")
}

/// The JSON of a run that must succeed with one line.
pub fn json(arguments: &[&str], input: &[u8]) -> Value {
    let output = entopic(arguments, input);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{arguments:?}: {err}");
    assert_eq!(out.matches('\n').count(), 1, "{out}");
    serde_json::from_str(&out).expect("prints JSON")
}

/// The message of a run that must fail with `code` and print nothing.
pub fn failure(arguments: &[&str], input: &[u8], code: i32) -> String {
    let output = entopic(arguments, input);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}");
    assert_eq!(text(&output.stdout), "", "{arguments:?}");
    let message = text(&output.stderr);
    assert!(message.starts_with("error: "), "{message}");
    message
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("prints UTF-8")
}

pub fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> =
        value.as_object().expect("it should be an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder should be made"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn file(&self, name: &str, contents: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::write(&path, contents).expect("it should be writable");
        shown(&path)
    }
}

pub fn shown(path: &Path) -> String {
    path.to_str().expect("it should be UTF-8").to_owned()
}
