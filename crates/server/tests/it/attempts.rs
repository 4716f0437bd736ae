//! What happens to those who guess.

use serde_json::json;

use crate::harness::{TestServer, token};
use crate::http::{Ask, basic};

const PROXY: (&str, &str) = ("TRUSTED_PROXIES", "127.0.0.1/32");

/// A server with a client, behind a proxy that says who asks.
async fn server() -> TestServer {
    let server = TestServer::with(&[PROXY]).await;
    server
        .put(json!({
            "resourceType": "Client", "id": "app", "secret": "the right one",
            "grant_types": ["basic", "client_credentials"],
        }))
        .await;
    server
}

fn by_basic(server: &TestServer, address: &str, secret: &str) -> Ask {
    let ask = server.ask("GET /auth/userinfo").header("x-forwarded-for", address);
    ask.header("authorization", &basic("app", secret))
}

fn for_token(server: &TestServer, address: &str, secret: &str) -> Ask {
    let ask = server.ask("POST /auth/token").header("x-forwarded-for", address);
    ask.header("authorization", &basic("app", secret)).form("grant_type=client_credentials")
}

#[tokio::test]
async fn who_guesses_a_secret_must_wait() {
    let server = server().await;
    let (here, elsewhere) = ("192.0.2.1", "192.0.2.2");
    by_basic(&server, elsewhere, "the right one").await.is(200);
    let mut statuses = Vec::new();
    for _ in 0..7 {
        statuses.push(by_basic(&server, here, "a wrong one").await.status);
    }
    assert_eq!(statuses[..5], [401; 5]);
    let refused = by_basic(&server, here, "a wrong one").await.is(429);
    let wait_s: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=300).contains(&wait_s), "{refused:?}");
    assert_eq!(refused.at("/issue/0/code"), "throttled");
    assert_eq!(refused.header("www-authenticate"), None);
    // The right one there has to wait as well, or it would be found by what it is answered.
    by_basic(&server, here, "the right one").await.is(429);
    let answer = for_token(&server, here, "the right one").await.is(429);
    assert_eq!(answer.at("/error"), "temporarily_unavailable");
    assert!(answer.header("retry-after").is_some());
    by_basic(&server, elsewhere, "the right one").await.is(200);
    for_token(&server, elsewhere, "the right one").await.is(200);
}

#[tokio::test]
async fn guesses_for_a_token_are_counted_too() {
    let server = server().await;
    for _ in 0..5 {
        for_token(&server, "192.0.2.1", "a wrong one").await.is(401);
    }
    for_token(&server, "192.0.2.1", "the right one").await.is(429);
    by_basic(&server, "192.0.2.1", "the right one").await.is(429);
}

#[tokio::test]
async fn who_is_right_in_time_need_not_wait() {
    let server = server().await;
    for _ in 0..3 {
        for _ in 0..4 {
            by_basic(&server, "192.0.2.1", "a wrong one").await.is(401);
        }
        by_basic(&server, "192.0.2.1", "the right one").await.is(200);
    }
}

/// Sends a bad credential over one connection until it is no longer looked at.
async fn exhaust(server: &TestServer, address: &str) -> usize {
    const ASKED_AT_ONCE: usize = 500;
    let most = firewarden_server::limits::REFUSALS.burst as usize * 3;
    let one = format!(
        "GET /auth/userinfo HTTP/1.1\r\nhost: a\r\nx-forwarded-for: {address}\r\n\
         authorization: Bearer x\r\n\r\n"
    );
    let last = one.replace("host: a", "host: a\r\nconnection: close");
    let mut looked_at = 0;
    while looked_at < most {
        let request = format!("{}{last}", one.repeat(ASKED_AT_ONCE - 1));
        let answers = server.raw(request).await;
        looked_at += answers.matches("HTTP/1.1 401").count();
        if answers.contains("HTTP/1.1 429") {
            return looked_at;
        }
    }
    panic!("{looked_at} bad credentials were looked at");
}

#[tokio::test]
async fn a_flood_of_bad_credentials_is_not_looked_at() {
    let server = server().await;
    server.trust().await;
    let (here, elsewhere) = ("192.0.2.1", "192.0.2.2");
    let ask = |address: &str, authorization: &str| {
        let ask = server.ask("GET /auth/userinfo").header("x-forwarded-for", address);
        ask.header("authorization", authorization)
    };
    let known = format!("Bearer {}", token("alice"));
    let session = for_token(&server, here, "the right one").await.is(200);
    let session = format!("Bearer {}", session.at("/access_token").as_str().unwrap());
    ask(here, &known).await.is(200);
    let looked_at = exhaust(&server, here).await;
    assert!(looked_at >= firewarden_server::limits::REFUSALS.burst as usize, "{looked_at}");
    // Who was known there is served, and everybody elsewhere.
    ask(here, &known).await.is(200);
    ask(here, &session).await.is(200);
    by_basic(&server, here, "the right one").await.is(200);
    let new = format!("Bearer {}", token("bob"));
    ask(elsewhere, &new).await.is(200);
    server.ask("GET /health/live").header("x-forwarded-for", here).await.is(200);
}
