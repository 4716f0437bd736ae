//! Properties of every decision.

use firewarden_access::{PolicySet, Reach, RowFilter};
use firewarden_fhir::ResourceType;
use firewarden_fhir::search::{Criterion, ReferenceValue, TokenValue};
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

/// Policies that grant different rows of Observations, or none.
fn policies_with_rows() -> Vec<Value> {
    let rules = [json!({"required": ["uri"]}), json!({"required": ["user"]})];
    let rows = [
        json!("*"),
        json!("status=final"),
        json!("status=final&code=x"),
        json!("subject=Patient/{{user.data.x}}"),
        json!("subject=Patient/{{jwt.patient}}"),
        json!("nosuch=1"),
    ];
    let mut policies = Vec::new();
    for (rule, rows) in rules.iter().flat_map(|rule| rows.iter().map(move |rows| (rule, rows))) {
        policies.push(json!({
            "id": format!("p{:02}", policies.len()), "engine": "json-schema", "schema": rule,
            "rows": {"Observation": rows},
        }));
    }
    policies
}

fn observation() -> ResourceType {
    ResourceType::parse("Observation").unwrap()
}

/// The rows of Observations that a search of them has; nothing where it is refused.
fn rows_of(policies: &[Value], caller: &Value) -> RowFilter {
    let set = cases::policies(&json!(policies));
    let permit = cases::decided(&set, &cases::caller(caller), "GET /fhir/Observation", None);
    match permit {
        Ok(permit) => cases::answer(permit.rows(observation())),
        // A policy that lists another type: the rows of one that is not granted.
        Err(_) => {
            let elsewhere = json!([{"id": "e", "engine": "allow", "rows": {"Basic": "_id=x"}}]);
            let set = cases::policies(&elsewhere);
            let nobody = cases::caller(&json!({}));
            let permit = cases::decided(&set, &nobody, "GET /fhir/Basic", None).unwrap();
            cases::answer(permit.rows(observation()))
        }
    }
}

/// The alternatives that the rows consist of; `None` for every row.
fn alternatives(rows: &RowFilter) -> Option<Vec<Vec<Criterion>>> {
    match rows.reach() {
        Reach::Nothing => Some(Vec::new()),
        Reach::Some([Criterion::Any(alternatives)]) => Some(alternatives.clone()),
        Reach::Some(criteria) => Some(vec![criteria.to_vec()]),
        Reach::Everything => None,
    }
}

fn any_scope() -> impl Strategy<Value = String> {
    let context = prop::sample::select(vec!["patient", "user", "system", "launch"]);
    let of = prop::sample::select(vec!["*", "Observation", "Patient", "User", "Nosuch"]);
    let rights = prop::sample::select(vec![
        "read",
        "write",
        "*",
        "rs",
        "s",
        "cruds",
        "rs?status=final",
        "s?code=x&status=final",
        "rs?nosuch=1",
        "rs?_count=1",
        "",
    ]);
    (context, of, rights).prop_map(|(context, of, rights)| format!("{context}/{of}.{rights}"))
}

proptest! {
    #[test]
    fn a_further_policy_takes_no_row_away(
        chosen in prop::sample::subsequence(policies_with_rows(), 0..6),
        more in prop::sample::select(policies_with_rows()),
        x in prop::option::of("[a-z,/]{0,3}"),
    ) {
        let caller = json!({"user": {"data": {"x": x}}, "jwt": {"patient": "p"}});
        let before = alternatives(&rows_of(&chosen, &caller));
        let with_more: Vec<Value> =
            chosen.iter().filter(|policy| policy["id"] != more["id"]).cloned().chain([more.clone()]).collect();
        match (before, alternatives(&rows_of(&with_more, &caller))) {
            (_, None) => {}
            (None, Some(_)) => prop_assert!(false, "every row became some"),
            (Some(before), Some(after)) => {
                prop_assert!(before.iter().all(|criteria| after.contains(criteria)));
            }
        }
    }

    #[test]
    fn scopes_only_narrow(
        chosen in prop::sample::subsequence(policies_with_rows(), 1..4),
        scopes in prop::collection::vec(any_scope(), 0..4),
        patient in prop::option::of("[a-z,]{1,3}"),
    ) {
        let caller = json!({"user": {"data": {"x": "1"}}, "jwt": {
            "patient": patient, "scope": scopes.join(" "),
        }});
        let mut limited = caller.clone();
        limited["scopes_enforced"] = true.into();
        let (without, with) = (rows_of(&chosen, &caller), rows_of(&chosen, &limited));
        match (without.reach(), with.reach()) {
            (_, Reach::Nothing) | (Reach::Everything, _) => {}
            (Reach::Some(criteria), Reach::Some(narrowed)) => {
                prop_assert!(narrowed.starts_with(criteria));
            }
            (without, with) => prop_assert!(false, "{:?} became {:?}", without, with),
        }
    }

    #[test]
    fn no_rows_are_ever_without_a_criterion(
        chosen in prop::sample::subsequence(policies_with_rows(), 0..6),
        scopes in prop::collection::vec(any_scope(), 0..3),
        enforced in any::<bool>(),
    ) {
        let jwt = json!({"scope": scopes.join(" "), "patient": "p"});
        let caller = json!({"jwt": jwt, "scopes_enforced": enforced});
        let rows = rows_of(&chosen, &caller);
        if let Reach::Some(criteria) = rows.reach() {
            prop_assert!(!criteria.is_empty());
            let empty = Criterion::Any(Vec::new());
            prop_assert!(!criteria.contains(&empty) && !criteria.contains(&Criterion::Any(vec![vec![]])));
        }
    }

    #[test]
    fn a_value_that_is_bound_is_one_literal(value in r"(\PC|[a-z0-9,|$&=/{}%.:#?\\ -]){0,8}") {
        let caller = json!({"user": {"data": {"x": value}}});
        let rows = |criteria: &str| {
            let policy = json!({"id": "p", "engine": "json-schema", "schema": {"required": ["uri"]},
                "rows": {"Observation": criteria}});
            rows_of(&[policy], &caller)
        };
        let by_subject = rows("subject=Patient/{{user.data.x}}");
        match by_subject.reach() {
            Reach::Nothing => {}
            Reach::Some([Criterion::Reference { values, .. }]) => {
                let [ReferenceValue::Target(target)] = values.as_slice() else {
                    panic!("{value:?} became {values:?}");
                };
                prop_assert_eq!(target.to_string(), format!("Patient/{}", value));
            }
            other @ (Reach::Some(_) | Reach::Everything) => {
                prop_assert!(false, "{:?} became {:?}", value, other);
            }
        }
        let by_code = rows("code=urn:x|{{user.data.x}}");
        match by_code.reach() {
            Reach::Nothing => prop_assert!(value.is_empty()),
            Reach::Some([Criterion::Token { values, negated: false, .. }]) => {
                let bound = TokenValue::SystemCode("urn:x".into(), value.clone());
                prop_assert_eq!(values, &[bound]);
            }
            other @ (Reach::Some(_) | Reach::Everything) => {
                prop_assert!(false, "{:?} became {:?}", value, other);
            }
        }
        let by_date = rows("date=ge{{user.data.x}}");
        match by_date.reach() {
            Reach::Nothing => {}
            Reach::Some([Criterion::Date { values, .. }]) => prop_assert_eq!(values.len(), 1),
            other @ (Reach::Some(_) | Reach::Everything) => {
                prop_assert!(false, "{:?} became {:?}", value, other);
            }
        }
    }
}
