//! Permits that reach some rows: every read and write keeps to them.

use firewarden_access::{Reach, RowFilter};
use firewarden_fhir::search::{Criterion, SearchQuery};
use firewarden_fhir::{HistoryPage, Version};
use firewarden_store::{
    Change, HistoryMethod, HistoryRead, Matching, SearchPage, Store, Write, WriteError, Written,
};
use proptest::prelude::*;

use super::limited;
use super::matching::{Row, World};
use super::random::{linked, linking, row};
use super::searches::{ids, query};
use crate::opened::*;

const MALE: &str = r#"{"gender":"male"}"#;
const FEMALE: &str = r#"{"gender":"female"}"#;

fn inside(rows: &RowFilter, write: Write) -> Write {
    Write { rows: rows.clone(), ..write }
}

async fn read_in(store: &Store, on: &str, rows: &RowFilter) -> String {
    told_read(&store.read(&target(on), rows).await.unwrap())
}

async fn vread_in(store: &Store, on: &str, version: u64, rows: &RowFilter) -> String {
    told_read(&store.vread(&target(on), Version(version), rows).await.unwrap())
}

async fn told_one(store: &Store, one: Write) -> String {
    match write(store, vec![one]).await {
        Ok(written) => told(&written[0]),
        Err(error) => error.to_string(),
    }
}

/// Resources of every kind that rows may hide: `moved` was inside and is not, `came` is inside and
/// was not.
async fn with_patients(store: &Store) {
    for (milliseconds, writes) in [
        (1, vec![create("Patient/in", MALE), create("Patient/out", FEMALE)]),
        (2, vec![create("Patient/moved", MALE), create("Patient/came", FEMALE)]),
        (3, vec![put("Patient/moved", FEMALE), put("Patient/came", MALE)]),
        (4, vec![create("Patient/gone", MALE), create("Patient/gone-out", FEMALE)]),
        (5, vec![delete("Patient/gone"), delete("Patient/gone-out")]),
    ] {
        write_at(store, milliseconds, writes).await.unwrap();
    }
}

#[tokio::test]
async fn a_row_outside_reads_as_one_that_never_was() {
    let Opened { store, .. } = &open();
    with_patients(store).await;
    let rows = limited::rows(store, "Patient", "gender=male").await;
    for (on, current, first, second) in [
        ("in", "found 1", "found 1", "absent"),
        ("out", "absent", "absent", "absent"),
        ("moved", "absent", "found 1", "absent"),
        ("came", "found 2", "absent", "found 2"),
        ("gone", "deleted 2", "found 1", "deleted 2"),
        ("gone-out", "absent", "absent", "absent"),
        ("never", "absent", "absent", "absent"),
    ] {
        let on = format!("Patient/{on}");
        assert_eq!(read_in(store, &on, &rows).await, current, "{on}");
        assert_eq!(vread_in(store, &on, 1, &rows).await, first, "{on}");
        assert_eq!(vread_in(store, &on, 2, &rows).await, second, "{on}");
    }
    let all = ["in", "out", "moved", "came", "gone", "gone-out", "never"];
    let targets = all.iter().map(|id| target(&format!("Patient/{id}"))).collect();
    let read = store.read_many(targets, &rows).await.unwrap();
    let read: Vec<_> = read.iter().map(|stored| stored.target.id.as_str()).collect();
    assert_eq!(read, ["in", "came"]);
}

/// All pages of a history, each entry as `id version method`.
async fn history(store: &Store, of: impl Fn() -> HistoryRead, count: u32) -> Vec<String> {
    let mut page = HistoryPage { count, since: None, cursor: None, applied: Vec::new() };
    let mut told = Vec::new();
    loop {
        let read = store.history(of(), &page).await.unwrap();
        assert!(read.entries.len() <= count as usize);
        told.extend(read.entries.iter().map(|entry| {
            let method = match entry.method {
                HistoryMethod::Post => "post",
                HistoryMethod::Put => "put",
                HistoryMethod::Delete => "delete",
            };
            format!("{} {} {method}", entry.target.id, entry.version)
        }));
        let whole = page.cursor.is_none() && read.next.is_none();
        assert_eq!(read.total, whole.then_some(told.len() as u64));
        match read.next {
            Some(cursor) => page.cursor = Some(cursor),
            None => return told,
        }
    }
}

