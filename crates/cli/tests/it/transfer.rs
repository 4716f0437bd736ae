//! Import and export: files in, files out, and what is not imported.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::basic;
use crate::running::{Said, Server, run};

const DATABASE: (&str, &str) = ("FIREWARDEN_DATABASE_URL", "sqlite:firewarden.db");
const QUIET: (&str, &str) = ("FIREWARDEN_LOG", "error");

fn firewarden(folder: &TempDir, arguments: &[&str]) -> Said {
    run(folder.path(), arguments, &[DATABASE])
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn gzip(text: &str) -> Vec<u8> {
    use std::io::Write as _;
    let mut file = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    file.write_all(text.as_bytes()).unwrap();
    file.finish().unwrap()
}

/// Files of every form, with lines that are wrong among them.
fn records(folder: &TempDir) {
    let path = |name: &str| folder.path().join("records").join(name);
    std::fs::create_dir(folder.path().join("records")).unwrap();
    let patient = r#"{"resourceType":"Patient","id":"p1","name":[{"family":"Fonseca"}]}"#;
    let wrong = [
        r#"{"resourceType":"Patient","id":"p2","birthday":"2020"}"#,
        r#"{"resourceType":"Patient","id":"p3""#,
        r#"{"resourceType":"Patient","id":"a/b"}"#,
        r#"{"resourceType":"Session","id":"s"}"#,
        r#"{"resourceType":"TokenIntrospector","id":"t","type":"jwt"}"#,
    ];
    let all = [patient, "", wrong[0], wrong[1], wrong[2], wrong[3], wrong[4]].join("\n");
    std::fs::write(path("a.ndjson"), all).unwrap();
    let new = r#"{"resourceType":"Patient","name":[{"family":"Atencio"}]}"#;
    std::fs::write(path("b.jsonl.gz"), gzip(new)).unwrap();
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [
        {"fullUrl": "urn:uuid:1", "resource": {"resourceType": "Patient", "name": [{"family": "Hoeger"}]},
         "request": {"method": "POST", "url": "Patient"}},
        {"fullUrl": "urn:uuid:2", "resource": {"resourceType": "Observation", "id": "o1", "status": "final",
            "code": {"text": "x"}, "subject": {"reference": "urn:uuid:1"}},
         "request": {"method": "POST", "url": "Observation"}},
    ]});
    std::fs::write(path("c.json"), bundle.to_string()).unwrap();
    let half = json!({"resourceType": "Bundle", "type": "transaction", "entry": [
        {"resource": {"resourceType": "Patient", "id": "never"},
         "request": {"method": "PUT", "url": "Patient/never"}},
        {"resource": {"resourceType": "Patient", "id": "wrong", "birthday": "2020"},
         "request": {"method": "PUT", "url": "Patient/wrong"}},
    ]});
    std::fs::write(path("d.json"), half.to_string()).unwrap();
    let user =
        r#"{"resourceType":"User","id":"alice","data":{"sub":"alice"},"password":"a long secret"}"#;
    std::fs::write(path("e.ndjson"), user).unwrap();
    std::fs::write(path("notes.txt"), "not a resource").unwrap();
}

