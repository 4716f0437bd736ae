//! A session with a database: the few calls that everything else is written with, whichever
//! database it is.

mod failure;
mod sqlite;
mod value;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rusqlite::Connection;

use crate::StoreError;
use crate::sqlite::snapshot::Snapshot;

pub(crate) use self::failure::{Failure, OptionalRow, Result, damaged, unavailable};
pub(crate) use self::value::{Column, FromColumn, Sql, Values};

/// A connection for reading.
pub(crate) enum Reader {
    Sqlite(Connection),
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
        }
    }
}

/// Where statements are run: within one snapshot, or within the transaction of writes.
///
/// Statements are written once for all databases. Their places are `?1`, `?2`, or `?` for the next
/// one; whole numbers are 64 bits wide; truth is a number.
#[derive(Clone, Copy)]
pub(crate) enum Session<'c> {
    Sqlite(&'c Connection),
}

/// A statement, kept for the next time by the connection it belongs to.
pub(crate) enum Statement<'s> {
    Sqlite(rusqlite::CachedStatement<'s>),
}

/// The rows of a statement, as they are found.
pub(crate) enum Rows<'s> {
    Sqlite(rusqlite::Rows<'s>),
}

/// One row.
#[derive(Clone, Copy)]
pub(crate) enum Row<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
}

impl<'c> Session<'c> {
    pub(crate) fn prepare(&self, sql: &str) -> Result<Statement<'c>> {
        match self {
            Self::Sqlite(connection) => Ok(Statement::Sqlite(connection.prepare_cached(sql)?)),
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

    /// Whether a transaction is open: some errors end it.
    pub(crate) fn is_in_transaction(&self) -> bool {
        match self {
            Self::Sqlite(connection) => !connection.is_autocommit(),
        }
    }
}

impl Statement<'_> {
    pub(crate) fn run<'v>(&mut self, values: impl Values<'v>) -> Result<usize> {
        match self {
            Self::Sqlite(statement) => sqlite::run(statement, values),
        }
    }

    pub(crate) fn row<'v, T>(
        &mut self,
        values: impl Values<'v>,
        read: impl FnOnce(Row<'_>) -> Result<T>,
    ) -> Result<T> {
        match self {
            Self::Sqlite(statement) => sqlite::row(statement, values, read),
        }
    }

    pub(crate) fn every<'v, T>(
        &mut self,
        values: impl Values<'v>,
        mut read: impl FnMut(Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut rows = self.rows(values)?;
        let mut every = Vec::new();
        while let Some(row) = rows.next()? {
            every.push(read(row)?);
        }
        Ok(every)
    }

    /// The rows, however many they are: they are fetched as they are asked for.
    pub(crate) fn rows<'v>(&mut self, values: impl Values<'v>) -> Result<Rows<'_>> {
        match self {
            Self::Sqlite(statement) => Ok(Rows::Sqlite(sqlite::rows(statement, values)?)),
        }
    }
}

impl Rows<'_> {
    pub(crate) fn next(&mut self) -> Result<Option<Row<'_>>> {
        match self {
            Self::Sqlite(rows) => Ok(rows.next()?.map(Row::Sqlite)),
        }
    }
}

impl<'r> Row<'r> {
    /// The value of a column, counted from 0.
    pub(crate) fn column(self, index: usize) -> Result<Column<'r>> {
        match self {
            Self::Sqlite(row) => sqlite::column(row, index),
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
