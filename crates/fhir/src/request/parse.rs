//! Reads a method, a path, a query and a body as an interaction
//! (<https://hl7.org/fhir/R4/http.html>).

use serde_json::Value;

use super::body::{if_match, resource_of};
use super::parse_query;
use crate::definitions::compartment;
use crate::search::{Criterion, Handling, ParseSearch, SearchQuery, count};
use crate::{
    HistoryPage, Id, Interaction, Issue, ResourceType, SearchForm, Target, TimeRange, Timestamp,
    Version,
};

/// A request in FHIR's RESTful form, of HTTP or of a Bundle's entry.
pub struct RestRequest<'a> {
    /// The HTTP method, in upper case.
    pub method: &'a str,
    /// The path below the base, as it was sent, without a leading slash: `Patient/1`.
    pub path: &'a str,
    /// The query as it was sent, without `?`.
    pub query: &'a str,
    /// The body.
    pub body: Body,
    /// `If-Match`.
    pub if_match: Option<&'a str>,
    /// `If-None-Exist`: criteria, as in a query.
    pub if_none_exist: Option<&'a str>,
    /// A conditional header that was sent and that this server does not serve.
    pub unserved_condition: Option<&'static str>,
    /// `Prefer: handling=`.
    pub handling: Handling,
}

/// A request's body, read.
pub enum Body {
    /// There is none.
    Empty,
    /// JSON, or YAML read as JSON.
    Json(Value),
    /// A form, for `POST _search`.
    Form(Vec<(String, String)>),
    /// It could not be read; told to callers who may do what they ask.
    Defective(Issue),
}

/// An interaction, and what is wrong with the request for it. A defect is only told after the
/// interaction was granted: who may not touch a type learns nothing about its parameters.
#[derive(Debug, PartialEq)]
pub struct Routed {
    /// What is asked for; with a defect, only its kind and its target are to be relied on.
    pub interaction: Interaction,
    /// Why it cannot be carried out.
    pub defect: Option<Issue>,
}

/// Why a request is no interaction of this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotServed {
    /// The path is not in its canonical form.
    BadPath,
    /// There is no such type or place.
    NotFound,
    /// The place is there, the method is not served at it.
    Method,
}

/// The places below the base.
enum Place {
    SystemHistory,
    Type(ResourceType),
    TypeSearch(ResourceType),
    TypeHistory(ResourceType),
    Instance(Target),
    InstanceHistory(Target),
    InstanceVersion(Target, Version),
    Compartment { compartment: Target, member: ResourceType, criterion: Criterion },
}

impl RestRequest<'_> {
    /// The interaction.
    pub fn route(self, base_url: &str, now: Timestamp) -> Result<Routed, NotServed> {
        let search = ParseSearch { base_url, now, handling: self.handling };
        let place = place(&canonical(self.path)?)?;
        let query = self.query;
        let method = if self.method == "HEAD" { "GET" } else { self.method };
        match (method, place) {
            ("GET", Place::Type(of)) => {
                let read = parse_query(query).and_then(|sent| search.read(of, &sent));
                Ok(searched(of, SearchForm::Get, read))
            }
            ("POST", Place::TypeSearch(of)) => {
                let read = search_parameters(query, self.body).and_then(|s| search.read(of, &s));
                Ok(searched(of, SearchForm::Post, read))
            }
            ("GET", Place::Compartment { compartment, member, criterion }) => {
                let read = parse_query(query).and_then(|sent| search.read(member, &sent));
                let (mut query, defect) = searched_or_all(member, read);
                query.criteria.push(criterion);
                Ok(with_defect(Interaction::CompartmentSearch(compartment, query), defect))
            }
            ("POST", Place::Type(of)) => Ok(self.create(of, search)),
            ("PUT", Place::Type(of)) => Ok(self.conditional_update(of, search)),
            ("DELETE", Place::Type(of)) => Ok(self.conditional_delete(of, search)),
            ("GET", Place::Instance(target)) => Ok(sound(Interaction::Read(target))),
            ("PUT", Place::Instance(target)) => Ok(self.update(target)),
            ("DELETE", Place::Instance(target)) => Ok(self.delete(target)),
            ("GET", Place::InstanceVersion(target, version)) => {
                Ok(sound(Interaction::Vread(target, version)))
            }
            ("GET", Place::InstanceHistory(target)) => {
                Ok(history(query, |page| Interaction::HistoryInstance(target, page)))
            }
            ("GET", Place::TypeHistory(of)) => {
                Ok(history(query, |page| Interaction::HistoryType(of, page)))
            }
            ("GET", Place::SystemHistory) => Ok(history(query, Interaction::HistorySystem)),
            _ => Err(NotServed::Method),
        }
    }

    fn update(self, target: Target) -> Routed {
        let condition = self.unserved_criteria("update", target.resource_type);
        let (if_match, version_defect) = split(if_match(self.if_match));
        let (resource, defect) = resource_of(target.resource_type, Some(&target), self.body);
        let interaction = Interaction::Update(target, resource, if_match);
        with_defect(interaction, condition.or(version_defect).or(defect))
    }

    fn delete(self, target: Target) -> Routed {
        let condition = self.unserved_criteria("delete", target.resource_type);
        let (if_match, version_defect) = split(if_match(self.if_match));
        with_defect(Interaction::Delete(target, if_match), condition.or(version_defect))
    }
}

