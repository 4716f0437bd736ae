//! Writes and point reads: all or none, in order, inside the rows.

use firewarden_fhir::Version;
use firewarden_store::{Read, Store, Write, WriteError, WriteRequest, Written};

use crate::opened::*;

async fn told_writes(store: &Store, writes: Vec<Write>) -> Vec<String> {
    write(store, writes).await.unwrap().iter().map(told).collect()
}

#[tokio::test]
async fn versions_count_from_one_and_survive_deletion() {
    let Opened { store, .. } = &open();
    for (step, written, then) in [
        (delete("Patient/a"), "not there", "absent"),
        (create("Patient/a", "{}"), "created 1", "found 1"),
        (put("Patient/a", r#"{"active":true}"#), "updated 2", "found 2"),
        (delete("Patient/a"), "deleted 3", "deleted 3"),
        (delete("Patient/a"), "not there", "deleted 3"),
        (put("Patient/a", "{}"), "created 4", "found 4"),
        (put("Patient/b", "{}"), "created 1", "found 4"),
        (put("Patient/a", "{}"), "updated 5", "found 5"),
    ] {
        assert_eq!(told_writes(store, vec![step]).await, [written]);
        assert_eq!(read(store, "Patient/a").await, then);
    }
    for (version, expected) in [
        (0, "absent"),
        (1, "found 1"),
        (2, "found 2"),
        (3, "deleted 3"),
        (5, "found 5"),
        (6, "absent"),
        (u64::MAX, "absent"),
    ] {
        let read = store.vread(&target("Patient/a"), Version(version), &everything()).await;
        assert_eq!(told_read(&read.unwrap()), expected, "version {version}");
    }
}

#[tokio::test]
async fn a_body_is_stored_as_it_is_served() {
    let Opened { store, .. } = &open();
    let content = r#"{"birthDate":"1990","meta":{"tag":[{"code":"x"}]},"n":1.00}"#;
    let written = write(store, vec![create("Patient/a", content)]).await.unwrap();
    let [Written::Created(stored)] = written.as_slice() else { panic!("{written:?}") };
    let body = r#"{"resourceType":"Patient","id":"a","meta":{"versionId":"1","lastUpdated":"2023-11-14T22:13:20.000Z","tag":[{"code":"x"}]},"birthDate":"1990","n":1.00}"#;
    assert_eq!(&*stored.body, body);
    assert_eq!(&*found(store, "Patient/a").await.body, body);
}

#[tokio::test]
async fn a_request_is_done_whole_or_not_at_all() {
    let Opened { store, .. } = &open();
    write(store, vec![create("Patient/taken", "{}")]).await.unwrap();
    let before = || vec![create("Patient/new", "{}"), put("Patient/taken", "{}")];
    for (last, told) in [
        (create("Patient/taken", "{}"), "write 2: the id is taken"),
        (put_with("Patient/taken", "{}", version(1), vec![]), "write 2: not the current version"),
        (outside(create("Patient/x", "{}")), "write 2: outside the rows of the permit"),
        (outside(put("Patient/taken", "{}")), "write 2: not there"),
    ] {
        let mut writes = before();
        writes.push(last);
        assert_eq!(write(store, writes).await.unwrap_err().to_string(), told);
        assert_eq!(read(store, "Patient/new").await, "absent", "{told}");
        assert_eq!(read(store, "Patient/taken").await, "found 1", "{told}");
    }
    let done = write(store, before()).await.unwrap();
    assert_eq!(
        done.iter().map(crate::opened::told).collect::<Vec<_>>(),
        ["created 1", "updated 2"]
    );
}

#[tokio::test]
async fn an_id_is_free_only_if_it_was_never_used() {
    let Opened { store, .. } = &open();
    write(store, vec![create("Patient/a", "{}"), delete("Patient/a")]).await.unwrap();
    let again = write(store, vec![create("Patient/a", "{}")]).await;
    assert!(matches!(again, Err(WriteError::IdTaken { index: 0 })));
    assert_eq!(told_writes(store, vec![create("Group/a", "{}")]).await, ["created 1"]);
}

#[tokio::test]
async fn a_condition_names_the_current_version() {
    let Opened { store, .. } = &open();
    let with = |number| put_with("Patient/a", "{}", version(number), vec![]);
    let conflict = |outcome| matches!(outcome, Err(WriteError::VersionConflict { index: 0 }));
    assert!(conflict(write(store, vec![with(1)]).await));
    write(store, vec![create("Patient/a", "{}")]).await.unwrap();
    assert!(conflict(write(store, vec![with(2)]).await));
    assert_eq!(told_writes(store, vec![with(1)]).await, ["updated 2"]);
    let delete_with = |number| Write {
        change: firewarden_store::Change::Delete { if_match: version(number) },
        ..delete("Patient/a")
    };
    assert!(conflict(write(store, vec![delete_with(1)]).await));
    assert_eq!(told_writes(store, vec![delete_with(2)]).await, ["deleted 3"]);
}

#[tokio::test]
async fn outside_the_rows_nothing_is_there() {
    let Opened { store, .. } = &open();
    write(store, vec![create("Patient/a", "{}"), put("Patient/a", "{}")]).await.unwrap();
    write(store, vec![create("Patient/gone", "{}"), delete("Patient/gone")]).await.unwrap();
    for on in ["Patient/a", "Patient/gone", "Patient/never"] {
        let read = store.read(&target(on), &nothing()).await.unwrap();
        assert!(matches!(read, Read::Absent), "{on}");
        let read = store.vread(&target(on), Version(1), &nothing()).await.unwrap();
        assert!(matches!(read, Read::Absent), "{on}");
        assert_eq!(told_writes(store, vec![outside(delete(on))]).await, ["not there"], "{on}");
        let put = write(store, vec![outside(put(on, "{}"))]).await;
        assert!(matches!(put, Err(WriteError::NotThere { index: 0 })), "{on}");
        let create = write(store, vec![outside(create(on, "{}"))]).await;
        assert!(matches!(create, Err(WriteError::OutsideRows { index: 0 })), "{on}");
    }
    assert_eq!(read(store, "Patient/a").await, "found 2");
}

#[tokio::test]
async fn the_time_of_a_version_never_goes_back() {
    let Opened { store, .. } = &open();
    write_at(store, 5_000, vec![create("Patient/a", "{}")]).await.unwrap();
    write_at(store, 1_000, vec![put("Patient/a", "{}")]).await.unwrap();
    assert_eq!(found(store, "Patient/a").await.updated, at(5_000));
    write_at(store, 6_000, vec![put("Patient/a", "{}")]).await.unwrap();
    assert_eq!(found(store, "Patient/a").await.updated, at(6_000));
}

#[tokio::test]
async fn a_change_of_our_own_types_makes_older_decisions_stale() {
    let Opened { store, .. } = &open();
    let decided_on = |version, writes| {
        store.write(WriteRequest { policy_version: Some(version), now: at(0), writes })
    };
    assert_eq!(store.policy_version().await.unwrap(), 0);
    decided_on(0, vec![create("Patient/a", "{}")]).await.unwrap();
    assert_eq!(store.policy_version().await.unwrap(), 0);
    decided_on(0, vec![put("AccessPolicy/p", "{}"), put("User/u", "{}")]).await.unwrap();
    assert_eq!(store.policy_version().await.unwrap(), 1);
    let stale = decided_on(0, vec![put("Patient/a", "{}")]).await;
    assert!(matches!(stale, Err(WriteError::StaleDecision)));
    assert_eq!(read(store, "Patient/a").await, "found 1");
    decided_on(1, vec![delete("AccessPolicy/none")]).await.unwrap();
    assert_eq!(store.policy_version().await.unwrap(), 1);
    decided_on(1, vec![delete("AccessPolicy/p")]).await.unwrap();
    assert_eq!(store.policy_version().await.unwrap(), 2);
    write(store, vec![put("Patient/a", "{}")]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_writes_decided_together_only_those_before_the_policy_change_count() {
    let Opened { store, .. } = &open();
    let mut running = Vec::new();
    for number in 0..60 {
        let store = store.clone();
        let on =
            if number == 30 { "AccessPolicy/p".to_owned() } else { format!("Patient/p{number}") };
        running.push(tokio::spawn(async move {
            let writes = vec![create(&on, "{}")];
            store.write(WriteRequest { policy_version: Some(0), now: at(0), writes }).await
        }));
    }
    let (mut done, mut stale) = (0, 0);
    for outcome in running {
        match outcome.await.unwrap() {
            Ok(_) => done += 1,
            Err(WriteError::StaleDecision) => stale += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!((done + stale, store.policy_version().await.unwrap()), (60, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_requests_committed_together_each_has_its_own_fate() {
    let Opened { store, .. } = &open();
    write(store, vec![create("Patient/taken", "{}")]).await.unwrap();
    let running: Vec<_> = (0..50)
        .map(|number| {
            let store = store.clone();
            let last = if number % 2 == 0 {
                format!("Patient/last{number}")
            } else {
                "Patient/taken".to_owned()
            };
            tokio::spawn(async move {
                let first = create(&format!("Patient/first{number}"), "{}");
                write(&store, vec![first, create(&last, "{}")]).await.is_ok()
            })
        })
        .collect();
    for (number, outcome) in running.into_iter().enumerate() {
        let even = number % 2 == 0;
        assert_eq!(outcome.await.unwrap(), even);
        let first = read(store, &format!("Patient/first{number}")).await;
        assert_eq!(first, if even { "found 1" } else { "absent" });
    }
}

#[tokio::test]
async fn a_write_whose_caller_left_is_done() {
    let Opened { store, .. } = &open();
    let writes =
        |count: usize| (0..count).map(move |n| create(&format!("Patient/c{count}n{n}"), "{}"));
    for count in [1, 100] {
        let mut left = Box::pin(write(store, writes(count).collect()));
        let polled = std::future::poll_fn(|task| {
            std::task::Poll::Ready(left.as_mut().poll(task).is_ready())
        });
        // Polled once, and dropped.
        let _ = polled.await;
        drop(left);
    }
    // The inline one was queued before this one; the prepared one is queued when it is ready.
    write(store, vec![create("Patient/z", "{}")]).await.unwrap();
    assert_eq!(read(store, "Patient/c1n0").await, "found 1");
    while read(store, "Patient/c100n99").await == "absent" {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_queue_of_writes_is_bounded() {
    let Opened { store, .. } = &open();
    let mut waiting = Vec::new();
    let mut busy = 0;
    // Each is queued at its first poll; the writer cannot keep up with this.
    for number in 0..firewarden_store::limits::WRITE_QUEUE_REQUESTS_MAX * 20 {
        let mut write =
            Box::pin(write(store, vec![put(&format!("Patient/p{}", number % 7), "{}")]));
        let polled = std::future::poll_fn(|task| std::task::Poll::Ready(write.as_mut().poll(task)));
        match polled.await {
            std::task::Poll::Ready(Err(WriteError::Busy)) => {
                busy += 1;
                break;
            }
            std::task::Poll::Ready(other) => drop(other.unwrap()),
            std::task::Poll::Pending => waiting.push(write),
        }
    }
    assert_eq!(busy, 1);
    for write in waiting {
        write.await.unwrap();
    }
}

#[tokio::test]
async fn several_resources_are_read_in_the_order_asked_for() {
    let Opened { store, .. } = &open();
    write(store, vec![create("Patient/a", "{}"), put("Patient/a", "{}")]).await.unwrap();
    write(store, vec![create("Patient/b", "{}"), create("Patient/c", "{}")]).await.unwrap();
    write(store, vec![delete("Patient/b")]).await.unwrap();
    let targets = ["Patient/c", "Patient/never", "Patient/b", "Patient/a"].map(target).to_vec();
    let read = store.read_many(targets.clone(), &everything()).await.unwrap();
    let read: Vec<_> = read.iter().map(|s| format!("{} {}", s.target, s.version)).collect();
    assert_eq!(read, ["Patient/c 1", "Patient/a 2"]);
    assert!(store.read_many(targets, &nothing()).await.unwrap().is_empty());
    let many = vec![target("Patient/a"); firewarden_store::limits::READ_TOGETHER_MAX + 1];
    let refused = store.read_many(many, &everything()).await;
    assert!(matches!(refused, Err(firewarden_store::StoreError::TooExpensive)));
}
