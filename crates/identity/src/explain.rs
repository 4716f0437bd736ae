//! Why a token is accepted or not, check by check, for the operator.

mod claims;
mod keys;
mod opaque;

use firewarden_access::Caller;
use firewarden_fhir::{Id, Timestamp};
use serde_json::{Map, Value};

use crate::directory::Directory;
use crate::identity::Trusted;
use crate::inspect;
use crate::introspection::{Destination, destination};
use crate::unauthenticated::{Check, Unauthenticated};
use crate::unverified::Unverified;
use crate::{Identity, limits, session};

/// The check that some introspector vouches for the issuer, as the log names it.
const ISSUER: &str = "issuer";

/// How a token was judged. For whoever configures trust: it tells of introspectors and claims, and
/// never shows a token or a secret.
#[derive(Clone, Debug)]
pub struct TokenTrace {
    /// The introspector that counts for the token.
    pub introspector: Option<Id>,
    /// Every check that was made, in order. The first that failed is why a token is refused.
    pub checks: Vec<CheckResult>,
    /// Whether a request with it has a caller.
    pub accepted: bool,
    /// The `User` it speaks for.
    pub user: Option<Id>,
    /// The `Client` it speaks for.
    pub client: Option<Id>,
}

/// One check of a token.
#[derive(Clone, Debug)]
pub struct CheckResult {
    /// Its name, as in the log: [`Unauthenticated::check`].
    pub check: &'static str,
    /// Whether it held.
    pub passed: bool,
    /// What was expected and what the token says.
    pub detail: String,
}

/// The checks made so far.
#[derive(Default)]
struct Checks {
    made: Vec<CheckResult>,
}

impl Checks {
    fn add(&mut self, check: &'static str, passed: bool, detail: impl Into<String>) {
        self.made.push(CheckResult { check, passed, detail: detail.into() });
    }

    fn add_result(&mut self, check: Check, result: Result<(), Check>, detail: impl Into<String>) {
        self.add(check.label(), result.is_ok(), detail);
    }

    fn names(&self, check: &str) -> bool {
        self.made.iter().any(|made| made.check == check && !made.passed)
    }
}

impl Identity {
    /// Judges a token as a request with it would be judged, and says what came of every check.
    /// Nothing is written, though keys may be fetched.
    pub async fn explain(
        &self,
        token: &str,
        directory: &dyn Directory,
        now: Timestamp,
    ) -> TokenTrace {
        let mut checks = Checks::default();
        let trusted = self.trusted();
        let introspector = if session::is_ours(token) {
            let told = "by its form it is a token that this server issued to a client of its own";
            checks.add("form", true, told);
            None
        } else if let Some(asking) = trusted.asking_about(token) {
            opaque::explain(&trusted, asking, token, now, &mut checks).await
        } else if let Some(unverified) = form(token, &mut checks) {
            explain_jwt(&trusted, &unverified, now, &mut checks).await
        } else {
            None
        };
        let judged = if session::is_ours(token) {
            session::caller(token, directory, now).await
        } else {
            match self.verify(token, now).await {
                Ok(verified) => self.caller(&verified, directory).await,
                Err(refusal) => Err(refusal),
            }
        };
        if let Err(refusal) = &judged
            && !checks.names(refusal.check())
        {
            checks.add(refusal.check(), false, refused(refusal));
        }
        if let Ok(caller) = &judged {
            if session::is_ours(token) {
                checks.add(Check::Session.label(), true, found_session(caller));
            } else {
                checks.add("user", true, found_user(caller));
            }
            if let Some(client) = caller.client.as_ref().and_then(|client| client.get("id")) {
                checks.add("client", true, format!("it speaks for the `Client` {client}"));
            }
        }
        let caller = judged.ok();
        let id = |resource: Option<&Map<String, Value>>| {
            resource.and_then(|resource| Id::parse(resource.get("id")?.as_str()?))
        };
        TokenTrace {
            introspector,
            checks: checks.made,
            accepted: caller.is_some(),
            user: caller.as_ref().and_then(|caller| id(caller.user.as_deref())),
            client: caller.as_ref().and_then(|caller| id(caller.client.as_deref())),
        }
    }
}

