//! Answers the rules of `sql` policies on PostgreSQL, within the time of their request.

mod permitted;
mod readers;
mod render;
mod session;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use firewarden_access::policy_query::{Bindings, PolicyQuery};
use firewarden_access::{PolicyDatabase, QueryAnswer, Unanswered};
use tokio::time::Instant;

use crate::limits::{POLICY_QUERY_TIME, POLICY_REQUEST_TIME};

pub(crate) use self::permitted::installation;
pub(crate) use self::readers::PostgresReaders;

/// The database as one request's policies may ask it.
pub(crate) struct PostgresPolicies {
    readers: Arc<PostgresReaders>,
    /// The time that the rules of the request still have.
    left: Mutex<Duration>,
}

impl PostgresPolicies {
    pub(crate) fn new(readers: &Arc<PostgresReaders>) -> Self {
        Self { readers: Arc::clone(readers), left: Mutex::new(POLICY_REQUEST_TIME) }
    }
}

impl fmt::Debug for PostgresPolicies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresPolicies").field("left", &self.left).finish_non_exhaustive()
    }
}

#[async_trait]
impl PolicyDatabase for PostgresPolicies {
    async fn evaluate(
        &self,
        query: &PolicyQuery,
        bindings: &Bindings,
    ) -> Result<QueryAnswer, Unanswered> {
        let of = query.column_type();
        let rendered = render::render(query.select(), of, bindings, self.readers.names());
        let rendered = rendered.ok_or(Unanswered::Failed)?;
        let time = POLICY_QUERY_TIME.min(*self.left.lock().unwrap_or_else(PoisonError::into_inner));
        if time.is_zero() {
            return Err(Unanswered::OutOfTime);
        }
        let begun = Instant::now();
        let answer = self.readers.run(time, rendered, of).await;
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        *left = left.saturating_sub(begun.elapsed());
        answer
    }
}

#[cfg(test)]
mod tests;
