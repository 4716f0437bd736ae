//! The key that seals secrets at rest: of the settings, or of a file beside the database.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::settings::decode_key;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum SecretsKeyError {
    /// The file could not be read or made.
    #[error("the secrets key `{path}`: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// What happened.
        error: io::Error,
    },
    /// The file does not hold a key.
    #[error("the secrets key `{0}` is not 64 hex digits")]
    NotAKey(PathBuf),
    /// Others on the machine may read it.
    #[error("the secrets key `{0}` can be read by others: run `chmod 600` on it")]
    Exposed(PathBuf),
    /// The database is there and its key is not.
    #[error(
        "the database is there, its secrets key `{0}` is not: bring the file back, or set FIREWARDEN_SECRETS_KEY"
    )]
    Lost(PathBuf),
    /// A backup is to be restored, and its key is not there.
    #[error(
        "the secrets key `{0}` is not there: bring the one that belongs to the backup, or set FIREWARDEN_SECRETS_KEY"
    )]
    NotWithBackup(PathBuf),
}

/// The key of the file beside the database; made with it.
pub(crate) fn beside(database: &Path) -> Result<Zeroizing<[u8; 32]>, SecretsKeyError> {
    match kept(database)? {
        Ok(key) => Ok(key),
        Err(path) if database.exists() => Err(SecretsKeyError::Lost(path)),
        Err(path) => make(&path).map_err(|error| SecretsKeyError::File { path, error }),
    }
}

/// The key that is to be beside a database that is being restored.
pub(crate) fn of_backup(database: &Path) -> Result<Zeroizing<[u8; 32]>, SecretsKeyError> {
    kept(database)?.map_err(SecretsKeyError::NotWithBackup)
}

/// The key of the file beside the database, or where it would be.
fn kept(database: &Path) -> Result<Result<Zeroizing<[u8; 32]>, PathBuf>, SecretsKeyError> {
    let path = database.with_extension("key");
    match fs::read_to_string(&path).map(Zeroizing::new) {
        Ok(text) => {
            let exposed = fs::metadata(&path).is_ok_and(|m| m.permissions().mode() & 0o077 != 0);
            if exposed {
                return Err(SecretsKeyError::Exposed(path));
            }
            decode_key(text.trim()).map(Ok).ok_or(SecretsKeyError::NotAKey(path))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Err(path)),
        Err(error) => Err(SecretsKeyError::File { path, error }),
    }
}

fn make(path: &Path) -> io::Result<Zeroizing<[u8; 32]>> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut key = Zeroizing::new([0; 32]);
    aws_lc_rs::rand::fill(key.as_mut_slice()).map_err(io::Error::other)?;
    let text: Zeroizing<String> = Zeroizing::new(key.iter().map(|b| format!("{b:02x}")).collect());
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    Ok(key)
}
