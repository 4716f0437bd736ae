//! The one table from what went wrong to what a client is told, and with which status.

use firewarden_fhir::request::NotServed;
use firewarden_fhir::{Issue, operation_outcome};
use firewarden_identity::Unauthenticated;
use firewarden_interactions::Failure;
use http::StatusCode;
use serde_json::{Value, json};

use crate::attempts::Wait;

/// Why a request is not answered with what it asked for.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The credential is not accepted, or could not be judged.
    Unauthenticated(Unauthenticated),
    /// Too many credentials from there were refused; this one was not looked at.
    TooManyAttempts(Wait),
    /// No credential was sent, and no policy allows anonymous callers this.
    CredentialNeeded,
    /// No policy allows it.
    Forbidden,
    /// Policies allow it, and the scopes of the token do not.
    InsufficientScope,
    /// More policies concern it than one decision works through.
    TooManyPolicies,
    /// The URL or the method is not served.
    NotServed(NotServed),
    /// The request cannot be understood; who sent it may do what it asks.
    BadRequest(Issue),
    /// The URL is longer than allowed.
    UrlTooLong,
    /// The body is larger than allowed.
    TooLarge,
    /// The body's media type is not read.
    MediaType,
    /// None of the media types asked for is written.
    NotAcceptable,
    /// It was granted and not performed.
    Failed(Failure),
    /// It took longer than a request may.
    TimedOut,
    /// A fault of this server.
    Fault(String),
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// After how many seconds a search is worth another try that waits for the index.
const NOT_INDEXED_RETRY_S: u64 = 30;

/// What a client is told.
pub(crate) struct Told {
    /// The status.
    pub(crate) status: StatusCode,
    /// The OperationOutcome.
    pub(crate) outcome: Value,
    /// Whether to try again, and after how many seconds.
    pub(crate) retry_after_s: Option<u64>,
}

impl Refusal {
    /// What a client is told. Nothing internal, and nothing of what it may not see.
    pub(crate) fn told(&self) -> Told {
        match self {
            Self::Unauthenticated(why) => unauthenticated(why),
            Self::TooManyAttempts(Wait { seconds }) => {
                let text = "too many attempts failed: try again later";
                let told = error(StatusCode::TOO_MANY_REQUESTS, "throttled", text);
                Told { retry_after_s: Some(*seconds), ..told }
            }
            Self::CredentialNeeded => {
                error(StatusCode::UNAUTHORIZED, "login", "a credential is needed")
            }
            Self::Forbidden | Self::InsufficientScope => forbidden(),
            Self::TooManyPolicies => {
                let text = "the request cannot be decided: more policies concern it than one \
                            decision works through";
                error(StatusCode::SERVICE_UNAVAILABLE, "too-costly", text)
            }
            Self::NotServed(NotServed::BadPath) => {
                error(StatusCode::BAD_REQUEST, "invalid", "the path is not in its canonical form")
            }
            Self::NotServed(NotServed::NotFound) => {
                error(StatusCode::NOT_FOUND, "not-found", "there is nothing at this URL")
            }
            Self::NotServed(NotServed::Method) => error(
                StatusCode::METHOD_NOT_ALLOWED,
                "not-supported",
                "this method is not served at this URL",
            ),
            Self::BadRequest(issue) => with(StatusCode::BAD_REQUEST, std::slice::from_ref(issue)),
            Self::UrlTooLong => error(
                StatusCode::URI_TOO_LONG,
                "too-long",
                "the URL is longer than this server accepts: search by `POST _search`",
            ),
            Self::TooLarge => error(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too-long",
                "the body is larger than this server accepts",
            ),
            Self::MediaType => error(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not-supported",
                "the body is in a media type or an encoding that is not read: send \
                 `application/fhir+json` or `text/yaml` in UTF-8",
            ),
            Self::NotAcceptable => error(
                StatusCode::NOT_ACCEPTABLE,
                "not-supported",
                "answers are written in `application/fhir+json` and `text/yaml`",
            ),
            Self::Failed(failure) => failed(failure),
            Self::TimedOut => {
                let text = "the request took too long";
                Told {
                    retry_after_s: Some(1),
                    ..error(StatusCode::SERVICE_UNAVAILABLE, "timeout", text)
                }
            }
            Self::Fault(_) => {
                error(StatusCode::INTERNAL_SERVER_ERROR, "exception", "an internal fault")
            }
        }
    }

