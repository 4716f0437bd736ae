//! The manifest of an export: its files with their counts and digests, written last.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use super::TransferError;

/// The name of its file.
pub(super) const MANIFEST: &str = "manifest.json";
/// Its form.
pub(super) const FORM: &str = "export/1";

/// What an export holds.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Manifest {
    /// The form of this file; it tells it from resources.
    pub(super) firewarden: String,
    /// When it was made.
    pub(super) exported: String,
    /// Whether every version is there.
    pub(super) history: bool,
    /// Whether secrets are there, sealed with the key of the database.
    pub(super) sealed_secrets: bool,
    /// Resources of ours whose secrets were left out.
    pub(super) without_secrets: u64,
    /// The files.
    pub(super) files: Vec<ManifestFile>,
}

/// One file of it.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct ManifestFile {
    /// Its name in the folder.
    pub(super) name: String,
    /// The type of its resources.
    #[serde(rename = "type")]
    pub(super) resource_type: String,
    /// Its lines: resources, or versions.
    pub(super) lines: u64,
    /// Its bytes, as they lie on the disk.
    pub(super) bytes: u64,
    /// Their SHA-256, in hex.
    pub(super) sha256: String,
}

/// The manifest of a folder, if it is an export. Every file of it is as it was written, or the
/// folder is not imported.
pub(super) fn checked(folder: &Path) -> Result<Option<Manifest>, TransferError> {
    let path = folder.join(MANIFEST);
    let file_error = |error| TransferError::File { path: path.clone(), error };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(file_error(error)),
    };
    let Ok(manifest) = serde_json::from_str::<Manifest>(&text) else { return Ok(None) };
    if manifest.firewarden != FORM {
        let why = "an export in a form that this program does not read".to_owned();
        return Err(TransferError::Unfit { path, why });
    }
    for file in &manifest.files {
        check(folder, file)?;
    }
    Ok(Some(manifest))
}

fn check(folder: &Path, listed: &ManifestFile) -> Result<(), TransferError> {
    let path = folder.join(&listed.name);
    let is_name = Path::new(&listed.name).file_name() == Some(listed.name.as_ref());
    let unfit = |why: &str| TransferError::Unfit { path: path.clone(), why: why.to_owned() };
    if !is_name {
        return Err(unfit("the manifest names a file outside of its folder"));
    }
    let read = || {
        let mut file = BufReader::with_capacity(1 << 20, File::open(&path)?);
        let mut digest = Context::new(&SHA256);
        let mut part = vec![0; 1 << 18];
        loop {
            match file.read(&mut part)? {
                0 => return Ok(hex(digest.finish().as_ref())),
                count => digest.update(part.get(..count).unwrap_or_default()),
            }
        }
    };
    let found: std::io::Result<String> = read();
    let found = found.map_err(|error| TransferError::File { path: path.clone(), error })?;
    if found == listed.sha256 {
        return Ok(());
    }
    Err(unfit("not the file that was exported: its SHA-256 is not the manifest's"))
}

/// Bytes in hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
