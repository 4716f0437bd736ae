//! That a page ends when its bodies have so many bytes, however it is found, and nothing is lost.

use firewarden_access::{RowFilter, SystemTask};
use firewarden_fhir::search::{ParseSearch, TotalMode};
use firewarden_fhir::{Id, IfMatch, Resource, ResourceType, Timestamp};

use super::*;
use crate::{Change, Write};

const BASE_URL: &str = "http://localhost/fhir";
/// Each body has more than that, and less than twice that.
const BODY_BYTES: usize = 1_000;
const PATIENTS: usize = 7;

fn patient() -> ResourceType {
    ResourceType::parse("Patient").unwrap()
}

fn everything() -> RowFilter {
    SystemTask::InitBundle.rows(patient())
}

async fn put(engine: &Arc<Engine>, number: usize, milliseconds: i64) {
    let text = format!(
        r#"{{"birthDate":"19{:02}-01-01","active":true,"implicitRules":"urn:{}"}}"#,
        90 - number,
        "x".repeat(BODY_BYTES)
    );
    let content = firewarden_fhir::json::parse(text.as_bytes()).unwrap();
    let content = content.as_object().unwrap().clone();
    let resource = Resource { resource_type: patient(), content };
    let change = Change::Put { resource, if_match: IfMatch::Any, secrets: Vec::new() };
    let target = Target::new(patient(), Id::parse(&format!("p{number}")).unwrap());
    let write = Write { target, matching: None, rows: everything(), change };
    let now = Timestamp::from_millisecond(milliseconds).unwrap();
    let request = WriteRequest { policy_version: None, now, writes: vec![write] };
    engine.clone().write(request).await.unwrap();
}

/// Patients, of which the first has as many versions, on pages that end after so many bytes.
async fn with_patients(folder: &std::path::Path, page_body_bytes_max: usize) -> Arc<Engine> {
    let settings = StoreSettings {
        database: Database::Sqlite { path: folder.join("db") },
        base_url: BASE_URL.to_owned(),
        secrets_key: zeroize::Zeroizing::new([7; 32]),
        readers: 1,
    };
    let engine = Engine { page_body_bytes_max, ..Engine::open(settings, Index::Whole).unwrap() };
    let engine = Arc::new(engine);
    for number in 0..PATIENTS {
        put(&engine, number, number as i64).await;
    }
    for milliseconds in PATIENTS..2 * PATIENTS - 1 {
        put(&engine, 0, milliseconds as i64).await;
    }
    engine
}

/// The ids on each page of a search, and what totals are told.
async fn search_pages(engine: &Engine, text: &str) -> (Vec<Vec<String>>, Vec<Option<u64>>) {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    let pairs: Vec<_> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let now = Timestamp::UNIX_EPOCH;
    let parse = ParseSearch { base_url: BASE_URL, now, handling: Default::default() };
    let mut query = parse.read(patient(), &pairs).unwrap();
    assert!(query.total == TotalMode::None || text.contains("_total"));
    let (mut pages, mut totals) = (Vec::new(), Vec::new());
    loop {
        let page = engine.search(SystemTask::InitBundle.search(query.clone())).await.unwrap();
        pages.push(page.matches.iter().map(|stored| stored.target.id.to_string()).collect());
        totals.push(page.total);
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return (pages, totals),
        }
    }
}

fn sizes<T>(pages: &[Vec<T>]) -> Vec<usize> {
    pages.iter().map(Vec::len).collect()
}

/// Walked in the order of keys, walked in that of updates, by an index, gathered and put in order.
const SEARCHES: [&str; 5] = [
    "_count=100",
    "_count=100&_sort=-_lastUpdated",
    "_count=100&_sort=birthdate",
    "_count=100&active=true",
    "_count=100&active=true&_sort=_id",
];

#[tokio::test]
async fn a_page_of_matches_ends_after_so_many_bytes_and_none_is_lost() {
    for (bytes_max, expected) in [
        (1, vec![1; PATIENTS]),
        (BODY_BYTES + 500, vec![2, 2, 2, 1]),
        (PATIENTS * BODY_BYTES, vec![PATIENTS]),
        (usize::MAX, vec![PATIENTS]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let engine = with_patients(folder.path(), bytes_max).await;
        for text in SEARCHES {
            let (pages, totals) = search_pages(&engine, text).await;
            assert_eq!(sizes(&pages), expected, "{text}, {bytes_max} bytes");
            let mut all = pages.concat();
            all.sort();
            all.dedup();
            assert_eq!(all.len(), PATIENTS, "{text}");
            // Known for free only of a search that is one page.
            let whole = (expected.len() == 1).then_some(PATIENTS as u64);
            assert!(totals.iter().all(|total| *total == whole), "{text}: {totals:?}");
        }
        // What comes first is decided by the count where that is less.
        let (pages, _) = search_pages(&engine, "_count=1").await;
        assert_eq!(sizes(&pages), vec![1; PATIENTS]);
    }
}

#[tokio::test]
async fn a_page_that_ends_early_keeps_order_and_total() {
    let folder = tempfile::tempdir().unwrap();
    let engine = with_patients(folder.path(), 1).await;
    let (pages, totals) = search_pages(&engine, "_count=100&_sort=birthdate&_total=accurate").await;
    let youngest_last: Vec<_> = (0..PATIENTS).rev().map(|number| format!("p{number}")).collect();
    assert_eq!(pages.concat(), youngest_last);
    assert_eq!(totals, vec![Some(PATIENTS as u64); PATIENTS]);
}

#[tokio::test]
async fn a_page_of_a_history_ends_after_so_many_bytes_and_no_version_is_lost() {
    let first = Target::new(patient(), Id::parse("p0").unwrap());
    let all = PATIENTS * 2 - 1;
    for (bytes_max, of_one, of_type) in [
        (1, vec![1; PATIENTS], vec![1; all]),
        (BODY_BYTES + 500, vec![2, 2, 2, 1], vec![2, 2, 2, 2, 2, 2, 1]),
        (usize::MAX, vec![PATIENTS], vec![all]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let engine = with_patients(folder.path(), bytes_max).await;
        let instance = || HistoryRead::Instance(first.clone(), everything());
        let types = || HistoryRead::Types(vec![(patient(), everything())]);
        for (read, expected) in [(&instance as &dyn Fn() -> HistoryRead, of_one), (&types, of_type)]
        {
            let mut page =
                HistoryPage { count: 100, since: None, cursor: None, applied: Vec::new() };
            let mut pages: Vec<Vec<String>> = Vec::new();
            loop {
                let read = engine.history(read(), &page).await.unwrap();
                let told = read.entries.iter().map(|e| format!("{}/{}", e.target, e.version));
                pages.push(told.collect());
                match read.next {
                    Some(next) => page.cursor = Some(next),
                    None => break,
                }
            }
            assert_eq!(sizes(&pages), expected, "{bytes_max} bytes");
            let mut versions = pages.concat();
            versions.sort();
            versions.dedup();
            assert_eq!(versions.len(), expected.iter().sum::<usize>());
        }
    }
}
