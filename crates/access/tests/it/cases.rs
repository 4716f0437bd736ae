//! Cases in YAML: where they are, and how their parts are read.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use firewarden_access::policy_query::{Bindings, PolicyQuery};
use firewarden_access::{
    Asker, Caller, Denial, Permitted, PolicyDatabase, PolicySet, PolicySource, QueryAnswer,
    RequestFacts, Tested, Unanswered, decide, test_policy,
};
use firewarden_fhir::request::{Body, RestRequest};
use firewarden_fhir::search::Handling;
use firewarden_fhir::{AskedOfJobs, Explain, Id, Interaction, SentToken, Timestamp, yaml};
use futures_util::FutureExt as _;
use serde_json::{Map, Value};

const BASE_URL: &str = "http://localhost:8080/fhir";

/// Runs `check` on each case of each file in the folder, with a name to blame.
pub(crate) fn each_case(folder: &str, check: impl Fn(&str, &Value)) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(folder);
    let mut paths: Vec<_> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "no cases in {folder:?}");
    for path in paths {
        let file = path.file_stem().unwrap().to_string_lossy().into_owned();
        let cases = yaml::parse(&fs::read(&path).unwrap())
            .unwrap_or_else(|error| panic!("{file}: {error}"));
        for (index, case) in cases.as_array().unwrap().iter().enumerate() {
            let name = case["name"].as_str().map_or_else(|| index.to_string(), str::to_owned);
            check(&format!("{file}: {name}"), case);
        }
    }
}

pub(crate) fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

pub(crate) fn policies(list: &Value) -> Arc<PolicySet> {
    let sources = list.as_array().into_iter().flatten().map(|policy| {
        let content = object(policy);
        PolicySource { id: Id::parse(content["id"].as_str().unwrap()).unwrap(), content }
    });
    Arc::new(PolicySet::compile(7, sources.collect()))
}

pub(crate) fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

/// Reads `{user, client, roles, jwt, token, scopes_enforced}`.
pub(crate) fn caller(value: &Value) -> Arc<Caller> {
    let part = |name: &str| value.get(name).map(|part| Arc::new(object(part)));
    let roles = value.get("roles").and_then(Value::as_array);
    let scopes_enforced = value.get("scopes_enforced") == Some(&Value::Bool(true));
    let session = firewarden_access::Session { scopes_enforced, ..Default::default() };
    Arc::new(Caller {
        user: part("user"),
        client: part("client"),
        roles: roles.into_iter().flatten().map(|role| Arc::new(object(role))).collect(),
        jwt: part("jwt"),
        token: part("token"),
        session,
    })
}

/// Reads `GET /fhir/Patient/1` and the like, and the interactions that are not FHIR's.
pub(crate) fn interaction(line: &str, body: Option<&Value>) -> Interaction {
    match line {
        "GET /auth/userinfo" => return Interaction::UserInfo,
        "GET /auth/shadow" => return Interaction::Explain(Explain::Shadow),
        "GET /auth/jobs" => return Interaction::Jobs(AskedOfJobs::List),
        "DELETE /auth/jobs/x" => return Interaction::Jobs(AskedOfJobs::Cancel("x".into())),
        "POST /auth/test-policy" => return Interaction::TestPolicy(Value::Null),
        "POST /$matcho" => return Interaction::TestMatcho(Value::Null),
        "POST /auth/test-token" => return Interaction::TestToken(SentToken::new("x".into())),
        "GET /health/ready" => return Interaction::HealthDetails,
        "GET /metrics" => return Interaction::Metrics,
        _ => {}
    }
    let (method, url) = line.split_once(' ').unwrap();
    let path = url.strip_prefix("/fhir/").or_else(|| url.strip_prefix('/')).unwrap();
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let request = RestRequest {
        method,
        path,
        query,
        body: body.map_or(Body::Empty, |body| Body::Json(body.clone())),
        if_match: None,
        if_none_exist: None,
        unserved_condition: None,
        handling: Handling::Lenient,
    };
    let routed = request.route(BASE_URL, now()).unwrap_or_else(|why| panic!("{line}: {why:?}"));
    routed.interaction
}

pub(crate) fn facts(line: &str) -> Arc<RequestFacts> {
    Arc::new(RequestFacts {
        scheme: "http",
        remote_address: Some([192, 0, 2, 1].into()),
        headers: vec![("accept".into(), "application/fhir+json".into())],
        query_string: line.split_once('?').map(|(_, query)| query.to_owned()),
        base_url: BASE_URL.into(),
    })
}

pub(crate) fn decided(
    policies: &Arc<PolicySet>,
    who: &Arc<Caller>,
    line: &str,
    body: Option<&Value>,
) -> Result<Permitted, Denial> {
    let database = Arc::new(NoDatabase);
    let asker = Asker { caller: Arc::clone(who), facts: facts(line), database, now: now() };
    answer(decide(policies, asker, interaction(line, body)))
}

/// What comes of trying a policy on a document.
pub(crate) fn tested(policy: &Value, document: &Value) -> Tested {
    answer(test_policy(document, &object(policy), &NoDatabase, now()))
}

/// The output of a future that waits for nothing.
pub(crate) fn answer<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("it waits for nothing")
}

/// A database that answers no rule.
#[derive(Debug)]
pub(crate) struct NoDatabase;

#[async_trait]
impl PolicyDatabase for NoDatabase {
    async fn evaluate(
        &self,
        _query: &PolicyQuery,
        _bindings: &Bindings,
    ) -> Result<QueryAnswer, Unanswered> {
        Err(Unanswered::Failed)
    }
}
