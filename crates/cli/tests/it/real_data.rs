//! Real records, made by Synthea: posted, counted, found and read back.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::http::Site;
use crate::running::Server;

/// Names the folder of the data, if it is not beside the repository.
const FOLDER: &str = "FIREWARDEN_TEST_DATA";
const QUIET: (&str, &str) = ("FIREWARDEN_LOG", "error");

#[expect(clippy::disallowed_methods, reason = "a test has no settings but the environment")]
fn folder() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os(FOLDER).map_or(beside, PathBuf::from).join("synthea-r4");
    if !folder.is_dir() {
        println!("skipped: {} is not there; {FOLDER} may name its folder", folder.display());
        return None;
    }
    Some(folder)
}

/// The bundles; those of hospitals and practitioners first, which the others refer to.
fn bundles(folder: &Path) -> Vec<Value> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort_by_key(|path| (!path.to_string_lossy().contains("Information"), path.clone()));
    paths
        .iter()
        .map(|path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
        .collect()
}

/// A resource with references as they are to be stored, and where it was written.
struct Posted {
    place: String,
    resource: Value,
}

/// Posts a transaction of creations.
async fn post(site: &Site, bundle: &Value) -> Vec<Posted> {
    let answer = site.root("POST /fhir").json(bundle).await.is(200).json();
    let (sent, done) = (bundle["entry"].as_array().unwrap(), answer["entry"].as_array().unwrap());
    assert_eq!(sent.len(), done.len());
    let places: Vec<String> = done.iter().map(place).collect();
    let full_urls = sent.iter().map(|entry| entry["fullUrl"].as_str().unwrap().to_owned());
    let resolved: HashMap<String, String> = full_urls.zip(places.iter().cloned()).collect();
    let posted = sent.iter().zip(&places).map(|(entry, place)| {
        let mut resource = entry["resource"].clone();
        resolve(&mut resource, &resolved);
        Posted { place: place.clone(), resource }
    });
    posted.collect()
}

/// `Type/id` of an entry of the answer.
fn place(done: &Value) -> String {
    assert_eq!(done["response"]["status"], "201 Created", "{done}");
    let location = done["response"]["location"].as_str().unwrap();
    let (_, place) = location.split_once("/fhir/").unwrap();
    place.split_once("/_history/").unwrap().0.to_owned()
}

fn resolve(value: &mut Value, places: &HashMap<String, String>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| resolve(item, places)),
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                match member.as_str().and_then(|text| places.get(text)) {
                    Some(place) if name == "reference" => *member = place.clone().into(),
                    _ => resolve(member, places),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The content without what the server gives.
fn content(resource: &Value) -> Map<String, Value> {
    let mut content = resource.as_object().unwrap().clone();
    content.shift_remove("id");
    if let Some(Value::Object(meta)) = content.get_mut("meta") {
        meta.shift_remove("versionId");
        meta.shift_remove("lastUpdated");
        if meta.is_empty() {
            content.shift_remove("meta");
        }
    }
    content
}

async fn each_type_is_counted(site: &Site, posted: &[Posted]) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for posted in posted {
        *counts.entry(posted.resource["resourceType"].as_str().unwrap()).or_default() += 1;
    }
    for (of, count) in counts {
        let found = site.root(&format!("GET /fhir/{of}?_summary=count")).await.is(200);
        assert_eq!(found.at("/total"), count, "{of}");
    }
}

async fn each_reads_back_unchanged(site: &Site, posted: &[Posted]) {
    for Posted { place, resource } in posted {
        let read = site.root(&format!("GET /fhir/{place}")).await.is(200).json();
        assert_eq!(content(&read), content(resource), "{place}");
    }
}

/// Each patient's Observations of each code, found by search, are those that were posted.
async fn observations_are_found(site: &Site, posted: &[Posted]) {
    let mut expected: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for Posted { place, resource } in posted {
        if resource["resourceType"] != "Observation" {
            continue;
        }
        let subject = resource["subject"]["reference"].as_str().unwrap().to_owned();
        let coding = &resource["code"]["coding"][0];
        let text = |name: &str| coding[name].as_str().unwrap().to_owned();
        let code = format!("{}|{}", text("system"), text("code"));
        let (_, id) = place.split_once('/').unwrap();
        expected.entry((subject, code)).or_default().push(id.to_owned());
    }
    assert!(expected.len() > 100, "{}", expected.len());
    for ((subject, code), mut ids) in expected {
        let line = format!("GET /fhir/Observation?subject={subject}&code={code}&_count=1000");
        let mut found = site.root(&line).await.is(200).ids();
        found.sort();
        ids.sort();
        assert_eq!(found, ids, "{subject} {code}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn real_records_are_counted_found_and_read_back() {
    let Some(folder) = folder() else { return };
    let bundles = bundles(&folder);
    assert_eq!(bundles.len(), 20);
    let home = TempDir::new().unwrap();
    let server = Server::start(home.path(), &[QUIET]).await;
    let mut posted = Vec::new();
    for bundle in &bundles {
        posted.extend(post(&server.site, bundle).await);
    }
    let sent: usize = bundles.iter().map(|b| b["entry"].as_array().unwrap().len()).sum();
    assert_eq!(posted.len(), sent);
    each_type_is_counted(&server.site, &posted).await;
    observations_are_found(&server.site, &posted).await;
    each_reads_back_unchanged(&server.site, &posted).await;
}

/// A transaction of that many entries: a Patient, and Observations of it.
fn generated(entries: usize) -> Value {
    let url = |n: usize| format!("urn:uuid:00000000-0000-4000-8000-{n:012}");
    let entry = |n: usize| {
        let resource = match n {
            0 => json!({"resourceType": "Patient", "name": [{"family": "Many"}]}),
            _ => json!({
                "resourceType": "Observation",
                "status": "final",
                "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
                "subject": {"reference": url(0)},
                "valueQuantity": {"value": n, "unit": "kg"},
            }),
        };
        let request = json!({"method": "POST", "url": resource["resourceType"]});
        json!({"fullUrl": url(n), "resource": resource, "request": request})
    };
    let entries: Vec<Value> = (0..entries).map(entry).collect();
    json!({"resourceType": "Bundle", "type": "transaction", "entry": entries})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_of_a_thousand_entries_is_written_whole() {
    let home = TempDir::new().unwrap();
    let server = Server::start(home.path(), &[QUIET]).await;
    let posted = post(&server.site, &generated(1_000)).await;
    each_type_is_counted(&server.site, &posted).await;
    let patient = &posted[0].place;
    let line = format!("GET /fhir/Observation?subject={patient}&_count=1000");
    assert_eq!(server.site.root(&line).await.is(200).ids().len(), 999);
    each_reads_back_unchanged(&server.site, &posted).await;
    // The same with one entry that is not valid: nothing is written.
    let mut broken = generated(1_000);
    broken["entry"][999]["resource"]["status"] = json!(["final"]);
    server.site.root("POST /fhir").json(&broken).await.is(422);
    each_type_is_counted(&server.site, &posted).await;
}
