//! `jwt.keys[]`: keys that the operator gives, each for one algorithm.

use firewarden_fhir::json;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::reading::{Masked, Reader};
use crate::keys::VerificationKey;
use crate::public_key::{Jwk, PublicKey, PublicKeyFault, SharedSecret, from_pem};
use crate::secrets::MASK;
use crate::unverified::is_key_id;
use crate::{Algorithm, limits};

const ATTRIBUTES: [&str; 8] = ["kid", "kty", "alg", "crv", "use", "format", "pub", "k"];

/// Why one key cannot be used: the code of the issue, the attribute, and how to mend it.
struct Fault {
    code: &'static str,
    attribute: &'static str,
    text: String,
}

impl Fault {
    fn value(attribute: &'static str, text: impl Into<String>) -> Self {
        Self { code: "value", attribute, text: text.into() }
    }

    fn contradiction(attribute: &'static str, text: impl Into<String>) -> Self {
        Self { code: "invariant", attribute, text: text.into() }
    }
}

/// One entry of the list.
struct Entry<'c> {
    kid: Option<&'c str>,
    kty: Option<&'c str>,
    crv: Option<&'c str>,
    algorithm: Option<Algorithm>,
    format: Option<&'c str>,
}

impl Reader {
    /// The keys, none of them left out.
    pub(super) fn static_keys(
        &mut self,
        jwt: &Map<String, Value>,
        masked: Masked<'_>,
    ) -> Option<Vec<VerificationKey>> {
        let most = limits::STATIC_KEYS_MAX;
        let entries = jwt.get("keys").and_then(Value::as_array);
        let Some(entries) = entries.filter(|entries| (1..=most).contains(&entries.len())) else {
            let text = format!("`jwt.keys` must be a list of 1 to {most} keys");
            self.error("value", "jwt.keys", text);
            return None;
        };
        let allowed = self.algorithms(jwt, |_| true, "jwt.keys");
        let mut keys: Vec<VerificationKey> = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let path = format!("jwt.keys[{index}]");
            let read = self.static_key((index, &path), entry, masked).and_then(|key| {
                check_beside(&key, &keys, &allowed)?;
                Ok(key)
            });
            match read {
                Ok(key) => keys.push(key),
                Err(Fault { code, attribute: "", text }) => {
                    self.error(code, &path, format!("`{path}` {text}"));
                }
                Err(Fault { code, attribute, text }) => {
                    let path = format!("{path}.{attribute}");
                    self.error(code, &path, format!("`{path}` {text}"));
                }
            }
        }
        (keys.len() == entries.len()).then_some(keys)
    }

    fn static_key(
        &mut self,
        (index, path): (usize, &str),
        entry: &Value,
        masked: Masked<'_>,
    ) -> Result<VerificationKey, Fault> {
        let Some(members) = entry.as_object() else {
            return Err(Fault::value("", "must be an object"));
        };
        for name in members.keys().filter(|name| !ATTRIBUTES.contains(&name.as_str())) {
            let known = ATTRIBUTES.join("`, `");
            let text = format!("unknown attribute `{path}.{name}`; a key has `{known}`");
            self.error("structure", &format!("{path}.{name}"), text);
        }
        let entry = Entry::read(members)?;
        match (members.get("pub"), members.get("k")) {
            (Some(public), None) => entry.public_key(public),
            (None, Some(secret)) => {
                let (key, length) = entry.secret_key(index, secret, masked)?;
                if length.is_some_and(|length| length < limits::SECRET_BYTES_ADVISED) {
                    let text = "the secret is shorter than 32 bytes and can be guessed from one token; use 32 random bytes or more";
                    self.warn(&format!("{path}.k"), text);
                }
                Ok(key)
            }
            (Some(_), Some(_)) => {
                let text =
                    "and `k` exclude each other: a public key has `pub`, a shared secret `k`";
                Err(Fault::contradiction("pub", text))
            }
            (None, None) => {
                let text = "is required, or `k` for a shared secret".to_owned();
                Err(Fault { code: "required", attribute: "pub", text })
            }
        }
    }
}

/// No more keys may share an id and an algorithm than are tried for one token.
fn check_beside(
    key: &VerificationKey,
    before: &[VerificationKey],
    allowed: &[Algorithm],
) -> Result<(), Fault> {
    let algorithm = |key: &VerificationKey| key.uses.first().map(|(algorithm, _)| *algorithm);
    if !algorithm(key).is_some_and(|algorithm| allowed.contains(&algorithm)) {
        return Err(Fault::contradiction("alg", "is not in `jwt.algorithms`"));
    }
    let alike = |other: &&VerificationKey| other.id == key.id && algorithm(other) == algorithm(key);
    if before.iter().filter(alike).count() >= limits::KEYS_TRIED_MAX {
        let most = limits::KEYS_TRIED_MAX;
        let text = format!("is shared by more than {most} keys of one `alg`; give each its own");
        return Err(Fault::contradiction("kid", text));
    }
    Ok(())
}

