//! The start of a server: its root client, its init Bundle, its database, and a second start.

use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;

use crate::harness::{ISSUER, ROOT_SECRET, SECRET, TestServer, claims};
use crate::http::Site;

fn folder() -> Arc<TempDir> {
    Arc::new(TempDir::new().unwrap())
}

/// A folder with an init Bundle in it, and the Bundle's path.
fn with_bundle(text: &str) -> (Arc<TempDir>, String) {
    let folder = folder();
    let path = folder.path().join("init");
    std::fs::write(&path, text).unwrap();
    (folder, path.display().to_string())
}

async fn failure(folder: Arc<TempDir>, settings: &[(&str, &str)]) -> String {
    let error = TestServer::within(folder, settings).await.err().expect("it does not start");
    assert!(!error.contains('\n'), "one line: {error}");
    error
}

#[tokio::test]
async fn the_root_secret_is_made_once_and_stays() {
    let folder = folder();
    let generated = [("ROOT_CLIENT_SECRET", "")];
    let first = TestServer::within(Arc::clone(&folder), &generated).await.unwrap();
    let secret = first.generated_secret.clone().unwrap();
    assert_eq!(secret.len(), 64);
    first.root("GET /auth/userinfo").await.is(200);
    first.put(json!({"resourceType": "Patient", "id": "kept"})).await;
    first.close().await;
    let second = TestServer::within(Arc::clone(&folder), &generated).await.unwrap();
    assert_eq!(second.generated_secret, None);
    let site = Site::new(&second.url, &secret);
    site.root("GET /fhir/Patient/kept").await.is(200);
    second.close().await;
    // One that is set replaces it, at every start.
    let third = TestServer::within(Arc::clone(&folder), &[]).await.unwrap();
    third.root("GET /fhir/Patient/kept").await.is(200);
    Site::new(&third.url, &secret).root("GET /fhir/Patient/kept").await.is(401);
    // With it the root client is there whatever happened to it.
    third.delete("/AccessPolicy/root-client").await;
    third.root("GET /fhir/Patient/kept").await.is(403);
    third.close().await;
    let fourth = TestServer::within(folder, &[]).await.unwrap();
    fourth.root("GET /fhir/Patient/kept").await.is(200);
}

#[tokio::test]
async fn the_root_secret_is_kept_as_a_hash() {
    let server = TestServer::start().await;
    let folder = server.close().await;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let secret = ROOT_SECRET.as_bytes();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret));
    }
}

#[tokio::test]
async fn without_a_policy_only_the_root_client_may_act() {
    let server = TestServer::start().await;
    let policies = server.root("GET /AccessPolicy").await.is(200);
    assert_eq!(policies.ids(), ["root-client"]);
    server.ask("GET /fhir/Patient").await.is(401);
    server.trust().await;
    server.bearer(&crate::harness::token("root"), "GET /fhir/Patient").await.is(403);
}

#[tokio::test]
async fn an_init_bundle_is_applied_before_the_port_opens() {
    let yaml = format!(
        "\
resourceType: Bundle
type: transaction
entry:
- request: {{method: PUT, url: TokenIntrospector/idp}}
  resource:
    resourceType: TokenIntrospector
    id: idp
    type: jwt
    jwt: {{iss: '{ISSUER}', secret: '{SECRET}'}}
- request: {{method: PUT, url: /AccessPolicy/all}}
  resource: {{engine: json-schema, schema: {{required: [jwt]}}}}
- request: {{method: PUT, url: Patient/first}}
  resource: {{resourceType: Patient, id: first}}
"
    );
    let token = firewarden_testkit::hmac_token(
        "HS256",
        SECRET.as_bytes(),
        &json!({}),
        &claims(ISSUER, "anybody"),
    );
    let json = firewarden_fhir::yaml::parse(yaml.as_bytes()).unwrap().to_string();
    for text in [yaml, json] {
        let (folder, path) = with_bundle(&text);
        let settings = [("INIT_BUNDLE", path.as_str())];
        let server = TestServer::within(Arc::clone(&folder), &settings).await.unwrap();
        server.bearer(&token, "GET /fhir/Patient/first").await.is(200);
        server.close().await;
        // It is applied at every start; what it puts is there again.
        let server = TestServer::within(folder, &settings).await.unwrap();
        let patient = server.bearer(&token, "GET /fhir/Patient/first").await.is(200);
        assert_eq!(patient.at("/meta/versionId"), "2");
    }
}

