//! rust-bert's BERT on libtorch in f32 as a worker: the model alone, or its pipeline, from text to labels, in
//! its own batches of 64.

use std::collections::BTreeMap;
use std::hint::black_box;

use anyhow::{Context, Result, bail};
use peer_protocol::{Arguments, Logits, Padded, Texts, Worker, serve};
use rust_bert::bert::{BertConfig, BertForTokenClassification};
use rust_bert::pipelines::common::{ModelResource, ModelType};
use rust_bert::pipelines::token_classification::{
    LabelAggregationOption, TokenClassificationConfig, TokenClassificationModel,
};
use rust_bert::resources::LocalResource;
use tch::{Device, Kind, Tensor, nn};

struct RustBert {
    model: BertForTokenClassification,
    _weights: nn::VarStore,
    pipeline: Option<TokenClassificationModel>,
}

/// Inputs `[texts, longest]`.
struct Batch {
    ids: Tensor,
    mask: Tensor,
}

impl Batch {
    fn new(padded: &Padded) -> Result<Self> {
        let shape = padded.shape.map(|size| size as i64);
        let tensor = |values: &[u32]| -> Result<Tensor> {
            let values: Vec<i64> = values.iter().map(|&value| i64::from(value)).collect();
            Ok(Tensor::f_from_slice(&values)?.f_reshape(shape)?)
        };
        Ok(Self { ids: tensor(&padded.ids)?, mask: tensor(&padded.mask)? })
    }
}

impl RustBert {
    fn load(arguments: &Arguments) -> Result<Self> {
        tch::set_num_threads(i32::try_from(arguments.threads)?);
        let config: BertConfig =
            serde_json::from_slice(&std::fs::read(arguments.model.join("config.json"))?)?;
        let weights = nn::VarStore::new(Device::Cpu);
        let model = BertForTokenClassification::new(weights.root(), &config)?;
        let mut variables = weights.variables();
        let tensors = Tensor::read_safetensors(arguments.model.join("model.safetensors"))?;
        for (name, tensor) in &tensors {
            if let Some(variable) = variables.get_mut(name) {
                tch::no_grad(|| variable.f_copy_(tensor)).with_context(|| name.clone())?;
            }
        }
        let pipeline = match arguments.variant.as_str() {
            "f32" => None,
            "pipeline" => Some(pipeline(arguments)?),
            other => bail!("no variant {other}; there are f32 and pipeline"),
        };
        Ok(Self { model, _weights: weights, pipeline })
    }

    /// Logits `[texts, longest, labels]`.
    fn run(&self, batch: &Batch) -> Tensor {
        let (ids, mask) = (Some(&batch.ids), Some(&batch.mask));
        tch::no_grad(|| self.model.forward_t(ids, mask, None, None, None, false).logits)
    }
}

fn pipeline(arguments: &Arguments) -> Result<TokenClassificationModel> {
    let local = |name: &str| LocalResource::from(arguments.model.join(name));
    // Its tokenizer reads vocab.txt alone.
    let json = std::fs::read(arguments.model.join("tokenizer.json"))?;
    let json: serde_json::Value = serde_json::from_slice(&json)?;
    let vocabulary: BTreeMap<String, usize> = serde_json::from_value(json["model"]["vocab"].clone())?;
    let mut tokens: Vec<(usize, String)> = vocabulary.into_iter().map(|(token, id)| (id, token)).collect();
    tokens.sort();
    let lines: String = tokens.into_iter().map(|(_, token)| token + "\n").collect();
    std::fs::write(arguments.model.join("vocab.txt"), lines)?;
    let config = TokenClassificationConfig::new(
        ModelType::Bert,
        ModelResource::Torch(Box::new(local("model.safetensors"))),
        local("config.json"),
        local("vocab.txt"),
        None,
        true,
        None,
        None,
        LabelAggregationOption::First,
    );
    Ok(TokenClassificationModel::new(config)?)
}

impl Worker for RustBert {
    fn pass<'a>(
        &'a mut self,
        texts: &'a Texts,
        batch: Option<usize>,
    ) -> Result<Box<dyn FnMut() -> Result<()> + 'a>> {
        let this: &'a Self = self;
        if let Some(pipeline) = &this.pipeline {
            let calls = texts.texts.chunks(batch.unwrap_or(texts.texts.len()));
            return Ok(Box::new(move || {
                for texts in calls.clone() {
                    black_box(pipeline.predict(texts, false, false));
                }
                Ok(())
            }));
        }
        let batches = texts.batches(batch).iter().map(Batch::new).collect::<Result<Vec<_>>>()?;
        Ok(Box::new(move || {
            for batch in &batches {
                drop(black_box(this.run(batch)));
            }
            Ok(())
        }))
    }

    fn logits(&mut self, texts: &Texts) -> Result<Vec<Logits>> {
        let rows = self.run(&Batch::new(&texts.one_batch())?).to_kind(Kind::Float).contiguous();
        let mut values = vec![0.0_f32; rows.numel()];
        let count = values.len();
        rows.f_copy_data(&mut values, count)?;
        Ok(texts.unpad(&values))
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::read()?;
    serve(&arguments.texts, RustBert::load(&arguments)?)
}
