//! Jobs beside requests: run while the server runs, left off when it stops, seen and ended by
//! administrators.

use std::sync::Arc;
use std::time::Duration;

use firewarden_fhir::Timestamp;
use firewarden_store::{Database, JobState, NewJob, Store, StoreSettings};
use serde_json::{Value, json};
use tempfile::TempDir;
use zeroize::Zeroizing;

use crate::harness::{PATIENCE, TestServer, allow_user, token};

/// 64 hex digits.
const KEY: &str = "0707070707070707070707070707070707070707070707070707070707070707";

/// The database that a server in the folder has, while none has it.
fn store(folder: &TempDir) -> Store {
    Store::open(StoreSettings {
        database: Database::Sqlite { path: folder.path().join("firewarden.db") },
        base_url: "http://localhost/fhir".to_owned(),
        secrets_key: Zeroizing::new([7; 32]),
        readers: 1,
    })
    .unwrap()
}

async fn queue(store: &Store, id: &str, kind: &str) {
    let new = NewJob { id: id.to_owned(), kind: kind.to_owned(), settings: "{}".to_owned() };
    store.queue_job(new, Timestamp::UNIX_EPOCH).await.unwrap();
}

async fn start(folder: &Arc<TempDir>) -> TestServer {
    TestServer::within(Arc::clone(folder), &[("SECRETS_KEY", KEY)]).await.unwrap()
}

async fn job(server: &TestServer, id: &str) -> Value {
    server.root(&format!("GET /auth/jobs/{id}")).await.is(200).json()
}

async fn becomes(server: &TestServer, id: &str, state: &str) {
    let reached = async {
        while job(server, id).await["state"] != state {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, reached).await.unwrap();
}

#[tokio::test]
async fn what_this_program_knows_is_done_and_the_rest_waits_for_whoever_knows_it() {
    if firewarden_testkit::is_postgres() {
        // Its jobs are put into a file.
        return;
    }
    let folder = Arc::new(TempDir::new().unwrap());
    let offline = store(&folder);
    queue(&offline, "of-a-newer-program", "fold").await;
    // One that a process ran that is gone, and one for an index that nobody has any more.
    queue(&offline, "reindex-1", "reindex").await;
    let lease = offline.take_job("gone", &["reindex"], Timestamp::UNIX_EPOCH).await;
    assert!(lease.unwrap().is_some());
    queue(&offline, "reindex-0", "reindex").await;
    offline.close().await.unwrap();
    drop(offline);
    let server = start(&folder).await;
    for (id, state) in [("reindex-1", "done"), ("reindex-0", "cancelled")] {
        becomes(&server, id, state).await;
        assert!(job(&server, id).await["ended"].is_string());
    }
    let waits = job(&server, "of-a-newer-program").await;
    assert_eq!((&waits["state"], &waits["kind"]), (&json!("waiting"), &json!("fold")));
    assert_eq!((waits.get("ended"), waits.get("error"), waits.get("owner")), (None, None, None));
    let listed = server.root("GET /auth/jobs").await.is(200).json();
    let ids: Vec<_> = listed["jobs"].as_array().unwrap().iter().map(|job| &job["id"]).collect();
    assert_eq!(ids.len(), 3, "{listed}");
    let text = server.root("GET /metrics").await.is(200).text;
    for line in [
        r#"firewarden_jobs{kind="fold",state="waiting"} 1"#,
        r#"firewarden_jobs{kind="reindex",state="cancelled"} 1"#,
        r#"firewarden_jobs{kind="reindex",state="done"} 1"#,
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    server.close().await;
    let offline = store(&folder);
    assert_eq!(offline.job("reindex-1").await.unwrap().unwrap().state, JobState::Done);
}

#[tokio::test]
async fn an_administrator_ends_a_job_and_nobody_else_sees_one() {
    if firewarden_testkit::is_postgres() {
        // Its jobs are put into a file.
        return;
    }
    let folder = Arc::new(TempDir::new().unwrap());
    let offline = store(&folder);
    queue(&offline, "job-1", "fold").await;
    offline.close().await.unwrap();
    drop(offline);
    let server = start(&folder).await;
    server.trust().await;
    let lines = ["GET /auth/jobs", "GET /auth/jobs/job-1", "DELETE /auth/jobs/job-1"];
    // A policy that allows everything by its rule makes no administrator.
    server
        .put(json!({
            "resourceType": "AccessPolicy", "id": "everything", "engine": "json-schema",
            "schema": {"required": ["jwt"]},
        }))
        .await;
    for line in lines {
        server.ask(line).await.is(401);
        server.bearer(&token("alice"), line).await.is(403);
        server.bearer(&token("alice"), &line.replace("job-1", "none")).await.is(403);
    }
    server.put(json!({"resourceType": "User", "id": "alice"})).await;
    server.put(allow_user("alice")).await;
    server.root("GET /auth/jobs/none").await.is(404);
    server.root("DELETE /auth/jobs/none").await.is(404);
    for line in ["DELETE /auth/jobs", "POST /auth/jobs", "PUT /auth/jobs/job-1"] {
        server.root(line).await.is(405);
    }
    assert_eq!(job(&server, "job-1").await["state"], "waiting");
    let ended = server.root("DELETE /auth/jobs/job-1").await.is(200).json();
    assert_eq!((&ended["state"], ended["ended"].is_string()), (&json!("cancelled"), true));
    // Once more is the same.
    assert_eq!(server.root("DELETE /auth/jobs/job-1").await.is(200).json(), ended);
}
