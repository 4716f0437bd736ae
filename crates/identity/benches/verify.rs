//! Verifications of a signature by the library alone and by us, of a token that is new, by itself
//! and with the user's look-up and the keeping of it, and of one that is remembered. Run by `cargo bench --package firewarden-identity`.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark may panic")]

use std::hint::black_box;
use std::io::Write;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use criterion::{Criterion, criterion_group, criterion_main};
use firewarden_fhir::{Id, Timestamp, Version};
use firewarden_identity::jws::PreparedKey;
use firewarden_identity::{
    Algorithm, Content, Credentials, Directory, DirectoryUnavailable, Identity, Introspector,
    OutboundAllow, StoredClient, StoredSession,
};
use firewarden_testkit::{hmac_token, key};
use futures_util::FutureExt;
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;

/// The server's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ISSUER: &str = "https://id.example.com/realms/hospital";
const SECRET: &[u8] = b"a shared secret of more than 32 bytes";
const NOW_S: i64 = 1_800_000_000;
/// More than are remembered, so that in turn each is new.
const TOKENS: usize = 20_000;
/// Tokens of which each way of verifying takes its turn.
const TOKENS_IN_TURNS: usize = 3_000;

/// Knows nobody.
struct Nobody;

#[async_trait]
impl Directory for Nobody {
    async fn version(&self) -> Result<u64, DirectoryUnavailable> {
        Ok(0)
    }

    async fn user(&self, _: &Id) -> Result<Option<Content>, DirectoryUnavailable> {
        Ok(None)
    }

    async fn users_by_identifier(
        &self,
        _: &str,
        _: &str,
    ) -> Result<Vec<Content>, DirectoryUnavailable> {
        Ok(Vec::new())
    }

    async fn users_by_data_sub(&self, _: &str) -> Result<Vec<Content>, DirectoryUnavailable> {
        Ok(Vec::new())
    }

    async fn roles(&self, _: &Id) -> Result<Vec<Content>, DirectoryUnavailable> {
        Ok(Vec::new())
    }

    async fn create_user(
        &self,
        _: &Id,
        _: Map<String, Value>,
        _: Timestamp,
    ) -> Result<Option<Content>, DirectoryUnavailable> {
        Ok(None)
    }

    async fn session(&self, _: &Id) -> Result<Option<StoredSession>, DirectoryUnavailable> {
        Ok(None)
    }

    async fn client(&self, _: &Id) -> Result<Option<StoredClient>, DirectoryUnavailable> {
        Ok(None)
    }
}

/// A token as a provider makes them, about 500 bytes long.
fn token(algorithm: &str, n: usize) -> String {
    let claims = json!({
        "iss": ISSUER, "sub": "3f1c8a52-7d0e-4b6e-9d0b-2f6a1c9e4d11", "aud": ["fhir", "account"],
        "exp": NOW_S + 300, "iat": NOW_S - 5, "jti": format!("c0a8{n:08x}-4e2f-4b7a"), "azp": "app",
        "scope": "openid profile", "preferred_username": "alice",
        "realm_access": {"roles": ["user", "offline_access"]},
    });
    match algorithm {
        "HS256" => hmac_token(algorithm, SECRET, &json!({"kid": "secret"}), &claims),
        _ => key(algorithm).mint(algorithm, &json!({}), &claims),
    }
}

fn jwk(algorithm: &str) -> Value {
    match algorithm {
        "HS256" => {
            json!({"kty": "oct", "kid": "secret", "k": URL_SAFE_NO_PAD.encode(SECRET)})
        }
        _ => key(algorithm).jwk(),
    }
}

/// What of a token is signed, and its signature.
fn signed(token: &str) -> (&[u8], Vec<u8>) {
    let (text, signature) = token.rsplit_once('.').unwrap();
    (text.as_bytes(), URL_SAFE_NO_PAD.decode(signature).unwrap())
}

type Verification = Box<dyn Fn(&[u8], &[u8]) -> bool>;

/// The library's own verification, its key made ready.
fn raw(algorithm: &str) -> Verification {
    if algorithm == "HS256" {
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
        return Box::new(move |text, tag| hmac::verify(&key, text, tag).is_ok());
    }
    let der = key(algorithm).public_der();
    let parsed = match algorithm {
        "RS256" => ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der),
        "ES256" => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, der),
        _ => ParsedPublicKey::new(&ED25519, der),
    };
    let parsed = parsed.unwrap();
    Box::new(move |text, signature| parsed.verify_sig(text, signature).is_ok())
}

