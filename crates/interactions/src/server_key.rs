//! The server's own key: it binds cursors to who was given them, and recognises secrets.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The key by which this server knows what it gave out: cursors, and secrets it has seen before.
pub struct ServerKey(hmac::Key);

/// Bytes of the tag that binds a cursor.
const TAG_BYTES: usize = 16;

impl ServerKey {
    /// The key made of these secret bytes.
    pub fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The cursor for a link. `binding` names the caller and the search.
    pub(crate) fn bind(&self, binding: &str, cursor: &str) -> String {
        format!("{}.{cursor}", URL_SAFE_NO_PAD.encode(self.tag(binding, cursor)))
    }

    /// The store's cursor, if this one was bound to the same.
    pub(crate) fn open<'c>(&self, binding: &str, bound: &'c str) -> Option<&'c str> {
        let (tag, cursor) = bound.split_once('.')?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        let expected = self.tag(binding, cursor);
        aws_lc_rs::constant_time::verify_slices_are_equal(&tag, &expected).ok()?;
        Some(cursor)
    }

    /// A fingerprint of a secret: equal for the same secret, and of no use without this key.
    pub fn fingerprint(&self, secret: &str) -> Vec<u8> {
        let mut signing = hmac::Context::with_key(&self.0);
        signing.update(b"fingerprint\0");
        signing.update(secret.as_bytes());
        signing.sign().as_ref().to_vec()
    }

    fn tag(&self, binding: &str, cursor: &str) -> Vec<u8> {
        let mut signing = hmac::Context::with_key(&self.0);
        signing.update(b"cursor\0");
        signing.update(&binding.len().to_le_bytes());
        signing.update(binding.as_bytes());
        signing.update(cursor.as_bytes());
        signing.sign().as_ref().iter().take(TAG_BYTES).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_opens_only_for_the_caller_and_search_it_was_made_for() {
        let key = ServerKey::new(b"key");
        let bound = key.bind("alice Patient?name=x", "abc");
        assert_eq!(key.open("alice Patient?name=x", &bound), Some("abc"));
        let forged = bound.replace("abc", "abd");
        for (binding, cursor) in [
            ("bob Patient?name=x", bound.as_str()),
            ("alice Patient?name=y", &bound),
            ("alice Patient?name=x", &forged),
            ("alice Patient?name=x", ".abc"),
            ("alice Patient?name=x", "abc"),
            ("alice Patient?name=x", ""),
        ] {
            assert_eq!(key.open(binding, cursor), None, "{binding} {cursor}");
        }
        assert_eq!(ServerKey::new(b"other").open("alice Patient?name=x", &bound), None);
    }
}
