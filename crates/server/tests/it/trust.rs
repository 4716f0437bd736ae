//! Forged tokens sent to a running server: what it answers, and whom it asks about them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use firewarden_testkit::{FakeProvider, SigningKey, hmac_token, key};
use serde_json::{Value, json};

use crate::harness::{TestServer, claims, now_s};

const LINE: &str = "GET /auth/userinfo";
/// The issuer of the introspector whose keys the operator gives.
const STATIC: &str = "https://static.example.com";

/// A token that is sent, and the status of its answer.
pub(crate) struct Sent {
    /// The number in the catalogue of attacks.
    case: u8,
    what: String,
    token: String,
    status: u16,
}

pub(crate) fn sent(case: u8, what: impl ToString, token: impl Into<String>, status: u16) -> Sent {
    Sent { case, what: what.to_string(), token: token.into(), status }
}

/// Sends each, and holds its answer to what is expected: every 401 has the same challenge and the
/// same body, whatever was wrong, and every 503 says when to come again.
pub(crate) async fn judged(server: &TestServer, all: &[Sent]) {
    let mut refused: Option<(String, String)> = None;
    for Sent { case, what, token, status } in all {
        let answer = server.bearer(token, LINE).await;
        let place = format!("case {case}: {what}: {answer:?}");
        assert_eq!(answer.status, *status, "{place}");
        if answer.status == 401 {
            let challenge = answer.header("www-authenticate").unwrap_or_default().to_owned();
            assert!(challenge.contains("error=\"invalid_token\""), "{place}");
            let told = (challenge, answer.text);
            assert_eq!(refused.get_or_insert_with(|| told.clone()), &told, "{place}");
        } else if answer.status == 503 {
            let seconds = answer.header("retry-after").and_then(|text| text.parse::<u64>().ok());
            assert!(seconds.is_some_and(|seconds| seconds > 0), "{place}");
        }
    }
}

/// A server that may ask loopback addresses.
pub(crate) async fn outgoing() -> TestServer {
    TestServer::with(&[("OUTBOUND_ALLOW", "127.0.0.1")]).await
}

/// An introspector of a provider's key set.
pub(crate) fn remote(id: &str, provider: &FakeProvider) -> Value {
    json!({
        "resourceType": "TokenIntrospector", "id": id, "type": "jwt",
        "jwt": {"iss": provider.issuer()}, "jwks_uri": provider.jwks_uri(),
    })
}

/// A server that trusts a provider of these keys.
pub(crate) async fn trusting(keys: Vec<Value>) -> (TestServer, FakeProvider) {
    let (server, provider) = (outgoing().await, FakeProvider::start(keys).await);
    server.put(remote("remote", &provider)).await;
    (server, provider)
}

/// The members of both, the second's winning.
pub(crate) fn with(mut base: Value, more: Value) -> Value {
    let more = more.as_object().unwrap().clone();
    base.as_object_mut().unwrap().extend(more);
    base
}

