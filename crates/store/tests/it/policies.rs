//! The rules of `sql` policies: what each query says of a request and of what is stored, the same
//! in every store.
//!
//! In each file of tests/cases/policies, `stored` is put first, `request` is the request document
//! of the cases that have none of their own, `queries` names longer queries, and `expect` is the verdict, or `refused` for a query
//! that cannot be saved.

use std::path::Path;

use firewarden_access::{Tested, test_policy};
use firewarden_fhir::yaml;
use firewarden_store::Store;
use firewarden_store::limits::{POLICY_QUERIES_WAITING_MAX, POLICY_READERS_MAX};
use serde_json::{Value, json};

use crate::opened::*;

async fn tried(store: &Store, query: &str, request: &Value) -> Tested {
    let policy = json!({"engine": "sql", "sql": {"query": query}});
    let policy = policy.as_object().unwrap();
    test_policy(request, policy, &*store.policy_database(), at(0)).await
}

fn verdict(tested: &Tested) -> &str {
    if tested.trace.get("issues").is_some() {
        return "refused";
    }
    tested.trace["verdict"].as_str().unwrap()
}

async fn put_all(store: &Store, resources: &Value) {
    for resource in resources.as_array().into_iter().flatten() {
        let name = resource["resourceType"].as_str().unwrap();
        let target = format!("{name}/{}", resource["id"].as_str().unwrap());
        write(store, vec![put(&target, &resource.to_string())]).await.unwrap();
    }
}

#[tokio::test]
async fn queries_say_what_postgresql_would() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/policies");
    let mut files: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    let mut wrong = Vec::new();
    for file in files {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let cases = yaml::parse(&std::fs::read(&file).unwrap())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let opened = open();
        put_all(&opened.store, &cases["stored"]).await;
        for deleted in cases["deleted"].as_array().into_iter().flatten() {
            write(&opened.store, vec![delete(deleted.as_str().unwrap())]).await.unwrap();
        }
        for case in cases["cases"].as_array().unwrap() {
            let query = case["query"].as_str().unwrap();
            let query = cases["queries"].get(query).and_then(Value::as_str).unwrap_or(query);
            let request = case.get("request").unwrap_or(&cases["request"]);
            let tested = tried(&opened.store, query, request).await;
            let trace = case.get("trace").unwrap_or(&tested.trace["failing"]);
            if verdict(&tested) != case["expect"] || tested.trace["failing"] != *trace {
                wrong.push(format!("{name}: {query}: {}", tested.trace));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Rows beyond any time: a row for each choice of so many resources.
const ENDLESS: &str =
    "select count(*) = 0 from patient a, patient b, patient c, patient d, patient e, patient f,
    patient g, patient h, patient i, patient j where a.resource->>'x' = j.id or {{uri}} = 'x'";

async fn with_patients(number: usize) -> Opened {
    let opened = open();
    let patient = |index| put(&format!("Patient/p{index}"), "{}");
    write(&opened.store, (0..number).map(patient).collect()).await.unwrap();
    opened
}

#[tokio::test]
async fn a_query_beyond_its_time_fails_and_others_go_on() {
    let opened = with_patients(30).await;
    let request = json!({"uri": "/fhir/Patient"});
    let store = &opened.store;
    let endless = tried(store, ENDLESS, &request);
    let quick = async {
        for _ in 0..20 {
            assert_eq!(
                verdict(&tried(store, "select {{uri}} = '/fhir/Patient'", &request).await),
                "satisfied"
            );
        }
    };
    let (tested, ()) = tokio::join!(endless, quick);
    assert_eq!(tested.trace, json!({"verdict": "failed", "failing": {"query": "out of time"}}));
    // Its connection comes back.
    for _ in 0..2 * POLICY_READERS_MAX {
        assert_eq!(verdict(&tried(store, "select 1", &request).await), "satisfied");
    }
}

#[tokio::test]
async fn all_queries_of_a_request_share_a_budget_of_time() {
    let opened = with_patients(30).await;
    let database = opened.store.policy_database();
    let request = json!({"uri": "/fhir/Patient"});
    let mut verdicts = Vec::new();
    for query in [ENDLESS, ENDLESS, ENDLESS, "select true"] {
        let policy = json!({"engine": "sql", "sql": {"query": query}});
        let tested = test_policy(&request, policy.as_object().unwrap(), &*database, at(0)).await;
        verdicts.push(tested.trace["failing"]["query"].clone());
    }
    // The next query finds nothing left, however short it is.
    assert_eq!(verdicts, ["out of time"; 4]);
    assert_eq!(verdict(&tried(&opened.store, "select true", &request).await), "satisfied");
}

#[tokio::test]
async fn a_query_that_nobody_waits_for_gives_its_connection_back() {
    let opened = with_patients(30).await;
    let request = json!({"uri": "/fhir/Patient"});
    for _ in 0..3 * POLICY_READERS_MAX {
        let mut left = Box::pin(tried(&opened.store, ENDLESS, &request));
        std::future::poll_fn(|task| std::task::Poll::Ready(left.as_mut().poll(task).is_ready()))
            .await;
    }
    assert_eq!(verdict(&tried(&opened.store, "select 1", &request).await), "satisfied");
}

#[tokio::test]
async fn only_so_many_queries_wait() {
    let opened = with_patients(30).await;
    let request = json!({"uri": "/fhir/Patient"});
    let mut waiting = Vec::new();
    // A store for tests has two readers.
    for _ in 0..2 + POLICY_QUERIES_WAITING_MAX {
        let mut endless = Box::pin(tried(&opened.store, ENDLESS, &request));
        let poll = std::future::poll_fn(|task| {
            std::task::Poll::Ready(endless.as_mut().poll(task).is_ready())
        });
        assert!(!poll.await);
        waiting.push(endless);
    }
    let one_more = tried(&opened.store, "select 1", &request).await;
    assert_eq!(one_more.trace["failing"], json!({"query": "too many queries are running"}));
}

#[tokio::test]
async fn large_values_are_compared_within_the_time() {
    let opened = open();
    let list: Vec<usize> = (0..100_000).collect();
    let text = "a".repeat(200_000);
    let request = json!({"resource": {"list": list, "other": list.iter().map(|n| n + 50_000).collect::<Vec<_>>()},
        "params": {"text": text, "pattern": format!("%{}b%c", "a".repeat(100_000))}});
    for query in [
        "select {{resource}}::jsonb->'list' @> ({{resource}}::jsonb->'other')",
        "select {{params.text}} like {{params.pattern}}",
        "select ({{resource}}::jsonb->'list')::text = 'x'",
    ] {
        let tested = tried(&opened.store, query, &request).await;
        assert!(!tested.satisfied, "{query}: {}", tested.trace);
        assert_eq!(
            verdict(&tried(&opened.store, "select 1", &request).await),
            "satisfied",
            "{query}"
        );
    }
}
