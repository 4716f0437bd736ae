//! What nodes know of each other's changes, and when they know nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;

use firewarden_testkit::postgres::{Cluster, Database, Proxy};
use tokio_postgres::Client;

use super::database;
use crate::postgres::connect::{Connector, Purpose};
use crate::postgres::lease::Lease;

async fn lease(url: &str) -> Lease {
    Lease::start(Connector::parse(url).unwrap()).await.unwrap()
}

/// Changes the policies, as a writer does.
struct Writer(Client);

impl Writer {
    async fn of(database: &Database) -> Self {
        let connector = Connector::parse(&database.url()).unwrap();
        let (client, connection) = connector.connect(Purpose::Schema).await.unwrap();
        tokio::spawn(connection);
        Self(client)
    }

    async fn change(&self) -> u64 {
        let raise = "UPDATE state SET policy_version = policy_version + 1 RETURNING policy_version";
        let version: i64 = self.0.query_one(raise, &[]).await.unwrap().get(0);
        u64::try_from(version).unwrap()
    }
}

fn nodes(database: &Database) -> usize {
    database.rows("SELECT id FROM node").len()
}

fn proxy(database: &Database) -> (Proxy, String) {
    let proxy = Proxy::start(Cluster::shared().unwrap().address());
    let url = database.url_at(proxy.address());
    (proxy, url)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_known_to_every_node_when_it_is_acknowledged() {
    let Some(database) = database() else { return };
    let writer = Writer::of(&database).await;
    let leases = [lease(&database.url()).await, lease(&database.url()).await];
    let late = lease(&database.url()).await;
    for round in 0..50 {
        let changed = writer.change().await;
        leases[round % 2].acknowledged(changed).await;
        for lease in leases.iter().chain([&late]) {
            assert_eq!(lease.version().await.unwrap(), changed);
        }
    }
    assert_eq!(nodes(&database), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_cut_off_is_waited_for_no_longer_than_its_lease_and_refuses_then() {
    let Some(database) = database() else { return };
    let writer = Writer::of(&database).await;
    let (proxy, url) = proxy(&database);
    let ours = lease(&database.url()).await;
    let theirs = lease(&url).await;
    for (broken, mended) in [
        (
            (|proxy| proxy.black_hole(true)) as fn(&Proxy),
            (|proxy| proxy.black_hole(false)) as fn(&Proxy),
        ),
        (
            |proxy| {
                proxy.refuse();
                proxy.cut();
            },
            Proxy::accept,
        ),
    ] {
        broken(&proxy);
        let changed = writer.change().await;
        ours.acknowledged(changed).await;
        assert_eq!(ours.version().await.unwrap(), changed);
        let refused = theirs.version().await.unwrap_err().to_string();
        assert!(refused.contains("the version of the policies is not known"), "{refused}");
        mended(&proxy);
        let known = loop {
            if let Ok(version) = theirs.version().await {
                break version;
            }
        };
        assert_eq!(known, changed);
        ours.acknowledged(changed).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_stood_still_knows_of_the_change_when_it_goes_on() {
    let Some(database) = database() else { return };
    let writer = Writer::of(&database).await;
    let ours = lease(&database.url()).await;
    let (standing, stands) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let url = database.url();
    let other = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let lease = lease(&url).await;
            let before = lease.version().await.unwrap();
            standing.send(before).unwrap();
            // Nothing of this runtime moves meanwhile.
            may_go_on.recv().unwrap();
            lease.version().await.unwrap()
        })
    });
    assert_eq!(stands.recv().unwrap(), 0);
    let changed = writer.change().await;
    ours.acknowledged(changed).await;
    go_on.send(()).unwrap();
    assert_eq!(other.join().unwrap(), changed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_reader_goes_by_an_older_version_than_one_acknowledged_before_it_began() {
    let Some(database) = database() else { return };
    let (shaken, url) = proxy(&database);
    let urls = [database.url(), database.url(), url];
    let mut leases = Vec::new();
    for url in &urls {
        leases.push(Arc::new(lease(url).await));
    }
    let writer = Arc::new(Writer::of(&database).await);
    let acknowledged = Arc::new(AtomicU64::new(0));
    let done = Arc::new(AtomicBool::new(false));
    let mut readers = Vec::new();
    for reader in 0..12 {
        let (lease, acknowledged) = (Arc::clone(&leases[reader % 3]), Arc::clone(&acknowledged));
        let done = Arc::clone(&done);
        readers.push(tokio::spawn(async move {
            let (mut known, mut unknown) = (0_u64, 0_u64);
            while !done.load(Ordering::Acquire) {
                let before = acknowledged.load(Ordering::Acquire);
                match lease.version().await {
                    Ok(version) => {
                        assert!(version >= before, "{version} after {before} was acknowledged");
                        known += 1;
                    }
                    Err(_) => unknown += 1,
                }
                tokio::task::yield_now().await;
            }
            (known, unknown)
        }));
    }
    let mut writers = Vec::new();
    for number in 0..100 {
        let (lease, acknowledged) = (Arc::clone(&leases[number % 3]), Arc::clone(&acknowledged));
        let writer = Arc::clone(&writer);
        writers.push(async move {
            let changed = writer.change().await;
            lease.acknowledged(changed).await;
            acknowledged.fetch_max(changed, Ordering::AcqRel);
        });
    }
    let mut writers = writers.into_iter();
    for (number, fault) in [
        (|_: &Proxy| {}) as fn(&Proxy),
        Proxy::cut,
        |proxy: &Proxy| proxy.black_hole(true),
        |proxy: &Proxy| proxy.black_hole(false),
        |proxy: &Proxy| proxy.delay(std::time::Duration::from_millis(200)),
    ]
    .iter()
    .enumerate()
    {
        fault(&shaken);
        let together: Vec<_> = writers.by_ref().take(20).map(tokio::spawn).collect();
        for writer in together {
            writer.await.unwrap();
        }
        assert!(acknowledged.load(Ordering::Acquire) >= 20 * (number as u64 + 1));
    }
    done.store(true, Ordering::Release);
    for reader in readers {
        let (known, _) = reader.await.unwrap();
        assert!(known > 0);
    }
    assert_eq!(acknowledged.load(Ordering::Acquire), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_node_says_goodbye_and_decides_nothing() {
    let Some(database) = database() else { return };
    let (stays, goes) = (lease(&database.url()).await, lease(&database.url()).await);
    goes.close().await;
    assert_eq!(nodes(&database), 1);
    assert!(goes.version().await.is_err());
    goes.close().await;
    assert_eq!(stays.version().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_went_without_a_word_is_forgotten() {
    let Some(database) = database() else { return };
    let writer = Writer::of(&database).await;
    let stays = lease(&database.url()).await;
    database.rows("INSERT INTO node VALUES ('gone', 0, 7, clock_timestamp())");
    while nodes(&database) == 2 {
        let changed = writer.change().await;
        stays.acknowledged(changed).await;
        assert_eq!(stays.version().await.unwrap(), changed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_forgotten_makes_itself_known_before_it_decides() {
    let Some(database) = database() else { return };
    let writer = Writer::of(&database).await;
    let lease = lease(&database.url()).await;
    database.rows("DELETE FROM node");
    let changed = writer.change().await;
    assert_eq!(lease.newest().await.unwrap(), changed);
    assert_eq!(nodes(&database), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_version_comes_twice_though_the_database_went_back() {
    let Some(database) = database() else { return };
    let lease = lease(&database.url()).await;
    database.rows("UPDATE state SET policy_version = 10");
    assert_eq!(lease.newest().await.unwrap(), 10);
    database.rows("UPDATE state SET policy_version = 3");
    assert_eq!(lease.newest().await.unwrap(), 11);
    assert_eq!(database.rows("SELECT policy_version FROM state"), [[Some("11".to_owned())]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_on_a_database_without_our_tables_is_refused_with_the_reason() {
    let Some(database) = super::empty_database() else { return };
    let connector = Connector::parse(&database.url()).unwrap();
    let refused = Lease::start(connector).await.err().unwrap().to_string();
    assert!(refused.contains("relation \"node\" does not exist"), "{refused}");
}
