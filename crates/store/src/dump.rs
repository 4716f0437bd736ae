//! Reading everything there is at one moment, by who can open the database: the face of it.

use firewarden_access::{Reach, RowFilter};
use firewarden_fhir::{ResourceType, Target, Timestamp, Version};

use crate::{HistoryMethod, Store, StoreError};

/// What of a type is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dump {
    /// The current versions.
    Current,
    /// Every version and deletion; of one resource, from the first to the current one.
    History,
}

/// One version that is read.
pub struct Dumped<'a> {
    /// Which resource.
    pub target: &'a Target,
    /// Its number.
    pub version: Version,
    /// The time of the version before it, where every version is read.
    pub previous: Option<Timestamp>,
    /// When it was written.
    pub updated: Timestamp,
    /// What made it.
    pub method: HistoryMethod,
    /// Its content; `None` of a deletion.
    pub body: Option<&'a str>,
    /// Whether it is the current version.
    pub is_current: bool,
    /// The secrets of the current version, sealed, by JSON Pointer; those of older ones are gone.
    pub sealed: &'a [(String, Vec<u8>)],
}

/// Why a dump ended early.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// The database could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was read could not be put where it was to go.
    #[error(transparent)]
    Taker(#[from] std::io::Error),
}

impl Store {
    /// Reads every resource of these types, as they all are at one moment, and gives each version to
    /// `take`, type by type. A type whose rows are limited is left out.
    pub async fn dump(
        &self,
        types: Vec<(ResourceType, RowFilter)>,
        what: Dump,
        take: impl FnMut(&Dumped<'_>) -> std::io::Result<()> + Send + 'static,
    ) -> Result<(), DumpError> {
        // INVARIANT: nothing is read but within rows.
        let whole = |(of, rows): (ResourceType, RowFilter)| match rows.reach() {
            Reach::Everything => Some(of),
            Reach::Nothing | Reach::Some(_) => None,
        };
        self.engine.dump(types.into_iter().filter_map(whole).collect(), what, take).await
    }
}
