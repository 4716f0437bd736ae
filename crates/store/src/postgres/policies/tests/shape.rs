//! The functions of the database shape a resource as the program does.

use firewarden_access::policy_query::derive_references;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tokio_postgres::types::ToSql;

use super::database::*;

/// References and near misses, and words that must not be taken for them.
const TEXTS: &[&str] = &[
    "Patient/1",
    "Patient/1/_history/3",
    "Patient/1/_history/0",
    "Patient/1/_history/",
    "Patient/1/_history/03",
    "Patient/1/_history/18446744073709551615",
    "Patient/1/_history/18446744073709551616",
    "Patient/1/_history/99999999999999999999999",
    "Patient/1/_history/3/x",
    "Patient/1/x",
    "Patient/",
    "Patient",
    "Patient/.",
    "Patient/..",
    "Patient/...",
    "Patient/a_b",
    "Patient/é",
    "Patient/1\n",
    "Patient/1 ",
    " Patient/1",
    "patient/1",
    "Patients/1",
    "xPatient/1",
    "AuditEvent/a",
    "User/u",
    "Bundle/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "Bundle/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "http://localhost/fhir/Patient/1",
    "http://localhost/fhir/Patient/1/_history/3",
    "http://localhost/fhirPatient/1",
    "http://localhost/fhir//Patient/1",
    "http://localhost/fhir/",
    "http://localhost/fhir",
    "https://localhost/fhir/Patient/1",
    "http://localhost/fhir/http://localhost/fhir/Patient/1",
    "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
    "#p",
    "#Patient/1",
    "",
    "\"reference\": ",
    "Bundle",
    "Parameters",
];

const NAMES: &[&str] = &[
    "id",
    "resourceType",
    "reference",
    "contained",
    "entry",
    "parameter",
    "resource",
    "outcome",
    "part",
    "response",
    "subject",
    "\"id\": ",
];

fn any_member() -> impl Strategy<Value = Value> {
    let text = prop::sample::select(TEXTS).prop_map(Value::from);
    let leaf = prop_oneof![
        6 => text,
        1 => Just(Value::Null),
        1 => Just(json!(1.50)),
        1 => Just(json!(true)),
    ];
    leaf.prop_recursive(6, 60, 5, |inner| {
        let members = prop::collection::vec((prop::sample::select(NAMES), inner.clone()), 0..6);
        prop_oneof![
            1 => prop::collection::vec(inner, 0..4).prop_map(Value::from),
            3 => members.prop_map(object),
        ]
    })
}

fn object(members: Vec<(&'static str, Value)>) -> Value {
    Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn any_resource() -> impl Strategy<Value = Value> {
    let types = vec!["Patient", "Bundle", "Parameters", "Observation"];
    let members = prop::collection::vec((prop::sample::select(NAMES), any_member()), 0..6);
    (prop::sample::select(types), members).prop_map(|(of, members)| {
        let mut resource = object(members);
        resource["resourceType"] = of.into();
        resource["id"] = "own".into();
        resource
    })
}

#[tokio::test]
async fn resources_are_shaped_on_postgresql_as_in_a_request_document() {
    let Some(database) = Database::open().await else { return };
    let whole = database.owner.prepare(
        "SELECT public.policy_resource($1, $2) = $3::text::jsonb,
            public.policy_resource($1, $2)::text",
    );
    let whole = whole.await.unwrap();
    let member = database.owner.prepare(
        "SELECT (public.policy_member($1, $2, $3))::text IS NOT DISTINCT FROM
            ($4::text::jsonb -> $2)::text",
    );
    let member = member.await.unwrap();
    let mut resources: Vec<Value> = TEXTS
        .iter()
        .map(|text| json!({"subject": {"id": "Z", "resourceType": "Z", "reference": text}}))
        .collect();
    let mut runner = TestRunner::deterministic();
    resources.extend((0..1_000).map(|_| any_resource().new_tree(&mut runner).unwrap().current()));
    for resource in resources {
        let mut shaped = resource.clone();
        derive_references(&mut shaped, BASE_URL);
        let (body, shaped_text) = (resource.to_string(), shaped.to_string());
        let row =
            database.owner.query_one(&whole, &[&body, &BASE_URL, &shaped_text]).await.unwrap();
        assert!(row.get::<_, bool>(0), "{body}: {shaped} or {}", row.get::<_, String>(1));
        for name in NAMES {
            let values: [&(dyn ToSql + Sync); 4] = [&body, name, &BASE_URL, &shaped_text];
            let row = database.owner.query_one(&member, &values).await.unwrap();
            assert!(row.get::<_, bool>(0), "{name} of {body}");
        }
    }
}
