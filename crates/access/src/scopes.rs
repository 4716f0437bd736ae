//! SMART scopes as a limit on what the policies grant
//! (<https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html>). They only narrow.

mod scope;

use firewarden_fhir::definitions::compartment;
use firewarden_fhir::search::{Handling, ParseSearch};
use firewarden_fhir::{Id, Interaction, ResourceType, Target};
use serde_json::{Map, Value};

use self::scope::{Right, Scope, Whose};
use crate::decide::Asker;
use crate::limits::SCOPES_MAX;
use crate::permitted_search::look_at_others;
use crate::rows::{RowUnion, TooManyRows};
use crate::{Caller, RowFilter};

/// The `atv` of tokens whose scopes count, whatever their introspector says.
const ACCESS_TOKEN_VERSION: &str = "2";

/// What the scopes of a token leave of an interaction.
#[derive(Debug, PartialEq)]
pub(crate) enum Limit {
    /// All of it: they do not count.
    Everything,
    /// These rows of the interaction's own type.
    Rows(RowFilter),
    /// Nothing: none of them covers it.
    NotCovered,
}

/// What the scopes of the asker's token leave of the interaction.
pub(crate) fn limit(asker: &Asker, interaction: &Interaction) -> Limit {
    if !count(&asker.caller) {
        return Limit::Everything;
    }
    let Some(right) = right(interaction) else {
        return Limit::NotCovered;
    };
    let granted = granted(&asker.caller);
    let granting = granted.iter().filter(|scope| scope.grants(right));
    let Some(of) = interaction.resource_type() else {
        // Its types are each decided for themselves.
        let covered = granting.count() > 0;
        return if covered { Limit::Rows(RowFilter::everything()) } else { Limit::NotCovered };
    };
    let covering: Vec<&Scope<'_>> = granting.filter(|scope| scope.covers(of)).collect();
    if covering.is_empty() {
        return Limit::NotCovered;
    }
    let mut rows = RowUnion::default();
    for scope in covering {
        if add_rows(&mut rows, scope, of, asker).is_err() {
            return Limit::NotCovered;
        }
    }
    Limit::Rows(rows.into_filter())
}

/// Whether scopes count: their introspector says so, the token does by its `atv`, or the client is
/// a SMART one.
fn count(caller: &Caller) -> bool {
    let says_version = match claims(caller).and_then(|claims| claims.get("atv")) {
        Some(Value::Number(version)) => version.to_string() == ACCESS_TOKEN_VERSION,
        Some(Value::String(version)) => version == ACCESS_TOKEN_VERSION,
        Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => false,
    };
    caller.session.scopes_enforced || says_version || is_smart(caller)
}

/// `smart-app`, `patient-facing-smart-app`, `smart-backend-services` and the like, and clients for
/// bulk exports.
fn is_smart(caller: &Caller) -> bool {
    let kind = caller.client.as_ref().and_then(|client| client.get("type")?.as_str());
    kind.is_some_and(|kind| kind.contains("smart") || kind == "bulk-api-client")
}

fn claims(caller: &Caller) -> Option<&Map<String, Value>> {
    caller.jwt.as_deref().or(caller.token.as_deref())
}

/// The scopes of the token: one text, or a list of texts. Those that are no SMART scopes, or are
/// beyond [`SCOPES_MAX`], grant nothing.
fn granted(caller: &Caller) -> Vec<Scope<'_>> {
    let texts: Vec<&str> = match claims(caller) {
        None => caller.session.scope.as_deref().into_iter().collect(),
        Some(claims) => match claims.get("scope") {
            Some(Value::String(text)) => vec![text],
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => {
                Vec::new()
            }
        },
    };
    let words = texts.into_iter().flat_map(str::split_ascii_whitespace);
    words.take(SCOPES_MAX).filter_map(Scope::parse).collect()
}

/// The patient of a launch.
fn patient(caller: &Caller) -> Option<Id> {
    let claims = claims(caller)?;
    let named = match claims.get("patient") {
        Some(patient) => patient,
        None => claims.get("context")?.get("patient")?,
    };
    Id::parse(named.as_str()?)
}

fn add_rows(
    rows: &mut RowUnion,
    scope: &Scope<'_>,
    of: ResourceType,
    asker: &Asker,
) -> Result<(), TooManyRows> {
    let mut criteria = Vec::new();
    if scope.whose == Whose::Patient {
        let of_patient = || {
            let patient = Target::new(ResourceType::parse("Patient")?, patient(&asker.caller)?);
            compartment::criterion(&patient, of)
        };
        // Without a patient there is no compartment, and no row.
        let Some(criterion) = of_patient() else { return Ok(()) };
        criteria.push(criterion);
    }
    if let Some(query) = scope.query {
        let (base_url, handling) = (asker.facts.base_url.as_str(), Handling::Strict);
        let parse = ParseSearch { base_url, now: asker.now, handling };
        // What cannot be read as criteria of the type would have narrowed the scope.
        let Ok(more) = parse.criteria(of, query) else { return Ok(()) };
        // Whoever asked for the token may have chosen them: through a chain they would tell of rows
        // that the caller may not search.
        if look_at_others(&more) {
            return Ok(());
        }
        criteria.extend(more);
    }
    if criteria.is_empty() {
        rows.add_everything();
        return Ok(());
    }
    rows.add(criteria)
}

/// The right that an interaction needs; `None` for those that no scope speaks of.
fn right(interaction: &Interaction) -> Option<Right> {
    match interaction {
        Interaction::Create(_) | Interaction::ConditionalCreate(..) => Some(Right::Create),
        Interaction::Read(_) | Interaction::Vread(..) | Interaction::HistoryInstance(..) => {
            Some(Right::Read)
        }
        Interaction::Update(..) | Interaction::ConditionalUpdate(..) => Some(Right::Update),
        Interaction::Delete(..) | Interaction::ConditionalDelete(..) => Some(Right::Delete),
        Interaction::Search(..)
        | Interaction::CompartmentSearch(..)
        | Interaction::HistoryType(..)
        | Interaction::HistorySystem(_) => Some(Right::Search),
        Interaction::UserInfo
        | Interaction::TestPolicy(_)
        | Interaction::TestToken(_)
        | Interaction::TestMatcho(_)
        | Interaction::Explain(_)
        | Interaction::Jobs(_)
        | Interaction::HealthDetails
        | Interaction::Metrics => None,
    }
}
