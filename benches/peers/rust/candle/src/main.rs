//! candle's BERT in f32 as a worker. Its threads are rayon's, which run.py sets by RAYON_NUM_THREADS.

use std::hint::black_box;

use anyhow::Result;
use candle_core::{DType, Device, Tensor};
use candle_nn::{Linear, Module, VarBuilder};
use candle_transformers::models::bert::{BertModel, Config};
use peer_protocol::{Arguments, Logits, Padded, Texts, Worker, serve};

struct Candle {
    encoder: BertModel,
    head: Linear,
}

/// Inputs `[texts, longest]`.
struct Batch {
    ids: Tensor,
    types: Tensor,
    mask: Tensor,
}

impl Batch {
    fn new(padded: &Padded) -> Result<Self> {
        let [rows, longest] = padded.shape;
        let ids = Tensor::from_slice(&padded.ids, (rows, longest), &Device::Cpu)?;
        let mask = Tensor::from_slice(&padded.mask, (rows, longest), &Device::Cpu)?;
        Ok(Self { types: ids.zeros_like()?, ids, mask })
    }
}

impl Candle {
    fn load(arguments: &Arguments) -> Result<Self> {
        let json = std::fs::read(arguments.model.join("config.json"))?;
        let config: Config = serde_json::from_slice(&json)?;
        let labels = serde_json::from_slice::<serde_json::Value>(&json)?["id2label"]
            .as_object()
            .map_or(0, |map| map.len());
        let weights = std::fs::read(arguments.model.join("model.safetensors"))?;
        let weights = VarBuilder::from_buffered_safetensors(weights, DType::F32, &Device::Cpu)?;
        let head = candle_nn::linear(config.hidden_size, labels, weights.pp("classifier"))?;
        Ok(Self { encoder: BertModel::load(weights.pp("bert"), &config)?, head })
    }

    /// Logits `[texts, longest, labels]`.
    fn run(&self, batch: &Batch) -> Result<Tensor> {
        let hidden = self.encoder.forward(&batch.ids, &batch.types, Some(&batch.mask))?;
        Ok(self.head.forward(&hidden)?)
    }
}

impl Worker for Candle {
    fn pass<'a>(
        &'a mut self,
        texts: &'a Texts,
        batch: Option<usize>,
    ) -> Result<Box<dyn FnMut() -> Result<()> + 'a>> {
        let batches = texts.batches(batch).iter().map(Batch::new).collect::<Result<Vec<_>>>()?;
        Ok(Box::new(move || {
            for batch in &batches {
                black_box(self.run(batch)?);
            }
            Ok(())
        }))
    }

    fn logits(&mut self, texts: &Texts) -> Result<Vec<Logits>> {
        let rows = self.run(&Batch::new(&texts.one_batch())?)?;
        Ok(texts.unpad(&rows.flatten_all()?.to_vec1::<f32>()?))
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::read()?;
    serve(&arguments.texts, Candle::load(&arguments)?)
}
