//! The files of an import: those that were named, and those of folders.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use firewarden_store::FileKey;

use super::rejected::REJECTED;
use super::{TransferError, manifest};
use crate::limits::{IMPORT_FILES_MAX, IMPORT_FOLDER_DEPTH_MAX};

/// A file to import.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    /// What tells it from others, and from itself after a change.
    pub(super) key: FileKey,
    /// As it lies on the disk.
    pub(super) bytes: u64,
    pub(super) form: Form,
    pub(super) gzip: bool,
}

/// How resources stand in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// One a line.
    Lines,
    /// One resource, or a Bundle.
    Document,
}

/// The files of these paths, in their order; those of a folder in the order of their names.
pub(super) fn sources(paths: &[PathBuf]) -> Result<Vec<Source>, TransferError> {
    let mut found = Vec::new();
    for path in paths {
        let is_folder = std::fs::metadata(path).map_err(|error| file(path, error))?.is_dir();
        if is_folder {
            folder(path, 0, &mut found)?;
        } else {
            let why = "neither `.ndjson`, `.jsonl` nor `.json`, with or without `.gz`".to_owned();
            let unfit = || TransferError::Unfit { path: path.clone(), why };
            found.push(source(path)?.ok_or_else(unfit)?);
        }
    }
    Ok(found)
}

fn file(path: &Path, error: std::io::Error) -> TransferError {
    TransferError::File { path: path.to_owned(), error }
}

fn folder(path: &Path, depth: usize, found: &mut Vec<Source>) -> Result<(), TransferError> {
    let unfit = |why: String| TransferError::Unfit { path: path.to_owned(), why };
    if depth >= IMPORT_FOLDER_DEPTH_MAX {
        return Err(unfit(format!("folders deeper than {IMPORT_FOLDER_DEPTH_MAX}")));
    }
    if let Some(manifest) = manifest::checked(path)? {
        for listed in &manifest.files {
            found.extend(source(&path.join(&listed.name))?);
        }
        return Ok(());
    }
    let entries = std::fs::read_dir(path).map_err(|error| file(path, error))?;
    let entries: std::io::Result<Vec<PathBuf>> =
        entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut entries = entries.map_err(|error| file(path, error))?;
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            folder(&entry, depth + 1, found)?;
        } else if entry.file_name() != Some(REJECTED.as_ref()) {
            found.extend(source(&entry)?);
        }
        if found.len() > IMPORT_FILES_MAX {
            return Err(unfit(format!("more than {IMPORT_FILES_MAX} files")));
        }
    }
    Ok(())
}

/// The file, if its name says that it has resources.
fn source(path: &Path) -> Result<Option<Source>, TransferError> {
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase());
    let name = name.unwrap_or_default();
    let (name, gzip) = match name.strip_suffix(".gz") {
        Some(name) => (name, true),
        None => (name.as_str(), false),
    };
    let form = match name.rsplit_once('.') {
        Some((_, "ndjson" | "jsonl")) => Form::Lines,
        Some((_, "json")) => Form::Document,
        Some(_) | None => return Ok(None),
    };
    let known = || {
        let metadata = std::fs::metadata(path)?;
        Ok((std::fs::canonicalize(path)?, metadata.len(), metadata.modified()?))
    };
    let known: std::io::Result<_> = known();
    let (real, bytes, modified) = known.map_err(|error| file(path, error))?;
    let since = modified.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_nanos();
    let told = [real.as_os_str().as_bytes(), &[0], &bytes.to_le_bytes(), &since.to_le_bytes()];
    let mut key = FileKey::default();
    for (place, byte) in key.iter_mut().zip(digest(&SHA256, &told.concat()).as_ref()) {
        *place = *byte;
    }
    Ok(Some(Source { path: path.to_owned(), key, bytes, form, gzip }))
}
