//! The engines: each says of a request whether a policy's rule holds.

mod complex;
mod equalities;
mod json_schema;
mod matcho;
mod required;
mod sql;
mod trace;

use firewarden_fhir::{Issue, ResourceType};
use serde_json::{Map, Value};

use self::complex::Complex;
use self::json_schema::JsonSchema;
pub(crate) use self::matcho::{Matcho, Step};
pub(crate) use self::required::{Asked, Required};
use self::sql::Sql;
use crate::document::{Keys, LazyDocument, RequestDocument};
use crate::element_path::ElementPath;
use crate::lint::{Fact, Findings};
use crate::nearest::suggestion;
use crate::{PolicyDatabase, Verdict};

/// The engines that this version serves.
const SERVED: [&str; 5] = ["matcho", "json-schema", "sql", "complex", "allow"];

/// Engines that are known and not served by this version.
const NOT_SERVED: &[&str] = &["clj", "scope", "signed-rpc", "smart-on-fhir"];

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
    /// Holds where a pattern does.
    Matcho(Box<Matcho>),
    /// Holds where all, or one, of other rules do.
    Complex(Box<Complex>),
    /// Holds where a SELECT returns true.
    Sql(Box<Sql>),
}

impl Engine {
    /// Compiles the rule of an AccessPolicy, with doubts about it; or says what is wrong.
    pub(crate) fn compile(content: &Map<String, Value>) -> Result<(Self, Vec<Issue>), Vec<Issue>> {
        Self::compile_rule(content, &ElementPath::of("AccessPolicy"), 1)
    }

    /// As [`compile`](Self::compile), of a policy or of a rule in a complex one at that depth.
    fn compile_rule(
        content: &Map<String, Value>,
        at: &ElementPath,
        depth: usize,
    ) -> Result<(Self, Vec<Issue>), Vec<Issue>> {
        let engine = served_engine(content, at).map_err(|issue| vec![issue])?;
        let foreign: Vec<Issue> = RULES
            .iter()
            .filter(|(of, rule)| *of != engine && content.contains_key(*rule))
            .map(|(of, rule)| {
                let told = format!("`{rule}` is the rule of the engine `{of}`, not of `{engine}`");
                Issue::error("invalid", told).at(at.member(rule))
            })
            .collect();
        if !foreign.is_empty() {
            return Err(foreign);
        }
        let rule = |name: &str| {
            content.get(name).ok_or_else(|| {
                let told = format!("the engine `{engine}` needs a `{name}`");
                vec![Issue::error("required", told).at(at.member(name))]
            })
        };
        match engine {
            "allow" => Ok((Self::Allow, Vec::new())),
            "matcho" => {
                let rule = Matcho::compile(rule("matcho")?, &at.member("matcho"))?;
                Ok((Self::Matcho(Box::new(rule)), Vec::new()))
            }
            "complex" => {
                let (rule, doubts) = Complex::compile(content, at, depth)?;
                Ok((Self::Complex(Box::new(rule)), doubts))
            }
            "sql" => {
                let (rule, doubts) = Sql::compile(rule("sql")?, &at.member("sql"))?;
                Ok((Self::Sql(Box::new(rule)), doubts))
            }
            _ => {
                let rule = JsonSchema::compile(rule("schema")?, &at.member("schema"))?;
                Ok((Self::JsonSchema(Box::new(rule)), Vec::new()))
            }
        }
    }

    /// Tells the doubts about the rule that was compiled from this.
    pub(crate) fn doubts(
        &self,
        content: &Map<String, Value>,
        at: &ElementPath,
        findings: &mut Findings,
    ) {
        match self {
            // Those about a query are told when it is compiled.
            Self::Allow | Self::Sql(_) => {}
            Self::JsonSchema(rule) => rule.doubts(&at.member("schema"), findings),
            Self::Matcho(_) => {
                if let Some(pattern) = content.get("matcho") {
                    Matcho::doubts(pattern, &at.member("matcho"), findings);
                }
            }
            Self::Complex(rule) => rule.doubts(content, at, findings),
        }
    }

