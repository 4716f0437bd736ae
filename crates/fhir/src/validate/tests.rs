//! What is accepted, and what is refused with which words.

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// The issues of a resource as `code expression: diagnostics`.
fn issues(resource: &Value) -> Vec<String> {
    let name = resource.get("resourceType").and_then(Value::as_str).unwrap_or("Patient");
    let issues = validate(ResourceType::parse(name).unwrap(), resource.as_object().unwrap());
    issues
        .into_iter()
        .map(|it| format!("{} {}: {}", it.code, it.expression.unwrap(), it.diagnostics))
        .collect()
}

/// Checks the cases of a file: resources, and the issues expected of each.
fn check(cases: &str) {
    let Value::Array(cases) = crate::yaml::parse(cases.as_bytes()).unwrap() else {
        panic!("a list")
    };
    for case in cases {
        let resource = &case["resource"];
        assert_eq!(json!(issues(resource)), case["issues"], "{resource}");
    }
}

#[test]
fn a_resource_as_the_specification_describes_it_is_accepted() {
    check(include_str!("../../tests/cases/validate/accepted.yaml"));
}

#[test]
fn an_unknown_element_is_refused_with_the_one_that_may_be_meant() {
    check(include_str!("../../tests/cases/validate/unknown_elements.yaml"));
}

#[test]
fn the_json_type_must_be_the_elements() {
    check(include_str!("../../tests/cases/validate/json_types.yaml"));
}

#[test]
fn what_must_be_there_is_asked_for() {
    check(include_str!("../../tests/cases/validate/required.yaml"));
}

#[test]
fn a_choice_is_of_one_of_its_types() {
    check(include_str!("../../tests/cases/validate/choices.yaml"));
}

#[test]
fn extensions_of_primitives_stand_beside_them() {
    check(include_str!("../../tests/cases/validate/primitive_extensions.yaml"));
}

#[test]
fn a_resource_inside_another_is_checked_by_its_own_type() {
    check(include_str!("../../tests/cases/validate/nested_resources.yaml"));
}

#[test]
fn an_issue_names_a_few_types_of_a_choice() {
    let extension = json!({"url": "x", "value": 1});
    let issues = issues(&json!({"resourceType": "Patient", "extension": [extension]}));
    assert!(issues[0].contains("in the name: `valueAddress`, `valueAge`, `valueAnnotation`,"));
    assert!(issues[0].ends_with("`valueContactPoint` …"), "{issues:?}");
}

/// A secret would be stored with the Bundle as it stands.
#[test]
fn our_own_types_pass_but_not_inside_a_resource() {
    let introspector = json!({"resourceType": "TokenIntrospector", "anything": {}});
    assert_eq!(issues(&introspector), [""; 0]);
    let bundle = json!({
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": introspector}],
    });
    let expected = "value Bundle.entry[0].resource: `resourceType` is not a type of FHIR R4";
    assert_eq!(issues(&bundle), [expected]);
}

#[test]
fn the_resource_is_of_the_type_it_is_checked_as() {
    let of = ResourceType::parse("Patient").unwrap();
    for resource in
        [json!({"id": "1"}), json!({"resourceType": "Group"}), json!({"resourceType": ["Patient"]})]
    {
        let issues = validate(of, resource.as_object().unwrap());
        assert_eq!(
            issues,
            [Issue::error("invalid", "`resourceType` must be `Patient`").at("Patient")]
        );
    }
}

#[test]
fn primitives_have_the_formats_of_the_specification() {
    let cases = include_bytes!("../../tests/cases/primitives.json");
    for (type_name, cases) in crate::json::parse(cases).unwrap().as_object().unwrap() {
        let issues_of = |value: &Value| {
            let member = format!("value{type_name}");
            issues(&json!({"resourceType": "Patient", "extension": [{"url": "x", member: value}]}))
        };
        for value in cases["accepted"].as_array().unwrap() {
            assert_eq!(issues_of(value), [""; 0], "{type_name} {value}");
        }
        for value in cases["refused"].as_array().unwrap() {
            let issues = issues_of(value);
            assert_eq!(issues.len(), 1, "{type_name} {value}");
            assert!(issues[0].contains(" Patient.extension[0].value: "), "{issues:?}");
        }
    }
}

#[test]
fn a_string_and_the_issues_are_bounded() {
    let text = |length| json!({"resourceType": "Patient", "name": [{"text": "x".repeat(length)}]});
    assert_eq!(issues(&text(limits::STRING_BYTES_MAX)), [""; 0]);
    let expected = "value Patient.name[0].text: a string of more than 1 MiB";
    assert_eq!(issues(&text(limits::STRING_BYTES_MAX + 1)), [expected]);

    let many = json!({"resourceType": "Patient", "name": vec![json!({}); 1_000]});
    assert_eq!(issues(&many).len(), limits::ISSUES_MAX);
    let members: Map<String, Value> = (0..1_000).map(|n| (format!("x{n}"), Value::Null)).collect();
    assert_eq!(
        issues(&Value::Object(
            members.into_iter().chain([("resourceType".into(), "Patient".into())]).collect()
        ))
        .len(),
        limits::ISSUES_MAX
    );
}

#[test]
fn nesting_is_bounded_like_that_of_json() {
    let nested = |extensions: usize| {
        let innermost = json!({"url": "x", "valueString": "x"});
        let nest = |inner, _| json!({"url": "x", "extension": [inner]});
        let extension = (1..extensions).fold(innermost, nest);
        json!({"resourceType": "Patient", "extension": [extension]})
    };
    // The resource, and an array and an object for each extension.
    let most = (limits::NESTING_DEPTH_MAX - 1) / 2;
    assert_eq!(issues(&nested(most)), [""; 0]);
    assert!(crate::json::parse(nested(most).to_string().as_bytes()).is_ok());
    for beyond in [most + 1, most + 20] {
        let issues = issues(&nested(beyond));
        assert!(issues[0].ends_with("nested deeper than 64 levels"), "{issues:?}");
        assert!(crate::json::parse(nested(beyond).to_string().as_bytes()).is_err());
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[ -~é]{0,12}".prop_map(Value::from),
    ];
    let name = prop_oneof![
        Just("name"),
        Just("_birthDate"),
        Just("birthDate"),
        Just("contained"),
        Just("resourceType"),
        Just("extension"),
        Just("valueString"),
        Just("link"),
        Just("reference"),
        Just("deceasedBoolean"),
        Just("é"),
    ];
    leaf.prop_recursive(4, 32, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..4).prop_map(|members| {
                members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            }),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_is_sent_is_answered(content in prop::collection::vec(any_json(), 8)) {
        let names = [
            "name",
            "birthDate",
            "_birthDate",
            "contained",
            "extension",
            "deceasedBoolean",
            "link",
            "telecom",
        ];
        let mut resource: Map<String, Value> =
            names.into_iter().map(str::to_owned).zip(content).collect();
        resource.insert("resourceType".into(), "Patient".into());
        let of = ResourceType::parse("Patient").unwrap();
        prop_assert!(validate(of, &resource).len() <= limits::ISSUES_MAX);
        crate::extract::extract(of, &resource, "https://server.example/fhir");
    }
}
