//! Hashes of client secrets and passwords (Argon2id, RFC 9106).

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};

use crate::limits;

/// Bytes of a salt.
pub const SALT_BYTES: usize = 16;

/// Why a secret was not hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotHashable {
    /// A secret is not empty, and not too long: the client gives another one.
    #[error("a secret must be 1 to {} bytes long", limits::SECRET_BYTES_MAX)]
    Length,
    /// The hash could not be computed.
    #[error("the secret could not be hashed")]
    Failed,
}

/// Hashes a secret with Argon2id, as a PHC string. The salt is random. It takes tens of
/// milliseconds and 19 MiB: not for a runtime thread.
pub fn hash_secret(plain: &str, salt: [u8; SALT_BYTES]) -> Result<String, NotHashable> {
    if plain.is_empty() || plain.len() > limits::SECRET_BYTES_MAX {
        return Err(NotHashable::Length);
    }
    let salt = SaltString::encode_b64(&salt).map_err(|_| NotHashable::Failed)?;
    let hash = Argon2::default().hash_password(plain.as_bytes(), &salt);
    hash.map(|hash| hash.to_string()).map_err(|_| NotHashable::Failed)
}

/// A hash that no secret has, to spend the same time on a client that is not there.
pub(crate) const NOBODYS_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Whether the secret has that hash. Only Argon2id hashes are compared: another server's `$s0$…`
/// never matches.
pub(crate) fn matches(plain: &str, hash: &str) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else {
        return false;
    };
    let bounded = !plain.is_empty() && plain.len() <= limits::SECRET_BYTES_MAX;
    bounded
        && hash.algorithm == argon2::ARGON2ID_IDENT
        && Argon2::default().verify_password(plain.as_bytes(), &hash).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_matches_its_hash_alone() {
        let hash = hash_secret("secret", [7; SALT_BYTES]).unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(matches("secret", &hash));
        assert!(!matches("Secret", &hash));
        assert!(!matches("", &hash));
        assert_ne!(hash, hash_secret("secret", [8; SALT_BYTES]).unwrap());
    }

    #[test]
    fn nothing_matches_a_hash_of_another_kind() {
        for hash in ["", "secret", "$s0$f0801$Xg==$aa", "$argon2id$", NOBODYS_HASH] {
            assert!(!matches("secret", hash), "{hash}");
            assert!(!matches("", hash), "{hash}");
        }
        assert!(PasswordHash::new(NOBODYS_HASH).is_ok(), "it costs what a real one costs");
    }

    #[test]
    fn a_secret_has_a_length() {
        let long = "x".repeat(limits::SECRET_BYTES_MAX + 1);
        for plain in ["", &long] {
            assert_eq!(hash_secret(plain, [0; SALT_BYTES]), Err(NotHashable::Length));
        }
    }
}
