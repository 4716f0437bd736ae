//! Tries a pattern on a value, for `/$matcho`.

use firewarden_fhir::Issue;
use serde_json::{Value, json};

use crate::Verdict;
use crate::element_path::ElementPath;
use crate::engine::{Matcho, Step};
use crate::limits::MATCHO_FAILURES_MAX;

/// Where a value is not as the pattern asks, as `{expected, but, path}`; an empty list when it
/// matches. `.path` leads into the context. Or what is wrong with the pattern.
pub fn try_matcho(
    pattern: &Value,
    value: &Value,
    context: &Value,
) -> Result<Vec<Value>, Vec<Issue>> {
    let matcho = Matcho::compile(pattern, &ElementPath::of("matcho"))?;
    if matcho.verdict_on(value, context) == Verdict::Satisfied {
        return Ok(Vec::new());
    }
    let failures = matcho.failures(value, context, MATCHO_FAILURES_MAX);
    let mut told: Vec<Value> = failures
        .into_iter()
        .map(|failure| {
            let path: Value = failure.path.iter().map(Step::to_json).collect();
            json!({"expected": failure.expected, "but": failure.but, "path": path})
        })
        .collect();
    if told.is_empty() {
        // It was too much to look at.
        told.push(json!({"expected": pattern, "but": value, "path": []}));
    }
    Ok(told)
}
