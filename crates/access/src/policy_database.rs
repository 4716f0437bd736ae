//! The port through which the rules of `sql` policies ask the database.

use std::fmt;

use async_trait::async_trait;

use crate::Verdict;

/// Answers the rules of `sql` policies. One is made for each request, and keeps its budget of time.
#[async_trait]
pub trait PolicyDatabase: fmt::Debug + Send + Sync {
    /// What the rule's query says with these values. An error or a time-out is
    /// [`Verdict::Failed`].
    async fn evaluate(&self, query: &str, values: &[serde_json::Value]) -> Verdict;
}
