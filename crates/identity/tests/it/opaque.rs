//! Opaque tokens: what an introspection endpoint says of them, and what it does to us.

use std::time::Duration;

use firewarden_access::Caller;
use firewarden_fhir::Timestamp;
use firewarden_identity::{Credentials, Unauthenticated, limits};
use firewarden_testkit::{FakeEndpoint, Reply};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::world::{NOW_S, SHARED, World, merged, shared, shared_token};

const CREDENTIAL: &str = "Basic Y2xpZW50OnNlY3JldA==";
const ISSUER: &str = "https://opaque.example.com";

/// An introspector that asks that endpoint.
fn asking(id: &str, endpoint: &FakeEndpoint, more: Value) -> Value {
    let at = json!({"url": endpoint.url(), "authorization": CREDENTIAL});
    merged(json!({"id": id, "type": "opaque", "introspection_endpoint": at}), more)
}

/// A world that trusts one endpoint, which knows the token `good`.
async fn world(more: Value) -> (World, FakeEndpoint) {
    let (world, endpoint) = (World::empty().await, FakeEndpoint::start().await);
    endpoint.know("good", json!({"active": true, "sub": "alice"}));
    world.trust(&[asking("asks", &endpoint, more)]);
    (world, endpoint)
}

async fn at(world: &World, token: &str, now_s: i64) -> Result<Caller, Unauthenticated> {
    let header = format!("Bearer {token}");
    let credentials = Credentials::from_headers(&[header.as_bytes()]);
    let now = Timestamp::from_second(now_s).unwrap();
    world.identity.authenticate(&credentials, &world.directory, now).await
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}

/// Lets the clock of leases go on by that much.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn an_active_token_is_a_caller() {
    let (mut world, endpoint) = world(json!({"jwt": {"iss": ISSUER}})).await;
    world.directory.users = vec![json!({"id": "alice"})];
    let answer = json!({
        "active": true, "sub": "alice", "iss": ISSUER, "exp": NOW_S + 60, "scope": "openid",
        "client_id": "app", "jti": "t1", "token_type": "Bearer",
    });
    endpoint.know("full", answer.clone());
    let caller = world.token("full").await.unwrap();
    assert_eq!(Value::Object((*caller.token.unwrap()).clone()), answer);
    assert!(caller.jwt.is_none() && caller.client.is_none());
    assert_eq!(caller.user.unwrap()["id"], "alice");
    let session = caller.session;
    assert_eq!(session.introspector.unwrap().as_str(), "asks");
    assert_eq!(session.issuer.as_deref(), Some(ISSUER));
    assert_eq!(session.scope.as_deref(), Some("openid"));
    assert_eq!(session.token_id.as_deref(), Some("t1"));
    assert_eq!(session.expires_at, Timestamp::from_second(NOW_S + 60).ok());
    let asked = &endpoint.asked()[0];
    assert_eq!(asked.line, "POST /introspect");
    assert_eq!(asked.authorization.as_deref(), Some(CREDENTIAL));
    assert_eq!(asked.content_type.as_deref(), Some("application/x-www-form-urlencoded"));
    assert_eq!(asked.form, "token=full&token_type_hint=access_token");
}

#[tokio::test]
async fn a_token_of_a_client_alone_has_no_user() {
    let (mut world, endpoint) = world(json!({})).await;
    world.directory.users = vec![json!({"id": "app"}), json!({"id": "app-user"})];
    endpoint.know("machine", json!({"active": true, "client_id": "app", "username": "app-user"}));
    let caller = world.token("machine").await.unwrap();
    assert!(caller.user.is_none() && caller.client.is_none());
    assert!(!caller.is_anonymous());
    assert_eq!(caller.session.expires_at, None);
}

