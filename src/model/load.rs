//! Loading a model: locate, describe, check, assemble.

use std::sync::Arc;

use super::config::Config;
use super::locate::{Located, locate};
use super::provider;
use super::provider::site::{Assembly, Site};
use super::resources::Resources;
use super::role::{PromptStyle, Role, are_unnamed};
use super::{Model, pooling_file};
use crate::catalogue::files::Files;
use crate::catalogue::model_ref::ModelRef;
use crate::catalogue::registry::Task;
use crate::error::{Error, ErrorKind};
use crate::fingerprint::Fingerprint;
use crate::limits::LONGEST_WINDOW;
use crate::tokenizer::TextTokenizer;

/// Loads `model`, which must do one of `tasks`; `purpose` names the tasks in messages.
pub(crate) fn load(
    resources: &Resources,
    model: ModelRef,
    tasks: &[Task],
    purpose: &str,
) -> Result<Model, Error> {
    let Located { name, files, tokenizer, profile } = locate(resources, model, tasks)?;
    let tokenizer_files = tokenizer.as_ref().unwrap_or(&files);
    let layout = files.layout()?;
    let json = files.read(layout.description.config, ErrorKind::Config)?;
    let pooling = profile.pooling.or(pooling_file::read(&files)?);

    let site = Site { files: &files, layout: &layout, json: &json, pooling, resources };
    let described = provider::describe(site)?;
    let mut config = described.config;

    check_task(&name, &config, profile.kind.as_ref(), tasks, purpose)?;
    name_labels(&mut config.role, &profile.labels, &files.name(layout.description.config))?;
    let load_tokenizer = || tokenizer_of(resources, tokenizer_files, &config);
    let (tokenizer, backend) = match described.assembly {
        // Parsing a large vocabulary takes as long as packing a small model.
        Assembly::Apart(assemble) => {
            let (tokenizer, backend) = resources.workers.both(load_tokenizer, assemble);
            (tokenizer?, backend?)
        }
        Assembly::WithTokenizer(assemble) => {
            let tokenizer = load_tokenizer()?;
            let backend = assemble(&tokenizer)?;
            (tokenizer, backend)
        }
    };
    check_vocabulary(&files, tokenizer_files, layout.description.config, &config, &tokenizer)?;
    if let Some(style) = config.role.prompt_mut() {
        style.label_id = Some(label_id(style, &tokenizer, &tokenizer_files.origin)?);
    }

    let paths = std::iter::once(layout.weights.file()).chain(layout.shards.iter().map(String::as_str));
    let weights: Vec<u8> = paths.flat_map(|path| files.sample(path)).collect();
    let vocabulary: Vec<u8> = tokenizer_files
        .tokenizer()?
        .files()
        .into_iter()
        .flat_map(|path| tokenizer_files.sample(path))
        .collect();
    let pooling = pooling.map(|pooling| pooling.to_string()).unwrap_or_default();
    let max_length = profile.max_length.unwrap_or(usize::MAX).min(config.longest).min(LONGEST_WINDOW);
    Ok(Model {
        fingerprint: Fingerprint::of(&[&json, &weights, &vocabulary, pooling.as_bytes()]),
        name,
        role: config.role,
        token_types: config.token_types,
        tokenizer,
        backend,
        workers: Arc::clone(&resources.workers),
        profile,
        max_length,
    })
}

/// Gives the classes of an NLI head the registry's names if the config has none. Tags without names are refused.
fn name_labels(role: &mut Role, registered: &[String], origin: &str) -> Result<(), Error> {
    match role {
        Role::Nli { labels } if are_unnamed(labels) && registered.len() == labels.len() => {
            *labels = registered.to_vec();
            Ok(())
        }
        Role::Tags { labels, .. } if are_unnamed(labels) => {
            let message = format!(
                "{origin}: id2label has the tags {}, which name no entity types; write the tags with which the model \
                 was trained, such as B-PER",
                labels.join(", ")
            );
            Err(Error::new(ErrorKind::Config, message))
        }
        _ => Ok(()),
    }
}

/// Checks that the model does one of `tasks`, and that its task and architecture are those of the registry.
fn check_task(
    name: &str,
    config: &Config,
    registered: Option<&(Task, String)>,
    tasks: &[Task],
    purpose: &str,
) -> Result<(), Error> {
    let task = config.role.task();
    if !tasks.contains(&task) {
        let message = format!(
            "the model {name:?} cannot do {purpose}: its config.json describes a model for {}; choose another \
             model, or use {} for this one",
            task.description(),
            user_of(task)
        );
        return Err(Error::new(ErrorKind::WrongTask, message));
    }
    if let Some((said, architecture)) = registered
        && (*said, architecture) != (task, &config.architecture)
    {
        let message = format!(
            "the registry says that {name:?} does {} with the architecture {architecture:?}, but its config.json \
             describes {} with {:?}",
            said.description(),
            task.description(),
            config.architecture
        );
        return Err(Error::new(ErrorKind::Registry, message));
    }
    Ok(())
}

/// The type that runs models for `task`.
fn user_of(task: Task) -> &'static str {
    match task {
        Task::Ner | Task::ZeroShotNer => "Ner",
        Task::Nli | Task::Embedding | Task::ZeroShotTopics => "TopicClassifier",
    }
}

fn tokenizer_of(resources: &Resources, files: &Files, config: &Config) -> Result<Arc<TextTokenizer>, Error> {
    let load = || {
        let mut tokenizer = TextTokenizer::load(files, files.tokenizer()?, config.tokenizer_type())?;
        if let Some(style) = config.role.prompt()
            && tokenizer.id_of(&style.label_token).is_none()
        {
            tokenizer.add_tokens(&style.missing, &files.origin)?;
        }
        Ok(tokenizer)
    };
    match files.words() {
        Some(words) => resources.vocabularies.tokenizer(words.name, load),
        None => load().map(Arc::new),
    }
}

/// Checks that the model has a row for each token. The bundled vocabulary is not checked: a test covers it, and a
/// check takes some milliseconds.
fn check_vocabulary(
    files: &Files,
    tokenizer_files: &Files,
    config_file: &str,
    config: &Config,
    tokenizer: &TextTokenizer,
) -> Result<(), Error> {
    let (None, Some(known)) = (files.words(), config.vocabulary) else { return Ok(()) };
    let largest = tokenizer.largest_id();
    if (largest as usize) < known {
        return Ok(());
    }
    let message = format!(
        "{}: its tokenizer has ids up to {largest}, but {config_file} says vocab_size {known}",
        tokenizer_files.origin
    );
    Err(Error::new(ErrorKind::Tokenizer, message))
}

/// The id of the token before each label.
fn label_id(style: &PromptStyle, tokenizer: &TextTokenizer, origin: &str) -> Result<u32, Error> {
    let PromptStyle { label_token, label_id, .. } = style;
    let refuse = |message: String| Err(Error::new(ErrorKind::Tokenizer, format!("{origin}: {message}")));
    match (tokenizer.id_of(label_token), label_id) {
        (None, _) => {
            refuse(format!("its tokenizer has no token {label_token:?}, which stands before labels"))
        }
        (Some(found), Some(expected)) if found != *expected => {
            refuse(format!("its tokenizer has {label_token:?} as {found}, but its config says {expected}"))
        }
        (Some(found), _) => Ok(found),
    }
}
