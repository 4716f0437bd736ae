//! What a provider may do to a running server, and how often its tokens make the server ask.

use firewarden_testkit::{Answer, FakeEndpoint, FakeProvider, Reply, SigningKey, key};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{PATIENCE, TestServer, claims, now_s};
use crate::trust::{judged, outgoing, remote, sent, trusting, with};

const LINE: &str = "GET /auth/userinfo";
const CREDENTIAL: &str = "Bearer CANARY-of-the-endpoint";
/// Fetches of a key set for unknown keys, in a test that takes far less than a minute.
const REFETCHES_MAX: usize = 3 + 6;

/// A token of a provider by the process's key for `ES256`, unlike every other of another `jti`.
fn minted(provider: &FakeProvider, kid: &str, jti: usize) -> String {
    let claims = with(claims(&provider.issuer(), "alice"), json!({"jti": jti.to_string()}));
    key("ES256").mint("ES256", &json!({"kid": kid}), &claims)
}

/// A server that asks an endpoint, which knows the token `good`.
async fn asking() -> (TestServer, FakeEndpoint) {
    let (server, endpoint) = (outgoing().await, FakeEndpoint::start().await);
    endpoint.know("good", json!({"active": true, "sub": "alice", "exp": now_s() + 600}));
    server.put(introspector(&endpoint)).await;
    (server, endpoint)
}

fn introspector(endpoint: &FakeEndpoint) -> Value {
    json!({
        "resourceType": "TokenIntrospector", "id": "asks", "type": "opaque",
        "jwt": {"iss": "https://opaque.example.com"},
        "introspection_endpoint": {"url": endpoint.url(), "authorization": CREDENTIAL},
    })
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}

