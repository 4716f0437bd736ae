//! The engine `complex`: all of several rules, or one of them, each of an engine of its own.

use std::pin::Pin;

use firewarden_fhir::{Issue, ResourceType};
use serde_json::{Map, Value, json};

use super::Engine;
use super::required::Required;
use crate::document::{Keys, LazyDocument, RequestDocument};
use crate::element_path::ElementPath;
use crate::limits::{COMPLEX_BRANCHES_MAX, COMPLEX_DEPTH_MAX};
use crate::lint::{Fact, Findings};
use crate::nearest::suggestion;
use crate::{PolicyDatabase, Verdict};

/// The attributes of a branch.
const ATTRIBUTES: &[&str] = &["engine", "schema", "matcho", "sql", "and", "or", "description"];

/// The future answer of a rule that may hold others of its kind.
type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A compiled complex rule.
#[derive(Debug)]
pub(crate) struct Complex {
    operator: Operator,
    branches: Vec<Engine>,
}

/// How the branches come together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    And,
    Or,
}

impl Operator {
    fn name(self) -> &'static str {
        match self {
            Self::And => "and",
            Self::Or => "or",
        }
    }

    /// What no branch at all comes to.
    fn of_none(self) -> Verdict {
        Verdict::of(self == Self::And)
    }

    fn apply(self, verdict: Verdict, branch: Verdict) -> Verdict {
        match self {
            Self::And => verdict.and(branch),
            Self::Or => verdict.or(branch),
        }
    }

    /// Whether further branches change nothing after one that says this.
    fn is_decided_by(self, branch: Verdict) -> bool {
        branch == !self.of_none()
    }
}

impl Complex {
    /// Compiles the `and` or `or` of a rule, which stands in `depth` others, with doubts about it;
    /// or says what is wrong.
    pub(super) fn compile(
        content: &Map<String, Value>,
        at: &ElementPath,
        depth: usize,
    ) -> Result<(Self, Vec<Issue>), Vec<Issue>> {
        let wrong = |code, told: String, at| Err(vec![Issue::error(code, told).at(at)]);
        if depth > COMPLEX_DEPTH_MAX {
            let told = format!("more than {COMPLEX_DEPTH_MAX} complex rules inside one another");
            return wrong("too-costly", told, at.clone());
        }
        let (operator, branches) = match (content.get("and"), content.get("or")) {
            (Some(branches), None) => (Operator::And, branches),
            (None, Some(branches)) => (Operator::Or, branches),
            (None, None) => {
                let told = "the engine `complex` needs an `and` or an `or`".to_owned();
                return wrong("required", told, at.member("and"));
            }
            (Some(_), Some(_)) => {
                let told = "`and` or `or`, not both: put one inside the other".to_owned();
                return wrong("invalid", told, at.member("or"));
            }
        };
        let at = at.member(operator.name());
        match branches.as_array() {
            Some(branches) if (1..=COMPLEX_BRANCHES_MAX).contains(&branches.len()) => {
                Self::branches(operator, branches, &at, depth)
            }
            Some(branches) if !branches.is_empty() => {
                wrong("too-costly", format!("more than {COMPLEX_BRANCHES_MAX} rules"), at)
            }
            _ => {
                let told = format!("`{}` is a list of rules that is not empty", operator.name());
                wrong("structure", told, at)
            }
        }
    }

    fn branches(
        operator: Operator,
        branches: &[Value],
        at: &ElementPath,
        depth: usize,
    ) -> Result<(Self, Vec<Issue>), Vec<Issue>> {
        let (mut compiled, mut doubts, mut issues) = (Vec::new(), Vec::new(), Vec::new());
        for (index, branch) in branches.iter().enumerate() {
            match self::branch(branch, &at.item(index), depth) {
                Ok((engine, about_it)) => {
                    compiled.push(engine);
                    doubts.extend(about_it);
                }
                Err(wrong) => issues.extend(wrong),
            }
        }
        if issues.is_empty() {
            Ok((Self { operator, branches: compiled }, doubts))
        } else {
            Err(issues)
        }
    }

    /// Tells the doubts about each of its rules, from their text.
    pub(super) fn doubts(
        &self,
        content: &Map<String, Value>,
        at: &ElementPath,
        findings: &mut Findings,
    ) {
        for (branch, content, at) in self.each(content, at) {
            branch.doubts(content, &at, findings);
        }
    }

    /// What its rules ask of the places of a request, from their text.
    pub(super) fn facts(&self, content: &Map<String, Value>, at: &ElementPath) -> Vec<Fact> {
        let each = self.each(content, at);
        each.flat_map(|(branch, content, at)| branch.facts(content, &at)).collect()
    }

