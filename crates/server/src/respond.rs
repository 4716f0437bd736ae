//! From an outcome or a refusal to an HTTP answer.

use bytes::Bytes;
use firewarden_fhir::request::NotServed;
use firewarden_fhir::{Issue, Timestamp, json};
use firewarden_interactions::bundle::{BundleKind, EntryResponse, bundle_response};
use firewarden_interactions::{Outcome, Saved, root_form};
use firewarden_store::Stored;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, LAST_MODIFIED, LOCATION, RETRY_AFTER,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use jiff::fmt::rfc2822;
use serde_json::Value;

use crate::arrival::RequestId;
use crate::endpoints::{TokenAnswer, metadata_url};
use crate::failure::Refusal;
use crate::media::Form;
use crate::meters::Exposition;
use crate::pipeline::Answer;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How answers to one request are written.
pub(crate) struct Writing<'a> {
    /// The media type.
    pub(crate) form: Form,
    /// Whether our own types are written as the root serves them.
    pub(crate) root: bool,
    /// This server's public URL.
    pub(crate) public_url: &'a str,
    /// The path that was asked for.
    pub(crate) path: &'a str,
    /// The request's name.
    pub(crate) request_id: RequestId,
    /// Whether a credential was sent.
    pub(crate) has_credential: bool,
}

/// An answer that is not yet HTTP.
struct Draft {
    status: StatusCode,
    text: Option<String>,
    headers: Vec<(HeaderName, String)>,
}

