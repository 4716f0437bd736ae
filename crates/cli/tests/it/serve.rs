//! `firewarden serve`: what it prints, what it logs, how it ends.

use firewarden_testkit::hmac_token;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::Site;
use crate::running::{ROOT_SECRET, Server, log_text, run};

#[tokio::test]
async fn the_first_start_prints_the_address_and_the_root_secret_once() {
    let folder = TempDir::new().unwrap();
    let server = Server::start_plain(folder.path(), &[]).await;
    assert_eq!(server.printed.len(), 3, "{:?}", server.printed);
    assert!(server.printed[0].starts_with("Firewarden serves FHIR R4 at http://127.0.0.1:"));
    assert_eq!(server.printed[1], "Root client: root");
    let secret = server.generated_secret().unwrap();
    server.site.root("GET /fhir/Patient").await.is(200);
    server.signal("TERM");
    assert_eq!(server.ended().await.code(), Some(0));
    let server = Server::start_plain(folder.path(), &[]).await;
    assert_eq!(server.printed[1], "Root client: root (its secret was set before)");
    Site::new(&server.site.url, &secret).root("GET /fhir/Patient").await.is(200);
    server.signal("INT");
    assert_eq!(server.ended().await.code(), Some(0));
    assert!(!log_text(folder.path()).contains(&secret));
}

#[tokio::test]
async fn settings_come_from_the_file_and_secrets_from_files() {
    let folder = TempDir::new().unwrap();
    let file = "public_url = \"https://file.example.com\"\nbody_limit = 100\n";
    std::fs::write(folder.path().join("firewarden.toml"), file).unwrap();
    std::fs::write(folder.path().join("secret"), format!("{ROOT_SECRET}\n")).unwrap();
    let environment = [("FIREWARDEN_ROOT_CLIENT_SECRET_FILE", "secret")];
    let server = Server::start_plain(folder.path(), &environment).await;
    assert_eq!(server.printed[0], "Firewarden serves FHIR R4 at https://file.example.com/fhir");
    assert_eq!(server.printed[1], "Root client: root (its secret was set before)");
}

/// Why `serve` does not start: one line.
fn failure(folder: &TempDir, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let arguments: Vec<&str> = ["serve"].iter().chain(arguments).copied().collect();
    let said = run(folder.path(), &arguments, environment);
    assert_eq!(said.code, Some(1), "{arguments:?} {}{}", said.out, said.err);
    assert_eq!(said.err.lines().count(), 1, "{}", said.err);
    assert_eq!(said.out, "");
    assert!(said.err.starts_with("firewarden: "), "{}", said.err);
    assert!(!said.err.contains("CANARY"), "{}", said.err);
    said.err
}

#[test]
fn what_cannot_be_used_is_told_in_one_line() {
    let folder = TempDir::new().unwrap();
    for (name, value, what) in [
        ("FIREWARDEN_LISTEN", "nowhere", "FIREWARDEN_LISTEN"),
        ("FIREWARDEN_DATABASE_URL", "postgres://x", "FIREWARDEN_DATABASE_URL"),
        ("FIREWARDEN_SECRETS_KEY", "CANARY", "FIREWARDEN_SECRETS_KEY"),
        ("FIREWARDEN_ROOT_CLIENT_SECRET_FILE", "no such file", "no such file"),
        ("FIREWARDEN_TLS_CERT", "x", "FIREWARDEN_TLS_KEY"),
        ("FIREWARDEN_DEV_MODE", "maybe", "FIREWARDEN_DEV_MODE"),
    ] {
        assert!(failure(&folder, &[], &[(name, value)]).contains(what), "{name}");
    }
    let init = [("FIREWARDEN_INIT_BUNDLE", "no such file"), ("FIREWARDEN_LOG", "error")];
    assert!(failure(&folder, &["--listen", "127.0.0.1:0"], &init).contains("no such file"));
    assert!(failure(&folder, &["--config", "no such file"], &[]).contains("no such file"));
    let file = folder.path().join("firewarden.toml");
    std::fs::write(&file, "root_client_secret = CANARY").unwrap();
    assert!(failure(&folder, &[], &[]).contains("firewarden.toml"));
    std::fs::write(&file, "lisen = \"x\"").unwrap();
    assert!(failure(&folder, &[], &[]).contains("FIREWARDEN_LISEN"));
}

#[test]
fn a_secret_has_no_flag() {
    let folder = TempDir::new().unwrap();
    for flag in ["--root-client-secret", "--secrets-key"] {
        let said = run(folder.path(), &["serve", flag, "x"], &[]);
        assert_eq!(said.code, Some(2), "{}", said.err);
    }
}

