//! Reads of one resource: short enough to run on the caller's own thread.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use firewarden_access::RowFilter;
use firewarden_fhir::{Target, Version};
use rusqlite::Connection;

use super::dictionary::Dictionary;
use super::judge::{self, RowJudge};
use super::pool::Reading;
use super::{row, secrets};
use crate::database::{OptionalRow, Result as Looked, Row, Session, damaged, unavailable};
use crate::seal::{Seal, Unsealed};
use crate::sqlite::snapshot::Snapshot;
use crate::{Read, StoreError, Stored};

/// Connections for point reads. Each is held for some microseconds and never across an await, so
/// that a caller waits for no more than the few callers before it.
pub(crate) struct PointReaders {
    connections: Vec<Mutex<Connection>>,
    next: AtomicUsize,
}

impl PointReaders {
    pub(crate) fn new(connections: Vec<Connection>) -> Self {
        let connections = connections.into_iter().map(Mutex::new).collect();
        Self { connections, next: AtomicUsize::new(0) }
    }

    /// One look that is bounded by itself.
    pub(crate) fn look<T>(
        &self,
        look: impl FnOnce(&Reading<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let connection = self.connection()?;
        look(&Reading::short(&Session::Sqlite(&connection)))
    }

    /// Several looks at the same state.
    pub(crate) fn looks<T>(
        &self,
        look: impl FnOnce(&Reading<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let connection = self.connection()?;
        let snapshot = Snapshot::begin(&connection).map_err(unavailable)?;
        look(&Reading::short(&Session::Sqlite(snapshot.0)))
    }

    /// A trivial read.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let connection = self.connection()?;
        connection
            .query_row("SELECT policy_version FROM state", [], |_| Ok(()))
            .map_err(unavailable)
    }

    fn connection(&self) -> Result<MutexGuard<'_, Connection>, StoreError> {
        let start = self.next.fetch_add(1, Ordering::Relaxed);
        let ring = || self.connections.iter().cycle().skip(start % self.connections.len().max(1));
        let free = ring().take(self.connections.len()).find_map(|c| c.try_lock().ok());
        let wait = || ring().next().map(|c| c.lock().unwrap_or_else(PoisonError::into_inner));
        free.or_else(wait).ok_or_else(|| StoreError::Unavailable("no connection".to_owned()))
    }
}

/// Reads the current version of any row.
pub(crate) fn any(
    reading: &Reading<'_>,
    dictionary: &Dictionary,
    target: &Target,
) -> Result<Read, StoreError> {
    let type_code = dictionary.resource_type(target.resource_type);
    let found = reading
        .session
        .row(
            "SELECT version, updated, body FROM resource WHERE type = ?1 AND id = ?2",
            (type_code, target.id.as_str()),
            |found| Ok((row::version(found, 0)?, row::stored(found, [0, 1, 2], target.clone())?)),
        )
        .optional()
        .map_err(unavailable)?;
    Ok(found.map_or(Read::Absent, |(version, stored)| read(version, stored)))
}

/// Reads the current version, inside the rows.
pub(crate) fn current(
    reading: &Reading<'_>,
    dictionary: &Dictionary,
    target: &Target,
    rows: &RowFilter,
) -> Result<Read, StoreError> {
    let rows = RowJudge::new(reading, dictionary, rows)?;
    if rows.is_closed() {
        return Ok(Read::Absent);
    }
    let type_code = dictionary.resource_type(target.resource_type);
    let found = reading
        .session
        .row(
            "SELECT id, updated, packed, version, body, key FROM resource
             WHERE type = ?1 AND id = ?2",
            (type_code, target.id.as_str()),
            |found| Found::of(found, target, &rows),
        )
        .optional();
    inside(reading, &rows, target, found.map_err(unavailable)?)
}

