//! Sealing: secrets are at rest only as AES-256-GCM under the server's key, bound to their place.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use firewarden_fhir::Target;
use zeroize::Zeroizing;

/// The form of a sealed secret, its first byte.
const FORM: u8 = 1;

/// What is sealed at the first start, to recognise a wrong key at later ones.
const CHECK: &[u8] = b"firewarden";

/// Unsealed secrets of a resource, by JSON Pointer.
pub(crate) type Unsealed = Vec<(String, Zeroizing<Vec<u8>>)>;

/// The key that seals secrets. It has no `Debug`.
pub(crate) struct Seal {
    key: LessSafeKey,
}

/// Sealing or unsealing did not work: another key, another place, or damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotSealed;

impl Seal {
    pub(crate) fn new(key: &[u8; 32]) -> Result<Self, NotSealed> {
        let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| NotSealed)?;
        Ok(Self { key: LessSafeKey::new(key) })
    }

    /// Seals the secret at a JSON Pointer of a resource.
    pub(crate) fn seal(
        &self,
        of: &Target,
        pointer: &str,
        secret: &[u8],
    ) -> Result<Vec<u8>, NotSealed> {
        self.seal_at(&place(of, pointer), secret)
    }

    /// Unseals it.
    pub(crate) fn unseal(
        &self,
        of: &Target,
        pointer: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, NotSealed> {
        self.unseal_at(&place(of, pointer), sealed)
    }

    /// What tells a later start whether it has the same key.
    pub(crate) fn check_value(&self) -> Result<Vec<u8>, NotSealed> {
        self.seal_at("", CHECK)
    }

    /// Whether that value was made with this key.
    pub(crate) fn made(&self, check_value: &[u8]) -> bool {
        self.unseal_at("", check_value).is_ok_and(|text| text.as_slice() == CHECK)
    }

    fn seal_at(&self, place: &str, secret: &[u8]) -> Result<Vec<u8>, NotSealed> {
        let mut nonce = [0u8; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| NotSealed)?;
        let mut text = Zeroizing::new(Vec::with_capacity(secret.len() + AES_256_GCM.tag_len()));
        text.extend_from_slice(secret);
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(place),
                &mut *text,
            )
            .map_err(|_| NotSealed)?;
        Ok([&[FORM], &nonce[..], text.as_slice()].concat())
    }

    fn unseal_at(&self, place: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, NotSealed> {
        let sealed = sealed.strip_prefix(&[FORM]).ok_or(NotSealed)?;
        let (nonce, text) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(NotSealed)?;
        let mut text = Zeroizing::new(text.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = self
            .key
            .open_in_place(nonce, Aad::from(place), &mut text)
            .map_err(|_| NotSealed)?
            .len();
        text.truncate(length);
        Ok(text)
    }
}

/// The authenticated place: a sealed secret moved elsewhere does not open.
fn place(of: &Target, pointer: &str) -> String {
    format!("{of}{pointer}")
}

#[cfg(test)]
mod tests {
    use firewarden_fhir::{Id, ResourceType};

    use super::*;

    fn client(id: &str) -> Target {
        Target::new(ResourceType::parse("Client").unwrap(), Id::parse(id).unwrap())
    }

    #[test]
    fn a_secret_opens_with_its_key_at_its_place_alone() {
        let seal = Seal::new(&[7; 32]).unwrap();
        let sealed = seal.seal(&client("a"), "/secret", b"horse").unwrap();
        assert_eq!(seal.unseal(&client("a"), "/secret", &sealed).unwrap().as_slice(), b"horse");
        assert!(seal.unseal(&client("b"), "/secret", &sealed).is_err());
        assert!(seal.unseal(&client("a"), "/other", &sealed).is_err());
        assert!(Seal::new(&[8; 32]).unwrap().unseal(&client("a"), "/secret", &sealed).is_err());
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert!(seal.unseal(&client("a"), "/secret", &damaged).is_err(), "byte {at}");
        }
        assert!(seal.unseal(&client("a"), "/secret", &[]).is_err());
    }

    #[test]
    fn no_two_sealed_forms_are_alike() {
        let seal = Seal::new(&[7; 32]).unwrap();
        let once = seal.seal(&client("a"), "/secret", b"horse").unwrap();
        assert_ne!(once, seal.seal(&client("a"), "/secret", b"horse").unwrap());
    }

    #[test]
    fn the_check_value_knows_its_key() {
        let check = Seal::new(&[7; 32]).unwrap().check_value().unwrap();
        assert!(Seal::new(&[7; 32]).unwrap().made(&check));
        assert!(!Seal::new(&[8; 32]).unwrap().made(&check));
    }
}
