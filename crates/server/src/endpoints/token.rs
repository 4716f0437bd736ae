//! `POST /auth/token`: a session token for a local client
//! (<https://www.rfc-editor.org/rfc/rfc6749#section-4.4>).

use firewarden_fhir::request::parse_query;
use firewarden_fhir::{Id, Timestamp};
use firewarden_identity::{Check, Content, Credentials, Unauthenticated};
use firewarden_interactions::Failure;
use http::StatusCode;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::app::App;
use crate::attempts::{Place, Wait};
use crate::audit::AuditRecord;
use crate::{limits, sessions};

/// What a request for a token is answered with.
pub(crate) struct TokenAnswer {
    pub(crate) status: StatusCode,
    pub(crate) body: Zeroizing<String>,
    pub(crate) retry_after_s: Option<u64>,
}

/// Why no token is issued, by the codes of RFC 6749 section 5.2.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TokenRefusal {
    /// `invalid_request`: what is wrong with it.
    InvalidRequest(&'static str),
    /// `invalid_client`.
    InvalidClient,
    /// `unauthorized_client`: the client may not use this grant.
    UnauthorizedClient,
    /// `unsupported_grant_type`.
    UnsupportedGrantType,
    /// `invalid_scope`.
    InvalidScope,
    /// Too many attempts failed, or too many tokens were asked for.
    TooMany(Wait),
    /// It cannot be done now, for a reason that is for the log.
    Unavailable {
        /// After how many seconds to try again.
        retry_after_s: u64,
        /// Why.
        why: String,
    },
}

