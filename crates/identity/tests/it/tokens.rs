//! What is a good token, and what is not, however it is bent.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use firewarden_fhir::Timestamp;
use firewarden_identity::{Credentials, Unauthenticated};
use firewarden_testkit::{SigningKey, compact, hmac_token, key};
use serde_json::{Value, json};

use crate::world::{NOW_S, SECRET, SHARED, World, now, shared, shared_claims, shared_token};

#[tokio::test]
async fn every_algorithm_is_accepted_from_its_own_key() {
    let world = World::new().await;
    for algorithm in
        ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
    {
        let token = world.minted(algorithm, json!({}), json!({}));
        assert_eq!(world.outcome(&token).await, "accepted", "{algorithm}");
        let without_id = world.minted(algorithm, json!({"kid": null}), json!({}));
        assert_eq!(world.outcome(&without_id).await, "accepted", "{algorithm} without kid");
    }
    for algorithm in ["HS256", "HS384", "HS512"] {
        let claims = shared_claims(json!({}));
        let token = hmac_token(algorithm, SECRET.as_bytes(), &json!({}), &claims);
        assert_eq!(world.outcome(&token).await, "accepted", "{algorithm}");
        let wrong = hmac_token(algorithm, b"another secret", &json!({}), &claims);
        assert_eq!(world.outcome(&wrong).await, "signature", "{algorithm}");
    }
}

#[tokio::test]
async fn a_header_that_was_seen_before_excuses_nothing() {
    let world = World::new().await;
    let good = world.minted("ES256", json!({}), json!({"jti": "1"}));
    let again = world.minted("ES256", json!({}), json!({"jti": "2"}));
    let expired = world.minted("ES256", json!({}), json!({"exp": NOW_S - 3_600}));
    let (signed, _) = again.rsplit_once('.').unwrap();
    let (_, signature) = good.rsplit_once('.').unwrap();
    let (header, rest) = again.split_once('.').unwrap();
    for _ in 0..2 {
        for (token, outcome) in [
            (&good, "accepted"),
            (&again, "accepted"),
            (&format!("{signed}.{signature}"), "signature"),
            (&format!("{header}=.{rest}"), "encoding"),
            (&expired, "exp"),
        ] {
            assert_eq!(world.outcome(token).await, outcome, "{token}");
        }
    }
    let claims = async |token: &str| world.identity.verify_anew(token, now()).await;
    assert_eq!(claims(&again).await.unwrap().get("jti"), Some(&json!("2")));
    assert!(claims(&format!("{signed}.{signature}")).await.is_err());
}

#[tokio::test]
async fn a_request_without_credentials_is_anonymous_and_a_bad_one_is_not() {
    let world = World::new().await;
    let ask = async |headers: &[&str]| {
        let headers: Vec<&[u8]> = headers.iter().map(|header| header.as_bytes()).collect();
        let credentials = Credentials::from_headers(&headers);
        world.identity.authenticate(&credentials, &world.directory, now()).await
    };
    assert!(ask(&[]).await.unwrap().is_anonymous());
    let valid = format!("Bearer {}", shared_token(json!({})));
    assert_eq!(ask(&[&valid, &valid]).await.unwrap_err(), Unauthenticated::Ambiguous);
    assert!(ask(&[&valid.replace("Bearer", "bearer")]).await.is_ok());
    for (header, check) in
        [("Bearer", "parts"), ("Bearer ", "parts"), ("", "scheme"), ("Digest a", "scheme")]
    {
        assert_eq!(ask(&[header]).await.unwrap_err().check(), check, "{header:?}");
    }
}

