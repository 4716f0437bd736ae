//! `POST /auth/test-policy`: what a policy would say of a request, without saving it.

use std::sync::Arc;

use firewarden_fhir::Issue;
use firewarden_interactions::Outcome;
use serde_json::{Map, Value, json};

use super::named_caller::named_caller;
use crate::failure::Refusal;
use crate::pipeline::Moment;

/// Evaluates `{request, policy, user-id?, client-id?}`. The request stands as it was sent, with
/// the user and the client that the ids name; nothing in it is trusted for anything else.
pub(crate) async fn test_policy(moment: &Moment<'_>, sent: &Value) -> Result<Outcome, Refusal> {
    let object = |name: &str| match sent.get(name) {
        Some(Value::Object(object)) => Ok(object.clone()),
        _ => {
            let text = format!("`{name}` is missing or not an object");
            Err(Refusal::BadRequest(Issue::error("required", text)))
        }
    };
    let mut request = object("request")?;
    let policy = object("policy")?;
    let caller = named_caller(moment, sent).await?;
    let member = |content: &Arc<Map<String, Value>>| Value::Object(Map::clone(content));
    if let Some(user) = &caller.user {
        request.insert("user".to_owned(), member(user));
        request.insert("role".to_owned(), caller.roles.iter().map(member).collect());
    }
    request.extend(caller.client.iter().map(|client| ("client".to_owned(), member(client))));
    let operation = request.get("operation").cloned().unwrap_or(Value::Null);
    let request = Value::Object(request);
    let tested =
        firewarden_access::test_policy(&request, &policy, &*moment.database, moment.now).await;
    let answer = json!({
        "request": request,
        "operation": operation,
        "policy": policy,
        "result": {"eval-result": tested.satisfied, "trace": tested.trace},
    });
    Ok(Outcome::Made(answer.to_string()))
}
