//! Reads of several resources at one moment.

use firewarden_access::{Reach, RowFilter};
use firewarden_fhir::Target;
use rusqlite::OptionalExtension;

use super::connection::unavailable;
use super::dictionary::Dictionary;
use super::pool::Reading;
use super::row;
use crate::limits::READ_TOGETHER_MAX;
use crate::{StoreError, Stored};

/// Reads those of the targets that are there, inside the rows.
pub(crate) fn read(
    reading: &Reading<'_>,
    dictionary: &Dictionary,
    targets: &[Target],
    rows: &RowFilter,
) -> Result<Vec<Stored>, StoreError> {
    if targets.len() > READ_TOGETHER_MAX {
        return Err(StoreError::TooExpensive);
    }
    match rows.reach() {
        Reach::Nothing | Reach::Some(_) => Ok(Vec::new()),
        Reach::Everything => {
            let mut found = Vec::new();
            for target in targets {
                reading.check_time()?;
                found.extend(read_one(reading, dictionary, target).map_err(unavailable)?);
            }
            Ok(found)
        }
    }
}

fn read_one(
    reading: &Reading<'_>,
    dictionary: &Dictionary,
    target: &Target,
) -> rusqlite::Result<Option<Stored>> {
    let type_code = dictionary.resource_type(target.resource_type);
    let found = reading
        .connection
        .prepare_cached("SELECT version, updated, body FROM resource WHERE type = ?1 AND id = ?2")?
        .query_row((type_code, target.id.as_str()), |found| {
            row::stored(found, [0, 1, 2], target.clone())
        })
        .optional()?;
    Ok(found.flatten())
}
