//! Answers the rules of `sql` policies on SQLite.

use async_trait::async_trait;
use firewarden_access::{PolicyDatabase, Verdict};
use serde_json::Value;

/// The database as one request's policies may ask it.
#[derive(Debug)]
pub(crate) struct SqlitePolicies;

#[async_trait]
impl PolicyDatabase for SqlitePolicies {
    async fn evaluate(&self, _query: &str, _values: &[Value]) -> Verdict {
        Verdict::Failed
    }
}
