//! Loading: what it writes is what requests write, whenever it is ended.

use std::path::Path;

use firewarden_access::SystemTask;
use firewarden_fhir::IfMatch;
use firewarden_fhir::search::SearchQuery;
use firewarden_store::{
    Change, Dump, FileKey, KeptVersion, LoadItem, LoadRefusal, Loaded, Loader, SecretChange, Store,
    Write,
};
use rusqlite::Connection;
use rusqlite::types::Value;

use crate::moved::{Taken, bring, move_all, taken};
use crate::opened::*;

const FILE: FileKey = [7; 32];

/// What is written, at different times: ids more than once, and values of every kind.
fn writes() -> Vec<Write> {
    let mut writes = Vec::new();
    for number in 0..40 {
        let id = number % 30;
        writes.push(put(
            &format!("Patient/p{id}"),
            &format!(
                r#"{{"resourceType":"Patient","identifier":[{{"system":"urn:s{}","value":"{number}"}}],
                "name":[{{"family":"F{}","given":["Änn","B\u0000"]}}],"birthDate":"19{:02}",
                "link":[{{"other":{{"reference":"Patient/p{}"}},"type":"seealso"}}]}}"#,
                number % 3,
                number % 7,
                number + 10,
                number % 5,
            ),
        ));
        writes.push(put(
            &format!("Observation/o{number}"),
            &format!(
                r#"{{"resourceType":"Observation","code":{{"coding":[{{"system":"http://loinc.org","code":"c{}"}}]}},
                "subject":{{"reference":"http://localhost/fhir/Patient/p{id}"}},
                "effectivePeriod":{{"start":"2020-01-0{}","end":"2021"}},
                "valueQuantity":{{"value":-{number}.5,"unit":"kg"}}}}"#,
                number % 4,
                number % 9 + 1,
            ),
        ));
        writes.push(put(
            &format!("RiskAssessment/r{number}"),
            &format!(r#"{{"resourceType":"RiskAssessment","prediction":[{{"probabilityDecimal":0.{number}}}]}}"#),
        ));
        writes.push(put(
            &format!("ValueSet/v{number}"),
            &format!(r#"{{"resourceType":"ValueSet","url":"http://v/{number}"}}"#),
        ));
    }
    writes
}

async fn requested(store: &Store) {
    for (milliseconds, one) in (0..).zip(writes()) {
        write_at(store, milliseconds, vec![one]).await.unwrap();
    }
}

async fn load(loader: &Loader, writes: impl Iterator<Item = (i64, Write)>, read: u64) {
    let prepared = writes.map(|(milliseconds, one)| {
        let rows = SystemTask::Import.rows(one.target.resource_type);
        let one = Write { rows, ..one };
        loader.prepare(LoadItem::Write(one, at(milliseconds))).map_err(|e| e.to_string()).unwrap()
    });
    let loaded = loader.commit(prepared.collect(), vec![(FILE, read)]).await.unwrap();
    assert!(loaded.iter().all(|one| matches!(one, Loaded::Created | Loaded::Updated)));
}

async fn loaded(store: &Store, batches: usize) {
    let mut loader = store.loader().await.unwrap();
    let all: Vec<_> = (0..).zip(writes()).collect();
    let size = all.len().div_ceil(batches);
    let mut all = all.into_iter().peekable();
    let mut read = 0;
    while all.peek().is_some() {
        read += size as u64;
        load(&loader, all.by_ref().take(size), read).await;
    }
    loader.build_index(|_, _| {}).await.unwrap();
    loader.forget(vec![FILE]).await.unwrap();
}

