//! The connections for the rules of policies: apart from all others, each query with a deadline.

use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use firewarden_access::Unanswered;
use rusqlite::{Connection, ErrorCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::deadline::Deadline;
use super::permitted;
use crate::engine::dictionary::Dictionary;
use crate::limits::{POLICY_QUERIES_WAITING_MAX, POLICY_READERS_MAX};
use crate::waiting::Waiting;

/// Connections, and who waits for one.
pub(crate) struct PolicyReaders {
    idle: Arc<Mutex<Vec<PolicyReader>>>,
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// A connection, and when what it runs shall end.
struct PolicyReader {
    connection: Connection,
    deadline: Arc<Deadline>,
}

impl PolicyReaders {
    pub(crate) fn open(
        path: &Path,
        base_url: &str,
        dictionary: &Dictionary,
        readers: usize,
    ) -> rusqlite::Result<Self> {
        let open = |_| {
            let deadline = Arc::default();
            let connection = permitted::open(path, base_url, dictionary, &deadline)?;
            Ok(PolicyReader { connection, deadline })
        };
        let readers: rusqlite::Result<Vec<_>> =
            (0..readers.clamp(1, POLICY_READERS_MAX)).map(open).collect();
        let readers = readers?;
        let places = Arc::new(Semaphore::new(readers.len()));
        Ok(Self { idle: Arc::new(Mutex::new(readers)), places, waiting: AtomicUsize::new(0) })
    }

    /// Runs a query on a thread for blocking work. When its time is up, or its caller has left,
    /// nobody waits for it any more and it ends.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        time: Duration,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Unanswered> {
        match timeout(time, self.run_to_its_end(query)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Unanswered::OutOfTime),
        }
    }

    async fn run_to_its_end<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Unanswered> {
        let place = self.place().await?;
        let lent = Lent::new(&self.idle, place)?;
        let _end = EndOnDrop { deadline: Arc::clone(&lent.deadline), run: lent.deadline.begin() };
        let running = tokio::task::spawn_blocking(move || lent.run(query));
        running.await.map_err(|_| Unanswered::Failed)?
    }

    async fn place(&self) -> Result<OwnedSemaphorePermit, Unanswered> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(place);
        }
        let waiting = Waiting::enter(&self.waiting, POLICY_QUERIES_WAITING_MAX);
        let _waiting = waiting.ok_or(Unanswered::Busy)?;
        Arc::clone(&self.places).acquire_owned().await.map_err(|_| Unanswered::Busy)
    }
}

/// Ends the query when nobody waits for it.
struct EndOnDrop {
    deadline: Arc<Deadline>,
    run: u64,
}

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.deadline.end(self.run);
    }
}

/// A connection that goes back when its query has ended, however it did.
struct Lent {
    connection: Option<Connection>,
    deadline: Arc<Deadline>,
    idle: Arc<Mutex<Vec<PolicyReader>>>,
    _place: OwnedSemaphorePermit,
}

impl Lent {
    fn new(
        idle: &Arc<Mutex<Vec<PolicyReader>>>,
        place: OwnedSemaphorePermit,
    ) -> Result<Self, Unanswered> {
        let reader = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let PolicyReader { connection, deadline } = reader.ok_or(Unanswered::Busy)?;
        Ok(Self { connection: Some(connection), deadline, idle: Arc::clone(idle), _place: place })
    }

    fn run<T>(
        self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Unanswered> {
        let connection = self.connection.as_ref().ok_or(Unanswered::Failed)?;
        query(connection).map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => Unanswered::OutOfTime,
            Some(_) | None => {
                // Its words may name what a policy reads: they are for nobody.
                tracing::debug!(code = ?error.sqlite_error_code(), "a policy's query failed");
                Unanswered::Failed
            }
        })
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            let reader = PolicyReader { connection, deadline: Arc::clone(&self.deadline) };
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
        }
    }
}
