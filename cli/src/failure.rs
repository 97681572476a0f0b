//! The message of a command that cannot continue.

use std::error::Error;
use std::fmt;

/// Parts of the library's messages that name its functions and options, and their replacements, which name the
/// command's options.
const OPTIONS: [(&str, &str); 17] = [
    ("Hub::token or HF_TOKEN", "HF_TOKEN"),
    ("Hub::proxy", "--proxy"),
    ("Hub::cache", "--cache"),
    ("Hub::lock", "--lock"),
    ("Hub::offline", "--offline"),
    ("with EntityOptions::entity_types", "with --entity-types"),
    ("the option entity_types", "--entity-types"),
    ("the option aggregation", "--aggregation"),
    ("the option boundaries", "--boundaries"),
    ("the option clean_spans", "--clean-spans"),
    (", or raise Limits::max_bytes", ""),
    (", or raise Limits::max_labels", ""),
    ("or Backend::Native", "or --backend native"),
    ("Backend::LibTorch", "--backend libtorch"),
    ("a folder as a Path", "a folder as ./DIR"),
    ("use Ner for this one", "use this one for entities"),
    ("use TopicClassifier for this one", "use this one for topics"),
];

/// The same for answers to requests, whose replacements name fields of the request. The service sets no other option of
/// the library that a request could name.
#[cfg(feature = "serve")]
const FIELDS: [(&str, &str); 1] =
    [("set them with EntityOptions::entity_types", "list them in entity_types")];

/// A message for the user, with its causes: `news.txt cannot be read: permission denied`.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(reworded(message.into(), &OPTIONS))
    }

    /// The message for the client whose request `error` refuses.
    #[cfg(feature = "serve")]
    pub(crate) fn of_request(error: &entopic::Error) -> Self {
        Self(reworded(with_causes(error.to_string(), error.source()), &FIELDS))
    }

    /// `message`, followed by `cause` and its causes.
    pub(crate) fn because(message: impl Into<String>, cause: &dyn Error) -> Self {
        Self::new(with_causes(message.into(), Some(cause)))
    }
}

fn with_causes(mut message: String, mut next: Option<&dyn Error>) -> String {
    while let Some(cause) = next {
        message.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    message
}

fn reworded(message: String, wordings: &[(&str, &str)]) -> String {
    wordings.iter().fold(message, |message, (function, option)| message.replace(function, option))
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<entopic::Error> for Failure {
    fn from(error: entopic::Error) -> Self {
        Self::new(with_causes(error.to_string(), error.source()))
    }
}

#[cfg(test)]
mod tests {
    use super::Failure;

    /// A request without entity types, to a model that needs them, gets an answer that names the field.
    #[cfg(feature = "serve")]
    #[test]
    fn answers_to_requests_name_fields_of_the_request() {
        let gliner = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/goldens/gliner-span");
        let ner = entopic::Engine::new().and_then(|engine| engine.ner(std::path::Path::new(gliner)));
        let Ok(ner) = ner else {
            // The package was copied without the workspace.
            return;
        };
        let error = ner.tag("Ada").expect_err("it should be refused: there are no entity types");
        let message = Failure::of_request(&error).to_string();
        assert!(message.contains("list them in entity_types") && !message.contains("::"), "{message}");
    }

    #[test]
    fn advice_names_the_options_of_the_command() {
        let advice =
            "name another cache with Hub::cache or HF_HUB_CACHE, or a token with Hub::token or HF_TOKEN";
        let failure = Failure::new(advice).to_string();
        assert_eq!(failure, "name another cache with --cache or HF_HUB_CACHE, or a token with HF_TOKEN");
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
