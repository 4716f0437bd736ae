//! The engines: each says of a request whether a policy's rule holds.

mod json_schema;
mod sql;

use firewarden_fhir::{Issue, ResourceType};
use serde_json::{Map, Value};

use self::json_schema::JsonSchema;
use crate::document::{Keys, LazyDocument, RequestDocument};
use crate::element_path::ElementPath;
use crate::nearest::suggestion;
use crate::{PolicyDatabase, Verdict};

/// The engines that this version serves.
const SERVED: &[&str] = &["json-schema", "allow"];

/// Engines that are known and not served by this version.
const NOT_SERVED: &[&str] =
    &["matcho", "sql", "complex", "clj", "scope", "signed-rpc", "smart-on-fhir"];

/// The attributes that hold an engine's rule.
const RULES: &[(&str, &str)] = &[
    ("json-schema", "schema"),
    ("matcho", "matcho"),
    ("sql", "sql"),
    ("complex", "and"),
    ("complex", "or"),
];

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
        let engine = served_engine(content).map_err(|issue| vec![issue])?;
        let foreign: Vec<Issue> = RULES
            .iter()
            .filter(|(of, rule)| *of != engine && content.contains_key(*rule))
            .map(|(of, rule)| {
                let told = format!("`{rule}` is the rule of the engine `{of}`, not of `{engine}`");
                Issue::error("invalid", told).at(at(rule))
            })
            .collect();
        if !foreign.is_empty() {
            return Err(foreign);
        }
        if engine == "allow" {
            return Ok((Self::Allow, Vec::new()));
        }
        let Some(schema) = content.get("schema") else {
            let told = "the engine `json-schema` needs a `schema`";
            return Err(vec![Issue::error("required", told).at(at("schema"))]);
        };
        let (rule, doubts) = JsonSchema::compile(schema, &at("schema"))?;
        Ok((Self::JsonSchema(Box::new(rule)), doubts))
    }

    /// The keys of the document that the rule looks at.
    pub(crate) fn keys(&self) -> Keys {
        match self {
            Self::Allow => Keys::NONE,
            Self::JsonSchema(rule) => rule.keys(),
        }
    }

    /// What the rule says. `role_name` limits the roles that it sees.
    #[expect(clippy::unused_async, reason = "the rules of `sql` policies ask the database")]
    pub(crate) async fn verdict(
        &self,
        document: &LazyDocument<'_>,
        role_name: Option<&str>,
        _database: &dyn PolicyDatabase,
    ) -> Verdict {
        match self {
            Self::Allow => Verdict::Satisfied,
            Self::JsonSchema(rule) => match role_name {
                None => rule.verdict(document),
                Some(name) => rule.verdict(&document.with_roles_named(name)),
            },
        }
    }

    /// What the rule says, and why.
    #[expect(clippy::unused_async, reason = "the rules of `sql` policies ask the database")]
    pub(crate) async fn explain(
        &self,
        document: &RequestDocument,
        role_name: Option<&str>,
        _database: &dyn PolicyDatabase,
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

fn at(attribute: &str) -> ElementPath {
    ElementPath::of("AccessPolicy").member(attribute)
}

/// The `engine`, if this version serves it.
fn served_engine(content: &Map<String, Value>) -> Result<&str, Issue> {
    let (code, told) = match content.get("engine") {
        None => ("required", "`engine` is required: `json-schema` or `allow`".to_owned()),
        Some(Value::String(engine)) if SERVED.contains(&engine.as_str()) => return Ok(engine),
        Some(Value::String(engine)) if NOT_SERVED.contains(&engine.as_str()) => {
            let told = format!("the engine `{engine}` is not served by this version");
            ("not-supported", format!("{told}; `json-schema` and `allow` are"))
        }
        Some(Value::String(engine)) => {
            let known = [SERVED, NOT_SERVED].concat();
            ("value", format!("there is no engine `{engine}`{}", suggestion(engine, &known)))
        }
        Some(_) => ("structure", "`engine` is a text".to_owned()),
    };
    Err(Issue::error(code, told).at(at("engine")))
}