#[tokio::test]
async fn a_history_shows_each_version_that_was_inside() {
    let Opened { store, .. } = &open();
    with_patients(store).await;
    let rows = limited::rows(store, "Patient", "gender=male").await;
    for count in [1, 2, 9] {
        for (on, told) in [
            ("in", &["in 1 post"][..]),
            ("out", &[]),
            ("moved", &["moved 1 post"]),
            ("came", &["came 2 put"]),
            ("gone", &["gone 2 delete", "gone 1 post"]),
            ("gone-out", &[]),
        ] {
            let on = target(&format!("Patient/{on}"));
            let of = || HistoryRead::Instance(on.clone(), rows.clone());
            assert_eq!(history(store, of, count).await, told);
        }
        let told = ["gone 2 delete", "gone 1 post", "came 2 put", "moved 1 post", "in 1 post"];
        let patients = || (of("Patient"), rows.clone());
        for types in [vec![patients()], vec![patients(), (of("Group"), everything()), patients()]] {
            let of = || HistoryRead::Types(types.clone());
            assert_eq!(history(store, of, count).await, told);
        }
        let none = limited::rows(store, "Patient", "gender=other").await;
        for on in ["Patient/out", "Patient/never"] {
            let of = || HistoryRead::Instance(target(on), none.clone());
            assert_eq!(history(store, of, count).await, [""; 0]);
            let asked = HistoryPage { count: 0, since: None, cursor: None, applied: Vec::new() };
            assert_eq!(store.history(of(), &asked).await.unwrap().total, None);
        }
        let of = || HistoryRead::Types(vec![(of("Patient"), none.clone()), patients()]);
        assert_eq!(history(store, of, count).await, told);
    }
}

#[tokio::test]
async fn a_write_is_held_to_the_rows_before_and_after() {
    for (one, expected) in [
        (put("Patient/in", MALE), "updated 2"),
        (put("Patient/in", FEMALE), "write 0: outside the rows of the permit"),
        (put("Patient/out", MALE), "write 0: not there"),
        (put("Patient/moved", MALE), "write 0: not there"),
        (put("Patient/came", MALE), "updated 3"),
        (put("Patient/gone", MALE), "write 0: not there"),
        (put("Patient/never", MALE), "write 0: not there"),
        (put_with("Patient/out", MALE, version(9), vec![]), "write 0: not there"),
        (put_with("Patient/in", FEMALE, version(9), vec![]), "write 0: not the current version"),
        (create("Patient/new", MALE), "created 1"),
        (create("Patient/new", FEMALE), "write 0: outside the rows of the permit"),
        (create("Patient/in", FEMALE), "write 0: outside the rows of the permit"),
        (delete("Patient/in"), "deleted 2"),
        (delete("Patient/out"), "not there"),
        (delete("Patient/moved"), "not there"),
        (delete("Patient/gone"), "not there"),
        (delete("Patient/never"), "not there"),
        (
            Write { change: Change::Delete { if_match: version(9) }, ..delete("Patient/out") },
            "not there",
        ),
    ] {
        let Opened { store, .. } = &open();
        with_patients(store).await;
        let rows = limited::rows(store, "Patient", "gender=male").await;
        let on = one.target.to_string();
        let before = read(store, &on).await;
        assert_eq!(told_one(store, inside(&rows, one)).await, expected, "{on}");
        if expected.starts_with("write 0") || expected == "not there" {
            assert_eq!(read(store, &on).await, before, "{on}");
        }
    }
}

#[tokio::test]
async fn a_condition_finds_what_the_search_may_and_touches_what_the_write_may() {
    for (one, expected) in [
        (put("Patient/new", MALE), "write 0: outside the rows of the permit"),
        (delete("Patient/new"), "write 0: outside the rows of the permit"),
        (create("Patient/new", MALE), "found Patient/out"),
    ] {
        let Opened { store, .. } = &open();
        with_patients(store).await;
        let rows = limited::rows(store, "Patient", "gender=male").await;
        let visible = limited::search(store, query("Patient?_id=out"), "gender=female").await;
        let on = |search| Some(Matching { search, matches_max: 1, expected: None, id_sent: false });
        let told = told_one(store, Write { matching: on(visible), ..inside(&rows, one) }).await;
        assert_eq!(told, expected);
        // What the caller may not find does not match.
        let hidden = limited::search(store, query("Patient?_id=out"), "gender=male").await;
        let one = Write { matching: on(hidden), ..inside(&rows, create("Patient/new", MALE)) };
        assert_eq!(told_one(store, one).await, "created 1");
        assert_eq!(read(store, "Patient/out").await, "found 1");
    }
}

