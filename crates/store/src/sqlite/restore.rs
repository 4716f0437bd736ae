//! `restore`: a backup is verified beside the database's place, and takes it whole or not at all.

use std::path::{Path, PathBuf};

use firewarden_access::SystemTask;
use firewarden_fhir::search::SearchQuery;
use firewarden_fhir::{IfMatch, ResourceType, Timestamp};
use rusqlite::{Connection, OpenFlags};
use zeroize::Zeroizing;

use super::backup::manifest_path;
use super::files::{because, beside, copy_private, fsync_folder, remove_if_there};
use super::{connection, lock, rights, schema};
use crate::backup::{BackupError, BackupManifest, FORM, Restored};
use crate::database::{Session, unavailable};
use crate::engine::secrets;
use crate::limits::MANIFEST_BYTES_MAX;
use crate::seal::Seal;
use crate::{Change, Database, Store, StoreSettings, Write, WriteRequest};

/// A restore that is asked for.
pub struct Restore<'a> {
    /// The backup; its manifest is beside it.
    pub file: &'a Path,
    /// Where the database is to be.
    pub database: &'a Path,
    /// The key that sealed the secrets in the backup.
    pub secrets_key: &'a Zeroizing<[u8; 32]>,
    /// Whether a database that is there is set aside.
    pub replace: bool,
    /// The time.
    pub now: Timestamp,
}

impl Restore<'_> {
    /// Restores. Sessions end, jobs that were under way do not go on, and the version of the
    /// policies becomes greater than any that was seen.
    pub async fn run(&self) -> Result<Restored, BackupError> {
        let manifest = manifest(self.file)?;
        let was_there = self.database_is_there();
        if was_there && !self.replace {
            return Err(BackupError::WouldReplace(self.database.to_owned()));
        }
        let lock = lock::lock(self.database)?;
        let staged = Staged::at(beside(self.database, ".restoring"));
        let restored = self.in_place(manifest, &staged).await;
        if restored.is_err() && !was_there && !self.database_is_there() {
            // The lock has made it, empty.
            remove_if_there(self.database);
        }
        drop(lock);
        restored
    }

    fn database_is_there(&self) -> bool {
        std::fs::metadata(self.database).is_ok_and(|found| found.len() > 0)
    }

    async fn in_place(
        &self,
        manifest: BackupManifest,
        staged: &Staged,
    ) -> Result<Restored, BackupError> {
        let copied = copy_private(self.file, &staged.path)?;
        if copied != (manifest.sha256.clone(), manifest.bytes) {
            return Err(BackupError::Damaged("it is not what its manifest tells of".to_owned()));
        }
        let there = self.database_is_there().then(|| rights::Compared::open(self.database));
        let there = there.flatten();
        let policy_version = self.prepare(staged, &manifest, there.as_ref())?;
        let rights = rights::restored(&staged.path, there.as_ref()).map_err(unavailable)?;
        drop(there);
        let sessions_ended = self.end_sessions(staged).await?;
        let set_aside = self.take_place(staged)?;
        Ok(Restored { manifest, policy_version, sessions_ended, rights, set_aside })
    }

    /// Verifies the copy, brings it to this program's schema, and marks it.
    fn prepare(
        &self,
        staged: &Staged,
        manifest: &BackupManifest,
        there: Option<&rights::Compared>,
    ) -> Result<u64, BackupError> {
        let mut copy = connection::open_writer(&staged.path).map_err(unavailable)?;
        let check: String = copy
            .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
            .map_err(unavailable)?;
        if check != "ok" {
            return Err(BackupError::Damaged(check));
        }
        if schema::version(&copy)? != manifest.schema {
            return Err(BackupError::Damaged("its schema is not what it says".to_owned()));
        }
        schema::migrate(&mut copy)?;
        let seal = Seal::new(self.secrets_key);
        let seal = seal.map_err(|_| BackupError::Damaged("the key cannot be used".to_owned()))?;
        secrets::check_key(&Session::Sqlite(&copy), &seal)?;
        let stored: i64 = copy
            .query_row("SELECT policy_version FROM state", [], |row| row.get(0))
            .map_err(unavailable)?;
        let seen = stored.max(there.map_or(0, rights::Compared::policy_version));
        // No database has changed its policies once in every millisecond since 1970.
        let version = seen.saturating_add(1).max(self.now.as_millisecond());
        let now = self.now.as_millisecond();
        copy.execute("UPDATE state SET policy_version = ?1, restored = ?2", (version, now))
            .map_err(unavailable)?;
        copy.execute(
            "UPDATE job SET state = 'cancelled', owner = '', ended = ?1, updated = ?1,
               error = 'the database was restored from a backup'
             WHERE state IN ('waiting', 'running') AND kind <> 'reindex'",
            [now],
        )
        .map_err(unavailable)?;
        Ok(u64::try_from(version).unwrap_or_default())
    }

    /// Ends every session of the copy, by writes like any others.
    async fn end_sessions(&self, staged: &Staged) -> Result<u64, BackupError> {
        let Some(of) = ResourceType::parse("Session") else { return Ok(0) };
        let settings = StoreSettings {
            database: Database::Sqlite { path: staged.path.clone() },
            base_url: "urn:firewarden:restore".to_owned(),
            secrets_key: self.secrets_key.clone(),
            readers: 1,
        };
        let store = Store::open(settings)?;
        let count = firewarden_fhir::limits::PAGE_ENTRIES_MAX;
        let mut ended = 0;
        loop {
            let query = SearchQuery { count, ..SearchQuery::all(of) };
            let page = store.search(SystemTask::KeepSessions.search(query)).await?;
            if page.matches.is_empty() {
                break;
            }
            let write = |target| Write {
                target,
                matching: None,
                rows: SystemTask::KeepSessions.rows(of),
                change: Change::Delete { if_match: IfMatch::Any },
            };
            let writes: Vec<_> =
                page.matches.into_iter().map(|found| write(found.target)).collect();
            ended += writes.len() as u64;
            let request = WriteRequest { policy_version: None, now: self.now, writes };
            let written = store.write(request).await;
            written.map_err(|error| BackupError::Damaged(format!("its sessions: {error}")))?;
        }
        store.close().await?;
        Ok(ended)
    }

    /// Puts the copy in the database's place; where the one is that was there.
    fn take_place(&self, staged: &Staged) -> Result<Option<PathBuf>, BackupError> {
        staged.make_whole()?;
        let (old_log, old_index) = (beside(self.database, "-wal"), beside(self.database, "-shm"));
        let aside = if self.database_is_there() {
            let aside = beside(self.database, &format!(".replaced-{}", self.now.as_second()));
            // A log that stayed would be taken for the new database's. One that cannot be moved into
            // the old database goes aside with it: last, so that until then nothing has changed.
            let log_stays = moved_log_into(self.database).is_err() && old_log.exists();
            std::fs::hard_link(self.database, &aside).map_err(because(&aside))?;
            if log_stays {
                std::fs::rename(&old_log, beside(&aside, "-wal")).map_err(because(&old_log))?;
            }
            Some(aside)
        } else {
            None
        };
        remove_if_there(&old_log);
        remove_if_there(&old_index);
        std::fs::rename(&staged.path, self.database).map_err(because(self.database))?;
        fsync_folder(self.database)?;
        Ok(aside)
    }
}

