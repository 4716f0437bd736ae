//! The store's face.

mod jobs;
mod upkeep;

use std::path::PathBuf;
use std::sync::Arc;

use firewarden_access::{PermittedSearch, PolicyDatabase, RowFilter};
use firewarden_fhir::{HistoryPage, ResourceType, Target, Timestamp, Version};

use crate::engine::{Engine, Index};
use crate::postgres::url::PostgresUrl;
use crate::{Loader, StoreError, WriteError, WriteRequest, Written};

/// How a store is opened.
pub struct StoreSettings {
    /// Where it is.
    pub database: Database,
    /// The server's FHIR base URL: references below it are local.
    pub base_url: String,
    /// The key that seals secrets at rest (AES-256-GCM).
    pub secrets_key: zeroize::Zeroizing<[u8; 32]>,
    /// Connections for reading.
    pub readers: usize,
}

/// A database.
#[derive(Clone, Debug)]
pub enum Database {
    /// A file of SQLite's; its folder is made if it is not there.
    Sqlite {
        /// Where it is.
        path: PathBuf,
    },
    /// A database of a PostgreSQL server, encoded in UTF8. It may be empty.
    Postgres {
        /// The operator's URL, with its password.
        url: PostgresUrl,
    },
}

/// Where it is, without a password.
impl std::fmt::Display for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite { path } => write!(f, "{}", path.display()),
            Self::Postgres { url } => write!(f, "{url}"),
        }
    }
}

/// The resources at rest. A handle: cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(crate) engine: Arc<Engine>,
}

/// One version of a resource, as it is served.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Which resource.
    pub target: Target,
    /// Which version.
    pub version: Version,
    /// When it was written.
    pub updated: Timestamp,
    /// The whole resource in JSON, `id` and `meta` included.
    pub body: Arc<str>,
}

/// What a read of one resource found. A row outside the filter reads as absent.
#[derive(Clone, Debug)]
pub enum Read {
    /// It is there.
    Found(Stored),
    /// It was deleted, and its last content was inside the rows.
    Deleted(Version),
    /// There is none.
    Absent,
}

/// A page of matches.
#[derive(Debug)]
pub struct SearchPage {
    /// The matches, in the order asked for.
    pub matches: Vec<Stored>,
    /// How many there are in all, if that was asked for or is known for free.
    pub total: Option<u64>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

/// Whose history is read.
pub enum HistoryRead {
    /// Of one resource.
    Instance(Target, RowFilter),
    /// Of every resource of these types.
    Types(Vec<(ResourceType, RowFilter)>),
}

/// A page of a history, the newest first.
#[derive(Debug)]
pub struct HistoryPageRead {
    /// The versions.
    pub entries: Vec<HistoryEntry>,
    /// How many there are in all, where it is cheap to know.
    pub total: Option<u64>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

/// One version of a history.
#[derive(Debug)]
pub struct HistoryEntry {
    /// The resource.
    pub target: Target,
    /// Its version.
    pub version: Version,
    /// When it was written.
    pub updated: Timestamp,
    /// How: the version created, replaced or deleted the resource.
    pub method: HistoryMethod,
    /// The content; `None` for a deletion.
    pub body: Option<Arc<str>>,
}

/// What made a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryMethod {
    /// It was created by POST.
    Post,
    /// It was created or replaced by PUT.
    Put,
    /// It was deleted.
    Delete,
}

impl Store {
    /// Opens the database, and creates or migrates it where needed. A SQLite file is refused
    /// when another process has it open.
    pub fn open(settings: StoreSettings) -> Result<Self, StoreError> {
        Ok(Self { engine: Arc::new(Engine::open(settings, Index::Whole)?) })
    }

    /// Opens the database as [`Self::open`] does, to load into it: also one whose load did not end,
    /// which finds not all that is there.
    pub fn open_to_load(settings: StoreSettings) -> Result<Self, StoreError> {
        Ok(Self { engine: Arc::new(Engine::open(settings, Index::MayBeUnfinished)?) })
    }

    /// Begins, or goes on with, a load of many resources.
    pub async fn loader(&self) -> Result<Loader, WriteError> {
        Loader::begin(Arc::clone(&self.engine)).await
    }

    /// Reads the current version.
    pub async fn read(&self, target: &Target, rows: &RowFilter) -> Result<Read, StoreError> {
        self.engine.read(target, rows).await
    }

    /// Reads that version.
    pub async fn vread(
        &self,
        target: &Target,
        version: Version,
        rows: &RowFilter,
    ) -> Result<Read, StoreError> {
        self.engine.vread(target, version, rows).await
    }

    /// Finds the resources that match, inside the rows of the search.
    pub async fn search(&self, search: PermittedSearch) -> Result<SearchPage, StoreError> {
        self.engine.search(search).await
    }

    /// Reads the current versions of several resources of one type, as they are at one moment and
    /// in the order asked for. One that is deleted or outside the rows is left out.
    pub async fn read_many(
        &self,
        targets: Vec<Target>,
        rows: &RowFilter,
    ) -> Result<Vec<Stored>, StoreError> {
        self.engine.read_many(targets, rows.clone()).await
    }

    /// Reads a history, each version inside the rows.
    pub async fn history(
        &self,
        of: HistoryRead,
        page: &HistoryPage,
    ) -> Result<HistoryPageRead, StoreError> {
        self.engine.history(of, page).await
    }

    /// Applies the writes, all or none, and answers after they are durable. They are applied even
    /// if the answer is no longer waited for.
    pub async fn write(&self, request: WriteRequest) -> Result<Vec<Written>, WriteError> {
        self.engine.clone().write(request).await
    }

    /// The unsealed secrets of a resource, by JSON Pointer.
    pub async fn secrets(
        &self,
        target: &Target,
        rows: &RowFilter,
    ) -> Result<Vec<(String, zeroize::Zeroizing<Vec<u8>>)>, StoreError> {
        self.engine.secrets(target, rows).await
    }

    /// The version of the policies: it grows with every change to our own types but `Session`.
    ///
    /// It is not older than any change that was acknowledged before this was asked, whichever
    /// server made it. While that cannot be known there is none.
    pub async fn policy_version(&self) -> Result<u64, StoreError> {
        self.engine.policy_version().await
    }

    /// The version of the policies that the database has now, acknowledged or not: what is read
    /// between two equal ones is all of that version.
    pub async fn newest_policy_version(&self) -> Result<u64, StoreError> {
        self.engine.newest_policy_version().await
    }

    /// What the rules of `sql` policies ask, for one request.
    pub fn policy_database(&self) -> Arc<dyn PolicyDatabase> {
        self.engine.policies()
    }

    /// Requests that wait for the writer: for metrics.
    pub fn writes_waiting(&self) -> usize {
        self.engine.writes_waiting()
    }

    /// Whether the store can read and write now: for readiness.
    pub async fn check(&self) -> Result<(), StoreError> {
        self.engine.check().await
    }

    /// Finishes the queued writes, refuses later ones, and leaves the database in one file.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.engine.close().await
    }
}
