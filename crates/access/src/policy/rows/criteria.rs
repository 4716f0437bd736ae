//! The rows of one type as search criteria, with values of the request bound in their places.

use firewarden_fhir::request::parse_query;
use firewarden_fhir::search::{Criterion, Handling, ParseSearch, escape};
use firewarden_fhir::{Definitions, Issue, ResourceType, Timestamp};

use super::ReadAgainst;
use super::shape::{ValueKind, is_fixed, kinds, may_stand, same_shape};
use super::template::Template;
use crate::document::{Keys, RequestDocument};
use crate::nearest::suggestion;

/// Values that stand in the places while the criteria are checked. One of them is a value of
/// every kind and of any part of a date.
const PLACEHOLDERS: &[&str] = &["2000", "01"];

/// Parameters that shape an answer and limit no rows.
const OF_ANSWER: &[&str] = &[
    "_contained",
    "_containedType",
    "_count",
    "_cursor",
    "_elements",
    "_format",
    "_include",
    "_pretty",
    "_revinclude",
    "_sort",
    "_summary",
    "_total",
    "_totalMethod",
];

/// A URL that nothing is below: what criteria are checked against before a request has come.
const NO_BASE_URL: &str = "urn:firewarden:none";

/// Search criteria of one type.
#[derive(Debug)]
pub(super) struct RowCriteria {
    of: ResourceType,
    parameters: Vec<Parameter>,
    /// How they read with placeholders. Without places, and if nothing else of a request counts,
    /// that is the reading.
    checked: Vec<Criterion>,
    is_final: bool,
}

#[derive(Debug)]
struct Parameter {
    name: String,
    value: Template,
    /// What each of its places compares.
    kinds: Vec<ValueKind>,
}

impl RowCriteria {
    /// Reads criteria, as they stand in a URL's query.
    pub(super) fn read(of: ResourceType, text: &str) -> Result<Self, Issue> {
        let mut parameters = Vec::new();
        let mut checked = Vec::new();
        for (name, value) in parse_query(&guarded(text)?)? {
            known(of, &name)?;
            let value = Template::read(&value).map_err(|told| Issue::error("value", told))?;
            let criteria = placeheld(of, &name, &value)?;
            let kinds = criteria.iter().flat_map(kinds).collect();
            checked.extend(criteria);
            parameters.push(Parameter { name, value, kinds });
        }
        if checked.is_empty() {
            let told = "without criteria it is no row: write `*` for every row of the type";
            return Err(Issue::error("required", told));
        }
        let has_places = parameters.iter().any(|parameter| parameter.value.has_places());
        let is_final = !has_places && checked.iter().all(is_fixed);
        Ok(Self { of, parameters, checked, is_final })
    }

    /// The keys of the document that the values are under.
    pub(super) fn keys(&self) -> Keys {
        let keys = self.parameters.iter().map(|parameter| parameter.value.keys());
        keys.fold(Keys::NONE, Keys::with)
    }

    /// The criteria with the values of a request. `None`, which is no row, when one is absent or
    /// would make them say anything else than their author wrote.
    pub(super) fn of(
        &self,
        document: &RequestDocument,
        against: ReadAgainst<'_>,
    ) -> Option<Vec<Criterion>> {
        if self.is_final {
            return Some(self.checked.clone());
        }
        let bound: Option<Vec<(String, String)>> =
            self.parameters.iter().map(|parameter| parameter.bound(document)).collect();
        let criteria = reader(against).criteria_of(self.of, &bound?).ok()?;
        same_shape(&criteria, &self.checked).then_some(criteria)
    }
}

impl Parameter {
    fn bound(&self, document: &RequestDocument) -> Option<(String, String)> {
        let value = self.value.filled(|place| {
            let value = place.value(document.whole())?;
            let stands = self.kinds.iter().all(|kind| may_stand(&value, place, *kind));
            if stands { escape(&value) } else { None }
        })?;
        Some((self.name.clone(), value))
    }
}

fn reader(against: ReadAgainst<'_>) -> ParseSearch<'_> {
    let ReadAgainst { base_url, now } = against;
    ParseSearch { base_url, now, handling: Handling::Strict }
}

/// A place is written plainly: what stands in one is no part of the query's syntax.
fn guarded(text: &str) -> Result<String, Issue> {
    let mut guarded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        guarded.push_str(before);
        let Some((path, after)) = after.split_once("}}") else {
            return Err(Issue::error("value", "`{{` is never closed by `}}`"));
        };
        let path = path.replace('%', "%25").replace('&', "%26").replace('+', "%2B");
        guarded.push_str(&format!("{{{{{path}}}}}"));
        rest = after;
    }
    guarded.push_str(rest);
    Ok(guarded)
}

/// Refuses a parameter that the type does not have, with the one that was most likely meant.
fn known(of: ResourceType, name: &str) -> Result<(), Issue> {
    if name.contains("{{") {
        let told = format!("`{name}`: a place stands for a value, not for a parameter");
        return Err(Issue::error("value", told));
    }
    let code = name.split([':', '.']).next().unwrap_or_default();
    if OF_ANSWER.contains(&code) {
        let told = format!("`{name}` shapes an answer and limits no rows");
        return Err(Issue::error("value", told));
    }
    let has_criteria_of_its_own = matches!(code, "_id" | "_lastUpdated" | "_has");
    if has_criteria_of_its_own || Definitions::get().search_parameter(of, code).is_some() {
        return Ok(());
    }
    let parameters = Definitions::get().search_parameters(of);
    let codes: Vec<&str> = parameters.iter().map(|parameter| &*parameter.code).collect();
    let near = suggestion(code, &codes);
    Err(Issue::error("value", format!("`{code}` is not a search parameter of `{of}`{near}")))
}

/// How one parameter reads with a placeholder in its places.
fn placeheld(of: ResourceType, name: &str, value: &Template) -> Result<Vec<Criterion>, Issue> {
    let against = ReadAgainst { base_url: NO_BASE_URL, now: Timestamp::UNIX_EPOCH };
    let parse = reader(against);
    let read = |placeholder: &str| {
        let value = value.filled(|_| Some(placeholder.to_owned())).unwrap_or_default();
        parse.criteria_of(of, &[(name.to_owned(), value)])
    };
    let mut readings = PLACEHOLDERS.iter().map(|placeholder| read(placeholder));
    let first = readings.next().unwrap_or_else(|| read(""));
    match first {
        Ok(criteria) => Ok(criteria),
        Err(issue) => readings.find_map(Result::ok).ok_or(issue),
    }
}
