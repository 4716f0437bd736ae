//! From an HTTP request to what it asks for. Nothing else looks at a path.

use firewarden_fhir::request::{Body, NotServed, RestRequest, Routed};
use firewarden_fhir::search::Handling;
use firewarden_fhir::{AskedOfJobs, Explain, Interaction, Issue, ResourceType, SentToken};
use firewarden_interactions::bundle::{BundleRequest, ReadBundle, bundle_of_array};
use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};
use http::{HeaderMap, HeaderName, Method};
use serde_json::Value;

use crate::failure::Refusal;
use crate::own_types::Force;

/// The routes that are answered without a decision. This list is the whole of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Public {
    /// `GET /health/live`.
    Live,
    /// `GET /health/ready`; one that brings a credential asks for the details, and is decided.
    Ready,
    /// `GET /fhir/metadata`.
    Capabilities,
    /// `GET /.well-known/oauth-protected-resource`: of the root, or of what is below `/fhir`.
    ProtectedResource { below: &'static str },
    /// `GET /.well-known/smart-configuration`.
    SmartConfiguration,
    /// `POST /auth/token`. It reads the credential of the client that asks, and answers it alone.
    Token,
}

/// The public routes, by path.
const PUBLIC: &[(&str, Public)] = &[
    ("/health/live", Public::Live),
    ("/health/ready", Public::Ready),
    ("/fhir/metadata", Public::Capabilities),
    ("/.well-known/oauth-protected-resource", Public::ProtectedResource { below: "" }),
    ("/.well-known/oauth-protected-resource/fhir", Public::ProtectedResource { below: "/fhir" }),
    ("/.well-known/smart-configuration", Public::SmartConfiguration),
    ("/fhir/.well-known/smart-configuration", Public::SmartConfiguration),
    ("/auth/token", Public::Token),
];

/// The public route of a request, if it is one.
pub(crate) fn public(method: &Method, path: &str, has_credential: bool) -> Option<Public> {
    let reads = method == Method::GET || method == Method::HEAD;
    let (_, route) = PUBLIC.iter().find(|(public, _)| *public == path)?;
    if *route == Public::Token {
        return (method == Method::POST).then_some(*route);
    }
    (reads && (*route != Public::Ready || !has_credential)).then_some(*route)
}

/// What a request asks for.
pub(crate) enum Asked {
    /// One interaction.
    One(Box<Routed>),
    /// The entries of a Bundle.
    Bundle(BundleRequest),
}

