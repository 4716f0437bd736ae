//! Keys that the operator gives: what must agree, and what they verify.

use firewarden_fhir::{Id, Version};
use firewarden_identity::{Introspector, check_introspector};
use firewarden_testkit::{SigningKey, hmac_token, key};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::world::{NOW_S, SECRET, World, loopback, merged};

const ISSUER: &str = "https://static.example.com";

fn introspector(keys: Value) -> Value {
    json!({"id": "static", "type": "jwt", "jwt": {"iss": ISSUER, "aud": "fhir", "keys": keys}})
}

fn claims() -> Value {
    json!({"iss": ISSUER, "aud": "fhir", "sub": "alice", "exp": NOW_S + 60})
}

fn pem(algorithm: &str) -> Value {
    let key = key(algorithm);
    let kty = key.jwk()["kty"].clone();
    json!({"kty": kty, "alg": algorithm, "format": "PEM", "pub": key.public_pem()})
}

fn secret(more: Value) -> Value {
    merged(json!({"kty": "OCT", "alg": "HS256", "format": "plain", "k": SECRET}), more)
}

fn token(algorithm: &str, header: Value) -> String {
    key(algorithm).mint(algorithm, &header, &claims())
}

fn check(keys: Value) -> Vec<String> {
    let content = introspector(keys);
    let checked = check_introspector(content.as_object().unwrap(), &loopback());
    let issues = checked.unwrap_or_else(|errors| errors);
    let line = |issue: &firewarden_fhir::Issue| {
        let place = issue.expression.as_deref().unwrap_or("-");
        let place = place.trim_start_matches("TokenIntrospector.jwt.keys");
        format!("{} {place}", issue.code)
    };
    issues.iter().map(line).collect()
}

#[tokio::test]
async fn every_algorithm_is_accepted_from_its_own_key_in_every_format() {
    for algorithm in
        ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
    {
        let jwk = key(algorithm).jwk();
        for entry in [
            pem(algorithm),
            json!({"alg": algorithm, "format": "JWK", "pub": jwk}),
            json!({"alg": algorithm, "pub": jwk.to_string()}),
            json!({"pub": merged(jwk.clone(), json!({"alg": algorithm}))}),
            merged(
                jwk.clone(),
                json!({"alg": algorithm, "pub": key(algorithm).public_pem(), "n": "(absent)", "e": "(absent)", "x": "(absent)", "y": "(absent)"}),
            ),
        ] {
            let world = World::empty().await;
            assert_eq!(check(json!([entry.clone()])), [""; 0], "{entry}");
            world.trust(&[introspector(json!([entry]))]);
            let good = token(algorithm, json!({}));
            assert_eq!(world.outcome(&good).await, "accepted", "{entry}");
            let other = SigningKey::generate(algorithm, key(algorithm).id());
            let forged = other.mint(algorithm, &json!({}), &claims());
            assert_eq!(world.outcome(&forged).await, "signature", "{entry}");
        }
    }
    let jwk = json!({"kty": "oct", "k": "YSBzaGFyZWQgc2VjcmV0IG9mIG1vcmUgdGhhbiAzMiBieXRlcw"});
    for entry in [
        secret(json!({})),
        secret(json!({"format": "JWK", "k": jwk})),
        secret(json!({"format": "JWK", "k": jwk.to_string()})),
        json!({"alg": "HS256", "k": jwk}),
    ] {
        let world = World::empty().await;
        assert_eq!(check(json!([entry.clone()])), [""; 0], "{entry}");
        world.trust(&[introspector(json!([entry]))]);
        for (algorithm, secret, expected) in [
            ("HS256", SECRET.as_bytes(), "accepted"),
            ("HS256", b"another", "signature"),
            ("HS512", SECRET.as_bytes(), "alg"),
        ] {
            let token = hmac_token(algorithm, secret, &json!({}), &claims());
            assert_eq!(world.outcome(&token).await, expected, "{entry} {algorithm}");
        }
    }
}

#[tokio::test]
async fn a_key_verifies_its_own_algorithm_alone() {
    let world = World::empty().await;
    world.trust(&[introspector(json!([pem("RS256"), pem("ES256")]))]);
    for algorithm in ["RS256", "ES256"] {
        assert_eq!(world.outcome(&token(algorithm, json!({}))).await, "accepted", "{algorithm}");
    }
    for algorithm in ["RS384", "RS512", "PS256", "ES384", "EdDSA"] {
        assert_eq!(world.outcome(&token(algorithm, json!({}))).await, "alg", "{algorithm}");
    }
    // The public half as a shared secret, in each of its spellings.
    let rsa = key("RS256");
    let (pem, jwk) = (rsa.public_pem(), rsa.jwk().to_string());
    let forms: [&[u8]; 6] = [
        pem.as_bytes(),
        pem.trim_end().as_bytes(),
        &format!(" {pem}").into_bytes(),
        &rsa.public_der(),
        jwk.as_bytes(),
        b"",
    ];
    for secret in forms {
        for algorithm in ["HS256", "HS384", "HS512"] {
            for header in [json!({}), json!({"kid": "rsa"})] {
                let token = hmac_token(algorithm, secret, &header, &claims());
                assert_eq!(world.outcome(&token).await, "alg");
            }
        }
    }
}

