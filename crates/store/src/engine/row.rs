//! What a row of the database becomes.

use std::sync::Arc;

use crate::database::{Column, Result, Row, damaged};
use crate::{HistoryMethod, Stored};
use firewarden_fhir::{Target, Timestamp, Version};

/// The version in a column.
pub(crate) fn version(row: Row<'_>, column: usize) -> Result<Version> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map(Version).map_err(|e| damaged(column, e))
}

/// The time in a column.
pub(crate) fn updated(row: Row<'_>, column: usize) -> Result<Timestamp> {
    Timestamp::from_millisecond(row.get(column)?).map_err(|e| damaged(column, e))
}

/// The body in a column; `None` for a deletion.
pub(crate) fn body(row: Row<'_>, column: usize) -> Result<Option<Arc<str>>> {
    match row.column(column)? {
        Column::Null => Ok(None),
        Column::Integer(_) | Column::Real(_) | Column::Text(_) | Column::Blob(_) => {
            row.text(column).map(Arc::from).map(Some)
        }
    }
}

/// The version, time and body in three columns; `None` for a deletion.
pub(crate) fn stored(row: Row<'_>, columns: [usize; 3], target: Target) -> Result<Option<Stored>> {
    let [version_at, updated_at, body_at] = columns;
    let Some(body) = body(row, body_at)? else { return Ok(None) };
    let (version, updated) = (version(row, version_at)?, updated(row, updated_at)?);
    Ok(Some(Stored { target, version, updated, body }))
}

/// The number of a method.
pub(crate) fn method_code(method: HistoryMethod) -> i64 {
    match method {
        HistoryMethod::Post => 1,
        HistoryMethod::Put => 2,
        HistoryMethod::Delete => 3,
    }
}

/// The method of a number.
pub(crate) fn method(row: Row<'_>, column: usize) -> Result<HistoryMethod> {
    match row.get::<i64>(column)? {
        1 => Ok(HistoryMethod::Post),
        2 => Ok(HistoryMethod::Put),
        3 => Ok(HistoryMethod::Delete),
        _ => Err(damaged(column, "not a method")),
    }
}