#[tokio::test]
async fn an_answer_is_held_to_what_a_token_would_be() {
    let demands = json!({"jwt": {"iss": ISSUER, "aud": "https://us", "leeway": 5,
        "required_claims": "tenant"}, "user": {"claim": "email"}});
    let (world, endpoint) = world(demands).await;
    let right = json!({
        "active": true, "sub": "alice", "iss": ISSUER, "aud": "https://us", "tenant": "a",
        "exp": NOW_S + 60, "nbf": NOW_S - 60, "iat": NOW_S - 60, "email": "alice@example.com",
    });
    for (n, (change, expected)) in [
        (json!({}), "accepted"),
        (json!({"active": "true"}), "active"),
        (json!({"active": 1}), "active"),
        (json!({"active": "(absent)"}), "active"),
        (json!({"active": [true]}), "active"),
        (json!({"active": false}), "active"),
        (json!({"exp": "(absent)", "nbf": "(absent)", "iat": "(absent)"}), "accepted"),
        (json!({"exp": NOW_S - 5}), "exp"),
        (json!({"exp": NOW_S - 4}), "accepted"),
        (json!({"exp": "later"}), "exp"),
        (json!({"exp": null}), "exp"),
        (json!({"exp": -1}), "exp"),
        (json!({"nbf": NOW_S + 6}), "nbf"),
        (json!({"nbf": NOW_S + 5}), "accepted"),
        (json!({"nbf": "now"}), "nbf"),
        (json!({"iat": NOW_S + 6}), "iat"),
        (json!({"iss": "(absent)"}), "accepted"),
        (json!({"iss": "https://other.example.com"}), "iss"),
        (json!({"iss": format!("{ISSUER}/")}), "iss"),
        (json!({"iss": [ISSUER]}), "iss"),
        (json!({"iss": null}), "iss"),
        (json!({"aud": ["https://x", "https://us"]}), "accepted"),
        (json!({"aud": "https://us/"}), "aud"),
        (json!({"aud": ["https://x"]}), "aud"),
        (json!({"aud": "(absent)"}), "aud"),
        (json!({"aud": [{"https://us": 1}]}), "aud"),
        (json!({"tenant": "(absent)"}), "required-claims"),
        (json!({"sub": "(absent)"}), "accepted"),
        (json!({"sub": ["alice"]}), "sub"),
        (json!({"sub": " "}), "sub"),
        (json!({"email": 7}), "sub"),
    ]
    .into_iter()
    .enumerate()
    {
        let token = format!("case-{n}");
        endpoint.know(&token, merged(right.clone(), change.clone()));
        assert_eq!(world.outcome(&token).await, expected, "{change}");
    }
}

