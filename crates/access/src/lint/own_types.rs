//! Rules that look meant for our own types and do not reach them, and that reach them further than
//! they look.

use firewarden_fhir::ResourceType;
use serde_json::{Map, Value};

use super::{Finding, Findings, LintRule};
use crate::element_path::ElementPath;
use crate::engine::{Engine, Required};
use crate::rule::is_made_of_rights;

/// The attributes that hold rules.
const RULES: &[&str] = &["schema", "matcho", "sql", "and", "or"];

/// Tells of each own type that the rule speaks of and does not reach, and of each that it lets be
/// written as it asks for no method.
pub(super) fn look(
    policy: &Map<String, Value>,
    engine: &Engine,
    at: &ElementPath,
    findings: &mut Findings,
) {
    let rules = RULES.iter().filter_map(|name| policy.get(*name).map(|rule| (*name, rule)));
    let rows = policy.get("rows");
    for (name, rule) in rules {
        let mut texts = Vec::new();
        collect_texts(rule, &mut texts);
        let reached = |of: ResourceType| {
            engine.names(of) || rows.is_some_and(|rows| rows.get(of.name()).is_some())
        };
        let of_rights =
            ResourceType::all().filter(|of| is_made_of_rights(*of) && engine.names(*of));
        for of in of_rights.filter(|_| rows.is_none() && !asks_how(engine)) {
            let told = format!("the rule names `{of}` and no method: it grants writing it, too");
            let finding = Finding::new(LintRule::OwnTypeWritable, &at.member(name), told)
                .example(format!("`PUT /{of}/x`, with what makes the caller an administrator"))
                .remedy("ask for the method or the operation, as in `request-method: get`");
            findings.add(finding);
        }
        for of in ResourceType::all().filter(|of| of.is_own() && !reached(*of)) {
            if texts.iter().any(|text| speaks_of(text, of)) {
                let told = format!("the rule speaks of `{of}` and does not reach it");
                let finding = Finding::new(LintRule::OwnTypeOutOfReach, &at.member(name), told)
                    .example(format!("`GET /{of}` stays refused"))
                    .remedy(format!(
                        "our own types are granted only by a required equality on \
                         `params.resource/type` or `uri`, as in `params: {{resource/type: {of}}}`, \
                         or by `rows` with it"
                    ));
                findings.add(finding);
            }
        }
    }
}

/// Whether the rule holds only for some methods or operations.
fn asks_how(engine: &Engine) -> bool {
    let Required { methods, operations, types: _, uris: _ } = engine.required();
    methods.is_some() || operations.is_some()
}

fn speaks_of(text: &str, of: ResourceType) -> bool {
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
    text == of.name() || text.contains('/') && words.any(|word| word == of.name())
}

fn collect_texts<'a>(value: &'a Value, texts: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(items) => items.iter().for_each(|item| collect_texts(item, texts)),
        Value::Object(members) => {
            let words = ["$comment", "description", "title", "default", "examples", "$ref"];
            let told = members.iter().filter(|(name, _)| !words.contains(&name.as_str()));
            told.for_each(|(_, value)| collect_texts(value, texts));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
