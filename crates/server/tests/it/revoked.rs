//! What was taken away is gone for every request that begins after the acknowledgement.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::json;
use tokio::sync::Mutex;

use crate::harness::{TestServer, allow_user, token};
use crate::http::{Answer, Ask, Site};

const WRITERS: usize = 100;
const READERS: usize = 16;
const TOGGLES: usize = 2;

/// What happened, in the order of one clock: an event's time is taken inside its stretch.
#[derive(Default)]
struct History {
    clock: AtomicU64,
    events: Mutex<Vec<Event>>,
}

/// A change of a policy or a request: between `began` and `ended`.
#[derive(Clone, Copy, Debug)]
struct Event {
    of: usize,
    began: u64,
    ended: u64,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Granted,
    Revoked,
    Allowed,
    Refused,
}

impl History {
    fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    async fn note(&self, of: usize, began: u64, what: What) {
        let ended = self.now();
        self.events.lock().await.push(Event { of, began, ended, what });
    }

    /// A request must not be allowed that began after a revocation was acknowledged and ended
    /// before the next grant began; nor refused the other way round.
    async fn check(&self) -> (usize, usize) {
        let events = self.events.lock().await.clone();
        let (mut allowed, mut refused) = (0, 0);
        for request in events.iter().filter(|e| matches!(e.what, What::Allowed | What::Refused)) {
            let changes = events.iter().filter(|e| e.of == request.of);
            let changes: Vec<&Event> =
                changes.filter(|e| matches!(e.what, What::Granted | What::Revoked)).collect();
            let before = changes.iter().filter(|change| change.ended < request.began);
            let last = before.max_by_key(|change| change.ended);
            let meanwhile =
                |change: &&&Event| change.began < request.ended && change.ended > request.began;
            let Some(last) = last.filter(|_| !changes.iter().any(|change| meanwhile(&change)))
            else {
                continue;
            };
            match last.what {
                What::Granted => {
                    assert_eq!(request.what, What::Allowed, "{request:?} after {last:?}");
                    allowed += 1;
                }
                What::Revoked => {
                    assert_eq!(request.what, What::Refused, "{request:?} after {last:?}");
                    refused += 1;
                }
                What::Allowed | What::Refused => {}
            }
        }
        (allowed, refused)
    }
}

/// Grants and revokes the right of one user, and asks as that user in between.
async fn toggle(site: Site, of: usize, history: Arc<History>) {
    let user = format!("u{of}");
    let token = token(&user);
    let policy = format!("/AccessPolicy/allow-{user}");
    for _ in 0..TOGGLES {
        let began = history.now();
        change(|| site.root(&format!("PUT {policy}")).json(&allow_user(&user))).await;
        history.note(of, began, What::Granted).await;
        ask(&site, &token, of, &history).await;
        let began = history.now();
        change(|| site.root(&format!("DELETE {policy}"))).await;
        history.note(of, began, What::Revoked).await;
        ask(&site, &token, of, &history).await;
    }
}

/// Changes a policy; among so many who do, one may be told to try again.
async fn change(ask: impl Fn() -> Ask) {
    loop {
        match ask().await {
            Answer { status: 200 | 201 | 204, .. } => return,
            Answer { status: 503, .. } => {}
            answer => panic!("{answer:?}"),
        }
    }
}

async fn ask(site: &Site, token: &str, of: usize, history: &History) {
    let began = history.now();
    let answer = site.bearer(token, "GET /fhir/Patient?_count=1").await;
    let what = match answer.status {
        200 => What::Allowed,
        403 => What::Refused,
        _ => panic!("{answer:?}"),
    };
    history.note(of, began, what).await;
}

