//! What keeps others away from the database: a lock on a file beside it, and the files' modes.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::StoreError;

/// Makes the database's folder and file, for nobody else on the machine to read, and takes the
/// lock. It is held while the file is open, and the system lets go of it when the process ends,
/// however it ends.
pub(crate) fn lock(database: &Path) -> Result<File, StoreError> {
    if let Some(folder) = database.parent().filter(|f| !f.as_os_str().is_empty()) {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|e| because(folder, &e))?;
    }
    let path = beside(&real(database).map_err(|e| because(database, &e))?);
    let open = |path: &Path| private().open(path).map_err(|e| because(path, &e));
    let file = open(&path)?;
    match file.try_lock() {
        Ok(()) => {
            // SQLite gives the log and its index the mode of the database.
            open(database)?;
            Ok(file)
        }
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

/// Opens, or makes, a file that is its owner's alone. One that is there keeps its mode.
fn private() -> OpenOptions {
    let mut options = File::options();
    options.create(true).truncate(false).write(true).mode(0o600);
    options
}

fn beside(database: &Path) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    path.into()
}

fn because(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Unavailable(format!("`{}`: {error}", path.display()))
}
