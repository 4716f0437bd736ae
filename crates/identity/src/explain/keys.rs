//! The checks of a token's key and signature.

use std::sync::Arc;

use super::{Checks, shown};
use crate::introspector::{KeyOrigin, Trust};
use crate::jwks::KeySource;
use crate::keys::{Signed, VerificationKey};
use crate::unauthenticated::{Check, Unauthenticated};
use crate::unverified::Unverified;

/// Verifies the signature, and says with which key, or which keys there are.
pub(super) async fn explain(
    trust: &Trust,
    source: Option<&Arc<KeySource>>,
    token: &Unverified<'_>,
    checks: &mut Checks,
) {
    let signed = Signed {
        algorithm: token.header.algorithm,
        key_id: token.header.key_id.as_deref(),
        text: token.signed,
        signature: &token.signature,
    };
    let verified = match (&trust.keys, source) {
        (KeyOrigin::Secret(key), _) => {
            signed.verify_with_secret(key).map_err(Unauthenticated::TokenRefused)
        }
        (KeyOrigin::Static(keys), _) => {
            signed.verify_with_static(keys).map_err(Unauthenticated::TokenRefused)
        }
        (KeyOrigin::KeySet { .. }, Some(source)) => source.verify(&signed).await.map(drop),
        (KeyOrigin::KeySet { .. }, None) | (KeyOrigin::Endpoint(_), _) => return,
    };
    let keys = match (&trust.keys, source) {
        (KeyOrigin::Secret(_), _) => vec!["`jwt.secret`".to_owned()],
        (KeyOrigin::Static(keys), _) => keys.iter().map(VerificationKey::described).collect(),
        (KeyOrigin::KeySet { .. } | KeyOrigin::Endpoint(_), source) => {
            source.map(|s| s.described()).unwrap_or_default()
        }
    };
    let keys = if keys.is_empty() { "no key".to_owned() } else { keys.join(", ") };
    let algorithm = token.header.algorithm.name();
    let looked_for = match signed.key_id {
        Some(id) => format!("`kid` {}", shown(Some(&id.into()))),
        None => "no `kid`".to_owned(),
    };
    let told = format!("the token says `{algorithm}` and {looked_for}; there is: {keys}");
    match verified {
        Ok(()) => checks.add_result(Check::Signature, Ok(()), told),
        Err(Unauthenticated::TokenRefused(check)) => checks.add_result(check, Err(check), told),
        Err(other) => checks.add(other.check(), false, format!("{other}; {told}")),
    }
}
