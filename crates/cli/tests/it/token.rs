//! `firewarden token`: what it mints a server accepts, and what it takes apart is what was minted.

use firewarden_testkit::key;
use serde_json::json;
use tempfile::TempDir;

use crate::running::{Said, Server, run};

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
