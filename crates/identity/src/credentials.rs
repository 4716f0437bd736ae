//! The credential of a request, read from its `Authorization` headers (RFC 9110 section 11.6.2).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::limits;
use crate::unauthenticated::Check;

/// What a request says of who sent it; nothing of it is verified.
pub enum Credentials<'h> {
    /// No `Authorization` header.
    Absent,
    /// Several: none of them counts.
    Ambiguous,
    /// One that we cannot read; it is never taken for none.
    Malformed(Check),
    /// `Bearer`, with the token (RFC 6750). It may be empty, which no token is.
    Bearer(&'h str),
    /// `Basic`, with a client's id and secret (RFC 7617).
    Basic {
        /// The client's id.
        client: String,
        /// Its secret.
        secret: Zeroizing<String>,
    },
    /// `Bearer`, and the client that sends it in `X-Client-Auth`. Both must be right.
    BearerFromClient {
        /// The token.
        token: &'h str,
        /// The client's id.
        client: String,
        /// Its secret.
        secret: Zeroizing<String>,
    },
}

impl<'h> Credentials<'h> {
    /// Reads the values of all `Authorization` headers of a request.
    pub fn from_headers(authorization: &[&'h [u8]]) -> Self {
        match authorization {
            [] => Self::Absent,
            [value] => Self::of_header(value),
            [_, _, ..] => Self::Ambiguous,
        }
    }

    /// Adds the values of all `X-Client-Auth` headers of the request, each a `Basic` credential of
    /// a client. Alone it authenticates the client as `Authorization` would; beside a token it adds
    /// the client; beside another client's credential nobody can say which counts.
    #[must_use]
    pub fn with_client_auth(self, client_auth: &[&'h [u8]]) -> Self {
        if client_auth.is_empty() {
            return self;
        }
        match (self, Self::from_headers(client_auth)) {
            (Self::Ambiguous, _) | (_, Self::Ambiguous) => Self::Ambiguous,
            (Self::Malformed(check), _) | (_, Self::Malformed(check)) => Self::Malformed(check),
            (Self::Absent, added @ Self::Basic { .. }) => added,
            (Self::Bearer(token), Self::Basic { client, secret }) => {
                Self::BearerFromClient { token, client, secret }
            }
            (Self::Basic { .. } | Self::BearerFromClient { .. }, Self::Basic { .. }) => {
                Self::Ambiguous
            }
            (_, Self::Absent | Self::Bearer(_) | Self::BearerFromClient { .. }) => {
                Self::Malformed(Check::Scheme)
            }
        }
    }

    fn of_header(value: &'h [u8]) -> Self {
        let Ok(text) = std::str::from_utf8(value) else {
            return Self::Malformed(Check::Scheme);
        };
        let text = text.trim_matches([' ', '\t']);
        let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
        let rest = rest.trim_start_matches(' ');
        if scheme.eq_ignore_ascii_case("bearer") {
            Self::Bearer(rest)
        } else if scheme.eq_ignore_ascii_case("basic") {
            basic(rest).unwrap_or(Self::Malformed(Check::Scheme))
        } else {
            Self::Malformed(Check::Scheme)
        }
    }
}

fn basic(encoded: &str) -> Option<Credentials<'static>> {
    if encoded.len() > limits::SECRET_BYTES_MAX * 2 {
        return None;
    }
    let bytes = Zeroizing::new(STANDARD.decode(encoded).ok()?);
    let (client, secret) = std::str::from_utf8(&bytes).ok()?.split_once(':')?;
    let secret = Zeroizing::new(secret.to_owned());
    Some(Credentials::Basic { client: client.to_owned(), secret })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(headers: &[&str]) -> String {
        kind_of(headers, &[])
    }

    fn kind_of(headers: &[&str], client_auth: &[&str]) -> String {
        let headers: Vec<&[u8]> = headers.iter().map(|text| text.as_bytes()).collect();
        let client_auth: Vec<&[u8]> = client_auth.iter().map(|text| text.as_bytes()).collect();
        match Credentials::from_headers(&headers).with_client_auth(&client_auth) {
            Credentials::Absent => "absent".into(),
            Credentials::Ambiguous => "ambiguous".into(),
            Credentials::Malformed(_) => "malformed".into(),
            Credentials::Bearer(token) => format!("bearer {token}"),
            Credentials::Basic { client, secret } => format!("basic {client} {}", *secret),
            Credentials::BearerFromClient { token, client, secret } => {
                format!("bearer {token} from {client} {}", *secret)
            }
        }
    }

    #[test]
    fn one_header_is_read_and_two_are_ambiguous() {
        for (headers, expected) in [
            (&[][..], "absent"),
            (&["Bearer a.b.c"], "bearer a.b.c"),
            (&["bearer a.b.c"], "bearer a.b.c"),
            (&["BEARER   a.b.c"], "bearer a.b.c"),
            (&["Bearer"], "bearer "),
            (&["Bearer "], "bearer "),
            (&["Basic cm9vdDpzOmVjcmV0"], "basic root s:ecret"),
            (&["basic cm9vdDo="], "basic root "),
            (&["Basic"], "malformed"),
            (&["Basic cm9vdA=="], "malformed"),
            (&["Basic cm9vdDo"], "malformed"),
            (&["Basic %"], "malformed"),
            (&["Basic /zo="], "malformed"),
            (&["Digest a"], "malformed"),
            (&[""], "malformed"),
            (&["a.b.c"], "malformed"),
            (&["Bearer a", "Bearer a"], "ambiguous"),
            (&["Bearer a", "Basic cm9vdDo="], "ambiguous"),
            (&["", ""], "ambiguous"),
        ] {
            assert_eq!(kind(headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn x_client_auth_adds_a_client_to_a_token() {
        const ROOT: &str = "Basic cm9vdDpz";
        for (headers, client_auth, expected) in [
            (&["Bearer a"][..], &[ROOT][..], "bearer a from root s"),
            (&[], &[ROOT], "basic root s"),
            (&["Bearer"], &[ROOT], "bearer  from root s"),
            (&["Bearer a"], &[], "bearer a"),
            (&["Bearer a"], &[""], "malformed"),
            (&["Bearer a"], &["Basic %"], "malformed"),
            (&["Bearer a"], &["Bearer b"], "malformed"),
            (&[], &["Bearer b"], "malformed"),
            (&["Digest a"], &[ROOT], "malformed"),
            (&["Bearer a"], &[ROOT, ROOT], "ambiguous"),
            (&["Bearer a", "Bearer a"], &[ROOT], "ambiguous"),
            (&[ROOT], &[ROOT], "ambiguous"),
        ] {
            assert_eq!(kind_of(headers, client_auth), expected, "{headers:?} {client_auth:?}");
        }
    }

    #[test]
    fn what_is_not_text_or_is_too_long_is_malformed() {
        assert!(matches!(
            Credentials::from_headers(&[b"Bearer \xff"]),
            Credentials::Malformed(Check::Scheme)
        ));
        let long = format!("Basic {}", STANDARD.encode(vec![b':'; limits::SECRET_BYTES_MAX * 2]));
        assert_eq!(kind(&[&long]), "malformed");
    }
}