#[tokio::test]
async fn an_endpoint_that_fails_is_unavailable() {
    let elsewhere = FakeEndpoint::start().await;
    let long = format!(r#"{{"active":true,"sub":"{}"}}"#, "a".repeat(limits::ANSWER_BYTES_MAX));
    let active = r#"{"active":true,"sub":"alice"}"#;
    for reply in [
        Reply::Text(401, active.into()),
        Reply::Text(403, active.into()),
        Reply::Text(404, active.into()),
        Reply::Text(500, active.into()),
        Reply::Text(503, active.into()),
        Reply::Text(201, active.into()),
        Reply::Text(200, "<html></html>".into()),
        Reply::Text(200, String::new()),
        Reply::Text(200, r#"{"active":false,"active":true}"#.into()),
        Reply::Text(400, r#"{"error":"invalid_client"}"#.into()),
        Reply::Text(200, long),
        Reply::Redirect(elsewhere.url()),
        Reply::Endless,
    ] {
        let (world, endpoint) = world(json!({})).await;
        endpoint.reply(reply.clone());
        let refusal = world.token("good").await.unwrap_err();
        assert_eq!(refusal.check(), "introspection-unavailable", "{reply:?}");
        assert!(refusal.retry_after_s().is_some_and(|seconds| seconds <= 5), "{reply:?}");
        endpoint.reply(Reply::Known);
        assert_eq!(world.outcome("good").await, "accepted", "a failure is not remembered");
    }
    assert_eq!(elsewhere.requests(), 0, "neither credential nor token went on");
}

#[tokio::test]
async fn an_endpoint_that_is_slow_or_gone_is_unavailable() {
    for reply in [Reply::Hang, Reply::Stall] {
        let (world, endpoint) = world(json!({})).await;
        endpoint.reply(reply);
        let judged = async {
            until(|| endpoint.requests() == 1).await;
            tokio::time::pause();
            tokio::time::advance(limits::FETCH_TIME_MAX).await;
        };
        let (outcome, ()) = tokio::join!(world.outcome("good"), judged);
        assert_eq!(outcome, "introspection-unavailable");
        tokio::time::resume();
    }
    let (world, endpoint) = world(json!({})).await;
    endpoint.stop();
    until(|| std::net::TcpStream::connect(endpoint.address()).is_err()).await;
    assert_eq!(world.outcome("good").await, "introspection-unavailable");
}

#[tokio::test]
async fn an_error_about_the_token_is_an_answer() {
    let (world, endpoint) = world(json!({})).await;
    for (n, (status, text)) in [
        (200, r#"{"error":"unsupported_token_type"}"#),
        (400, r#"{"error":"unsupported_token_type"}"#),
        (200, r#"[{"active":true}]"#),
    ]
    .into_iter()
    .enumerate()
    {
        endpoint.reply(Reply::Text(status, text.into()));
        assert_eq!(world.outcome(&format!("token-{n}")).await, "active", "{text}");
    }
}

#[tokio::test]
async fn an_active_token_is_remembered_for_as_long_as_the_introspector_says() {
    let (world, endpoint) = world(json!({"cache_ttl": 30})).await;
    endpoint.know("short", json!({"active": true, "exp": NOW_S + 10}));
    for _ in 0..3 {
        assert_eq!(world.outcome("good").await, "accepted");
        assert_eq!(world.outcome("short").await, "accepted");
    }
    assert_eq!(endpoint.requests(), 2);
    assert_eq!(at(&world, "short", NOW_S + 10).await.unwrap_err().check(), "exp");
    // The provider revokes the token, and goes down later.
    endpoint.know("good", json!({"active": false}));
    pass(Duration::from_secs(29)).await;
    assert_eq!(world.outcome("good").await, "accepted");
    endpoint.reply(Reply::Text(500, String::new()));
    assert_eq!(world.outcome("good").await, "accepted", "it is remembered while it is down");
    pass(Duration::from_secs(1)).await;
    assert_eq!(world.outcome("good").await, "introspection-unavailable");
    endpoint.reply(Reply::Known);
    assert_eq!(world.outcome("good").await, "active");
}

#[tokio::test]
async fn an_inactive_token_is_remembered_for_ten_seconds() {
    let (world, endpoint) = world(json!({})).await;
    for _ in 0..3 {
        assert_eq!(world.outcome("soon").await, "active");
    }
    assert_eq!(endpoint.requests(), 1);
    endpoint.know("soon", json!({"active": true}));
    pass(Duration::from_secs(9)).await;
    assert_eq!(world.outcome("soon").await, "active");
    pass(Duration::from_secs(1)).await;
    assert_eq!(world.outcome("soon").await, "accepted");
}

#[tokio::test]
async fn no_token_is_taken_for_another() {
    let (world, endpoint) = world(json!({})).await;
    assert_eq!(world.outcome("good").await, "accepted");
    for token in ["goo", "goodx", "xgood", "Good", "good.", "good="] {
        assert_eq!(world.outcome(token).await, "active", "{token}");
    }
    assert_eq!(endpoint.requests(), 7);
    assert!(world.header("Bearer   good ").await.is_ok(), "blanks around it are not of the token");
    assert_eq!(world.outcome("good x").await, "parts");
    assert_eq!(world.outcome("good\tx").await, "parts");
    assert_eq!(endpoint.requests(), 7);
}

#[tokio::test]
async fn ten_thousand_requests_with_one_token_ask_once() {
    let (world, endpoint) = world(json!({})).await;
    endpoint.hold(true);
    let requests = join_all((0..10_000).map(|_| world.outcome("good")));
    let release = async {
        until(|| endpoint.requests() > 0).await;
        endpoint.hold(false);
    };
    let (outcomes, ()) = tokio::join!(requests, release);
    assert!(outcomes.iter().all(|outcome| *outcome == "accepted"));
    assert_eq!(endpoint.requests(), 1);
}

#[tokio::test]
async fn a_client_that_leaves_does_not_end_the_question_for_the_others() {
    let (world, endpoint) = world(json!({})).await;
    endpoint.hold(true);
    {
        let leader = world.outcome("good");
        tokio::pin!(leader);
        let asked = until(|| endpoint.requests() > 0);
        tokio::select! {
            _ = &mut leader => panic!("the answer is held back"),
            () = asked => {}
        }
    }
    let followers = join_all((0..10).map(|_| world.outcome("good")));
    let release = async {
        tokio::task::yield_now().await;
        endpoint.hold(false);
    };
    let (outcomes, ()) = tokio::join!(followers, release);
    assert_eq!(outcomes, ["accepted"; 10]);
    assert_eq!(endpoint.requests(), 1);
}

#[tokio::test]
async fn few_questions_are_asked_at_once_and_not_too_many_wait() {
    let (world, endpoint) = world(json!({})).await;
    endpoint.hold(true);
    let tokens: Vec<String> =
        (0..limits::INTROSPECTIONS_WAITING_MAX + 10).map(|n| format!("t{n}")).collect();
    let requests = join_all(tokens.iter().map(|token| world.outcome(token)));
    let release = async {
        until(|| endpoint.requests() == limits::INTROSPECTIONS_AT_ONCE_MAX).await;
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        assert_eq!(endpoint.requests(), limits::INTROSPECTIONS_AT_ONCE_MAX);
        endpoint.hold(false);
    };
    let (outcomes, ()) = tokio::join!(requests, release);
    let turned_away = outcomes.iter().filter(|o| **o == "introspection-unavailable").count();
    assert_eq!(turned_away, 10);
    assert_eq!(endpoint.requests(), limits::INTROSPECTIONS_WAITING_MAX);
}

#[tokio::test]
async fn an_endpoint_that_keeps_failing_is_left_alone_for_a_while() {
    let (world, endpoint) = world(json!({})).await;
    assert_eq!(world.outcome("good").await, "accepted");
    endpoint.reply(Reply::Text(500, String::new()));
    let failures = limits::ENDPOINT_FAILURES_MAX as usize;
    for n in 0..failures + 20 {
        assert_eq!(world.outcome(&format!("t{n}")).await, "introspection-unavailable");
    }
    assert_eq!(endpoint.requests(), 1 + failures);
    assert_eq!(world.outcome("good").await, "accepted", "what is known goes on");
    endpoint.reply(Reply::Known);
    pass(limits::ENDPOINT_PAUSE).await;
    assert_eq!(world.outcome("t0").await, "active");
    assert_eq!(world.outcome("t1").await, "active");
}

#[tokio::test]
async fn several_endpoints_are_asked_in_the_order_of_their_ids() {
    let (world, a, b) =
        (World::empty().await, FakeEndpoint::start().await, FakeEndpoint::start().await);
    world.trust(&[asking("b", &b, json!({})), asking("a", &a, json!({}))]);
    a.know("both", json!({"active": true, "sub": "of-a"}));
    b.know("both", json!({"active": true, "sub": "of-b"}));
    b.know("only-b", json!({"active": true, "sub": "of-b"}));
    a.know("over", json!({"active": true, "exp": NOW_S - 1}));
    b.know("over", json!({"active": true}));
    let introspector = async |token| {
        let caller: Result<Caller, Unauthenticated> = world.token(token).await;
        caller.map(|c| c.session.introspector.unwrap().to_string()).map_err(|r| r.check())
    };
    assert_eq!(introspector("both").await, Ok("a".into()));
    assert_eq!(b.requests(), 0);
    assert_eq!(introspector("only-b").await, Ok("b".into()));
    assert_eq!(introspector("over").await, Err("exp"), "the first that says so decides");
    assert_eq!(introspector("neither").await, Err("active"));
    a.reply(Reply::Text(500, String::new()));
    b.know("later", json!({"active": true}));
    assert_eq!(introspector("later").await, Ok("b".into()));
    assert_eq!(introspector("unknown").await, Err("introspection-unavailable"));
}

#[tokio::test]
async fn a_signed_token_is_shown_to_its_issuers_endpoint_alone() {
    let (world, ours, other) =
        (World::empty().await, FakeEndpoint::start().await, FakeEndpoint::start().await);
    world.trust(&[
        asking("a", &other, json!({})),
        asking("b", &ours, json!({"jwt": {"iss": ISSUER}})),
        shared(json!({})),
    ]);
    let of = |issuer: &str| shared_token(json!({"iss": issuer}));
    ours.know(&of(ISSUER), json!({"active": true}));
    assert_eq!(world.outcome(&of(ISSUER)).await, "accepted");
    assert_eq!(ours.requests(), 1);
    // Verified here, though its signature is wrong or its form is not that of a token.
    let signed = of(SHARED);
    let (text, _) = signed.rsplit_once('.').unwrap();
    for token in [
        signed.clone(),
        format!("{text}.AAAA"),
        format!("{text}."),
        text.to_owned(),
        format!("{signed}="),
        format!("{signed}.a.b"),
        of("https://nobody.example.com"),
        format!("{}.a", of(ISSUER)),
    ] {
        let expected = if token == signed { "accepted" } else { "refused" };
        let outcome = world.token(&token).await.map_or("refused", |_| "accepted");
        assert_eq!(outcome, expected, "{token}");
    }
    assert_eq!((ours.requests(), other.requests()), (1, 0));
}

#[tokio::test]
async fn without_an_endpoint_no_opaque_token_goes_anywhere() {
    let world = World::new().await;
    assert_eq!(world.outcome("opaque").await, "parts");
    let endpoint = FakeEndpoint::start().await;
    world.trust(&[shared(json!({})), asking("asks", &endpoint, json!({"active": false}))]);
    endpoint.know("opaque", json!({"active": true}));
    assert_eq!(world.outcome("opaque").await, "parts");
    assert_eq!(endpoint.requests(), 0);
}

#[tokio::test]
async fn a_change_of_its_introspector_ends_what_is_remembered() {
    let (world, endpoint) = (World::empty().await, FakeEndpoint::start().await);
    endpoint.know("good", json!({"active": true}));
    let asks = asking("asks", &endpoint, json!({}));
    world.trust(std::slice::from_ref(&asks));
    assert_eq!(world.outcome("good").await, "accepted");
    endpoint.know("good", json!({"active": false}));
    assert_eq!(world.outcome("good").await, "accepted");
    world.trust(std::slice::from_ref(&asks));
    assert_eq!(world.outcome("good").await, "active", "it is a newer version");
    endpoint.know("good", json!({"active": true}));
    world.trust(&[]);
    assert_eq!(world.outcome("good").await, "parts", "nobody is asked any more");
    world.trust(&[asks]);
    assert_eq!(world.outcome("good").await, "accepted");
}

#[tokio::test]
async fn an_endpoint_without_an_issuer_speaks_for_nobody_elses() {
    let (mut world, endpoint) = (World::empty().await, FakeEndpoint::start().await);
    world.trust(&[asking("asks", &endpoint, json!({})), shared(json!({}))]);
    world.directory.users = vec![
        json!({"id": "a", "data": {"iss": SHARED}}),
        json!({"id": "u0", "identifier": [{"system": SHARED, "value": "a"}]}),
        json!({"id": "u1", "identifier": [{"system": "https://gone.example.com", "value": "a"}]}),
        json!({"id": "u2", "data": {"iss": "https://gone.example.com", "sub": "b"}}),
        json!({"id": "u3", "introspector": {"reference": "TokenIntrospector/asks"},
            "identifier": [{"system": "https://own.example.com", "value": "c"}]}),
    ];
    for (sub, issuer, expected) in [
        ("a", SHARED, "-"),
        ("a", "https://gone.example.com", "-"),
        ("b", "https://gone.example.com", "-"),
        ("c", "https://own.example.com", "u3"),
    ] {
        let token = format!("{sub}-{}", issuer.len());
        endpoint.know(&token, json!({"active": true, "sub": sub, "iss": issuer}));
        let caller = world.token(&token).await.unwrap();
        let found = caller.user.map_or("-".into(), |user| user["id"].to_string());
        assert_eq!(found.trim_matches('"'), expected, "{sub} {issuer}");
        let told = (issuer != SHARED).then_some(issuer);
        assert_eq!(caller.session.issuer.as_deref(), told, "a policy may compare it");
    }
}

#[tokio::test]
async fn two_introspectors_of_one_issuer_are_both_left_out() {
    let (world, endpoint) = (World::empty().await, FakeEndpoint::start().await);
    endpoint.know("good", json!({"active": true}));
    world.trust(&[asking("asks", &endpoint, json!({"jwt": {"iss": SHARED}})), shared(json!({}))]);
    assert_eq!(world.outcome("good").await, "parts");
    assert_eq!(world.outcome(&shared_token(json!({}))).await, "issuer");
    assert_eq!(endpoint.requests(), 0);
}

#[tokio::test]
async fn an_explanation_tells_what_every_endpoint_said() {
    let (world, a, b) =
        (World::empty().await, FakeEndpoint::start().await, FakeEndpoint::start().await);
    world.trust(&[asking("a", &a, json!({})), asking("b", &b, json!({"jwt": {"aud": "us"}}))]);
    b.know("good", json!({"active": true, "aud": "us", "sub": "alice"}));
    b.know("bad", json!({"active": true, "aud": "them", "exp": NOW_S - 7}));
    let traced = async |token: &str| {
        world.identity.explain(token, &world.directory, crate::world::now()).await
    };
    let trace = traced("good").await;
    assert!(trace.accepted && trace.checks.iter().all(|made| made.passed), "{trace:?}");
    assert_eq!(trace.introspector.unwrap().as_str(), "b");
    let trace = traced("bad").await;
    let failed: Vec<_> = trace.checks.iter().filter(|made| !made.passed).collect();
    assert_eq!(failed.iter().map(|made| made.check).collect::<Vec<_>>(), ["aud", "exp"]);
    assert!(failed[1].detail.contains("7 s ago"), "{failed:?}");
    a.reply(Reply::Text(500, String::new()));
    let trace = traced("unknown").await;
    let [only] = trace.checks.as_slice() else { panic!("{trace:?}") };
    assert_eq!(only.check, "introspection-unavailable");
    assert!(only.detail.contains("`a`") && only.detail.contains("`b`"), "{}", only.detail);
    assert!(!format!("{trace:?}").contains(CREDENTIAL));
}
