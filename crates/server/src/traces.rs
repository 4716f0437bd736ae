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
    known: Mutex<Kept>,
    anonymous: Mutex<Kept>,
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
        let mut driven_out = Vec::new();
        locked(ring).keep(request, entry, decided, &mut driven_out);
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
        for (entry, decided) in &found.decisions {
            let policies = self.policies_of(decided);
            let mut told = decided.told(policies.as_deref(), database).await;
            told.insert("entry".to_owned(), (*entry).into());
            entries.push(told);
        }
        let id = request.to_string();
        if let [(None, _)] = found.decisions.as_slice()
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
#[derive(Clone, Default)]
struct Trace {
    /// By the entry of the Bundle, where it is one.
    decisions: Vec<(Option<usize>, Arc<Decided>)>,
    /// Entries whose decisions were not kept.
    left_out: usize,
    bytes: usize,
}

/// The traces of some requests, the oldest first.
struct Kept {
    entries_max: usize,
    bytes_max: usize,
    bytes: usize,
    order: VecDeque<RequestId>,
    traces: HashMap<RequestId, Trace>,
}

impl Kept {
    fn new(entries_max: usize, bytes_max: usize) -> Self {
        let (order, traces) = (VecDeque::new(), HashMap::new());
        Self { entries_max, bytes_max, bytes: 0, order, traces }
    }

    fn find(&self, request: RequestId) -> Option<Trace> {
        self.traces.get(&request).cloned()
    }

    /// What is driven out is handed back, to be dropped when others need not wait for it.
    fn keep(
        &mut self,
        request: RequestId,
        entry: Option<usize>,
        decided: Decided,
        driven_out: &mut Vec<Trace>,
    ) {
        let bytes = decided.bytes();
        let order = &mut self.order;
        let trace = self.traces.entry(request).or_insert_with(|| {
            order.push_back(request);
            Trace::default()
        });
        let earlier = trace.decisions.iter_mut().find(|(of, _)| *of == entry);
        match earlier {
            Some((_, earlier)) => {
                let freed = earlier.bytes();
                *earlier = Arc::new(decided);
                trace.bytes = trace.bytes.saturating_add(bytes).saturating_sub(freed);
                self.bytes = self.bytes.saturating_add(bytes).saturating_sub(freed);
            }
            None if trace.decisions.len() >= limits::TRACED_ENTRIES_MAX => trace.left_out += 1,
            None => {
                trace.decisions.push((entry, Arc::new(decided)));
                trace.bytes += bytes;
                self.bytes += bytes;
            }
        }
        while self.order.len() > self.entries_max || self.bytes > self.bytes_max {
            let Some(oldest) = self.order.pop_front() else {
                break;
            };
            if let Some(trace) = self.traces.remove(&oldest) {
                self.bytes = self.bytes.saturating_sub(trace.bytes);
                driven_out.push(trace);
            }
        }
    }
}

#[cfg(test)]
mod tests;
