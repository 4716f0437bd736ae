//! Reads of several resources at one moment.

use firewarden_access::RowFilter;
use firewarden_fhir::Target;

use super::dictionary::Dictionary;
use super::judge::{self, RowJudge};
use super::pool::Reading;
use super::row;
use crate::database::{OptionalRow, Result as Found, unavailable};
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
    let rows = RowJudge::new(reading, dictionary, rows)?;
    let mut inside = Vec::new();
    for target in targets {
        reading.check_time()?;
        let found = one(reading, dictionary, target).map_err(unavailable)?;
        if let Some((stored, version)) = found
            && rows.lets_through(target.resource_type, &version)?
        {
            inside.push(stored);
        }
    }
    Ok(inside)
}

fn one(
    reading: &Reading<'_>,
    dictionary: &Dictionary,
    target: &Target,
) -> Found<Option<(Stored, judge::Version)>> {
    let type_code = dictionary.resource_type(target.resource_type);
    let found = reading
        .session
        .row(
            "SELECT id, updated, packed, version, body FROM resource
             WHERE type = ?1 AND id = ?2 AND deleted = 0",
            (type_code, target.id.as_str()),
            |found| {
                let stored = row::stored(found, [3, 1, 4], target.clone())?;
                Ok((stored, judge::Version::of(found)?))
            },
        )
        .optional()?;
    Ok(found.and_then(|(stored, version)| Some((stored?, version))))
}
