//! Public keys: read from a JSON Web Key or a PEM file, judged, and made ready to verify.

mod der;
mod jwk;
mod pem;

use aws_lc_rs::signature::{
    self, EcdsaVerificationAlgorithm, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents,
};

pub(crate) use self::jwk::{Jwk, SharedSecret};
pub(crate) use self::pem::from_pem;
use crate::keys::Verifier;
use crate::{Algorithm, limits};

/// What a public key is made of, wherever it was written. Nothing of it is judged yet.
pub(crate) enum PublicKey {
    /// Modulus and exponent, big-endian.
    Rsa { n: Vec<u8>, e: Vec<u8> },
    /// A point of a curve.
    Elliptic { curve: Curve, x: Vec<u8>, y: Vec<u8> },
    /// A point of Ed25519.
    Edwards { x: Vec<u8> },
}

/// A curve for ECDSA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

/// Why something is no public key that verifies. Says nothing of what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PublicKeyFault {
    /// Not in the form it is said to have.
    #[error(
        "is not a public key in PEM form (`BEGIN PUBLIC KEY`, or `BEGIN RSA PUBLIC KEY` for RSA)"
    )]
    NotPem,
    /// Not in the form it is said to have.
    #[error("is not a JSON Web Key whose members have their types")]
    NotAJwk,
    /// It belongs to its owner alone.
    #[error(
        "is a private key and was not kept; give the public half (`openssl pkey -pubout`), and have the provider make a new pair if others could read this one"
    )]
    Private,
    /// It holds a public key, and much that is not checked here.
    #[error("is a certificate; give the key inside it (`openssl x509 -noout -pubkey`)")]
    Certificate,
    /// It belongs in another place, where it is sealed.
    #[error("is a shared secret; it goes in `k`, with `kty: OCT`")]
    SharedSecret,
    /// For something else than verifying.
    #[error("is not for signatures, by its `use` or `key_ops`")]
    NotForSignatures,
    /// `alg` that we do not verify.
    #[error("says an `alg` that is not served")]
    UnknownAlgorithm,
    /// Another type or curve.
    #[error(
        "is of a kind that is not served; RSA, EC on P-256, P-384 or P-521, and OKP with Ed25519 are"
    )]
    UnknownKind,
    /// Too weak, too costly, or not a key.
    #[error(
        "is not sound: an RSA key has {} to {} bits and an odd exponent over 1, an EC key is an uncompressed point of its curve",
        limits::RSA_BITS_MIN,
        limits::RSA_BITS_MAX
    )]
    Unsound,
}

impl Curve {
    const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    /// Its name in a JSON Web Key.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|curve| curve.name() == name)
    }

    /// Bytes of a coordinate.
    fn length(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    fn verification(self) -> (Algorithm, &'static EcdsaVerificationAlgorithm) {
        match self {
            Self::P256 => (Algorithm::Es256, &signature::ECDSA_P256_SHA256_FIXED),
            Self::P384 => (Algorithm::Es384, &signature::ECDSA_P384_SHA384_FIXED),
            Self::P521 => (Algorithm::Es512, &signature::ECDSA_P521_SHA512_FIXED),
        }
    }
}

const RSA_USES: [(Algorithm, &RsaParameters); 6] = [
    (Algorithm::Rs256, &signature::RSA_PKCS1_2048_8192_SHA256),
    (Algorithm::Rs384, &signature::RSA_PKCS1_2048_8192_SHA384),
    (Algorithm::Rs512, &signature::RSA_PKCS1_2048_8192_SHA512),
    (Algorithm::Ps256, &signature::RSA_PSS_2048_8192_SHA256),
    (Algorithm::Ps384, &signature::RSA_PSS_2048_8192_SHA384),
    (Algorithm::Ps512, &signature::RSA_PSS_2048_8192_SHA512),
];

impl PublicKey {
    /// Its `kty`.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Rsa { .. } => "RSA",
            Self::Elliptic { .. } => "EC",
            Self::Edwards { .. } => "OKP",
        }
    }

    /// Its `crv`.
    pub(crate) fn curve(&self) -> Option<&'static str> {
        match self {
            Self::Rsa { .. } => None,
            Self::Elliptic { curve, .. } => Some(curve.name()),
            Self::Edwards { .. } => Some("Ed25519"),
        }
    }

    /// The algorithms that keys of its kind and curve verify.
    pub(crate) fn algorithms(&self) -> Vec<Algorithm> {
        match self {
            Self::Rsa { .. } => RSA_USES.iter().map(|(algorithm, _)| *algorithm).collect(),
            Self::Elliptic { curve, .. } => vec![curve.verification().0],
            Self::Edwards { .. } => vec![Algorithm::EdDsa],
        }
    }

    /// Verifiers for those of its algorithms that fit.
    pub(crate) fn verifiers(
        &self,
        fits: impl Fn(Algorithm) -> bool,
    ) -> Result<Vec<(Algorithm, Verifier)>, PublicKeyFault> {
        let verifiers = match self {
            Self::Rsa { n, e } => rsa(n, e, fits),
            Self::Elliptic { curve, x, y } => elliptic(*curve, x, y).map(|key| {
                let algorithm = curve.verification().0;
                if fits(algorithm) { vec![(algorithm, Verifier::Signature(key))] } else { vec![] }
            }),
            Self::Edwards { x } => edwards(x).map(|key| {
                let use_of_it = (Algorithm::EdDsa, Verifier::Signature(key));
                if fits(Algorithm::EdDsa) { vec![use_of_it] } else { vec![] }
            }),
        };
        verifiers.ok_or(PublicKeyFault::Unsound)
    }
}

fn rsa(n: &[u8], e: &[u8], fits: impl Fn(Algorithm) -> bool) -> Option<Vec<(Algorithm, Verifier)>> {
    let (n, e) = (significant(n), significant(e));
    let bits = n.len() * 8 - n.first()?.leading_zeros() as usize;
    let sound = (limits::RSA_BITS_MIN..=limits::RSA_BITS_MAX).contains(&bits)
        && e.len() <= limits::RSA_EXPONENT_BYTES_MAX
        && e != [1]
        && e.last()? % 2 == 1;
    if !sound {
        return None;
    }
    let components = RsaPublicKeyComponents { n, e };
    let fitting = RSA_USES.into_iter().filter(|(algorithm, _)| fits(*algorithm));
    fitting
        .map(|(algorithm, parameters)| {
            let key = components.to_parsed_public_key(parameters).ok()?;
            Some((algorithm, Verifier::Signature(key)))
        })
        .collect()
}

/// A big-endian number without leading zeros.
fn significant(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

fn elliptic(curve: Curve, x: &[u8], y: &[u8]) -> Option<ParsedPublicKey> {
    const UNCOMPRESSED: u8 = 4;
    if x.len() != curve.length() || y.len() != curve.length() {
        return None;
    }
    let point = [&[UNCOMPRESSED], x, y].concat();
    ParsedPublicKey::new(curve.verification().1, point).ok()
}

fn edwards(x: &[u8]) -> Option<ParsedPublicKey> {
    const LENGTH: usize = 32;
    if x.len() != LENGTH {
        return None;
    }
    ParsedPublicKey::new(&signature::ED25519, x).ok()
}
