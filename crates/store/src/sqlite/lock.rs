//! The lock that keeps a second process away: a file beside the database.

use std::fs::{File, TryLockError, create_dir_all};
use std::path::{Path, PathBuf};

use crate::StoreError;

/// Makes the database's folder and takes the lock. It is held while the file is open, and the
/// system lets go of it when the process ends, however it ends.
pub(crate) fn lock(database: &Path) -> Result<File, StoreError> {
    if let Some(folder) = database.parent().filter(|f| !f.as_os_str().is_empty()) {
        create_dir_all(folder).map_err(|e| because(folder, &e))?;
    }
    let path = beside(&real(database).map_err(|e| because(database, &e))?);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|e| because(&path, &e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Unavailable(format!(
            "`{}` is open in another process",
            database.display()
        ))),
        Err(TryLockError::Error(e)) => Err(because(&path, &e)),
    }
}

/// The database's own place: by another way to it, a link say, it is the same database.
fn real(database: &Path) -> std::io::Result<PathBuf> {
    if database.exists() {
        return database.canonicalize();
    }
    let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).canonicalize()?;
    Ok(folder.join(database.file_name().unwrap_or_default()))
}

fn beside(database: &Path) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    path.into()
}

fn because(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Unavailable(format!("`{}`: {error}", path.display()))
}
