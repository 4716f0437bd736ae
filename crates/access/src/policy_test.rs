//! Tests of policies: a request, who makes it, and what must come of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use firewarden_fhir::search::{Handling, ParseSearch, conjunction_text};
use firewarden_fhir::{Id, Issue, ResourceType, Timestamp};
use serde_json::{Map, Value};

use crate::decide::decide;
use crate::element_path::ElementPath;
use crate::nearest::suggestion;
use crate::policy_database::{QueryAnswer, Unanswered};
use crate::policy_query::{Bindings, PolicyQuery};
use crate::{Asker, Caller, Described, PolicyDatabase, PolicySet, RowFilter, Session};

/// One test, read.
#[derive(Debug)]
pub struct PolicyTest {
    described: Described,
    caller: TestedCaller,
    allowed: bool,
    rows: BTreeMap<ResourceType, String>,
}

/// Who makes the request of a test.
#[derive(Clone, Debug, Default)]
pub struct TestedCaller {
    /// The User.
    pub user: Option<Id>,
    /// The Client.
    pub client: Option<Id>,
    /// The claims of its token; nothing of them is checked.
    pub claims: Option<Arc<Map<String, Value>>>,
}

/// What came of a test that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unexpected {
    /// What must come of it.
    pub expected: String,
    /// What does.
    pub got: String,
}

/// What an AccessPolicyTest has.
const ATTRIBUTES: &[&str] =
    &["resourceType", "id", "meta", "description", "request", "caller", "expect"];

const CALLER: &[&str] = &["user-id", "client-id", "jwt"];

const EXPECT: &[&str] = &["decision", "rows"];

/// What stands for every row of a type, as in a policy.
const EVERY: &str = "*";

impl PolicyTest {
    /// Reads an AccessPolicyTest, or says what must be mended.
    pub fn read(
        content: &Map<String, Value>,
        base_url: &str,
        now: Timestamp,
    ) -> Result<Self, Vec<Issue>> {
        let mut errors = Vec::new();
        let at = ElementPath::of("AccessPolicyTest");
        known(content, ATTRIBUTES, &at, &mut errors);
        let request = content.get("request").unwrap_or(&Value::Null);
        let described = Described::read(request, "AccessPolicyTest.request", base_url, now);
        let described = described.map_err(|issue| errors.push(issue)).ok();
        let caller = caller(content.get("caller"), &at.member("caller"), &mut errors);
        let expect = content.get("expect").and_then(Value::as_object);
        let expect_at = at.member("expect");
        let (mut allowed, mut rows) = (false, BTreeMap::new());
        match expect {
            Some(expect) => {
                known(expect, EXPECT, &expect_at, &mut errors);
                allowed = decision(expect, &expect_at, &mut errors);
                let read = ParseSearch { base_url, now, handling: Handling::Strict };
                rows = rows_of(expect.get("rows"), read, &expect_at.member("rows"), &mut errors);
                if !allowed && !rows.is_empty() {
                    let told = "a request that is denied has no rows";
                    errors.push(Issue::error("invalid", told).at(expect_at.member("rows")));
                }
            }
            None => {
                let told = "`expect` is `{decision: allow}` or `{decision: deny}`, with `rows`";
                errors.push(Issue::error("required", told).at(expect_at));
            }
        }
        match described {
            Some(described) if errors.is_empty() => Ok(Self { described, caller, allowed, rows }),
            Some(_) | None => Err(errors),
        }
    }

    /// Who makes the request.
    pub fn caller(&self) -> &TestedCaller {
        &self.caller
    }

    /// Whether it holds under these policies, for the caller that was found.
    pub async fn run(
        &self,
        policies: &Arc<PolicySet>,
        caller: Caller,
        database: Arc<dyn PolicyDatabase>,
        now: Timestamp,
    ) -> Result<(), Unexpected> {
        let caller = Arc::new(self.caller.with_claims(caller));
        let facts = Arc::new(self.described.facts.clone());
        let asker = Asker { caller, facts, database, now };
        let permitted = decide(policies, asker, self.described.interaction.clone()).await;
        let unexpected = |expected: String, got: String| Err(Unexpected { expected, got });
        match permitted {
            Err(_) if self.allowed => unexpected("allow".to_owned(), "deny".to_owned()),
            Err(_) => Ok(()),
            Ok(permitted) if !self.allowed => {
                let got = format!("allow, by `{}`", permitted.granted_by().join("`, `"));
                unexpected("deny".to_owned(), got)
            }
            Ok(permitted) => {
                for (of, expected) in &self.rows {
                    let got = permitted.rows(*of).await.to_string();
                    if got != *expected {
                        return unexpected(format!("{of}: {expected}"), format!("{of}: {got}"));
                    }
                }
                Ok(())
            }
        }
    }
}

