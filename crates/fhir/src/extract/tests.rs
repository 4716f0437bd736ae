//! What is found by which parameter.

use serde_json::{Value, json};

use super::*;
use crate::definitions::ParameterType;

const BASE_URL: &str = "https://server.example/fhir";

/// The values of one parameter, each as text.
fn values(code: &str, resource: &Value) -> Vec<String> {
    let of = ResourceType::parse(resource["resourceType"].as_str().unwrap()).unwrap();
    let extracted = extract(of, resource.as_object().unwrap(), BASE_URL);
    let of_code = extracted.iter().filter(|it| &*it.parameter.code == code);
    of_code.map(|it| shown(&it.value)).collect()
}

fn shown(value: &IndexValue) -> String {
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    match value {
        IndexValue::String(text) => text.clone(),
        IndexValue::Token { system, code } => match system {
            Some(system) => format!("{system}|{code}"),
            None => code.clone(),
        },
        IndexValue::Local(target) => target.to_string(),
        IndexValue::Absolute(url) => format!("absolute {url}"),
        IndexValue::Date(range) => format!("{}..{}", at(range.low_us), at(range.high_us)),
        IndexValue::Number { low, high } => format!("{low}..{high}"),
        IndexValue::Quantity { low, high, system, code, unit } => {
            let end = |it: f64| match it {
                f64::MIN | f64::MAX => String::new(),
                it => it.to_string(),
            };
            format!("{}..{} {}|{} {}", end(*low), end(*high), part(system), part(code), part(unit))
        }
        IndexValue::Uri(uri) => format!("uri {uri}"),
    }
}

fn at(us: i64) -> String {
    match us {
        TimeRange::LOW_US_MIN | TimeRange::HIGH_US_MAX => String::new(),
        us => {
            let text = crate::instant_text(crate::Timestamp::from_microsecond(us).unwrap());
            text.replace("T00:00:00.000Z", "").replace(":00.000Z", "Z")
        }
    }
}

fn check(resource: &Value, cases: &[(&str, &[&str])]) {
    for (code, expected) in cases {
        assert_eq!(values(code, resource), *expected, "{code} of {resource}");
    }
}

#[test]
fn every_value_has_a_reader_but_these() {
    let tables = Definitions::get().elements();
    let mut without = std::collections::BTreeSet::new();
    for parameter in ResourceType::all().flat_map(|of| Definitions::get().search_parameters(of)) {
        if matches!(parameter.kind, ParameterType::Composite | ParameterType::Special) {
            continue;
        }
        let root = parameter.resource_type.name();
        let path = path::compile(tables, root, &parameter.expression).unwrap();
        for route in path.routes.iter().filter(|_| path.result == PathResult::Values) {
            let type_name = tables.type_name(route.content);
            if reader::reader(parameter.kind, type_name).is_none() {
                without.insert(format!("{parameter:?} {type_name}"));
            }
        }
    }
    let without: Vec<_> = without.iter().map(String::as_str).collect();
    assert_eq!(
        without,
        [
            "Bundle?composition Resource",
            "Bundle?message Resource",
            "CarePlan?activity-date string",
            "Consent?source-reference Attachment",
            "Immunization?date string",
            "Observation?combo-value-quantity SampledData",
            "Observation?component-value-quantity SampledData",
            "Observation?value-quantity SampledData",
            "Procedure?date Age",
            "Procedure?date Range",
            "Procedure?date string",
        ]
    );
}

#[test]
fn strings_are_every_part_of_names_and_addresses() {
    check(
        &json!({
            "resourceType": "Patient",
            "name": [
                {"text": "Ann B. Lee", "family": "Lee", "given": ["Ann", "B."], "prefix": ["Dr"]},
                {"use": "maiden", "family": "Roe", "given": ["Ann"], "suffix": ["", null]},
            ],
            "address": [{"line": ["1 High St"], "city": "Ely", "postalCode": "CB7", "use": "home"}],
        }),
        &[
            ("name", &["Ann B. Lee", "Lee", "Ann", "B.", "Dr", "Roe"]),
            ("given", &["Ann", "B."]),
            ("family", &["Lee", "Roe"]),
            ("address", &["1 High St", "Ely", "CB7"]),
            ("address-city", &["Ely"]),
            ("address-use", &["home"]),
            ("address-state", &[]),
        ],
    );
    check(
        &json!({"resourceType": "InsurancePlan", "name": "A", "alias": ["B", "A"]}),
        &[("name", &["A", "B"])],
    );
    check(
        &json!({
            "resourceType": "Observation",
            "valueCodeableConcept": {"text": "as text", "coding": [{"code": "c"}]},
        }),
        &[("value-string", &["as text"]), ("value-concept", &["c"])],
    );
}

