//! Nodes that start at the same moment on a new database.

use firewarden_store::{Store, StoreError};
use firewarden_testkit::postgres::Cluster;
use zeroize::Zeroizing;

use super::searches::{page, query};
use crate::opened::*;
use crate::place;

/// Opens the store with keys of those bytes, all at once.
async fn open_at_once(url: &str, keys: &[u8]) -> Vec<Result<Store, StoreError>> {
    let start = |key: u8| {
        let mut settings = place::settings(url);
        settings.secrets_key = Zeroizing::new([key; 32]);
        tokio::task::spawn_blocking(move || Store::open(settings))
    };
    let starting: Vec<_> = keys.iter().map(|key| start(*key)).collect();
    let mut started = Vec::new();
    for starting in starting {
        started.push(starting.await.unwrap());
    }
    started
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_start_at_once_are_nodes_of_one_database() {
    let Some(cluster) = Cluster::shared() else { return };
    let database = cluster.database();
    let nodes: Result<Vec<_>, _> =
        open_at_once(&database.url(), &[7; 4]).await.into_iter().collect();
    let nodes = nodes.unwrap();
    for (number, node) in nodes.iter().enumerate() {
        write(node, vec![put(&format!("Patient/p{number}"), "{}")]).await.unwrap();
    }
    for node in &nodes {
        assert_eq!(page(node, &query("Patient?_count=9")).await.matches.len(), 4);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_nodes_with_different_secrets_keys_those_with_one_of_them_start() {
    let Some(cluster) = Cluster::shared() else { return };
    let database = cluster.database();
    let keys = [1, 2, 1, 2];
    let started = open_at_once(&database.url(), &keys).await;
    let is_started: Vec<_> = started.iter().map(Result::is_ok).collect();
    assert!(is_started == [true, false, true, false] || is_started == [false, true, false, true]);
    for refused in started.into_iter().filter_map(Result::err) {
        assert!(refused.to_string().contains("is not the one this database was made with"));
    }
}
