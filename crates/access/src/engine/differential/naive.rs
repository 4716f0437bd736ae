//! The contract of the engines, read plainly: no compilation, no limits, no speed. It shares no
//! code with them.

use serde_json::{Map, Value};

use crate::Verdict;

/// What a policy says of a document.
pub(super) fn verdict(policy: &Value, document: &Value) -> Verdict {
    if is_refused(policy) { Verdict::Failed } else { rule(policy, document) }
}

/// Whether a rule, or one in it, could not be saved.
fn is_refused(policy: &Value) -> bool {
    match policy["engine"].as_str() {
        Some("allow") => false,
        Some("matcho") => {
            !policy["matcho"].is_object() || matcho::is_refused(&policy["matcho"], false)
        }
        Some("json-schema") => schema::is_refused(&policy["schema"]),
        Some("complex") => match (policy.get("and"), policy.get("or")) {
            (Some(Value::Array(each)), None) | (None, Some(Value::Array(each))) => {
                each.is_empty() || each.iter().any(is_refused)
            }
            _ => true,
        },
        _ => true,
    }
}

fn rule(policy: &Value, document: &Value) -> Verdict {
    let each = |name: &str| {
        let branches = policy[name].as_array().into_iter().flatten();
        branches.map(|branch| rule(branch, document)).collect::<Vec<_>>()
    };
    let holds = match policy["engine"].as_str() {
        Some("allow") => true,
        Some("matcho") => matcho::holds(&policy["matcho"], document),
        Some("json-schema") => schema::holds(&policy["schema"], document),
        _ if policy.get("and").is_some() => {
            let branches = each("and");
            if branches.contains(&Verdict::NotSatisfied) {
                return Verdict::NotSatisfied;
            }
            if branches.contains(&Verdict::Failed) {
                return Verdict::Failed;
            }
            true
        }
        _ => {
            let branches = each("or");
            if branches.contains(&Verdict::Satisfied) {
                return Verdict::Satisfied;
            }
            if branches.contains(&Verdict::Failed) {
                return Verdict::Failed;
            }
            false
        }
    };
    if holds { Verdict::Satisfied } else { Verdict::NotSatisfied }
}

/// What the generator's expressions match.
fn is_found(expression: &str, text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    match expression {
        "^/fhir/" => text.starts_with("/fhir/"),
        "Patient$" => text.ends_with("Patient"),
        "a" => text.contains('a'),
        r"^\d+$" => !text.is_empty() && text.chars().all(|c| c.is_ascii_digit()),
        r"^\w+$" => !text.is_empty() && text.chars().all(is_word),
        "^[^/]*$" => !text.contains('/'),
        "^$" => text.is_empty(),
        "^/fhir/Patient(/[^/]+)?$" => match text.strip_prefix("/fhir/Patient") {
            Some("") => true,
            Some(rest) => {
                rest.strip_prefix('/').is_some_and(|id| !id.is_empty() && !id.contains('/'))
            }
            None => false,
        },
        other => panic!("the generator has an expression more: {other}"),
    }
}

/// The value at a path; `None` where there is none.
fn at<'a>(steps: &[String], document: &'a Value) -> Option<&'a Value> {
    let mut value = document;
    for step in steps {
        value = if let Some(items) = value.as_array() {
            items.get(step.parse::<usize>().ok()?)?
        } else {
            value.get(step)?
        };
    }
    Some(value)
}

fn is_empty(value: &Value) -> bool {
    value.is_null()
        || value.as_str() == Some("")
        || value.as_array().is_some_and(Vec::is_empty)
        || value.as_object().is_some_and(Map::is_empty)
}

/// Equal by type and value; the generator's numbers are small.
fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| equal(a, b)))
        }
        _ => a == b,
    }
}

mod matcho {
    use super::*;

    /// `None` is unknown.
    type Truth = Option<bool>;

    pub(super) fn holds(pattern: &Value, document: &Value) -> bool {
        let at = At { is_document: true, is_absent_part: false, is_negated: false };
        matches(pattern, document, document, at) == Some(true)
    }

    #[derive(Clone, Copy)]
    struct At {
        is_document: bool,
        is_absent_part: bool,
        is_negated: bool,
    }

    fn all(each: &[Truth]) -> Truth {
        if each.contains(&Some(false)) {
            Some(false)
        } else if each.contains(&None) {
            None
        } else {
            Some(true)
        }
    }

    fn any(each: &[Truth]) -> Truth {
        let negated: Vec<Truth> = each.iter().map(|one| one.map(|one| !one)).collect();
        all(&negated).map(|one| !one)
    }

