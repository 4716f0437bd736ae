//! `POST /auth/test-token`: which introspector a token belongs to, and what every check said.

use firewarden_fhir::SentToken;
use firewarden_identity::TokenTrace;
use firewarden_interactions::Outcome;
use serde_json::{Map, Value, json};

use crate::pipeline::Moment;

/// Judges the token as a request with it would be judged. It begins nothing, and is not shown.
pub(crate) async fn test_token(moment: &Moment<'_>, token: &SentToken) -> Outcome {
    let app = moment.app;
    let trace = app.identity.explain(token.expose(), &app.directory, moment.now).await;
    Outcome::Made(told(&trace).to_string())
}

fn told(trace: &TokenTrace) -> Value {
    let checks = trace
        .checks
        .iter()
        .map(|made| json!({"check": made.check, "passed": made.passed, "detail": made.detail}));
    let mut answer = Map::new();
    answer.insert("accepted".to_owned(), trace.accepted.into());
    for (name, of, id) in [
        ("introspector", "TokenIntrospector", &trace.introspector),
        ("user", "User", &trace.user),
        ("client", "Client", &trace.client),
    ] {
        if let Some(id) = id {
            let reference = json!({"resourceType": of, "id": id.as_str()});
            answer.insert(name.to_owned(), reference);
        }
    }
    answer.insert("checks".to_owned(), checks.collect());
    Value::Object(answer)
}
