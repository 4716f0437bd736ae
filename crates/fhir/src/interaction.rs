//! What a request asks for, in FHIR's terms (<https://hl7.org/fhir/R4/http.html>).

use std::fmt;

use serde_json::Value;

use crate::search::SearchQuery;
use crate::{Resource, ResourceType, Target, TimeRange, Version};

/// One interaction, parsed once from a request or from an entry of a Bundle. Nothing behind it
/// looks at a URL again.
#[derive(Clone, Debug, PartialEq)]
pub enum Interaction {
    /// `GET [type]/[id]`.
    Read(Target),
    /// `GET [type]/[id]/_history/[version]`.
    Vread(Target, Version),
    /// `GET [type]?…` and `POST [type]/_search`.
    Search(SearchQuery, SearchForm),
    /// `POST [type]`.
    Create(Resource),
    /// `PUT [type]/[id]`.
    Update(Target, Resource, IfMatch),
    /// `DELETE [type]/[id]`.
    Delete(Target, IfMatch),
    /// `GET [type]/[id]/_history`.
    HistoryInstance(Target, HistoryPage),
    /// `GET [type]/_history`.
    HistoryType(ResourceType, HistoryPage),
    /// `GET _history`.
    HistorySystem(HistoryPage),
    /// `GET /auth/userinfo`.
    UserInfo,
    /// `POST /auth/test-policy`.
    TestPolicy(Value),
    /// `POST /$matcho`.
    TestMatcho(Value),
    /// `POST /auth/test-token`.
    TestToken(SentToken),
    /// Asks why something is, or would be, allowed or refused.
    Explain(Explain),
    /// `GET /health/ready` with details.
    HealthDetails,
    /// `GET /metrics`.
    Metrics,
}

/// What an explanation is asked of.
#[derive(Clone, Debug, PartialEq)]
pub enum Explain {
    /// `GET /auth/decisions/[request id]`: a decision that was made.
    Decision(String),
    /// `POST /auth/explain`: a request as it would be decided now.
    Request(Value),
    /// `POST /auth/policy-tests`: whether tests of policies hold.
    PolicyTests(Value),
    /// `GET /auth/shadow`: what policies in shadow mode would change.
    Shadow,
}

/// A token that was sent to be looked at. It is never shown, in a log of the interaction either.
#[derive(Clone, PartialEq, Eq)]
pub struct SentToken(String);

impl SentToken {
    /// That token.
    pub fn new(token: String) -> Self {
        Self(token)
    }

    /// The token itself, to be judged and not to be kept.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SentToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// How a search was sent: policies see the method and the `_search` in the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchForm {
    /// `GET [type]?…`
    Get,
    /// `POST [type]/_search`
    Post,
}

/// A write's condition on the version it replaces (`If-Match`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IfMatch {
    /// None was sent.
    #[default]
    Any,
    /// That version must be the current one.
    Version(Version),
}

/// Which part of a history is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryPage {
    /// Versions on a page.
    pub count: u32,
    /// Only versions written at or after the beginning of this.
    pub since: Option<TimeRange>,
    /// Where the page begins: the text that the last page's link carried, read by the store.
    pub cursor: Option<String>,
    /// The parameters that apply, as they were sent.
    pub applied: Vec<(String, String)>,
}

impl Default for HistoryPage {
    fn default() -> Self {
        let count = crate::limits::PAGE_ENTRIES_DEFAULT;
        Self { count, since: None, cursor: None, applied: Vec::new() }
    }
}

