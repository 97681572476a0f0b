use std::ops::Range;

use ndarray::{Array2, ArrayView1, Axis, Slice};

use super::activations::Input;
use super::checkpoint::Checkpoint;
use super::encoder::{EncoderScratch, Reads};
use super::linear::{Linear, Output};
use crate::backend::{Precision, RaggedBatch};
use crate::error::Error;
use crate::model::{Config, HeadKind};
use crate::stage::stage;

/// What stands on the encoder. Heads are computed in f32 whatever the precision: they are small,
/// and their errors are not averaged away by later layers.
pub(crate) enum Head {
    /// A dense layer on every token: `[tokens, labels]`.
    Tokens(Linear),
    /// A dense layer with tanh on the first token, then one to the labels: `[sequences, labels]`.
    Sequences { pooler: Linear, classifier: Linear },
    /// The mean of all tokens: `[sequences, hidden]`.
    MeanPooling,
    /// The first token: `[sequences, hidden]`.
    FirstToken,
}

impl Head {
    pub(crate) fn load(checkpoint: &Checkpoint<'_>, config: &Config) -> Result<Self, Error> {
        let (hidden, labels) = (config.hidden, config.labels.len());
        let classifier = || -> Result<Linear, Error> {
            let weight = checkpoint.head_matrix("classifier.weight", labels, hidden)?;
            let bias = checkpoint.head_vector("classifier.bias", labels)?;
            Ok(Linear::new(&weight, bias, Precision::F32))
        };
        Ok(match config.head {
            HeadKind::TokenClassification => Self::Tokens(classifier()?),
            HeadKind::SequenceClassification => {
                let weight = checkpoint.matrix("pooler.dense.weight", hidden, hidden)?;
                let bias = checkpoint.vector("pooler.dense.bias", hidden)?;
                let pooler = Linear::new(&weight, bias, Precision::F32);
                Self::Sequences { pooler, classifier: classifier()? }
            }
            HeadKind::MeanPooling => Self::MeanPooling,
            HeadKind::FirstToken => Self::FirstToken,
        })
    }

    /// Which states [`forward`](Self::forward) reads.
    pub(crate) fn reads(&self) -> Reads {
        match self {
            Self::Tokens(_) | Self::MeanPooling => Reads::EveryToken,
            Self::Sequences { .. } | Self::FirstToken => Reads::FirstTokens,
        }
    }

    /// Reads the encoder's output from `scratch.hidden`: `[tokens, hidden]`, or `[sequences, hidden]`
    /// if it reads first tokens alone.
    pub(crate) fn forward(
        &self,
        batch: &RaggedBatch,
        scratch: &mut EncoderScratch,
    ) -> Result<Vec<Array2<f32>>, Error> {
        stage!("head");
        let (states, output) = (&scratch.hidden, &mut Output::default());
        let sequences = batch.bounds.len() - 1;
        Ok(match self {
            Self::Tokens(classifier) => {
                let rows = project(classifier, states, output)?;
                let part = |range| rows.slice_axis(Axis(0), Slice::from(range)).to_owned();
                batch.sequences().map(part).collect()
            }
            Self::Sequences { pooler, classifier } => {
                let mut pooled = project(pooler, states, output)?;
                pooled.mapv_inplace(f32::tanh);
                let logits = project(classifier, pooled.as_slice().unwrap_or_default(), output)?;
                logits.axis_chunks_iter(Axis(0), 1).map(|row| row.to_owned()).collect()
            }
            Self::FirstToken => {
                let hidden = states.len() / sequences.max(1);
                states.chunks_exact(hidden.max(1)).map(row).collect()
            }
            Self::MeanPooling => {
                let hidden = states.len() / batch.ids.len().max(1);
                let mean = |sequence: Range<usize>| {
                    let mut mean = vec![0.0; hidden];
                    for row in states[sequence.start * hidden..sequence.end * hidden].chunks_exact(hidden) {
                        mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
                    }
                    let count = sequence.len().max(1) as f32;
                    mean.iter_mut().for_each(|sum| *sum /= count);
                    row(&mean)
                };
                batch.sequences().map(mean).collect()
            }
        })
    }
}

/// `[rows, outputs]` from `x`, `[rows, inputs]`.
fn project(linear: &Linear, x: &[f32], output: &mut Output) -> Result<Array2<f32>, Error> {
    let rows = linear.forward(Input::F32(x), output)?;
    let mut out = Array2::zeros((rows.len(), linear.outputs()));
    for (row, mut out) in out.rows_mut().into_iter().enumerate() {
        rows.read(row, out.as_slice_mut().unwrap_or_default());
    }
    Ok(out)
}

/// `values` as one row.
fn row(values: &[f32]) -> Array2<f32> {
    ArrayView1::from(values).insert_axis(Axis(0)).to_owned()
}