    /// An absent value is `null` here.
    fn matches(pattern: &Value, value: &Value, document: &Value, at: At) -> Truth {
        if at.is_absent_part && at.is_negated && !is_about_presence(pattern) {
            return None;
        }
        match pattern {
            Value::Null => Some(value.is_null()),
            Value::Bool(_) | Value::Number(_) => Some(equal(pattern, value)),
            Value::String(text) => of_text(text, value, document),
            Value::Array(patterns) => {
                let Value::Array(items) = value else { return Some(false) };
                let inside = At { is_document: false, ..at };
                let each = patterns.iter().enumerate().map(|(index, pattern)| {
                    matches(pattern, items.get(index).unwrap_or(&Value::Null), document, inside)
                });
                all(&each.collect::<Vec<_>>())
            }
            Value::Object(members) => {
                let mut each: Vec<Truth> = Vec::new();
                let is_special = |name: &str| name.starts_with('$');
                if members.is_empty() || members.keys().any(|name| !is_special(name)) {
                    each.push(Some(value.is_object()));
                }
                for (name, pattern) in members {
                    each.push(if is_special(name) {
                        special(name, pattern, value, document, at)
                    } else if value.is_object() {
                        member(name, pattern, value, document, at)
                    } else {
                        Some(false)
                    });
                }
                all(&each)
            }
        }
    }

    fn member(name: &str, pattern: &Value, map: &Value, document: &Value, at: At) -> Truth {
        let value = map.get(name).unwrap_or(&Value::Null);
        let parts = ["user", "client", "jwt", "token", "role", "session"];
        let is_part = at.is_document && parts.contains(&name);
        let is_absent_part = at.is_absent_part || is_part && is_empty(value);
        matches(pattern, value, document, At { is_document: false, is_absent_part, ..at })
    }

    fn of_text(text: &str, value: &Value, document: &Value) -> Truth {
        match text {
            "present?" => Some(!value.is_null()),
            "nil?" => Some(value.is_null()),
            "not-blank?" => Some(value.as_str().is_some_and(|text| text.trim() != "")),
            _ => match (text.strip_prefix('#'), text.strip_prefix('.')) {
                (Some(expression), _) => {
                    Some(value.as_str().is_some_and(|text| is_found(expression, text)))
                }
                (_, Some(path)) => {
                    let other = at(&steps(path), document)?;
                    if is_empty(other) { None } else { Some(same(other, value)) }
                }
                _ => Some(value.as_str() == Some(text)),
            },
        }
    }

    fn special(name: &str, rule: &Value, value: &Value, document: &Value, at: At) -> Truth {
        let inside = At { is_document: false, ..at };
        let items = value.as_array();
        let of_each = |pattern: &Value, items: &[Value]| -> Vec<Truth> {
            items.iter().map(|item| matches(pattern, item, document, inside)).collect()
        };
        match name {
            "$enum" => Some(rule.as_array().unwrap().iter().any(|literal| equal(literal, value))),
            "$one-of" => {
                if let Some(patterns) = rule.as_array() {
                    let each = patterns.iter().map(|one| matches(one, value, document, at));
                    return any(&each.collect::<Vec<_>>());
                }
                let path = rule.as_str().unwrap().strip_prefix('.').unwrap();
                let others = super::at(&steps(path), document)?.as_array()?;
                Some(others.iter().any(|other| !is_empty(other) && same(other, value)))
            }
            "$not" if at.is_absent_part => None,
            "$not" => matches(rule, value, document, At { is_negated: true, ..at }).map(|one| !one),
            "$contains" => items.map_or(Some(false), |items| any(&of_each(rule, items))),
            "$every" => items.map_or(Some(false), |items| all(&of_each(rule, items))),
            "$present-all" => items.map_or(Some(false), |items| {
                let patterns = rule.as_array().unwrap().iter();
                all(&patterns.map(|one| any(&of_each(one, items))).collect::<Vec<_>>())
            }),
            "$length" => Some(items.is_some_and(|items| Some(items.len() as u64) == rule.as_u64())),
            "$reference" if value.is_null() => matches(rule, value, document, inside),
            "$reference" => matches(rule, &referred(value)?, document, inside),
            other => panic!("it was refused: {other}"),
        }
    }

    fn is_about_presence(pattern: &Value) -> bool {
        let is_one_of_such = |members: &Map<String, Value>| {
            let each = members.get("$one-of").and_then(Value::as_array);
            members.len() == 1 && each.is_some_and(|each| each.iter().all(is_about_presence))
        };
        pattern.is_null()
            || ["present?", "nil?", "not-blank?"].iter().any(|text| pattern == text)
            || pattern.as_object().is_some_and(is_one_of_such)
    }