/// Asks as one user after the other for as long as policies come and go.
async fn read(site: Site, first: usize, history: Arc<History>, ended: Arc<AtomicBool>) {
    let tokens: Vec<String> = (0..WRITERS).map(|of| token(&format!("u{of}"))).collect();
    for of in (0..WRITERS).cycle().skip(first) {
        if ended.load(Ordering::SeqCst) {
            return;
        }
        ask(&site, &tokens[of], of, &history).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_rights_come_and_go_and_no_request_is_decided_on_an_older_one() {
    let server = TestServer::start().await;
    server.trust().await;
    let users: Vec<_> = (0..WRITERS)
        .map(|of| json!({"resourceType": "User", "id": format!("u{of}"), "data": {"sub": format!("u{of}")}}))
        .collect();
    server.root("PUT /").json(&json!(users)).await.is(200);
    let (history, ended) = (Arc::new(History::default()), Arc::new(AtomicBool::new(false)));
    let readers: Vec<_> = (0..READERS)
        .map(|reader| {
            let (site, first) = (server.site.clone(), reader * WRITERS / READERS);
            tokio::spawn(read(site, first, Arc::clone(&history), Arc::clone(&ended)))
        })
        .collect();
    let writers: Vec<_> = (0..WRITERS)
        .map(|of| tokio::spawn(toggle(server.site.clone(), of, Arc::clone(&history))))
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    ended.store(true, Ordering::SeqCst);
    for reader in readers {
        reader.await.unwrap();
    }
    let (allowed, refused) = history.check().await;
    assert!(allowed >= WRITERS * TOGGLES && refused >= WRITERS * TOGGLES, "{allowed} {refused}");
}

#[tokio::test]
async fn who_lost_a_right_never_sees_what_came_after() {
    let server = TestServer::start().await;
    server.trust().await;
    let data = json!({"sub": "a", "patient_id": "1"});
    server.put(json!({"resourceType": "User", "id": "a", "data": data})).await;
    server.put(allow_user("a")).await;
    for id in ["old1", "old2"] {
        server.put(json!({"resourceType": "Patient", "id": id})).await;
    }
    let token = token("a");
    let page = server.bearer(&token, "GET /fhir/Patient?_count=1").await.is(200);
    let next = page.link("next").unwrap();
    server.bearer(&token, &format!("GET {next}")).await.is(200);
    server.delete("/AccessPolicy/allow-a").await;
    server.put(json!({"resourceType": "Patient", "id": "new"})).await;
    for line in [
        "GET /fhir/Patient",
        "GET /fhir/Patient/new",
        "GET /fhir/Patient/old1",
        "GET /fhir/Patient/new/_history",
        "GET /fhir/Patient/_history",
        &format!("GET {next}"),
    ] {
        server.bearer(&token, line).await.is(403);
    }
}

#[tokio::test]
async fn a_role_that_is_taken_away_is_gone_with_the_next_request() {
    let server = TestServer::start().await;
    server.trust().await;
    server.put(json!({"resourceType": "User", "id": "a", "data": {"sub": "a"}})).await;
    let role = |active: bool| {
        let user = json!({"reference": "User/a"});
        json!({"resourceType": "Role", "id": "r", "name": "nurse", "user": user, "active": active})
    };
    let policy = json!({
        "resourceType": "AccessPolicy", "id": "nurses", "engine": "matcho", "roleName": "nurse",
        "matcho": {"request-method": "get", "user": "present?"},
    });
    server.put(policy).await;
    server.put(role(true)).await;
    let token = token("a");
    for _ in 0..3 {
        server.bearer(&token, "GET /fhir/Patient").await.is(200);
        server.put(role(false)).await;
        server.bearer(&token, "GET /fhir/Patient").await.is(403);
        server.put(role(true)).await;
        server.bearer(&token, "GET /fhir/Patient").await.is(200);
        server.delete("/Role/r").await;
        server.bearer(&token, "GET /fhir/Patient").await.is(403);
        server.put(role(true)).await;
    }
    let inactive =
        json!({"resourceType": "User", "id": "a", "data": {"sub": "a"}, "inactive": true});
    server.put(inactive).await;
    server.bearer(&token, "GET /fhir/Patient").await.is(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_was_decided_on_an_older_version_is_decided_again() {
    let server = TestServer::start().await;
    server.trust().await;
    server.put(json!({"resourceType": "User", "id": "a", "data": {"sub": "a"}})).await;
    let token = token("a");
    for round in 0..20 {
        server.put(allow_user("a")).await;
        // Both at once: what is written was decided while the right was there, or not at all.
        let write = async {
            let ask = server.bearer(&token, &format!("PUT /fhir/Basic/b{round}"));
            let basic =
                json!({"resourceType": "Basic", "id": format!("b{round}"), "code": {"text": "x"}});
            ask.json(&basic).await
        };
        let revoke = server.delete("/AccessPolicy/allow-a");
        let (answer, ()) = tokio::join!(write, revoke);
        assert!(matches!(answer.status, 201 | 403), "{answer:?}");
        // The version of the policy is older than that of the refusal, newer than what was written.
        let stored = server.root(&format!("GET /fhir/Basic/b{round}")).await.status;
        assert_eq!(stored, if answer.status == 201 { 200 } else { 404 });
        server
            .bearer(&token, "PUT /fhir/Basic/late")
            .json(&json!({"resourceType": "Basic", "id": "late", "code": {"text": "x"}}))
            .await
            .is(403);
    }
    server.root("GET /fhir/Basic/late").await.is(404);
}

/// A policy that no time is enough for.
fn endless(id: &str) -> serde_json::Value {
    let tables = (0..8).map(|n| format!("patient AS p{n}")).collect::<Vec<_>>().join(", ");
    json!({
        "resourceType": "AccessPolicy", "id": id, "engine": "sql",
        "link": [{"reference": "User/a"}],
        "sql": {"query": format!("SELECT count(*) = 0 FROM {tables}")},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_decided_again_has_no_more_time_for_its_rules_than_before() {
    let server = TestServer::start().await;
    server.trust().await;
    server.put(json!({"resourceType": "User", "id": "a", "data": {"sub": "a"}})).await;
    let entry = json!({
        "request": {"method": "POST", "url": "Patient"},
        "resource": {"resourceType": "Patient"},
    });
    let patients =
        json!({"resourceType": "Bundle", "type": "transaction", "entry": vec![entry; 40]});
    server.root("POST /fhir").json(&patients).await.is(200);
    for rule in ["endless-1", "endless-2"] {
        server.put(endless(rule)).await;
    }
    // What it grants is not everything: the others are asked, too.
    let mut grant = allow_user("a");
    grant["rows"] = json!({"Basic": "code=x"});
    server.put(grant).await;
    let answered = AtomicBool::new(false);
    // While its rules wait in vain the policies change: with the time of a new request for each
    // decision it would be overtaken for ever.
    let write = async {
        let basic = json!({"resourceType": "Basic", "code": {"coding": [{"code": "x"}]}});
        let answer = server.bearer(&token("a"), "POST /fhir/Basic").json(&basic).await;
        answered.store(true, Ordering::SeqCst);
        answer
    };
    let changes = async {
        let mut changes = 0;
        while !answered.load(Ordering::SeqCst) {
            server.put(json!({"resourceType": "Role", "id": "r", "name": changes.to_string(), "user": {"reference": "User/a"}})).await;
            changes += 1;
        }
        changes
    };
    let (answer, changes) = tokio::join!(write, changes);
    answer.is(201);
    assert!(changes > 0);
}
