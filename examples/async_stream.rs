//! A stream inside tokio: texts come from asynchronous code, a blocking task tags them, and results go back. Bounded
//! channels slow down a fast source.
//!
//! ```text
//! cargo run --release --example async_stream
//! ```

use std::error::Error;
use std::iter;

use entopic::{TaggedDocument, Tagger};
use tokio::sync::mpsc;
use tokio::task;

/// The number of texts, and of results, that may wait.
const WAITING: usize = 32;

/// Tags the texts from `texts`, in their order.
fn tag(
    tagger: Tagger,
    mut texts: mpsc::Receiver<String>,
) -> mpsc::Receiver<Result<TaggedDocument, entopic::Error>> {
    let (send, results) = mpsc::channel(WAITING);
    // The models compute on the engine's threads, and the iterator blocks until they are done, so it must not run on a
    // thread of the runtime that other tasks need.
    task::spawn_blocking(move || {
        for document in tagger.tag_iter(iter::from_fn(|| texts.blocking_recv())) {
            // If nobody waits for results any more, the rest is not computed.
            if send.blocking_send(document).is_err() {
                return;
            }
        }
    });
    results
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (send, texts) = mpsc::channel(WAITING);
    let mut results = tag(Tagger::bundled()?, texts);

    task::spawn(async move {
        for number in 1..=200 {
            // This waits while the models have enough to do.
            let text = format!("Ada Lovelace sent letter {number} from London to Charles Babbage.");
            if send.send(text).await.is_err() {
                return;
            }
        }
    });

    let (mut documents, mut entities) = (0, 0);
    while let Some(document) = results.recv().await {
        documents += 1;
        entities += document?.entities.len();
    }
    println!("{entities} entities in {documents} documents");
    Ok(())
}
