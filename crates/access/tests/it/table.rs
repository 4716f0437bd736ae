//! The decision table: a small set of policies, who may do what by it, as one reviewed snapshot.

use std::fmt::Write;

use firewarden_access::{Permitted, Reach};
use firewarden_fhir::ResourceType;
use serde_json::{Value, json};

use crate::cases;

fn demo_policies() -> Value {
    json!([
        {"id": "admin", "engine": "allow", "link": [{"reference": "User/adm"}]},
        {"id": "app-reads", "engine": "json-schema", "link": [{"reference": "Client/app"}], "schema": {
            "required": ["request-method", "params"],
            "properties": {
                "request-method": {"const": "get"},
                "params": {"required": ["resource/type"], "properties": {"resource/type": {"enum": ["Observation"]}}},
            },
        }},
        {"id": "doctor-reads", "engine": "json-schema", "roleName": "doctor", "schema": {
            "required": ["request-method"], "properties": {"request-method": {"const": "get"}},
        }},
        {"id": "patient-own-record", "engine": "json-schema", "schema": {
            "required": ["user", "params", "operation"],
            "properties": {
                "user": {"required": ["data"], "properties": {"data": {"required": ["patient_id"]}}},
                "operation": {"required": ["id"], "properties": {"id": {"const": "FhirRead"}}},
                "params": {
                    "required": ["resource/type", "resource/id"],
                    "properties": {
                        "resource/type": {"const": "Patient"},
                        "resource/id": {"const": {"$data": "#/user/data/patient_id"}},
                    },
                },
            },
        }},
        {"id": "patient-reports", "engine": "json-schema", "schema": {
            "required": ["user", "resource", "operation"],
            "properties": {
                "user": {"required": ["data"]},
                "operation": {"required": ["id"], "properties": {"id": {"const": "FhirCreate"}}},
                "resource": {
                    "required": ["resourceType", "subject"],
                    "properties": {
                        "resourceType": {"const": "Observation"},
                        "subject": {
                            "required": ["resourceType", "id"],
                            "properties": {
                                "resourceType": {"const": "Patient"},
                                "id": {"const": {"$data": "#/user/data/patient_id"}},
                            },
                        },
                    },
                },
            },
        }},
        {"id": "patient-own-observations", "engine": "matcho", "matcho": {
            "request-method": "get", "user": {"data": {"patient_id": "present?"}},
        }, "rows": {"Observation": "subject=Patient/{{user.data.patient_id}}"}},
        {"id": "public-metadata-of-organizations", "engine": "json-schema", "schema": {
            "required": ["uri"], "properties": {"uri": {"const": "/fhir/Organization"}},
        }},
        {"id": "broken", "engine": "json-schema", "schema": {"requried": ["user"]}},
    ])
}

fn callers() -> [(&'static str, Value); 5] {
    [
        ("anonymous", json!({})),
        ("patient", json!({"user": {"id": "patA", "data": {"patient_id": "A"}}})),
        ("doctor", json!({"user": {"id": "docB"}, "roles": [{"id": "r", "name": "doctor"}]})),
        ("app", json!({"client": {"id": "app"}})),
        ("admin", json!({"user": {"id": "adm"}})),
    ]
}

fn requests() -> Vec<(&'static str, Option<Value>)> {
    let observation =
        |subject: Value| Some(json!({"resourceType": "Observation", "subject": subject}));
    vec![
        ("GET /fhir/Patient/A", None),
        ("GET /fhir/Patient/Z", None),
        ("GET /fhir/Patient/A/_history/1", None),
        ("GET /fhir/Patient?_id=A", None),
        ("POST /fhir/Patient/_search", None),
        ("DELETE /fhir/Patient/A", None),
        ("GET /fhir/Observation", None),
        ("POST /fhir/Observation", observation(json!({"reference": "Patient/A"}))),
        ("POST /fhir/Observation", observation(json!({"reference": "Patient/Z"}))),
        (
            "POST /fhir/Observation",
            observation(json!({"reference": "Patient/Z", "resourceType": "Patient", "id": "A"})),
        ),
        ("POST /fhir/Observation", observation(json!({"resourceType": "Patient", "id": "A"}))),
        (
            "POST /fhir/Observation",
            observation(json!({"reference": "https://elsewhere.example/fhir/Patient/A"})),
        ),
        ("GET /fhir/Organization", None),
        ("GET /fhir/Organization/1", None),
        ("GET /fhir/_history", None),
        ("GET /fhir/AuditEvent", None),
        ("POST /fhir/AuditEvent", Some(json!({"resourceType": "AuditEvent"}))),
        ("GET /User", None),
        ("GET /fhir/AccessPolicy/admin", None),
        ("PUT /AccessPolicy/mine", Some(json!({"engine": "allow"}))),
        ("GET /auth/userinfo", None),
        ("POST /auth/test-policy", None),
        ("POST /$matcho", None),
        ("POST /auth/test-token", None),
        ("GET /health/ready", None),
        ("GET /metrics", None),
        ("GET /Session", None),
        ("DELETE /Session/x", None),
        ("POST /Session", Some(json!({"client": {"reference": "Client/app"}}))),
        ("PUT /Session/x", Some(json!({"client": {"reference": "Client/app"}}))),
    ]
}

/// The rows of the type asked for, where they are not every row.
fn limited(permitted: &Permitted) -> String {
    let of = permitted.interaction().resource_type();
    let rows = of.map(|of| cases::answer(permitted.rows(of)).to_string());
    match rows.filter(|rows| rows != "everything") {
        Some(rows) => format!(": {rows}"),
        None => String::new(),
    }
}

#[test]
fn the_demo_policies_decide_as_the_table_says() {
    let policies = cases::policies(&demo_policies());
    let mut table = String::new();
    for (request, body) in requests() {
        match body.as_ref().and_then(|body| body.get("subject")) {
            Some(subject) => writeln!(table, "{request} {subject}").unwrap(),
            None => writeln!(table, "{request}").unwrap(),
        }
        for (name, caller) in callers() {
            let decision =
                cases::decided(&policies, &cases::caller(&caller), request, body.as_ref());
            let told = match decision {
                Ok(permitted) => {
                    let by = permitted.granted_by().join(", ");
                    format!("permit {by}{}", limited(&permitted))
                }
                Err(_) => "-".to_owned(),
            };
            writeln!(table, "  {name:<10} {}", told.trim_end()).unwrap();
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn a_permit_of_the_demo_policies_reaches_other_types_as_the_table_says() {
    let policies = cases::policies(&demo_policies());
    let types = ["Patient", "Observation", "Organization", "AuditEvent", "User"];
    let mut table = String::new();
    for (name, caller) in callers() {
        let caller = cases::caller(&caller);
        let permit = cases::decided(&policies, &caller, "GET /fhir/Organization", None);
        let Ok(permit) = permit else { continue };
        let reached = types.into_iter().filter_map(|name| {
            let rows = cases::answer(permit.rows(ResourceType::parse(name).unwrap()));
            match rows.reach() {
                Reach::Nothing => None,
                Reach::Some(_) => Some(format!("{name}({rows})")),
                Reach::Everything => Some(name.to_owned()),
            }
        });
        writeln!(table, "{name:<10} {}", reached.collect::<Vec<_>>().join(" ")).unwrap();
    }
    insta::assert_snapshot!(table);
}
