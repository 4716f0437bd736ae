//! Files that are their owner's alone, and are on the disk when they are said to be.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};

use crate::backup::BackupError;

/// Bytes that are copied at a time.
const COPIED_BYTES: usize = 1024 * 1024;

/// The path with something at the end of its name.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(ending);
    path.into()
}

pub(super) fn because(path: &Path) -> impl Fn(io::Error) -> BackupError + use<> {
    let path = path.to_owned();
    move |error| BackupError::File { path: path.clone(), error }
}

/// Makes a file that is not there.
pub(super) fn make_private(path: &Path) -> Result<File, BackupError> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(because(path))
}

pub(super) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), BackupError> {
    let mut file = make_private(path)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(because(path))
}

/// A file that is not there any more is as it should be, and what cannot be removed shows later.
pub(super) fn remove_if_there(path: &Path) {
    let _ = std::fs::remove_file(path);
}

/// Makes the names in the folder of a file durable.
pub(super) fn fsync_folder(file: &Path) -> Result<(), BackupError> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(because(folder))
}

/// The SHA-256 of a file in hex digits, and how many bytes it has.
pub(super) fn digest_of(path: &Path) -> Result<(String, u64), BackupError> {
    copied(path, &mut io::sink(), path)
}

/// Copies a file into one that is not there yet; the SHA-256 of what was copied, and its bytes.
pub(super) fn copy_private(from: &Path, to: &Path) -> Result<(String, u64), BackupError> {
    let mut file = make_private(to)?;
    let digest = copied(from, &mut file, to)?;
    file.sync_all().map_err(because(to))?;
    Ok(digest)
}

fn copied(from: &Path, into: &mut dyn io::Write, to: &Path) -> Result<(String, u64), BackupError> {
    let mut file = File::open(from).map_err(because(from))?;
    let (mut digest, mut bytes) = (Context::new(&SHA256), 0);
    let mut buffer = vec![0; COPIED_BYTES];
    loop {
        let read = file.read(&mut buffer).map_err(because(from))?;
        let Some(part) = buffer.get(..read).filter(|part| !part.is_empty()) else { break };
        digest.update(part);
        into.write_all(part).map_err(because(to))?;
        bytes += part.len() as u64;
    }
    let hex = digest.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((hex, bytes))
}
