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
    /// `GET [compartment]/[id]/[type]?…`. The criterion of the compartment is in the query.
    CompartmentSearch(Target, SearchQuery),
    /// `POST [type]`.
    Create(Resource),
    /// `POST [type]` where nothing meets the condition.
    ConditionalCreate(WriteCondition, Resource),
    /// `PUT [type]/[id]`.
    Update(Target, Resource, IfMatch),
    /// `PUT [type]?…`: of the resource that meets the condition.
    ConditionalUpdate(WriteCondition, Resource, IfMatch),
    /// `DELETE [type]/[id]`.
    Delete(Target, IfMatch),
    /// `DELETE [type]?…`: of what meets the condition.
    ConditionalDelete(WriteCondition),
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
    /// Looks at what is done beside requests, or ends it.
    Jobs(AskedOfJobs),
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

/// What is asked of the jobs.
#[derive(Clone, Debug, PartialEq)]
pub enum AskedOfJobs {
    /// `GET /auth/jobs`: which there are.
    List,
    /// `GET /auth/jobs/[id]`: how far one is.
    Read(String),
    /// `DELETE /auth/jobs/[id]`: that it ends.
    Cancel(String),
}

/// What a conditional write depends on (<https://hl7.org/fhir/R4/http.html#cond-update>).
#[derive(Clone, Debug, PartialEq)]
pub struct WriteCondition {
    /// What is looked for: criteria alone.
    pub query: SearchQuery,
    /// More matches are refused. Only a deletion may have more than one.
    pub matches_max: u32,
    /// The resource that it must lead to, or that is created: its `id` was sent, or other entries
    /// of a transaction refer to it.
    pub expected: Option<Target>,
    /// Whether the client chose the `id` of what is created. Who may not touch every resource of
    /// the type may not: whether an id is taken by what is hidden would show.
    pub id_sent: bool,
}

