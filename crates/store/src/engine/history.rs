//! Histories: versions, the newest first.

use std::collections::BTreeMap;

use firewarden_fhir::{HistoryPage, Id, ResourceType, Target};

use super::dictionary::Dictionary;
use super::judge::{self, RowJudge};
use super::pool::Reading;
use super::{point, row};
use crate::cursor::{self, Part};
use crate::database::{Column, OptionalRow, Result as Found, Row, damaged, unavailable};
use crate::limits::HISTORY_TYPES_MAX;
use crate::{HistoryEntry, HistoryPageRead, HistoryRead, StoreError};

/// Reads a page of a history. It ends early when its bodies have so many bytes.
pub(crate) fn history(
    reading: &Reading<'_>,
    dictionary: &Dictionary,
    of: &HistoryRead,
    page: &HistoryPage,
    body_bytes_max: usize,
) -> Result<HistoryPageRead, StoreError> {
    let size = Size { count: page.count as usize, body_bytes_max };
    match of {
        HistoryRead::Instance(target, rows) => {
            let rows = RowJudge::new(reading, dictionary, rows)?;
            if rows.is_closed() {
                return Ok(empty());
            }
            of_one(reading, dictionary, (target, &rows), (page, size))
        }
        HistoryRead::Types(types) => {
            // Each type once, in however many parts its rows were granted.
            let mut visible: BTreeMap<ResourceType, Vec<RowJudge<'_>>> = BTreeMap::new();
            for (resource_type, rows) in types {
                let rows = RowJudge::new(reading, dictionary, rows)?;
                if !rows.is_closed() && visible.len() < HISTORY_TYPES_MAX {
                    visible.entry(*resource_type).or_default().push(rows);
                }
            }
            of_types(reading, dictionary, &visible, (page, size))
        }
    }
}

/// How much is on a page at most: at least one version, if any is wanted.
#[derive(Clone, Copy)]
struct Size {
    count: usize,
    body_bytes_max: usize,
}

