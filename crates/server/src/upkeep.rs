//! What an operator does with a database as a whole: back it up, restore it, bring its schema on.

use std::path::Path;

use firewarden_store::{BackupError, BackupManifest, Database, Migrated, Restore, Store};

use crate::app::now;
use crate::secrets_key::{self, SecretsKeyError};
use crate::settings::Settings;

pub use firewarden_store::{Before, Restored};

/// Why it was not done. Each is one line that says what to mend.
#[derive(Debug, thiserror::Error)]
pub enum UpkeepError {
    /// It was refused, or did not succeed.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// PostgreSQL's own tools do it.
    #[error(
        "PostgreSQL is backed up and restored with its own tools, pg_dump or pg_basebackup: see docs/operating.md"
    )]
    Postgres,
    /// There is no key to unseal secrets with.
    #[error(transparent)]
    SecretsKey(#[from] SecretsKeyError),
}

/// Copies the database into a file, beside a server that may be running.
pub fn backup(settings: &Settings, file: &Path) -> Result<BackupManifest, UpkeepError> {
    let program = env!("CARGO_PKG_VERSION");
    Ok(Store::backup(file_of(settings)?, file, program, now())?)
}

/// Restores the database from a backup.
pub async fn restore(
    settings: &Settings,
    file: &Path,
    replace: bool,
) -> Result<Restored, UpkeepError> {
    let database = file_of(settings)?;
    let secrets_key = match &settings.secrets_key {
        Some(key) => key.clone(),
        None => secrets_key::of_backup(database)?,
    };
    // Where it is by a link, the link stays.
    let real = database.canonicalize().unwrap_or_else(|_| database.to_owned());
    let database = &real;
    let restore = Restore { file, database, secrets_key: &secrets_key, replace, now: now() };
    Ok(restore.run().await?)
}

/// Notes that what came back with a backup was looked at; whether there was something.
pub fn reviewed(settings: &Settings) -> Result<bool, UpkeepError> {
    Ok(Store::reviewed(file_of(settings)?)?)
}

/// Brings the database to this program's schema.
pub fn migrate(settings: &Settings) -> Result<Migrated, UpkeepError> {
    Ok(Store::migrate(&settings.database)?)
}

/// The database's file, where it is one.
fn file_of(settings: &Settings) -> Result<&Path, UpkeepError> {
    match &settings.database {
        Database::Sqlite { path } => Ok(path),
        Database::Postgres { .. } => Err(UpkeepError::Postgres),
    }
}
