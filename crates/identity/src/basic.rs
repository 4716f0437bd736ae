//! HTTP Basic: a local `Client` and its secret.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::hmac;
use firewarden_fhir::Id;
use moka::sync::Cache;
use serde_json::Value;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::directory::{Content, Directory, StoredClient};
use crate::resolve::is_active;
use crate::secrets::without_secrets;
use crate::unauthenticated::{Check, Unauthenticated};
use crate::{limits, password};

/// Verifies clients' secrets, a few at once, and remembers those that were right.
pub(crate) struct Clients {
    hashing: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// By a keyed hash of id, version and secret; the secret itself is not kept.
    remembered: Cache<[u8; 32], ()>,
    key: hmac::Key,
}

impl Clients {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self {
            hashing: Arc::new(Semaphore::new(limits::HASHES_AT_ONCE_MAX)),
            waiting: AtomicUsize::new(0),
            remembered: Cache::new(limits::CLIENTS_REMEMBERED_MAX),
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
        }
    }

    /// The active client with that secret, without secrets, if it may use that grant.
    pub(crate) async fn authenticate(
        &self,
        (id, secret): (&str, Zeroizing<String>),
        grant: Grant,
        directory: &dyn Directory,
    ) -> Result<Content, Unauthenticated> {
        let stored = match Id::parse(id) {
            Some(id) => directory.client(&id).await?,
            None => None,
        };
        self.verify(id, secret, stored.as_ref()).await?;
        match stored {
            Some(client) => usable(client.content, grant),
            None => Err(Unauthenticated::ClientRefused(Check::ClientSecret)),
        }
    }

    /// Verifies the secret. A client that is not there, or has none, takes as long.
    async fn verify(
        &self,
        id: &str,
        secret: Zeroizing<String>,
        stored: Option<&StoredClient>,
    ) -> Result<(), Unauthenticated> {
        let hash = stored.and_then(|client| client.secret_hash.clone());
        let seen = stored
            .filter(|_| hash.is_some())
            .and_then(|client| self.fingerprint(id, client.version.0, &secret));
        if seen.is_some_and(|seen| self.remembered.contains_key(&seen)) {
            return Ok(());
        }
        let hash = hash.unwrap_or_else(|| Zeroizing::new(password::NOBODYS_HASH.to_owned()));
        let turn = self.turn().await?;
        let hashing = tokio::task::spawn_blocking(move || {
            // The turn ends with the hash, not with a client that leaves before it.
            let _turn = turn;
            password::matches(&secret, &hash)
        });
        let verified = hashing.await;
        match (verified, seen) {
            (Ok(true), Some(seen)) => {
                self.remembered.insert(seen, ());
                Ok(())
            }
            _ => Err(Unauthenticated::ClientRefused(Check::ClientSecret)),
        }
    }

    async fn turn(&self) -> Result<tokio::sync::OwnedSemaphorePermit, Unauthenticated> {
        let busy = || Unauthenticated::Busy { retry_after_s: 1 };
        let place = Place::take(&self.waiting).ok_or_else(busy)?;
        let turn = Arc::clone(&self.hashing).acquire_owned();
        let turn = tokio::time::timeout(limits::HASH_WAIT_MAX, turn).await;
        drop(place);
        turn.ok().and_then(Result::ok).ok_or_else(busy)
    }

    fn fingerprint(&self, id: &str, version: u64, secret: &str) -> Option<[u8; 32]> {
        let mut text = hmac::Context::with_key(&self.key);
        // The id's length keeps the parts apart.
        text.update(&(id.len() as u64).to_be_bytes());
        text.update(id.as_bytes());
        text.update(&version.to_be_bytes());
        text.update(secret.as_bytes());
        text.sign().as_ref().try_into().ok()
    }
}

/// One place in the line of those who wait; given back when dropped, even when the client left.
struct Place<'w> {
    waiting: &'w AtomicUsize,
}

impl<'w> Place<'w> {
    fn take(waiting: &'w AtomicUsize) -> Option<Self> {
        let place = Self { waiting };
        (waiting.fetch_add(1, Ordering::AcqRel) < limits::HASHES_WAITING_MAX).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A way in which a client may authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grant {
    /// HTTP Basic with every request.
    Basic,
    /// A session token, got for its secret.
    ClientCredentials,
}

impl Grant {
    fn name(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::ClientCredentials => "client_credentials",
        }
    }
}

/// The client without secrets, if it is active and may use that grant.
pub(crate) fn usable(client: Content, grant: Grant) -> Result<Content, Unauthenticated> {
    if !is_active(&client) {
        return Err(Unauthenticated::ClientRefused(Check::ActiveClient));
    }
    let grants = client.get("grant_types").and_then(Value::as_array);
    if !grants.is_some_and(|grants| grants.iter().any(|listed| listed == grant.name())) {
        return Err(Unauthenticated::ClientRefused(Check::GrantType));
    }
    Ok(without_secrets("Client", client))
}
