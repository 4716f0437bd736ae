//! Which stored user a token speaks for.

use std::sync::atomic::Ordering;

use firewarden_fhir::{Id, Timestamp, Version};
use firewarden_identity::{Credentials, Introspector, Unauthenticated};
use serde_json::{Value, json};

use crate::world::{FakeDirectory, NOW_S, SHARED, World, merged, read, shared, shared_token};

/// The id of the user that a token of `shared` with these claims speaks for, `-` for none, or the
/// check that failed; `beside` says whether another introspector is active.
async fn user_of(introspector: Value, beside: bool, users: Value, claims: Value) -> String {
    let mut world = World::empty().await;
    let other = json!({
        "id": "other", "type": "jwt", "active": beside,
        "jwt": {"iss": "https://other.example.com", "secret": "other"},
    });
    world.trust(&[shared(introspector), other]);
    world.directory =
        FakeDirectory { users: users.as_array().unwrap().clone(), ..FakeDirectory::default() };
    match world.token(&shared_token(claims)).await {
        Ok(caller) => caller.user.map_or("-".into(), |user| user["id"].as_str().unwrap().into()),
        Err(refusal) => refusal.check().into(),
    }
}

#[tokio::test]
async fn a_user_is_found_by_id_then_identifier_then_data() {
    let by_identifier = json!({"id": "u2", "identifier": [{"system": SHARED, "value": "alice"}]});
    let by_data = json!({"id": "u3", "data": {"sub": "alice"}});
    for (users, expected) in [
        (json!([]), "-"),
        (json!([{"id": "alice"}, by_identifier, by_data]), "alice"),
        (json!([by_identifier, by_data]), "u2"),
        (json!([by_data]), "u3"),
        (json!([{"id": "Alice"}]), "-"),
        (json!([{"id": "u4", "identifier": [{"system": "https://x", "value": "alice"}]}]), "-"),
    ] {
        assert_eq!(user_of(json!({}), false, users.clone(), json!({})).await, expected, "{users}");
    }
}

#[tokio::test]
async fn several_users_are_no_user() {
    let identified =
        |id: &str| json!({"id": id, "identifier": [{"system": SHARED, "value": "alice"}]});
    let data = |id: &str, iss: &str| json!({"id": id, "data": {"sub": "alice", "iss": iss}});
    for (beside, users, expected) in [
        (false, json!([identified("a"), identified("b")]), "one-user"),
        (false, json!([data("a", SHARED), data("b", SHARED)]), "one-user"),
        (true, json!([data("a", SHARED), data("b", "https://other.example.com")]), "a"),
        (false, json!([{"id": "alice"}, identified("a"), identified("b")]), "alice"),
    ] {
        assert_eq!(user_of(json!({}), beside, users.clone(), json!({})).await, expected, "{users}");
    }
    let many: Vec<Value> = (0..16).map(|n| data(&format!("u{n}"), "https://x")).collect();
    assert_eq!(user_of(json!({}), true, json!(many), json!({})).await, "one-user");
}

#[tokio::test]
async fn one_provider_never_names_anothers_user() {
    let user = |more: Value| json!([merged(json!({"id": "alice"}), more)]);
    let elsewhere = "https://other.example.com";
    for (users, expected) in [
        (user(json!({})), "-"),
        (user(json!({"introspector": {"reference": "TokenIntrospector/shared"}})), "alice"),
        (user(json!({"introspector": "TokenIntrospector/shared"})), "alice"),
        (
            user(json!({"introspector": {"resourceType": "TokenIntrospector", "id": "shared"}})),
            "alice",
        ),
        (user(json!({"introspector": {"reference": "TokenIntrospector/other"}})), "-"),
        (user(json!({"introspector": {"reference": "shared"}})), "-"),
        (user(json!({"introspector": {"resourceType": "Client", "id": "shared"}})), "-"),
        (user(json!({"identifier": [{"system": SHARED, "value": "alice"}]})), "alice"),
        (user(json!({"identifier": [{"system": SHARED, "value": "bob"}]})), "-"),
        (user(json!({"identifier": [{"system": elsewhere, "value": "alice"}]})), "-"),
        (user(json!({"data": {"iss": SHARED}})), "alice"),
        (user(json!({"data": {"iss": SHARED, "sub": "bob"}})), "-"),
        (user(json!({"data": {"iss": elsewhere, "sub": "alice"}})), "-"),
        (
            user(json!({
                "introspector": {"reference": "TokenIntrospector/other"}, "data": {"iss": SHARED},
            })),
            "-",
        ),
    ] {
        assert_eq!(user_of(json!({}), true, users.clone(), json!({})).await, expected, "{users}");
    }
}