async fn families(server: &Server) -> Vec<String> {
    let found = server.site.root("GET /fhir/Patient?_sort=family").await.is(200).json();
    let entries = found["entry"].as_array().cloned().unwrap_or_default();
    let family =
        |entry: &Value| entry["resource"]["name"][0]["family"].as_str().unwrap().to_owned();
    entries.iter().map(family).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_imported_and_what_is_wrong_is_told() {
    let folder = TempDir::new().unwrap();
    records(&folder);
    let said = firewarden(&folder, &["import", "records"]);
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(said.out.contains("5 imported"), "{}", said.out);
    assert!(said.err.contains("6 were rejected: see `import-rejected.ndjson`"), "{}", said.err);
    let rejected = lines(&folder.path().join("import-rejected.ndjson"));
    let told: Vec<String> = rejected
        .iter()
        .map(|one| {
            let file = one["file"].as_str().unwrap();
            let entry = one.get("entry").map_or(String::new(), |entry| format!("[{entry}]"));
            assert_eq!(one["outcome"]["resourceType"], "OperationOutcome");
            format!("{file}:{}{entry} {}", one["line"], one["outcome"]["issue"][0]["code"])
        })
        .collect();
    assert_eq!(
        told,
        [
            "records/a.ndjson:3 \"structure\"",
            "records/a.ndjson:4 \"structure\"",
            "records/a.ndjson:5 \"value\"",
            "records/a.ndjson:6 \"not-supported\"",
            "records/a.ndjson:7 \"required\"",
            "records/d.json:1[1] \"structure\"",
        ]
    );
    assert!(rejected[0]["text"].as_str().unwrap().contains("birthday"));
    // A line of ours may hold a secret.
    assert!(rejected[4].get("text").is_none());
    let server = Server::start(folder.path(), &[QUIET]).await;
    assert_eq!(families(&server).await, ["Atencio", "Fonseca", "Hoeger"]);
    let found = server.site.root("GET /fhir/Observation?subject.family=Hoeger").await.is(200);
    assert_eq!(found.ids(), ["o1"]);
    server.site.root("GET /User/alice").await.is(200);
    // While a server has it, nothing is imported or exported.
    for arguments in [["import", "records"], ["export", "out"]] {
        let said = firewarden(&folder, &arguments);
        assert_eq!(said.code, Some(1));
        assert!(said.err.contains("stop the server"), "{}", said.err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_again_makes_new_versions_and_no_new_resources() {
    let folder = TempDir::new().unwrap();
    let one = r#"{"resourceType":"Patient","id":"p1","name":[{"family":"A"}]}"#;
    std::fs::write(folder.path().join("a.ndjson"), one).unwrap();
    for told in ["1 created, 0 updated", "0 created, 1 updated"] {
        let said = firewarden(&folder, &["import", "a.ndjson"]);
        assert_eq!(said.code, Some(0), "{}", said.err);
        assert!(said.out.contains(told), "{}", said.out);
    }
    let said = firewarden(&folder, &["import", "--finish"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_with_history_moves_everything_and_a_changed_file_is_refused() {
    let (from, to) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let server = Server::start(from.path(), &[QUIET]).await;
    let put = |path: &str, body: &Value| server.site.root(&format!("PUT {path}")).json(body);
    for family in ["A", "B", "C"] {
        let patient = json!({"resourceType": "Patient", "id": "p", "name": [{"family": family}]});
        put("/fhir/Patient/p", &patient).await;
    }
    let client = json!({"secret": "a canary of a secret", "grant_types": ["basic"]});
    put("/Client/c", &client).await.is(201);
    server.site.root("DELETE /fhir/Patient/p").await;
    let history = server.site.root("GET /fhir/Patient/p/_history").await.is(200).json();
    server.signal("TERM");
    server.ended().await;
    let key = std::fs::read_to_string(from.path().join("firewarden.key")).unwrap();
    let out = to.path().join("out");
    let out = out.to_str().unwrap();
    let said = firewarden(&from, &["export", out, "--history", "--gzip", "--with-sealed-secrets"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let manifest = std::fs::read_to_string(to.path().join("out/manifest.json")).unwrap();
    assert!(manifest.contains("Patient-0001.history.ndjson.gz"), "{manifest}");
    let again = firewarden(&from, &["export", out]);
    assert!(again.err.contains("not empty"), "{}", again.err);
    let environment = [DATABASE, ("FIREWARDEN_SECRETS_KEY", key.trim())];
    let other_key = "00".repeat(32);
    let refused = run(
        to.path(),
        &["import", out],
        &[("FIREWARDEN_DATABASE_URL", "sqlite:other.db"), ("FIREWARDEN_SECRETS_KEY", &other_key)],
    );
    assert!(refused.err.contains("rejected"), "{}", refused.err);
    let said = run(to.path(), &["import", out], &environment);
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    let server = Server::start(to.path(), &[QUIET, ("FIREWARDEN_SECRETS_KEY", key.trim())]).await;
    let moved = server.site.root("GET /fhir/Patient/p/_history").await.is(200).json();
    let entries = |bundle: &Value| -> Vec<Value> {
        let entries = bundle["entry"].as_array().unwrap().iter();
        entries.map(|entry| json!([entry["resource"], entry["request"]["method"]])).collect()
    };
    assert_eq!(entries(&moved), entries(&history));
    assert_eq!(entries(&moved).len(), 4);
    // Its secret still opens.
    let asked = server.site.ask("GET /auth/userinfo");
    asked.header("authorization", &basic("c", "a canary of a secret")).await.is(200);
    drop(server);
    let part = to.path().join("out/Patient-0001.history.ndjson.gz");
    let mut bytes = std::fs::read(&part).unwrap();
    bytes.push(0);
    std::fs::write(&part, bytes).unwrap();
    let refused = run(to.path(), &["import", out], &environment);
    assert!(refused.err.contains("its SHA-256 is not the manifest's"), "{}", refused.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_holds_no_secret_in_clear() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path(), &[QUIET]).await;
    let client = json!({"secret": "a canary of a secret", "grant_types": ["basic"]});
    server.site.root("PUT /Client/c").json(&client).await.is(201);
    server.signal("TERM");
    server.ended().await;
    for arguments in [&["export", "one"][..], &["export", "two", "--history"]] {
        let said = firewarden(&folder, arguments);
        assert_eq!(said.code, Some(0), "{}", said.err);
        assert!(said.out.contains("the secrets of 2 resources were left out"), "{}", said.out);
        for file in std::fs::read_dir(folder.path().join(arguments[1])).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            assert!(!text.contains("canary") && !text.contains("$argon2"), "{text}");
        }
    }
    // What is left out is not brought into another database as if it were there.
    let said =
        run(folder.path(), &["import", "two"], &[("FIREWARDEN_DATABASE_URL", "sqlite:b/b.db")]);
    assert_eq!(said.code, Some(1));
    let rejected = lines(&folder.path().join("import-rejected.ndjson"));
    assert_eq!(rejected.len(), 2);
    assert!(rejected[0].to_string().contains("--with-sealed-secrets"), "{}", rejected[0]);
    let said = firewarden(&folder, &["export", "three", "--with-sealed-secrets"]);
    assert_eq!(said.code, Some(2), "{}", said.err);
}
