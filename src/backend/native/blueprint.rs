//! The description of a model: its blocks, and the tensors that they read. An architecture is no more than this; the
//! engine knows no architecture by name.

use super::activation::Activation;
use super::kernels::relation::Reach;
use crate::pooling::TokenPooling;

/// A whole model. Names of tensors are those of a checkpoint with a task head.
#[derive(Clone, Debug)]
pub(crate) struct Blueprint {
    /// Pairs of prefixes of tensor names; some checkpoints have the second in place of the first. Those of the bare
    /// encoder lack `bert.`.
    pub(crate) aliases: Vec<[&'static str; 2]>,
    /// The width of the residual stream.
    pub(crate) hidden: usize,
    /// The longest sequence, special tokens included.
    pub(crate) longest: usize,
    pub(crate) encoder: Stack,
    pub(crate) decoder: Option<Decoder>,
    pub(crate) head: Head,
}

/// Embeddings and the layers on them.
#[derive(Clone, Debug)]
pub(crate) struct Stack {
    pub(crate) embeddings: Embeddings,
    pub(crate) heads: usize,
    /// Equal layers share their weights.
    pub(crate) layers: Vec<Layer>,
    pub(crate) relation: Relation,
    /// A convolution over the embedded tokens, added to the output of the first layer.
    pub(crate) convolution: Option<Convolution>,
}

/// A stack that attends to the encoder's output, as in BART (<https://arxiv.org/abs/1910.13461>). It reads the
/// encoder's tokens shifted by one position, with `start` as the first.
#[derive(Clone, Debug)]
pub(crate) struct Decoder {
    pub(crate) start: u32,
    pub(crate) stack: Stack,
}

/// Word, position and token-type embeddings, summed, and then optionally normalised and projected.
#[derive(Clone, Debug)]
pub(crate) struct Embeddings {
    pub(crate) words: Table,
    /// The factor of word embeddings.
    pub(crate) scale: f32,
    pub(crate) positions: Option<Positions>,
    pub(crate) token_types: Option<Table>,
    pub(crate) width: usize,
    pub(crate) norm: Option<Norm>,
    /// A projection from `width` to the hidden width.
    pub(crate) projection: Option<Dense>,
    /// A norm of the hidden width.
    pub(crate) projected_norm: Option<Norm>,
}

/// Rows to look up: `[rows, width]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Table {
    pub(crate) name: String,
    /// The number of rows; with `None`, that of the tensor.
    pub(crate) rows: Option<usize>,
}

#[derive(Clone, Debug)]
pub(crate) struct Positions {
    pub(crate) table: Table,
    pub(crate) numbering: Numbering,
}

/// The row that the token at a position reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Numbering {
    /// The row of its position, this many rows further down.
    From(usize),
    /// The row by fairseq's count: padding reads the row of its id, and other tokens read the rows after that,
    /// without counting padding. A text may contain padding tokens, written out.
    AfterPadding(u32),
}

