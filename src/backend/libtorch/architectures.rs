//! rust-bert's architectures for tagging tokens, for classifying pairs of texts, and for embeddings.

use rust_bert::RustBertError;
use rust_bert::albert::{
    AlbertConfig, AlbertForSequenceClassification, AlbertForTokenClassification, AlbertModel,
};
use rust_bert::bart::{BartConfig, BartModel};
use rust_bert::bert::{
    BertConfig, BertEmbeddings, BertForSequenceClassification, BertForTokenClassification, BertModel,
};
use rust_bert::distilbert::{
    DistilBertConfig, DistilBertForTokenClassification, DistilBertModel, DistilBertModelClassifier,
};
use rust_bert::electra::{ElectraConfig, ElectraForTokenClassification, ElectraModel};
use rust_bert::fnet::{FNetConfig, FNetForSequenceClassification, FNetForTokenClassification};
use rust_bert::longformer::{
    LongformerConfig, LongformerForSequenceClassification, LongformerForTokenClassification,
};
use rust_bert::mobilebert::{
    MobileBertConfig, MobileBertForSequenceClassification, MobileBertForTokenClassification,
};
use rust_bert::roberta::{
    RobertaEmbeddings, RobertaForSequenceClassification, RobertaForTokenClassification,
};
use rust_bert::xlnet::{XLNetConfig, XLNetForSequenceClassification, XLNetForTokenClassification};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tch::Tensor;
use tch::nn::{self, Path};

use super::config;
use super::input::Input;
use crate::backend::padded::Rows;
use crate::backend::padded::Together;

use Positions::{BehindPadding, Plain, Relative};

/// Computes the logits of a run's tokens, or their last hidden states.
pub(super) type Forward = Box<dyn Fn(&Input) -> Result<Tensor, RustBertError>>;

/// An architecture of transformers that rust-bert implements.
pub(crate) struct Architecture {
    /// `model_type` in config.json.
    pub(crate) model_type: &'static str,
    /// The beginning of its classes' names.
    stem: &'static str,
    /// The endings of its classes' names, which stand for the possible outputs.
    classes: &'static [&'static str],
    /// The prefix of its encoder's tensor names, which checkpoints of the bare encoder lack.
    prefix: &'static str,
    positions: Positions,
    build: fn(&Path<'_>, &Value, Rows) -> Result<Forward, String>,
}

/// The positions of an architecture's tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Positions {
    /// Counted from 0, in a table.
    Plain,
    /// Counted from behind the id of the padding token, which rust-bert assumes to be 1.
    BehindPadding,
    /// Distances alone.
    Relative,
}

const TOKENS: &str = "ForTokenClassification";
const TEXTS: &str = "ForSequenceClassification";
const STATES: &str = "Model";

/// The longest sequence of an architecture without a table of positions: the length that all are trained on.
const UNSTATED: usize = 512;

const ARCHITECTURES: [Architecture; 12] = [
    Architecture::new("albert", "Albert", &[TOKENS, TEXTS, STATES], "albert.", Plain, albert),
    Architecture::new("bart", "Bart", &[TEXTS], "model.", Plain, bart),
    Architecture::new("bert", "Bert", &[TOKENS, TEXTS, STATES], "bert.", Plain, bert),
    Architecture::new("camembert", "Camembert", &[TOKENS, TEXTS, STATES], "roberta.", BehindPadding, roberta),
    Architecture::new("distilbert", "DistilBert", &[TOKENS, TEXTS, STATES], "distilbert.", Plain, distilbert),
    Architecture::new("electra", "Electra", &[TOKENS, STATES], "electra.", Plain, electra),
    Architecture::new("fnet", "FNet", &[TOKENS, TEXTS], "fnet.", Plain, fnet),
    Architecture::new("longformer", "Longformer", &[TOKENS, TEXTS], "longformer.", BehindPadding, longformer),
    Architecture::new("mobilebert", "MobileBert", &[TOKENS, TEXTS], "mobilebert.", Plain, mobilebert),
    Architecture::new("roberta", "Roberta", &[TOKENS, TEXTS, STATES], "roberta.", BehindPadding, roberta),
    Architecture::new(
        "xlm-roberta",
        "XLMRoberta",
        &[TOKENS, TEXTS, STATES],
        "roberta.",
        BehindPadding,
        roberta,
    ),
    Architecture::new("xlnet", "XLNet", &[TOKENS, TEXTS], "transformer.", Relative, xlnet),
];

