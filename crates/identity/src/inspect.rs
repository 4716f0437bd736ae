//! Shows what a token says, without believing any of it.

use serde_json::{Map, Value};

use crate::Algorithm;
use crate::jwks::KeySet;
use crate::unauthenticated::Check;
use crate::unverified::{self, Parts, object};

/// What a token says. Nobody vouches for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// Its header.
    pub header: Map<String, Value>,
    /// Its claims.
    pub claims: Map<String, Value>,
}

/// Takes a token apart, unverified; the check says why it is none.
pub fn decode(token: &str) -> Result<Decoded, Check> {
    let parts = Parts::split(token)?;
    let header = object(&unverified::decode(parts.header)?, Check::Header)?;
    let claims = object(&unverified::decode(parts.claims)?, Check::Claims)?;
    unverified::decode(parts.signature)?;
    Ok(Decoded { header, claims })
}

/// How many keys of a JSON Web Key Set can be used; none of a text that is no key set.
pub fn usable_keys(key_set: &[u8]) -> usize {
    KeySet::parse(key_set, &Algorithm::ALL).map_or(0, |set| set.keys.len())
}
