//! Models with an ONNX graph, run by rten.

mod file;

use std::sync::Arc;
use std::thread;

use ndarray::Array2;
use rten::{Model, ModelOptions, NodeId, RunOptions, ThreadPool};
use rten_tensor::Tensor;
use rten_tensor::prelude::*;

use super::Runner;
use super::padded::{Output, Rows, Run, Together, WordScores, in_runs};
use crate::batch::{Marks, RaggedBatch, Sequence};
use crate::error::{Error, ErrorKind, panic_message};
use crate::spare::Spare;

/// The stack on which a graph is read; the most nodes that a graph may have depend on it.
const DEEP_STACK: usize = 256 << 20;

/// The stack of a run, which needs less because the order of nodes is known.
const STACK: usize = 2 << 20;

/// The most that a sequence's results may change next to a longer sequence. f32 rounding stays well below; a graph
/// that quantises whole batches, or whose mask does not hide all padding, does not.
const TOLERANCE: f32 = 1e-4;

/// A model that is an ONNX graph.
///
/// The sequences of a run are padded to the longest, and the graph's mask hides the padding. This is tried when the
/// graph is loaded: if results change by more than 1e-4, or the graph has no mask, each sequence runs alone. So a
/// batch gives the results of its documents alone, exactly or within 1e-4.
///
/// rten runs graphs only in its `ThreadPool`. Each run borrows one with as many threads as the pool that calls it:
/// one on a worker.
pub(crate) struct Onnx {
    /// The name of the file in messages.
    origin: String,
    model: Model,
    inputs: Vec<(NodeId, Input)>,
    output: NodeId,
    taken: Output,
    together: Together,
    /// Pools of one thread, and pools of as many as a single short text gets.
    narrow: Spare<Arc<ThreadPool>>,
    wide: Spare<Arc<ThreadPool>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    Ids,
    Mask,
    TokenTypes,
    /// The number of the word, from 1, at its first token, and 0 at all others, `[batch, tokens]`.
    WordsMask,
    /// The number of words, `[batch, 1]`.
    TextLengths,
    /// The first and the last word of each span, `[batch, words * widest, 2]`.
    SpanIdx,
    /// 1 for a span within the text, `[batch, words * widest]`.
    SpanMask,
}

impl Input {
    const NAMES: [(&'static str, Self); 7] = [
        ("input_ids", Self::Ids),
        ("attention_mask", Self::Mask),
        ("token_type_ids", Self::TokenTypes),
        ("words_mask", Self::WordsMask),
        ("text_lengths", Self::TextLengths),
        ("span_idx", Self::SpanIdx),
        ("span_mask", Self::SpanMask),
    ];

    /// `Some(true)` if a graph with the output `taken` needs the input, `Some(false)` if it must not have it, and
    /// `None` if the input is optional.
    fn belongs_to(self, taken: Output) -> Option<bool> {
        match self {
            Self::Ids | Self::Mask | Self::TokenTypes => None,
            Self::WordsMask | Self::TextLengths => Some(matches!(taken, Output::Words(_))),
            Self::SpanIdx | Self::SpanMask => Some(matches!(taken, Output::Words(WordScores::Spans { .. }))),
        }
    }
}

/// The name of the output in the graphs that transformers and GLiNER export.
fn output_name(taken: Output) -> &'static str {
    match taken {
        Output::Rows(Rows::Pooled { .. }) => "last_hidden_state",
        Output::Rows(Rows::EveryToken { .. } | Rows::Sequence { .. }) | Output::Words(_) => "logits",
    }
}