/// Architectures for which rust-bert 0.23 computes other logits than transformers. For DeBERTa it uses the number of
/// heads as the reach of relative positions; for DeBERTa-v2 it does not shift them by their reach, and scales their
/// scores by the square of the reach.
const DIFFERENT: [&str; 2] = ["deberta", "deberta-v2"];

impl Architecture {
    const fn new(
        model_type: &'static str,
        stem: &'static str,
        classes: &'static [&'static str],
        prefix: &'static str,
        positions: Positions,
        build: fn(&Path<'_>, &Value, Rows) -> Result<Forward, String>,
    ) -> Self {
        Self { model_type, stem, classes, prefix, positions, build }
    }

    /// Finds the architecture of `model_type`; an error names the supported ones.
    pub(crate) fn find(model_type: &str) -> Result<&'static Self, String> {
        ARCHITECTURES.iter().find(|known| known.model_type == model_type).ok_or_else(|| {
            if DIFFERENT.contains(&model_type) {
                return format!(
                    "rust-bert computes {model_type:?} differently from transformers, so it is not supported on \
                     libtorch; the native backend runs \"deberta-v2\""
                );
            }
            let classes = ARCHITECTURES.iter().flat_map(Self::class_names).collect::<Vec<_>>().join(", ");
            format!(
                "model_type {model_type:?} is not supported on libtorch; it runs these classes of rust-bert: {classes}"
            )
        })
    }

    fn class_names(&self) -> impl Iterator<Item = String> + '_ {
        self.classes.iter().map(|end| format!("{}{end}", self.stem))
    }

    /// The longest sequence that the config `json` allows, as far as the architecture decides it.
    pub(crate) fn longest(&self, json: &Value) -> usize {
        let number = |key: &str| json.get(key).and_then(Value::as_u64).map(|number| number as usize);
        let rows = number("max_position_embeddings");
        match self.positions {
            Plain => rows.unwrap_or(usize::MAX),
            BehindPadding => rows.map_or(usize::MAX, |rows| rows.saturating_sub(2)),
            Relative => usize::MAX,
        }
    }

    /// The longest sequence to assume if no file specifies it.
    pub(crate) fn unstated(&self) -> Option<usize> {
        (self.positions == Relative).then_some(UNSTATED)
    }

    /// The prefix of tensor names, and the one that may replace it.
    pub(super) fn alias(&self) -> [&'static str; 2] {
        [self.prefix, ""]
    }

    /// Returns whether a variable has no influence on `rows`, and so may be missing.
    pub(super) fn is_unused(&self, variable: &str, rows: Rows) -> bool {
        // rust-bert makes ALBERT's pooler for every class.
        self.model_type == "albert"
            && !matches!(rows, Rows::Sequence { .. })
            && variable.starts_with("albert.pooler.")
    }

    /// The sequences that may run together.
    pub(super) fn together(&self) -> Together {
        match self.model_type {
            // It compares the token types of a batch across its sequences.
            "xlnet" => Together::None,
            // It mixes tokens without a mask.
            "fnet" => Together::SameLength,
            // The embedding of each token takes in that of the next.
            "mobilebert" => Together::SameLength,
            // It adds the mask itself to the scores: 1 for all tokens changes nothing, and 0 does not hide padding.
            "electra" => Together::SameLength,
            _ => Together::Padded,
        }
    }

    /// The number to a multiple of which rust-bert pads the length of a run.
    pub(super) fn multiple(&self, json: &Value) -> usize {
        let windows = match json.get("attention_window") {
            Some(Value::Array(windows)) => windows.iter().filter_map(Value::as_u64).max(),
            window => window.and_then(Value::as_u64),
        };
        windows.filter(|_| self.model_type == "longformer").map_or(1, |window| window as usize)
    }

    /// Returns whether the architecture runs in half precision.
    pub(super) fn has_half(&self) -> bool {
        self.model_type != "fnet"
    }

    /// transformers' defaults for this architecture, where they differ from the common ones.
    pub(super) fn defaults(&self) -> Value {
        match self.model_type {
            "albert" => json!({"bos_token_id": 2, "eos_token_id": 3}),
            "bart" => json!({"pad_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2}),
            "longformer" => json!({"pad_token_id": 1, "sep_token_id": 2}),
            "xlnet" => json!({
                "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 5,
                "summary_type": "last", "summary_use_proj": true, "summary_activation": "tanh",
            }),
            _ if self.positions == BehindPadding => json!({"pad_token_id": 1}),
            _ => json!({}),
        }
    }

    /// The alternative to name at the end of a message about something that rust-bert cannot do.
    fn hint(&self) -> &'static str {
        match self.model_type {
            "fnet" | "longformer" | "mobilebert" | "xlnet" => "",
            _ => "; the native backend may run it",
        }
    }

    /// Checks what rust-bert would not check, or only after it has allocated memory. The weights have `bytes` bytes.
    pub(super) fn check(&self, config: &Value, bytes: usize) -> Result<(), String> {
        let Value::Object(config) = config else { return Err("config.json is not a JSON object".into()) };
        if let Some(kind) = config.get("position_embedding_type").filter(|kind| *kind != "absolute") {
            return Err(format!("position_embedding_type {kind} is not supported; supported is absolute"));
        }
        if self.positions == BehindPadding && config.get("pad_token_id").is_some_and(|id| *id != 1) {
            return Err(format!(
                "pad_token_id is {}, but the positions of rust-bert assume 1{}",
                config["pad_token_id"],
                self.hint()
            ));
        }
        // With several groups, rust-bert builds too few or runs others than the config says. The last two keys are
        // for models that predict tokens.
        for (key, only) in [
            ("num_hidden_groups", json!(1)),
            ("inner_group_num", json!(1)),
            ("is_decoder", json!(false)),
            ("bi_data", json!(false)),
        ] {
            if config.get(key).is_some_and(|value| *value != only) {
                let hint = self.hint();
                return Err(format!("{key} is {}, but libtorch runs only {only}{hint}", config[key]));
            }
        }
        if let Some(summary) = config.get("summary_type").filter(|summary| *summary == "cls_index") {
            return Err(format!(
                "summary_type {summary} is not supported; supported are last, first and mean"
            ));
        }
        if self.model_type == "longformer" {
            check_windows(config)?;
        }
        let hidden = ["hidden_size", "dim", "d_model"].into_iter().find(|key| config.contains_key(*key));
        let hidden = hidden.unwrap_or("hidden_size");
        let width = config::size(config, hidden)?;
        // A weight takes at least a byte, and a layer has at least its width squared of them, unless layers are
        // shared, narrower inside or without attention.
        let wide = !["albert", "fnet", "mobilebert"].contains(&self.model_type);
        for key in ["num_hidden_layers", "n_layers", "n_layer", "encoder_layers", "decoder_layers"] {
            if config.contains_key(key) {
                let layers = config::layers(config, key)?;
                if wide && width.saturating_mul(width).saturating_mul(layers) > bytes {
                    return Err(format!(
                        "{key} {layers} with {hidden} {width} would be larger than the weights, which have \
                         {bytes} bytes"
                    ));
                }
            }
        }
        for key in
            ["num_attention_heads", "n_heads", "n_head", "encoder_attention_heads", "decoder_attention_heads"]
        {
            let divides = |heads: usize, hidden: usize| hidden.is_multiple_of(heads);
            if config.contains_key(key) && !divides(config::size(config, key)?, config::size(config, hidden)?)
            {
                return Err(format!("{hidden} {} is not divisible by {key} {}", config[hidden], config[key]));
            }
        }
        let widths = ["vocab_size", "intermediate_size", "hidden_dim", "d_inner", "encoder_ffn_dim"];
        for key in widths.into_iter().chain(["decoder_ffn_dim", "max_position_embeddings"]) {
            // Embeddings may be narrower than the rest.
            let narrow = config.contains_key("embedding_size") && !key.contains("intermediate");
            let width = if narrow { "embedding_size" } else { hidden };
            let sizes = [config::size(config, width)?, config::size(config, hidden)?];
            if config.contains_key(key)
                && config::size(config, key)?.saturating_mul(sizes[0].min(sizes[1])) > bytes
            {
                return Err(format!(
                    "{key} {} and {width} {} would make a matrix larger than the weights, which have {bytes} \
                     bytes",
                    config[key], config[width]
                ));
            }
        }
        Ok(())
    }

    /// Builds the model, with its variables under `path`.
    pub(super) fn build(&self, path: &Path<'_>, config: &Value, rows: Rows) -> Result<Forward, String> {
        let end = match rows {
            Rows::EveryToken { .. } => TOKENS,
            Rows::Sequence { .. } => TEXTS,
            Rows::Pooled { .. } => STATES,
        };
        if self.classes.contains(&end) {
            return (self.build)(path, config, rows);
        }
        let classes = self.class_names().collect::<Vec<_>>().join(" and ");
        Err(format!("{}{end} is not supported on libtorch; supported are {classes}", self.stem))
    }
}

