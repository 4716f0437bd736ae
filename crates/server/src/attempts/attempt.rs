//! One credential of a request, before and after it is judged.

use std::net::IpAddr;

use firewarden_access::Caller;
use firewarden_fhir::{Id, Timestamp};
use firewarden_identity::{Check, Credentials, Unauthenticated};

use super::{Attempts, Place, Wait};

/// One credential, and where it comes from.
pub(crate) struct Attempt<'c> {
    kind: Kind<'c>,
    place: Option<Place>,
    now: Timestamp,
}

enum Kind<'c> {
    /// There is nothing to guess.
    Nothing,
    Token(&'c str),
    /// A secret; the client is `None` if its name can be nobody's.
    Secret(Option<Id>),
    /// Refused without being looked at.
    Unreadable,
}

impl<'c> Attempt<'c> {
    pub(crate) fn of(
        credentials: &'c Credentials<'_>,
        address: Option<IpAddr>,
        now: Timestamp,
    ) -> Self {
        let kind = match credentials {
            Credentials::Absent => Kind::Nothing,
            Credentials::Bearer(token) => Kind::Token(token),
            Credentials::Basic { client, .. } => Kind::Secret(Id::parse(client)),
            Credentials::Ambiguous | Credentials::Malformed(_) => Kind::Unreadable,
        };
        Self { kind, place: address.map(Place::of), now }
    }

    /// Whether it is judged now. Where too many were refused, those that are known are still
    /// served: tokens that were verified lately, and clients that authenticated there.
    pub(crate) fn may_be_made(
        &self,
        attempts: &Attempts,
        is_remembered: impl Fn(&str) -> bool,
    ) -> Result<(), Wait> {
        let Some(place) = self.place else {
            return Ok(());
        };
        if let Kind::Secret(client) = &self.kind {
            attempts.may_try(client.as_ref(), place, self.now)?;
        }
        let is_known = || match &self.kind {
            Kind::Nothing => true,
            Kind::Token(token) => is_remembered(token),
            Kind::Secret(Some(client)) => attempts.is_known(client, place, self.now),
            Kind::Secret(None) | Kind::Unreadable => false,
        };
        attempts
            .may_be_refused(place, self.now)
            .or_else(|wait| if is_known() { Ok(()) } else { Err(wait) })
    }

    /// Notes what came of it. What could not be judged is no failure.
    pub(crate) fn note(&self, attempts: &Attempts, judged: &Result<Caller, Unauthenticated>) {
        let Some(place) = self.place else {
            return;
        };
        match (judged, &self.kind) {
            (Ok(_), Kind::Secret(Some(client))) => attempts.succeeded(client, place, self.now),
            (Ok(_), _) => {}
            (Err(why), _) if why.retry_after_s().is_some() => {}
            (Err(why), kind) => {
                attempts.refused(place, self.now);
                let wrong = *why == Unauthenticated::ClientRefused(Check::ClientSecret);
                if let (true, Kind::Secret(client)) = (wrong, kind) {
                    attempts.failed(client.as_ref(), place, self.now);
                }
            }
        }
    }
}
