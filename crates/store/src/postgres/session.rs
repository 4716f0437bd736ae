//! Statements on PostgreSQL.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use futures_util::future::try_join_all;
use tokio::time::Instant;
use tokio_postgres::types::{BorrowToSql, ToSql};
use tokio_postgres::{Client, Portal, Row, RowStream, Statement, Transaction};

use super::connection::{Driver, Statements};
use crate::database::{self, Failure, Result, Sql, Values};
use crate::limits::STATEMENTS_CACHED_MAX;

/// Where statements are run: in a transaction, or each in one of its own.
pub(crate) struct PostgresSession<'c> {
    within: Within<'c>,
    driver: &'c Driver,
    statements: &'c Statements,
    conflict: Cell<bool>,
    /// When nothing more is asked for.
    until: Cell<Option<Instant>>,
}

enum Within<'c> {
    Transaction(Transaction<'c>),
    Client(&'c Client),
}

impl<'c> PostgresSession<'c> {
    pub(super) fn within(
        transaction: Transaction<'c>,
        driver: &'c Driver,
        statements: &'c Statements,
    ) -> Self {
        Self {
            within: Within::Transaction(transaction),
            driver,
            statements,
            conflict: Cell::new(false),
            until: Cell::new(None),
        }
    }

    pub(super) fn alone(
        client: &'c Client,
        driver: &'c Driver,
        statements: &'c Statements,
    ) -> Self {
        let (conflict, until) = (Cell::new(false), Cell::new(None));
        Self { within: Within::Client(client), driver, statements, conflict, until }
    }

    fn client(&self) -> &Client {
        match &self.within {
            Within::Transaction(transaction) => transaction.client(),
            Within::Client(client) => client,
        }
    }

    /// Whether a statement failed because of another transaction.
    pub(crate) fn is_in_conflict(&self) -> bool {
        self.conflict.get()
    }

    /// Lets statements be run for so long from now on, or for however long it takes.
    pub(crate) fn give_time(&self, time: Option<Duration>) {
        self.until.set(time.map(|time| Instant::now() + time));
    }

    fn wait<T>(
        &self,
        answer: impl Future<Output = std::result::Result<T, tokio_postgres::Error>>,
    ) -> Result<T> {
        if self.until.get().is_some_and(|until| Instant::now() >= until) {
            return Err(Failure::OutOfTime);
        }
        let answer = self.driver.wait(answer);
        if answer.as_ref().is_err_and(Failure::is_conflict) {
            self.conflict.set(true);
        }
        answer
    }

    /// Whether a transaction is open on a connection that is not lost.
    pub(crate) fn is_in_transaction(&self) -> bool {
        matches!(self.within, Within::Transaction(_)) && !self.client().is_closed()
    }

    /// Commits. After a failure that is no answer of the server nothing is known.
    pub(crate) fn commit(self) -> Result<()> {
        match self.within {
            Within::Transaction(transaction) => self.driver.wait(transaction.commit()),
            Within::Client(_) => Ok(()),
        }
    }

    /// Ends the transaction, and with it the snapshot.
    pub(crate) fn roll_back(self) -> Result<()> {
        match self.within {
            Within::Transaction(transaction) => self.driver.wait(transaction.rollback()),
            Within::Client(_) => Ok(()),
        }
    }

    /// Runs statements without values, as they stand.
    pub(crate) fn run_script(&self, sql: &str) -> Result<()> {
        self.wait(self.client().batch_execute(sql))
    }

    /// Prepares a statement, or finds it prepared.
    pub(crate) fn prepare(&self, sql: &str) -> Result<Statement> {
        if let Some(known) = self.statements.borrow().get(sql) {
            return Ok(known.clone());
        }
        let prepared = self.wait(self.client().prepare(&numbered(sql)))?;
        let mut statements = self.statements.borrow_mut();
        if statements.len() >= STATEMENTS_CACHED_MAX {
            statements.clear();
        }
        statements.insert(sql.into(), prepared.clone());
        Ok(prepared)
    }

    pub(crate) fn run<'v>(&self, statement: &Statement, values: impl Values<'v>) -> Result<usize> {
        let list = values.list();
        let changed = self.client().execute_raw(statement, places(list.as_ref()));
        Ok(usize::try_from(self.wait(changed)?).unwrap_or(usize::MAX))
    }

    /// Runs a statement with each of several lists of values, without waiting in between.
    pub(crate) fn run_each(&self, statement: &Statement, lists: &[Vec<Sql<'_>>]) -> Result<()> {
        let client = self.client();
        let runs = lists.iter().map(|list| client.execute_raw(statement, places(list)));
        self.wait(try_join_all(runs)).map(drop)
    }

    /// The first row for each of some keys, without waiting in between.
    pub(crate) fn row_of_each(
        &self,
        statement: &Statement,
        keys: &[i64],
    ) -> Result<Vec<Option<Row>>> {
        let client = self.client();
        let look = async |key: &i64| {
            let rows: RowStream = client.query_raw(statement, [*key]).await?;
            let rows: Vec<Row> = rows.try_collect().await?;
            Ok(rows.into_iter().next())
        };
        self.wait(try_join_all(keys.iter().map(look)))
    }

    /// The first row.
    pub(crate) fn row<'v>(
        &self,
        statement: &Statement,
        values: impl Values<'v>,
    ) -> Result<Option<Row>> {
        Ok(self.every(statement, values)?.into_iter().next())
    }

    /// Every row at once.
    pub(crate) fn every<'v>(
        &self,
        statement: &Statement,
        values: impl Values<'v>,
    ) -> Result<Vec<Row>> {
        let list = values.list();
        self.wait(async {
            let rows: RowStream = self.client().query_raw(statement, places(list.as_ref())).await?;
            rows.try_collect().await
        })
    }

    /// The rows as they are asked for, some at a time: what is asked for in between must not wait
    /// for all of them.
    pub(crate) fn rows<'s, 'v>(
        &'s self,
        statement: &Statement,
        values: impl Values<'v>,
        together: i32,
    ) -> Result<PostgresRows<'s>> {
        let (rest, fetched) = match &self.within {
            Within::Transaction(transaction) => {
                let list = values.list();
                let bound = transaction.bind_raw(statement, places(list.as_ref()));
                let portal = self.wait(bound)?;
                (Some(Rest { transaction, session: self, portal, together }), VecDeque::new())
            }
            Within::Client(_) => (None, self.every(statement, values)?.into()),
        };
        Ok(PostgresRows { rest, fetched, current: None })
    }
}