/// What a provider may answer instead of its keys; `elsewhere` is where it would send us.
fn unsound(elsewhere: &FakeProvider) -> Vec<(u8, Answer)> {
    let many = vec![key("ES256").jwk(); 10_000];
    vec![
        (60, Answer::Redirect(elsewhere.jwks_uri())),
        (60, Answer::Redirect("http://169.254.169.254/latest".into())),
        (64, Answer::Text("<html></html>".into())),
        (64, Answer::Gigabyte),
        (64, Answer::Endless),
        (64, Answer::Trickle),
        (64, Answer::Stall),
        (64, Answer::Compressed),
        (65, Answer::Text(json!({"keys": many}).to_string())),
        (72, Answer::Status(500)),
        (72, Answer::Hang),
        (72, Answer::Text(r#"{"keys":[]}"#.into())),
    ]
}

#[tokio::test]
async fn keys_that_were_never_loaded_are_503_until_they_are() {
    let server = outgoing().await;
    let elsewhere = FakeProvider::start(vec![key("ES256").jwk()]).await;
    let each = unsound(&elsewhere).into_iter().enumerate().map(|(n, (case, answer))| {
        let server = &server;
        async move {
            let provider = FakeProvider::start(vec![key("ES256").jwk()]).await;
            provider.answer(answer.clone());
            let of = remote(&format!("unsound-{n}"), &provider);
            server.put(of.clone()).await;
            let token = minted(&provider, "p256", 0);
            judged(server, &[sent(case, format!("{answer:?}"), &token, 503)]).await;
            assert!(provider.requests() <= 2, "{answer:?}");
            provider.answer(Answer::Keys);
            server.put(with(of, json!({"cache_ttl": 60}))).await;
            judged(server, &[sent(72, format!("after {answer:?}"), token, 200)]).await;
            assert_eq!(provider.requests_elsewhere(), 0);
        }
    });
    join_all(each).await;
    assert_eq!(elsewhere.connections(), 0, "no redirect was followed");
}

#[tokio::test]
async fn an_unsound_answer_leaves_the_known_keys_as_they_are() {
    let server = outgoing().await;
    let elsewhere = FakeProvider::start(vec![SigningKey::generate("ES256", "new").jwk()]).await;
    let each = unsound(&elsewhere).into_iter().enumerate().map(|(n, (case, answer))| {
        let server = &server;
        async move {
            let provider = FakeProvider::start(vec![key("ES256").jwk()]).await;
            server.put(remote(&format!("unsound-{n}"), &provider)).await;
            judged(server, &[sent(case, "loaded", minted(&provider, "p256", 0), 200)]).await;
            provider.answer(answer.clone());
            // An unknown key makes the server ask again.
            let what = format!("{answer:?}");
            judged(
                server,
                &[
                    sent(case, &what, minted(&provider, "new", 1), 503),
                    sent(case, &what, minted(&provider, "p256", 2), 200),
                ],
            )
            .await;
            assert_eq!(provider.requests(), 2, "{what}");
        }
    });
    join_all(each).await;
    assert_eq!(elsewhere.connections(), 0, "no redirect was followed");
}

#[tokio::test]
async fn a_token_whose_keys_were_not_to_be_had_is_not_held_to_be_invalid() {
    let (server, provider) =
        (outgoing().await, FakeProvider::start(vec![key("ES256").jwk()]).await);
    provider.answer(Answer::Status(500));
    server.put(remote("remote", &provider)).await;
    let token = minted(&provider, "p256", 0);
    judged(&server, &[sent(72, "before", &token, 503)]).await;
    provider.answer(Answer::Keys);
    // The same token, of the same introspector: refused for want of keys, and only until the next
    // attempt to have them.
    let accepted = async {
        loop {
            let answer = server.bearer(&token, LINE).await;
            if answer.status == 200 {
                break;
            }
            assert_eq!(answer.status, 503, "case 72: {answer:?}");
            let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
            assert!(wait <= 10, "case 72: {answer:?}");
        }
    };
    tokio::time::timeout(PATIENCE, accepted).await.unwrap();
}

#[tokio::test]
async fn a_host_that_resolves_to_a_private_address_is_not_connected_to() {
    let server = TestServer::start().await;
    let provider = FakeProvider::start(vec![key("ES256").jwk()]).await;
    let port = provider.address().port();
    let of = with(
        remote("remote", &provider),
        json!({"jwks_uri": format!("https://localhost:{port}/jwks")}),
    );
    // Its name is taken, for it may come to resolve to another address; what it resolves to counts.
    server.put(of).await;
    let token = minted(&provider, "p256", 0);
    judged(&server, &[sent(59, "localhost", token, 503)]).await;
    assert_eq!(provider.connections(), 0);
}

#[tokio::test]
async fn sixty_four_keys_are_read_and_no_more() {
    let server = outgoing().await;
    let filler = |n: usize| with(key("EdDSA").jwk(), json!({"kid": format!("k{n}")}));
    for (place, status) in [(0, 200), (63, 200), (64, 401), (499, 401)] {
        let mut keys: Vec<Value> = (0..500).map(filler).collect();
        keys[place] = key("ES256").jwk();
        let provider = FakeProvider::start(keys).await;
        server.put(remote(&format!("place-{place}"), &provider)).await;
        judged(&server, &[sent(65, place, minted(&provider, "p256", 0), status)]).await;
    }
}

#[tokio::test]
async fn unknown_keys_and_issuers_cause_few_fetches_and_harm_nobody() {
    const CROWD: usize = 300;
    let (server, provider) = trusting(vec![key("ES256").jwk()]).await;
    judged(&server, &[sent(70, "a known key", minted(&provider, "p256", 0), 200)]).await;
    let asked = (0..CROWD).map(|n| {
        let known = n % 10 == 0;
        let kid = if known { "p256".to_owned() } else { format!("x{n}") };
        let ask = server.bearer(&minted(&provider, &kid, n), LINE);
        async move { ask.await.is(if known { 200 } else { 401 }) }
    });
    join_all(asked).await;
    let requests = provider.requests();
    assert!(requests <= 1 + REFETCHES_MAX, "case 70: {requests}");
    let strangers: Vec<_> = (0..CROWD)
        .map(|n| {
            let claims = claims(&format!("{}/{n}", provider.issuer()), "alice");
            sent(71, n, key("ES256").mint("ES256", &json!({}), &claims), 401)
        })
        .collect();
    judged(&server, &strangers).await;
    assert_eq!((provider.requests(), provider.requests_elsewhere()), (requests, 0), "case 71");
    judged(&server, &[sent(71, "a known key", minted(&provider, "p256", CROWD), 200)]).await;
}

#[tokio::test]
async fn many_requests_with_one_opaque_token_ask_once() {
    const CROWD: usize = 300;
    let (server, endpoint) = asking().await;
    for (n, (case, token, status)) in [(55, "good", 200), (82, "bad", 401)].into_iter().enumerate()
    {
        endpoint.hold(true);
        let asked = join_all((0..CROWD).map(|_| server.bearer(token, LINE).into_future()));
        let release = async {
            until(|| endpoint.requests() > n).await;
            endpoint.hold(false);
        };
        let (answers, ()) = tokio::join!(asked, release);
        for answer in answers {
            answer.is(status);
        }
        judged(&server, &[sent(case, "once more", token, status)]).await;
        assert_eq!(endpoint.requests(), n + 1, "case {case}");
    }
}

#[tokio::test]
async fn unknown_opaque_tokens_take_turns() {
    const TOKENS: usize = 100;
    /// Questions that an endpoint is asked at once.
    const AT_ONCE: usize = 32;
    let (server, endpoint) = asking().await;
    judged(&server, &[sent(82, "a known token", "good", 200)]).await;
    endpoint.hold(true);
    let asked = join_all((0..TOKENS).map(|n| server.bearer(&format!("t{n}"), LINE).into_future()));
    let release = async {
        until(|| endpoint.requests() == 1 + AT_ONCE).await;
        judged(&server, &[sent(82, "a known token meanwhile", "good", 200)]).await;
        assert_eq!(endpoint.requests(), 1 + AT_ONCE, "case 82");
        endpoint.hold(false);
    };
    let (answers, ()) = tokio::join!(asked, release);
    for answer in answers {
        answer.is(401);
    }
    judged(&server, &[sent(82, "the known token is still known", "good", 200)]).await;
    assert_eq!(endpoint.requests(), 1 + TOKENS);
}

#[tokio::test]
async fn no_opaque_token_is_taken_for_another() {
    let (server, endpoint) = asking().await;
    let mut all = vec![sent(84, "the token", "good", 200)];
    for token in ["goo", "goodx", "xgood", "Good", "good.", "good="] {
        all.push(sent(84, token, token, 401));
    }
    let asked = all.len();
    all.push(sent(84, "blanks around it are not of the token", "  good  ", 200));
    all.push(sent(84, "a blank in it", "good x", 401));
    all.push(sent(84, "a tab in it", "good\tx", 401));
    judged(&server, &all).await;
    assert_eq!(endpoint.requests(), asked);
}

#[tokio::test]
async fn an_endpoint_that_answers_too_much_or_sends_us_on_is_503() {
    let (server, endpoint) = asking().await;
    let elsewhere = FakeEndpoint::start().await;
    elsewhere.know("good", json!({"active": true, "sub": "alice"}));
    let long = "a".repeat(1_024 * 1_024);
    let of = |member: &str| {
        let mut answer = json!({"active": true, "sub": "alice"});
        answer[member] = long.clone().into();
        Reply::Text(200, answer.to_string())
    };
    for (n, (case, what, reply)) in [
        (63, "a 307", Reply::Redirect(elsewhere.url())),
        (87, "a long sub", of("sub")),
        (87, "a long username", of("username")),
        (87, "a long scope", of("scope")),
        (87, "no end", Reply::Endless),
    ]
    .into_iter()
    .enumerate()
    {
        endpoint.reply(reply);
        // What has failed so far is forgotten with the earlier version.
        server.put(with(introspector(&endpoint), json!({"cache_ttl": 20 + n}))).await;
        judged(&server, &[sent(case, what, "good", 503)]).await;
        assert_eq!(endpoint.requests(), n + 1, "{what}");
    }
    assert_eq!(elsewhere.requests(), 0, "neither credential nor token went on");
    endpoint.reply(Reply::Known);
    judged(&server, &[sent(87, "a sound answer", "good", 200)]).await;
}
