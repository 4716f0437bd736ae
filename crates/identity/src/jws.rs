//! One compact JWS against one JSON Web Key: the verifier without introspectors and claims, for
//! test vectors (RFC 7515).

use serde_json::{Map, Value};

use crate::Algorithm;
use crate::keys::{KeyFault, Signed, VerificationKey};
use crate::public_key::{Jwk, SharedSecret};
use crate::unauthenticated::Check;
use crate::unverified::{Header, Parts, decode, object};

/// One key, made ready to verify.
pub struct PreparedKey(VerificationKey);

impl PreparedKey {
    /// Reads a JSON Web Key. An `oct` key is a shared secret here, which it never is in a key set.
    pub fn of_jwk(jwk: &Map<String, Value>) -> Result<Self, Check> {
        let unusable = |_| Check::Signature;
        if jwk.get("kty").is_some_and(|kind| kind == "oct") {
            let SharedSecret { id, algorithm, secret } =
                SharedSecret::read(jwk).map_err(unusable)?;
            let fits = |one: &Algorithm| algorithm.is_none_or(|of| of == *one);
            let allowed: Vec<Algorithm> = Algorithm::ALL.into_iter().filter(fits).collect();
            return Ok(Self(VerificationKey {
                id,
                ..VerificationKey::of_secret(&secret, &allowed)
            }));
        }
        let Jwk { id, algorithm, key } = Jwk::read(jwk).map_err(unusable)?;
        let uses = key.verifiers(|one| algorithm.is_none_or(|of| of == one)).map_err(unusable)?;
        Ok(Self(VerificationKey { id, uses }))
    }

    /// Verifies the signature of a text, as that of a token that names no key.
    pub fn verify(&self, algorithm: Algorithm, text: &[u8], signature: &[u8]) -> Result<(), Check> {
        let signed = Signed { algorithm, key_id: None, text, signature };
        signed.verify_with(std::slice::from_ref(&self.0)).map_err(KeyFault::check)
    }
}

/// Verifies a compact JWS with the one key that there is, as a token with that key would be; the
/// payload may be anything.
pub fn verify(token: &str, jwk: &Map<String, Value>) -> Result<Vec<u8>, Check> {
    let parts = Parts::split(token)?;
    let header = Header::read(&object(&decode(parts.header)?, Check::Header)?)?;
    let payload = decode(parts.claims)?;
    let signature = decode(parts.signature)?;
    let PreparedKey(key) = PreparedKey::of_jwk(jwk)?;
    let signed = Signed {
        algorithm: header.algorithm,
        key_id: header.key_id.as_deref(),
        text: parts.signed.as_bytes(),
        signature: &signature,
    };
    signed.verify_with(&[key]).map_err(KeyFault::check)?;
    Ok(payload)
}

#[cfg(test)]
mod tests {
    use firewarden_testkit::{hmac_token, key};
    use serde_json::json;

    use super::*;

    fn members(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn a_signature_is_verified_with_its_own_key_alone() {
        let claims = json!({"a": 1});
        for algorithm in ["RS256", "PS512", "ES256", "ES512", "EdDSA"] {
            let token = key(algorithm).mint(algorithm, &json!({}), &claims);
            let jwk = members(&key(algorithm).jwk());
            assert_eq!(verify(&token, &jwk), Ok(claims.to_string().into_bytes()), "{algorithm}");
            let bent = token.replacen('.', ".x", 1);
            assert!(verify(&bent, &jwk).is_err(), "{algorithm}");
            assert!(verify(&token, &members(&key("ES384").jwk())).is_err(), "{algorithm}");
        }
        let jwk = members(&json!({"kty": "oct", "k": "YQ", "alg": "HS256"}));
        assert!(verify(&hmac_token("HS256", b"a", &json!({}), &claims), &jwk).is_ok());
        assert!(verify(&hmac_token("HS512", b"a", &json!({}), &claims), &jwk).is_err());
        assert!(verify(&hmac_token("HS256", b"b", &json!({}), &claims), &jwk).is_err());
    }
}