    fn steps(path: &str) -> Vec<String> {
        path.split('.').map(str::to_owned).collect()
    }

    /// Type and id of a value with nothing but what a reference has.
    fn type_and_id(value: &Value) -> Option<(&str, &str)> {
        let of_a_reference =
            ["reference", "resourceType", "id", "type", "identifier", "display", "extension"];
        let only = value.as_object()?.keys().all(|name| of_a_reference.contains(&name.as_str()));
        if only { Some((value["resourceType"].as_str()?, value["id"].as_str()?)) } else { None }
    }

    fn same(a: &Value, b: &Value) -> bool {
        if let (Some(a), Some(b)) = (type_and_id(a), type_and_id(b)) {
            return a == b;
        }
        match (a, b) {
            (Value::Array(a), Value::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
            }
            (Value::Object(a), Value::Object(b)) => {
                a.len() == b.len()
                    && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
            }
            _ => equal(a, b),
        }
    }

    /// What a value refers to, as `{resourceType, id}`.
    fn referred(value: &Value) -> Option<Value> {
        let text = value.as_str().or(value["reference"].as_str()).unwrap_or_default();
        let parts = match text.split('/').collect::<Vec<_>>()[..] {
            [of @ ("Patient" | "Group"), id] if !id.is_empty() => Some((of, id)),
            _ => type_and_id(value),
        };
        parts.map(|(of, id)| serde_json::json!({"resourceType": of, "id": id}))
    }

    pub(super) fn is_refused(pattern: &Value, is_negated: bool) -> bool {
        match pattern {
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
            Value::String(text) => match text.as_str() {
                "present?" | "nil?" | "not-blank?" => false,
                "present" | "nil" | "not-blank" | "#" | "#(" => true,
                text if text.starts_with('#') => false,
                text if text.starts_with('.') => {
                    text == "." || text.ends_with('.') || text.contains("..")
                }
                text => text.ends_with('?'),
            },
            Value::Array(each) => each.iter().any(|one| is_refused(one, is_negated)),
            Value::Object(members) => {
                is_negated && members.len() > 1 && members.contains_key("$one-of")
                    || members.iter().any(|(name, rule)| is_member_refused(name, rule, is_negated))
            }
        }
    }

    fn is_member_refused(name: &str, rule: &Value, is_negated: bool) -> bool {
        let list = rule.as_array().filter(|list| !list.is_empty());
        match name {
            "$enum" => list.is_none_or(|list| {
                list.iter().any(|one| one.is_null() || one.is_array() || one.is_object())
            }),
            "$one-of" => match rule.as_str() {
                Some(text) => !text.starts_with('.') || is_refused(rule, is_negated),
                None => list.is_none() || is_refused(rule, is_negated),
            },
            "$present-all" => list.is_none() || is_refused(rule, is_negated),
            "$length" => rule.as_u64().is_none(),
            "$not" => is_refused(rule, true),
            "$contains" | "$every" | "$reference" => is_refused(rule, is_negated),
            _ => name.starts_with('$') || is_refused(rule, is_negated),
        }
    }
}

mod schema {
    use super::*;

    /// It holds when it does whichever way each comparison with an absent value is taken.
    pub(super) fn holds(schema: &Value, document: &Value) -> bool {
        let document = without_empty(document);
        let mut pointers = Vec::new();
        comparisons(schema, &mut pointers);
        let absent: Vec<&Value> = pointers
            .into_iter()
            .filter(|pointer| at(&steps(pointer), &document).is_none())
            .collect();
        (0..1_u32 << absent.len()).all(|ways| {
            let taken = |pointer: &Value| {
                let index = absent.iter().position(|one| std::ptr::eq(*one, pointer));
                index.is_some_and(|index| ways >> index & 1 == 1)
            };
            is_valid(schema, &document, &document, &taken)
        })
    }

    fn without_empty(value: &Value) -> Value {
        if let Some(items) = value.as_array() {
            return items.iter().map(without_empty).collect();
        }
        let Some(members) = value.as_object() else { return value.clone() };
        let mut left = Map::new();
        for (name, value) in members {
            let value = without_empty(value);
            if !is_empty(&value) {
                left.insert(name.clone(), value);
            }
        }
        Value::Object(left)
    }

