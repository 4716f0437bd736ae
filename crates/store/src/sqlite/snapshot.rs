//! What all statements of one query see.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;

use crate::limits::INSTRUCTIONS_BETWEEN_CHECKS;

/// A snapshot of the database. It ends when this is dropped.
pub(crate) struct Snapshot<'a>(pub &'a Connection);

impl<'a> Snapshot<'a> {
    pub(crate) fn begin(connection: &'a Connection) -> rusqlite::Result<Self> {
        // One that could not be ended is not what the next query is to see.
        if !connection.is_autocommit() {
            connection.prepare_cached("ROLLBACK")?.execute([])?;
        }
        connection.prepare_cached("BEGIN")?.execute([])?;
        Ok(Self(connection))
    }

    /// The same, for a query that is interrupted when it is over.
    pub(crate) fn begin_until(
        connection: &'a mut Connection,
        over: &Arc<AtomicBool>,
    ) -> rusqlite::Result<Self> {
        let over = Arc::clone(over);
        connection.progress_handler(
            INSTRUCTIONS_BETWEEN_CHECKS,
            Some(move || over.load(Ordering::Relaxed)),
        )?;
        Self::begin(connection)
    }
}

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        let ended = self.0.prepare_cached("ROLLBACK").and_then(|mut s| s.execute([]));
        if let Err(error) = ended {
            tracing::warn!(%error, "a snapshot was not ended");
        }
    }
}
