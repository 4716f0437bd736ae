//! Reads what a `TokenIntrospector` says of its endpoint, and of who its tokens speak for.

use std::time::Duration;

use firewarden_fhir::Id;
use reqwest::header::HeaderValue;
use serde_json::{Map, Value};

use super::Asked;
use super::reading::{Masked, Reader};
use crate::secrets::MASK;
use crate::{OutboundAllow, limits};

const URL: &str = "introspection_endpoint.url";
const AUTHORIZATION: &str = "introspection_endpoint.authorization";

/// Whether an introspector asks an endpoint instead of verifying signatures.
pub(super) fn is_opaque(content: &Map<String, Value>) -> bool {
    content.get("type").is_some_and(|kind| kind == "opaque")
}

/// The `IdentityProvider` that a reference names.
pub(crate) fn provider_of(reference: &Value) -> Option<Id> {
    let text = reference.get("reference")?.as_str()?;
    text.strip_prefix("IdentityProvider/").and_then(Id::parse)
}

impl Reader {
    /// The endpoint of an introspector of opaque tokens.
    pub(super) fn endpoint(
        &mut self,
        content: &Map<String, Value>,
        jwt: &Map<String, Value>,
        masked: Masked<'_>,
        outbound: &OutboundAllow,
    ) -> Option<Asked> {
        for (members, name, path) in [
            (jwt, "secret", "jwt.secret"),
            (jwt, "keys", "jwt.keys"),
            (jwt, "typ", "jwt.typ"),
            (jwt, "algorithms", "jwt.algorithms"),
            (content, "jwks_uri", "jwks_uri"),
            (content, "discovery", "discovery"),
        ] {
            if members.get(name).is_some_and(|value| *value != Value::Bool(false)) {
                let text =
                    format!("`{path}` belongs to `type: jwt`; an endpoint judges the tokens");
                self.error("invariant", path, text);
            }
        }
        let kept_for = self
            .whole_number(content, ("cache_ttl", ""), 1..=limits::CACHE_TTL_S_MAX)
            .unwrap_or(limits::CACHE_TTL_S_DEFAULT);
        if kept_for > limits::ANSWER_AGE_S_ADVISED {
            let text = format!(
                "a token that its provider revokes is accepted for up to {kept_for} s more; set `cache_ttl` to {} or less",
                limits::ANSWER_AGE_S_ADVISED
            );
            self.warn("cache_ttl", &text);
        }
        let empty = Map::new();
        let endpoint = self.object(content, "introspection_endpoint", "").unwrap_or(&empty);
        for (name, path) in [("url", URL), ("authorization", AUTHORIZATION)] {
            if !endpoint.contains_key(name) {
                let text = format!("`{path}` is required by `type: opaque`");
                self.error("required", path, text);
            }
        }
        let url = self.endpoint_url(endpoint, outbound);
        let authorization = self.authorization(endpoint, masked);
        let kept_for = Duration::from_secs(kept_for);
        Some(Asked { url: url?, authorization: authorization?, kept_for })
    }

    fn endpoint_url(
        &mut self,
        endpoint: &Map<String, Value>,
        outbound: &OutboundAllow,
    ) -> Option<url::Url> {
        let text = self.text(endpoint, "url", "introspection_endpoint.")?;
        match outbound.url(text) {
            Ok(url) => {
                if url.scheme() == "http" {
                    let text = "what is sent by `http:` can be read on its way: every token, and the credential; use `https:`";
                    self.warn(URL, text);
                }
                Some(url)
            }
            Err(fault) => {
                self.error("value", URL, format!("`{URL}` {fault}"));
                None
            }
        }
    }

    fn authorization(
        &mut self,
        endpoint: &Map<String, Value>,
        masked: Masked<'_>,
    ) -> Option<HeaderValue> {
        let text = self.text(endpoint, "authorization", "introspection_endpoint.")?;
        let bytes = match masked {
            Masked::Sealed(_) if text == MASK => {
                masked.sealed("/introspection_endpoint/authorization")
            }
            Masked::Kept | Masked::Sealed(_) => text.as_bytes(),
        };
        let fits = (1..=limits::SECRET_BYTES_MAX).contains(&bytes.len());
        let value = HeaderValue::from_bytes(bytes).ok().filter(|_| fits);
        let Some(mut value) = value else {
            let most = limits::SECRET_BYTES_MAX;
            let text = format!(
                "`{AUTHORIZATION}` must be the value of an `Authorization` header, of 1 to {most} bytes"
            );
            self.error("value", AUTHORIZATION, text);
            return None;
        };
        value.set_sensitive(true);
        Some(value)
    }

    /// What is bound to an issuer needs one that is written here: an endpoint's word is not enough.
    pub(super) fn issuer_for(&mut self, needing: [(&str, bool); 2], jwt: &Map<String, Value>) {
        for (path, _) in needing.iter().filter(|(_, is_set)| *is_set) {
            if !jwt.contains_key("iss") {
                let text = format!("`jwt.iss` is required by `{path}`: the `iss` of the answers");
                self.error("required", "jwt.iss", text);
            }
        }
    }

    /// The provider under whose system users are found too.
    pub(super) fn identity_provider(&mut self, content: &Map<String, Value>) -> Option<Id> {
        let provider = provider_of(content.get("identity_provider")?);
        if provider.is_none() {
            let text =
                "`identity_provider` must be a reference: `{reference: \"IdentityProvider/x\"}`";
            self.error("value", "identity_provider", text);
        }
        provider
    }

    /// The claim that names a `Client`.
    pub(super) fn client_claim(&mut self, content: &Map<String, Value>) -> Option<String> {
        let client = self.object(content, "client", "")?;
        self.text(client, "claim", "client.").map(str::to_owned)
    }

    /// Whether a `User` is made for a subject that has none.
    pub(super) fn creates_users(&mut self, user: &Map<String, Value>) -> bool {
        match user.get("create") {
            None | Some(Value::Bool(false)) => false,
            Some(Value::Bool(true)) => true,
            Some(_) => {
                self.error("value", "user.create", "`user.create` must be true or false");
                false
            }
        }
    }
}
