//! Against a PostgreSQL, and against servers that are none.

mod connections;
mod leases;
mod stand_in;
mod time;

use firewarden_testkit::postgres::{Cluster, Database};

/// An empty database; `None` where there is no PostgreSQL.
fn empty_database() -> Option<Database> {
    Cluster::shared().map(Cluster::database)
}

/// A database with our tables; `None` where there is no PostgreSQL.
fn database() -> Option<Database> {
    let made = |database: &Database| {
        database.rows(include_str!("schema/1.sql"));
    };
    Cluster::shared().map(|cluster| cluster.database_from("tables", made))
}
