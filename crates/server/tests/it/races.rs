//! Many clients at once: no decision is older than what was acknowledged, and no write is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::harness::{TestServer, allow_user, token};
use crate::http::Site;

const READERS: usize = 8;
const TOGGLES: usize = 25;

async fn server() -> TestServer {
    let server = TestServer::start().await;
    server.trust().await;
    server.put(json!({"resourceType": "User", "id": "alice", "data": {"sub": "alice"}})).await;
    server.put(allow_user("alice")).await;
    server
}

/// When the policy is away: an odd number, changed before it comes back and after it has gone.
#[derive(Default)]
struct Away {
    phase: AtomicUsize,
    ended: AtomicBool,
    seen: AtomicUsize,
}

/// Reads for as long as the policy comes and goes.
async fn read(site: Site, away: Arc<Away>) {
    let token = token("alice");
    while !away.ended.load(Ordering::SeqCst) {
        let before = away.phase.load(Ordering::SeqCst);
        let answer = site.bearer(&token, "GET /fhir/Patient?_count=1").await;
        assert!(matches!(answer.status, 200 | 403), "{answer:?}");
        let same = away.phase.load(Ordering::SeqCst) == before;
        if before % 2 == 1 && same {
            // It began after the deletion was acknowledged, and ended before the policy was back.
            assert_eq!(answer.status, 403, "{answer:?}");
            away.seen.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_allowed_by_a_policy_whose_deletion_was_acknowledged() {
    let server = server().await;
    let away = Arc::new(Away::default());
    let reading: Vec<_> =
        (0..READERS).map(|_| tokio::spawn(read(server.site.clone(), Arc::clone(&away)))).collect();
    for _ in 0..TOGGLES {
        server.delete("/AccessPolicy/allow-alice").await;
        let seen = away.seen.load(Ordering::SeqCst);
        away.phase.fetch_add(1, Ordering::SeqCst);
        // Some reader must meet its absence; one that fails ends the wait.
        while away.seen.load(Ordering::SeqCst) == seen && !reading.iter().any(|r| r.is_finished()) {
            tokio::task::yield_now().await;
        }
        away.phase.fetch_add(1, Ordering::SeqCst);
        server.put(allow_user("alice")).await;
    }
    away.ended.store(true, Ordering::SeqCst);
    for reader in reading {
        reader.await.unwrap();
    }
}

/// Adds one to a counter by reading and writing on condition, until it succeeds.
async fn increment(site: Site) {
    loop {
        let read = site.root("GET /fhir/Basic/counter").await.is(200);
        let mut resource = read.json();
        let count = resource["extension"][0]["valueInteger"].as_u64().unwrap();
        resource["extension"][0]["valueInteger"] = (count + 1).into();
        let etag = read.header("etag").unwrap().to_owned();
        let put = site.root("PUT /fhir/Basic/counter").header("if-match", &etag);
        let answer = put.json(&resource).await;
        match answer.status {
            200 => return,
            412 => {}
            _ => panic!("{answer:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_conditional_update_is_lost() {
    const CLIENTS: usize = 20;
    let server = server().await;
    let counter = json!({
        "resourceType": "Basic", "id": "counter", "code": {"text": "counter"},
        "extension": [{"url": "http://example.com/count", "valueInteger": 0}],
    });
    server.put(counter).await;
    let all: Vec<_> = (0..CLIENTS).map(|_| tokio::spawn(increment(server.site.clone()))).collect();
    for client in all {
        client.await.unwrap();
    }
    let end = server.root("GET /fhir/Basic/counter").await;
    assert_eq!(end.at("/extension/0/valueInteger"), CLIENTS);
    assert_eq!(end.at("/meta/versionId"), (CLIENTS + 1).to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_id_is_taken_once() {
    let server = server().await;
    let create = |site: Site| async move {
        let user: Value = json!({"resourceType": "User", "id": "wanted"});
        site.root("POST /User").json(&user).await.status
    };
    let all: Vec<_> = (0..20).map(|_| tokio::spawn(create(server.site.clone()))).collect();
    let mut statuses = Vec::new();
    for client in all {
        statuses.push(client.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!((statuses[0], &statuses[1..]), (201, &[409; 19][..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_go_on_while_the_policies_change() {
    let server = server().await;
    let ended = Arc::new(AtomicBool::new(false));
    let write = |site: Site, ended: Arc<AtomicBool>| async move {
        let mut written = 0;
        while !ended.load(Ordering::SeqCst) {
            let ask = site.bearer(&token("alice"), "POST /fhir/Patient");
            let answer = ask.json(&json!({"resourceType": "Patient"})).await;
            // A decision that went stale again and again is to be asked for again; nothing is lost.
            assert!(matches!(answer.status, 201 | 503), "{answer:?}");
            written += usize::from(answer.status == 201);
        }
        written
    };
    let writing: Vec<_> =
        (0..4).map(|_| tokio::spawn(write(server.site.clone(), Arc::clone(&ended)))).collect();
    for n in 0..TOGGLES {
        server.put(json!({"resourceType": "User", "id": format!("u{n}")})).await;
    }
    ended.store(true, Ordering::SeqCst);
    let mut written = 0;
    for writer in writing {
        written += writer.await.unwrap();
    }
    let count = server.root("GET /fhir/Patient?_summary=count").await.at("/total");
    assert_eq!(count, written);
}
