//! That what is asked for ends when its time is over.

use std::time::Duration;

use super::empty_database;
use crate::postgres::connect::{Connector, Purpose};
use crate::postgres::connection::PostgresConnection;

#[test]
fn nothing_is_asked_of_postgres_after_the_time_of_a_search() {
    let Some(database) = empty_database() else { return };
    let connector = Connector::parse(&database.url()).unwrap();
    let mut connection = PostgresConnection::open(&connector, Purpose::Write).unwrap();
    let session = connection.begin().unwrap();
    session.give_time(Some(Duration::ZERO));
    assert!(session.run_script("SELECT 1").unwrap_err().is_interruption());
    session.give_time(None);
    session.run_script("SELECT 1").unwrap();
    session.commit().unwrap();
}
