//! Lint: doubts about a policy that could be saved, each with its place, an example and a remedy.

mod closed_sets;
mod fact;
mod finding;
mod includes;
mod issuers;
mod own_types;
mod uri_expression;

use firewarden_fhir::Issue;
use serde_json::{Map, Value};

pub(crate) use self::closed_sets::Never;
pub(crate) use self::fact::{Ask, Fact, Place};
pub(crate) use self::finding::Findings;
pub use self::finding::{Finding, LintRule};
pub use self::issuers::{NamedIssuer, named_issuers};
use crate::element_path::ElementPath;
use crate::engine::Engine;
use crate::policy;

/// The doubts about an AccessPolicy; or what is wrong with it, if it could not be saved. An issuer
/// that nobody trusts is not among them: [`named_issuers`] are to be compared with what is stored.
pub fn lint(policy: &Map<String, Value>) -> Result<Vec<Finding>, Vec<Issue>> {
    let read = policy::read(policy)?;
    let mut findings = Findings::default();
    for doubt in read.warnings {
        findings.add(Finding::of_issue(&doubt));
    }
    // A policy for rpc has no rule that is read.
    let Ok((engine, _)) = Engine::compile(policy) else { return Ok(findings.list()) };
    let at = ElementPath::of("AccessPolicy");
    engine.doubts(policy, &at, &mut findings);
    let facts = engine.facts(policy, &at);
    closed_sets::look(&facts, &mut findings);
    uri_expression::look(&facts, &mut findings);
    includes::look(&facts, policy, &mut findings);
    own_types::look(policy, &engine, &at, &mut findings);
    Ok(findings.list())
}

/// The facts that the rule of a policy asks for.
fn facts(policy: &Map<String, Value>) -> Vec<Fact> {
    match Engine::compile(policy) {
        Ok((engine, _)) => engine.facts(policy, &ElementPath::of("AccessPolicy")),
        Err(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn rules(engine: &str, rule: &Value) -> Vec<LintRule> {
        let attribute = if engine == "matcho" { "matcho" } else { "schema" };
        let policy = json!({"engine": engine, attribute: rule});
        let found = lint(policy.as_object().unwrap()).unwrap();
        found.into_iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn what_stands_under_a_negation_or_in_a_list_is_doubted_as_such() {
        let get = json!({"required": ["request-method"], "properties": {"request-method": {"const": "GET"}}});
        for (engine, rule, doubt, is_told) in [
            ("json-schema", get.clone(), LintRule::NeverHolds, true),
            (
                "json-schema",
                json!({"required": ["user"], "not": get.clone()}),
                LintRule::NeverHolds,
                false,
            ),
            (
                "json-schema",
                json!({"required": ["user"], "if": get, "then": {}}),
                LintRule::NeverHolds,
                false,
            ),
            (
                "matcho",
                json!({"user": "present?", "request-method": "GET"}),
                LintRule::NeverHolds,
                true,
            ),
            (
                "matcho",
                json!({"user": "present?", "request-method": {"$not": "GET"}}),
                LintRule::NeverHolds,
                false,
            ),
            ("matcho", json!({"user": {"name": {"$not": "guest"}}}), LintRule::BareNot, true),
            (
                "matcho",
                json!({"role": {"$contains": {"name": {"$not": "guest"}}}}),
                LintRule::BareNot,
                false,
            ),
            (
                "matcho",
                json!({"user": {"id": "present?"}, "params": {"a": ".user.id"}}),
                LintRule::UnguardedPath,
                false,
            ),
            (
                "matcho",
                json!({"scheme": "https", "$not": {
                    "user": {"id": "present?"}, "params": {"a": ".user.id"},
                }}),
                LintRule::UnguardedPath,
                true,
            ),
        ] {
            assert_eq!(rules(engine, &rule).contains(&doubt), is_told, "{doubt:?}: {rule}");
        }
    }

    #[test]
    fn what_no_request_has_is_told_and_what_one_may_have_is_not() {
        for (rule, at) in [
            (json!({"user": "alice"}), Some("AccessPolicy.matcho.user")),
            (json!({"jwt": 1}), Some("AccessPolicy.matcho.jwt")),
            (json!({"params": ["a"]}), Some("AccessPolicy.matcho.params")),
            (json!({"session": "#x"}), Some("AccessPolicy.matcho.session")),
            (json!({"user": "present?"}), None),
            (json!({"uri": {"a": "b"}}), Some("AccessPolicy.matcho.uri")),
            (json!({"uri": 1}), Some("AccessPolicy.matcho.uri")),
            (json!({"uri": "/fhir/Patient"}), None),
            (json!({"remote-addr": ["10.0.0.1"]}), Some("AccessPolicy.matcho.remote-addr")),
            (json!({"remote-addr": "10.0.0.1"}), None),
            (json!({"role": "doctor"}), Some("AccessPolicy.matcho.role")),
            (json!({"role": {"name": "doctor"}}), Some("AccessPolicy.matcho.role")),
            (json!({"role": {"$contains": {"name": "doctor"}}}), None),
            (json!({"role": "present?"}), None),
            (json!({"scheme": "ftp"}), Some("AccessPolicy.matcho.scheme")),
            (json!({"scheme": "https"}), None),
            (json!({"operation": {"id": "FhirReed"}}), Some("AccessPolicy.matcho.operation.id")),
            (json!({"operation": {"id": "FhirRead"}}), None),
            (json!({"operation": {"id": "$everything"}}), None),
            (
                json!({"operation": {"resourceType": "Op"}}),
                Some("AccessPolicy.matcho.operation.resourceType"),
            ),
            (json!({"operation": {"resourceType": "Operation"}}), None),
            (json!({"usr": "present?"}), Some("AccessPolicy.matcho.usr")),
            (json!({"user": "present?", "scheme": "nil?", "role": "nil?"}), None),
        ] {
            let policy = json!({"engine": "matcho", "matcho": rule});
            let found = lint(policy.as_object().unwrap()).unwrap();
            let never = found.iter().filter(|finding| finding.rule == LintRule::NeverHolds);
            let told: Vec<String> = never.map(|finding| finding.place.clone()).collect();
            assert_eq!(told.first().map(String::as_str), at, "{rule}: {told:?}");
        }
    }
}
