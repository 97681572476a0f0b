//! Tags a file with one JSON document per line, writes one result per line, and goes on where it stopped if it is run
//! again.
//!
//! ```text
//! cargo run --release --example stream -- documents.jsonl results.jsonl
//! ```
//!
//! Each line of the input is `{"text": …}`. Without arguments it writes a small input itself.

use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::{env, io};

use entopic::Tagger;
use serde::Deserialize;

#[derive(Deserialize)]
struct Line {
    text: String,
}

/// The number of whole lines in `output`. A last line that was cut off is taken away, so that it is written anew.
fn done(output: &Path) -> io::Result<usize> {
    let results = match fs::read(output) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        results => results?,
    };
    let whole = results.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    OpenOptions::new().write(true).open(output)?.set_len(whole as u64)?;
    Ok(results[..whole].iter().filter(|&&byte| byte == b'\n').count())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let (input, output) = match (arguments.next(), arguments.next()) {
        (Some(input), Some(output)) => (input, output),
        _ => sample()?,
    };
    let skip = done(&output)?;
    println!("{skip} lines are done");

    let tagger = Tagger::bundled()?;
    let mut results = OpenOptions::new().create(true).append(true).open(&output)?;
    let lines = BufReader::new(File::open(&input)?).lines().skip(skip);

    // A line that cannot be read ends the run with its number; the results before it are kept.
    let mut fault = None;
    let texts = lines.zip(skip + 1..).map_while(|(line, number)| {
        let text = line.map_err(|error| error.to_string());
        let text =
            text.and_then(|line| serde_json::from_str::<Line>(&line).map_err(|error| error.to_string()));
        text.map_err(|error| fault = Some(format!("line {number}: {error}"))).ok()
    });
    // Memory does not grow with the file: some hundred kilobytes of text are read ahead.
    let mut count = 0;
    for document in tagger.tag_iter(texts.map(|line| line.text)) {
        writeln!(results, "{}", serde_json::to_string(&document?)?)?;
        count += 1;
    }
    println!("{count} lines were tagged; the results are in {}", output.display());
    match fault {
        Some(fault) => Err(fault.into()),
        None => Ok(()),
    }
}

/// A small input, and an output of which the first line is done.
fn sample() -> io::Result<(PathBuf, PathBuf)> {
    let folder = env::temp_dir().join(format!("entopic-stream-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let (input, output) = (folder.join("documents.jsonl"), folder.join("results.jsonl"));
    fs::write(&input, "{\"text\": \"Ada lived in London.\"}\n{\"text\": \"Marie lived in Paris.\"}\n")?;
    fs::write(&output, "{\"entities\": [], \"topics\": []}\n{\"entities\": [")?;
    Ok((input, output))
}