impl WriteCondition {
    /// That one resource at most meets these criteria.
    pub fn one(query: SearchQuery) -> Self {
        Self { query, matches_max: 1, expected: None, id_sent: false }
    }
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
            Self::CompartmentSearch(..) => "FhirCompartmentSearch",
            Self::Create(_) => "FhirCreate",
            Self::ConditionalCreate(..) => "FhirConditionalCreate",
            Self::Update(..) => "FhirUpdate",
            Self::ConditionalUpdate(..) => "FhirConditionalUpdate",
            Self::Delete(..) => "FhirDelete",
            Self::ConditionalDelete(_) => "FhirConditionalDelete",
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
            Self::Jobs(AskedOfJobs::List) => "ListJobs",
            Self::Jobs(AskedOfJobs::Read(_)) => "ReadJob",
            Self::Jobs(AskedOfJobs::Cancel(_)) => "CancelJob",
            Self::HealthDetails => "HealthDetails",
            Self::Metrics => "Metrics",
        }
    }

    /// The type whose rows it touches, if it is one. Of a search in a compartment it is the type
    /// that is searched.
    pub fn resource_type(&self) -> Option<ResourceType> {
        self.parts().of
    }

    /// The resource it is about, if it is about one that has an id.
    pub fn target(&self) -> Option<&Target> {
        self.parts().target
    }

    /// What the route says, as a policy sees it beside the parameters. Of a search in a
    /// compartment, `resource/type` and `resource/id` are the compartment's.
    pub fn route_parameters(&self) -> Vec<(&'static str, &str)> {
        if let Self::CompartmentSearch(compartment, query) = self {
            return vec![
                ("resource/type", compartment.resource_type.name()),
                ("resource/id", compartment.id.as_str()),
                ("resource/target", query.resource_type.name()),
            ];
        }
        let of_type = self.resource_type().map(|of| ("resource/type", of.name()));
        let id = self.target().map(|target| ("resource/id", target.id.as_str()));
        of_type.into_iter().chain(id).collect()
    }

    /// The HTTP method, in lower case, as policies see it.
    pub fn method(&self) -> &'static str {
        match self {
            Self::Read(_)
            | Self::Vread(..)
            | Self::Search(_, SearchForm::Get)
            | Self::CompartmentSearch(..)
            | Self::HistoryInstance(..)
            | Self::HistoryType(..)
            | Self::HistorySystem(_)
            | Self::UserInfo
            | Self::Explain(Explain::Decision(_) | Explain::Shadow)
            | Self::Jobs(AskedOfJobs::List | AskedOfJobs::Read(_))
            | Self::HealthDetails
            | Self::Metrics => "get",
            Self::Search(_, SearchForm::Post)
            | Self::Create(_)
            | Self::ConditionalCreate(..)
            | Self::TestPolicy(_)
            | Self::TestMatcho(_)
            | Self::TestToken(_)
            | Self::Explain(Explain::Request(_) | Explain::PolicyTests(_)) => "post",
            Self::Update(..) | Self::ConditionalUpdate(..) => "put",
            Self::Delete(..) | Self::ConditionalDelete(_) | Self::Jobs(AskedOfJobs::Cancel(_)) => {
                "delete"
            }
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
            Self::CompartmentSearch(compartment, query) => {
                format!("{}/{}", of(compartment), query.resource_type)
            }
            Self::Create(resource) => of_type(resource.resource_type),
            Self::ConditionalCreate(condition, _)
            | Self::ConditionalUpdate(condition, ..)
            | Self::ConditionalDelete(condition) => of_type(condition.query.resource_type),
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
            Self::Jobs(AskedOfJobs::List) => "/auth/jobs".to_owned(),
            Self::Jobs(AskedOfJobs::Read(id) | AskedOfJobs::Cancel(id)) => {
                format!("/auth/jobs/{id}")
            }
            Self::HealthDetails => "/health/ready".to_owned(),
            Self::Metrics => "/metrics".to_owned(),
        }
    }

    /// The parameters that apply, as they were sent and in their order.
    pub fn parameters(&self) -> &[(String, String)] {
        self.parts().parameters
    }

    /// The incoming resource, of a write.
    pub fn resource(&self) -> Option<&Resource> {
        self.parts().resource
    }

    /// The incoming resource, of a write, to be completed before it is decided.
    pub fn resource_mut(&mut self) -> Option<&mut Resource> {
        self.write_mut().1
    }

    /// The condition of a conditional write, to be completed before it is decided.
    pub fn condition_mut(&mut self) -> Option<&mut WriteCondition> {
        self.write_mut().0
    }

    fn parts(&self) -> Parts<'_> {
        match self {
            Self::Read(target) | Self::Vread(target, _) | Self::Delete(target, _) => {
                Parts::of_target(target)
            }
            Self::Update(target, resource, _) => {
                Parts { resource: Some(resource), ..Parts::of_target(target) }
            }
            Self::HistoryInstance(target, page) => {
                Parts { parameters: &page.applied, ..Parts::of_target(target) }
            }
            Self::Search(query, _) | Self::CompartmentSearch(_, query) => Parts::of_query(query),
            Self::ConditionalCreate(condition, resource)
            | Self::ConditionalUpdate(condition, resource, _) => {
                Parts { resource: Some(resource), ..Parts::of_query(&condition.query) }
            }
            Self::ConditionalDelete(condition) => Parts::of_query(&condition.query),
            Self::Create(resource) => Parts {
                of: Some(resource.resource_type),
                resource: Some(resource),
                ..Parts::default()
            },
            Self::HistoryType(of, page) => {
                Parts { of: Some(*of), parameters: &page.applied, ..Parts::default() }
            }
            Self::HistorySystem(page) => Parts { parameters: &page.applied, ..Parts::default() },
            Self::UserInfo
            | Self::TestPolicy(_)
            | Self::TestMatcho(_)
            | Self::TestToken(_)
            | Self::Explain(_)
            | Self::Jobs(_)
            | Self::HealthDetails
            | Self::Metrics => Parts::default(),
        }
    }

    /// The condition and the resource of a write.
    fn write_mut(&mut self) -> (Option<&mut WriteCondition>, Option<&mut Resource>) {
        match self {
            Self::Create(resource) | Self::Update(_, resource, _) => (None, Some(resource)),
            Self::ConditionalCreate(condition, resource)
            | Self::ConditionalUpdate(condition, resource, _) => (Some(condition), Some(resource)),
            Self::ConditionalDelete(condition) => (Some(condition), None),
            Self::Read(_)
            | Self::Vread(..)
            | Self::Search(..)
            | Self::CompartmentSearch(..)
            | Self::Delete(..)
            | Self::HistoryInstance(..)
            | Self::HistoryType(..)
            | Self::HistorySystem(_)
            | Self::UserInfo
            | Self::TestPolicy(_)
            | Self::TestMatcho(_)
            | Self::TestToken(_)
            | Self::Explain(_)
            | Self::Jobs(_)
            | Self::HealthDetails
            | Self::Metrics => (None, None),
        }
    }
}

/// What an interaction is made of, as far as it has such parts.
#[derive(Default)]
struct Parts<'a> {
    of: Option<ResourceType>,
    target: Option<&'a Target>,
    parameters: &'a [(String, String)],
    resource: Option<&'a Resource>,
}

impl<'a> Parts<'a> {
    fn of_target(target: &'a Target) -> Self {
        Self { of: Some(target.resource_type), target: Some(target), ..Self::default() }
    }

    fn of_query(query: &'a SearchQuery) -> Self {
        let of = Some(query.resource_type);
        Self { of, parameters: &query.applied, ..Self::default() }
    }
}
