//! A connection to PostgreSQL for the threads of the store, which wait for each answer.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::Future;

use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tokio_postgres::{Client, Statement};

use super::connect::{Connector, Purpose};
use super::session::PostgresSession;
use crate::StoreError;
use crate::database::{Failure, Result};
use crate::limits::POSTGRES_ANSWER_TIME;

/// A connection, and the runtime that drives it: nothing moves but while somebody waits.
pub(crate) struct PostgresConnection {
    client: Client,
    driver: Driver,
    statements: Statements,
}

/// The statements that a connection has prepared, by their text.
pub(super) type Statements = RefCell<HashMap<Box<str>, Statement>>;

/// The runtime of a connection.
pub(super) struct Driver(Option<Runtime>);

impl Driver {
    /// Waits for an answer. A server that says nothing for long is taken for lost.
    pub(super) fn wait<T>(
        &self,
        answer: impl Future<Output = std::result::Result<T, tokio_postgres::Error>>,
    ) -> Result<T> {
        let runtime = self.0.as_ref().ok_or(Failure::Silent)?;
        let answer = runtime.block_on(async { timeout(POSTGRES_ANSWER_TIME, answer).await });
        Ok(answer.map_err(|_| Failure::Silent)??)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // A runtime that waits for its tasks may not be dropped by a task of another.
            runtime.shutdown_background();
        }
    }
}

impl PostgresConnection {
    /// Connects. Not to be called by a task of a runtime.
    pub(crate) fn open(
        connector: &Connector,
        purpose: Purpose,
    ) -> std::result::Result<Self, StoreError> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let (client, connection) = runtime.block_on(connector.connect(purpose))?;
        runtime.spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(%error, "a connection to PostgreSQL was lost");
            }
        });
        Ok(Self { client, driver: Driver(Some(runtime)), statements: Statements::default() })
    }

    /// Whether it is known to be lost.
    pub(crate) fn is_lost(&self) -> bool {
        self.client.is_closed()
    }

    /// Statements that are each a transaction of their own.
    pub(crate) fn alone(&self) -> PostgresSession<'_> {
        PostgresSession::alone(&self.client, &self.driver, &self.statements)
    }

    /// Begins a transaction of the kind that the connection was opened for.
    pub(crate) fn begin(&mut self) -> Result<PostgresSession<'_>> {
        let transaction = self.driver.wait(self.client.transaction())?;
        Ok(PostgresSession::within(transaction, &self.driver, &self.statements))
    }
}
