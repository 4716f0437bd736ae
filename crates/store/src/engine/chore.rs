//! What the store does for itself, in the writer's transactions and between requests.

use std::sync::{Arc, Mutex, PoisonError};

use super::apply::{Applied, Changes, Failed, Tools};
use super::writer::{Answer, Writer};
use crate::WriteError;
use crate::database::Result as Done;
use crate::prepare::Prepared;
use firewarden_fhir::Timestamp;

/// An act in a savepoint of its own, and the index rows that it changes. It may be done several
/// times before one of them is committed.
#[derive(Clone)]
pub(crate) struct Chore(Arc<dyn Fn(Tools<'_>) -> Done<Changes> + Send + Sync>);

impl Chore {
    /// Does it.
    pub(crate) fn apply(&self, tools: Tools<'_>) -> Result<Applied, Failed> {
        let index = (self.0)(tools)?;
        let (policies_changed, is_of_policies) = (false, false);
        Ok(Applied { written: Vec::new(), index, policies_changed, is_of_policies })
    }
}

/// Does something in the writer's transaction; what came of it, after it is durable.
pub(crate) async fn perform<T: Send + 'static>(
    writer: &Writer,
    now: Timestamp,
    act: impl Fn(Tools<'_>) -> Done<(T, Changes)> + Send + Sync + 'static,
) -> Result<T, WriteError> {
    let found = Arc::new(Mutex::new(None));
    let told = Arc::clone(&found);
    let chore = Chore(Arc::new(move |tools| {
        let (outcome, changes) = act(tools)?;
        *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        Ok(changes)
    }));
    let request = Prepared { policy_version: None, now, writes: Vec::new(), chore: Some(chore) };
    let answer: Answer = writer.queue(request)?;
    let lost = |_| WriteError::Unknown("the writer ended before it answered".to_owned());
    answer.await.map_err(lost)??;
    let outcome = found.lock().unwrap_or_else(PoisonError::into_inner).take();
    outcome.ok_or_else(|| WriteError::Unavailable("nothing was done".to_owned()))
}
