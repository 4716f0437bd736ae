//! `/health/live` and `/health/ready`.

use std::sync::atomic::Ordering;

use firewarden_fhir::instant_text;
use firewarden_identity::Introspector;
use firewarden_interactions::Outcome;
use http::StatusCode;
use serde_json::json;

use crate::app::App;
use crate::pipeline::Moment;

/// The process runs.
pub(crate) fn live() -> (StatusCode, String) {
    (StatusCode::OK, json!({"status": "live"}).to_string())
}

/// Requests can be served: the database answers, and the server is not about to stop.
pub(crate) async fn ready(app: &App) -> (StatusCode, String) {
    let stopping = app.stopping.load(Ordering::Relaxed);
    let works = app.store.check().await.is_ok() && app.configuration.current().await.is_ok();
    if works && !stopping {
        (StatusCode::OK, json!({"status": "ready"}).to_string())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, json!({"status": "not-ready"}).to_string())
    }
}

/// What an administrator is told besides: what is broken, and what is doubtful.
pub(crate) async fn health_details(moment: &Moment<'_>) -> Outcome {
    let snapshot = &moment.snapshot;
    let policies: Vec<_> = snapshot
        .policies
        .broken()
        .into_iter()
        .map(|(id, issue)| json!({"id": id.as_str(), "why": issue.diagnostics}))
        .collect();
    let introspectors: Vec<_> = snapshot
        .broken_introspectors
        .iter()
        .map(|(id, why)| json!({"id": id, "why": why}))
        .collect();
    let warned = |introspector: &Introspector| {
        let id = introspector.id().to_string();
        let texts = introspector.warnings().iter().map(|issue| issue.diagnostics.clone());
        texts.map(|why| json!({"introspector": id, "why": why})).collect::<Vec<_>>()
    };
    let warnings: Vec<_> = snapshot.introspectors.iter().flat_map(warned).collect();
    let works = moment.app.store.check().await.is_ok();
    let unindexed = moment.app.store.unindexed().await.map(|(types, _)| types).unwrap_or_default();
    let unindexed: Vec<_> = unindexed.iter().map(|of| of.name()).collect();
    let restored = moment.app.store.restored().await.ok().flatten();
    let whole = works && policies.is_empty() && introspectors.is_empty();
    let answer = json!({
        "status": if whole { "ready" } else if works { "degraded" } else { "not-ready" },
        "version": env!("CARGO_PKG_VERSION"),
        "policy_version": snapshot.policies.version(),
        "broken_policies": policies,
        "broken_introspectors": introspectors,
        "warnings": warnings,
        "unindexed": unindexed,
        "restored_unreviewed": restored.map(instant_text),
    });
    Outcome::Made(answer.to_string())
}
