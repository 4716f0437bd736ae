//! Credentials that failed: how often they are tried again, and from where.
//!
//! A secret is guessed slowly, wherever the guesses come from, and nobody is locked out by guesses
//! made elsewhere: where a client has authenticated, only failures of that client at that place
//! count against it.

mod attempt;
mod bucket;
mod failures;

use std::net::IpAddr;

use firewarden_fhir::{Id, Timestamp};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

pub(crate) use self::attempt::Attempt;
pub use self::bucket::Rate;
pub use self::failures::Patience;

use self::bucket::Bucket;
use self::failures::Failures;
use crate::limits;

/// Too many attempts failed: the next one must wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wait {
    /// For so many seconds.
    pub(crate) seconds: u64,
}

/// A place that attempts come from: an IPv4 address, or the network of an IPv6 one, of which a
/// single customer has 2^64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place(u128);

impl Place {
    pub(crate) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(u128::from(u32::from(address))),
            IpAddr::V6(address) => Self(u128::from(address) >> 64 << 64),
        }
    }
}

/// Whose failures are counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Counted {
    /// Of one client at one place.
    ClientAt(Id, Place),
    /// Of one client, wherever it was tried.
    Client(Id),
    /// Of whoever is at one place.
    Place(Place),
}

/// The attempts that failed lately. Every table is bounded; what was not touched for the longest
/// time is forgotten first.
pub(crate) struct Attempts {
    failures: Cache<Counted, Failures>,
    /// When a client last authenticated at a place.
    authenticated: Cache<(Id, Place), Timestamp>,
    /// Credentials that may still be refused at a place.
    refusals: Cache<Place, Bucket>,
    /// Tokens that a client may still be issued.
    tokens: Cache<Id, Bucket>,
}

fn table<K, V>() -> Cache<K, V>
where
    K: std::hash::Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    let entries = limits::ATTEMPTS_REMEMBERED_MAX;
    Cache::builder().max_capacity(entries).eviction_policy(EvictionPolicy::lru()).build()
}

impl Attempts {
    pub(crate) fn new() -> Self {
        Self { failures: table(), authenticated: table(), refusals: table(), tokens: table() }
    }

    /// Whether a credential from that place is looked at now. It is counted when it is refused.
    pub(crate) fn may_be_refused(&self, place: Place, now: Timestamp) -> Result<(), Wait> {
        match self.refusals.get(&place) {
            Some(bucket) => bucket.has(limits::REFUSALS, now),
            None => Ok(()),
        }
    }

    /// That a credential from that place was refused.
    pub(crate) fn refused(&self, place: Place, now: Timestamp) {
        take(&self.refusals, place, limits::REFUSALS, now);
    }

    /// Takes one of the tokens that a client may be issued.
    pub(crate) fn token_for(&self, client: &Id, now: Timestamp) -> Result<(), Wait> {
        let before = self.tokens.get(client);
        before.map_or(Ok(()), |bucket| bucket.has(limits::TOKENS_ISSUED, now))?;
        take(&self.tokens, client.clone(), limits::TOKENS_ISSUED, now);
        Ok(())
    }

    /// Whether a secret of a client may be tried from that place now.
    pub(crate) fn may_try(
        &self,
        client: Option<&Id>,
        place: Place,
        now: Timestamp,
    ) -> Result<(), Wait> {
        for counted in self.counted(client, place, now) {
            let failures = self.failures.get(&counted);
            failures.map_or(Ok(()), |failures| failures.allow(patience(&counted), now))?;
        }
        Ok(())
    }

    /// That the secret was wrong.
    pub(crate) fn failed(&self, client: Option<&Id>, place: Place, now: Timestamp) {
        for counted in self.counted(client, place, now) {
            self.failures
                .entry(counted)
                .and_upsert_with(|before| Failures::one_more(before.map(|e| e.into_value()), now));
        }
    }

    /// That the secret was right.
    pub(crate) fn succeeded(&self, client: &Id, place: Place, now: Timestamp) {
        let known = self.authenticated.get(&(client.clone(), place));
        let is_recent = |at: Timestamp| now.duration_since(at) < limits::AUTHENTICATED_NOTED_AGAIN;
        if !known.is_some_and(is_recent) {
            self.authenticated.insert((client.clone(), place), now);
        }
        let counted = Counted::ClientAt(client.clone(), place);
        if self.failures.contains_key(&counted) {
            self.failures.invalidate(&counted);
        }
    }

    /// Whether a client authenticated at that place not long ago.
    pub(crate) fn is_known(&self, client: &Id, place: Place, now: Timestamp) -> bool {
        let at = self.authenticated.get(&(client.clone(), place));
        at.is_some_and(|at| now.duration_since(at) < limits::AUTHENTICATED_KNOWN)
    }

    /// Whose failures count against an attempt.
    fn counted(&self, client: Option<&Id>, place: Place, now: Timestamp) -> Vec<Counted> {
        match client {
            Some(client) if self.is_known(client, place, now) => {
                vec![Counted::ClientAt(client.clone(), place)]
            }
            Some(client) => vec![
                Counted::ClientAt(client.clone(), place),
                Counted::Place(place),
                Counted::Client(client.clone()),
            ],
            None => vec![Counted::Place(place)],
        }
    }
}

fn patience(counted: &Counted) -> Patience {
    match counted {
        Counted::ClientAt(..) => limits::FAILURES_OF_CLIENT_AT_PLACE,
        Counted::Place(_) => limits::FAILURES_AT_PLACE,
        Counted::Client(_) => limits::FAILURES_OF_CLIENT,
    }
}

