//! Import and export, by who can open the database: no request, no caller and no policy.

mod committing;
mod export;
mod import;
mod manifest;
mod preparing;
mod reading;
mod rejected;
mod sources;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use firewarden_store::{StoreError, WriteError};

pub use export::{ExportRequest, Exported, export};
pub use import::{ImportRequest, Imported, import};

use crate::ServeError;

/// Why an import or an export ended early.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The database could not be opened.
    #[error("{0}\nhint: import and export need a SQLite database to themselves: stop the server")]
    InUse(ServeError),
    /// It could not be opened for another reason.
    #[error(transparent)]
    Open(#[from] ServeError),
    /// A file could not be read or written.
    #[error("`{path}`: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// What happened.
        error: std::io::Error,
    },
    /// What was given is not what it must be.
    #[error("`{path}`: {why}")]
    Unfit {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The database failed. What was committed counts: the same command goes on from there.
    #[error("{0}: run the same command again, it goes on from there")]
    Database(String),
}

impl TransferError {
    fn opening(error: ServeError) -> Self {
        if let ServeError::Database { error: StoreError::Unavailable(why), .. } = &error
            && why.contains("another process")
        {
            return Self::InUse(error);
        }
        Self::Open(error)
    }
}

impl From<WriteError> for TransferError {
    fn from(error: WriteError) -> Self {
        Self::Database(error.to_string())
    }
}

impl From<StoreError> for TransferError {
    fn from(error: StoreError) -> Self {
        Self::Database(error.to_string())
    }
}

/// How far an import or an export is. Read by whoever shows it.
#[derive(Debug, Default)]
pub struct TransferProgress {
    bytes_total: AtomicU64,
    bytes_read: AtomicU64,
    resources: AtomicU64,
    rejected: AtomicU64,
    to_index: AtomicU64,
    indexed: AtomicU64,
}

/// How far it was at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HowFar {
    /// Bytes of all files, as they lie on the disk.
    pub bytes_total: u64,
    /// Bytes of them that were read.
    pub bytes_read: u64,
    /// Resources that were written.
    pub resources: u64,
    /// Lines that were rejected.
    pub rejected: u64,
    /// Resources whose index is built at the end; 0 before that.
    pub to_index: u64,
    /// Resources of which it was built.
    pub indexed: u64,
}

impl TransferProgress {
    /// How far it is.
    pub fn how_far(&self) -> HowFar {
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        HowFar {
            bytes_total: read(&self.bytes_total),
            bytes_read: read(&self.bytes_read),
            resources: read(&self.resources),
            rejected: read(&self.rejected),
            to_index: read(&self.to_index),
            indexed: read(&self.indexed),
        }
    }

    fn add(number: &AtomicU64, more: u64) {
        number.fetch_add(more, Ordering::Relaxed);
    }
}
