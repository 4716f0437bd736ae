//! A connection to PostgreSQL for the threads of the store, which wait for each answer.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;
use tokio::time::timeout;
use tokio_postgres::{Client, Statement};

use super::connect::{Connector, Purpose, reason};
use super::session::PostgresSession;
use crate::StoreError;
use crate::database::{Failure, Result};
use crate::limits::{POSTGRES_ANSWER_TIME, POSTGRES_SCHEMA_TIME};

/// A connection, and the runtime that drives it: nothing moves but while somebody waits.
pub(crate) struct PostgresConnection {
    client: Client,
    driver: Driver,
    statements: Statements,
}

/// The statements that a connection has prepared, by their text.
pub(super) type Statements = RefCell<HashMap<Box<str>, Statement>>;

/// The runtime of a connection.
pub(super) struct Driver {
    runtime: Option<Runtime>,
    /// How long an answer is waited for.
    patience: Duration,
    /// Whether an answer was waited for in vain: what comes now may be the answer to that.
    silent: Cell<bool>,
}

impl Driver {
    /// Waits for an answer. A server that said nothing for long is lost, and not asked again.
    pub(super) fn wait<T>(
        &self,
        answer: impl Future<Output = std::result::Result<T, tokio_postgres::Error>>,
    ) -> Result<T> {
        let runtime = self.runtime.as_ref().filter(|_| !self.silent.get());
        let runtime = runtime.ok_or(Failure::Silent)?;
        let answer = runtime.block_on(async { timeout(self.patience, answer).await });
        self.silent.set(answer.is_err());
        Ok(answer.map_err(|_| Failure::Silent)??)
    }

    /// Takes in what has arrived while nobody waited: that the connection has ended, above all.
    fn catch_up(&self) {
        if let Some(runtime) = &self.runtime {
            runtime.block_on(async {
                // Once for the socket to be looked at, once for what reads it.
                yield_now().await;
                yield_now().await;
            });
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
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
                let why = reason(&error);
                tracing::warn!(why, "a connection to PostgreSQL was lost");
            }
        });
        let patience = match purpose {
            Purpose::Schema => POSTGRES_SCHEMA_TIME,
            Purpose::Read | Purpose::Write | Purpose::Policies | Purpose::Lease => {
                POSTGRES_ANSWER_TIME
            }
        };
        let driver = Driver { runtime: Some(runtime), patience, silent: Cell::new(false) };
        Ok(Self { client, driver, statements: Statements::default() })
    }

    /// Whether it is of no use any more, as far as that can be known without asking the server.
    pub(crate) fn is_lost(&self) -> bool {
        self.driver.catch_up();
        self.driver.silent.get() || self.client.is_closed()
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
