//! One introspection endpoint: each token is asked about once at a time, in a task of its own, so
//! that no client's leaving ends it for the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use firewarden_fhir::Id;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use serde_json::{Map, Value};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use tracing::warn;
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::answer::{IntrospectionAnswer, read_answer};
use super::circuit::Circuit;
use crate::introspector::Asked;
use crate::limits;
use crate::remote::Remote;
use crate::verified::Fingerprint;

/// What came of asking.
#[derive(Clone)]
pub(crate) enum Verdict {
    /// The token is active: the endpoint's answer.
    Active(Arc<Map<String, Value>>),
    /// The endpoint does not know it as active.
    Inactive,
    /// Nobody can say now.
    Unavailable {
        /// After how many seconds to try again.
        retry_after_s: u64,
    },
}

const UNAVAILABLE: Verdict = Verdict::Unavailable { retry_after_s: 2 };
const BUSY: Verdict = Verdict::Unavailable { retry_after_s: 1 };

/// An introspection endpoint, and what it answered of late. It lives as long as its introspector
/// stays as it is.
pub(crate) struct Endpoint {
    introspector: Id,
    asked: Asked,
    remote: Arc<Remote>,
    runtime: Handle,
    actives: Cache<Fingerprint, Active>,
    inactives: Cache<Fingerprint, Instant>,
    flights: Mutex<HashMap<Fingerprint, watch::Receiver<Option<Verdict>>>>,
    places: Semaphore,
    circuit: Circuit,
}

#[derive(Clone)]
struct Active {
    answer: Arc<Map<String, Value>>,
    until: Instant,
    bytes: u32,
}

impl Endpoint {
    pub(crate) fn new(
        introspector: Id,
        asked: Asked,
        remote: Arc<Remote>,
        runtime: Handle,
    ) -> Arc<Self> {
        // Random tokens must not push out those that are used: each kind has a room of its own.
        let actives = Cache::builder()
            .max_capacity(limits::ACTIVE_BYTES_MAX)
            .weigher(|_, active: &Active| active.bytes)
            .eviction_policy(EvictionPolicy::lru())
            .time_to_live(asked.kept_for)
            .build();
        let inactives = Cache::builder()
            .max_capacity(limits::INACTIVE_REMEMBERED_MAX)
            .eviction_policy(EvictionPolicy::lru())
            .time_to_live(limits::INACTIVE_AGE_MAX)
            .build();
        Arc::new(Self {
            introspector,
            asked,
            remote,
            runtime,
            actives,
            inactives,
            flights: Mutex::default(),
            places: Semaphore::new(limits::INTROSPECTIONS_AT_ONCE_MAX),
            circuit: Circuit::default(),
        })
    }

    /// Whether the token is active, by what was answered a moment ago or by asking now.
    pub(crate) async fn ask(self: &Arc<Self>, token: &str, fingerprint: Fingerprint) -> Verdict {
        if let Some(known) = self.remembered(&fingerprint) {
            return known;
        }
        match self.join(token, fingerprint) {
            Joined::Known(verdict) => verdict,
            Joined::Flight(mut flight) => {
                let landed = flight.wait_for(Option::is_some).await;
                landed.ok().and_then(|verdict| verdict.clone()).unwrap_or(UNAVAILABLE)
            }
        }
    }

    fn remembered(&self, fingerprint: &Fingerprint) -> Option<Verdict> {
        let now = Instant::now();
        if let Some(active) = self.actives.get(fingerprint).filter(|active| now < active.until) {
            return Some(Verdict::Active(active.answer));
        }
        let until = self.inactives.get(fingerprint)?;
        (now < until).then_some(Verdict::Inactive)
    }

    /// Joins those who wait for the same token, or begins to ask.
    fn join(self: &Arc<Self>, token: &str, fingerprint: Fingerprint) -> Joined {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(&fingerprint) {
            return Joined::Flight(flight.clone());
        }
        // It may have landed since this was looked up; a flight ends only under this lock.
        if let Some(known) = self.remembered(&fingerprint) {
            return Joined::Known(known);
        }
        if flights.len() >= limits::INTROSPECTIONS_WAITING_MAX {
            return Joined::Known(BUSY);
        }
        let (sender, receiver) = watch::channel(None);
        flights.insert(fingerprint, receiver.clone());
        drop(flights);
        let flight = Flight { endpoint: Arc::clone(self), fingerprint, sender, verdict: None };
        self.runtime.spawn(flight.run(Zeroizing::new(token.to_owned())));
        Joined::Flight(receiver)
    }

    async fn introspect(&self, token: &str) -> Verdict {
        let place = tokio::time::timeout(limits::FETCH_TIME_MAX, self.places.acquire());
        let Ok(Ok(_place)) = place.await else {
            return BUSY;
        };
        let attempt = match self.circuit.admit(Instant::now()) {
            Ok(attempt) => attempt,
            Err(pause) => return Verdict::Unavailable { retry_after_s: pause.as_secs().max(1) },
        };
        match self.post(token).await {
            Ok(answer) => {
                attempt.succeeded();
                match answer {
                    IntrospectionAnswer::Active(answer) => Verdict::Active(Arc::new(answer)),
                    IntrospectionAnswer::Inactive => Verdict::Inactive,
                }
            }
            Err(fault) => {
                warn!(introspector = %self.introspector, fault, "a token could not be introspected");
                UNAVAILABLE
            }
        }
    }