/// Where a request goes, by its path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place<'p> {
    /// `/fhir`, `/fhir/` and `/`: Bundles.
    Base,
    /// Below `/fhir/`.
    Fhir(&'p str),
    /// One of our own types at the root.
    Own(&'p str),
    /// `/auth/userinfo`.
    UserInfo,
    /// `/auth/test-policy`.
    TestPolicy,
    /// `/$matcho`.
    TestMatcho,
    /// `/auth/test-token`.
    TestToken,
    /// `/auth/decisions/[request id]`.
    Decision(&'p str),
    /// `/auth/explain`.
    Explain,
    /// `/auth/policy-tests`.
    PolicyTests,
    /// `/auth/shadow`.
    Shadow,
    /// `/auth/jobs`.
    Jobs,
    /// `/auth/jobs/[id]`.
    Job(&'p str),
    /// `/auth/token`, in another way than it is served.
    Token,
    /// `/metrics`.
    Metrics,
    /// `/health/ready`, with a credential.
    HealthDetails,
}

impl<'p> Place<'p> {
    /// The place that a path names.
    pub(crate) fn of(path: &'p str) -> Result<Self, NotServed> {
        match path {
            "/" | "/fhir" | "/fhir/" => return Ok(Self::Base),
            "/auth/userinfo" => return Ok(Self::UserInfo),
            "/auth/test-policy" => return Ok(Self::TestPolicy),
            "/$matcho" => return Ok(Self::TestMatcho),
            "/auth/test-token" => return Ok(Self::TestToken),
            "/auth/token" => return Ok(Self::Token),
            "/auth/explain" => return Ok(Self::Explain),
            "/auth/policy-tests" => return Ok(Self::PolicyTests),
            "/auth/shadow" => return Ok(Self::Shadow),
            "/auth/jobs" => return Ok(Self::Jobs),
            "/metrics" => return Ok(Self::Metrics),
            "/health/ready" => return Ok(Self::HealthDetails),
            _ => {}
        }
        if let Some(below) = path.strip_prefix("/fhir/") {
            return Ok(Self::Fhir(below));
        }
        let is_id = |id: &&str| {
            !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        if let Some(id) = path.strip_prefix("/auth/decisions/").filter(is_id) {
            return Ok(Self::Decision(id));
        }
        if let Some(id) = path.strip_prefix("/auth/jobs/").filter(is_id) {
            return Ok(Self::Job(id));
        }
        let below = path.strip_prefix('/').ok_or(NotServed::BadPath)?;
        let first = below.split('/').next().unwrap_or_default();
        if ResourceType::parse(first).is_some_and(ResourceType::is_own) {
            return Ok(Self::Own(below));
        }
        // Whatever it is, a path that is not canonical is not looked at further.
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._$/".contains(&b);
        let dots = |segment: &str| matches!(segment, "" | "." | "..");
        if !below.bytes().all(plain) || below.split('/').any(dots) {
            return Err(NotServed::BadPath);
        }
        Err(NotServed::NotFound)
    }
}

/// The words of a request that routing reads.
pub(crate) struct Words<'a> {
    /// The method.
    pub(crate) method: &'a Method,
    /// The query, without `?`.
    pub(crate) query: &'a str,
    /// The header fields.
    pub(crate) headers: &'a HeaderMap,
}

/// What a request asks for at its place.
pub(crate) fn asked(
    place: &Place<'_>,
    words: &Words<'_>,
    body: Body,
    reading: ReadBundle<'_>,
) -> Result<Asked, Refusal> {
    let reads = *words.method == Method::GET || *words.method == Method::HEAD;
    let posts = *words.method == Method::POST;
    match place {
        Place::Base => bundle(words.method, body, reading),
        Place::Fhir(path) | Place::Own(path) => {
            let query =
                if reads { words.query.to_owned() } else { without_force(path, words.query) };
            let request = RestRequest {
                method: words.method.as_str(),
                path,
                query: &query,
                body,
                if_match: header(words, &IF_MATCH),
                if_none_exist: header(words, &IF_NONE_EXIST).filter(|_| !reads),
                unserved_condition: unserved_condition(words, reads),
                handling: reading.handling,
            };
            let routed =
                request.route(reading.base_url, reading.now).map_err(Refusal::NotServed)?;
            Ok(Asked::One(Box::new(routed)))
        }
        Place::UserInfo if reads => Ok(one(Interaction::UserInfo, None)),
        Place::HealthDetails if reads => Ok(one(Interaction::HealthDetails, None)),
        Place::TestPolicy if posts => {
            let (value, defect) = object(body);
            Ok(one(Interaction::TestPolicy(value), defect))
        }
        Place::TestMatcho if posts => {
            let (value, defect) = object(body);
            Ok(one(Interaction::TestMatcho(value), defect))
        }
        Place::TestToken if posts => {
            let (token, defect) = sent_token(body);
            Ok(one(Interaction::TestToken(token), defect))
        }
        Place::Decision(id) if reads => Ok(explain(Explain::Decision((*id).to_owned()), None)),
        Place::Shadow if reads => Ok(explain(Explain::Shadow, None)),
        Place::Jobs if reads => Ok(of_job(AskedOfJobs::List)),
        Place::Job(id) if reads => Ok(of_job(AskedOfJobs::Read((*id).to_owned()))),
        Place::Job(id) if *words.method == Method::DELETE => {
            Ok(of_job(AskedOfJobs::Cancel((*id).to_owned())))
        }
        Place::Explain if posts => {
            let (value, defect) = object(body);
            Ok(explain(Explain::Request(value), defect))
        }
        Place::PolicyTests if posts => {
            let (value, defect) = object(body);
            Ok(explain(Explain::PolicyTests(value), defect))
        }
        Place::Metrics if reads => Ok(one(Interaction::Metrics, None)),
        Place::UserInfo
        | Place::HealthDetails
        | Place::TestPolicy
        | Place::TestMatcho
        | Place::TestToken
        | Place::Decision(_)
        | Place::Explain
        | Place::PolicyTests
        | Place::Shadow
        | Place::Jobs
        | Place::Job(_)
        | Place::Token
        | Place::Metrics => Err(Refusal::NotServed(NotServed::Method)),
    }
}

fn one(interaction: Interaction, defect: Option<Issue>) -> Asked {
    Asked::One(Box::new(Routed { interaction, defect }))
}

fn explain(asked: Explain, defect: Option<Issue>) -> Asked {
    one(Interaction::Explain(asked), defect)
}

fn of_job(asked: AskedOfJobs) -> Asked {
    one(Interaction::Jobs(asked), None)
}

fn object(body: Body) -> (Value, Option<Issue>) {
    match body {
        Body::Json(value @ Value::Object(_)) => (value, None),
        Body::Defective(defect) => (Value::Null, Some(defect)),
        Body::Json(_) | Body::Empty | Body::Form(_) => {
            (Value::Null, Some(Issue::error("structure", "the body is not a JSON object")))
        }
    }
}

/// The token of `{token}`.
fn sent_token(body: Body) -> (SentToken, Option<Issue>) {
    let (mut value, defect) = object(body);
    match value.get_mut("token").map(Value::take) {
        Some(Value::String(token)) => (SentToken::new(token), defect),
        _ => {
            let missing = Issue::error("required", "`token` is missing or not a text");
            (SentToken::new(String::new()), defect.or(Some(missing)))
        }
    }
}

/// A Bundle, or an array of our own resources (`PUT /`). What is wrong with the envelope can be
/// told to anybody: it is about what the client sent alone.
fn bundle(method: &Method, body: Body, reading: ReadBundle<'_>) -> Result<Asked, Refusal> {
    let value = match (method, body) {
        (&Method::POST, Body::Json(bundle @ Value::Object(_))) => bundle,
        (&Method::PUT, Body::Json(Value::Array(items))) => {
            bundle_of_array(items).map_err(Refusal::BadRequest)?
        }
        (&Method::POST | &Method::PUT, Body::Defective(defect)) => {
            return Err(Refusal::BadRequest(defect));
        }
        (&Method::POST, _) => {
            let text = "the body is not a Bundle of type `batch` or `transaction`";
            return Err(Refusal::BadRequest(Issue::error("structure", text)));
        }
        (&Method::PUT, _) => {
            let text = "the body is not an array of this server's own resources";
            return Err(Refusal::BadRequest(Issue::error("structure", text)));
        }
        _ => return Err(Refusal::NotServed(NotServed::Method)),
    };
    reading.read(value).map(Asked::Bundle).map_err(Refusal::BadRequest)
}

/// The parameter by which a policy is saved whatever its tests say.
const FORCE: &str = "force=true";

/// Whether policies are saved whatever their tests say: of a Bundle, its own URL says it.
pub(crate) fn force(query: Option<&str>) -> Force {
    let says_so = query.unwrap_or_default().split('&').any(|part| part == FORCE);
    if says_so { Force::Yes } else { Force::No }
}

/// The query of a write, without what is about the tests of policies and no condition.
fn without_force(path: &str, query: &str) -> String {
    let of = path.split('/').next().unwrap_or_default();
    if !matches!(of, "AccessPolicy" | "AccessPolicyTest") {
        return query.to_owned();
    }
    query.split('&').filter(|part| *part != FORCE).collect::<Vec<_>>().join("&")
}

const IF_NONE_EXIST: HeaderName = HeaderName::from_static("if-none-exist");

/// The value of a header field; one that is no text, or is sent twice, is one that nothing has.
fn header<'w>(words: &Words<'w>, name: &HeaderName) -> Option<&'w str> {
    let mut values = words.headers.get_all(name).iter();
    let first = values.next()?;
    let text = if values.next().is_some() { None } else { first.to_str().ok() };
    Some(text.unwrap_or("?"))
}

/// A condition on a write that this server does not serve.
fn unserved_condition(words: &Words<'_>, reads: bool) -> Option<&'static str> {
    let conditions = [
        (IF_NONE_MATCH, "If-None-Match"),
        (IF_MODIFIED_SINCE, "If-Modified-Since"),
        (IF_UNMODIFIED_SINCE, "If-Unmodified-Since"),
    ];
    let sent = conditions.into_iter().find(|(name, _)| words.headers.contains_key(name));
    sent.filter(|_| !reads).map(|(_, name)| name)
}

/// `Prefer: handling=` (RFC 7240).
pub(crate) fn handling(headers: &HeaderMap) -> Handling {
    let strict = headers
        .get_all("prefer")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split([',', ';']))
        .any(|preference| preference.trim().eq_ignore_ascii_case("handling=strict"));
    if strict { Handling::Strict } else { Handling::Lenient }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_routes_are_these_and_no_others() {
        let paths: Vec<&str> = PUBLIC.iter().map(|(path, _)| *path).collect();
        assert_eq!(
            paths,
            [
                "/health/live",
                "/health/ready",
                "/fhir/metadata",
                "/.well-known/oauth-protected-resource",
                "/.well-known/oauth-protected-resource/fhir",
                "/.well-known/smart-configuration",
                "/fhir/.well-known/smart-configuration",
                "/auth/token",
            ]
        );
        assert_eq!(public(&Method::GET, "/auth/token", false), None);
        assert_eq!(public(&Method::POST, "/auth/token", true), Some(Public::Token));
        assert_eq!(public(&Method::POST, "/.well-known/smart-configuration", false), None);
        assert_eq!(public(&Method::GET, "/health/ready", true), None);
        assert_eq!(public(&Method::POST, "/fhir/metadata", false), None);
        assert_eq!(public(&Method::GET, "/fhir/metadata/", false), None);
        assert_eq!(public(&Method::HEAD, "/fhir/metadata", true), Some(Public::Capabilities));
    }

    #[test]
    fn a_path_has_one_place() {
        for (path, place) in [
            ("/", Ok(Place::Base)),
            ("/fhir", Ok(Place::Base)),
            ("/fhir/", Ok(Place::Base)),
            ("/fhir/Patient/1", Ok(Place::Fhir("Patient/1"))),
            ("/fhir//", Ok(Place::Fhir("/"))),
            ("/User/1", Ok(Place::Own("User/1"))),
            ("/User", Ok(Place::Own("User"))),
            ("/$matcho", Ok(Place::TestMatcho)),
            ("/%24matcho", Err(NotServed::BadPath)),
            ("/Patient/1", Err(NotServed::NotFound)),
            ("/user/1", Err(NotServed::NotFound)),
            ("/%55ser/1", Err(NotServed::BadPath)),
            ("/FHIR/Patient", Err(NotServed::NotFound)),
            ("//fhir/Patient", Err(NotServed::BadPath)),
            ("/fhir;x/Patient", Err(NotServed::BadPath)),
            ("/auth/userinfo/", Err(NotServed::BadPath)),
            ("*", Err(NotServed::BadPath)),
        ] {
            assert_eq!(Place::of(path), place, "{path}");
        }
    }
}
