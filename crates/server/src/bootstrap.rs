//! What must be there before the port opens: the root client, and the operator's init Bundle.

use std::path::Path;

use firewarden_access::{Permitted, SystemTask};
use firewarden_fhir::request::Routed;
use firewarden_fhir::search::{Handling, SearchQuery};
use firewarden_fhir::{
    Id, IfMatch, Interaction, Resource, ResourceType, SearchForm, Target, Timestamp, json, yaml,
};
use firewarden_interactions::bundle::{
    BundleKind, BundleRequest, ReadBundle, first_matches, perform_transaction,
};
use firewarden_interactions::{Failure, MASK, perform};
use firewarden_store::{Change, Read, SecretChange, Write, WriteRequest};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::app::{App, new_id};
use crate::failure::Refusal;
use crate::own_types::Force;

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// The root client or its policy could not be written.
    #[error("the root client cannot be written: {0}")]
    RootClient(String),
    /// The init Bundle could not be read or applied.
    #[error("the init Bundle cannot be applied: {0}")]
    InitBundle(String),
}

/// Where the root client keeps a fingerprint of the secret it was set to, sealed, so that a start
/// with the same secret writes nothing. A secret set in another way drops it.
const FINGERPRINT: &str = "/secret-fingerprint";

/// Makes sure of the root client: made at the first start, its secret replaced when another one is
/// set. With a secret set, the client and its policy are there afterwards whatever happened to
/// them. Returns a secret that was generated, to be shown once.
pub(crate) async fn root_client(app: &App) -> Result<Option<Zeroizing<String>>, BootstrapError> {
    let failed = |error: &dyn std::fmt::Display| BootstrapError::RootClient(error.to_string());
    let (client, policy) = root_targets(app).ok_or_else(|| failed(&"it has no place"))?;
    let (secret, generated) = match &app.settings.root_client_secret {
        Some(secret) if is_as_set(app, &client, &policy, secret).await? => return Ok(None),
        Some(secret) => (secret.clone(), false),
        None => match read(app, &client).await? {
            Read::Found(_) | Read::Deleted(_) => return Ok(None),
            Read::Absent => (generated_secret()?, true),
        },
    };
    let hash = app.hasher.hash(secret.clone()).await;
    let hash =
        hash.ok_or_else(|| failed(&"its secret cannot be hashed: is it over 4,096 bytes?"))?;
    let fingerprint = Zeroizing::new(app.server_key.fingerprint(&secret));
    let secrets = [("/secret", hash), (FINGERPRINT, fingerprint)];
    let secrets = secrets.map(|(at, kept)| (at.to_owned(), SecretChange::Set(kept)));
    let id = client.id.to_string();
    let writes = vec![
        put(client, json!({"grant_types": ["basic"], "secret": MASK}), secrets.into()),
        put(
            policy,
            json!({
                "description": "The root client may do everything.",
                "engine": "allow",
                "link": [{"reference": format!("Client/{id}")}],
            }),
            Vec::new(),
        ),
    ];
    let request = WriteRequest { policy_version: None, now: crate::app::now(), writes };
    app.store.write(request).await.map_err(|error| failed(&error))?;
    Ok(generated.then_some(secret))
}

/// The root client, and the policy by which it may do everything.
fn root_targets(app: &App) -> Option<(Target, Target)> {
    let id = &app.settings.root_client_id;
    let client = Target::new(ResourceType::parse("Client")?, id.clone());
    let policy = Id::parse(&format!("{id}-client"))?;
    Some((client, Target::new(ResourceType::parse("AccessPolicy")?, policy)))
}

async fn is_as_set(
    app: &App,
    client: &Target,
    policy: &Target,
    secret: &str,
) -> Result<bool, BootstrapError> {
    let there = |read: Read| matches!(read, Read::Found(_));
    if !there(read(app, client).await?) || !there(read(app, policy).await?) {
        return Ok(false);
    }
    let rows = SystemTask::Bootstrap.rows(client.resource_type);
    let kept = app.store.secrets(client, &rows).await;
    let kept = kept.map_err(|error| BootstrapError::RootClient(error.to_string()))?;
    let fingerprint = kept.into_iter().find(|(pointer, _)| pointer == FINGERPRINT);
    Ok(fingerprint.is_some_and(|(_, kept)| *kept == app.server_key.fingerprint(secret)))
}

fn put(target: Target, content: Value, secrets: Vec<(String, SecretChange)>) -> Write {
    let rows = SystemTask::Bootstrap.rows(target.resource_type);
    let content = content.as_object().cloned().unwrap_or_default();
    let resource = Resource { resource_type: target.resource_type, content };
    let change = Change::Put { resource, if_match: IfMatch::Any, secrets };
    Write { target, matching: None, rows, change }
}

