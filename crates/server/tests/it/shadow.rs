//! Policies in shadow mode: they grant nothing, and what they would change is counted and listed.

use serde_json::{Value, json};

use crate::harness::{PATIENCE, TestServer, token};

async fn server() -> TestServer {
    let server = TestServer::start().await;
    server.trust().await;
    for id in ["alice", "bob"] {
        server.put(json!({"resourceType": "User", "id": id, "data": {"sub": id}})).await;
    }
    server.put(policy("patients", "Patient")).await;
    server
}

/// A policy by which every user reads a type.
fn policy(id: &str, of: &str) -> Value {
    json!({
        "resourceType": "AccessPolicy",
        "id": id,
        "engine": "matcho",
        "matcho": {
            "user": "present?",
            "request-method": "get",
            "params": {"resource/type": of},
        },
    })
}

fn shadow(id: &str, of: &str, replaces: &[&str]) -> Value {
    let mut policy = policy(id, of);
    policy["mode"] = "shadow".into();
    policy["replaces"] = json!(replaces);
    policy
}

/// What is told of the first policy in shadow mode, once it is so: it is counted beside requests.
async fn told(server: &TestServer, allowed: u64, refused: u64) -> Value {
    let counted = async {
        loop {
            let told = server.root("GET /auth/shadow").await.is(200).at("/policies/0");
            let counts = [&told["newly-allowed"], &told["newly-refused"]];
            if counts.map(|counted| counted["requests"].clone()) == [json!(allowed), json!(refused)]
            {
                return told;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, counted).await.unwrap()
}

#[tokio::test]
async fn what_a_policy_would_newly_allow_is_refused_and_counted() {
    let server = server().await;
    server.put(shadow("try", "Encounter", &[])).await;
    let alice = token("alice");
    let refused = server.bearer(&alice, "GET /fhir/Encounter?status=CANARY").await.is(403);
    server.bearer(&alice, "GET /fhir/Observation").await.is(403);
    server.bearer(&alice, "GET /fhir/Patient").await.is(200);
    server.ask("GET /fhir/Encounter").await.is(401);
    server.root("GET /fhir/Encounter").await.is(200);
    server.bearer(&alice, "GET /fhir/Encounter/x").await.is(403);
    let told = told(&server, 2, 0).await;
    assert_eq!((&told["policy"], &told["replaces"]), (&json!("try"), &json!([])));
    let examples = told["newly-allowed"]["examples"].as_array().unwrap();
    assert_eq!(examples.len(), 2);
    let first = examples.iter().find(|example| example["uri"] == "/fhir/Encounter").unwrap();
    assert_eq!((&first["method"], &first["user"]), (&json!("get"), &json!("alice")));
    assert_eq!(first["request-id"], refused.header("x-request-id").unwrap());
    assert!(!told.to_string().contains("CANARY"), "{told}");
    let trace = format!("GET /auth/decisions/{}", first["request-id"].as_str().unwrap());
    assert_eq!(server.root(&trace).await.is(200).at("/decision"), "deny");
    server.bearer(&alice, "GET /auth/shadow").await.is(403);
}

#[tokio::test]
async fn what_a_policy_would_newly_refuse_is_allowed_and_counted() {
    let server = server().await;
    let mut narrower = shadow("try", "Patient", &["patients"]);
    narrower["matcho"]["user"] = json!({"id": "bob"});
    server.put(narrower).await;
    let (alice, bob) = (token("alice"), token("bob"));
    server.bearer(&bob, "GET /fhir/Patient").await.is(200);
    server.bearer(&alice, "GET /fhir/Patient").await.is(200);
    let first = told(&server, 0, 1).await;
    assert_eq!(first["newly-refused"]["examples"][0]["user"], "alice");
    // What another policy grants as well stays granted.
    server.put(crate::harness::allow_user("alice")).await;
    server.bearer(&alice, "GET /fhir/Patient").await.is(200);
    server.delete("/AccessPolicy/allow-alice").await;
    server.bearer(&alice, "GET /fhir/Patient/x").await.is(404);
    told(&server, 0, 2).await;
}

#[tokio::test]
async fn counts_begin_anew_when_the_policy_changes() {
    let server = server().await;
    server.put(shadow("try", "Encounter", &[])).await;
    let alice = token("alice");
    server.bearer(&alice, "GET /fhir/Encounter").await.is(403);
    told(&server, 1, 0).await;
    // Another policy's change, and the same policy again, change nothing.
    server.put(policy("conditions", "Condition")).await;
    server.put(shadow("try", "Encounter", &[])).await;
    told(&server, 1, 0).await;
    server.put(shadow("try", "Observation", &[])).await;
    told(&server, 0, 0).await;
    server.bearer(&alice, "GET /fhir/Encounter").await.is(403);
    server.bearer(&alice, "GET /fhir/Observation").await.is(403);
    let told = told(&server, 1, 0).await;
    assert_eq!(told["newly-allowed"]["examples"][0]["uri"], "/fhir/Observation");
    server.delete("/AccessPolicy/try").await;
    let none = server.root("GET /auth/shadow").await.is(200);
    assert_eq!((none.at("/policies"), none.at("/missed")), (json!([]), json!(0)));
}

#[tokio::test]
async fn so_many_examples_are_kept_and_no_more() {
    let server = server().await;
    server.put(shadow("try", "Encounter", &[])).await;
    let alice = token("alice");
    for _ in 0..30 {
        server.bearer(&alice, "GET /fhir/Encounter").await.is(403);
    }
    let told = told(&server, 30, 0).await;
    assert_eq!(told["newly-allowed"]["examples"].as_array().unwrap().len(), 20);
}
