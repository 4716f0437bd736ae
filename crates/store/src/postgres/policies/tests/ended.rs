//! A query ends in time, whatever becomes of its caller, its connection and its server.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::Poll;

use serde_json::{Value, json};

use super::super::*;
use super::database::*;
use crate::limits::POLICY_READERS_MAX;
use crate::postgres::connect::Connector;

/// Rows beyond any time: a row for each choice of so many resources.
const ENDLESS: &str =
    "select count(*) = 0 from patient a, patient b, patient c, patient d, patient e, patient f,
    patient g, patient h, patient i, patient j where a.resource->>'x' = j.id or {{uri}} = 'x'";

async fn with_patients() -> Option<Database> {
    let database = Database::open().await?;
    database.owner.batch_execute("BEGIN").await.unwrap();
    for index in 0..30 {
        database.put(&json!({"resourceType": "Patient", "id": format!("p{index}")})).await;
    }
    database.owner.batch_execute("COMMIT").await.unwrap();
    database.readers.check().await.unwrap();
    Some(database)
}

fn request() -> Value {
    json!({"uri": "/fhir/Patient"})
}

async fn polled_once<F: Future>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    std::future::poll_fn(|task| Poll::Ready(future.as_mut().poll(task))).await
}

/// What the sessions for policies run at the server.
async fn running(database: &Database) -> i64 {
    let running = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
        AND pid <> pg_backend_pid() AND state = 'active'";
    database.owner.query_one(running, &[]).await.unwrap().get(0)
}

/// Waits until no connection runs anything. They answer then, and nothing runs at the server.
async fn all_connections_come_back(database: &Database) {
    database.readers.all_idle(READERS).await;
    // A session tells how its query ended before it says that it is idle.
    let mut looks = 0;
    while running(database).await != 0 {
        looks += 1;
        assert!(looks < 1_000);
    }
    let tested = database.tried("select 1", &request()).await;
    assert_eq!(verdict(&tested), "satisfied", "{}", tested.trace);
}

#[tokio::test]
async fn a_query_that_nobody_waits_for_ends_at_the_server_of_postgresql() {
    let Some(database) = with_patients().await else { return };
    let request = request();
    for _ in 0..3 * POLICY_READERS_MAX {
        let mut left = Box::pin(database.tried(ENDLESS, &request));
        assert!(polled_once(&mut left).await.is_pending());
        // Another goes on in between, so that it is left at different moments.
        database.tried("select 1", &request).await;
    }
    all_connections_come_back(&database).await;
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
        AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
    let sessions: i64 = database.owner.query_one(sessions, &[]).await.unwrap().get(0);
    assert!(sessions <= 2, "{sessions}");
}

#[tokio::test]
async fn a_query_that_postgresql_cancels_or_whose_connection_breaks_grants_nothing() {
    let Some(database) = with_patients().await else { return };
    for (end, told) in
        [("pg_cancel_backend", "out of time"), ("pg_terminate_backend", "ended in an error")]
    {
        let end = format!(
            "SELECT count(*) FILTER (WHERE {end}(pid)) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'active'"
        );
        let query = ENDLESS.replace("count(*) = 0", "count(*) >= 0");
        let request = request();
        let endless = database.tried(&query, &request);
        let ending = async {
            // Until the query has begun there is nothing to end.
            while database.owner.query_one(&end, &[]).await.unwrap().get::<_, i64>(0) == 0 {}
        };
        let (tested, ()) = tokio::join!(endless, ending);
        assert_eq!(tested.trace["failing"], json!({"query": told}), "{end}");
        all_connections_come_back(&database).await;
    }
}

#[tokio::test]
async fn connections_to_postgresql_that_broke_while_idle_are_opened_again() {
    let Some(database) = with_patients().await else { return };
    let end = "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let ended: i64 = database.owner.query_one(end, &[]).await.unwrap().get(0);
    assert_eq!(ended, 1);
    let mut failed = 0;
    while verdict(&database.tried("select 1", &request()).await) != "satisfied" {
        failed += 1;
        // One that is not known to be broken yet costs a rule each.
        assert!(failed <= 2);
    }
}

#[tokio::test]
async fn without_postgresql_no_rule_holds() {
    let Some(database) = Database::open().await else { return };
    let nowhere = tempfile::tempdir().unwrap();
    let url = format!("postgres:///nothing?host={}&user=nobody", nowhere.path().display());
    let connector = Connector::parse(&url).unwrap();
    let readers = readers(connector, Arc::clone(database.dictionary()));
    readers.check().await.unwrap_err();
    for _ in 0..2 * POLICY_READERS_MAX {
        let policies = PostgresPolicies::new(&readers);
        let tested = pin!(tried(&policies, "select true", &json!({}))).await;
        assert_eq!(tested.trace["failing"], json!({"query": "ended in an error"}));
    }
}

#[tokio::test]
async fn a_query_on_postgresql_waits_for_no_lock() {
    let Some(database) = with_patients().await else { return };
    let lock = "BEGIN; LOCK TABLE resource IN ACCESS EXCLUSIVE MODE";
    database.owner.batch_execute(lock).await.unwrap();
    let tested = database.tried("select count(*) = 30 from patient", &request()).await;
    assert_eq!(verdict(&tested), "failed");
    database.owner.batch_execute("COMMIT").await.unwrap();
    let tested = database.tried("select count(*) = 30 from patient", &request()).await;
    assert_eq!(verdict(&tested), "satisfied");
}
