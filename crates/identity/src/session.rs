//! Session tokens: opaque ones, that this server issued to a client of its own.
//!
//! A token names its `Session` and proves that it is that one's: the session is found by its id,
//! and the hash of the token is compared with the one that is sealed beside it. Nothing readable
//! holds the token, and no index its hash.

use aws_lc_rs::{constant_time, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use firewarden_access::{Caller, Session};
use firewarden_fhir::{Id, Timestamp};
use zeroize::Zeroizing;

use crate::basic::{Grant, usable};
use crate::directory::Directory;
use crate::limits;
use crate::unauthenticated::{Check, Unauthenticated};

/// How every token of ours begins, so that nobody else is asked about it.
const PREFIX: &str = "fws_";

/// Random bytes of a token.
pub const SESSION_TOKEN_BYTES: usize = 32;

/// The token of a session, of random bytes that nothing else knows.
pub fn session_token(session: &Id, random: &[u8; SESSION_TOKEN_BYTES]) -> Zeroizing<String> {
    let proof = Zeroizing::new(URL_SAFE_NO_PAD.encode(random));
    Zeroizing::new(format!("{PREFIX}{session}_{}", proof.as_str()))
}

/// What is kept of a session's token. The token is random, so that a fast hash hides it.
pub fn session_token_hash(token: &str) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(digest::digest(&digest::SHA256, token.as_bytes()).as_ref().to_vec())
}

/// Whether a token is one of ours, by its form.
pub(crate) fn is_ours(token: &str) -> bool {
    token.starts_with(PREFIX)
}

/// The session that a token names. An id holds no `_`.
fn session_of(token: &str) -> Option<Id> {
    if token.len() > limits::TOKEN_BYTES_MAX {
        return None;
    }
    let (session, _) = token.strip_prefix(PREFIX)?.split_once('_')?;
    Id::parse(session)
}

/// The client whose session the token is of. Session and client are looked up for each request, so
/// that the end of either is the end of the token.
pub(crate) async fn caller(
    token: &str,
    directory: &dyn Directory,
    now: Timestamp,
) -> Result<Caller, Unauthenticated> {
    const REFUSED: Unauthenticated = Unauthenticated::TokenRefused(Check::Session);
    let id = session_of(token).ok_or(REFUSED)?;
    let session = directory.session(&id).await?.ok_or(REFUSED)?;
    let hash = session_token_hash(token);
    constant_time::verify_slices_are_equal(&hash, &session.token_hash).map_err(|_| REFUSED)?;
    if session.expires_at <= now {
        return Err(Unauthenticated::Expired { at: session.expires_at });
    }
    let client = directory.client(&session.client).await?;
    let client = client.ok_or(Unauthenticated::ClientRefused(Check::ActiveClient))?;
    let client = usable(client.content, Grant::ClientCredentials)?;
    let session = Session {
        introspector: None,
        issuer: None,
        scope: session.scope,
        expires_at: Some(session.expires_at),
        token_id: Some(id.to_string()),
        scopes_enforced: false,
    };
    Ok(Caller { client: Some(client), session, ..Caller::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_its_session() {
        let id = Id::parse("0199-a.b").unwrap();
        let token = session_token(&id, &[0xff; SESSION_TOKEN_BYTES]);
        assert!(is_ours(&token));
        assert_eq!(token.len(), PREFIX.len() + 8 + 1 + 43);
        assert_eq!(session_of(&token), Some(id));
        for token in ["", "fws_", "fws_a", "fws__", "fws_/x_y", "a.b.c", "FWS_a_b"] {
            assert_eq!(session_of(token), None, "{token}");
        }
        assert_eq!(session_of(&format!("fws_a_{}", "x".repeat(limits::TOKEN_BYTES_MAX))), None);
    }

    #[test]
    fn no_two_tokens_have_one_hash() {
        let id = Id::parse("a").unwrap();
        let (one, two) = (session_token(&id, &[1; 32]), session_token(&id, &[2; 32]));
        assert_ne!(session_token_hash(&one), session_token_hash(&two));
        assert_eq!(session_token_hash(&one).len(), 32);
    }
}
