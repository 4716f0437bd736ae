//! A JSON Web Key (RFC 7517, RFC 7518 section 6, RFC 8037).

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{Curve, PublicKey, PublicKeyFault};
use crate::unverified::{decode, is_key_id};
use crate::{Algorithm, limits};

/// Members that only the owner of a key pair may have.
const PRIVATE_MEMBERS: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

/// A public key as a JSON Web Key, with what it says of itself.
pub(crate) struct Jwk {
    pub(crate) id: Option<String>,
    pub(crate) algorithm: Option<Algorithm>,
    pub(crate) key: PublicKey,
}

impl Jwk {
    /// Reads a key that is for verifying signatures.
    pub(crate) fn read(members: &Map<String, Value>) -> Result<Self, PublicKeyFault> {
        // A key whose private part was published belongs to everybody.
        if PRIVATE_MEMBERS.iter().any(|name| members.contains_key(*name)) {
            return Err(PublicKeyFault::Private);
        }
        if members.contains_key("k") {
            return Err(PublicKeyFault::SharedSecret);
        }
        let (id, algorithm) = said(members)?;
        let key = match text(members, "kty")? {
            "RSA" => PublicKey::Rsa { n: bytes(members, "n")?, e: bytes(members, "e")? },
            "EC" => {
                let curve = Curve::parse(text(members, "crv")?);
                let curve = curve.ok_or(PublicKeyFault::UnknownKind)?;
                PublicKey::Elliptic { curve, x: bytes(members, "x")?, y: bytes(members, "y")? }
            }
            "OKP" if text(members, "crv")? == "Ed25519" => {
                PublicKey::Edwards { x: bytes(members, "x")? }
            }
            _ => return Err(PublicKeyFault::UnknownKind),
        };
        Ok(Self { id, algorithm, key })
    }
}

/// A shared secret as a JSON Web Key. It is never read from a key set.
pub(crate) struct SharedSecret {
    pub(crate) id: Option<String>,
    pub(crate) algorithm: Option<Algorithm>,
    pub(crate) secret: Zeroizing<Vec<u8>>,
}

impl SharedSecret {
    /// Reads an `oct` key that is for signatures, of 1 to
    /// [`limits::SECRET_BYTES_MAX`] bytes.
    pub(crate) fn read(members: &Map<String, Value>) -> Result<Self, PublicKeyFault> {
        const MEMBERS: [&str; 6] = ["kty", "k", "alg", "kid", "use", "key_ops"];
        if members.keys().any(|name| !MEMBERS.contains(&name.as_str())) {
            return Err(PublicKeyFault::NotAJwk);
        }
        if text(members, "kty")? != "oct" {
            return Err(PublicKeyFault::UnknownKind);
        }
        let (id, algorithm) = said(members)?;
        let secret = Zeroizing::new(bytes(members, "k")?);
        if secret.is_empty() || secret.len() > limits::SECRET_BYTES_MAX {
            return Err(PublicKeyFault::NotAJwk);
        }
        Ok(Self { id, algorithm, secret })
    }
}

/// The id and the algorithm of a key that is for signatures.
fn said(
    members: &Map<String, Value>,
) -> Result<(Option<String>, Option<Algorithm>), PublicKeyFault> {
    let verifies = |operations: &Value| {
        operations.as_array().is_some_and(|all| all.iter().any(|one| one == "verify"))
    };
    if members.get("use").is_some_and(|purpose| purpose != "sig")
        || !members.get("key_ops").is_none_or(verifies)
    {
        return Err(PublicKeyFault::NotForSignatures);
    }
    let id = match members.get("kid") {
        None => None,
        Some(Value::String(id)) if is_key_id(id) => Some(id.clone()),
        Some(_) => return Err(PublicKeyFault::NotAJwk),
    };
    let algorithm = match members.get("alg") {
        None => None,
        Some(name) => {
            let known = name.as_str().and_then(Algorithm::parse);
            Some(known.ok_or(PublicKeyFault::UnknownAlgorithm)?)
        }
    };
    Ok((id, algorithm))
}

fn text<'k>(members: &'k Map<String, Value>, name: &str) -> Result<&'k str, PublicKeyFault> {
    members.get(name).and_then(Value::as_str).ok_or(PublicKeyFault::NotAJwk)
}

fn bytes(members: &Map<String, Value>, name: &str) -> Result<Vec<u8>, PublicKeyFault> {
    decode(text(members, name)?).map_err(|_| PublicKeyFault::NotAJwk)
}