impl<'c> Entry<'c> {
    fn read(members: &'c Map<String, Value>) -> Result<Self, Fault> {
        let kid = text(members, "kid")?;
        if kid.is_some_and(|kid| !is_key_id(kid)) {
            let most = limits::KEY_ID_BYTES_MAX;
            return Err(Fault::value("kid", format!("must be 1 to {most} bytes long")));
        }
        let kty = text(members, "kty")?;
        if kty.is_some_and(|kty| !["RSA", "EC", "OKP", "OCT", "oct"].contains(&kty)) {
            return Err(Fault::value("kty", "must be `RSA`, `EC`, `OKP` or `OCT`"));
        }
        let format = text(members, "format")?;
        if format.is_some_and(|format| !["PEM", "JWK", "plain"].contains(&format)) {
            return Err(Fault::value("format", "must be `PEM`, `JWK` or `plain`"));
        }
        if text(members, "use")?.is_some_and(|purpose| purpose != "sig") {
            return Err(Fault::value("use", "must be `sig`"));
        }
        let algorithm = match text(members, "alg")? {
            None => None,
            Some(name) => Some(Algorithm::parse(name).ok_or_else(|| {
                let served = Algorithm::ALL.map(Algorithm::name).join(", ");
                Fault::value("alg", format!("must be one of {served}"))
            })?),
        };
        Ok(Self { kid, kty, crv: text(members, "crv")?, algorithm, format })
    }

    fn public_key(&self, value: &Value) -> Result<VerificationKey, Fault> {
        if self.is_secret() {
            let text = "is `OCT`: a shared secret goes in `k`, not in `pub`";
            return Err(Fault::contradiction("kty", text));
        }
        let in_pub = |fault: PublicKeyFault| Fault::value("pub", fault.to_string());
        let jwk = match (self.format.unwrap_or(inferred(value, "PEM")), value) {
            ("PEM", Value::String(pem)) => {
                let key = from_pem(pem).map_err(in_pub)?;
                Jwk { id: None, algorithm: None, key }
            }
            ("JWK", _) => {
                let members = jwk_members(value).ok_or(PublicKeyFault::NotAJwk).map_err(in_pub)?;
                Jwk::read(&members).map_err(in_pub)?
            }
            ("PEM", _) => return Err(in_pub(PublicKeyFault::NotPem)),
            _ => {
                let text = "is for shared secrets; a public key has `PEM` or `JWK`";
                return Err(Fault::contradiction("format", text));
            }
        };
        let id = self.agreed_id(jwk.id)?;
        self.check_kind(&jwk.key)?;
        let algorithm = self.agreed_algorithm(jwk.algorithm, &jwk.key.algorithms())?;
        let uses = jwk.key.verifiers(|fitting| fitting == algorithm).map_err(in_pub)?;
        Ok(VerificationKey { id, uses })
    }

    /// The key of a shared secret, and its length if the secret is at hand.
    fn secret_key(
        &self,
        index: usize,
        value: &Value,
        masked: Masked<'_>,
    ) -> Result<(VerificationKey, Option<usize>), Fault> {
        if !self.is_secret() && self.kty.is_some() {
            let text = "must be `OCT` for a shared secret; a public key goes in `pub`";
            return Err(Fault::contradiction("kty", text));
        }
        if self.crv.is_some() {
            return Err(Fault::contradiction("crv", "does not belong to a shared secret"));
        }
        let symmetric = Algorithm::ALL.into_iter().filter(|one| one.is_symmetric());
        let symmetric: Vec<Algorithm> = symmetric.collect();
        let pointer = format!("/jwt/keys/{index}/k");
        let (said, secret) = match (self.format.unwrap_or(inferred(value, "plain")), value) {
            ("plain", Value::String(text)) => match unmasked(text, &pointer, masked) {
                Unmasked::Known(secret) => ((None, None), Some(Zeroizing::new(secret.to_vec()))),
                Unmasked::Hidden => ((None, None), None),
            },
            ("JWK", _) => secret_jwk(value, &pointer, masked)?,
            ("plain", _) => return Err(Fault::value("k", "must be a string")),
            _ => {
                let text = "is for public keys; a shared secret has `plain` or `JWK`";
                return Err(Fault::contradiction("format", text));
            }
        };
        let (id, algorithm) = said;
        let id = self.agreed_id(id)?;
        let algorithm = self.agreed_algorithm(algorithm, &symmetric)?;
        let length = secret.as_ref().map(|secret| secret.len());
        if length.is_some_and(|length| !(1..=limits::SECRET_BYTES_MAX).contains(&length)) {
            let most = limits::SECRET_BYTES_MAX;
            return Err(Fault::value("k", format!("must be 1 to {most} bytes long")));
        }
        // A hidden secret was checked when it was set; nothing is verified with its mask.
        let secret = secret.unwrap_or_else(|| Zeroizing::new(MASK.as_bytes().to_vec()));
        let key = VerificationKey::of_secret(&secret, &[algorithm]);
        Ok((VerificationKey { id, ..key }, length))
    }

    fn is_secret(&self) -> bool {
        matches!(self.kty, Some("OCT" | "oct"))
    }