#[tokio::test]
async fn secrets_are_those_of_rows_inside() {
    let Opened { store, .. } = &open();
    for id in ["a", "b"] {
        let secret = zeroize::Zeroizing::new(id.as_bytes().to_vec());
        let secrets = vec![("/s".to_owned(), firewarden_store::SecretChange::Set(secret))];
        let on = format!("Patient/{id}");
        write(store, vec![put_with(&on, "{}", Default::default(), secrets)]).await.unwrap();
    }
    let rows = limited::rows(store, "Patient", "_id=a").await;
    for (on, count) in [("Patient/a", 1), ("Patient/b", 0), ("Patient/c", 0)] {
        let secrets = store.secrets(&target(on), &rows).await.unwrap();
        assert_eq!(secrets.len(), count, "{on}");
    }
}

#[tokio::test]
async fn totals_and_pages_show_nothing_of_what_is_outside() {
    let Opened { store, .. } = &open();
    with_patients(store).await;
    for (text, rows, total, matches, next) in [
        ("Patient?_count=1", "gender=male", None, 1, true),
        ("Patient?_count=2", "gender=male", Some(2), 2, false),
        ("Patient?_count=0", "gender=male", Some(2), 0, false),
        ("Patient?_count=1&_total=accurate", "gender=male", Some(2), 1, true),
        ("Patient?_count=0&gender=female", "gender=male", Some(0), 0, false),
        ("Patient?_count=0&_id=in,out,moved", "gender=male", Some(1), 0, false),
        ("Patient?_count=0", "gender:not=male", Some(2), 0, false),
        ("Patient?_count=0&gender=male", "_id=in,out", Some(1), 0, false),
        ("Patient?_count=0&_lastUpdated=gt2000", "gender=male", Some(2), 0, false),
    ] {
        let search = limited::search(store, query(text), rows).await;
        let SearchPage { matches: found, total: counted, next: cursor } =
            store.search(search).await.unwrap();
        assert_eq!((counted, found.len(), cursor.is_some()), (total, matches, next), "{text}");
    }
}