impl TestedCaller {
    /// The caller with the claims of the token, as if it had been verified.
    fn with_claims(&self, caller: Caller) -> Caller {
        match &self.claims {
            None => caller,
            Some(claims) => Caller {
                session: Session::of_claims(claims),
                jwt: Some(Arc::clone(claims)),
                ..caller
            },
        }
    }
}

/// A database that is not there: the rules that ask it fail, and grant nothing.
#[derive(Clone, Copy, Debug)]
pub struct NoDatabase;

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

fn known(members: &Map<String, Value>, known: &[&str], at: &ElementPath, errors: &mut Vec<Issue>) {
    for name in members.keys().filter(|name| !known.contains(&name.as_str())) {
        let told = format!("there is no `{name}` here{}", suggestion(name, known));
        errors.push(Issue::error("structure", told).at(at.member(name)));
    }
}

fn caller(sent: Option<&Value>, at: &ElementPath, errors: &mut Vec<Issue>) -> TestedCaller {
    let members = match sent {
        None => return TestedCaller::default(),
        Some(Value::Object(members)) => members,
        Some(_) => {
            let told = "a caller is `{user-id}`, `{client-id}`, `{jwt}` or several of them; left \
                        out, it has no credential";
            errors.push(Issue::error("structure", told).at(at.clone()));
            return TestedCaller::default();
        }
    };
    known(members, CALLER, at, errors);
    let mut id = |name: &str| match members.get(name).map(|id| id.as_str().and_then(Id::parse)) {
        None => None,
        Some(Some(id)) => Some(id),
        Some(None) => {
            errors.push(Issue::error("value", format!("`{name}` is an id")).at(at.member(name)));
            None
        }
    };
    let (user, client) = (id("user-id"), id("client-id"));
    let claims = match members.get("jwt") {
        None => None,
        Some(Value::Object(claims)) => Some(Arc::new(claims.clone())),
        Some(_) => {
            let told = "`jwt` is an object: the claims of a token";
            errors.push(Issue::error("structure", told).at(at.member("jwt")));
            None
        }
    };
    TestedCaller { user, client, claims }
}

fn decision(expect: &Map<String, Value>, at: &ElementPath, errors: &mut Vec<Issue>) -> bool {
    match expect.get("decision").and_then(Value::as_str) {
        Some("allow") => true,
        Some("deny") => false,
        Some(_) | None => {
            let told = "`decision` is `allow` or `deny`";
            errors.push(Issue::error("value", told).at(at.member("decision")));
            false
        }
    }
}

/// The rows that are expected, each in the text that rows are told in.
fn rows_of(
    sent: Option<&Value>,
    read: ParseSearch<'_>,
    at: &ElementPath,
    errors: &mut Vec<Issue>,
) -> BTreeMap<ResourceType, String> {
    let members = match sent {
        None => return BTreeMap::new(),
        Some(Value::Object(members)) => members,
        Some(_) => {
            let told = "`rows` is an object of types with the rows that are expected";
            errors.push(Issue::error("structure", told).at(at.clone()));
            return BTreeMap::new();
        }
    };
    let mut rows = BTreeMap::new();
    for (name, text) in members {
        match (ResourceType::parse(name), text.as_str()) {
            (Some(of), Some(text)) => drop(rows.insert(of, canonical(of, text, read))),
            (None, _) => {
                let told = format!("there is no type `{name}`");
                errors.push(Issue::error("value", told).at(at.member(name)));
            }
            (Some(_), None) => {
                let told = "the rows of a type are a text: search criteria, `*` or `nothing`";
                errors.push(Issue::error("value", told).at(at.member(name)));
            }
        }
    }
    rows
}

/// Criteria as they are told. What no search can express is compared as it stands.
fn canonical(of: ResourceType, text: &str, read: ParseSearch<'_>) -> String {
    if text == EVERY {
        return RowFilter::everything().to_string();
    }
    let pairs = text.split('&').map(|part| part.split_once('='));
    let pairs: Option<Vec<(String, String)>> =
        pairs.map(|pair| pair.map(|(name, value)| (name.to_owned(), value.to_owned()))).collect();
    match pairs.map(|pairs| read.read(of, &pairs)) {
        Some(Ok(query)) => conjunction_text(&query.criteria),
        Some(Err(_)) | None => text.to_owned(),
    }
}