impl TokenRefusal {
    /// What a client is told.
    pub(crate) fn answer(&self) -> TokenAnswer {
        let bad = StatusCode::BAD_REQUEST;
        let (status, error, description, retry_after_s) = match self {
            Self::InvalidRequest(what) => (bad, "invalid_request", *what, None),
            Self::InvalidClient => {
                let text = "the client is not known, or not with this secret";
                (StatusCode::UNAUTHORIZED, "invalid_client", text, None)
            }
            Self::UnauthorizedClient => {
                let text = "`grant_types` of the client does not hold `client_credentials`";
                (bad, "unauthorized_client", text, None)
            }
            Self::UnsupportedGrantType => {
                let text = "`grant_type` is `client_credentials`; no other is served";
                (bad, "unsupported_grant_type", text, None)
            }
            Self::InvalidScope => {
                (bad, "invalid_scope", "`scopes` of the client does not hold every scope", None)
            }
            Self::TooMany(Wait { seconds }) => {
                let text = "too many attempts: try again later";
                (StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable", text, Some(*seconds))
            }
            Self::Unavailable { retry_after_s, .. } => {
                let text = "no token can be issued now: try again";
                let status = StatusCode::SERVICE_UNAVAILABLE;
                (status, "temporarily_unavailable", text, Some(*retry_after_s))
            }
        };
        let body = json!({"error": error, "error_description": description}).to_string();
        TokenAnswer { status, body: Zeroizing::new(body), retry_after_s }
    }

    /// Words for the log alone.
    pub(crate) fn for_log(&self) -> Option<String> {
        match self {
            Self::Unavailable { why, .. } => Some(why.clone()),
            Self::InvalidRequest(what) => Some((*what).to_owned()),
            Self::InvalidClient
            | Self::UnauthorizedClient
            | Self::UnsupportedGrantType
            | Self::InvalidScope
            | Self::TooMany(_) => None,
        }
    }
}

impl From<Wait> for TokenRefusal {
    fn from(wait: Wait) -> Self {
        Self::TooMany(wait)
    }
}

impl From<Failure> for TokenRefusal {
    fn from(failure: Failure) -> Self {
        Self::Unavailable { retry_after_s: 1, why: format!("{failure:?}") }
    }
}

/// Issues a token to the client that the request authenticates.
pub(crate) async fn token(
    app: &App,
    parts: &Parts,
    body: Incoming,
    place: Place,
    audit: &mut AuditRecord,
) -> Result<TokenAnswer, TokenRefusal> {
    // Nobody is known yet: it waits with the bodies of anonymous callers.
    let room = app.body_memory.room(true, limits::TOKEN_REQUEST_BYTES_MAX).await;
    let form = form(parts, body).await?;
    drop(room);
    let (id, secrets) = credential(parts, &form)?;
    match form.one("grant_type")? {
        Some("client_credentials") => {}
        Some(_) => return Err(TokenRefusal::UnsupportedGrantType),
        None => return Err(TokenRefusal::InvalidRequest("`grant_type` is missing")),
    }
    let now = crate::app::now();
    // A client is judged by the newest configuration, as in every other request.
    app.configuration.current().await.map_err(Failure::from)?;
    let client = authenticate(app, &id, secrets, (place, now), audit).await?;
    audit.client(&client);
    let scope = scope(&client, form.one("scope")?)?;
    if let Some(id) = Id::parse(&id) {
        app.attempts.token_for(&id, now)?;
    }
    let issued = sessions::begin(app, &client, scope.as_deref(), now).await?;
    audit.issued();
    let mut answer = json!({
        "access_token": issued.token.as_str(),
        "token_type": "Bearer",
        "expires_in": issued.lives_s,
    });
    if let (Some(scope), Some(members)) = (scope, answer.as_object_mut()) {
        members.insert("scope".to_owned(), scope.into());
    }
    let body = Zeroizing::new(answer.to_string());
    Ok(TokenAnswer { status: StatusCode::OK, body, retry_after_s: None })
}

/// The client, if one of the readings of its secret is right.
async fn authenticate(
    app: &App,
    id: &str,
    secrets: Vec<Zeroizing<String>>,
    (place, now): (Place, Timestamp),
    audit: &mut AuditRecord,
) -> Result<Content, TokenRefusal> {
    let client = Id::parse(id);
    app.attempts.may_try(client.as_ref(), place, now)?;
    let mut refusal = Unauthenticated::ClientRefused(Check::ClientSecret);
    for secret in secrets {
        match app.identity.client_of_token_request(id, secret, &app.directory).await {
            Ok(content) => {
                if let Some(client) = &client {
                    app.attempts.succeeded(client, place, now);
                }
                return Ok(content);
            }
            Err(why) => refusal = why,
        }
        if refusal != Unauthenticated::ClientRefused(Check::ClientSecret) {
            break;
        }
    }
    audit.unauthenticated(&refusal);
    if let Some(retry_after_s) = refusal.retry_after_s() {
        return Err(TokenRefusal::Unavailable { retry_after_s, why: refusal.to_string() });
    }
    if refusal == Unauthenticated::ClientRefused(Check::GrantType) {
        return Err(TokenRefusal::UnauthorizedClient);
    }
    if refusal == Unauthenticated::ClientRefused(Check::ClientSecret) {
        app.attempts.failed(client.as_ref(), place, now);
    }
    Err(TokenRefusal::InvalidClient)
}

/// The parameters of a request for a token.
struct Form(Vec<(String, String)>);

impl Form {
    /// A parameter's value. One without a value is absent; a repeated one is refused (RFC 6749
    /// section 3.2).
    fn one(&self, name: &str) -> Result<Option<&str>, TokenRefusal> {
        let mut values = self.0.iter().filter(|(named, _)| named == name);
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(TokenRefusal::InvalidRequest("a parameter is repeated")),
            (Some((_, value)), None) if !value.is_empty() => Ok(Some(value)),
            (_, None) => Ok(None),
        }
    }
}

impl Drop for Form {
    fn drop(&mut self) {
        self.0.drain(..).for_each(|(_, value)| drop(Zeroizing::new(value)));
    }
}

async fn form(parts: &Parts, body: Incoming) -> Result<Form, TokenRefusal> {
    let invalid = TokenRefusal::InvalidRequest;
    let not_a_form = invalid("the body is not `application/x-www-form-urlencoded`");
    let sent = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = sent.and_then(|sent| sent.split(';').next()).unwrap_or_default().trim();
    let is_encoded = parts.headers.contains_key(CONTENT_ENCODING);
    if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") || is_encoded {
        return Err(not_a_form);
    }
    let body = Limited::new(body, limits::TOKEN_REQUEST_BYTES_MAX).collect().await;
    let body = body.map_err(|_| invalid("the body is too long, or ended early"))?.to_bytes();
    let text = str::from_utf8(&body).ok();
    text.and_then(|text| parse_query(text).ok()).map(Form).ok_or(not_a_form)
}

