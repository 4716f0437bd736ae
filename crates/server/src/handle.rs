//! One HTTP request, taken apart for the pipeline and put together again.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use firewarden_fhir::Issue;
use firewarden_fhir::request::{Body as ReadBody, NotServed};
use firewarden_identity::Credentials;
use firewarden_interactions::bundle::ReadBundle;
use firewarden_interactions::{Failure, Installation, capability_statement};
use http::header::{AUTHORIZATION, CONTENT_ENCODING};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::Value;

use crate::app::{App, new_id};
use crate::arrival::{self, Peer, RequestId, X_CLIENT_AUTH};
use crate::audit::AuditRecord;
use crate::body::{self, NotCollected};
use crate::configuration::Snapshot;
use crate::endpoints::TokenRefusal;
use crate::failure::Refusal;
use crate::media::{self, Form};
use crate::pipeline::{Answer, authenticate, serve};
use crate::respond::Writing;
use crate::route::{self, Place, Public, Words};
use crate::{attempts, endpoints, limits};

/// Answers one request.
pub(crate) async fn handle(
    app: Arc<App>,
    peer: Peer,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let began = monotonic_now();
    let request_id = RequestId::new();
    let (parts, body) = request.into_parts();
    let head_only = parts.method == Method::HEAD;
    let has_credential =
        parts.headers.contains_key(AUTHORIZATION) || parts.headers.contains_key(X_CLIENT_AUTH);
    let query = parts.uri.query().unwrap_or_default();
    let path = parts.uri.path();
    let place = Place::of(path);
    let public = route::public(&parts.method, path, has_credential);
    let form = public.and_then(own_form).or_else(|| media::asked_for(&parts.headers, query));
    let writing = Writing {
        form: form.unwrap_or(Form::FhirJson),
        root: matches!(place, Ok(Place::Own(_))) || (path == "/" && parts.method == Method::PUT),
        public_url: &app.public_url,
        path,
        request_id,
        has_credential,
    };
    let mut audit = AuditRecord::new(request_id, &parts.method);
    let asking = Asking { app: &app, parts: &parts, peer, form_is_known: form.is_some() };
    let response = match public {
        Some(Public::Token) => asking.token(body, &writing, &mut audit).await,
        Some(public) => {
            audit.operation("Public");
            let (status, text) = public_answer(&app, public).await;
            writing.json(status, text)
        }
        None => asking.decided(body, place, &writing, &mut audit).await,
    };
    app.meters.request(audit.asked_operation(), response.status(), began.elapsed());
    without_body_of_head(response, head_only)
}

/// A time that only goes forward, to measure by.
#[expect(clippy::disallowed_methods, reason = "the server is where the clock is read")]
fn monotonic_now() -> Instant {
    Instant::now()
}

/// The form of answers that OAuth defines, whatever is asked for.
fn own_form(public: Public) -> Option<Form> {
    match public {
        Public::ProtectedResource { .. } | Public::SmartConfiguration | Public::Token => {
            Some(Form::Json)
        }
        Public::Live | Public::Ready | Public::Capabilities => None,
    }
}

async fn public_answer(app: &App, public: Public) -> (StatusCode, String) {
    match public {
        Public::Live => endpoints::live(),
        Public::Ready => endpoints::ready(app).await,
        Public::Capabilities => {
            let statement = capability_statement(&Installation {
                public_url: &app.public_url,
                software_version: env!("CARGO_PKG_VERSION"),
                cors: !app.settings.cors_origins.is_empty(),
            });
            (StatusCode::OK, statement.to_string())
        }
        Public::ProtectedResource { below } => {
            discovered(app, |snapshot| endpoints::protected_resource(app, snapshot, below)).await
        }
        Public::SmartConfiguration => {
            discovered(app, |snapshot| endpoints::smart_configuration(app, snapshot)).await
        }
        // A token is answered where the body is read, and never comes here.
        Public::Token => (StatusCode::METHOD_NOT_ALLOWED, "{}".to_owned()),
    }
}

/// A document of the configuration as it is now.
async fn discovered(
    app: &App,
    document: impl FnOnce(&Snapshot) -> Value + Send,
) -> (StatusCode, String) {
    match app.configuration.current().await {
        Ok(snapshot) => (StatusCode::OK, document(&snapshot).to_string()),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "{}".to_owned()),
    }
}

/// An answer to HEAD has the status and the header fields of GET.
fn without_body_of_head(response: Response<Full<Bytes>>, head_only: bool) -> Response<Full<Bytes>> {
    if head_only { response.map(|_| Full::default()) } else { response }
}

/// A request, with what it takes to answer it.
struct Asking<'a> {
    app: &'a App,
    parts: &'a Parts,
    peer: Peer,
    form_is_known: bool,
}

