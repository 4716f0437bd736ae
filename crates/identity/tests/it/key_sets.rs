//! Key sets: loaded, kept, refreshed, and never the reason to accept a token.

use std::time::Duration;

use firewarden_identity::{KeySetState, Unauthenticated};
use firewarden_testkit::{Answer, FakeProvider, SigningKey, hmac_token, key};
use serde_json::{Value, json};

use crate::world::{World, merged, read};

async fn trusting(more: Value) -> World {
    let world = World::empty().await;
    world.trust(&[world.remote(more)]);
    world
}

/// Lets that much time pass for refreshes and buckets, without waiting for it.
async fn pass(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

/// Waits until the provider was asked that often.
async fn asked(provider: &FakeProvider, times: usize) {
    while provider.requests() < times {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_key_set_is_fetched_once_for_many_requests() {
    let world = trusting(json!({})).await;
    let tokens: Vec<String> =
        (0..50).map(|n| world.minted("ES256", json!({}), json!({"jti": n.to_string()}))).collect();
    let outcomes =
        futures_util::future::join_all(tokens.iter().map(|token| world.outcome(token))).await;
    assert!(outcomes.iter().all(|outcome| *outcome == "accepted"), "{outcomes:?}");
    assert_eq!(world.provider.requests(), 1);
}

#[tokio::test]
async fn keys_are_fetched_before_a_token_needs_them() {
    let world = trusting(json!({})).await;
    tokio::time::timeout(Duration::from_secs(20), asked(&world.provider, 1)).await.unwrap();
}

#[tokio::test]
async fn keys_that_were_never_loaded_are_unavailable() {
    let world = World::empty().await;
    for answer in [
        Answer::Status(500),
        Answer::Status(404),
        Answer::Text("<html>".into()),
        Answer::Text(r#"{"keys":[]}"#.into()),
        Answer::Text(r#"{"keys":{}}"#.into()),
        Answer::Endless,
        Answer::Gigabyte,
        Answer::Compressed,
        Answer::Redirect(format!("http://{}/elsewhere", world.provider.address())),
        Answer::Redirect("http://169.254.169.254/latest".into()),
    ] {
        world.provider.answer(answer.clone());
        world.trust(&[]);
        world.trust(&[world.remote(json!({}))]);
        let token = world.minted("ES256", json!({}), json!({}));
        let refusal = world.token(&token).await.unwrap_err();
        assert_eq!(refusal, Unauthenticated::KeysUnavailable { retry_after_s: 2 }, "{answer:?}");
    }
    assert_eq!(world.provider.requests_elsewhere(), 0, "no redirect was followed");
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_never_ends_its_answer_is_given_up() {
    let world = World::empty().await;
    for answer in [Answer::Hang, Answer::Stall, Answer::Trickle] {
        world.provider.answer(answer.clone());
        world.trust(&[]);
        world.trust(&[world.remote(json!({}))]);
        let token = world.minted("ES256", json!({}), json!({}));
        assert_eq!(world.outcome(&token).await, "keys-unavailable", "{answer:?}");
    }
}

#[tokio::test]
async fn a_provider_that_is_slow_or_lies_harms_no_known_key() {
    for answer in [Answer::Hang, Answer::Trickle, Answer::Gigabyte, Answer::Text("<html>".into())] {
        let world = trusting(json!({"cache_ttl": 60})).await;
        let good = |n: u32| world.minted("ES256", json!({}), json!({"jti": n.to_string()}));
        assert_eq!(world.outcome(&good(0)).await, "accepted");
        world.provider.answer(answer.clone());
        pass(61).await;
        asked(&world.provider, 2).await;
        for n in 1..20 {
            assert_eq!(world.outcome(&good(n)).await, "accepted", "{answer:?}");
        }
        assert_eq!(world.provider.requests(), 2, "one fetch at a time");
        world.provider.answer(Answer::Keys);
    }
}

#[tokio::test]
async fn the_state_of_a_key_set_is_told() {
    let world = World::empty().await;
    world.provider.answer(Answer::Status(500));
    world.trust(&[crate::world::shared(json!({})), world.remote(json!({"cache_ttl": 60}))]);
    let state = || {
        let states = world.identity.key_sets();
        assert_eq!(states.len(), 1, "a shared secret is no key set");
        let KeySetState { introspector, age_s, refreshes, failures, keys, refetches_refused } =
            states.into_iter().next().unwrap();
        assert_eq!(introspector.as_str(), "remote");
        (age_s, refreshes, failures, keys, refetches_refused)
    };
    assert_eq!(state(), (None, 0, 0, 0, 0));
    let good = |n: u32| world.minted("ES256", json!({}), json!({"jti": n.to_string()}));
    assert_eq!(world.outcome(&good(0)).await, "keys-unavailable");
    assert_eq!(state(), (None, 0, 1, 0, 0));
    world.provider.answer(Answer::Keys);
    pass(2).await;
    assert_eq!(world.outcome(&good(1)).await, "accepted");
    assert_eq!(state(), (Some(0), 1, 1, 5, 0));
    pass(30).await;
    assert_eq!(state(), (Some(30), 1, 1, 5, 0));
    for n in 0..5 {
        let unknown = world.minted("ES256", json!({"kid": format!("x{n}")}), json!({}));
        assert_eq!(world.outcome(&unknown).await, "kid");
    }
    assert_eq!(state(), (Some(0), 4, 1, 5, 2));
    world.provider.answer(Answer::Status(500));
    pass(61).await;
    asked(&world.provider, 6).await;
    while state().2 == 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(state(), (Some(61), 4, 2, 5, 2));
}

#[tokio::test]
async fn a_set_of_ten_thousand_keys_is_read_in_part() {
    let filler = |n: usize| json!({"kty": "OKP", "kid": n.to_string(), "crv": "Ed25519", "x": "A"});
    let mut keys = vec![key("ES256").jwk()];
    keys.extend((0..3_000).map(filler));
    let world = World::empty().await;
    world.provider.publish(keys.clone());
    world.trust(&[world.remote(json!({}))]);
    assert_eq!(world.outcome(&world.minted("ES256", json!({}), json!({}))).await, "accepted");
    assert_eq!(world.identity.key_sets()[0].keys, 1);
    // Ten thousand do not fit in what is read at all.
    keys.extend((3_000..10_000).map(filler));
    world.provider.publish(keys);
    let unknown = world.minted("ES256", json!({"kid": "new"}), json!({}));
    assert_eq!(world.outcome(&unknown).await, "keys-unavailable");
    let other = world.minted("ES256", json!({}), json!({"jti": "2"}));
    assert_eq!(world.outcome(&other).await, "accepted", "the old keys go on");
}

#[tokio::test]
async fn a_provider_that_comes_back_is_believed_soon() {
    let world = World::empty().await;
    world.provider.answer(Answer::Status(500));
    world.trust(&[world.remote(json!({}))]);
    let token = world.minted("ES256", json!({}), json!({}));
    assert_eq!(world.outcome(&token).await, "keys-unavailable");
    let asked = world.provider.requests();
    for _ in 0..20 {
        assert_eq!(world.outcome(&token).await, "keys-unavailable");
    }
    assert_eq!(world.provider.requests(), asked, "a failure is not repeated for each request");
    world.provider.answer(Answer::Keys);
    pass(2).await;
    assert_eq!(world.outcome(&token).await, "accepted");
}

#[tokio::test]
async fn keys_are_kept_while_the_provider_is_down_for_a_day() {
    let world = trusting(json!({"cache_ttl": 60})).await;
    let mut n = 0;
    let mut fresh = || {
        n += 1;
        world.minted("ES256", json!({}), json!({"jti": n.to_string()}))
    };
    assert_eq!(world.outcome(&fresh()).await, "accepted");
    for answer in [Answer::Status(500), Answer::Text(r#"{"keys":[]}"#.into()), Answer::Endless] {
        world.provider.answer(answer.clone());
        let before = world.provider.requests();
        pass(61).await;
        asked(&world.provider, before + 1).await;
        // A token with an unknown key waits for the refresh that is under way.
        let unknown = world.minted("ES256", json!({"kid": "unknown"}), json!({}));
        assert_eq!(world.outcome(&unknown).await, "keys-unavailable", "{answer:?}");
        assert_eq!(world.outcome(&fresh()).await, "accepted", "{answer:?}");
    }
    world.provider.answer(Answer::Status(500));
    pass(23 * 60 * 60).await;
    assert_eq!(world.outcome(&fresh()).await, "accepted");
    pass(60 * 60).await;
    assert_eq!(world.outcome(&fresh()).await, "keys-unavailable");
}

#[tokio::test]
async fn a_rotation_costs_no_failed_request() {
    let world = trusting(json!({})).await;
    let old = world.minted("ES256", json!({}), json!({}));
    assert_eq!(world.outcome(&old).await, "accepted");
    let new = SigningKey::generate("ES256", "new");
    world.provider.publish(vec![new.jwk()]);
    let tokens: Vec<String> = (0..20)
        .map(|n| new.mint("ES256", &json!({}), &world.claims(json!({"jti": n.to_string()}))))
        .collect();
    let outcomes =
        futures_util::future::join_all(tokens.iter().map(|token| world.outcome(token))).await;
    assert!(outcomes.iter().all(|outcome| *outcome == "accepted"), "{outcomes:?}");
    assert_eq!(world.provider.requests(), 2);
    // What was remembered of the old key went with it.
    assert_eq!(world.outcome(&old).await, "kid");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotations_under_load_cost_no_request() {
    const CROWD: u32 = 100;
    for keeps_the_old in [true, false] {
        let world = std::sync::Arc::new(trusting(json!({})).await);
        let mut current = std::sync::Arc::clone(&key("ES256"));
        let mut asking = tokio::task::JoinSet::new();
        // The set was loaded a moment before each of them; three may follow one another.
        for round in 0..3 {
            let new = std::sync::Arc::new(SigningKey::generate("ES256", &format!("k{round}")));
            let mut published = vec![new.jwk()];
            if keeps_the_old {
                published.push(current.jwk());
            }
            world.provider.publish(published);
            for n in 0..CROWD {
                let signer = if keeps_the_old && n % 2 == 0 { &current } else { &new };
                let claims = world.claims(json!({"jti": format!("{round}/{n}")}));
                let token = signer.mint("ES256", &json!({}), &claims);
                let world = std::sync::Arc::clone(&world);
                asking.spawn(async move { world.outcome(&token).await });
            }
            while let Some(outcome) = asking.join_next().await {
                assert_eq!(outcome.unwrap(), "accepted", "round {round}");
            }
            current = new;
        }
        assert!(world.provider.requests() <= 1 + 3, "{}", world.provider.requests());
    }
}

#[tokio::test]
async fn a_rotation_without_key_ids_costs_no_failed_request() {
    let without_id = |key: &SigningKey| merged(key.jwk(), json!({"kid": "(absent)"}));
    let world = World::empty().await;
    let (old, new) = (SigningKey::generate("ES256", "a"), SigningKey::generate("ES256", "a"));
    world.provider.publish(vec![without_id(&old)]);
    world.trust(&[world.remote(json!({}))]);
    let mint =
        |key: &SigningKey| key.mint("ES256", &json!({"kid": null}), &world.claims(json!({})));
    assert_eq!(world.outcome(&mint(&old)).await, "accepted");
    world.provider.publish(vec![without_id(&new)]);
    assert_eq!(world.outcome(&mint(&new)).await, "accepted");
    assert_eq!(world.outcome(&mint(&old)).await, "signature");
}

#[tokio::test]
async fn a_removed_key_ends_when_the_set_is_no_longer_fresh() {
    let world = trusting(json!({"cache_ttl": 60})).await;
    let token = world.minted("ES256", json!({}), json!({}));
    assert_eq!(world.outcome(&token).await, "accepted");
    world.provider.publish(vec![key("EdDSA").jwk()]);
    pass(61).await;
    asked(&world.provider, 2).await;
    while world.outcome(&token).await == "accepted" {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.outcome(&token).await, "kid");
}

#[tokio::test]
async fn unknown_keys_cause_few_fetches_and_harm_nobody() {
    let world = trusting(json!({})).await;
    let good = world.minted("ES256", json!({}), json!({}));
    assert_eq!(world.outcome(&good).await, "accepted");
    let unknown = |n: usize| world.minted("ES256", json!({"kid": format!("x{n}")}), json!({}));
    for n in 0..200 {
        assert_eq!(world.outcome(&unknown(n)).await, "kid");
    }
    assert_eq!(world.provider.requests(), 1 + 3);
    pass(10).await;
    for n in 200..300 {
        assert_eq!(world.outcome(&unknown(n)).await, "kid");
    }
    assert_eq!(world.provider.requests(), 1 + 3 + 1);
    assert_eq!(
        world.outcome(&world.minted("ES256", json!({}), json!({"jti": "2"}))).await,
        "accepted"
    );
}

#[tokio::test]
async fn a_crowd_of_unknown_keys_shares_its_fetches() {
    let world = trusting(json!({})).await;
    let tokens: Vec<String> = (0..100)
        .map(|n| world.minted("ES256", json!({"kid": format!("x{n}")}), json!({})))
        .collect();
    let outcomes =
        futures_util::future::join_all(tokens.iter().map(|token| world.outcome(token))).await;
    assert!(outcomes.iter().all(|outcome| *outcome == "kid"), "{outcomes:?}");
    assert!(world.provider.requests() <= 1 + 3, "{}", world.provider.requests());
}

#[tokio::test]
async fn an_unknown_key_while_the_provider_is_down_may_be_tried_again() {
    let world = trusting(json!({})).await;
    assert_eq!(world.outcome(&world.minted("ES256", json!({}), json!({}))).await, "accepted");
    world.provider.answer(Answer::Status(500));
    let unknown = world.minted("ES256", json!({"kid": "new"}), json!({}));
    assert_eq!(world.outcome(&unknown).await, "keys-unavailable");
    let other = world.minted("ES256", json!({}), json!({"jti": "2"}));
    assert_eq!(world.outcome(&other).await, "accepted");
}

#[tokio::test]
async fn unknown_issuers_cause_no_fetch() {
    let world = trusting(json!({})).await;
    assert_eq!(world.outcome(&world.minted("ES256", json!({}), json!({}))).await, "accepted");
    for n in 0..100 {
        let claims = json!({"iss": format!("{}/{n}", world.provider.issuer())});
        assert_eq!(world.outcome(&world.minted("ES256", json!({}), claims)).await, "issuer");
    }
    assert_eq!(world.outcome("opaque-token").await, "parts");
    assert_eq!(world.provider.requests(), 1);
    assert_eq!(world.provider.requests_elsewhere(), 0);
}

#[tokio::test]
async fn a_client_that_leaves_does_not_end_the_fetch() {
    let world = trusting(json!({})).await;
    let token = world.minted("ES256", json!({}), json!({}));
    let left = futures_util::future::select(
        Box::pin(world.outcome(&token)),
        Box::pin(tokio::task::yield_now()),
    );
    drop(left.await);
    assert_eq!(world.outcome(&token).await, "accepted");
    assert_eq!(world.provider.requests(), 1);
}

/// What becomes of a token of `ES256` when this is the key set.
async fn with_keys(keys: Vec<Value>) -> &'static str {
    let world = World::empty().await;
    world.provider.publish(keys);
    world.trust(&[world.remote(json!({}))]);
    world.outcome(&world.minted("ES256", json!({}), json!({}))).await
}

#[tokio::test]
async fn a_key_is_used_for_what_it_was_made_for() {
    let own = key("ES256").jwk();
    let other = SigningKey::generate("ES256", "p256").jwk();
    let ed = key("EdDSA").jwk();
    let with = |more: Value| merged(own.clone(), more);
    for (keys, expected) in [
        (vec![own.clone()], "accepted"),
        (vec![with(json!({"alg": "ES256", "use": "sig", "key_ops": ["verify"]}))], "accepted"),
        (vec![with(json!({"alg": "ES384"})), ed.clone()], "kid"),
        (vec![with(json!({"alg": "none"})), ed.clone()], "kid"),
        (vec![with(json!({"use": "enc"})), ed.clone()], "kid"),
        (vec![with(json!({"key_ops": ["sign"]})), ed.clone()], "kid"),
        (vec![with(json!({"d": "AAAA"})), ed.clone()], "kid"),
        (vec![with(json!({"crv": "P-384"})), ed.clone()], "kid"),
        (vec![with(json!({"crv": "secp256k1"})), ed.clone()], "kid"),
        (vec![with(json!({"kty": "RSA"})), ed.clone()], "kid"),
        (vec![with(json!({"kid": 1})), ed.clone()], "kid"),
        // Not on the curve.
        (vec![with(json!({"x": own["y"]})), ed.clone()], "kid"),
        (vec![with(json!({"x": "AAAA"})), ed.clone()], "kid"),
        (vec![with(json!({"kid": "(absent)"})), ed.clone()], "kid"),
        // One id for several keys: each that fits is tried.
        (vec![other.clone(), own.clone()], "accepted"),
        (vec![other, ed.clone()], "signature"),
        (vec![json!({"kty": "oct", "kid": "p256", "k": "c2VjcmV0"}), own.clone()], "accepted"),
        (vec![json!("a"), json!(null), own.clone()], "accepted"),
    ] {
        let text = Value::Array(keys.clone()).to_string();
        assert_eq!(with_keys(keys).await, expected, "{text}");
    }
}

#[tokio::test]
async fn a_shared_secret_in_a_key_set_is_no_key() {
    let world = World::empty().await;
    let secret = json!({"kty": "oct", "kid": "s", "alg": "HS256", "k": "c2VjcmV0"});
    world.provider.publish(vec![secret.clone(), key("ES256").jwk()]);
    world.trust(&[world.remote(json!({}))]);
    for kid in [json!("s"), json!("p256"), Value::Null] {
        let token = hmac_token("HS256", b"secret", &json!({"kid": kid}), &world.claims(json!({})));
        assert_ne!(world.outcome(&token).await, "accepted", "{kid}");
    }
    world.provider.publish(vec![secret]);
    world.trust(&[]);
    world.trust(&[world.remote(json!({}))]);
    let token = hmac_token("HS256", b"secret", &json!({"kid": "s"}), &world.claims(json!({})));
    assert_eq!(world.outcome(&token).await, "keys-unavailable");
}

#[tokio::test]
async fn an_rsa_key_has_its_length_and_its_algorithm() {
    let own = key("RS256").jwk();
    for (more, algorithm, expected) in [
        (json!({}), "PS256", "accepted"),
        (json!({"alg": "RS256"}), "RS256", "accepted"),
        (json!({"alg": "RS256"}), "PS256", "alg"),
        (json!({"alg": "RS256"}), "RS512", "alg"),
        (json!({"n": "AAEAAQ"}), "RS256", "kid"),
        (json!({"e": "AQ"}), "RS256", "kid"),
        (json!({"e": ""}), "RS256", "kid"),
        (json!({"e": "AQAB="}), "RS256", "kid"),
    ] {
        let world = World::empty().await;
        world.provider.publish(vec![merged(own.clone(), more.clone()), key("EdDSA").jwk()]);
        world.trust(&[world.remote(json!({}))]);
        let token = world.minted(algorithm, json!({}), json!({}));
        assert_eq!(world.outcome(&token).await, expected, "{more} {algorithm}");
    }
}

#[tokio::test]
async fn sixty_four_keys_are_read_and_no_more() {
    let filler = |n: usize| merged(key("EdDSA").jwk(), json!({"kid": format!("k{n}")}));
    let mut keys: Vec<Value> = (0..63).map(filler).collect();
    keys.push(key("ES256").jwk());
    keys.extend((64..500).map(filler));
    assert_eq!(with_keys(keys).await, "accepted");
    let mut keys: Vec<Value> = (0..64).map(filler).collect();
    keys.push(key("ES256").jwk());
    assert_eq!(with_keys(keys).await, "kid");
}

#[tokio::test]
async fn a_token_that_names_no_key_is_tried_with_four() {
    let nameless = |key: &SigningKey| merged(key.jwk(), json!({"kid": "(absent)"}));
    for (others, expected) in [(3, "accepted"), (4, "signature")] {
        let world = World::empty().await;
        let mut keys: Vec<Value> =
            (0..others).map(|_| nameless(&SigningKey::generate("ES256", "a"))).collect();
        keys.push(nameless(&key("ES256")));
        world.provider.publish(keys);
        world.trust(&[world.remote(json!({}))]);
        let token = world.minted("ES256", json!({"kid": null}), json!({}));
        assert_eq!(world.outcome(&token).await, expected, "{others}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_token_has_one_answer_however_often_it_is_asked_for() {
    let world = std::sync::Arc::new(trusting(json!({})).await);
    // The keys are there, so that the crowd does not use up the time that their fetch may take.
    let first = world.minted("ES256", json!({}), json!({"jti": "first"}));
    assert_eq!(world.outcome(&first).await, "accepted");
    let good = world.minted("ES256", json!({}), json!({}));
    let bad =
        SigningKey::generate("ES256", "p256").mint("ES256", &json!({}), &world.claims(json!({})));
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..1_000 {
        for (token, expected) in [(good.clone(), "accepted"), (bad.clone(), "signature")] {
            let world = std::sync::Arc::clone(&world);
            asking.spawn(async move { (world.outcome(&token).await, expected) });
        }
    }
    for (outcome, expected) in asking.join_all().await {
        assert_eq!(outcome, expected);
    }
    assert_eq!(world.provider.requests(), 1);
}

#[tokio::test]
async fn keys_belong_to_their_issuer() {
    let world = World::new().await;
    let second = FakeProvider::start(vec![SigningKey::generate("ES256", "own").jwk()]).await;
    let other = json!({
        "id": "other", "type": "jwt",
        "jwt": {"iss": "https://other.example.com"}, "jwks_uri": second.jwks_uri(),
    });
    world.trust(&[world.remote(json!({})), other]);
    let token = world.minted("ES256", json!({}), json!({"iss": "https://other.example.com"}));
    assert_eq!(world.outcome(&token).await, "kid");
}

#[tokio::test]
async fn a_changed_introspector_forgets_and_an_unchanged_one_keeps() {
    let world = World::empty().await;
    let remote = world.remote(json!({}));
    let trust = |version| world.identity.replace_introspectors(vec![read(&remote, version)]);
    trust(1);
    let token = world.minted("ES256", json!({}), json!({}));
    assert_eq!(world.outcome(&token).await, "accepted");
    world.provider.answer(Answer::Status(500));
    trust(1);
    assert_eq!(world.outcome(&token).await, "accepted");
    assert_eq!(world.provider.requests(), 1, "its keys were kept");
    let beside = read(&crate::world::shared(json!({})), 1);
    world.identity.replace_introspectors(vec![read(&remote, 1), beside]);
    assert_eq!(world.outcome(&token).await, "accepted");
    assert_eq!(world.provider.requests(), 1, "its keys were kept beside a new one");
    trust(2);
    assert_eq!(world.outcome(&token).await, "keys-unavailable");
    world.trust(&[]);
    assert_eq!(world.outcome(&token).await, "issuer");
}

#[tokio::test]
async fn a_changed_secret_ends_what_was_remembered() {
    use crate::world::{shared, shared_token};
    let world = World::empty().await;
    world.trust(&[shared(json!({}))]);
    let token = shared_token(json!({}));
    assert_eq!(world.outcome(&token).await, "accepted");
    world.trust(&[shared(json!({"jwt": {"secret": "another secret of more than 32 bytes"}}))]);
    assert_eq!(world.outcome(&token).await, "signature");
    world.trust(&[shared(json!({"active": false}))]);
    assert_eq!(world.outcome(&token).await, "issuer");
}
