//! A compact JWS, taken apart strictly, before anything of it is believed (RFC 7515).

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use firewarden_fhir::json;
use serde_json::{Map, Value};

use crate::headers::Headers;
use crate::unauthenticated::Check;
use crate::{Algorithm, limits};

/// A token's parts. Nothing of it is verified; its `iss` may be used to find out who could vouch.
#[derive(Debug)]
pub(crate) struct Unverified<'t> {
    pub(crate) header: Arc<Header>,
    /// The header as it was sent, if it was not known.
    pub(crate) new_header: Option<&'t str>,
    pub(crate) claims: Map<String, Value>,
    /// What the signature covers: the first two parts as they were sent.
    pub(crate) signed: &'t [u8],
    pub(crate) signature: Vec<u8>,
}

/// What of a token's header counts. `jku`, `jwk`, `x5u` and `x5c` never do: a token cannot bring
/// its own key.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) algorithm: Algorithm,
    pub(crate) key_id: Option<String>,
    pub(crate) typ: Option<String>,
}

impl<'t> Unverified<'t> {
    pub(crate) fn read(token: &'t str) -> Result<Self, Check> {
        Self::read_with(token, &Headers::default())
    }

    /// Reads a token whose header may be among those that were read before.
    pub(crate) fn read_with(token: &'t str, headers: &Headers) -> Result<Self, Check> {
        let parts = Parts::split(token)?;
        let (header, new_header) = match headers.find(parts.header) {
            Some(header) => (header, None),
            None => {
                let header = Header::read(&object(&decode(parts.header)?, Check::Header)?)?;
                (Arc::new(header), Some(parts.header))
            }
        };
        let claims = object(&decode(parts.claims)?, Check::Claims)?;
        let signature = decode(parts.signature)?;
        if signature.is_empty() {
            return Err(Check::Signature);
        }
        let signed = parts.signed.as_bytes();
        Ok(Self { header, new_header, claims, signed, signature })
    }
}

/// The three parts of a compact JWS, still encoded.
pub(crate) struct Parts<'t> {
    pub(crate) header: &'t str,
    pub(crate) claims: &'t str,
    pub(crate) signature: &'t str,
    /// What the signature covers.
    pub(crate) signed: &'t str,
}

impl<'t> Parts<'t> {
    pub(crate) fn split(token: &'t str) -> Result<Self, Check> {
        if token.len() > limits::TOKEN_BYTES_MAX {
            return Err(Check::Length);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Check::Parts)?;
        let (header, claims) = signed.split_once('.').ok_or(Check::Parts)?;
        if claims.contains('.') {
            return Err(Check::Parts);
        }
        Ok(Self { header, claims, signature, signed })
    }
}

/// Reads base64url without padding; bits that encode nothing must be zero, so that no two texts
/// are the same token.
pub(crate) fn decode(part: &str) -> Result<Vec<u8>, Check> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Check::Encoding)
}

pub(crate) fn object(bytes: &[u8], check: Check) -> Result<Map<String, Value>, Check> {
    match json::parse(bytes) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) | Err(_) => Err(check),
    }
}

impl Header {
    pub(crate) fn read(members: &Map<String, Value>) -> Result<Self, Check> {
        if members.contains_key("crit") || members.contains_key("b64") {
            return Err(Check::Critical);
        }
        let algorithm = members
            .get("alg")
            .and_then(Value::as_str)
            .and_then(Algorithm::parse)
            .ok_or(Check::Algorithm)?;
        let key_id = text(members, "kid").map_err(|()| Check::KeyId)?;
        if key_id.as_deref().is_some_and(|id| !is_key_id(id)) {
            return Err(Check::KeyId);
        }
        let typ = text(members, "typ").map_err(|()| Check::Type)?;
        Ok(Self { algorithm, key_id, typ })
    }
}

/// Whether a text may be a `kid`: some characters, not too many, none of them a control.
pub(crate) fn is_key_id(text: &str) -> bool {
    (1..=limits::KEY_ID_BYTES_MAX).contains(&text.len()) && !text.contains(char::is_control)
}

