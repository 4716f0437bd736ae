//! A session with a database: the few calls that everything else is written with, whichever
//! database it is.

mod failure;
mod sqlite;
mod value;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rusqlite::Connection;

use crate::StoreError;
use crate::limits::{
    POSTGRES_BODIES_FETCHED_TOGETHER, POSTGRES_LOOKS_TOGETHER, POSTGRES_ROWS_FETCHED_TOGETHER,
};
use crate::postgres::connect::{Connector, Purpose};
use crate::postgres::connection::PostgresConnection;
use crate::postgres::session::{self, PostgresRows, PostgresSession};
use crate::sqlite::snapshot::Snapshot;

pub(crate) use self::failure::{Failure, OptionalRow, Result, damaged, unavailable};
pub(crate) use self::value::{Column, FromColumn, Sql, Values};

/// A connection for reading.
pub(crate) enum Reader {
    Sqlite(Connection),
    /// Connected when it is needed, and anew when it was lost.
    Postgres(Connector, Option<Box<PostgresConnection>>),
}

impl Reader {
    /// Runs a query in a snapshot of its own. It is interrupted when it is over.
    pub(crate) fn read<T>(
        &mut self,
        over: &Arc<AtomicBool>,
        query: impl FnOnce(&Session<'_>) -> std::result::Result<T, StoreError>,
    ) -> std::result::Result<T, StoreError> {
        match self {
            Self::Sqlite(connection) => {
                let snapshot = Snapshot::begin_until(connection, over).map_err(unavailable)?;
                query(&Session::Sqlite(snapshot.0))
            }
            Self::Postgres(connector, kept) => {
                let (found, ended) = match in_snapshot(connected(connector, kept)?, query) {
                    Ok(found) => found,
                    // It ended before it was of use to anybody.
                    Err((failure, query)) if failure.is_loss() => {
                        *kept = None;
                        in_snapshot(connected(connector, kept)?, query)
                            .map_err(|(failure, _)| unavailable(failure))?
                    }
                    Err((failure, _)) => (Err(unavailable(failure)), false),
                };
                // One whose snapshot did not end is not what the next query is to see.
                if !ended {
                    *kept = None;
                }
                found
            }
        }
    }

    /// Runs one look that needs no snapshot.
    pub(crate) fn look<T>(
        &mut self,
        over: &Arc<AtomicBool>,
        look: impl FnOnce(&Session<'_>) -> std::result::Result<T, StoreError>,
    ) -> std::result::Result<T, StoreError> {
        match self {
            Self::Sqlite(_) => self.read(over, look),
            Self::Postgres(connector, kept) => {
                look(&Session::Postgres(&connected(connector, kept)?.alone()))
            }
        }
    }
}

/// What was found in a snapshot, and whether the snapshot has ended; the query as it was, if there is
/// no snapshot.
fn in_snapshot<T, Q>(
    connection: &mut PostgresConnection,
    query: Q,
) -> std::result::Result<(std::result::Result<T, StoreError>, bool), (Failure, Q)>
where
    Q: FnOnce(&Session<'_>) -> std::result::Result<T, StoreError>,
{
    match connection.begin() {
        Ok(session) => {
            let found = query(&Session::Postgres(&session));
            Ok((found, session.roll_back().is_ok()))
        }
        Err(failure) => Err((failure, query)),
    }
}

/// The connection, if it lives, or a new one.
fn connected<'k>(
    connector: &Connector,
    kept: &'k mut Option<Box<PostgresConnection>>,
) -> std::result::Result<&'k mut PostgresConnection, StoreError> {
    let living = kept.take().filter(|connection| !connection.is_lost());
    let connection = match living {
        Some(connection) => connection,
        None => Box::new(PostgresConnection::open(connector, Purpose::Read)?),
    };
    Ok(kept.insert(connection))
}

/// Where statements are run: within one snapshot, or within the transaction of writes.
///
/// Statements are written once for all databases. Their places are `?1`, `?2`, or `?` for the next
/// one; whole numbers are 64 bits wide; truth is a number.
#[derive(Clone, Copy)]
pub(crate) enum Session<'c> {
    Sqlite(&'c Connection),
    Postgres(&'c PostgresSession<'c>),
}

/// A statement, kept for the next time by the connection it belongs to.
pub(crate) enum Statement<'s> {
    Sqlite(rusqlite::CachedStatement<'s>),
    Postgres(&'s PostgresSession<'s>, tokio_postgres::Statement),
}

/// The rows of a statement, as they are found.
pub(crate) enum Rows<'s> {
    Sqlite(rusqlite::Rows<'s>),
    Postgres(PostgresRows<'s>),
}

/// One row.
#[derive(Clone, Copy)]
pub(crate) enum Row<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    Postgres(&'r tokio_postgres::Row),
}

impl<'c> Session<'c> {
    pub(crate) fn prepare(&self, sql: &str) -> Result<Statement<'c>> {
        match self {
            Self::Sqlite(connection) => Ok(Statement::Sqlite(connection.prepare_cached(sql)?)),
            Self::Postgres(session) => Ok(Statement::Postgres(session, session.prepare(sql)?)),
        }
    }

    /// Runs a statement that gives no rows; how many it changed.
    pub(crate) fn run<'v>(&self, sql: &str, values: impl Values<'v>) -> Result<usize> {
        self.prepare(sql)?.run(values)
    }

