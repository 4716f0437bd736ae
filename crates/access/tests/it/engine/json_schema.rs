//! The engine json-schema, case by case: a schema, and the documents that it holds for or not.

use serde_json::{Value, json};

use crate::cases;

fn check(name: &str, case: &Value) {
    let policy = json!({"engine": "json-schema", "schema": case["schema"]});
    let satisfied = |document: &Value| {
        let tested = cases::tested(&policy, document);
        (tested.satisfied, tested.trace)
    };
    for (key, expected) in [("holds", true), ("fails", false)] {
        for document in case[key].as_array().into_iter().flatten() {
            let (is, trace) = satisfied(document);
            assert_eq!(is, expected, "{name}: {document}\n{trace}");
            assert_ne!(trace["verdict"], "failed", "{name}: {trace}");
        }
    }
}

#[test]
fn rules_hold_as_the_cases_say() {
    cases::each_case("json_schema", check);
}