fn text(members: &Map<String, Value>, name: &str) -> Result<Option<String>, ()> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(header: &str, claims: &str, signature: &[u8]) -> String {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        format!("{}.{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()), encode(signature))
    }

    fn refused(token: &str) -> Check {
        Unverified::read(token).unwrap_err()
    }

    #[test]
    fn exactly_three_parts_are_a_token() {
        let good = token(r#"{"alg":"HS256"}"#, "{}", b"s");
        assert!(Unverified::read(&good).is_ok());
        for (text, check) in [
            (String::new(), Check::Parts),
            ("a".into(), Check::Parts),
            ("a.b".into(), Check::Parts),
            (format!("{good}."), Check::Parts),
            (format!(".{good}"), Check::Parts),
            (format!("{good}.{good}"), Check::Parts),
            ("....".into(), Check::Parts),
            (token(r#"{"alg":"HS256"}"#, "{}", b""), Check::Signature),
        ] {
            assert_eq!(refused(&text), check, "{text}");
        }
    }

    #[test]
    fn only_canonical_base64url_is_read() {
        let good = token(r#"{"alg":"HS256"}"#, "{}", b"s");
        for text in [
            format!("{good}="),
            format!("{good}\n"),
            format!(" {good}"),
            good.replace(".", ". "),
            // `cw` and `cx` differ in bits that encode nothing.
            good.replace(".cw", ".cx"),
            format!("\"{good}\""),
            format!("{good}+/"),
        ] {
            assert_eq!(refused(&text), Check::Encoding, "{text}");
        }
    }

    #[test]
    fn a_long_token_is_refused_before_it_is_read() {
        let claims = |filler: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(filler));
        let fits = token(r#"{"alg":"HS256"}"#, &claims(12_000), b"s");
        assert!(Unverified::read(&fits).is_ok());
        let long = token(r#"{"alg":"HS256"}"#, &claims(limits::TOKEN_BYTES_MAX), b"s");
        assert_eq!(refused(&long), Check::Length);
        assert_eq!(refused(&"!".repeat(limits::TOKEN_BYTES_MAX + 1)), Check::Length);
    }

    #[test]
    fn a_header_brings_no_surprise() {
        let long_key_id = format!(r#"{{"alg":"HS256","kid":"{}"}}"#, "k".repeat(10_240));
        for (header, check) in [
            ("{}", Check::Algorithm),
            ("[]", Check::Header),
            ("", Check::Header),
            (r#"{"alg":"HS256","alg":"HS256"}"#, Check::Header),
            (r#"{"alg":"none"}"#, Check::Algorithm),
            (r#"{"alg":["HS256"]}"#, Check::Algorithm),
            (r#"{"alg":"HS256","crit":[]}"#, Check::Critical),
            (r#"{"alg":"HS256","crit":["exp"],"exp":1}"#, Check::Critical),
            (r#"{"alg":"HS256","b64":true}"#, Check::Critical),
            (r#"{"alg":"HS256","kid":1}"#, Check::KeyId),
            (r#"{"alg":"HS256","kid":["a"]}"#, Check::KeyId),
            (r#"{"alg":"HS256","kid":"a\u0000"}"#, Check::KeyId),
            (r#"{"alg":"HS256","kid":""}"#, Check::KeyId),
            (&long_key_id, Check::KeyId),
            (r#"{"alg":"HS256","typ":1}"#, Check::Type),
        ] {
            assert_eq!(refused(&token(header, "{}", b"s")), check, "{header}");
        }
    }

    #[test]
    fn claims_are_a_strict_object() {
        let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(1_000), "]".repeat(1_000));
        for claims in ["", "[]", "null", "1", "\"a\"", r#"{"a":1,"a":2}"#, "\u{feff}{}", &deep] {
            assert_eq!(refused(&token(r#"{"alg":"HS256"}"#, claims, b"s")), Check::Claims);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,300}") {
            let _ = Unverified::read(&text);
        }

        #[test]
        fn any_header_and_claims_are_read_or_refused(
            header in ".{0,100}",
            claims in ".{0,100}",
            signature in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            let _ = Unverified::read(&token(&header, &claims, &signature));
        }
    }
}
