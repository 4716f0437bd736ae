//! `POST /auth/policy-tests`: whether tests of policies hold, those stored or those sent.

use firewarden_fhir::Issue;
use firewarden_interactions::{Failure, Outcome};
use serde_json::Value;

use crate::failure::Refusal;
use crate::limits;
use crate::pipeline::Moment;
use crate::policy_tests::{self, Bench, People, Placed, WrittenTest};

/// The members of what is sent.
const MEMBERS: &[&str] = &["resources"];

/// Runs the tests among `{resources: [...]}` on the stored policies, users, roles and clients as
/// they would stand with those among the resources; without any test, those that are stored.
/// Nothing is saved.
pub(crate) async fn policy_tests(moment: &Moment<'_>, sent: &Value) -> Result<Outcome, Refusal> {
    let sent = resources(sent).map_err(Refusal::BadRequest)?;
    let (app, snapshot) = (moment.app, &moment.snapshot);
    let writes: Vec<_> = sent.iter().map(|(target, content)| (target, Some(content))).collect();
    let policies = policy_tests::policies_after(&app.store, &snapshot.policies, &writes).await;
    let people = People::new(Some(&app.directory), &writes);
    let mut tests: Vec<WrittenTest> = policy_tests::tests_after(&[], &writes);
    if tests.is_empty() {
        tests.clone_from(&snapshot.policy_tests);
    }
    if tests.len() > limits::POLICY_TESTS_MAX {
        return Err(Refusal::BadRequest(policy_tests::too_many()));
    }
    let bench = Bench {
        policies: policies.map_err(Failure::from)?,
        people: &people,
        store: Some(&app.store),
        base_url: &app.base_url,
        now: moment.now,
    };
    let outcomes = bench.run(&tests.iter().collect::<Vec<_>>()).await;
    Ok(Outcome::Made(policy_tests::told(&outcomes).to_string()))
}

/// The resources that are sent, each with its place.
fn resources(sent: &Value) -> Result<Vec<Placed>, Issue> {
    let members = sent.as_object();
    let unknown = members.and_then(|m| m.keys().find(|name| !MEMBERS.contains(&name.as_str())));
    if let Some(unknown) = unknown {
        return Err(Issue::error("structure", format!("`{unknown}` is not `resources`")));
    }
    let items = match sent.get("resources") {
        None => return Ok(Vec::new()),
        Some(Value::Array(items)) => items,
        Some(_) => return Err(Issue::error("structure", "`resources` is a list")),
    };
    policy_tests::targeted(items, policy_tests::TYPES)
}