impl Size {
    /// Whether so many versions, whose bodies have so many bytes, are a page.
    fn is_reached(self, entries: &[HistoryEntry], body_bytes: usize) -> bool {
        let bytes_reached = !entries.is_empty() && body_bytes >= self.body_bytes_max;
        entries.len() >= self.count || bytes_reached
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
    (target, rows): (&Target, &RowJudge<'_>),
    (page, size): (&HistoryPage, Size),
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
    let found = key_and_version(reading, type_code, target).map_err(unavailable)?;
    let (entries, more) = match found {
        Some((key, _)) if size.count > 0 => {
            versions(reading, (target, rows), (key, before, since_ms(page)), size)?
        }
        Some(_) | None => (Vec::new(), false),
    };
    let next = entries.last().filter(|_| more).map(|entry| {
        let version = i64::try_from(entry.version.0).unwrap_or(i64::MAX);
        cursor::encode(&purpose, &[Part::Integer(version)])
    });
    let total = if rows.is_open() {
        // Versions count from 1 without gaps.
        page.since.is_none().then_some(found.map_or(0, |(_, last)| last))
    } else {
        // INVARIANT: the same for a hidden resource and for one that never was.
        (page.cursor.is_none() && page.count > 0 && !more).then_some(entries.len() as u64)
    };
    Ok(HistoryPageRead { entries, total, next })
}

fn key_and_version(
    reading: &Reading<'_>,
    type_code: i64,
    target: &Target,
) -> Found<Option<(i64, u64)>> {
    reading
        .session
        .row(
            "SELECT key, version FROM resource WHERE type = ?1 AND id = ?2",
            (type_code, target.id.as_str()),
            |found| Ok((found.get(0)?, row::version(found, 1)?.0)),
        )
        .optional()
}

/// The newest versions inside the rows, a page of them, and whether there are more.
fn versions(
    reading: &Reading<'_>,
    (target, rows): (&Target, &RowJudge<'_>),
    (key, before, since_ms): (i64, i64, i64),
    size: Size,
) -> Result<(Vec<HistoryEntry>, bool), StoreError> {
    let mut statement = reading
        .session
        .prepare(
            "SELECT ?1, updated, packed, version, method, body FROM resource
             WHERE key = ?2 AND version < ?3 AND updated >= ?4
             UNION ALL
             SELECT ?1, updated, packed, version, method, body FROM history
             WHERE key = ?2 AND version < ?3 AND updated >= ?4
             ORDER BY 4 DESC",
        )
        .map_err(unavailable)?;
    let from = (target.id.as_str(), key, before, since_ms);
    let mut found = statement.rows_with_bodies(from).map_err(unavailable)?;
    let (mut entries, mut body_bytes) = (Vec::new(), 0);
    while let Some(version) = found.next().map_err(unavailable)? {
        reading.check_time()?;
        if !is_inside(reading, version, (target, key), std::slice::from_ref(rows))? {
            continue;
        }
        if size.is_reached(&entries, body_bytes) {
            return Ok((entries, true));
        }
        let entry = entry(version, target.clone()).map_err(unavailable)?;
        body_bytes += entry.body.as_ref().map_or(0, |body| body.len());
        entries.push(entry);
    }
    Ok((entries, false))
}

/// Whether a version is inside the rows: its own content, or for a deletion what it deleted. Its
/// columns are id, time, packed values and version.
fn is_inside(
    reading: &Reading<'_>,
    found: Row<'_>,
    (target, key): (&Target, i64),
    rows: &[RowJudge<'_>],
) -> Result<bool, StoreError> {
    if rows.iter().any(RowJudge::is_open) {
        return Ok(true);
    }
    let is_deletion = found.column(2).map_err(unavailable)? == Column::Null;
    let judged = if is_deletion {
        let deletion = row::version(found, 3).map_err(unavailable)?;
        point::before_deletion(reading, target, (key, deletion)).map_err(unavailable)?
    } else {
        Some(judge::Version::of(found).map_err(unavailable)?)
    };
    let Some(judged) = judged else { return Ok(false) };
    for rows in rows {
        if rows.lets_through(target.resource_type, &judged)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Its columns are id, time, packed values, version, method and body.
fn entry(found: Row<'_>, target: Target) -> Found<HistoryEntry> {
    Ok(HistoryEntry {
        target,
        version: row::version(found, 3)?,
        updated: row::updated(found, 1)?,
        method: row::method(found, 4)?,
        body: row::body(found, 5)?,
    })
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
    types: &BTreeMap<ResourceType, Vec<RowJudge<'_>>>,
    (page, size): (&HistoryPage, Size),
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
    // One more tells whether there is a next page.
    let heads_max = size.count + usize::from(size.count > 0);
    let mut heads = Vec::new();
    for (resource_type, rows) in types {
        for current in [true, false] {
            let typed = Typed { resource_type: *resource_type, current, rows };
            let type_code = dictionary.resource_type(*resource_type);
            let from = (type_code, before, since_ms(page));
            let places = typed.places(reading, from, heads_max)?.into_iter();
            heads.extend(places.map(|place| Head {
                place,
                resource_type: *resource_type,
                current,
            }));
        }
        heads.sort_unstable_by_key(|head| std::cmp::Reverse(head.place));
        heads.truncate(heads_max);
    }
    let (mut entries, mut body_bytes) = (Vec::new(), 0);
    for head in &heads {
        if size.is_reached(&entries, body_bytes) {
            break;
        }
        let entry = read(reading, head).map_err(unavailable)?;
        body_bytes += entry.body.as_ref().map_or(0, |body| body.len());
        entries.push(entry);
    }
    let more = entries.len() < heads.len();
    let last = entries.len().checked_sub(1).and_then(|last| heads.get(last));
    let next = last.filter(|_| more).map(|Head { place: (updated, key, version), .. }| {
        cursor::encode(PURPOSE, &[updated, key, version].map(|number| Part::Integer(*number)))
    });
    let whole = page.cursor.is_none() && page.count > 0 && !more;
    let total = whole.then_some(entries.len() as u64);
    Ok(HistoryPageRead { entries, total, next })
}

/// The current versions of a type, or its superseded ones.
struct Typed<'a> {
    resource_type: ResourceType,
    current: bool,
    rows: &'a [RowJudge<'a>],
}

impl Typed<'_> {
    /// Where the newest versions before a place are, as many as that, inside the rows.
    fn places(
        &self,
        reading: &Reading<'_>,
        (type_code, before, since_ms): (i64, Place, i64),
        count: usize,
    ) -> Result<Vec<Place>, StoreError> {
        let sql = if self.current {
            "SELECT id, updated, packed, version, key FROM resource
             WHERE type = ?1 AND updated >= ?2 AND (updated, key, version) < (?3, ?4, ?5)
             ORDER BY updated DESC, key DESC, version DESC"
        } else {
            "SELECT (SELECT id FROM resource AS r WHERE r.key = h.key),
                    updated, packed, version, key FROM history AS h
             WHERE type = ?1 AND updated >= ?2 AND (updated, key, version) < (?3, ?4, ?5)
             ORDER BY updated DESC, key DESC, version DESC"
        };
        let (updated, key, version) = before;
        let from = (type_code, since_ms, updated, key, version);
        let mut statement = reading.session.prepare(sql).map_err(unavailable)?;
        let mut found = statement.rows(from).map_err(unavailable)?;
        let mut places = Vec::new();
        while places.len() < count
            && let Some(version) = found.next().map_err(unavailable)?
        {
            reading.check_time()?;
            if self.is_inside(reading, version)? {
                places.push(place(version).map_err(unavailable)?);
            }
        }
        Ok(places)
    }

    fn is_inside(&self, reading: &Reading<'_>, found: Row<'_>) -> Result<bool, StoreError> {
        let target = Target::new(self.resource_type, id(found).map_err(unavailable)?);
        let key = found.get(4).map_err(unavailable)?;
        is_inside(reading, found, (&target, key), self.rows)
    }
}

fn place(found: Row<'_>) -> Found<Place> {
    Ok((found.get(1)?, found.get(4)?, found.get(3)?))
}

fn id(found: Row<'_>) -> Found<Id> {
    Id::parse(found.text(0)?).ok_or_else(|| damaged(0, "an id"))
}

fn read(reading: &Reading<'_>, head: &Head) -> Found<HistoryEntry> {
    let sql = if head.current {
        "SELECT id, updated, NULL, version, method, body FROM resource
         WHERE key = ?1 AND version = ?2"
    } else {
        "SELECT r.id, h.updated, NULL, h.version, h.method, h.body
         FROM history h JOIN resource r ON r.key = h.key WHERE h.key = ?1 AND h.version = ?2"
    };
    let (_, key, version) = head.place;
    reading
        .session
        .row(sql, (key, version), |found| entry(found, Target::new(head.resource_type, id(found)?)))
}
