//! What a backup is, and what a restore does: words that do not depend on how it is done.

use std::path::PathBuf;

use firewarden_fhir::Timestamp;
use serde::{Deserialize, Serialize};

use crate::StoreError;

/// What is told of a backup in the file beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupManifest {
    /// The version of this form.
    pub form: u32,
    /// Bytes of the backup.
    pub bytes: u64,
    /// The SHA-256 of the backup, in hex digits.
    pub sha256: String,
    /// The version of the schema in it.
    pub schema: i64,
    /// The version of the program that made it.
    pub program: String,
    /// When it was begun: whatever was acknowledged before is in it.
    pub created: String,
    /// The version of the policies in it.
    pub policy_version: u64,
    /// Resources in it that are not deleted.
    pub resources: u64,
}

/// The version of the manifest's form that is written, and the only one that is read.
pub(crate) const FORM: u32 = 1;

/// What came back with a backup.
#[derive(Debug)]
pub struct Restored {
    /// What the backup says of itself.
    pub manifest: BackupManifest,
    /// The version of the policies from here on.
    pub policy_version: u64,
    /// Sessions that were in the backup, and were ended.
    pub sessions_ended: u64,
    /// Who is who and who may what, as it is again.
    pub rights: Vec<RightsRestored>,
    /// Where the database that was there before is now.
    pub set_aside: Option<PathBuf>,
}

/// The resources of a type that rights are made of.
#[derive(Debug)]
pub struct RightsRestored {
    /// The type's name.
    pub of: &'static str,
    /// How many there are.
    pub count: u64,
    /// How many the replaced database had not, or had otherwise; all of them where there was none to
    /// compare with.
    pub differ: u64,
    /// The first of those.
    pub listed: Vec<RightRestored>,
}

/// A resource that rights are made of.
#[derive(Debug)]
pub struct RightRestored {
    /// Its id.
    pub id: String,
    /// When it was last written.
    pub updated: Timestamp,
    /// How it stood in the database that is replaced.
    pub before: Before,
}

/// How a resource stood before the restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// There was no database to look at.
    Unknown,
    /// It was not there, or was deleted.
    Gone,
    /// It was another version.
    Other,
}

/// How far a schema was brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// Its version before.
    pub from: i64,
    /// Its version now, this program's.
    pub to: i64,
}

/// Why a backup was not made, or not restored. Nothing was changed, except where it says so.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is nothing at the place.
    #[error("there is no database at `{0}`")]
    NoDatabase(PathBuf),
    /// Something is there that would be overwritten.
    #[error("`{0}` is there already: choose another name")]
    Exists(PathBuf),
    /// A database is there that would be replaced.
    #[error("a database is there at `{0}`: `--replace` sets it aside and restores")]
    WouldReplace(PathBuf),
    /// The file beside the backup is not there or cannot be understood.
    #[error("`{path}`, which belongs to the backup, cannot be read: {why}")]
    NoManifest {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The backup is not what its manifest says, or is damaged.
    #[error("the backup is damaged: {0}")]
    Damaged(String),
    /// A file could not be read or written.
    #[error("`{path}`: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The database cannot be read, or refuses the key, or is in use.
    #[error(transparent)]
    Store(#[from] StoreError),
}
