//! Reads the content of a `TokenIntrospector`, and says of every fault how to mend it.

use std::time::Duration;

use firewarden_fhir::Issue;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::endpoint::is_opaque;
use super::{KeyOrigin, KeySetPlace, Trust, attributes};
use crate::claims::{Demands, media_type};
use crate::keys::VerificationKey;
use crate::secrets::MASK;
use crate::{Algorithm, OutboundAllow, limits};

/// An introspector that can be saved.
pub(super) struct Reading {
    pub(super) trust: Trust,
    pub(super) active: bool,
    pub(super) warnings: Vec<Issue>,
}

/// What stands behind a mask in a secret's place.
#[derive(Clone, Copy)]
pub(super) enum Masked<'s> {
    /// The content is about to be saved: a mask keeps what was checked when it was set.
    Kept,
    /// The content is stored: what was sealed for it, by JSON Pointer.
    Sealed(&'s [(String, Zeroizing<Vec<u8>>)]),
}

impl<'s> Masked<'s> {
    /// The secret sealed for that place; empty, which no secret is, if there is none.
    pub(super) fn sealed(self, pointer: &str) -> &'s [u8] {
        let Self::Sealed(secrets) = self else {
            return &[];
        };
        let sealed = secrets.iter().find(|(of, _)| of == pointer);
        sealed.map(|(_, secret)| secret.as_slice()).unwrap_or_default()
    }
}

/// Reads an introspector.
pub(super) fn read(
    content: &Map<String, Value>,
    masked: Masked<'_>,
    outbound: &OutboundAllow,
) -> Result<Reading, Vec<Issue>> {
    let empty = Map::new();
    let mut reader = Reader { errors: attributes::unknown(content), warnings: Vec::new() };
    let jwt = reader.object(content, "jwt", "").unwrap_or(&empty);
    let user = reader.object(content, "user", "").unwrap_or(&empty);
    reader.check_type(content);
    let active = reader.flag(content, "active").unwrap_or(true);
    let issuer = reader.text(jwt, "iss", "jwt.");
    let subjects_are_ids = reader.user_match(user);
    let demands = reader.demands(jwt, user);
    let client_claim = reader.client_claim(content);
    let creates_users = reader.creates_users(user);
    let identity_provider = reader.identity_provider(content);
    let enforces_scopes = reader.enforces_scopes(content);
    let keys = if is_opaque(content) {
        let needs_issuer =
            [("client.claim", client_claim.is_some()), ("user.create", creates_users)];
        reader.issuer_for(needs_issuer, jwt);
        reader.endpoint(content, jwt, masked, outbound).map(KeyOrigin::Endpoint)
    } else {
        reader.required_issuer(jwt);
        reader.no_endpoint(content);
        reader.keys(content, jwt, masked, outbound)
    };
    match keys {
        Some(keys) if reader.errors.is_empty() => Ok(Reading {
            trust: Trust {
                issuer: issuer.map(str::to_owned),
                keys,
                demands,
                subjects_are_ids,
                identity_provider,
                system: None,
                client_claim,
                creates_users,
                enforces_scopes,
            },
            active,
            warnings: reader.warnings,
        }),
        _ => Err(reader.errors),
    }
}

pub(super) struct Reader {
    errors: Vec<Issue>,
    warnings: Vec<Issue>,
}

impl Reader {
    pub(super) fn error(&mut self, code: &'static str, path: &str, text: impl Into<String>) {
        self.errors.push(Issue::error(code, text).at(format!("TokenIntrospector.{path}")));
    }

    pub(super) fn warn(&mut self, path: &str, text: &str) {
        let issue = Issue::warning("security", text);
        self.warnings.push(issue.at(format!("TokenIntrospector.{path}")));
    }

