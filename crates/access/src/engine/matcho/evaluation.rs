//! What a pattern says of a document: a total, bounded, three-valued function.
//!
//! `Failed` stands for *unknown* in here. Something is unknown when it hangs on a value that the
//! request does not have; an outer `$not` must not turn that into a yes.

use serde_json::Value;

use super::equality::same_scalar;
use super::pattern::Pattern;
use super::reference;
use super::sent_path::SentPath;
use crate::Verdict;
use crate::limits::{MATCHO_STEPS_MAX, MATCHO_TEXT_BYTES_PER_STEP};

/// The parts of a document that tell who asks. What is denied of one that is absent holds for
/// everybody, so it is not known to hold.
pub(super) const CALLER_PARTS: &[&str] = &["client", "jwt", "role", "session", "token", "user"];

/// One evaluation: the document that paths lead into, and the work that is left.
pub(super) struct Evaluation<'a> {
    document: &'a Value,
    steps_left: usize,
}

/// Where in a pattern an evaluation is.
#[derive(Clone, Copy, Default)]
pub(super) struct Scope {
    /// The value is the document itself.
    pub(super) is_document: bool,
    /// The value is, or would be, inside a part of the caller's that is absent.
    pub(super) is_absent_part: bool,
    /// A `$not` stands around it.
    pub(super) is_negated: bool,
}

impl Scope {
    /// Where a pattern of a document begins.
    pub(super) fn document() -> Self {
        Self { is_document: true, ..Self::default() }
    }

    /// The scope of what is inside the value.
    pub(super) fn inside(self) -> Self {
        Self { is_document: false, ..self }
    }

    /// The scope of a member with that value.
    pub(super) fn member(self, name: &str, value: Option<&Value>) -> Self {
        let is_part = self.is_document && CALLER_PARTS.contains(&name);
        let is_absent_part = self.is_absent_part || is_part && value.is_none_or(is_empty);
        Self { is_absent_part, ..self.inside() }
    }

    fn negated(self) -> Self {
        Self { is_negated: true, ..self }
    }
}

impl<'a> Evaluation<'a> {
    pub(super) fn of(document: &'a Value) -> Self {
        Self { document, steps_left: MATCHO_STEPS_MAX }
    }

    /// Whether the work allowed was used up: what is unknown is so because of that.
    pub(super) fn is_exhausted(&self) -> bool {
        self.steps_left == 0
    }

    /// What the pattern says of a value.
    pub(super) fn verdict(
        &mut self,
        pattern: &Pattern,
        value: Option<&Value>,
        scope: Scope,
    ) -> Verdict {
        let value = value.filter(|value| !value.is_null());
        if !self.spend(1) {
            return Verdict::Failed;
        }
        if scope.is_absent_part && scope.is_negated && !pattern.asks_for_presence() {
            return Verdict::Failed;
        }
        match pattern {
            Pattern::Absent => Verdict::of(value.is_none()),
            Pattern::Present => Verdict::of(value.is_some()),
            Pattern::NotBlank => {
                let text = value.and_then(Value::as_str);
                Verdict::of(text.is_some_and(|text| !text.trim().is_empty()))
            }
            Pattern::Literal(literal) => {
                Verdict::of(value.is_some_and(|value| same_scalar(literal, value)))
            }
            Pattern::Enum(literals) => self.any(literals, |_, literal| {
                Verdict::of(value.is_some_and(|value| same_scalar(literal, value)))
            }),
            Pattern::Expression(expression) => match value.and_then(Value::as_str) {
                Some(text) if !self.spend(text.len() / MATCHO_TEXT_BYTES_PER_STEP) => {
                    Verdict::Failed
                }
                Some(text) => Verdict::of(expression.is_found_in(text)),
                None => Verdict::NotSatisfied,
            },
            Pattern::Sent(path) => self.equals_sent(path, value),
            Pattern::OneOfSent(path) => self.is_one_of_sent(path, value),
            Pattern::Members(members) => self.members(members, value, scope),
            Pattern::Items(items) => self.items(items, value, scope),
            Pattern::All(inner) => {
                self.all(inner, |this, pattern| this.verdict(pattern, value, scope))
            }
            Pattern::OneOf(inner) => {
                self.any(inner, |this, pattern| this.verdict(pattern, value, scope))
            }
            Pattern::Not(_) if scope.is_absent_part => Verdict::Failed,
            Pattern::Not(inner) => !self.verdict(inner, value, scope.negated()),
            Pattern::Reference(inner) => self.reference(inner, value, scope),
            Pattern::Contains(inner) => self.of_list(value, |this, list| {
                this.any(list, |this, item| this.verdict(inner, Some(item), scope.inside()))
            }),
            Pattern::Every(inner) => self.of_list(value, |this, list| {
                this.all(list, |this, item| this.verdict(inner, Some(item), scope.inside()))
            }),
            Pattern::PresentAll(each) => self.of_list(value, |this, list| {
                this.all(each, |this, inner| {
                    this.any(list, |this, item| this.verdict(inner, Some(item), scope.inside()))
                })
            }),
            Pattern::Length(length) => {
                self.of_list(value, |_, list| Verdict::of(list.len() == *length))
            }
        }
    }