/// The copy beside the database's place. What is left of it goes with this.
struct Staged {
    path: PathBuf,
}

impl Staged {
    fn at(path: PathBuf) -> Self {
        let staged = Self { path };
        staged.remove();
        staged
    }

    /// Makes sure that all of it is in one file, and on the disk.
    fn make_whole(&self) -> Result<(), BackupError> {
        moved_log_into(&self.path).map_err(unavailable)?;
        let log = beside(&self.path, "-wal");
        if std::fs::metadata(&log).is_ok_and(|found| found.len() > 0) {
            return Err(BackupError::Damaged("its log was not moved into it".to_owned()));
        }
        let file = std::fs::File::open(&self.path).map_err(because(&self.path))?;
        file.sync_all().map_err(because(&self.path))
    }

    fn remove(&self) {
        for ending in ["", "-wal", "-shm", ".lock"] {
            remove_if_there(&beside(&self.path, ending));
        }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Moves the log of a database into it.
fn moved_log_into(path: &Path) -> rusqlite::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    let busy: i64 =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if busy == 0 { Ok(()) } else { Err(rusqlite::Error::InvalidQuery) }
}

/// What the file beside the backup tells.
fn manifest(file: &Path) -> Result<BackupManifest, BackupError> {
    let path = manifest_path(file);
    let because = |why: String| BackupError::NoManifest { path: path.clone(), why };
    let length = std::fs::metadata(&path).map_err(|error| because(error.to_string()))?.len();
    if length > MANIFEST_BYTES_MAX {
        return Err(because("it is too long".to_owned()));
    }
    let text = std::fs::read_to_string(&path).map_err(|error| because(error.to_string()))?;
    let manifest: BackupManifest =
        serde_json::from_str(&text).map_err(|error| because(error.to_string()))?;
    if manifest.form != FORM {
        return Err(because("another version of the program wrote it".to_owned()));
    }
    Ok(manifest)
}