/// Finds out who vouches for a JWT, and makes every check of it.
async fn explain_jwt(
    trusted: &Trusted,
    unverified: &Unverified<'_>,
    now: Timestamp,
    checks: &mut Checks,
) -> Option<Id> {
    let issuer = unverified.claims.get("iss").and_then(Value::as_str);
    let trustee = issuer.and_then(|issuer| trusted.by_issuer.get(issuer));
    let Some(trustee) = trustee else {
        let trusted = issuers(trusted);
        let trusted = if trusted.is_empty() { "none".to_owned() } else { trusted.join(", ") };
        let said = shown(unverified.claims.get("iss"));
        let told = format!(
            "no active introspector has exactly this `iss`: the token says {said}; trusted are: {trusted}"
        );
        let check = issuer.map_or(Check::Issuer.label(), |_| ISSUER);
        checks.add(check, false, told);
        return None;
    };
    let introspector = &trustee.introspector;
    let trust = introspector.trust.as_ref()?;
    let told = format!("the introspector `{}` has this `iss`", introspector.id);
    checks.add(ISSUER, true, told);
    claims::of_jwt(&trust.demands, unverified, now, checks);
    keys::explain(trust, trustee.keys.as_ref(), unverified, checks).await;
    Some(introspector.id.clone())
}

/// The issuers that are trusted, each with the id of its introspector.
fn issuers(trusted: &Trusted) -> Vec<String> {
    let named = trusted.by_issuer.iter();
    let mut named: Vec<String> = named
        .map(|(issuer, trustee)| format!("`{issuer}` (`{}`)", trustee.introspector.id))
        .collect();
    named.sort();
    named
}

/// The checks of a token's form, up to the first that fails.
fn form<'t>(token: &'t str, checks: &mut Checks) -> Option<Unverified<'t>> {
    const OF_FORM: [Check; 10] = [
        Check::Length,
        Check::Parts,
        Check::Encoding,
        Check::Header,
        Check::Critical,
        Check::Algorithm,
        Check::KeyId,
        Check::Type,
        Check::Claims,
        Check::Signature,
    ];
    // What can be compared with the introspector is told there.
    const TOLD_LATER: [Check; 4] = [Check::Algorithm, Check::KeyId, Check::Type, Check::Signature];
    let read = Unverified::read(token);
    let failed = read.as_ref().err().copied();
    for check in OF_FORM {
        if failed == Some(check) {
            checks.add_result(check, Err(check), expected_form(check, token));
            break;
        }
        if !TOLD_LATER.contains(&check) {
            checks.add_result(check, Ok(()), expected_form(check, token));
        }
    }
    read.ok()
}

fn expected_form(check: Check, token: &str) -> String {
    let header = |name: &str| {
        let decoded = inspect::decode(token).ok();
        shown(decoded.as_ref().and_then(|decoded| decoded.header.get(name)))
    };
    if check == Check::Length {
        return format!("at most {} bytes; it has {}", limits::TOKEN_BYTES_MAX, token.len());
    }
    if check == Check::Parts {
        let told = format!("three parts; it has {}", token.split('.').count());
        return if destination(token) == Destination::Opaque {
            format!("{told}; no active introspector asks an endpoint about other tokens")
        } else {
            told
        };
    }
    if check == Check::Algorithm {
        let served = crate::Algorithm::ALL.map(crate::Algorithm::name).join(", ");
        return format!("`alg` is one of {served}; the token says {}", header("alg"));
    }
    if check == Check::KeyId {
        let most = limits::KEY_ID_BYTES_MAX;
        return format!("`kid` is a text of 1 to {most} bytes; the token says {}", header("kid"));
    }
    if check == Check::Type {
        return format!("`typ` is a text; the token says {}", header("typ"));
    }
    let expected = if check == Check::Encoding {
        "each part is base64url without padding"
    } else if check == Check::Header {
        "the header is a JSON object without duplicate members"
    } else if check == Check::Critical {
        "the header has neither `crit` nor `b64`"
    } else if check == Check::Claims {
        "the claims are a JSON object without duplicate members"
    } else {
        "the signature is not empty"
    };
    expected.to_owned()
}

/// What is told of a refusal that no single check has told yet.
fn refused(refusal: &Unauthenticated) -> String {
    refusal.retry_after_s().map_or_else(
        || refusal.to_string(),
        |seconds| format!("{refusal}: to be tried again after {seconds} s"),
    )
}

fn found_user(caller: &Caller) -> String {
    let id = caller.user.as_ref().and_then(|user| user.get("id")).and_then(Value::as_str);
    match id {
        Some(id) => format!("it speaks for `User/{id}` with {} active Role(s)", caller.roles.len()),
        None => {
            "no `User` that counts for its introspector is found; a request goes on without one"
                .to_owned()
        }
    }
}

fn found_session(caller: &Caller) -> String {
    let session = caller.session.token_id.as_deref().unwrap_or_default();
    let ends = caller.session.expires_at.map(|at| at.to_string()).unwrap_or_default();
    format!("`Session/{session}` is there, and ends at {ends}")
}

/// A claim as it is shown: JSON, cut short.
fn shown(value: Option<&Value>) -> String {
    let Some(value) = value else {
        return "nothing".to_owned();
    };
    let text = value.to_string();
    let mut short: String = text.chars().take(limits::SHOWN_CHARS_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("`{short}`")
}
