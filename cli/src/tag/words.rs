//! Corpora of words: the entities of sentences that are given as words, in CoNLL's columns.

use std::io::Write;
use std::process::ExitCode;

use crate::args::{Format, TagArgs};
use crate::eval::sentences;
use crate::failure::Failure;
use crate::formats::conll_sentence;
use crate::input::Input;
use crate::load;
use crate::sink::Sink;

/// Sentences that are tagged at once.
const SENTENCES: usize = 4096;

/// Tags each sentence of a file as it stands and writes its words with their tags.
pub(super) fn run(args: &TagArgs) -> Result<ExitCode, Failure> {
    let [file] = &args.inputs.files[..] else {
        return Err(Failure::new("--words reads one file"));
    };
    if args.format != Format::Conll {
        return Err(Failure::new("--words writes words and their tags: add --format conll"));
    }
    let input = Input::read(file)?;
    let sentences = sentences::read(&input)?;
    let ner = load::tagger(args)?.ner().clone();
    let mut out = match &args.output {
        Some(path) => Sink::create(path)?,
        None => Sink::standard_output(),
    };
    for chunk in sentences.chunks(SENTENCES) {
        let words: Vec<&[&str]> = chunk.iter().map(|sentence| sentence.words.as_slice()).collect();
        for (sentence, tagged) in chunk.iter().zip(ner.tag_words_batch(&words)) {
            let tagged = tagged.map_err(|error| {
                Failure::because(format!("{}: line {}", input.name, sentence.line), &error)
            })?;
            let entities = tagged.entities.iter().map(|entity| (entity.words.clone(), entity.label.as_str()));
            match conll_sentence(&mut out, &sentence.words, entities).and_then(|()| out.flush()) {
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
                Err(error) => return Err(out.failure(&error)),
                Ok(()) => {}
            }
        }
    }
    out.finish()?;
    Ok(ExitCode::SUCCESS)
}
