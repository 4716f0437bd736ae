//! Documents from a small world, in which values meet again.

use serde_json::{Map, Value, json};

use super::chance::Chance;

/// Places in these documents.
pub(super) const PATHS: &[&str] = &[
    "uri",
    "params.resource/type",
    "params.resource/id",
    "params.patient",
    "user.id",
    "user.data.patient_id",
    "user.data.role",
    "user.patient",
    "jwt.iss",
    "jwt.groups",
    "jwt.groups.0",
    "jwt.level",
    "role.0.name",
    "role",
    "resource.subject",
    "resource.subject.id",
    "resource.level",
    "client",
    "client.id",
    "token.sub",
];

pub(super) const TEXTS: &[&str] = &[
    "a",
    "b",
    "1",
    "Patient",
    "Observation",
    "get",
    "Patient/a",
    "é",
    "",
    " ",
    "present?",
    ".uri",
];

/// A scalar, an empty value, or nothing at all.
pub(super) fn odd(chance: &mut Chance) -> Value {
    match chance.below(10) {
        0 => Value::Null,
        1 => json!(""),
        2 => json!([]),
        3 => json!({}),
        4 => json!(true),
        5 => json!(false),
        6 => number(chance),
        _ => text(chance),
    }
}

pub(super) fn text(chance: &mut Chance) -> Value {
    json!(chance.one(TEXTS))
}

pub(super) fn number(chance: &mut Chance) -> Value {
    let text = chance.one(&["0", "1", "1.0", "10e-1", "2", "-1", "1.5"]);
    firewarden_fhir::json::parse(text.as_bytes()).unwrap()
}

fn id(chance: &mut Chance) -> Value {
    json!(chance.one(&["a", "a", "b", "1"]))
}

/// A reference in the shapes that a document shows.
fn reference(chance: &mut Chance) -> Value {
    let of = chance.one(&["Patient", "Patient", "Group"]);
    let id = id(chance);
    let text = format!("{of}/{}", id.as_str().unwrap());
    match chance.below(7) {
        0 => json!({"reference": text}),
        1 => json!({"resourceType": of, "id": id}),
        2 => json!(text),
        3 => json!({"reference": format!("https://elsewhere.example/{text}")}),
        4 => json!({"reference": text, "resourceType": of, "id": id, "display": "x"}),
        5 => json!({"resourceType": of, "id": id, "name": [{"family": "x"}]}),
        _ => json!({"reference": text, "resourceType": of, "id": id}),
    }
}

fn list(chance: &mut Chance, item: fn(&mut Chance) -> Value) -> Value {
    (0..chance.below(4)).map(|_| item(chance)).collect()
}

fn role(chance: &mut Chance) -> Value {
    json!({"name": id(chance), "level": number(chance)})
}

fn part(chance: &mut Chance, key: &str) -> Value {
    match key {
        "request-method" => json!(chance.one(&["get", "get", "post", "delete"])),
        "uri" => {
            json!(chance.one(&["/fhir/Patient", "/fhir/Patient/a", "/fhir/Observation", "/User"]))
        }
        "params" => json!({
            "resource/type": chance.one(&["Patient", "Patient", "Observation", "User"]),
            "resource/id": id(chance), "patient": text(chance), "_id": list(chance, id),
        }),
        "user" => json!({
            "id": id(chance), "patient": reference(chance),
            "data": {"patient_id": id(chance), "role": text(chance)},
        }),
        "jwt" => json!({"iss": text(chance), "groups": list(chance, odd), "level": number(chance)}),
        "client" => json!({"id": id(chance)}),
        "token" => json!({"sub": id(chance)}),
        "role" => list(chance, role),
        _ => json!({
            "subject": reference(chance), "level": number(chance), "status": text(chance),
            "performer": list(chance, reference),
        }),
    }
}

const KEYS: &[&str] =
    &["request-method", "uri", "params", "user", "jwt", "client", "token", "role", "resource"];

/// A document.
pub(super) fn any(chance: &mut Chance) -> Value {
    let mut document = Map::new();
    for key in KEYS {
        if chance.percent(75) {
            let mut value = part(chance, key);
            disturb(chance, &mut value);
            document.insert((*key).to_owned(), value);
        }
    }
    Value::Object(document)
}

/// A document that differs from another in little.
pub(super) fn like(chance: &mut Chance, other: &Value) -> Value {
    let mut document = other.as_object().unwrap().clone();
    for key in KEYS {
        match chance.below(12) {
            0 => drop(document.shift_remove(*key)),
            1 => drop(document.insert((*key).to_owned(), part(chance, key))),
            2 | 3 => {
                if let Some(value) = document.get_mut(*key) {
                    disturb(chance, value);
                }
            }
            _ => {}
        }
    }
    Value::Object(document)
}

/// Now and then, something somewhere in a value is another.
fn disturb(chance: &mut Chance, value: &mut Value) {
    let goes_inside = chance.percent(60);
    if let Some(members) = value.as_object_mut().filter(|of| goes_inside && !of.is_empty()) {
        let index = chance.below(members.len());
        let name = members.keys().nth(index).unwrap().clone();
        if chance.percent(25) {
            members.shift_remove(&name);
        } else {
            disturb(chance, members.get_mut(&name).unwrap());
        }
    } else if let Some(items) = value.as_array_mut().filter(|of| goes_inside && !of.is_empty()) {
        let index = chance.below(items.len());
        disturb(chance, &mut items[index]);
    } else if chance.percent(25) {
        *value = odd(chance);
    }
}