    async fn post(&self, token: &str) -> Result<IntrospectionAnswer, String> {
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("token", token)
            .append_pair("token_type_hint", "access_token")
            .finish();
        let Asked { url, authorization, .. } = &self.asked;
        let posted = self.remote.post(url, authorization, Zeroizing::new(form), &[200, 400]).await;
        let (status, text) = posted.map_err(|fault| fault.to_string())?;
        read_answer(status, &text).map_err(|fault| fault.to_string())
    }

    fn keep(&self, fingerprint: Fingerprint, verdict: &Verdict) {
        let now = Instant::now();
        match verdict {
            Verdict::Active(answer) => {
                let (answer, until) = (Arc::clone(answer), now + self.asked.kept_for);
                let bytes = weight(&answer);
                self.actives.insert(fingerprint, Active { answer, until, bytes });
            }
            Verdict::Inactive => {
                self.inactives.insert(fingerprint, now + limits::INACTIVE_AGE_MAX);
            }
            Verdict::Unavailable { .. } => {}
        }
    }
}

/// What remembering an answer costs: as a tree it takes about four times its text.
fn weight(answer: &Map<String, Value>) -> u32 {
    /// No answer weighs less, so that their number is bounded, too.
    const ENTRY_BYTES: u64 = limits::ACTIVE_BYTES_MAX / limits::ACTIVE_REMEMBERED_MAX;
    let text = serde_json::to_string(answer).map_or(limits::ANSWER_BYTES_MAX, |text| text.len());
    let bytes = (text as u64).saturating_mul(4).max(ENTRY_BYTES);
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

enum Joined {
    Known(Verdict),
    Flight(watch::Receiver<Option<Verdict>>),
}

/// A token that is being asked about. However it ends, those who wait for it learn of it.
struct Flight {
    endpoint: Arc<Endpoint>,
    fingerprint: Fingerprint,
    sender: watch::Sender<Option<Verdict>>,
    verdict: Option<Verdict>,
}

impl Flight {
    async fn run(mut self, token: Zeroizing<String>) {
        self.verdict = Some(self.endpoint.introspect(&token).await);
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let verdict = self.verdict.take().unwrap_or(UNAVAILABLE);
        let mut flights = self.endpoint.flights.lock().unwrap_or_else(PoisonError::into_inner);
        self.endpoint.keep(self.fingerprint, &verdict);
        flights.remove(&self.fingerprint);
        drop(flights);
        self.sender.send_replace(Some(verdict));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::OutboundAllow;
    use crate::remote::SystemResolver;
    use crate::verified::fingerprint;

    fn endpoint() -> Arc<Endpoint> {
        let remote = Remote::new(OutboundAllow::default(), Arc::new(SystemResolver));
        let asked = Asked {
            url: "https://idp.example.com/".parse().unwrap(),
            authorization: "Basic YTpi".parse().unwrap(),
            kept_for: Duration::from_secs(60),
        };
        Endpoint::new(Id::parse("a").unwrap(), asked, Arc::new(remote), Handle::current())
    }

    fn active(filler: usize) -> Verdict {
        let answer = json!({"active": true, "filler": "x".repeat(filler)});
        Verdict::Active(Arc::new(answer.as_object().unwrap().clone()))
    }

    #[tokio::test]
    async fn tokens_that_are_not_active_are_remembered_within_a_bound() {
        let endpoint = endpoint();
        let used = fingerprint("used").unwrap();
        endpoint.keep(used, &active(10));
        for n in 0..3 * limits::INACTIVE_REMEMBERED_MAX {
            endpoint.keep(fingerprint(&n.to_string()).unwrap(), &Verdict::Inactive);
        }
        endpoint.inactives.run_pending_tasks();
        assert!(endpoint.inactives.entry_count() <= limits::INACTIVE_REMEMBERED_MAX);
        assert!(endpoint.remembered(&used).is_some(), "they push out none that is");
        let last = fingerprint(&(3 * limits::INACTIVE_REMEMBERED_MAX - 1).to_string()).unwrap();
        assert!(endpoint.remembered(&last).is_some(), "the oldest go first");
    }

    #[tokio::test]
    async fn active_tokens_are_remembered_within_a_bound_of_number_and_bytes() {
        for (filler, tokens) in [(10, 2 * limits::ACTIVE_REMEMBERED_MAX), (60_000, 500)] {
            let endpoint = endpoint();
            for n in 0..tokens {
                endpoint.keep(fingerprint(&n.to_string()).unwrap(), &active(filler));
            }
            endpoint.actives.run_pending_tasks();
            assert!(endpoint.actives.entry_count() <= limits::ACTIVE_REMEMBERED_MAX + 1);
            assert!(endpoint.actives.weighted_size() <= limits::ACTIVE_BYTES_MAX);
            assert!(endpoint.actives.entry_count() > 0);
        }
    }

    #[tokio::test]
    async fn what_is_not_known_is_not_remembered() {
        let endpoint = endpoint();
        let token = fingerprint("a").unwrap();
        endpoint.keep(token, &UNAVAILABLE);
        assert!(endpoint.remembered(&token).is_none());
    }
}
