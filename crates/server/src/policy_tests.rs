//! Tests of policies: run as things stand, and as they would stand after a change.

mod people;

use std::sync::Arc;

use firewarden_access::{
    NoDatabase, PolicyDatabase, PolicySet, PolicySource, PolicyTest, Unexpected,
};
use firewarden_fhir::{Id, Issue, ResourceType, Severity, Target, Timestamp};
use firewarden_identity::{Directory, caller_of};
use firewarden_store::Store;
use serde_json::{Map, Value, json};

pub(crate) use self::people::People;
use crate::limits;

/// The types of resources that tests are about.
pub(crate) const TYPES: &[&str] = &["AccessPolicy", "AccessPolicyTest", "User", "Role", "Client"];

/// A test that somebody wrote: its id, and what it says.
pub(crate) type WrittenTest = (Id, Map<String, Value>);

/// A resource, and where it stands.
pub(crate) type Placed = (Target, Map<String, Value>);

/// What came of one test.
#[derive(Clone, Debug)]
pub(crate) struct TestOutcome {
    pub(crate) id: Id,
    pub(crate) description: Option<String>,
    pub(crate) failed: Option<Unexpected>,
}

/// What tests are run on.
pub(crate) struct Bench<'a> {
    pub(crate) policies: Arc<PolicySet>,
    pub(crate) people: &'a dyn Directory,
    /// What the rules of `sql` policies ask, with a budget of time for each test; without one they
    /// fail.
    pub(crate) store: Option<&'a Store>,
    pub(crate) base_url: &'a str,
    pub(crate) now: Timestamp,
}

impl Bench<'_> {
    /// Runs tests, one after the other.
    pub(crate) async fn run(&self, tests: &[&WrittenTest]) -> Vec<TestOutcome> {
        let mut outcomes = Vec::with_capacity(tests.len());
        for (id, content) in tests {
            tokio::task::yield_now().await;
            let description = content.get("description").and_then(Value::as_str);
            let failed = self.run_one(content).await.err();
            let description = description.map(str::to_owned);
            outcomes.push(TestOutcome { id: id.clone(), description, failed });
        }
        outcomes
    }

    async fn run_one(&self, content: &Map<String, Value>) -> Result<(), Unexpected> {
        let cannot = |got: String| Unexpected { expected: "a test that runs".to_owned(), got };
        let test = PolicyTest::read(content, self.base_url, self.now).map_err(|issues| {
            let first = issues.into_iter().next().map(|issue| issue.diagnostics);
            cannot(first.unwrap_or_default())
        })?;
        let tested = test.caller();
        let (user, client) = (tested.user.as_ref(), tested.client.as_ref());
        let caller = caller_of(user, client, self.people).await;
        let caller = caller.map_err(|why| cannot(why.to_string()))?;
        let database: Arc<dyn PolicyDatabase> = match self.store {
            Some(store) => store.policy_database(),
            None => Arc::new(NoDatabase),
        };
        test.run(&self.policies, caller, database, self.now).await
    }
}

impl TestOutcome {
    /// In JSON.
    pub(crate) fn to_json(&self) -> Value {
        let mut told = Map::new();
        told.insert("id".to_owned(), self.id.as_str().into());
        told.extend(self.description.clone().map(|text| ("description".to_owned(), text.into())));
        told.insert("passed".to_owned(), self.failed.is_none().into());
        if let Some(Unexpected { expected, got }) = &self.failed {
            told.insert("expected".to_owned(), expected.as_str().into());
            told.insert("got".to_owned(), got.as_str().into());
        }
        Value::Object(told)
    }
}

/// The outcomes in JSON, with how many there are of each kind.
pub(crate) fn told(outcomes: &[TestOutcome]) -> Value {
    let failed = outcomes.iter().filter(|outcome| outcome.failed.is_some()).count();
    json!({
        "passed": outcomes.len() - failed,
        "failed": failed,
        "tests": outcomes.iter().map(TestOutcome::to_json).collect::<Value>(),
    })
}

/// What is written to the types that tests are about, in one transaction. `None` is a deletion.
pub(crate) type Writes<'a> = [(&'a Target, Option<&'a Map<String, Value>>)];

/// Whether a transaction may change what a test says.
pub(crate) fn concerns(writes: &Writes<'_>) -> bool {
    of_type(writes, "AccessPolicy").chain(of_type(writes, "AccessPolicyTest")).next().is_some()
}

/// What is written of one type.
fn of_type<'a>(
    writes: &'a Writes<'a>,
    name: &'static str,
) -> impl Iterator<Item = (&'a Id, Option<&'a Map<String, Value>>)> {
    let named = move |target: &Target| target.resource_type.name() == name;
    let writes = writes.iter().filter(move |(target, _)| named(target));
    writes.map(|(target, content)| (&target.id, *content))
}

