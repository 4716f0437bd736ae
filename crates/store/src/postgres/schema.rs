//! The schema on PostgreSQL, and the numbered steps that lead to it.

use super::connect::{Connector, Purpose};
use super::connection::PostgresConnection;
use super::session::PostgresSession;
use super::url::PostgresUrl;
use crate::database::{Result, Session, unavailable};
use crate::{Migrated, StoreError};

/// The steps, the first leading from an empty database to version 1. A released step is never
/// changed; a new one is added.
const STEPS: &[&str] =
    &[include_str!("schema/1.sql"), include_str!("schema/2.sql"), include_str!("schema/3.sql")];

/// Keeps other nodes from preparing the database for as long as the connection lives; waits for one
/// that does.
pub(crate) fn lock(session: &PostgresSession<'_>) -> Result<()> {
    // The number is this program's alone.
    session.run_script("SELECT pg_advisory_lock(7020394201)")
}

/// Brings the database to this program's version, within a transaction under the [`lock`]. A newer database is refused: this program does not
/// know what it would break.
pub(crate) fn migrate(session: &PostgresSession<'_>) -> std::result::Result<Migrated, StoreError> {
    let stored = stored(session).map_err(unavailable)?;
    let known = STEPS.len() as i64;
    if stored > known {
        return Err(StoreError::Unavailable(format!(
            "the database has schema version {stored}, this program knows up to {known}: \
             start the program that wrote it, or a newer one"
        )));
    }
    let steps = (1i64..).zip(STEPS).filter(|(number, _)| *number > stored);
    for (number, step) in steps {
        session.run_script(step).map_err(unavailable)?;
        Session::Postgres(session)
            .run("UPDATE schema_version SET number = ?1", [number])
            .map_err(unavailable)?;
    }
    Ok(Migrated { from: stored, to: known })
}

/// The same, in a connection of its own and on a thread of its own.
pub(crate) fn migrate_at(url: PostgresUrl) -> std::result::Result<Migrated, StoreError> {
    let connector = Connector::new(url)?;
    let migrate = || {
        let mut connection = PostgresConnection::open(&connector, Purpose::Schema)?;
        lock(&connection.alone()).map_err(unavailable)?;
        let transaction = connection.begin().map_err(unavailable)?;
        let migrated = migrate(&transaction)?;
        transaction.commit().map_err(unavailable)?;
        Ok(migrated)
    };
    let ended = || StoreError::Unavailable("the schema was not migrated".to_owned());
    std::thread::scope(|threads| threads.spawn(migrate).join().unwrap_or_else(|_| Err(ended())))
}

fn stored(session: &PostgresSession<'_>) -> Result<i64> {
    session.run_script(
        "CREATE TABLE IF NOT EXISTS schema_version (number bigint NOT NULL);
         INSERT INTO schema_version SELECT 0 WHERE NOT EXISTS (SELECT FROM schema_version)",
    )?;
    Session::Postgres(session).row("SELECT number FROM schema_version", (), |row| row.get(0))
}
