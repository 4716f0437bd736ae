//! The record of one request: one structured log event for every decision.

use firewarden_access::{Caller, Denial, Permitted};
use firewarden_fhir::{Id, Interaction};
use firewarden_identity::Unauthenticated;
use http::StatusCode;

use crate::arrival::RequestId;
use crate::meters::Meters;

/// What is noted of a request on its way. It holds names of policies and of resources' owners, and
/// never a token, a secret, a query or a body.
pub(crate) struct AuditRecord {
    request_id: RequestId,
    /// The entry of a Bundle that it is about.
    entry: Option<usize>,
    method: String,
    operation: &'static str,
    resource_type: String,
    issuer: Option<String>,
    subject: Option<String>,
    user: Option<String>,
    client: Option<String>,
    acting: Option<String>,
    decision: &'static str,
    policies: Vec<String>,
    failed_check: Option<&'static str>,
}

impl AuditRecord {
    pub(crate) fn new(request_id: RequestId, method: &http::Method) -> Self {
        Self {
            request_id,
            entry: None,
            method: method.to_string(),
            operation: "",
            resource_type: String::new(),
            issuer: None,
            subject: None,
            user: None,
            client: None,
            acting: None,
            decision: "none",
            policies: Vec::new(),
            failed_check: None,
        }
    }

    /// What is asked for, where it is no interaction.
    pub(crate) fn operation(&mut self, operation: &'static str) {
        self.operation = operation;
    }

    /// The client that asks for a token.
    pub(crate) fn client(&mut self, client: &serde_json::Map<String, serde_json::Value>) {
        self.client = client.get("id").and_then(|id| id.as_str()).map(str::to_owned);
    }

    /// That a token was issued.
    pub(crate) fn issued(&mut self) {
        self.decision = "permit";
    }

    /// That the credential was not looked at, for how often others were refused.
    pub(crate) fn too_many(&mut self) {
        self.decision = "unauthenticated";
        self.failed_check = Some("too-many-attempts");
    }

    /// Counts the decision.
    pub(crate) fn count(&self, meters: &Meters) {
        meters.decision(self.decision, self.failed_check);
    }

    /// What was asked for.
    pub(crate) fn asked_operation(&self) -> &'static str {
        self.operation
    }

    /// What is asked about: the request, and the entry of its Bundle.
    pub(crate) fn place(&self) -> (RequestId, Option<usize>) {
        (self.request_id, self.entry)
    }

    /// That the caller acts as that User.
    pub(crate) fn acting_as(&mut self, user: &Id) {
        self.acting = Some(user.to_string());
    }

    /// That it was explained, and neither granted nor done.
    pub(crate) fn explained(&mut self) {
        self.decision = "explained";
    }

    /// Who asks.
    pub(crate) fn caller(&mut self, caller: &Caller) {
        let id = |resource: &serde_json::Map<String, serde_json::Value>| {
            resource.get("id").and_then(|id| id.as_str()).map(str::to_owned)
        };
        self.issuer.clone_from(&caller.session.issuer);
        let subject = caller.jwt.as_ref().and_then(|claims| claims.get("sub")?.as_str());
        self.subject = subject.map(str::to_owned);
        self.user = caller.user.as_deref().and_then(id);
        self.client = caller.client.as_deref().and_then(id);
    }

    /// That the credential was not accepted.
    pub(crate) fn unauthenticated(&mut self, why: &Unauthenticated) {
        self.decision = "unauthenticated";
        self.failed_check = Some(why.check());
    }

    /// What is asked for.
    pub(crate) fn interaction(&mut self, interaction: &Interaction) {
        self.operation = interaction.operation_id();
        let resource_type = interaction.resource_type();
        self.resource_type = resource_type.map(|of| of.name().to_owned()).unwrap_or_default();
    }

    /// That it was granted.
    pub(crate) fn permitted(&mut self, permitted: &Permitted) {
        self.decision = "permit";
        self.policies = permitted.granted_by().to_vec();
    }

    /// That it was denied.
    pub(crate) fn denied(&mut self, denial: &Denial) {
        self.decision = "deny";
        self.policies = denial
            .considered
            .iter()
            .map(|considered| format!("{}:{}", considered.policy, considered.verdict.name()))
            .collect();
    }

    /// Writes the event of this decision.
    pub(crate) fn event(&self, status: StatusCode, why: Option<&str>) {
        tracing::info!(
            target: "firewarden::decision",
            request_id = %self.request_id,
            method = %self.method,
            operation = %self.operation,
            resource_type = %self.resource_type,
            issuer = self.issuer.as_deref(),
            subject = self.subject.as_deref(),
            user = self.user.as_deref(),
            client = self.client.as_deref(),
            acting_as = self.acting.as_deref(),
            decision = self.decision,
            policies = %self.policies.join(","),
            failed_check = self.failed_check,
            status = status.as_u16(),
            why,
        );
    }

    /// Writes the event of the decision on one entry of a Bundle.
    pub(crate) fn entry_event(&self, meters: &Meters) {
        self.count(meters);
        let status = if self.decision == "permit" { StatusCode::OK } else { StatusCode::FORBIDDEN };
        self.event(status, Some("entry of a Bundle"));
    }

    /// The same record for one entry of a Bundle.
    pub(crate) fn of_entry(&self, index: usize) -> Self {
        Self {
            request_id: self.request_id,
            entry: Some(index),
            method: self.method.clone(),
            operation: "",
            resource_type: String::new(),
            issuer: self.issuer.clone(),
            subject: self.subject.clone(),
            user: self.user.clone(),
            client: self.client.clone(),
            acting: self.acting.clone(),
            decision: "none",
            policies: Vec::new(),
            failed_check: None,
        }
    }
}
