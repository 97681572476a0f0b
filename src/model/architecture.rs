//! Architectures: what config.json says, translated into the engine's blocks.

mod albert;
mod bart;
mod bert;
mod deberta;
mod distilbert;
mod modernbert;
mod mpnet;
pub(super) mod prompted;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::engine::Activation;
use crate::engine::Reach;
use crate::engine::blueprint::{
    Attention, Blueprint, Dense, FeedForward, Head, Layer, Norm, Pool, Seam, Step, Table,
};

/// What a model computes from its last hidden states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadKind {
    TokenClassification,
    SequenceClassification,
    /// An embedding: the states themselves, pooled.
    Embedding,
    /// Scores of entity types that are given with the text.
    PromptedEntities,
    /// Scores of topics that are given with the text.
    PromptedTopics,
}

pub(crate) use prompted::PromptStyle;

/// An architecture of transformers.
pub(crate) struct Architecture {
    /// `model_type` in config.json.
    pub(super) model_type: &'static str,
    /// What its classes' names begin with.
    stem: &'static str,
    /// The heads that it has.
    heads: &'static [HeadKind],
    translate: fn(&Source<'_>) -> Result<Blueprint, String>,
}

use HeadKind::{Embedding, SequenceClassification, TokenClassification};

const ALL_HEADS: &[HeadKind] = &[TokenClassification, SequenceClassification, Embedding];

/// All that the engine runs.
pub(super) const ARCHITECTURES: [Architecture; 11] = [
    Architecture::new("bert", "Bert", ALL_HEADS, bert::bert),
    Architecture::new("distilbert", "DistilBert", ALL_HEADS, distilbert::translate),
    Architecture::new("roberta", "Roberta", ALL_HEADS, bert::roberta),
    Architecture::new("xlm-roberta", "XLMRoberta", ALL_HEADS, bert::roberta),
    Architecture::new("camembert", "Camembert", ALL_HEADS, bert::roberta),
    Architecture::new("electra", "Electra", ALL_HEADS, bert::electra),
    Architecture::new("albert", "Albert", ALL_HEADS, albert::translate),
    Architecture::new("mpnet", "MPNet", ALL_HEADS, mpnet::translate),
    Architecture::new("deberta-v2", "DebertaV2", ALL_HEADS, deberta::translate),
    Architecture::new("modernbert", "ModernBert", ALL_HEADS, modernbert::translate),
    Architecture::new("bart", "Bart", &[SequenceClassification], bart::translate),
];

/// What is translated.
pub(super) struct Source<'a> {
    pub(super) json: &'a Value,
    pub(super) head: HeadKind,
    pub(super) labels: usize,
}

impl Architecture {
    const fn new(
        model_type: &'static str,
        stem: &'static str,
        heads: &'static [HeadKind],
        translate: fn(&Source<'_>) -> Result<Blueprint, String>,
    ) -> Self {
        Self { model_type, stem, heads, translate }
    }

    /// The head of the class `name`, which is this architecture's, if it has one that the engine runs.
    pub(super) fn head_of(&self, name: &str) -> Option<HeadKind> {
        let head = match name.strip_prefix(self.stem)? {
            "ForTokenClassification" => TokenClassification,
            "ForSequenceClassification" => SequenceClassification,
            "Model" => Embedding,
            _ => return None,
        };
        self.heads.contains(&head).then_some(head)
    }

    /// Whether the class `name` is this architecture as it was trained before any task: what it encodes
    /// may serve as an embedding.
    pub(super) fn is_pretrained(&self, name: &str) -> bool {
        let end = name.strip_prefix(self.stem);
        self.heads.contains(&Embedding) && matches!(end, Some("ForMaskedLM" | "ForPreTraining"))
    }

    /// The classes that the engine runs.
    pub(super) fn classes(&self) -> impl Iterator<Item = String> + '_ {
        self.heads.iter().map(|head| match head {
            TokenClassification => format!("{}ForTokenClassification", self.stem),
            SequenceClassification => format!("{}ForSequenceClassification", self.stem),
            _ => format!("{}Model", self.stem),
        })
    }

