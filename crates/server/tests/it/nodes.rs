//! Several servers on one PostgreSQL: what one acknowledges, and what one does without it.

use firewarden_testkit::postgres::{Cluster, Database, Proxy};
use serde_json::json;

use crate::harness::{TestServer, allow_user, token};

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
