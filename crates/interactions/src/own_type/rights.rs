//! What rights rest on in a User and in a Client: only who keeps the type may change it.

use firewarden_access::{PermittedRows, Reach};
use firewarden_fhir::{ResourceType, json};
use firewarden_store::{Change, Read, SecretChange};
use serde_json::{Map, Value};

use crate::write::Prepared;
use crate::{Failure, Ports};

/// Attributes that say how a user is shown and addressed. Tokens, policies and rows may rest on
/// every other.
const OF_USER: &[&str] = &[
    "addresses",
    "displayName",
    "ims",
    "locale",
    "name",
    "nickName",
    "phoneNumbers",
    "photo",
    "photos",
    "preferredLanguage",
    "profileUrl",
    "timezone",
    "title",
];

/// As [`OF_USER`], of a client.
const OF_CLIENT: &[&str] = &["description", "name"];

/// Members that the server sets itself.
const OF_SERVER: &[&str] = &["id", "resourceType"];

/// As [`OF_SERVER`], in `meta`.
const OF_SERVER_IN_META: &[&str] = &["lastUpdated", "versionId"];

/// Refuses a write of a User or a Client that changes what rights rest on, unless the type is kept
/// by whom it was granted to. What is read here is what the write replaces, or it is not applied:
/// every change of our own types makes its decision stale.
pub(crate) async fn leaves_rights(
    ports: Ports<'_>,
    prepared: &Prepared,
    rows: &PermittedRows,
) -> Result<(), Failure> {
    let target = &prepared.write.target;
    let Some(profile) = profile(target.resource_type).filter(|_| !rows.is_keeper()) else {
        return Ok(());
    };
    let (content, secrets) = match &prepared.write.change {
        Change::Delete { .. } => return Ok(()),
        // Who chooses an id chooses whose tokens and policies the new one is meant by.
        Change::Create { resource, .. } if resource.content.contains_key("id") => {
            return Err(Failure::Forbidden);
        }
        Change::Create { resource, secrets } => {
            return unchanged(profile, &Map::new(), &resource.content, secrets);
        }
        Change::Put { resource, secrets, .. } => (&resource.content, secrets),
    };
    match ports.store.read(target, &prepared.write.rows).await? {
        Read::Found(stored) => match json::parse(stored.body.as_bytes()) {
            Ok(Value::Object(stored)) => unchanged(profile, &stored, content, secrets),
            Ok(_) | Err(_) => Err(Failure::Forbidden),
        },
        Read::Deleted(_) | Read::Absent => match prepared.write.rows.reach() {
            Reach::Everything => Err(Failure::Forbidden),
            // It may be there and hidden: the write is answered as one of what is not there.
            Reach::Nothing | Reach::Some(_) => Ok(()),
        },
    }
}

fn profile(of: ResourceType) -> Option<&'static [&'static str]> {
    match of.name() {
        "User" => Some(OF_USER),
        "Client" => Some(OF_CLIENT),
        _ => None,
    }
}

/// Whether both say the same but for the attributes of the profile.
fn unchanged(
    profile: &[&str],
    stored: &Map<String, Value>,
    sent: &Map<String, Value>,
    secrets: &[(String, SecretChange)],
) -> Result<(), Failure> {
    let sets_secret = secrets.iter().any(|(_, change)| matches!(change, SecretChange::Set(_)));
    let counts =
        |name: &&String| !profile.contains(&name.as_str()) && !OF_SERVER.contains(&name.as_str());
    let differs = |name: &String| match name.as_str() {
        "meta" => meta(stored) != meta(sent),
        _ => stored.get(name) != sent.get(name),
    };
    let changed = stored.keys().chain(sent.keys()).filter(counts).any(differs);
    if sets_secret || changed { Err(Failure::Forbidden) } else { Ok(()) }
}

/// `meta` without what the server sets in it; nothing where that is all.
fn meta(content: &Map<String, Value>) -> Option<Value> {
    let mut meta = content.get("meta")?.clone();
    if let Value::Object(members) = &mut meta {
        members.retain(|name, _| !OF_SERVER_IN_META.contains(&name.as_str()));
        if members.is_empty() {
            return None;
        }
    }
    Some(meta)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn leaves(stored: &Value, sent: &Value) -> bool {
        let object = |value: &Value| value.as_object().unwrap().clone();
        unchanged(OF_USER, &object(stored), &object(sent), &[]).is_ok()
    }

    #[test]
    fn only_how_one_is_shown_may_change() {
        let stored = json!({
            "resourceType": "User", "id": "a", "meta": {"versionId": "1", "lastUpdated": "x"},
            "name": {"formatted": "A"}, "data": {"patient_id": "1"}, "password": "***",
        });
        let with = |name: &str, value: Value| {
            let mut sent = stored.clone();
            sent[name] = value;
            sent
        };
        for sent in [
            stored.clone(),
            with("name", json!({"formatted": "B"})),
            with("photo", json!("p")),
            with("id", json!("b")),
            with("meta", json!({})),
            with("meta", json!({"versionId": "7"})),
        ] {
            assert!(leaves(&stored, &sent), "{sent}");
        }
        for (name, value) in [
            ("data", json!({"patient_id": "2"})),
            ("data", json!({})),
            ("data", Value::Null),
            ("identifier", json!([{"system": "s", "value": "v"}])),
            ("introspector", json!({"reference": "TokenIntrospector/x"})),
            ("roles", json!(["admin"])),
            ("fhirUser", json!({"reference": "Patient/2"})),
            ("active", json!(true)),
            ("inactive", json!(false)),
            ("email", json!("a@b")),
            ("meta", json!({"tag": [{"code": "x"}]})),
            ("department", json!("x")),
        ] {
            let sent = with(name, value);
            assert!(!leaves(&stored, &sent), "{sent}");
        }
        let mut sent = stored.clone();
        sent.as_object_mut().unwrap().remove("data");
        assert!(!leaves(&stored, &sent));
    }

    #[test]
    fn a_secret_that_is_sent_is_a_change() {
        let set = [("/password".to_owned(), SecretChange::Set(b"x".to_vec().into()))];
        let keep = [("/password".to_owned(), SecretChange::Keep)];
        let content = Map::from_iter([("password".to_owned(), json!("***"))]);
        assert!(unchanged(OF_USER, &content, &content, &set).is_err());
        assert!(unchanged(OF_USER, &content, &content, &keep).is_ok());
    }
}
