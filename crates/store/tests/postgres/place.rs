//! A store on PostgreSQL for one test.

use std::io::Write as _;

use firewarden_store::{Database, PostgresUrl, Store, StoreSettings};
use firewarden_testkit::postgres::Cluster;
use zeroize::Zeroizing;

use crate::opened::BASE_URL;

/// An open store in a database of its own.
pub(crate) struct Opened {
    pub store: Store,
}

pub(crate) fn open() -> Opened {
    Opened { store: at(&url()) }
}

/// Two nodes on one database.
pub(crate) fn open_two() -> [Store; 2] {
    let url = url();
    [at(&url), at(&url)]
}

/// A database of one's own, with its tables.
fn url() -> String {
    let Some(cluster) = Cluster::shared() else {
        // Not captured with the output of a test, of which there is none.
        let _ = writeln!(std::io::stderr(), "skipped: there is no PostgreSQL");
        std::process::exit(0);
    };
    let empty = |database: &firewarden_testkit::postgres::Database| {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async { at(&database.url()).close().await.unwrap() });
    };
    cluster.database_from("migrated", empty).url()
}

fn at(url: &str) -> Store {
    Store::open(settings(url)).unwrap()
}

pub(crate) fn settings(url: &str) -> StoreSettings {
    StoreSettings {
        database: Database::Postgres { url: PostgresUrl::parse(url).unwrap() },
        base_url: BASE_URL.to_owned(),
        secrets_key: Zeroizing::new([7; 32]),
        readers: 2,
    }
}
