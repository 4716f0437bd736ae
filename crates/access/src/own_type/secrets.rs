//! Which elements of our own types are secrets, and what is seen in their place.

use firewarden_fhir::ResourceType;
use serde_json::{Map, Value};

/// The JSON Pointers of the secrets of our own types; `*` stands for every index of a list. They
/// are sealed at rest, and shown as [`MASK`] everywhere else.
pub const SECRET_POINTERS: &[(&str, &[&str])] = &[
    (
        "TokenIntrospector",
        &[
            "/jwt/secret",
            "/jwt/keys/*/k",
            "/jwt/keys/*/k/k",
            "/introspection_endpoint/authorization",
        ],
    ),
    ("Client", &["/secret"]),
    ("IdentityProvider", &["/client/secret", "/client/private-key", "/client/private_key"]),
    ("Session", &["/token"]),
    ("User", &["/password"]),
];

/// What stands in a secret's place.
pub const MASK: &str = "***";

/// What a policy sees of a secret that is sent. It is not [`MASK`], so that a policy which wants
/// the secret left as it is stored is not satisfied by another one.
const SENT: &str = "***sent***";

/// Hides the secrets of a resource that was sent, before anything has checked its shape: lists are
/// looked through wherever they stand, and what stands in a secret's place is hidden whole.
pub(crate) fn hide_sent(of: ResourceType, content: &mut Map<String, Value>) {
    let of_type = SECRET_POINTERS.iter().find(|(name, _)| *name == of.name());
    for pointer in of_type.map_or(&[][..], |(_, pointers)| *pointers) {
        let steps: Vec<&str> = pointer.split('/').filter(|s| !matches!(*s, "" | "*")).collect();
        hide_in(content, &steps);
    }
}

fn hide_in(members: &mut Map<String, Value>, steps: &[&str]) {
    let Some((step, rest)) = steps.split_first() else { return };
    if let Some(member) = members.get_mut(*step) {
        hide(member, rest);
    }
}

fn hide(value: &mut Value, steps: &[&str]) {
    match value {
        Value::String(text) if text == MASK => {}
        _ if steps.is_empty() => *value = SENT.into(),
        Value::Array(items) => items.iter_mut().for_each(|item| hide(item, steps)),
        Value::Object(members) => hide_in(members, steps),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(of: &str, sent: Value, seen: Value) {
        let mut content = sent.as_object().unwrap().clone();
        hide_sent(ResourceType::parse(of).unwrap(), &mut content);
        assert_eq!(Value::Object(content), seen, "{of} {sent}");
    }

    #[test]
    fn a_secret_that_is_sent_is_hidden_and_its_neighbours_are_not() {
        for (of, sent, seen) in [
            (
                "User",
                json!({"userName": "a", "password": "CANARY"}),
                json!({"userName": "a", "password": SENT}),
            ),
            ("Client", json!({"id": "a", "secret": "CANARY"}), json!({"id": "a", "secret": SENT})),
            ("Session", json!({"token": "CANARY"}), json!({"token": SENT})),
            (
                "IdentityProvider",
                json!({"client": {"id": "a", "secret": "CANARY", "private-key": "CANARY", "private_key": "CANARY"}}),
                json!({"client": {"id": "a", "secret": SENT, "private-key": SENT, "private_key": SENT}}),
            ),
            (
                "TokenIntrospector",
                json!({
                    "jwt": {"iss": "a", "secret": "CANARY", "keys": [
                        {"kty": "OCT", "k": "CANARY"}, {"pub": "b"}, {"k": {"k": "CANARY"}},
                    ]},
                    "introspection_endpoint": {"url": "c", "authorization": "CANARY"},
                }),
                json!({
                    "jwt": {"iss": "a", "secret": SENT, "keys": [
                        {"kty": "OCT", "k": SENT}, {"pub": "b"}, {"k": SENT},
                    ]},
                    "introspection_endpoint": {"url": "c", "authorization": SENT},
                }),
            ),
        ] {
            check(of, sent, seen);
        }
    }

    #[test]
    fn a_secret_of_a_wrong_shape_is_hidden_too() {
        for (of, sent, seen) in [
            ("User", json!({"password": ["CANARY"]}), json!({"password": SENT})),
            ("User", json!({"password": {"hash": "CANARY"}}), json!({"password": SENT})),
            ("User", json!({"password": null}), json!({"password": SENT})),
            (
                "TokenIntrospector",
                json!({"jwt": [{"secret": 1, "keys": {"k": "CANARY"}}]}),
                json!({"jwt": [{"secret": SENT, "keys": {"k": SENT}}]}),
            ),
            ("TokenIntrospector", json!({"jwt": "text"}), json!({"jwt": "text"})),
        ] {
            check(of, sent, seen);
        }
    }

    #[test]
    fn a_mask_is_seen_as_the_mask_and_no_secret_looks_like_it() {
        check("User", json!({"password": MASK}), json!({"password": MASK}));
        assert_ne!(SENT, MASK);
    }

    #[test]
    fn what_is_a_secret_elsewhere_is_seen_in_other_types() {
        for of in ["Patient", "Role", "AccessPolicy"] {
            let sent =
                json!({"password": "a", "secret": "b", "token": "c", "jwt": {"secret": "d"}});
            check(of, sent.clone(), sent);
        }
    }
}
