//! The decisions of the last requests, kept for administrators who ask why.

mod decided;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use firewarden_access::{PolicyDatabase, PolicySet};
use serde_json::{Value, json};

pub(crate) use self::decided::{Decided, Line};
use crate::arrival::RequestId;
use crate::limits;

/// The decisions of the last requests. Those of callers without a credential are kept apart, so
/// that a flood of them drives out no other.
pub(crate) struct Traces {
    known: Mutex<Kept<Decided>>,
    anonymous: Mutex<Kept<Decided>>,
    /// The last different contents of the policies, the newest last: what reasons are told by.
    policies: Mutex<VecDeque<(u64, Arc<PolicySet>)>>,
}

impl Traces {
    pub(crate) fn new() -> Self {
        let kept = |entries_max, bytes_max| Mutex::new(Kept::new(entries_max, bytes_max));
        Self {
            known: kept(limits::TRACES_MAX, limits::TRACES_BYTES_MAX),
            anonymous: kept(limits::ANONYMOUS_TRACES_MAX, limits::ANONYMOUS_TRACES_BYTES_MAX),
            policies: Mutex::default(),
        }
    }

    /// Keeps a decision, of a request or of an entry of its Bundle. One that is made again takes
    /// the place of the earlier.
    pub(crate) fn keep(&self, request: RequestId, entry: Option<usize>, decided: Decided) {
        let ring = if decided.is_anonymous() { &self.anonymous } else { &self.known };
        let bytes = decided.bytes();
        // What is driven out is dropped when others need not wait for it.
        let driven_out = locked(ring).keep(request, entry, decided, bytes);
        drop(driven_out);
    }

    /// Remembers the policies that decisions are made on, for as long as they are among the last.
    pub(crate) fn decided_on(&self, contents: u64, policies: &Arc<PolicySet>) {
        let mut kept = locked(&self.policies);
        if let Some(known) = kept.iter_mut().find(|(known, _)| *known == contents) {
            if known.1.version() < policies.version() {
                known.1 = Arc::clone(policies);
            }
            return;
        }
        kept.push_back((contents, Arc::clone(policies)));
        let too_many = |kept: &VecDeque<(u64, Arc<PolicySet>)>| {
            let policies: usize = kept.iter().map(|(_, set)| set.count()).sum();
            kept.len() > limits::TRACED_POLICY_SETS_MAX || policies > limits::TRACED_POLICIES_MAX
        };
        // Those that decide now stay, however many they are.
        while kept.len() > 1 && too_many(&kept) {
            kept.pop_front();
        }
    }

    /// The trace of a request; `None` when it is not, or no longer, known.
    pub(crate) async fn told(
        &self,
        request: RequestId,
        database: &Arc<dyn PolicyDatabase>,
    ) -> Option<Value> {
        let found = locked(&self.known).find(request);
        let found = found.or_else(|| locked(&self.anonymous).find(request))?;
        let mut entries = Vec::new();
        for Decision { entry, decided, .. } in &found.decisions {
            let policies = self.policies_of(decided);
            let mut told = decided.told(policies.as_deref(), database).await;
            told.insert("entry".to_owned(), (*entry).into());
            entries.push(told);
        }
        let id = request.to_string();
        if let [Decision { entry: None, .. }] = found.decisions.as_slice()
            && let Some(mut told) = entries.pop()
        {
            told.shift_remove("entry");
            told.shift_insert(0, "id".to_owned(), id.into());
            return Some(Value::Object(told));
        }
        entries.sort_by_key(|told| told.get("entry").and_then(Value::as_u64));
        Some(json!({"id": id, "entries": entries, "left-out": found.left_out}))
    }

