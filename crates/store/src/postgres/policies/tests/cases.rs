//! The cases that every store runs: see crates/store/tests/it/policies.rs.

use std::path::Path;

use firewarden_fhir::yaml;
use serde_json::Value;

use super::database::*;

#[tokio::test]
async fn queries_say_on_postgresql_what_they_say_everywhere() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/policies");
    let mut wrong = Vec::new();
    for file in std::fs::read_dir(&folder).unwrap() {
        let file = file.unwrap().path();
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let cases = yaml::parse(&std::fs::read(&file).unwrap()).unwrap();
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