    fn agreed_id(&self, of_key: Option<String>) -> Result<Option<String>, Fault> {
        match (self.kid, of_key) {
            (Some(kid), Some(of_key)) if kid != of_key => {
                Err(Fault::contradiction("kid", "is not the one that the key itself says"))
            }
            (Some(kid), _) => Ok(Some(kid.to_owned())),
            (None, of_key) => Ok(of_key),
        }
    }

    fn check_kind(&self, key: &PublicKey) -> Result<(), Fault> {
        if self.kty.is_some_and(|kty| kty != key.kind()) {
            let text = format!("is not that of the key, which is `{}`", key.kind());
            return Err(Fault::contradiction("kty", text));
        }
        if self.crv.is_some_and(|crv| key.curve() != Some(crv)) {
            let text = match key.curve() {
                Some(curve) => format!("is not that of the key, which is `{curve}`"),
                None => "does not belong to an RSA key".to_owned(),
            };
            return Err(Fault::contradiction("crv", text));
        }
        Ok(())
    }

    fn agreed_algorithm(
        &self,
        of_key: Option<Algorithm>,
        possible: &[Algorithm],
    ) -> Result<Algorithm, Fault> {
        let names: Vec<&str> = possible.iter().map(|one| one.name()).collect();
        let names = names.join(", ");
        let algorithm = match (self.algorithm, of_key) {
            (Some(algorithm), Some(of_key)) if algorithm != of_key => {
                let text = format!("is not the one that the key itself says, `{}`", of_key.name());
                return Err(Fault::contradiction("alg", text));
            }
            (Some(algorithm), _) | (None, Some(algorithm)) => algorithm,
            (None, None) => {
                let text = format!("is required: this key verifies {names}");
                return Err(Fault { code: "required", attribute: "alg", text });
            }
        };
        if possible.contains(&algorithm) {
            Ok(algorithm)
        } else {
            let text = format!("does not fit the key, which verifies {names}");
            Err(Fault::contradiction("alg", text))
        }
    }
}

fn text<'c>(
    members: &'c Map<String, Value>,
    attribute: &'static str,
) -> Result<Option<&'c str>, Fault> {
    match members.get(attribute) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Fault::value(attribute, "must be a string")),
    }
}

/// The format of a value that goes without saying.
fn inferred(value: &Value, of_other_texts: &'static str) -> &'static str {
    match value {
        Value::Object(_) => "JWK",
        Value::String(text) if text.trim_start().starts_with('{') => "JWK",
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            of_other_texts
        }
    }
}

/// The members of a JSON Web Key, given as an object or as its text.
fn jwk_members(value: &Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(members) => Some(members.clone()),
        Value::String(text) if text.len() <= limits::PUBLIC_KEY_BYTES_MAX => {
            match json::parse(text.as_bytes()) {
                Ok(Value::Object(members)) => Some(members),
                Ok(_) | Err(_) => None,
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            None
        }
    }
}

enum Unmasked<'s> {
    Known(&'s [u8]),
    Hidden,
}

/// What a text in a secret's place stands for.
fn unmasked<'s>(text: &'s str, pointer: &str, masked: Masked<'s>) -> Unmasked<'s> {
    match masked {
        Masked::Kept if text == MASK => Unmasked::Hidden,
        Masked::Sealed(_) if text == MASK => Unmasked::Known(masked.sealed(pointer)),
        Masked::Kept | Masked::Sealed(_) => Unmasked::Known(text.as_bytes()),
    }
}

type SaidAndSecret = ((Option<String>, Option<Algorithm>), Option<Zeroizing<Vec<u8>>>);

/// A shared secret as a JSON Web Key: the whole of its text is the secret, or its member `k`.
fn secret_jwk(value: &Value, pointer: &str, masked: Masked<'_>) -> Result<SaidAndSecret, Fault> {
    let not_a_secret = || {
        let most = limits::SECRET_BYTES_MAX;
        let text = format!(
            "must be a JSON Web Key with `kty: oct` and 1 to {most} bytes in `k`, and no other members than `kid`, `alg`, `use`, `key_ops`"
        );
        Fault::value("k", text)
    };
    let mut members = match value {
        Value::String(text) => match unmasked(text, pointer, masked) {
            Unmasked::Hidden => return Ok(((None, None), None)),
            Unmasked::Known(bytes) => match json::parse(bytes) {
                Ok(Value::Object(members)) => members,
                Ok(_) | Err(_) => return Err(not_a_secret()),
            },
        },
        Value::Object(members) => members.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            return Err(not_a_secret());
        }
    };
    let hidden = match members.get("k") {
        Some(Value::String(text)) if text == MASK => {
            match unmasked(MASK, &format!("{pointer}/k"), masked) {
                Unmasked::Known(bytes) => {
                    let text = String::from_utf8_lossy(bytes).into_owned();
                    members.insert("k".to_owned(), text.into());
                    false
                }
                Unmasked::Hidden => {
                    // Some secret, so that the rest is judged.
                    members.insert("k".to_owned(), "AAAA".into());
                    true
                }
            }
        }
        _ => false,
    };
    let SharedSecret { id, algorithm, secret } =
        SharedSecret::read(&members).map_err(|_| not_a_secret())?;
    Ok(((id, algorithm), (!hidden).then_some(secret)))
}