/// The tests as they would stand after the writes.
pub(crate) fn tests_after(stored: &[WrittenTest], writes: &Writes<'_>) -> Vec<WrittenTest> {
    let stays =
        |(id, _): &&WrittenTest| !of_type(writes, "AccessPolicyTest").any(|(of, _)| of == id);
    let mut tests: Vec<WrittenTest> = stored.iter().filter(stays).cloned().collect();
    let written = of_type(writes, "AccessPolicyTest");
    tests.extend(written.filter_map(|(id, content)| Some((id.clone(), content?.clone()))));
    tests
}

/// The policies as they would stand after the writes; `None` where none is written.
pub(crate) fn policies_after(
    version: u64,
    stored: impl FnOnce() -> Vec<PolicySource>,
    writes: &Writes<'_>,
) -> Option<Arc<PolicySet>> {
    of_type(writes, "AccessPolicy").next()?;
    let mut sources = stored();
    sources.retain(|source| !of_type(writes, "AccessPolicy").any(|(id, _)| *id == source.id));
    let written = of_type(writes, "AccessPolicy");
    sources.extend(written.filter_map(|(id, content)| {
        Some(PolicySource { id: id.clone(), content: content?.clone() })
    }));
    Some(Arc::new(PolicySet::compile(version, sources)))
}

/// Those of the tests that held before, or were not there, and fail now.
pub(crate) fn flipped(before: &[TestOutcome], after: Vec<TestOutcome>) -> Vec<TestOutcome> {
    let failed_before =
        |id: &Id| before.iter().any(|earlier| earlier.id == *id && earlier.failed.is_some());
    after
        .into_iter()
        .filter(|outcome| outcome.failed.is_some() && !failed_before(&outcome.id))
        .collect()
}

/// Runs the tests among resources on the policies, users, roles and clients among them, without a
/// server: `{passed, failed, tests}`. A policy that asks the database fails, and so does one that
/// a server would refuse.
pub async fn test_policies(resources: &[Value], now: Timestamp) -> Result<Value, Issue> {
    let resources = targeted(resources, TYPES)?;
    let writes: Vec<_> =
        resources.iter().map(|(target, content)| (target, Some(content))).collect();
    let people = People::new(None, &writes);
    let policies = policies_after(0, Vec::new, &writes).unwrap_or_default();
    let bench =
        Bench { policies, people: &people, store: None, base_url: "http://localhost/fhir", now };
    let tests = tests_after(&[], &writes);
    Ok(told(&bench.run(&tests.iter().collect::<Vec<_>>()).await))
}

/// Resources with the place that each has: those without an id are given one.
pub(crate) fn targeted(resources: &[Value], types: &[&str]) -> Result<Vec<Placed>, Issue> {
    let one = |(index, resource): (usize, &Value)| {
        let wrong = |text: String| Issue::error("value", text).at(format!("resources[{index}]"));
        let content = resource.as_object().ok_or_else(|| wrong("not an object".to_owned()))?;
        let text = |name: &str| content.get(name).and_then(Value::as_str);
        let of = text("resourceType").filter(|name| types.contains(name));
        let of = of.and_then(ResourceType::parse).ok_or_else(|| {
            wrong(format!("`resourceType` is not one of `{}`", types.join("`, `")))
        })?;
        let id = match text("id") {
            Some(id) => Id::parse(id).ok_or_else(|| wrong("`id` is not an id".to_owned()))?,
            None => Id::parse(&format!("{}-{index}", of.name().to_ascii_lowercase()))
                .ok_or_else(|| wrong("`id` is missing".to_owned()))?,
        };
        Ok((Target::new(of, id), content.clone()))
    };
    resources.iter().enumerate().map(one).collect()
}

/// What is told of the tests that a change would make fail: errors, or warnings where it is done
/// all the same.
pub(crate) fn issues(flipped: &[TestOutcome], severity: Severity) -> Vec<Issue> {
    let told = |outcome: &TestOutcome| {
        let Unexpected { expected, got } = outcome.failed.as_ref()?;
        let id = &outcome.id;
        let text = format!("the test `{id}` fails with this: expected {expected}, got {got}");
        let at = format!("AccessPolicyTest.where(id = '{id}').expect");
        Some(Issue { severity, ..Issue::error("business-rule", text) }.at(at))
    };
    let issues_max = firewarden_fhir::limits::ISSUES_MAX;
    flipped.iter().filter_map(told).take(issues_max).collect()
}

/// That there are more tests than are run.
pub(crate) fn too_many() -> Issue {
    let text = format!("there are more than {} tests of policies", limits::POLICY_TESTS_MAX);
    Issue::error("too-costly", text)
}
