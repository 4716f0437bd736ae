//! Keeps a lease: renews it, hears of changes, and connects again.

use std::convert::Infallible;
use std::future::{pending, poll_fn};

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_postgres::{AsyncMessage, Client};
use tracing::{info, warn};

use super::nodes::Nodes;
use super::{Asked, Held};
use crate::StoreError;
use crate::limits::{LEASE_RENEWED_EVERY, LEASE_RETRY_MAX, LEASE_RETRY_MIN, LEASE_TIME};
use crate::postgres::connect::{Connection, Connector, Purpose, reason};

/// What a node says it goes by before it has read a version.
const NO_VERSION: i64 = -1;

/// Says which version the node goes by, and reads which one there is. No row for a node that is not
/// known, or not any more.
const RENEW: &str = "UPDATE node SET adopted = $2, renewals = renewals + 1, \
     renewed = clock_timestamp() FROM state WHERE id = $1 RETURNING policy_version";

/// Lets a database that has gone back to an older version go on from the newest one that was seen:
/// what is remembered by version must not come to mean something else.
const GO_ON: &str = "UPDATE state SET policy_version = $1 + 1 WHERE policy_version < $1";

/// Keeps the lease of one node.
pub(super) struct Keeper {
    connector: Connector,
    node: String,
    held: watch::Sender<Held>,
    asks: watch::Receiver<Asked>,
    nodes: Nodes,
}

/// How the keeping on one connection ended.
enum Ended {
    Closed,
    Lost(String),
}

impl Keeper {
    pub(super) fn new(
        connector: Connector,
        held: watch::Sender<Held>,
        asks: watch::Receiver<Asked>,
        known_to_all: watch::Sender<u64>,
    ) -> Result<Self, StoreError> {
        let mut random = [0_u8; 16];
        aws_lc_rs::rand::fill(&mut random)
            .map_err(|_| StoreError::Unavailable("there is no randomness".to_owned()))?;
        let node = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let nodes = Nodes::new(asks.clone(), known_to_all);
        Ok(Self { connector, node, held, asks, nodes })
    }

    /// Keeps the lease until it is closed.
    pub(super) async fn keep(mut self, mut connected: Option<(Client, Connection)>) {
        let mut wait = LEASE_RETRY_MIN;
        loop {
            let connection = match connected.take() {
                Some(connected) => Ok(connected),
                None => self.connector.connect(Purpose::Lease).await.map_err(|e| e.to_string()),
            };
            let was_kept = |held: &watch::Sender<Held>| held.borrow().fault.is_none();
            let fault = match connection {
                Ok(connected) => match self.keep_on(connected).await {
                    Ended::Closed => return,
                    Ended::Lost(fault) => fault,
                },
                Err(fault) => fault,
            };
            if was_kept(&self.held) {
                wait = LEASE_RETRY_MIN;
                warn!(fault, "the lease on the policies is lost: nothing is decided without one");
            }
            self.held.send_modify(|held| held.fault = Some(fault));
            if is_over(&self.asks) {
                return;
            }
            sleep(wait).await;
            wait = (wait * 2).min(LEASE_RETRY_MAX);
        }
    }

    async fn keep_on(&mut self, (client, connection): (Client, Connection)) -> Ended {
        let changed = Notify::new();
        let Self { node, held, asks, nodes, .. } = self;
        let (renewing, closing) = (asks.clone(), asks.clone());
        tokio::select! {
            fault = hear(connection, &changed) => Ended::Lost(fault),
            fault = renew(&client, node, held, renewing, &changed) => Ended::Lost(fault),
            fault = nodes.follow(&client) => Ended::Lost(reason(&fault)),
            () = leave(&client, node, held, closing) => Ended::Closed,
        }
    }
}

/// Moves the bytes of the connection, and tells when another node has changed the policies.
async fn hear(mut connection: Connection, changed: &Notify) -> String {
    loop {
        match poll_fn(|cx| connection.poll_message(cx)).await {
            Some(Ok(message)) => {
                if let AsyncMessage::Notification(_) = message {
                    changed.notify_one();
                }
            }
            Some(Err(error)) => return reason(&error),
            None => return "the server ended the connection".to_owned(),
        }
    }
}

