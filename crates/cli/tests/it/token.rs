//! `firewarden token`: what it mints a server accepts, and what it takes apart is what was minted.

use firewarden_testkit::key;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::running::{ROOT_SECRET, Said, Server, log_text, run};

const ISSUER: &str = "https://auth.example.com";

fn mint(folder: &TempDir, arguments: &[&str]) -> Said {
    let first = ["token", "mint", "--iss", ISSUER, "--sub", "basic"];
    let arguments: Vec<&str> = first.iter().chain(arguments).copied().collect();
    run(folder.path(), &arguments, &[])
}

#[tokio::test]
async fn a_minted_token_is_accepted() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path(), &[]).await;
    let jwt = json!({"iss": ISSUER, "secret": "very-secret"});
    let guide =
        json!({"resourceType": "TokenIntrospector", "id": "guide", "type": "jwt", "jwt": jwt});
    server.site.put(guide).await;
    for (arguments, status) in [
        (&["--secret", "very-secret"][..], 200),
        (&["--secret", "very-secret", "--alg", "HS512", "--claim", "scope=user/*.read"], 200),
        (&["--secret", "very-secret", "--exp", "90s", "--kid", "k1"], 200),
        (&["--secret", "very-secret", "--exp=-1s"], 401),
        (&["--secret", "another"], 401),
        (&["--secret", "very-secret", "--claim", "iss=https://other.example.com"], 401),
    ] {
        let said = mint(&folder, arguments);
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{arguments:?}");
        assert_eq!(said.out.lines().count(), 1);
        let answer = server.site.bearer(said.out.trim(), "GET /auth/userinfo").await;
        assert_eq!(answer.status, status, "{arguments:?} {answer:?}");
    }
}

#[test]
fn every_algorithm_is_minted_with_its_key() {
    let folder = TempDir::new().unwrap();
    for algorithm in ["RS256", "PS384", "ES256", "ES512", "EdDSA"] {
        std::fs::write(folder.path().join("key.pem"), key(algorithm).private_pem()).unwrap();
        let said = mint(&folder, &["--key", "key.pem", "--alg", algorithm]);
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{algorithm}");
        let shown = run(folder.path(), &["token", "inspect", said.out.trim()], &[]);
        assert!(shown.out.contains(&format!("\"alg\": \"{algorithm}\"")), "{}", shown.out);
    }
}

#[test]
fn a_token_is_taken_apart_and_not_believed() {
    let folder = TempDir::new().unwrap();
    let said = mint(&folder, &["--secret", "x", "--claim", "n=1", "--claim", "s=a=b"]);
    let shown = run(folder.path(), &["token", "inspect", said.out.trim()], &[]);
    assert_eq!((shown.code, shown.err.as_str()), (Some(0), ""));
    for part in [ISSUER, "\"n\": 1", "\"s\": \"a=b\"", "(future)", "signature was not checked"] {
        assert!(shown.out.contains(part), "{part}: {}", shown.out);
    }
}

#[test]
fn what_cannot_be_minted_or_read_is_told_in_one_line() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("bad.pem"), "nothing").unwrap();
    for arguments in [
        &["--secret", ""][..],
        &["--secret", "x", "--alg", "RS256"],
        &["--secret", "x", "--alg", "none"],
        &["--secret", "x", "--exp", "soon"],
        &["--secret", "x", "--claim", "noequals"],
        &["--key", "bad.pem"],
        &["--key", "no such file"],
    ] {
        let said = mint(&folder, arguments);
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{arguments:?} {}", said.err);
        assert_eq!(said.err.lines().count(), 1, "{}", said.err);
    }
    for token in ["", "a", "a.b.c", "e30.e30"] {
        let said = run(folder.path(), &["token", "inspect", token], &[]);
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{token}");
        assert_eq!(said.err.lines().count(), 1, "{}", said.err);
    }
}

#[tokio::test]
async fn a_server_says_how_it_judges_a_token() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path(), &[]).await;
    let jwt = json!({"iss": ISSUER, "secret": "very-secret"});
    let guide =
        json!({"resourceType": "TokenIntrospector", "id": "guide", "type": "jwt", "jwt": jwt});
    server.site.put(guide).await;
    let client = format!("root:{ROOT_SECRET}");
    let url = server.site.url.as_str();
    let judged = |token: &str, client: &str| {
        let arguments = ["token", "inspect", token, "--url", url];
        run(folder.path(), &arguments, &[("FIREWARDEN_CLIENT", client)])
    };
    let minted = mint(&folder, &["--secret", "very-secret"]);
    let said = judged(minted.out.trim(), &client);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    assert!(said.out.contains("introspector    guide"), "{}", said.out);
    assert!(said.out.ends_with("The token is accepted.\n"), "{}", said.out);
    let minted = mint(&folder, &["--secret", "another"]);
    let token = minted.out.trim();
    let said = judged(token, &client);
    assert!(said.out.contains("FAILED  signature"), "{}", said.out);
    assert!(said.out.ends_with("The token is refused.\n"), "{}", said.out);
    assert!(!said.out.contains(token), "{}", said.out);
    let by_flag = ["token", "inspect", token, "--url", url, "--client", &client];
    assert_eq!(run(folder.path(), &by_flag, &[]).out, said.out);
    for (client, what) in [("root:wrong", "does not accept the client"), ("x", "not accept")] {
        let said = judged(token, client);
        assert_eq!(said.code, Some(1));
        assert!(said.err.contains(what), "{}", said.err);
    }
    let nobody = run(folder.path(), &["token", "inspect", token, "--url", url], &[]);
    assert!(nobody.err.contains("FIREWARDEN_CLIENT"), "{}", nobody.err);
}

#[tokio::test]
async fn each_refused_token_is_one_event_that_names_the_check() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path(), &[("FIREWARDEN_LOG_FORMAT", "json")]).await;
    let jwt = json!({"iss": ISSUER, "secret": "very-secret"});
    let guide =
        json!({"resourceType": "TokenIntrospector", "id": "guide", "type": "jwt", "jwt": jwt});
    server.site.put(guide).await;
    let minted = |arguments: &[&str]| mint(&folder, arguments).out.trim().to_owned();
    let tokens = [
        (minted(&["--secret", "very-secret", "--exp=-1m"]), "exp"),
        (minted(&["--secret", "another"]), "signature"),
        (minted(&["--secret", "x", "--claim", "iss=https://other.example.com"]), "issuer"),
        ("fws_x_CANARY-of-a-session-token".to_owned(), "session"),
        ("CANARY-that-is-no-token".to_owned(), "parts"),
    ];
    for (token, _) in &tokens {
        server.site.bearer(token, "GET /fhir/Patient?name=CANARY-query").await.is(401);
        let body = json!({"resourceType": "Patient", "id": "CANARY-body"});
        server.site.bearer(token, "POST /fhir/Patient").json(&body).await.is(401);
    }
    server.signal("TERM");
    server.ended().await;
    let log = log_text(folder.path());
    let events = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let refused: Vec<Value> = events
        .map(|event| event["failed_check"].clone())
        .filter(|check| check.is_string())
        .collect();
    let expected: Vec<&str> = tokens.iter().flat_map(|(_, check)| [*check, *check]).collect();
    assert_eq!(refused, expected, "{log}");
    assert!(!log.contains("CANARY"), "{log}");
    for (token, _) in &tokens {
        let last = token.rsplit('.').next().unwrap();
        assert!(!log.contains(last), "{last} in {log}");
    }
}
