//! What a client is told of where to get tokens, before it has one.
//!
//! Public: the issuers that are trusted and this server's own URLs, and nothing else of its
//! configuration.

use firewarden_identity::Introspector;
use serde_json::{Value, json};
use url::{Host, Url};

use crate::app::App;
use crate::configuration::Snapshot;

/// `/.well-known/oauth-protected-resource` (RFC 9728), of the root or of what is below `/fhir`.
pub(crate) fn protected_resource(app: &App, snapshot: &Snapshot, below: &str) -> Value {
    json!({
        "resource": format!("{}{below}", app.public_url),
        "resource_name": "Firewarden",
        "authorization_servers": issuers(snapshot),
        "bearer_methods_supported": ["header"],
    })
}

/// `/.well-known/smart-configuration`
/// (<https://hl7.org/fhir/smart-app-launch/conformance.html>): what is served here itself, which is
/// tokens for local clients. Launching is the trusted providers' part.
pub(crate) fn smart_configuration(app: &App, snapshot: &Snapshot) -> Value {
    json!({
        "token_endpoint": format!("{}/auth/token", app.public_url),
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "grant_types_supported": ["client_credentials"],
        "code_challenge_methods_supported": [],
        "capabilities": ["client-confidential-symmetric"],
        "authorization_servers": issuers(snapshot),
    })
}

/// The URL that a refused client is pointed to.
pub(crate) fn metadata_url(public_url: &str, path: &str) -> String {
    let is_fhir = path == "/fhir" || path.starts_with("/fhir/");
    let below = if is_fhir { "/fhir" } else { "" };
    format!("{public_url}/.well-known/oauth-protected-resource{below}")
}

/// The issuers of active introspectors that a client can ask (RFC 8414 section 2): URLs, and not
/// of addresses inside.
fn issuers(snapshot: &Snapshot) -> Vec<&str> {
    let active = snapshot.introspectors.iter().filter(|introspector| introspector.is_active());
    let issuers = active.filter_map(Introspector::issuer);
    let mut issuers: Vec<&str> = issuers.filter(|issuer| can_be_asked(issuer)).collect();
    issuers.sort_unstable();
    issuers.dedup();
    issuers
}

fn can_be_asked(issuer: &str) -> bool {
    let Ok(url) = Url::parse(issuer) else {
        return false;
    };
    let named = matches!(url.host(), Some(Host::Domain(name)) if name != "localhost");
    let bare = url.query().is_none() && url.fragment().is_none();
    let anonymous = url.username().is_empty() && url.password().is_none();
    url.scheme() == "https" && named && bare && anonymous
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_issuer_that_can_be_asked_is_told() {
        for (issuer, told) in [
            ("https://id.example.com", true),
            ("https://id.example.com/realms/a", true),
            ("https://id.example.com:8443/", true),
            ("http://id.example.com", false),
            ("https://10.0.0.1/", false),
            ("https://[::1]/", false),
            ("https://localhost/", false),
            ("https://id.example.com/?a=b", false),
            ("https://user@id.example.com/", false),
            ("id.example.com", false),
            ("urn:issuer", false),
            ("", false),
        ] {
            assert_eq!(can_be_asked(issuer), told, "{issuer}");
        }
    }

    #[test]
    fn a_refused_client_is_pointed_to_the_resource_it_asked() {
        for (path, expected) in [
            ("/fhir", "https://a/.well-known/oauth-protected-resource/fhir"),
            ("/fhir/Patient", "https://a/.well-known/oauth-protected-resource/fhir"),
            ("/fhirx", "https://a/.well-known/oauth-protected-resource"),
            ("/User", "https://a/.well-known/oauth-protected-resource"),
        ] {
            assert_eq!(metadata_url("https://a", path), expected, "{path}");
        }
    }
}
