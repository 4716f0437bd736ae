//! Jobs and indexes where several nodes share a database.

use firewarden_access::SystemTask;
use firewarden_store::{
    JobEnd, JobGoes, JobState, NewJob, ReindexStep, Store, StoreError, WriteError,
};
use firewarden_testkit::postgres::{Cluster, Database};

use super::searches::{page, query};
use crate::opened::*;
use crate::place;

const JOBS: usize = 20;
const NODES: usize = 4;

/// A database, and a node on it; `None` where there is no PostgreSQL.
fn shared() -> Option<(Database, Store)> {
    let cluster = Cluster::shared()?;
    let database = cluster.database();
    let store = node(&database);
    Some((database, store))
}

fn node(database: &Database) -> Store {
    Store::open(place::settings(&database.url())).unwrap()
}

fn new(id: String) -> NewJob {
    NewJob { id, kind: "count".to_owned(), settings: "{}".to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_job_is_taken_by_one_of_many_nodes() {
    let Some((database, first)) = shared() else { return };
    for number in 0..JOBS {
        first.queue_job(new(number.to_string()), at(number as i64)).await.unwrap();
    }
    let nodes: Vec<Store> = (0..NODES).map(|_| node(&database)).collect();
    let running = nodes.into_iter().enumerate().map(|(number, store)| {
        tokio::spawn(async move {
            let mut taken = Vec::new();
            loop {
                match store.take_job(&format!("n{number}"), &["count"], at(100)).await {
                    Ok(Some(lease)) => {
                        taken.push(lease.job.id.clone());
                        // Others may be in the way of that, too.
                        while let Err(error) =
                            store.end_job(lease.clone(), JobEnd::Done, at(100)).await
                        {
                            assert!(matches!(error, WriteError::Busy), "{error}");
                        }
                    }
                    Ok(None) => return taken,
                    Err(WriteError::Busy) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        })
    });
    let mut taken = Vec::new();
    for running in running.collect::<Vec<_>>() {
        taken.extend(running.await.unwrap());
    }
    taken.sort_by_key(|id| id.parse::<usize>().unwrap());
    let expected: Vec<_> = (0..JOBS).map(|number| number.to_string()).collect();
    assert_eq!(taken, expected);
    let counts = first.job_counts().await.unwrap();
    assert_eq!(counts, [("count".to_owned(), JobState::Done, JOBS as u64)]);
}

async fn females(store: &Store) -> Result<usize, StoreError> {
    let query = query("Patient?gender=female");
    store.search(SystemTask::InitBundle.search(query)).await.map(|page| page.matches.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_another_index_takes_over_and_the_older_one_writes_no_more() {
    let Some((database, older)) = shared() else { return };
    let patient = |gender: &str| format!(r#"{{"gender":"{gender}","birthDate":"1990"}}"#);
    for number in 0..10 {
        let on = format!("Patient/p{number}");
        write(&older, vec![put(&on, &patient("female"))]).await.unwrap();
        write(&older, vec![put(&on, &patient("male")), put(&on, &patient("female"))])
            .await
            .unwrap();
    }
    assert_eq!(females(&older).await.unwrap(), 10);
    older.check().await.unwrap();
    database.rows(
        "UPDATE parameter SET extraction = 'older' WHERE name = 'gender'
         AND type = (SELECT code FROM resource_type WHERE name = 'Patient')",
    );
    let newer = node(&database);
    // What the older one would write now would never be found.
    let refused = write(&older, vec![put("Patient/x", &patient("female"))]).await;
    assert!(matches!(refused, Err(WriteError::Unavailable(_))), "{refused:?}");
    assert!(older.check().await.is_err());
    // Nor what has no value any more by the numbers that it knows: that would be everything.
    for text in
        ["Patient?gender:not=female", "Patient?gender:missing=true", "Patient?birthdate=1990"]
    {
        let found = older.search(SystemTask::InitBundle.search(query(text))).await;
        assert!(matches!(found, Err(StoreError::NotIndexed)), "{text}: {found:?}");
    }
    newer.check().await.unwrap();
    assert_eq!(newer.unindexed().await.unwrap().0, [of("Patient")]);
    assert!(matches!(females(&newer).await, Err(StoreError::NotIndexed)));
    write(&newer, vec![put("Patient/p3", &patient("female"))]).await.unwrap();

    let third = node(&database);
    newer.queue_job(new("r".to_owned()), at(0)).await.unwrap();
    let lease = third.take_job("third", &["count"], at(0)).await.unwrap().unwrap();
    assert!(newer.take_job("newer", &["count"], at(1)).await.unwrap().is_none());
    let mut progress = lease.job.progress.clone();
    while let ReindexStep::Went(goes, further) =
        third.reindex(&lease, progress.clone(), at(1)).await.unwrap()
    {
        assert_eq!(goes, JobGoes::On);
        progress = further;
    }
    assert_eq!((progress.done, progress.total), (10 + 21, 10 + 21));
    // Every node knows at once.
    for store in [&newer, &third] {
        assert_eq!(females(store).await.unwrap(), 10);
        assert_eq!(store.unindexed().await.unwrap().0, []);
    }
    assert_eq!(page(&newer, &query("Patient?birthdate=1990&_count=50")).await.matches.len(), 10);
    let rows = database.rows(
        "SELECT count(*) FROM token_index AS i WHERE NOT EXISTS
           (SELECT 1 FROM parameter AS p WHERE p.type = i.type AND p.code = i.parameter)",
    );
    assert_eq!(rows[0][0].as_deref(), Some("0"));
}
