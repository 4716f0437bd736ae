//! Which rights a backup brings back, compared with the database that it replaces.

use std::path::Path;

use firewarden_fhir::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};

use crate::backup::{Before, RightRestored, RightsRestored};
use crate::limits::RIGHTS_LISTED_MAX;

/// The types that rights are made of.
const TYPES: [&str; 6] =
    ["AccessPolicy", "TokenIntrospector", "IdentityProvider", "Client", "User", "Role"];

/// A database to compare with.
pub(super) struct Compared {
    connection: Connection,
    policy_version: i64,
}

impl Compared {
    /// `None` for one that cannot be read: it may be why there is a restore.
    pub(super) fn open(path: &Path) -> Option<Self> {
        // A reader of a log may have to recover its index.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).ok()?;
        let version = "SELECT policy_version FROM state";
        let policy_version = connection.query_row(version, [], |row| row.get(0)).ok()?;
        Some(Self { connection, policy_version })
    }

    pub(super) fn policy_version(&self) -> i64 {
        self.policy_version
    }

    /// The body of a resource that is there and not deleted.
    fn body(&self, of: &str, id: &str) -> rusqlite::Result<Option<String>> {
        let read = "SELECT r.body FROM resource AS r JOIN resource_type AS t ON t.code = r.type
                    WHERE t.name = ?1 AND r.id = ?2 AND r.deleted = 0";
        self.connection.prepare_cached(read)?.query_row((of, id), |row| row.get(0)).optional()
    }
}

/// The rights in a database.
pub(super) fn restored(
    path: &Path,
    there: Option<&Compared>,
) -> rusqlite::Result<Vec<RightsRestored>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    TYPES.into_iter().map(|of| of_type(&connection, of, there)).collect()
}

fn of_type(
    connection: &Connection,
    of: &'static str,
    there: Option<&Compared>,
) -> rusqlite::Result<RightsRestored> {
    let mut statement = connection.prepare(
        "SELECT r.id, r.updated, r.body FROM resource AS r
         JOIN resource_type AS t ON t.code = r.type
         WHERE t.name = ?1 AND r.deleted = 0 ORDER BY r.id",
    )?;
    let mut rows = statement.query([of])?;
    let mut rights = RightsRestored { of, count: 0, differ: 0, listed: Vec::new() };
    while let Some(row) = rows.next()? {
        rights.count += 1;
        let (id, body): (String, String) = (row.get(0)?, row.get(2)?);
        let before = match there.map(|there| there.body(of, &id)).transpose()? {
            Some(Some(other)) if other == body => continue,
            Some(Some(_)) => Before::Other,
            Some(None) => Before::Gone,
            None => Before::Unknown,
        };
        rights.differ += 1;
        if rights.listed.len() < RIGHTS_LISTED_MAX {
            let updated = Timestamp::from_millisecond(row.get(1)?).unwrap_or_default();
            rights.listed.push(RightRestored { id, updated, before });
        }
    }
    Ok(rights)
}
