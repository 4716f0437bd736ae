//! `POST /auth/test-policy`: what a policy would say of a request, without saving it.

use firewarden_fhir::{Id, Issue};
use firewarden_identity::Directory;
use firewarden_interactions::{Failure, Outcome};
use serde_json::{Map, Value, json};

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
    if let Some(id) = id(sent, "user-id")? {
        let user = moment.app.directory.user(&id).await.map_err(unavailable)?;
        let user = user.ok_or_else(|| no_such("User", &id))?;
        request.insert("user".to_owned(), Value::Object(Map::clone(&user)));
        let roles = moment.app.directory.roles(&id).await.map_err(unavailable)?;
        let roles = roles.iter().map(|role| Value::Object(Map::clone(role)));
        request.insert("role".to_owned(), roles.collect());
    }
    if let Some(id) = id(sent, "client-id")? {
        let client = moment.app.directory.client(&id).await.map_err(unavailable)?;
        let client = client.ok_or_else(|| no_such("Client", &id))?;
        request.insert("client".to_owned(), Value::Object(Map::clone(&client.content)));
    }
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

fn id(sent: &Value, name: &str) -> Result<Option<Id>, Refusal> {
    let wrong = || Refusal::BadRequest(Issue::error("value", format!("`{name}` is not an id")));
    match sent.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Id::parse(text).map(Some).ok_or_else(wrong),
        Some(_) => Err(wrong()),
    }
}

fn no_such(of: &str, id: &Id) -> Refusal {
    Refusal::BadRequest(Issue::error("not-found", format!("there is no `{of}/{id}`")))
}

fn unavailable(why: firewarden_identity::DirectoryUnavailable) -> Refusal {
    Refusal::Failed(Failure::Unavailable(why.to_string()))
}
