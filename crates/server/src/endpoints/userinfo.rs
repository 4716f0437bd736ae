//! `GET /auth/userinfo`: who the server thinks the caller is.

use std::sync::Arc;

use firewarden_access::Caller;
use firewarden_interactions::{Outcome, root_form};
use serde_json::{Map, Value, json};

/// The caller's user, client, roles, introspector and the end of its credential. Absent parts are
/// left out.
pub(crate) fn userinfo(caller: &Caller) -> Outcome {
    let mut answer = Map::new();
    let resource = |content: &Arc<Map<String, Value>>| {
        let mut content = Map::clone(content);
        content.shift_remove("meta");
        root_form(&mut content);
        Value::Object(content)
    };
    if let Some(user) = &caller.user {
        answer.insert("user".into(), resource(user));
    }
    if let Some(client) = &caller.client {
        answer.insert("client".into(), resource(client));
    }
    answer.insert("roles".into(), caller.roles.iter().map(resource).collect());
    if let Some(claims) = &caller.jwt {
        answer.insert("jwt".into(), Value::Object(Map::clone(claims)));
    }
    if let Some(told) = &caller.token {
        answer.insert("token".into(), Value::Object(Map::clone(told)));
    }
    let session = &caller.session;
    if let Some(introspector) = &session.introspector {
        let reference = json!({"resourceType": "TokenIntrospector", "id": introspector.as_str()});
        answer.insert("introspector".into(), reference);
    }
    if let Some(expires_at) = session.expires_at {
        answer.insert("expires_at".into(), expires_at.to_string().into());
    }
    Outcome::Made(Value::Object(answer).to_string())
}
