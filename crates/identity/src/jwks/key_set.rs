//! A JSON Web Key Set, read into keys that verify (RFC 7517 section 5).

use firewarden_fhir::json;
use serde_json::{Map, Value};

use crate::keys::VerificationKey;
use crate::public_key::Jwk;
use crate::{Algorithm, limits};

/// The usable keys of a set, and how many were dropped.
pub(crate) struct KeySet {
    pub(crate) keys: Vec<VerificationKey>,
    pub(crate) dropped: usize,
}

/// Why a text is no key set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeySetFault {
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
    pub(crate) fn parse(bytes: &[u8], allowed: &[Algorithm]) -> Result<Self, KeySetFault> {
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
    let Jwk { id, algorithm: only, key } = Jwk::read(jwk).ok()?;
    let fits =
        |algorithm| allowed.contains(&algorithm) && only.is_none_or(|only| only == algorithm);
    let uses = key.verifiers(fits).ok()?;
    (!uses.is_empty()).then_some(VerificationKey { id, uses })
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
