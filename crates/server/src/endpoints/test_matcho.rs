//! `POST /$matcho`: where a value is not as a pattern asks.

use firewarden_fhir::Issue;
use firewarden_interactions::{Failure, Outcome};
use serde_json::{Value, json};

use crate::failure::Refusal;

/// Evaluates `{matcho, resource, context?}`. `.path` leads into the context, or into the resource
/// where none is given, as it does in a policy.
pub(crate) fn test_matcho(sent: &Value) -> Result<Outcome, Refusal> {
    let part = |name: &str| {
        sent.get(name).ok_or_else(|| {
            Refusal::BadRequest(Issue::error("required", format!("`{name}` is missing")))
        })
    };
    let (matcho, resource) = (part("matcho")?, part("resource")?);
    let context = sent.get("context").unwrap_or(resource);
    let result = firewarden_access::try_matcho(matcho, resource, context)
        .map_err(|issues| Refusal::Failed(Failure::Invalid(issues)))?;
    let answer = json!({"matcho": matcho, "resource": resource, "result": result});
    Ok(Outcome::Made(answer.to_string()))
}
