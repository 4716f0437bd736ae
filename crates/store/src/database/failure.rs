//! What a database answers in place of rows.

use thiserror::Error;

use crate::StoreError;

/// The outcome of a statement.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// Why a statement failed. The databases' messages carry no values.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
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
            Self::NoRow | Self::Damaged { .. } => false,
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
