//! The rules of our own types, brought together from the crates that keep them.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use firewarden_access::{PolicySet, SystemTask, named_issuers};
use firewarden_fhir::search::SearchQuery;
use firewarden_fhir::{Id, Issue, ResourceType, Severity, Target, Timestamp};
use firewarden_identity::{
    Directory, Introspector, SALT_BYTES, SECRET_POINTERS, check_introspector, conflicts,
    hash_secret, moved_credential, needs_binding, session_token_hash, system_conflicts,
};
use firewarden_interactions::OwnTypes;
use firewarden_store::Store;
use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::app::App;
use crate::configuration::{Snapshot, content};
use crate::limits;
use crate::policy_tests::{self, Bench, People, Writes, WrittenTest};

/// Hashes secrets off the runtime's threads, a few at a time.
pub(crate) struct SecretHasher {
    places: Arc<Semaphore>,
}

impl SecretHasher {
    pub(crate) fn new() -> Self {
        Self { places: Arc::new(Semaphore::new(limits::HASHES_AT_ONCE)) }
    }

    /// The hash of a secret; `None` when it cannot be made now.
    pub(crate) async fn hash(&self, secret: Zeroizing<String>) -> Option<Zeroizing<Vec<u8>>> {
        let wait = Arc::clone(&self.places).acquire_owned();
        let place = tokio::time::timeout(limits::HASH_WAIT_S_MAX, wait).await.ok()?.ok()?;
        let salt: [u8; SALT_BYTES] = *uuid::Uuid::new_v4().as_bytes();
        let hashing = tokio::task::spawn_blocking(move || {
            let _place = place;
            hash_secret(&secret, salt)
        });
        let hash = hashing.await.ok()?.ok()?;
        Some(Zeroizing::new(hash.into_bytes()))
    }
}

/// Introspectors that one request writes must not share an issuer.
fn one_issuer_each(written: &[(&Id, Option<&Map<String, Value>>)]) -> Result<(), Issue> {
    let mut issuers = HashSet::new();
    for content in written.iter().filter_map(|(_, content)| *content) {
        let issuer = content.get("jwt").and_then(|jwt| jwt.get("iss")).and_then(Value::as_str);
        let active = content.get("active") != Some(&Value::Bool(false));
        if issuer.is_some_and(|issuer| active && !issuers.insert(issuer)) {
            let text = "another introspector of this request has the same `jwt.iss`";
            return Err(Issue::error("conflict", text).at("TokenIntrospector.jwt.iss"));
        }
    }
    Ok(())
}

/// How many users count only while there is one introspector; as far as they can be counted.
async fn users_unbound(store: &Store, introspectors: &[Introspector]) -> u64 {
    let Some(of) = ResourceType::parse("User") else {
        return 0;
    };
    let count = firewarden_fhir::limits::PAGE_ENTRIES_MAX;
    let mut query = SearchQuery { count, ..SearchQuery::all(of) };
    let mut unbound = 0;
    for _ in 0..limits::USER_PAGES_COUNTED_MAX {
        let Ok(page) = store.search(SystemTask::FindCaller.search(query.clone())).await else {
            break;
        };
        let users = page.matches.iter().filter_map(content);
        unbound += users.map(|user| u64::from(needs_binding(&user, introspectors))).sum::<u64>();
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => break,
        }
    }
    unbound
}

/// What is written of one type, by id.
fn of_type<'a>(
    writes: &'a [(&'a Target, Option<&'a Map<String, Value>>)],
    name: &str,
) -> Vec<(&'a Id, Option<&'a Map<String, Value>>)> {
    let written = writes.iter().filter(|(target, _)| target.resource_type.name() == name);
    written.map(|(target, content)| (&target.id, *content)).collect()
}

/// Policies that are written and name an issuer that no active introspector trusts, as far as the
/// stored ones and those of the same request tell.
fn unknown_issuers(
    policies: &[(&Id, Option<&Map<String, Value>>)],
    written: &[(&Id, Option<&Map<String, Value>>)],
    stored: &[Introspector],
) -> Vec<Issue> {
    let is_active = |content: &Map<String, Value>| content.get("active") != Some(&false.into());
    let now: Vec<&str> = written
        .iter()
        .filter_map(|(_, content)| content.filter(|content| is_active(content)))
        .filter_map(|content| content.get("jwt")?.get("iss")?.as_str())
        .collect();
    let is_trusted = |issuer: &str| {
        let stays = |of: &&Introspector| !written.iter().any(|(id, _)| *id == of.id());
        now.contains(&issuer)
            || stored.iter().filter(stays).any(|of| of.is_active() && of.issuer() == Some(issuer))
    };
    let named = policies.iter().filter_map(|(_, content)| *content).flat_map(named_issuers);
    named
        .filter(|named| !is_trusted(&named.issuer))
        .map(|named| named.unknown().to_issue())
        .collect()
}

/// The rules, as of one snapshot.
pub(crate) struct OwnRules<'a> {
    pub(crate) app: &'a App,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) now: Timestamp,
    pub(crate) force: Force,
}