#[tokio::test]
async fn a_key_without_id_is_for_every_id_that_no_other_key_has() {
    let other = SigningKey::generate("ES256", "other");
    let named = json!({"kid": "p256", "alg": "ES256", "pub": key("ES256").public_pem()});
    let nameless = json!({"alg": "ES256", "pub": other.public_pem()});
    let world = World::empty().await;
    world.trust(&[introspector(json!([named, nameless]))]);
    let by = |key: &SigningKey, kid: Value| key.mint("ES256", &json!({"kid": kid}), &claims());
    for (token, expected) in [
        (by(&key("ES256"), json!("p256")), "accepted"),
        (by(&key("ES256"), Value::Null), "accepted"),
        (by(&key("ES256"), json!("unheard")), "signature"),
        (by(&other, json!("unheard")), "accepted"),
        (by(&other, Value::Null), "accepted"),
        (by(&other, json!("p256")), "signature"),
    ] {
        assert_eq!(world.outcome(&token).await, expected, "{token}");
    }
    world.trust(&[introspector(json!([named]))]);
    assert_eq!(world.outcome(&by(&key("ES256"), json!("unheard"))).await, "kid");
}

#[test]
fn what_does_not_agree_is_refused_where_it_stands() {
    let rsa_jwk = || key("RS256").jwk();
    let jwk = |more: Value| json!({"alg": "RS256", "pub": merged(rsa_jwk(), more)});
    let certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----";
    let with = |more: Value| merged(pem("RS256"), more);
    for (entry, expected) in [
        (json!("a"), "value [0]"),
        (json!({}), "required [0].pub"),
        (with(json!({"k": "a"})), "invariant [0].pub"),
        (with(json!({"key": "a"})), "structure [0].key"),
        (with(json!({"kty": "EC"})), "invariant [0].kty"),
        (with(json!({"kty": "OKP"})), "invariant [0].kty"),
        (with(json!({"kty": "OCT"})), "invariant [0].kty"),
        (with(json!({"kty": "DSA"})), "value [0].kty"),
        (with(json!({"alg": "(absent)"})), "required [0].alg"),
        (with(json!({"alg": "ES256"})), "invariant [0].alg"),
        (with(json!({"alg": "HS256"})), "invariant [0].alg"),
        (with(json!({"alg": "none"})), "value [0].alg"),
        (with(json!({"alg": "rs256"})), "value [0].alg"),
        (with(json!({"crv": "P-256"})), "invariant [0].crv"),
        (merged(pem("ES256"), json!({"alg": "ES384"})), "invariant [0].alg"),
        (merged(pem("ES256"), json!({"crv": "P-384"})), "invariant [0].crv"),
        (with(json!({"use": "enc"})), "value [0].use"),
        (with(json!({"kid": ""})), "value [0].kid"),
        (with(json!({"kid": 1})), "value [0].kid"),
        (with(json!({"format": "DER"})), "value [0].format"),
        (with(json!({"format": "JWK"})), "value [0].pub"),
        (with(json!({"format": "plain"})), "invariant [0].format"),
        (with(json!({"pub": ""})), "value [0].pub"),
        (with(json!({"pub": 1})), "value [0].pub"),
        (with(json!({"pub": certificate})), "value [0].pub"),
        (with(json!({"pub": key("RS256").private_pem()})), "value [0].pub"),
        (jwk(json!({"format": "PEM"})), ""),
        (jwk(json!({"alg": "RS512"})), "invariant [0].alg"),
        (jwk(json!({"alg": "RSA"})), "value [0].pub"),
        (jwk(json!({"kty": "EC"})), "value [0].pub"),
        (jwk(json!({"use": "enc"})), "value [0].pub"),
        (jwk(json!({"key_ops": ["sign"]})), "value [0].pub"),
        (jwk(json!({"d": "CANARY"})), "value [0].pub"),
        (jwk(json!({"p": "CANARY"})), "value [0].pub"),
        (jwk(json!({"k": "CANARY", "kty": "oct"})), "value [0].pub"),
        (jwk(json!({"n": "AAEAAQ"})), "value [0].pub"),
        (jwk(json!({"e": "AQ"})), "value [0].pub"),
        (merged(jwk(json!({})), json!({"kid": "other"})), "invariant [0].kid"),
        (
            json!({"alg": "ES256", "pub": merged(key("ES256").jwk(), json!({"y": key("ES256").jwk()["x"]}))}),
            "value [0].pub",
        ),
    ] {
        check_entry(&entry, expected);
    }
}

