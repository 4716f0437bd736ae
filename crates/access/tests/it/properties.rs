//! Properties of every decision.

use firewarden_access::PolicySet;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::sync::Arc;

use crate::cases;

const REQUESTS: &[&str] = &[
    "GET /fhir/Patient/1",
    "GET /fhir/Patient?name=a",
    "POST /fhir/Patient",
    "DELETE /fhir/Patient/1",
    "GET /fhir/_history",
    "GET /User",
    "PUT /AccessPolicy/p",
    "GET /fhir/AuditEvent",
    "POST /auth/test-policy",
    "POST /$matcho",
    "POST /auth/test-token",
    "GET /health/ready",
    "GET /metrics",
    "GET /Session",
    "DELETE /Session/x",
];

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        prop::sample::select(vec!["", "a", "User/alice", "Patient/1", "object", "#/user/id", "^a"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        let key = prop::sample::select(vec![
            "id",
            "reference",
            "resourceType",
            "user",
            "properties",
            "required",
            "const",
            "$data",
            "not",
            "allOf",
            "enum",
            "type",
            "uri",
            "params",
            "$ref",
            "pattern",
            "items",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..4).prop_map(|members| {
                Value::Object(
                    members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
                )
            }),
        ]
    })
}

fn any_object() -> impl Strategy<Value = Map<String, Value>> {
    any_value().prop_map(|value| cases::object(&value))
}

fn any_policy() -> impl Strategy<Value = Value> {
    let engine = prop::sample::select(vec!["json-schema", "allow", "matcho", "sql", "complex"]);
    (engine, any_value(), prop::option::of(any_value()), any_object()).prop_map(
        |(engine, rule, link, more)| {
            let mut policy = more;
            policy.insert("id".into(), "p".into());
            policy.insert("engine".into(), engine.into());
            let attribute = match engine {
                "complex" => "and",
                "json-schema" | "allow" => "schema",
                engine => engine,
            };
            policy.insert(attribute.into(), rule);
            policy.extend(link.map(|link| ("link".to_owned(), link)));
            Value::Object(policy)
        },
    )
}

fn any_caller() -> impl Strategy<Value = Value> {
    (any_object(), any_object(), any_object(), any_value()).prop_map(|(user, client, jwt, roles)| {
        json!({"user": user, "client": client, "jwt": jwt, "roles": roles})
    })
}

proptest! {
    #[test]
    fn whatever_the_caller_nothing_is_granted_without_policies(
        caller in any_caller(), body in any_object(),
    ) {
        for request in REQUESTS {
            let body = Value::Object(body.clone());
            let decision =
                cases::decided(&Arc::default(), &cases::caller(&caller), request, Some(&body));
            prop_assert!(decision.is_err(), "{}", request);
        }
    }

    #[test]
    fn a_broken_policy_grants_nothing(
        policy in any_policy(), caller in any_caller(), body in any_object(),
    ) {
        let policies = cases::policies(&json!([policy]));
        let is_broken = !policies.broken().is_empty();
        for request in REQUESTS {
            let body = Value::Object(body.clone());
            let decision = cases::decided(&policies, &cases::caller(&caller), request, Some(&body));
            prop_assert!(!is_broken || decision.is_err(), "{}", request);
        }
    }

    #[test]
    fn what_is_saved_is_compiled_and_nothing_else_is(policy in any_policy()) {
        let of = firewarden_fhir::ResourceType::parse("AccessPolicy").unwrap();
        let is_saved = firewarden_access::own_type::check(of, &cases::object(&policy)).is_ok();
        let policies: Arc<PolicySet> = cases::policies(&json!([policy]));
        prop_assert_eq!(is_saved, policies.broken().is_empty());
    }
}
