//! Everything moved from SQLite to PostgreSQL and back.

use firewarden_store::{Database, Dump, Store, StoreSettings};

use crate::moved::{move_all, taken};
use crate::opened::*;

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
