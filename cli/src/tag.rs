//! `entopic tag`: the entities and topics of one document.

mod report;

use crate::args::{Format, TagArgs};
use crate::failure::Failure;
use crate::input::Input;
use crate::{load, output, progress};

pub(crate) fn run(args: &TagArgs) -> Result<(), Failure> {
    let input = Input::read(&args.file)?;
    let tagger = load::tagger(args)?;
    let bar = progress::of_text(input.text.len());
    let tagged = tagger.within(&progress::limits(&bar)).tag(&input.text);
    bar.finish_and_clear();
    let document = tagged.map_err(|error| Failure::because(input.name, &error))?;
    if let Some(language) = &document.coverage.foreign_language {
        output::warn(&format!(
            "warning: the text looks like the language {language}, which {} and {} do not both know; their results may mean \
             little. Choose other models with --model and --topic-model",
            tagger.ner().name(),
            tagger.topics().name()
        ));
    }
    match args.format {
        Format::Json => output::print_json(&document),
        Format::Text => output::print(&report::render(&document)),
    }
}
