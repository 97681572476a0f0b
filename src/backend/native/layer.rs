use entopic_kernels::Format;
use rayon::prelude::{IndexedParallelIterator, ParallelIterator, ParallelSliceMut};
use rten_simd::SimdOp;

use super::activation::Activation;
use super::activations::Activations;
use super::arithmetic::{Arithmetic, LEAST_BLOCK_ROWS};
use super::blueprint::{self, Seam};
use super::kernels::attention::{Attention, Part, copy};
use super::kernels::finish::Finish;
use super::kernels::relation::{self as places, Reach};
use super::kernels::tile_attention::TileAttention;
use super::linear::{Linear, Product};
use super::norm::LayerNorm;
use super::relation::{Distances, Relation};
use super::scratch::{AttentionBuffers, Scratch};
use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::spare::Spare;
use crate::stage::stage;

/// One layer of a transformer.
pub(crate) struct Layer<A: Arithmetic> {
    attention: SelfAttention<A>,
    cross_attention: Option<CrossAttention<A>>,
    feed_forward: FeedForward<A>,
}

struct SelfAttention<A: Arithmetic> {
    /// Query, key and value as one product, `[hidden] -> [3 * hidden]`.
    qkv: Linear<A>,
    joint: Joint<A>,
    reach: Reach,
    distances: Distances,
    rotary_base: f32,
}

struct CrossAttention<A: Arithmetic> {
    query: Linear<A>,
    /// `[hidden] -> [2 * hidden]`.
    key_value: Linear<A>,
    joint: Joint<A>,
}

struct FeedForward<A: Arithmetic> {
    up: Linear<A>,
    activation: Activation,
    gated: bool,
    joint: Joint<A>,
}

/// The last product of a block, and the norm that follows where it is added to the residual stream.
struct Joint<A: Arithmetic> {
    output: Linear<A>,
    norm: LayerNorm,
    /// True if the stream itself is normalised, rather than a copy for the next products.
    on_stream: bool,
}

/// The input of a layer.
pub(crate) struct Work<'a, A: Arithmetic> {
    pub(crate) hidden: usize,
    pub(crate) heads: usize,
    pub(crate) relation: &'a Relation,
    /// `[sequences + 1]`: the bounds of the sequences' tokens.
    pub(crate) bounds: &'a [usize],
    /// The tokens that are read after the layer, in order, or `None` for all.
    pub(crate) kept: Option<&'a [usize]>,
    /// The encoder's output for the same sequences, for a decoder.
    pub(crate) memory: Option<&'a Activations<A>>,
}

impl<A: Arithmetic> Layer<A> {
    pub(crate) fn load(
        checkpoint: &Checkpoint<'_>,
        plan: &blueprint::Layer,
        relation: &Relation,
    ) -> Result<Self, Error> {
        let dense = |dense| Linear::load(checkpoint, dense);
        let joint = |output, seam| Joint::load(checkpoint, output, seam);
        let blueprint::Layer { attention, cross_attention, feed_forward } = plan;
        let cross_attention = cross_attention.as_ref().map(|plan| {
            Ok(CrossAttention {
                query: dense(&plan.query)?,
                key_value: Linear::load_all(checkpoint, &plan.key_value)?,
                joint: joint(&plan.output, &plan.norm)?,
            })
        });
        Ok(Self {
            attention: SelfAttention {
                qkv: Linear::load_all(checkpoint, &attention.qkv)?,
                joint: joint(&attention.output, &attention.norm)?,
                reach: attention.reach,
                distances: relation.distances(checkpoint, &attention.distances)?,
                rotary_base: attention.rotary_base,
            },
            cross_attention: cross_attention.transpose()?,
            feed_forward: FeedForward {
                up: dense(&feed_forward.up)?,
                activation: A::near(feed_forward.activation),
                gated: feed_forward.gated,
                joint: joint(&feed_forward.down, &feed_forward.norm)?,
            },
        })
    }

    /// Runs the layer on `scratch.hidden` and `scratch.states`, which afterwards contain only the tokens `work.kept`.
    pub(crate) fn forward(&self, work: &Work<'_, A>, scratch: &mut Scratch<A>) -> Result<(), Error> {
        self.attention.forward(work, scratch)?;
        if let (Some(cross), Some(memory)) = (&self.cross_attention, work.memory) {
            cross.forward(work, memory, scratch)?;
        }
        self.feed_forward.forward(work.hidden, scratch)
    }
}