#[tokio::test]
async fn the_algorithm_is_never_the_headers_choice() {
    let world = World::new().await;
    let claims = world.claims(json!({}));
    let none = |alg: &str| {
        compact(&json!({"alg": alg}).to_string(), &claims.to_string(), |_| b"x".to_vec())
    };
    for alg in ["none", "None", "NONE", "noNE", " none", "ES256K", ""] {
        assert_eq!(world.outcome(&none(alg)).await, "alg", "{alg:?}");
    }
    let unsigned = none("RS256").rsplit_once('.').map(|(head, _)| format!("{head}.")).unwrap();
    assert_eq!(world.outcome(&unsigned).await, "signature");
    let pem = key("RS256").public_pem();
    let jwk = key("RS256").jwk().to_string();
    let der = key("RS256").public_der();
    for secret in [
        pem.as_bytes(),
        pem.trim_end().as_bytes(),
        format!(" {pem}").as_bytes(),
        &der,
        jwk.as_bytes(),
        b"",
    ] {
        let token = hmac_token("HS256", secret, &json!({"kid": "rsa"}), &claims);
        assert_eq!(world.outcome(&token).await, "alg");
    }
    // The issuer of a shared secret takes no signature of a key pair.
    let crossed = key("ES256").mint("ES256", &json!({}), &shared_claims(json!({})));
    assert_eq!(world.outcome(&crossed).await, "alg");
    let empty = hmac_token("HS256", b"", &json!({}), &shared_claims(json!({})));
    assert_eq!(world.outcome(&empty).await, "signature");
}

#[tokio::test]
async fn key_and_token_must_agree_in_everything() {
    let world = World::new().await;
    for (kid, algorithm, check) in [
        ("rsa", "ES256", "alg"),
        ("p256", "RS256", "alg"),
        ("p256", "ES384", "alg"),
        ("p384", "ES256", "alg"),
        ("ed25519", "ES256", "alg"),
    ] {
        let token = world.minted(algorithm, json!({"kid": kid}), json!({}));
        assert_eq!(world.outcome(&token).await, check, "{kid} {algorithm}");
    }
    let long = "k".repeat(10_240);
    for kid in [json!(long), json!("a\0"), json!(["rsa"]), json!(1), json!("")] {
        let token = world.minted("RS256", json!({"kid": kid}), json!({}));
        assert_eq!(world.outcome(&token).await, "kid", "{kid}");
    }
    let other = SigningKey::generate("ES256", "p256");
    let token = other.mint("ES256", &json!({}), &world.claims(json!({})));
    assert_eq!(world.outcome(&token).await, "signature");
}

#[tokio::test]
async fn a_token_cannot_bring_its_own_key() {
    let world = World::new().await;
    let attacker = SigningKey::generate("ES256", "p256");
    let elsewhere = format!("http://{}/attacker", world.provider.address());
    for header in [
        json!({"jwk": attacker.jwk()}),
        json!({"jku": elsewhere}),
        json!({"x5u": elsewhere}),
        json!({"x5c": ["AAAA"]}),
    ] {
        let token = attacker.mint("ES256", &header, &world.claims(json!({})));
        assert_eq!(world.outcome(&token).await, "signature", "{header}");
        let own = world.minted("ES256", header.clone(), json!({}));
        assert_eq!(world.outcome(&own).await, "accepted", "{header}");
    }
    assert_eq!(world.provider.requests_elsewhere(), 0);
}

#[tokio::test]
async fn a_header_that_demands_more_than_we_serve_is_refused() {
    let world = World::new().await;
    for (header, check) in [
        (json!({"crit": []}), "crit"),
        (json!({"crit": ["exp"], "exp": 1}), "crit"),
        (json!({"b64": false}), "crit"),
        (json!({"typ": "logout+jwt"}), "typ"),
        (json!({"typ": "dpop+jwt"}), "typ"),
        (json!({"typ": "secevent+jwt"}), "typ"),
        (json!({"typ": 1}), "typ"),
        (json!({"typ": "application/at+jwt"}), "accepted"),
        (json!({"typ": "AT+JWT"}), "accepted"),
        (json!({"typ": "jwt"}), "accepted"),
        (json!({"typ": null}), "accepted"),
    ] {
        let token = world.minted("ES256", header.clone(), json!({}));
        assert_eq!(world.outcome(&token).await, check, "{header}");
    }
}

#[tokio::test]
async fn an_introspector_may_demand_its_type() {
    let world = World::empty().await;
    world.trust(&[world.remote(json!({"jwt": {"typ": "at+jwt"}}))]);
    for (header, check) in [
        (json!({"typ": "JWT"}), "typ"),
        (json!({"typ": null}), "typ"),
        (json!({"typ": "at+jwt"}), "accepted"),
        (json!({"typ": "application/at+jwt"}), "accepted"),
    ] {
        let token = world.minted("ES256", header.clone(), json!({}));
        assert_eq!(world.outcome(&token).await, check, "{header}");
    }
}

