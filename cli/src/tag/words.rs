//! Corpora of words: finds the entities of sentences that are given as words, in CoNLL's columns.

use std::io::Write;
use std::process::ExitCode;

use entopic::Ner;

use crate::args::{Format, TagArgs};
use crate::eval::sentences::{self, Sentence};
use crate::failure::Failure;
use crate::formats::conll_sentence;
use crate::input::Input;
use crate::load;
use crate::offsets::Offsets;
use crate::sink::Sink;

/// The number of sentences that are tagged at once.
const SENTENCES: usize = 4096;

/// Tags the words of each sentence of a file, and writes the words with their tags.
pub(super) fn run(args: &TagArgs) -> Result<ExitCode, Failure> {
    let [file] = &args.inputs.files[..] else {
        return Err(Failure::new("--words reads only one file; name one"));
    };
    if args.format != Format::Conll {
        return Err(Failure::new("--words writes words and their tags; add --format conll"));
    }
    if args.offsets != Offsets::Chars {
        return Err(Failure::new("--words writes no offsets; leave out --offsets"));
    }
    if let Some(path) = &args.output {
        args.inputs.refuse_as_output(path)?;
    }
    let input = Input::read(file)?;
    let sentences = sentences::read(&input)?;
    let ner = load::tagger(&args.models)?.ner().clone();
    let mut out = match &args.output {
        Some(path) => Sink::create(path)?,
        None => Sink::standard_output(),
    };
    match write(&input, &sentences, &ner, &mut out) {
        Ok(true) => out.finish()?,
        Ok(false) => {}
        Err(failure) => {
            out.abandon()?;
            return Err(failure);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the words and tags of all sentences; returns `false` if the reader of the output has gone away.
fn write(input: &Input, sentences: &[Sentence<'_>], ner: &Ner, out: &mut Sink) -> Result<bool, Failure> {
    for chunk in sentences.chunks(SENTENCES) {
        let words: Vec<&[&str]> = chunk.iter().map(|sentence| sentence.words.as_slice()).collect();
        for (sentence, tagged) in chunk.iter().zip(ner.tag_words_batch(&words)) {
            let tagged = tagged.map_err(|error| {
                Failure::because(format!("{}: line {}", input.name, sentence.line), &error)
            })?;
            let entities = tagged.entities.iter().map(|entity| (entity.words.clone(), entity.label.as_str()));
            match conll_sentence(out, &sentence.words, entities).and_then(|()| out.flush()) {
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(false),
                Err(error) => return Err(out.failure(&error)),
                Ok(()) => {}
            }
        }
    }
    Ok(true)
}
