//! The proxy: each fault that it makes, seen by a client of a real server.

use std::time::Duration;

use firewarden_testkit::postgres::{Cluster, CommitFault, Database, Proxy};

use tokio::time::Instant;

use super::{Session, durable};

/// A database with an empty table, and a proxy in front of its server.
fn proxied() -> Option<(Database, Proxy)> {
    let cluster = Cluster::shared()?;
    let database = cluster.database();
    database.rows("CREATE TABLE kept (number bigint)");
    Some((database, Proxy::start(cluster.address())))
}

async fn through(proxy: &Proxy, database: &Database) -> Session {
    Session::open(&database.url_at(proxy.address())).await.unwrap()
}

fn kept(database: &Database) -> usize {
    database.rows("SELECT number FROM kept").len()
}

#[tokio::test]
async fn a_proxy_forwards() {
    let Some((database, proxy)) = proxied() else { return };
    let session = through(&proxy, &database).await;
    let large = "x".repeat(3_000_000);
    let length = "SELECT length($1::text)::bigint, $1::text";
    let row = session.client.query_one(length, &[&large]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, String>(1)), (3_000_000, large));
    let rows = session.client.query("SELECT generate_series(1, 20000)", &[]).await.unwrap();
    assert_eq!(rows.len(), 20_000);
    assert_eq!(proxy.connections(), 1);
}

#[tokio::test]
async fn refused_connections_fail_and_old_ones_stay() {
    let Some((database, proxy)) = proxied() else { return };
    let session = through(&proxy, &database).await;
    proxy.refuse();
    assert!(tokio::net::TcpStream::connect(proxy.address()).await.is_err());
    assert_eq!(session.number("SELECT 1::bigint").await, 1);
    proxy.accept();
    through(&proxy, &database).await;
}

#[tokio::test]
async fn cut_connections_end_and_new_ones_are_made() {
    let Some((database, proxy)) = proxied() else { return };
    let session = through(&proxy, &database).await;
    proxy.cut();
    assert!(session.client.simple_query("SELECT 1").await.is_err());
    through(&proxy, &database).await;
}

#[tokio::test]
async fn delayed_bytes_come_later_each_way() {
    let Some((database, proxy)) = proxied() else { return };
    let session = through(&proxy, &database).await;
    let delay = Duration::from_millis(60);
    proxy.delay(delay);
    let asked = Instant::now();
    session.client.simple_query("SELECT 1").await.unwrap();
    assert!(asked.elapsed() >= delay * 2);
    proxy.delay(Duration::ZERO);
    session.client.simple_query("SELECT 1").await.unwrap();
}

#[tokio::test]
async fn nothing_goes_through_a_black_hole_and_nothing_is_lost_in_it() {
    let Some((database, proxy)) = proxied() else { return };
    let session = through(&proxy, &database).await;
    proxy.black_hole(true);
    // It is accepted, and that is all.
    tokio::net::TcpStream::connect(proxy.address()).await.unwrap();
    let mut opened = Box::pin(through(&proxy, &database));
    let mut asked = Box::pin(session.client.simple_query("INSERT INTO kept VALUES (1)"));
    tokio::select! {
        _ = &mut opened => panic!("a session began"),
        _ = &mut asked => panic!("an answer came"),
        () = tokio::time::sleep(Duration::from_millis(100)) => {}
    }
    assert_eq!(kept(&database), 0);
    proxy.black_hole(false);
    opened.await;
    asked.await.unwrap();
    assert_eq!(kept(&database), 1);
}

/// Writes and commits in one transaction, in each way that there is.
async fn commit(session: &mut Session, way: &str) -> Result<(), tokio_postgres::Error> {
    let insert = "INSERT INTO kept VALUES (1)";
    let client = &mut session.client;
    match way {
        "simple" => {
            for sql in ["BEGIN", insert, "COMMIT"] {
                client.batch_execute(sql).await?;
            }
        }
        "one text" => client.batch_execute(&format!("BEGIN; {insert}; COMMIT;")).await?,
        "prepared" => {
            let prepared = client.prepare("commit").await?;
            client.batch_execute(&format!("BEGIN; {insert}")).await?;
            client.execute(&prepared, &[]).await?;
        }
        "unnamed" => {
            client.batch_execute(&format!("BEGIN; {insert}")).await?;
            client.execute_typed("COMMIT", &[]).await?;
        }
        "transaction" => {
            let transaction = client.transaction().await?;
            transaction.execute(insert, &[]).await?;
            transaction.commit().await?;
        }
        other => panic!("{other}"),
    }
    Ok(())
}

