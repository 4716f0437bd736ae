//! Key sets found by a provider's own configuration.

use std::time::Duration;

use firewarden_testkit::{Answer, SigningKey};
use serde_json::{Value, json};

use crate::world::{World, merged};

fn discovering(world: &World, more: Value) -> Value {
    let discovered = json!({
        "id": "discovered", "type": "jwt", "jwt": {"iss": world.provider.issuer()}, "discovery": true,
    });
    merged(discovered, more)
}

fn configuration(world: &World, more: Value) -> String {
    let configuration =
        json!({"issuer": world.provider.issuer(), "jwks_uri": world.provider.jwks_uri()});
    merged(configuration, more).to_string()
}

async fn outcome(world: &World) -> &'static str {
    world.outcome(&world.minted("ES256", json!({}), json!({}))).await
}

#[tokio::test]
async fn the_keys_are_where_the_configuration_says() {
    let world = World::empty().await;
    world.provider.configure(configuration(&world, json!({})));
    world.trust(&[discovering(&world, json!({}))]);
    assert_eq!(outcome(&world).await, "accepted");
    assert_eq!(world.provider.requests(), 1);
    // A rotation reads both anew.
    let new = SigningKey::generate("ES256", "new");
    world.provider.publish(vec![new.jwk()]);
    let token = new.mint("ES256", &json!({}), &world.claims(json!({})));
    assert_eq!(world.outcome(&token).await, "accepted");
    assert_eq!(world.provider.requests(), 2);
    assert_eq!(world.identity.key_sets()[0].introspector.as_str(), "discovered");
}

#[tokio::test]
async fn only_the_issuers_own_configuration_counts() {
    let world = World::empty().await;
    let issuer = world.provider.issuer();
    for text in [
        "<html>".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        configuration(&world, json!({"issuer": "(absent)"})),
        configuration(&world, json!({"issuer": format!("{issuer}/")})),
        configuration(&world, json!({"issuer": issuer.to_uppercase()})),
        configuration(&world, json!({"issuer": "https://evil.example.com"})),
        configuration(&world, json!({"issuer": [issuer]})),
        configuration(&world, json!({"jwks_uri": "(absent)"})),
        configuration(&world, json!({"jwks_uri": 1})),
        configuration(&world, json!({"jwks_uri": "/jwks"})),
        configuration(&world, json!({"jwks_uri": "file:///etc/passwd"})),
        configuration(&world, json!({"jwks_uri": "http://169.254.169.254/latest"})),
        configuration(&world, json!({"jwks_uri": "http://idp.example.com/jwks"})),
        configuration(&world, json!({"jwks_uri": "https://u:p@idp.example.com/jwks"})),
        format!(r#"{{"issuer":"{issuer}","issuer":"{issuer}","jwks_uri":"{issuer}/jwks"}}"#),
    ] {
        world.provider.configure(text.clone());
        world.trust(&[]);
        world.trust(&[discovering(&world, json!({}))]);
        assert_eq!(outcome(&world).await, "keys-unavailable", "{text}");
    }
    assert_eq!(world.provider.requests(), 0, "no key set was asked for");
}

#[tokio::test]
async fn a_configuration_that_turns_bad_leaves_the_keys() {
    let world = World::empty().await;
    world.provider.configure(configuration(&world, json!({})));
    world.trust(&[discovering(&world, json!({"cache_ttl": 60}))]);
    assert_eq!(outcome(&world).await, "accepted");
    world.provider.configure(configuration(&world, json!({"issuer": "https://evil.example.com"})));
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    tokio::time::resume();
    while world.identity.key_sets()[0].failures == 0 {
        tokio::task::yield_now().await;
    }
    let later = world.minted("ES256", json!({}), json!({"jti": "2"}));
    assert_eq!(world.outcome(&later).await, "accepted");
    assert_eq!(world.provider.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn both_fetches_together_have_the_time_of_one() {
    let world = World::empty().await;
    world.provider.configure(configuration(&world, json!({})));
    world.provider.answer(Answer::Hang);
    world.trust(&[discovering(&world, json!({}))]);
    let began = tokio::time::Instant::now();
    assert_eq!(outcome(&world).await, "keys-unavailable");
    assert!(began.elapsed() <= Duration::from_secs(4), "{:?}", began.elapsed());
}

#[tokio::test]
async fn an_issuer_that_is_no_place_to_ask_is_refused() {
    use firewarden_identity::{OutboundAllow, check_introspector};
    for (issuer, refused) in [
        ("https://idp.example.com", false),
        ("https://idp.example.com/", false),
        ("https://idp.example.com/realms/a", false),
        ("https://idp.example.com/?a=b", true),
        ("https://idp.example.com/#a", true),
        ("http://idp.example.com", true),
        ("https://127.0.0.1", true),
        ("urn:example:idp", true),
        ("idp", true),
    ] {
        let content = json!({
            "type": "jwt", "jwt": {"iss": issuer, "aud": "fhir"}, "discovery": true,
        });
        let checked = check_introspector(content.as_object().unwrap(), &OutboundAllow::default());
        assert_eq!(checked.is_err(), refused, "{issuer}");
        for issue in checked.err().into_iter().flatten() {
            assert_eq!(issue.expression.as_deref(), Some("TokenIntrospector.jwt.iss"), "{issuer}");
        }
    }
}
