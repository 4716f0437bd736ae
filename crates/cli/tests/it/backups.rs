//! `firewarden backup`, `restore` and `migrate`: what is restored is what was, as of one moment.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::{Site, basic};
use crate::running::{PATIENCE, ROOT_SECRET, Said, Server, log_text, run};

const DATABASE: (&str, &str) = ("FIREWARDEN_DATABASE_URL", "sqlite:firewarden.db");
const WRITERS: usize = 8;
/// Resources of one transaction.
const TOGETHER: usize = 3;

/// Runs a command on the database of a folder.
fn on(folder: &Path, arguments: &[&str]) -> Said {
    run(folder, arguments, &[DATABASE])
}

fn succeeds(folder: &Path, arguments: &[&str]) -> String {
    let said = on(folder, arguments);
    assert_eq!(said.code, Some(0), "{arguments:?}: {}{}", said.out, said.err);
    said.out
}

fn fails(folder: &Path, arguments: &[&str]) -> String {
    let said = on(folder, arguments);
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{arguments:?}: {}", said.err);
    assert_eq!(said.err.lines().count(), 1, "{}", said.err);
    said.err
}

async fn ended(server: Server) {
    server.signal("TERM");
    assert_eq!(server.ended().await.code(), Some(0));
}

/// Writes numbered transactions until it is told to stop; each replaces one resource and makes others.
async fn write(site: Site, name: String, told: Arc<AtomicUsize>, stopped: Arc<AtomicBool>) {
    for number in 1.. {
        if stopped.load(Ordering::SeqCst) {
            return;
        }
        let entry = |id: String, value: usize| {
            let resource = json!({
                "resourceType": "Patient", "id": id,
                "identifier": [{"system": format!("urn:{name}"), "value": value.to_string()}],
            });
            json!({"request": {"method": "PUT", "url": format!("Patient/{id}")}, "resource": resource})
        };
        let mut entries = vec![entry(format!("{name}-last"), number)];
        entries.extend((1..TOGETHER).map(|n| entry(format!("{name}-{number}-{n}"), number)));
        let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
        site.root("POST /fhir").json(&bundle).await.is(200);
        told.store(number, Ordering::SeqCst);
    }
}

/// Every Patient, by id: the number in it.
async fn everybody(site: &Site) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    let mut next = Some("/fhir/Patient?_count=1000".to_owned());
    while let Some(path) = next {
        let page = site.root(&format!("GET {path}")).await.is(200);
        for entry in page.json()["entry"].as_array().unwrap_or(&Vec::new()) {
            let id = entry["resource"]["id"].as_str().unwrap().to_owned();
            let value = entry["resource"]["identifier"][0]["value"].as_str().unwrap();
            found.insert(id, value.parse().unwrap());
        }
        next = page.link("next");
    }
    found
}