/// Checks Longformer's windows: transformers has one per layer, each even.
fn check_windows(config: &Map<String, Value>) -> Result<(), String> {
    let layers = config::layers(config, "num_hidden_layers")?;
    let windows = config.get("attention_window").and_then(Value::as_array);
    let windows = windows.ok_or("attention_window is missing, or neither a number nor a list")?;
    let is_window = |window: &Value| {
        window.as_u64().is_some_and(|window| window.is_multiple_of(2) && (4..=1 << 13).contains(&window))
    };
    if windows.len() == layers && windows.iter().all(is_window) {
        return Ok(());
    }
    Err(format!(
        "attention_window is {}; it must be an even number from 4 to 8192, or {layers} of them, one per layer",
        config["attention_window"]
    ))
}

fn read<T: DeserializeOwned>(config: &Value) -> Result<T, String> {
    T::deserialize(config).map_err(|error| format!("rust-bert cannot read this config: {error}"))
}

fn failed(error: RustBertError) -> String {
    error.to_string()
}

/// A forward pass of `$model`, called `$name`, with the tensors of a run as options.
macro_rules! forward {
    ($model:expr, |$name:ident, $ids:ident, $mask:ident, $types:ident| $output:expr) => {{
        let $name = $model;
        Box::new(move |input: &Input| {
            let ($ids, $mask, $types) = (Some(&input.ids), Some(&input.mask), Some(&input.token_types));
            Ok($output)
        }) as Forward
    }};
}