/// The effect of the positions of two tokens on their attention score.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Relation {
    /// No effect.
    None,
    /// A bias for each head and bucket of distances (<https://arxiv.org/abs/1910.10683>), `[buckets, heads]`.
    Bias { table: String, buckets: usize, farthest: usize },
    /// Disentangled attention (<https://arxiv.org/abs/2006.03654>): products with embedded distances.
    Disentangled(Disentangled),
    /// Queries and keys are rotated by their positions (<https://arxiv.org/abs/2104.09864>); each layer has its base.
    Rotary,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Disentangled {
    /// `[2 * span, hidden]`.
    pub(crate) table: String,
    pub(crate) norm: Option<Norm>,
    /// The number of distances that are distinguished on each side; with `buckets`, the farther ones by their
    /// logarithm.
    pub(crate) span: usize,
    pub(crate) buckets: bool,
    pub(crate) farthest: usize,
    /// True if scores include the product of the query's content and the distance.
    pub(crate) content_to_position: bool,
    /// True if scores include the product of the distance and the key's content.
    pub(crate) position_to_content: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Layer {
    pub(crate) attention: Attention,
    /// Attention to the encoder's output, in a decoder.
    pub(crate) cross_attention: Option<CrossAttention>,
    pub(crate) feed_forward: FeedForward,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Attention {
    /// Query, key and value: three products, or one that computes all.
    pub(crate) qkv: Vec<Dense>,
    pub(crate) output: Dense,
    pub(crate) norm: Seam,
    pub(crate) reach: Reach,
    /// The projections of distances that are multiplied with queries and with keys, for [`Relation::Disentangled`].
    pub(crate) distances: [Option<Dense>; 2],
    /// The base of rotations, for [`Relation::Rotary`].
    pub(crate) rotary_base: f32,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CrossAttention {
    pub(crate) query: Dense,
    pub(crate) key_value: [Dense; 2],
    pub(crate) output: Dense,
    pub(crate) norm: Seam,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FeedForward {
    pub(crate) up: Dense,
    pub(crate) activation: Activation,
    /// True if `up` returns twice the width, and the second half multiplies the activated first half
    /// (<https://arxiv.org/abs/2002.05202>).
    pub(crate) gated: bool,
    pub(crate) down: Dense,
    pub(crate) norm: Seam,
}

/// The norm that follows where a block has been added to the residual stream.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Seam {
    /// The stream is normalised, as in BERT.
    Stream(Norm),
    /// Only the input of the next block is normalised.
    Branch(Norm),
}

/// `y = x W^T + b`, where `W` is `name.weight`, `[outputs, inputs]`, and `b` is `name.bias`, if there is one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Dense {
    pub(crate) name: String,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) bias: bool,
}

/// Layer normalisation by `name.weight` and, if there is one, `name.bias`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Norm {
    pub(crate) name: String,
    pub(crate) width: usize,
    pub(crate) bias: bool,
    pub(crate) epsilon: f32,
}

/// A convolution along the tokens of a sequence, where `name.conv.weight` is `[hidden, hidden, width]`.
#[derive(Clone, Debug)]
pub(crate) struct Convolution {
    pub(crate) name: String,
    pub(crate) width: usize,
    pub(crate) activation: Activation,
    pub(crate) norm: Norm,
}

/// The part of a model that follows the last hidden states.
#[derive(Clone, Debug)]
pub(crate) enum Head {
    /// Dense layers on the last hidden states.
    Dense { states: States, steps: Vec<Step> },
    /// GLiNER (<https://arxiv.org/abs/2311.08526>): labels and words in one sequence.
    Entities(EntityHead),
    /// GLiClass (<https://arxiv.org/abs/2508.07662>): labels and text in one sequence.
    Topics(TopicHead),
}

/// Scores each label for spans or for words, from the states at the marks of both.
#[derive(Clone, Debug)]
pub(crate) struct EntityHead {
    pub(crate) projection: Option<Dense>,
    /// A bidirectional LSTM over the words, which keeps their width.
    pub(crate) lstm: Option<Lstm>,
    pub(crate) scores: EntityScores,
}

#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a model has only one")]
pub(crate) enum EntityScores {
    /// Scores for each word and each number of words from it on: the product of the label and the output of `join`
    /// and then `down` for the first and the last word, side by side.
    Spans { first: Mlp, last: Mlp, join: Dense, down: Option<Dense>, label: Mlp, widest: usize },
    /// Scores for each word: a span begins there, ends there, and contains it.
    Words { word: Dense, label: Dense, score: Mlp },
}

/// Scores each label from the state at its mark and the pooled text.
#[derive(Clone, Debug)]
pub(crate) struct TopicHead {
    pub(crate) lstm: Option<Lstm>,
    pub(crate) pool: TokenPooling,
    pub(crate) text: Mlp,
    pub(crate) label: Mlp,
    /// The tensor with the factor of the scores, if texts and labels are unit vectors.
    pub(crate) scale: Option<String>,
    pub(crate) scores: TopicScores,
}

#[derive(Clone, Debug)]
pub(crate) enum TopicScores {
    Dot,
    /// Like [`EntityScores::Words`], with one score.
    Weighted {
        text: Dense,
        label: Dense,
        score: Mlp,
    },
    /// Three dense layers on text and label side by side, with ReLU between them: `name.0`, as wide as its tensor,
    /// `name.2`, half as wide, and `name.4`, with one output.
    Mlp {
        name: String,
        width: usize,
    },
}

