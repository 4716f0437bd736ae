//! Tokens that were verified a moment ago, by the hash of their whole text.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::claims::Times;
use crate::introspector::Introspector;
use crate::limits;

/// A token whose signature and claims were right; its dates are compared at every use.
pub(crate) struct Verified {
    pub(crate) introspector: Arc<Introspector>,
    /// The issuer that is believed.
    pub(crate) issuer: Option<String>,
    pub(crate) claims: Arc<Map<String, Value>>,
    pub(crate) times: Times,
    /// Whether no other introspector was active; the end of the epoch ends it.
    pub(crate) is_only: bool,
}

/// SHA-256 of a token.
pub(crate) type Fingerprint = [u8; 32];

/// The fingerprint of a token's whole text, signature included.
pub(crate) fn fingerprint(token: &str) -> Option<Fingerprint> {
    digest::digest(&digest::SHA256, token.as_bytes()).as_ref().try_into().ok()
}

/// Counts the changes of introspectors and keys. What was verified before a change does not count
/// after it.
#[derive(Clone, Default)]
pub(crate) struct Epoch(Arc<AtomicU64>);

impl Epoch {
    pub(crate) fn now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    /// Called after the change is in place, so that nobody verifies with the old in the new epoch.
    pub(crate) fn end(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// The verified tokens that are remembered.
pub(crate) struct Remembered {
    tokens: Cache<Fingerprint, Arc<Entry>>,
    epoch: Epoch,
}

struct Entry {
    verified: Arc<Verified>,
    bytes: u32,
    epoch: u64,
    until: Instant,
}

impl Remembered {
    pub(crate) fn new(epoch: Epoch) -> Self {
        let tokens = Cache::builder()
            .max_capacity(limits::VERIFIED_BYTES_MAX)
            // A token that just came will come again; how often it came before tells little.
            .eviction_policy(EvictionPolicy::lru())
            .weigher(|_, entry: &Arc<Entry>| entry.bytes)
            .time_to_live(limits::VERIFIED_AGE_MAX)
            .build();
        Self { tokens, epoch }
    }

    pub(crate) fn find(&self, fingerprint: &Fingerprint) -> Option<Arc<Verified>> {
        let entry = self.tokens.get(fingerprint)?;
        let holds = entry.epoch == self.epoch.now() && Instant::now() < entry.until;
        holds.then(|| Arc::clone(&entry.verified))
    }

    /// Remembers a token of that many bytes, verified in `epoch`, as long as its keys are fresh.
    pub(crate) fn keep(
        &self,
        fingerprint: Fingerprint,
        verified: &Arc<Verified>,
        (epoch, token_bytes): (u64, usize),
        keys_fresh_until: Option<Instant>,
    ) {
        let oldest = Instant::now() + limits::VERIFIED_AGE_MAX;
        let until = keys_fresh_until.map_or(oldest, |fresh| fresh.min(oldest));
        let bytes = weight(token_bytes);
        let entry = Entry { verified: Arc::clone(verified), bytes, epoch, until };
        self.tokens.insert(fingerprint, Arc::new(entry));
    }

    /// Forgets every token, after a change of introspectors.
    pub(crate) fn forget_all(&self) {
        self.epoch.end();
        self.tokens.invalidate_all();
    }
}

/// What remembering a token costs in memory: its claims as a tree take about four times their text.
fn weight(token_bytes: usize) -> u32 {
    const ENTRY_BYTES: usize = 512;
    u32::try_from(token_bytes.saturating_mul(4).saturating_add(ENTRY_BYTES)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use firewarden_fhir::{Id, Version};
    use serde_json::json;

    use super::*;
    use crate::claims::Demands;

    fn verified() -> Arc<Verified> {
        let claims = json!({"exp": 1}).as_object().unwrap().clone();
        let times = Demands::default().check(None, &claims).unwrap();
        let introspector = Introspector::unreadable(&Id::parse("a").unwrap(), Version(1));
        let introspector = Arc::new(introspector);
        Arc::new(Verified {
            introspector,
            issuer: None,
            claims: Arc::new(claims),
            times,
            is_only: true,
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_remembered_until_a_minute_or_its_keys_are_over() {
        let remembered = Remembered::new(Epoch::default());
        let (long, short) = (fingerprint("long").unwrap(), fingerprint("short").unwrap());
        let soon = Instant::now() + Duration::from_secs(5);
        remembered.keep(long, &verified(), (0, 100), None);
        remembered.keep(short, &verified(), (0, 100), Some(soon));
        let known = || [long, short].map(|token| remembered.find(&token).is_some());
        assert_eq!(known(), [true, true]);
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(known(), [true, false]);
        tokio::time::advance(Duration::from_secs(55)).await;
        assert_eq!(known(), [false, false]);
    }

    #[tokio::test]
    async fn what_was_verified_before_a_change_does_not_count_after_it() {
        let epoch = Epoch::default();
        let remembered = Remembered::new(epoch.clone());
        let token = fingerprint("token").unwrap();
        let before = epoch.now();
        epoch.end();
        remembered.keep(token, &verified(), (before, 100), None);
        assert!(remembered.find(&token).is_none(), "verified with keys that have changed since");
        remembered.keep(token, &verified(), (epoch.now(), 100), None);
        assert!(remembered.find(&token).is_some());
        remembered.forget_all();
        assert!(remembered.find(&token).is_none());
    }

    #[tokio::test]
    async fn what_is_remembered_is_bounded_in_bytes() {
        let remembered = Remembered::new(Epoch::default());
        for n in 0..2_000 {
            let token = fingerprint(&n.to_string()).unwrap();
            remembered.keep(token, &verified(), (0, limits::TOKEN_BYTES_MAX), None);
        }
        remembered.tokens.run_pending_tasks();
        assert!(remembered.tokens.weighted_size() <= limits::VERIFIED_BYTES_MAX);
        assert!(remembered.tokens.entry_count() > 0);
    }
}
