//! Users found under the system of an identity provider, and providers that claim one system.

use firewarden_fhir::{Id, ResourceType, Target};
use firewarden_identity::{IdentityProvider, Introspector, give_systems, system_conflicts};
use serde_json::{Map, Value, json};

use crate::world::{FakeDirectory, SHARED, World, merged, read, shared, shared_token};

/// The system of the provider `p`.
const SYSTEM: &str = "urn:hospital:staff";
const ELSEWHERE: &str = "https://other.example.com";

fn provider(id: &str, system: Value) -> IdentityProvider {
    let content = json!({"system": system, "type": "OIDC"});
    IdentityProvider::read(&Id::parse(id).unwrap(), content.as_object().unwrap())
}

fn referring(to: &str) -> Value {
    json!({"identity_provider": {"reference": format!("IdentityProvider/{to}")}})
}

fn other(more: Value) -> Value {
    let secret = "another secret of more than 32 bytes";
    let jwt = json!({"iss": ELSEWHERE, "secret": secret});
    merged(json!({"id": "other", "type": "jwt", "jwt": jwt}), more)
}

/// What the introspectors are with the systems of these providers.
fn given(contents: &[Value], providers: &[IdentityProvider]) -> (Vec<Introspector>, Vec<String>) {
    let mut introspectors: Vec<_> = contents.iter().map(|content| read(content, 1)).collect();
    let disputed = give_systems(&mut introspectors, providers);
    (introspectors, disputed)
}

/// The id of the user that alice's token of `shared` speaks for, `-` for none, or what failed.
async fn user_of(contents: &[Value], providers: &[IdentityProvider], users: Value) -> String {
    let mut world = World::empty().await;
    world.identity.replace_introspectors(given(contents, providers).0);
    world.directory =
        FakeDirectory { users: users.as_array().unwrap().clone(), ..FakeDirectory::default() };
    match world.token(&shared_token(json!({}))).await {
        Ok(caller) => caller.user.map_or("-".into(), |user| user["id"].as_str().unwrap().into()),
        Err(refusal) => refusal.check().into(),
    }
}

fn identified(id: &str, systems: &[&str], value: &str) -> Value {
    let identifier: Vec<Value> =
        systems.iter().map(|system| json!({"system": system, "value": value})).collect();
    json!({"id": id, "identifier": identifier})
}

#[tokio::test]
async fn a_user_is_found_under_the_system_of_the_provider() {
    let staff = |value| json!([identified("u1", &[SYSTEM], value)]);
    let p = || [provider("p", json!(SYSTEM))];
    for (what, refers, providers, users, expected) in [
        ("its system", "p", &p()[..], staff("alice"), "u1"),
        ("another subject", "p", &p(), staff("bob"), "-"),
        ("no reference", "", &p(), staff("alice"), "-"),
        ("a reference to nothing", "q", &p(), staff("alice"), "-"),
        ("no system", "p", &[provider("p", json!(null))], staff("alice"), "-"),
        ("an empty system", "p", &[provider("p", json!(""))], staff("alice"), "-"),
        ("another system", "p", &[provider("p", json!("urn:x"))], staff("alice"), "-"),
        ("the issuer", "p", &p(), json!([identified("u1", &[SHARED], "alice")]), "u1"),
        ("both", "p", &p(), json!([identified("u1", &[SHARED, SYSTEM], "alice")]), "u1"),
        (
            "one user each",
            "p",
            &p(),
            json!([identified("u1", &[SHARED], "alice"), identified("u2", &[SYSTEM], "alice")]),
            "one-user",
        ),
        (
            "the system is no `data.iss`",
            "p",
            &p(),
            json!([{"id": "u1", "data": {"iss": SYSTEM, "sub": "alice"}}]),
            "-",
        ),
        (
            "a user of another introspector",
            "p",
            &p(),
            json!([merged(
                identified("u1", &[SYSTEM], "alice"),
                json!({"introspector": {"reference": "TokenIntrospector/other"}}),
            )]),
            "-",
        ),
    ] {
        let reference = if refers.is_empty() { json!({}) } else { referring(refers) };
        let found = user_of(&[shared(reference), other(json!({}))], providers, users).await;
        assert_eq!(found, expected, "{what}");
    }
}