#[test]
fn tokens_are_codes_with_their_systems() {
    check(
        &json!({
            "resourceType": "Patient",
            "active": true,
            "gender": "female",
            "identifier": [
                {"system": "urn:s", "value": "1"},
                {"value": "2"},
                {"system": "urn:s"},
                {},
            ],
            "telecom": [{"system": "phone", "value": "555"}, {"system": "email", "value": "a@b"}],
            "communication": [
                {"language": {"coding": [{"system": "urn:l", "code": "en"}, {"code": "en"}]}},
                {"language": {"text": "no code"}},
                {"language": {"coding": [{"system": "urn:l", "code": "en"}]}},
            ],
            "meta": {
                "tag": [{"system": "urn:t", "code": "x"}],
                "profile": ["urn:p"],
                "source": "urn:q",
            },
        }),
        &[
            ("active", &["true"]),
            ("gender", &["female"]),
            ("identifier", &["urn:s|1", "2", "urn:s|"]),
            ("telecom", &["555", "a@b"]),
            ("phone", &["555"]),
            ("email", &["a@b"]),
            ("language", &["urn:l|en", "en"]),
            ("_tag", &["urn:t|x"]),
            ("_security", &[]),
            ("_profile", &["uri urn:p"]),
            ("_source", &["uri urn:q"]),
        ],
    );
}

#[test]
fn deceased_is_false_unless_the_resource_says_otherwise() {
    for (deceased, expected) in [
        (json!({}), "false"),
        (json!({"deceasedBoolean": false}), "false"),
        (json!({"deceasedBoolean": true}), "true"),
        (json!({"deceasedDateTime": "2020"}), "true"),
    ] {
        let mut patient = json!({"resourceType": "Patient"});
        patient.as_object_mut().unwrap().extend(deceased.as_object().unwrap().clone());
        check(&patient, &[("deceased", &[expected])]);
    }
}

#[test]
fn a_reference_is_local_or_absolute() {
    check(
        &json!({
            "resourceType": "Observation",
            "subject": {"reference": "Patient/1/_history/3"},
            "performer": [
                {"reference": "https://server.example/fhir/Practitioner/2"},
                {"reference": "https://elsewhere.example/fhir/Practitioner/2"},
                {"reference": "#contained"},
                {"identifier": {"system": "urn:s", "value": "only an identifier"}},
                {"reference": "Practitioner/2"},
                {"reference": "not a reference"},
            ],
            "hasMember": [{"reference": "urn:uuid:3b5d4c9e"}],
            "contained": [{"resourceType": "Practitioner", "id": "contained"}],
        }),
        &[
            ("subject", &["Patient/1"]),
            ("patient", &["Patient/1"]),
            (
                "performer",
                &["Practitioner/2", "absolute https://elsewhere.example/fhir/Practitioner/2"],
            ),
            ("has-member", &["absolute urn:uuid:3b5d4c9e"]),
        ],
    );
    check(
        &json!({"resourceType": "Observation", "subject": {"reference": "Group/1"}}),
        &[("subject", &["Group/1"]), ("patient", &[])],
    );
    check(
        &json!({"resourceType": "QuestionnaireResponse", "questionnaire": "http://q.example/q|2"}),
        &[("questionnaire", &["absolute http://q.example/q|2"])],
    );
    check(
        &json!({
            "resourceType": "AccessPolicy",
            "link": [{"reference": "User/1"}, {"resourceType": "Client", "id": "c"}, {"id": "x"}],
        }),
        &[("link", &["User/1", "Client/c"])],
    );
}

#[test]
fn a_resource_inside_another_is_no_reference_to_a_stored_one() {
    check(
        &json!({
            "resourceType": "Bundle",
            "type": "document",
            "entry": [{"resource": {"resourceType": "Composition", "id": "1"}}],
        }),
        &[("composition", &[]), ("type", &["document"])],
    );
}