fn take<K>(table: &Cache<K, Bucket>, key: K, rate: Rate, now: Timestamp)
where
    K: std::hash::Hash + Eq + Send + Sync + 'static,
{
    table.entry(key).and_upsert_with(|before| {
        before.map_or_else(|| Bucket::full(rate, now), |entry| entry.into_value()).taken(rate, now)
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn place(text: &str) -> Place {
        Place::of(text.parse().unwrap())
    }

    fn id(text: &str) -> Id {
        Id::parse(text).unwrap()
    }

    #[test]
    fn a_network_is_one_place() {
        assert_eq!(place("2001:db8::1"), place("2001:db8:0:0:ffff::2"));
        assert_ne!(place("2001:db8::1"), place("2001:db8:0:1::1"));
        assert_eq!(place("::ffff:192.0.2.1"), place("192.0.2.1"));
        assert_ne!(place("192.0.2.2"), place("192.0.2.1"));
    }

    #[test]
    fn guessing_gets_slower_and_success_ends_it() {
        let attempts = Attempts::new();
        let (app, here) = (id("app"), place("192.0.2.1"));
        for _ in 0..limits::FAILURES_OF_CLIENT_AT_PLACE.free {
            assert_eq!(attempts.may_try(Some(&app), here, at(0)), Ok(()));
            attempts.failed(Some(&app), here, at(0));
        }
        assert_eq!(attempts.may_try(Some(&app), here, at(0)), Err(Wait { seconds: 1 }));
        assert_eq!(attempts.may_try(Some(&app), here, at(1)), Ok(()));
        attempts.failed(Some(&app), here, at(1));
        assert_eq!(attempts.may_try(Some(&app), here, at(1)), Err(Wait { seconds: 2 }));
        assert_eq!(attempts.may_try(Some(&id("other")), here, at(1)), Ok(()));
        assert_eq!(attempts.may_try(Some(&app), here, at(3)), Ok(()));
        attempts.succeeded(&app, here, at(3));
        attempts.failed(Some(&app), here, at(3));
        assert_eq!(attempts.may_try(Some(&app), here, at(3)), Ok(()));
    }

    #[test]
    fn guesses_from_elsewhere_lock_nobody_out() {
        let attempts = Attempts::new();
        let (app, home) = (id("app"), place("192.0.2.1"));
        attempts.succeeded(&app, home, at(0));
        for n in 0..1_000_u32 {
            attempts.failed(Some(&app), Place::of(IpAddr::from(n.to_be_bytes())), at(1));
        }
        assert_eq!(attempts.may_try(Some(&app), home, at(1)), Ok(()), "known there");
        let new = attempts.may_try(Some(&app), place("198.51.100.1"), at(1));
        let longest = limits::FAILURES_OF_CLIENT.wait_s_max;
        assert_eq!(new, Err(Wait { seconds: longest }), "a new place waits, but not long");
        let later = at(2 + i64::try_from(longest).unwrap());
        assert_eq!(attempts.may_try(Some(&app), place("198.51.100.1"), later), Ok(()));
        let much_later = at(24 * 60 * 60);
        assert!(!attempts.is_known(&app, home, much_later), "known for a day");
    }

    #[test]
    fn many_names_tried_at_one_place_are_counted_together() {
        let attempts = Attempts::new();
        let here = place("192.0.2.1");
        for n in 0..limits::FAILURES_AT_PLACE.free {
            attempts.failed(Some(&id(&format!("c{n}"))), here, at(0));
        }
        assert_eq!(attempts.may_try(Some(&id("new")), here, at(0)), Err(Wait { seconds: 1 }));
        assert_eq!(attempts.may_try(None, here, at(0)), Err(Wait { seconds: 1 }));
        assert_eq!(attempts.may_try(None, place("192.0.2.2"), at(0)), Ok(()));
    }

    #[test]
    fn refused_credentials_of_one_place_are_limited() {
        let attempts = Attempts::new();
        let (here, there) = (place("192.0.2.1"), place("192.0.2.2"));
        for _ in 0..limits::REFUSALS.burst {
            assert_eq!(attempts.may_be_refused(here, at(0)), Ok(()));
            attempts.refused(here, at(0));
        }
        assert_eq!(attempts.may_be_refused(here, at(0)), Err(Wait { seconds: 1 }));
        assert_eq!(attempts.may_be_refused(there, at(0)), Ok(()));
        assert_eq!(attempts.may_be_refused(here, at(1)), Ok(()));
    }

    #[test]
    fn a_client_is_issued_a_number_of_tokens() {
        let attempts = Attempts::new();
        for _ in 0..limits::TOKENS_ISSUED.burst {
            assert_eq!(attempts.token_for(&id("app"), at(0)), Ok(()));
        }
        assert_eq!(attempts.token_for(&id("app"), at(0)), Err(Wait { seconds: 1 }));
        assert_eq!(attempts.token_for(&id("other"), at(0)), Ok(()));
        assert_eq!(attempts.token_for(&id("app"), at(1)), Ok(()));
    }

    #[test]
    fn the_tables_are_bounded() {
        let attempts = Attempts::new();
        let most = u32::try_from(limits::ATTEMPTS_REMEMBERED_MAX).unwrap();
        for n in 0..most + 1_000 {
            attempts.refused(Place::of(IpAddr::from(n.to_be_bytes())), at(0));
        }
        attempts.refusals.run_pending_tasks();
        assert!(attempts.refusals.entry_count() <= limits::ATTEMPTS_REMEMBERED_MAX);
    }
}
