//! A JSON Web Key Set, read into keys that verify (RFC 7517, RFC 7518 section 6, RFC 8037).

use aws_lc_rs::signature::{self, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents};
use firewarden_fhir::json;
use serde_json::{Map, Value};

use crate::keys::{VerificationKey, Verifier};
use crate::unverified::{decode, is_key_id};
use crate::{Algorithm, limits};

/// The usable keys of a set, and how many were dropped.
pub(super) struct KeySet {
    pub(super) keys: Vec<VerificationKey>,
    pub(super) dropped: usize,
}

/// Why a text is no key set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeySetFault {
    /// It is something else.
    #[error("not a JSON Web Key Set")]
    NotAKeySet,
    /// No key of it can be used. The old keys stay: it is never taken for "no keys needed".
    #[error("a key set without a usable key")]
    NoUsableKey,
}

impl KeySet {
    /// Reads a set. Keys that cannot be used are dropped: shared secrets, private keys, keys of
    /// another use, keys for algorithms that are not allowed, keys that are too weak.
    pub(super) fn parse(bytes: &[u8], allowed: &[Algorithm]) -> Result<Self, KeySetFault> {
        let set = json::parse(bytes).map_err(|_| KeySetFault::NotAKeySet)?;
        let all = set.get("keys").and_then(Value::as_array).ok_or(KeySetFault::NotAKeySet)?;
        let keys: Vec<VerificationKey> = all
            .iter()
            .take(limits::KEY_SET_KEYS_MAX)
            .filter_map(|jwk| key(jwk.as_object()?, allowed))
            .collect();
        if keys.is_empty() {
            return Err(KeySetFault::NoUsableKey);
        }
        let dropped = all.len() - keys.len();
        Ok(Self { keys, dropped })
    }
}

fn key(jwk: &Map<String, Value>, allowed: &[Algorithm]) -> Option<VerificationKey> {
    // A key whose private part was published belongs to everybody.
    if jwk.contains_key("d") || !is_for_signatures(jwk) {
        return None;
    }
    let id = match jwk.get("kid") {
        None => None,
        Some(id) => Some(id.as_str().filter(|id| is_key_id(id))?.to_owned()),
    };
    let only = match jwk.get("alg") {
        None => None,
        Some(name) => Some(Algorithm::parse(name.as_str()?)?),
    };
    let fits = |algorithm: &Algorithm| {
        allowed.contains(algorithm) && only.is_none_or(|only| only == *algorithm)
    };
    let uses: Vec<(Algorithm, Verifier)> = material(jwk)?
        .into_iter()
        .filter(|(algorithm, _)| fits(algorithm))
        .map(|(algorithm, key)| (algorithm, Verifier::Signature(key)))
        .collect();
    (!uses.is_empty()).then_some(VerificationKey { id, uses })
}

fn is_for_signatures(jwk: &Map<String, Value>) -> bool {
    let verifies = |operations: &Value| {
        operations.as_array().is_some_and(|all| all.iter().any(|one| one == "verify"))
    };
    jwk.get("use").is_none_or(|purpose| purpose == "sig") && jwk.get("key_ops").is_none_or(verifies)
}

fn material(jwk: &Map<String, Value>) -> Option<Vec<(Algorithm, ParsedPublicKey)>> {
    match jwk.get("kty")?.as_str()? {
        "RSA" => rsa(jwk),
        "EC" => elliptic(jwk).map(|key| vec![key]),
        "OKP" => edwards(jwk).map(|key| vec![key]),
        _ => None,
    }
}

fn bytes(jwk: &Map<String, Value>, name: &str) -> Option<Vec<u8>> {
    decode(jwk.get(name)?.as_str()?).ok()
}

