//! The checks of a token that another server judges.

use firewarden_fhir::{Id, Timestamp};

use super::{Checks, claims};
use crate::identity::{Trusted, Trustee};
use crate::introspection::Verdict;
use crate::unauthenticated::Unauthenticated;
use crate::verified::fingerprint;

/// Asks as a request would, and says what was answered.
pub(super) async fn explain(
    trusted: &Trusted,
    asking: &[Trustee],
    token: &str,
    now: Timestamp,
    checks: &mut Checks,
) -> Option<Id> {
    let fingerprint = fingerprint(token)?;
    let mut told = Vec::new();
    let mut refusal = Unauthenticated::NotActive;
    for Trustee { introspector, endpoint, .. } in asking {
        let (Some(trust), Some(endpoint)) = (&introspector.trust, endpoint) else {
            continue;
        };
        let id = &introspector.id;
        match endpoint.ask(token, fingerprint).await {
            Verdict::Active(answer) => {
                told.push(format!("the endpoint of `{id}` says that it is active"));
                checks.add(Unauthenticated::NotActive.check(), true, told.join("; "));
                let expected = trust.issuer.as_deref();
                let anothers = trusted.is_anothers_issuer(trust, &answer);
                claims::issuer_of_answer(expected, anothers, &answer, checks);
                claims::of_answer(&trust.demands, &answer, now, checks);
                return Some(id.clone());
            }
            Verdict::Inactive => told.push(format!("the endpoint of `{id}` says that it is not")),
            Verdict::Unavailable { retry_after_s } => {
                refusal = Unauthenticated::IntrospectionUnavailable { retry_after_s };
                told.push(format!(
                    "the endpoint of `{id}` cannot be asked now, see the log; again after {retry_after_s} s"
                ));
            }
        }
    }
    checks.add(refusal.check(), false, told.join("; "));
    None
}
