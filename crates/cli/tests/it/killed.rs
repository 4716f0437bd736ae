//! What was acknowledged survives the process's death: `kill -9` while many clients write.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::Site;
use crate::running::{PATIENCE, Server};

const ROUNDS: usize = 4;
const CLIENTS: usize = 20;
/// Resources of one transaction.
const TOGETHER: usize = 3;
const QUIET: (&str, &str) = ("FIREWARDEN_LOG", "error");

/// What the clients were told.
#[derive(Default)]
struct Told {
    /// The id and the identifier of each resource that was acknowledged.
    created: Mutex<Vec<(String, String)>>,
    /// The family name of each transaction that was acknowledged.
    transactions: Mutex<Vec<String>>,
    /// The family name of each transaction that was sent.
    sent: Mutex<Vec<String>>,
    acknowledged: AtomicUsize,
    stopped: AtomicBool,
}

fn patient(identifier: &str, family: &str) -> Value {
    json!({
        "resourceType": "Patient",
        "identifier": [{"system": "urn:test", "value": identifier}],
        "name": [{"family": family}],
    })
}

/// Writes until it is told to stop or the server is gone: one resource, then three together.
async fn write(site: Site, told: Arc<Told>, name: String) {
    for n in 0.. {
        if told.stopped.load(Ordering::SeqCst) {
            return;
        }
        let identifier = format!("{name}x{n}");
        let ask = site.root("POST /fhir/Patient").json(&patient(&identifier, "alone"));
        let Ok(answer) = ask.attempt().await else { return };
        assert_eq!(answer.status, 201, "{answer:?}");
        let id = answer.at("/id").as_str().unwrap().to_owned();
        told.created.lock().unwrap().push((id, identifier));
        told.acknowledged.fetch_add(1, Ordering::SeqCst);
        let family = format!("{name}t{n}");
        told.sent.lock().unwrap().push(family.clone());
        let ask = site.root("POST /fhir").json(&transaction(&family));
        let Ok(answer) = ask.attempt().await else { return };
        assert_eq!(answer.status, 200, "{answer:?}");
        told.transactions.lock().unwrap().push(family);
        told.acknowledged.fetch_add(1, Ordering::SeqCst);
    }
}

fn transaction(family: &str) -> Value {
    let entry = |member: usize| {
        let resource = patient(&format!("{family}m{member}"), family);
        json!({"request": {"method": "POST", "url": "Patient"}, "resource": resource})
    };
    let entries: Vec<Value> = (0..TOGETHER).map(entry).collect();
    json!({"resourceType": "Bundle", "type": "transaction", "entry": entries})
}

/// Every Patient, page by page.
async fn everybody(site: &Site) -> Vec<Value> {
    let mut found = Vec::new();
    let mut next = Some("/fhir/Patient?_count=1000".to_owned());
    while let Some(path) = next {
        let page = site.root(&format!("GET {path}")).await.is(200);
        let bundle = page.json();
        let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
        found.extend(entries.into_iter().map(|entry| entry["resource"].clone()));
        next = page.link("next");
    }
    found
}

async fn every_acknowledged_resource_is_there(site: &Site, told: &Told) {
    let created = told.created.lock().unwrap().clone();
    for part in created.chunks(100) {
        let identifiers: Vec<_> =
            part.iter().map(|(_, value)| format!("urn:test|{value}")).collect();
        let form = format!("_count=1000&identifier={}", identifiers.join(","));
        let found = site.root("POST /fhir/Patient/_search").form(&form).await.is(200).ids();
        let found: BTreeSet<String> = found.into_iter().collect();
        let expected: BTreeSet<String> = part.iter().map(|(id, _)| id.clone()).collect();
        assert_eq!(found, expected);
        let entry = |(id, _): &(String, String)| json!({"request": {"method": "GET", "url": format!("Patient/{id}")}});
        let entries: Vec<Value> = part.iter().map(entry).collect();
        let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": entries});
        let answer = site.root("POST /fhir").json(&batch).await.is(200).json();
        for (entry, (id, _)) in answer["entry"].as_array().unwrap().iter().zip(part) {
            assert_eq!(entry["resource"]["id"], id.as_str(), "{entry}");
        }
    }
}

fn every_transaction_is_whole(people: &[Value], told: &Told) {
    let acknowledged = told.transactions.lock().unwrap();
    for family in told.sent.lock().unwrap().iter() {
        let members = people.iter().filter(|p| p["name"][0]["family"] == family.as_str()).count();
        let whole = if acknowledged.contains(family) { &[TOGETHER][..] } else { &[0, TOGETHER] };
        assert!(whole.contains(&members), "{family}: {members} of {TOGETHER}");
    }
}

/// Kills a server while clients write to it, when so many writes have been acknowledged.
async fn kill_while_writing(folder: &TempDir, told: &Arc<Told>, round: usize) {
    let mut server = Server::start(folder.path(), &[QUIET]).await;
    let enough = told.acknowledged.load(Ordering::SeqCst) + 40 + round * 60;
    let writing: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let name = format!("r{round}c{client}");
            tokio::spawn(write(server.site.clone(), Arc::clone(told), name))
        })
        .collect();
    let reached = async {
        while told.acknowledged.load(Ordering::SeqCst) < enough {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, reached).await.expect("writes are acknowledged");
    server.kill();
    told.stopped.store(true, Ordering::SeqCst);
    for writer in writing {
        writer.await.unwrap();
    }
    told.stopped.store(false, Ordering::SeqCst);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_a_kill() {
    let folder = TempDir::new().unwrap();
    let told = Arc::new(Told::default());
    for round in 0..ROUNDS {
        kill_while_writing(&folder, &told, round).await;
        let server = Server::start(folder.path(), &[QUIET]).await;
        server.site.ask("GET /health/ready").await.is(200);
        every_acknowledged_resource_is_there(&server.site, &told).await;
        let people = everybody(&server.site).await;
        every_transaction_is_whole(&people, &told);
        let count = server.site.root("GET /fhir/Patient?_summary=count").await.at("/total");
        assert_eq!(count, people.len());
    }
}