    /// Words for the log alone, where the client is told less.
    pub(crate) fn for_log(&self) -> Option<String> {
        match self {
            Self::Unauthenticated(why) => Some(why.to_string()),
            Self::InsufficientScope => {
                Some("policies grant it, the scopes of the token do not".to_owned())
            }
            Self::TooManyPolicies => {
                Some("more policies concern it than one decision works through".to_owned())
            }
            Self::Failed(Failure::Unavailable(why) | Failure::Unknown(why)) | Self::Fault(why) => {
                Some(why.clone())
            }
            Self::TooManyAttempts(_)
            | Self::CredentialNeeded
            | Self::Forbidden
            | Self::NotServed(_)
            | Self::BadRequest(_)
            | Self::UrlTooLong
            | Self::TooLarge
            | Self::MediaType
            | Self::NotAcceptable
            | Self::Failed(_)
            | Self::TimedOut => None,
        }
    }
}

/// The same bytes for what exists, what does not, and what is deleted.
fn forbidden() -> Told {
    let outcome = json!({
        "resourceType": "OperationOutcome",
        "id": "forbidden",
        "issue": [{"severity": "fatal", "code": "forbidden", "diagnostics": "Forbidden"}],
    });
    Told { status: StatusCode::FORBIDDEN, outcome, retry_after_s: None }
}

fn unauthenticated(why: &Unauthenticated) -> Told {
    if let Some(seconds) = why.retry_after_s() {
        let text = "the credential cannot be judged now: try again";
        let told = error(StatusCode::SERVICE_UNAVAILABLE, "transient", text);
        return Told { retry_after_s: Some(seconds), ..told };
    }
    if matches!(why, Unauthenticated::Ambiguous) {
        return error(StatusCode::BAD_REQUEST, "invalid", "more than one `Authorization` was sent");
    }
    error(StatusCode::UNAUTHORIZED, "login", "the credential is not accepted")
}

fn failed(failure: &Failure) -> Told {
    match failure {
        Failure::Absent => error(StatusCode::NOT_FOUND, "not-found", "there is no such resource"),
        Failure::Gone => error(StatusCode::GONE, "deleted", "the resource was deleted"),
        Failure::BadRequest(issue) => with(StatusCode::BAD_REQUEST, std::slice::from_ref(issue)),
        Failure::Invalid(issues) => with(StatusCode::UNPROCESSABLE_ENTITY, issues),
        Failure::Conflict(issues) => with(StatusCode::CONFLICT, issues),
        Failure::VersionConflict => error(
            StatusCode::PRECONDITION_FAILED,
            "conflict",
            "the version in `If-Match` is not the current one: read it and try again",
        ),
        Failure::SeveralMatches => error(
            StatusCode::PRECONDITION_FAILED,
            "multiple-matches",
            "the criteria find several resources: add some that tell them apart",
        ),
        Failure::OtherMatch => error(
            StatusCode::BAD_REQUEST,
            "value",
            "the criteria find another resource than the one that `id` names",
        ),
        Failure::OutsideRows | Failure::Forbidden => forbidden(),
        Failure::StaleDecision => {
            let text = "the policies are changing: try again";
            Told {
                retry_after_s: Some(1),
                ..error(StatusCode::SERVICE_UNAVAILABLE, "transient", text)
            }
        }
        Failure::TooExpensive => error(
            StatusCode::BAD_REQUEST,
            "too-costly",
            "the search takes too long: add parameters that narrow it",
        ),
        Failure::NotIndexed => {
            let text = "the resources are being indexed anew, and cannot be searched by this yet: \
                        try again later";
            Told {
                retry_after_s: Some(NOT_INDEXED_RETRY_S),
                ..error(StatusCode::SERVICE_UNAVAILABLE, "transient", text)
            }
        }
        Failure::AnswerTooLarge => error(
            StatusCode::BAD_REQUEST,
            "too-costly",
            "the answer to this Bundle is too large: ask for less at a time",
        ),
        Failure::Unavailable(_) => {
            let text = "the server is busy or its database is not available: try again";
            Told {
                retry_after_s: Some(1),
                ..error(StatusCode::SERVICE_UNAVAILABLE, "transient", text)
            }
        }
        Failure::Unknown(_) => {
            let text = "it is unknown whether the write was done: read before trying again";
            Told {
                retry_after_s: Some(1),
                ..error(StatusCode::SERVICE_UNAVAILABLE, "transient", text)
            }
        }
    }
}

fn error(status: StatusCode, code: &'static str, text: &str) -> Told {
    with(status, &[Issue::error(code, text)])
}

fn with(status: StatusCode, issues: &[Issue]) -> Told {
    Told { status, outcome: operation_outcome(issues), retry_after_s: None }
}
