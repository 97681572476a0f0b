//! A pipeline of threads: one reads documents, the models tag them, and one writes results. Bounded channels between
//! them slow down a fast reader, so that memory does not grow with the input.
//!
//! ```text
//! cargo run --release --example stream -- documents.jsonl results.jsonl
//! ```
//!
//! Each line of the input is `{"text": …}`. Without arguments, the example tags a built-in sample. The command does the
//! same with more formats, and can resume a run that was killed: `entopic tag documents.jsonl --format jsonl -o
//! results.jsonl --resume`.

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::sync::mpsc::sync_channel;
use std::{env, io, thread};

use entopic::Tagger;
use serde::Deserialize;

/// The number of documents that may wait between two threads.
const WAITING: usize = 64;

const SAMPLE: &str = "{\"text\": \"Ada lived in London.\"}\n{\"text\": \"Marie lived in Paris.\"}\n";

#[derive(Deserialize)]
struct Line {
    text: String,
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut paths = env::args_os().skip(1);
    let (input, output): (Box<dyn BufRead + Send>, Box<dyn Write + Send>) = match (paths.next(), paths.next())
    {
        (Some(input), Some(output)) => {
            (Box::new(BufReader::new(File::open(input)?)), Box::new(BufWriter::new(File::create(output)?)))
        }
        _ => (Box::new(SAMPLE.as_bytes()), Box::new(io::stdout())),
    };
    let tagger = Tagger::bundled()?;
    let (send_text, texts) = sync_channel::<String>(WAITING);
    let (send_result, results) = sync_channel::<String>(WAITING);

    thread::scope(|scope| {
        let reader = scope.spawn(move || -> Result<(), Box<dyn Error + Send + Sync>> {
            for (number, line) in (1..).zip(input.lines()) {
                let line: Line =
                    serde_json::from_str(&line?).map_err(|error| format!("line {number}: {error}"))?;
                // This waits while the models have enough to do, and fails when their thread has ended.
                if send_text.send(line.text).is_err() {
                    break;
                }
            }
            Ok(())
        });
        let writer = scope.spawn(move || -> io::Result<usize> {
            let (mut output, mut count) = (output, 0);
            for result in results {
                writeln!(output, "{result}")?;
                count += 1;
            }
            output.flush()?;
            Ok(count)
        });
        // Texts are read a few hundred kilobytes at a time and tagged together, on all threads; results keep their
        // order.
        for document in tagger.tag_iter(texts) {
            if send_result.send(serde_json::to_string(&document?)?).is_err() {
                break;
            }
        }
        drop(send_result);
        let count = writer.join().map_err(|_| "the writer panicked")??;
        reader.join().map_err(|_| "the reader panicked")??;
        eprintln!("{count} documents were tagged");
        Ok(())
    })
}
