//! The decision: the one place that grants anything.

use std::sync::Arc;

use firewarden_fhir::Interaction;
use serde_json::Value;

use crate::{Caller, Permitted, PolicySet, RequestFacts};

/// What a policy says of a request. Only `Satisfied` grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its rule holds.
    Satisfied,
    /// Its rule does not hold.
    NotSatisfied,
    /// Its rule could not be evaluated.
    Failed,
}

/// One policy that was considered, for logs and explanations; never for the client.
#[derive(Clone, Debug)]
pub struct Considered {
    /// The policy's id.
    pub policy: String,
    /// What it said.
    pub verdict: Verdict,
    /// Why: the first failing path with what was expected and what was there.
    pub trace: Value,
}

/// A refusal, with its reasons. They are for logs and administrators.
#[derive(Debug)]
pub struct Denial {
    /// Whether the caller gave no credential.
    pub anonymous: bool,
    /// What was considered.
    pub considered: Vec<Considered>,
}

/// Decides one interaction. Denied unless a policy's verdict is `Satisfied`.
pub fn decide(
    _policies: &Arc<PolicySet>,
    caller: &Arc<Caller>,
    _interaction: Interaction,
    _facts: &Arc<RequestFacts>,
) -> Result<Permitted, Denial> {
    Err(Denial { anonymous: caller.is_anonymous(), considered: Vec::new() })
}
