//! What expressions select, and that all of the definitions' own compile.

use serde_json::json;

use super::compile::PathError;
use super::*;
use crate::definitions::ParameterType;
use crate::{Definitions, ResourceType};

fn compiled(root: &str, expression: &str) -> Result<Path, PathError> {
    compile(Definitions::get().elements(), root, expression)
}

/// What the expression selects, each value with its type.
fn selected(root: &str, expression: &str, resource: &Value) -> String {
    let path = compiled(root, expression).unwrap();
    assert_eq!(path.result, PathResult::Values);
    let mut selected = Vec::new();
    for route in &path.routes {
        let type_name = Definitions::get().elements().type_name(route.content);
        route.select(resource.as_object().unwrap(), &mut |value| {
            selected.push(format!("{type_name} {value}"));
        });
    }
    selected.join(", ")
}

#[test]
fn every_expression_of_the_definitions_compiles() {
    for of in ResourceType::all() {
        for parameter in Definitions::get().search_parameters(of) {
            // `Location?near` compares positions, which no path gives.
            if parameter.kind == ParameterType::Special {
                assert_eq!(format!("{parameter:?}"), "Location?near");
                continue;
            }
            let path = compiled(of.name(), &parameter.expression);
            assert!(path.is_ok_and(|path| !path.routes.is_empty()), "{parameter:?}");
        }
    }
}

#[test]
fn a_path_goes_through_arrays_and_leaves_out_what_is_null() {
    let patient = json!({
        "name": [{"given": ["Ann", null]}, {"family": "Lee"}, {"given": ["Bo"]}],
        "telecom": [{"system": "phone", "value": "1"}, {"system": "email", "value": "2"}, {}],
        "deceasedDateTime": "2020",
    });
    for (expression, expected) in [
        ("Patient.name.given", r#"string "Ann", string "Bo""#),
        ("Patient.name.family | Patient.name.given", r#"string "Lee", string "Ann", string "Bo""#),
        ("name.family", r#"string "Lee""#),
        ("Patient.name[1].family", r#"string "Lee""#),
        ("Patient.name[0].family", ""),
        ("Patient.name[9].family", ""),
        ("Patient.telecom.where(system='email').value", r#"string "2""#),
        ("Patient.telecom.where(system = 'fax').value", ""),
        ("Patient.deceased", r#"dateTime "2020""#),
        ("(Patient.deceased as dateTime)", r#"dateTime "2020""#),
        ("Patient.deceased.as(boolean)", ""),
        ("Patient.deceased.ofType(dateTime)", r#"dateTime "2020""#),
        ("Patient.birthDate", ""),
        ("Resource.meta.tag", ""),
        ("Patient", ""),
    ] {
        assert_eq!(selected("Patient", expression, &patient), expected, "{expression}");
    }
}

#[test]
fn a_choice_is_read_by_the_name_of_its_member() {
    let observation = json!({
        "valueQuantity": {"value": 1},
        "component": [{"valueQuantity": {"value": 2}}, {"valueCodeableConcept": {"text": "x"}}],
    });
    for (expression, expected) in [
        ("Observation.value as Quantity", r#"Quantity {"value":1}"#),
        (
            "(Observation.value as Quantity) | (Observation.component.value as Quantity)",
            r#"Quantity {"value":1}, Quantity {"value":2}"#,
        ),
        ("(Observation.component.value as CodeableConcept).text", r#"string "x""#),
        ("(Observation.value as CodeableConcept).text", ""),
    ] {
        assert_eq!(selected("Observation", expression, &observation), expected, "{expression}");
    }
}

#[test]
fn a_reference_resolves_to_the_type_it_names() {
    for (reference, is_patient) in [
        (json!({"reference": "Patient/1"}), true),
        (json!({"reference": "Patient/1/_history/2"}), true),
        (json!({"reference": "https://elsewhere.example/Patient/1"}), true),
        (json!({"reference": "urn:uuid:3b5d4c9e", "type": "Patient"}), true),
        (json!({"type": "Patient", "identifier": {"value": "1"}}), true),
        (json!({"reference": "Group/1"}), false),
        (json!({"reference": "Group/1", "type": "Patient"}), false),
        (json!({"reference": "Group/Patient"}), false),
        (json!({"reference": "#1"}), false),
        (json!({"reference": "urn:uuid:3b5d4c9e"}), false),
        (json!({"reference": 1}), false),
        (json!("Patient/1"), false),
    ] {
        let flag = json!({"subject": reference});
        let selected = selected("Flag", "Flag.subject.where(resolve() is Patient)", &flag);
        assert_eq!(!selected.is_empty(), is_patient, "{flag}");
    }
}

#[test]
fn what_is_not_of_the_subset_does_not_compile() {
    for (expression, error) in [
        ("", "a name is missing at ``"),
        ("Patient.nmae", "unknown element at ``"),
        ("Patient.name.", "a name is missing at ``"),
        ("Patient.name.given[0]", "an index below the root at ``"),
        ("Patient.name[x]", "not an index at `x]`"),
        ("Patient.name[0", "unfinished index at `0`"),
        ("Patient.name.first()", "unknown function at `)`"),
        ("Patient.telecom.where(system='email", "unfinished text at `email`"),
        ("Patient.telecom.where(system)", "`=` is missing at `)`"),
        ("(Patient.name", "`)` is missing at ``"),
        ("Patient.name & Patient.address", "unexpected text at ` & Patient.address`"),
        ("Patient.deceased.exists() and true", "unknown comparison at `true`"),
        ("Observation.code", "unknown element at `.code`"),
    ] {
        let path = compiled("Patient", expression);
        assert_eq!(path.unwrap_err().to_string(), error, "{expression}");
    }
    assert_eq!(compiled("Nothing", "name").unwrap_err().to_string(), "unknown root at `name`");
}