    fn members(
        &mut self,
        members: &[(String, Pattern)],
        value: Option<&Value>,
        scope: Scope,
    ) -> Verdict {
        let Some(Value::Object(map)) = value else { return Verdict::NotSatisfied };
        self.all(members, |this, (name, pattern)| {
            let value = map.get(name);
            this.verdict(pattern, value, scope.member(name, value))
        })
    }

    fn items(&mut self, items: &[Pattern], value: Option<&Value>, scope: Scope) -> Verdict {
        let Some(Value::Array(list)) = value else { return Verdict::NotSatisfied };
        let mut list = list.iter();
        self.all(items, |this, pattern| this.verdict(pattern, list.next(), scope.inside()))
    }

    fn of_list(
        &mut self,
        value: Option<&Value>,
        verdict: impl FnOnce(&mut Self, &[Value]) -> Verdict,
    ) -> Verdict {
        match value {
            Some(Value::Array(list)) => verdict(self, list),
            _ => Verdict::NotSatisfied,
        }
    }

    /// A reference that cannot be read may be one to anything.
    fn reference(&mut self, inner: &Pattern, value: Option<&Value>, scope: Scope) -> Verdict {
        let Some(value) = value else { return self.verdict(inner, None, scope.inside()) };
        match reference::read(value) {
            Some(read) => self.verdict(inner, Some(&read), scope.inside()),
            None => Verdict::Failed,
        }
    }

    /// Absent never equals absent, and an empty value is no better.
    fn equals_sent(&mut self, path: &SentPath, value: Option<&Value>) -> Verdict {
        match (path.of(self.document).filter(|sent| !is_empty(sent)), value) {
            (None, _) => Verdict::Failed,
            (Some(_), None) => Verdict::NotSatisfied,
            (Some(sent), Some(value)) => self.same(sent, value),
        }
    }

    fn is_one_of_sent(&mut self, path: &SentPath, value: Option<&Value>) -> Verdict {
        let Some(Value::Array(sent)) = path.of(self.document) else { return Verdict::Failed };
        let Some(value) = value else { return Verdict::NotSatisfied };
        self.any(
            sent,
            |this, sent| {
                if is_empty(sent) { Verdict::NotSatisfied } else { this.same(sent, value) }
            },
        )
    }

    /// Whether two values are the same. Two references are when they refer to the same resource.
    fn same(&mut self, a: &Value, b: &Value) -> Verdict {
        if !self.spend(1) {
            return Verdict::Failed;
        }
        if let (Some(a), Some(b)) = (reference::derived(a), reference::derived(b)) {
            return Verdict::of(a == b);
        }
        match (a, b) {
            (Value::Object(a), Value::Object(b)) if a.len() == b.len() => {
                self.all(a, |this, (name, a)| match b.get(name) {
                    Some(b) => this.same(a, b),
                    None => Verdict::NotSatisfied,
                })
            }
            (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
                self.all(a.iter().zip(b), |this, (a, b)| this.same(a, b))
            }
            (Value::Object(_) | Value::Array(_), _) => Verdict::NotSatisfied,
            (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_), scalar) => {
                Verdict::of(same_scalar(a, scalar))
            }
        }
    }

    /// Kleene's *and*, up to the first that is not satisfied.
    fn all<I>(
        &mut self,
        each: impl IntoIterator<Item = I>,
        mut verdict: impl FnMut(&mut Self, I) -> Verdict,
    ) -> Verdict {
        let mut all = Verdict::Satisfied;
        for one in each {
            all = all.and(verdict(self, one));
            if all == Verdict::NotSatisfied || self.is_exhausted() {
                break;
            }
        }
        if self.is_exhausted() { all.and(Verdict::Failed) } else { all }
    }

    /// Kleene's *or*, up to the first that is satisfied.
    fn any<I>(
        &mut self,
        each: impl IntoIterator<Item = I>,
        mut verdict: impl FnMut(&mut Self, I) -> Verdict,
    ) -> Verdict {
        !self.all(each, |this, one| !verdict(this, one))
    }

    fn spend(&mut self, steps: usize) -> bool {
        self.steps_left = self.steps_left.saturating_sub(steps);
        !self.is_exhausted()
    }
}

/// Whether a value is as good as absent.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}
