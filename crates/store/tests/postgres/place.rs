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
    let Some(cluster) = Cluster::shared() else {
        // Not captured with the output of a test, of which there is none.
        let _ = writeln!(std::io::stderr(), "skipped: there is no PostgreSQL");
        std::process::exit(0);
    };
    let empty = |database: &firewarden_testkit::postgres::Database| {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async { at(&database.url()).close().await.unwrap() });
    };
    let database = cluster.database_from("migrated", empty);
    Opened { store: at(&database.url()) }
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
