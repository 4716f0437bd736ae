//! The schema, and the numbered steps that lead to it.

use rusqlite::{Connection, TransactionBehavior};

use crate::StoreError;
use crate::database::unavailable;

/// The steps, the first leading from an empty database to version 1. A released step is never
/// changed; a new one is added.
const STEPS: &[&str] =
    &[include_str!("schema/1.sql"), include_str!("schema/2.sql"), include_str!("schema/3.sql")];

/// Brings the database to this program's version, each step in a transaction of its own. A newer
/// database is refused: this program does not know what it would break.
pub(crate) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let version = |c: &Connection| c.pragma_query_value(None, "user_version", |r| r.get(0));
    let stored: i64 = version(connection).map_err(unavailable)?;
    let known = STEPS.len() as i64;
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
    Ok(())
}

fn apply(connection: &mut Connection, number: i64, step: &str) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(step)?;
    transaction.pragma_update(None, "user_version", number)?;
    transaction.commit()
}