impl Onnx {
    /// Reads the graph in `bytes`, called `origin` in messages; `beside` returns the external files that it names.
    /// `probes` are a sequence and a longer one for a trial run.
    pub(crate) fn load(
        origin: String,
        bytes: Vec<u8>,
        beside: impl Fn(&str) -> Result<Vec<u8>, Error>,
        taken: Output,
        probes: &[Sequence; 2],
    ) -> Result<Self, Error> {
        let refuse = |message: String| Error::new(ErrorKind::Weights, format!("{origin} {message}"));
        let files = file::external_files(&bytes).map_err(refuse)?.into_iter();
        let files = files.map(|name| Ok((beside(&name)?, name))).collect::<Result<Vec<_>, Error>>()?;
        let read = || {
            let mut options = ModelOptions::with_all_ops();
            options.prepack_weights(true);
            for (data, name) in files {
                options.external_data(&name, data);
            }
            options.load(bytes)
        };
        let model = on_own_thread(DEEP_STACK, &origin, read)?
            .map_err(|error| refuse("is not a usable ONNX model".into()).with_source(error.to_string()))?;

        let mut inputs = Vec::new();
        for &id in model.input_ids() {
            let name = model.node_info(id).and_then(|node| node.name().map(str::to_owned));
            let name = name.unwrap_or_default();
            let possible: Vec<(&str, Input)> = Input::NAMES
                .into_iter()
                .filter(|(_, input)| input.belongs_to(taken) != Some(false))
                .collect();
            let known = possible.iter().find(|(known, _)| *known == name);
            let (_, input) = known.ok_or_else(|| {
                let names: Vec<&str> = possible.iter().map(|(name, _)| *name).collect();
                refuse(format!("has an input {name:?}; the inputs for its config are {}", names.join(", ")))
            })?;
            inputs.push((id, *input));
        }
        let lacks = |(_, input): &(&str, Input)| {
            input.belongs_to(taken) == Some(true) && !inputs.iter().any(|(_, other)| other == input)
        };
        if let Some((name, _)) = Input::NAMES.into_iter().find(lacks) {
            return Err(refuse(format!("has no input {name:?}, which the span mode in its config needs")));
        }
        if !inputs.iter().any(|&(_, input)| input == Input::Ids) {
            return Err(refuse("has no input \"input_ids\"".into()));
        }
        let named = model.find_node(output_name(taken)).filter(|id| model.output_ids().contains(id));
        let output = named.or(model.output_ids().first().copied());
        let output = output.ok_or_else(|| refuse("has no output".into()))?;

        let masked = inputs.iter().any(|&(_, input)| input == Input::Mask);
        let (narrow, wide) = (Spare::default(), Spare::default());
        let mut loaded =
            Self { origin, model, inputs, output, taken, together: Together::None, narrow, wide };
        // In rten an LSTM, which most graphs of GLiNER have, reads padding; a trial may not show it.
        if loaded.tried(probes)? && masked && matches!(taken, Output::Rows(_)) {
            loaded.together = Together::Padded;
        }
        Ok(loaded)
    }