#[tokio::test]
async fn no_provider_names_a_user_of_another_by_its_system() {
    let theirs = json!([identified("u1", &[ELSEWHERE], "alice")]);
    let ours = json!([identified("u1", &[SYSTEM], "alice")]);
    let (p, q) = (|of: &str| provider("p", json!(of)), |of: &str| provider("q", json!(of)));
    let inactive =
        json!({"active": false, "identity_provider": referring("q")["identity_provider"]});
    for (what, other_says, providers, users, expected) in [
        ("the issuer of another", json!({}), vec![p(ELSEWHERE)], &theirs, "-"),
        ("the system of another", referring("q"), vec![p(SYSTEM), q(SYSTEM)], &ours, "-"),
        (
            "another's issuer that is its system too",
            referring("q"),
            vec![p(ELSEWHERE), q(ELSEWHERE)],
            &theirs,
            "-",
        ),
        ("one provider for both", referring("p"), vec![p(SYSTEM)], &ours, "u1"),
        ("its issuer, one provider for both", referring("p"), vec![p(ELSEWHERE)], &theirs, "u1"),
        ("that of an inactive one", inactive, vec![p(SYSTEM), q(SYSTEM)], &ours, "u1"),
        ("a provider that nobody refers to", json!({}), vec![p(SYSTEM), q(SYSTEM)], &ours, "u1"),
    ] {
        let contents = [shared(referring("p")), other(other_says)];
        let (_, disputed) = given(&contents, &providers);
        assert_eq!(disputed.len(), usize::from(expected == "-"), "{what}: {disputed:?}");
        assert_eq!(user_of(&contents, &providers, users.clone()).await, expected, "{what}");
    }
}

#[tokio::test]
async fn a_disputed_system_still_counts_for_whose_issuer_it_is() {
    let users = json!([identified("u1", &[SHARED], "alice")]);
    let contents = [shared(json!({})), other(referring("p"))];
    let providers = [provider("p", json!(SHARED))];
    assert_eq!(user_of(&contents, &providers, users).await, "u1");
}

#[tokio::test]
async fn a_changed_system_counts_for_a_remembered_token() {
    let mut world = World::empty().await;
    let user = identified("u1", &[SYSTEM], "alice");
    world.directory = FakeDirectory { users: vec![user], ..FakeDirectory::default() };
    let contents = [shared(referring("p")), other(json!({}))];
    let token = shared_token(json!({}));
    for (system, expected) in [(SYSTEM, true), ("urn:x", false), (SYSTEM, true)] {
        let (introspectors, _) = given(&contents, &[provider("p", json!(system))]);
        world.identity.replace_introspectors(introspectors);
        for _ in 0..2 {
            let user = world.token(&token).await.unwrap().user;
            assert_eq!(user.is_some(), expected, "{system}");
        }
    }
}

#[tokio::test]
async fn a_user_that_has_the_system_is_not_made_again() {
    let creating = merged(referring("p"), json!({"user": {"create": true}}));
    for (value, expected) in [("alice", "u1"), ("bob", "made")] {
        let users = json!([identified("u1", &[SYSTEM], value)]);
        let providers = [provider("p", json!(SYSTEM))];
        let contents = [shared(creating.clone()), other(json!({}))];
        let found = user_of(&contents, &providers, users).await;
        assert_eq!(if found == "u1" { "u1" } else { "made" }, expected);
    }
}

type Written = (&'static str, &'static str, Option<Value>);

/// What a save of these beside the stored ones is told: its warnings, or its conflict.
fn told(stored: &[Value], providers: &[IdentityProvider], written: &[Written]) -> Vec<String> {
    let (stored, _) = given(stored, providers);
    let contents: Vec<(Target, Option<Map<String, Value>>)> = written
        .iter()
        .map(|(of, id, content)| {
            let of = ResourceType::parse(of).unwrap();
            let content = content.as_ref().map(|content| content.as_object().unwrap().clone());
            (Target::new(of, Id::parse(id).unwrap()), content)
        })
        .collect();
    let writes: Vec<_> =
        contents.iter().map(|(target, content)| (target, content.as_ref())).collect();
    let issues = match system_conflicts((&stored, providers), &writes) {
        Ok(warnings) => warnings,
        Err(conflict) => vec![conflict],
    };
    let told = |issue: &firewarden_fhir::Issue| {
        format!("{} {}", issue.code, issue.expression.as_deref().unwrap())
    };
    issues.iter().map(told).collect()
}

