//! The configuration of one policy version: policies and introspectors, read as one.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use arc_swap::ArcSwap;
use firewarden_access::{PolicySet, PolicySource, SystemTask};
use firewarden_fhir::search::SearchQuery;
use firewarden_fhir::{ResourceType, json, limits};
use firewarden_identity::{Identity, IdentityProvider, Introspector, OutboundAllow, give_systems};
use firewarden_store::{Store, StoreError, Stored};
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use tracing::error;

use crate::policy_tests::WrittenTest;

/// The configuration of one policy version.
pub(crate) struct Snapshot {
    /// The policies, with their version.
    pub(crate) policies: Arc<PolicySet>,
    /// A number that tells the contents of the policies from others.
    pub(crate) policy_contents: u64,
    /// The tests of policies.
    pub(crate) policy_tests: Vec<WrittenTest>,
    /// The introspectors, for checks between them; `identity` has its own.
    pub(crate) introspectors: Vec<Introspector>,
    /// The identity providers, for the same.
    pub(crate) identity_providers: Vec<IdentityProvider>,
    /// The introspectors that cannot be read, with the first reason: for health.
    pub(crate) broken_introspectors: Vec<(String, String)>,
}

impl Snapshot {
    /// The contents and the version of the policies.
    pub(crate) fn decided_on(&self) -> (u64, u64) {
        (self.policy_contents, self.policies.version())
    }
}

/// The configuration, kept in step with the store.
pub(crate) struct Configuration {
    store: Store,
    identity: Arc<Identity>,
    outbound: OutboundAllow,
    current: ArcSwap<Snapshot>,
    loading: Mutex<()>,
}

impl Configuration {
    /// Reads the configuration for the first time.
    pub(crate) async fn load(
        store: Store,
        identity: Arc<Identity>,
        outbound: OutboundAllow,
    ) -> Result<Self, StoreError> {
        let snapshot = read(&store, &identity, &outbound).await?;
        let current = ArcSwap::from_pointee(snapshot);
        Ok(Self { store, identity, outbound, current, loading: Mutex::new(()) })
    }

    /// The configuration as it is stored now. A request is never decided on an older one: when the
    /// newer one cannot be read, there is none.
    pub(crate) async fn current(&self) -> Result<Arc<Snapshot>, StoreError> {
        if let Some(snapshot) = self.loaded().await? {
            return Ok(snapshot);
        }
        let _one_at_a_time = self.loading.lock().await;
        if let Some(snapshot) = self.loaded().await? {
            return Ok(snapshot);
        }
        let snapshot = Arc::new(read(&self.store, &self.identity, &self.outbound).await?);
        self.current.store(Arc::clone(&snapshot));
        Ok(snapshot)
    }

    /// The configuration that was read last, if it is the one of the present version.
    async fn loaded(&self) -> Result<Option<Arc<Snapshot>>, StoreError> {
        let version = self.store.policy_version().await?;
        let snapshot = self.current.load_full();
        Ok((snapshot.policies.version() == version).then_some(snapshot))
    }
}

/// Reads policies and introspectors until the policy version did not change meanwhile: of the
/// database itself, for what a lease vouches for may have a newer one beside it.
async fn read(
    store: &Store,
    identity: &Identity,
    outbound: &OutboundAllow,
) -> Result<Snapshot, StoreError> {
    loop {
        let version = store.newest_policy_version().await?;
        let policies = all(store, "AccessPolicy").await?;
        let tests = all(store, "AccessPolicyTest").await?;
        let introspectors = all(store, "TokenIntrospector").await?;
        let providers = all(store, "IdentityProvider").await?;
        let mut trusted = Vec::new();
        let mut checked = Vec::new();
        let mut broken = Vec::new();
        for stored in &introspectors {
            let (ours, theirs, fault) = introspector(store, stored, outbound).await?;
            trusted.push(theirs);
            checked.push(ours);
            broken.extend(fault.map(|why| (stored.target.id.to_string(), why)));
        }
        if store.newest_policy_version().await? != version {
            continue;
        }
        let policy_contents = contents(&policies);
        let policies = Arc::new(PolicySet::compile(version, sources(policies)));
        let policy_tests =
            tests.iter().map(|test| (test.target.id.clone(), content(test).unwrap_or_default()));
        for (id, issue) in policies.broken() {
            error!(policy = %id, why = issue.diagnostics, "a policy cannot be read and grants nothing");
        }
        for (id, why) in &broken {
            error!(introspector = id, why, "an introspector cannot be read and vouches for nobody");
        }
        let identity_providers: Vec<_> = providers.iter().map(identity_provider).collect();
        for why in give_systems(&mut trusted, &identity_providers) {
            error!(
                why,
                "the system of an identity provider is another's too and counts for neither"
            );
        }
        give_systems(&mut checked, &identity_providers);
        identity.replace_introspectors(trusted);
        return Ok(Snapshot {
            policies,
            policy_contents,
            policy_tests: policy_tests.collect(),
            introspectors: checked,
            identity_providers,
            broken_introspectors: broken,
        });
    }
}

/// The stored policies, as they are compiled.
pub(crate) async fn policy_sources(store: &Store) -> Result<Vec<PolicySource>, StoreError> {
    all(store, "AccessPolicy").await.map(sources)
}

fn sources(policies: Vec<Stored>) -> Vec<PolicySource> {
    let source = |stored: Stored| PolicySource {
        content: content(&stored).unwrap_or_default(),
        id: stored.target.id,
    };
    policies.into_iter().map(source).collect()
}

fn contents(policies: &[Stored]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for policy in policies {
        policy.target.id.as_str().hash(&mut hasher);
        policy.body.hash(&mut hasher);
    }
    hasher.finish()
}

/// One stored introspector, read twice: for the checks between introspectors and for `identity`.
async fn introspector(
    store: &Store,
    stored: &Stored,
    outbound: &OutboundAllow,
) -> Result<(Introspector, Introspector, Option<String>), StoreError> {
    let rows = SystemTask::LoadConfiguration.rows(stored.target.resource_type);
    let secrets = store.secrets(&stored.target, &rows).await?;
    let (id, version) = (&stored.target.id, stored.version);
    let content = content(stored).unwrap_or_default();
    let parse = || Introspector::parse(id, version, &content, &secrets, outbound);
    Ok(match (parse(), parse()) {
        (Ok(ours), Ok(theirs)) => (ours, theirs, None),
        (Err(issues), _) | (_, Err(issues)) => {
            let why = issues.into_iter().next().map(|issue| issue.diagnostics).unwrap_or_default();
            let unreadable = || Introspector::unreadable(id, version);
            (unreadable(), unreadable(), Some(why))
        }
    })
}

fn identity_provider(stored: &Stored) -> IdentityProvider {
    IdentityProvider::read(&stored.target.id, &content(stored).unwrap_or_default())
}

/// Every resource of one of our types.
async fn all(store: &Store, name: &str) -> Result<Vec<Stored>, StoreError> {
    let Some(of) = ResourceType::parse(name) else {
        return Ok(Vec::new());
    };
    let mut query = SearchQuery { count: limits::PAGE_ENTRIES_MAX, ..SearchQuery::all(of) };
    let mut found = Vec::new();
    loop {
        let page = store.search(SystemTask::LoadConfiguration.search(query.clone())).await?;
        found.extend(page.matches);
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return Ok(found),
        }
    }
}

/// The content of a stored resource.
pub(crate) fn content(stored: &Stored) -> Option<Map<String, Value>> {
    match json::parse(stored.body.as_bytes()) {
        Ok(Value::Object(content)) => Some(content),
        Ok(_) | Err(_) => None,
    }
}