    /// Returns whether `probes` give the same results together as alone. The trial also makes rten plan the run,
    /// which needs the deep stack; rten keeps the plan.
    fn tried(&self, probes: &[Sequence; 2]) -> Result<bool, Error> {
        let run = |sequences: &[Sequence]| {
            in_runs(&RaggedBatch::new(sequences), Together::Padded, |run| self.run_padded(&run, DEEP_STACK))
        };
        let (short, long) = probes.split_at(1);
        let alone = [run(short)?, run(long)?].concat();
        // A graph may be made for one sequence at a time.
        let Ok(together) = run(probes) else { return Ok(false) };
        let close = |(a, b): (&Array2<f32>, &Array2<f32>)| {
            a.dim() == b.dim() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= TOLERANCE)
        };
        Ok(alone.len() == together.len() && alone.iter().zip(&together).all(close))
    }

    fn run_padded(&self, run: &Run<'_>, stack: usize) -> Result<Vec<Array2<f32>>, Error> {
        // rten has no 64-bit integers, and no vocabulary needs them.
        let narrowed = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
        let (count, longest, words) = (run.sequences.len(), run.longest(), run.most_words());
        // A window that begins inside a word longer than a window has no words to score, and graphs do not accept an
        // input without words.
        if matches!(self.taken, Output::Words(_)) && words == 0 {
            return Ok(vec![Array2::zeros((0, 0)); count]);
        }
        let widest = match self.taken {
            Output::Words(WordScores::Spans { widest }) => widest,
            _ => 0,
        };
        let number = |value: usize| i32::try_from(value).unwrap_or(i32::MAX);
        let tensor = |input: Input| match input {
            Input::Mask => Tensor::from_data(&[count, longest], run.mask(0, 1)),
            Input::Ids => Tensor::from_data(&[count, longest], run.ids(0, narrowed)),
            Input::TokenTypes => Tensor::from_data(&[count, longest], run.token_types(0, narrowed)),
            Input::WordsMask => {
                let mut mask = vec![0; count * longest];
                for (row, marks) in mask.chunks_mut(longest.max(1)).zip(run.marks()) {
                    for (word, token) in marks.words.iter().enumerate() {
                        if let Some(slot) = token.and_then(|token| row.get_mut(token)) {
                            *slot = number(word + 1);
                        }
                    }
                }
                Tensor::from_data(&[count, longest], mask)
            }
            Input::TextLengths => {
                let lengths: Vec<i32> = run.marks().map(|marks| number(marks.words.len())).collect();
                Tensor::from_data(&[count, 1], lengths)
            }
            Input::SpanIdx => Tensor::from_data(
                &[count, words * widest, 2],
                spans(run, words, widest, |first, more, is_inside| {
                    if is_inside { vec![number(first), number(first + more)] } else { vec![0, 0] }
                }),
            ),
            Input::SpanMask => Tensor::from_data(
                &[count, words * widest],
                spans(run, words, widest, |_, _, is_inside| vec![i32::from(is_inside)]),
            ),
        };
        let inputs = self.inputs.iter().map(|&(id, input)| (id, tensor(input).into())).collect();
        let threads = rayon::current_thread_index().map_or(1, |_| rayon::current_num_threads());
        let pools = if threads == 1 { &self.narrow } else { &self.wide };
        let ran = pools.lend(
            || Arc::new(ThreadPool::with_num_threads(threads)),
            |pool| {
                let options = RunOptions::default().with_thread_pool(Some(Arc::clone(pool)));
                let run = || self.model.run(inputs, &[self.output], Some(options));
                on_own_thread(stack, &self.origin, run)
            },
        )?;
        let refuse = |message: String| Error::new(ErrorKind::Weights, format!("{}: {message}", self.origin));
        let mut outputs =
            ran.map_err(|error| refuse("the graph cannot be run".into()).with_source(error.to_string()))?;
        let output: Tensor<f32> = outputs
            .pop()
            .ok_or_else(|| refuse("the graph returned nothing".into()))?
            .try_into()
            .map_err(|_| refuse("the graph's output is not a tensor of f32".into()))?;

        match self.taken {
            Output::Rows(rows) => run.split(rows, &self.origin, output.shape(), &output.to_vec()),
            Output::Words(scores) => run.split_words(scores, &self.origin, output.shape(), &output.to_vec()),
        }
    }
}

/// The `numbers` of all spans of up to `widest` words that begin at one of the first `words` words, for each
/// sequence. `numbers` is called with a span's first word, the number of words after that, and whether the span is
/// within the sequence.
fn spans(
    run: &Run<'_>,
    words: usize,
    widest: usize,
    numbers: impl Fn(usize, usize, bool) -> Vec<i32>,
) -> Vec<i32> {
    let of_sequence = |marks: &Marks| {
        let count = marks.words.len();
        let span = |at: usize| numbers(at / widest, at % widest, at / widest + at % widest < count);
        (0..words * widest).flat_map(span).collect::<Vec<_>>()
    };
    run.marks().flat_map(of_sequence).collect()
}

impl Runner for Onnx {
    fn run(&self, batch: &RaggedBatch) -> Result<Vec<Array2<f32>>, Error> {
        in_runs(batch, self.together, |run| self.run_padded(&run, STACK))
    }
}

