//! Tokens that another server judges.

use std::sync::Arc;

use firewarden_fhir::Timestamp;
use serde_json::{Map, Value};

use super::{Identity, Trusted, Trustee};
use crate::introspection::{Destination, Endpoint, Verdict, destination};
use crate::introspector::{Introspector, KeyOrigin, Trust};
use crate::known_caller::KnownCaller;
use crate::unauthenticated::Unauthenticated;
use crate::verified::{Verified, fingerprint};

impl Trusted {
    /// Whose endpoints are asked about a token, in their order; `None` if it is verified here, or
    /// no token at all. A signed token is shown to its issuer's endpoint and to no other.
    pub(crate) fn asking_about(&self, token: &str) -> Option<&[Trustee]> {
        if self.asking.is_empty() {
            return None;
        }
        match destination(token) {
            Destination::Opaque => Some(&self.asking),
            Destination::Signed { issuer } => {
                let trustee = self.by_issuer.get(&issuer?)?;
                trustee.endpoint.is_some().then(|| std::slice::from_ref(trustee))
            }
            Destination::Nowhere => None,
        }
    }

    /// Judges an answer that says that the token is active.
    pub(crate) fn judge(
        &self,
        introspector: &Arc<Introspector>,
        trust: &Trust,
        answer: Arc<Map<String, Value>>,
        now: Timestamp,
    ) -> Result<Verified, Unauthenticated> {
        let demands = &trust.demands;
        let times = demands.check_answer(trust.issuer.as_deref(), &answer);
        let times = times.map_err(Unauthenticated::TokenRefused)?;
        demands.check_times(&times, now)?;
        let said = answer.get("iss").and_then(Value::as_str);
        let said = said.filter(|_| !self.is_anothers_issuer(trust, &answer));
        Ok(Verified {
            introspector: Arc::clone(introspector),
            issuer: trust.issuer.clone().or(said.map(str::to_owned)),
            claims: answer,
            times,
            is_only: self.active == 1,
            caller: KnownCaller::default(),
        })
    }

    /// Whether an endpoint that is trusted for no issuer in particular says the name of one that
    /// another introspector vouches for. It may be the same provider, or one that lies: the session
    /// does not carry that name, which policies compare.
    pub(crate) fn is_anothers_issuer(&self, trust: &Trust, answer: &Map<String, Value>) -> bool {
        let said = answer.get("iss").and_then(Value::as_str);
        trust.issuer.is_none() && said.is_some_and(|said| self.by_issuer.contains_key(said))
    }
}

impl Identity {
    /// Asks one endpoint after the other. The first that says that the token is active decides;
    /// that it is not is only known once all have said so.
    pub(super) async fn introspect(
        &self,
        token: &str,
        asking: &[Trustee],
        trusted: &Trusted,
        now: Timestamp,
    ) -> Result<Verified, Unauthenticated> {
        let fingerprint = fingerprint(token).ok_or(Unauthenticated::NotActive)?;
        let mut unavailable: Option<u64> = None;
        for trustee in asking {
            let (Some(trust), Some(endpoint)) = (&trustee.introspector.trust, &trustee.endpoint)
            else {
                continue;
            };
            match endpoint.ask(token, fingerprint).await {
                Verdict::Active(answer) => {
                    return trusted.judge(&trustee.introspector, trust, answer, now);
                }
                Verdict::Inactive => {}
                Verdict::Unavailable { retry_after_s } => {
                    let sooner = unavailable.unwrap_or(retry_after_s).min(retry_after_s);
                    unavailable = Some(sooner);
                }
            }
        }
        Err(match unavailable {
            Some(retry_after_s) => Unauthenticated::IntrospectionUnavailable { retry_after_s },
            None => Unauthenticated::NotActive,
        })
    }

    /// The endpoint that an introspector asks; the one it had, with what it remembers, if the
    /// introspector did not change.
    pub(super) fn endpoint(
        &self,
        introspector: &Introspector,
        trust: &Trust,
        before: &Trusted,
    ) -> Option<Arc<Endpoint>> {
        let KeyOrigin::Endpoint(asked) = &trust.keys else {
            return None;
        };
        let same = |old: &&Trustee| {
            old.introspector.id == introspector.id
                && old.introspector.version == introspector.version
        };
        if let Some(old) = before.asking.iter().find(same) {
            return old.endpoint.clone();
        }
        let (remote, runtime) = (Arc::clone(&self.remote), self.runtime.clone());
        Some(Endpoint::new(introspector.id.clone(), asked.clone(), remote, runtime))
    }
}
