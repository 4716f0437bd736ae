//! Search parameters as criteria alone: nothing that shapes an answer is among them.

use firewarden_fhir::search::{Criterion, ParseSearch};
use firewarden_fhir::{Issue, ResourceType};

/// Parameters that shape an answer and limit no rows.
const OF_ANSWER: &[&str] = &[
    "_contained",
    "_containedType",
    "_count",
    "_cursor",
    "_elements",
    "_format",
    "_include",
    "_pretty",
    "_revinclude",
    "_sort",
    "_summary",
    "_total",
    "_totalMethod",
];

/// Whether a parameter shapes an answer and limits no rows.
pub(crate) fn is_of_answer(code: &str) -> bool {
    OF_ANSWER.contains(&code)
}

/// The criteria that the parameters make, each of them applied.
pub(crate) fn criteria(
    parse: &ParseSearch<'_>,
    of: ResourceType,
    parameters: &[(String, String)],
) -> Result<Vec<Criterion>, Issue> {
    for (name, value) in parameters {
        let code = name.split(':').next().unwrap_or_default();
        if is_of_answer(code) {
            let told = format!("`{name}` shapes an answer and limits no rows");
            return Err(Issue::error("value", told));
        }
        if value.is_empty() {
            return Err(Issue::error("value", format!("the parameter `{name}` has no value")));
        }
    }
    let query = parse.read(of, parameters)?;
    // What was left out of account would have narrowed the rows.
    match query.ignored.into_iter().next() {
        None => Ok(query.criteria),
        Some(ignored) => Err(Issue::error("not-supported", ignored.diagnostics)),
    }
}

/// A value as a piece of a search value that means it and nothing else. `None` for what can be no
/// such piece.
pub(crate) fn escape(value: &str) -> Option<String> {
    if value.is_empty() || value.contains('\0') {
        return None;
    }
    let mut escaped = String::with_capacity(value.len());
    for c in value.chars() {
        if r",$|\".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    Some(escaped)
}
