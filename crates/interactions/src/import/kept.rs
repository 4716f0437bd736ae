//! A version with its number, time and method: the line of an export with history, written and read.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use firewarden_access::SystemTask;
use firewarden_fhir::{
    Id, Issue, Resource, ResourceType, Target, Timestamp, Version, instant_text,
};
use firewarden_store::{Dumped, HistoryMethod, KeptVersion};
use serde_json::{Map, Value, json};

use crate::bundle_text::quoted;
use crate::own_type::{MASK, secret_places};
use crate::{Failure, OwnTypes};

/// The member that tells such a line from a resource, and the form of the line.
pub const KEPT_VERSION: (&str, &str) = ("firewarden", "version/1");

/// The line of a version. Secrets are in it sealed, or it is told that they are left out.
pub fn kept_version_text(dumped: &Dumped<'_>, with_sealed_secrets: bool) -> String {
    let method = match dumped.method {
        HistoryMethod::Post => "POST",
        HistoryMethod::Put => "PUT",
        HistoryMethod::Delete => "DELETE",
    };
    let (name, form) = KEPT_VERSION;
    let mut text = format!(
        r#"{{"{name}":"{form}","type":"{}","id":"{}","version":{},"updated":"{}","method":"{method}""#,
        dumped.target.resource_type,
        dumped.target.id,
        dumped.version,
        instant_text(dumped.updated),
    );
    if let Some(previous) = dumped.previous {
        text.push_str(&format!(r#","previous":"{}""#, instant_text(previous)));
    }
    if !dumped.is_current {
        text.push_str(r#","superseded":true"#);
    }
    if with_sealed_secrets && !dumped.sealed.is_empty() {
        let sealed = dumped.sealed.iter().map(|(pointer, sealed)| {
            format!(r#"{}:"{}""#, quoted(pointer), STANDARD.encode(sealed))
        });
        text.push_str(&format!(r#","sealed":{{{}}}"#, sealed.collect::<Vec<_>>().join(",")));
    }
    if let Some(body) = dumped.body {
        text.push_str(r#","resource":"#);
        text.push_str(body);
    }
    text.push('}');
    text
}

/// Reads such a line.
pub fn kept_version(
    own_types: &dyn OwnTypes,
    mut line: Map<String, Value>,
) -> Result<KeptVersion, Vec<Issue>> {
    let wrong = |name: &str| vec![Issue::error("value", format!("`{name}` cannot be read"))];
    if line.get(KEPT_VERSION.0).and_then(Value::as_str) != Some(KEPT_VERSION.1) {
        let text = "a version in a form that this program does not read: it was written by another";
        return Err(vec![Issue::error("not-supported", text)]);
    }
    let resource = line.remove("resource");
    let text = |name: &str| line.get(name).and_then(Value::as_str);
    let time = |name: &str| match text(name) {
        None => Ok(None),
        Some(text) => text.parse::<Timestamp>().map(Some).map_err(|_| wrong(name)),
    };
    let of = text("type").and_then(ResourceType::parse).ok_or_else(|| wrong("type"))?;
    let id = text("id").and_then(Id::parse).ok_or_else(|| wrong("id"))?;
    let number = line.get("version").and_then(Value::as_u64).filter(|number| *number > 0);
    let method = match text("method") {
        Some("POST") => HistoryMethod::Post,
        Some("PUT") => HistoryMethod::Put,
        Some("DELETE") => HistoryMethod::Delete,
        _ => return Err(wrong("method")),
    };
    if (method == HistoryMethod::Delete) != resource.is_none() {
        return Err(wrong("resource"));
    }
    let sealed = sealed(line.get("sealed")).ok_or_else(|| wrong("sealed"))?;
    let is_superseded = line.get("superseded") == Some(&Value::Bool(true));
    let resource = match resource {
        None => None,
        Some(resource) => {
            let secrets = if is_superseded { None } else { Some(sealed.as_slice()) };
            Some(content(own_types, of, resource, secrets)?)
        }
    };
    Ok(KeptVersion {
        target: Target::new(of, id),
        rows: SystemTask::Import.rows(of),
        version: Version(number.ok_or_else(|| wrong("version"))?),
        previous: time("previous")?,
        updated: time("updated")?.ok_or_else(|| wrong("updated"))?,
        method,
        resource,
        sealed,
    })
}

fn sealed(member: Option<&Value>) -> Option<Vec<(String, Vec<u8>)>> {
    let Some(member) = member else { return Some(Vec::new()) };
    let one = |(pointer, sealed): (&String, &Value)| {
        Some((pointer.clone(), STANDARD.decode(sealed.as_str()?).ok()?))
    };
    member.as_object()?.iter().map(one).collect()
}

/// The checked content of a version. `sealed` are the secrets of a current one.
fn content(
    own_types: &dyn OwnTypes,
    of: ResourceType,
    resource: Value,
    sealed: Option<&[(String, Vec<u8>)]>,
) -> Result<Resource, Vec<Issue>> {
    let Value::Object(content) = resource else {
        return Err(vec![Issue::error("structure", "not a resource: a resource is an object")]);
    };
    if content.get("resourceType").and_then(Value::as_str) != Some(of.name()) {
        return Err(vec![Issue::error("value", "`resourceType` is not the version's `type`")]);
    }
    let resource = Resource { resource_type: of, content };
    if !of.is_own() {
        let checked = crate::write::check_of_fhir(&resource);
        return match checked {
            Ok(()) => Ok(resource),
            Err(Failure::Invalid(issues)) => Err(issues),
            Err(_) => Err(vec![Issue::error("processing", "the resource cannot be checked")]),
        };
    }
    own_types.check(of, &resource.content)?;
    let root = json!(resource.content);
    for pointer in secret_places(own_types, of, &root) {
        let text = match root.pointer(&pointer).and_then(Value::as_str) {
            None => continue,
            Some(MASK) if sealed.is_none_or(|all| all.iter().any(|(at, _)| *at == pointer)) => {
                continue;
            }
            Some(MASK) => "its secrets were left out: export them with `--with-sealed-secrets`",
            Some(_) => "a secret in clear: versions carry theirs sealed",
        };
        return Err(vec![Issue::error("security", format!("`{pointer}`: {text}"))]);
    }
    Ok(resource)
}
