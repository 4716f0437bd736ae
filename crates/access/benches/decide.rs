//! Decisions with 10 to 10,000 stored policies, of which 5 concern the caller. Run by
//! `cargo bench --package firewarden-access`.

#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]

use std::hint::black_box;
use std::sync::Arc;

use async_trait::async_trait;
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use firewarden_access::policy_query::{Bindings, PolicyQuery};
use firewarden_access::{
    Asker, Caller, PolicyDatabase, PolicySet, PolicySource, QueryAnswer, RequestFacts, Unanswered,
    decide,
};
use firewarden_fhir::search::SearchQuery;
use firewarden_fhir::{Id, Interaction, ResourceType, SearchForm, Timestamp};
use futures_util::FutureExt;
use serde_json::{Value, json};

/// The server's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug)]
struct NoDatabase;

#[async_trait]
impl PolicyDatabase for NoDatabase {
    async fn evaluate(&self, _: &PolicyQuery, _: &Bindings) -> Result<QueryAnswer, Unanswered> {
        Err(Unanswered::Failed)
    }
}

/// What concerns the caller's search of Observations: two that do not hold, and three that grant
/// rows.
fn concerning() -> Vec<Value> {
    let own = "subject=Patient/{{user.data.patient_id}}";
    vec![
        json!({"engine": "json-schema", "link": [{"reference": "User/alice"}], "schema": {
            "required": ["jwt"],
            "properties": {"jwt": {"required": ["aud"], "properties": {"aud": {"const": "other"}}}},
        }}),
        json!({"engine": "matcho", "roleName": "nurse", "matcho": {
            "request-method": "get", "params": {"resource/type": "Observation", "code": "#^8867"},
        }}),
        json!({"engine": "matcho", "matcho": {"user": "present?"}, "rows": {"Observation": own}}),
        json!({"engine": "json-schema", "roleName": "nurse", "schema": {
            "required": ["params"],
            "properties": {"params": {
                "required": ["resource/type"],
                "properties": {"resource/type": {"enum": ["Observation", "Patient"]}},
            }},
        }, "rows": {"Observation": "status=final"}}),
        json!({"engine": "matcho", "matcho": {
            "uri": "/fhir/Observation", "jwt": {"iss": "https://idp.example"},
        }, "rows": {"Observation": "performer=Practitioner/{{user.data.practitioner_id}}"}}),
    ]
}

/// A policy that concerns other callers, other types or other requests.
fn other(index: usize) -> Value {
    let link = |of: &str| json!([{"reference": format!("{of}/other-{index}")}]);
    match index % 6 {
        0 => json!({"engine": "allow", "link": link("User")}),
        1 => json!({"engine": "allow", "link": link("Client"), "rows": {"Observation": "*"}}),
        2 => json!({"engine": "allow", "roleName": format!("role-{index}")}),
        3 => json!({"engine": "matcho", "matcho": {
            "uri": format!("/fhir/Patient/{index}"), "user": "present?",
        }}),
        4 => json!({"engine": "json-schema", "schema": {
            "required": ["params", "user"],
            "properties": {"params": {
                "required": ["resource/type"], "properties": {"resource/type": {"const": "Encounter"}},
            }},
        }}),
        _ => json!({"engine": "matcho", "matcho": {"user": {"data": "present?"}},
            "rows": {"Encounter": "subject=Patient/{{user.data.patient_id}}"}}),
    }
}

fn policies(stored: usize) -> Arc<PolicySet> {
    let concerning = concerning();
    let others = (concerning.len()..stored).map(other);
    let all = concerning.clone().into_iter().chain(others).enumerate();
    let sources = all.map(|(index, content)| PolicySource {
        // Spread over the set, as their ids would be.
        id: Id::parse(&format!("{:05}-{index}", index * 7919 % stored)).unwrap(),
        content: content.as_object().unwrap().clone(),
    });
    let set = PolicySet::compile(1, sources.collect());
    assert!(set.broken().is_empty());
    Arc::new(set)
}

fn asker() -> Asker {
    let object = |value: Value| Arc::new(value.as_object().unwrap().clone());
    let caller = Caller {
        user: Some(object(json!({"id": "alice", "data": {
            "patient_id": "p-1", "practitioner_id": "d-1",
        }}))),
        roles: vec![object(
            json!({"id": "r", "name": "nurse", "user": {"reference": "User/alice"}}),
        )],
        jwt: Some(object(json!({"iss": "https://idp.example", "sub": "alice", "aud": "us"}))),
        ..Caller::anonymous()
    };
    let facts = RequestFacts { base_url: "https://fw.example/fhir".into(), ..Default::default() };
    let (caller, facts) = (Arc::new(caller), Arc::new(facts));
    Asker { caller, facts, database: Arc::new(NoDatabase), now: Timestamp::UNIX_EPOCH }
}

fn decisions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decide");
    let asker = asker();
    for stored in [10, 100, 1_000, 10_000] {
        let policies = policies(stored);
        let search = || {
            let of = ResourceType::parse("Observation").unwrap();
            Interaction::Search(SearchQuery::all(of), SearchForm::Get)
        };
        let granted = decide(&policies, asker.clone(), search()).now_or_never().unwrap().unwrap();
        assert_eq!(granted.granted_by().len(), 3);
        group.bench_with_input(BenchmarkId::from_parameter(stored), &policies, |bencher, set| {
            let decided = |(asker, search)| {
                black_box(decide(set, asker, search).now_or_never()).unwrap().unwrap()
            };
            bencher.iter_batched(|| (asker.clone(), search()), decided, BatchSize::SmallInput);
        });
    }
    group.finish();
}

criterion_group!(benches, decisions);
criterion_main!(benches);
