//! What a database answers in place of rows.

use thiserror::Error;
use tokio_postgres::error::{Severity, SqlState};

use crate::StoreError;
use crate::postgres::connect::reason;

/// The outcome of a statement.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// Why a statement failed. The databases' messages carry no values.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error("{}", reason(.0))]
    Postgres(#[from] tokio_postgres::Error),
    /// No connection could be had.
    #[error("{0}")]
    Unreachable(String),
    /// What a search may take was used up.
    #[error("out of time")]
    OutOfTime,
    /// It is not known whether the statement was run.
    #[error("the database does not answer")]
    Silent,
    /// The transaction was ended because of another one.
    #[error("another transaction was in the way")]
    Conflict,
    /// A newer program has begun to index in another way than this one.
    #[error("another version of the program indexes this database: start that one here too")]
    Superseded,
    /// There is not the one row that there should be.
    #[error("no row")]
    NoRow,
    /// A value that this program never wrote there.
    #[error("column {column} is damaged: {why}")]
    Damaged { column: usize, why: String },
}

impl Failure {
    /// Whether it was ended because its time, or its allowance, was used up.
    pub(crate) fn is_interruption(&self) -> bool {
        match self {
            Self::Sqlite(error) => {
                error.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted)
            }
            Self::Postgres(error) => error.code() == Some(&SqlState::QUERY_CANCELED),
            Self::OutOfTime => true,
            Self::Unreachable(_)
            | Self::Silent
            | Self::Conflict
            | Self::Superseded
            | Self::NoRow
            | Self::Damaged { .. } => false,
        }
    }

    /// Whether the transaction was ended because of another one, and may be tried again: nothing of
    /// it was done.
    pub(crate) fn is_conflict(&self) -> bool {
        // What is unique was looked for before: another transaction was quicker.
        let conflicts = [
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::T_R_DEADLOCK_DETECTED,
            SqlState::UNIQUE_VIOLATION,
        ];
        match self {
            Self::Postgres(error) => error.code().is_some_and(|code| conflicts.contains(code)),
            Self::Conflict => true,
            Self::Sqlite(_)
            | Self::Unreachable(_)
            | Self::OutOfTime
            | Self::Silent
            | Self::Superseded
            | Self::NoRow
            | Self::Damaged { .. } => false,
        }
    }

    /// Whether the database itself refused: what it was asked for was not done. That it ends the
    /// connection, or crashes, refuses nothing; neither does a pooler between us and it.
    pub(crate) fn is_refusal(&self) -> bool {
        match self {
            Self::Postgres(error) => {
                let told = error.as_db_error();
                told.is_some_and(|told| told.parsed_severity() == Some(Severity::Error))
            }
            Self::Sqlite(_)
            | Self::OutOfTime
            | Self::Conflict
            | Self::Superseded
            | Self::NoRow
            | Self::Damaged { .. } => true,
            Self::Unreachable(_) | Self::Silent => false,
        }
    }

    /// Whether the connection was lost with it, at once: another one may do better. One that is
    /// silent, or cannot be had, has taken its time already.
    pub(crate) fn is_loss(&self) -> bool {
        match self {
            Self::Postgres(_) => !self.is_refusal(),
            Self::Sqlite(_)
            | Self::Unreachable(_)
            | Self::OutOfTime
            | Self::Silent
            | Self::Conflict
            | Self::Superseded
            | Self::NoRow
            | Self::Damaged { .. } => false,
        }
    }
}

/// A value that this program never wrote there.
pub(crate) fn damaged(column: usize, why: impl ToString) -> Failure {
    Failure::Damaged { column, why: why.to_string() }
}

/// A failure of the database, as the caller learns it.
pub(crate) fn unavailable(failure: impl Into<Failure>) -> StoreError {
    let failure = failure.into();
    if failure.is_interruption() {
        return StoreError::TooExpensive;
    }
    StoreError::Unavailable(failure.to_string())
}

/// Tells the absence of a row from a failure.
pub(crate) trait OptionalRow<T> {
    fn optional(self) -> Result<Option<T>>;
}

impl<T> OptionalRow<T> for Result<T> {
    fn optional(self) -> Result<Option<T>> {
        match self {
            Ok(row) => Ok(Some(row)),
            Err(Failure::NoRow) => Ok(None),
            Err(failure) => Err(failure),
        }
    }
}