impl<A: Arithmetic> SelfAttention<A> {
    fn forward(&self, work: &Work<'_, A>, scratch: &mut Scratch<A>) -> Result<(), Error> {
        let Scratch { hidden, states, inner, context, attention, products, turns } = scratch;
        let &Work { heads, bounds, relation, .. } = work;
        let (width, tokens) = (work.hidden, hidden.len() / work.hidden);
        if tokens == 0 {
            return Ok(());
        }
        products.lend(Product::default, |product| {
            let (qkv, buffers) = product.room(tokens * 3 * width);
            self.qkv.forward(states.rows(0..tokens), Finish::default(), qkv, buffers)?;
            let size = width / heads;
            let task = AttentionTask {
                parts: [0, 1, 2].map(|part| Part { rows: qkv, width: 3 * width, first: part * width }),
                bounds: [bounds, bounds],
                heads,
                size,
                scale: relation.scale(size),
                reach: self.reach,
                relation: relation.of_layer(&self.distances, turns.of(self.rotary_base), width, heads),
            };
            task.run::<A>(context, attention);
            Ok::<(), Error>(())
        })?;
        stage!("attention output");
        if let Some(kept) = work.kept {
            // The following steps treat each token separately, so the others can go.
            for (row, &token) in kept.iter().enumerate() {
                hidden.copy_within(token * width..(token + 1) * width, row * width);
            }
            hidden.truncate(kept.len() * width);
        }
        states.resize(hidden.len() / width, width);
        gather(context, tokens, heads, work.kept, width, inner);
        self.joint.add(inner, hidden, states, width, products)
    }
}

impl<A: Arithmetic> CrossAttention<A> {
    fn forward(
        &self,
        work: &Work<'_, A>,
        memory: &Activations<A>,
        scratch: &mut Scratch<A>,
    ) -> Result<(), Error> {
        let Scratch { hidden, states, inner, context, attention, products, .. } = scratch;
        let (width, tokens) = (work.hidden, hidden.len() / work.hidden);
        let keys = work.bounds.last().copied().unwrap_or(0);
        // One token per sequence, if only some tokens were kept.
        let each: Vec<usize> = (0..work.bounds.len()).collect();
        let bounds = [if work.kept.is_some() { &each } else { work.bounds }, work.bounds];
        products.lend(Product::default, |product| {
            let (rows, buffers) = product.room((tokens + 2 * keys) * width);
            let (query, key_value) = rows.split_at_mut(tokens * width);
            self.query.forward(states.rows(0..tokens), Finish::default(), query, buffers)?;
            self.key_value.forward(memory.rows(0..keys), Finish::default(), key_value, buffers)?;
            let size = width / work.heads;
            let task = AttentionTask {
                parts: [
                    Part { rows: query, width, first: 0 },
                    Part { rows: key_value, width: 2 * width, first: 0 },
                    Part { rows: key_value, width: 2 * width, first: width },
                ],
                bounds,
                heads: work.heads,
                size,
                scale: (size as f32).sqrt().recip(),
                reach: Reach::All,
                relation: places::Relation::None,
            };
            task.run::<A>(context, attention);
            Ok::<(), Error>(())
        })?;
        gather(context, tokens, work.heads, None, width, inner);
        self.joint.add(inner, hidden, states, width, products)
    }
}

/// Attention of all heads, divided among the threads of the current pool.
struct AttentionTask<'a> {
    /// Queries, keys and values.
    parts: [Part<'a>; 3],
    /// The bounds of queries, and those of keys.
    bounds: [&'a [usize]; 2],
    heads: usize,
    size: usize,
    scale: f32,
    reach: Reach,
    relation: places::Relation<'a>,
}

impl AttentionTask<'_> {
    /// Writes `context`, `[heads, queries, size]`.
    fn run<A: Arithmetic>(&self, context: &mut Vec<f32>, scratches: &Spare<AttentionBuffers>) {
        stage!("attention");
        let &Self { parts: [queries, keys, values], bounds, heads, size, scale, reach, relation } = self;
        let tokens = bounds[0].last().copied().unwrap_or(0);
        let cells = tokens * size;
        context.resize(heads * cells, 0.0);
        let share = heads.div_ceil(head_shares(tokens));
        let plain = matches!((reach, relation), (Reach::All, places::Relation::None));
        let tiles = entopic_kernels::Bf16::fastest()
            .filter(|kernel| A::BF16_ATTENTION && plain && kernel.writes_in_place());
        context.par_chunks_mut((share * cells).max(1)).enumerate().for_each(|(index, out)| {
            let first = index * share;
            let heads = first..first + out.len() / cells;
            scratches.lend(
                AttentionBuffers::default,
                |AttentionBuffers { vectors: scratch, tiles: tile_scratch }| {
                    if let Some(kernel) = tiles {
                        let (parts, scratch) = (self.parts, tile_scratch);
                        return TileAttention { kernel, parts, bounds, heads, size, scale, out, scratch }
                            .run();
                    }
                    let [bounds, key_bounds] = bounds;
                    Attention {
                        queries,
                        keys,
                        values,
                        bounds,
                        key_bounds,
                        heads,
                        size,
                        scale,
                        reach,
                        relation,
                        out,
                        scratch,
                    }
                    .dispatch();
                },
            );
        });
    }
}

