//! One connection for the rules of policies: what it may do, and how a query on it is ended.

use firewarden_access::policy_query::ValueType;
use firewarden_access::{Answered, QueryAnswer, Unanswered};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_postgres::error::{Severity, SqlState};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row};

use super::permitted::{ROLE, SCHEMA, VIEW};
use super::render::Rendered;
use crate::limits::{POLICY_CANCEL_TIME, POLICY_REQUEST_TIME, POLICY_SETUP_TIME};
use crate::postgres::connect::{Connector, Purpose, reason};

/// What a session for policies is set up with besides what every one is: only what the catalogue
/// has is found without its schema. The server ends by itself what we did not end: later than we do,
/// so that an end is known for ours.
fn settings() -> String {
    let time = POLICY_REQUEST_TIME.as_millis();
    format!("SET search_path = pg_catalog, pg_temp; SET statement_timeout = {time}")
}

/// Whether the session may take on the role that reads nothing but the view. One that was made
/// after the start was not given the view yet.
const MAY_TAKE_ROLE: &str = "SELECT 1 FROM pg_catalog.pg_roles
    WHERE rolname = $1 AND pg_has_role(oid, 'MEMBER') AND has_table_privilege(oid, $2, 'SELECT')";

/// A connection that is set up.
pub(super) struct Session {
    pub(super) client: Client,
}

/// What became of a query.
pub(super) struct Ended {
    pub(super) answer: Result<QueryAnswer, Unanswered>,
    /// The connection, where it is idle again.
    pub(super) session: Option<Session>,
}

impl Session {
    /// Opens a connection, which changes nothing and reads as little as its role allows. What moves
    /// its bytes runs as a task of its own.
    pub(super) async fn open(connector: &Connector) -> Result<Self, Unanswered> {
        let (client, connection) = connector.connect(Purpose::Policies).await.map_err(|error| {
            tracing::warn!(%error, "the rules of policies have no connection");
            Unanswered::Failed
        })?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                let why = reason(&error);
                tracing::warn!(why, "a connection to PostgreSQL was lost");
            }
        });
        timeout(POLICY_SETUP_TIME, set_up(&client)).await.unwrap_or(Err(Unanswered::Failed))?;
        Ok(Self { client })
    }

    /// Whether the connection is still there.
    pub(super) fn is_open(&self) -> bool {
        !self.client.is_closed()
    }

    /// Runs a query, up to its second row. It is ended at the server when nobody waits for it any
    /// more.
    pub(super) async fn run(
        self,
        connector: &Connector,
        rendered: &Rendered,
        of: Option<ValueType>,
        left: oneshot::Receiver<()>,
    ) -> Ended {
        let token = self.client.cancel_token();
        let parameters: Vec<_> = rendered.parameters.iter().map(|value| value.typed()).collect();
        let mut query = Box::pin(self.client.query_typed(&rendered.sql, &parameters));
        let ended = tokio::select! {
            biased;
            ended = &mut query => ended,
            _ = left => {
                // The end that was asked for hits this query alone: the connection comes back
                // only if the server says that it did.
                let ended = timeout(POLICY_CANCEL_TIME, async {
                    let (_, ended) = tokio::join!(connector.cancel(&token), query);
                    ended
                });
                let was_hit = match ended.await {
                    Ok(Err(error)) => error.code() == Some(&SqlState::QUERY_CANCELED),
                    Ok(Ok(_)) | Err(_) => false,
                };
                let session = was_hit.then_some(self);
                return Ended { answer: Err(Unanswered::OutOfTime), session };
            }
        };
        drop(query);
        let session = Some(self).filter(|session| session.is_open() && !was_last(&ended));
        let answer = ended.map_err(failed).and_then(|rows| answer(&rows, of));
        Ended { answer, session }
    }
}

async fn set_up(client: &Client) -> Result<(), Unanswered> {
    client.batch_execute(&settings()).await.map_err(failed)?;
    let view = format!("{SCHEMA}.{VIEW}");
    let asked: [(&(dyn ToSql + Sync), Type); 2] = [(&ROLE, Type::NAME), (&view, Type::TEXT)];
    let taken = client.query_typed(MAY_TAKE_ROLE, &asked).await.map_err(failed)?;
    if !taken.is_empty() {
        client.batch_execute(&format!("SET ROLE {ROLE}")).await.map_err(failed)?;
    }
    Ok(())
}

/// Whether the connection ended with the query, or may have.
fn was_last(ended: &Result<Vec<Row>, Error>) -> bool {
    ended.as_ref().is_err_and(|error| {
        let severity = error.as_db_error().and_then(|told| told.parsed_severity());
        severity != Some(Severity::Error)
    })
}

/// Why there is no answer.
fn failed(error: Error) -> Unanswered {
    // Its words may name what a policy reads: they are for nobody.
    tracing::debug!(code = ?error.code(), "a policy's query failed");
    if error.code() == Some(&SqlState::QUERY_CANCELED) {
        Unanswered::OutOfTime
    } else {
        Unanswered::Failed
    }
}

/// What the rows say, of which there are two at most.
fn answer(rows: &[Row], of: Option<ValueType>) -> Result<QueryAnswer, Unanswered> {
    match rows {
        [] => Ok(QueryAnswer::NoRow),
        [row] => answered(row, of).map(QueryAnswer::OneRow).map_err(failed),
        _ => Ok(QueryAnswer::SeveralRows),
    }
}

fn answered(row: &Row, of: Option<ValueType>) -> Result<Answered, Error> {
    Ok(match of {
        Some(ValueType::Boolean) => {
            row.try_get::<_, Option<bool>>(0)?.map_or(Answered::Null, Answered::Boolean)
        }
        Some(ValueType::Integer) => {
            row.try_get::<_, Option<i64>>(0)?.map_or(Answered::Null, Answered::Integer)
        }
        Some(ValueType::Numeric | ValueType::Text | ValueType::Json | ValueType::Time) | None => {
            let is_null: bool = row.try_get(0)?;
            if is_null { Answered::Null } else { Answered::Other }
        }
    })
}
