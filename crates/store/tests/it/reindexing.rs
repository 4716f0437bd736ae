//! A program that selects other values than those that are stored: nothing is searched by half an
//! index, and in the end it is as if everything had been written by this program.

use std::path::Path;

use firewarden_access::SystemTask;
use firewarden_store::{
    JobEnd, JobGoes, JobLease, NewJob, ReindexStep, Store, StoreError, WriteError,
};

use crate::opened::*;
use crate::searches::{ids, page, query};

const PATIENTS: usize = 450;

fn raw(folder: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(file(folder)).unwrap()
}

fn patient(number: usize) -> String {
    let gender = if number.is_multiple_of(2) { "female" } else { "male" };
    format!(
        r#"{{"gender":"{gender}","birthDate":"19{:02}","name":[{{"family":"F{number}"}}],
            "identifier":[{{"system":"urn:{}","value":"{number}"}}]}}"#,
        number % 100,
        number % 3,
    )
}

/// A store with patients, some of them with several versions, some deleted; and a user.
async fn filled(folder: &Path) -> Store {
    let store = open_in(folder).unwrap();
    for first in (0..PATIENTS).step_by(50) {
        let writes = (first..first + 50).map(|n| put(&format!("Patient/p{n}"), &patient(n)));
        write(&store, writes.collect()).await.unwrap();
    }
    for number in 0..20 {
        let writes = vec![put(&format!("Patient/p{number}"), &patient(number + 1))];
        write_at(&store, 10, writes).await.unwrap();
    }
    write(&store, vec![delete("Patient/p7"), put("User/u", r#"{"identifier":[{"value":"u"}]}"#)])
        .await
        .unwrap();
    store
}

/// Makes the database one that an older program wrote, which selected something else.
fn age(folder: &Path, condition: &str) {
    let aged = raw(folder)
        .execute(&format!("UPDATE parameter SET extraction = 'older' WHERE {condition}"), [])
        .unwrap();
    assert!(aged > 0);
}

const GENDER: &str =
    "name = 'gender' AND type = (SELECT code FROM resource_type WHERE name = 'Patient')";

async fn search(store: &Store, text: &str) -> Result<usize, StoreError> {
    let mut query = query(text);
    query.count = 1_000;
    store.search(SystemTask::InitBundle.search(query)).await.map(|page| page.matches.len())
}

async fn taken(store: &Store, milliseconds: i64) -> JobLease {
    let new = NewJob { id: "r".into(), kind: "reindex".into(), settings: "{}".into() };
    store.queue_job(new, at(0)).await.unwrap();
    store.take_job("me", &["reindex"], at(milliseconds)).await.unwrap().unwrap()
}

/// Runs so many steps of the job; whether it is done.
async fn steps(store: &Store, lease: &JobLease, steps_max: usize) -> bool {
    let mut progress = lease.job.progress.clone();
    for _ in 0..steps_max {
        match store.reindex(lease, progress, at(0)).await.unwrap() {
            ReindexStep::Finished => return true,
            ReindexStep::Went(goes, further) => {
                assert_eq!(goes, JobGoes::On);
                assert!(further.total >= further.done, "{further:?}");
                progress = further;
            }
        }
    }
    false
}

/// Every table of values, as texts: with the names of parameters in the place of their numbers.
fn indexed(folder: &Path) -> Vec<String> {
    let connection = raw(folder);
    let mut found = Vec::new();
    for table in ["string", "token", "reference", "date", "number", "quantity", "uri"] {
        let of = format!("{table}_index");
        let names: Vec<String> = connection
            .prepare(&format!("SELECT name FROM pragma_table_info('{of}')"))
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .filter(|name: &String| !matches!(name.as_str(), "type" | "parameter"))
            .collect();
        let columns: Vec<_> = names.iter().map(|name| format!("quote(i.{name})")).collect();
        let sql = format!(
            "SELECT '{of} ' || i.type || ' ' || coalesce(p.name, 'nobody''s') || ' ' || {}
             FROM {of} AS i LEFT JOIN parameter AS p ON p.type = i.type AND p.code = i.parameter",
            columns.join(" || ' ' || ")
        );
        let mut statement = connection.prepare(&sql).unwrap();
        found.extend(statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap));
    }
    found.sort();
    found
}

#[tokio::test]
async fn while_values_are_missing_nothing_is_answered_by_them_and_everything_else_is() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await.close().await.unwrap();
    let before = indexed(folder.path());
    age(folder.path(), GENDER);
    let store = open_in(folder.path()).unwrap();
    let (types, generation) = store.unindexed().await.unwrap();
    assert_eq!((types, generation), (vec![of("Patient")], 2));
    for refused in [
        "Patient?gender=female",
        "Patient?gender:missing=true",
        "Patient?gender:not=female",
        "Patient?_sort=gender",
        "Observation?subject:Patient.gender=female",
        "Patient?link:Patient.gender=male",
    ] {
        assert!(matches!(search(&store, refused).await, Err(StoreError::NotIndexed)), "{refused}");
    }
    assert_eq!(search(&store, "Patient?name=f44").await.unwrap(), 11);
    assert_eq!(search(&store, "Patient").await.unwrap(), PATIENTS - 1);
    // What is written now has its values, and is not answered by them yet either.
    write(&store, vec![put("Patient/p1", &patient(2))]).await.unwrap();
    assert!(matches!(search(&store, "Patient?gender=female").await, Err(StoreError::NotIndexed)));

    let lease = taken(&store, 0).await;
    assert!(steps(&store, &lease, 100).await);
    store.end_job(lease, JobEnd::Done, at(0)).await.unwrap();
    assert_eq!(store.unindexed().await.unwrap().0, []);
    assert_eq!(search(&store, "Patient?gender=female").await.unwrap(), 224);
    assert_eq!(search(&store, "Patient?gender:missing=true").await.unwrap(), 0);
    write(&store, vec![put("Patient/p1", &patient(2))]).await.unwrap();
    store.close().await.unwrap();
    let after = indexed(folder.path());
    assert!(!after.iter().any(|row| row.contains("nobody's")));
    assert_eq!(before, after);
    let store = open_in(folder.path()).unwrap();
    assert_eq!(store.unindexed().await.unwrap(), (vec![], 2));
    assert_eq!(search(&store, "Patient?gender=female").await.unwrap(), 224);
}

#[tokio::test]
async fn a_job_goes_on_after_a_restart_and_begins_with_our_own_types() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await.close().await.unwrap();
    let before = indexed(folder.path());
    age(folder.path(), "1 = 1");
    let store = open_in(folder.path()).unwrap();
    assert_eq!(store.unindexed().await.unwrap().0, [of("User"), of("Patient")]);
    let lease = taken(&store, 0).await;
    // Two steps are the user's: its version, and that it is ready.
    assert!(!steps(&store, &lease, 3).await);
    assert_eq!(search(&store, "User?identifier=u").await.unwrap(), 1);
    assert!(matches!(search(&store, "Patient?name=f1").await, Err(StoreError::NotIndexed)));
    let done = store.job("r").await.unwrap().unwrap().progress.done;
    assert_eq!(done, 1 + 200);
    // Ended without a word: nobody else has the file, so nobody waits for the lease.
    drop(store);
    let store = loop {
        if let Ok(store) = open_in(folder.path()) {
            break store;
        }
        tokio::task::yield_now().await;
    };
    let again = store.take_job("me again", &["reindex"], at(1)).await.unwrap().unwrap();
    assert_eq!(again.job.progress.done, done);
    let lost = store.reindex(&lease, again.job.progress.clone(), at(1)).await.unwrap();
    assert!(matches!(lost, ReindexStep::Went(JobGoes::Lost, _)));
    assert!(steps(&store, &again, 100).await);
    let progress = store.job("r").await.unwrap().unwrap().progress;
    assert_eq!(progress.done, progress.total);
    store.close().await.unwrap();
    assert_eq!(before, indexed(folder.path()));
}