async fn reached(told: &[Arc<AtomicUsize>], least: usize) {
    let reached = async {
        while told.iter().any(|told| told.load(Ordering::SeqCst) < least) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, reached).await.expect("writes are acknowledged");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_beside_writers_is_a_state_that_there_was() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path(), &[("FIREWARDEN_LOG", "error")]).await;
    let stopped = Arc::new(AtomicBool::new(false));
    let told: Vec<_> = (0..WRITERS).map(|_| Arc::new(AtomicUsize::new(0))).collect();
    let writing: Vec<_> = told
        .iter()
        .enumerate()
        .map(|(n, told)| {
            let (site, told) = (server.site.clone(), Arc::clone(told));
            tokio::spawn(write(site, format!("w{n}"), told, Arc::clone(&stopped)))
        })
        .collect();
    let mut acknowledged = Vec::new();
    for round in 1..=3 {
        reached(&told, round * 8).await;
        acknowledged.push(told.iter().map(|t| t.load(Ordering::SeqCst)).collect::<Vec<_>>());
        let (path, file) = (folder.path().to_owned(), format!("backup-{round}"));
        let out = tokio::task::spawn_blocking(move || succeeds(&path, &["backup", &file])).await;
        assert!(out.unwrap().starts_with(&format!("backup-{round}: ")));
    }
    reached(&told, 32).await;
    stopped.store(true, Ordering::SeqCst);
    for writer in writing {
        writer.await.unwrap();
    }
    ended(server).await;
    for (round, least) in acknowledged.iter().enumerate() {
        let file = folder.path().join(format!("backup-{}", round + 1));
        for path in [file.clone(), beside(&file, ".manifest.json")] {
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert!(!beside(&file, ".part").exists());
        let empty = TempDir::new().unwrap();
        let key = "firewarden.key";
        std::fs::copy(folder.path().join(key), empty.path().join(key)).unwrap();
        succeeds(empty.path(), &["restore", file.to_str().unwrap()]);
        let mode = std::fs::metadata(empty.path().join("firewarden.db")).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        let server = Server::start(empty.path(), &[("FIREWARDEN_LOG", "error")]).await;
        let people = everybody(&server.site).await;
        for (writer, least) in least.iter().enumerate() {
            a_prefix_is_there(&people, &format!("w{writer}"), *least);
        }
        let names: Vec<_> = std::fs::read_dir(empty.path()).unwrap().collect();
        let left = names
            .iter()
            .flatten()
            .filter(|n| n.file_name().to_string_lossy().contains("restoring"));
        assert_eq!(left.count(), 0);
    }
}

/// All transactions of a writer up to some number are there whole, and nothing of a later one.
fn a_prefix_is_there(people: &BTreeMap<String, usize>, writer: &str, least: usize) {
    let last = people.get(&format!("{writer}-last")).copied().unwrap_or(0);
    assert!(last >= least, "{writer}: {last}, of which {least} were acknowledged before");
    let expected: BTreeSet<String> = (1..=last)
        .flat_map(|number| (1..TOGETHER).map(move |n| (number, n)))
        .map(|(number, n)| format!("{writer}-{number}-{n}"))
        .collect();
    let prefix = format!("{writer}-");
    let found = people.keys().filter(|id| id.starts_with(&prefix) && !id.ends_with("-last"));
    assert_eq!(found.cloned().collect::<BTreeSet<_>>(), expected);
}

fn beside(path: &Path, ending: &str) -> std::path::PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(ending);
    path.into()
}

async fn a_policy(site: &Site, id: &str, client: &str) {
    site.put(json!({
        "resourceType": "AccessPolicy", "id": id, "engine": "json-schema",
        "link": [{"reference": format!("Client/{client}")}],
        "schema": {"required": ["uri"], "properties": {"uri": {"const": "/fhir/Patient"}}},
    }))
    .await;
}

async fn token_of(site: &Site, client: &str, secret: &str) -> String {
    let ask = site.ask("POST /auth/token").form("grant_type=client_credentials");
    let answer = ask.header("authorization", &basic(client, secret)).await.is(200);
    answer.at("/access_token").as_str().unwrap().to_owned()
}

async fn policy_version(site: &Site) -> u64 {
    site.root("GET /health/ready").await.is(200).at("/policy_version").as_u64().unwrap()
}

async fn unreviewed(site: &Site) -> Value {
    site.root("GET /health/ready").await.is(200).at("/restored_unreviewed")
}

