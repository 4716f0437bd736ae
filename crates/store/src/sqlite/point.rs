//! Reads of one resource: short enough to run on the caller's own thread.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use firewarden_access::{Reach, RowFilter};
use firewarden_fhir::{Target, Version};
use rusqlite::{Connection, OptionalExtension};

use super::connection::unavailable;
use super::dictionary::Dictionary;
use super::pool::Snapshot;
use super::{row, secrets};
use crate::seal::{Seal, Unsealed};
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

    /// Reads the current version.
    pub(crate) fn read(
        &self,
        dictionary: &Dictionary,
        target: &Target,
        rows: &RowFilter,
    ) -> Result<Read, StoreError> {
        match rows.reach() {
            Reach::Nothing | Reach::Some(_) => Ok(Read::Absent),
            Reach::Everything => {
                let type_code = dictionary.resource_type(target.resource_type);
                current(&*self.connection()?, type_code, target).map_err(unavailable)
            }
        }
    }

    /// Reads that version.
    pub(crate) fn vread(
        &self,
        dictionary: &Dictionary,
        target: &Target,
        version: Version,
        rows: &RowFilter,
    ) -> Result<Read, StoreError> {
        match rows.reach() {
            Reach::Nothing | Reach::Some(_) => Ok(Read::Absent),
            Reach::Everything => {
                let type_code = dictionary.resource_type(target.resource_type);
                let connection = self.connection()?;
                // One snapshot: a version does not move to the history between two looks.
                let snapshot = Snapshot::begin(&connection).map_err(unavailable)?;
                exact(snapshot.0, type_code, target, version).map_err(unavailable)
            }
        }
    }

    /// The unsealed secrets. The rows are the caller's to look at first.
    pub(crate) fn secrets(
        &self,
        dictionary: &Dictionary,
        target: &Target,
        seal: &Seal,
    ) -> Result<Unsealed, StoreError> {
        let type_code = dictionary.resource_type(target.resource_type);
        let sealed =
            secrets::sealed(&*self.connection()?, type_code, target).map_err(unavailable)?;
        let unseal = |(pointer, sealed): (String, Vec<u8>)| match seal
            .unseal(target, &pointer, &sealed)
        {
            Ok(secret) => Ok((pointer, secret)),
            Err(_) => Err(StoreError::Unavailable(format!("a secret of `{target}` is damaged"))),
        };
        sealed.into_iter().map(unseal).collect()
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

fn current(connection: &Connection, type_code: i64, target: &Target) -> rusqlite::Result<Read> {
    let found = connection
        .prepare_cached("SELECT version, updated, body FROM resource WHERE type = ?1 AND id = ?2")?
        .query_row((type_code, target.id.as_str()), |found| {
            Ok((row::version(found, 0)?, row::stored(found, [0, 1, 2], target.clone())?))
        })
        .optional()?;
    Ok(found.map_or(Read::Absent, |(version, stored)| read(version, stored)))
}

fn exact(
    connection: &Connection,
    type_code: i64,
    target: &Target,
    version: Version,
) -> rusqlite::Result<Read> {
    let Ok(number) = i64::try_from(version.0) else { return Ok(Read::Absent) };
    let found = connection
        .prepare_cached(
            "SELECT version, updated, body FROM resource
             WHERE type = ?1 AND id = ?2 AND version = ?3
             UNION ALL
             SELECT version, updated, body FROM history
             WHERE key = (SELECT key FROM resource WHERE type = ?1 AND id = ?2) AND version = ?3",
        )?
        .query_row((type_code, target.id.as_str(), number), |found| {
            row::stored(found, [0, 1, 2], target.clone())
        })
        .optional()?;
    Ok(found.map_or(Read::Absent, |stored| read(version, stored)))
}

fn read(version: Version, stored: Option<Stored>) -> Read {
    stored.map_or(Read::Deleted(version), Read::Found)
}