async fn read(app: &App, target: &Target) -> Result<Read, BootstrapError> {
    let rows = SystemTask::Bootstrap.rows(target.resource_type);
    let read = app.store.read(target, &rows).await;
    read.map_err(|error| BootstrapError::RootClient(error.to_string()))
}

/// 32 random bytes, in hex.
fn generated_secret() -> Result<Zeroizing<String>, BootstrapError> {
    let mut bytes = Zeroizing::new([0; 32]);
    let failed = |_| BootstrapError::RootClient("there is no randomness".to_owned());
    aws_lc_rs::rand::fill(bytes.as_mut_slice()).map_err(failed)?;
    Ok(Zeroizing::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
}

/// Applies the init Bundle: a transaction whole or not at all, of a batch each entry.
pub(crate) async fn init_bundle(app: &App, path: &Path) -> Result<(), BootstrapError> {
    let failed = |what: String| BootstrapError::InitBundle(what);
    let bytes = tokio::fs::read(path)
        .await
        .map_err(|error| failed(format!("`{}`: {error}", path.display())))?;
    let json = json::parse(&bytes).map_err(|error| error.to_string());
    let bundle = json.or_else(|json_error| {
        let looks_like_json = bytes.trim_ascii_start().starts_with(b"{");
        yaml::parse(&bytes)
            .map_err(|error| failed(if looks_like_json { json_error } else { error.to_string() }))
    })?;
    apply_bundle(app, bundle, SystemTask::InitBundle).await.map_err(failed)
}

/// Applies a Bundle for a task of the operator's; why it was not applied.
pub(crate) async fn apply_bundle(app: &App, bundle: Value, task: SystemTask) -> Result<(), String> {
    let now = crate::app::now();
    let reading = ReadBundle { base_url: &app.base_url, now, handling: Handling::Strict, new_id };
    let bundle = reading.read(bundle).map_err(|issue| issue.diagnostics)?;
    let bundle = resolved(app, bundle, task).await.map_err(told)?;
    let entries: Result<Vec<Permitted>, String> = bundle
        .entries
        .into_iter()
        .enumerate()
        .map(|(index, entry)| {
            let wrong = |what: &str| format!("entry {index}: {what}");
            let entry = entry.map_err(|e| wrong(&format!("{e:?}")))?;
            let Routed { interaction, defect } = entry.routed;
            match defect {
                Some(issue) => Err(wrong(&issue.diagnostics)),
                None => task
                    .permit(interaction)
                    .ok_or_else(|| wrong("this cannot be done by the operator's Bundle")),
            }
        })
        .collect();
    apply(app, bundle.kind, entries?, now).await.map_err(told)
}

/// The Bundle with what it refers to by criteria.
async fn resolved(
    app: &App,
    mut bundle: BundleRequest,
    task: SystemTask,
) -> Result<BundleRequest, Failure> {
    let mut found = Vec::new();
    for sought in std::mem::take(&mut bundle.sought) {
        let all = SearchQuery::all(sought.query.resource_type);
        let targets = match task.permit(Interaction::Search(all, SearchForm::Get)) {
            Some(permitted) => first_matches(&app.store, permitted, &sought.query).await?,
            None => Vec::new(),
        };
        found.push((sought, targets));
    }
    bundle.resolve(found);
    Ok(bundle)
}

async fn apply(
    app: &App,
    kind: BundleKind,
    entries: Vec<Permitted>,
    now: Timestamp,
) -> Result<(), Failure> {
    match kind {
        BundleKind::Transaction => {
            let snapshot = app.configuration.current().await?;
            let own_rules = app.own_rules(&snapshot, now, Force::Yes);
            let ports = app.ports(&own_rules, "init", now);
            for outcome in perform_transaction(ports, entries).await? {
                outcome?;
            }
        }
        BundleKind::Batch => {
            for entry in entries {
                let snapshot = app.configuration.current().await?;
                let own_rules = app.own_rules(&snapshot, now, Force::Yes);
                perform(app.ports(&own_rules, "init", now), entry).await?;
            }
        }
    }
    Ok(())
}

/// A failure in words for the operator.
fn told(failure: Failure) -> String {
    let refusal = Refusal::Failed(failure);
    if let Some(for_log) = refusal.for_log() {
        return for_log;
    }
    let outcome = refusal.told().outcome;
    let issues = outcome.get("issue").and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |issue: &Value| {
        let part = |name: &str| issue.get(name).and_then(Value::as_str).map(str::to_owned);
        let at = issue.pointer("/expression/0").and_then(Value::as_str);
        let diagnostics = part("diagnostics").unwrap_or_default();
        at.map_or(diagnostics.clone(), |at| format!("{at}: {diagnostics}"))
    };
    issues.iter().map(text).collect::<Vec<_>>().join("; ")
}
