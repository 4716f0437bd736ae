//! A store on SQLite for one test.

use std::path::{Path, PathBuf};

use firewarden_store::{Database, Store, StoreError, StoreSettings};
use tempfile::TempDir;
use zeroize::Zeroizing;

use crate::opened::BASE_URL;

/// An open store; its files go with it.
pub(crate) struct Opened {
    pub store: Store,
    _folder: TempDir,
}

pub(crate) fn open() -> Opened {
    let folder = tempfile::tempdir().unwrap();
    let store = open_in(folder.path()).unwrap();
    Opened { store, _folder: folder }
}

pub(crate) fn open_in(folder: &Path) -> Result<Store, StoreError> {
    Store::open(settings(folder))
}

/// Where the database is.
pub(crate) fn file(folder: &Path) -> PathBuf {
    folder.join("data/firewarden.db")
}

pub(crate) fn settings(folder: &Path) -> StoreSettings {
    StoreSettings {
        database: Database::Sqlite { path: file(folder) },
        base_url: BASE_URL.to_owned(),
        secrets_key: Zeroizing::new([7; 32]),
        readers: 2,
    }
}