    fn policies_of(&self, decided: &Decided) -> Option<Arc<PolicySet>> {
        let kept = locked(&self.policies);
        let (_, policies) = kept.iter().find(|(contents, _)| *contents == decided.policies())?;
        Some(Arc::clone(policies))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The decisions on one request.
struct Trace<D> {
    decisions: Vec<Decision<D>>,
    /// Entries whose decisions were not kept.
    left_out: usize,
}

/// One of them.
struct Decision<D> {
    /// The entry of the Bundle that it is about.
    entry: Option<usize>,
    decided: Arc<D>,
    bytes: usize,
}

impl<D> Clone for Decision<D> {
    fn clone(&self) -> Self {
        Self { entry: self.entry, decided: Arc::clone(&self.decided), bytes: self.bytes }
    }
}

/// The traces of some requests, the oldest first.
struct Kept<D> {
    requests_max: usize,
    bytes_max: usize,
    bytes: usize,
    order: VecDeque<RequestId>,
    traces: HashMap<RequestId, Trace<D>>,
}

impl<D> Kept<D> {
    fn new(requests_max: usize, bytes_max: usize) -> Self {
        let (order, traces) = (VecDeque::new(), HashMap::new());
        Self { requests_max, bytes_max, bytes: 0, order, traces }
    }

    fn find(&self, request: RequestId) -> Option<Trace<D>> {
        let trace = self.traces.get(&request)?;
        Some(Trace { decisions: trace.decisions.clone(), left_out: trace.left_out })
    }

    /// Keeps a decision, and hands back those that it drives out.
    fn keep(
        &mut self,
        request: RequestId,
        entry: Option<usize>,
        decided: D,
        bytes: usize,
    ) -> Vec<Trace<D>> {
        let order = &mut self.order;
        let trace = self.traces.entry(request).or_insert_with(|| {
            order.push_back(request);
            Trace { decisions: Vec::new(), left_out: 0 }
        });
        let is_full = trace.decisions.len() >= limits::TRACED_ENTRIES_MAX;
        let decision = Decision { entry, decided: Arc::new(decided), bytes };
        match trace.decisions.iter_mut().find(|earlier| earlier.entry == entry) {
            Some(earlier) => {
                self.bytes = self.bytes.saturating_sub(earlier.bytes) + bytes;
                *earlier = decision;
            }
            None if is_full => trace.left_out += 1,
            None => {
                self.bytes += bytes;
                trace.decisions.push(decision);
            }
        }
        let mut driven_out = Vec::new();
        while self.order.len() > self.requests_max || self.bytes > self.bytes_max {
            let Some(trace) = self.order.pop_front().and_then(|id| self.traces.remove(&id)) else {
                break;
            };
            let freed: usize = trace.decisions.iter().map(|decision| decision.bytes).sum();
            self.bytes = self.bytes.saturating_sub(freed);
            driven_out.push(trace);
        }
        driven_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids<const N: usize>() -> [RequestId; N] {
        std::array::from_fn(|_| RequestId::new())
    }

    fn kept(kept: &Kept<&'static str>, request: RequestId) -> Vec<(Option<usize>, &'static str)> {
        let trace = kept.find(request);
        let decisions = trace.map(|trace| trace.decisions).unwrap_or_default();
        decisions.iter().map(|decision| (decision.entry, *decision.decided)).collect()
    }

    #[test]
    fn the_oldest_request_is_driven_out_by_number_and_by_bytes() {
        let [a, b, c, d] = ids();
        let mut ring = Kept::new(2, 100);
        for request in [a, b, c] {
            ring.keep(request, None, "x", 10);
        }
        assert_eq!([a, b, c].map(|id| kept(&ring, id).len()), [0, 1, 1]);
        assert_eq!(ring.keep(d, None, "y", 95).len(), 2);
        assert_eq!([b, c, d].map(|id| kept(&ring, id).len()), [0, 0, 1]);
        assert_eq!(ring.keep(a, None, "z", 101).len(), 2, "one that never fits is not kept");
        assert_eq!((ring.bytes, ring.order.len(), ring.traces.len()), (0, 0, 0));
    }

    #[test]
    fn a_decision_that_is_made_again_takes_the_place_of_the_earlier() {
        let [a] = ids();
        let mut ring = Kept::new(2, 100);
        for (entry, decided, bytes) in
            [(Some(0), "x", 60), (Some(1), "y", 10), (Some(0), "z", 20), (None, "w", 1)]
        {
            assert_eq!(ring.keep(a, entry, decided, bytes).len(), 0);
        }
        assert_eq!(kept(&ring, a), [(Some(0), "z"), (Some(1), "y"), (None, "w")]);
        assert_eq!(ring.bytes, 31);
    }

    #[test]
    fn of_one_bundle_so_many_entries_are_kept_and_no_more() {
        let [a] = ids();
        let mut ring = Kept::new(2, usize::MAX);
        for entry in 0..limits::TRACED_ENTRIES_MAX + 3 {
            ring.keep(a, Some(entry), "x", 1);
        }
        let trace = ring.find(a).unwrap();
        assert_eq!((trace.decisions.len(), trace.left_out), (limits::TRACED_ENTRIES_MAX, 3));
    }

    #[test]
    fn the_last_policies_are_known_and_no_more() {
        let traces = Traces::new();
        let set = |version| Arc::new(PolicySet::compile(version, Vec::new()));
        for contents in 0..10 {
            traces.decided_on(contents, &set(contents));
        }
        traces.decided_on(9, &set(12));
        let kept: Vec<(u64, u64)> =
            locked(&traces.policies).iter().map(|(id, set)| (*id, set.version())).collect();
        assert_eq!(kept, [(6, 6), (7, 7), (8, 8), (9, 12)]);
        assert_eq!(kept.len(), limits::TRACED_POLICY_SETS_MAX);
    }
}
