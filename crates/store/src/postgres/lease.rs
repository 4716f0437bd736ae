//! The lease on the version of the policies: a node goes by no version that another's acknowledged
//! change has replaced.
//!
//! The argument is in docs/decisions/0018.

mod keeping;
mod nodes;

use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_postgres::Client;

#[cfg(test)]
use super::connect::Purpose;
use super::connect::{Connection, Connector};
use crate::StoreError;
use crate::limits::{LEASE_OVER, LEASE_START_TIME, LEASE_TIME, LEASE_WAIT};
use keeping::Keeper;

/// This node's lease. It is kept in the background until it is closed or dropped.
pub(crate) struct Lease {
    held: watch::Receiver<Held>,
    asked: watch::Sender<Asked>,
    known_to_all: watch::Receiver<u64>,
    keeping: Mutex<Option<JoinHandle<()>>>,
    runtime: Handle,
}

/// What is known of the version.
#[derive(Clone, Debug, Default)]
struct Held {
    /// The newest version that was read, once one was. It never falls.
    version: Option<u64>,
    /// Until when no newer one can have been acknowledged.
    until: Option<Instant>,
    /// The last ask for a renewal that the newest renewal answers.
    answered: u64,
    /// Why there was none since.
    fault: Option<String>,
}

impl Held {
    fn now(&self) -> Option<u64> {
        self.version.filter(|_| self.until.is_some_and(|until| Instant::now() < until))
    }
}

/// What the keeper is asked for.
#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    /// Counts the asks for a renewal that begins from now.
    renewal: u64,
    /// The newest version that all nodes shall know of.
    version: u64,
    /// To say goodbye.
    close: bool,
}

impl Lease {
    /// Connects, and waits for the first lease.
    #[cfg(test)]
    pub(crate) async fn start(connector: Connector) -> Result<Self, StoreError> {
        let connected = connector.connect(Purpose::Lease).await?;
        let lease = Self::kept_on(&Handle::current(), connector, Some(connected))?;
        let mut held = lease.held.clone();
        // Later on a fault may pass; at the start it is told.
        let first = held.wait_for(|held| held.version.is_some() || held.fault.is_some());
        match timeout(LEASE_START_TIME, first).await {
            Ok(Ok(held)) if held.fault.is_none() => {}
            Ok(_) | Err(_) => return Err(lease.unknown()),
        }
        Ok(lease)
    }

    /// Begins to keep the lease, and does not wait for the first one: whoever asks for the version
    /// does.
    pub(crate) fn begin(runtime: &Handle, connector: Connector) -> Result<Self, StoreError> {
        Self::kept_on(runtime, connector, None)
    }

    fn kept_on(
        runtime: &Handle,
        connector: Connector,
        connected: Option<(Client, Connection)>,
    ) -> Result<Self, StoreError> {
        let (held_by, held) = watch::channel(Held::default());
        let (asked, asks) = watch::channel(Asked::default());
        let (known_by, known_to_all) = watch::channel(0);
        let keeper = Keeper::new(connector, held_by, asks, known_by)?;
        let keeping = Mutex::new(Some(runtime.spawn(keeper.keep(connected))));
        Ok(Self { held, asked, known_to_all, keeping, runtime: runtime.clone() })
    }

    /// A version that is not older than any change acknowledged before this was asked.
    pub(crate) async fn version(&self) -> Result<u64, StoreError> {
        let held = self.held.borrow().now();
        match held {
            Some(version) => Ok(version),
            None => self.newest().await,
        }
    }

    /// The version that the database has now.
    pub(crate) async fn newest(&self) -> Result<u64, StoreError> {
        let mut ask = 0;
        self.asked.send_modify(|asked| {
            asked.renewal += 1;
            ask = asked.renewal;
        });
        let mut held = self.held.clone();
        let is_first = held.borrow().version.is_none();
        let wait = if is_first { LEASE_START_TIME } else { LEASE_WAIT };
        let answered = held.wait_for(|held| held.answered >= ask && held.now().is_some());
        match timeout(wait, answered).await {
            Ok(Ok(held)) => held.version.ok_or_else(|| self.unknown()),
            Ok(Err(_)) | Err(_) => Err(self.unknown()),
        }
    }

    /// Waits until no node goes by an older version than this one, which was committed: because each
    /// says so, or because no lease on an older one can be left. It always comes to that.
    pub(crate) async fn acknowledged(&self, version: u64) {
        let over = Instant::now() + LEASE_OVER;
        self.asked.send_modify(|asked| {
            asked.renewal += 1;
            asked.version = asked.version.max(version);
        });
        let mut known_to_all = self.known_to_all.clone();
        let known = known_to_all.wait_for(|known| *known >= version);
        if !matches!(timeout_at(over, known).await, Ok(Ok(_))) {
            sleep_until(over).await;
        }
    }

    /// Does something after that, as a task of its own.
    pub(crate) fn after_acknowledgement(
        self: &Arc<Self>,
        version: u64,
        then: impl FnOnce() + Send + 'static,
    ) {
        let lease = Arc::clone(self);
        self.runtime.spawn(async move {
            lease.acknowledged(version).await;
            then();
        });
    }

    /// Gives the lease up: nothing is decided any more, and nobody waits for this node.
    pub(crate) async fn close(&self) {
        self.asked.send_modify(|asked| asked.close = true);
        let keeping = self.keeping.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut keeping) = keeping
            && timeout(LEASE_TIME, &mut keeping).await.is_err()
        {
            keeping.abort();
        }
    }

    fn unknown(&self) -> StoreError {
        let fault = self.held.borrow().fault.clone();
        let why = fault.unwrap_or_else(|| "the database does not answer in time".to_owned());
        StoreError::Unavailable(format!("the version of the policies is not known: {why}"))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let keeping = self.keeping.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(keeping) = keeping.take() {
            keeping.abort();
        }
    }
}