/// Sets `inner`, `[tokens, width]`, to the output of attention, `[heads, tokens, size]`, for all tokens or for those
/// in `kept`.
fn gather<A: Arithmetic>(
    context: &[f32],
    tokens: usize,
    heads: usize,
    kept: Option<&[usize]>,
    width: usize,
    inner: &mut Activations<A>,
) {
    let size = width / heads;
    inner.resize(kept.map_or(tokens, <[usize]>::len), width);
    let buffer = || vec![0.0; width];
    inner.all_mut().each().enumerate().for_each_init(buffer, |values, (row, to)| {
        let token = kept.map_or(row, |kept| kept[row]);
        let heads = context.chunks_exact(tokens * size);
        for (to, head) in values.chunks_exact_mut(size).zip(heads) {
            copy(&head[token * size..][..size], to);
        }
        to.set(values);
    });
}

impl<A: Arithmetic> FeedForward<A> {
    fn forward(&self, width: usize, scratch: &mut Scratch<A>) -> Result<(), Error> {
        let Scratch { hidden, states, inner, products, .. } = scratch;
        let tokens = hidden.len() / width;
        let block = block_rows::<A>(tokens);
        let up = self.up.outputs();
        let kept = if self.gated { up / 2 } else { up };
        inner.resize(tokens, kept);
        {
            stage!("up");
            inner.blocks_mut(block).enumerate().try_for_each(|(index, to)| {
                let rows = index * block..tokens.min((index + 1) * block);
                let activation = if self.gated { None } else { Some(self.activation) };
                let finish = Finish { activation, added: false };
                products.lend(Product::default, |product| {
                    let mut to = to;
                    if let (false, Some(out)) = (self.gated, to.as_floats()) {
                        return self.up.forward(states.rows(rows), finish, out, &mut product.buffers);
                    }
                    let (out, buffers) = product.room(rows.len() * up);
                    self.up.forward(states.rows(rows), finish, out, buffers)?;
                    to.each().zip(out.par_chunks_exact_mut(up)).for_each(|(to, row)| {
                        let (open, gate) = row.split_at_mut(kept);
                        if self.gated {
                            self.activation.apply(open);
                            open.iter_mut().zip(gate).for_each(|(open, gate)| *open *= *gate);
                        }
                        to.set(open);
                    });
                    Ok::<(), Error>(())
                })
            })?;
        }
        stage!("down");
        self.joint.add(inner, hidden, states, width, products)
    }
}

impl<A: Arithmetic> Joint<A> {
    fn load(checkpoint: &Checkpoint<'_>, output: &blueprint::Dense, seam: &Seam) -> Result<Self, Error> {
        let (norm, on_stream) = match seam {
            Seam::Stream(norm) => (norm, true),
            Seam::Branch(norm) => (norm, false),
        };
        let output = Linear::load(checkpoint, output)?;
        Ok(Self { output, norm: LayerNorm::load(checkpoint, norm)?, on_stream })
    }

    /// Adds `output(inner)` to `hidden`, and sets `states` to the normalised rows that products read.
    fn add(
        &self,
        inner: &Activations<A>,
        hidden: &mut [f32],
        states: &mut Activations<A>,
        width: usize,
        products: &Spare<Product>,
    ) -> Result<(), Error> {
        let tokens = hidden.len() / width;
        let block = block_rows::<A>(tokens);
        let blocks = states.blocks_mut(block).zip(hidden.par_chunks_mut(block * width));
        blocks.enumerate().try_for_each(|(index, (to, hidden))| {
            let rows = index * block..tokens.min((index + 1) * block);
            products.lend(Product::default, |product| {
                let finish = Finish { activation: None, added: true };
                self.output.forward(inner.rows(rows), finish, hidden, &mut product.buffers)
            })?;
            let rows = to.each().zip(hidden.par_chunks_exact_mut(width));
            rows.for_each_init(Vec::new, |branch, (to, hidden)| {
                if self.on_stream {
                    self.norm.apply(hidden);
                    to.set(hidden);
                } else {
                    branch.clear();
                    branch.extend_from_slice(hidden);
                    self.norm.apply(branch);
                    to.set(branch);
                }
            });
            Ok(())
        })
    }
}

/// The number of rows in a block, out of `tokens`. With several threads, all get the same number of blocks; with less
/// than `LEAST_BLOCK_ROWS` rows per thread, all rows are one block, and the product itself is divided.
fn block_rows<A: Arithmetic>(tokens: usize) -> usize {
    match rayon::current_num_threads() {
        1 => A::block_rows(),
        threads if tokens < LEAST_BLOCK_ROWS * threads => tokens.max(1),
        threads => tokens.div_ceil(threads * tokens.div_ceil(threads * A::block_rows())),
    }
}

/// The number of parts into which a group's heads are divided: one per thread, or several if the group is long, so
/// that a thread that was interrupted leaves work to the others.
fn head_shares(tokens: usize) -> usize {
    match rayon::current_num_threads() {
        1 => 1,
        threads if tokens < 2 * LEAST_BLOCK_ROWS => threads,
        threads => 3 * threads,
    }
}
