//! rten as a worker; the variant is the name of the ONNX file. run.py sets its threads by
//! RTEN_NUM_THREADS.

use std::hint::black_box;

use anyhow::Result;
use peer_protocol::{Arguments, Logits, Padded, Texts, Worker, serve};
use rten::{Model, NodeId};
use rten_tensor::prelude::*;
use rten_tensor::{NdTensor, Tensor};

struct Rten {
    model: Model,
    inputs: [NodeId; 3],
    output: NodeId,
}

/// Token ids, mask and token types, each `[texts, longest]`.
type Batch = [NdTensor<i32, 2>; 3];

fn batch(padded: &Padded) -> Batch {
    let tensor = |values: &[u32]| {
        NdTensor::from_data(padded.shape, values.iter().map(|&value| value as i32).collect::<Vec<_>>())
    };
    [tensor(&padded.ids), tensor(&padded.mask), NdTensor::zeros(padded.shape)]
}

impl Rten {
    fn load(arguments: &Arguments) -> Result<Self> {
        let model = Model::load_file(arguments.model.join(format!("{}.onnx", arguments.variant)))?;
        let [ids, mask, types] =
            ["input_ids", "attention_mask", "token_type_ids"].map(|name| model.node_id(name));
        Ok(Self { inputs: [ids?, mask?, types?], output: model.node_id("logits")?, model })
    }

    /// Logits `[texts, longest, labels]`.
    fn run(&self, batch: &Batch) -> Result<Tensor<f32>> {
        let inputs = self.inputs.iter().zip(batch).map(|(&id, tensor)| (id, tensor.view().into())).collect();
        let [logits] = self.model.run_n(inputs, [self.output], None)?;
        Ok(logits.try_into()?)
    }
}

impl Worker for Rten {
    fn pass<'a>(
        &'a mut self,
        texts: &'a Texts,
        size: Option<usize>,
    ) -> Result<Box<dyn FnMut() -> Result<()> + 'a>> {
        let batches: Vec<Batch> = texts.batches(size).iter().map(batch).collect();
        Ok(Box::new(move || {
            for batch in &batches {
                black_box(self.run(batch)?);
            }
            Ok(())
        }))
    }

    fn logits(&mut self, texts: &Texts) -> Result<Vec<Logits>> {
        Ok(texts.unpad(&self.run(&batch(&texts.one_batch()))?.to_vec()))
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::read()?;
    serve(&arguments.texts, Rten::load(&arguments)?)
}