fn identity(runtime: &Runtime, algorithm: &str) -> Identity {
    let secret_or_public = if algorithm == "HS256" { "k" } else { "pub" };
    let entry = json!({"alg": algorithm, secret_or_public: jwk(algorithm)});
    let content = json!({"type": "jwt", "jwt": {"iss": ISSUER, "aud": "fhir", "keys": [entry]}});
    let id = Id::parse("a").unwrap();
    let outbound = OutboundAllow::default();
    let content = content.as_object().unwrap();
    let introspector = Introspector::parse(&id, Version(1), content, &[], &outbound).unwrap();
    let root = Id::parse("root").unwrap();
    let identity = Identity::new(outbound, root, &[7; 32], runtime.handle().clone());
    identity.replace_introspectors(vec![introspector]);
    identity
}

fn accepts(identity: &Identity, token: &str) -> bool {
    let now = Timestamp::from_second(NOW_S).unwrap();
    let credentials = Credentials::Bearer(token);
    let authenticated = identity.authenticate(&credentials, &Nobody, now);
    authenticated.now_or_never().is_some_and(|caller| caller.is_ok())
}

fn verifies(identity: &Identity, token: &str) -> bool {
    let now = Timestamp::from_second(NOW_S).unwrap();
    let verified = identity.verify_anew(token, now);
    verified.now_or_never().is_some_and(|claims| claims.is_ok())
}

/// Measures the library alone, our signature step and the whole verification, and prints in µs what
/// a quarter of the times is below: the upper ones are those in which others had the processor. Each token is measured in all three ways before the next one, so that what else the
/// machine does falls on all alike; and there are many tokens, for over one alone the processor
/// learns the branches of its signature.
fn in_turns(of: Algorithm, tokens: &[String], identity: &Identity) {
    const ROUNDS: usize = 3;
    let name = of.name();
    let raw = raw(name);
    let prepared = PreparedKey::of_jwk(jwk(name).as_object().unwrap()).unwrap();
    let signed: Vec<(&[u8], Vec<u8>)> = tokens.iter().map(|token| signed(token)).collect();
    let mut times = [const { Vec::new() }; 3];
    for turn in 0..ROUNDS * tokens.len() {
        // Each way has another token, so that none finds what the one before has just touched.
        let token = |way: usize| (turn + way * tokens.len() / 3) % tokens.len();
        let (text, signature) = &signed[token(0)];
        times[0].push(time(|| raw(text, signature)));
        let (text, signature) = &signed[token(1)];
        times[1].push(time(|| prepared.verify(of, text, signature).is_ok()));
        times[2].push(time(|| verifies(identity, &tokens[token(2)])));
    }
    let [raw, signature, verification] = times.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 4].as_secs_f64() * 1e6
    });
    let mut out = std::io::stderr();
    writeln!(
        out,
        "{name}: library {raw:.2}, signature {signature:.2} ({:.2}), verification {verification:.2} (+{:.2})",
        raw / signature,
        verification - signature
    )
    .unwrap();
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn time(verification: impl FnOnce() -> bool) -> Duration {
    let start = Instant::now();
    assert!(black_box(verification()));
    start.elapsed()
}

fn verifications(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for algorithm in ["HS256", "RS256", "ES256", "EdDSA"] {
        let tokens: Vec<String> = (0..TOKENS).map(|n| token(algorithm, n)).collect();
        let identity = identity(&runtime, algorithm);
        in_turns(Algorithm::parse(algorithm).unwrap(), &tokens[..TOKENS_IN_TURNS], &identity);

        let mut group = criterion.benchmark_group(algorithm);
        assert!(accepts(&identity, &tokens[0]));
        let mut next = tokens.iter().cycle();
        group.bench_function("new token", |b| {
            b.iter(|| accepts(&identity, next.next().map_or("", String::as_str)));
        });
        group.bench_function("remembered token", |b| b.iter(|| accepts(&identity, &tokens[0])));
        group.finish();
    }
}

criterion_group!(benches, verifications);
criterion_main!(benches);
