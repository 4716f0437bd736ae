//! Everything moved from SQLite to PostgreSQL and back.

use firewarden_store::{Database, Dump, Store, StoreSettings};

use crate::moved::{bring, move_all, taken};
use crate::opened::*;
use crate::place::open_two;

fn sqlite(folder: &std::path::Path) -> Store {
    let database = Database::Sqlite { path: folder.join("firewarden.db") };
    Store::open(StoreSettings { database, ..settings("postgres://nobody@localhost/unused") })
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_moved_to_the_other_database_and_back_is_the_same() {
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let [first, last] = [0, 1].map(|at| sqlite(folders[at].path()));
    let between = open().store;
    for (milliseconds, writes) in [
        (1, vec![create("Patient/a", r#"{"resourceType":"Patient","active":true}"#)]),
        (2, vec![put("Patient/a", r#"{"resourceType":"Patient","birthDate":"2020"}"#)]),
        (3, vec![put("Patient/b", r#"{"resourceType":"Patient"}"#), delete("Patient/a")]),
        (4, vec![put("Patient/a", r#"{"resourceType":"Patient","name":[{"family":"Ü\u0000"}]}"#)]),
        (5, vec![delete("Patient/b"), put("Role/r", r#"{"name":"x"}"#)]),
    ] {
        write_at(&first, milliseconds, writes).await.unwrap();
    }
    move_all(&first, &between).await;
    move_all(&between, &last).await;
    let all = taken(&first, Dump::History).await;
    assert_eq!(all.len(), 7);
    assert_eq!(taken(&between, Dump::History).await, all);
    assert_eq!(taken(&last, Dump::History).await, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_loaded_of_policies_is_acknowledged_when_every_node_goes_by_it() {
    let folder = tempfile::tempdir().unwrap();
    let from = sqlite(folder.path());
    let [loading, other] = open_two();
    let loader = loading.loader().await.unwrap();
    for round in 1..20 {
        let role = put(&format!("Role/r{round}"), r#"{"name":"x"}"#);
        write_at(&from, round, vec![role]).await.unwrap();
        let versions = taken(&from, Dump::History).await;
        let new = versions.iter().max_by_key(|version| version.updated).unwrap();
        let before = other.policy_version().await.unwrap();
        bring(&loader, vec![new.kept()]).await;
        assert!(other.policy_version().await.unwrap() > before, "round {round}");
    }
}
