//! That looking policies up by what they are for leaves none out that could grant.

use std::sync::Arc;

use async_trait::async_trait;
use firewarden_fhir::request::{Body, RestRequest};
use firewarden_fhir::search::Handling;
use futures_util::FutureExt as _;
use serde_json::{Value, json};

use super::*;
use crate::document::{Keys, RequestDocument};
use crate::policy_query::{Bindings, PolicyQuery};
use crate::{Asker, PolicyDatabase, QueryAnswer, RequestFacts, Unanswered, Verdict};

#[derive(Debug)]
struct NoDatabase;

#[async_trait]
impl PolicyDatabase for NoDatabase {
    async fn evaluate(&self, _: &PolicyQuery, _: &Bindings) -> Result<QueryAnswer, Unanswered> {
        Err(Unanswered::Failed)
    }
}

fn of_member(name: &str, rule: &Value) -> Value {
    match name.split_once('.') {
        None => json!({"required": [name], "properties": {name: rule}}),
        Some((name, inner)) => of_member(name, &of_member(inner, rule)),
    }
}

/// Rules that ask for one thing or another, in each engine that can say so.
fn rules() -> Vec<Value> {
    let mut rules = Vec::new();
    for (path, values) in [
        ("request-method", ["get", "post"]),
        ("uri", ["/fhir/Patient", "/fhir/Observation/1"]),
        ("params.resource/type", ["Patient", "Observation"]),
        ("operation.id", ["FhirSearch", "FhirHistory"]),
    ] {
        let schemas = [
            of_member(path, &json!({"const": values[0]})),
            of_member(path, &json!({"enum": values})),
            of_member(path, &json!({"not": {"const": values[1]}})),
        ];
        rules.extend(schemas.map(|schema| json!({"engine": "json-schema", "schema": schema})));
        let (outer, inner) = path.split_once('.').unwrap_or((path, ""));
        let matcho = |pattern: Value| {
            let pattern = if inner.is_empty() { pattern } else { json!({inner: pattern}) };
            json!({"engine": "matcho", "matcho": {outer: pattern}})
        };
        rules.push(matcho(json!(values[1])));
        rules.push(matcho(json!({"$one-of": [values[0], {"$enum": [values[1]]}]})));
        rules.push(json!({"engine": "complex", "or": [
            matcho(json!(values[0])), {"engine": "matcho", "matcho": {"user": "present?"}},
        ]}));
        rules.push(json!({"engine": "complex", "and": [
            matcho(json!(values[1])), {"engine": "matcho", "matcho": {"scheme": "https"}},
        ]}));
    }
    rules
}

/// Each rule for different callers and with different rows.
fn sources() -> Vec<PolicySource> {
    let subjects = [
        json!({}),
        json!({"link": [{"reference": "User/a"}, {"reference": "Client/c"}]}),
        json!({"link": [{"reference": "Operation/FhirSearch"}]}),
        json!({"roleName": "nurse"}),
        json!({"rows": {"Patient": "active=true", "Encounter": "status=planned"}}),
        json!({"rows": {"Observation": "status=final"}, "roleName": "nurse"}),
    ];
    let mut sources = Vec::new();
    for rule in rules() {
        for subject in &subjects {
            let mut content = rule.as_object().unwrap().clone();
            content.extend(subject.as_object().unwrap().clone());
            let id = Id::parse(&format!("p{}", sources.len())).unwrap();
            sources.push(PolicySource { id, content });
        }
    }
    sources
}

fn callers() -> Vec<Caller> {
    let object = |value: Value| Some(Arc::new(value.as_object().unwrap().clone()));
    let user = |id: &str| object(json!({"id": id}));
    let nurse = object(json!({"id": "r", "name": "nurse"})).unwrap();
    vec![
        Caller::anonymous(),
        Caller { user: user("a"), ..Caller::default() },
        Caller { client: user("c"), ..Caller::default() },
        Caller { user: user("b"), roles: vec![nurse], ..Caller::default() },
    ]
}

fn interaction(method: &str, path: &str) -> Interaction {
    let body = match method {
        "POST" | "PUT" => Body::Json(json!({"resourceType": path.split('/').next()})),
        _ => Body::Empty,
    };
    let request = RestRequest {
        method,
        path,
        query: "",
        body,
        if_match: None,
        if_none_exist: None,
        unserved_condition: None,
        handling: Handling::Lenient,
    };
    request.route("https://fw", Timestamp::UNIX_EPOCH).unwrap().interaction
}

fn interactions() -> Vec<Interaction> {
    let requests = [
        ("GET", "Patient"),
        ("GET", "Observation/1"),
        ("GET", "Encounter"),
        ("POST", "Patient"),
        ("GET", "Patient/_history"),
        ("GET", "_history"),
        ("DELETE", "Observation/1"),
    ];
    requests.into_iter().map(|(method, path)| interaction(method, path)).collect()
}