impl Writing<'_> {
    /// The answer to a request.
    pub(crate) fn answer(&self, answer: Result<Answer, &Refusal>) -> Response<Full<Bytes>> {
        let draft = match answer {
            Ok(Answer::One(outcome)) => self.outcome(outcome),
            Ok(Answer::Bundle(kind, entries)) => self.bundle(kind, entries),
            Ok(Answer::Metrics(text)) => return self.metrics(text),
            Err(refusal) => self.refusal(refusal),
        };
        self.finish(draft)
    }

    /// What a client that asks for a token is answered.
    pub(crate) fn token(&self, answer: TokenAnswer) -> Response<Full<Bytes>> {
        let mut headers = Vec::new();
        if answer.status == StatusCode::UNAUTHORIZED {
            headers.push((WWW_AUTHENTICATE, r#"Basic realm="token""#.to_owned()));
        }
        headers.extend(answer.retry_after_s.map(|seconds| (RETRY_AFTER, seconds.to_string())));
        let text = Some(answer.body.as_str().to_owned());
        self.finish(Draft { status: answer.status, text, headers })
    }

    fn metrics(&self, text: String) -> Response<Full<Bytes>> {
        let draft = Draft { status: StatusCode::OK, text: None, headers: Vec::new() };
        let mut response = self.finish(draft).map(|_| Full::from(text));
        let content_type = HeaderValue::from_static(Exposition::CONTENT_TYPE);
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        response
    }

    /// A JSON text with that status.
    pub(crate) fn json(&self, status: StatusCode, text: String) -> Response<Full<Bytes>> {
        self.finish(Draft { status, text: Some(text), headers: Vec::new() })
    }

    fn outcome(&self, outcome: Outcome) -> Draft {
        match outcome {
            Outcome::Found(stored) => self.stored(StatusCode::OK, stored, &[]),
            Outcome::Existing(stored) => {
                let location = self.version_url(&stored);
                let mut draft = self.stored(StatusCode::OK, stored, &[]);
                draft.headers.push((LOCATION, location));
                draft
            }
            Outcome::Created(Saved { stored, warnings }) => {
                let location = self.version_url(&stored);
                let mut draft = self.stored(StatusCode::CREATED, stored, &warnings);
                draft.headers.push((LOCATION, location));
                draft
            }
            Outcome::Updated(Saved { stored, warnings }) => {
                self.stored(StatusCode::OK, stored, &warnings)
            }
            Outcome::Deleted(_) => {
                Draft { status: StatusCode::NO_CONTENT, text: None, headers: Vec::new() }
            }
            Outcome::Made(text) => Draft {
                status: StatusCode::OK,
                text: Some(if self.root { in_root_form(&text) } else { text }),
                headers: Vec::new(),
            },
        }
    }

    fn stored(&self, status: StatusCode, stored: Stored, warnings: &[Issue]) -> Draft {
        let headers = vec![
            (ETAG, format!("W/\"{}\"", stored.version)),
            (LAST_MODIFIED, http_date(stored.updated)),
        ];
        Draft { status, text: Some(self.body(&stored, warnings)), headers }
    }

    /// The resource as it is served. FHIR's types are served as the bytes that are stored.
    fn body(&self, stored: &Stored, warnings: &[Issue]) -> String {
        if !stored.target.resource_type.is_own() || (!self.root && warnings.is_empty()) {
            return stored.body.to_string();
        }
        let Ok(Value::Object(mut content)) = json::parse(stored.body.as_bytes()) else {
            return stored.body.to_string();
        };
        if self.root {
            root_form(&mut content);
        }
        if !warnings.is_empty() {
            let warnings = warnings.iter().map(Issue::to_json).collect();
            content.insert("warnings".to_owned(), warnings);
        }
        Value::Object(content).to_string()
    }

    fn version_url(&self, stored: &Stored) -> String {
        let fhir = if stored.target.resource_type.is_own() { "" } else { "/fhir" };
        format!("{}{fhir}/{}/_history/{}", self.public_url, stored.target, stored.version)
    }

    fn refusal(&self, refusal: &Refusal) -> Draft {
        let told = refusal.told();
        let mut headers = Vec::new();
        if told.status == StatusCode::UNAUTHORIZED {
            let error = if self.has_credential { r#"error="invalid_token", "# } else { "" };
            let metadata = metadata_url(self.public_url, self.path);
            let challenge = format!("Bearer {error}resource_metadata=\"{metadata}\"");
            headers.push((WWW_AUTHENTICATE, challenge));
        }
        if matches!(refusal, Refusal::InsufficientScope) {
            let challenge = r#"Bearer error="insufficient_scope""#;
            headers.push((WWW_AUTHENTICATE, challenge.to_owned()));
        }
        if let Some(seconds) = told.retry_after_s {
            headers.push((RETRY_AFTER, seconds.to_string()));
        }
        if matches!(refusal, Refusal::NotServed(NotServed::Method)) {
            headers.push((ALLOW, "GET, HEAD, POST, PUT, DELETE".to_owned()));
        }
        Draft { status: told.status, text: Some(told.outcome.to_string()), headers }
    }

    fn bundle(&self, kind: BundleKind, entries: Vec<Result<Outcome, Refusal>>) -> Draft {
        let entries: Vec<EntryResponse> =
            entries.into_iter().map(|entry| self.entry(entry)).collect();
        let text = bundle_response(kind, &entries);
        Draft { status: StatusCode::OK, text: Some(text), headers: Vec::new() }
    }

    fn entry(&self, answer: Result<Outcome, Refusal>) -> EntryResponse {
        let bare = |status: StatusCode| EntryResponse {
            status: status_text(status),
            location: None,
            stored: None,
            resource: None,
            outcome: None,
        };
        let saved = |status, saved: Saved| EntryResponse {
            location: Some(self.version_url(&saved.stored)),
            resource: Some(self.body(&saved.stored, &saved.warnings)),
            stored: Some(saved.stored),
            ..bare(status)
        };
        match answer {
            Ok(Outcome::Found(stored)) => EntryResponse {
                resource: Some(self.body(&stored, &[])),
                stored: Some(stored),
                ..bare(StatusCode::OK)
            },
            Ok(Outcome::Existing(stored)) => {
                saved(StatusCode::OK, Saved { stored, warnings: Vec::new() })
            }
            Ok(Outcome::Created(created)) => saved(StatusCode::CREATED, created),
            Ok(Outcome::Updated(updated)) => saved(StatusCode::OK, updated),
            Ok(Outcome::Deleted(_)) => bare(StatusCode::NO_CONTENT),
            Ok(Outcome::Made(text)) => {
                EntryResponse { resource: Some(text), ..bare(StatusCode::OK) }
            }
            Err(refusal) => {
                let told = refusal.told();
                EntryResponse { outcome: Some(told.outcome.to_string()), ..bare(told.status) }
            }
        }
    }

    fn finish(&self, draft: Draft) -> Response<Full<Bytes>> {
        let mut response = match draft.text {
            Some(text) => Response::new(Full::from(self.form.render(text))),
            None => Response::new(Full::default()),
        };
        *response.status_mut() = draft.status;
        let headers = response.headers_mut();
        if draft.status != StatusCode::NO_CONTENT {
            let content_type = HeaderValue::from_static(self.form.content_type());
            headers.insert(CONTENT_TYPE, content_type);
        }
        // What is answered is somebody's record: nobody else may keep or reinterpret it.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        let id = (X_REQUEST_ID, self.request_id.to_string());
        for (name, value) in draft.headers.into_iter().chain([id]) {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        response
    }
}

/// A Bundle or a resource with our own types as the root serves them.
fn in_root_form(text: &str) -> String {
    let Ok(mut value) = json::parse(text.as_bytes()) else {
        return text.to_owned();
    };
    match value.get_mut("entry").and_then(Value::as_array_mut) {
        Some(entries) => {
            let resources = entries.iter_mut().filter_map(|entry| entry.get_mut("resource"));
            resources.filter_map(Value::as_object_mut).for_each(root_form);
        }
        None => {
            value.as_object_mut().map(root_form);
        }
    }
    value.to_string()
}

fn status_text(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}

/// An HTTP date (RFC 9110 section 5.6.7).
fn http_date(at: Timestamp) -> String {
    rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap_or_default()
}
