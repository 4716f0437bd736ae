//! The writer's connection: opened, opened anew, and how a transaction on it begins and ends.

use std::fs::File;
use std::path::PathBuf;

use rusqlite::Connection;

use super::allowance::Allowance;
use crate::StoreError;
use crate::database::{Failure, Result, Session, unavailable};
use crate::postgres::connect::{Connector, Purpose};
use crate::postgres::connection::PostgresConnection;
use crate::sqlite::connection;

/// The database that is written to.
pub(crate) enum Home {
    Sqlite {
        path: PathBuf,
        /// Held for as long as the database is open.
        lock: Option<File>,
    },
    Postgres(Connector),
}

/// A connection that writes.
pub(crate) enum Writing {
    Sqlite(Connection, Allowance),
    Postgres(PostgresConnection),
}

/// A transaction that came to nothing, and why.
pub(crate) enum NotCommitted {
    /// Nothing of it was written.
    Before(Failure),
    /// Its commit failed: it may be there all the same.
    AtCommit(Failure),
}

impl Home {
    pub(crate) fn open(&self) -> Result<Writing> {
        match self {
            Self::Sqlite { path, .. } => Writing::sqlite(connection::open_writer(path)?),
            Self::Postgres(connector) => {
                let connection = PostgresConnection::open(connector, Purpose::Write);
                let unreachable = |error: StoreError| Failure::Unreachable(error.to_string());
                connection.map(Writing::Postgres).map_err(unreachable)
            }
        }
    }

    /// Whether another process may write at the same time: then a transaction may come to nothing
    /// for that reason alone.
    pub(crate) fn is_shared(&self) -> bool {
        match self {
            Self::Sqlite { .. } => false,
            Self::Postgres(_) => true,
        }
    }

    /// Lets others have it.
    pub(crate) fn release(&mut self) {
        match self {
            Self::Sqlite { lock, .. } => drop(lock.take()),
            Self::Postgres(_) => {}
        }
    }
}

impl Writing {
    pub(crate) fn sqlite(mut connection: Connection) -> Result<Self> {
        let allowance = Allowance::of(&mut connection)?;
        Ok(Self::Sqlite(connection, allowance))
    }

    /// Makes all changes of a transaction durable, or none.
    pub(crate) fn transaction<T>(
        &mut self,
        change: impl FnOnce(&Session<'_>, &Allowance) -> Result<T>,
    ) -> std::result::Result<T, NotCommitted> {
        use NotCommitted::{AtCommit, Before};
        match self {
            Self::Sqlite(connection, allowance) => {
                let session = Session::Sqlite(connection);
                session.mark("BEGIN IMMEDIATE").map_err(Before)?;
                let changed = change(&session, allowance).map_err(Before)?;
                session.mark("COMMIT").map_err(AtCommit)?;
                Ok(changed)
            }
            Self::Postgres(connection) => {
                let transaction = connection.begin().map_err(Before)?;
                let changed = change(&Session::Postgres(&transaction), &Allowance::default());
                // A transaction that failed is rolled back by COMMIT, which is no error there.
                let changed = changed.and_then(|changed| {
                    transaction.run_script("SELECT 1")?;
                    Ok(changed)
                });
                match changed {
                    Ok(changed) => match transaction.commit() {
                        Ok(()) => Ok(changed),
                        Err(refused) if refused.is_refusal() => Err(Before(refused)),
                        Err(lost) => Err(AtCommit(lost)),
                    },
                    Err(failure) => {
                        // One that cannot be rolled back is lost, and with it the transaction.
                        let _ = transaction.roll_back();
                        Err(Before(failure))
                    }
                }
            }
        }
    }

    /// Reads outside of a transaction.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Session<'_>) -> Result<T>) -> Result<T> {
        match self {
            Self::Sqlite(connection, _) => look(&Session::Sqlite(connection)),
            Self::Postgres(connection) => look(&Session::Postgres(&connection.alone())),
        }
    }

    /// Whether it is known to be of no use any more.
    pub(crate) fn is_lost(&self) -> bool {
        match self {
            Self::Sqlite(..) => false,
            Self::Postgres(connection) => connection.is_lost(),
        }
    }

    /// Leaves the database in one file, where it is one.
    pub(crate) fn finish(&self) -> std::result::Result<(), StoreError> {
        match self {
            Self::Sqlite(connection, _) => connection
                .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
                .map_err(unavailable),
            Self::Postgres(_) => Ok(()),
        }
    }
}