#[tokio::test]
async fn the_operator_may_vouch_that_subjects_are_ids() {
    let vouched = json!({"user": {"match": "id"}});
    let alice = json!([{"id": "alice"}]);
    assert_eq!(user_of(vouched.clone(), true, alice, json!({})).await, "alice");
    let by_data = json!([{"id": "u3", "data": {"sub": "alice"}}]);
    assert_eq!(user_of(vouched.clone(), true, by_data, json!({})).await, "-");
    let named = json!([{"id": "alice", "introspector": {"reference": "TokenIntrospector/other"}}]);
    assert_eq!(user_of(vouched, true, named, json!({})).await, "-");
}

#[tokio::test]
async fn the_operator_may_choose_the_claim() {
    let users = json!([{"id": "alice"}, {"id": "bob"}]);
    let by_claim = json!({"user": {"claim": "https://a.example/user"}});
    for (introspector, claims, expected) in [
        (json!({}), json!({"box_user": "bob"}), "bob"),
        (json!({}), json!({"sub": "(absent)"}), "-"),
        (by_claim.clone(), json!({"https://a.example/user": "bob", "box_user": "alice"}), "bob"),
        (by_claim.clone(), json!({}), "-"),
        (by_claim, json!({"https://a.example/user": 1}), "sub"),
    ] {
        let found = user_of(introspector, false, users.clone(), claims.clone()).await;
        assert_eq!(found, expected, "{claims}");
    }
}

#[tokio::test]
async fn a_client_or_a_path_is_never_a_user() {
    let users = json!([{"id": "alice"}]);
    for sub in ["root", "User/alice", "alice/", "../alice", "/alice"] {
        assert_eq!(
            user_of(json!({}), false, users.clone(), json!({"sub": sub})).await,
            "-",
            "{sub}"
        );
    }
}

#[tokio::test]
async fn an_inactive_user_cannot_act() {
    for (more, expected) in [
        (json!({"inactive": true}), "active-user"),
        (json!({"active": false}), "active-user"),
        (json!({"inactive": "true"}), "active-user"),
        (json!({"active": null}), "active-user"),
        (json!({"inactive": false, "active": true}), "alice"),
    ] {
        let users = json!([merged(json!({"id": "alice"}), more.clone())]);
        assert_eq!(user_of(json!({}), false, users, json!({})).await, expected, "{more}");
    }
}

#[tokio::test]
async fn a_remembered_token_of_a_user_who_became_inactive_is_refused() {
    let mut world = World::empty().await;
    world.trust(&[shared(json!({}))]);
    world.directory.users = vec![json!({"id": "alice"})];
    assert_eq!(world.outcome(&shared_token(json!({}))).await, "accepted");
    world.directory.users = vec![json!({"id": "alice", "inactive": true})];
    assert_eq!(world.outcome(&shared_token(json!({}))).await, "active-user");
}

#[tokio::test]
async fn a_caller_has_its_active_roles_in_order_and_no_secret() {
    let mut world = World::empty().await;
    world.trust(&[shared(json!({}))]);
    world.directory.users = vec![json!({"id": "alice", "password": "***", "data": {"a": 1}})];
    let role = |id: &str, more: Value| merged(json!({"id": id, "user": "User/alice"}), more);
    world.directory.roles = vec![
        role("z", json!({})),
        role("a", json!({"active": true})),
        role("b", json!({"active": false})),
        role("c", json!({"user": "User/bob"})),
    ];
    let caller = world.token(&shared_token(json!({}))).await.unwrap();
    assert_eq!(
        Value::Object((*caller.user.unwrap()).clone()),
        json!({"id": "alice", "data": {"a": 1}})
    );
    let roles: Vec<&str> = caller.roles.iter().map(|role| role["id"].as_str().unwrap()).collect();
    assert_eq!(roles, ["a", "z"]);
}

#[tokio::test]
async fn without_its_directory_nobody_is_anybody() {
    let mut world = World::new().await;
    world.directory.is_down = true;
    let refusal = world.token(&shared_token(json!({}))).await.unwrap_err();
    assert_eq!(refusal, Unauthenticated::DirectoryUnavailable { retry_after_s: 1 });
    assert_eq!(refusal.retry_after_s(), Some(1));
}

#[tokio::test]
async fn an_introspector_that_cannot_be_read_makes_no_other_the_only_one() {
    let mut world = World::empty().await;
    world.directory.users = vec![json!({"id": "alice"})];
    let user = async |world: &World| world.token(&shared_token(json!({}))).await.unwrap().user;
    world.identity.replace_introspectors(vec![read(&shared(json!({})), 1)]);
    assert!(user(&world).await.is_some());
    let broken = Introspector::unreadable(&Id::parse("broken").unwrap(), Version(1));
    world.identity.replace_introspectors(vec![read(&shared(json!({})), 1), broken]);
    assert!(user(&world).await.is_none());
}

