//! The engine `sql`: a rule is a SELECT on the stored resources that returns true.

mod check;
mod template;

use firewarden_fhir::Issue;
use serde_json::Value;

use crate::document::{KEYS, Keys};
use crate::element_path::ElementPath;
use crate::nearest::suggestion;
use crate::policy_query::PolicyQuery;

/// Why a query is refused, in words for its author.
#[derive(Debug, PartialEq)]
struct Refusal(String);

impl Refusal {
    fn new(told: &str) -> Self {
        Self(told.to_owned())
    }
}

/// A compiled sql rule.
#[derive(Debug)]
pub(crate) struct Sql {
    query: PolicyQuery,
}

impl Sql {
    /// Compiles the attribute `sql`, with doubts about it; or says what is wrong.
    pub(crate) fn compile(sql: &Value, at: &ElementPath) -> Result<(Self, Vec<Issue>), Vec<Issue>> {
        let text = text(sql, at).map_err(|issue| vec![issue])?;
        let at = at.member("query");
        let (query, mut doubts) = check::check(text)
            .map_err(|Refusal(told)| vec![Issue::error("not-supported", told).at(at.clone())])?;
        doubts.extend(query.paths().filter(|path| !KEYS.contains(&path.key())).map(|path| {
            let near = suggestion(path.key(), KEYS);
            format!("`{path}` is never there: a request document has no `{}`{near}", path.key())
        }));
        let doubts = doubts.into_iter().map(|told| Issue::warning("business-rule", told));
        let doubts = doubts.map(|issue| issue.at(at.clone())).collect();
        Ok((Self { query }, doubts))
    }

    /// The keys of the document that the rule looks at.
    pub(crate) fn keys(&self) -> Keys {
        self.query.paths().fold(Keys::NONE, |keys, path| keys.with(Keys::of(path.key())))
    }
}

/// The query of `{query: …}`.
fn text<'a>(sql: &'a Value, at: &ElementPath) -> Result<&'a str, Issue> {
    let told = "`sql` is `{query: \"SELECT …\"}`";
    let members = sql.as_object().ok_or_else(|| Issue::error("structure", told).at(at.clone()))?;
    if let Some(other) = members.keys().find(|name| *name != "query") {
        let told = format!("`sql` has no `{other}`; it is `{{query: \"SELECT …\"}}`");
        return Err(Issue::error("structure", told).at(at.member(other)));
    }
    let query = members.get("query").and_then(Value::as_str);
    query.ok_or_else(|| Issue::error("required", told).at(at.member("query")))
}