    /// What the rule that was compiled from this asks of the places of a request.
    pub(crate) fn facts(&self, content: &Map<String, Value>, at: &ElementPath) -> Vec<Fact> {
        match self {
            Self::Allow | Self::Sql(_) => Vec::new(),
            Self::JsonSchema(rule) => rule.facts(&at.member("schema")),
            Self::Matcho(_) => match content.get("matcho") {
                Some(pattern) => Matcho::facts(pattern, &at.member("matcho")),
                None => Vec::new(),
            },
            Self::Complex(rule) => rule.facts(content, at),
        }
    }

    /// Whether the rule asks nothing of a request, as far as that is plain to see.
    pub(crate) fn always_holds(&self) -> bool {
        match self {
            Self::Allow => true,
            Self::Complex(rule) => rule.always_holds(),
            Self::JsonSchema(_) | Self::Matcho(_) | Self::Sql(_) => false,
        }
    }

    /// Whether the rule may ask the database, which takes its time.
    pub(crate) fn asks_database(&self) -> bool {
        match self {
            Self::Allow | Self::JsonSchema(_) | Self::Matcho(_) => false,
            Self::Complex(rule) => rule.asks_database(),
            Self::Sql(_) => true,
        }
    }

    /// What a request must be for the rule to hold, as far as that is plain from it.
    pub(crate) fn required(&self) -> Required {
        match self {
            Self::Allow => Required::default(),
            Self::JsonSchema(rule) => rule.required(),
            Self::Matcho(rule) => rule.required(),
            Self::Complex(rule) => rule.required(),
            // A query may say anything of a request.
            Self::Sql(_) => Required::default(),
        }
    }

    /// The keys of the document that the rule looks at.
    pub(crate) fn keys(&self) -> Keys {
        match self {
            Self::Allow => Keys::NONE,
            Self::JsonSchema(rule) => rule.keys(),
            Self::Matcho(rule) => rule.keys(),
            Self::Complex(rule) => rule.keys(),
            Self::Sql(rule) => rule.keys(),
        }
    }

    /// What the rule says.
    pub(crate) async fn verdict(
        &self,
        document: &LazyDocument<'_>,
        database: &dyn PolicyDatabase,
    ) -> Verdict {
        match self {
            Self::Allow => Verdict::Satisfied,
            Self::JsonSchema(rule) => rule.verdict(document),
            Self::Matcho(rule) => rule.verdict(document),
            Self::Complex(rule) => rule.verdict(document, database).await,
            Self::Sql(rule) => rule.verdict(document, database).await,
        }
    }

    /// What the rule says, and why.
    pub(crate) async fn explain(
        &self,
        document: &RequestDocument,
        database: &dyn PolicyDatabase,
    ) -> (Verdict, Option<Value>) {
        match self {
            Self::Allow => (Verdict::Satisfied, None),
            Self::JsonSchema(rule) => rule.explain(document),
            Self::Matcho(rule) => rule.explain(document),
            Self::Complex(rule) => rule.explain(document, database).await,
            Self::Sql(rule) => rule.explain(document, database).await,
        }
    }

    /// Whether the rule cannot hold but for requests that name this type.
    pub(crate) fn names(&self, guarded: ResourceType) -> bool {
        match self {
            // A type that a query reads is not what the request is about.
            Self::Allow | Self::Sql(_) => false,
            Self::JsonSchema(rule) => rule.names(guarded),
            Self::Matcho(rule) => rule.names(guarded),
            Self::Complex(rule) => rule.names(guarded),
        }
    }
}

/// The `engine`, if this version serves it.
fn served_engine<'a>(content: &'a Map<String, Value>, at: &ElementPath) -> Result<&'a str, Issue> {
    let served = SERVED.map(|name| format!("`{name}`")).join(", ");
    let (code, told) = match content.get("engine") {
        None => ("required", format!("`engine` is required: one of {served}")),
        Some(Value::String(engine)) if SERVED.contains(&engine.as_str()) => return Ok(engine),
        Some(Value::String(engine)) if NOT_SERVED.contains(&engine.as_str()) => {
            let told = format!("the engine `{engine}` is not served by this version");
            ("not-supported", format!("{told}; {served} are"))
        }
        Some(Value::String(engine)) => {
            let known = [&SERVED[..], NOT_SERVED].concat();
            ("value", format!("there is no engine `{engine}`{}", suggestion(engine, &known)))
        }
        Some(_) => ("structure", "`engine` is a text".to_owned()),
    };
    Err(Issue::error(code, told).at(at.member("engine")))
}

#[cfg(test)]
mod differential;
