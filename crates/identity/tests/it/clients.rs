//! Clients that authenticate with HTTP Basic.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use firewarden_identity::{Unauthenticated, hash_secret};
use serde_json::{Value, json};

use crate::world::{World, merged};

fn header(client: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{client}:{secret}")))
}

async fn world(clients: Vec<(Value, Option<&str>)>) -> World {
    let world = World::empty().await;
    let hash = |plain: &str| hash_secret(plain, [1; 16]).unwrap();
    *world.directory.clients.lock().unwrap() =
        clients.into_iter().map(|(client, secret)| (client, 1, secret.map(hash))).collect();
    world
}

fn client(id: &str, more: Value) -> Value {
    merged(json!({"id": id, "secret": "***", "grant_types": ["basic"]}), more)
}

#[tokio::test]
async fn a_client_is_known_by_its_secret() {
    let world = world(vec![
        (client("root", json!({})), Some("se:cret")),
        (client("off", json!({"active": false})), Some("secret")),
        (client("none", json!({})), None),
        (client("other", json!({"grant_types": ["client_credentials"]})), Some("secret")),
        (client("bare", json!({"grant_types": "(absent)"})), Some("secret")),
    ])
    .await;
    for (id, secret, expected) in [
        ("root", "se:cret", "accepted"),
        ("root", "se:cret", "accepted"),
        ("root", "secret", "client-secret"),
        ("root", "", "client-secret"),
        ("root", "***", "client-secret"),
        ("Root", "se:cret", "client-secret"),
        ("off", "secret", "active-client"),
        ("off", "wrong", "client-secret"),
        ("none", "", "client-secret"),
        ("none", "secret", "client-secret"),
        ("other", "secret", "grant-type"),
        ("bare", "secret", "grant-type"),
        ("missing", "secret", "client-secret"),
        ("../root", "se:cret", "client-secret"),
        ("", "", "client-secret"),
    ] {
        let outcome = match world.header(&header(id, secret)).await {
            Ok(_) => "accepted",
            Err(refusal) => refusal.check(),
        };
        assert_eq!(outcome, expected, "{id}:{secret}");
    }
}

#[tokio::test]
async fn a_client_is_a_caller_without_its_secret() {
    let world = world(vec![(client("root", json!({})), Some("secret"))]).await;
    let caller = world.header(&header("root", "secret")).await.unwrap();
    let held = Value::Object((*caller.client.clone().unwrap()).clone());
    assert_eq!(held, json!({"id": "root", "grant_types": ["basic"]}));
    assert!(caller.user.is_none() && caller.jwt.is_none() && !caller.is_anonymous());
}

#[tokio::test]
async fn a_remembered_secret_ends_with_the_clients_version() {
    let world = world(vec![(client("root", json!({})), Some("old"))]).await;
    assert!(world.header(&header("root", "old")).await.is_ok());
    let changed = (client("root", json!({})), 2, hash_secret("new", [2; 16]).ok());
    *world.directory.clients.lock().unwrap() = vec![changed];
    let refusal = world.header(&header("root", "old")).await.unwrap_err();
    assert_eq!(refusal.check(), "client-secret");
    assert!(world.header(&header("root", "new")).await.is_ok());
    world.directory.clients.lock().unwrap().clear();
    assert!(world.header(&header("root", "new")).await.is_err());
}

#[tokio::test]
async fn a_hash_of_another_server_cannot_authenticate() {
    let world = world(Vec::new()).await;
    for hash in ["$s0$f0801$Xg==$aa", "secret", ""] {
        let stored = (client("root", json!({})), 1, Some(hash.to_owned()));
        *world.directory.clients.lock().unwrap() = vec![stored];
        for secret in ["secret", hash] {
            let refusal = world.header(&header("root", secret)).await.unwrap_err();
            assert_eq!(refusal.check(), "client-secret", "{hash}");
        }
    }
}

#[tokio::test]
async fn a_crowd_of_wrong_secrets_is_turned_away() {
    let world = world(vec![(client("root", json!({})), Some("secret"))]).await;
    let headers: Vec<String> = (0..100).map(|n| header("root", &format!("guess {n}"))).collect();
    tokio::time::pause();
    let answers =
        futures_util::future::join_all(headers.iter().map(|header| world.header(header))).await;
    let busy = Unauthenticated::Busy { retry_after_s: 1 };
    let turned_away = answers.iter().filter(|answer| answer.as_ref().err() == Some(&busy)).count();
    assert!(turned_away >= 100 - 64 - 2, "{turned_away}");
    assert!(answers.iter().all(Result::is_err));
    tokio::time::resume();
    assert!(world.header(&header("root", "secret")).await.is_ok(), "the line is free again");
}

#[tokio::test]
async fn who_guesses_waits_for_a_hash_whether_or_not_the_client_is_there() {
    let world = world(vec![
        (client("there", json!({})), Some("secret")),
        (client("off", json!({"active": false})), Some("secret")),
        (client("without", json!({})), None),
    ])
    .await;
    for id in ["there", "off", "without", "never", "../root", "a b"] {
        let headers: Vec<String> = (0..100).map(|n| header(id, &format!("guess {n}"))).collect();
        tokio::time::pause();
        let guesses = headers.iter().map(|header| world.header(header));
        let answers = futures_util::future::join_all(guesses).await;
        tokio::time::resume();
        let busy = Unauthenticated::Busy { retry_after_s: 1 };
        let told = |answer: &Result<_, Unauthenticated>| answer.as_ref().err() == Some(&busy);
        let turned_away = answers.iter().filter(|answer| told(answer)).count();
        // A guess that needed no hash would never be turned away.
        assert!(turned_away >= 100 - 64 - 2, "{id}: {turned_away}");
        let others = answers.iter().filter(|answer| !told(answer));
        let checks: Vec<_> = others.map(|answer| answer.as_ref().unwrap_err().check()).collect();
        assert!(checks.iter().all(|check| *check == "client-secret"), "{id}: {checks:?}");
    }
}
