//! The connections for the rules of policies: apart from all others, opened when they are needed,
//! and again when they broke.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use firewarden_access::policy_query::ValueType;
use firewarden_access::{QueryAnswer, Unanswered};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use super::render::{Names, Rendered};
use super::session::{Ended, Session};
use crate::engine::dictionary::Dictionary;
use crate::limits::{POLICY_QUERIES_WAITING_MAX, POLICY_READERS_MAX};
use crate::postgres::connect::Connector;
use crate::waiting::Waiting;

/// Connections, and who waits for one.
pub(crate) struct PostgresReaders {
    names: Names,
    pool: Arc<Pool>,
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
}

struct Pool {
    connector: Connector,
    idle: Mutex<Vec<Session>>,
}

impl PostgresReaders {
    /// At most so many connections, none of which is opened yet.
    pub(crate) fn new(
        connector: Connector,
        dictionary: Arc<Dictionary>,
        base_url: String,
        readers: usize,
    ) -> Self {
        let names = Names { dictionary, base_url };
        let pool = Arc::new(Pool { connector, idle: Mutex::default() });
        let places = Arc::new(Semaphore::new(readers.clamp(1, POLICY_READERS_MAX)));
        Self { names, pool, places, waiting: AtomicUsize::new(0) }
    }

    /// What a query is rendered with.
    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    /// Whether there is a connection, or can be: one is opened if there is none, so that the first
    /// rule need not wait for it.
    pub(crate) async fn check(&self) -> Result<(), Unanswered> {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return Ok(()) };
        let pool = Arc::clone(&self.pool);
        let checking = tokio::spawn(async move {
            let session = pool.take_or_open().await?;
            pool.give_back(session, place);
            Ok(())
        });
        checking.await.map_err(|_| Unanswered::Failed)?
    }

    /// Runs a query. When its time is up, or its caller has left, nobody waits for it any more and
    /// it ends.
    pub(crate) async fn run(
        &self,
        time: Duration,
        rendered: Rendered,
        of: Option<ValueType>,
    ) -> Result<QueryAnswer, Unanswered> {
        match timeout(time, self.run_to_its_end(rendered, of)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Unanswered::OutOfTime),
        }
    }

    async fn run_to_its_end(
        &self,
        rendered: Rendered,
        of: Option<ValueType>,
    ) -> Result<QueryAnswer, Unanswered> {
        let place = self.place().await?;
        let pool = Arc::clone(&self.pool);
        // Dropped when the caller leaves. The task goes on until the connection is idle.
        let (_waits, left) = oneshot::channel();
        let running = tokio::spawn(async move { pool.run(place, rendered, of, left).await });
        running.await.map_err(|_| Unanswered::Failed)?
    }

    /// Waits until none of so many connections runs anything.
    #[cfg(test)]
    pub(super) async fn all_idle(&self, readers: u32) {
        drop(self.places.acquire_many(readers).await.unwrap());
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

impl Pool {
    /// Runs a query on an idle connection or a new one. It has its place until then.
    async fn run(
        &self,
        place: OwnedSemaphorePermit,
        rendered: Rendered,
        of: Option<ValueType>,
        mut left: oneshot::Receiver<()>,
    ) -> Result<QueryAnswer, Unanswered> {
        // A connection that is opened for nobody is there for the next rule.
        let session = self.take_or_open().await?;
        if has_left(&mut left) {
            self.give_back(session, place);
            return Err(Unanswered::OutOfTime);
        }
        let Ended { answer, session } = session.run(&self.connector, &rendered, of, left).await;
        if let Some(session) = session {
            self.give_back(session, place);
        }
        answer
    }

    /// An idle connection, the one used last, or a new one.
    async fn take_or_open(&self) -> Result<Session, Unanswered> {
        let taken = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.retain(Session::is_open);
            idle.pop()
        };
        match taken {
            Some(session) => Ok(session),
            None => Session::open(&self.connector).await,
        }
    }

    /// Puts a connection back before its place is free.
    fn give_back(&self, session: Session, place: OwnedSemaphorePermit) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(session);
        drop(place);
    }
}

/// Whether nobody waits for the query any more.
fn has_left(left: &mut oneshot::Receiver<()>) -> bool {
    matches!(left.try_recv(), Err(oneshot::error::TryRecvError::Closed))
}