async fn a_client(site: &Site, id: &str) {
    site.put(json!({
        "resourceType": "Client", "id": id, "secret": format!("secret of {id}"),
        "grant_types": ["basic", "client_credentials"],
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_tells_which_rights_come_back_and_ends_every_session() {
    let folder = TempDir::new().unwrap();
    let at = folder.path();
    let server = Server::start(at, &[]).await;
    let site = server.site.clone();
    for client in ["stays", "leaves"] {
        a_client(&site, client).await;
        a_policy(&site, &format!("of-{client}"), client).await;
    }
    let token = token_of(&site, "stays", "secret of stays").await;
    site.bearer(&token, "GET /fhir/Patient").await.is(200);
    succeeds(at, &["backup", "then"]);
    site.delete("/AccessPolicy/of-leaves").await;
    site.delete("/Client/leaves").await;
    a_policy(&site, "of-stays", "nobody").await;
    let later = token_of(&site, "stays", "secret of stays").await;
    let seen = policy_version(&site).await;
    assert_eq!(unreviewed(&site).await, Value::Null);

    let refused = fails(at, &["restore", "then", "--replace"]);
    assert!(refused.contains("is open in another process"), "{refused}");
    ended(server).await;
    let refused = fails(at, &["restore", "then"]);
    assert!(refused.contains("a database is there"), "{refused}");
    let told = succeeds(at, &["restore", "then", "--replace"]);
    for line in [
        "AccessPolicy/of-leaves",
        "Client/leaves",
        "AccessPolicy/of-stays",
        "AccessPolicy: 3, of which 2 differ",
        "Client: 3, of which 1 differ",
        "Sessions ended: 1.",
    ] {
        assert!(told.contains(line), "{line} in\n{told}");
    }
    let of = |id: &str| told.lines().find(|line| line.contains(id)).unwrap().to_owned();
    assert!(of("Client/leaves").contains("IT WAS NOT THERE ANY MORE"), "{told}");
    assert!(of("AccessPolicy/of-stays").contains("another version"), "{told}");
    assert!(!told.contains("Client/stays"), "what is the same is not listed:\n{told}");
    assert!(!told.contains("secret of"), "{told}");

    let server = Server::start(at, &[]).await;
    let site = server.site.clone();
    // The rights are back; what was a session is none.
    let leaves = basic("leaves", "secret of leaves");
    site.ask("GET /fhir/Patient").header("authorization", &leaves).await.is(200);
    for token in [&token, &later] {
        site.bearer(token, "GET /fhir/Patient").await.is(401);
    }
    assert!(policy_version(&site).await > seen);
    assert!(unreviewed(&site).await.is_string());
    assert!(log_text(at).contains("restore --reviewed"));
    let warned = || log_text(at).matches("restored from a backup").count();
    let before = warned();
    // It is warned until somebody has looked, and that may be noted while the server runs.
    ended(server).await;
    let server = Server::start(at, &[]).await;
    assert!(warned() > before);
    assert!(succeeds(at, &["restore", "--reviewed"]).contains("no longer warns"));
    assert_eq!(unreviewed(&server.site).await, Value::Null);
    let before = warned();
    ended(server).await;
    let server = Server::start(at, &[]).await;
    assert_eq!(warned(), before);
    assert!(succeeds(at, &["restore", "--reviewed"]).contains("nothing to be reviewed"));
    ended(server).await;

    // What was replaced is whole: it can be put back in its place.
    let aside = std::fs::read_dir(at).unwrap().flatten();
    let aside = aside.map(|n| n.path()).find(|p| p.to_string_lossy().contains(".replaced-"));
    std::fs::rename(aside.unwrap(), at.join("firewarden.db")).unwrap();
    let server = Server::start(at, &[]).await;
    assert_eq!(policy_version(&server.site).await, seen);
    server.site.ask("GET /fhir/Patient").header("authorization", &leaves).await.is(401);
}

/// A folder with a backup of an almost empty database.
async fn with_backup() -> TempDir {
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path(), &[]).await;
    server.site.put(json!({"resourceType": "Patient", "id": "a"})).await;
    succeeds(folder.path(), &["backup", "backup"]);
    ended(server).await;
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_whole_backup_is_refused_and_nothing_is_touched() {
    let folder = with_backup().await;
    let at = folder.path();
    let bytes = std::fs::read(at.join("backup")).unwrap();
    let manifest = std::fs::read_to_string(at.join("backup.manifest.json")).unwrap();
    let database = std::fs::read(at.join("firewarden.db")).unwrap();
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    let other_schema = manifest.replace("\"schema\": ", "\"schema\": 9");
    assert_ne!(manifest, other_schema);
    for (name, bytes, manifest, why) in [
        ("cut", &bytes[..bytes.len() / 2], Some(manifest.as_str()), "is not what its manifest"),
        ("flipped", &flipped, Some(manifest.as_str()), "is not what its manifest"),
        ("empty", &[], Some(manifest.as_str()), "is not what its manifest"),
        ("alone", &bytes, None, "alone.manifest.json"),
        ("strange", &bytes, Some("{}"), "cannot be read"),
        ("long", &bytes, Some(&" ".repeat(100_000)), "too long"),
        ("newer", &bytes, Some(&manifest.replace("\"form\": 1", "\"form\": 2")), "another version"),
        ("schema", &bytes, Some(&other_schema), "its schema"),
    ] {
        std::fs::write(at.join(name), bytes).unwrap();
        if let Some(manifest) = manifest {
            std::fs::write(at.join(format!("{name}.manifest.json")), manifest).unwrap();
        }
        let refused = fails(at, &["restore", name, "--replace"]);
        assert!(refused.contains(why), "{name}: {refused}");
        assert_eq!(std::fs::read(at.join("firewarden.db")).unwrap(), database, "{name}");
    }
    let names = std::fs::read_dir(at).unwrap().flatten().map(|n| n.file_name());
    let names: Vec<_> = names.map(|n| n.to_string_lossy().into_owned()).collect();
    assert!(!names.iter().any(|n| n.contains("restoring") || n.contains("replaced")), "{names:?}");
    succeeds(at, &["restore", "backup", "--replace"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_needs_the_key_that_sealed_its_secrets() {
    let folder = with_backup().await;
    let backup = folder.path().join("backup");
    let backup = backup.to_str().unwrap();
    let empty = TempDir::new().unwrap();
    let refused = fails(empty.path(), &["restore", backup]);
    assert!(refused.contains("bring the one that belongs to the backup"), "{refused}");
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0);
    let other = "f".repeat(64);
    let key = |key: &str| {
        let environment = [DATABASE, ("FIREWARDEN_SECRETS_KEY", key)];
        run(empty.path(), &["restore", backup], &environment)
    };
    let refused = key(&other);
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("not the one this database was made with"), "{}", refused.err);
    assert!(!empty.path().join("firewarden.db").exists());
    let right = std::fs::read_to_string(folder.path().join("firewarden.key")).unwrap();
    assert_eq!(key(right.trim()).code, Some(0));
    let environment = [("FIREWARDEN_SECRETS_KEY", right.trim())];
    let server = Server::start(empty.path(), &environment).await;
    server.site.root("GET /fhir/Patient/a").await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_overwritten_by_a_backup_and_none_is_made_of_nothing() {
    let folder = with_backup().await;
    let at = folder.path();
    for name in ["backup", "firewarden.db"] {
        let refused = fails(at, &["backup", name]);
        assert!(refused.contains("is there already"), "{refused}");
    }
    let refused = fails(at, &["backup", "no/such/folder"]);
    assert!(refused.contains("no/such/folder"), "{refused}");
    let empty = TempDir::new().unwrap();
    for arguments in [&["backup", "file"][..], &["migrate"], &["restore", "--reviewed"]] {
        let refused = fails(empty.path(), arguments);
        assert!(refused.contains("there is no database"), "{refused}");
    }
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_this_version_needs_no_migration_and_one_in_use_gets_none() {
    let folder = with_backup().await;
    let at = folder.path();
    assert!(succeeds(at, &["migrate"]).contains("as this program's"));
    let _server = Server::start(at, &[("FIREWARDEN_ROOT_CLIENT_SECRET", ROOT_SECRET)]).await;
    assert!(fails(at, &["migrate"]).contains("is open in another process"));
}
