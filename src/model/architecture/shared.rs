//! The common parts of the architectures' translators: checks of sizes, the parts of a layer, and the form of encoder
//! that most architectures have.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::backend::native::activation::Activation;
use crate::backend::native::blueprint::{
    Attention, Blueprint, Dense, Embeddings, FeedForward, Head, Layer, Norm, Numbering, Positions, Seam,
    Stack, States, Step, Table,
};
use crate::backend::native::kernels::relation::Reach;
use crate::catalogue::registry::Task;
use crate::limits::{LARGEST_DIMENSION, LONGEST_SEQUENCE, MOST_LAYERS};
use crate::pooling::TokenPooling;

/// A config.json to translate, for a model that does `task`.
pub(in crate::model) struct Source<'a> {
    pub(in crate::model) json: &'a Value,
    pub(in crate::model) task: Task,
    /// The number of output labels.
    pub(in crate::model) labels: usize,
}

/// `json` without the keys whose value is `null`, which in a config means that the key is absent.
pub(in crate::model) fn without_nulls(json: &Value) -> Value {
    let mut json = json.clone();
    if let Some(keys) = json.as_object_mut() {
        keys.retain(|_, value| !value.is_null());
    }
    json
}

/// A size, with its key in config.json.
pub(super) type Size = (&'static str, usize);

impl Source<'_> {
    /// Reads the keys of an architecture.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, String> {
        T::deserialize(without_nulls(self.json)).map_err(|error| error.to_string())
    }

    /// A dense layer from the states to the labels.
    pub(super) fn classifier(&self, name: &str, hidden: usize) -> Step {
        Step::new(Dense::new(name, hidden, self.labels), None)
    }

    /// The head for the task: `tokens` on every token, `first_token` on the first token, or the bare states.
    pub(super) fn head(&self, tokens: Step, first_token: [Step; 2]) -> Head {
        match self.task {
            Task::Ner => Head::Dense { states: States::EveryToken, steps: vec![tokens] },
            Task::Nli => Head::Dense { states: States::Pooled(TokenPooling::Cls), steps: first_token.into() },
            _ => Head::Dense { states: States::Pooled(TokenPooling::Mean), steps: Vec::new() },
        }
    }
}

/// Checks sizes against the limits for all models.
pub(super) fn check(sizes: &[Size]) -> Result<(), String> {
    for &(key, value) in sizes {
        let most = match key {
            _ if key.contains("layers") => MOST_LAYERS,
            _ if key.contains("position") => LONGEST_SEQUENCE,
            _ => LARGEST_DIMENSION,
        };
        if value == 0 || value > most {
            return Err(format!("{key} is {value}; it must be between 1 and {most}"));
        }
    }
    Ok(())
}

/// Checks that the states can be divided into heads.
pub(super) fn check_heads(hidden: Size, heads: Size) -> Result<(), String> {
    check(&[hidden, heads])?;
    if hidden.1.is_multiple_of(heads.1) {
        return Ok(());
    }
    Err(format!("{} {} is not divisible by {} {}", hidden.0, hidden.1, heads.0, heads.1))
}

/// Checks the `position_embedding_type` of BERT and its descendants.
pub(super) fn check_positions(kind: Option<&str>) -> Result<(), String> {
    match kind {
        None | Some("absolute") => Ok(()),
        Some(kind) => {
            Err(format!("position_embedding_type {kind:?} is not supported; supported is absolute"))
        }
    }
}

/// The activation that config.json calls `name`, under `key`.
pub(super) fn activation(key: &str, name: &str) -> Result<Activation, String> {
    let found = Activation::NAMES.into_iter().find(|(known, _)| *known == name);
    found.map(|(_, activation)| activation).ok_or_else(|| {
        let names = Activation::NAMES.map(|(name, _)| name).join(", ");
        format!("{key} {name:?} is not supported; supported are {names}")
    })
}

/// An encoder with BERT's embeddings, which most architectures have: words, positions and token types in tables
/// named `PREFIXembeddings.…`, summed and normalised.
pub(super) struct Encoder<'a> {
    /// The beginning of the names of its tensors, such as `bert.`; checkpoints of the bare encoder lack it.
    pub(super) prefix: &'static str,
    pub(super) vocabulary: usize,
    pub(super) hidden: Size,
    pub(super) heads: Size,
    pub(super) layers: Size,
    pub(super) intermediate: Size,
    /// `max_position_embeddings`.
    pub(super) positions: usize,
    pub(super) numbering: Numbering,
    /// `type_vocab_size`, if there is a table of token types.
    pub(super) token_types: Option<usize>,
    /// `embedding_size`, the width of the embeddings.
    pub(super) width: usize,
    /// The key of the activation of feed-forward blocks, and its name.
    pub(super) activation: (&'static str, &'a str),
    pub(super) epsilon: f32,
}

