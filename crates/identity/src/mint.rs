//! Signs tokens for trying things out; the server itself never does.

use std::fmt;

use aws_lc_rs::signature::{self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, RsaKeyPair};
use aws_lc_rs::{hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::{Algorithm, limits};

/// What signs a token.
pub enum SigningKey {
    /// A shared secret, for HS256, HS384 and HS512.
    Secret(Zeroizing<Vec<u8>>),
    /// A private key in PKCS#8 form, for every other algorithm.
    Private(Zeroizing<Vec<u8>>),
}

/// Why a token was not signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotMinted {
    /// The file is not a private key as we read it: it is converted first.
    #[error(
        "not a PEM file with `BEGIN PRIVATE KEY` (PKCS#8); convert it with `openssl pkcs8 -topk8 -nocrypt`"
    )]
    NotAKeyFile,
    /// The key cannot sign by that algorithm: another of the two is given.
    #[error("the key does not sign with `{}`", .0.name())]
    WrongKey(Algorithm),
    /// The secret has no length that a server accepts.
    #[error("the secret must be 1 to {} bytes long", limits::SECRET_BYTES_MAX)]
    SecretLength,
}

impl SigningKey {
    /// A shared secret: its bytes as they are.
    pub fn from_secret(secret: &[u8]) -> Result<Self, NotMinted> {
        if secret.is_empty() || secret.len() > limits::SECRET_BYTES_MAX {
            return Err(NotMinted::SecretLength);
        }
        Ok(Self::Secret(Zeroizing::new(secret.to_vec())))
    }

    /// The private key of a PEM file (RFC 7468 section 10).
    pub fn from_pem(pem: &str) -> Result<Self, NotMinted> {
        let between = |text: &str| {
            let (_, rest) = text.split_once("-----BEGIN PRIVATE KEY-----")?;
            let (body, _) = rest.split_once("-----END PRIVATE KEY-----")?;
            let body: Zeroizing<String> =
                Zeroizing::new(body.chars().filter(|c| !c.is_ascii_whitespace()).collect());
            STANDARD.decode(body.as_bytes()).ok()
        };
        let der = between(pem).ok_or(NotMinted::NotAKeyFile)?;
        Ok(Self::Private(Zeroizing::new(der)))
    }

    fn sign(&self, algorithm: Algorithm, text: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Secret(secret) => {
                let hash = algorithm.mac()?;
                Some(hmac::sign(&hmac::Key::new(hash, secret), text).as_ref().to_vec())
            }
            Self::Private(der) => sign_with_private(der, algorithm, text),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret(_) => "SigningKey::Secret",
            Self::Private(_) => "SigningKey::Private",
        })
    }
}

fn sign_with_private(der: &[u8], algorithm: Algorithm, text: &[u8]) -> Option<Vec<u8>> {
    match algorithm {
        Algorithm::Rs256 => sign_rsa(der, &signature::RSA_PKCS1_SHA256, text),
        Algorithm::Rs384 => sign_rsa(der, &signature::RSA_PKCS1_SHA384, text),
        Algorithm::Rs512 => sign_rsa(der, &signature::RSA_PKCS1_SHA512, text),
        Algorithm::Ps256 => sign_rsa(der, &signature::RSA_PSS_SHA256, text),
        Algorithm::Ps384 => sign_rsa(der, &signature::RSA_PSS_SHA384, text),
        Algorithm::Ps512 => sign_rsa(der, &signature::RSA_PSS_SHA512, text),
        Algorithm::Es256 => sign_ecdsa(der, &signature::ECDSA_P256_SHA256_FIXED_SIGNING, text),
        Algorithm::Es384 => sign_ecdsa(der, &signature::ECDSA_P384_SHA384_FIXED_SIGNING, text),
        Algorithm::Es512 => sign_ecdsa(der, &signature::ECDSA_P521_SHA512_FIXED_SIGNING, text),
        Algorithm::EdDsa => {
            let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok()?;
            Some(key.sign(text).as_ref().to_vec())
        }
        Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => None,
    }
}

fn sign_rsa(
    der: &[u8],
    encoding: &'static dyn signature::RsaEncoding,
    text: &[u8],
) -> Option<Vec<u8>> {
    let key = RsaKeyPair::from_pkcs8(der).ok()?;
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(encoding, &rand::SystemRandom::new(), text, &mut signature).ok()?;
    Some(signature)
}

fn sign_ecdsa(
    der: &[u8],
    algorithm: &'static EcdsaSigningAlgorithm,
    text: &[u8],
) -> Option<Vec<u8>> {
    let key = EcdsaKeyPair::from_pkcs8(algorithm, der).ok()?;
    let signature = key.sign(&rand::SystemRandom::new(), text).ok()?;
    Some(signature.as_ref().to_vec())
}

/// Signs a token with these claims. `header` is what its header holds besides `alg`, such as
/// `typ` and `kid`.
pub fn token(
    algorithm: Algorithm,
    header: &Map<String, Value>,
    claims: &Map<String, Value>,
    key: &SigningKey,
) -> Result<String, NotMinted> {
    let mut members = Map::new();
    members.insert("alg".into(), algorithm.name().into());
    members.extend(header.iter().map(|(name, value)| (name.clone(), value.clone())));
    members.insert("alg".into(), algorithm.name().into());
    let part =
        |members: Map<String, Value>| URL_SAFE_NO_PAD.encode(Value::Object(members).to_string());
    let signed = format!("{}.{}", part(members), part(claims.clone()));
    let signature = key.sign(algorithm, signed.as_bytes()).ok_or(NotMinted::WrongKey(algorithm))?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}
