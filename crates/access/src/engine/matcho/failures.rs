//! Where a value is not as a pattern asks.

use serde_json::Value;

use super::evaluation::{Evaluation, Scope};
use super::pattern::Pattern;
use super::reference;
use super::shown::shown;
use crate::Verdict;
use crate::engine::trace;

/// One place where a value is not as asked.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The way to the place.
    pub(crate) path: Vec<Step>,
    /// What is asked there.
    pub(crate) expected: Value,
    /// What is there; `null` for nothing.
    pub(crate) but: Value,
}

/// One step of a way into a value.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// The member of that name.
    Member(String),
    /// The item of that index.
    Item(usize),
}

impl Step {
    /// The step as part of a JSON Pointer.
    pub(crate) fn as_pointer(&self) -> String {
        match self {
            Self::Member(name) => format!("/{}", name.replace('~', "~0").replace('/', "~1")),
            Self::Item(index) => format!("/{index}"),
        }
    }

    /// The step as an item of a list.
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Member(name) => name.as_str().into(),
            Self::Item(index) => (*index).into(),
        }
    }
}

/// The first failures, in the order of the pattern.
pub(super) fn failures(
    pattern: &Pattern,
    value: &Value,
    document: &Value,
    most: usize,
) -> Vec<Failure> {
    let evaluation = Evaluation::of(document);
    let mut finder = Finder { document, evaluation, path: Vec::new(), found: Vec::new(), most };
    finder.look(pattern, Some(value), Scope::document());
    finder.found
}

struct Finder<'a> {
    document: &'a Value,
    evaluation: Evaluation<'a>,
    path: Vec<Step>,
    found: Vec<Failure>,
    most: usize,
}

impl Finder<'_> {
    fn look(&mut self, pattern: &Pattern, value: Option<&Value>, scope: Scope) {
        if self.found.len() >= self.most
            || self.evaluation.verdict(pattern, value, scope) == Verdict::Satisfied
        {
            return;
        }
        match (pattern, value) {
            (Pattern::All(inner), _) => {
                inner.iter().for_each(|pattern| self.look(pattern, value, scope));
            }
            (Pattern::Members(members), Some(Value::Object(map))) => {
                for (name, pattern) in members {
                    let value = map.get(name);
                    let scope = scope.member(name, value);
                    self.step(Step::Member(name.clone()), pattern, value, scope);
                }
            }
            (Pattern::Items(items), Some(Value::Array(list))) => {
                for (index, pattern) in items.iter().enumerate() {
                    self.step(Step::Item(index), pattern, list.get(index), scope.inside());
                }
            }
            (Pattern::Every(inner), Some(Value::Array(list))) => {
                for (index, item) in list.iter().enumerate() {
                    self.step(Step::Item(index), inner, Some(item), scope.inside());
                }
            }
            (Pattern::Reference(inner), Some(reference)) => match reference::read(reference) {
                Some(read) => self.look(inner, Some(&read), scope.inside()),
                None => self.fail(pattern, value),
            },
            _ => self.fail(pattern, value),
        }
    }

    fn step(&mut self, step: Step, pattern: &Pattern, value: Option<&Value>, scope: Scope) {
        self.path.push(step);
        self.look(pattern, value, scope);
        self.path.pop();
    }

    fn fail(&mut self, pattern: &Pattern, value: Option<&Value>) {
        let expected = if let Pattern::Sent(path) = pattern {
            path.of(self.document).cloned().unwrap_or_else(trace::absent)
        } else {
            shown(pattern)
        };
        let but = value.cloned().unwrap_or_default();
        self.found.push(Failure { path: self.path.clone(), expected, but });
    }
}
