//! The server's own key: it seals cursors for who was given them, and recognises secrets.

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The key by which this server knows what it gave out: cursors, and secrets it has seen before.
pub struct ServerKey {
    fingerprints: hmac::Key,
    // A cursor names rows by their numbers, which would tell how many others there are.
    cursors: Option<RandomizedNonceKey>,
}

impl ServerKey {
    /// The key made of these secret bytes.
    pub fn new(secret: &[u8]) -> Self {
        let fingerprints = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let sealing = hmac::sign(&fingerprints, b"sealing cursors");
        let cursors = RandomizedNonceKey::new(&AES_256_GCM, sealing.as_ref()).ok();
        Self { fingerprints, cursors }
    }

    /// The cursor for a link, sealed. `binding` names the caller and the search. `None` when it
    /// cannot be sealed.
    pub(crate) fn seal(&self, binding: &str, cursor: &str) -> Option<String> {
        let mut sealed = cursor.as_bytes().to_vec();
        let key = self.cursors.as_ref()?;
        let nonce = key.seal_in_place_append_tag(Aad::from(binding), &mut sealed).ok()?;
        Some(URL_SAFE_NO_PAD.encode([&nonce.as_ref()[..], &sealed].concat()))
    }

    /// The store's cursor, if this one was sealed for the same.
    pub(crate) fn open(&self, binding: &str, sealed: &str) -> Option<String> {
        let mut sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, cursor) = sealed.split_at_mut_checked(aws_lc_rs::aead::NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let key = self.cursors.as_ref()?;
        let opened = key.open_in_place(nonce, Aad::from(binding), cursor).ok()?;
        String::from_utf8(opened.to_vec()).ok()
    }

    /// A fingerprint of a secret: equal for the same secret, and of no use without this key.
    pub fn fingerprint(&self, secret: &str) -> Vec<u8> {
        let mut signing = hmac::Context::with_key(&self.fingerprints);
        signing.update(b"fingerprint\0");
        signing.update(secret.as_bytes());
        signing.sign().as_ref().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_opens_only_for_the_caller_and_search_it_was_made_for() {
        let key = ServerKey::new(b"key");
        let cursor = "of the row 1234";
        let sealed = key.seal("alice Patient?name=x", cursor).unwrap();
        assert_eq!(key.open("alice Patient?name=x", &sealed).as_deref(), Some(cursor));
        let last = if sealed.ends_with('A') { 'B' } else { 'A' };
        let forged = format!("{}{last}", sealed.split_at(sealed.len() - 1).0);
        for (binding, cursor) in [
            ("bob Patient?name=x", sealed.as_str()),
            ("alice Patient?name=y", &sealed),
            ("alice Patient?name=x", &forged),
            ("alice Patient?name=x", "abc"),
            ("alice Patient?name=x", "?"),
            ("alice Patient?name=x", ""),
        ] {
            assert_eq!(key.open(binding, cursor), None, "{binding} {cursor}");
        }
        assert_eq!(ServerKey::new(b"other").open("alice Patient?name=x", &sealed), None);
    }

    #[test]
    fn a_cursor_tells_nothing_of_the_row_it_names() {
        let key = ServerKey::new(b"key");
        let [one, other] = [0, 1].map(|_| key.seal("alice", "row 1234").unwrap());
        assert_ne!(one, other);
        let bytes = URL_SAFE_NO_PAD.decode(&one).unwrap();
        assert!(!bytes.windows(4).any(|window| window == b"1234"));
    }
}
