//! The engine matcho, case by case: a pattern, and the documents that it holds for or not.

use std::fmt::Write;

use firewarden_access::{limits, try_matcho};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::cases;

fn check(name: &str, case: &Value) {
    let policy = json!({"engine": "matcho", "matcho": case["matcho"]});
    for (key, expected) in [("holds", true), ("fails", false)] {
        for document in case[key].as_array().into_iter().flatten() {
            let tested = cases::tested(&policy, document);
            assert_eq!(tested.satisfied, expected, "{name}: {document}\n{}", tested.trace);
            assert_ne!(tested.trace["verdict"], "failed", "{name}: {}", tested.trace);
            assert_eq!(tested.trace.get("failing").is_none(), expected, "{name}: {document}");
            let tried = try_matcho(&case["matcho"], document, document).unwrap();
            assert_eq!(tried.is_empty(), expected, "{name}: {document}\n{tried:?}");
        }
    }
}

#[test]
fn patterns_hold_as_the_cases_say() {
    cases::each_case("matcho", check);
}

#[test]
fn a_failure_tells_the_place_what_was_expected_and_what_is_there() {
    let mut told = String::new();
    for (matcho, resource) in [
        (json!({"a": 1}), json!({"a": 2})),
        (json!({"a": 1}), json!({"a": 1})),
        (json!({"a": {"b": "present?"}, "c": [{"d/e": "#^x"}]}), json!({"c": [{"d/e": "y"}]})),
        (json!({"a": ".b", "c": ".d"}), json!({"a": 1, "b": 2, "c": 3})),
        (json!({"a": {"$one-of": [{"b": 1}, ".c"]}}), json!({"a": {"b": 2}})),
        (json!({"a": {"$every": {"b": 1}, "$length": 1}}), json!({"a": [{"b": 1}, {"b": 2}]})),
        (json!({"a": {"$reference": {"id": "1"}}}), json!({"a": "Patient/2"})),
        (json!({"a": {"$reference": {"id": "1"}}}), json!({"a": "2"})),
        (json!({"a": {"$not": {"b": null}}}), json!({"a": {}})),
        (json!({"user": {"$not": {"id": "a"}}}), json!({})),
    ] {
        writeln!(told, "{matcho} on {resource}").unwrap();
        for failure in try_matcho(&matcho, &resource, &resource).unwrap() {
            writeln!(told, "  {failure}").unwrap();
        }
    }
    insta::assert_snapshot!(told);
}

#[test]
fn paths_lead_into_the_document_that_is_given_for_them() {
    let tried = |context: &Value| {
        try_matcho(&json!({"a": ".my-value"}), &json!({"a": "value"}), context).unwrap()
    };
    assert!(tried(&json!({"my-value": "value"})).is_empty());
    assert!(!tried(&json!({"a": "value"})).is_empty());
}

#[test]
fn a_trace_tells_the_first_failure() {
    let policy = json!({"engine": "matcho", "matcho": {
        "request-method": "get", "params": {"patient/id": ".user.id"}, "uri": "/x",
    }});
    let document = json!({"request-method": "get", "params": {"patient/id": 1}, "user": {"id": 2}});
    let tested = cases::tested(&policy, &document);
    assert_eq!(
        tested.trace,
        json!({
            "verdict": "not-satisfied",
            "failing": {"path": "/params/patient~1id", "expected": 2, "but": 1},
        })
    );
}

fn verdict(matcho: &Value, document: &Value) -> Value {
    let policy = json!({"engine": "matcho", "matcho": matcho});
    cases::tested(&policy, document).trace["verdict"].clone()
}

#[test]
fn a_pattern_is_bounded_in_depth_and_breadth() {
    let nested = |levels: usize| (1..levels).fold(json!({}), |inner, _| json!({"a": inner}));
    let depth = limits::MATCHO_DEPTH_MAX;
    assert_eq!(verdict(&nested(depth), &json!({})), "not-satisfied");
    assert_eq!(verdict(&nested(depth + 1), &json!({})), "failed");
    let wide = |count: usize, item: &str| json!({"a": vec![json!(item); count]});
    let most = limits::MATCHO_PATTERNS_MAX;
    assert_eq!(verdict(&wide(most - 2, "x"), &json!({})), "not-satisfied");
    assert_eq!(verdict(&wide(most - 1, "x"), &json!({})), "failed");
    let most = limits::MATCHO_EXPRESSIONS_MAX;
    assert_eq!(verdict(&wide(most, "#x"), &json!({})), "not-satisfied");
    assert_eq!(verdict(&wide(most + 1, "#x"), &json!({})), "failed");
}

#[test]
fn an_evaluation_is_bounded_and_what_goes_beyond_it_fails() {
    let ids = |count: usize| (0..count).map(|id| json!(id.to_string())).collect::<Value>();
    let crossing = json!({"resource": {"a": {"$contains": {"$one-of": ".resource.b"}}}});
    let side = |count: usize| json!({"resource": {"a": vec!["x"; count], "b": ids(count)}});
    assert_eq!(verdict(&crossing, &side(900)), "not-satisfied");
    assert_eq!(verdict(&crossing, &side(1100)), "failed");
    assert_eq!(verdict(&json!({"$not": crossing}), &side(1100)), "failed");
    let searching = json!({"a": {"$every": "#y$"}});
    let texts = |count: usize| json!({"a": vec!["x".repeat(1 << 16); count]});
    assert_eq!(verdict(&json!({"a": {"$contains": "#y$"}}), &texts(200)), "not-satisfied");
    assert_eq!(verdict(&searching, &texts(1)), "not-satisfied");
    assert_eq!(verdict(&json!({"a": {"$contains": "#y$"}}), &texts(300)), "failed");
}

/// Patterns as they come: sound ones and others.
fn any_pattern() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i8>().prop_map(Value::from),
        prop::sample::select(vec![
            "present?",
            "nil?",
            "not-blank?",
            ".a",
            ".user.a.0",
            "#^a",
            "#[",
            "Patient/a",
            "",
            ".",
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        let key = prop::sample::select(vec![
            "a",
            "user",
            "role",
            "$enum",
            "$one-of",
            "$not",
            "$contains",
            "$every",
            "$length",
            "$present-all",
            "$reference",
            "$nothing",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..4).prop_map(|members| {
                Value::Object(members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_pattern_says_something_of_any_document(
        pattern in any_pattern(), document in any_pattern(),
    ) {
        let said = verdict(&pattern, &document);
        let tried = try_matcho(&pattern, &document, &document);
        match said.as_str() {
            Some("satisfied") => prop_assert_eq!(tried, Ok(Vec::new())),
            Some("not-satisfied") => prop_assert!(!tried.unwrap().is_empty()),
            _ => prop_assert!(tried.is_err()),
        }
    }

    #[test]
    fn a_rule_and_its_negation_never_both_hold(
        pattern in any_pattern(), document in any_pattern(),
    ) {
        let holds = verdict(&pattern, &document) == "satisfied";
        let negation_holds = verdict(&json!({"$not": pattern}), &document) == "satisfied";
        prop_assert!(!(holds && negation_holds));
    }
}
