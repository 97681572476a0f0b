//! Code that the Rust workers share: the line protocol described in README.md, prepared texts, padding.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// The arguments of a worker: `VARIANT --model FOLDER --texts FOLDER --threads N`.
pub struct Arguments {
    pub variant: String,
    pub model: PathBuf,
    pub texts: PathBuf,
    pub threads: usize,
}

/// The texts of a work, as models.py prepares them.
#[derive(Deserialize)]
pub struct Texts {
    pub texts: Vec<String>,
    /// The token ids that peers get, with special tokens.
    #[serde(default)]
    pub ids: Vec<Vec<u32>>,
    /// The tokens of a window, if the work specifies them.
    pub window: Option<usize>,
    /// The topics of a zero-shot work.
    #[serde(default)]
    pub labels: Vec<String>,
}

/// Logits `[tokens][labels]` of one text, no special tokens.
pub type Logits = Vec<Vec<f32>>;

/// One engine with its model.
pub trait Worker {
    /// Prepares a pass over all texts of a work, with `batch` texts per call or all in one; the
    /// returned function is timed.
    fn pass<'a>(
        &'a mut self,
        texts: &'a Texts,
        batch: Option<usize>,
    ) -> Result<Box<dyn FnMut() -> Result<()> + 'a>>;

    /// The logits of each text.
    fn logits(&mut self, texts: &Texts) -> Result<Vec<Logits>>;
}

#[derive(Deserialize)]
struct Request {
    work: String,
    batch: Option<usize>,
}

impl Arguments {
    pub fn read() -> Result<Self> {
        let mut arguments = std::env::args().skip(1);
        let variant = arguments.next().context("which variant?")?;
        let mut option = |name: &str| {
            if arguments.next().as_deref() != Some(name) {
                bail!("expected {name}");
            }
            arguments.next().with_context(|| format!("{name} has no value"))
        };
        Ok(Self {
            variant,
            model: option("--model")?.into(),
            texts: option("--texts")?.into(),
            threads: option("--threads")?.parse()?,
        })
    }
}

/// Answers requests until standard input ends; `texts` is the folder of prepared texts.
pub fn serve(texts: &Path, mut worker: impl Worker) -> Result<()> {
    let mut answers = std::io::stdout();
    writeln!(answers, "{}", serde_json::json!({"ready": true}))?;
    for line in std::io::stdin().lock().lines() {
        let request: Request = serde_json::from_str(&line?)?;
        let path = texts.join(format!("{}.json", request.work));
        let texts: Texts =
            serde_json::from_slice(&std::fs::read(&path).with_context(|| format!("{path:?}"))?)?;
        let answer = if request.work == "logits" {
            serde_json::json!({"logits": worker.logits(&texts)?})
        } else {
            let mut pass = worker.pass(&texts, request.batch)?;
            let start = Instant::now();
            pass()?;
            serde_json::json!({"seconds": start.elapsed().as_secs_f64()})
        };
        writeln!(answers, "{answer}")?;
        answers.flush()?;
    }
    Ok(())
}

/// Token ids as padded rows, `[texts, longest]`.
pub struct Padded {
    pub shape: [usize; 2],
    pub ids: Vec<u32>,
    /// 1 for tokens, 0 for padding.
    pub mask: Vec<u32>,
}

impl Padded {
    pub fn new(texts: &[&[u32]]) -> Self {
        let longest = texts.iter().map(|ids| ids.len()).max().unwrap_or(0);
        let mut padded = Self {
            shape: [texts.len(), longest],
            ids: vec![0; texts.len() * longest],
            mask: vec![0; texts.len() * longest],
        };
        for (row, ids) in texts.iter().enumerate() {
            let start = row * longest;
            padded.ids[start..start + ids.len()].copy_from_slice(ids);
            padded.mask[start..start + ids.len()].fill(1);
        }
        padded
    }
}

impl Texts {
    /// The batches of peers: sorted by length, padded; all in one if no size is given.
    pub fn batches(&self, size: Option<usize>) -> Vec<Padded> {
        let mut ids: Vec<&[u32]> = self.ids.iter().map(Vec::as_slice).collect();
        ids.sort_by_key(|ids| ids.len());
        ids.chunks(size.unwrap_or(ids.len())).map(Padded::new).collect()
    }

    /// The logits of each text from those of all in one batch in the given order,
    /// `[texts * longest * labels]` in `rows`.
    pub fn unpad(&self, rows: &[f32]) -> Vec<Logits> {
        let longest = self.ids.iter().map(Vec::len).max().unwrap_or(0);
        let labels = rows.len() / (self.ids.len() * longest);
        let texts = rows.chunks(longest * labels).zip(&self.ids);
        texts
            .map(|(rows, ids)| rows.chunks(labels).take(ids.len() - 1).skip(1).map(<[f32]>::to_vec).collect())
            .collect()
    }

    /// All texts in one batch, in the given order.
    pub fn one_batch(&self) -> Padded {
        Padded::new(&self.ids.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }
}
