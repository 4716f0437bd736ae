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
