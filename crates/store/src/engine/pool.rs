//! Connections for searches and histories, each query with a deadline.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::StoreError;
use crate::database::{Reader, Session};
use crate::limits::{QUERY_TIME, READ_WAIT, READS_WAITING_MAX};
use crate::waiting::Waiting;

/// Connections, and who waits for one.
pub(crate) struct Pool {
    idle: Arc<Mutex<Vec<Reader>>>,
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// A snapshot of the database, for one query.
pub(crate) struct Reading<'a> {
    pub session: &'a Session<'a>,
    pub over: &'a AtomicBool,
}

/// The flag of readings without a deadline.
static NEVER_OVER: AtomicBool = AtomicBool::new(false);

impl<'a> Reading<'a> {
    /// One without a deadline, for looks that are bounded by themselves.
    pub(crate) fn short(session: &'a Session<'a>) -> Self {
        Self { session, over: &NEVER_OVER }
    }

    /// Fails when the time is up: for loops whose statements are each too short to notice.
    pub(crate) fn check_time(&self) -> Result<(), StoreError> {
        if self.over.load(Ordering::Relaxed) { Err(StoreError::TooExpensive) } else { Ok(()) }
    }
}

impl Pool {
    pub(crate) fn new(connections: Vec<Reader>) -> Self {
        let places = Arc::new(Semaphore::new(connections.len()));
        Self { idle: Arc::new(Mutex::new(connections)), places, waiting: AtomicUsize::new(0) }
    }

    /// Runs a query on a thread for blocking work. It ends early when its time is up, or when its
    /// caller has left.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Reading<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.lend(|lent, over| lent.run(over, query)).await
    }

    /// The same for one look that needs no snapshot.
    pub(crate) async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Reading<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.lend(|lent, over| lent.look(over, look)).await
    }

    async fn lend<T: Send + 'static>(
        &self,
        use_of: impl FnOnce(&mut Lent, Arc<AtomicBool>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let place = self.place().await?;
        let over = OverOnDrop(Arc::new(AtomicBool::new(false)));
        let (idle, flag) = (self.idle.clone(), over.0.clone());
        let mut running =
            tokio::task::spawn_blocking(move || use_of(&mut Lent::new(idle, place)?, flag));
        let outcome = match timeout(QUERY_TIME, &mut running).await {
            Ok(outcome) => outcome,
            Err(_) => {
                over.0.store(true, Ordering::Relaxed);
                running.await
            }
        };
        outcome.map_err(|_| StoreError::Unavailable("the query was not run".to_owned()))?
    }

    /// Runs a query that may take however long it takes, as those of an operator do.
    pub(crate) async fn run_long<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Reading<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let place = self.place().await?;
        let over = OverOnDrop(Arc::new(AtomicBool::new(false)));
        let (idle, flag) = (self.idle.clone(), over.0.clone());
        tokio::task::spawn_blocking(move || Lent::new(idle, place)?.run(flag, query))
            .await
            .map_err(|_| StoreError::Unavailable("the query was not run".to_owned()))?
    }

    async fn place(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        let crowded = || StoreError::Unavailable("too many queries are waiting".to_owned());
        if let Ok(place) = self.places.clone().try_acquire_owned() {
            return Ok(place);
        }
        let _waiting = Waiting::enter(&self.waiting, READS_WAITING_MAX).ok_or_else(crowded)?;
        match timeout(READ_WAIT, self.places.clone().acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => Err(crowded()),
        }
    }
}

/// Ends the query when its caller is dropped.
struct OverOnDrop(Arc<AtomicBool>);

impl Drop for OverOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A connection that goes back to the pool, however its query ends.
struct Lent {
    connection: Option<Reader>,
    idle: Arc<Mutex<Vec<Reader>>>,
    _place: OwnedSemaphorePermit,
}

impl Lent {
    fn new(idle: Arc<Mutex<Vec<Reader>>>, place: OwnedSemaphorePermit) -> Result<Self, StoreError> {
        let connection = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Ok(Self { connection, idle, _place: place })
    }

    fn run<T>(
        &mut self,
        over: Arc<AtomicBool>,
        query: impl FnOnce(&Reading<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.reader()?.read(&over, |session| query(&Reading { session, over: &over }))
    }

    fn look<T>(
        &mut self,
        over: Arc<AtomicBool>,
        look: impl FnOnce(&Reading<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.reader()?.look(&over, |session| look(&Reading { session, over: &over }))
    }

    fn reader(&mut self) -> Result<&mut Reader, StoreError> {
        let none = || StoreError::Unavailable("no connection".to_owned());
        self.connection.as_mut().ok_or_else(none)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::database::unavailable;

    fn pool(connections: usize) -> Pool {
        let open = |_| Reader::Sqlite(Connection::open_in_memory().unwrap());
        Pool::new((0..connections).map(open).collect())
    }

    const ENDLESS: &str =
        "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n";

    #[test]
    fn a_query_whose_time_is_up_ends() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let pool = pool(1);
            let place = pool.places.clone().acquire_owned().await.unwrap();
            let mut lent = Lent::new(pool.idle.clone(), place).unwrap();
            let over = Arc::new(AtomicBool::new(true));
            let outcome = lent.run(over, |reading| {
                assert!(matches!(reading.check_time(), Err(StoreError::TooExpensive)));
                reading.session.row(ENDLESS, (), |_| Ok(())).map_err(unavailable)
            });
            assert!(matches!(outcome, Err(StoreError::TooExpensive)));
        });
    }

    #[test]
    fn a_query_whose_caller_left_gives_its_connection_back() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let pool = pool(1);
            let endless = |reading: &Reading<'_>| {
                reading.session.row(ENDLESS, (), |_| Ok(())).map_err(unavailable)
            };
            let mut left = Box::pin(pool.run(endless));
            std::future::poll_fn(|task| {
                std::task::Poll::Ready(left.as_mut().poll(task).is_ready())
            })
            .await;
            drop(left);
            pool.run(|_| Ok(())).await.unwrap();
        });
    }

    #[test]
    fn a_query_that_panics_gives_its_connection_back() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let pool = pool(1);
            let lost = pool.run(|_| -> Result<(), _> { panic!("on purpose") }).await;
            assert!(matches!(lost, Err(StoreError::Unavailable(_))));
            pool.run(|_| Ok(())).await.unwrap();
        });
    }
}
