//! Doubts about a rule that compiles: it may not check what its author means it to.

use std::collections::BTreeSet;

use firewarden_fhir::limits::ISSUES_MAX;
use firewarden_fhir::{Issue, ResourceType};
use serde_json::{Map, Value};

use super::SentValue;
use super::keywords::{self, Kind};
use super::naming::resolve;
use crate::document;
use crate::element_path::ElementPath;
use crate::nearest::suggestion;

/// The doubts about a checked schema.
pub(super) fn doubts(
    schema: &Value,
    sent_values: &[SentValue],
    names: &BTreeSet<ResourceType>,
    at: &ElementPath,
) -> Vec<Issue> {
    let mut reader = Reader { root: schema, issues: Vec::new() };
    if !reader.asserts_of_object(schema) {
        let told = "the rule holds for every request; if that is meant, use `engine: allow` with a \
                    `link` or a `roleName`";
        reader.doubt(at, told);
    }
    reader.schema(schema, at, &Place::default());
    for sent in sent_values.iter().filter(|sent| !document::KEYS.contains(&sent.key())) {
        let near = suggestion(sent.key(), document::KEYS);
        let told = format!("no request has `{}`, which `$data` points at{near}", sent.key());
        reader.doubt(at, told);
    }
    reader.own_types_out_of_reach(names, at);
    reader.issues
}

struct Reader<'a> {
    root: &'a Value,
    issues: Vec<Issue>,
}

/// Which value of the request document a schema is for.
#[derive(Clone, Default)]
struct Place<'a> {
    /// The names of the members that lead to it; `None` for an item of a list and the like.
    steps: Option<Vec<&'a str>>,
    is_below_document: bool,
    /// The members that schemas around this one, for the same value, require.
    required: BTreeSet<&'a str>,
}

impl<'a> Place<'a> {
    fn is_document(&self) -> bool {
        !self.is_below_document
    }

    fn member(&self, name: &'a str) -> Self {
        let mut steps = self.steps.clone().unwrap_or_default();
        let known = self.is_document() || self.steps.is_some();
        steps.push(name);
        Self { steps: known.then_some(steps), is_below_document: true, required: BTreeSet::new() }
    }

    fn elsewhere() -> Self {
        Self { is_below_document: true, ..Self::default() }
    }

    fn is(&self, name: &str) -> bool {
        self.steps.as_deref() == Some(&[name])
    }
}

impl<'a> Reader<'a> {
    fn doubt(&mut self, at: &ElementPath, told: impl Into<String>) {
        if self.issues.len() < ISSUES_MAX {
            self.issues.push(Issue::warning("business-rule", told).at(at.clone()));
        }
    }

    /// Looks at a schema that must hold. What stands under `not` and `if` is left alone: there a
    /// missing member makes a rule narrower.
    fn schema(&mut self, schema: &'a Value, at: &ElementPath, place: &Place<'a>) {
        let Some(keywords) = schema.as_object() else { return };
        let mut place = place.clone();
        self.add_required(keywords, &mut place.required);
        self.literals(keywords, at, &place);
        if place.is_document() {
            self.unknown_keys(keywords, at);
        }
        for (name, value) in keywords {
            let at = at.member(name);
            match (name.as_str(), value) {
                ("properties", Value::Object(inner)) => self.properties(inner, &at, &place),
                ("allOf" | "anyOf" | "oneOf", Value::Array(inner)) => {
                    for (index, inner) in inner.iter().enumerate() {
                        self.schema(inner, &at.item(index), &place);
                    }
                }
                ("then" | "else", inner) => self.schema(inner, &at, &place),
                ("items" | "contains" | "additionalProperties", inner) => {
                    self.schema(inner, &at, &Place::elsewhere());
                }
                ("definitions", Value::Object(inner)) => {
                    for (name, inner) in inner {
                        self.schema(inner, &at.member(name), &Place::elsewhere());
                    }
                }
                _ => {}
            }
        }
    }

