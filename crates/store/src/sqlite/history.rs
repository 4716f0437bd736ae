//! Histories: versions, the newest first.

use std::collections::BTreeSet;

use firewarden_access::Reach;
use firewarden_fhir::{HistoryPage, Id, ResourceType, Target};
use rusqlite::{OptionalExtension, Row};

use super::connection::unavailable;
use super::dictionary::Dictionary;
use super::pool::Reading;
use super::row;
use crate::cursor::{self, Part};
use crate::limits::HISTORY_TYPES_MAX;
use crate::{HistoryEntry, HistoryPageRead, HistoryRead, StoreError};

/// Reads a page of a history.
pub(crate) fn history(
    reading: &Reading<'_>,
    dictionary: &Dictionary,
    of: &HistoryRead,
    page: &HistoryPage,
) -> Result<HistoryPageRead, StoreError> {
    match of {
        HistoryRead::Instance(target, rows) => match rows.reach() {
            Reach::Nothing | Reach::Some(_) => Ok(empty()),
            Reach::Everything => of_one(reading, dictionary, target, page),
        },
        HistoryRead::Types(types) => {
            let visible = types.iter().filter_map(|(resource_type, rows)| match rows.reach() {
                Reach::Nothing | Reach::Some(_) => None,
                Reach::Everything => Some(*resource_type),
            });
            // Each type once, in however many parts its rows were granted.
            let visible: BTreeSet<_> = visible.take(HISTORY_TYPES_MAX).collect();
            of_types(reading, dictionary, &visible, page)
        }
    }
}

fn empty() -> HistoryPageRead {
    HistoryPageRead { entries: Vec::new(), total: Some(0), next: None }
}

/// The first millisecond that counts.
fn since_ms(page: &HistoryPage) -> i64 {
    // Rounded up: a version is stored with the millisecond it began in.
    page.since.map_or(i64::MIN, |since| {
        since.low_us.div_euclid(1_000) + i64::from(since.low_us.rem_euclid(1_000) > 0)
    })
}

fn of_one(
    reading: &Reading<'_>,
    dictionary: &Dictionary,
    target: &Target,
    page: &HistoryPage,
) -> Result<HistoryPageRead, StoreError> {
    let purpose = format!("history {target}");
    let before = match &page.cursor {
        None => i64::MAX,
        Some(text) => match cursor::decode(text, &purpose).as_deref() {
            Some([Part::Integer(version)]) => *version,
            Some(_) | None => return Err(StoreError::BadCursor),
        },
    };
    let type_code = dictionary.resource_type(target.resource_type);
    let Some((key, last)) = key_and_version(reading, type_code, target).map_err(unavailable)?
    else {
        return Ok(empty());
    };
    let mut entries = versions(reading, target, (key, before, since_ms(page)), page.count)
        .map_err(unavailable)?;
    let more = cut_to_page(&mut entries, page.count);
    let next = entries.last().filter(|_| more).map(|entry| {
        let version = i64::try_from(entry.version.0).unwrap_or(i64::MAX);
        cursor::encode(&purpose, &[Part::Integer(version)])
    });
    // Versions count from 1 without gaps.
    let total = page.since.is_none().then_some(last);
    Ok(HistoryPageRead { entries, total, next })
}

fn key_and_version(
    reading: &Reading<'_>,
    type_code: i64,
    target: &Target,
) -> rusqlite::Result<Option<(i64, u64)>> {
    reading
        .connection
        .prepare_cached("SELECT key, version FROM resource WHERE type = ?1 AND id = ?2")?
        .query_row((type_code, target.id.as_str()), |found| {
            Ok((found.get(0)?, row::version(found, 1)?.0))
        })
        .optional()
}

fn versions(
    reading: &Reading<'_>,
    target: &Target,
    (key, before, since_ms): (i64, i64, i64),
    count: u32,
) -> rusqlite::Result<Vec<HistoryEntry>> {
    let mut statement = reading.connection.prepare_cached(
        "SELECT version, updated, method, body FROM resource
         WHERE key = ?1 AND version < ?2 AND updated >= ?3
         UNION ALL
         SELECT version, updated, method, body FROM history
         WHERE key = ?1 AND version < ?2 AND updated >= ?3
         ORDER BY 1 DESC LIMIT ?4",
    )?;
    statement
        .query_map((key, before, since_ms, one_more(count)), |found| {
            entry(found, 0, target.clone())
        })?
        .collect()
}

