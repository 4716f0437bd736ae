//! Loading many resources at once, by who can open the database: the face of it.

use std::collections::HashMap;
use std::sync::Arc;

use firewarden_access::RowFilter;
use firewarden_fhir::{Resource, Target, Timestamp, Version};
use thiserror::Error;

use crate::engine::Engine;
use crate::engine::load::{LoadTask, PreparedItem};
use crate::{HistoryMethod, StoreError, Write, WriteError};

/// What tells a file from others: a SHA-256.
pub type FileKey = [u8; 32];

/// One thing that is loaded.
pub enum LoadItem {
    /// A write as a request would make it, of that time.
    Write(Write, Timestamp),
    /// A version as another database had it.
    Kept(KeptVersion),
}

/// A version with the number, the time and the method that it had in another database. It follows
/// the version before it, or is the first; one that is there already is left as it is.
pub struct KeptVersion {
    /// Which resource.
    pub target: Target,
    /// The rows of its type that may be loaded: every one, or it is refused.
    pub rows: RowFilter,
    /// Its number.
    pub version: Version,
    /// The time of the version before it; `None` of the first.
    pub previous: Option<Timestamp>,
    /// When it was written.
    pub updated: Timestamp,
    /// What made it.
    pub method: HistoryMethod,
    /// Its content; `None` of a deletion.
    pub resource: Option<Resource>,
    /// Its secrets, sealed with the key of this database, by JSON Pointer.
    pub sealed: Vec<(String, Vec<u8>)>,
}

/// What came of one thing that was loaded.
#[derive(Debug)]
pub enum Loaded {
    /// It was not there.
    Created,
    /// It was there, and is replaced or deleted.
    Updated,
    /// That version is there already.
    AlreadyThere,
    /// It was not loaded.
    Refused(LoadRefusal),
}

/// Why one thing was not loaded.
#[derive(Debug, Error)]
pub enum LoadRefusal {
    /// Another version stands in its place, or the one before it is missing.
    #[error("the resource has another history here, or its version before this one is missing")]
    OtherHistory,
    /// The secret at that JSON Pointer cannot be opened.
    #[error("the secret at `{0}` was sealed with another key, or for another resource")]
    Secret(String),
    /// Resources of its type are not loaded.
    #[error("resources of this type are not imported")]
    Type,
    /// As a write it would be refused.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Something ready to be loaded.
pub struct PreparedLoad(pub(crate) PreparedItem);

impl PreparedLoad {
    /// About how many bytes it has.
    pub fn bytes(&self) -> usize {
        self.0.bytes()
    }
}

/// A load that has begun. A handle: cheap to clone.
///
/// Where the database has no resources of FHIR's own types, they are stored first and the index is
/// built at the end: until then the database is not opened by [`Store::open`](crate::Store::open).
#[derive(Clone)]
pub struct Loader {
    engine: Arc<Engine>,
    staged: bool,
    items_read: Arc<HashMap<FileKey, u64>>,
}

impl Loader {
    /// Begins, or goes on with, a load.
    pub(crate) async fn begin(engine: Arc<Engine>) -> Result<Self, WriteError> {
        let began = engine.load(LoadTask::Begin).await?;
        Ok(Self { engine, staged: began.staged, items_read: Arc::new(began.items_read) })
    }

    /// Whether the index is built at the end.
    pub fn is_staged(&self) -> bool {
        self.staged
    }

    /// How many items of that file are in the database, from a load that did not end.
    pub fn items_read(&self, file: &FileKey) -> u64 {
        self.items_read.get(file).copied().unwrap_or_default()
    }

    /// Makes an item ready: values, index rows, texts. For any thread.
    pub fn prepare(&self, item: LoadItem) -> Result<PreparedLoad, LoadRefusal> {
        self.engine.prepare_load(item).map(PreparedLoad)
    }

    /// Loads the items, all in one transaction with how far the files are read by then. An error is
    /// one of all of them.
    pub async fn commit(
        &self,
        items: Vec<PreparedLoad>,
        files: Vec<(FileKey, u64)>,
    ) -> Result<Vec<Loaded>, WriteError> {
        let items = items.into_iter().map(|item| item.0).collect();
        let task = LoadTask::Items { items, files, staged: self.staged };
        Ok(self.engine.load(task).await?.loaded)
    }

    /// Builds the index, if it is to be built at the end, and goes on without that. `watch` is told
    /// of how many resources it was built, and of how many in all.
    pub async fn build_index(
        &mut self,
        watch: impl FnMut(u64, u64) + Send + 'static,
    ) -> Result<(), StoreError> {
        if self.staged {
            Arc::clone(&self.engine).build_index(watch).await?;
            self.staged = false;
        }
        Ok(())
    }

    /// Forgets how far files were read: each of them was to its end.
    pub async fn forget(&self, files: Vec<FileKey>) -> Result<(), WriteError> {
        self.engine.load(LoadTask::Forget(files)).await.map(drop)
    }
}
