//! The engine `matcho`: a rule is a pattern that the request document matches.

mod compiler;
mod doubts;
mod equality;
mod evaluation;
mod expression;
mod facts;
mod failures;
mod keys;
mod pattern;
mod reference;
mod requiring;
mod sent_path;
mod shown;

use std::collections::BTreeSet;

use firewarden_fhir::{Issue, ResourceType};
use serde_json::{Value, json};

use self::evaluation::{Evaluation, Scope};
pub(crate) use self::failures::{Failure, Step};
use self::pattern::Pattern;
use crate::Verdict;
use crate::document::{Keys, RequestDocument};
use crate::element_path::ElementPath;
use crate::engine::required::Required;
use crate::engine::trace::shortened;
use crate::lint::{Fact, Findings};

/// A compiled matcho rule.
#[derive(Debug)]
pub(crate) struct Matcho {
    pattern: Pattern,
    names: BTreeSet<ResourceType>,
    keys: Keys,
}

impl Matcho {
    /// Compiles a pattern, or says what is wrong.
    pub(crate) fn compile(pattern: &Value, at: &ElementPath) -> Result<Self, Vec<Issue>> {
        let pattern = compiler::compile(pattern, at)?;
        let (names, keys) = (requiring::equalities(&pattern).names(), keys::keys(&pattern));
        Ok(Self { pattern, names, keys })
    }

    /// Whether the rule cannot hold but for requests on a type that it names.
    pub(crate) fn names(&self, of: ResourceType) -> bool {
        self.names.contains(&of)
    }

    /// What it requires of a request.
    pub(crate) fn required(&self) -> Required {
        requiring::equalities(&self.pattern).required
    }

    /// The keys of the document that the rule looks at.
    pub(crate) fn keys(&self) -> Keys {
        self.keys
    }

    /// Tells the doubts about it, from its text.
    pub(crate) fn doubts(pattern: &Value, at: &ElementPath, findings: &mut Findings) {
        doubts::doubts(pattern, at, findings);
    }

    /// What it asks of the places of a request, from its text.
    pub(crate) fn facts(pattern: &Value, at: &ElementPath) -> Vec<Fact> {
        facts::facts(pattern, at)
    }

    /// What the rule says of the document.
    pub(crate) fn verdict(&self, document: &RequestDocument) -> Verdict {
        self.verdict_on(document.whole(), document.whole())
    }

    /// What the rule says, and why: the first place that fails.
    pub(crate) fn explain(&self, document: &RequestDocument) -> (Verdict, Option<Value>) {
        let whole = document.whole();
        let verdict = self.verdict_on(whole, whole);
        let failures = self.failures(whole, whole, 1);
        let failing = failures.into_iter().next().map(|failure| {
            let path: String = failure.path.iter().map(Step::as_pointer).collect();
            let (expected, but) = (shortened(&failure.expected), shortened(&failure.but));
            json!({"path": path, "expected": expected, "but": but})
        });
        (verdict, failing)
    }

    /// What the pattern says of a value, with paths that lead into a document.
    pub(crate) fn verdict_on(&self, value: &Value, document: &Value) -> Verdict {
        let mut evaluation = Evaluation::of(document);
        match evaluation.verdict(&self.pattern, Some(value), Scope::document()) {
            Verdict::Failed if evaluation.is_exhausted() => Verdict::Failed,
            // What hangs on something absent does not hold.
            Verdict::Failed | Verdict::NotSatisfied => Verdict::NotSatisfied,
            Verdict::Satisfied => Verdict::Satisfied,
        }
    }

    /// The first places where a value is not as the pattern asks; none when it holds.
    pub(crate) fn failures(&self, value: &Value, document: &Value, most: usize) -> Vec<Failure> {
        failures::failures(&self.pattern, value, document, most)
    }
}