#[tokio::test]
async fn an_init_bundle_that_fails_stops_the_start() {
    let entry = |url: &str, resource: &str| {
        format!(r#"{{"request":{{"method":"PUT","url":"{url}"}},"resource":{resource}}}"#)
    };
    let bundle = |entries: &str| {
        format!(r#"{{"resourceType":"Bundle","type":"transaction","entry":[{entries}]}}"#)
    };
    let good = entry("Patient/x", r#"{"resourceType":"Patient","id":"x"}"#);
    let bad = entry("Patient/y", r#"{"resourceType":"Patient","id":"y","name":"Bob"}"#);
    let audit = entry("AuditEvent/z", r#"{"resourceType":"AuditEvent","id":"z"}"#);
    for (text, what) in [
        (bundle(&format!("{good},{bad}")), "Bundle.entry[1].resource.name"),
        (bundle(&audit), "entry 0"),
        (bundle(&entry("Unknown/x", "{}")), "entry 0"),
        ("{".to_owned(), "line 1"),
        ("a: [".to_owned(), "init Bundle"),
        (r#"{"resourceType":"Patient"}"#.to_owned(), "Bundle"),
    ] {
        let (folder, path) = with_bundle(&text);
        let error = failure(Arc::clone(&folder), &[("INIT_BUNDLE", &path)]).await;
        assert!(error.contains(what), "{what}: {error}");
        let server = TestServer::within(folder, &[]).await.unwrap();
        server.root("GET /fhir/Patient/x").await.is(404);
    }
    let error = failure(folder(), &[("INIT_BUNDLE", "no such file")]).await;
    assert!(error.contains("no such file"), "{error}");
}

#[tokio::test]
async fn a_second_server_on_the_same_database_is_refused() {
    if firewarden_testkit::is_postgres() {
        // It is about a file.
        return;
    }
    let server = TestServer::start().await;
    let error = failure(Arc::clone(&server.folder), &[]).await;
    assert!(error.contains("another process"), "{error}");
    server.root("GET /auth/userinfo").await.is(200);
}

#[tokio::test]
async fn what_cannot_be_used_stops_the_start() {
    if firewarden_testkit::is_postgres() {
        // It is about a file.
        return;
    }
    let server = TestServer::start().await;
    let taken = server.address.to_string();
    for (name, value, what) in [
        ("LISTEN", taken.as_str(), "cannot listen"),
        ("OUTBOUND_ALLOW", "http://x/", "FIREWARDEN_OUTBOUND_ALLOW"),
        ("LOG", "nonsense=nonsense=", "FIREWARDEN_LOG"),
        ("SECRETS_KEY", "abc", "FIREWARDEN_SECRETS_KEY"),
    ] {
        let error = failure(folder(), &[(name, value)]).await;
        assert!(error.contains(what), "{name}: {error}");
    }
    let tls = [("TLS_CERT", "no such file"), ("TLS_KEY", "no such file")];
    assert!(failure(folder(), &tls).await.contains("TLS certificate"));
}

#[tokio::test]
async fn a_database_without_its_secrets_key_is_not_opened() {
    if firewarden_testkit::is_postgres() {
        // It is about a file.
        return;
    }
    let server = TestServer::start().await;
    server.trust().await;
    let folder = server.close().await;
    let other = "ab".repeat(32);
    let error = failure(Arc::clone(&folder), &[("SECRETS_KEY", &other)]).await;
    assert!(error.contains("secrets key"), "{error}");
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().contains("key") {
            std::fs::remove_file(path).unwrap();
        }
    }
    let error = failure(folder, &[]).await;
    assert!(error.contains("key"), "{error}");
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let server = TestServer::start().await;
    server.trust().await;
    server.put(json!({"resourceType": "Patient", "id": "x", "gender": "female"})).await;
    server.put(json!({"resourceType": "Patient", "id": "x", "gender": "male"})).await;
    let folder = server.close().await;
    let server = TestServer::within(folder, &[]).await.unwrap();
    assert_eq!(server.root("GET /fhir/Patient?gender=male").await.ids(), ["x"]);
    assert_eq!(server.root("GET /fhir/Patient/x/_history").await.at("/total"), 2);
    // The secret was sealed with a key that is still there.
    server.bearer(&crate::harness::token("x"), "GET /auth/userinfo").await.is(200);
}