/// Renews the lease, until the connection fails.
async fn renew(
    client: &Client,
    node: &str,
    held: &watch::Sender<Held>,
    asks: watch::Receiver<Asked>,
    changed: &Notify,
) -> String {
    match renew_on(client, node, held, asks, changed).await {
        Err(fault) => fault,
        Ok(never) => match never {},
    }
}

async fn renew_on(
    client: &Client,
    node: &str,
    held: &watch::Sender<Held>,
    mut asks: watch::Receiver<Asked>,
    changed: &Notify,
) -> Result<Infallible, String> {
    client.batch_execute("LISTEN firewarden_policies").await.map_err(|error| reason(&error))?;
    let statement = client.prepare(RENEW).await.map_err(|error| reason(&error))?;
    loop {
        let asked = *asks.borrow_and_update();
        if is_over(&asks) {
            return pending().await;
        }
        let version = held.borrow().version;
        let adopted = version.map_or(NO_VERSION, number);
        // INVARIANT: the lease counts from before the version was asked for.
        let sent = Instant::now();
        let answer = timeout(LEASE_TIME, client.query_opt(&statement, &[&node, &adopted])).await;
        let answer = answer.map_err(|_| "the database does not answer in time".to_owned())?;
        let newest = answer.map_err(|error| reason(&error))?.map(|row| row.get::<_, i64>(0));
        if is_over(&asks) {
            return pending().await;
        }
        match newest {
            None => join(client, node).await.map_err(|error| reason(&error))?,
            Some(newest) if newest < adopted => go_on(client, adopted).await?,
            Some(newest) => {
                adopt(held, newest, sent, asked.renewal);
                // A new version is told at once that it is gone by: its writer waits for that.
                if newest == adopted {
                    wait(sent + LEASE_RENEWED_EVERY, changed, &mut asks).await;
                }
            }
        }
    }
}

/// Whether the lease was closed or dropped.
fn is_over(asks: &watch::Receiver<Asked>) -> bool {
    asks.borrow().close || asks.has_changed().is_err()
}

/// Waits until then, or until there is a reason to renew before.
async fn wait(until: Instant, changed: &Notify, asks: &mut watch::Receiver<Asked>) {
    tokio::select! {
        () = sleep_until(until) => {}
        () = changed.notified() => {}
        _ = asks.changed() => {}
    }
}

async fn go_on(client: &Client, from: i64) -> Result<(), String> {
    warn!("the database has older policies than before: it was restored, or replaced");
    client.execute(GO_ON, &[&from]).await.map(drop).map_err(|error| reason(&error))
}

/// Goes by this version from now.
fn adopt(held: &watch::Sender<Held>, newest: i64, sent: Instant, answered: u64) {
    let mut had_failed = false;
    held.send_modify(|held| {
        had_failed = held.fault.take().is_some();
        held.version = u64::try_from(newest).ok();
        held.until = Some(sent + LEASE_TIME);
        held.answered = answered;
    });
    if had_failed {
        info!("the lease on the policies is renewed again");
    }
}

/// Makes the node known, before it has a lease. A crash of the database must not forget it: of all
/// that is written here, this alone waits for the disk.
async fn join(client: &Client, node: &str) -> Result<(), tokio_postgres::Error> {
    client
        .batch_execute(&format!(
            "BEGIN; SET LOCAL synchronous_commit = 'on'; \
             INSERT INTO node (id, adopted, renewals, renewed) \
             VALUES ('{node}', {NO_VERSION}, 0, clock_timestamp()) ON CONFLICT (id) DO NOTHING; \
             COMMIT"
        ))
        .await
}

/// Waits to be closed or dropped, and says goodbye.
async fn leave(
    client: &Client,
    node: &str,
    held: &watch::Sender<Held>,
    mut asks: watch::Receiver<Asked>,
) {
    // Once it is dropped, nobody goes by it either.
    let _ = asks.wait_for(|asked| asked.close).await;
    // INVARIANT: the lease ends before others are told not to wait for it.
    held.send_modify(|held| {
        held.until = None;
        held.fault = Some("the store was closed".to_owned());
    });
    if let Err(error) = client.execute("DELETE FROM node WHERE id = $1", &[&node]).await {
        let why = reason(&error);
        info!(why, "the node did not say goodbye: the next change of a policy waits for it");
    }
}

/// A version as the database has it.
fn number(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}
