//! Makes a `User` for a subject that has none, where the introspector says so.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest;
use firewarden_fhir::{Id, Timestamp};
use moka::sync::Cache;
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::info;

use crate::binding::Naming;
use crate::bucket::Bucket;
use crate::claims::subject;
use crate::directory::{Content, Directory};
use crate::introspector::{Introspector, Trust};
use crate::secrets::without_secrets;
use crate::unauthenticated::Unauthenticated;
use crate::verified::Verified;
use crate::{limits, resolve};

/// Makes users, one at a time and not too many.
pub(crate) struct Creation {
    turn: tokio::sync::Mutex<()>,
    places: Semaphore,
    /// One for each introspector that has made any.
    buckets: Mutex<HashMap<Id, Bucket>>,
    /// Users that were there once: who deletes one does not want it back.
    gone: Cache<Id, ()>,
}

impl Creation {
    pub(crate) fn new() -> Self {
        let gone = Cache::builder()
            .max_capacity(limits::GONE_REMEMBERED_MAX)
            .time_to_live(limits::GONE_AGE_MAX)
            .build();
        let places = Semaphore::new(limits::CREATIONS_WAITING_MAX);
        Self { turn: tokio::sync::Mutex::new(()), places, buckets: Mutex::default(), gone }
    }

    /// The user of a verified token that names none that is stored: made now, or by another
    /// request a moment ago. A token without a subject, and a user that was deleted, make none.
    pub(crate) async fn user(
        &self,
        (introspector, trust): (&Introspector, &Trust),
        verified: &Verified,
        directory: &dyn Directory,
        now: Timestamp,
    ) -> Result<Option<Content>, Unauthenticated> {
        let claims = &verified.claims;
        let sub = subject(claims, "sub").map_err(Unauthenticated::TokenRefused)?;
        let (Some(issuer), Some(sub)) = (trust.issuer.as_deref(), sub) else {
            return Ok(None);
        };
        let busy = || Unauthenticated::Busy { retry_after_s: 1 };
        let _place = self.places.try_acquire().map_err(|_| busy())?;
        let turn = tokio::time::timeout(limits::CREATION_WAIT_MAX, self.turn.lock()).await;
        let _turn = turn.map_err(|_| busy())?;
        let is_only = verified.is_only;
        let naming =
            Naming { introspector, trust, subject: sub, sub: None, issuer: Some(issuer), is_only };
        if let Some(user) = resolve::user_of_sub(&naming, directory).await? {
            return Ok(Some(user));
        }
        let Some(id) = user_id(&introspector.id, issuer, sub) else {
            return Ok(None);
        };
        if self.gone.contains_key(&id) {
            return Ok(None);
        }
        if !self.may_make_one(&introspector.id) {
            return Err(busy());
        }
        let user = content(&introspector.id, (issuer, sub), claims);
        let made = directory.create_user(&id, user, now).await?;
        match &made {
            Some(_) => info!(user = %id, introspector = %introspector.id, "user created"),
            None => self.gone.insert(id, ()),
        }
        Ok(made.map(|user| without_secrets("User", user)))
    }

    fn may_make_one(&self, introspector: &Id) -> bool {
        let now = Instant::now();
        let rate = (limits::CREATIONS_MAX, limits::CREATION_REFILL);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.entry(introspector.clone());
        bucket.or_insert_with(|| Bucket::full(rate, now)).take(now)
    }
}

/// The id of the user that is made for a subject: always the same one, so that two servers that
/// meet the subject at once make one user. It has the form of a UUID (RFC 9562 section 5.8).
fn user_id(introspector: &Id, issuer: &str, sub: &str) -> Option<Id> {
    let mut text = digest::Context::new(&digest::SHA256);
    for part in [introspector.as_str(), issuer, sub] {
        // The length keeps the parts apart.
        text.update(&(part.len() as u64).to_be_bytes());
        text.update(part.as_bytes());
    }
    let hash = text.finish();
    let bytes: [u8; 16] = hash.as_ref().get(..16)?.try_into().ok()?;
    let bits = u128::from_be_bytes(bytes);
    let bits = (bits & !(0xf << 76) & !(0x3 << 62)) | (0x8 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let parts =
        [hex.get(..8)?, hex.get(8..12)?, hex.get(12..16)?, hex.get(16..20)?, hex.get(20..)?];
    Id::parse(&parts.join("-"))
}

fn content(
    introspector: &Id,
    (issuer, sub): (&str, &str),
    claims: &Map<String, Value>,
) -> Map<String, Value> {
    let members = [
        ("resourceType", json!("User")),
        ("identifier", json!([{"system": issuer, "value": sub}])),
        ("introspector", json!({"reference": format!("TokenIntrospector/{introspector}")})),
        ("data", Value::Object(claims.clone())),
    ];
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_has_one_id_and_shares_it_with_no_other() {
        let id = |introspector: &str, issuer: &str, sub: &str| {
            user_id(&Id::parse(introspector).unwrap(), issuer, sub).unwrap().to_string()
        };
        let one = id("a", "https://a", "alice");
        assert_eq!(one, id("a", "https://a", "alice"));
        assert_eq!(one.len(), 36);
        let digit = |place| one.chars().nth(place).unwrap();
        assert!(digit(14) == '8' && "89ab".contains(digit(19)), "{one}");
        for (introspector, issuer, sub) in [
            ("b", "https://a", "alice"),
            ("a", "https://b", "alice"),
            ("a", "https://a", "Alice"),
            ("a", "https://aalice", ""),
            ("a", "https://", "aalice"),
        ] {
            assert_ne!(one, id(introspector, issuer, sub));
        }
    }
}
