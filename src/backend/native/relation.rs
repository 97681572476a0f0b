use super::arithmetic::F32;
use super::blueprint::{self, Dense, Disentangled};
use super::kernels::relation as places;
use super::linear::Linear;
use super::norm::LayerNorm;
use crate::checkpoint::Checkpoint;
use crate::error::Error;

/// The effect of the positions of two tokens on their attention scores, in all layers of a stack.
pub(crate) enum Relation {
    None,
    /// A bias, `[heads, 2 * longest - 1]`, by the distance of the key behind the query, multiplied by the divisor of
    /// the scores.
    Bias(Vec<f32>),
    Disentangled {
        /// `[2 * span, hidden]`.
        embedded: Vec<f32>,
        /// `[2 * longest - 1]`: the row for each distance of the key behind the query.
        rows: Vec<u32>,
        /// The number of products that make up a score.
        terms: usize,
    },
    Rotary,
}

/// The embedded distances as one layer projects them, to multiply with queries and with keys: `[2 * span, hidden]`.
pub(crate) type Distances = [Option<Vec<f32>>; 2];

impl Relation {
    pub(crate) fn load(
        checkpoint: &Checkpoint<'_>,
        stack: &blueprint::Stack,
        hidden: usize,
        longest: usize,
    ) -> Result<Self, Error> {
        match &stack.relation {
            blueprint::Relation::None => Ok(Self::None),
            blueprint::Relation::Rotary => Ok(Self::Rotary),
            blueprint::Relation::Bias { table, buckets, farthest } => {
                let table = checkpoint.matrix(&format!("{table}.weight"), *buckets, stack.heads)?;
                let (table, divisor) = (table.to_f32(), ((hidden / stack.heads) as f32).sqrt());
                let mut values = Vec::with_capacity(stack.heads * (2 * longest - 1));
                for head in 0..stack.heads {
                    values.extend(by_distance(longest).map(|behind| {
                        table[log_bucket(behind, *buckets, *farthest) * stack.heads + head] * divisor
                    }));
                }
                Ok(Self::Bias(values))
            }
            blueprint::Relation::Disentangled(plan) => {
                let Disentangled { table, norm, span, .. } = plan;
                let table = checkpoint.matrix(&format!("{table}.weight"), 2 * span, hidden)?;
                let mut embedded = table.to_f32().into_owned();
                if let Some(norm) = norm {
                    let norm = LayerNorm::load(checkpoint, norm)?;
                    embedded.chunks_exact_mut(hidden).for_each(|row| norm.apply(row));
                }
                let rows = by_distance(longest).map(|behind| plan.row(-behind)).collect();
                let terms = 1 + usize::from(plan.content_to_position) + usize::from(plan.position_to_content);
                Ok(Self::Disentangled { embedded, rows, terms })
            }
        }
    }

    /// Projects the distances with the weights of a layer.
    pub(crate) fn distances(
        &self,
        checkpoint: &Checkpoint<'_>,
        projections: &[Option<Dense>; 2],
    ) -> Result<Distances, Error> {
        let Self::Disentangled { embedded, .. } = self else { return Ok([None, None]) };
        let project = |dense: &Option<Dense>| -> Result<Option<Vec<f32>>, Error> {
            let Some(dense) = dense else { return Ok(None) };
            Linear::<F32>::load(checkpoint, dense)?.apply(embedded).map(Some)
        };
        let [keys, queries] = projections;
        Ok([project(keys)?, project(queries)?])
    }

    /// The factor of the scores.
    pub(crate) fn scale(&self, size: usize) -> f32 {
        let terms = if let Self::Disentangled { terms, .. } = self { *terms } else { 1 };
        ((size * terms) as f32).sqrt().recip()
    }

    /// The relation in the kernels' form, for a layer with these `distances` and `turns`.
    pub(crate) fn of_layer<'a>(
        &'a self,
        distances: &'a Distances,
        turns: &'a [f32],
        hidden: usize,
        heads: usize,
    ) -> places::Relation<'a> {
        match self {
            Self::None => places::Relation::None,
            Self::Rotary => places::Relation::Rotary { turns },
            Self::Bias(values) => {
                places::Relation::Bias { values, longest: (values.len() / heads).div_ceil(2) }
            }
            Self::Disentangled { rows, .. } => places::Relation::Disentangled {
                of_keys: distances[0].as_deref(),
                of_queries: distances[1].as_deref(),
                width: hidden,
                rows,
                longest: rows.len().div_ceil(2),
            },
        }
    }
}

/// All distances of a key behind its query, in ascending order; they are negative for keys before the query.
fn by_distance(longest: usize) -> impl Iterator<Item = i64> {
    let longest = longest as i64;
    1 - longest..longest
}

impl Disentangled {
    /// The row of the table for a query that lies `ahead` of its key, computed as in transformers
    /// (`make_log_bucket_position`), with the rounding of f32.
    fn row(&self, ahead: i64) -> u32 {
        let middle = (self.span / 2) as i64;
        let bucket = if self.buckets && ahead.abs() > middle {
            let middle = middle as f32;
            let part =
                (ahead.unsigned_abs() as f32 / middle).ln() / ((self.farthest - 1) as f32 / middle).ln();
            ((part * (middle - 1.0)).ceil() + middle) as i64 * ahead.signum()
        } else {
            ahead
        };
        let span = self.span as i64;
        bucket.saturating_add(span).clamp(0, 2 * span - 1) as u32
    }
}

/// The bucket of a key that lies `behind` its query, as in T5. Each direction has half of the buckets; half of these
/// stand for one distance each, and the others grow logarithmically.
fn log_bucket(behind: i64, buckets: usize, farthest: usize) -> usize {
    let half = buckets / 2;
    let exact = half / 2;
    let distance = behind.unsigned_abs() as usize;
    let bucket = if distance < exact {
        distance
    } else {
        let part = (distance as f32 / exact as f32).ln() / (farthest as f64 / exact as f64).ln() as f32;
        (exact + (part * (half - exact) as f32) as usize).min(half - 1)
    };
    if behind > 0 { bucket + half } else { bucket }
}

/// The rotations of queries and keys for each base of the layers, computed once for the longest window so far.
#[derive(Default)]
pub(crate) struct Turns(Vec<(f32, Vec<f32>)>);

impl Turns {
    /// Prepares for windows of `places` tokens and heads of `size` columns.
    pub(crate) fn prepare(&mut self, bases: impl Iterator<Item = f32>, size: usize, places: usize) {
        for base in bases {
            let at = self.0.iter().position(|(other, _)| *other == base).unwrap_or_else(|| {
                self.0.push((base, Vec::new()));
                self.0.len() - 1
            });
            let turns = &mut self.0[at].1;
            for place in turns.len() / size..places {
                let angles = (0..size / 2).map(|pair| {
                    let exponent = (2 * pair) as f32 / size as f32;
                    let frequency = f64::from(base).powf(f64::from(exponent)) as f32;
                    f64::from(place as f32 * frequency.recip())
                });
                turns.extend(angles.clone().map(|angle| angle.cos() as f32));
                turns.extend(angles.map(|angle| angle.sin() as f32));
            }
        }
    }

    /// The rotations, `[places, size]`: half cosines, half sines.
    pub(crate) fn of(&self, base: f32) -> &[f32] {
        self.0.iter().find(|(other, _)| *other == base).map_or(&[], |(_, turns)| turns)
    }
}