fn albert(path: &Path<'_>, config: &Value, rows: Rows) -> Result<Forward, String> {
    let config: AlbertConfig = read(config)?;
    Ok(match rows {
        Rows::EveryToken { .. } => {
            let model = AlbertForTokenClassification::new(path, &config).map_err(failed)?;
            forward!(model, |model, ids, mask, types| model
                .forward_t(ids, mask, types, None, None, false)
                .logits)
        }
        Rows::Sequence { .. } => {
            let model = AlbertForSequenceClassification::new(path, &config).map_err(failed)?;
            forward!(model, |model, ids, mask, types| model
                .forward_t(ids, mask, types, None, None, false)
                .logits)
        }
        Rows::Pooled { .. } => {
            let model = AlbertModel::new(path / "albert", &config);
            forward!(model, |model, ids, mask, types| model
                .forward_t(ids, mask, types, None, None, false)?
                .hidden_state)
        }
    })
}

/// rust-bert's own class for texts starts the decoder with the last token that is not padding, and assumes that all
/// sequences of a batch have the same number of `</s>`. Here the decoder starts as config.json says, and the last
/// `</s>` of each sequence decides.
fn bart(path: &Path<'_>, config: &Value, rows: Rows) -> Result<Forward, String> {
    let Rows::Sequence { labels } = rows else { return Err("BART only classifies texts".into()) };
    let number = |key: &str| config.get(key).and_then(Value::as_i64).unwrap_or(2);
    let (start, end) = (number("decoder_start_token_id"), number("eos_token_id"));
    let config: BartConfig = read(config)?;
    let model = BartModel::new(path / "model", &config);
    let head = path / "classification_head";
    let dense = nn::linear(&head / "dense", config.d_model, config.d_model, Default::default());
    let classifier = nn::linear(&head / "out_proj", config.d_model, labels as i64, Default::default());
    Ok(Box::new(move |input| {
        let ids = &input.ids;
        let (sequences, tokens) = ids.size2()?;
        let starts = Tensor::full([sequences, 1], start, (ids.kind(), ids.device()));
        let shifted = Tensor::cat(&[starts, ids.narrow(1, 0, tokens - 1)], 1);
        let states = model.forward_t(Some(ids), Some(&input.mask), Some(&shifted), None, None, None, false);
        let states = states.decoder_output;
        let places = Tensor::arange(tokens, (ids.kind(), ids.device())) * (ids.eq(end) * &input.mask);
        let last = places.argmax(1, true).unsqueeze(-1).expand([-1, -1, states.size3()?.2], false);
        Ok(states.gather(1, &last, false).squeeze_dim(1).apply(&dense).tanh().apply(&classifier))
    }))
}

