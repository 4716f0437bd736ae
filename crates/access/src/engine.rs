//! The engines: each says of a request whether a policy's rule holds.

mod json_schema;

use firewarden_fhir::{Issue, ResourceType};
use serde_json::{Map, Value};

use self::json_schema::JsonSchema;
use crate::Verdict;
use crate::document::{LazyDocument, RequestDocument};
use crate::element_path::ElementPath;
use crate::nearest::suggestion;

/// The attributes that hold the rule of one engine.
const RULES: &[(&str, &str)] = &[
    ("json-schema", "schema"),
    ("matcho", "matcho"),
    ("sql", "sql"),
    ("complex", "and"),
    ("complex", "or"),
];

/// Engines that are known and not served by this version.
const NOT_SERVED: &[&str] = &["matcho", "sql", "complex"];

/// Engines of other servers that this one will not have.
const NEVER_SERVED: &[&str] = &["clj", "scope", "signed-rpc", "smart-on-fhir"];

/// A policy's rule, compiled.
#[derive(Debug)]
pub(crate) enum Engine {
    /// Holds for every request that the policy applies to.
    Allow,
    /// Holds where a JSON Schema does.
    JsonSchema(Box<JsonSchema>),
}

impl Engine {
    /// Compiles the rule of an AccessPolicy, with doubts about it; or says what is wrong.
    pub(crate) fn compile(content: &Map<String, Value>) -> Result<(Self, Vec<Issue>), Vec<Issue>> {
        let at = ElementPath::of("AccessPolicy");
        let refuse =
            |code, told: String, at: ElementPath| Err(vec![Issue::error(code, told).at(at)]);
        let engine = match content.get("engine") {
            Some(Value::String(engine)) => engine.as_str(),
            Some(_) => {
                return refuse("structure", "`engine` is a text".into(), at.member("engine"));
            }
            None => {
                let told = "`engine` is required: `json-schema` or `allow`".into();
                return refuse("required", told, at.member("engine"));
            }
        };
        let foreign =
            RULES.iter().filter(|(of, rule)| *of != engine && content.contains_key(*rule));
        let foreign: Vec<Issue> = foreign
            .map(|(of, rule)| {
                let told = format!("`{rule}` is the rule of the engine `{of}`, not of `{engine}`");
                Issue::error("invalid", told).at(at.member(rule))
            })
            .collect();
        if !foreign.is_empty() && !NOT_SERVED.contains(&engine) {
            return Err(foreign);
        }
        match engine {
            "allow" => Ok((Self::Allow, Vec::new())),
            "json-schema" => match content.get("schema") {
                Some(schema) => JsonSchema::compile(schema, &at.member("schema"))
                    .map(|(rule, doubts)| (Self::JsonSchema(Box::new(rule)), doubts)),
                None => {
                    let told = "the engine `json-schema` needs a `schema`".into();
                    refuse("required", told, at.member("schema"))
                }
            },
            engine if NOT_SERVED.contains(&engine) || NEVER_SERVED.contains(&engine) => {
                let told = format!(
                    "the engine `{engine}` is not served by this version; `json-schema` and \
                     `allow` are"
                );
                refuse("not-supported", told, at.member("engine"))
            }
            engine => {
                let known = ["json-schema", "allow", "matcho", "sql", "complex"];
                let told = format!("there is no engine `{engine}`{}", suggestion(engine, &known));
                refuse("value", told, at.member("engine"))
            }
        }
    }

    /// What the rule says. `role_name` limits the roles that it sees.
    pub(crate) fn verdict(&self, document: &LazyDocument<'_>, role_name: Option<&str>) -> Verdict {
        match self {
            Self::Allow => Verdict::Satisfied,
            Self::JsonSchema(rule) => match role_name {
                None => rule.verdict(document),
                Some(name) => rule.verdict(&document.with_roles_named(name)),
            },
        }
    }

    /// What the rule says, and why.
    pub(crate) fn explain(
        &self,
        document: &RequestDocument,
        role_name: Option<&str>,
    ) -> (Verdict, Option<Value>) {
        match self {
            Self::Allow => (Verdict::Satisfied, None),
            Self::JsonSchema(rule) => match role_name {
                None => rule.explain(document),
                Some(name) => rule.explain(&document.with_roles_named(name)),
            },
        }
    }

    /// Whether the rule cannot hold but for requests that name this type.
    pub(crate) fn names(&self, guarded: ResourceType) -> bool {
        match self {
            Self::Allow => false,
            Self::JsonSchema(rule) => rule.names(guarded),
        }
    }
}
