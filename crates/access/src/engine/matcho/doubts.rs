//! Doubts about a pattern that compiles: it may not ask what its author means it to.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::evaluation::CALLER_PARTS;
use super::sent_path::SentPath;
use crate::document::KEYS;
use crate::element_path::ElementPath;
use crate::lint::{Finding, Findings, LintRule, Never};

/// Parts that every request has.
const ALWAYS_THERE: &[&str] =
    &["headers", "operation", "params", "request-method", "scheme", "uri"];

/// Tells the doubts about the text of a compiled rule.
pub(super) fn doubts(pattern: &Value, at: &ElementPath, findings: &mut Findings) {
    if pattern.as_object().is_some_and(always_holds) {
        let finding = Finding::new(LintRule::AlwaysTrue, at, "the rule holds for every request")
            .example("`GET /fhir/Patient` without a credential")
            .remedy("ask for something; if all is meant, use `engine: allow` with a `link`");
        findings.add(finding);
    }
    let mut reader = Reader { findings };
    let place = Place { steps: Some(Vec::new()), at: at.clone(), is_negated: false };
    reader.pattern(pattern, &place, &BTreeSet::new());
}

/// Whether a pattern of the document holds for every request, as far as that is plain to see.
fn always_holds(members: &Map<String, Value>) -> bool {
    members.iter().all(|(key, pattern)| match (key.as_str(), pattern) {
        ("$one-of", Value::Array(each)) => {
            each.iter().any(|one| one.as_object().is_some_and(always_holds))
        }
        (key, Value::String(text)) if ALWAYS_THERE.contains(&key) => {
            let found = ["present?", "#.", "#.*", "#.+", "#^", "#^.*", "#^.*$", "#/", "#^/"];
            found.contains(&text.as_str())
        }
        (key, Value::Object(inner)) => ALWAYS_THERE.contains(&key) && inner.is_empty(),
        _ => false,
    })
}

/// Where a pattern stands.
struct Place {
    /// The way from the document; `None` in the items of a list.
    steps: Option<Vec<String>>,
    at: ElementPath,
    is_negated: bool,
}

impl Place {
    fn at(&self, at: ElementPath) -> Self {
        Self { steps: self.steps.clone(), at, is_negated: self.is_negated }
    }

    fn member(&self, name: &str) -> Self {
        let mut place = self.at(self.at.member(name));
        if let Some(steps) = &mut place.steps {
            steps.push(name.to_owned());
        }
        place
    }

    fn in_list(&self, at: ElementPath) -> Self {
        Self { steps: None, ..self.at(at) }
    }
}

/// The paths that a request must have where a pattern holds.
type Guards = BTreeSet<String>;

struct Reader<'a> {
    findings: &'a mut Findings,
}