#[tokio::test]
async fn two_introspectors_of_one_issuer_are_both_distrusted() {
    let world = World::empty().await;
    world.trust(&[shared(json!({})), shared(json!({"id": "twin"}))]);
    assert_eq!(world.outcome(&shared_token(json!({}))).await, "issuer");
    world.trust(&[shared(json!({})), shared(json!({"id": "twin", "active": false}))]);
    assert_eq!(world.outcome(&shared_token(json!({}))).await, "accepted");
}

/// The ids of a caller's user and roles, or the check that failed.
async fn found(world: &World, token: &str) -> String {
    let id = |content: &serde_json::Map<String, Value>| content["id"].as_str().unwrap().to_owned();
    match world.token(token).await {
        Ok(caller) => {
            let user = caller.user.as_deref().map(id);
            let roles = caller.roles.iter().map(|role| id(role.as_ref()));
            user.into_iter().chain(roles).collect::<Vec<_>>().join(" ")
        }
        Err(refusal) => refusal.check().into(),
    }
}

#[tokio::test]
async fn a_remembered_caller_is_looked_for_again_once_the_directory_changes() {
    let mut world = World::empty().await;
    world.trust(&[shared(json!({}))]);
    let token = shared_token(json!({}));
    let alice = |more: Value| vec![merged(json!({"id": "alice"}), more)];
    let role = |more: Value| vec![merged(json!({"id": "r", "user": "User/alice"}), more)];
    let active = || json!({"active": true});
    let inactive = || json!({"active": false});
    for (version, users, roles, expected) in [
        (1, vec![], vec![], ""),
        (2, alice(json!({})), vec![], "alice"),
        (3, alice(json!({})), role(active()), "alice r"),
        (4, alice(json!({})), role(inactive()), "alice"),
        (5, alice(inactive()), role(active()), "active-user"),
        (6, alice(json!({"introspector": "TokenIntrospector/x"})), vec![], ""),
        (7, alice(active()), role(active()), "alice r"),
        (8, vec![], vec![], ""),
    ] {
        world.directory.version = Some(version);
        (world.directory.users, world.directory.roles) = (users, roles);
        for _ in 0..3 {
            assert_eq!(found(&world, &token).await, expected, "version {version}");
        }
    }
    // Each once, but for the one that is refused: that is not remembered.
    assert_eq!(world.directory.looked_up.load(Ordering::Relaxed), 7 + 3);
}

#[tokio::test]
async fn a_remembered_caller_goes_with_its_token() {
    let mut world = World::empty().await;
    world.directory.version = Some(1);
    world.directory.users = vec![json!({"id": "alice"})];
    world.trust(&[shared(json!({}))]);
    let token = shared_token(json!({}));
    assert_eq!(found(&world, &token).await, "alice");
    let header = format!("Bearer {token}");
    let credentials = Credentials::from_headers(&[header.as_bytes()]);
    for (at_s, is_accepted) in [(NOW_S + 59, true), (NOW_S + 60, false)] {
        let now = Timestamp::from_second(at_s).unwrap();
        let caller = world.identity.authenticate(&credentials, &world.directory, now).await;
        assert_eq!(caller.is_ok(), is_accepted, "{at_s}");
    }
    // The user is bound to nobody, which is enough for the only introspector.
    let second = json!({"id": "b", "type": "jwt", "jwt": {"iss": "https://b", "secret": "b"}});
    world.trust(&[shared(json!({})), second]);
    assert_eq!(found(&world, &token).await, "");
    world.trust(&[shared(json!({"jwt": {"secret": "another secret of more than 32 bytes"}}))]);
    assert_eq!(found(&world, &token).await, "signature");
    world.trust(&[]);
    assert_eq!(found(&world, &token).await, "issuer");
}

#[tokio::test]
async fn nobody_is_remembered_where_a_user_is_to_be_made() {
    let mut world = World::empty().await;
    world.directory.version = Some(1);
    world.trust(&[shared(json!({"user": {"create": true}}))]);
    let token = shared_token(json!({}));
    let made = found(&world, &token).await;
    assert_eq!(made.len(), 36, "{made}");
    assert_eq!(found(&world, &token).await, made);
}

#[tokio::test]
async fn each_token_has_its_own_caller() {
    let mut world = World::empty().await;
    world.directory.version = Some(1);
    world.directory.users = vec![json!({"id": "alice"}), json!({"id": "bob"})];
    world.trust(&[shared(json!({}))]);
    for _ in 0..3 {
        for sub in ["alice", "bob", "carol"] {
            let expected = if sub == "carol" { "" } else { sub };
            assert_eq!(found(&world, &shared_token(json!({"sub": sub}))).await, expected);
        }
    }
}