#[tokio::test]
async fn a_token_has_one_spelling() {
    let world = World::new().await;
    let good = shared_token(json!({"filler": "???>>>"}));
    assert_eq!(world.outcome(&good).await, "accepted");
    let standard = good.replace('-', "+").replace('_', "/");
    assert_ne!(standard, good, "the token has characters that differ");
    let payload = URL_SAFE_NO_PAD.decode(good.split('.').nth(1).unwrap()).unwrap();
    let padded = good.replace(good.split('.').nth(1).unwrap(), &STANDARD.encode(&payload));
    let json_form = json!({"protected": good, "payload": "", "signature": ""}).to_string();
    for (token, check) in [
        (standard, "encoding"),
        (padded, "encoding"),
        (format!("{good}="), "encoding"),
        (format!("{good}\n"), "encoding"),
        (format!("\"{good}\""), "encoding"),
        (good.replacen('.', "\n.", 1), "encoding"),
        (format!("{good}."), "parts"),
        (format!("{good}.a.b"), "parts"),
        (good.rsplit_once('.').unwrap().0.to_owned(), "parts"),
        ("opaque".into(), "parts"),
        (json_form, "encoding"),
        ("a".repeat(16 * 1024 + 1), "length"),
    ] {
        assert_eq!(world.outcome(&token).await, check, "{token:.60}");
    }
    // Blanks around a header's value are no part of it (RFC 9110 section 5.5).
    assert!(world.header(&format!("Bearer  {good} ")).await.is_ok());
}

#[tokio::test]
async fn eight_kilobytes_are_not_too_long() {
    let world = World::new().await;
    let token = shared_token(json!({"filler": "x".repeat(8 * 1024)}));
    assert_eq!(world.outcome(&token).await, "accepted");
    let token = shared_token(json!({"filler": "x".repeat(16 * 1024)}));
    assert_eq!(world.outcome(&token).await, "length");
}

