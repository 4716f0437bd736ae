//! The schema, and the numbered steps that lead to it.

use rusqlite::{Connection, TransactionBehavior};

use crate::database::unavailable;
use crate::{Migrated, StoreError};

/// The steps, the first leading from an empty database to version 1. A released step is never
/// changed; a new one is added.
const STEPS: &[&str] = &[include_str!("schema/1.sql"), include_str!("schema/2.sql")];

/// This program's version.
pub(crate) const KNOWN: i64 = STEPS.len() as i64;

/// The version of a database; 0 of an empty one.
pub(crate) fn version(connection: &Connection) -> Result<i64, StoreError> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(unavailable)
}

/// Brings the database to this program's version, each step in a transaction of its own. A newer
/// database is refused: this program does not know what it would break.
pub(crate) fn migrate(connection: &mut Connection) -> Result<Migrated, StoreError> {
    let (stored, known) = (version(connection)?, KNOWN);
    if stored > known {
        return Err(StoreError::Unavailable(format!(
            "the database has schema version {stored}, this program knows up to {known}: \
             start the program that wrote it, or a newer one"
        )));
    }
    let steps = (1i64..).zip(STEPS).filter(|(number, _)| *number > stored);
    for (number, step) in steps {
        apply(connection, number, step).map_err(unavailable)?;
    }
    Ok(Migrated { from: stored, to: known })
}

fn apply(connection: &mut Connection, number: i64, step: &str) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(step)?;
    transaction.pragma_update(None, "user_version", number)?;
    transaction.commit()
}