fn bert(path: &Path<'_>, config: &Value, rows: Rows) -> Result<Forward, String> {
    let config: BertConfig = read(config)?;
    Ok(match rows {
        Rows::EveryToken { .. } => {
            let model = BertForTokenClassification::new(path, &config).map_err(failed)?;
            forward!(model, |model, ids, mask, types| model
                .forward_t(ids, mask, types, None, None, false)
                .logits)
        }
        Rows::Sequence { .. } => {
            let model = BertForSequenceClassification::new(path, &config).map_err(failed)?;
            forward!(model, |model, ids, mask, types| model
                .forward_t(ids, mask, types, None, None, false)
                .logits)
        }
        Rows::Pooled { .. } => {
            let model = BertModel::<BertEmbeddings>::new_with_optional_pooler(path / "bert", &config, false);
            forward!(model, |model, ids, mask, types| model
                .forward_t(ids, mask, types, None, None, None, None, false)?
                .hidden_state)
        }
    })
}

fn distilbert(path: &Path<'_>, config: &Value, rows: Rows) -> Result<Forward, String> {
    let config: DistilBertConfig = read(config)?;
    Ok(match rows {
        Rows::EveryToken { .. } => {
            let model = DistilBertForTokenClassification::new(path, &config).map_err(failed)?;
            forward!(model, |model, ids, mask, _types| model.forward_t(ids, mask, None, false)?.logits)
        }
        Rows::Sequence { .. } => {
            let model = DistilBertModelClassifier::new(path, &config).map_err(failed)?;
            forward!(model, |model, ids, mask, _types| model.forward_t(ids, mask, None, false)?.logits)
        }
        Rows::Pooled { .. } => {
            let model = DistilBertModel::new(path, &config);
            forward!(model, |model, ids, mask, _types| model.forward_t(ids, mask, None, false)?.hidden_state)
        }
    })
}

fn electra(path: &Path<'_>, config: &Value, rows: Rows) -> Result<Forward, String> {
    let config: ElectraConfig = read(config)?;
    Ok(match rows {
        Rows::EveryToken { .. } => {
            let model = ElectraForTokenClassification::new(path, &config).map_err(failed)?;
            forward!(model, |model, ids, mask, types| model
                .forward_t(ids, mask, types, None, None, false)
                .logits)
        }
        _ => {
            let model = ElectraModel::new(path / "electra", &config);
            forward!(model, |model, ids, mask, types| model
                .forward_t(ids, mask, types, None, None, false)?
                .hidden_state)
        }
    })
}

