//! What an operator does with a database as a whole: back it up, restore it, bring its schema on.

use std::path::Path;

use firewarden_store::{BackupError, BackupManifest, Migrated, Restore, Store};

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
    /// There is no key to unseal secrets with.
    #[error(transparent)]
    SecretsKey(#[from] SecretsKeyError),
}

/// Copies the database into a file, beside a server that may be running.
pub fn backup(settings: &Settings, file: &Path) -> Result<BackupManifest, UpkeepError> {
    let program = env!("CARGO_PKG_VERSION");
    Ok(Store::backup(&settings.database_path, file, program, now())?)
}

/// Restores the database from a backup.
pub async fn restore(
    settings: &Settings,
    file: &Path,
    replace: bool,
) -> Result<Restored, UpkeepError> {
    let database = &settings.database_path;
    let secrets_key = match &settings.secrets_key {
        Some(key) => key.clone(),
        None => secrets_key::of_backup(database)?,
    };
    let restore = Restore { file, database, secrets_key: &secrets_key, replace, now: now() };
    Ok(restore.run().await?)
}

/// Notes that what came back with a backup was looked at; whether there was something.
pub fn reviewed(settings: &Settings) -> Result<bool, UpkeepError> {
    Ok(Store::reviewed(&settings.database_path)?)
}

/// Brings the database to this program's schema.
pub fn migrate(settings: &Settings) -> Result<Migrated, UpkeepError> {
    Ok(Store::migrate(&settings.database_path)?)
}