impl Interaction {
    /// The id of the `operation` in a policy's request document.
    pub fn operation_id(&self) -> &'static str {
        match self {
            Self::Read(_) => "FhirRead",
            Self::Vread(..) => "FhirVread",
            Self::Search(..) => "FhirSearch",
            Self::Create(_) => "FhirCreate",
            Self::Update(..) => "FhirUpdate",
            Self::Delete(..) => "FhirDelete",
            Self::HistoryInstance(..) | Self::HistoryType(..) | Self::HistorySystem(_) => {
                "FhirHistory"
            }
            Self::UserInfo => "UserInfo",
            Self::TestPolicy(_) => "TestPolicy",
            Self::TestMatcho(_) => "TestMatcho",
            Self::TestToken(_) => "TestToken",
            Self::Explain(Explain::Decision(_)) => "ExplainDecision",
            Self::Explain(Explain::Request(_)) => "ExplainRequest",
            Self::Explain(Explain::PolicyTests(_)) => "TestPolicies",
            Self::Explain(Explain::Shadow) => "ExplainShadow",
            Self::HealthDetails => "HealthDetails",
            Self::Metrics => "Metrics",
        }
    }

    /// The type it is about, if it is about one.
    pub fn resource_type(&self) -> Option<ResourceType> {
        match self {
            Self::Read(target)
            | Self::Vread(target, _)
            | Self::Update(target, ..)
            | Self::Delete(target, _)
            | Self::HistoryInstance(target, _) => Some(target.resource_type),
            Self::Search(query, _) => Some(query.resource_type),
            Self::Create(resource) => Some(resource.resource_type),
            Self::HistoryType(resource_type, _) => Some(*resource_type),
            Self::HistorySystem(_)
            | Self::UserInfo
            | Self::TestPolicy(_)
            | Self::TestMatcho(_)
            | Self::TestToken(_)
            | Self::Explain(_)
            | Self::HealthDetails
            | Self::Metrics => None,
        }
    }

    /// The resource it is about, if it is about one that has an id.
    pub fn target(&self) -> Option<&Target> {
        match self {
            Self::Read(target)
            | Self::Vread(target, _)
            | Self::Update(target, ..)
            | Self::Delete(target, _)
            | Self::HistoryInstance(target, _) => Some(target),
            Self::Search(..)
            | Self::Create(_)
            | Self::HistoryType(..)
            | Self::HistorySystem(_)
            | Self::UserInfo
            | Self::TestPolicy(_)
            | Self::TestMatcho(_)
            | Self::TestToken(_)
            | Self::Explain(_)
            | Self::HealthDetails
            | Self::Metrics => None,
        }
    }

    /// The HTTP method, in lower case, as policies see it.
    pub fn method(&self) -> &'static str {
        match self {
            Self::Read(_)
            | Self::Vread(..)
            | Self::Search(_, SearchForm::Get)
            | Self::HistoryInstance(..)
            | Self::HistoryType(..)
            | Self::HistorySystem(_)
            | Self::UserInfo
            | Self::Explain(Explain::Decision(_) | Explain::Shadow)
            | Self::HealthDetails
            | Self::Metrics => "get",
            Self::Search(_, SearchForm::Post)
            | Self::Create(_)
            | Self::TestPolicy(_)
            | Self::TestMatcho(_)
            | Self::TestToken(_)
            | Self::Explain(Explain::Request(_) | Explain::PolicyTests(_)) => "post",
            Self::Update(..) => "put",
            Self::Delete(..) => "delete",
        }
    }

    /// The canonical path, without query: what a policy's `uri` is compared with. Our own types
    /// stand at the root, however they were reached.
    pub fn uri(&self) -> String {
        let of_type = |resource_type: ResourceType| {
            let root = if resource_type.is_own() { "" } else { "/fhir" };
            format!("{root}/{resource_type}")
        };
        let of = |target: &Target| format!("{}/{}", of_type(target.resource_type), target.id);
        match self {
            Self::Read(target) | Self::Update(target, ..) | Self::Delete(target, _) => of(target),
            Self::Vread(target, version) => format!("{}/_history/{version}", of(target)),
            Self::Search(query, SearchForm::Get) => of_type(query.resource_type),
            Self::Search(query, SearchForm::Post) => {
                format!("{}/_search", of_type(query.resource_type))
            }
            Self::Create(resource) => of_type(resource.resource_type),
            Self::HistoryInstance(target, _) => format!("{}/_history", of(target)),
            Self::HistoryType(resource_type, _) => format!("{}/_history", of_type(*resource_type)),
            Self::HistorySystem(_) => "/fhir/_history".to_owned(),
            Self::UserInfo => "/auth/userinfo".to_owned(),
            Self::TestPolicy(_) => "/auth/test-policy".to_owned(),
            Self::TestMatcho(_) => "/$matcho".to_owned(),
            Self::TestToken(_) => "/auth/test-token".to_owned(),
            Self::Explain(Explain::Decision(id)) => format!("/auth/decisions/{id}"),
            Self::Explain(Explain::Request(_)) => "/auth/explain".to_owned(),
            Self::Explain(Explain::PolicyTests(_)) => "/auth/policy-tests".to_owned(),
            Self::Explain(Explain::Shadow) => "/auth/shadow".to_owned(),
            Self::HealthDetails => "/health/ready".to_owned(),
            Self::Metrics => "/metrics".to_owned(),
        }
    }

    /// The parameters that apply, as they were sent and in their order.
    pub fn parameters(&self) -> &[(String, String)] {
        match self {
            Self::Search(query, _) => &query.applied,
            Self::HistoryInstance(_, page)
            | Self::HistoryType(_, page)
            | Self::HistorySystem(page) => &page.applied,
            Self::Read(_)
            | Self::Vread(..)
            | Self::Create(_)
            | Self::Update(..)
            | Self::Delete(..)
            | Self::UserInfo
            | Self::TestPolicy(_)
            | Self::TestMatcho(_)
            | Self::TestToken(_)
            | Self::Explain(_)
            | Self::HealthDetails
            | Self::Metrics => &[],
        }
    }

    /// The incoming resource, of a write.
    pub fn resource(&self) -> Option<&Resource> {
        match self {
            Self::Create(resource) | Self::Update(_, resource, _) => Some(resource),
            Self::Read(_)
            | Self::Vread(..)
            | Self::Search(..)
            | Self::Delete(..)
            | Self::HistoryInstance(..)
            | Self::HistoryType(..)
            | Self::HistorySystem(_)
            | Self::UserInfo
            | Self::TestPolicy(_)
            | Self::TestMatcho(_)
            | Self::TestToken(_)
            | Self::Explain(_)
            | Self::HealthDetails
            | Self::Metrics => None,
        }
    }
}
