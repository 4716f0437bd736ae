//! What must be there before the port opens: the root client, and the operator's init Bundle.

use std::path::Path;

use firewarden_access::{Permitted, SystemTask};
use firewarden_fhir::request::Routed;
use firewarden_fhir::search::Handling;
use firewarden_fhir::{
    Id, IfMatch, Interaction, Resource, ResourceType, Target, Timestamp, json, yaml,
};
use firewarden_interactions::bundle::{BundleKind, ReadBundle, perform_transaction};
use firewarden_interactions::{Failure, perform};
use firewarden_store::Read;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::app::{App, new_id};
use crate::failure::Refusal;

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

/// Makes sure of the root client: made at the first start, its secret replaced when one is set.
/// With a secret set, the client and its policy are there afterwards whatever happened to them.
/// Returns a secret that was generated, to be shown once.
pub(crate) async fn root_client(app: &App) -> Result<Option<Zeroizing<String>>, BootstrapError> {
    let id = &app.settings.root_client_id;
    let there = is_there(app, "Client", id).await?;
    let (secret, generated) = match (&app.settings.root_client_secret, there) {
        (None, true) => return Ok(None),
        (Some(secret), _) => (secret.clone(), false),
        (None, false) => (generated_secret()?, true),
    };
    let client = json!({
        "resourceType": "Client",
        "id": id.as_str(),
        "grant_types": ["basic"],
        "secret": secret.as_str(),
    });
    let policy = json!({
        "resourceType": "AccessPolicy",
        "id": format!("{id}-client"),
        "description": "The root client may do everything.",
        "engine": "allow",
        "link": [{"reference": format!("Client/{id}")}],
    });
    for resource in [client, policy] {
        put(app, resource).await?;
    }
    Ok(generated.then_some(secret))
}

/// 32 random bytes, in hex.
fn generated_secret() -> Result<Zeroizing<String>, BootstrapError> {
    let mut bytes = Zeroizing::new([0; 32]);
    let failed = |_| BootstrapError::RootClient("there is no randomness".to_owned());
    aws_lc_rs::rand::fill(bytes.as_mut_slice()).map_err(failed)?;
    Ok(Zeroizing::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
}

async fn is_there(app: &App, of: &str, id: &Id) -> Result<bool, BootstrapError> {
    let Some(of) = ResourceType::parse(of) else {
        return Ok(false);
    };
    let target = Target::new(of, id.clone());
    let read = app.store.read(&target, &SystemTask::Bootstrap.rows(of)).await;
    match read.map_err(|error| BootstrapError::RootClient(error.to_string()))? {
        Read::Found(_) | Read::Deleted(_) => Ok(true),
        Read::Absent => Ok(false),
    }
}

async fn put(app: &App, resource: Value) -> Result<(), BootstrapError> {
    let failed = |what: &str| BootstrapError::RootClient(what.to_owned());
    let Value::Object(content) = resource else {
        return Err(failed("not a resource"));
    };
    let text = |name: &str| content.get(name).and_then(Value::as_str);
    let of = text("resourceType").and_then(ResourceType::parse);
    let (of, id) = of.zip(text("id").and_then(Id::parse)).ok_or_else(|| failed("not an id"))?;
    let resource = Resource { resource_type: of, content };
    let interaction = Interaction::Update(Target::new(of, id), resource, IfMatch::Any);
    let permitted = SystemTask::Bootstrap.permit(interaction);
    let permitted = permitted.ok_or_else(|| failed("not permitted"))?;
    let snapshot = app.configuration.current().await.map_err(|e| failed(&e.to_string()))?;
    let own_rules = app.own_rules(&snapshot);
    let ports = app.ports(&own_rules, "bootstrap", crate::app::now());
    perform(ports, permitted).await.map_err(|failure| failed(&told(failure)))?;
    Ok(())
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
    let now = crate::app::now();
    let base_url = app.base_url();
    let reading = ReadBundle { base_url: &base_url, now, handling: Handling::Strict, new_id };
    let bundle = reading.read(bundle).map_err(|issue| failed(issue.diagnostics))?;
    let entries: Result<Vec<Permitted>, BootstrapError> = bundle
        .entries
        .into_iter()
        .enumerate()
        .map(|(index, entry)| {
            let wrong = |what: &str| failed(format!("entry {index}: {what}"));
            let Routed { interaction, defect } = entry.map_err(|e| wrong(&format!("{e:?}")))?;
            match defect {
                Some(issue) => Err(wrong(&issue.diagnostics)),
                None => SystemTask::InitBundle
                    .permit(interaction)
                    .ok_or_else(|| wrong("this cannot be done at the start")),
            }
        })
        .collect();
    apply(app, bundle.kind, entries?, now).await.map_err(|failure| failed(told(failure)))
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
            let own_rules = app.own_rules(&snapshot);
            perform_transaction(app.ports(&own_rules, "init", now), entries).await?;
        }
        BundleKind::Batch => {
            for entry in entries {
                let snapshot = app.configuration.current().await?;
                let own_rules = app.own_rules(&snapshot);
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