fn fnet(path: &Path<'_>, config: &Value, rows: Rows) -> Result<Forward, String> {
    let config: FNetConfig = read(config)?;
    Ok(match rows {
        Rows::EveryToken { .. } => {
            let model = FNetForTokenClassification::new(path, &config).map_err(failed)?;
            forward!(model, |model, ids, _mask, types| model.forward_t(ids, types, None, None, false)?.logits)
        }
        _ => {
            let model = FNetForSequenceClassification::new(path, &config).map_err(failed)?;
            forward!(model, |model, ids, _mask, types| model.forward_t(ids, types, None, None, false)?.logits)
        }
    })
}

fn longformer(path: &Path<'_>, config: &Value, rows: Rows) -> Result<Forward, String> {
    let config: LongformerConfig = read(config)?;
    Ok(match rows {
        Rows::EveryToken { .. } => {
            let model = LongformerForTokenClassification::new(path, &config).map_err(failed)?;
            forward!(model, |model, ids, mask, types| model
                .forward_t(ids, mask, None, types, None, None, false)?
                .logits)
        }
        _ => {
            let model = LongformerForSequenceClassification::new(path, &config).map_err(failed)?;
            forward!(model, |model, ids, mask, types| model
                .forward_t(ids, mask, None, types, None, None, false)?
                .logits)
        }
    })
}

fn mobilebert(path: &Path<'_>, config: &Value, rows: Rows) -> Result<Forward, String> {
    let config: MobileBertConfig = read(config)?;
    Ok(match rows {
        Rows::EveryToken { .. } => {
            let model = MobileBertForTokenClassification::new(path, &config).map_err(failed)?;
            forward!(model, |model, ids, mask, types| model
                .forward_t(ids, types, None, None, mask, false)?
                .logits)
        }
        _ => {
            let model = MobileBertForSequenceClassification::new(path, &config).map_err(failed)?;
            forward!(model, |model, ids, mask, types| model
                .forward_t(ids, types, None, None, mask, false)?
                .logits)
        }
    })
}

fn roberta(path: &Path<'_>, config: &Value, rows: Rows) -> Result<Forward, String> {
    let config: BertConfig = read(config)?;
    Ok(match rows {
        Rows::EveryToken { .. } => {
            let model = RobertaForTokenClassification::new(path, &config).map_err(failed)?;
            forward!(model, |model, ids, mask, types| model
                .forward_t(ids, mask, types, None, None, false)
                .logits)
        }
        Rows::Sequence { .. } => {
            let model = RobertaForSequenceClassification::new(path, &config).map_err(failed)?;
            forward!(model, |model, ids, mask, types| model
                .forward_t(ids, mask, types, None, None, false)
                .logits)
        }
        Rows::Pooled { .. } => {
            let model =
                BertModel::<RobertaEmbeddings>::new_with_optional_pooler(path / "roberta", &config, false);
            forward!(model, |model, ids, mask, types| model
                .forward_t(ids, mask, types, None, None, None, None, false)?
                .hidden_state)
        }
    })
}

fn xlnet(path: &Path<'_>, config: &Value, rows: Rows) -> Result<Forward, String> {
    let config: XLNetConfig = read(config)?;
    Ok(match rows {
        Rows::EveryToken { .. } => {
            let model = XLNetForTokenClassification::new(path, &config).map_err(failed)?;
            forward!(model, |model, ids, mask, types| model
                .forward_t(ids, mask, None, None, None, types, None, false)
                .logits)
        }
        _ => {
            let model = XLNetForSequenceClassification::new(path, &config).map_err(failed)?;
            forward!(model, |model, ids, mask, types| model
                .forward_t(ids, mask, None, None, None, types, None, false)
                .logits)
        }
    })
}