/// The path, if it is in the one form that names what it names: no escape (but `%24` for `$`), no
/// dot segment, no empty segment, no parameter.
fn canonical(path: &str) -> Result<String, NotServed> {
    let path = path.replace("%24", "$");
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._$/".contains(&b);
    let fits = path.bytes().all(plain) && path.split('/').all(|s| !matches!(s, "" | "." | ".."));
    if fits { Ok(path) } else { Err(NotServed::BadPath) }
}

fn place(path: &str) -> Result<Place, NotServed> {
    let segments: Vec<&str> = path.split('/').collect();
    let of = |name: &str| ResourceType::parse(name).ok_or(NotServed::NotFound);
    let target = |name: &str, id: &str| {
        Ok(Target::new(of(name)?, Id::parse(id).ok_or(NotServed::NotFound)?))
    };
    match segments.as_slice() {
        ["_history"] => Ok(Place::SystemHistory),
        [name] => Ok(Place::Type(of(name)?)),
        [name, "_search"] => Ok(Place::TypeSearch(of(name)?)),
        [name, "_history"] => Ok(Place::TypeHistory(of(name)?)),
        [name, id] => Ok(Place::Instance(target(name, id)?)),
        [name, id, "_history"] => Ok(Place::InstanceHistory(target(name, id)?)),
        [name, id, member] => {
            let (compartment, member) = (target(name, id)?, of(member)?);
            let criterion =
                compartment::criterion(&compartment, member).ok_or(NotServed::NotFound)?;
            Ok(Place::Compartment { compartment, member, criterion })
        }
        [name, id, "_history", version] => {
            let version = Version::parse(version).ok_or(NotServed::NotFound)?;
            Ok(Place::InstanceVersion(target(name, id)?, version))
        }
        _ => Err(NotServed::NotFound),
    }
}

fn sound(interaction: Interaction) -> Routed {
    with_defect(interaction, None)
}

pub(super) fn with_defect(interaction: Interaction, defect: Option<Issue>) -> Routed {
    Routed { interaction, defect }
}

pub(super) fn split<T: Default>(read: Result<T, Issue>) -> (T, Option<Issue>) {
    match read {
        Ok(value) => (value, None),
        Err(defect) => (T::default(), Some(defect)),
    }
}

fn searched(of: ResourceType, form: SearchForm, read: Result<SearchQuery, Issue>) -> Routed {
    let (query, defect) = searched_or_all(of, read);
    with_defect(Interaction::Search(query, form), defect)
}

fn searched_or_all(
    of: ResourceType,
    read: Result<SearchQuery, Issue>,
) -> (SearchQuery, Option<Issue>) {
    match read {
        Ok(query) => (query, None),
        Err(defect) => (SearchQuery::all(of), Some(defect)),
    }
}

/// The parameters of a `POST _search`: those of the query and of the body hold together.
fn search_parameters(query: &str, body: Body) -> Result<Vec<(String, String)>, Issue> {
    let mut parameters = parse_query(query)?;
    match body {
        Body::Form(sent) => parameters.extend(sent),
        Body::Empty => {}
        Body::Defective(defect) => return Err(defect),
        Body::Json(_) => {
            return Err(Issue::error(
                "invalid",
                "a search by POST is a form: send `Content-Type: application/x-www-form-urlencoded`",
            ));
        }
    }
    Ok(parameters)
}

fn history(query: &str, of: impl FnOnce(HistoryPage) -> Interaction) -> Routed {
    let (page, defect) = split(history_page(query));
    Routed { interaction: of(page), defect }
}

fn history_page(query: &str) -> Result<HistoryPage, Issue> {
    let mut page = HistoryPage::default();
    for (name, value) in parse_query(query)? {
        match name.as_str() {
            "_count" => page.count = count(&value)?,
            "_cursor" => page.cursor = Some(value.clone()),
            "_since" => {
                page.since = Some(TimeRange::parse(&value).ok_or_else(|| {
                    Issue::error("value", format!("`_since` is not an instant: `{value}`"))
                })?);
            }
            "_format" | "_pretty" => {}
            _ => {
                let text = format!("a history has no parameter `{name}`");
                return Err(Issue::error("not-supported", text));
            }
        }
        page.applied.push((name, value));
    }
    Ok(page)
}
