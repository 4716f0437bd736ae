//! Resources at rest: every read takes a row filter, every write is acknowledged after its commit.

mod backup;
mod body;
mod condition;
mod cursor;
mod database;
mod dump;
mod engine;
mod error;
mod fold;
mod index;
mod jobs;
pub mod limits;
mod load;
mod matches;
#[cfg(test)]
mod mutated_queries;
mod packed;
mod postgres;
mod prepare;
mod seal;
mod sort;
mod sqlite;
mod store;
mod waiting;
mod write;

pub use backup::{
    BackupError, BackupManifest, Before, Migrated, Restored, RightRestored, RightsRestored,
};
pub use dump::{Dump, DumpError, Dumped};
pub use error::{StoreError, WriteError};
pub use jobs::{Job, JobEnd, JobGoes, JobLease, JobProgress, JobState, NewJob, ReindexStep};
pub use load::{FileKey, KeptVersion, LoadItem, LoadRefusal, Loaded, Loader, PreparedLoad};
pub use postgres::url::{PostgresUrl, PostgresUrlError};
pub use sqlite::restore::Restore;
pub use store::{
    Database, HistoryEntry, HistoryMethod, HistoryPageRead, HistoryRead, Read, SearchPage, Store,
    StoreSettings, Stored,
};
pub use write::{Change, Matching, SecretChange, Write, WriteRequest, Written};
