//! The engine complex, case by case: a rule, and the documents that it holds for or not.

use firewarden_access::limits;
use serde_json::{Value, json};

use crate::cases;

fn check(name: &str, case: &Value) {
    for (key, expected) in [("holds", true), ("fails", false)] {
        for document in case[key].as_array().into_iter().flatten() {
            let tested = cases::tested(&case["rule"], document);
            assert_eq!(tested.satisfied, expected, "{name}: {document}\n{}", tested.trace);
            assert_eq!(tested.trace.get("failing").is_none(), expected, "{name}: {document}");
        }
    }
}

#[test]
fn rules_hold_as_the_cases_say() {
    cases::each_case("complex", check);
}

fn tested(rule: &Value, document: &Value) -> Value {
    cases::tested(rule, document).trace
}

fn heavy() -> Value {
    json!({"engine": "matcho", "matcho": {"a": {"$contains": {"$one-of": ".b"}}}})
}

/// A document on which that rule fails.
fn large() -> Value {
    let ids: Value = (0..1100).map(|id| json!(id.to_string())).collect();
    json!({"a": vec!["x"; 1100], "b": ids, "c": 1})
}

#[test]
fn a_failed_branch_decides_nothing_that_another_decides() {
    let holds = json!({"engine": "matcho", "matcho": {"c": 1}});
    let fails = json!({"engine": "matcho", "matcho": {"c": 2}});
    for (operator, other, verdict) in [
        ("or", &holds, "satisfied"),
        ("or", &fails, "failed"),
        ("and", &holds, "failed"),
        ("and", &fails, "not-satisfied"),
    ] {
        for branches in [json!([heavy(), other]), json!([other, heavy()])] {
            let rule = json!({"engine": "complex", operator: branches});
            assert_eq!(tested(&rule, &large())["verdict"], verdict, "{operator} {other}");
        }
    }
}

#[test]
fn a_trace_tells_what_each_branch_says() {
    let rule = json!({"engine": "complex", "and": [
        {"engine": "matcho", "matcho": {"a": 1}},
        {"engine": "complex", "or": [
            {"engine": "matcho", "matcho": {"b": 1}},
            {"engine": "matcho", "matcho": {"c": 1}},
        ]},
    ]});
    assert_eq!(
        tested(&rule, &json!({"a": 1, "b": 2})),
        json!({"verdict": "not-satisfied", "failing": [
            {"branch": "and[1]", "verdict": "not-satisfied", "failing": [
                {
                    "branch": "or[0]", "verdict": "not-satisfied",
                    "failing": {"path": "/b", "expected": 1, "but": 2},
                },
                {
                    "branch": "or[1]", "verdict": "not-satisfied",
                    "failing": {"path": "/c", "expected": 1, "but": null},
                },
            ]},
        ]})
    );
}

#[test]
fn a_rule_is_bounded_in_depth_and_breadth() {
    let leaf = || json!({"engine": "matcho", "matcho": {"a": 1}});
    let nested = |levels: usize| {
        (0..levels).fold(leaf(), |inner, _| json!({"engine": "complex", "and": [inner]}))
    };
    let document = json!({"a": 1});
    let depth = limits::COMPLEX_DEPTH_MAX;
    assert_eq!(tested(&nested(depth), &document)["verdict"], "satisfied");
    assert_eq!(tested(&nested(depth + 1), &document)["verdict"], "failed");
    // What was parsed is no deeper than this.
    assert_eq!(tested(&nested(30), &document)["verdict"], "failed");
    let wide = |count: usize| json!({"engine": "complex", "and": vec![leaf(); count]});
    let most = limits::COMPLEX_BRANCHES_MAX;
    assert_eq!(tested(&wide(most), &document)["verdict"], "satisfied");
    assert_eq!(tested(&wide(most + 1), &document)["verdict"], "failed");
}
