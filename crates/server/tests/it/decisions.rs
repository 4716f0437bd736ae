//! Decisions with more policies than can be worked through, and with policies that cannot be read:
//! what is left out grants nothing.

use std::path::Path;
use std::sync::Arc;

use firewarden_access::SystemTask;
use firewarden_access::limits::{POLICIES_PER_DECISION_MAX, ROW_ALTERNATIVES_MAX};
use firewarden_fhir::{Id, Resource, ResourceType, Target, Timestamp};
use firewarden_store::{Change, Database, Store, StoreSettings, Write, WriteRequest};
use serde_json::{Value, json};

use crate::harness::{PATIENCE, TestServer, allow_user, token};

const KEY: &str = "0707070707070707070707070707070707070707070707070707070707070707";
/// Policies that are put at one time.
const PUT_AT_ONCE: usize = 2_500;

/// An `allow` policy for a user, of some rows.
fn of_rows(user: &str, number: usize, rows: &str) -> Value {
    json!({
        "resourceType": "AccessPolicy", "id": format!("{user}-{number}"), "engine": "allow",
        "link": [{"reference": format!("User/{user}")}], "rows": {"Observation": rows},
    })
}

async fn server() -> TestServer {
    let server = TestServer::start().await;
    server.trust().await;
    for id in ["many", "few"] {
        server.put(json!({"resourceType": "User", "id": id, "data": {"sub": id}})).await;
    }
    for (id, code) in [("o1", "c1"), ("o2", "c2")] {
        let code = json!({"coding": [{"code": code}]});
        server
            .put(json!({"resourceType": "Observation", "id": id, "status": "final", "code": code}))
            .await;
    }
    server.put(of_rows("few", 0, "code=c1")).await;
    server
}

