//! Keys that verify signatures: each with the algorithms it may be used for.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::ParsedPublicKey;

use crate::Algorithm;
use crate::limits;
use crate::unauthenticated::Check;

/// One key of one issuer.
pub(crate) struct VerificationKey {
    pub(crate) id: Option<String>,
    // INVARIANT: an algorithm is here only if the introspector and the key both allow it, so a
    // token's header chooses among these and never beyond.
    pub(crate) uses: Vec<(Algorithm, Verifier)>,
}

/// A key made ready for one algorithm.
pub(crate) enum Verifier {
    Mac(Box<hmac::Key>),
    Signature(ParsedPublicKey),
}

impl Verifier {
    /// Compares in constant time.
    fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Mac(key) => hmac::verify(key, signed, signature).is_ok(),
            Self::Signature(key) => key.verify_sig(signed, signature).is_ok(),
        }
    }
}

impl VerificationKey {
    /// The key of a shared secret: its bytes as they are.
    pub(crate) fn of_secret(secret: &[u8], algorithms: &[Algorithm]) -> Self {
        let uses = algorithms
            .iter()
            .filter_map(|algorithm| {
                let hash = algorithm.mac()?;
                Some((*algorithm, Verifier::Mac(Box::new(hmac::Key::new(hash, secret)))))
            })
            .collect();
        Self { id: None, uses }
    }

    /// Its `kid` and algorithms, for explanations.
    pub(crate) fn described(&self) -> String {
        let names: Vec<&str> = self.uses.iter().map(|(algorithm, _)| algorithm.name()).collect();
        let id = self.id.as_deref().unwrap_or("(no `kid`)");
        format!("{id} for {}", names.join("/"))
    }

    fn has_id(&self, id: &str) -> bool {
        self.id.as_deref() == Some(id)
    }

    /// The verifier for an algorithm, if the key may be used for it.
    fn for_algorithm(&self, algorithm: Algorithm) -> Option<&Verifier> {
        self.uses.iter().find(|(allowed, _)| *allowed == algorithm).map(|(_, verifier)| verifier)
    }
}

/// What a token says of its signature.
pub(crate) struct Signed<'t> {
    pub(crate) algorithm: Algorithm,
    pub(crate) key_id: Option<&'t str>,
    pub(crate) text: &'t [u8],
    pub(crate) signature: &'t [u8],
}

impl Signed<'_> {
    /// Verifies with the one key of a shared secret, which has no id to compare.
    pub(crate) fn verify_with_secret(&self, key: &VerificationKey) -> Result<(), Check> {
        let verifier = key.for_algorithm(self.algorithm).ok_or(Check::Algorithm)?;
        if verifier.verifies(self.text, self.signature) { Ok(()) } else { Err(Check::Signature) }
    }

    /// Verifies with the keys that an operator gave. One without an id may be the one that the
    /// token names, unless another has that id.
    pub(crate) fn verify_with_static(&self, keys: &[VerificationKey]) -> Result<(), Check> {
        let named = self.key_id.is_some_and(|id| keys.iter().any(|key| key.has_id(id)));
        if named || self.key_id.is_none() {
            return self.verify_with(keys).map_err(KeyFault::check);
        }
        let mut nameless = keys.iter().filter(|key| key.id.is_none()).peekable();
        if nameless.peek().is_none() {
            return Err(Check::KeyId);
        }
        self.verify_with_any(nameless).map_err(KeyFault::check)
    }

    /// Verifies with the key that the token names, or, when it names none, with the few that fit.
    pub(crate) fn verify_with(&self, keys: &[VerificationKey]) -> Result<(), KeyFault> {
        let Some(key_id) = self.key_id else {
            return match self.verify_with_any(keys.iter()) {
                Err(KeyFault::Refused(Check::Signature)) => Err(KeyFault::NoneFits),
                verified => verified,
            };
        };
        let mut named = keys.iter().filter(|key| key.has_id(key_id)).peekable();
        if named.peek().is_none() {
            return Err(KeyFault::NoSuchKey);
        }
        self.verify_with_any(named)
    }

    fn verify_with_any<'k>(
        &self,
        keys: impl Iterator<Item = &'k VerificationKey>,
    ) -> Result<(), KeyFault> {
        let mut fitting = keys.filter_map(|key| key.for_algorithm(self.algorithm)).peekable();
        if fitting.peek().is_none() {
            return Err(KeyFault::Refused(Check::Algorithm));
        }
        if fitting.take(limits::KEYS_TRIED_MAX).any(|key| key.verifies(self.text, self.signature)) {
            Ok(())
        } else {
            Err(KeyFault::Refused(Check::Signature))
        }
    }
}

/// Why no key of a set verified a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyFault {
    /// The set has no key of that id: a newer set may.
    NoSuchKey,
    /// The token names no key, and none of the set verifies it: one of a newer set may.
    NoneFits,
    /// No newer set would help.
    Refused(Check),
}

impl KeyFault {
    /// The check that failed.
    pub(crate) fn check(self) -> Check {
        match self {
            Self::NoSuchKey => Check::KeyId,
            Self::NoneFits => Check::Signature,
            Self::Refused(check) => check,
        }
    }
}
