//! The lease on the version of the policies: a node goes by no version that another's acknowledged
//! change has replaced.
//!
//! The argument is in docs/decisions/0018.

mod keeping;
mod nodes;

use std::sync::mpsc;
use std::thread;

use tokio::runtime;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::connect::{Connector, Purpose};
use crate::StoreError;
use crate::limits::{LEASE_OVER, LEASE_START_TIME, LEASE_TIME, LEASE_WAIT};
use keeping::Keeper;

/// This node's lease. It is kept on a thread of its own, which no other work holds up, until it is
/// closed or dropped.
pub(crate) struct Lease {
    held: watch::Receiver<Held>,
    asked: watch::Sender<Asked>,
    known_to_all: watch::Receiver<u64>,
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

    fn unknown(&self) -> StoreError {
        let why = self.fault.as_deref().unwrap_or("the database does not answer in time");
        StoreError::Unavailable(format!("the version of the policies is not known: {why}"))
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
    /// Connects, and waits for the first lease on the caller's thread.
    pub(crate) fn start(connector: Connector) -> Result<Self, StoreError> {
        let (held_by, held) = watch::channel(Held::default());
        let (asked, asks) = watch::channel(Asked::default());
        let (known_by, known_to_all) = watch::channel(0);
        let keeper = Keeper::new(connector.clone(), held_by, asks, known_by)?;
        let lease = Self { held, asked, known_to_all };
        let (told, first) = mpsc::channel();
        let watched = lease.held.clone();
        let no_thread = |error: std::io::Error| StoreError::Unavailable(error.to_string());
        let runtime =
            runtime::Builder::new_current_thread().enable_all().build().map_err(no_thread)?;
        let keep = async move {
            match connector.connect(Purpose::Lease).await {
                Ok(connected) => {
                    let first = Self::first(watched, told);
                    tokio::join!(keeper.keep(connected), first);
                }
                Err(error) => drop(told.send(Err(error))),
            }
        };
        thread::Builder::new()
            .name("store-lease".to_owned())
            .spawn(move || runtime.block_on(keep))
            .map_err(no_thread)?;
        // Whoever connects has a limit of its own for each of the servers.
        match first.recv() {
            Ok(outcome) => outcome.map(|()| lease),
            Err(_) => Err(lease.unknown()),
        }
    }

    /// Tells of the first lease. Later on a fault may pass; at the start it is told.
    async fn first(mut held: watch::Receiver<Held>, told: mpsc::Sender<Result<(), StoreError>>) {
        let first = held.wait_for(|held| held.version.is_some() || held.fault.is_some());
        let outcome = match timeout(LEASE_START_TIME, first).await {
            Ok(Ok(held)) if held.fault.is_none() => Ok(()),
            Ok(Ok(held)) => Err(held.unknown()),
            Ok(Err(_)) | Err(_) => Err(Held::default().unknown()),
        };
        // Who started it waits for this.
        let _ = told.send(outcome);
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
        let answered = held.wait_for(|held| held.answered >= ask && held.now().is_some());
        match timeout(LEASE_WAIT, answered).await {
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

    /// Gives the lease up: nothing is decided any more, and nobody waits for this node.
    pub(crate) async fn close(&self) {
        self.asked.send_modify(|asked| asked.close = true);
        let mut held = self.held.clone();
        // The keeper lets go of what it holds when it has ended.
        let ended = async { while held.changed().await.is_ok() {} };
        drop(timeout(LEASE_TIME, ended).await);
    }

    fn unknown(&self) -> StoreError {
        self.held.borrow().unknown()
    }
}
