//! One credential of a request, before and after it is judged.

use std::net::IpAddr;

use firewarden_access::Caller;
use firewarden_fhir::{Id, Timestamp};
use firewarden_identity::{Check, Credentials, Unauthenticated};

use super::{Attempts, Place, Wait};

/// One credential, and where it comes from.
pub(crate) struct Attempt<'c> {
    token: Option<&'c str>,
    secret: Option<OfClient>,
    /// Whether there is anything that could be refused.
    is_made: bool,
    place: Option<Place>,
    now: Timestamp,
}

/// Whose secret it is; `None` if the name can be nobody's.
type OfClient = Option<Id>;

impl<'c> Attempt<'c> {
    pub(crate) fn of(
        credentials: &'c Credentials<'_>,
        address: Option<IpAddr>,
        now: Timestamp,
    ) -> Self {
        let (token, client) = match credentials {
            Credentials::Absent | Credentials::Ambiguous | Credentials::Malformed(_) => {
                (None, None)
            }
            Credentials::Bearer(token) => (Some(*token), None),
            Credentials::Basic { client, .. } => (None, Some(client)),
            Credentials::BearerFromClient { token, client, .. } => (Some(*token), Some(client)),
        };
        Self {
            token,
            secret: client.map(|client| Id::parse(client)),
            is_made: !matches!(credentials, Credentials::Absent),
            place: address.map(Place::of),
            now,
        }
    }

    /// Whether it is judged now. Where too many were refused, those that are known are still
    /// served: tokens that were verified lately, and clients that authenticated there.
    pub(crate) fn may_be_made(
        &self,
        attempts: &Attempts,
        is_remembered: impl Fn(&str) -> bool,
    ) -> Result<(), Wait> {
        let Some(place) = self.place.filter(|_| self.is_made) else {
            return Ok(());
        };
        if let Some(client) = &self.secret {
            attempts.may_try(client.as_ref(), place, self.now)?;
        }
        let client_is_known = |client: &OfClient| {
            client.as_ref().is_some_and(|client| attempts.is_known(client, place, self.now))
        };
        let is_known = || match (self.token, &self.secret) {
            (Some(token), None) => is_remembered(token),
            (None, Some(client)) => client_is_known(client),
            (Some(token), Some(client)) => is_remembered(token) && client_is_known(client),
            (None, None) => false,
        };
        let refused = |wait| if is_known() { Ok(()) } else { Err(wait) };
        attempts.may_be_refused(place, self.now).or_else(refused)
    }

    /// Notes what came of it. What could not be judged is no failure.
    pub(crate) fn note(&self, attempts: &Attempts, judged: &Result<Caller, Unauthenticated>) {
        let Some(place) = self.place else {
            return;
        };
        match (judged, &self.secret) {
            (Ok(_), Some(Some(client))) => attempts.succeeded(client, place, self.now),
            (Ok(_), _) => {}
            (Err(why), _) if why.retry_after_s().is_some() => {}
            (Err(why), secret) => {
                attempts.refused(place, self.now);
                let wrong = *why == Unauthenticated::ClientRefused(Check::ClientSecret);
                if let (true, Some(client)) = (wrong, secret) {
                    attempts.failed(client.as_ref(), place, self.now);
                }
            }
        }
    }
}