    /// Each branch with its text.
    fn each<'a>(
        &'a self,
        content: &'a Map<String, Value>,
        at: &ElementPath,
    ) -> impl Iterator<Item = (&'a Engine, &'a Map<String, Value>, ElementPath)> {
        let at = at.member(self.operator.name());
        let texts = content.get(self.operator.name()).and_then(Value::as_array);
        let texts = texts.into_iter().flatten().filter_map(Value::as_object);
        let both = self.branches.iter().zip(texts).enumerate();
        both.map(move |(index, (branch, text))| (branch, text, at.item(index)))
    }

    /// The keys of the document that the rule looks at.
    pub(super) fn keys(&self) -> Keys {
        self.branches.iter().map(Engine::keys).fold(Keys::NONE, Keys::with)
    }

    /// Whether the rule cannot hold but for requests that name this type: every branch of an `or`
    /// does, or some branch of an `and`.
    pub(super) fn names(&self, guarded: ResourceType) -> bool {
        match self.operator {
            Operator::And => self.branches.iter().any(|branch| branch.names(guarded)),
            Operator::Or => self.branches.iter().all(|branch| branch.names(guarded)),
        }
    }

    /// Whether a branch may ask the database.
    pub(super) fn asks_database(&self) -> bool {
        self.branches.iter().any(Engine::asks_database)
    }

    /// What it requires of a request.
    pub(super) fn required(&self) -> Required {
        let branches = self.branches.iter().map(Engine::required);
        match self.operator {
            Operator::And => Required::all(branches),
            Operator::Or => Required::any(branches),
        }
    }

    /// Whether nothing in it asks anything of a request.
    pub(super) fn always_holds(&self) -> bool {
        match self.operator {
            Operator::And => self.branches.iter().all(Engine::always_holds),
            Operator::Or => self.branches.iter().any(Engine::always_holds),
        }
    }

    /// What the rule says, from the first branch to the last, as far as they are needed.
    pub(super) fn verdict<'a>(
        &'a self,
        document: &'a LazyDocument<'_>,
        database: &'a dyn PolicyDatabase,
    ) -> Answer<'a, Verdict> {
        Box::pin(async move {
            let mut verdict = self.operator.of_none();
            for branch in &self.branches {
                let one = branch.verdict(document, database).await;
                verdict = self.operator.apply(verdict, one);
                if self.operator.is_decided_by(one) {
                    break;
                }
            }
            verdict
        })
    }

    /// What the rule says, and what each branch says that keeps it from holding.
    pub(super) fn explain<'a>(
        &'a self,
        document: &'a RequestDocument,
        database: &'a dyn PolicyDatabase,
    ) -> Answer<'a, (Verdict, Option<Value>)> {
        Box::pin(async move {
            let (mut verdict, mut failing) = (self.operator.of_none(), Vec::new());
            for (index, branch) in self.branches.iter().enumerate() {
                let (one, why) = branch.explain(document, database).await;
                verdict = self.operator.apply(verdict, one);
                if one != Verdict::Satisfied {
                    failing.push(self.told(index, one, why));
                }
                if self.operator.is_decided_by(one) {
                    break;
                }
            }
            let failing = (verdict != Verdict::Satisfied).then_some(Value::Array(failing));
            (verdict, failing)
        })
    }

    fn told(&self, index: usize, verdict: Verdict, why: Option<Value>) -> Value {
        let branch = format!("{}[{index}]", self.operator.name());
        match why {
            Some(why) => json!({"branch": branch, "verdict": verdict.name(), "failing": why}),
            None => json!({"branch": branch, "verdict": verdict.name()}),
        }
    }
}

fn branch(
    branch: &Value,
    at: &ElementPath,
    depth: usize,
) -> Result<(Engine, Vec<Issue>), Vec<Issue>> {
    let Some(content) = branch.as_object() else {
        return Err(vec![Issue::error("structure", "a rule with an `engine`").at(at.clone())]);
    };
    let unknown: Vec<Issue> = content
        .keys()
        .filter(|name| !ATTRIBUTES.contains(&name.as_str()))
        .map(|name| {
            let near = suggestion(name, ATTRIBUTES);
            let told = format!("a rule in a complex one has no `{name}`{near}; the policy may");
            Issue::error("structure", told).at(at.member(name))
        })
        .collect();
    if unknown.is_empty() { Engine::compile_rule(content, at, depth + 1) } else { Err(unknown) }
}
