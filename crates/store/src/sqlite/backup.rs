//! `backup`: a consistent copy of a database that others may be writing to.

use std::fs::File;
use std::path::{Path, PathBuf};

use firewarden_fhir::{Timestamp, instant_text};
use rusqlite::{Connection, OpenFlags};

use super::files::{
    because, beside, digest_of, fsync_folder, make_private, remove_if_there, write_private,
};
use crate::backup::{BackupError, BackupManifest, FORM};
use crate::database::unavailable;

/// The file beside a backup that tells of it.
pub(super) fn manifest_path(file: &Path) -> PathBuf {
    beside(file, ".manifest.json")
}

/// Copies the database as it is at one moment. Writers go on meanwhile: what they write after that
/// moment is not in it, and stays in the log until the copy is done.
pub(crate) fn backup(
    database: &Path,
    file: &Path,
    (program, now): (&str, Timestamp),
) -> Result<BackupManifest, BackupError> {
    if !std::fs::metadata(database).is_ok_and(|found| found.len() > 0) {
        return Err(BackupError::NoDatabase(database.to_owned()));
    }
    let manifest_path = manifest_path(file);
    for path in [file, &manifest_path] {
        if path.exists() {
            return Err(BackupError::Exists(path.to_owned()));
        }
    }
    let part = beside(file, ".part");
    let made = copy(database, &part, (program, now)).and_then(|manifest| {
        let text = serde_json::to_string_pretty(&manifest).unwrap_or_default();
        // The manifest first: a backup is never there without it.
        write_private(&manifest_path, text.as_bytes())?;
        std::fs::rename(&part, file).map_err(because(file))?;
        fsync_folder(file)?;
        Ok(manifest)
    });
    if made.is_err() {
        remove_if_there(&part);
        remove_if_there(&manifest_path);
    }
    made
}

fn copy(
    database: &Path,
    part: &Path,
    (program, now): (&str, Timestamp),
) -> Result<BackupManifest, BackupError> {
    remove_if_there(part);
    // SQLite writes into an empty file, and leaves its mode as it is.
    make_private(part)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let source = Connection::open_with_flags(database, flags).map_err(unavailable)?;
    source.busy_timeout(crate::limits::BUSY_TIME).map_err(unavailable)?;
    let to = part.to_str().ok_or_else(|| {
        let error = std::io::Error::other("its name is not UTF-8");
        BackupError::File { path: part.to_owned(), error }
    })?;
    source.execute("VACUUM INTO ?1", [to]).map_err(unavailable)?;
    drop(source);
    let file = File::open(part).map_err(because(part))?;
    file.sync_all().map_err(because(part))?;
    let (schema, policy_version, resources) = look(part)?;
    let (sha256, bytes) = digest_of(part)?;
    let program = program.to_owned();
    let form = FORM;
    let created = instant_text(now);
    Ok(BackupManifest { form, bytes, sha256, schema, program, created, policy_version, resources })
}

/// Looks whether the copy can be read, and what is in it.
fn look(part: &Path) -> Result<(i64, u64, u64), BackupError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let copy = Connection::open_with_flags(part, flags).map_err(unavailable)?;
    let check: String =
        copy.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(unavailable)?;
    if check != "ok" {
        return Err(BackupError::Damaged(check));
    }
    let number = |sql: &str| copy.query_row(sql, [], |row| row.get::<_, i64>(0));
    let look = || {
        Ok((
            number("PRAGMA user_version")?,
            number("SELECT policy_version FROM state")?,
            number("SELECT count(*) FROM resource WHERE deleted = 0")?,
        ))
    };
    let (schema, policies, resources) = look().map_err(|e: rusqlite::Error| unavailable(e))?;
    let unsigned = |number: i64| u64::try_from(number).unwrap_or_default();
    Ok((schema, unsigned(policies), unsigned(resources)))
}