/// Whether what makes tests of policies fail is saved all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Force {
    /// It is, with warnings.
    Yes,
    /// It is refused.
    No,
}

impl OwnRules<'_> {
    /// Whether every test of policies that held still does after the writes.
    async fn tests_hold(&self, writes: &Writes<'_>) -> Result<Vec<Issue>, Vec<Issue>> {
        let tests = policy_tests::tests_after(&self.snapshot.policy_tests, writes);
        if tests.is_empty() || !policy_tests::concerns(writes) {
            return Ok(Vec::new());
        }
        if tests.len() > limits::POLICY_TESTS_MAX {
            return Err(vec![policy_tests::too_many()]);
        }
        let policies =
            policy_tests::policies_after(&self.app.store, &self.snapshot.policies, writes);
        let policies = policies.await.map_err(|_| {
            let text = "the policies cannot be read now: try again";
            vec![Issue::error("transient", text)]
        })?;
        let people = People::new(Some(&self.app.directory), writes);
        let after = self.bench(policies, &people).run(&tests.iter().collect::<Vec<_>>()).await;
        let failing = |test: &&WrittenTest| {
            after.iter().any(|outcome| outcome.id == test.0 && outcome.failed.is_some())
        };
        let stored: Vec<&WrittenTest> = self.snapshot.policy_tests.iter().filter(failing).collect();
        let before = self.bench(Arc::clone(&self.snapshot.policies), &self.app.directory);
        let flipped = policy_tests::flipped(&before.run(&stored).await, after);
        match self.force {
            Force::Yes => Ok(policy_tests::issues(&flipped, Severity::Warning)),
            Force::No if flipped.is_empty() => Ok(Vec::new()),
            Force::No => Err(policy_tests::issues(&flipped, Severity::Error)),
        }
    }

    fn bench<'b>(&'b self, policies: Arc<PolicySet>, people: &'b dyn Directory) -> Bench<'b> {
        let (store, base_url) = (&self.app.store, self.app.base_url.as_str());
        Bench { policies, people, store: Some(store), base_url, now: self.now }
    }
}

#[async_trait]
impl OwnTypes for OwnRules<'_> {
    fn check(
        &self,
        resource_type: ResourceType,
        content: &Map<String, Value>,
    ) -> Result<Vec<Issue>, Vec<Issue>> {
        if resource_type.name() == "TokenIntrospector" {
            return check_introspector(content, &self.app.outbound);
        }
        firewarden_access::own_type::check(resource_type, content)
    }

    async fn check_together(
        &self,
        writes: &[(&Target, Option<&Map<String, Value>>)],
    ) -> Result<Vec<Issue>, Vec<Issue>> {
        let stored = (&*self.snapshot.introspectors, &*self.snapshot.identity_providers);
        let mut warnings = system_conflicts(stored, writes).map_err(|issue| vec![issue])?;
        warnings.extend(self.tests_hold(writes).await?);
        let written = of_type(writes, "TokenIntrospector");
        let policies = of_type(writes, "AccessPolicy");
        warnings.extend(unknown_issuers(&policies, &written, &self.snapshot.introspectors));
        if written.is_empty() {
            return Ok(warnings);
        }
        one_issuer_each(&written).map_err(|issue| vec![issue])?;
        // Those that the same request replaces or deletes are judged by what it writes.
        let stays = |other: &&Introspector| !written.iter().any(|(id, _)| *id == other.id());
        let others: Vec<_> = self.snapshot.introspectors.iter().filter(stays).collect();
        let unbound = users_unbound(&self.app.store, &self.snapshot.introspectors).await;
        for (id, content) in written {
            let Some(content) = content else {
                continue;
            };
            let stored = self.snapshot.introspectors.iter().find(|stored| stored.id() == id);
            if let Some(issue) = stored.and_then(|stored| moved_credential(content, stored)) {
                return Err(vec![issue]);
            }
            let found = conflicts(id, content, &others, unbound);
            warnings.extend(found.map_err(|issue| vec![issue])?);
        }
        Ok(warnings)
    }

    fn secret_pointers(&self, resource_type: ResourceType) -> &'static [&'static str] {
        let of_type = SECRET_POINTERS.iter().find(|(name, _)| *name == resource_type.name());
        of_type.map_or(&[], |(_, pointers)| *pointers)
    }

    async fn kept_form(
        &self,
        resource_type: ResourceType,
        secret: Zeroizing<String>,
    ) -> Option<Zeroizing<Vec<u8>>> {
        match resource_type.name() {
            // A provider's secret is used as it is, or never; it is sealed at rest.
            "IdentityProvider" | "TokenIntrospector" => {
                Some(Zeroizing::new(secret.as_bytes().to_vec()))
            }
            "Session" => Some(session_token_hash(&secret)),
            // A hash that another server made is kept as it is, and authenticates nobody.
            _ if secret.starts_with("$s0$") => Some(Zeroizing::new(secret.as_bytes().to_vec())),
            _ => self.app.hasher.hash(secret).await,
        }
    }
}
