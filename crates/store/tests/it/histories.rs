//! Histories: every version, the newest first, inside the rows, page by page.

use firewarden_fhir::{HistoryPage, TimeRange};
use firewarden_store::{HistoryMethod, HistoryRead, Store, StoreError};

use crate::opened::*;

fn page(count: u32) -> HistoryPage {
    HistoryPage { count, since: None, cursor: None, applied: Vec::new() }
}

fn instance(on: &str) -> HistoryRead {
    HistoryRead::Instance(target(on), everything())
}

/// All pages, each entry as `Type/id version method`.
async fn walk(store: &Store, read: impl Fn() -> HistoryRead, first: HistoryPage) -> Vec<String> {
    let mut told = Vec::new();
    let mut next = first;
    loop {
        let page = store.history(read(), &next).await.unwrap();
        assert!(page.entries.len() <= next.count as usize);
        told.extend(page.entries.iter().map(|entry| {
            let method = match entry.method {
                HistoryMethod::Post => "post",
                HistoryMethod::Put => "put",
                HistoryMethod::Delete => "delete",
            };
            assert_eq!(entry.body.is_none(), entry.method == HistoryMethod::Delete);
            format!("{} {} {method}", entry.target, entry.version)
        }));
        match page.next {
            Some(cursor) => next.cursor = Some(cursor),
            None => return told,
        }
    }
}

async fn with_versions(store: &Store) {
    for (milliseconds, writes) in [
        (10, vec![create("Patient/a", "{}")]),
        (20, vec![create("Observation/o", "{}"), put("Patient/a", "{}")]),
        (30, vec![delete("Patient/a"), create("Patient/b", "{}")]),
        (40, vec![put("Patient/a", "{}")]),
    ] {
        write_at(store, milliseconds, writes).await.unwrap();
    }
}

#[tokio::test]
async fn an_instance_history_has_every_version() {
    let Opened { store, .. } = &open();
    with_versions(store).await;
    let all = ["Patient/a 4 put", "Patient/a 3 delete", "Patient/a 2 put", "Patient/a 1 post"];
    for count in 1..6 {
        assert_eq!(walk(store, || instance("Patient/a"), page(count)).await, all, "{count}");
    }
    let first = store.history(instance("Patient/a"), &page(1)).await.unwrap();
    assert_eq!(first.total, Some(4));
    let since = HistoryPage { since: Some(TimeRange::of_instant(at(30))), ..page(10) };
    assert_eq!(walk(store, || instance("Patient/a"), since).await, all[..2]);
    let none = store.history(instance("Patient/none"), &page(10)).await.unwrap();
    assert_eq!((none.entries.len(), none.total), (0, Some(0)));
}

#[tokio::test]
async fn histories_of_types_are_merged_by_time() {
    let Opened { store, .. } = &open();
    with_versions(store).await;
    let types = |names: &'static [&'static str]| {
        move || HistoryRead::Types(names.iter().map(|name| (of(name), everything())).collect())
    };
    let all = [
        "Patient/a 4 put",
        "Patient/b 1 post",
        "Patient/a 3 delete",
        "Observation/o 1 post",
        "Patient/a 2 put",
        "Patient/a 1 post",
    ];
    for count in 1..8 {
        let told = walk(store, types(&["Observation", "Patient", "Group"]), page(count)).await;
        assert_eq!(told, all, "{count}");
    }
    assert_eq!(walk(store, types(&["Observation"]), page(3)).await, all[3..4]);
    let since = HistoryPage { since: Some(TimeRange::of_instant(at(20))), ..page(2) };
    assert_eq!(walk(store, types(&["Observation", "Patient"]), since).await, all[..5]);
}

#[tokio::test]
async fn a_history_shows_nothing_outside_the_rows() {
    let Opened { store, .. } = &open();
    with_versions(store).await;
    let read = || HistoryRead::Instance(target("Patient/a"), nothing());
    assert_eq!(walk(store, read, page(10)).await, [""; 0]);
    let read =
        || HistoryRead::Types(vec![(of("Patient"), nothing()), (of("Observation"), everything())]);
    assert_eq!(walk(store, read, page(10)).await, ["Observation/o 1 post"]);
}

#[tokio::test]
async fn a_cursor_of_another_history_is_refused() {
    let Opened { store, .. } = &open();
    with_versions(store).await;
    let cursor = store.history(instance("Patient/a"), &page(1)).await.unwrap().next;
    let with = |cursor: Option<String>| HistoryPage { cursor, ..page(1) };
    for (read, cursor) in [
        (instance("Patient/b"), cursor.clone()),
        (HistoryRead::Types(vec![(of("Patient"), everything())]), cursor),
        (instance("Patient/a"), Some("nonsense".to_owned())),
        (instance("Patient/a"), Some(String::new())),
    ] {
        let refused = store.history(read, &with(cursor)).await;
        assert!(matches!(refused, Err(StoreError::BadCursor)));
    }
}

#[tokio::test]
async fn many_versions_page_in_order() {
    let Opened { store, .. } = &open();
    for _ in 0..20 {
        write(store, (0..25).map(|_| put("Patient/a", "{}")).collect()).await.unwrap();
    }
    let told = walk(store, || instance("Patient/a"), page(99)).await;
    let expected: Vec<_> = (2..=500).rev().map(|v| format!("Patient/a {v} put")).collect();
    assert_eq!(told[..499], expected);
    let types = || HistoryRead::Types(vec![(of("Patient"), everything())]);
    assert_eq!(walk(store, types, page(99)).await, told);
}
