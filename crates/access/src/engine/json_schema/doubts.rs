//! Doubts about a rule that compiles: it may not check what its author means it to.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::SentValue;
use super::keywords::{self, Kind};
use super::schema::{required_members, resolve};
use crate::document;
use crate::element_path::ElementPath;
use crate::lint::{Finding, Findings, LintRule, Never};

/// Tells the doubts about a checked schema.
pub(super) fn doubts(
    schema: &Value,
    sent_values: &[SentValue],
    at: &ElementPath,
    findings: &mut Findings,
) {
    let mut reader = Reader { root: schema, findings };
    if !reader.asserts_of_object(schema) {
        let finding = Finding::new(LintRule::AlwaysTrue, at, "the rule holds for every request")
            .example("`GET /fhir/Patient` without a credential")
            .remedy("ask for something; if all is meant, use `engine: allow` with a `link`");
        reader.findings.add(finding);
    }
    reader.schema(schema, at, &BTreeSet::new());
    for sent in sent_values.iter().filter(|sent| !document::KEYS.contains(&sent.key())) {
        let Never { told, example, remedy } = Never::unknown_key(sent.key());
        let told = format!("{told}, which `$data` points at");
        let finding = Finding::new(LintRule::NeverHolds, at, told).example(example).remedy(remedy);
        findings.add(finding);
    }
}

struct Reader<'a, 'f> {
    root: &'a Value,
    findings: &'f mut Findings,
}

impl<'a> Reader<'a, '_> {
    /// Looks at a schema that must hold. What stands under `not` and `if` is left alone: there a
    /// missing member makes a rule narrower. `required` are the members that schemas around this
    /// one, for the same value, require.
    fn schema(&mut self, schema: &'a Value, at: &ElementPath, required: &BTreeSet<&'a str>) {
        let Some(keywords) = schema.as_object() else { return };
        let mut required = required.clone();
        required.extend(required_members(self.root, keywords));
        for (name, value) in keywords {
            let at = at.member(name);
            match (name.as_str(), value) {
                ("properties", Value::Object(inner)) => self.properties(inner, &at, &required),
                ("allOf" | "anyOf" | "oneOf", Value::Array(inner)) => {
                    for (index, inner) in inner.iter().enumerate() {
                        self.schema(inner, &at.item(index), &required);
                    }
                }
                ("then" | "else", inner) => self.schema(inner, &at, &required),
                ("items" | "contains" | "additionalProperties", inner) => {
                    self.schema(inner, &at, &BTreeSet::new());
                }
                ("definitions", Value::Object(inner)) => {
                    for (name, inner) in inner {
                        self.schema(inner, &at.member(name), &BTreeSet::new());
                    }
                }
                _ => {}
            }
        }
    }

    fn properties(
        &mut self,
        inner: &'a Map<String, Value>,
        at: &ElementPath,
        required: &BTreeSet<&'a str>,
    ) {
        for (name, schema) in inner {
            let at = at.member(name);
            let is_keyword =
                matches!(keywords::kind(name), Some(Kind::SchemaMap | Kind::SchemaList))
                    || name == "required";
            if is_keyword && schema.is_object() {
                let told = format!("checks a member that is named `{name}`");
                let finding = Finding::new(LintRule::MisplacedKeyword, &at, told)
                    .example("a request without such a member")
                    .remedy(format!("the keyword `{name}` stands one level higher"));
                self.findings.add(finding);
            } else if !required.contains(name.as_str()) && self.asserts(schema) {
                let told = format!(
                    "`{name}` is not in `required` beside these `properties`: the rule also holds \
                     for requests without it"
                );
                let finding = Finding::new(LintRule::NotRequired, &at, told)
                    .example(match name.as_str() {
                        "jwt" | "user" | "client" | "token" | "role" | "session" => {
                            format!("`GET /fhir/Patient` by a caller without `{name}`")
                        }
                        name => format!("a request without `{name}`"),
                    })
                    .remedy(format!("`required: [{name}]` beside `properties`"));
                self.findings.add(finding);
            }
            self.schema(schema, &at, &BTreeSet::new());
        }
    }

    /// Whether there is a value that the schema refuses, as far as its keywords tell.
    fn asserts(&self, schema: &Value) -> bool {
        let Some(keywords) = schema.as_object() else { return false };
        keywords.iter().any(|(name, value)| match (name.as_str(), keywords::kind(name)) {
            ("$ref", _) => resolve(self.root, schema).is_none_or(|schema| self.asserts(schema)),
            ("properties", _) => {
                value.as_object().into_iter().flatten().any(|(_, inner)| self.refuses(inner))
            }
            ("allOf", _) => value.as_array().into_iter().flatten().any(|inner| self.refuses(inner)),
            ("anyOf", _) => value.as_array().into_iter().flatten().all(|inner| self.refuses(inner)),
            ("not", _) => *value != Value::Bool(false),
            ("if" | "then" | "else", _) => keywords.contains_key("if"),
            ("required", _) => strings(Some(value)).next().is_some(),
            ("items" | "additionalProperties" | "additionalItems" | "propertyNames", _) => {
                value.is_array() || self.refuses(value)
            }
            (_, Some(Kind::Annotation)) | ("definitions", _) => false,
            _ => true,
        })
    }

    fn refuses(&self, schema: &Value) -> bool {
        *schema == Value::Bool(false) || self.asserts(schema)
    }

    /// As [`asserts`](Self::asserts), of the document, which is an object in any case.
    fn asserts_of_object(&self, schema: &Value) -> bool {
        let mut schema = schema.clone();
        if let Some(keywords) =
            schema.as_object_mut().filter(|of| of.get("type").is_some_and(|of| *of == "object"))
        {
            keywords.shift_remove("type");
        }
        self.refuses(&schema)
    }
}

fn strings(value: Option<&Value>) -> impl Iterator<Item = &str> {
    let items = match value {
        Some(Value::Array(items)) => items.as_slice(),
        Some(value) => std::slice::from_ref(value),
        None => &[],
    };
    items.iter().filter_map(Value::as_str)
}
