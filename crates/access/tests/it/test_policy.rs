//! Policies that are tried on a request document.

use firewarden_access::{Tested, test_policy};
use serde_json::{Value, json};

use crate::cases;

fn tried(policy: &Value, document: &Value) -> Tested {
    cases::answer(test_policy(document, &cases::object(policy), &cases::NoDatabase, cases::now()))
}

#[test]
fn a_policy_is_tried_on_the_document_as_it_stands() {
    let policy = json!({"engine": "json-schema", "schema": {
        "required": ["anything"], "properties": {"anything": {"const": 1}},
    }});
    assert_eq!(
        tried(&policy, &json!({"anything": 1.0})),
        Tested { satisfied: true, trace: json!({"verdict": "satisfied"}) }
    );
    assert_eq!(
        tried(&policy, &json!({"anything": {"id": "x"}})),
        Tested {
            satisfied: false,
            trace: json!({
                "verdict": "not-satisfied",
                "failing": {"path": "/anything", "keyword": "const", "expected": 1, "but": {"id": "x"}},
            }),
        }
    );
}

#[test]
fn a_policy_that_could_not_be_saved_is_false_with_the_reason() {
    let tested =
        tried(&json!({"engine": "json-schema", "schema": {"requried": ["user"]}}), &json!({}));
    assert!(!tested.satisfied);
    assert_eq!(tested.trace["verdict"], "failed");
    assert_eq!(tested.trace["issues"][0]["expression"][0], "AccessPolicy.schema.requried");
}

#[test]
fn links_and_role_name_are_judged_by_the_document() {
    let document = json!({
        "user": {"resourceType": "User", "id": "alice"},
        "client": {"resourceType": "Client", "id": "app"},
        "role": [{"name": "doctor"}],
        "operation": {"resourceType": "Operation", "id": "FhirRead"},
    });
    for (policy, satisfied) in [
        (json!({"engine": "allow", "link": [{"reference": "User/alice"}]}), true),
        (json!({"engine": "allow", "link": [{"reference": "User/bob"}]}), false),
        (json!({"engine": "allow", "link": [{"reference": "Client/app"}]}), true),
        (json!({"engine": "allow", "link": [{"reference": "Client/other"}]}), false),
        (json!({"engine": "allow", "link": [{"reference": "Operation/FhirRead"}]}), true),
        (json!({"engine": "allow", "link": []}), false),
        (json!({"engine": "allow", "roleName": "doctor"}), true),
        (json!({"engine": "allow", "roleName": "nurse"}), false),
        (json!({"engine": "allow", "roleName": "doctor", "active": false}), false),
        (json!({"engine": "allow", "roleName": "doctor", "period": {"end": "2025"}}), false),
        (json!({"engine": "allow", "type": "rpc", "roleName": "doctor"}), false),
        (json!({"engine": "allow"}), false),
    ] {
        assert_eq!(tried(&policy, &document).satisfied, satisfied, "{policy}");
    }
}

#[test]
fn a_trace_shows_the_value_that_was_compared_with() {
    let policy = json!({"engine": "json-schema", "schema": {
        "required": ["params"],
        "properties": {"params": {"properties": {"patient": {"const": {"$data": "#/user/id"}}}}},
    }});
    let failing = |document: &Value| tried(&policy, document).trace["failing"].clone();
    assert_eq!(
        failing(&json!({"params": {"patient": "Z"}, "user": {"id": "alice"}})),
        json!({"path": "/params/patient", "keyword": "const", "expected": "alice", "but": "Z"})
    );
    assert_eq!(
        failing(&json!({"params": {"patient": "Z"}})),
        json!({
            "path": "/params/patient", "keyword": "const",
            "expected": "a value that the request does not have", "but": "Z",
        })
    );
}

#[test]
fn a_trace_shows_no_more_of_a_value_than_its_limit() {
    let max = firewarden_access::limits::TRACE_VALUE_CHARACTERS_MAX;
    let policy = json!({"engine": "json-schema", "schema": {"properties": {"body": {"const": 1}}}});
    for (body, but) in [
        (json!("a".repeat(max)), json!(format!("\"{}", "a".repeat(max - 1)))),
        (json!({"name": "a".repeat(max), "id": 1}), json!("an object with name, id")),
        (json!(["a".repeat(max)]), json!("a list of 1")),
    ] {
        assert_eq!(tried(&policy, &json!({"body": body})).trace["failing"]["but"], but);
    }
}