/// Two dense layers with an activation between them.
#[derive(Clone, Debug)]
pub(crate) struct Mlp {
    pub(crate) up: Dense,
    pub(crate) activation: Activation,
    pub(crate) down: Dense,
}

/// A bidirectional LSTM of one layer, with the outputs of both directions side by side.
#[derive(Clone, Debug)]
pub(crate) struct Lstm {
    pub(crate) name: String,
    pub(crate) inputs: usize,
    /// The number of outputs of each direction.
    pub(crate) outputs: usize,
}

/// The last hidden states that a head reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum States {
    EveryToken,
    /// One vector per sequence.
    Pooled(TokenPooling),
    /// The last token of each sequence that has this id.
    LastOf(u32),
}

impl States {
    /// Returns whether the last layer leaves one state per sequence, because the head reads no other.
    pub(crate) fn one_per_sequence(self) -> bool {
        matches!(self, Self::Pooled(TokenPooling::Cls) | Self::LastOf(_))
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) dense: Dense,
    /// Another layer on the same input; its outputs follow those of the first.
    pub(crate) beside: Option<Dense>,
    pub(crate) activation: Option<Activation>,
    pub(crate) norm: Option<Norm>,
}

impl Numbering {
    /// The number of first rows, which only padding reads.
    pub(crate) fn before(self) -> usize {
        match self {
            Self::From(first) => first,
            Self::AfterPadding(padding) => (padding as usize).saturating_add(1),
        }
    }
}

impl Stack {
    /// A stack with no relation and no convolution.
    pub(crate) fn new(embeddings: Embeddings, heads: usize, layers: Vec<Layer>) -> Self {
        Self { embeddings, heads, layers, relation: Relation::None, convolution: None }
    }
}

impl Embeddings {
    /// Word embeddings alone, unscaled.
    pub(crate) fn of_words(words: Table, width: usize) -> Self {
        Self {
            words,
            scale: 1.0,
            positions: None,
            token_types: None,
            width,
            norm: None,
            projection: None,
            projected_norm: None,
        }
    }
}

impl Dense {
    pub(crate) fn new(name: impl Into<String>, inputs: usize, outputs: usize) -> Self {
        Self { name: name.into(), inputs, outputs, bias: true }
    }

    pub(crate) fn with_bias(mut self, bias: bool) -> Self {
        self.bias = bias;
        self
    }
}

impl Norm {
    pub(crate) fn new(name: impl Into<String>, width: usize, epsilon: f32) -> Self {
        Self { name: name.into(), width, bias: true, epsilon }
    }

    pub(crate) fn with_bias(mut self, bias: bool) -> Self {
        self.bias = bias;
        self
    }
}

impl Table {
    pub(crate) fn new(name: impl Into<String>, rows: usize) -> Self {
        Self { name: name.into(), rows: Some(rows) }
    }
}

impl Head {
    /// The states that the head reads.
    pub(crate) fn states(&self) -> States {
        match self {
            Self::Dense { states, .. } => *states,
            Self::Entities(_) | Self::Topics(_) => States::EveryToken,
        }
    }
}

impl Mlp {
    /// PyTorch's `Sequential(Linear, ReLU, Dropout, Linear)`.
    pub(crate) fn sequential(name: &str, [inputs, inner, outputs]: [usize; 3]) -> Self {
        Self {
            up: Dense::new(format!("{name}.0"), inputs, inner),
            activation: Activation::Relu,
            down: Dense::new(format!("{name}.3"), inner, outputs),
        }
    }
}

impl Head {
    /// Adds a layer for `count` kinds of entities next to the token classifier; returns `None` if there is no token
    /// classifier.
    pub(crate) fn add_kinds(&mut self, count: usize) -> Option<()> {
        let Self::Dense { states: States::EveryToken, steps } = self else { return None };
        let classifier = steps.last_mut()?;
        classifier.beside = Some(Dense::new("kinds", classifier.dense.inputs, count));
        Some(())
    }
}

impl Step {
    pub(crate) fn new(dense: Dense, activation: Option<Activation>) -> Self {
        Self { dense, beside: None, activation, norm: None }
    }
}
