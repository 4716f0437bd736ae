//! The schema, and the numbered steps that lead to it.

use rusqlite::{Connection, TransactionBehavior};

use crate::database::unavailable;
use crate::{Migrated, StoreError};

/// The steps, the first leading from an empty database to version 1. A released step is never
/// changed; a new one is added.
const STEPS: &[&str] =
    &[include_str!("schema/1.sql"), include_str!("schema/2.sql"), include_str!("schema/3.sql")];

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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn at_version(path: &std::path::Path, version: i64) -> Connection {
        let mut connection = Connection::open(path).unwrap();
        let steps = (1i64..).zip(STEPS).filter(|(number, _)| *number <= version);
        for (number, step) in steps {
            apply(&mut connection, number, step).unwrap();
        }
        connection
    }

    /// The schema, as SQLite keeps it.
    fn shape(connection: &Connection) -> Vec<String> {
        let sql = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name";
        let mut statement = connection.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn a_step_that_is_ended_anywhere_is_as_if_it_had_not_begun() {
        let folder = tempfile::tempdir().unwrap();
        let whole = at_version(&folder.path().join("whole"), KNOWN);
        for from in 0..KNOWN {
            let path = folder.path().join(from.to_string());
            let mut connection = at_version(&path, from);
            let before = shape(&connection);
            let mut interrupted = 0;
            // Each run gets further than the one before.
            for instructions in 1.. {
                let left = Arc::new(AtomicU32::new(instructions));
                let over = move || left.fetch_sub(1, Ordering::Relaxed) == 1;
                connection.progress_handler(25, Some(over)).unwrap();
                let applied = apply(&mut connection, from + 1, STEPS[from as usize]);
                connection.progress_handler(0, None::<fn() -> bool>).unwrap();
                if applied.is_ok() {
                    break;
                }
                interrupted += 1;
                assert_eq!(version(&connection).unwrap(), from);
                assert_eq!(shape(&connection), before, "ended after {instructions}");
                // The process is gone, and what another one finds is the same.
                connection = Connection::open(&path).unwrap();
                assert_eq!(shape(&connection), before);
            }
            assert!(interrupted > 3, "step {} was interrupted {interrupted} times", from + 1);
            assert_eq!(migrate(&mut connection).unwrap().to, KNOWN);
            assert_eq!(shape(&connection), shape(&whole));
        }
    }

    #[test]
    fn a_database_of_each_version_is_brought_to_this_one() {
        let folder = tempfile::tempdir().unwrap();
        for from in 0..=KNOWN {
            let mut connection = at_version(&folder.path().join(from.to_string()), from);
            assert_eq!(migrate(&mut connection).unwrap(), Migrated { from, to: KNOWN });
            assert_eq!(version(&connection).unwrap(), KNOWN);
            assert_eq!(migrate(&mut connection).unwrap(), Migrated { from: KNOWN, to: KNOWN });
        }
    }
}