#[tokio::test]
async fn what_is_written_meanwhile_wins() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await.close().await.unwrap();
    age(folder.path(), "1 = 1");
    let store = open_in(folder.path()).unwrap();
    let lease = taken(&store, 0).await;
    let mut progress = lease.job.progress.clone();
    let mut round = 0;
    while let ReindexStep::Went(_, further) = store.reindex(&lease, progress, at(0)).await.unwrap()
    {
        progress = further;
        round += 1;
        // Before the job comes there, where it is, and where it was.
        for number in [3, 250, 449] {
            let content = patient(number + round);
            write(&store, vec![put(&format!("Patient/p{number}"), &content)]).await.unwrap();
        }
        let on = format!("Patient/p{}", 100 + round);
        write(&store, vec![delete(&on)]).await.unwrap();
        write(&store, vec![put(&on, &patient(100 + round))]).await.unwrap();
    }
    store.close().await.unwrap();
    let after = indexed(folder.path());
    // The same writes by a program that never selected anything else.
    let other = tempfile::tempdir().unwrap();
    let store = filled(other.path()).await;
    for round in 1..=round {
        for number in [3, 250, 449] {
            let content = patient(number + round);
            write(&store, vec![put(&format!("Patient/p{number}"), &content)]).await.unwrap();
        }
        let on = format!("Patient/p{}", 100 + round);
        write(&store, vec![delete(&on)]).await.unwrap();
        write(&store, vec![put(&on, &patient(100 + round))]).await.unwrap();
    }
    store.close().await.unwrap();
    assert_eq!(after, indexed(other.path()));
    // So are the values of superseded versions, but for the numbers of their parameters.
    let lengths = |folder: &Path| -> Vec<(String, i64, i64)> {
        let connection = raw(folder);
        let sql = "SELECT r.id, h.version, length(h.packed) FROM history AS h
                   JOIN resource AS r ON r.key = h.key WHERE h.packed IS NOT NULL
                   ORDER BY r.id, h.version";
        let mut statement = connection.prepare(sql).unwrap();
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        statement.query_map([], row).unwrap().map(Result::unwrap).collect()
    };
    let (one, other) = (lengths(folder.path()), lengths(other.path()));
    assert_eq!(one.len(), other.len());
    for (one, other) in one.iter().zip(&other) {
        assert_eq!((&one.0, one.1), (&other.0, other.1));
        assert!(one.2 >= other.2, "{one:?} {other:?}: no value is missing");
    }
}

#[tokio::test]
async fn a_write_whose_rows_cannot_be_judged_yet_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await.close().await.unwrap();
    age(folder.path(), GENDER);
    let store = open_in(folder.path()).unwrap();
    let search = SystemTask::InitBundle.search(query("Patient?gender=female"));
    let mut conditional = put("Patient/new", &patient(2));
    conditional.matching =
        Some(firewarden_store::Matching { search, matches_max: 1, expected: None, id_sent: false });
    let refused = write(&store, vec![conditional]).await;
    assert!(matches!(refused, Err(WriteError::NotIndexed { index: 0 })), "{refused:?}");
    assert_eq!(read(&store, "Patient/new").await, "absent");
}

#[tokio::test]
async fn an_empty_type_needs_no_job() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_in(folder.path()).unwrap();
    assert_eq!(store.unindexed().await.unwrap(), (vec![], 1));
    store.close().await.unwrap();
    age(folder.path(), "1 = 1");
    let store = open_in(folder.path()).unwrap();
    assert_eq!(store.unindexed().await.unwrap(), (vec![], 2));
    write(&store, vec![put("Patient/a", &patient(2))]).await.unwrap();
    assert_eq!(ids(&page(&store, &query("Patient?gender=female")).await), ["a"]);
}
