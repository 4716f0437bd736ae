//! Answers the rules of `sql` policies on SQLite, within the time of their request.

mod deadline;
mod decimal;
mod functions;
mod jsonb;
mod permitted;
mod readers;
mod render;
mod texts;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use firewarden_access::policy_query::{Bindings, PolicyQuery, ValueType};
use firewarden_access::{Answered, PolicyDatabase, QueryAnswer, Unanswered};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params_from_iter};
use tokio::time::Instant;

use self::render::Rendered;
use crate::engine::dictionary::Dictionary;
use crate::limits::{POLICY_QUERY_TIME, POLICY_REQUEST_TIME};

pub(crate) use self::readers::PolicyReaders;

/// The database as one request's policies may ask it.
pub(crate) struct SqlitePolicies {
    readers: Arc<PolicyReaders>,
    dictionary: Arc<Dictionary>,
    /// The time that the rules of the request still have.
    left: Mutex<Duration>,
}

impl SqlitePolicies {
    pub(crate) fn new(readers: &Arc<PolicyReaders>, dictionary: &Arc<Dictionary>) -> Self {
        let (readers, dictionary) = (Arc::clone(readers), Arc::clone(dictionary));
        Self { readers, dictionary, left: Mutex::new(POLICY_REQUEST_TIME) }
    }

    /// Runs a query in what is left of the request's time.
    async fn within_budget(
        &self,
        rendered: Rendered,
        of: Option<ValueType>,
    ) -> Result<QueryAnswer, Unanswered> {
        let time = POLICY_QUERY_TIME.min(*self.left.lock().unwrap_or_else(PoisonError::into_inner));
        if time.is_zero() {
            return Err(Unanswered::OutOfTime);
        }
        let begun = Instant::now();
        let answer = self.readers.run(time, move |connection| run(connection, &rendered, of)).await;
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        *left = left.saturating_sub(begun.elapsed());
        answer
    }
}

impl fmt::Debug for SqlitePolicies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlitePolicies").field("left", &self.left).finish_non_exhaustive()
    }
}

#[async_trait]
impl PolicyDatabase for SqlitePolicies {
    async fn evaluate(
        &self,
        query: &PolicyQuery,
        bindings: &Bindings,
    ) -> Result<QueryAnswer, Unanswered> {
        let rendered = render::render(query.select(), bindings, &self.dictionary);
        self.within_budget(rendered.ok_or(Unanswered::Failed)?, query.column_type()).await
    }
}

/// Runs a statement, up to its second row.
fn run(
    connection: &Connection,
    rendered: &Rendered,
    of: Option<ValueType>,
) -> rusqlite::Result<QueryAnswer> {
    let mut statement = connection.prepare_cached(&rendered.sql)?;
    let mut rows = statement.query(params_from_iter(&rendered.parameters))?;
    let answer = match rows.next()? {
        None => return Ok(QueryAnswer::NoRow),
        Some(row) => QueryAnswer::OneRow(answered(row, of)?),
    };
    Ok(if rows.next()?.is_some() { QueryAnswer::SeveralRows } else { answer })
}

/// The first column, as what the query says it is: SQLite has no booleans.
fn answered(row: &Row<'_>, of: Option<ValueType>) -> rusqlite::Result<Answered> {
    Ok(match (row.get_ref(0)?, of) {
        (ValueRef::Null, _) | (_, None) => Answered::Null,
        (ValueRef::Integer(value), Some(ValueType::Boolean)) => Answered::Boolean(value == 1),
        (ValueRef::Integer(value), Some(ValueType::Integer)) => Answered::Integer(value),
        (
            ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Text(_) | ValueRef::Blob(_),
            Some(_),
        ) => Answered::Other,
    })
}

#[cfg(test)]
mod tests;