impl Encoder<'_> {
    /// Builds the blueprint with layers of these names.
    pub(super) fn blueprint(
        &self,
        names: impl Fn(usize) -> LayerNames,
        head: Head,
    ) -> Result<Blueprint, String> {
        check_heads(self.hidden, self.heads)?;
        check(&[
            ("vocab_size", self.vocabulary),
            ("embedding_size", self.width),
            self.layers,
            self.intermediate,
            ("max_position_embeddings", self.positions),
        ])?;
        if let Some(rows) = self.token_types {
            check(&[("type_vocab_size", rows)])?;
        }
        let before = self.numbering.before();
        let longest = self.positions.checked_sub(before).filter(|&longest| longest > 0).ok_or_else(|| {
            format!(
                "max_position_embeddings {} leaves no position after the {before} that are not used",
                self.positions
            )
        })?;
        let sizes = LayerSizes {
            hidden: self.hidden.1,
            intermediate: self.intermediate.1,
            activation: activation(self.activation.0, self.activation.1)?,
            epsilon: self.epsilon,
        };
        let embeddings = Embeddings {
            positions: Some(Positions {
                table: self.table("position_embeddings", self.positions),
                numbering: self.numbering,
            }),
            token_types: self.token_types.map(|rows| self.table("token_type_embeddings", rows)),
            norm: Some(self.embeddings_norm(self.width)),
            ..Embeddings::of_words(self.table("word_embeddings", self.vocabulary), self.width)
        };
        let layers = (0..self.layers.1).map(|layer| names(layer).layer(sizes)).collect();
        Ok(Blueprint {
            aliases: vec![[self.prefix, ""]],
            hidden: self.hidden.1,
            longest,
            encoder: Stack::new(embeddings, self.heads.1, layers),
            decoder: None,
            head,
        })
    }

    /// The norm of its embeddings, of `width` columns.
    pub(super) fn embeddings_norm(&self, width: usize) -> Norm {
        Norm::new(format!("{}embeddings.LayerNorm", self.prefix), width, self.epsilon)
    }

    fn table(&self, part: &str, rows: usize) -> Table {
        Table::new(format!("{}embeddings.{part}", self.prefix), rows)
    }
}

/// The names of a layer's parts, which are the same in most architectures: three projections, an output, two norms,
/// and two products between these.
pub(super) struct LayerNames {
    pub(super) qkv: [String; 3],
    pub(super) attention_output: String,
    pub(super) attention_norm: String,
    pub(super) up: String,
    pub(super) down: String,
    pub(super) output_norm: String,
}

/// The sizes of the layers of a stack.
#[derive(Clone, Copy)]
pub(super) struct LayerSizes {
    pub(super) hidden: usize,
    pub(super) intermediate: usize,
    pub(super) activation: Activation,
    pub(super) epsilon: f32,
}

impl LayerNames {
    /// `layer.part` for each part of a layer, in the order of the fields.
    pub(super) fn new(layer: &str, qkv: [&str; 3], rest: [&str; 5]) -> Self {
        let name = |part: &str| format!("{layer}.{part}");
        let [attention_output, attention_norm, up, down, output_norm] = rest.map(name);
        Self { qkv: qkv.map(name), attention_output, attention_norm, up, down, output_norm }
    }

    /// BERT's names, under `layer`.
    pub(super) fn of_bert(layer: &str) -> Self {
        Self::new(
            layer,
            ["attention.self.query", "attention.self.key", "attention.self.value"],
            [
                "attention.output.dense",
                "attention.output.LayerNorm",
                "intermediate.dense",
                "output.dense",
                "output.LayerNorm",
            ],
        )
    }

    /// A layer with the norm after each block.
    pub(super) fn layer(self, sizes: LayerSizes) -> Layer {
        let LayerSizes { hidden, intermediate, activation, epsilon } = sizes;
        let seam = |name| Seam::Stream(Norm::new(name, hidden, epsilon));
        Layer {
            attention: Attention {
                qkv: self.qkv.map(|name| Dense::new(name, hidden, hidden)).into(),
                output: Dense::new(self.attention_output, hidden, hidden),
                norm: seam(self.attention_norm),
                reach: Reach::All,
                distances: [None, None],
                rotary_base: 0.0,
            },
            cross_attention: None,
            feed_forward: FeedForward {
                up: Dense::new(self.up, hidden, intermediate),
                activation,
                gated: false,
                down: Dense::new(self.down, intermediate, hidden),
                norm: seam(self.output_norm),
            },
        }
    }
}
