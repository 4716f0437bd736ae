//! Which database a server under test has: a SQLite file, or where the whole run is about PostgreSQL
//! a database there.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::postgres::Cluster;

/// Says that servers under test are to have PostgreSQL: `postgres`.
const DATABASE: &str = "FIREWARDEN_TEST_DATABASE";

/// The settings of a server for its database: the same each time for the same folder, so that a
/// server can be started again. With `FIREWARDEN_TEST_DATABASE=postgres` it is one of
/// [`Cluster::shared`].
///
/// # Panics
/// When PostgreSQL is asked for and is not there.
pub fn database_settings(folder: &Path) -> Vec<(String, String)> {
    let setting = |name: &str, value: String| (name.to_owned(), value);
    if !is_postgres() {
        let file = folder.join("firewarden.db");
        return vec![setting("DATABASE_URL", format!("sqlite:{}", file.display()))];
    }
    vec![
        setting("DATABASE_URL", url(folder)),
        // Of no use to anybody but the databases of tests.
        setting("SECRETS_KEY", "07".repeat(32)),
    ]
}

/// Whether servers under test have PostgreSQL.
#[expect(clippy::disallowed_methods, reason = "tests have no other settings")]
pub fn is_postgres() -> bool {
    std::env::var_os(DATABASE).is_some_and(|value| value == "postgres")
}

#[expect(clippy::expect_used, reason = "a run that is about PostgreSQL is nothing without it")]
fn url(folder: &Path) -> String {
    static URLS: OnceLock<Mutex<HashMap<PathBuf, String>>> = OnceLock::new();
    let urls = URLS.get_or_init(Mutex::default);
    let mut urls = urls.lock().unwrap_or_else(PoisonError::into_inner);
    let new = || Cluster::shared().expect("PostgreSQL").database().url();
    urls.entry(folder.to_owned()).or_insert_with(new).clone()
}