    fn properties(&mut self, inner: &'a Map<String, Value>, at: &ElementPath, place: &Place<'a>) {
        for (name, schema) in inner {
            let at = at.member(name);
            let is_keyword =
                matches!(keywords::kind(name), Some(Kind::SchemaMap | Kind::SchemaList))
                    || name == "required";
            if is_keyword && schema.is_object() {
                let told = format!(
                    "checks a member that is named `{name}`; the keyword stands one level higher"
                );
                self.doubt(&at, told);
            } else if !place.required.contains(name.as_str()) && self.asserts(schema) {
                let told = format!(
                    "`{name}` is not in `required` beside these `properties`: the rule also holds \
                     for requests without it"
                );
                self.doubt(&at, told);
            }
            self.schema(schema, &at, &place.member(name));
        }
    }

    fn unknown_keys(&mut self, keywords: &'a Map<String, Value>, at: &ElementPath) {
        let properties = keywords.get("properties").and_then(Value::as_object);
        let checked =
            properties.into_iter().flatten().map(|(name, _)| ("properties", name.as_str()));
        let required = strings(keywords.get("required")).map(|name| ("required", name));
        for (keyword, name) in checked.chain(required) {
            if !document::KEYS.contains(&name) {
                let near = suggestion(name, document::KEYS);
                let told = format!("no request has `{name}`{near}");
                self.doubt(&at.member(keyword), told);
            }
        }
    }

    /// Literals that no request has.
    fn literals(&mut self, keywords: &'a Map<String, Value>, at: &ElementPath, place: &Place<'a>) {
        let literals: Vec<&str> =
            strings(keywords.get("const")).chain(strings(keywords.get("enum"))).collect();
        if place.is("uri") {
            let pattern =
                strings(keywords.get("pattern")).filter_map(|text| text.strip_prefix('^'));
            for text in literals.iter().copied().chain(pattern) {
                if let Some(ours) = canonical_uri(text) {
                    let told = format!("no request has a `uri` like `{text}`; ours is `{ours}`");
                    self.doubt(at, told);
                }
            }
        } else if place.is("request-method") {
            for text in literals {
                if text.chars().any(|c| c.is_ascii_uppercase()) {
                    let told =
                        format!("no request has the method `{text}`: methods are in lower case");
                    self.doubt(at, told);
                }
            }
        }
    }

    /// A rule that looks meant for our own types does not reach them unless it names them.
    fn own_types_out_of_reach(&mut self, names: &BTreeSet<ResourceType>, at: &ElementPath) {
        let mut texts = Vec::new();
        collect_strings(self.root, &mut texts);
        for of in ResourceType::all().filter(|of| of.is_own() && !names.contains(of)) {
            let meant = |text: &&str| {
                let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
                text.contains('/') && words.any(|word| word == of.name()) || *text == of.name()
            };
            if texts.iter().any(meant) {
                let told = format!(
                    "the rule speaks of `{of}` and does not reach it: our own types are granted \
                     only by a required `const` or `enum` on `params.resource/type` or `uri`"
                );
                self.doubt(at, told);
            }
        }
    }

    fn add_required(&self, keywords: &'a Map<String, Value>, required: &mut BTreeSet<&'a str>) {
        required.extend(strings(keywords.get("required")));
        let all = keywords.get("allOf").and_then(Value::as_array);
        for inner in all.into_iter().flatten() {
            if let Some(keywords) = resolve(self.root, inner).and_then(Value::as_object) {
                self.add_required(keywords, required);
            }
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

/// What the author of this `uri` meant, if no request has it.
fn canonical_uri(text: &str) -> Option<String> {
    let path = text.strip_prefix('/')?;
    let below_fhir = path.strip_prefix("fhir/");
    let name = below_fhir.unwrap_or(path).split(|c: char| !c.is_ascii_alphabetic()).next()?;
    let of = ResourceType::parse(name)?;
    match (below_fhir, of.is_own()) {
        (None, false) => Some(format!("/fhir/{of}")),
        (Some(_), true) => Some(format!("/{of}")),
        (None, true) | (Some(_), false) => None,
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

fn collect_strings<'a>(value: &'a Value, texts: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(items) => items.iter().for_each(|item| collect_strings(item, texts)),
        Value::Object(members) => {
            let told = members.iter().filter(|(name, _)| {
                keywords::kind(name) != Some(Kind::Annotation) && name.as_str() != "$ref"
            });
            told.for_each(|(_, value)| collect_strings(value, texts));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