/// The rows of a statement.
pub(crate) struct PostgresRows<'s> {
    /// What is not fetched yet, if there is more.
    rest: Option<Rest<'s>>,
    fetched: VecDeque<Row>,
    current: Option<Row>,
}

struct Rest<'s> {
    transaction: &'s Transaction<'s>,
    session: &'s PostgresSession<'s>,
    portal: Portal,
    /// So many rows are fetched at once.
    together: i32,
}

impl PostgresRows<'_> {
    pub(crate) fn next(&mut self) -> Result<Option<&Row>> {
        if self.fetched.is_empty()
            && let Some(Rest { transaction, session, portal, together }) = &self.rest
        {
            let more = transaction.query_portal(portal, *together);
            self.fetched = session.wait(more)?.into();
            if self.fetched.len() < together.unsigned_abs() as usize {
                self.rest = None;
            }
        }
        self.current = self.fetched.pop_front();
        Ok(self.current.as_ref())
    }
}

/// The value of a column.
pub(crate) fn column(row: &Row, index: usize) -> Result<database::Column<'_>> {
    row.try_get(index).map_err(Failure::from)
}

fn places<'l>(values: &'l [Sql<'l>]) -> impl ExactSizeIterator<Item = impl BorrowToSql + 'l> + 'l {
    values.iter().map(|value| value as &(dyn ToSql + Sync))
}

/// The statement with PostgreSQL's places: `$1` for `?1`, and for `?` the next one.
fn numbered(sql: &str) -> String {
    let mut numbered = String::with_capacity(sql.len() + 8);
    let mut last = 0;
    let mut parts = sql.split('?');
    numbered.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let digits = part.chars().take_while(char::is_ascii_digit).count();
        numbered.push('$');
        if digits == 0 {
            last += 1;
            // Writing to a text does not fail.
            let _ = write!(numbered, "{last}");
        }
        numbered.push_str(part);
    }
    numbered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_numbered() {
        for (sql, expected) in [
            ("SELECT 1", "SELECT 1"),
            ("a = ?1 AND b = ?12 OR c = ?1", "a = $1 AND b = $12 OR c = $1"),
            ("(? , ?) = ?", "($1 , $2) = $3"),
        ] {
            assert_eq!(numbered(sql), expected);
        }
    }
}