/// Reads that version, inside the rows.
pub(crate) fn exact(
    reading: &Reading<'_>,
    dictionary: &Dictionary,
    (target, version): (&Target, Version),
    rows: &RowFilter,
) -> Result<Read, StoreError> {
    let rows = RowJudge::new(reading, dictionary, rows)?;
    let Ok(number) = i64::try_from(version.0) else { return Ok(Read::Absent) };
    if rows.is_closed() {
        return Ok(Read::Absent);
    }
    let type_code = dictionary.resource_type(target.resource_type);
    let found = reading
        .session
        .row(
            "SELECT id, updated, packed, version, body, key FROM resource
             WHERE type = ?1 AND id = ?2 AND version = ?3
             UNION ALL
             SELECT ?2, updated, packed, version, body, key FROM history
             WHERE key = (SELECT key FROM resource WHERE type = ?1 AND id = ?2) AND version = ?3",
            (type_code, target.id.as_str(), number),
            |found| Found::of(found, target, &rows),
        )
        .optional();
    inside(reading, &rows, target, found.map_err(unavailable)?)
}

/// A version as it was found.
struct Found {
    key: i64,
    version: Version,
    stored: Option<Stored>,
    /// What it is judged by, if it has to be judged and is no deletion.
    judged: Option<judge::Version>,
}

impl Found {
    fn of(found: Row<'_>, target: &Target, rows: &RowJudge<'_>) -> Looked<Self> {
        let stored = row::stored(found, [3, 1, 4], target.clone())?;
        let judged = match stored {
            Some(_) if !rows.is_open() => Some(judge::Version::of(found)?),
            Some(_) | None => None,
        };
        Ok(Self { key: found.get(5)?, version: row::version(found, 3)?, stored, judged })
    }
}

fn inside(
    reading: &Reading<'_>,
    rows: &RowJudge<'_>,
    target: &Target,
    found: Option<Found>,
) -> Result<Read, StoreError> {
    let Some(Found { key, version, stored, judged }) = found else { return Ok(Read::Absent) };
    let read = read(version, stored);
    if rows.is_open() {
        return Ok(read);
    }
    let judged = match judged {
        Some(judged) => Some(judged),
        None => before_deletion(reading, target, (key, version)).map_err(unavailable)?,
    };
    // INVARIANT: a row outside the rows reads as one that never was.
    match judged {
        Some(judged) if rows.lets_through(target.resource_type, &judged)? => Ok(read),
        Some(_) | None => Ok(Read::Absent),
    }
}

fn read(version: Version, stored: Option<Stored>) -> Read {
    stored.map_or(Read::Deleted(version), Read::Found)
}

/// What a deletion is judged by: the version before it.
pub(crate) fn before_deletion(
    reading: &Reading<'_>,
    target: &Target,
    (key, deletion): (i64, Version),
) -> Looked<Option<judge::Version>> {
    let before = i64::try_from(deletion.0.saturating_sub(1)).map_err(|e| damaged(0, e))?;
    reading
        .session
        .row(
            "SELECT ?1, updated, packed FROM history
             WHERE key = ?2 AND version = ?3 AND packed IS NOT NULL",
            (target.id.as_str(), key, before),
            judge::Version::of,
        )
        .optional()
}

/// The unsealed secrets of a resource inside the rows.
pub(crate) fn unsealed(
    reading: &Reading<'_>,
    dictionary: &Dictionary,
    (target, seal): (&Target, &Seal),
    rows: &RowFilter,
) -> Result<Unsealed, StoreError> {
    match current(reading, dictionary, target, rows)? {
        Read::Found(_) => {}
        Read::Deleted(_) | Read::Absent => return Ok(Vec::new()),
    }
    let type_code = dictionary.resource_type(target.resource_type);
    let sealed = secrets::sealed(reading.session, type_code, target).map_err(unavailable)?;
    let unseal = |(pointer, sealed): (String, Vec<u8>)| match seal.unseal(target, &pointer, &sealed)
    {
        Ok(secret) => Ok((pointer, secret)),
        Err(_) => Err(StoreError::Unavailable(format!("a secret of `{target}` is damaged"))),
    };
    sealed.into_iter().map(unseal).collect()
}
