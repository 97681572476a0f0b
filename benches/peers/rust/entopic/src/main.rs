//! entopic as a worker. Everything is timed, from text to entities or topics.

use std::collections::HashMap;
use std::hint::black_box;

use anyhow::{Result, bail};
use entopic::{Ner, Precision, TopicClassifier};
use peer_protocol::{Arguments, Logits, Texts, Worker, serve};

struct Entopic {
    arguments: Arguments,
    precision: Precision,
    /// By window, which only some works set.
    taggers: HashMap<Option<usize>, Ner>,
    classifier: Option<TopicClassifier>,
}

impl Entopic {
    fn tagger(&mut self, window: Option<usize>) -> Result<&Ner> {
        if !self.taggers.contains_key(&window) {
            let folder = self.arguments.model.to_string_lossy();
            let mut builder = Ner::builder(folder).threads(self.arguments.threads).precision(self.precision);
            if let Some(tokens) = window {
                builder = builder.window(tokens);
            }
            self.taggers.insert(window, builder.build()?);
        }
        Ok(&self.taggers[&window])
    }

    fn classifier(&mut self) -> Result<&TopicClassifier> {
        if self.classifier.is_none() {
            let folder = self.arguments.model.to_string_lossy();
            let builder = TopicClassifier::builder(folder);
            let classifier = builder.threads(self.arguments.threads).precision(self.precision).build()?;
            self.classifier = Some(classifier);
        }
        Ok(self.classifier.as_ref().expect("was just built"))
    }
}

impl Worker for Entopic {
    fn pass<'a>(
        &'a mut self,
        texts: &'a Texts,
        batch: Option<usize>,
    ) -> Result<Box<dyn FnMut() -> Result<()> + 'a>> {
        let calls = texts.texts.chunks(batch.unwrap_or(texts.texts.len()));
        if !texts.labels.is_empty() {
            let classifier = self.classifier()?;
            return Ok(Box::new(move || {
                let labels = classifier.label_set(texts.labels.iter().cloned())?;
                for call in calls.clone() {
                    for classified in classifier.classify_batch(call, &labels) {
                        black_box(classified?);
                    }
                }
                Ok(())
            }));
        }
        let tagger = self.tagger(texts.window)?;
        Ok(Box::new(move || {
            for call in calls.clone() {
                for tagged in tagger.tag_batch(call) {
                    black_box(tagged?);
                }
            }
            Ok(())
        }))
    }

    fn logits(&mut self, texts: &Texts) -> Result<Vec<Logits>> {
        let tagger = self.tagger(None)?;
        let logits = |text: &String| -> Result<Logits> {
            Ok(tagger.logits(text)?.logits.outer_iter().map(|row| row.to_vec()).collect())
        };
        texts.texts.iter().map(logits).collect()
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::read()?;
    let precision = match arguments.variant.as_str() {
        "int8" => Precision::Int8,
        "f32" => Precision::F32,
        other => bail!("no precision {other}"),
    };
    let texts = arguments.texts.clone();
    serve(&texts, Entopic { arguments, precision, taggers: HashMap::new(), classifier: None })
}
