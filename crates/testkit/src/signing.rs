//! Keys of every algorithm, and tokens of any shape signed with them.

use std::sync::{Arc, OnceLock};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair};
use aws_lc_rs::{hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

/// A private key with the id under which its public half is published.
pub struct SigningKey {
    id: String,
    pair: Pair,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ecdsa(&'static str, EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// The process's key for an algorithm, made at the first call. All RSA algorithms share one key.
///
/// # Panics
/// When the algorithm is unknown, or no key can be made.
pub fn key(algorithm: &str) -> Arc<SigningKey> {
    static RSA: OnceLock<Arc<SigningKey>> = OnceLock::new();
    static P256: OnceLock<Arc<SigningKey>> = OnceLock::new();
    static P384: OnceLock<Arc<SigningKey>> = OnceLock::new();
    static P521: OnceLock<Arc<SigningKey>> = OnceLock::new();
    static ED: OnceLock<Arc<SigningKey>> = OnceLock::new();
    let (slot, id) = match algorithm {
        "RS256" | "RS384" | "RS512" | "PS256" | "PS384" | "PS512" => (&RSA, "rsa"),
        "ES256" => (&P256, "p256"),
        "ES384" => (&P384, "p384"),
        "ES512" => (&P521, "p521"),
        _ => (&ED, "ed25519"),
    };
    Arc::clone(slot.get_or_init(|| Arc::new(SigningKey::generate(algorithm, id))))
}

impl SigningKey {
    /// A new key for an algorithm.
    ///
    /// # Panics
    /// When the algorithm is unknown, or no key can be made.
    #[expect(clippy::expect_used, clippy::panic, reason = "a test without keys is no test")]
    pub fn generate(algorithm: &str, id: &str) -> Self {
        let ecdsa =
            |curve, kind| Pair::Ecdsa(curve, EcdsaKeyPair::generate(kind).expect("an EC key"));
        let pair = match algorithm {
            "RS256" | "RS384" | "RS512" | "PS256" | "PS384" | "PS512" => {
                Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).expect("an RSA key"))
            }
            "ES256" => ecdsa("P-256", &signature::ECDSA_P256_SHA256_FIXED_SIGNING),
            "ES384" => ecdsa("P-384", &signature::ECDSA_P384_SHA384_FIXED_SIGNING),
            "ES512" => ecdsa("P-521", &signature::ECDSA_P521_SHA512_FIXED_SIGNING),
            "EdDSA" => Pair::Ed25519(Ed25519KeyPair::generate().expect("an Ed25519 key")),
            other => panic!("no key for `{other}`"),
        };
        Self { id: id.to_owned(), pair }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its public half as a JSON Web Key without `alg`.
    pub fn jwk(&self) -> Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let id = &self.id;
        match &self.pair {
            Pair::Rsa(pair) => {
                let (n, e) = rsa_numbers(pair.public_key().as_ref());
                json!({"kty": "RSA", "kid": id, "use": "sig", "n": encode(n), "e": encode(e)})
            }
            Pair::Ecdsa(curve, pair) => {
                let point = pair.public_key().as_ref().get(1..).unwrap_or_default();
                let (x, y) = point.split_at(point.len() / 2);
                json!({"kty": "EC", "kid": id, "crv": curve, "x": encode(x), "y": encode(y)})
            }
            Pair::Ed25519(pair) => {
                let x = encode(pair.public_key().as_ref());
                json!({"kty": "OKP", "kid": id, "crv": "Ed25519", "x": x})
            }
        }
    }

    /// Its public half as a DER SubjectPublicKeyInfo.
    ///
    /// # Panics
    /// When it cannot be encoded.
    #[expect(clippy::expect_used, reason = "a test without keys is no test")]
    pub fn public_der(&self) -> Vec<u8> {
        match &self.pair {
            Pair::Rsa(pair) => pair.public_key().as_der().expect("DER").as_ref().to_vec(),
            Pair::Ecdsa(_, pair) => pair.public_key().as_der().expect("DER").as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.public_key().as_der().expect("DER").as_ref().to_vec(),
        }
    }

    /// Its public half as a PEM file.
    pub fn public_pem(&self) -> String {
        pem("PUBLIC KEY", &self.public_der())
    }

    /// The private key as a PEM file in PKCS#8 form.
    ///
    /// # Panics
    /// When it cannot be encoded.
    #[expect(clippy::expect_used, reason = "a test without keys is no test")]
    pub fn private_pem(&self) -> String {
        let der = match &self.pair {
            Pair::Rsa(pair) => pair.as_der().expect("PKCS#8").as_ref().to_vec(),
            Pair::Ecdsa(_, pair) => pair.to_pkcs8v1().expect("PKCS#8").as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.to_pkcs8v1().expect("PKCS#8").as_ref().to_vec(),
        };
        pem("PRIVATE KEY", &der)
    }

    /// A token signed by that algorithm. `header` replaces or adds members of
    /// `{"alg": …, "typ": "JWT", "kid": …}`; a null takes one away.
    pub fn mint(&self, algorithm: &str, header: &Value, claims: &Value) -> String {
        let mut members = json!({"alg": algorithm, "typ": "JWT", "kid": self.id});
        if let (Some(members), Some(changes)) = (members.as_object_mut(), header.as_object()) {
            overlay(members, changes);
        }
        compact(&members.to_string(), &claims.to_string(), |text| self.sign(algorithm, text))
    }

    /// A signature by that algorithm.
    ///
    /// # Panics
    /// When the key cannot sign by it.
    #[expect(clippy::expect_used, clippy::panic, reason = "a test without keys is no test")]
    pub fn sign(&self, algorithm: &str, text: &[u8]) -> Vec<u8> {
        let random = rand::SystemRandom::new();
        match (&self.pair, algorithm) {
            (Pair::Rsa(pair), _) => {
                let encoding: &'static dyn signature::RsaEncoding = match algorithm {
                    "RS256" => &signature::RSA_PKCS1_SHA256,
                    "RS384" => &signature::RSA_PKCS1_SHA384,
                    "RS512" => &signature::RSA_PKCS1_SHA512,
                    "PS256" => &signature::RSA_PSS_SHA256,
                    "PS384" => &signature::RSA_PSS_SHA384,
                    "PS512" => &signature::RSA_PSS_SHA512,
                    other => panic!("an RSA key does not sign with `{other}`"),
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, text, &mut signature).expect("a signature");
                signature
            }
            (Pair::Ecdsa(_, pair), _) => {
                pair.sign(&random, text).expect("a signature").as_ref().to_vec()
            }
            (Pair::Ed25519(pair), _) => pair.sign(text).as_ref().to_vec(),
        }
    }
}

