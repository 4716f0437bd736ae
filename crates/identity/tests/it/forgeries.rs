//! Tokens that were made to deceive, and what is said of them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use firewarden_testkit::{FakeProvider, SigningKey, compact, hmac_token, key};
use serde_json::{Value, json};

use crate::world::{NOW_S, SECRET, SHARED, World, shared_token};

fn part(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token of `shared` whose claims are these very bytes.
fn signed(claims: &[u8]) -> String {
    use aws_lc_rs::hmac;
    let text = format!("{}.{}", part(r#"{"alg":"HS256"}"#), part(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let tag = hmac::sign(&key, text.as_bytes());
    format!("{text}.{}", part(tag))
}

#[tokio::test]
async fn an_encrypted_token_is_no_token() {
    let world = World::new().await;
    for header in [
        json!({"alg": "RSA-OAEP", "enc": "A256GCM"}),
        json!({"alg": "dir", "enc": "A256GCM", "zip": "DEF"}),
        json!({"alg": "HS256", "enc": "A256GCM"}),
    ] {
        let five = [&header.to_string(), "key", "iv", "text", "tag"].map(part).join(".");
        assert_eq!(world.outcome(&five).await, "parts", "{header}");
        // Its header over three parts changes nothing, and what is compressed stays so.
        let bomb = vec![0x78; 4_096];
        let three = [part(header.to_string()), part(bomb), part("s")].join(".");
        assert_ne!(world.outcome(&three).await, "accepted", "{header}");
    }
}

#[tokio::test]
async fn json_serialisations_are_no_token() {
    let world = World::new().await;
    let good = shared_token(json!({}));
    let parts: Vec<&str> = good.split('.').collect();
    let [protected, payload, signature] = parts[..] else { panic!("three parts") };
    let flat = json!({"protected": protected, "payload": payload, "signature": signature});
    let general = json!({
        "payload": payload, "signatures": [{"protected": protected, "signature": signature}],
    });
    for token in [flat.to_string(), general.to_string(), format!("[{good}]")] {
        assert_ne!(world.outcome(&token).await, "accepted", "{token}");
    }
    for count in [1, 2, 4, 5, 6] {
        let token = vec!["e30"; count].join(".");
        assert_eq!(world.outcome(&token).await, "parts", "{count}");
    }
}

#[tokio::test]
async fn claims_in_another_encoding_are_refused() {
    let world = World::new().await;
    let text = format!(r#"{{"iss":"{SHARED}","exp":{}}}"#, NOW_S + 60);
    assert_eq!(world.outcome(&signed(text.as_bytes())).await, "accepted");
    let utf16 =
        |order: fn(u16) -> [u8; 2]| -> Vec<u8> { text.encode_utf16().flat_map(order).collect() };
    let invalid = text.replace("}", r#","a":"@"}"#).into_bytes();
    let invalid: Vec<u8> =
        invalid.into_iter().map(|byte| if byte == b'@' { 0xff } else { byte }).collect();
    for claims in [
        utf16(u16::to_le_bytes),
        utf16(u16::to_be_bytes),
        [&[0xef, 0xbb, 0xbf], text.as_bytes()].concat(),
        [text.as_bytes(), &[0]].concat(),
        [text.as_bytes(), text.as_bytes()].concat(),
        text.replace("}", r#","a":"\ud800"}"#).into_bytes(),
        invalid,
    ] {
        assert_eq!(world.outcome(&signed(&claims)).await, "claims", "{claims:?}");
    }
}

#[tokio::test]
async fn a_key_id_is_a_name_and_nothing_more() {
    let world = World::new().await;
    assert_eq!(world.outcome(&world.minted("ES256", json!({}), json!({}))).await, "accepted");
    let elsewhere = format!("http://{}/keys", world.provider.address());
    for kid in [
        "../../etc/passwd",
        "' OR 1=1--",
        "p256 ",
        "P256",
        "p25",
        "p256/../p256",
        "%70256",
        &elsewhere,
        "rsa,p256",
        "\u{ff50}256",
    ] {
        let token = world.minted("ES256", json!({"kid": kid}), json!({}));
        assert_eq!(world.outcome(&token).await, "kid", "{kid}");
    }
    assert_eq!(world.provider.requests_elsewhere(), 0);
}

#[tokio::test]
async fn the_key_of_one_curve_or_kind_is_none_of_another() {
    let own = json!({"iss": "https://static.example.com", "exp": NOW_S + 60});
    let entry =
        json!({"kty": "EC", "alg": "ES256", "format": "PEM", "pub": key("ES256").public_pem()});
    let world = World::empty().await;
    world.trust(&[json!({
        "id": "static", "type": "jwt", "jwt": {"iss": "https://static.example.com", "keys": [entry]},
    })]);
    for (algorithm, kid) in [
        ("RS256", json!(null)),
        ("RS256", json!("p256")),
        ("EdDSA", json!(null)),
        ("ES384", json!(null)),
    ] {
        let token = key(algorithm).mint(algorithm, &json!({"kid": kid}), &own);
        assert_eq!(world.outcome(&token).await, "alg", "{algorithm}");
        // The same signature, said to be of the algorithm that the key has.
        let lie = json!({"alg": "ES256"}).to_string();
        let token = compact(&lie, &own.to_string(), |text| key(algorithm).sign(algorithm, text));
        assert_eq!(world.outcome(&token).await, "signature", "{algorithm}");
    }
    let by_secret = hmac_token("HS256", key("ES256").public_pem().as_bytes(), &json!({}), &own);
    assert_eq!(world.outcome(&by_secret).await, "alg");
}

/// The order of P-256 less the number.
fn less_than_order(number: &[u8]) -> Vec<u8> {
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
        0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let mut difference = vec![0; 32];
    let mut borrow = 0;
    for at in (0..32).rev() {
        let digit = i16::from(ORDER[at]) - i16::from(number[at]) - borrow;
        borrow = i16::from(digit < 0);
        difference[at] = u8::try_from(digit.rem_euclid(256)).unwrap();
    }
    difference
}

#[tokio::test]
async fn the_other_signature_of_a_key_is_a_token_of_its_own() {
    // (r, s) and (r, n - s) both verify: nothing may take a token's text for its identity.
    let world = World::new().await;
    let token = world.minted("ES256", json!({}), json!({"jti": "1"}));
    let (text, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let twin = [&signature[..32], &less_than_order(&signature[32..])].concat();
    let twin = format!("{text}.{}", part(twin));
    let expired = "exp";
    for token in [&token, &twin] {
        let caller = world.token(token).await.unwrap();
        assert_eq!(caller.session.token_id.as_deref(), Some("1"));
    }
    let ended = world.minted("ES256", json!({}), json!({"exp": NOW_S - 1}));
    assert_eq!(world.outcome(&ended).await, expired);
    // Neither is remembered once the keys are others.
    world.provider.publish(vec![SigningKey::generate("ES256", "new").jwk()]);
    world.trust(&[]);
    world.trust(&[world.remote(json!({}))]);
    for token in [&token, &twin] {
        assert_eq!(world.outcome(token).await, "kid");
    }
}

#[tokio::test]
async fn a_point_that_is_on_no_curve_is_no_key() {
    let (x, y) = (key("ES256").jwk()["x"].clone(), key("ES256").jwk()["y"].clone());
    let zeros = part([0; 32]);
    let short = part([1; 31]);
    for (x, y) in [
        (x.clone(), x.clone()),
        (y, x.clone()),
        (json!(zeros), json!(zeros)),
        (x.clone(), json!(zeros)),
        (x, json!(short)),
        (json!(""), json!("")),
        (Value::Null, Value::Null),
    ] {
        let jwk = json!({"kty": "EC", "kid": "p256", "crv": "P-256", "x": x, "y": y});
        let provider = FakeProvider::start(vec![jwk.clone(), key("EdDSA").jwk()]).await;
        let world = World::empty().await;
        world.trust(&[json!({
            "id": "a", "type": "jwt", "jwt": {"iss": world.provider.issuer()},
            "jwks_uri": provider.jwks_uri(),
        })]);
        let token = world.minted("ES256", json!({}), json!({}));
        assert_eq!(world.outcome(&token).await, "kid", "{jwk}");
        assert_eq!(world.identity.key_sets()[0].keys, 1, "{jwk}");
    }
}
