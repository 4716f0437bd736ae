//! Which tokens are verified here and which another server is asked about.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

use crate::limits;
use crate::unauthenticated::Check;
use crate::unverified::{self, Parts, object};

/// Where a token goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// It looks like a signed token: it goes to whoever vouches for its issuer, if it names one.
    Signed {
        /// Its `iss`, unverified.
        issuer: Option<String>,
    },
    /// Only an endpoint can tell what it is.
    Opaque,
    /// It is not a token in any form.
    Nowhere,
}

/// Finds out where a token goes, from its looks alone. What looks like a signed token, and be it a
/// broken one, is shown to nobody but its issuer.
pub(crate) fn destination(token: &str) -> Destination {
    if token.len() > limits::TOKEN_BYTES_MAX {
        return Destination::Nowhere;
    }
    if looks_signed(token) {
        return Destination::Signed { issuer: issuer(token) };
    }
    if is_token_text(token) { Destination::Opaque } else { Destination::Nowhere }
}

/// Whether the text before the first dot is a JSON object in any sort of base64, or JSON itself.
fn looks_signed(token: &str) -> bool {
    const ANY_PADDING: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    const LENIENT: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, ANY_PADDING);
    let Some((first, _)) = token.split_once('.') else {
        return false;
    };
    let first = first.trim().replace('+', "-").replace('/', "_");
    let decoded = LENIENT.decode(first.trim_end_matches('=')).ok();
    let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    text.is_some_and(|text| {
        text.trim_start_matches(['\u{feff}', ' ', '\n', '\r', '\t']).starts_with('{')
    })
}

/// The `iss` of a token that is well-formed as far as that takes.
fn issuer(token: &str) -> Option<String> {
    let parts = Parts::split(token).ok()?;
    object(&unverified::decode(parts.header).ok()?, Check::Header).ok()?;
    let claims = object(&unverified::decode(parts.claims).ok()?, Check::Claims).ok()?;
    claims.get("iss").and_then(Value::as_str).map(str::to_owned)
}

/// Whether a text is a token at all (RFC 6750 section 2.1).
fn is_token_text(token: &str) -> bool {
    let body = token.trim_end_matches('=');
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    !body.is_empty() && body.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    use super::*;

    fn encoded(text: &str) -> String {
        URL_SAFE_NO_PAD.encode(text)
    }

    #[test]
    fn what_looks_signed_goes_to_its_issuer_alone() {
        let header = encoded(r#"{"alg":"none"}"#);
        let claims = encoded(r#"{"iss":"https://a"}"#);
        for (token, issuer) in [
            (format!("{header}.{claims}."), Some("https://a")),
            (format!("{header}.{claims}.sig"), Some("https://a")),
            (format!("{header}.{claims}"), None),
            (format!("{header}.{claims}.a.b"), None),
            (format!("{header}.{claims}.a.b.c"), None),
            (format!("{header}=.{claims}.a"), None),
            (format!("{}.{claims}.a", STANDARD.encode(r#"{"alg":"none"}  "#)), None),
            (format!("{}.{claims}.a", encoded(" {\"alg\":\"none\"}")), Some("https://a")),
            (format!("{}.{claims}.a", encoded("\u{feff}{}")), None),
            (format!("{}.{claims}.a", encoded("{broken")), None),
            (format!(" {header}.{claims}.a"), None),
            (format!("{header}.{}.a", encoded(r#"{"iss":["https://a"]}"#)), None),
            (format!("{header}.!.a"), None),
        ] {
            let expected = Destination::Signed { issuer: issuer.map(str::to_owned) };
            assert_eq!(destination(&token), expected, "{token}");
        }
    }

    #[test]
    fn what_is_a_token_of_no_form_we_know_is_opaque() {
        for token in ["abc", "a.b", "a.b.c", "ya29.a0AfH6", "AbC-._~+/==", "x"] {
            assert_eq!(destination(token), Destination::Opaque, "{token}");
        }
    }

    #[test]
    fn what_is_no_token_goes_nowhere() {
        let long = "x".repeat(limits::TOKEN_BYTES_MAX + 1);
        for token in ["", "=", "a b", "a\n", " a", "a=b", "{\"token\":1}", "ä", "a\u{0}", &long] {
            assert_eq!(destination(token), Destination::Nowhere, "{token}");
        }
    }
}
