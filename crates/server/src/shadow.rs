//! What policies in shadow mode would have changed, counted beside the requests.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use firewarden_access::{Asker, Caller, PolicySet, Shadow, ShadowEffect, shadow_effects};
use firewarden_fhir::{Id, Interaction, Timestamp};
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;

use crate::arrival::RequestId;
use crate::explanation::json_bytes;
use crate::limits;

/// Watches what policies in shadow mode would have changed.
pub(crate) struct ShadowWatch {
    places: Arc<Semaphore>,
    counts: Mutex<BTreeMap<Id, Counts>>,
    missed: AtomicU64,
}

/// A request that was decided, for policies in shadow mode to be asked about.
pub(crate) struct Decided {
    pub(crate) policies: Arc<PolicySet>,
    /// With a database that has a budget of time of its own.
    pub(crate) asker: Asker,
    pub(crate) interaction: Interaction,
    pub(crate) granted_by: Vec<String>,
    pub(crate) request: RequestId,
}

/// What one policy would have changed, since it says what it says.
struct Counts {
    contents: u64,
    since: Timestamp,
    allows: Counted,
    refuses: Counted,
}

#[derive(Default)]
struct Counted {
    requests: u64,
    // The newest last.
    examples: VecDeque<Value>,
}

impl ShadowWatch {
    pub(crate) fn new() -> Self {
        let places = Arc::new(Semaphore::new(limits::SHADOWS_AT_ONCE));
        Self { places, counts: Mutex::default(), missed: AtomicU64::new(0) }
    }

    /// Asks the policies in shadow mode about a request, beside it: it neither waits for them nor
    /// fails with them. What is too much to be asked is counted as missed.
    pub(crate) fn watch(self: &Arc<Self>, decided: Decided) {
        let body = decided.interaction.resource().map_or(0, |sent| json_bytes(&sent.content));
        let place = Arc::clone(&self.places).try_acquire_owned().ok();
        let Some(place) = place.filter(|_| body <= limits::SHADOW_BODY_BYTES_MAX) else {
            self.missed.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let watch = Arc::clone(self);
        tokio::spawn(async move {
            let _place = place;
            let asking = watch.ask(&decided);
            if tokio::time::timeout(limits::SHADOW_S_MAX, asking).await.is_err() {
                watch.missed.fetch_add(1, Ordering::Relaxed);
            }
        });
    }

    async fn ask(&self, decided: &Decided) {
        let Decided { policies, asker, interaction, granted_by, .. } = decided;
        for (shadow, effect) in shadow_effects(policies, asker, interaction, granted_by).await {
            self.count(shadow, effect, decided);
        }
    }

    fn count(&self, shadow: &Shadow, effect: ShadowEffect, decided: &Decided) {
        let now = decided.asker.now;
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= limits::SHADOWS_COUNTED_MAX && !counts.contains_key(shadow.id()) {
            counts.retain(|id, _| decided.policies.shadows().iter().any(|kept| kept.id() == id));
            if counts.len() >= limits::SHADOWS_COUNTED_MAX {
                self.missed.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
        let counts = counts.entry(shadow.id().clone()).or_insert_with(|| Counts::new(shadow, now));
        if counts.contents != shadow.contents() {
            *counts = Counts::new(shadow, now);
        }
        let counted = match effect {
            ShadowEffect::Allows => &mut counts.allows,
            ShadowEffect::Refuses => &mut counts.refuses,
        };
        counted.requests += 1;
        counted.examples.push_back(example(decided));
        if counted.examples.len() > limits::SHADOW_EXAMPLES_MAX {
            counted.examples.pop_front();
        }
    }

    /// What each of the policies in shadow mode would have changed.
    pub(crate) fn told(&self, policies: &PolicySet) -> Value {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let one = |shadow: &Shadow| {
            let counts = counts.get(shadow.id());
            told(shadow, counts.filter(|counts| counts.contents == shadow.contents()))
        };
        json!({
            "policies": policies.shadows().iter().map(one).collect::<Value>(),
            "missed": self.missed.load(Ordering::Relaxed),
        })
    }
}

impl Counts {
    fn new(shadow: &Shadow, since: Timestamp) -> Self {
        let (allows, refuses) = (Counted::default(), Counted::default());
        Self { contents: shadow.contents(), since, allows, refuses }
    }
}

fn told(shadow: &Shadow, counts: Option<&Counts>) -> Value {
    let counted = |counted: Option<&Counted>| {
        let requests = counted.map_or(0, |counted| counted.requests);
        let examples: Vec<&Value> =
            counted.into_iter().flat_map(|counted| counted.examples.iter().rev()).collect();
        json!({"requests": requests, "examples": examples})
    };
    json!({
        "policy": shadow.id().as_str(),
        "replaces": shadow.replaces(),
        "first-seen": counts.map(|counts| counts.since.to_string()),
        "newly-allowed": counted(counts.map(|counts| &counts.allows)),
        "newly-refused": counted(counts.map(|counts| &counts.refuses)),
    })
}

/// A request as an example: neither its parameters nor its body.
fn example(decided: &Decided) -> Value {
    let Decided { asker, interaction, request, .. } = decided;
    let mut example = Map::new();
    example.insert("request-id".to_owned(), request.to_string().into());
    example.insert("at".to_owned(), asker.now.to_string().into());
    example.insert("method".to_owned(), interaction.method().into());
    example.insert("uri".to_owned(), interaction.uri().into());
    let Caller { user, client, .. } = asker.caller.as_ref();
    for (name, resource) in [("user", user), ("client", client)] {
        let id = resource.as_ref().and_then(|resource| resource.get("id").cloned());
        example.extend(id.map(|id| (name.to_owned(), id)));
    }
    Value::Object(example)
}