    /// Reads the first row; [`Failure::NoRow`] if there is none.
    pub(crate) fn row<'v, T>(
        &self,
        sql: &str,
        values: impl Values<'v>,
        read: impl FnOnce(Row<'_>) -> Result<T>,
    ) -> Result<T> {
        self.prepare(sql)?.row(values, read)
    }

    /// Reads every row: for statements that give few.
    pub(crate) fn every<'v, T>(
        &self,
        sql: &str,
        values: impl Values<'v>,
        read: impl FnMut(Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        self.prepare(sql)?.every(values, read)
    }

    /// Runs a statement with each of several lists of values.
    pub(crate) fn run_each(&self, sql: &str, lists: &[Vec<Sql<'_>>]) -> Result<()> {
        match self.prepare(sql)? {
            Statement::Sqlite(mut statement) => {
                lists.iter().try_for_each(|list| sqlite::run_list(&mut statement, list))
            }
            Statement::Postgres(session, statement) => session.run_each(&statement, lists),
        }
    }

    /// Whether other processes may have the database at the same time.
    pub(crate) fn is_shared(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            Self::Postgres(_) => true,
        }
    }

    /// How many rows are looked up at once where each may be the last: a look costs little where
    /// nothing is waited for.
    pub(crate) fn looks_together(&self) -> usize {
        match self {
            Self::Sqlite(_) => 1,
            Self::Postgres(_) => POSTGRES_LOOKS_TOGETHER,
        }
    }

    /// The same of rows that have bodies.
    pub(crate) fn bodies_together(&self) -> usize {
        self.looks_together().min(POSTGRES_BODIES_FETCHED_TOGETHER.unsigned_abs() as usize)
    }

    /// Makes a search that may take so long, where nothing else counts what it takes.
    pub(crate) fn in_time<T>(&self, time: Duration, search: impl FnOnce() -> T) -> T {
        match self {
            Self::Sqlite(_) => search(),
            Self::Postgres(session) => {
                session.give_time(Some(time));
                let found = search();
                session.give_time(None);
                found
            }
        }
    }

    /// Lets the transaction stand still for as long as what is read is being taken.
    pub(crate) fn wait_for_the_reader(&self) -> Result<()> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(session) => {
                session.run_script("SET LOCAL idle_in_transaction_session_timeout = 0")
            }
        }
    }

    /// Runs statements that mark the way of a transaction, and have no values.
    pub(crate) fn mark(&self, sql: &str) -> Result<()> {
        match self {
            Self::Sqlite(_) => self.run(sql, ()).map(drop),
            Self::Postgres(session) => session.run_script(sql),
        }
    }

    /// Whether some statement failed because of another transaction: then nothing of this one will
    /// be done.
    pub(crate) fn is_in_conflict(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            Self::Postgres(session) => session.is_in_conflict(),
        }
    }

    /// What ends a SELECT that takes rows for itself, and leaves out what another transaction has
    /// taken. Where one transaction writes at a time, nothing has.
    pub(crate) fn skipping_locked(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "",
            Self::Postgres(_) => " FOR UPDATE SKIP LOCKED",
        }
    }

    /// Whether a transaction is open: some errors end it.
    pub(crate) fn is_in_transaction(&self) -> bool {
        match self {
            Self::Sqlite(connection) => !connection.is_autocommit(),
            Self::Postgres(session) => session.is_in_transaction(),
        }
    }
}

