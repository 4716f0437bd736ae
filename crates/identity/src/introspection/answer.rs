//! What an introspection endpoint answers (RFC 7662 section 2.2).

use firewarden_fhir::json;
use serde_json::{Map, Value};

/// What an endpoint says of a token.
#[derive(Clone, Debug, PartialEq)]
pub enum IntrospectionAnswer {
    /// It is active, and this is what is known of it.
    Active(Map<String, Value>),
    /// It is not, as far as this endpoint may tell.
    Inactive,
}

/// The endpoint did not do its work: nothing is known of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnAnswer {
    /// The body is not JSON, or holds a member twice.
    #[error("the answer is not JSON")]
    NotJson,
    /// The endpoint refuses the request, not the token.
    #[error("the answer was {0}")]
    Status(u16),
}

/// Errors by which an endpoint says that it is the token that it cannot tell anything of. Servers
/// that have no other word for it answer so for tokens of another form.
const TOKEN_ERRORS: [&str; 3] = ["unsupported_token_type", "invalid_token", "invalid_request"];

/// Reads an answer of that status. A token is active if `active` is `true` and nothing that
/// resembles it.
pub fn read_answer(status: u16, text: &[u8]) -> Result<IntrospectionAnswer, NotAnAnswer> {
    let answer = match (status, json::parse(text)) {
        (200, Ok(answer)) => answer,
        (200, Err(_)) => return Err(NotAnAnswer::NotJson),
        (400, Ok(error)) if is_of_token(&error) => return Ok(IntrospectionAnswer::Inactive),
        (other, _) => return Err(NotAnAnswer::Status(other)),
    };
    match answer {
        Value::Object(members) if members.get("active") == Some(&Value::Bool(true)) => {
            Ok(IntrospectionAnswer::Active(members))
        }
        Value::Object(_)
        | Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_) => Ok(IntrospectionAnswer::Inactive),
    }
}

fn is_of_token(error: &Value) -> bool {
    let name = error.get("error").and_then(Value::as_str);
    name.is_some_and(|name| TOKEN_ERRORS.contains(&name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_is_active_if_the_answer_says_true() {
        for (status, text, expected) in [
            (200, r#"{"active":true}"#, "active"),
            (200, r#" {"sub":"a","active":true} "#, "active"),
            (200, r#"{"active":false}"#, "inactive"),
            (200, r#"{"active":"true"}"#, "inactive"),
            (200, r#"{"active":1}"#, "inactive"),
            (200, r#"{"active":null}"#, "inactive"),
            (200, r#"{"active":[true]}"#, "inactive"),
            (200, r#"{"Active":true}"#, "inactive"),
            (200, r#"{"active ":true}"#, "inactive"),
            (200, "{}", "inactive"),
            (200, r#"{"sub":"a"}"#, "inactive"),
            (200, "[]", "inactive"),
            (200, r#"[{"active":true}]"#, "inactive"),
            (200, "true", "inactive"),
            (200, "null", "inactive"),
            (200, r#"{"error":"unsupported_token_type"}"#, "inactive"),
            (200, "", "the answer is not JSON"),
            (200, "<html>", "the answer is not JSON"),
            (200, "\u{feff}{\"active\":true}", "the answer is not JSON"),
            (200, r#"{"active":true"#, "the answer is not JSON"),
            (200, r#"{"active":true}{}"#, "the answer is not JSON"),
            (200, r#"{"active":false,"active":true}"#, "the answer is not JSON"),
            (400, r#"{"error":"unsupported_token_type"}"#, "inactive"),
            (400, r#"{"error":"invalid_request"}"#, "inactive"),
            (400, r#"{"error":"invalid_client"}"#, "the answer was 400"),
            (400, r#"{"active":true}"#, "the answer was 400"),
            (400, "", "the answer was 400"),
            (401, r#"{"active":true}"#, "the answer was 401"),
            (201, r#"{"active":true}"#, "the answer was 201"),
        ] {
            let read = match read_answer(status, text.as_bytes()) {
                Ok(IntrospectionAnswer::Active(_)) => "active".to_owned(),
                Ok(IntrospectionAnswer::Inactive) => "inactive".to_owned(),
                Err(fault) => fault.to_string(),
            };
            assert_eq!(read, expected, "{status} {text}");
        }
    }

    proptest! {
        #[test]
        fn any_answer_is_read_or_refused(text in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read_answer(200, &text);
        }

        #[test]
        fn only_true_is_active(value in "[a-z0-9\"{}\\[\\]]{0,8}") {
            let text = format!(r#"{{"active":{value}}}"#);
            let read = read_answer(200, text.as_bytes());
            let active = matches!(read, Ok(IntrospectionAnswer::Active(_)));
            prop_assert!(!active || value == "true");
        }
    }
}
