//! What is counted of requests, for `/metrics`.
//!
//! Labels are words of this program alone: never a token, a subject, an id or a query.

mod exposition;
mod histogram;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;

pub(crate) use self::exposition::Exposition;
use self::histogram::Histogram;

/// What was asked, by the id of its operation; the first stands for what did not come so far.
const OPERATIONS: [&str; 29] = [
    "none",
    "Public",
    "IssueToken",
    "FhirRead",
    "FhirVread",
    "FhirSearch",
    "FhirCompartmentSearch",
    "FhirCreate",
    "FhirConditionalCreate",
    "FhirUpdate",
    "FhirConditionalUpdate",
    "FhirDelete",
    "FhirConditionalDelete",
    "FhirHistory",
    "Batch",
    "Transaction",
    "UserInfo",
    "TestPolicy",
    "TestMatcho",
    "TestToken",
    "TestPolicies",
    "ExplainDecision",
    "ExplainRequest",
    "ExplainShadow",
    "ListJobs",
    "ReadJob",
    "CancelJob",
    "HealthDetails",
    "Metrics",
];

const DECISIONS: [&str; 5] = ["none", "permit", "deny", "unauthenticated", "explained"];
const STATUSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Counters of one process. To count costs a few additions that wait for nobody.
#[derive(Default)]
pub(crate) struct Meters {
    requests: [[AtomicU64; STATUSES.len()]; OPERATIONS.len()],
    durations: [Histogram; OPERATIONS.len()],
    decisions: [AtomicU64; DECISIONS.len()],
    /// By the check that failed, of which there are as many as this program names.
    refusals: Mutex<BTreeMap<&'static str, u64>>,
}

impl Meters {
    /// A request that was answered.
    pub(crate) fn request(&self, operation: &str, status: StatusCode, took: Duration) {
        let index = OPERATIONS.iter().position(|name| *name == operation).unwrap_or(0);
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(count) = self.requests.get(index).and_then(|row| row.get(class)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(durations) = self.durations.get(index) {
            durations.add(took);
        }
    }

    /// A decision, on a request or on an entry of a Bundle.
    pub(crate) fn decision(&self, decision: &str, failed_check: Option<&'static str>) {
        let index = DECISIONS.iter().position(|name| *name == decision).unwrap_or(0);
        if let Some(count) = self.decisions.get(index) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(check) = failed_check {
            let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
            *refusals.entry(check).or_default() += 1;
        }
    }

    /// Writes what was counted.
    pub(crate) fn expose(&self, text: &mut Exposition) {
        text.counter("firewarden_requests_total", "Requests answered, by operation and status.");
        for (operation, row) in OPERATIONS.iter().zip(&self.requests) {
            for (status, count) in STATUSES.iter().zip(row) {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    text.sample(&[("operation", operation), ("status", status)], count);
                }
            }
        }
        text.counter("firewarden_decisions_total", "Decisions, entries of Bundles among them.");
        for (decision, count) in DECISIONS.iter().zip(&self.decisions) {
            text.sample(&[("decision", decision)], count.load(Ordering::Relaxed));
        }
        text.counter("firewarden_credentials_refused_total", "Credentials refused, by check.");
        let refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (check, count) in refusals {
            text.sample(&[("check", check)], count);
        }
        text.histogram("firewarden_request_duration_seconds", "From the header to the answer.");
        for (operation, durations) in OPERATIONS.iter().zip(&self.durations) {
            durations.expose(operation, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_exposed() {
        let meters = Meters::default();
        meters.request("FhirRead", StatusCode::OK, Duration::from_micros(700));
        meters.request("FhirRead", StatusCode::OK, Duration::from_secs(60));
        meters.request("FhirRead", StatusCode::FORBIDDEN, Duration::from_millis(1));
        meters.request("what this program does not know", StatusCode::OK, Duration::ZERO);
        meters.decision("permit", None);
        meters.decision("unauthenticated", Some("exp"));
        let mut text = Exposition::default();
        meters.expose(&mut text);
        insta::assert_snapshot!(text.finish());
    }
}