fn part(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token of these very claims, signed by the process's key for `ES256`.
fn signed(claims: &[u8]) -> String {
    let text = format!("{}.{}", part(r#"{"alg":"ES256","kid":"p256"}"#), part(claims));
    format!("{text}.{}", part(key("ES256").sign("ES256", text.as_bytes())))
}

#[tokio::test]
async fn a_public_key_is_no_secret_in_any_of_its_forms() {
    let rsa = key("RS256");
    let (server, provider) = trusting(vec![rsa.jwk(), key("ES256").jwk()]).await;
    let given = json!({"kty": "RSA", "alg": "RS256", "format": "PEM", "pub": rsa.public_pem()});
    server
        .put(json!({
            "resourceType": "TokenIntrospector", "id": "static", "type": "jwt",
            "jwt": {"iss": STATIC, "keys": [given]},
        }))
        .await;
    let pem = rsa.public_pem();
    let mut all = Vec::new();
    for issuer in [provider.issuer(), STATIC.to_owned()] {
        let claims = claims(&issuer, "alice");
        let kid = if issuer == STATIC { Value::Null } else { json!("rsa") };
        let header = json!({"kid": kid});
        all.push(sent(11, "signed by the key", rsa.mint("RS256", &header, &claims), 200));
        for (form, secret) in [
            ("PEM", pem.clone().into_bytes()),
            ("PEM without its last newline", pem.trim_end().into()),
            ("PEM after a blank", format!(" {pem}").into_bytes()),
            ("DER", rsa.public_der()),
            ("JSON Web Key", rsa.jwk().to_string().into_bytes()),
        ] {
            for header in [header.clone(), json!({})] {
                let token = hmac_token("HS256", &secret, &header, &claims);
                all.push(sent(11, format!("{form} of {issuer} {header}"), token, 401));
            }
        }
    }
    judged(&server, &all).await;
    assert_eq!(provider.requests(), 1, "its keys were loaded once");
}

#[tokio::test]
async fn a_key_verifies_its_own_algorithm_alone() {
    let own = with(key("RS256").jwk(), json!({"alg": "RS256"}));
    let (server, provider) = trusting(vec![own]).await;
    let entry =
        json!({"kty": "EC", "alg": "ES256", "format": "PEM", "pub": key("ES256").public_pem()});
    server
        .put(json!({
            "resourceType": "TokenIntrospector", "id": "static", "type": "jwt",
            "jwt": {"iss": STATIC, "keys": [entry]},
        }))
        .await;
    let given = claims(STATIC, "alice");
    let loaded = claims(&provider.issuer(), "alice");
    let nameless = |algorithm| key(algorithm).mint(algorithm, &json!({"kid": null}), &given);
    let by = |algorithm| key(algorithm).mint(algorithm, &json!({}), &loaded);
    let lie = key("RS256").mint("RS256", &json!({"alg": "ES256", "kid": null}), &given);
    judged(
        &server,
        &[
            sent(13, "the static key's own", nameless("ES256"), 200),
            sent(13, "RS256 for a key of ES256", nameless("RS256"), 401),
            sent(
                13,
                "the same, with the RSA key's id",
                key("RS256").mint("RS256", &json!({}), &given),
                401,
            ),
            sent(13, "a signature of RS256 that is said to be of ES256", lie, 401),
            sent(13, "EdDSA for a key of ES256", nameless("EdDSA"), 401),
            sent(14, "RS256 for a key of RS256", by("RS256"), 200),
            sent(14, "PS256 for a key of RS256", by("PS256"), 401),
            sent(14, "RS512 for a key of RS256", by("RS512"), 401),
        ],
    )
    .await;
    assert_eq!(provider.requests(), 1);
}

#[tokio::test]
async fn a_shared_secret_in_a_key_set_is_no_key() {
    let secret = |kid: &str| json!({"kty": "oct", "kid": kid, "alg": "HS256", "k": part("CANARY")});
    let (server, provider) = trusting(vec![secret("s"), secret("p256"), key("ES256").jwk()]).await;
    let only = FakeProvider::start(vec![secret("s")]).await;
    server.put(remote("only", &only)).await;
    let claims_of = |provider: &FakeProvider| claims(&provider.issuer(), "alice");
    let hmac = |kid: Value, provider| {
        hmac_token("HS256", b"CANARY", &json!({"kid": kid}), &claims_of(provider))
    };
    judged(
        &server,
        &[
            sent(17, "by the secret's id", hmac(json!("s"), &provider), 401),
            sent(17, "without an id", hmac(Value::Null, &provider), 401),
            sent(66, "by an id that a public key has too", hmac(json!("p256"), &provider), 401),
            sent(
                66,
                "by that public key",
                key("ES256").mint("ES256", &json!({}), &claims_of(&provider)),
                200,
            ),
            sent(17, "of a set without another key", hmac(json!("s"), &only), 503),
        ],
    )
    .await;
}

/// The order of P-256.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6,
    0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// The order of P-256 less the number.
fn less_than_order(number: &[u8]) -> Vec<u8> {
    let mut difference = vec![0; 32];
    let mut borrow = 0;
    for at in (0..32).rev() {
        let digit = i16::from(ORDER[at]) - i16::from(number[at]) - borrow;
        borrow = i16::from(digit < 0);
        difference[at] = u8::try_from(digit.rem_euclid(256)).unwrap();
    }
    difference
}

/// A signature of two numbers in DER.
fn in_der(signature: &[u8]) -> Vec<u8> {
    let integer = |number: &[u8]| {
        let lead = number.iter().take_while(|byte| **byte == 0).count();
        let number = &number[lead..];
        let pad: &[u8] = if number[0] >= 0x80 { &[0] } else { &[] };
        let length = u8::try_from(pad.len() + number.len()).unwrap();
        [&[2, length], pad, number].concat()
    };
    let both = [integer(&signature[..32]), integer(&signature[32..])].concat();
    [&[0x30, u8::try_from(both.len()).unwrap()], both.as_slice()].concat()
}

#[tokio::test]
async fn a_signature_of_no_sound_numbers_is_refused_and_its_twin_is_no_other_token() {
    let (server, provider) = trusting(vec![key("ES256").jwk()]).await;
    let mut claims = claims(&provider.issuer(), "alice");
    claims["jti"] = "1".into();
    let good = key("ES256").mint("ES256", &json!({}), &claims);
    let (text, signature) = good.rsplit_once('.').unwrap();
    let numbers = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let (r, s) = numbers.split_at(32);
    let zero = [0; 32];
    let of = |signature: &[u8]| format!("{text}.{}", part(signature));
    let twin = of(&[r, &less_than_order(s)].concat());
    judged(
        &server,
        &[
            sent(19, "r = s = 0", of(&[zero, zero].concat()), 401),
            sent(19, "r = 0", of(&[&zero, s].concat()), 401),
            sent(19, "s = 0", of(&[r, &zero].concat()), 401),
            sent(19, "r = n", of(&[&ORDER, s].concat()), 401),
            sent(19, "s = n", of(&[r, &ORDER].concat()), 401),
            sent(19, "r = s = n", of(&[ORDER, ORDER].concat()), 401),
            sent(19, "DER", of(&in_der(&numbers)), 401),
            sent(19, "a byte less", of(&numbers[..63]), 401),
            sent(19, "nothing", of(&[]), 401),
            sent(19, "as it was made", &good, 200),
        ],
    )
    .await;
    // (r, n - s) verifies too, as the standard has it: it must be the same token in every way.
    for token in [&good, &twin] {
        let told = server.bearer(token, LINE).await.is(200);
        assert_eq!(told.at("/jwt/jti"), "1", "{told:?}");
    }
    provider.publish(vec![SigningKey::generate("ES256", "new").jwk()]);
    server.put(with(remote("remote", &provider), json!({"cache_ttl": 60}))).await;
    let ended = [sent(19, "once the key is gone", good, 401), sent(19, "its twin", twin, 401)];
    judged(&server, &ended).await;
}

#[tokio::test]
async fn a_point_that_is_on_no_curve_is_no_key() {
    let server = outgoing().await;
    let own = key("ES256").jwk();
    let (zeros, short) = (part([0; 32]), part([1; 31]));
    let mut all = Vec::new();
    let mut providers = Vec::new();
    for (n, (point, status)) in [
        (json!({}), 200),
        (json!({"x": own["y"]}), 401),
        (json!({"x": own["y"], "y": own["x"]}), 401),
        (json!({"x": zeros, "y": zeros}), 401),
        (json!({"y": zeros}), 401),
        (json!({"y": short}), 401),
        (json!({"x": "", "y": ""}), 401),
        (json!({"x": null, "y": null}), 401),
    ]
    .into_iter()
    .enumerate()
    {
        let keys = vec![with(own.clone(), point.clone()), key("EdDSA").jwk()];
        let provider = FakeProvider::start(keys).await;
        server.put(remote(&format!("curve-{n}"), &provider)).await;
        let claims = claims(&provider.issuer(), "alice");
        all.push(sent(20, &point, key("ES256").mint("ES256", &json!({}), &claims), status));
        let beside = key("EdDSA").mint("EdDSA", &json!({}), &claims);
        all.push(sent(20, format!("the sound key beside {point}"), beside, 200));
        providers.push(provider);
    }
    judged(&server, &all).await;
}

#[tokio::test]
async fn keys_are_looked_for_at_the_issuer_of_the_token_and_nowhere_else() {
    let (server, provider) = trusting(vec![key("ES256").jwk()]).await;
    let foreign = SigningKey::generate("ES256", "foreign");
    let other = FakeProvider::start(vec![foreign.jwk()]).await;
    server.put(remote("other", &other)).await;
    let attacker = FakeProvider::start(vec![foreign.jwk()]).await;
    let ours = claims(&provider.issuer(), "alice");
    let by = |header: Value| foreign.mint("ES256", &header, &ours);
    let url = attacker.jwks_uri();
    let mut all = vec![
        sent(
            25,
            "the other issuer's own",
            foreign.mint("ES256", &json!({}), &claims(&other.issuer(), "alice")),
            200,
        ),
        sent(25, "its key for our issuer", by(json!({})), 401),
        sent(25, "its key under our key's id", by(json!({"kid": "p256"})), 401),
        sent(
            25,
            "our key for its issuer",
            key("ES256").mint("ES256", &json!({}), &claims(&other.issuer(), "a")),
            401,
        ),
    ];
    for header in [
        json!({"jku": url, "kid": "p256"}),
        json!({"x5u": url, "kid": "p256"}),
        json!({"jku": url, "x5u": url, "jwk": foreign.jwk(), "kid": null}),
        json!({"kid": url}),
    ] {
        all.push(sent(22, &header, by(header.clone()), 401));
    }
    judged(&server, &all).await;
    assert_eq!(attacker.connections(), 0, "nobody asked where the token says");
    assert_eq!(provider.requests_elsewhere() + other.requests_elsewhere(), 0);
}

#[tokio::test]
async fn a_token_that_is_too_long_or_too_deep_is_refused() {
    let (server, provider) = trusting(vec![key("ES256").jwk()]).await;
    let text = claims(&provider.issuer(), "alice").to_string();
    let and = |more: &str| text.replace('}', &format!(",{more}}}")).into_bytes();
    let long = |bytes: usize| and(&format!(r#""a":"{}""#, "a".repeat(bytes)));
    let deep = |open: &str, close: &str, levels: usize| {
        and(&format!(r#""a":{}1{}"#, open.repeat(levels), close.repeat(levels)))
    };
    let utf16 =
        |order: fn(u16) -> [u8; 2]| -> Vec<u8> { text.encode_utf16().flat_map(order).collect() };
    let invalid = [&text.as_bytes()[..text.len() - 1], br#","a":""#, &[0xff], br#""}"#].concat();
    let mut all = Vec::new();
    for (case, what, claims, status) in [
        (33, "6 KB of claims", long(6 * 1_024), 200),
        (33, "13 KB of claims", long(13 * 1_024), 401),
        (33, "24 KB of claims", long(24 * 1_024), 431),
        (35, "as it should be", text.clone().into_bytes(), 200),
        (35, "1,000 lists", deep("[", "]", 1_000), 401),
        (35, "1,000 objects", deep(r#"{"a":"#, "}", 1_000), 401),
        (35, "a list", format!("[{text}]").into_bytes(), 401),
        (35, "a text", b"\"a\"".to_vec(), 401),
        (35, "null", b"null".to_vec(), 401),
        (35, "nothing", Vec::new(), 401),
        (35, "not UTF-8", invalid, 401),
        (35, "a byte order mark", [&[0xef, 0xbb, 0xbf], text.as_bytes()].concat(), 401),
        (35, "UTF-16 little-endian", utf16(u16::to_le_bytes), 401),
        (35, "UTF-16 big-endian", utf16(u16::to_be_bytes), 401),
        (35, "two of them", text.repeat(2).into_bytes(), 401),
        (35, "a NUL at its end", [text.as_bytes(), &[0]].concat(), 401),
        (35, "half a character", and(r#""a":"\ud800""#), 401),
        (35, "a member twice", and(&format!(r#""exp":{}"#, now_s() + 60)), 401),
    ] {
        all.push(sent(case, what, signed(&claims), status));
    }
    assert!(all[1].token.len() > 16 * 1_024);
    judged(&server, &all).await;
    assert_eq!(provider.requests(), 1);
}

#[tokio::test]
async fn many_requests_with_one_token_have_one_answer_and_load_the_keys_once() {
    const CROWD: usize = 300;
    let (server, provider) = trusting(vec![key("ES256").jwk()]).await;
    let claims = claims(&provider.issuer(), "alice");
    let good = key("ES256").mint("ES256", &json!({}), &claims);
    let bad = SigningKey::generate("ES256", "p256").mint("ES256", &json!({}), &claims);
    for (token, status) in [(good, 200), (bad, 401)] {
        let asked = (0..CROWD).map(|_| server.bearer(&token, LINE).into_future());
        for answer in futures_util::future::join_all(asked).await {
            answer.is(status);
        }
    }
    assert_eq!(provider.requests(), 1);
}
