//! Reads a pattern strictly: what is not understood is refused, never passed over.

use firewarden_fhir::Issue;
use firewarden_fhir::limits::ISSUES_MAX;
use serde_json::{Map, Value};

use super::expression::Expression;
use super::pattern::Pattern;
use super::sent_path::SentPath;
use crate::element_path::ElementPath;
use crate::limits::{MATCHO_DEPTH_MAX, MATCHO_EXPRESSIONS_MAX, MATCHO_PATTERNS_MAX};
use crate::nearest::suggestion;

/// The special keys of a map.
const SPECIAL_KEYS: &[&str] =
    &["$contains", "$enum", "$every", "$length", "$not", "$one-of", "$present-all", "$reference"];

/// The special texts.
const SPECIAL_TEXTS: &[&str] = &["present?", "nil?", "not-blank?"];

/// How to ask for a text that would mean something else.
const AS_TEXT: &str = "to ask for this very text write it into an `$enum`";

/// Compiles the pattern of a document.
pub(super) fn compile(pattern: &Value, at: &ElementPath) -> Result<Pattern, Vec<Issue>> {
    let mut compiler = Compiler::default();
    let compiled = if pattern.is_object() {
        compiler.pattern(pattern, at, Place { depth: 1, is_negated: false })
    } else {
        compiler.refuse(at, "structure", "a pattern of requests is a map");
        never()
    };
    if compiler.issues.is_empty() { Ok(compiled) } else { Err(compiler.issues) }
}

/// What a refused pattern is taken for while the others are read.
fn never() -> Pattern {
    Pattern::Enum(Vec::new())
}

#[derive(Default)]
struct Compiler {
    issues: Vec<Issue>,
    patterns: usize,
    expressions: usize,
}

/// Where a pattern stands in the rule.
#[derive(Clone, Copy)]
struct Place {
    depth: usize,
    is_negated: bool,
}

impl Place {
    fn inside(self) -> Self {
        Self { depth: self.depth + 1, ..self }
    }
}

impl Compiler {
    fn refuse(&mut self, at: &ElementPath, code: &'static str, told: impl Into<String>) {
        if self.issues.len() < ISSUES_MAX {
            self.issues.push(Issue::error(code, told).at(at.clone()));
        }
    }

    fn pattern(&mut self, pattern: &Value, at: &ElementPath, place: Place) -> Pattern {
        self.patterns += 1;
        if place.depth > MATCHO_DEPTH_MAX {
            let told = format!("more than {MATCHO_DEPTH_MAX} patterns inside one another");
            self.refuse(at, "too-costly", told);
            return never();
        }
        if self.patterns > MATCHO_PATTERNS_MAX {
            if self.patterns == MATCHO_PATTERNS_MAX + 1 {
                self.refuse(at, "too-costly", format!("more than {MATCHO_PATTERNS_MAX} patterns"));
            }
            return never();
        }
        match pattern {
            Value::Null => Pattern::Absent,
            Value::Bool(_) | Value::Number(_) => Pattern::Literal(pattern.clone()),
            Value::String(text) => self.text(text, at),
            Value::Array(_) => Pattern::Items(self.each(pattern, at, place)),
            Value::Object(members) => self.map(members, at, place),
        }
    }

    fn text(&mut self, text: &str, at: &ElementPath) -> Pattern {
        match text {
            "present?" => return Pattern::Present,
            "nil?" => return Pattern::Absent,
            "not-blank?" => return Pattern::NotBlank,
            "present" | "nil" | "not-blank" => {
                let told = format!("`{text}` without `?` is a plain text; {AS_TEXT}");
                self.refuse(at, "value", told);
                return never();
            }
            _ => {}
        }
        if let Some(expression) = text.strip_prefix('#') {
            return self.expression(expression, at);
        }
        if text.starts_with('.') {
            return self.sent_path(text, at).map_or_else(never, Pattern::Sent);
        }
        if text.ends_with('?') {
            let near = suggestion(text, SPECIAL_TEXTS);
            self.refuse(at, "value", format!("there is no special text `{text}`{near}; {AS_TEXT}"));
            return never();
        }
        Pattern::Literal(text.into())
    }

