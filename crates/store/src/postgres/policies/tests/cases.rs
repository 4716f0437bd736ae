//! The cases that every store runs: see crates/store/tests/it/policies.rs.

use std::path::Path;

use firewarden_fhir::yaml;
use serde_json::Value;

use super::database::*;

/// The cases of every file, by its name.
fn files() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/policies");
    let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let named = files.map(|file| {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        (name, yaml::parse(&std::fs::read(&file).unwrap()).unwrap())
    });
    named.collect()
}

/// The queries of all cases.
pub(super) fn queries() -> Vec<String> {
    let queries = files().into_iter().flat_map(|(_, cases)| {
        let named = cases["queries"].as_object().cloned().unwrap_or_default();
        let own = cases["cases"].as_array().unwrap().iter().map(|case| case["query"].clone());
        own.chain(named.into_iter().map(|(_, query)| query)).collect::<Vec<_>>()
    });
    queries.map(|query| query.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn queries_say_on_postgresql_what_they_say_everywhere() {
    let mut wrong = Vec::new();
    for (name, cases) in files() {
        let Some(database) = Database::open().await else { return };
        for resource in cases["stored"].as_array().unwrap() {
            database.put(resource).await;
        }
        for deleted in cases["deleted"].as_array().into_iter().flatten() {
            database.delete(deleted.as_str().unwrap()).await;
        }
        for case in cases["cases"].as_array().unwrap() {
            let query = case["query"].as_str().unwrap();
            let query = cases["queries"].get(query).and_then(Value::as_str).unwrap_or(query);
            let request = case.get("request").unwrap_or(&cases["request"]);
            let tested = database.tried(query, request).await;
            let trace = case.get("trace").unwrap_or(&tested.trace["failing"]);
            if verdict(&tested) != case["expect"] || tested.trace["failing"] != *trace {
                wrong.push(format!("{name}: {query}: {}", tested.trace));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