#[tokio::test]
async fn a_commit_is_cut_before_or_after_the_server_has_it() {
    let Some((database, proxy)) = proxied() else { return };
    for way in ["simple", "one text", "prepared", "unnamed", "transaction"] {
        for (fault, lasting) in [(CommitFault::CutBefore, 0), (CommitFault::CutAfter, 1)] {
            let before = kept(&database);
            let faults = proxy.commit_faults();
            proxy.at_next_commits(1, fault);
            let mut session = through(&proxy, &database).await;
            let error = commit(&mut session, way).await.unwrap_err();
            assert!(error.is_closed() || error.as_db_error().is_none(), "{way} {fault:?}: {error}");
            assert_eq!(kept(&database), before + lasting, "{way} {fault:?}");
            assert_eq!(proxy.commit_faults(), faults + 1);
            // Only once.
            let mut session = through(&proxy, &database).await;
            commit(&mut session, way).await.unwrap();
            assert_eq!(kept(&database), before + lasting + 1, "{way} {fault:?}");
        }
    }
}

#[tokio::test]
async fn commits_are_cut_as_often_as_was_said() {
    let Some((database, proxy)) = proxied() else { return };
    let cut = async |times: usize| {
        for _ in 0..times {
            let mut session = through(&proxy, &database).await;
            commit(&mut session, "simple").await.unwrap_err();
        }
    };
    proxy.at_next_commits(2, CommitFault::CutAfter);
    cut(2).await;
    commit(&mut through(&proxy, &database).await, "simple").await.unwrap();
    proxy.at_every_commit(CommitFault::CutAfter);
    cut(3).await;
    // What does not commit is not cut.
    let session = through(&proxy, &database).await;
    session.client.batch_execute("BEGIN; ROLLBACK").await.unwrap();
    proxy.forward_commits();
    commit(&mut through(&proxy, &database).await, "simple").await.unwrap();
    assert_eq!((kept(&database), proxy.commits(), proxy.commit_faults()), (7, 7, 5));
}

#[tokio::test]
async fn a_commit_that_fails_is_cut_too() {
    let Some((database, proxy)) = proxied() else { return };
    database.rows("CREATE TABLE checked (number bigint UNIQUE DEFERRABLE INITIALLY DEFERRED)");
    proxy.at_every_commit(CommitFault::CutAfter);
    let session = through(&proxy, &database).await;
    session.client.batch_execute("BEGIN; INSERT INTO checked VALUES (1), (1)").await.unwrap();
    let error = session.client.batch_execute("COMMIT").await.unwrap_err();
    assert!(error.as_db_error().is_none(), "{error}");
    assert!(database.rows("SELECT FROM checked").is_empty());
}

#[tokio::test]
async fn a_commit_may_never_be_answered_and_is_made_all_the_same() {
    let Some((database, proxy)) = proxied() else { return };
    proxy.at_next_commits(1, CommitFault::HangAfter);
    let session = through(&proxy, &database).await;
    session.client.batch_execute("BEGIN; SELECT pg_advisory_xact_lock(1)").await.unwrap();
    session.client.batch_execute("INSERT INTO kept VALUES (1)").await.unwrap();
    let watching = Session::open(&database.url()).await.unwrap();
    let mut committed = Box::pin(session.client.batch_execute("COMMIT"));
    tokio::select! {
        _ = &mut committed => panic!("the commit was answered"),
        // It is had once the other transaction has ended.
        locked = watching.client.batch_execute("SELECT pg_advisory_lock(1)") => locked.unwrap(),
    }
    assert_eq!(kept(&database), 1);
    let answered = tokio::time::timeout(Duration::from_millis(50), &mut committed).await;
    assert!(answered.is_err(), "the commit was answered");
    proxy.cut();
    committed.await.unwrap_err();
}

#[tokio::test]
async fn a_redirected_address_leads_to_the_server_that_took_over() {
    let Some(primary) = durable() else { return };
    let standby = primary.standby();
    let database = primary.database();
    database.rows("CREATE TABLE kept AS SELECT 1::bigint AS number");
    let proxy = Proxy::start(primary.address());
    let session = through(&proxy, &database).await;
    assert_eq!(session.number("SELECT number FROM kept").await, 1);

    standby.catch_up_with(&primary);
    primary.stop_immediate();
    assert!(session.connection.await.unwrap().is_err());
    assert!(Session::open(&database.url_at(proxy.address())).await.is_err());
    standby.promote();
    proxy.redirect(standby.address());
    let session = through(&proxy, &database).await;
    session.client.batch_execute("INSERT INTO kept VALUES (2)").await.unwrap();
    assert_eq!(session.number("SELECT max(number) FROM kept").await, 2);
}