#[test]
fn help_shows_examples() {
    let folder = TempDir::new().unwrap();
    for command in [&["serve"][..], &["token", "mint"], &["token", "inspect"]] {
        let arguments: Vec<&str> = command.iter().chain(&["--help"]).copied().collect();
        let said = run(folder.path(), &arguments, &[]);
        assert_eq!(said.code, Some(0));
        let example = format!("firewarden {}", command.join(" "));
        assert!(said.out.contains("Examples:") && said.out.contains(&example), "{}", said.out);
    }
    for (arguments, code) in [(&["--version"][..], 0), (&["--help"], 0), (&[], 2), (&["x"], 2)] {
        assert_eq!(run(folder.path(), arguments, &[]).code, Some(code), "{arguments:?}");
    }
}

/// The log's events of decisions.
fn decisions(log: &str) -> Vec<Value> {
    let events = log.lines().map(|line| {
        serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"))
    });
    events.filter(|event| event["target"] == "firewarden::decision").collect()
}

/// Requests with something in them that must not be logged; the name of the third.
async fn ask_with_canaries(site: &Site) -> String {
    site.root("PUT /TokenIntrospector/canary")
        .yaml("{type: jwt, jwt: {iss: 'https://idp.example.com', secret: CANARY-SECRET}}")
        .await
        .is(201);
    let name = json!([{"family": "CANARY-NAME"}]);
    site.put(json!({"resourceType": "Patient", "id": "x", "name": name})).await;
    let third = site.root("GET /fhir/Patient?name=CANARY-QUERY").await.is(200);
    site.root("POST /fhir/Patient/_search").form("name=CANARY-FORM").await.is(200);
    let invalid = json!({"resourceType": "Patient", "CANARY-MEMBER": 1});
    site.root("POST /fhir/Patient").json(&invalid).await.is(422);
    site.bearer("CANARY.TOKEN.x", "GET /fhir/Patient/x").await.is(401);
    site.ask("GET /fhir/Patient?access_token=CANARY").await.is(401);
    site.delete("/fhir/Patient/x").await;
    third.header("x-request-id").unwrap().to_owned()
}

#[tokio::test]
async fn every_decision_is_logged_and_no_secret_query_or_body() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path(), &[("FIREWARDEN_LOG", "trace")]).await;
    let third = ask_with_canaries(&server.site).await;
    server.signal("TERM");
    assert_eq!(server.ended().await.code(), Some(0));
    let log = log_text(folder.path());
    for secret in ["CANARY", ROOT_SECRET] {
        assert_eq!(log.lines().find(|line| line.contains(secret)), None);
    }
    let decisions = decisions(&log);
    let seen: Vec<(&str, u64)> = decisions
        .iter()
        .map(|event| (event["decision"].as_str().unwrap(), event["status"].as_u64().unwrap()))
        .collect();
    let (permit, deny, bad) = ("permit", "deny", "unauthenticated");
    let expected = [201, 201, 200, 200, 422].map(|status| (permit, status));
    assert_eq!(seen, [&expected[..], &[(bad, 401), (deny, 401), (permit, 204)]].concat());
    assert_eq!(decisions[2]["request_id"], third);
    assert_eq!(decisions[2]["client"], "root");
    assert_eq!(decisions[2]["operation"], "FhirSearch");
    assert_eq!(decisions[2]["policies"], "root-client");
}

#[tokio::test]
async fn a_subject_cannot_write_lines_into_the_log() {
    for format in ["text", "json"] {
        let folder = TempDir::new().unwrap();
        let environment = [("FIREWARDEN_LOG", "info"), ("FIREWARDEN_LOG_FORMAT", format)];
        let server = Server::start(folder.path(), &environment).await;
        let jwt = json!({"iss": "https://idp.example.com", "secret": "secret"});
        let trusted =
            json!({"resourceType": "TokenIntrospector", "id": "idp", "type": "jwt", "jwt": jwt});
        server.site.put(trusted).await;
        let sub = "mallory\nFORGED \u{1b}[31mline\r\n\u{9b}x";
        let claims =
            json!({"iss": "https://idp.example.com", "sub": sub, "exp": 4_000_000_000_u64});
        let token = hmac_token("HS256", b"secret", &json!({}), &claims);
        server.site.bearer(&token, "GET /fhir/Patient").await.is(401);
        server.signal("TERM");
        assert_eq!(server.ended().await.code(), Some(0));
        let log = log_text(folder.path());
        assert!(log.contains("unauthenticated"), "{log}");
        assert!(!log.contains("FORGED") && !log.contains("[31mline"), "{log}");
    }
}

#[tokio::test]
async fn a_second_start_on_the_same_database_is_refused() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path(), &[]).await;
    let database = ("FIREWARDEN_DATABASE_URL", "sqlite:firewarden.db");
    let environment = [database, ("FIREWARDEN_LOG", "error")];
    let told = failure(&folder, &["--listen", "127.0.0.1:0"], &environment);
    assert!(told.contains("another process"), "{told}");
    server.site.root("GET /fhir/Patient").await.is(200);
}
