//! The published tests of draft-07, and what only the inside shows.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::*;

/// Where the published tests are, if they are there (json-schema-org/JSON-Schema-Test-Suite,
/// `tests/draft7`).
const PUBLISHED_TESTS: Option<&str> = option_env!("FIREWARDEN_JSON_SCHEMA_TESTS");

/// What this engine refuses on purpose, as the published tests come to it.
const REFUSED: &[&str] = &[
    "a rule refers to its own parts alone",
    "refers to itself",
    "nothing outside the rule is read",
    "draft-07 has no keyword",
    "ignores",
    "there is no schema at",
    "rules are written in",
    "is not checked by this server",
];

/// Tests of things that draft-07 leaves open and this engine decides.
const DECIDED: &[(&str, &str)] = &[
    // `format` is checked: a rule that is not would be wider than it says.
    ("format.json", "annotation"),
];

fn compile(schema: &Value) -> Result<JsonSchema, Vec<Issue>> {
    JsonSchema::compile(schema, &ElementPath::of("schema"))
}

fn holds(rule: &JsonSchema, value: &Value) -> bool {
    rule.evaluate(value, |validator| validator.is_valid(value)).unwrap()
}

#[test]
fn the_published_tests_hold_or_are_refused_for_a_listed_reason() {
    let Some(folder) = PUBLISHED_TESTS else {
        println!("not run: FIREWARDEN_JSON_SCHEMA_TESTS does not name the published tests");
        return;
    };
    let mut paths: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let (mut held, mut refused) = (0, 0);
    for path in paths.iter().filter(|path| path.extension().is_some_and(|of| of == "json")) {
        let groups: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        for group in groups.as_array().unwrap() {
            match compile(&group["schema"]) {
                Ok(rule) => held += check_group(path, group, &rule),
                Err(issues) => {
                    refused += 1;
                    let listed = issues.iter().any(|issue| {
                        REFUSED.iter().any(|reason| issue.diagnostics.contains(reason))
                    });
                    assert!(listed, "{path:?} {}: {issues:?}", group["description"]);
                }
            }
        }
    }
    println!("{held} published tests held, {refused} schemas were refused");
    assert!(held > 500, "only {held}");
}

fn check_group(path: &Path, group: &Value, rule: &JsonSchema) -> usize {
    let tests = group["tests"].as_array().unwrap();
    for test in tests {
        let file = path.file_name().unwrap();
        let words = test["description"].as_str().unwrap();
        let decided = DECIDED.iter().any(|(of, text)| file == *of && words.contains(text));
        let valid = holds(rule, &test["data"]);
        let expected = test["valid"] == true;
        assert!(
            decided || valid == expected,
            "{file:?} {} / {words}: {valid}",
            group["description"]
        );
    }
    tests.len()
}

#[test]
fn numbers_are_compared_by_their_value() {
    let number = |text: &str| firewarden_fhir::json::parse(text.as_bytes()).unwrap();
    for (schema, fits, fails) in [
        (
            json!({"const": 1}),
            &["1", "1.0", "1e0", "10e-1"][..],
            &["1.01", "2", "\"1\"", "true"][..],
        ),
        (json!({"enum": [1.5]}), &["1.5", "1.50", "15e-1"], &["1", "\"1.5\""]),
        (
            json!({"type": "integer"}),
            &["1", "1.0", "-3", "100000000000000000000"],
            &["1.5", "\"1\""],
        ),
        (json!({"type": "number"}), &["1", "1.5", "1e400"], &["\"1\"", "null"]),
        (json!({"minimum": 2.5}), &["2.5", "2.50", "3", "\"a\""], &["2.4999", "-3"]),
        (
            json!({"maximum": 100_000_000_000_000_000_000.0}),
            &["99999999999999999999"],
            &["100000000000000000001"],
        ),
        (json!({"exclusiveMinimum": 0}), &["0.0000001"], &["0", "0.0", "-0.0"]),
        (json!({"multipleOf": 0.01}), &["0.03", "4.02", "19.99"], &["0.035"]),
        (json!({"uniqueItems": true}), &["[1, 2]"], &["[1, 1.0]"]),
    ] {
        let rule = compile(&schema).unwrap();
        for text in fits {
            assert!(holds(&rule, &number(text)), "{text} fits {schema}");
        }
        for text in fails {
            assert!(!holds(&rule, &number(text)), "{text} does not fit {schema}");
        }
    }
}

#[test]
fn an_evaluation_leaves_nothing_behind_for_the_next() {
    let rule = compile(&json!({"properties": {"a": {"const": {"$data": "#/b"}}}})).unwrap();
    assert!(holds(&rule, &json!({"a": 1, "b": 1})));
    assert!(!holds(&rule, &json!({"a": 1})));
    assert!(!holds(&rule, &json!({"a": 1, "b": 2})));
}

#[test]
fn a_panic_is_no_verdict() {
    let rule = compile(&json!({"type": "object"})).unwrap();
    assert_eq!(rule.evaluate(&json!({}), |_| panic!("on purpose")), None);
    assert!(holds(&rule, &json!({})));
}

#[test]
fn a_rule_is_bounded_in_depth_and_breadth() {
    let nested = |levels: usize| (1..levels).fold(json!({}), |inner, _| json!({"not": inner}));
    let depth = crate::limits::SCHEMA_DEPTH_MAX;
    assert!(compile(&nested(depth)).is_ok());
    assert!(compile(&nested(depth + 1)).is_err());
    let doubling = |levels: usize| {
        let mut definitions = serde_json::Map::new();
        for level in 0..levels {
            let next = json!({"$ref": format!("#/definitions/{}", level + 1)});
            definitions.insert(level.to_string(), json!({"allOf": [next, next]}));
        }
        definitions.insert(levels.to_string(), json!({"type": "string"}));
        json!({"allOf": [{"$ref": "#/definitions/0"}], "definitions": definitions})
    };
    assert!(compile(&doubling(5)).is_ok());
    let issues = compile(&doubling(12)).err().unwrap();
    assert!(issues[0].diagnostics.contains("is written out"), "{issues:?}");
    let wide: Vec<Value> = (0..=crate::limits::SCHEMAS_MAX).map(|_| json!({})).collect();
    assert!(compile(&json!({"allOf": wide})).is_err());
    let heavy = format!("^{}$", "(a{0,1000}){0,1000}");
    assert!(compile(&json!({"pattern": heavy})).is_err());
}

#[test]
fn a_reason_tells_what_was_compared_with_and_not_how_it_is_numbered() {
    let rule = compile(&json!({"properties": {
        "a": {"const": {"$data": "#/b"}},
        "c": {"type": "string"},
        "d": {"const": 0},
    }}))
    .unwrap();
    let b = json!("of the caller");
    for (document, keyword, expected, but) in [
        (json!({"a": "x", "b": b}), "const", b.clone(), json!("x")),
        (json!({"b": b, "c": 1}), "type", json!("string"), json!(1)),
        (json!({"b": b, "d": 1}), "const", json!(0), json!(1)),
    ] {
        let (verdict, failing) = rule.explain(&RequestDocument::as_it_stands(document));
        let failing = failing.unwrap();
        assert_eq!(verdict, Verdict::NotSatisfied);
        let told = (&failing["keyword"], &failing["expected"], &failing["but"]);
        assert_eq!(told, (&json!(keyword), &expected, &but), "{failing}");
    }
}
