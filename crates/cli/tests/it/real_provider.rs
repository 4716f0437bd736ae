//! Real identity providers: what they vouch for, through the whole executable.

mod faults;
mod matrix;
mod rotation;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use firewarden_testkit::RealProvider;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::running::Server;

/// The token with the last byte of its signature changed.
fn tampered(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    // The bytes, not the text: the last characters may hold bits that mean nothing.
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(bytes))
}

async fn server(provider: &RealProvider, home: &TempDir) -> Server {
    let keys = json!({"jwt": {"iss": provider.issuer()}, "jwks_uri": provider.jwks_uri()});
    trusting(provider, home, keys).await
}

/// A server that trusts a provider by an introspector with these members.
async fn trusting(provider: &RealProvider, home: &TempDir, members: Value) -> Server {
    let environment =
        [("FIREWARDEN_OUTBOUND_ALLOW", provider.authority()), ("FIREWARDEN_LOG", "error")];
    let server = Server::start(home.path(), &environment).await;
    let mut introspector =
        json!({"resourceType": "TokenIntrospector", "id": "real", "type": "jwt"});
    introspector.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let vouched = json!({
        "required": ["jwt"],
        "properties": {"jwt": {
            "required": ["iss"],
            "properties": {"iss": {"constant": provider.issuer()}},
        }},
    });
    let policy = json!({
        "resourceType": "AccessPolicy", "id": "real", "engine": "json-schema", "schema": vouched,
    });
    server.site.put(introspector).await;
    server.site.put(policy).await;
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn real_provider_tokens_are_accepted_and_changed_ones_refused() {
    let Some(provider) = RealProvider::start().await.unwrap() else { return };
    let home = TempDir::new().unwrap();
    let server = server(&provider, &home).await;
    for resource in ["urn:jwt:RS256", "urn:jwt:ES256"] {
        let token = provider.client_credentials(resource).await.unwrap();
        let answer = server.site.bearer(&token, "GET /fhir/Patient").await.is(200);
        assert_eq!(answer.at("/type"), "searchset", "{resource}");
        server.site.bearer(&tampered(&token), "GET /fhir/Patient").await.is(401);
        server.site.bearer(&token, "GET /fhir/Patient").await.is(200);
    }
    // A token that no key of the set verifies is nobody's.
    for resource in ["urn:opaque", "urn:jwt:HS256"] {
        let token = provider.client_credentials(resource).await.unwrap();
        server.site.bearer(&token, "GET /fhir/Patient").await.is(401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn real_provider_rotation_costs_no_request() {
    let Some(provider) = RealProvider::start().await.unwrap() else { return };
    let home = TempDir::new().unwrap();
    let server = server(&provider, &home).await;
    let before = provider.client_credentials("urn:jwt:RS256").await.unwrap();
    server.site.bearer(&before, "GET /fhir/Patient").await.is(200);
    provider.rotate("RS256", false).await.unwrap();
    let after = provider.client_credentials("urn:jwt:RS256").await.unwrap();
    server.site.bearer(&after, "GET /fhir/Patient").await.is(200);
    // The key that is gone vouches no more, and the provider's failure changes nothing.
    server.site.bearer(&before, "GET /fhir/Patient").await.is(401);
    provider.answer_jwks("500").await.unwrap();
    server.site.bearer(&after, "GET /fhir/Patient").await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn real_provider_opaque_tokens_are_active_revoked_or_unknown() {
    let Some(provider) = RealProvider::start().await.unwrap() else { return };
    let home = TempDir::new().unwrap();
    let server = server(&provider, &home).await;
    server
        .site
        .put(json!({
            "resourceType": "TokenIntrospector", "id": "asks", "type": "opaque", "cache_ttl": 1,
            "introspection_endpoint": {
                "url": provider.introspection_endpoint(),
                "authorization": format!("Basic {}", STANDARD.encode("rs:rs-secret")),
            },
        }))
        .await;
    let token = provider.client_credentials("urn:opaque").await.unwrap();
    let asked = async |token: &str| server.site.bearer(token, "GET /auth/userinfo").await;
    let answer = asked(&token).await.is(200);
    // The provider answers a client's token without `sub`.
    assert_eq!(answer.at("/token/client_id"), "svc");
    assert!(answer.at("/user").is_null());
    asked("unknown").await.is(401);
    asked(&format!("{token}x")).await.is(401);
    // A signed token is verified, and the endpoint is not asked.
    let before = provider.requests_to("introspection").await.unwrap();
    let signed = provider.client_credentials("urn:jwt:RS256").await.unwrap();
    asked(&signed).await.is(200);
    asked(&tampered(&signed)).await.is(401);
    assert_eq!(provider.requests_to("introspection").await.unwrap(), before);

    provider.revoke(&token).await.unwrap();
    while asked(&token).await.status == 200 {
        // What is remembered ends a second after it was asked.
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    asked(&token).await.is(401);
    for mode in ["500", "garbage"] {
        provider.answer_introspection(mode).await.unwrap();
        let fresh = provider.client_credentials("urn:opaque").await.unwrap();
        let answer = asked(&fresh).await.is(503);
        assert!(answer.header("retry-after").is_some(), "{mode}");
        provider.answer_introspection("ok").await.unwrap();
        asked(&fresh).await.is(200);
    }
}