/// Runs `f`, which may use one of rten's pools, on a thread outside all pools: a pool's thread would start other jobs
/// of its pool while it waits. A panic of rten becomes an error that names `origin`. Nothing that `f` leaves half
/// done is used afterwards.
fn on_own_thread<T: Send>(stack: usize, origin: &str, f: impl FnOnce() -> T + Send) -> Result<T, Error> {
    let refuse = |error: std::io::Error| {
        Error::new(ErrorKind::System, format!("{origin}: no thread can be started")).with_source(error)
    };
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("entopic-onnx".into()).stack_size(stack);
        thread.spawn_scoped(scope, f).map_err(refuse)?.join().map_err(|panic| {
            let message = panic_message(&*panic);
            Error::new(ErrorKind::Weights, format!("{origin}: the rten library panicked: {message}"))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::{Onnx, Output, Rows, TOLERANCE, Together};
    use crate::backend::Runner;
    use crate::batch::{RaggedBatch, Sequence};
    use crate::error::Error;

    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).expect("it should be short");
        let length = if length < 0x80 { vec![length] } else { vec![length | 0x80, 1] };
        [vec![number << 3 | 2], length, content.to_vec()].concat()
    }

    fn node(operator: &str, inputs: &[&str], output: &str, attribute: Option<(&str, u8)>) -> Vec<u8> {
        let mut fields: Vec<u8> = inputs.iter().flat_map(|input| field(1, input.as_bytes())).collect();
        fields.extend(field(2, output.as_bytes()));
        fields.extend(field(4, operator.as_bytes()));
        if let Some((name, value)) = attribute {
            let integer = [field(1, name.as_bytes()), vec![3 << 3, value, 0xa0, 0x01, 2]].concat();
            fields.extend(field(5, &integer));
        }
        field(1, &fields)
    }

    /// A graph whose output, `[batch, tokens, 1]`, is the `y` that `nodes` compute from the ids `x`.
    fn graph(inputs: &[&str], nodes: &[Vec<u8>]) -> Vec<u8> {
        let mut graph = node("Cast", &["input_ids"], "ids", Some(("to", 1)));
        if inputs.contains(&"attention_mask") {
            graph.extend(node("Cast", &["attention_mask"], "mask", Some(("to", 1))));
            graph.extend(node("Mul", &["ids", "mask"], "x", None));
        } else {
            graph.extend(node("Identity", &["ids"], "x", None));
        }
        graph.extend(nodes.concat());
        graph.extend(node("Unsqueeze", &["y", "last"], "logits", None));
        // The axis -1, as a tensor of one 64-bit integer.
        let last = [vec![1 << 3, 1, 2 << 3, 7], field(8, b"last"), field(9, &[0xff; 8])].concat();
        graph.extend(field(5, &last));
        graph.extend(inputs.iter().flat_map(|input| field(11, &field(1, input.as_bytes()))));
        graph.extend(field(12, &field(1, b"logits")));
        let mut bytes = vec![1 << 3, 8];
        bytes.push(7 << 3 | 2);
        bytes.extend([(graph.len() & 0x7f) as u8 | 0x80, (graph.len() >> 7) as u8]);
        bytes.extend(graph);
        bytes.extend(field(8, &[field(1, b""), vec![2 << 3, 17]].concat()));
        bytes
    }

    fn sequence(ids: &[u32]) -> Sequence {
        Sequence { ids: ids.to_vec(), token_types: vec![0; ids.len()], ..Sequence::default() }
    }

    fn load(bytes: Vec<u8>) -> Result<Onnx, Error> {
        let probes = [sequence(&[3, 5, 4]), sequence(&[9, 1, 8, 2, 7])];
        let beside = |_: &str| Ok(Vec::new());
        Onnx::load("model.onnx".into(), bytes, beside, Output::Rows(Rows::EveryToken { labels: 1 }), &probes)
    }

    #[test]
    fn sequences_run_together_only_where_the_results_are_the_same() {
        let both = ["input_ids", "attention_mask"];
        let same = [node("Identity", &["x"], "y", None)];
        // All results depend on the largest id, as if a whole batch were quantised.
        let scaled = [
            node("ReduceMax", &["x"], "largest", Some(("keepdims", 0))),
            node("Div", &["x", "largest"], "y", None),
        ];
        let sequences = [&[1, 2, 4][..], &[8; 7], &[5], &[3, 6], &[2; 4], &[]].map(sequence);
        for (bytes, together) in [
            (graph(&both, &same), Together::Padded),
            (graph(&both, &scaled), Together::None),
            (graph(&both[..1], &same), Together::None),
        ] {
            let loaded = load(bytes).expect("it should be a graph");
            assert_eq!(loaded.together, together);
            let outputs = loaded.run(&RaggedBatch::new(&sequences[..5])).expect("it should run");
            for (output, sequence) in outputs.iter().zip(&sequences) {
                let alone = loaded.run(&RaggedBatch::new([sequence])).expect("it should run");
                assert_eq!(output.dim(), (sequence.ids.len(), 1));
                assert!(output.iter().zip(&alone[0]).all(|(a, b)| (a - b).abs() <= TOLERANCE));
            }
        }
    }

    #[test]
    fn a_panic_is_an_error() {
        let error = super::on_own_thread(1 << 20, "model.onnx", || panic!("asked to")).map(|(): ()| ());
        let message = error.expect_err("it should panic").to_string();
        assert!(message.contains("model.onnx") && message.contains("asked to"), "{message}");
    }
}