/// Every row of the tables, with the names of systems in the place of their numbers.
fn tables(folder: &Path) -> Vec<(String, Vec<Vec<Value>>)> {
    let connection = Connection::open(file(folder)).unwrap();
    let index = |name: &str| format!("SELECT * FROM {name} ORDER BY 1, 2, 3, 4, 5");
    let tokens = "SELECT type, parameter, t.code, resource, uri FROM token_index t
                  LEFT JOIN system s ON s.code = t.system ORDER BY 1, 2, 3, 4, 5";
    [
        "SELECT * FROM resource ORDER BY key".to_owned(),
        "SELECT key, version, type, updated, method, packed, body FROM history ORDER BY 1, 2"
            .to_owned(),
        "SELECT uri FROM system ORDER BY uri".to_owned(),
        "SELECT * FROM import_file".to_owned(),
        "SELECT index_unfinished FROM state".to_owned(),
        tokens.to_owned(),
        "SELECT * FROM string_index ORDER BY 1, 2, 3, 4".to_owned(),
        "SELECT * FROM uri_index ORDER BY 1, 2, 3, 4".to_owned(),
        index("reference_index"),
        index("date_index"),
        index("number_index"),
        index("quantity_index"),
    ]
    .into_iter()
    .map(|sql| {
        let mut statement = connection.prepare(&sql).unwrap();
        let columns = statement.column_count();
        let row = |row: &rusqlite::Row<'_>| (0..columns).map(|at| row.get(at)).collect();
        let rows = statement.query_map([], row).unwrap().map(Result::unwrap).collect();
        (sql, rows)
    })
    .collect()
}

