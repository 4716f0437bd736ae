//! The values and operators of rules in SQL, as the store's tests have them, asked of a running
//! server: whatever database it runs on, they decide the same.

use std::path::Path;

use firewarden_fhir::yaml;
use serde_json::{Value, json};

use crate::harness::TestServer;

/// What a test of a policy was answered, in the words of the cases.
fn verdict(result: &Value) -> Value {
    let trace = &result["trace"];
    let refused = trace.get("issues").is_some();
    let told = if refused { json!("refused") } else { trace["verdict"].clone() };
    assert_eq!(result["eval-result"], json!(told == "satisfied"), "{result}");
    told
}

#[tokio::test]
async fn a_rule_in_sql_decides_what_the_same_rule_decides_on_every_database() {
    let file = "../store/tests/cases/policies/values.yaml";
    let text = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let cases = yaml::parse(&text).unwrap();
    let server = TestServer::start().await;
    for resource in cases["stored"].as_array().unwrap() {
        server.put(resource.clone()).await;
    }
    let (mut asked, mut wrong) = (0, Vec::new());
    for case in cases["cases"].as_array().unwrap() {
        let request = case.get("request").unwrap_or(&cases["request"]);
        let policy = json!({"engine": "sql", "sql": {"query": case["query"]}});
        let asks = json!({"request": request, "policy": policy});
        let answer = server.root("POST /auth/test-policy").json(&asks).await.is(200);
        let result = answer.at("/result");
        asked += 1;
        if verdict(&result) != case["expect"] {
            wrong.push(format!("{case}: {result}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(asked > 100, "{asked}");
}
