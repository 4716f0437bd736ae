//! Writes on a condition: what the search finds in the transaction of the write decides.

use firewarden_access::SystemTask;
use firewarden_store::{Change, Matching, Store, Write, WriteError, Written};

use super::searches::query;
use crate::opened::*;

/// The write, on what that search finds.
pub(crate) fn when(search: &str, write: Write) -> Write {
    when_up_to(1, search, write)
}

fn when_up_to(matches_max: usize, search: &str, write: Write) -> Write {
    let search = SystemTask::InitBundle.search(query(search));
    Write {
        matching: Some(Matching { search, matches_max, expected: None, id_sent: false }),
        ..write
    }
}

fn expecting(on: &str, mut write: Write) -> Write {
    write.matching.as_mut().unwrap().expected = Some(target(on));
    write
}

const MALE: &str = r#"{"gender":"male"}"#;
const FEMALE: &str = r#"{"gender":"female"}"#;

async fn with_patients(store: &Store) {
    let writes = vec![
        create("Patient/m1", MALE),
        create("Patient/m2", MALE),
        create("Patient/f", FEMALE),
        create("Patient/gone", r#"{"gender":"other"}"#),
        delete("Patient/gone"),
    ];
    write(store, writes).await.unwrap();
}

async fn told_one(store: &Store, one: Write) -> String {
    match write(store, vec![one]).await {
        Ok(written) => told(&written[0]),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn the_matches_decide_what_is_written() {
    let new = "Patient/new";
    for (one, expected) in [
        (when("Patient?gender=female", create(new, FEMALE)), "found Patient/f"),
        (when("Patient?gender=male", create(new, MALE)), "write 0: several resources match"),
        (when("Patient?gender=other", create(new, MALE)), "created 1"),
        (when("Patient?gender=other", create("Patient/f", MALE)), "write 0: the id is taken"),
        (when("Patient?gender=female", put(new, MALE)), "updated 2"),
        (when("Patient?gender=male", put(new, MALE)), "write 0: several resources match"),
        (when("Patient?gender=other", put(new, MALE)), "created 1"),
        (when("Patient?gender=other", put("Patient/f", MALE)), "write 0: the id is taken"),
        (when("Patient?gender=female", delete(new)), "deleted Patient/f 2"),
        (when("Patient?gender=male", delete(new)), "write 0: several resources match"),
        (when_up_to(2, "Patient?gender=male", delete(new)), "deleted Patient/m1 2, Patient/m2 2"),
        (when_up_to(2, "Patient", delete(new)), "write 0: several resources match"),
        (when("Patient?gender=other", delete("Patient/f")), "not there"),
        (when_up_to(9, "Patient?gender=male", put(new, MALE)), "write 0: several resources match"),
    ] {
        let Opened { store, .. } = &open();
        with_patients(store).await;
        assert_eq!(told_one(store, one).await, expected);
    }
}

#[tokio::test]
async fn what_is_found_is_replaced_under_its_own_id_and_keeps_its_secrets() {
    let Opened { store, .. } = &open();
    let keep = |name: &str| (name.to_owned(), firewarden_store::SecretChange::Keep);
    let set = |name: &str, secret: &[u8]| {
        let secret = zeroize::Zeroizing::new(secret.to_vec());
        (name.to_owned(), firewarden_store::SecretChange::Set(secret))
    };
    let at = "Client/a";
    let secrets = vec![set("/x", b"one"), set("/y", b"two")];
    write(store, vec![put_with(at, "{}", Default::default(), secrets)]).await.unwrap();
    let secrets = vec![keep("/x"), set("/y", b"three")];
    let replaced = put_with("Client/new", r#"{"id":"sent"}"#, Default::default(), secrets);
    assert_eq!(told_one(store, when("Client?_id=a", replaced)).await, "updated 2");
    assert!(found(store, at).await.body.contains(r#""id":"a""#));
    assert_eq!(read(store, "Client/new").await, "absent");
    let secrets = store.secrets(&target(at), &everything()).await.unwrap();
    let secrets: Vec<_> = secrets.iter().map(|(at, s)| (at.as_str(), s.as_slice())).collect();
    assert_eq!(secrets, [("/x", &b"one"[..]), ("/y", b"three")]);
}

#[tokio::test]
async fn a_condition_sees_the_writes_before_it_in_its_request() {
    let Opened { store, .. } = &open();
    let on = "Patient?gender=male";
    let writes = vec![
        create("Patient/a", MALE),
        when(on, create("Patient/b", MALE)),
        put("Patient/a", FEMALE),
        when(on, create("Patient/c", MALE)),
        when("Patient?gender=female", delete("Patient/x")),
        when("Patient?gender=female", create("Patient/d", FEMALE)),
    ];
    let written = write(store, writes).await.unwrap();
    let told: Vec<_> = written.iter().map(told).collect();
    let expected =
        ["created 1", "found Patient/a", "updated 2", "created 1", "deleted Patient/a 3"];
    assert_eq!(told[..5], expected);
    assert_eq!(told[5], "created 1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_conditional_creations_at_once_one_creates() {
    let Opened { store, .. } = &open();
    let identifier = r#"{"identifier":[{"system":"urn:new","value":"1"}]}"#;
    let running: Vec<_> = (0..60)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                let on = format!("Patient/p{number}");
                let one = when("Patient?identifier=urn:new|1", create(&on, identifier));
                // One that is rolled back leaves nothing for the others to stumble on.
                let refused = create("Patient/p0", "{}");
                let more = if number % 3 == 1 { vec![refused] } else { Vec::new() };
                write(&store, [vec![one], more].into_iter().flatten().collect()).await
            })
        })
        .collect();
    let mut created = 0;
    for (number, outcome) in running.into_iter().enumerate() {
        match outcome.await.unwrap().as_deref() {
            Ok([Written::Created(_), ..]) => created += 1,
            Ok([Written::Found(_), ..]) | Err(WriteError::IdTaken { .. }) => {}
            other => panic!("{number}: {other:?}"),
        }
    }
    assert_eq!(created, 1);
    let all = super::searches::page(store, &query("Patient?identifier=urn:new|1")).await;
    assert_eq!(all.matches.len(), 1);
}

#[tokio::test]
async fn another_match_than_expected_is_refused() {
    let new = "Patient/new";
    let unexpected = "write 0: the condition leads to another resource";
    for (search, one, expected, told) in [
        ("Patient?gender=female", put(new, MALE), "Patient/f", "updated 2"),
        ("Patient?gender=female", put(new, MALE), new, unexpected),
        ("Patient?gender=female", create(new, MALE), "Patient/f", "found Patient/f"),
        ("Patient?gender=female", create(new, MALE), new, unexpected),
        ("Patient?gender=other", create(new, MALE), new, "created 1"),
        ("Patient?gender=other", create(new, MALE), "Patient/f", unexpected),
        ("Patient?gender=female", delete(new), "Patient/m1", unexpected),
    ] {
        let Opened { store, .. } = &open();
        with_patients(store).await;
        let one = expecting(expected, when(search, one));
        assert_eq!(told_one(store, one).await, told, "{search} {expected}");
    }
}

#[tokio::test]
async fn a_match_outside_the_rows_of_the_write_is_refused_before_anything_is_written() {
    let Opened { store, .. } = &open();
    with_patients(store).await;
    let female = "Patient?gender=female";
    for one in [
        when(female, outside(put("Patient/new", MALE))),
        when(female, outside(delete("Patient/new"))),
        when_up_to(3, "Patient", outside(delete("Patient/new"))),
        when("Patient?gender=other", outside(create("Patient/new", MALE))),
        when("Patient?gender=other", outside(put("Patient/new", MALE))),
    ] {
        assert_eq!(told_one(store, one).await, "write 0: outside the rows of the permit");
    }
    let hidden = SystemTask::KeepSessions.search(query(female));
    let matching =
        Some(Matching { search: hidden, matches_max: 1, expected: None, id_sent: false });
    let one = Write { matching, ..create("Patient/new", FEMALE) };
    assert_eq!(told_one(store, one).await, "created 1");
    assert_eq!(read(store, "Patient/f").await, "found 1");
}

#[tokio::test]
async fn a_conditional_update_is_held_to_its_version() {
    let Opened { store, .. } = &open();
    with_patients(store).await;
    let one = |number| {
        let one = put_with("Patient/new", FEMALE, version(number), Vec::new());
        when("Patient?gender=female", one)
    };
    assert_eq!(told_one(store, one(2)).await, "write 0: not the current version");
    assert_eq!(told_one(store, one(1)).await, "updated 2");
    let none = when("Patient?gender=other", put_with("Patient/x", MALE, version(1), Vec::new()));
    assert_eq!(told_one(store, none).await, "write 0: not the current version");
    let change = Change::Delete { if_match: version(1) };
    let gone = when("Patient?gender=female", Write { change, ..delete("Patient/x") });
    assert_eq!(told_one(store, gone).await, "write 0: not the current version");
}

#[tokio::test]
async fn only_what_a_conditional_write_changes_makes_decisions_stale() {
    let Opened { store, .. } = &open();
    write(store, vec![create("User/u", "{}")]).await.unwrap();
    assert_eq!(store.policy_version().await.unwrap(), 1);
    for (one, version) in [
        (when("User?_id=u", create("User/new", "{}")), 1),
        (when("User?_id=none", delete("User/new")), 1),
        (when("User?_id=u", put("User/new", "{}")), 2),
        (when("User?_id=u", delete("User/new")), 3),
    ] {
        write(store, vec![one]).await.unwrap();
        assert_eq!(store.policy_version().await.unwrap(), version);
    }
}
