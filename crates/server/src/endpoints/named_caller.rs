//! The caller that `user-id` and `client-id` in a body stand for, to try things out.

use firewarden_access::Caller;
use firewarden_fhir::{Id, Issue};
use firewarden_identity::{NoCaller, caller_of};
use firewarden_interactions::Failure;
use serde_json::Value;

use crate::failure::Refusal;
use crate::pipeline::Moment;

/// The active user and the active client of these ids, as policies see them when they ask.
pub(super) async fn named_caller(moment: &Moment<'_>, sent: &Value) -> Result<Caller, Refusal> {
    let (user, client) = (id(sent, "user-id")?, id(sent, "client-id")?);
    let caller = caller_of(user.as_ref(), client.as_ref(), &moment.app.directory).await;
    caller.map_err(|why| match why {
        NoCaller::Nobody { .. } => Refusal::BadRequest(Issue::error("not-found", why.to_string())),
        NoCaller::Unavailable(why) => Refusal::Failed(Failure::Unavailable(why.to_string())),
    })
}

fn id(sent: &Value, name: &str) -> Result<Option<Id>, Refusal> {
    let wrong = || Refusal::BadRequest(Issue::error("value", format!("`{name}` is not an id")));
    match sent.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Id::parse(text).map(Some).ok_or_else(wrong),
        Some(_) => Err(wrong()),
    }
}
