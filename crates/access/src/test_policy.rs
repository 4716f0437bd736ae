//! Tries a policy on a request document, for `/auth/test-policy`.

use std::sync::Arc;

use firewarden_fhir::Timestamp;
use serde_json::{Map, Value, json};

use crate::document::RequestDocument;
use crate::policy;
use crate::{Caller, PolicyDatabase, Verdict};

/// What came of trying a policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Tested {
    /// Whether it would have granted the request.
    pub satisfied: bool,
    /// What was said, and why.
    pub trace: Value,
}

/// Evaluates a policy on a request document as it stands. Its links and its `roleName` are judged
/// by the document's `user`, `client`, `role` and `operation`. A policy that could not be saved is
/// not satisfied, with the reasons in the trace.
pub async fn test_policy(
    document: &Value,
    policy: &Map<String, Value>,
    database: &dyn PolicyDatabase,
    now: Timestamp,
) -> Tested {
    let refused = |trace| Tested { satisfied: false, trace };
    let read = match policy::read(policy) {
        Ok(read) => read,
        Err(issues) => {
            let issues: Vec<Value> = issues.iter().map(|issue| issue.to_json()).collect();
            return refused(json!({"verdict": Verdict::Failed.name(), "issues": issues}));
        }
    };
    let skipped =
        |why: &str| refused(json!({"verdict": Verdict::NotSatisfied.name(), "skipped": why}));
    let Some(policy) = read.policy else {
        return skipped("the policy is not active, or is for rpc");
    };
    let operation = document.pointer("/operation/id").and_then(Value::as_str).unwrap_or_default();
    if !policy.applies(&caller_of(document), operation, now) {
        return skipped("its `link`, `roleName` or `period` does not fit the request");
    }
    let document = RequestDocument::as_it_stands(document.clone());
    let (verdict, failing) = policy.explain(&document, database).await;
    let trace = match failing {
        None => json!({"verdict": verdict.name()}),
        Some(failing) => json!({"verdict": verdict.name(), "failing": failing}),
    };
    Tested { satisfied: verdict == Verdict::Satisfied, trace }
}

fn caller_of(document: &Value) -> Caller {
    let resource = |value: &Value| value.as_object().cloned().map(Arc::new);
    let roles = document.get("role").and_then(Value::as_array);
    Caller {
        user: document.get("user").and_then(resource),
        client: document.get("client").and_then(resource),
        roles: roles.into_iter().flatten().filter_map(resource).collect(),
        ..Caller::anonymous()
    }
}
