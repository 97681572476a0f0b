//! entopic as a worker. All steps are timed, from text to entities or topics.

use std::collections::HashMap;
use std::hint::black_box;
use std::path::PathBuf;

use anyhow::{Result, bail};
use entopic::{Engine, EntityOptions, Ner, Precision, TopicClassifier};
use peer_protocol::{Arguments, Logits, Texts, Worker, serve};

struct Entopic {
    model: PathBuf,
    engine: Engine,
    /// The models by window, which only some works set.
    taggers: HashMap<Option<usize>, Ner>,
    classifier: Option<TopicClassifier>,
}

impl Entopic {
    fn tagger(&mut self, window: Option<usize>) -> Result<&Ner> {
        if !self.taggers.contains_key(&window) {
            let ner = self.engine.ner(&self.model)?;
            let ner = match window {
                Some(tokens) => ner.with(EntityOptions::new().window(tokens))?,
                None => ner,
            };
            self.taggers.insert(window, ner);
        }
        Ok(&self.taggers[&window])
    }

    fn classifier(&mut self) -> Result<&TopicClassifier> {
        if self.classifier.is_none() {
            self.classifier = Some(self.engine.topics(&self.model)?);
        }
        Ok(self.classifier.as_ref().expect("it was just loaded"))
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
        "bf16" => Precision::Bf16,
        "f32" => Precision::F32,
        other => bail!("no precision {other}"),
    };
    // Each pass prepares its labels anew, as the peers do.
    let builder = Engine::builder().threads(arguments.threads).precision(precision).label_cache(0);
    let (texts, model, engine) = (arguments.texts.clone(), arguments.model.clone(), builder.build()?);
    serve(&texts, Entopic { model, engine, taggers: HashMap::new(), classifier: None })
}