/// The id of the client, and how its secret can be read.
fn credential(
    parts: &Parts,
    form: &Form,
) -> Result<(String, Vec<Zeroizing<String>>), TokenRefusal> {
    let headers: Vec<&[u8]> =
        parts.headers.get_all(AUTHORIZATION).iter().map(|value| value.as_bytes()).collect();
    let (id, secret) = (form.one("client_id")?, form.one("client_secret")?);
    match Credentials::from_headers(&headers) {
        Credentials::Absent => match (id, secret) {
            (Some(id), Some(secret)) => {
                Ok((id.to_owned(), vec![Zeroizing::new(secret.to_owned())]))
            }
            _ => Err(TokenRefusal::InvalidClient),
        },
        Credentials::Basic { .. } if secret.is_some() => {
            Err(TokenRefusal::InvalidRequest("the client authenticates in two ways"))
        }
        Credentials::Basic { client, secret } => {
            if id.is_some_and(|id| id != client) {
                return Err(TokenRefusal::InvalidRequest("`client_id` is another client's"));
            }
            Ok((client, readings(secret)))
        }
        Credentials::Ambiguous => {
            Err(TokenRefusal::InvalidRequest("more than one `Authorization` was sent"))
        }
        Credentials::Malformed(_)
        | Credentials::Bearer(_)
        | Credentials::BearerFromClient { .. } => Err(TokenRefusal::InvalidClient),
    }
}

/// A secret in a header is form-encoded (RFC 6749 section 2.3.1), which many clients do not do: it
/// is read as it stands first.
fn readings(secret: Zeroizing<String>) -> Vec<Zeroizing<String>> {
    let pairs = parse_query(&format!("secret={}", secret.as_str())).unwrap_or_default();
    let decoded = match <[(String, String); 1]>::try_from(pairs) {
        Ok([(_, decoded)]) if decoded != *secret => Some(Zeroizing::new(decoded)),
        Ok(_) | Err(_) => None,
    };
    std::iter::once(secret).chain(decoded).collect()
}

/// The scopes that are granted: those asked for, or all that the client has.
fn scope(
    client: &serde_json::Map<String, Value>,
    asked: Option<&str>,
) -> Result<Option<String>, TokenRefusal> {
    let scopes = client.get("scopes").and_then(Value::as_array);
    let scopes: Vec<&str> = scopes.into_iter().flatten().filter_map(Value::as_str).collect();
    let Some(asked) = asked else {
        return Ok((!scopes.is_empty()).then(|| scopes.join(" ")));
    };
    let asked: Vec<&str> = asked.split(' ').filter(|scope| !scope.is_empty()).collect();
    if asked.is_empty() || !asked.iter().all(|scope| scopes.contains(scope)) {
        return Err(TokenRefusal::InvalidScope);
    }
    Ok(Some(asked.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_granted_no_scope_that_it_does_not_have() {
        let two = json!({"scopes": ["system/Patient.read", "system/Observation.read"]});
        let none = json!({});
        let both = "system/Patient.read system/Observation.read";
        for (client, asked, expected) in [
            (&two, None, Ok(Some(both))),
            (&two, Some("system/Patient.read"), Ok(Some("system/Patient.read"))),
            (&two, Some("system/*.read"), Err(TokenRefusal::InvalidScope)),
            (&two, Some("system/Patient.read system/*.read"), Err(TokenRefusal::InvalidScope)),
            (&two, Some(" "), Err(TokenRefusal::InvalidScope)),
            (&none, None, Ok(None)),
            (&none, Some("system/Patient.read"), Err(TokenRefusal::InvalidScope)),
        ] {
            let granted = scope(client.as_object().unwrap(), asked);
            assert_eq!(granted, expected.map(|scope| scope.map(str::to_owned)), "{asked:?}");
        }
    }

    #[test]
    fn a_secret_in_a_header_is_read_as_it_stands_and_decoded() {
        let read = |secret: &str| {
            let readings = readings(Zeroizing::new(secret.to_owned()));
            readings.iter().map(|reading| reading.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(read("plain"), ["plain"]);
        assert_eq!(read("a%2Bb+c"), ["a%2Bb+c", "a+b c"]);
        assert_eq!(read("100%"), ["100%"]);
        assert_eq!(read("a&b"), ["a&b"]);
    }
}
