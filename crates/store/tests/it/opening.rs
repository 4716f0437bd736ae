//! Opening and closing a database: one process, one key, a schema that is known.

use firewarden_store::{Database, Store, StoreSettings, WriteError};
use zeroize::Zeroizing;

use crate::opened::*;

/// Why it is not opened.
fn refusal(settings: StoreSettings) -> String {
    match Store::open(settings) {
        Ok(_) => panic!("it was opened"),
        Err(refusal) => refusal.to_string(),
    }
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    for round in 1..4u32 {
        let store = open_in(folder.path()).unwrap();
        assert_eq!(store.policy_version().await.unwrap(), u64::from(round) - 1);
        store.check().await.unwrap();
        let writes = vec![put("Patient/a", "{}"), put("Role/r", "{}")];
        write(&store, writes).await.unwrap();
        assert_eq!(read(&store, "Patient/a").await, format!("found {round}"));
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn nobody_else_on_the_machine_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let store = open_in(folder.path()).unwrap();
    write(&store, vec![put("Patient/a", "{}")]).await.unwrap();
    let data = folder.path().join("data");
    let files = std::fs::read_dir(&data).unwrap().map(|file| file.unwrap().path());
    let paths: Vec<_> = files.chain([data]).collect();
    assert!(paths.len() >= 4, "{paths:?}");
    for path in paths {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{path:?} {mode:o}");
    }
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_second_opening_is_refused_while_the_first_lasts() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_in(folder.path()).unwrap();
    let told = refusal(settings(folder.path()));
    assert!(told.ends_with("is open in another process"), "{told}");
    let elsewhere = tempfile::tempdir().unwrap();
    let path = file(folder.path());
    let link = elsewhere.path().join("link.db");
    std::os::unix::fs::symlink(path, &link).unwrap();
    let told = refusal(StoreSettings {
        database: Database::Sqlite { path: link },
        ..settings(folder.path())
    });
    assert!(told.ends_with("is open in another process"), "{told}");
    store.close().await.unwrap();
    open_in(folder.path()).unwrap();
}

#[tokio::test]
async fn a_closed_store_takes_no_writes() {
    let Opened { store, .. } = &open();
    store.close().await.unwrap();
    let refused = write(store, vec![put("Patient/a", "{}")]).await;
    assert!(matches!(refused, Err(WriteError::Unavailable(_))));
    assert!(store.check().await.is_err());
    assert!(store.close().await.is_err());
    assert_eq!(read(store, "Patient/a").await, "absent");
}

#[tokio::test]
async fn another_secrets_key_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    open_in(folder.path()).unwrap().close().await.unwrap();
    let other = StoreSettings { secrets_key: Zeroizing::new([8; 32]), ..settings(folder.path()) };
    let told = refusal(other);
    assert!(told.ends_with("the secrets key is not the one this database was made with"), "{told}");
    open_in(folder.path()).unwrap();
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    open_in(folder.path()).unwrap().close().await.unwrap();
    let raw = || rusqlite::Connection::open(file(folder.path())).unwrap();
    raw().pragma_update(None, "user_version", 99).unwrap();
    let told = refusal(settings(folder.path()));
    assert!(told.contains("the database has schema version 99"), "{told}");
    let version: i64 = raw().pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 99);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path());
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, "not a database, but long enough to look like a file".repeat(100))
        .unwrap();
    let told = refusal(settings(folder.path()));
    assert!(told.contains("not a database"), "{told}");
}

#[tokio::test]
async fn while_another_program_holds_the_database_writes_are_refused_and_reads_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_in(folder.path()).unwrap();
    write(&store, vec![put("Patient/a", "{}")]).await.unwrap();
    let other = rusqlite::Connection::open(file(folder.path())).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = write(&store, vec![put("Patient/a", "{}")]).await;
    assert!(matches!(refused, Err(WriteError::Unavailable(_))), "{refused:?}");
    assert_eq!(read(&store, "Patient/a").await, "found 1");
    other.execute_batch("ROLLBACK").unwrap();
    write(&store, vec![put("Patient/a", "{}")]).await.unwrap();
    assert_eq!(read(&store, "Patient/a").await, "found 2");
    store.check().await.unwrap();
}

#[tokio::test]
async fn the_number_of_readers_is_bounded_and_never_none() {
    for readers in [0, 100_000] {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(StoreSettings { readers, ..settings(folder.path()) }).unwrap();
        write(&store, vec![put("Patient/a", "{}")]).await.unwrap();
        assert_eq!(read(&store, "Patient/a").await, "found 1");
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn the_files_of_a_killed_server_are_taken_up_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_in(folder.path()).unwrap();
    for _ in 0..3 {
        write(&store, vec![put("Patient/a", "{}")]).await.unwrap();
    }
    // What is on the disk at this moment, log included, as a kill would leave it.
    let copy = tempfile::tempdir().unwrap();
    std::fs::create_dir(copy.path().join("data")).unwrap();
    for name in ["firewarden.db", "firewarden.db-wal"] {
        let from = folder.path().join("data").join(name);
        std::fs::copy(from, copy.path().join("data").join(name)).unwrap();
    }
    let store = open_in(copy.path()).unwrap();
    assert_eq!(read(&store, "Patient/a").await, "found 3");
    write(&store, vec![put("Patient/a", "{}")]).await.unwrap();
}