impl Asking<'_> {
    /// The answer to what is decided.
    async fn decided(
        &self,
        body: Incoming,
        place: Result<Place<'_>, NotServed>,
        writing: &Writing<'_>,
        audit: &mut AuditRecord,
    ) -> Response<Full<Bytes>> {
        let work = self.answer(body, place, audit);
        let answer = match tokio::time::timeout(limits::REQUEST_S_MAX, work).await {
            Ok(answer) => answer,
            Err(_) => Err(Refusal::TimedOut),
        };
        let why = answer.as_ref().err().and_then(Refusal::for_log);
        let response = match answer {
            Ok(answer) => writing.answer(Ok(answer)),
            Err(refusal) => writing.answer(Err(&refusal)),
        };
        self.note(&response, why.as_deref(), audit);
        response
    }

    /// The answer to a client that asks for a token.
    async fn token(
        &self,
        body: Incoming,
        writing: &Writing<'_>,
        audit: &mut AuditRecord,
    ) -> Response<Full<Bytes>> {
        audit.operation("IssueToken");
        let proxies = &self.app.settings.trusted_proxies;
        let (address, _) = arrival::origin(&self.parts.headers, self.peer, proxies);
        let from = attempts::Place::of(address);
        let work = endpoints::token(self.app, self.parts, body, from, audit);
        let answer = match tokio::time::timeout(limits::REQUEST_S_MAX, work).await {
            Ok(answer) => answer,
            Err(_) => Err(TokenRefusal::Unavailable { retry_after_s: 1, why: "timeout".into() }),
        };
        let why = answer.as_ref().err().and_then(TokenRefusal::for_log);
        let answer = answer.unwrap_or_else(|refusal| refusal.answer());
        let response = writing.token(answer);
        self.note(&response, why.as_deref(), audit);
        response
    }

    /// Notes the decision, in the log and in the counts.
    fn note(&self, response: &Response<Full<Bytes>>, why: Option<&str>, audit: &AuditRecord) {
        audit.event(response.status(), why);
        audit.count(&self.app.meters);
    }

    async fn answer(
        &self,
        body: Incoming,
        place: Result<Place<'_>, NotServed>,
        audit: &mut AuditRecord,
    ) -> Result<Answer, Refusal> {
        let Self { app, parts, .. } = self;
        arrival::check(parts)?;
        let authorization: Vec<&[u8]> =
            parts.headers.get_all(AUTHORIZATION).iter().map(|value| value.as_bytes()).collect();
        let client_auth: Vec<&[u8]> =
            parts.headers.get_all(X_CLIENT_AUTH).iter().map(|value| value.as_bytes()).collect();
        let credentials = Credentials::from_headers(&authorization).with_client_auth(&client_auth);
        let base_url = app.base_url.as_str();
        let facts = arrival::facts(parts, self.peer, &app.settings.trusted_proxies, base_url);
        let facts = Arc::new(facts);
        let mut anonymous = true;
        if body.size_hint().exact() != Some(0) {
            // A body is only read of callers whose credential is accepted, by the configuration as
            // it is now: a provider that was trusted a moment ago counts already.
            app.configuration.current().await.map_err(Failure::from)?;
            let caller = authenticate(app, &credentials, &facts, crate::app::now(), audit).await?;
            anonymous = caller.is_anonymous();
        }
        // Nobody sends a Bundle of that size without saying who sends it.
        let is_bundle = matches!(place, Ok(Place::Base)) && !anonymous;
        let limit =
            if is_bundle { app.settings.bundle_bytes_max } else { app.settings.body_bytes_max };
        let size = self.size_of(&body, limit);
        let _room = app.body_memory.room(anonymous, size).await;
        let bytes = body::collect(body, &parts.headers, limit).await;
        let asked = |now, query: Option<&str>| {
            if !self.form_is_known {
                return Err(Refusal::NotAcceptable);
            }
            let place = place.as_ref().map_err(|not_served| Refusal::NotServed(*not_served))?;
            let body = self.read(&bytes)?;
            let handling = route::handling(&parts.headers);
            let reading = ReadBundle { base_url, now, handling, new_id };
            route::asked(place, &self.words(query), body, reading)
        };
        serve(app, &credentials, &facts, asked, audit).await
    }

    fn words<'a>(&'a self, query: Option<&'a str>) -> Words<'a> {
        Words {
            method: &self.parts.method,
            query: query.unwrap_or_default(),
            headers: &self.parts.headers,
        }
    }

    /// How many bytes the body will have, as far as its header fields tell.
    fn size_of(&self, body: &Incoming, limit: usize) -> usize {
        let told = body.size_hint().upper().and_then(|size| usize::try_from(size).ok());
        let told = told.filter(|_| !self.parts.headers.contains_key(CONTENT_ENCODING));
        told.unwrap_or(limit).min(limit)
    }

    /// The body, read. Why it could not be had is told after the caller is known.
    fn read(&self, bytes: &Result<Bytes, NotCollected>) -> Result<ReadBody, Refusal> {
        match bytes {
            Ok(bytes) => {
                media::read_body(&self.parts.headers, bytes).map_err(|_| Refusal::MediaType)
            }
            Err(NotCollected::TooLarge) => Err(Refusal::TooLarge),
            Err(NotCollected::Broken) => {
                let issue = Issue::error("invalid", "the body did not arrive whole");
                Err(Refusal::BadRequest(issue))
            }
            Err(NotCollected::Unreadable) => Err(Refusal::MediaType),
        }
    }
}
