//! The store's face to what operators do with a database as a whole.

use std::path::Path;

use firewarden_fhir::Timestamp;

use super::Store;
use crate::database::unavailable;
use crate::postgres;
use crate::sqlite::{backup, connection, lock, schema};
use crate::{BackupError, BackupManifest, Database, Migrated, StoreError};

impl Store {
    /// Copies the SQLite database at a path into a file, beside a server that may be running.
    /// `program` is the version of this program.
    pub fn backup(
        database: &Path,
        file: &Path,
        program: &str,
        now: Timestamp,
    ) -> Result<BackupManifest, BackupError> {
        backup::backup(database, file, (program, now))
    }

    /// Brings a schema to this program's version. A SQLite file must be there, and is refused while
    /// another process has it open.
    pub fn migrate(database: &Database) -> Result<Migrated, BackupError> {
        match database {
            Database::Sqlite { path } => {
                there_is(path)?;
                let _lock = lock::lock(path)?;
                let mut connection = connection::open_writer(path).map_err(unavailable)?;
                Ok(schema::migrate(&mut connection)?)
            }
            Database::Postgres { url } => Ok(postgres::schema::migrate_at(url.clone())?),
        }
    }

    /// Notes that somebody has looked at what came back with a backup; whether there was something
    /// to be looked at.
    pub fn reviewed(database: &Path) -> Result<bool, BackupError> {
        there_is(database)?;
        let connection = connection::open_writer(database).map_err(unavailable)?;
        let known = schema::version(&connection)?;
        if known < schema::KNOWN {
            return Ok(false);
        }
        let note = "UPDATE state SET restored = 0 WHERE restored > 0";
        let changed = connection.execute(note, []).map_err(unavailable)?;
        Ok(changed > 0)
    }

    /// When the database was restored, while nobody has noted that what came back was looked at.
    pub async fn restored(&self) -> Result<Option<Timestamp>, StoreError> {
        self.engine.restored().await
    }
}

fn there_is(database: &Path) -> Result<(), BackupError> {
    if std::fs::metadata(database).is_ok_and(|found| found.len() > 0) {
        return Ok(());
    }
    Err(BackupError::NoDatabase(database.to_owned()))
}