impl Statement<'_> {
    pub(crate) fn run<'v>(&mut self, values: impl Values<'v>) -> Result<usize> {
        match self {
            Self::Sqlite(statement) => sqlite::run(statement, values),
            Self::Postgres(session, statement) => session.run(statement, values),
        }
    }

    pub(crate) fn row<'v, T>(
        &mut self,
        values: impl Values<'v>,
        read: impl FnOnce(Row<'_>) -> Result<T>,
    ) -> Result<T> {
        match self {
            Self::Sqlite(statement) => sqlite::row(statement, values, read),
            Self::Postgres(session, statement) => {
                let row = session.row(statement, values)?.ok_or(Failure::NoRow)?;
                read(Row::Postgres(&row))
            }
        }
    }

    pub(crate) fn every<'v, T>(
        &mut self,
        values: impl Values<'v>,
        mut read: impl FnMut(Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        if let Self::Postgres(session, statement) = self {
            let rows = session.every(statement, values)?;
            return rows.iter().map(|row| read(Row::Postgres(row))).collect();
        }
        let mut rows = self.rows(values)?;
        let mut every = Vec::new();
        while let Some(row) = rows.next()? {
            every.push(read(row)?);
        }
        Ok(every)
    }

    /// Gives the row that a statement finds for each of some keys, in their order, until told to
    /// stop.
    pub(crate) fn row_of_each(
        &mut self,
        keys: &[i64],
        mut take: impl FnMut(i64, Option<Row<'_>>) -> bool,
    ) -> Result<()> {
        match self {
            Self::Sqlite(statement) => {
                for key in keys {
                    let mut rows = sqlite::rows(statement, [*key])?;
                    if !take(*key, rows.next()?.map(Row::Sqlite)) {
                        break;
                    }
                }
            }
            Self::Postgres(session, statement) => {
                let rows = session.row_of_each(statement, keys)?;
                for (key, row) in keys.iter().zip(&rows) {
                    if !take(*key, row.as_ref().map(Row::Postgres)) {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// The rows, however many they are: they are fetched as they are asked for.
    pub(crate) fn rows<'v>(&mut self, values: impl Values<'v>) -> Result<Rows<'_>> {
        self.fetched(values, POSTGRES_ROWS_FETCHED_TOGETHER)
    }

    /// The same of rows that have bodies: few are in memory at once.
    pub(crate) fn rows_with_bodies<'v>(&mut self, values: impl Values<'v>) -> Result<Rows<'_>> {
        self.fetched(values, POSTGRES_BODIES_FETCHED_TOGETHER)
    }

    fn fetched<'v>(&mut self, values: impl Values<'v>, together: i32) -> Result<Rows<'_>> {
        match self {
            Self::Sqlite(statement) => Ok(Rows::Sqlite(sqlite::rows(statement, values)?)),
            Self::Postgres(session, statement) => {
                Ok(Rows::Postgres(session.rows(statement, values, together)?))
            }
        }
    }
}

impl Rows<'_> {
    pub(crate) fn next(&mut self) -> Result<Option<Row<'_>>> {
        match self {
            Self::Sqlite(rows) => Ok(rows.next()?.map(Row::Sqlite)),
            Self::Postgres(rows) => Ok(rows.next()?.map(Row::Postgres)),
        }
    }
}

impl<'r> Row<'r> {
    /// The value of a column, counted from 0.
    pub(crate) fn column(self, index: usize) -> Result<Column<'r>> {
        match self {
            Self::Sqlite(row) => sqlite::column(row, index),
            Self::Postgres(row) => session::column(row, index),
        }
    }

    pub(crate) fn get<T: FromColumn>(self, index: usize) -> Result<T> {
        T::of(self.column(index)?).ok_or_else(|| damaged(index, "another type"))
    }

    pub(crate) fn text(self, index: usize) -> Result<&'r str> {
        match self.column(index)? {
            Column::Text(text) => Ok(text),
            Column::Null | Column::Integer(_) | Column::Real(_) | Column::Blob(_) => {
                Err(damaged(index, "no text"))
            }
        }
    }

    pub(crate) fn blob(self, index: usize) -> Result<&'r [u8]> {
        match self.column(index)? {
            Column::Blob(blob) => Ok(blob),
            Column::Null | Column::Integer(_) | Column::Real(_) | Column::Text(_) => {
                Err(damaged(index, "no bytes"))
            }
        }
    }
}
