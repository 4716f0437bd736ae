//! How much work one search of the writer may be: others wait for it. On SQLite its instructions are
//! counted, on PostgreSQL its time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use rusqlite::Connection;

use super::pool::Reading;
use crate::database::Session;
use crate::limits::{
    INSTRUCTIONS_BETWEEN_CHECKS, POSTGRES_WRITER_SEARCH_TIME, WRITER_SEARCH_CHECKS_MAX,
};

/// The allowance of a connection that writes. Only searches use it up: a write is never interrupted.
#[derive(Clone, Default)]
pub(crate) struct Allowance {
    left: Arc<AtomicU32>,
    searching: Arc<AtomicBool>,
    over: Arc<AtomicBool>,
}

impl Allowance {
    /// Makes the connection look at it.
    pub(crate) fn of(connection: &mut Connection) -> rusqlite::Result<Self> {
        let allowance = Self::default();
        let looked_at = allowance.clone();
        connection
            .progress_handler(INSTRUCTIONS_BETWEEN_CHECKS, Some(move || looked_at.is_used_up()))?;
        Ok(allowance)
    }

    /// Makes one search, with a whole allowance.
    pub(crate) fn search<T>(
        &self,
        session: &Session<'_>,
        search: impl FnOnce(&Reading<'_>) -> T,
    ) -> T {
        self.left.store(WRITER_SEARCH_CHECKS_MAX, Ordering::Relaxed);
        self.over.store(false, Ordering::Relaxed);
        self.searching.store(true, Ordering::Relaxed);
        let over = &self.over;
        let found =
            session.in_time(POSTGRES_WRITER_SEARCH_TIME, || search(&Reading { session, over }));
        self.searching.store(false, Ordering::Relaxed);
        found
    }

    fn is_used_up(&self) -> bool {
        if !self.searching.load(Ordering::Relaxed) {
            return false;
        }
        let left = self.left.load(Ordering::Relaxed).saturating_sub(1);
        self.left.store(left, Ordering::Relaxed);
        if left == 0 {
            self.over.store(true, Ordering::Relaxed);
        }
        left == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_endless_search_is_interrupted_and_the_next_one_is_made() {
        let mut connection = Connection::open_in_memory().unwrap();
        let allowance = Allowance::of(&mut connection).unwrap();
        let numbers = |to: u64| {
            format!(
                "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < {to})
                 SELECT max(i) FROM n"
            )
        };
        let count = |reading: &Reading<'_>, to: u64| -> crate::database::Result<i64> {
            reading.session.row(&numbers(to), (), |row| row.get(0))
        };
        let (ended, over) = allowance.search(&Session::Sqlite(&connection), |reading| {
            (count(reading, u64::MAX >> 2), reading.check_time().is_err())
        });
        assert!(ended.unwrap_err().is_interruption());
        assert!(over);
        // What is no search is not counted.
        let longer: i64 = connection.query_row(&numbers(3_000_000), [], |row| row.get(0)).unwrap();
        assert_eq!(longer, 3_000_000);
        assert_eq!(
            allowance
                .search(&Session::Sqlite(&connection), |reading| count(reading, 1_000))
                .unwrap(),
            1_000
        );
    }
}
