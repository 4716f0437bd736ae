//! Pages of searches and histories: whole, bound to who asked for them, and decided anew.

use serde_json::json;

use crate::harness::{TestServer, allow_user, token};

const PATIENTS: usize = 25;

async fn server() -> TestServer {
    let server = TestServer::start().await;
    server.trust().await;
    for id in ["alice", "bob"] {
        server.put(json!({"resourceType": "User", "id": id, "data": {"sub": id}})).await;
        server.put(allow_user(id)).await;
    }
    let entry = |n: usize| {
        let resource = json!({
            "resourceType": "Patient", "id": format!("p{n:02}"), "gender": "female",
            // Several share a date, so that pages end inside what sorts alike.
            "birthDate": format!("19{:02}-01-01", n / 4), "name": [{"family": format!("F{}", n % 3)}],
        });
        json!({"request": {"method": "PUT", "url": format!("Patient/p{n:02}")}, "resource": resource})
    };
    let entries: Vec<_> = (0..PATIENTS).map(entry).collect();
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
    server.root("POST /fhir").json(&bundle).await.is(200);
    server
}

#[tokio::test]
async fn pages_together_are_the_whole_result_once() {
    let server = server().await;
    for query in [
        "",
        "&gender=female",
        "&_sort=birthdate",
        "&_sort=-birthdate",
        "&_sort=family,-birthdate",
        "&_sort=-_lastUpdated",
        "&_sort=-_id",
        "&_total=accurate",
    ] {
        let whole =
            server.root(&format!("GET /fhir/Patient?_count=1000{query}")).await.is(200).ids();
        assert_eq!(whole.len(), PATIENTS);
        let mut found = Vec::new();
        let mut next = Some(format!("/fhir/Patient?_count=7{query}"));
        let mut pages = 0;
        while let Some(path) = next {
            let page = server.root(&format!("GET {path}")).await.is(200);
            assert!(page.ids().len() <= 7, "{query}");
            found.extend(page.ids());
            next = page.link("next");
            pages += 1;
        }
        assert_eq!((found, pages), (whole, 4), "{query}");
    }
}

#[tokio::test]
async fn a_page_may_have_another_size() {
    let server = server().await;
    let first = server.root("GET /fhir/Patient?_count=3&_sort=_id").await;
    let next = first.link("next").unwrap().replace("_count=3", "_count=100");
    let rest = server.root(&format!("GET {next}")).await.is(200);
    assert_eq!(rest.ids().len(), PATIENTS - 3);
    assert_eq!(rest.link("next"), None);
}

#[tokio::test]
async fn a_write_between_two_pages_neither_repeats_nor_hides_what_was_there() {
    let server = server().await;
    let first = server.root("GET /fhir/Patient?_count=10&_sort=_id").await;
    let next = first.link("next").unwrap();
    server.put(json!({"resourceType": "Patient", "id": "a-new-one"})).await;
    server.delete("/fhir/Patient/p03").await;
    let second = server.root(&format!("GET {next}")).await.is(200);
    let expected: Vec<String> = (10..20).map(|n| format!("p{n}")).collect();
    assert_eq!(second.ids(), expected);
}

#[tokio::test]
async fn a_cursor_is_of_one_caller_and_one_search() {
    let server = server().await;
    let (alice, bob) = (token("alice"), token("bob"));
    let page = server.bearer(&alice, "GET /fhir/Patient?gender=female&_count=5").await.is(200);
    let next = page.link("next").unwrap();
    server.bearer(&alice, &format!("GET {next}")).await.is(200);
    server.bearer(&bob, &format!("GET {next}")).await.is(400);
    server.root(&format!("GET {next}")).await.is(400);
    let (_, cursor) = next.split_once("_cursor=").unwrap();
    let forged = format!("{cursor}A");
    for path in [
        format!("/fhir/Patient?_cursor={cursor}"),
        format!("/fhir/Patient?gender=male&_cursor={cursor}"),
        format!("/fhir/Patient?gender=female&_sort=_id&_cursor={cursor}"),
        format!("/fhir/Observation?_cursor={cursor}"),
        format!("/fhir/Patient/_history?_cursor={cursor}"),
        format!("/fhir/Patient?gender=female&_cursor={forged}"),
        format!("/fhir/Patient?gender=female&_cursor={}", cursor.split_at(1).1),
        "/fhir/Patient?gender=female&_cursor=x".to_owned(),
    ] {
        server.bearer(&alice, &format!("GET {path}")).await.is(400);
    }
}

#[tokio::test]
async fn every_page_is_decided_anew() {
    let server = server().await;
    let alice = token("alice");
    let page = server.bearer(&alice, "GET /fhir/Patient?_count=5").await.is(200);
    let next = page.link("next").unwrap();
    server.delete("/AccessPolicy/allow-alice").await;
    server.bearer(&alice, &format!("GET {next}")).await.is(403);
    server.put(allow_user("alice")).await;
    server.bearer(&alice, &format!("GET {next}")).await.is(200);
}

#[tokio::test]
async fn pages_of_a_history_are_whole_too() {
    let server = server().await;
    for path in ["/fhir/Patient/_history", "/fhir/_history"] {
        let whole = server.root(&format!("GET {path}?_count=1000")).await.is(200).json();
        let urls = |bundle: &serde_json::Value| -> Vec<String> {
            let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
            entries.iter().map(|entry| entry["fullUrl"].to_string()).collect()
        };
        let mut found = Vec::new();
        let mut next = Some(format!("{path}?_count=6"));
        while let Some(page) = next {
            let page = server.root(&format!("GET {page}")).await.is(200);
            found.extend(urls(&page.json()));
            next = page.link("next");
        }
        assert_eq!(found, urls(&whole), "{path}");
    }
    let page = server.bearer(&token("alice"), "GET /fhir/Patient/_history?_count=6").await;
    let next = page.link("next").unwrap();
    server.bearer(&token("bob"), &format!("GET {next}")).await.is(400);
}
