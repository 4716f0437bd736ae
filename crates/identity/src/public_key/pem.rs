//! A public key in PEM form (RFC 7468).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::der::{rsa_public_key, subject_public_key};
use super::{PublicKey, PublicKeyFault};
use crate::limits;

/// Reads the one block of a PEM text.
pub(crate) fn from_pem(text: &str) -> Result<PublicKey, PublicKeyFault> {
    // Said first, wherever in the text it stands: it must not be kept.
    if text.contains("PRIVATE KEY") {
        return Err(PublicKeyFault::Private);
    }
    if text.contains("BEGIN CERTIFICATE") || text.contains("BEGIN X509 CERTIFICATE") {
        return Err(PublicKeyFault::Certificate);
    }
    if text.len() > limits::PUBLIC_KEY_BYTES_MAX {
        return Err(PublicKeyFault::NotPem);
    }
    if let Some(der) = block(text, "PUBLIC KEY") {
        return subject_public_key(&der);
    }
    match block(text, "RSA PUBLIC KEY") {
        Some(der) => rsa_public_key(&der),
        None => Err(PublicKeyFault::NotPem),
    }
}

/// What is inside the one block of that label, nothing but blanks around it.
fn block(text: &str, label: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    let body = text.strip_prefix(&format!("-----BEGIN {label}-----"))?;
    let body = body.strip_suffix(&format!("-----END {label}-----"))?;
    let body: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD.decode(body).ok()
}

#[cfg(test)]
mod tests {
    use firewarden_testkit::key;

    use super::*;

    #[test]
    fn a_public_key_is_read_and_other_files_are_named() {
        let pem = key("RS256").public_pem();
        let one_line = pem.replace('\n', "");
        let windows = pem.replace('\n', "\r\n");
        let body = pem.lines().nth(1).unwrap_or_default();
        for (text, expected) in [
            (pem.clone(), None),
            (one_line, None),
            (windows, None),
            (format!("\n {pem} \n"), None),
            (String::new(), Some(PublicKeyFault::NotPem)),
            (body.to_owned(), Some(PublicKeyFault::NotPem)),
            (format!("{pem}{pem}"), Some(PublicKeyFault::NotPem)),
            (pem.replace("PUBLIC KEY", "RSA PUBLIC KEY"), Some(PublicKeyFault::NotPem)),
            (pem.replace("MII", "M!I"), Some(PublicKeyFault::NotPem)),
            (key("RS256").private_pem(), Some(PublicKeyFault::Private)),
            (
                key("RS256").private_pem().replace("BEGIN", "BEGIN RSA"),
                Some(PublicKeyFault::Private),
            ),
            (format!("{pem}{}", key("ES256").private_pem()), Some(PublicKeyFault::Private)),
            (pem.replace("PUBLIC KEY", "CERTIFICATE"), Some(PublicKeyFault::Certificate)),
            (
                format!("{pem}{}", " ".repeat(limits::PUBLIC_KEY_BYTES_MAX)),
                Some(PublicKeyFault::NotPem),
            ),
        ] {
            assert_eq!(from_pem(&text).err(), expected, "{text:.60}");
        }
    }
}
