//! Shows what a token says, without believing any of it.

use serde_json::{Map, Value};

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