impl Reader<'_> {
    fn pattern(&mut self, pattern: &Value, place: &Place, guards: &Guards) {
        match pattern {
            Value::String(text) if text.starts_with('.') => self.path(text, place, guards),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.pattern(item, &place.in_list(place.at.item(index)), guards);
                }
            }
            Value::Object(members) => self.map(members, place, guards),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn map(&mut self, members: &Map<String, Value>, place: &Place, guards: &Guards) {
        let mut guards = guards.clone();
        if let Some(steps) = place.steps.as_ref().filter(|_| !place.is_negated) {
            add_guards(members, steps, &mut guards);
        }
        if members.len() > 1 && members.contains_key("$one-of") {
            self.siblings(members, place);
        }
        if let Some(negated) = members.get("$not").filter(|_| !has_other_presence(members)) {
            self.bare_not(negated, place);
        }
        for (key, inner) in members {
            let at = place.at.member(key);
            match key.as_str() {
                "$not" => {
                    self.pattern(inner, &Place { is_negated: true, ..place.at(at) }, &guards);
                }
                "$one-of" => {
                    let Some(each) = inner.as_array() else {
                        self.pattern(inner, &place.at(at), &guards);
                        continue;
                    };
                    for (index, one) in each.iter().enumerate() {
                        self.pattern(one, &place.at(at.item(index)), &guards);
                    }
                }
                "$contains" | "$every" | "$present-all" | "$reference" => {
                    self.pattern(inner, &place.in_list(at), &guards);
                }
                key if key.starts_with('$') => {}
                key => self.pattern(inner, &place.member(key), &guards),
            }
        }
    }

    fn siblings(&mut self, members: &Map<String, Value>, place: &Place) {
        let others: Vec<&str> =
            members.keys().map(String::as_str).filter(|key| *key != "$one-of").collect();
        let told = "`$one-of` has siblings: they must hold too, which is not so on every server";
        let finding = Finding::new(LintRule::OneOfSiblings, &place.at.member("$one-of"), told)
            .example(format!(
                "elsewhere a request that matches an alternative is allowed without `{}`",
                others.join("`, `")
            ))
            .remedy("write the siblings into each alternative");
        self.findings.add(finding);
    }

    /// A negation holds where there is nothing.
    fn bare_not(&mut self, negated: &Value, place: &Place) {
        let asks_for_presence =
            negated.is_null() || negated.as_str().is_some_and(|text| text.ends_with('?'));
        let Some(steps) = place.steps.as_ref().filter(|_| !asks_for_presence) else { return };
        let at = place.at.member("$not");
        let path = steps.join(".");
        let is_of_caller = steps.first().is_some_and(|key| CALLER_PARTS.contains(&key.as_str()));
        let finding = if steps.is_empty() {
            Finding::new(LintRule::BareNot, &at, "the rule holds for whatever is not so")
                .example("`DELETE /fhir/Patient/x`, if that is not what is excepted")
                .remedy("say what is allowed beside it, and not only what is not")
        } else if is_of_caller {
            let told = format!("`$not` allows every `{path}` but the one that is named");
            Finding::new(LintRule::BareNot, &at, told)
                .example(if steps.len() == 1 {
                    format!("any other `{path}`, also one that is made later")
                } else {
                    format!("a caller whose `{path}` is not there")
                })
                .remedy("list those who may with `$enum`")
        } else {
            let told = format!("`$not` also holds for requests without `{path}`");
            Finding::new(LintRule::BareNot, &at, told)
                .example(format!("a request that has no `{path}`"))
                .remedy("list what is allowed with `$enum`, or ask for `present?` beside it")
        };
        self.findings.add(finding);
    }

    /// A path may lead to nothing.
    fn path(&mut self, text: &str, place: &Place, guards: &Guards) {
        let Some(path) = SentPath::parse(text) else { return };
        if !KEYS.contains(&path.key()) {
            let Never { told, example, remedy } = Never::unknown_key(path.key());
            let told = format!("{told}, which `{text}` leads into");
            let finding =
                Finding::new(LintRule::NeverHolds, &place.at, told).example(example).remedy(remedy);
            self.findings.add(finding);
            return;
        }
        let path_text = path.steps().join(".");
        let below = format!("{path_text}.");
        let is_always_there =
            matches!(path_text.as_str(), "uri" | "request-method" | "scheme" | "operation.id");
        let is_guarded =
            guards.iter().any(|guard| *guard == path_text || guard.starts_with(&below));
        if is_guarded || is_always_there {
            return;
        }
        let told = format!("`{text}` may lead to nothing: then the comparison does not hold");
        let guard = path.steps().iter().rev().fold("present?".to_owned(), |inner, step| {
            if inner == "present?" {
                format!("{step}: {inner}")
            } else {
                format!("{step}: {{{inner}}}")
            }
        });
        let finding = Finding::new(LintRule::UnguardedPath, &place.at, told)
            .example(format!(
                "a request without `{path_text}`, which a server that takes absent for equal to \
                 absent would allow"
            ))
            .remedy(format!("ask for it as well: `{guard}`"));
        self.findings.add(finding);
    }
}

/// Whether another key of the map asks for a value to be there.
fn has_other_presence(members: &Map<String, Value>) -> bool {
    members.iter().any(|(key, pattern)| match key.as_str() {
        "$not" => false,
        "$one-of" => pattern.as_array().is_none_or(|each| each.iter().all(needs_value)),
        "$reference" => needs_value(pattern),
        _ => true,
    })
}

/// Whether a pattern does not hold where there is nothing.
fn needs_value(pattern: &Value) -> bool {
    match pattern {
        Value::Null => false,
        Value::String(text) => text != "nil?",
        Value::Object(members) => members.is_empty() || has_other_presence(members),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) => true,
    }
}

/// Adds the paths that these members ask to be there.
fn add_guards(members: &Map<String, Value>, steps: &[String], guards: &mut Guards) {
    let prefix = steps.iter().fold(String::new(), |prefix, step| format!("{prefix}{step}."));
    for (key, pattern) in members.iter().filter(|(key, _)| !key.starts_with('$')) {
        if !needs_value(pattern) {
            continue;
        }
        guards.insert(format!("{prefix}{key}"));
        if let Value::Object(inner) = pattern {
            let mut steps = steps.to_vec();
            steps.push(key.clone());
            add_guards(inner, &steps, guards);
        }
    }
}
