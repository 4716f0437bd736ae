//! Tokens that were verified a moment ago, by the hash of their whole text.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest;
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::claims::Times;
use crate::introspector::Introspector;
use crate::known_caller::KnownCaller;
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
    /// Whom it was found to speak for.
    pub(crate) caller: KnownCaller,
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

/// The verified tokens that are remembered: those that came last, as far as there is room.
pub(crate) struct Remembered {
    // By the first byte of the fingerprint, so that requests seldom wait for one another.
    parts: Vec<Mutex<Part>>,
    epoch: Epoch,
}

#[derive(Default)]
struct Part {
    entries: HashMap<Fingerprint, Entry>,
    /// In the order they came, or came again when there was no room.
    order: VecDeque<Fingerprint>,
    bytes: u64,
}

struct Entry {
    verified: Arc<Verified>,
    bytes: u64,
    epoch: u64,
    until: Instant,
    /// Whether it was asked for since it came.
    is_used: bool,
}

impl Remembered {
    pub(crate) fn new(epoch: Epoch) -> Self {
        let parts = (0..limits::VERIFIED_PARTS).map(|_| Mutex::default()).collect();
        Self { parts, epoch }
    }

    pub(crate) fn find(&self, fingerprint: &Fingerprint) -> Option<Arc<Verified>> {
        let mut part = self.part(fingerprint)?;
        let entry = part.entries.get_mut(fingerprint)?;
        entry.is_used = true;
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
        let now = Instant::now();
        let oldest = now + limits::VERIFIED_AGE_MAX;
        let until = keys_fresh_until.map_or(oldest, |fresh| fresh.min(oldest));
        let (verified, bytes) = (Arc::clone(verified), weight(token_bytes));
        let entry = Entry { verified, bytes, epoch, until, is_used: false };
        if let Some(mut part) = self.part(&fingerprint) {
            // First, so that what comes is not what must go.
            part.make_room(entry.bytes, now);
            part.insert(fingerprint, entry);
        }
    }

    /// Forgets every token, after a change of introspectors.
    pub(crate) fn forget_all(&self) {
        self.epoch.end();
        for part in &self.parts {
            *part.lock().unwrap_or_else(PoisonError::into_inner) = Part::default();
        }
    }

    fn part(&self, fingerprint: &Fingerprint) -> Option<MutexGuard<'_, Part>> {
        let index = usize::from(*fingerprint.first()?) % self.parts.len();
        Some(self.parts.get(index)?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Part {
    fn insert(&mut self, fingerprint: Fingerprint, entry: Entry) {
        self.bytes += entry.bytes;
        match self.entries.insert(fingerprint, entry) {
            Some(before) => self.bytes -= before.bytes,
            None => self.order.push_back(fingerprint),
        }
    }

    /// Drops what is over, then, while there is no room, the oldest that was not asked for since its
    /// turn last came. Each turn drops one or spares it once, so that this ends.
    fn make_room(&mut self, bytes: u64, now: Instant) {
        const BYTES_MAX: u64 = limits::VERIFIED_BYTES_MAX / limits::VERIFIED_PARTS as u64;
        while let Some(oldest) = self.order.front().copied() {
            let is_over = self.entries.get(&oldest).is_none_or(|entry| entry.until <= now);
            if !is_over && self.bytes + bytes <= BYTES_MAX {
                return;
            }
            self.order.pop_front();
            match self.entries.get_mut(&oldest) {
                Some(entry) if entry.is_used && !is_over => {
                    entry.is_used = false;
                    self.order.push_back(oldest);
                }
                _ => {
                    let dropped = self.entries.remove(&oldest);
                    self.bytes -= dropped.map_or(0, |entry| entry.bytes);
                }
            }
        }
    }
}

/// What remembering a token costs in memory: its claims as a tree take about four times their text.
fn weight(token_bytes: usize) -> u64 {
    const ENTRY_BYTES: u64 = 512;
    token_bytes as u64 * 4 + ENTRY_BYTES
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
            caller: KnownCaller::default(),
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
    async fn what_is_remembered_is_bounded_and_what_is_used_stays() {
        let remembered = Remembered::new(Epoch::default());
        let used = fingerprint("used").unwrap();
        remembered.keep(used, &verified(), (0, limits::TOKEN_BYTES_MAX), None);
        for n in 0..4_000 {
            assert!(remembered.find(&used).is_some(), "{n}");
            let token = fingerprint(&n.to_string()).unwrap();
            remembered.keep(token, &verified(), (0, limits::TOKEN_BYTES_MAX), None);
            let came_last = n % 10 > 0 || remembered.find(&token).is_some();
            assert!(came_last, "what came last is remembered");
        }
        let (mut bytes, mut entries) = (0, 0);
        for part in &remembered.parts {
            let part = part.lock().unwrap();
            assert_eq!(part.bytes, part.entries.values().map(|entry| entry.bytes).sum::<u64>());
            assert_eq!(part.entries.len(), part.order.len());
            bytes += part.bytes;
            entries += part.entries.len();
        }
        assert!(bytes <= limits::VERIFIED_BYTES_MAX, "{bytes}");
        assert!(entries > 300, "{entries}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_over_makes_room_by_itself() {
        let remembered = Remembered::new(Epoch::default());
        for n in 0..1_000 {
            remembered.keep(fingerprint(&n.to_string()).unwrap(), &verified(), (0, 100), None);
        }
        tokio::time::advance(limits::VERIFIED_AGE_MAX).await;
        for n in 1_000..2_000 {
            remembered.keep(fingerprint(&n.to_string()).unwrap(), &verified(), (0, 100), None);
        }
        let entries = remembered.parts.iter().map(|part| part.lock().unwrap().entries.len());
        assert!(entries.sum::<usize>() <= 1_010);
    }
}