#[test]
fn a_shared_secret_is_given_as_one() {
    for (entry, expected) in [
        (secret(json!({"k": ""})), "value [0].k"),
        (secret(json!({"k": 1})), "value [0].k"),
        (secret(json!({"k": "x".repeat(4_097)})), "value [0].k"),
        (secret(json!({"k": "CANARY"})), "security [0].k"),
        (secret(json!({"kty": "RSA"})), "invariant [0].kty"),
        (secret(json!({"alg": "RS256"})), "invariant [0].alg"),
        (secret(json!({"alg": "(absent)"})), "required [0].alg"),
        (secret(json!({"crv": "P-256"})), "invariant [0].crv"),
        (secret(json!({"format": "PEM"})), "invariant [0].format"),
        (secret(json!({"format": "JWK"})), "value [0].k"),
        (secret(json!({"format": "JWK", "k": {"kty": "oct"}})), "value [0].k"),
        (secret(json!({"format": "JWK", "k": {"kty": "oct", "k": ""}})), "value [0].k"),
        (
            secret(json!({"format": "JWK", "k": {"kty": "oct", "k": "YQ", "d": "YQ"}})),
            "value [0].k",
        ),
        (
            secret(json!({"format": "JWK", "k": {"kty": "oct", "k": "YQ", "alg": "HS512"}})),
            "invariant [0].alg",
        ),
    ] {
        check_entry(&entry, expected);
    }
}

/// Checks what is said of a key, and that nothing of the key is.
fn check_entry(entry: &Value, expected: &str) {
    let expected: &[&str] = if expected.is_empty() { &[] } else { &[expected] };
    assert_eq!(check(json!([entry])), expected, "{entry}");
    let content = introspector(json!([entry]));
    let checked = check_introspector(content.as_object().unwrap(), &loopback());
    assert!(!format!("{checked:?}").contains("CANARY"));
    assert!(!format!("{checked:?}").contains("MII"));
}

#[test]
fn the_list_is_bounded_and_narrowed() {
    for (keys, expected) in [
        (json!([]), vec!["value "]),
        (json!({}), vec!["value "]),
        (Value::Array(vec![pem("RS256"); 17]), vec!["value "]),
        (Value::Array(vec![pem("RS256"); 4]), vec![]),
        (Value::Array(vec![pem("RS256"); 5]), vec!["invariant [4].kid"]),
        (json!([pem("RS256"), 1, {}]), vec!["value [1]", "required [2].pub"]),
    ] {
        assert_eq!(check(keys.clone()), expected, "{keys:.100}");
    }
    let narrowed = merged(
        introspector(json!([pem("RS256"), pem("ES256")])),
        json!({"jwt": {"algorithms": ["ES256"]}}),
    );
    let errors = check_introspector(narrowed.as_object().unwrap(), &loopback()).unwrap_err();
    let places: Vec<_> = errors.iter().filter_map(|issue| issue.expression.as_deref()).collect();
    assert_eq!(places, ["TokenIntrospector.jwt.keys[0].alg"]);
}

#[tokio::test]
async fn a_masked_secret_is_the_one_sealed_for_its_place() {
    let jwk = json!({"kty": "oct", "k": "***"});
    let content = introspector(json!([
        pem("RS256"),
        secret(json!({"kid": "a", "k": "***"})),
        secret(json!({"kid": "b", "format": "JWK", "k": "***"})),
        secret(json!({"kid": "c", "format": "JWK", "k": jwk})),
    ]));
    let content = content.as_object().unwrap();
    assert_eq!(check_introspector(content, &loopback()).unwrap(), [], "a mask keeps a secret");
    let sealed = |secrets: &[(&str, &str)]| -> Vec<(String, Zeroizing<Vec<u8>>)> {
        let one = |(pointer, secret): &(&str, &str)| {
            ((*pointer).to_owned(), Zeroizing::new(secret.as_bytes().to_vec()))
        };
        secrets.iter().map(one).collect()
    };
    let secrets = [
        ("/jwt/keys/1/k", "the secret of a"),
        ("/jwt/keys/2/k", r#"{"kty":"oct","k":"Yg"}"#),
        ("/jwt/keys/3/k/k", "Yw"),
    ];
    let id = Id::parse("static").unwrap();
    let parse = |secrets: &[(&str, &str)]| {
        Introspector::parse(&id, Version(1), content, &sealed(secrets), &loopback())
    };
    let world = World::empty().await;
    world.identity.replace_introspectors(vec![parse(&secrets).unwrap()]);
    for (kid, secret, expected) in [
        ("a", "the secret of a", "accepted"),
        ("b", "b", "accepted"),
        ("c", "c", "accepted"),
        ("b", "the secret of a", "signature"),
        ("a", "***", "signature"),
        ("c", "\0\0\0", "signature"),
    ] {
        let token = hmac_token("HS256", secret.as_bytes(), &json!({"kid": kid}), &claims());
        assert_eq!(world.outcome(&token).await, expected, "{kid} {secret}");
    }
    for missing in 0..secrets.len() {
        let mut fewer = secrets.to_vec();
        fewer.remove(missing);
        assert!(parse(&fewer).is_err(), "a mask is no secret");
    }
}
