//! The other nodes: which version each goes by, and which are gone.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::pending;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::{Client, Error, Statement};

use super::Asked;
use crate::limits::{LEASE_OVER, NODES_LOOK_MAX, NODES_LOOK_MIN, NODES_MAX, NODES_TIDIED_EVERY};

/// The nodes of the database, this one among them.
pub(super) struct Nodes {
    asks: watch::Receiver<Asked>,
    known_to_all: watch::Sender<u64>,
    /// How often each had renewed its lease, and since when it has not done it once more.
    seen: HashMap<String, (i64, Instant)>,
}

struct Statements {
    notify: Statement,
    look: Statement,
    forget: Statement,
}

impl Nodes {
    pub(super) fn new(asks: watch::Receiver<Asked>, known_to_all: watch::Sender<u64>) -> Self {
        Self { asks, known_to_all, seen: HashMap::new() }
    }

    /// Tells others of changes, and which version all of them go by, until the connection fails.
    pub(super) async fn follow(&mut self, client: &Client) -> Error {
        match self.follow_on(client).await {
            Err(error) => error,
            Ok(never) => match never {},
        }
    }

    async fn follow_on(&mut self, client: &Client) -> Result<Infallible, Error> {
        let notify = client.prepare("SELECT pg_notify('firewarden_policies', '')").await?;
        let look = format!("SELECT id, renewals, adopted FROM node LIMIT {}", NODES_MAX + 1);
        let look = client.prepare(&look).await?;
        let forget = client.prepare("DELETE FROM node WHERE id = $1 AND renewals = $2").await?;
        let statements = Statements { notify, look, forget };
        // A crash may have taken renewals back: what was seen before it says nothing.
        self.seen.clear();
        let mut told = 0;
        let mut wait = NODES_LOOK_MIN;
        loop {
            let known = *self.known_to_all.borrow();
            let asked = self.asks.wait_for(|asked| asked.version > known);
            let asked = timeout(NODES_TIDIED_EVERY, asked).await;
            let awaited = match asked.map(|asked| asked.map(|asked| asked.version)) {
                Ok(Ok(version)) => version,
                // Nobody is there to wait: the task is about to end.
                Ok(Err(_)) => return pending().await,
                Err(_) => {
                    self.look(client, &statements).await?;
                    continue;
                }
            };
            if awaited > told {
                client.query(&statements.notify, &[]).await?;
                (told, wait) = (awaited, NODES_LOOK_MIN);
            }
            match self.look(client, &statements).await? {
                Some(least) => {
                    self.known_to_all.send_if_modified(|known| raise(known, least.min(awaited)));
                }
                None => {
                    sleep(LEASE_OVER).await;
                    self.known_to_all.send_if_modified(|known| raise(known, awaited));
                }
            }
            sleep(wait).await;
            wait = (wait * 2).min(NODES_LOOK_MAX);
        }
    }

    /// The least version that a node goes by; `None` when there are too many to look at. One that has
    /// not renewed its lease for longer than it lasts has none, and is forgotten.
    async fn look(&mut self, client: &Client, run: &Statements) -> Result<Option<u64>, Error> {
        let rows = client.query(&run.look, &[]).await?;
        // INVARIANT: what is seen now was written before; a lease of then began before.
        let now = Instant::now();
        let before = std::mem::take(&mut self.seen);
        let mut least = i64::MAX;
        for row in &rows {
            let (id, renewals, adopted): (String, i64, i64) = (row.get(0), row.get(1), row.get(2));
            let since = before.get(&id).filter(|(then, _)| *then == renewals);
            let since = since.map_or(now, |(_, since)| *since);
            // The row is compared once more where it is deleted: the node may have come back.
            if now.duration_since(since) >= LEASE_OVER
                && client.execute(&run.forget, &[&id, &renewals]).await? > 0
            {
                continue;
            }
            least = least.min(adopted);
            self.seen.insert(id, (renewals, since));
        }
        // None says that it has no version yet.
        Ok((rows.len() <= NODES_MAX).then(|| u64::try_from(least).unwrap_or_default()))
    }
}

fn raise(known: &mut u64, to: u64) -> bool {
    let is_higher = to > *known;
    *known = to.max(*known);
    is_higher
}