/// What `many` is answered to each kind of request, and that `few` is served as ever.
async fn answers(server: &TestServer, status: u16) {
    let many = token("many");
    let entry = json!({"request": {"method": "GET", "url": "Observation/o1"}});
    let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": [entry]});
    let batch = server.bearer(&many, "POST /fhir").json(&batch).await.is(200);
    let told = batch.at("/entry/0/response/status").to_string();
    assert!(told.contains(&status.to_string()), "{batch:?}");
    for line in ["GET /fhir/Observation", "GET /fhir/Observation/o1", "GET /fhir/Observation/never"]
    {
        let answer = server.bearer(&many, line).await;
        let expected = if line.ends_with("never") && status == 200 { 404 } else { status };
        assert_eq!(answer.status, expected, "{answer:?}");
        if status == 503 {
            assert_eq!(answer.at("/issue/0/code"), "too-costly");
            assert!(!answer.text.contains("c1") && !answer.text.contains("many"), "{answer:?}");
        }
    }
    let few = server.bearer(&token("few"), "GET /fhir/Observation").await.is(200);
    assert_eq!(few.ids(), ["o1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_too_many_policies_concern_is_refused_and_not_decided_on_some_of_them() {
    let server = server().await;
    let numbers: Vec<usize> = (0..POLICIES_PER_DECISION_MAX).collect();
    for numbers in numbers.chunks(PUT_AT_ONCE) {
        let policies = numbers.iter().map(|number| of_rows("many", *number, "code=c1"));
        let policies = Value::Array(policies.collect());
        server.root("PUT /").json(&policies).await.is(200);
    }
    answers(&server, 200).await;
    server.put(of_rows("many", POLICIES_PER_DECISION_MAX, "code=c1")).await;
    answers(&server, 503).await;
    server.delete("/AccessPolicy/many-0").await;
    answers(&server, 200).await;
}

#[tokio::test]
async fn a_request_with_more_rows_than_a_permit_holds_is_refused_and_not_granted_some_of_them() {
    let server = server().await;
    let policies = (0..ROW_ALTERNATIVES_MAX)
        .map(|number| of_rows("many", number, &format!("code=c{}", number + 1)));
    server.root("PUT /").json(&Value::Array(policies.collect())).await.is(200);
    answers(&server, 200).await;
    let found = server.bearer(&token("many"), "GET /fhir/Observation?_sort=_id").await;
    assert_eq!(found.ids(), ["o1", "o2"]);
    server.put(of_rows("many", ROW_ALTERNATIVES_MAX, "code=another")).await;
    answers(&server, 503).await;
}

/// What opens, as soon as whoever had the database open has let go of it.
async fn opened<T, E>(mut open: impl AsyncFnMut() -> Result<T, E>) -> T {
    let trying = async {
        loop {
            match open().await {
                Ok(opened) => return opened,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    tokio::time::timeout(PATIENCE, trying).await.expect("the database is free")
}

/// Stores policies as another version of this server may have left them: no rule of ours is asked.
async fn leave_behind(folder: &Path, policies: &[(&str, Value)]) {
    let settings = || StoreSettings {
        database: Database::Sqlite { path: folder.join("firewarden.db") },
        base_url: "http://localhost/fhir".to_owned(),
        secrets_key: zeroize::Zeroizing::new([7; 32]),
        readers: 1,
    };
    let store = opened(async || Store::open(settings())).await;
    let of = ResourceType::parse("AccessPolicy").unwrap();
    let write = |(id, content): &(&str, Value)| {
        let content = content.as_object().unwrap().clone();
        let resource = Resource { resource_type: of, content };
        let target = Target::new(of, Id::parse(id).unwrap());
        let change = Change::Create { resource, secrets: Vec::new() };
        Write { target, matching: None, rows: SystemTask::InitBundle.rows(of), change }
    };
    let writes = policies.iter().map(write).collect();
    let request = WriteRequest { policy_version: None, now: Timestamp::UNIX_EPOCH, writes };
    store.write(request).await.unwrap();
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_policy_that_cannot_be_read_grants_nothing_and_is_told_to_administrators() {
    if firewarden_testkit::is_postgres() {
        // It is about a file.
        return;
    }
    let settings = [("SECRETS_KEY", KEY)];
    let server = TestServer::with(&settings).await;
    server.trust().await;
    for id in ["alice", "adm"] {
        server.put(json!({"resourceType": "User", "id": id, "data": {"sub": id}})).await;
    }
    server.put(allow_user("adm")).await;
    server.put(json!({"resourceType": "Patient", "id": "x"})).await;
    let folder = server.close().await;
    let left = [
        ("misspelt", json!({"engine": "json-schema", "schema": {"requried": ["user"]}})),
        ("engine", json!({"engine": "of-another-version"})),
        ("none", json!({})),
        ("type", json!({"engine": "sql", "sql": {"query": "select true from secret"}})),
        ("everybody", json!({"engine": "allow"})),
        ("rows", json!({"engine": "allow", "roleName": "x", "rows": {"Patient": "nothing=x"}})),
        ("member", json!({"engine": "allow", "link": [{"reference": "User/alice"}], "unless": 1})),
    ];
    leave_behind(folder.path(), &left).await;
    let server = opened(async || TestServer::within(Arc::clone(&folder), &settings).await).await;
    let (alice, adm) = (token("alice"), token("adm"));
    for line in ["GET /fhir/Patient/x", "GET /fhir/Patient", "GET /AccessPolicy", "GET /metrics"] {
        server.bearer(&alice, line).await.is(403);
        server.ask(line).await.is(401);
    }
    let health = server.bearer(&adm, "GET /health/ready").await.is(200);
    assert_eq!(health.at("/status"), "degraded");
    let broken = health.at("/broken_policies");
    let mut ids: Vec<_> = broken.as_array().unwrap().iter().map(|b| b["id"].clone()).collect();
    ids.sort_by_key(Value::to_string);
    assert_eq!(ids, ["engine", "everybody", "member", "misspelt", "none", "rows", "type"]);
    // The others count as before, and a broken one can be mended.
    server.bearer(&adm, "GET /fhir/Patient/x").await.is(200);
    let mended = json!({"engine": "allow", "link": [{"reference": "User/alice"}]});
    server.bearer(&adm, "PUT /AccessPolicy/misspelt").json(&mended).await.is(200);
    server.bearer(&alice, "GET /fhir/Patient/x").await.is(200);
}