fn entry(found: &Row<'_>, column: usize, target: Target) -> rusqlite::Result<HistoryEntry> {
    Ok(HistoryEntry {
        target,
        version: row::version(found, column)?,
        updated: row::updated(found, column + 1)?,
        method: row::method(found, column + 2)?,
        body: row::body(found, column + 3)?,
    })
}

fn one_more(count: u32) -> i64 {
    i64::from(count) + i64::from(count > 0)
}

/// Drops what does not belong to the page; whether there was such.
fn cut_to_page<T>(rows: &mut Vec<T>, count: u32) -> bool {
    let count = count as usize;
    let more = rows.len() > count;
    rows.truncate(count);
    more
}

/// Where a version stands among all, the newest first: time, key, version.
type Place = (i64, i64, i64);

/// A version found, before its body is read.
struct Head {
    place: Place,
    resource_type: ResourceType,
    current: bool,
}

fn of_types(
    reading: &Reading<'_>,
    dictionary: &Dictionary,
    types: &BTreeSet<ResourceType>,
    page: &HistoryPage,
) -> Result<HistoryPageRead, StoreError> {
    const PURPOSE: &str = "histories";
    let before = match &page.cursor {
        None => (i64::MAX, i64::MAX, i64::MAX),
        Some(text) => match cursor::decode(text, PURPOSE).as_deref() {
            Some([Part::Integer(updated), Part::Integer(key), Part::Integer(version)]) => {
                (*updated, *key, *version)
            }
            Some(_) | None => return Err(StoreError::BadCursor),
        },
    };
    let mut heads = Vec::new();
    for resource_type in types {
        reading.check_time()?;
        let type_code = dictionary.resource_type(*resource_type);
        for current in [true, false] {
            let places = places(reading, current, (type_code, before, since_ms(page)), page.count);
            let found = places.map_err(unavailable)?.into_iter();
            heads.extend(found.map(|place| Head { place, resource_type: *resource_type, current }));
        }
        heads.sort_unstable_by_key(|head| std::cmp::Reverse(head.place));
        heads.truncate(usize::try_from(one_more(page.count)).unwrap_or(usize::MAX));
    }
    let more = cut_to_page(&mut heads, page.count);
    let next =
        heads.last().filter(|_| more).map(|Head { place: (updated, key, version), .. }| {
            cursor::encode(PURPOSE, &[updated, key, version].map(|number| Part::Integer(*number)))
        });
    let entries: rusqlite::Result<Vec<_>> = heads.iter().map(|head| read(reading, head)).collect();
    let entries = entries.map_err(unavailable)?;
    let whole = page.cursor.is_none() && page.count > 0 && !more;
    let total = whole.then_some(entries.len() as u64);
    Ok(HistoryPageRead { entries, total, next })
}

fn places(
    reading: &Reading<'_>,
    current: bool,
    (type_code, before, since_ms): (i64, Place, i64),
    count: u32,
) -> rusqlite::Result<Vec<Place>> {
    let sql = if current {
        "SELECT updated, key, version FROM resource
         WHERE type = ?1 AND updated >= ?2 AND (updated, key, version) < (?3, ?4, ?5)
         ORDER BY updated DESC, key DESC, version DESC LIMIT ?6"
    } else {
        "SELECT updated, key, version FROM history
         WHERE type = ?1 AND updated >= ?2 AND (updated, key, version) < (?3, ?4, ?5)
         ORDER BY updated DESC, key DESC, version DESC LIMIT ?6"
    };
    let (updated, key, version) = before;
    reading
        .connection
        .prepare_cached(sql)?
        .query_map((type_code, since_ms, updated, key, version, one_more(count)), |found| {
            Ok((found.get(0)?, found.get(1)?, found.get(2)?))
        })?
        .collect()
}

fn read(reading: &Reading<'_>, head: &Head) -> rusqlite::Result<HistoryEntry> {
    let sql = if head.current {
        "SELECT id, version, updated, method, body FROM resource WHERE key = ?1 AND version = ?2"
    } else {
        "SELECT r.id, h.version, h.updated, h.method, h.body
         FROM history h JOIN resource r ON r.key = h.key WHERE h.key = ?1 AND h.version = ?2"
    };
    let (_, key, version) = head.place;
    reading.connection.prepare_cached(sql)?.query_row((key, version), |found| {
        let id = Id::parse(found.get_ref(0)?.as_str()?).ok_or_else(|| row::damaged(0, "an id"))?;
        entry(found, 1, Target::new(head.resource_type, id))
    })
}
