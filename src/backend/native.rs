use std::sync::Arc;

use ndarray::Array2;

use super::{RaggedBatch, Runner};
use crate::engine::{Blueprint, Checkpoint, Network, NetworkScratch, Precision, Spare, Table};
use crate::error::Error;

/// The native engine behind the backend's boundary.
pub(crate) struct Native {
    network: Network,
    scratch: Spare<NetworkScratch>,
}

impl Native {
    pub(crate) fn load(
        checkpoint: &Checkpoint<'_>,
        plan: &Blueprint,
        words: Option<Arc<Table>>,
        precision: Precision,
    ) -> Result<Self, Error> {
        Ok(Self { network: Network::load(checkpoint, plan, words, precision)?, scratch: Spare::default() })
    }
}

impl Runner for Native {
    fn run(&self, batch: &RaggedBatch) -> Result<Vec<Array2<f32>>, Error> {
        self.scratch.lend(|| self.network.scratch(), |scratch| self.network.forward(batch, scratch))
    }
}
