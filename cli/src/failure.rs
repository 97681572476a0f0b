//! The message of a command that cannot continue.

use std::error::Error;
use std::fmt;

/// Wordings of the library's messages that name its functions, and their replacements, which name the command's
/// options.
const OPTIONS: [(&str, &str); 11] = [
    ("Hub::token or HF_TOKEN", "HF_TOKEN"),
    ("name a proxy by Hub::proxy", "name a proxy by HTTPS_PROXY"),
    ("Hub::cache", "--cache"),
    ("Hub::lock", "--lock"),
    ("Hub::offline", "--offline"),
    ("with EntityOptions::entity_types", "with --entity-types"),
    ("or Backend::Native", "or --backend native"),
    ("Backend::LibTorch", "--backend libtorch"),
    ("a folder as a Path", "a folder as ./DIR"),
    ("use Ner for this one", "use this one for entities"),
    ("use TopicClassifier for this one", "use this one for topics"),
];

/// A message for the user, with its causes: `news.txt cannot be read: permission denied`.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        let message = OPTIONS
            .into_iter()
            .fold(message.into(), |message, (function, option)| message.replace(function, option));
        Self(message)
    }

    /// `message`, followed by `cause` and its causes.
    pub(crate) fn because(message: impl Into<String>, cause: &dyn Error) -> Self {
        let mut text = message.into();
        let mut next = Some(cause);
        while let Some(cause) = next {
            text.push_str(&format!(": {cause}"));
            next = cause.source();
        }
        Self::new(text)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<entopic::Error> for Failure {
    fn from(error: entopic::Error) -> Self {
        match error.source() {
            Some(source) => Self::because(error.to_string(), source),
            None => Self::new(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Failure;

    #[test]
    fn advice_names_the_options_of_the_command() {
        let advice = "name another cache by Hub::cache or HF_HUB_CACHE, or a token by Hub::token or HF_TOKEN";
        let failure = Failure::new(advice).to_string();
        assert_eq!(failure, "name another cache by --cache or HF_HUB_CACHE, or a token by HF_TOKEN");
    }

    /// Every function of the library that a message names is replaced by the table.
    #[test]
    fn no_message_of_the_library_names_a_function_that_is_not_in_the_table() {
        use std::fs;
        use std::path::{Path, PathBuf};

        fn files(folder: &Path) -> Vec<PathBuf> {
            let entries = fs::read_dir(folder).expect("the source should be readable");
            let paths = entries.map(|entry| entry.expect("the source should be readable").path());
            paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
        }

        let types = ["Hub::", "EntityOptions::", "TopicOptions::", "Backend::", "Limits::", "Engine::"];
        let source = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../src"));
        if !source.join("lib.rs").exists() {
            // The package was copied without the workspace.
            return;
        }
        for path in files(source) {
            let text = fs::read_to_string(&path).expect("the source should be readable");
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            // A string literal may continue on the next line.
            let code = code.lines().map(str::trim_start).collect::<Vec<_>>().join("\n").replace("\\\n", "");
            let lines = code.lines().filter(|line| !line.starts_with("//"));
            for line in lines {
                // The text between quotation marks.
                for message in line
                    .split('"')
                    .skip(1)
                    .step_by(2)
                    .filter(|message| types.iter().any(|name| message.contains(name)))
                {
                    let shown = Failure::new(message).to_string();
                    assert!(!types.iter().any(|name| shown.contains(name)), "{}: {message}", path.display());
                }
            }
        }
    }
}