#[test]
fn no_policy_that_could_grant_is_left_out() {
    let set = PolicySet::compile(1, sources());
    assert!(set.broken().is_empty(), "{:?}", set.broken());
    let (mut granting, mut skipped) = (0, 0);
    for caller in callers() {
        for interaction in interactions() {
            let now = Timestamp::UNIX_EPOCH;
            let (caller_, facts) = (Arc::new(caller.clone()), Arc::new(RequestFacts::default()));
            let asker = Asker { caller: caller_, facts, database: Arc::new(NoDatabase), now };
            let document = RequestDocument::lazy(&interaction, &asker, Keys::ALL);
            let candidates = set.candidates(&caller, &interaction, now);
            for entry in set.applying(&caller, interaction.operation_id(), now) {
                let verdict = entry.1.verdict(&document, &NoDatabase).now_or_never().unwrap();
                let of = interaction.resource_type();
                let leaves_out = of.is_some_and(|of| entry.1.leaves_out(of));
                let found = candidates.iter().any(|found| found.0 == entry.0);
                let may_grant = verdict == Verdict::Satisfied && !leaves_out;
                assert!(found || !may_grant, "{} for {interaction:?} of {caller:?}", entry.0);
                granting += usize::from(may_grant);
                skipped += usize::from(!found);
            }
            let order: Vec<&Id> = set.policies.iter().map(|(id, _)| id).collect();
            let places = candidates.iter().map(|(id, _)| order.iter().position(|it| *it == id));
            assert!(places.is_sorted());
        }
    }
    assert!(granting > 300 && skipped > 1_000, "{granting} {skipped}");
}

#[test]
fn policies_for_others_are_not_looked_at() {
    let mut sources = sources();
    for index in 0..500 {
        let content = json!({"engine": "allow", "link": [{"reference": format!("User/u{index}")}]});
        let content = content.as_object().unwrap().clone();
        sources.push(PolicySource { id: Id::parse(&format!("u{index}")).unwrap(), content });
    }
    let set = PolicySet::compile(1, sources);
    let anonymous = Caller::anonymous();
    let metrics = set.candidates(&anonymous, &Interaction::Metrics, Timestamp::UNIX_EPOCH);
    assert!(metrics.len() < 30, "{}", metrics.len());
}

#[test]
fn every_stored_policy_counts_whether_or_not_it_grants() {
    let source = |(id, content): (&str, Value)| PolicySource {
        id: Id::parse(id).unwrap(),
        content: content.as_object().unwrap().clone(),
    };
    let read = [
        ("p1", json!({"engine": "allow", "link": [{"reference": "User/a"}]})),
        ("p2", json!({"engine": "matcho", "matcho": {"user": "present?"}})),
        ("p3", json!({"engine": "matcho", "matcho": {"client": "present?"}})),
    ];
    let shadows = [("s1", json!({"engine": "allow", "roleName": "x", "mode": "shadow"}))];
    let broken =
        [("b1", json!({"engine": "none"})), ("b2", json!({})), ("b3", json!({"engine": 1}))];
    for (sources, count) in [
        (Vec::new(), 0),
        (read.to_vec(), 3),
        (shadows.to_vec(), 1),
        (broken.to_vec(), 3),
        ([&read[..], &shadows[..], &broken[..]].concat(), 7),
    ] {
        let set = PolicySet::compile(1, sources.into_iter().map(source).collect());
        assert_eq!(set.count(), count);
    }
}

#[test]
fn each_administrator_is_found_by_the_own_policy() {
    let linked = |id: &str, to: &str| PolicySource {
        id: Id::parse(id).unwrap(),
        content: json!({"engine": "allow", "link": [{"reference": to}]})
            .as_object()
            .unwrap()
            .clone(),
    };
    let sources = vec![linked("p0", "User/a"), linked("p1", "User/b"), linked("p2", "Client/c")];
    let set = PolicySet::compile(1, sources);
    let named = |id: &str| json!({"id": id}).as_object().cloned().map(Arc::new);
    let user = |id: &str| Caller { user: named(id), ..Caller::anonymous() };
    let client = |id: &str| Caller { client: named(id), ..Caller::anonymous() };
    for (caller, policy) in [
        (user("a"), Some("p0")),
        (user("b"), Some("p1")),
        (client("c"), Some("p2")),
        (user("c"), None),
        (client("a"), None),
        (Caller::anonymous(), None),
    ] {
        let found = set.administering(&caller, Timestamp::UNIX_EPOCH).map(Id::as_str);
        assert_eq!(found, policy, "{caller:?}");
    }
}