fn assert_same(one: &Path, other: &Path) {
    for ((sql, one), (_, other)) in tables(one).into_iter().zip(tables(other)) {
        assert_eq!(one, other, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_writes_the_rows_that_requests_write() {
    let [by_request, staged, live] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let store = open_in(by_request.path()).unwrap();
    requested(&store).await;
    store.close().await.unwrap();
    for batches in [1, 7] {
        let staged = tempfile::tempdir().unwrap();
        let store = open_in(staged.path()).unwrap();
        assert!(store.loader().await.unwrap().is_staged());
        loaded(&store, batches).await;
        store.close().await.unwrap();
        assert_same(by_request.path(), staged.path());
    }
    // With something there, the index is written with the resources.
    for folder in [&staged, &live] {
        let store = open_in(folder.path()).unwrap();
        write(&store, vec![put("Group/g", r#"{"resourceType":"Group"}"#)]).await.unwrap();
        if folder.path() == live.path() {
            assert!(!store.loader().await.unwrap().is_staged());
            loaded(&store, 3).await;
        } else {
            requested(&store).await;
        }
        store.close().await.unwrap();
    }
    assert_same(staged.path(), live.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_ended_early_goes_on_and_nothing_is_served_before() {
    let [whole, ended] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let store = open_in(whole.path()).unwrap();
    loaded(&store, 1).await;
    store.close().await.unwrap();
    let all: Vec<_> = (0..).zip(writes()).collect();
    let store = open_in(ended.path()).unwrap();
    let loader = store.loader().await.unwrap();
    load(&loader, all.iter().take(50).map(again), 50).await;
    store.close().await.unwrap();
    let Err(refusal) = open_in(ended.path()) else { panic!("it was opened") };
    assert!(refusal.to_string().contains("an import is unfinished"), "{refusal}");
    let store = Store::open_to_load(settings(ended.path())).unwrap();
    let mut loader = store.loader().await.unwrap();
    assert!(loader.is_staged());
    assert_eq!((loader.items_read(&FILE), loader.items_read(&[0; 32])), (50, 0));
    load(&loader, all.iter().skip(50).map(again), all.len() as u64).await;
    loader.build_index(|_, _| {}).await.unwrap();
    assert!(!loader.is_staged());
    loader.forget(vec![FILE]).await.unwrap();
    store.close().await.unwrap();
    assert_same(whole.path(), ended.path());
    open_in(ended.path()).unwrap().close().await.unwrap();
}

fn again((milliseconds, one): &(i64, Write)) -> (i64, Write) {
    let Change::Put { resource, .. } = &one.change else { panic!() };
    let change =
        Change::Put { resource: resource.clone(), if_match: IfMatch::Any, secrets: Vec::new() };
    let (target, rows) = (one.target.clone(), one.rows.clone());
    (*milliseconds, Write { target, matching: None, rows, change })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_was_left_half_built_is_built_anew() {
    let [whole, again] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let last = || vec![(900, put("Patient/p1", r#"{"resourceType":"Patient"}"#))].into_iter();
    let store = open_in(whole.path()).unwrap();
    loaded(&store, 1).await;
    let mut loader = store.loader().await.unwrap();
    load(&loader, last(), 1).await;
    loader.build_index(|_, _| {}).await.unwrap();
    store.close().await.unwrap();
    let store = open_in(again.path()).unwrap();
    loaded(&store, 1).await;
    write(&store, vec![put("User/u", r#"{"data":{"sub":"u"}}"#)]).await.unwrap();
    store.close().await.unwrap();
    let unfinished = "UPDATE state SET index_unfinished = 1; DELETE FROM string_index";
    Connection::open(file(again.path())).unwrap().execute_batch(unfinished).unwrap();
    let store = Store::open_to_load(settings(again.path())).unwrap();
    let mut loader = store.loader().await.unwrap();
    // Rows of the version that is replaced are there, and nobody removes them one by one.
    load(&loader, last(), 1).await;
    loader.build_index(|_, _| {}).await.unwrap();
    write(&store, vec![delete("User/u")]).await.unwrap();
    store.close().await.unwrap();
    let of_user = "DELETE FROM history WHERE key = (SELECT key FROM resource WHERE id = 'u');
                   DELETE FROM resource WHERE id = 'u'";
    Connection::open(file(again.path())).unwrap().execute_batch(of_user).unwrap();
    assert_same(whole.path(), again.path());
}

async fn with_history(store: &Store) {
    for (milliseconds, writes) in [
        (1, vec![create("Patient/a", r#"{"resourceType":"Patient","active":true}"#)]),
        (2, vec![put("Patient/a", r#"{"resourceType":"Patient","birthDate":"2020"}"#)]),
        (3, vec![put("Patient/b", r#"{"resourceType":"Patient"}"#), delete("Patient/a")]),
        (4, vec![put("Patient/a", r#"{"resourceType":"Patient","gender":"male"}"#)]),
        (5, vec![delete("Patient/b")]),
    ] {
        write_at(store, milliseconds, writes).await.unwrap();
    }
    let secret = |text: &[u8]| {
        let secret = SecretChange::Set(zeroize::Zeroizing::new(text.to_vec()));
        put_with("Client/c", r#"{"secret":"***"}"#, IfMatch::Any, vec![("/secret".into(), secret)])
    };
    write_at(store, 6, vec![secret(b"one")]).await.unwrap();
    write_at(store, 7, vec![secret(b"two")]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_moved_keeps_ids_versions_history_and_secrets() {
    let (from, to) = (open(), open());
    with_history(&from.store).await;
    move_all(&from.store, &to.store).await;
    let all = taken(&from.store, Dump::History).await;
    assert_eq!(all.len(), 8);
    // Sealed anew they would differ: they are kept as they were.
    assert_eq!(taken(&to.store, Dump::History).await, all);
    assert_eq!(taken(&to.store, Dump::Current).await.len(), 2);
    let secrets = to.store.secrets(&target("Client/c"), &everything()).await.unwrap();
    assert_eq!(secrets[0].1.as_slice(), b"two");
    let men = SearchQuery::all(of("Patient"));
    let found = to.store.search(SystemTask::Import.search(men)).await.unwrap();
    assert_eq!(found.matches.len(), 1);
    // Again nothing changes.
    let loader = to.store.loader().await.unwrap();
    let told = bring(&loader, all.iter().map(Taken::kept).collect()).await;
    assert!(told.iter().all(|word| *word == "there"), "{told:?}");
    assert_eq!(taken(&to.store, Dump::History).await, all);
}

#[tokio::test]
async fn a_version_that_does_not_follow_is_refused() {
    let (from, to) = (open(), open());
    with_history(&from.store).await;
    let all = taken(&from.store, Dump::History).await;
    let of_a: Vec<&Taken> = all.iter().filter(|one| one.target == target("Patient/a")).collect();
    assert_eq!(of_a.len(), 4);
    write_at(&to.store, 9, vec![put("Patient/b", "{}")]).await.unwrap();
    let loader = to.store.loader().await.unwrap();
    let changed = |number: usize, change: &dyn Fn(&mut KeptVersion)| {
        let mut kept = of_a[number].kept();
        change(&mut kept);
        kept
    };
    for (kept, expected) in [
        (of_a[1].kept(), "other history"),
        (changed(0, &|kept| kept.resource = None), "other history"),
        (changed(0, &|kept| kept.rows = nothing()), "not of a type"),
        (of_a[0].kept(), "created"),
        (of_a[0].kept(), "there"),
        (changed(0, &|kept| kept.updated = at(77)), "other history"),
        (changed(0, &|kept| kept.method = firewarden_store::HistoryMethod::Put), "other history"),
        (of_a[2].kept(), "other history"),
        (changed(1, &|kept| kept.previous = Some(at(77))), "other history"),
        (changed(1, &|kept| kept.previous = None), "other history"),
        (changed(1, &|kept| kept.updated = at(0)), "other history"),
        (of_a[1].kept(), "updated"),
        (of_a[2].kept(), "updated"),
        (of_a[1].kept(), "there"),
    ] {
        assert_eq!(bring(&loader, vec![kept]).await, [expected]);
    }
    let of_b: Vec<_> = all.iter().filter(|one| one.target == target("Patient/b")).collect();
    let told = bring(&loader, of_b.iter().map(|one| one.kept()).collect()).await;
    assert_eq!(told, ["other history", "other history"]);
}

#[tokio::test]
async fn a_sealed_secret_counts_in_its_own_place_alone() {
    let (from, to) = (open(), open());
    with_history(&from.store).await;
    let all = taken(&from.store, Dump::Current).await;
    let client = all.iter().find(|one| one.target == target("Client/c")).unwrap();
    let loader = to.store.loader().await.unwrap();
    let mut other = client.kept();
    other.target = target("Client/d");
    assert_eq!(bring(&loader, vec![other]).await, ["not its secret"]);
    let mut damaged = client.kept();
    damaged.sealed[0].1[20] ^= 1;
    assert_eq!(bring(&loader, vec![damaged]).await, ["not its secret"]);
}

#[tokio::test]
async fn nothing_is_loaded_or_read_outside_of_rows() {
    let Opened { store, .. } = &open();
    write(store, vec![put("Patient/a", "{}")]).await.unwrap();
    let loader = store.loader().await.unwrap();
    let refused = loader.prepare(LoadItem::Write(outside(put("Patient/b", "{}")), at(0)));
    assert!(matches!(refused, Err(LoadRefusal::Type)));
    let types = vec![(of("Patient"), nothing())];
    let none = |_: &firewarden_store::Dumped<'_>| -> std::io::Result<()> { panic!("it was read") };
    store.dump(types, Dump::History, none).await.unwrap();
    let session = SystemTask::Export.rows(of("Session"));
    store.dump(vec![(of("Session"), session)], Dump::History, none).await.unwrap();
}

#[tokio::test]
async fn a_dump_ends_when_what_it_gives_is_not_taken() {
    let Opened { store, .. } = &open();
    write(store, vec![put("Patient/a", "{}")]).await.unwrap();
    let full = |_: &firewarden_store::Dumped<'_>| Err(std::io::Error::other("the disk is full"));
    let error = store.dump(vec![(of("Patient"), everything())], Dump::Current, full).await;
    assert_eq!(error.unwrap_err().to_string(), "the disk is full");
}
