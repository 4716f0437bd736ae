//! The port through which the rules of `sql` policies ask the database.

use std::fmt;

use async_trait::async_trait;

use crate::policy_query::{Bindings, PolicyQuery};

/// Answers the rules of `sql` policies. One is made for each request, and keeps its budget of time.
#[async_trait]
pub trait PolicyDatabase: fmt::Debug + Send + Sync {
    /// What the query returns with these values. It changes nothing, and sees nothing but the
    /// current resources of the types that have a [table](crate::policy_query::tables).
    async fn evaluate(
        &self,
        query: &PolicyQuery,
        bindings: &Bindings,
    ) -> Result<QueryAnswer, Unanswered>;
}

/// How many rows a query returned, and what stands in the first column of an only one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryAnswer {
    /// No row.
    NoRow,
    /// One row.
    OneRow(Answered),
    /// Two rows or more.
    SeveralRows,
}

/// A value that a query returned, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// NULL.
    Null,
    /// A boolean.
    Boolean(bool),
    /// An integer.
    Integer(i64),
    /// A value of another type.
    Other,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// The time that the query, or all queries of the request, may take was over.
    OutOfTime,
    /// Too many queries are running.
    Busy,
    /// It ended in an error, such as a text that is cast to a number and is none.
    Failed,
}
