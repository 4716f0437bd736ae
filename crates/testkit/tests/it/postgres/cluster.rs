//! Clusters: databases of a test's own, and servers that stop, start and follow one another.

use std::sync::atomic::{AtomicUsize, Ordering};

use firewarden_testkit::postgres::Cluster;

use super::{Session, durable};

#[test]
fn databases_are_new_and_each_tests_own() {
    let Some(cluster) = Cluster::shared() else { return };
    let (one, other) = (cluster.database(), cluster.database());
    one.rows("CREATE TABLE kept (number bigint)");
    assert_ne!(one.name(), other.name());
    assert!(other.try_rows("SELECT * FROM kept").unwrap_err().contains("42P01"));
    let shown = "SELECT current_setting('server_encoding'), datcollate, current_setting('fsync'), \
                 current_setting('max_connections') FROM pg_database WHERE datname = \
                 current_database()";
    let expected = ["UTF8", "C", "off", "300"].map(|text| Some(text.to_owned()));
    assert_eq!(one.rows(shown), [expected]);
}

#[tokio::test]
async fn a_template_is_prepared_once_and_copied_for_each_test() {
    let Some(cluster) = Cluster::shared() else { return };
    let prepared = AtomicUsize::new(0);
    let copied = || {
        cluster.database_from("numbers", |database| {
            prepared.fetch_add(1, Ordering::SeqCst);
            // Here a store may block on a runtime of its own.
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let session = Session::open(&database.url()).await.unwrap();
                let made = "CREATE TABLE number AS SELECT 7::bigint AS value";
                session.client.batch_execute(made).await.unwrap();
            });
        })
    };
    let databases: Vec<_> = std::thread::scope(|scope| {
        let copying: Vec<_> = (0..8).map(|_| scope.spawn(copied)).collect();
        copying.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(prepared.load(Ordering::SeqCst), 1);
    databases[0].rows("UPDATE number SET value = 8");
    for database in &databases[1..] {
        assert_eq!(database.rows("SELECT value FROM number"), [[Some("7".to_owned())]]);
    }
}

#[test]
fn a_template_that_could_not_be_prepared_is_prepared_by_the_next_test() {
    let Some(cluster) = Cluster::shared() else { return };
    let failed =
        std::panic::catch_unwind(|| cluster.database_from("unlucky", |_| panic!("not prepared")));
    assert!(failed.is_err());
    let database = cluster.database_from("unlucky", |database| {
        database.rows("CREATE TABLE prepared ()");
    });
    assert!(database.rows("SELECT FROM prepared").is_empty());
}

#[tokio::test]
async fn what_was_committed_outlives_a_crash_that_ends_all_connections() {
    let Some(cluster) = durable() else { return };
    let database = cluster.database();
    database.rows("CREATE TABLE kept AS SELECT 1::bigint AS number");
    let session = Session::open(&database.url()).await.unwrap();
    cluster.stop_immediate();
    assert!(session.connection.await.unwrap().is_err());
    assert!(Session::open(&database.url()).await.is_err());

    cluster.start_again();
    let session = Session::open(&database.url()).await.unwrap();
    assert_eq!(session.number("SELECT number FROM kept").await, 1);

    let address = cluster.address();
    cluster.restart();
    assert_eq!(cluster.address(), address);
    assert!(session.connection.await.unwrap().is_err());
    assert_eq!(database.rows("SELECT number FROM kept").len(), 1);
}

#[tokio::test]
async fn terminated_connections_are_those_of_clients() {
    let Some(cluster) = durable() else { return };
    let database = cluster.database();
    let sessions = [
        Session::open(&database.url()).await.unwrap(),
        Session::open(&database.url()).await.unwrap(),
    ];
    assert_eq!(cluster.terminate_connections(), 2);
    for session in sessions {
        assert!(session.connection.await.unwrap().is_err());
    }
    assert_eq!(database.rows("SELECT 1").len(), 1);
}

#[test]
fn a_standby_shows_what_was_committed_and_takes_writes_only_when_it_is_promoted() {
    let Some(primary) = durable() else { return };
    let database = primary.database();
    let standby = primary.standby();
    database.rows("CREATE TABLE kept AS SELECT 1 AS number");
    standby.catch_up_with(&primary);
    let url = database.url_at(standby.address());
    let on_standby = |sql: &str| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let session = Session::open(&url).await.unwrap();
            session.client.batch_execute(sql).await.map_err(|e| e.code().unwrap().code().to_owned())
        })
    };
    on_standby("SELECT number FROM kept").unwrap();
    assert_eq!(on_standby("INSERT INTO kept VALUES (2)").unwrap_err(), "25006");

    primary.restart();
    database.rows("INSERT INTO kept VALUES (2)");
    standby.catch_up_with(&primary);

    primary.stop_immediate();
    standby.promote();
    on_standby("INSERT INTO kept SELECT 2 / (count(*) - 1) FROM kept").unwrap();
}