fn rsa(jwk: &Map<String, Value>) -> Option<Vec<(Algorithm, ParsedPublicKey)>> {
    let (n, e) = (bytes(jwk, "n")?, bytes(jwk, "e")?);
    let (n, e) = (significant(&n), significant(&e));
    let bits = n.len() * 8 - n.first()?.leading_zeros() as usize;
    let sound = (limits::RSA_BITS_MIN..=limits::RSA_BITS_MAX).contains(&bits)
        && e.len() <= limits::RSA_EXPONENT_BYTES_MAX
        && e != [1]
        && e.last()? % 2 == 1;
    if !sound {
        return None;
    }
    let components = RsaPublicKeyComponents { n, e };
    let uses: [(Algorithm, &'static RsaParameters); 6] = [
        (Algorithm::Rs256, &signature::RSA_PKCS1_2048_8192_SHA256),
        (Algorithm::Rs384, &signature::RSA_PKCS1_2048_8192_SHA384),
        (Algorithm::Rs512, &signature::RSA_PKCS1_2048_8192_SHA512),
        (Algorithm::Ps256, &signature::RSA_PSS_2048_8192_SHA256),
        (Algorithm::Ps384, &signature::RSA_PSS_2048_8192_SHA384),
        (Algorithm::Ps512, &signature::RSA_PSS_2048_8192_SHA512),
    ];
    uses.into_iter()
        .map(|(algorithm, parameters)| {
            Some((algorithm, components.to_parsed_public_key(parameters).ok()?))
        })
        .collect()
}

/// A big-endian number without leading zeros.
fn significant(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

fn elliptic(jwk: &Map<String, Value>) -> Option<(Algorithm, ParsedPublicKey)> {
    const UNCOMPRESSED: u8 = 4;
    let (algorithm, verification, length) = match jwk.get("crv")?.as_str()? {
        "P-256" => (Algorithm::Es256, &signature::ECDSA_P256_SHA256_FIXED, 32),
        "P-384" => (Algorithm::Es384, &signature::ECDSA_P384_SHA384_FIXED, 48),
        "P-521" => (Algorithm::Es512, &signature::ECDSA_P521_SHA512_FIXED, 66),
        _ => return None,
    };
    let (x, y) = (bytes(jwk, "x")?, bytes(jwk, "y")?);
    if x.len() != length || y.len() != length {
        return None;
    }
    let point: Vec<u8> = std::iter::once(UNCOMPRESSED).chain(x).chain(y).collect();
    Some((algorithm, ParsedPublicKey::new(verification, point).ok()?))
}

fn edwards(jwk: &Map<String, Value>) -> Option<(Algorithm, ParsedPublicKey)> {
    if jwk.get("crv")? != "Ed25519" {
        return None;
    }
    let x = bytes(jwk, "x").filter(|x| x.len() == 32)?;
    Some((Algorithm::EdDsa, ParsedPublicKey::new(&signature::ED25519, x).ok()?))
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_holds_no_usable_key_is_no_empty_set() {
        for (text, fault) in [
            ("", KeySetFault::NotAKeySet),
            ("<html>", KeySetFault::NotAKeySet),
            ("[]", KeySetFault::NotAKeySet),
            ("{}", KeySetFault::NotAKeySet),
            (r#"{"keys":{}}"#, KeySetFault::NotAKeySet),
            (r#"{"keys":[],"keys":[]}"#, KeySetFault::NotAKeySet),
            (r#"{"keys":[]}"#, KeySetFault::NoUsableKey),
            (r#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#, KeySetFault::NoUsableKey),
        ] {
            let read = KeySet::parse(text.as_bytes(), &Algorithm::ALL);
            assert_eq!(read.err(), Some(fault), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_key_is_read_or_dropped(
            kind in "RSA|EC|OKP",
            curve in "P-256|P-384|P-521|Ed25519",
            first in proptest::collection::vec(any::<u8>(), 0..300),
            second in proptest::collection::vec(any::<u8>(), 0..70),
            length in 0_usize..70,
        ) {
            let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
            let cut = first.get(..length).unwrap_or(&first);
            let jwk = json!({
                "kty": kind, "crv": curve, "n": encode(&first), "e": encode(&second),
                "x": encode(cut), "y": encode(&second),
            });
            let set = json!({"keys": [jwk]}).to_string();
            let _ = KeySet::parse(set.as_bytes(), &Algorithm::ALL);
        }

        #[test]
        fn any_text_is_a_set_or_none(text in ".{0,200}") {
            let _ = KeySet::parse(text.as_bytes(), &Algorithm::ALL);
        }
    }
}