/// A type that is a predicate of the search is filtered inside that predicate.
#[tokio::test]
async fn a_chain_sees_only_the_rows_that_the_caller_may_search() {
    let Opened { store, .. } = &open();
    with_patients(store).await;
    for id in ["in", "out", "came", "gone", "never"] {
        let content = format!(r#"{{"status":"final","subject":{{"reference":"Patient/{id}"}}}}"#);
        write(store, vec![create(&format!("Observation/{id}"), &content)]).await.unwrap();
    }
    write(store, vec![create("Observation/none", "{}")]).await.unwrap();
    let permit = limited::permit(store, &[("Observation", "*"), ("Patient", "gender=male")]);
    let permit = permit.await.unwrap();
    for (text, found) in [
        ("Observation?subject:Patient.gender=male,female&_sort=_id", "came in"),
        ("Observation?subject:Patient.gender=female", ""),
        ("Observation?subject:Patient.gender:not=x&_sort=-_id", "in came"),
        // What is hidden, deleted or not there has no value to sort by.
        ("Observation?_sort=subject:Patient.gender,_id", "came in gone never none out"),
        ("Observation?_sort=-subject:Patient.gender,_id", "came in gone never none out"),
    ] {
        let page = store.search(permit.search(query(text)).await.unwrap()).await.unwrap();
        assert_eq!(ids(&page).join(" "), found, "{text}");
    }
    let permit = limited::permit(store, &[("Patient", "*"), ("Observation", "_id=in,never")]);
    let permit = permit.await.unwrap();
    let text = "Patient?_has:Observation:patient:status=final";
    let page = store.search(permit.search(query(text)).await.unwrap()).await.unwrap();
    assert_eq!(ids(&page), ["in"]);
}

/// A row that chains is judged against today's targets, and by what is before it in its request.
#[tokio::test]
async fn rows_that_chain_follow_what_they_are_linked_with() {
    let Opened { store, .. } = &open();
    let observation =
        |on: &str, of: &str| create(on, &format!(r#"{{"subject":{{"reference":"{of}"}}}}"#));
    let chain = limited::rows(store, "Observation", "subject:Patient.gender=male").await;
    let has = limited::rows(store, "Patient", "_has:Observation:patient:_id=o").await;
    let one = |rows: &RowFilter, one: Write| inside(rows, one);
    let refused = "write 0: outside the rows of the permit";
    assert_eq!(
        told_one(store, one(&chain, observation("Observation/o", "Patient/p"))).await,
        refused
    );
    let writes = vec![
        create("Patient/p", MALE),
        one(&chain, observation("Observation/o", "Patient/p")),
        one(&has, put("Patient/p", FEMALE)),
    ];
    write(store, writes).await.unwrap();
    assert_eq!(read_in(store, "Patient/p", &has).await, "found 2");
    assert_eq!(read_in(store, "Observation/o", &chain).await, "absent");
    write(store, vec![put("Patient/p", MALE)]).await.unwrap();
    assert_eq!(read_in(store, "Observation/o", &chain).await, "found 1");
    write(store, vec![delete("Patient/p")]).await.unwrap();
    assert_eq!(read_in(store, "Patient/p", &has).await, "deleted 4");
    assert_eq!(read_in(store, "Observation/o", &chain).await, "absent");
    write(store, vec![delete("Observation/o")]).await.unwrap();
    assert_eq!(read_in(store, "Patient/p", &has).await, "absent");
    // Of requests that may be committed together, a later one sees the earlier.
    let put_p = write(store, vec![put("Patient/p", FEMALE)]);
    let put_o =
        write(store, vec![put("Observation/o", r#"{"subject":{"reference":"Patient/p"}}"#)]);
    let judged = write(store, vec![one(&has, put("Patient/p", MALE))]);
    let (p, o, judged) = tokio::join!(put_p, put_o, judged);
    assert!(p.is_ok() && o.is_ok() && judged.is_ok(), "{judged:?}");
}

fn criteria(rows: &RowFilter) -> &[Criterion] {
    let Reach::Some(criteria) = rows.reach() else { panic!("{rows:?}") };
    criteria
}

/// A resource with its versions, as the model knows them: the first, the second, whether it was
/// deleted then.
struct Versions {
    on: String,
    first: Row,
    second: Row,
    gone: bool,
}

async fn written(store: &Store, resources: &[(String, bool)]) -> (World, Vec<Versions>) {
    let (mut world, mut all) = (World::default(), Vec::new());
    for (key, (json, gone)) in resources.iter().enumerate() {
        let name = if json.contains(r#""Observation""#) { "Observation" } else { "Patient" };
        let on = format!("{name}/r{key}");
        let of_type = |json: &&String| json.contains(&format!(r#""{name}""#));
        let mut others = resources.iter().map(|(json, _)| json).cycle().skip(key + 1);
        let other = others.find(of_type).unwrap();
        write(store, vec![create(&on, other), put(&on, json)]).await.unwrap();
        if *gone {
            write(store, vec![delete(&on)]).await.unwrap();
        }
        let second = row(name, key, json, at(0));
        if !gone {
            world.rows.push(second.clone());
        }
        let first = row(name, key, other, at(0));
        all.push(Versions { on, first, second, gone: *gone });
    }
    (world, all)
}

/// All pages of a search in rows.
async fn search_in(store: &Store, name: &str, texts: &[(&str, &str)]) -> Vec<String> {
    let permit = limited::permit(store, texts).await.unwrap();
    let mut asked = SearchQuery { count: 5, ..SearchQuery::all(of(name)) };
    let mut found = Vec::new();
    loop {
        let page = store.search(permit.search(asked.clone()).await.unwrap()).await.unwrap();
        found.extend(ids(&page));
        match page.next {
            Some(cursor) => asked.cursor = Some(cursor),
            None => return found,
        }
    }
}

/// Whether each version of each resource reads as the model says, and the search finds the same.
async fn check_reads(
    store: &Store,
    (world, all): (&World, &[Versions]),
    (name, texts): (&str, &[(&str, &str)]),
) {
    let Some(permit) = limited::permit(store, texts).await else { panic!("{texts:?}") };
    let rows = permit.of(of(name)).await;
    let mut visible = Vec::new();
    for Versions { on, first, second, gone } in all.iter().filter(|all| all.on.starts_with(name)) {
        let is_inside = |row: &Row| world.all_hold(row, criteria(&rows));
        let told = |inside, told: &str| if inside { told.to_owned() } else { "absent".to_owned() };
        let current = if *gone { "deleted 3" } else { "found 2" };
        let (first, second) = (is_inside(first), is_inside(second));
        assert_eq!(read_in(store, on, &rows).await, told(second, current), "{on} {texts:?}");
        assert_eq!(vread_in(store, on, 1, &rows).await, told(first, "found 1"), "{on} {texts:?}");
        assert_eq!(vread_in(store, on, 2, &rows).await, told(second, "found 2"), "{on} {texts:?}");
        let read = store.read_many(vec![target(on)], &rows).await.unwrap();
        assert_eq!(read.len(), usize::from(second && !gone), "{on} {texts:?}");
        let shown = [first, second, second && *gone].into_iter().filter(|shown| *shown).count();
        let of = || HistoryRead::Instance(target(on), rows.clone());
        assert_eq!(history(store, of, 2).await.len(), shown, "{on} {texts:?}");
        if second && !gone {
            visible.push(target(on).id.to_string());
        }
    }
    assert_eq!(search_in(store, name, texts).await, visible, "{texts:?}");
}

/// Writes within the rows what the model lets through, and nothing else.
async fn check_writes(
    store: &Store,
    (mut world, mut all): (World, Vec<Versions>),
    (name, texts): (&str, &[(&str, &str)]),
    contents: &[String],
) {
    let rows = limited::permit(store, texts).await.unwrap().of(of(name)).await;
    for (step, json) in contents.iter().enumerate() {
        if !json.contains(&format!(r#""{name}""#)) {
            continue;
        }
        let count = all.len();
        let Some(at_index) =
            (0..count).map(|n| (n + step) % count).find(|n| all[*n].on.starts_with(name))
        else {
            return;
        };
        let Versions { on, second, gone, .. } = &mut all[at_index];
        let new = row(name, second.key, json, at(0));
        let before = !*gone && world.all_hold(second, criteria(&rows));
        let after = world.all_hold(&new, criteria(&rows));
        let written = write(store, vec![inside(&rows, put(on, json))]).await;
        match written.as_deref() {
            Ok([Written::Updated(_)]) => assert!(before && after, "{on} {json} {texts:?}"),
            Err(WriteError::NotThere { .. }) => assert!(!before, "{on} {json} {texts:?}"),
            Err(WriteError::OutsideRows { .. }) => {
                assert!(before && !after, "{on} {json} {texts:?}");
            }
            other => panic!("{other:?}"),
        }
        if written.is_ok() {
            *second = new.clone();
            let old = world.rows.iter_mut().find(|row| row.id == new.id).unwrap();
            *old = new;
        }
        if step % 3 == 0 {
            let inside_now = !*gone && world.all_hold(second, criteria(&rows));
            let deleted = write(store, vec![inside(&rows, delete(on))]).await.unwrap();
            let expected = matches!(deleted.as_slice(), [Written::Deleted(_)]);
            assert_eq!(expected, inside_now, "{on} {texts:?}");
            if expected {
                world.rows.retain(|row| row.id != second.id);
                *gone = true;
            }
        }
    }
}

fn row_texts(of: &'static str) -> impl Strategy<Value = Vec<String>> {
    let text = prop::collection::vec((0..3usize).prop_flat_map(move |d| linking(of, d)), 1..3)
        .prop_map(|criteria| criteria.join("&"));
    prop::collection::vec(text, 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, ..ProptestConfig::default() })]

    #[test]
    fn single_rows_and_sets_are_judged_alike(
        resources in prop::collection::vec((linked(), prop::bool::weighted(0.2)), 1..12),
        observations in prop::collection::vec(row_texts("Observation"), 4),
        patients in prop::collection::vec(row_texts("Patient"), 4),
        contents in prop::collection::vec(linked(), 12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let Opened { store, .. } = &open();
            let (world, all) = written(store, &resources).await;
            let texts = |name: &'static str, texts: &[Vec<String>]| -> Vec<Vec<(&'static str, String)>> {
                texts.iter().map(|t| t.iter().map(|t| (name, t.clone())).collect()).collect()
            };
            let filters = [texts("Observation", &observations), texts("Patient", &patients)].concat();
            let mut last = None;
            for filter in &filters {
                let filter: Vec<_> = filter.iter().map(|(name, text)| (*name, text.as_str())).collect();
                check_reads(store, (&world, &all), (filter[0].0, &filter)).await;
                last = Some(filter);
            }
            let last = last.unwrap();
            check_writes(store, (world, all), (last[0].0, &last), &contents).await;
        });
    }
}
