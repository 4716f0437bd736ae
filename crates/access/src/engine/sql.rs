//! The engine `sql`: a rule is a SELECT on the stored resources that returns true.

mod check;
mod template;

use firewarden_fhir::Issue;
use serde_json::{Value, json};

use crate::document::{KEYS, Keys, RequestDocument};
use crate::element_path::ElementPath;
use crate::nearest::suggestion;
use crate::policy_query::{PolicyQuery, Unbound};
use crate::{Answered, PolicyDatabase, QueryAnswer, Unanswered, Verdict};

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

    /// What the rule says of the document.
    pub(crate) async fn verdict(
        &self,
        document: &RequestDocument,
        database: &dyn PolicyDatabase,
    ) -> Verdict {
        self.verdict_of(&self.ask(document, database).await)
    }

    /// What the rule says, and why: what became of the query, and never a value that it found.
    pub(crate) async fn explain(
        &self,
        document: &RequestDocument,
        database: &dyn PolicyDatabase,
    ) -> (Verdict, Option<Value>) {
        let asked = self.ask(document, database).await;
        let verdict = self.verdict_of(&asked);
        (verdict, (verdict != Verdict::Satisfied).then(|| self.told(&asked)))
    }

    async fn ask(&self, document: &RequestDocument, database: &dyn PolicyDatabase) -> Asked {
        match self.query.bindings(document.whole()) {
            Err(unbound) => Asked::Not(unbound),
            Ok(bindings) => match database.evaluate(&self.query, &bindings).await {
                Ok(answer) => Asked::Answered(answer),
                Err(unanswered) => Asked::InVain(unanswered),
            },
        }
    }

    fn verdict_of(&self, asked: &Asked) -> Verdict {
        match asked {
            Asked::Not(Unbound::Absent(_) | Unbound::NoTable(_)) => Verdict::NotSatisfied,
            Asked::Not(Unbound::OfAnotherType(_) | Unbound::TooLarge) | Asked::InVain(_) => {
                Verdict::Failed
            }
            Asked::Answered(QueryAnswer::OneRow(
                Answered::Boolean(true) | Answered::Integer(1),
            )) => Verdict::of(self.columns() == 1),
            Asked::Answered(
                QueryAnswer::NoRow
                | QueryAnswer::SeveralRows
                | QueryAnswer::OneRow(
                    Answered::Null
                    | Answered::Boolean(false)
                    | Answered::Integer(_)
                    | Answered::Other,
                ),
            ) => Verdict::NotSatisfied,
        }
    }

    fn columns(&self) -> usize {
        self.query.select().columns.len()
    }

    fn told(&self, asked: &Asked) -> Value {
        match asked {
            Asked::Not(Unbound::Absent(path)) => json!({"absent": path.to_string()}),
            Asked::Not(Unbound::NoTable(path)) => json!({"no-table": path.to_string()}),
            Asked::Not(Unbound::OfAnotherType(path)) => json!({"another-type": path.to_string()}),
            Asked::Not(Unbound::TooLarge) => json!({"query": "its values are too large"}),
            Asked::InVain(Unanswered::OutOfTime) => json!({"query": "out of time"}),
            Asked::InVain(Unanswered::Busy) => json!({"query": "too many queries are running"}),
            Asked::InVain(Unanswered::Failed) => json!({"query": "ended in an error"}),
            Asked::Answered(answer) => {
                let (rows, value) = match answer {
                    QueryAnswer::NoRow => ("0", None),
                    QueryAnswer::SeveralRows => ("2 or more", None),
                    QueryAnswer::OneRow(value) => ("1", Some(self.shown(*value))),
                };
                let mut told = json!({"rows": rows, "columns": self.columns()});
                if let (Some(value), Some(told)) = (value, told.as_object_mut()) {
                    told.insert("value".into(), value);
                }
                told
            }
        }
    }

    fn shown(&self, value: Answered) -> Value {
        match value {
            Answered::Null => Value::Null,
            Answered::Boolean(value) => value.into(),
            Answered::Integer(1) => 1.into(),
            Answered::Integer(_) => "an integer that is not 1".into(),
            Answered::Other => {
                let of = self.query.column_type().map_or("unknown", |of| of.name());
                format!("a value of the type {of}").into()
            }
        }
    }
}

/// What became of a query.
enum Asked {
    /// It was not run.
    Not(Unbound),
    /// It was run, and there is no answer.
    InVain(Unanswered),
    /// It was answered.
    Answered(QueryAnswer),
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
