//! The connections for the rules of policies: apart from all others, opened when they are needed,
//! and again when they broke.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use firewarden_access::policy_query::ValueType;
use firewarden_access::{QueryAnswer, Unanswered};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use super::render::Rendered;
use super::session::{Connect, Ended, Session};
use crate::limits::{POLICY_CONNECT_TIME, POLICY_QUERIES_WAITING_MAX, POLICY_READERS_MAX};

/// Connections, and who waits for one.
pub(crate) struct PolicyReaders {
    pool: Arc<Pool>,
    places: Arc<Semaphore>,
    readers: usize,
    waiting: AtomicUsize,
}

struct Pool {
    connect: Box<dyn Connect>,
    idle: Mutex<Vec<Session>>,
}

impl PolicyReaders {
    /// At most so many connections, none of which is opened yet.
    pub(crate) fn new(connect: Box<dyn Connect>, readers: usize) -> Self {
        let readers = readers.clamp(1, POLICY_READERS_MAX);
        let pool = Arc::new(Pool { connect, idle: Mutex::default() });
        let places = Arc::new(Semaphore::new(readers));
        Self { pool, places, readers, waiting: AtomicUsize::new(0) }
    }

    /// Opens the connections that are not open, so that the first rules need not wait for them.
    pub(crate) async fn warm(&self) -> Result<(), Unanswered> {
        for _ in 0..self.readers {
            let place = self.place().await?;
            if self.pool.open_idle() >= self.readers {
                break;
            }
            let pool = Arc::clone(&self.pool);
            let opening = tokio::spawn(async move {
                let session = pool.open().await;
                session.map(|session| pool.give_back(session, place))
            });
            opening.await.map_err(|_| Unanswered::Failed)??;
        }
        Ok(())
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

    /// Waits until no connection runs anything.
    #[cfg(test)]
    pub(super) async fn all_idle(&self) {
        let places = u32::try_from(self.readers).unwrap();
        drop(self.places.acquire_many(places).await.unwrap());
    }

    async fn place(&self) -> Result<OwnedSemaphorePermit, Unanswered> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(place);
        }
        let _waiting = Waiting::enter(&self.waiting)?;
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
        let session = match self.take() {
            Some(session) => session,
            // A connection that is opened for nobody is there for the next rule.
            None => self.open().await?,
        };
        if has_left(&mut left) {
            self.give_back(session, place);
            return Err(Unanswered::OutOfTime);
        }
        let Ended { answer, session } = session.run(&*self.connect, &rendered, of, left).await;
        if let Some(session) = session {
            self.give_back(session, place);
        }
        answer
    }

    async fn open(&self) -> Result<Session, Unanswered> {
        let opened = timeout(POLICY_CONNECT_TIME, Session::open(&*self.connect)).await;
        opened.unwrap_or(Err(Unanswered::Failed))
    }

    /// An idle connection, the one used last.
    fn take(&self) -> Option<Session> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(Session::is_open);
        idle.pop()
    }

    /// How many connections are idle.
    fn open_idle(&self) -> usize {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(Session::is_open);
        idle.len()
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

/// One that waits, counted while it does.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize) -> Result<Self, Unanswered> {
        let before = count.fetch_add(1, Ordering::Relaxed);
        let waiting = Self(count);
        if before < POLICY_QUERIES_WAITING_MAX { Ok(waiting) } else { Err(Unanswered::Busy) }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