    /// Every `$data` in the schema.
    fn comparisons<'a>(schema: &'a Value, found: &mut Vec<&'a Value>) {
        if let Some(pointer) = schema.get("$data") {
            found.push(pointer);
        }
        schema.as_array().into_iter().flatten().for_each(|one| comparisons(one, found));
        let members = schema.as_object().into_iter().flatten();
        members.for_each(|(_, one)| comparisons(one, found));
    }

    fn steps(pointer: &Value) -> Vec<String> {
        let text = pointer.as_str().unwrap().strip_prefix("#/").unwrap();
        text.split('/').map(|step| step.replace("~1", "/")).collect()
    }

    fn is_valid(
        schema: &Value,
        value: &Value,
        document: &Value,
        taken: &dyn Fn(&Value) -> bool,
    ) -> bool {
        let Some(keywords) = schema.as_object() else { return schema == true };
        let valid = |schema: &Value, value: &Value| is_valid(schema, value, document, taken);
        keywords.iter().all(|(keyword, rule)| {
            let each = || rule.as_array().unwrap().iter();
            match keyword.as_str() {
                "const" | "constant" => match rule.get("$data") {
                    Some(pointer) => match at(&steps(pointer), document) {
                        Some(other) => equal(other, value),
                        None => taken(pointer),
                    },
                    None => equal(rule, value),
                },
                "enum" => each().any(|one| equal(one, value)),
                "allOf" => each().all(|one| valid(one, value)),
                "anyOf" => each().any(|one| valid(one, value)),
                "oneOf" => each().filter(|one| valid(one, value)).count() == 1,
                "not" => !valid(rule, value),
                "if" => {
                    let name = if valid(rule, value) { "then" } else { "else" };
                    keywords.get(name).is_none_or(|branch| valid(branch, value))
                }
                "then" | "else" => true,
                "type" => is_of_type(rule.as_str().unwrap(), value),
                "pattern" => {
                    value.as_str().is_none_or(|text| is_found(rule.as_str().unwrap(), text))
                }
                "minLength" | "maxLength" => value
                    .as_str()
                    .is_none_or(|text| within(keyword, text.chars().count() as f64, rule)),
                "minItems" | "maxItems" => {
                    value.as_array().is_none_or(|items| within(keyword, items.len() as f64, rule))
                }
                "minimum" | "maximum" => {
                    value.as_f64().is_none_or(|number| within(keyword, number, rule))
                }
                "required" => value.as_object().is_none_or(|members| {
                    each().all(|name| members.contains_key(name.as_str().unwrap()))
                }),
                "properties" => value.as_object().is_none_or(|members| {
                    let rules = rule.as_object().unwrap();
                    rules.iter().all(|(name, rule)| {
                        members.get(name).is_none_or(|value| valid(rule, value))
                    })
                }),
                "additionalProperties" => value.as_object().is_none_or(|members| {
                    let others = members.iter().filter(|(name, _)| {
                        keywords.get("properties").is_none_or(|named| named.get(name).is_none())
                    });
                    others.into_iter().all(|(_, value)| valid(rule, value))
                }),
                "items" => {
                    value.as_array().is_none_or(|items| items.iter().all(|item| valid(rule, item)))
                }
                "contains" => {
                    value.as_array().is_none_or(|items| items.iter().any(|item| valid(rule, item)))
                }
                other => panic!("the generator has a keyword more: {other}"),
            }
        })
    }

    fn within(keyword: &str, number: f64, rule: &Value) -> bool {
        let bound = rule.as_f64().unwrap();
        if keyword.starts_with("min") { number >= bound } else { number <= bound }
    }

    fn is_of_type(name: &str, value: &Value) -> bool {
        match name {
            "string" => value.is_string(),
            "number" => value.is_number(),
            "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
            "object" => value.is_object(),
            "array" => value.is_array(),
            _ => value.is_boolean(),
        }
    }

    pub(super) fn is_refused(schema: &Value) -> bool {
        let Some(keywords) = schema.as_object() else { return !schema.is_boolean() };
        keywords.iter().any(|(keyword, rule)| match keyword.as_str() {
            "requried" | "$ref" => true,
            "pattern" => rule == "(?=a)",
            "const" | "constant" => {
                rule.get("$data").is_some_and(|to| !to.as_str().unwrap().starts_with("#/"))
            }
            "enum" => rule.as_array().unwrap().iter().any(|one| one.get("$data").is_some()),
            "properties" => rule.as_object().unwrap().values().any(is_refused),
            "allOf" | "anyOf" | "oneOf" => rule.as_array().unwrap().iter().any(is_refused),
            "not" | "if" | "then" | "else" | "items" | "contains" | "additionalProperties" => {
                is_refused(rule)
            }
            _ => false,
        })
    }
}
