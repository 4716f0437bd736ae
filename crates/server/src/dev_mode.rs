//! Dev mode: what an administrator may ask for besides. Nobody else is answered differently.

use std::sync::Arc;

use firewarden_access::{Caller, RequestFacts};
use firewarden_fhir::{Id, Issue, Timestamp};
use firewarden_identity::{NoCaller, caller_of};
use firewarden_interactions::Failure;

use crate::app::App;
use crate::audit::AuditRecord;
use crate::configuration::Snapshot;
use crate::failure::Refusal;

/// The header that asks for the explanation of the decision.
const X_DEBUG: &str = "x-debug";
/// The header that names the User to act as.
const SU: &str = "su";
/// What is explained, in the header and in the parameter.
const POLICY: &str = "policy";
/// The parameter that asks for the explanation.
const DEBUG_PARAMETER: &str = "__debug=policy";

/// What is asked for besides the request itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Besides {
    /// The explanation of the decision instead of the answer.
    pub(crate) explain: bool,
    /// To act as that User.
    acting_as: Option<Result<Id, ()>>,
}

/// What is asked for besides, and the facts of the request without it. Only in dev mode, and only
/// of administrators, is there such a thing; of everybody else it is a header or a parameter that
/// nobody knows.
pub(crate) fn besides(
    app: &App,
    snapshot: &Snapshot,
    caller: &Caller,
    facts: &Arc<RequestFacts>,
    now: Timestamp,
) -> (Besides, Arc<RequestFacts>) {
    if app.settings.dev_mode
        && let Some((besides, rest)) = read(facts)
        && snapshot.policies.is_administrator(caller, now)
    {
        return (besides, Arc::new(rest));
    }
    (Besides::default(), Arc::clone(facts))
}

impl Besides {
    /// The caller that the request is decided for. Only an administrator's stays one who may act
    /// as another.
    pub(crate) async fn caller(
        &self,
        app: &App,
        snapshot: &Snapshot,
        caller: Arc<Caller>,
        now: Timestamp,
    ) -> Result<Arc<Caller>, Refusal> {
        let Some(acting_as) = &self.acting_as else {
            return Ok(caller);
        };
        if !snapshot.policies.is_administrator(&caller, now) {
            return Err(Refusal::Forbidden);
        }
        let no_user = || {
            let text = "the header `su` names no active User";
            Refusal::BadRequest(Issue::error("not-found", text))
        };
        let id = acting_as.as_ref().map_err(|()| no_user())?;
        match caller_of(Some(id), None, &app.directory).await {
            Ok(caller) => Ok(Arc::new(caller)),
            Err(NoCaller::Nobody { .. }) => Err(no_user()),
            Err(NoCaller::Unavailable(why)) => Err(Failure::Unavailable(why.to_string()).into()),
        }
    }

    /// Notes whom the caller acts as.
    pub(crate) fn note(&self, audit: &mut AuditRecord) {
        if let Some(Ok(user)) = &self.acting_as {
            audit.acting_as(user);
        }
    }
}

/// What the request asks for besides, if anything, and its facts without that.
fn read(facts: &RequestFacts) -> Option<(Besides, RequestFacts)> {
    let header = |name: &str| {
        let mut named = facts.headers.iter().filter(|(header, _)| header == name);
        named.next().map(|(_, value)| value.as_str())
    };
    let query = facts.query_string.as_deref().unwrap_or_default();
    let by_parameter = query.split('&').any(|part| part == DEBUG_PARAMETER);
    let explain = by_parameter || header(X_DEBUG) == Some(POLICY);
    let acting_as = header(SU).map(|id| Id::parse(id).ok_or(()));
    if !explain && acting_as.is_none() {
        return None;
    }
    let mut rest = facts.clone();
    rest.headers.retain(|(name, _)| name != X_DEBUG && name != SU);
    if by_parameter {
        let parts: Vec<&str> = query.split('&').filter(|part| *part != DEBUG_PARAMETER).collect();
        rest.query_string = Some(parts.join("&")).filter(|query| !query.is_empty());
    }
    Some((Besides { explain, acting_as }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(headers: &[(&str, &str)], query: Option<&str>) -> RequestFacts {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        RequestFacts {
            headers: headers.iter().map(owned).collect(),
            query_string: query.map(str::to_owned),
            ..RequestFacts::default()
        }
    }

    #[test]
    fn what_is_asked_besides_is_no_part_of_the_request() {
        let sent = facts(&[("x-debug", "policy"), ("su", "alice"), ("accept", "*/*")], None);
        let (besides, rest) = read(&sent).unwrap();
        assert!(besides.explain);
        assert_eq!(besides.acting_as, Some(Ok(Id::parse("alice").unwrap())));
        assert_eq!(rest.headers, [("accept".to_owned(), "*/*".to_owned())]);
        for (query, rest) in [
            ("__debug=policy", None),
            ("name=a&__debug=policy", Some("name=a")),
            ("__debug=policy&name=a&b=c", Some("name=a&b=c")),
        ] {
            let (besides, without) = read(&facts(&[], Some(query))).unwrap();
            assert!(besides.explain && besides.acting_as.is_none());
            assert_eq!(without.query_string.as_deref(), rest);
        }
    }

    #[test]
    fn what_is_nearly_so_is_not_read() {
        for (headers, query) in [
            (&[][..], None),
            (&[("x-debug", "all")], Some("name=a")),
            (&[("x-debug", "")], Some("__debug=all")),
            (&[("debug", "policy")], Some("__debug")),
            (&[], Some("x__debug=policy")),
        ] {
            assert!(read(&facts(headers, query)).is_none(), "{headers:?} {query:?}");
        }
        let (besides, _) = read(&facts(&[("su", "not an id!")], None)).unwrap();
        assert_eq!(besides.acting_as, Some(Err(())));
    }
}
