//! `GET /auth/decisions/[request id]` and `POST /auth/explain`: why, for administrators.

use std::sync::Arc;

use firewarden_access::{Asker, Caller, Described, Session, explain as explained};
use firewarden_fhir::request::NotServed;
use firewarden_fhir::{Explain, Issue};
use firewarden_interactions::Outcome;
use serde_json::Value;

use super::named_caller::named_caller;
use crate::arrival::RequestId;
use crate::explanation;
use crate::failure::Refusal;
use crate::pipeline::Moment;
use crate::traces::Line;

/// The members of what is asked to be explained.
const MEMBERS: &[&str] = &["request", "user-id", "client-id", "jwt"];

/// Explains a decision that was made, or a request as it would be decided.
pub(crate) async fn explain(moment: &Moment<'_>, asked: &Explain) -> Result<Outcome, Refusal> {
    match asked {
        Explain::Decision(id) => decision(moment, id).await,
        Explain::Request(sent) => request(moment, sent).await,
        Explain::PolicyTests(sent) => super::policy_tests(moment, sent).await,
        Explain::Shadow => {
            let told = moment.app.shadow.told(&moment.snapshot.policies);
            Ok(Outcome::Made(told.to_string()))
        }
    }
}

/// The trace of a request that was decided, for as long as it is kept.
async fn decision(moment: &Moment<'_>, id: &str) -> Result<Outcome, Refusal> {
    let unknown = || Refusal::NotServed(NotServed::NotFound);
    let id = RequestId::parse(id).ok_or_else(unknown)?;
    let trace = moment.app.traces.told(id, &moment.database).await;
    trace.map(|trace| Outcome::Made(trace.to_string())).ok_or_else(unknown)
}

/// `{request, user-id?, client-id?, jwt?}`, as it would be decided now.
async fn request(moment: &Moment<'_>, sent: &Value) -> Result<Outcome, Refusal> {
    let members = sent.as_object().into_iter().flatten();
    if let Some((unknown, _)) =
        members.into_iter().find(|(name, _)| !MEMBERS.contains(&name.as_str()))
    {
        let text = format!("`{unknown}` is not one of `request`, `user-id`, `client-id`, `jwt`");
        return Err(Refusal::BadRequest(Issue::error("structure", text)));
    }
    let request = sent.get("request").unwrap_or(&Value::Null);
    let described = Described::read(request, "request", &moment.app.base_url, moment.now);
    let Described { interaction, facts } = described.map_err(Refusal::BadRequest)?;
    let caller = Arc::new(caller(moment, sent).await?);
    let asker = Asker {
        caller: Arc::clone(&caller),
        facts: Arc::new(facts),
        database: Arc::clone(&moment.database),
        now: moment.now,
    };
    let line = Line::of(&interaction);
    let explanation = explained(&moment.snapshot.policies, asker, interaction).await;
    let told = explanation::of_request(&line, &caller, &explanation, None);
    Ok(Outcome::Made(told.to_string()))
}

/// The caller that `user-id`, `client-id` and the claims in `jwt` stand for. Nothing of it is
/// checked as a credential is: it opens nothing.
async fn caller(moment: &Moment<'_>, sent: &Value) -> Result<Caller, Refusal> {
    let mut caller = named_caller(moment, sent).await?;
    match sent.get("jwt") {
        None | Some(Value::Null) => {}
        Some(Value::Object(claims)) => {
            caller.session = Session::of_claims(claims);
            caller.jwt = Some(Arc::new(claims.clone()));
        }
        Some(_) => {
            let text = "`jwt` is an object: the claims of a token";
            return Err(Refusal::BadRequest(Issue::error("structure", text)));
        }
    }
    Ok(caller)
}
