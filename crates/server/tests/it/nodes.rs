//! Several servers on one PostgreSQL: what one acknowledges, and what one does without it.

use firewarden_testkit::postgres::{Cluster, CommitFault, Database, Options, Proxy};
use serde_json::json;

use crate::fleet::Node;
use crate::harness::{TestServer, allow_user, token};
use crate::http::{Site, basic};
use crate::toggles::toggle;

async fn on(url: &str) -> TestServer {
    let key = "07".repeat(32);
    let settings = [
        ("DATABASE_URL", url),
        ("SECRETS_KEY", key.as_str()),
        ("PUBLIC_URL", "https://fhir.example.com"),
    ];
    TestServer::with(&settings).await
}

fn database() -> Option<(&'static Cluster, Database)> {
    Cluster::shared().map(|cluster| (cluster, cluster.database()))
}

async fn with_alice(server: &TestServer) {
    server.trust().await;
    server.put(json!({"resourceType": "User", "id": "alice"})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_on_postgres_holds_at_every_node_once_it_is_acknowledged() {
    let Some((_, database)) = database() else { return };
    let (here, there) = (on(&database.url()).await, on(&database.url()).await);
    with_alice(&here).await;
    let asked = || async { there.bearer(&token("alice"), "GET /fhir/Patient").await };
    for _ in 0..5 {
        asked().await.is(403);
        here.put(allow_user("alice")).await;
        asked().await.is(200);
        here.delete("/AccessPolicy/allow-alice").await;
    }
    asked().await.is(403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_postgres_a_node_answers_503_and_comes_back_by_itself() {
    let Some((cluster, database)) = database() else { return };
    let proxy = Proxy::start(cluster.address());
    let here = on(&database.url()).await;
    let there = on(&database.url_at(proxy.address())).await;
    with_alice(&here).await;
    here.put(allow_user("alice")).await;
    let asked = || async { there.bearer(&token("alice"), "GET /fhir/Patient").await };
    asked().await.is(200);
    proxy.refuse();
    proxy.cut();
    here.delete("/AccessPolicy/allow-alice").await;
    let refused = asked().await.is(503);
    assert_eq!(refused.header("retry-after"), Some("1"));
    there.ask("GET /health/ready").await.is(503);
    there.ask("GET /health/live").await.is(200);
    proxy.accept();
    while asked().await.status == 503 {}
    asked().await.is(403);
    while there.ask("GET /health/ready").await.status == 503 {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_on_postgres_with_a_standby_is_gone_at_all_three_nodes_once_it_is_deleted() {
    let Some(primary) = Cluster::start(&Options::default()) else { return };
    let database = primary.database();
    let standby = primary.standby();
    let nodes = [on(&database.url()).await, on(&database.url()).await, on(&database.url()).await];
    with_alice(&nodes[0]).await;
    for here in &nodes {
        here.put(allow_user("alice")).await;
        for there in &nodes {
            there.bearer(&token("alice"), "GET /fhir/Patient").await.is(200);
        }
        here.delete("/AccessPolicy/allow-alice").await;
        for there in &nodes {
            there.bearer(&token("alice"), "GET /fhir/Patient").await.is(403);
        }
    }
    standby.catch_up_with(&primary);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_on_postgres_is_allowed_by_a_policy_whose_deletion_was_acknowledged() {
    let Some((_, database)) = database() else { return };
    let nodes = [on(&database.url()).await, on(&database.url()).await, on(&database.url()).await];
    nodes[0].trust().await;
    let sites = nodes.each_ref().map(|node| node.site.clone());
    let toggled = toggle(&sites, 6, 12, 3).await;
    assert!(toggled.refused > 0 && toggled.allowed > 0, "{toggled}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_on_postgres_that_is_gone_holds_no_change_of_a_policy_up() {
    let Some((_, database)) = database() else { return };
    let here = Node::on(&database.url()).await;
    let mut there = Node::on(&database.url()).await;
    with_alice(&here).await;
    there.kill();
    here.put(allow_user("alice")).await;
    here.bearer(&token("alice"), "GET /fhir/Patient").await.is(200);
    here.delete("/AccessPolicy/allow-alice").await;
    here.bearer(&token("alice"), "GET /fhir/Patient").await.is(403);
    // Nobody waits for it any more.
    while database.rows("SELECT id FROM node").len() > 1 {
        here.put(allow_user("alice")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_deletions_at_once_on_postgres_each_tells_what_every_node_goes_by() {
    let Some((_, database)) = database() else { return };
    let url = database.url();
    let [here, there, elsewhere] = [on(&url).await, on(&url).await, on(&url).await];
    with_alice(&here).await;
    for _ in 0..20 {
        here.put(allow_user("alice")).await;
        elsewhere.bearer(&token("alice"), "GET /fhir/Patient").await.is(200);
        // One of them finds nothing to delete, and answers no earlier for it.
        let deleted = async |site: &Site| {
            site.delete("/AccessPolicy/allow-alice").await;
            elsewhere.bearer(&token("alice"), "GET /fhir/Patient").await.is(403);
        };
        tokio::join!(deleted(&here), deleted(&there));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_on_postgres_holds_and_ends_at_every_node() {
    let Some((_, database)) = database() else { return };
    let (here, there) = (on(&database.url()).await, on(&database.url()).await);
    let client = json!({
        "resourceType": "Client", "id": "app", "secret": "sesame of the app",
        "grant_types": ["client_credentials"],
    });
    here.put(client).await;
    let policy = json!({
        "resourceType": "AccessPolicy", "id": "app", "engine": "allow",
        "link": [{"reference": "Client/app"}],
    });
    here.put(policy).await;
    let asked = here.ask("POST /auth/token").form("grant_type=client_credentials");
    let asked = asked.header("authorization", &basic("app", "sesame of the app"));
    let issued = asked.await.is(200).at("/access_token");
    let session = issued.as_str().unwrap();
    there.bearer(session, "GET /fhir/Patient").await.is(200);
    let id = there.root("GET /Session").await.is(200).ids().remove(0);
    there.delete(&format!("/Session/{id}")).await;
    here.bearer(session, "GET /fhir/Patient").await.is(401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_write_failed_without_postgres_is_ready_again_without_another_write() {
    let Some((cluster, database)) = database() else { return };
    let proxy = Proxy::start(cluster.address());
    let node = on(&database.url_at(proxy.address())).await;
    let patient = json!({"resourceType": "Patient", "id": "x"});
    let put = || async { node.root("PUT /fhir/Patient/x").json(&patient).await };
    put().await.is(201);
    for _ in 0..3 {
        // Within its lease: the write itself finds no database.
        proxy.refuse();
        proxy.cut();
        put().await.is(503);
        node.ask("GET /health/ready").await.is(503);
        proxy.accept();
        while node.ask("GET /health/ready").await.status == 503 {}
    }
    put().await.is(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_to_postgres_that_ended_while_they_were_idle_fail_no_request() {
    let Some((_, database)) = database() else { return };
    let node = on(&database.url()).await;
    with_alice(&node).await;
    let patient = json!({"resourceType": "Patient", "id": "x"});
    let others = "SELECT pg_terminate_backend(pid, 9000) FROM pg_stat_activity WHERE pid <> \
                  pg_backend_pid() AND datname = current_database() AND query !~ 'node|LISTEN'";
    for _ in 0..3 {
        database.rows(others);
        node.put(patient.clone()).await;
        for _ in 0..8 {
            node.root("GET /fhir/Patient").await.is(200);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_on_postgres_that_was_cut_off_is_of_unknown_fate_and_its_repetition_makes_no_other()
 {
    let Some((cluster, database)) = database() else { return };
    let proxy = Proxy::start(cluster.address());
    let node = on(&database.url_at(proxy.address())).await;
    let patient = json!({"resourceType": "Patient", "id": "x"});
    let put = || async { node.root("PUT /fhir/Patient/x").json(&patient).await };
    let commits = [(CommitFault::CutAfter, 200), (CommitFault::CutBefore, 201)];
    for (fault, repeated) in commits {
        node.delete("/fhir/Patient/x").await;
        proxy.at_next_commits(1, fault);
        let answer = put().await.is(503);
        assert!(answer.text.contains("unknown"), "{answer:?}");
        assert_eq!(put().await.status, repeated, "{fault:?}");
    }
    assert_eq!(node.root("GET /fhir/Patient?_summary=count").await.at("/total"), 1);
}
