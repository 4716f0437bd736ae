//! Reads a stored AccessPolicy: what is wrong with it, or the policy it makes.

use firewarden_fhir::{Id, Issue, TimeRange};
use serde_json::{Map, Value};

use super::{Link, Period, Policy};
use crate::engine::Engine;

/// What a sound AccessPolicy makes.
pub(crate) struct Read {
    /// The policy; `None` for one that is stored and never considered, as `active: false`.
    pub(crate) policy: Option<Policy>,
    /// Doubts about it.
    pub(crate) warnings: Vec<Issue>,
}

/// The attributes of an AccessPolicy that this version serves.
const SERVED: &[&str] = &[
    "resourceType",
    "id",
    "meta",
    "description",
    "engine",
    "link",
    "roleName",
    "active",
    "period",
];

/// Reads an AccessPolicy. An attribute that is not understood is an error, never passed over: it
/// might have narrowed what the policy grants.
pub(crate) fn read(id: Id, content: &Map<String, Value>) -> Result<Read, Vec<Issue>> {
    let mut errors: Vec<Issue> = content
        .keys()
        .filter(|name| !SERVED.contains(&name.as_str()))
        .map(|name| Issue::error("structure", format!("there is no attribute `{name}`")))
        .collect();
    let links = links(content, &mut errors);
    let role_name = match content.get("roleName") {
        None => None,
        Some(Value::String(name)) if !name.is_empty() => Some(name.clone()),
        Some(_) => {
            errors.push(Issue::error("value", "`roleName` is a text"));
            None
        }
    };
    let active = match content.get("active") {
        None => true,
        Some(Value::Bool(active)) => *active,
        Some(_) => {
            errors.push(Issue::error("value", "`active` is true or false"));
            false
        }
    };
    let period = period(content, &mut errors);
    if content.get("engine").and_then(Value::as_str) != Some("allow") {
        errors.push(Issue::error("value", "`engine` is `allow`"));
    }
    if links.is_none() && role_name.is_none() {
        errors.push(Issue::error("required", "`allow` needs a `link` or a `roleName`"));
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let policy = Policy { id, links, role_name, period, engine: Engine::Allow };
    Ok(Read { policy: active.then_some(policy), warnings: Vec::new() })
}

fn links(content: &Map<String, Value>, errors: &mut Vec<Issue>) -> Option<Vec<Link>> {
    let links = content.get("link")?.as_array().map(Vec::as_slice);
    if links.is_none() {
        errors.push(Issue::error("structure", "`link` is a list"));
    }
    let read = links.unwrap_or_default().iter().map(Link::read);
    let read: Option<Vec<Link>> = read.collect();
    if read.is_none() {
        errors.push(Issue::error("value", "a `link` is a reference"));
    }
    Some(read.unwrap_or_default())
}

fn period(content: &Map<String, Value>, errors: &mut Vec<Issue>) -> Option<Period> {
    let period = content.get("period")?;
    let bound = |name| match period.get(name) {
        None => Some(None),
        Some(value) => value.as_str().and_then(TimeRange::parse).map(Some),
    };
    let (Some(start), Some(end), true) = (bound("start"), bound("end"), period.is_object()) else {
        errors.push(Issue::error("value", "`period` is a Period"));
        return None;
    };
    Some(Period {
        start_us: start.map_or(TimeRange::LOW_US_MIN, |start| start.low_us),
        end_us: end.map_or(TimeRange::HIGH_US_MAX, |end| end.high_us),
    })
}