    fn expression(&mut self, text: &str, at: &ElementPath) -> Pattern {
        self.expressions += 1;
        if self.expressions > MATCHO_EXPRESSIONS_MAX {
            let told = format!("more than {MATCHO_EXPRESSIONS_MAX} regular expressions");
            self.refuse(at, "too-costly", told);
            return never();
        }
        if text.is_empty() {
            self.refuse(at, "value", format!("there is nothing after `#`; {AS_TEXT}"));
            return never();
        }
        match Expression::compile(text) {
            Ok(expression) => Pattern::Expression(expression),
            Err(error) => {
                let told = format!(
                    "not a regular expression that is matched in linear time, without look-around \
                     and back-references: {error}"
                );
                self.refuse(at, "invalid", told);
                never()
            }
        }
    }

    fn sent_path(&mut self, text: &str, at: &ElementPath) -> Option<SentPath> {
        let path = SentPath::parse(text);
        if path.is_none() {
            let told = format!("a path is `.user.data.id`: no step of it is empty; {AS_TEXT}");
            self.refuse(at, "value", told);
        }
        path
    }

    fn map(&mut self, map: &Map<String, Value>, at: &ElementPath, place: Place) -> Pattern {
        if place.is_negated && map.contains_key("$one-of") && map.len() > 1 {
            let told = "`$one-of` has no siblings under `$not`: whether they are negated with it \
                        differs from server to server";
            self.refuse(&at.member("$one-of"), "invalid", told);
        }
        let (mut all, mut members) = (Vec::new(), Vec::new());
        for (key, value) in map {
            let at = at.member(key);
            if key.starts_with('$') {
                all.push(self.special(key, value, &at, place));
            } else {
                members.push((key.clone(), self.pattern(value, &at, place.inside())));
            }
        }
        let has_members = !members.is_empty() || all.is_empty();
        if has_members {
            all.insert(0, Pattern::Members(members));
        }
        match all.pop() {
            Some(only) if all.is_empty() => only,
            last => {
                all.extend(last);
                Pattern::All(all)
            }
        }
    }

    fn special(&mut self, key: &str, value: &Value, at: &ElementPath, place: Place) -> Pattern {
        let inner = place.inside();
        match key {
            "$enum" => self.literals(value, at),
            "$one-of" => match value {
                Value::String(text) if text.starts_with('.') => {
                    self.sent_path(text, at).map_or_else(never, Pattern::OneOfSent)
                }
                Value::Array(items) if !items.is_empty() => {
                    Pattern::OneOf(self.each(value, at, place))
                }
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::String(_)
                | Value::Array(_)
                | Value::Object(_) => {
                    let told = "`$one-of` is a list of patterns, or a `.path` to a list of values";
                    self.refuse(at, "structure", told);
                    never()
                }
            },
            "$not" => {
                let negated = Place { is_negated: true, ..inner };
                Pattern::Not(Box::new(self.pattern(value, at, negated)))
            }
            "$contains" => Pattern::Contains(Box::new(self.pattern(value, at, inner))),
            "$every" => Pattern::Every(Box::new(self.pattern(value, at, inner))),
            "$reference" => Pattern::Reference(Box::new(self.pattern(value, at, inner))),
            "$present-all" => {
                if value.as_array().is_none_or(Vec::is_empty) {
                    let told = "`$present-all` is a list of patterns that is not empty";
                    self.refuse(at, "structure", told);
                }
                Pattern::PresentAll(self.each(value, at, place))
            }
            "$length" => match value.as_u64().and_then(|length| usize::try_from(length).ok()) {
                Some(length) => Pattern::Length(length),
                None => {
                    self.refuse(at, "value", "`$length` is a number of items");
                    never()
                }
            },
            _ => {
                let near = suggestion(key, SPECIAL_KEYS);
                self.refuse(at, "structure", format!("there is no special key `{key}`{near}"));
                never()
            }
        }
    }

    fn literals(&mut self, value: &Value, at: &ElementPath) -> Pattern {
        let literals = value.as_array().map(Vec::as_slice).unwrap_or_default();
        if literals.is_empty() {
            let told = "`$enum` is a list of texts, numbers and booleans that is not empty";
            self.refuse(at, "structure", told);
        }
        for (index, literal) in literals.iter().enumerate() {
            match literal {
                Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
                Value::Null | Value::Array(_) | Value::Object(_) => {
                    let told = "`$enum` lists texts, numbers and booleans; patterns stand in \
                                `$one-of`";
                    self.refuse(&at.item(index), "value", told);
                }
            }
        }
        Pattern::Enum(literals.to_vec())
    }

    fn each(&mut self, list: &Value, at: &ElementPath, place: Place) -> Vec<Pattern> {
        let items = list.as_array().into_iter().flatten().enumerate();
        items.map(|(index, item)| self.pattern(item, &at.item(index), place.inside())).collect()
    }
}