fn introspector(content: Value) -> Written {
    let id = if content["id"] == "shared" { "shared" } else { "other" };
    ("TokenIntrospector", id, Some(content))
}

fn saved(id: &'static str, system: &str) -> Written {
    ("IdentityProvider", id, Some(json!({"system": system})))
}

#[test]
fn a_save_that_would_dispute_a_system_is_refused() {
    let (ours, theirs) = (shared(json!({})), other(json!({})));
    let (ours_of_p, theirs_of_p) = (shared(referring("p")), other(referring("p")));
    let theirs_of_q = other(referring("q"));
    let p = |of: &str| vec![provider("p", json!(of))];
    for (what, stored, providers, written, expected) in [
        (
            "another's issuer",
            [&ours_of_p, &theirs],
            p(SYSTEM),
            vec![saved("p", ELSEWHERE)],
            "IdentityProvider.system",
        ),
        (
            "a reference to a provider with another's issuer",
            [&ours, &theirs],
            p(ELSEWHERE),
            vec![introspector(ours_of_p.clone())],
            "TokenIntrospector.identity_provider",
        ),
        (
            "an issuer that is another's system",
            [&ours_of_p, &theirs_of_p],
            p(ELSEWHERE),
            vec![introspector(theirs.clone())],
            "TokenIntrospector.jwt.iss",
        ),
        (
            "another provider of one system",
            [&ours_of_p, &theirs_of_q],
            p(SYSTEM),
            vec![saved("q", SYSTEM)],
            "IdentityProvider.system",
        ),
        (
            "two systems in one request",
            [&ours, &theirs],
            vec![],
            vec![
                saved("p", SYSTEM),
                saved("q", SYSTEM),
                introspector(ours_of_p.clone()),
                introspector(theirs_of_q.clone()),
            ],
            "IdentityProvider.system",
        ),
    ] {
        let told = told(&stored.map(Value::clone), &providers, &written);
        assert_eq!(told, [format!("conflict {expected}")], "{what}");
    }
}

#[test]
fn a_save_that_disputes_no_system_is_not() {
    const NO_SYSTEM: &str = "business-rule TokenIntrospector.identity_provider";
    let (ours, theirs) = (shared(json!({})), other(json!({})));
    let (ours_of_p, theirs_of_p) = (shared(referring("p")), other(referring("p")));
    let inactive = merged(ours_of_p.clone(), json!({"active": false}));
    let refers = || introspector(ours_of_p.clone());
    let p = |of: Value| vec![provider("p", of)];
    for (what, stored, providers, written, expected) in [
        ("a new system", [&ours_of_p, &theirs], vec![], vec![saved("p", SYSTEM)], ""),
        (
            "an inactive one",
            [&ours, &theirs],
            p(json!(ELSEWHERE)),
            vec![introspector(inactive)],
            "",
        ),
        (
            "the other one is deleted at once",
            [&ours, &theirs],
            p(json!(ELSEWHERE)),
            vec![("TokenIntrospector", "other", None), refers()],
            "",
        ),
        (
            "one provider",
            [&ours_of_p, &theirs],
            p(json!(SYSTEM)),
            vec![introspector(theirs_of_p)],
            "",
        ),
        ("nothing is referred to", [&ours, &theirs], vec![], vec![refers()], NO_SYSTEM),
        ("it has no system", [&ours, &theirs], p(json!(null)), vec![refers()], NO_SYSTEM),
        (
            "a deletion",
            [&ours_of_p, &theirs],
            p(json!(SYSTEM)),
            vec![("IdentityProvider", "p", None)],
            "",
        ),
        (
            "another type, beside what is disputed",
            [&ours_of_p, &theirs],
            p(json!(ELSEWHERE)),
            vec![("User", "p", Some(json!({})))],
            "",
        ),
    ] {
        let told = told(&stored.map(Value::clone), &providers, &written);
        assert_eq!(told.join(" "), expected, "{what}");
    }
}

#[tokio::test]
async fn a_caller_keeps_its_introspector_and_issuer() {
    let world = World::empty().await;
    let (introspectors, _) = given(&[shared(referring("p"))], &[provider("p", json!(SYSTEM))]);
    world.identity.replace_introspectors(introspectors);
    let session = world.token(&shared_token(json!({}))).await.unwrap().session;
    assert_eq!(session.issuer.as_deref(), Some(SHARED));
    assert_eq!(session.introspector, Some(Id::parse("shared").unwrap()));
}