#[tokio::test]
async fn claims_are_a_strict_object() {
    let world = World::new().await;
    let sign = |claims: &str| {
        compact(r#"{"alg":"HS256"}"#, claims, |text| {
            use aws_lc_rs::hmac;
            let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
            hmac::sign(&key, text).as_ref().to_vec()
        })
    };
    let good = format!(r#"{{"iss":"{SHARED}","exp":{}}}"#, NOW_S + 60);
    assert_eq!(world.outcome(&sign(&good)).await, "accepted");
    let deep = good.replace('}', &format!(r#","a":{}{}}}"#, "[".repeat(1_000), "]".repeat(1_000)));
    for claims in [
        "[]",
        "null",
        "\"a\"",
        "",
        &format!("\u{feff}{good}"),
        &good.replace('}', r#","exp":9999999999}"#),
        &good.replace('}', r#","a":{"b":1,"b":2}}"#),
        &deep,
    ] {
        assert_eq!(world.outcome(&sign(claims)).await, "claims", "{claims:.80}");
    }
}

/// Checks what becomes of the shared introspector's tokens with these claims.
async fn check_claims(introspector: Value, cases: Vec<(Value, &str)>) {
    let world = World::empty().await;
    world.trust(&[shared(introspector)]);
    for (claims, expected) in cases {
        let outcome = world.outcome(&shared_token(claims.clone())).await;
        assert_eq!(outcome, expected, "{claims}");
    }
}

#[tokio::test]
async fn a_token_ends() {
    let cases = vec![
        (json!({"exp": "(absent)"}), "exp"),
        (json!({"exp": (NOW_S + 60).to_string()}), "exp"),
        (json!({"exp": -1}), "exp"),
        (json!({"exp": 1e300}), "exp"),
        (json!({"exp": null}), "exp"),
        (json!({"exp": true}), "exp"),
        (json!({"exp": [NOW_S + 60]}), "exp"),
        (json!({"exp": {}}), "exp"),
        (json!({"exp": 1_800_000_060.5}), "accepted"),
        (json!({"exp": NOW_S}), "exp"),
        (json!({"exp": NOW_S - 1}), "exp"),
        (json!({"exp": NOW_S + 1}), "accepted"),
        (json!({"nbf": NOW_S + 1}), "nbf"),
        (json!({"nbf": NOW_S.to_string()}), "nbf"),
        (json!({"nbf": null}), "nbf"),
        (json!({"nbf": NOW_S}), "accepted"),
        (json!({"iat": NOW_S + 1}), "iat"),
        (json!({"iat": "yesterday"}), "iat"),
        (json!({"iat": NOW_S - 1_000_000}), "accepted"),
    ];
    check_claims(json!({}), cases).await;
}

#[tokio::test]
async fn clocks_may_differ_by_the_leeway_and_no_more() {
    let cases = vec![
        (json!({"exp": NOW_S - 61}), "exp"),
        (json!({"exp": NOW_S - 59}), "accepted"),
        (json!({"nbf": NOW_S + 61}), "nbf"),
        (json!({"nbf": NOW_S + 60}), "accepted"),
        (json!({"iat": NOW_S + 61}), "iat"),
        (json!({"iat": NOW_S + 60}), "accepted"),
    ];
    check_claims(json!({"jwt": {"leeway": 60}}), cases).await;
}

#[tokio::test]
async fn a_token_grows_no_older_than_the_introspector_allows() {
    let cases = vec![
        (json!({}), "max-age"),
        (json!({"iat": NOW_S - 3_601}), "max-age"),
        (json!({"iat": NOW_S - 3_600}), "accepted"),
        (json!({"iat": 0}), "max-age"),
    ];
    check_claims(json!({"jwt": {"max_age": 3_600}}), cases).await;
}

#[tokio::test]
async fn the_issuer_is_compared_byte_for_byte() {
    let cases = vec![
        (json!({"iss": "(absent)"}), "iss"),
        (json!({"iss": [SHARED]}), "iss"),
        (json!({"iss": ["https://evil", SHARED]}), "iss"),
        (json!({"iss": format!("{SHARED}/")}), "issuer"),
        (json!({"iss": SHARED.replace("shared", "SHARED")}), "issuer"),
        (json!({"iss": "https://shared.example.com@evil"}), "issuer"),
        (json!({"iss": " https://shared.example.com"}), "issuer"),
        (json!({"iss": ""}), "issuer"),
    ];
    check_claims(json!({}), cases).await;
}

#[tokio::test]
async fn the_audience_is_one_of_ours_exactly() {
    let cases = vec![
        (json!({}), "aud"),
        (json!({"aud": "fhir"}), "accepted"),
        (json!({"aud": ["other", "fhir"]}), "accepted"),
        (json!({"aud": "warden"}), "accepted"),
        (json!({"aud": []}), "aud"),
        (json!({"aud": ["other"]}), "aud"),
        (json!({"aud": "fhi"}), "aud"),
        (json!({"aud": "fhir2"}), "aud"),
        (json!({"aud": "FHIR"}), "aud"),
        (json!({"aud": {"fhir": true}}), "aud"),
        (json!({"aud": ["fhir", 1]}), "aud"),
        (json!({"aud": null}), "aud"),
    ];
    check_claims(json!({"jwt": {"aud": ["fhir", "warden"]}}), cases).await;
    let unchecked = vec![(json!({}), "accepted"), (json!({"aud": {"a": 1}}), "aud")];
    check_claims(json!({}), unchecked).await;
}

#[tokio::test]
async fn a_subject_is_a_text_that_can_name_somebody() {
    let cases = vec![
        (json!({"sub": "(absent)"}), "accepted"),
        (json!({"sub": "a/../b"}), "accepted"),
        (json!({"sub": ""}), "sub"),
        (json!({"sub": "   "}), "sub"),
        (json!({"sub": ["alice"]}), "sub"),
        (json!({"sub": 1}), "sub"),
        (json!({"sub": null}), "sub"),
        (json!({"sub": "a\u{0}b"}), "sub"),
        (json!({"box_user": 1}), "sub"),
    ];
    check_claims(json!({}), cases).await;
}

#[tokio::test]
async fn demanded_claims_must_be_there() {
    let cases = vec![
        (json!({}), "required-claims"),
        (json!({"azp": null, "jti": "1"}), "required-claims"),
        (json!({"azp": "app"}), "required-claims"),
        (json!({"azp": "app", "jti": "1"}), "accepted"),
    ];
    check_claims(json!({"jwt": {"required_claims": ["azp", "jti"]}}), cases).await;
}

#[tokio::test]
async fn an_introspector_may_narrow_its_algorithms() {
    let world = World::empty().await;
    world.trust(&[
        shared(json!({"jwt": {"algorithms": ["HS512"]}})),
        world.remote(json!({"jwt": {"algorithms": ["PS256", "ES256"]}})),
    ]);
    for (algorithm, check) in
        [("PS256", "accepted"), ("ES256", "accepted"), ("RS256", "alg"), ("PS512", "alg")]
    {
        let token = world.minted(algorithm, json!({}), json!({}));
        assert_eq!(world.outcome(&token).await, check, "{algorithm}");
    }
    assert_eq!(world.outcome(&shared_token(json!({}))).await, "alg");
}

#[tokio::test]
async fn a_signature_has_one_form() {
    let world = World::new().await;
    let good = world.minted("ES256", json!({}), json!({}));
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let order = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
        0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let mut der = vec![0x30, 68, 2, 32];
    der.extend(&signature[..32]);
    der.extend([2, 32]);
    der.extend(&signature[32..]);
    for forged in [
        vec![0; 64],
        [&order[..], &signature[32..]].concat(),
        [&signature[..32], &order[..]].concat(),
        der,
        signature[..63].to_vec(),
        [&signature[..], &[0]].concat(),
    ] {
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(forged));
        assert_eq!(world.outcome(&token).await, "signature");
    }
    assert_eq!(world.outcome(&good).await, "accepted");
}

#[tokio::test]
async fn no_flipped_bit_is_accepted_before_or_after_the_token_is_remembered() {
    let world = World::new().await;
    let tokens = [
        shared_token(json!({})),
        world.minted("RS256", json!({}), json!({})),
        world.minted("ES512", json!({}), json!({})),
        world.minted("EdDSA", json!({}), json!({})),
    ];
    for good in &tokens {
        assert_eq!(world.outcome(good).await, "accepted");
        for (byte, bit) in (0..good.len()).flat_map(|byte| (0..7).map(move |bit| (byte, bit))) {
            let mut bent = good.clone().into_bytes();
            bent[byte] ^= 1 << bit;
            let bent = String::from_utf8(bent).unwrap();
            assert_ne!(world.outcome(&bent).await, "accepted", "bit {bit} of byte {byte}");
        }
        assert_eq!(world.outcome(good).await, "accepted");
    }
}

#[tokio::test]
async fn a_remembered_token_is_still_dated() {
    let world = World::new().await;
    let token = shared_token(json!({"exp": NOW_S + 10}));
    let header = format!("Bearer {token}");
    let credentials = Credentials::from_headers(&[header.as_bytes()]);
    let at = async |seconds| {
        let now = Timestamp::from_second(NOW_S + seconds).unwrap();
        world.identity.authenticate(&credentials, &world.directory, now).await.map(|_| ())
    };
    assert_eq!(at(0).await, Ok(()));
    assert_eq!(at(9).await, Ok(()));
    let end = Timestamp::from_second(NOW_S + 10).unwrap();
    assert_eq!(at(10).await, Err(Unauthenticated::Expired { at: end }));
    assert_eq!(at(9).await, Ok(()));
}

#[tokio::test]
async fn a_caller_holds_the_claims_and_what_is_known_of_the_token() {
    let world = World::new().await;
    let claims = json!({
        "jti": "t1", "scope": "openid", "roles": ["admin"], "client_id": "root",
        "__proto__": {"user": "root"}, "user": {"id": "root"}, "n": 1.50,
    });
    let caller = world.token(&shared_token(claims.clone())).await.unwrap();
    assert_eq!(Value::Object((*caller.jwt.unwrap()).clone()), shared_claims(claims));
    assert_eq!(caller.session.issuer.as_deref(), Some(SHARED));
    assert_eq!(caller.session.introspector.unwrap().as_str(), "shared");
    assert_eq!(caller.session.scope.as_deref(), Some("openid"));
    assert_eq!(caller.session.token_id.as_deref(), Some("t1"));
    assert_eq!(caller.session.expires_at.unwrap().as_second(), NOW_S + 60);
    assert!(caller.user.is_none() && caller.client.is_none() && caller.roles.is_empty());
}
