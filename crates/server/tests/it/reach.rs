//! What is reached on the way has an end: in number, in bytes, and when many ask at once.

use serde_json::{Value, json};

use crate::harness::TestServer;
use crate::http::Answer;

fn observation(id: &str, note: &str) -> Value {
    json!({
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": "Patient/A"},
        "note": [{"text": note}, {"text": note}],
    })
}

async fn with_observations(count: usize, note: &str) -> TestServer {
    let server = TestServer::start().await;
    let put = |resource: Value| {
        let (of, id) = (resource["resourceType"].as_str(), resource["id"].as_str());
        let url = format!("{}/{}", of.unwrap(), id.unwrap());
        json!({"request": {"method": "PUT", "url": url}, "resource": resource})
    };
    let patient = json!({"resourceType": "Patient", "id": "A"});
    let observations = (0..count).map(|index| observation(&format!("o{index}"), note));
    let entries: Vec<Value> = std::iter::once(patient).chain(observations).map(put).collect();
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
    server.root("POST /fhir").json(&bundle).await.is(200);
    server
}

const CUT: &str = "the rest was left out";

#[tokio::test]
async fn a_thousand_resources_are_included_and_no_more() {
    let server = with_observations(1_001, "x").await;
    let line = "GET /fhir/Patient?_id=A&_revinclude=Observation:subject";
    let answer = server.root(line).await.is(200);
    assert_eq!((answer.ids().len(), included(&answer).len()), (1, 1_000));
    assert!(answer.text.contains(CUT));
    server.root("DELETE /fhir/Observation/o7").await.is(204);
    let answer = server.root(line).await.is(200);
    assert_eq!(included(&answer).len(), 1_000);
    assert!(!answer.text.contains(CUT));
    server.close().await;
}

#[tokio::test]
async fn a_page_with_includes_has_a_size() {
    let server = with_observations(20, &"x".repeat(900 * 1024)).await;
    let answer = server.root("GET /fhir/Patient?_id=A&_revinclude=Observation:subject").await;
    let answer = answer.is(200);
    assert!(answer.text.contains(CUT));
    assert!((17..=19).contains(&included(&answer).len()), "{}", included(&answer).len());
    server.close().await;
}

#[tokio::test]
async fn of_many_creates_on_one_condition_one_is_done() {
    let server = TestServer::start().await;
    // The root client's secret is hashed once and not by all of them in a line.
    server.root("GET /fhir/Patient").await.is(200);
    let patient = json!({"resourceType": "Patient", "identifier": [{"system": "s", "value": "1"}]});
    let creates = (0..16).map(|_| async {
        let line = "POST /fhir/Patient";
        let answer =
            server.root(line).header("if-none-exist", "identifier=s|1").json(&patient).await;
        (answer.status, answer.at("/id"))
    });
    let mut answers = futures_util::future::join_all(creates).await;
    answers.sort_by_key(|(status, _)| std::cmp::Reverse(*status));
    let statuses: Vec<u16> = answers.iter().map(|(status, _)| *status).collect();
    assert_eq!((statuses[0], &statuses[1..]), (201, &[200; 15][..]));
    assert!(answers.iter().all(|(_, id)| *id == answers[0].1));
    server.close().await;
}

#[tokio::test]
async fn of_many_transactions_on_one_condition_each_refers_to_the_one_that_is_there() {
    let server = TestServer::start().await;
    let bundle = json!({
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": "urn:uuid:6f0e2a8e-0000-4000-8000-000000000001",
                "request": {"method": "POST", "url": "Patient", "ifNoneExist": "identifier=s|1"},
                "resource": {"resourceType": "Patient", "identifier": [{"system": "s", "value": "1"}]},
            },
            {
                "request": {"method": "POST", "url": "Observation"},
                "resource": {
                    "resourceType": "Observation",
                    "status": "final",
                    "code": {"text": "x"},
                    "subject": {"reference": "urn:uuid:6f0e2a8e-0000-4000-8000-000000000001"},
                },
            },
        ],
    });
    // The root client's secret is hashed once and not by all of them in a line.
    server.root("GET /fhir/Patient").await.is(200);
    let posts = (0..8).map(|_| async { server.root("POST /fhir").json(&bundle).await.status });
    let statuses = futures_util::future::join_all(posts).await;
    assert_eq!(statuses, [200; 8]);
    let patients = server.root("GET /fhir/Patient").await.is(200).ids();
    assert_eq!(patients.len(), 1);
    let line = format!("GET /fhir/Observation?subject=Patient/{}", patients[0]);
    assert_eq!(server.root(&line).await.is(200).ids().len(), 8);
    server.close().await;
}

#[tokio::test]
async fn a_transaction_depends_on_a_thousand_searches_at_most() {
    let server = TestServer::start().await;
    let entry = |index: usize| {
        let mut resource = observation("x", "x");
        resource["subject"]["reference"] = format!("Patient?identifier=s|{index}").into();
        json!({"request": {"method": "POST", "url": "Observation"}, "resource": resource})
    };
    let entries: Vec<Value> = (0..1_001).map(entry).collect();
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
    let answer = server.root("POST /fhir").json(&bundle).await.is(400);
    assert!(answer.text.contains("too-costly"));
    server.close().await;
}

fn included(answer: &Answer) -> Vec<String> {
    answer.ids_where(|mode| mode == "include")
}