fn overlay(members: &mut Map<String, Value>, changes: &Map<String, Value>) {
    for (name, value) in changes {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
}

/// A token of these very texts.
pub fn compact(header: &str, claims: &str, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let signed = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
    let signature = sign(signed.as_bytes());
    format!("{signed}.{}", encode(&signature))
}

/// A token signed with a shared secret; `header` as for [`SigningKey::mint`], without `kid`.
pub fn hmac_token(algorithm: &str, secret: &[u8], header: &Value, claims: &Value) -> String {
    let hash = match algorithm {
        "HS384" => hmac::HMAC_SHA384,
        "HS512" => hmac::HMAC_SHA512,
        _ => hmac::HMAC_SHA256,
    };
    let mut members = json!({"alg": algorithm, "typ": "JWT"});
    if let (Some(members), Some(changes)) = (members.as_object_mut(), header.as_object()) {
        overlay(members, changes);
    }
    compact(&members.to_string(), &claims.to_string(), |text| {
        hmac::sign(&hmac::Key::new(hash, secret), text).as_ref().to_vec()
    })
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<String> =
        text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// Modulus and exponent of a DER `RSAPublicKey` of 2048 bits, without leading zeros.
#[expect(clippy::indexing_slicing, reason = "the layout of a 2048-bit key is fixed")]
fn rsa_numbers(der: &[u8]) -> (&[u8], &[u8]) {
    // SEQUENCE (4 bytes), INTEGER (4 bytes) with a leading zero, INTEGER (2 bytes).
    let n = &der[9..9 + 256];
    let e = &der[9 + 256 + 2..];
    (n, e)
}