    pub(super) fn object<'c>(
        &mut self,
        members: &'c Map<String, Value>,
        name: &str,
        above: &str,
    ) -> Option<&'c Map<String, Value>> {
        let value = members.get(name)?;
        if value.as_object().is_none() {
            let path = format!("{above}{name}");
            self.error("value", &path, format!("`{path}` must be an object"));
        }
        value.as_object()
    }

    /// A text that is not empty.
    pub(super) fn text<'c>(
        &mut self,
        members: &'c Map<String, Value>,
        name: &str,
        above: &str,
    ) -> Option<&'c str> {
        let text = members.get(name)?.as_str().filter(|text| !text.is_empty());
        if text.is_none() {
            let path = format!("{above}{name}");
            self.error("value", &path, format!("`{path}` must be a string that is not empty"));
        }
        text
    }

    fn flag(&mut self, members: &Map<String, Value>, name: &str) -> Option<bool> {
        let flag = members.get(name)?.as_bool();
        if flag.is_none() {
            self.error("value", name, format!("`{name}` must be true or false"));
        }
        flag
    }

    pub(super) fn whole_number(
        &mut self,
        members: &Map<String, Value>,
        (name, above): (&str, &str),
        range: std::ops::RangeInclusive<u64>,
    ) -> Option<u64> {
        let number = members.get(name)?.as_u64().filter(|number| range.contains(number));
        if number.is_none() {
            let path = format!("{above}{name}");
            let (least, most) = range.into_inner();
            self.error(
                "value",
                &path,
                format!("`{path}` must be a whole number of seconds from {least} to {most}"),
            );
        }
        number
    }

    /// A list of texts; one text stands for a list of one.
    fn texts<'c>(&mut self, members: &'c Map<String, Value>, name: &str) -> Option<Vec<&'c str>> {
        let texts = match members.get(name)? {
            Value::String(one) => Some(vec![one.as_str()]),
            Value::Array(many) => many.iter().map(Value::as_str).collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
        };
        let fits = |texts: &Vec<&str>| {
            (1..=limits::LIST_ENTRIES_MAX).contains(&texts.len())
                && texts.iter().all(|text| !text.is_empty())
        };
        let texts = texts.filter(fits);
        if texts.is_none() {
            let most = limits::LIST_ENTRIES_MAX;
            self.error(
                "value",
                &format!("jwt.{name}"),
                format!("`jwt.{name}` must be a string or a list of 1 to {most} strings"),
            );
        }
        texts
    }

    fn check_type(&mut self, content: &Map<String, Value>) {
        match content.get("type") {
            None => self.error("required", "type", "`type` is required: `jwt` or `opaque`"),
            Some(Value::String(kind)) if kind == "jwt" || kind == "opaque" => {}
            Some(Value::String(kind)) if kind == "aspxauth" => self.error(
                "not-supported",
                "type",
                "`type: aspxauth` is not served; use `jwt` or `opaque`",
            ),
            Some(_) => self.error("value", "type", "`type` must be `jwt` or `opaque`"),
        }
    }

    fn required_issuer(&mut self, jwt: &Map<String, Value>) {
        if !jwt.contains_key("iss") {
            self.error("required", "jwt.iss", "`jwt.iss` is required: the `iss` of the tokens");
        }
    }

    fn no_endpoint(&mut self, content: &Map<String, Value>) {
        if content.contains_key("introspection_endpoint") {
            let text = "`introspection_endpoint` belongs to `type: opaque`";
            self.error("invariant", "introspection_endpoint", text);
        }
    }

    fn enforces_scopes(&mut self, content: &Map<String, Value>) -> bool {
        match content.get("scopes").map(Value::as_str) {
            None | Some(Some("ignore")) => false,
            Some(Some("enforce")) => true,
            Some(_) => {
                self.error("value", "scopes", "`scopes` must be `enforce` or `ignore`");
                // Never read as `ignore`.
                true
            }
        }
    }

    fn user_match(&mut self, user: &Map<String, Value>) -> bool {
        let by = self.text(user, "match", "user.");
        if by.is_some_and(|by| by != "id") {
            self.error("value", "user.match", "`user.match` must be `id`");
        }
        by == Some("id")
    }

    fn demands(&mut self, jwt: &Map<String, Value>, user: &Map<String, Value>) -> Demands {
        let owned = |texts: Option<Vec<&str>>| -> Vec<String> {
            texts.unwrap_or_default().into_iter().map(str::to_owned).collect()
        };
        let number = |number: Option<u64>| number.and_then(|number| u32::try_from(number).ok());
        let audiences = owned(self.texts(jwt, "aud"));
        if !jwt.contains_key("aud") {
            self.warn(
                "jwt.aud",
                "without `jwt.aud` a token that the issuer made for another service is accepted here; set it to this server's name in `aud`",
            );
        }
        let leeway = self.whole_number(jwt, ("leeway", "jwt."), 0..=limits::LEEWAY_S_MAX);
        let age = self.whole_number(jwt, ("max_age", "jwt."), 1..=limits::TOKEN_AGE_S_MAX);
        Demands {
            typ: self.text(jwt, "typ", "jwt.").map(media_type),
            audiences,
            leeway_s: number(leeway).unwrap_or_default(),
            age_s_max: number(age),
            required: owned(self.texts(jwt, "required_claims")),
            user_claim: self.text(user, "claim", "user.").map(str::to_owned),
        }
    }

    fn keys(
        &mut self,
        content: &Map<String, Value>,
        jwt: &Map<String, Value>,
        masked: Masked<'_>,
        outbound: &OutboundAllow,
    ) -> Option<KeyOrigin> {
        let kept_for = self
            .whole_number(content, ("cache_ttl", ""), 1..=limits::CACHE_TTL_S_MAX)
            .unwrap_or(limits::CACHE_TTL_S_DEFAULT);
        self.flag(content, "discovery");
        let sources = key_sources(content, jwt);
        match sources.as_slice() {
            ["jwt.secret"] => {
                let algorithms = self.algorithms(jwt, Algorithm::is_symmetric, "jwt.secret");
                let key = self.secret(jwt, masked)?;
                Some(KeyOrigin::Secret(VerificationKey::of_secret(key, &algorithms)))
            }
            ["jwt.keys"] => self.static_keys(jwt, masked).map(KeyOrigin::Static),
            [source @ ("jwks_uri" | "discovery")] => {
                let asymmetric = |algorithm: Algorithm| !algorithm.is_symmetric();
                let algorithms = self.algorithms(jwt, asymmetric, source);
                let place = match *source {
                    "jwks_uri" => KeySetPlace::At(self.jwks_uri(content, outbound)?),
                    _ => self.discovered(jwt, outbound)?,
                };
                let kept_for = Duration::from_secs(kept_for);
                Some(KeyOrigin::KeySet { place, kept_for, algorithms })
            }
            [] => {
                let text = "a key source is required: `jwt.secret`, `jwt.keys`, `jwks_uri` or `discovery: true`";
                self.error("required", "jwt.secret", text);
                None
            }
            [_] => None,
            [first, second, ..] => {
                let text = format!("`{first}` and `{second}` exclude each other; leave one out");
                self.error("invariant", second, text);
                None
            }
        }
    }

    pub(super) fn algorithms(
        &mut self,
        jwt: &Map<String, Value>,
        fits: fn(Algorithm) -> bool,
        source: &str,
    ) -> Vec<Algorithm> {
        let Some(names) = self.texts(jwt, "algorithms") else {
            return Algorithm::ALL.into_iter().filter(|algorithm| fits(*algorithm)).collect();
        };
        let mut algorithms = Vec::new();
        for name in names {
            match Algorithm::parse(name) {
                Some(algorithm) if fits(algorithm) => algorithms.push(algorithm),
                _ => {
                    let served = Algorithm::ALL.into_iter().filter(|algorithm| fits(*algorithm));
                    let served: Vec<&str> = served.map(Algorithm::name).collect();
                    let text = format!(
                        "`{name}` is not an algorithm for `{source}`; use some of {}",
                        served.join(", ")
                    );
                    self.error("value", "jwt.algorithms", text);
                }
            }
        }
        algorithms
    }

    /// The secret's bytes: those of the content, or, where it is masked, those that were sealed.
    fn secret<'s>(&mut self, jwt: &'s Map<String, Value>, masked: Masked<'s>) -> Option<&'s [u8]> {
        let text = self.text(jwt, "secret", "jwt.")?;
        let bytes = match masked {
            Masked::Kept if text == MASK => return Some(text.as_bytes()),
            Masked::Sealed(_) if text == MASK => masked.sealed("/jwt/secret"),
            Masked::Kept | Masked::Sealed(_) => text.as_bytes(),
        };
        if bytes.is_empty() || bytes.len() > limits::SECRET_BYTES_MAX {
            let most = limits::SECRET_BYTES_MAX;
            let text = format!("`jwt.secret` must be 1 to {most} bytes long");
            self.error("value", "jwt.secret", text);
            return None;
        }
        if bytes.len() < limits::SECRET_BYTES_ADVISED {
            self.warn(
                "jwt.secret",
                "the secret is shorter than 32 bytes and can be guessed from one token; use 32 random bytes or more",
            );
        }
        Some(bytes)
    }

    fn jwks_uri(
        &mut self,
        content: &Map<String, Value>,
        outbound: &OutboundAllow,
    ) -> Option<url::Url> {
        let text = self.text(content, "jwks_uri", "")?;
        self.outbound_url(text, "jwks_uri", outbound)
    }

    /// Where a provider says where its keys are: below its issuer (OpenID Connect Discovery 1.0
    /// section 4).
    fn discovered(
        &mut self,
        jwt: &Map<String, Value>,
        outbound: &OutboundAllow,
    ) -> Option<KeySetPlace> {
        const PATH: &str = "/.well-known/openid-configuration";
        let issuer = self.text(jwt, "iss", "jwt.")?;
        if issuer.contains(['?', '#']) {
            let text = "`jwt.iss` has a query or fragment: there is no discovery below it";
            self.error("value", "jwt.iss", text);
            return None;
        }
        let text = format!("{}{PATH}", issuer.strip_suffix('/').unwrap_or(issuer));
        let url = self.outbound_url(&text, "jwt.iss", outbound)?;
        Some(KeySetPlace::Discovered { issuer: issuer.to_owned(), at: url })
    }

    fn outbound_url(
        &mut self,
        text: &str,
        path: &str,
        outbound: &OutboundAllow,
    ) -> Option<url::Url> {
        match outbound.url(text) {
            Ok(url) => {
                if url.scheme() == "http" {
                    let text = "keys fetched by `http:` can be replaced on their way; use `https:`";
                    self.warn(path, text);
                }
                Some(url)
            }
            Err(fault) => {
                self.error("value", path, format!("`{path}` {fault}"));
                None
            }
        }
    }
}

fn key_sources(content: &Map<String, Value>, jwt: &Map<String, Value>) -> Vec<&'static str> {
    let mut sources = Vec::new();
    for (members, name, path) in [
        (jwt, "secret", "jwt.secret"),
        (content, "jwks_uri", "jwks_uri"),
        (jwt, "keys", "jwt.keys"),
        (content, "discovery", "discovery"),
    ] {
        if members.get(name).is_some_and(|value| *value != Value::Bool(false)) {
            sources.push(path);
        }
    }
    sources
}