#[test]
fn dates_are_stretches_of_time() {
    let observation = |member: &str, value: Value| {
        let mut observation = json!({"resourceType": "Observation"});
        observation[member] = value;
        observation
    };
    for (member, value, expected) in [
        ("effectiveDateTime", json!("2020"), &["2020-01-01..2021-01-01"][..]),
        ("effectiveDateTime", json!("2020-02-30"), &[]),
        ("effectiveDateTime", json!(2020), &[]),
        (
            "effectiveInstant",
            json!("2020-01-01T10:00:00Z"),
            &["2020-01-01T10:00Z..2020-01-01T10:00:01.000Z"],
        ),
        (
            "effectivePeriod",
            json!({"start": "2020", "end": "2021-06"}),
            &["2020-01-01..2021-07-01"],
        ),
        ("effectivePeriod", json!({"start": "2020"}), &["2020-01-01.."]),
        ("effectivePeriod", json!({"end": "2020"}), &["..2021-01-01"]),
        ("effectivePeriod", json!({"start": "2021", "end": "2019"}), &[]),
        ("effectivePeriod", json!({"start": "2021", "end": "soon"}), &[]),
        ("effectivePeriod", json!({}), &[]),
        (
            "effectiveTiming",
            json!({"event": ["2020-03", "2020-01-01"]}),
            &["2020-01-01..2020-04-01"],
        ),
        (
            "effectiveTiming",
            json!({"repeat": {"boundsPeriod": {"start": "2020"}}}),
            &["2020-01-01.."],
        ),
        ("effectiveTiming", json!({"repeat": {"frequency": 1}}), &[]),
    ] {
        check(&observation(member, value), &[("date", expected)]);
    }
}

#[test]
fn numbers_and_quantities_keep_their_ends_and_units() {
    let quantity = |value: Value| json!({"resourceType": "Observation", "valueQuantity": value});
    for (value, expected) in [
        (
            json!({"value": 1.50, "unit": "mg", "system": "urn:u", "code": "mg"}),
            &["1.5..1.5 urn:u|mg mg"][..],
        ),
        (json!({"value": 5, "comparator": "<"}), &["..5 | "]),
        (json!({"value": 5, "comparator": ">="}), &["5.. | "]),
        (json!({"value": "5"}), &[]),
        (json!({"unit": "mg"}), &[]),
    ] {
        check(
            &quantity(value),
            &[("value-quantity", expected), ("combo-value-quantity", expected)],
        );
    }
    check(
        &json!({"resourceType": "Condition", "onsetRange": {"low": {"value": 1, "unit": "a"}}}),
        &[("onset-age", &["1.. | a"])],
    );
    check(
        &json!({"resourceType": "Invoice", "totalNet": {"value": 9.5, "currency": "EUR"}}),
        &[("totalnet", &["9.5..9.5 urn:iso:std:iso:4217|EUR "])],
    );
    check(
        &json!({
            "resourceType": "RiskAssessment",
            "prediction": [
                {"probabilityDecimal": 0.5},
                {"probabilityRange": {"high": {"value": 2}}},
                {"probabilityRange": {}},
            ],
        }),
        &[("probability", &["0.5..0.5", &format!("{}..2", f64::MIN)])],
    );
}

#[test]
fn our_own_types_are_found_by_their_parameters() {
    check(
        &json!({
            "resourceType": "User",
            "identifier": [{"system": "https://issuer.example", "value": "u1"}],
            "email": "a@b.example",
            "active": true,
            "password": "secret",
            "data": {"sub": "u1", "patient_id": "1"},
        }),
        &[
            ("identifier", &["https://issuer.example|u1"]),
            ("sub", &["u1"]),
            ("email", &["a@b.example"]),
            ("active", &["true"]),
        ],
    );
    check(
        &json!({"resourceType": "TokenIntrospector", "type": "jwt", "jwt": {"iss": "https://i"}}),
        &[("type", &["jwt"]), ("iss", &["uri https://i"])],
    );
}

#[test]
fn values_come_in_the_order_of_the_parameters() {
    let patient = json!({"active": true, "birthDate": "2000", "gender": "male"});
    let of = ResourceType::parse("Patient").unwrap();
    let extracted = extract(of, patient.as_object().unwrap(), BASE_URL);
    let codes: Vec<_> = extracted.iter().map(|it| &*it.parameter.code).collect();
    assert_eq!(codes, ["active", "birthdate", "deceased", "gender"]);
}
