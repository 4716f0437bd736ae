//! The file of what was rejected: where it stands, why, and its text.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use firewarden_fhir::{Issue, operation_outcome};
use serde_json::{Value, json};

use super::TransferError;

/// The name that it has unless another is given.
pub(super) const REJECTED: &str = "import-rejected.ndjson";

/// Something that was not imported.
#[derive(Debug)]
pub(super) struct Rejected {
    /// The line of its file; 1 of a file that is one resource or one Bundle.
    pub(super) line: u64,
    /// The entry of its Bundle.
    pub(super) entry: Option<usize>,
    /// Why.
    pub(super) outcome: Value,
    /// The line, where it is no more than one may have and holds no secrets.
    pub(super) text: Option<String>,
}

impl Rejected {
    pub(super) fn new(line: u64, issues: &[Issue]) -> Self {
        Self { line, entry: None, outcome: operation_outcome(issues), text: None }
    }
}

/// The file, made when there is something for it. What an earlier run has written stays.
pub(super) struct RejectedFile {
    path: PathBuf,
    file: Option<File>,
    unsynced: bool,
}

impl RejectedFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, file: None, unsynced: false }
    }

    pub(super) fn write(&mut self, of: &Path, rejected: &Rejected) -> Result<(), TransferError> {
        let mut record = json!({"file": of.to_string_lossy(), "line": rejected.line});
        if let Some(record) = record.as_object_mut() {
            if let Some(entry) = rejected.entry {
                record.insert("entry".to_owned(), entry.into());
            }
            record.insert("outcome".to_owned(), rejected.outcome.clone());
            if let Some(text) = &rejected.text {
                record.insert("text".to_owned(), text.as_str().into());
            }
        }
        let mut write = || {
            let file = match &mut self.file {
                Some(file) => file,
                // It may hold what nobody else is to read.
                none => none.insert(
                    File::options().append(true).create(true).mode(0o600).open(&self.path)?,
                ),
            };
            file.write_all(format!("{record}\n").as_bytes())
        };
        write().map_err(|error| TransferError::File { path: self.path.clone(), error })?;
        self.unsynced = true;
        Ok(())
    }

    /// Makes what was written durable: before the import is durably past it.
    pub(super) fn sync(&mut self) -> Result<(), TransferError> {
        if let Some(file) = self.file.as_ref().filter(|_| self.unsynced) {
            let failed = |error| TransferError::File { path: self.path.clone(), error };
            file.sync_data().map_err(failed)?;
            self.unsynced = false;
        }
        Ok(())
    }

    /// Its path, if there was something for it.
    pub(super) fn written(&self) -> Option<PathBuf> {
        self.file.is_some().then(|| self.path.clone())
    }
}
