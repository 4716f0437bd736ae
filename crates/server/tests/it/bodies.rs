//! How large, how deep and in which encodings a body may be.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use crate::harness::TestServer;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A Patient of about that size.
fn patient(bytes: usize) -> String {
    json!({"resourceType": "Patient", "name": [{"text": "x".repeat(bytes)}]}).to_string()
}

const JSON: &str = "application/fhir+json";

#[tokio::test]
async fn a_body_over_the_limit_is_413() {
    let server = TestServer::with(&[("BODY_LIMIT", "10000"), ("BUNDLE_LIMIT", "20000")]).await;
    for (line, bytes, status) in [
        ("POST /fhir/Patient", 9_000, 201),
        ("POST /fhir/Patient", 10_001, 413),
        ("PUT /User/x", 10_001, 413),
        ("POST /fhir", 20_001, 413),
        ("POST /", 20_001, 413),
        ("PUT /", 20_001, 413),
        // Under the limit of a Bundle, and none.
        ("POST /fhir", 15_000, 400),
    ] {
        let answer = server.root(line).body(JSON, patient(bytes)).await.is(status);
        assert_eq!(answer.at("/resourceType") == "OperationOutcome", status != 201, "{line}");
    }
    // Nobody's body is kept before the credential is judged.
    server.ask("POST /fhir/Patient").body(JSON, patient(10_001)).await.is(401);
    server.bearer("bad", "POST /fhir/Patient").body(JSON, patient(10_001)).await.is(401);
}

#[tokio::test]
async fn without_a_credential_a_bundle_is_no_larger_than_a_body() {
    let server = TestServer::with(&[("BODY_LIMIT", "10000"), ("BUNDLE_LIMIT", "20000")]).await;
    server
        .put(json!({
            "resourceType": "AccessPolicy", "id": "open", "engine": "json-schema",
            "schema": {"required": ["uri"], "properties": {"uri": {"const": "/fhir/Patient"}}},
        }))
        .await;
    let bundle = |bytes: usize| {
        let patient = json!({"resourceType": "Patient", "name": [{"text": "x".repeat(bytes)}]});
        let entry = json!({"request": {"method": "POST", "url": "Patient"}, "resource": patient});
        json!({"resourceType": "Bundle", "type": "batch", "entry": [entry]})
    };
    server.ask("POST /fhir").json(&bundle(9_000)).await.is(200);
    let refused = server.ask("POST /fhir").json(&bundle(11_000)).await;
    assert_ne!(refused.status, 200, "{refused:?}");
    server.root("POST /fhir").json(&bundle(11_000)).await.is(200);
}

#[tokio::test]
async fn the_limit_is_on_what_a_body_unfolds_to() {
    let server = TestServer::with(&[("BODY_LIMIT", "100000")]).await;
    let post = |bytes: Vec<u8>, encoding: &str| {
        let ask = server.root("POST /fhir/Patient").header("content-encoding", encoding);
        ask.body(JSON, bytes)
    };
    post(gzip(patient(50_000).as_bytes()), "gzip").await.is(201);
    let bomb = gzip(&vec![b' '; 20_000_000]);
    assert!(bomb.len() < 100_000, "{}", bomb.len());
    post(bomb, "gzip").await.is(413);
    post(gzip(&gzip(patient(10).as_bytes())), "gzip").await.is(400);
    post(gzip(&gzip(patient(10).as_bytes())), "gzip, gzip").await.is(415);
    post(patient(10).into_bytes(), "identity").await.is(201);
    post(patient(10).into_bytes(), "br").await.is(415);
    post(patient(10).into_bytes(), "x").await.is(415);
    let broken = post(patient(10).into_bytes(), "gzip").await;
    assert!(matches!(broken.status, 400 | 415), "{broken:?}");
}

#[tokio::test]
async fn nesting_and_entries_are_bounded() {
    let server = TestServer::start().await;
    let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
    let deep = format!(r#"{{"resourceType":"Patient","extension":{deep}}}"#);
    server.root("POST /fhir/Patient").body(JSON, deep.clone()).await.is(400);
    server.root("POST /fhir/Patient").body("text/yaml", deep).await.is(400);
    let deeper = "[".repeat(100_000);
    server.root("POST /fhir/Patient").body(JSON, deeper.clone()).await.is(400);
    server.root("POST /fhir/Patient").body("text/yaml", deeper).await.is(400);
    let digits =
        format!(r#"{{"resourceType":"Patient","multipleBirthInteger":{}}}"#, "9".repeat(1_000));
    server.root("POST /fhir/Patient").body(JSON, digits).await.is(400);
    let entry = json!({"request": {"method": "GET", "url": "Patient/x"}});
    let entries = vec![entry; 10_001];
    let bundle = json!({"resourceType": "Bundle", "type": "batch", "entry": entries});
    let answer = server.root("POST /fhir").json(&bundle).await.is(400);
    assert_eq!(answer.at("/issue/0/code"), "too-costly");
}

#[tokio::test]
async fn searches_are_bounded() {
    let server = TestServer::start().await;
    let many = |n: usize| (0..n).map(|i| format!("name=x{i}&")).collect::<String>();
    server.root("POST /fhir/Patient/_search").form(&many(100)).await.is(200);
    server.root("POST /fhir/Patient/_search").form(&many(101)).await.is(400);
    let values = |n: usize| format!("name={}", vec!["x"; n].join(","));
    server.root("POST /fhir/Patient/_search").form(&values(200)).await.is(200);
    server.root("POST /fhir/Patient/_search").form(&values(201)).await.is(400);
    let keys = ["name"; 9].join(",");
    server.root(&format!("GET /fhir/Patient?_sort={keys}")).await.is(400);
}

#[tokio::test]
async fn the_answer_to_a_bundle_is_bounded() {
    let server = TestServer::start().await;
    let text = "x".repeat(1_000_000);
    server.put(json!({"resourceType": "Patient", "id": "x", "name": [{"text": text}]})).await;
    for kind in ["batch", "transaction"] {
        let entry = json!({"request": {"method": "GET", "url": "Patient/x"}});
        let entries = vec![entry; 100];
        let bundle = json!({"resourceType": "Bundle", "type": kind, "entry": entries});
        let answer = server.root("POST /fhir").json(&bundle).await.is(200).json();
        let statuses: Vec<_> = answer["entry"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["response"]["status"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(statuses[60], "200 OK");
        assert_eq!(statuses[99], "400 Bad Request");
        assert_eq!(answer["entry"][99]["response"]["outcome"]["issue"][0]["code"], "too-costly");
    }
}