    /// The blueprint; an error says what of the config is wrong.
    pub(super) fn blueprint(&self, source: &Source<'_>) -> Result<Blueprint, String> {
        (self.translate)(source)
    }
}

/// No known model comes near it in any dimension; sizes beyond it are damage, and products of
/// two sizes below it cannot overflow.
const LARGEST: usize = 1 << 24;

/// The same for layers, and for tokens of a sequence.
const MOST_LAYERS: usize = 1 << 10;
const LONGEST: usize = 1 << 20;

impl Source<'_> {
    /// The keys that an architecture reads.
    fn read<T: DeserializeOwned>(&self) -> Result<T, String> {
        T::deserialize(self.json).map_err(|error| error.to_string())
    }

    /// A dense layer from the states to the labels.
    fn classifier(&self, name: &str, hidden: usize) -> Step {
        Step::new(Dense::new(name, hidden, self.labels), None)
    }

    /// A head of `steps` on the first token, `classifier` on every token, or the bare states.
    fn head(&self, tokens: Step, first_token: [Step; 2]) -> Head {
        match self.head {
            TokenClassification => Head::Dense { pool: Pool::EveryToken, steps: vec![tokens] },
            SequenceClassification => Head::Dense { pool: Pool::First, steps: first_token.into() },
            _ => Head::Dense { pool: Pool::Mean, steps: Vec::new() },
        }
    }
}

/// Checks sizes, each with its key, against what any model has.
fn check(sizes: &[(&str, usize)]) -> Result<(), String> {
    for &(key, value) in sizes {
        let most = match key {
            _ if key.contains("layers") => MOST_LAYERS,
            _ if key.contains("position") => LONGEST,
            _ => LARGEST,
        };
        if value == 0 || value > most {
            return Err(format!("{key} is {value}; it must be between 1 and {most}"));
        }
    }
    Ok(())
}

/// Checks that the states fall into heads.
fn check_heads(hidden: (&str, usize), heads: (&str, usize)) -> Result<(), String> {
    check(&[hidden, heads])?;
    if hidden.1.is_multiple_of(heads.1) {
        return Ok(());
    }
    Err(format!("{} {} is not divisible by {} {}", hidden.0, hidden.1, heads.0, heads.1))
}

/// Checks the `position_embedding_type` of BERT's kin.
fn check_positions(kind: Option<&str>) -> Result<(), String> {
    match kind {
        None | Some("absolute") => Ok(()),
        Some(kind) => {
            Err(format!("position_embedding_type {kind:?} is not supported; supported is absolute"))
        }
    }
}

/// The activation that config.json calls `name`, under `key`.
fn activation(key: &str, name: &str) -> Result<Activation, String> {
    let found = Activation::NAMES.into_iter().find(|(known, _)| *known == name);
    found.map(|(_, activation)| activation).ok_or_else(|| {
        let names = Activation::NAMES.map(|(name, _)| name).join(", ");
        format!("{key} {name:?} is not supported; supported are {names}")
    })
}

/// The parts of one layer as most architectures have them: three projections, an output, two norms, and
/// two products between.
struct LayerNames {
    qkv: [String; 3],
    attention_output: String,
    attention_norm: String,
    up: String,
    down: String,
    output_norm: String,
}

/// The sizes of the layers of a stack.
#[derive(Clone, Copy)]
struct LayerSizes {
    hidden: usize,
    intermediate: usize,
    activation: Activation,
    epsilon: f32,
}

impl LayerNames {
    /// BERT's, under `layer`.
    fn of_bert(layer: &str) -> Self {
        let name = |part: &str| format!("{layer}.{part}");
        Self {
            qkv: ["query", "key", "value"].map(|part| name(&format!("attention.self.{part}"))),
            attention_output: name("attention.output.dense"),
            attention_norm: name("attention.output.LayerNorm"),
            up: name("intermediate.dense"),
            down: name("output.dense"),
            output_norm: name("output.LayerNorm"),
        }
    }

    /// A layer with the norm after each block.
    fn layer(self, sizes: LayerSizes) -> Layer {
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

/// A table that is empty in some checkpoints.
fn table_of(name: String, rows: usize) -> Option<Table> {
    (rows > 0).then(|| Table::new(name, rows))
}
