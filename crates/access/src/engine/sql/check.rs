//! The check of a parsed query: what is not on the list is refused, what is becomes a
//! [`PolicyQuery`].
//!
//! Grammar that this check does not know is refused, so most matches on the parser's types have an
//! arm for all the rest; its structs are taken apart whole, so that a member that a later version
//! adds is looked at before it compiles.

mod expression;
mod function;
mod name;
mod operator;
mod scope;
mod select;
mod source;
mod typed;

use std::thread;

use sqlparser::ast::{Query, Statement};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::{Parser, ParserError};

use self::scope::Scope;
use super::Refusal;
use super::template::Template;
use crate::limits::{QUERY_DEPTH_MAX, QUERY_EXPRESSIONS_MAX, QUERY_STACK_BYTES};
use crate::policy_query::{PolicyQuery, Reading, SentPath, ValueType, Wanted};

/// Checks the text of a policy's query, and tells doubts about it.
pub(super) fn check(text: &str) -> Result<(PolicyQuery, Vec<String>), Refusal> {
    let template = Template::read(text)?;
    let (values, tables) = (template.values.clone(), template.identifiers.clone());
    on_own_stack(|| check_template(template)).map_err(|Refusal(told)| {
        // As its author wrote it.
        let told = tables.iter().enumerate().fold(told, |told, (index, path)| {
            let text = told.replace(&format!("\"\u{1}{index}\""), &format!("{{{{!{path}}}}}"));
            text.replace(&format!("\u{1}{index}"), &format!("{{{{!{path}}}}}"))
        });
        Refusal(values.iter().enumerate().rev().fold(told, |told, (index, path)| {
            told.replace(&format!("${}", index + 1), &format!("{{{{{path}}}}}"))
        }))
    })
}

/// Parses on a thread of its own: how much stack the parser takes for each level is not ours to say.
fn on_own_stack<T: Send>(work: impl FnOnce() -> Result<T, Refusal> + Send) -> Result<T, Refusal> {
    let unread = || Refusal::new("not a query that is understood");
    thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(QUERY_STACK_BYTES);
        let running = thread.spawn_scoped(scope, work).map_err(|_| unread())?;
        running.join().unwrap_or_else(|_| Err(unread()))
    })
}

fn check_template(template: Template) -> Result<(PolicyQuery, Vec<String>), Refusal> {
    let query = parse(&template.text)?;
    let mut checker = Checker {
        values: template.values,
        tables: template.identifiers,
        wanted: Vec::new(),
        scope: Scope::default(),
        sources: 0,
        expressions: 0,
        depth: 0,
        doubts: Vec::new(),
    };
    let (select, types) = checker.query(&query)?;
    checker.doubt_result(&types);
    let column_type = types.first().copied().flatten();
    let Checker { wanted, tables, doubts, .. } = checker;
    Ok((PolicyQuery { select, column_type, wanted, tables }, doubts))
}

fn parse(text: &str) -> Result<Box<Query>, Refusal> {
    let parsed = Parser::new(&PostgreSqlDialect {})
        .with_recursion_limit(QUERY_DEPTH_MAX)
        .try_with_sql(text)
        .and_then(|mut parser| parser.parse_statements());
    let mut statements = parsed.map_err(|error| {
        let told = match &error {
            ParserError::TokenizerError(told) | ParserError::ParserError(told) => told.as_str(),
            ParserError::RecursionLimitExceeded => "it is nested too deep",
        };
        let told = told.rsplit_once(" at Line").map_or(told, |(told, _)| told);
        Refusal(format!("not a query that is understood: {told}"))
    })?;
    match (statements.pop(), statements.is_empty()) {
        (Some(Statement::Query(query)), true) => Ok(query),
        (None, _) => Err(Refusal::new("the query is empty")),
        (Some(_), false) => Err(Refusal::new("a query is one statement")),
        (Some(_), true) => Err(Refusal::new("a query is a SELECT, and nothing else")),
    }
}

/// What is known of a query while it is checked.
struct Checker {
    /// The `{{path}}`s, by their numbers in the text.
    values: Vec<SentPath>,
    /// The `{{!path}}`s, by their numbers in the text.
    tables: Vec<SentPath>,
    wanted: Vec<Wanted>,
    scope: Scope,
    sources: usize,
    expressions: usize,
    depth: usize,
    doubts: Vec<String>,
}

impl Checker {
    /// Counts one expression or SELECT, and goes one level deeper for it.
    fn deeper<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.expressions += 1;
        if self.expressions > QUERY_EXPRESSIONS_MAX {
            return Err(Refusal(format!(
                "a query has at most {QUERY_EXPRESSIONS_MAX} expressions"
            )));
        }
        if self.depth >= QUERY_DEPTH_MAX {
            return Err(Refusal(format!("a query is nested at most {QUERY_DEPTH_MAX} deep")));
        }
        self.depth += 1;
        let checked = inner(self);
        self.depth -= 1;
        checked
    }

    /// The place among the bindings of a value of the request that is read so.
    fn want(&mut self, value: usize, reading: Reading) -> Result<usize, Refusal> {
        let path = self.values.get(value).ok_or_else(|| Refusal::new("no such value"))?;
        self.wanted.push(Wanted { path: path.clone(), reading });
        Ok(self.wanted.len() - 1)
    }

    fn doubt_result(&mut self, types: &[Option<ValueType>]) {
        let doubt = match types {
            [Some(ValueType::Boolean | ValueType::Integer)] => None,
            [Some(of)] => Some(format!(
                "the result is of the type {}: only true and the integer 1 satisfy",
                of.name()
            )),
            [None] => Some("the result is NULL: only true and the integer 1 satisfy".to_owned()),
            _ => Some("only a result of one column satisfies".to_owned()),
        };
        self.doubts.extend(doubt);
        if self.values.is_empty() && self.tables.is_empty() {
            let doubt = "the query names no `{{path}}` of the request: it says the same of every \
                         request";
            self.doubts.push(doubt.to_owned());
        }
    }
}

#[cfg(test)]
mod tests;
