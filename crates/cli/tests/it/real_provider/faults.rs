//! A real provider whose key set cannot be had: its old keys go on, and nobody waits.

use std::time::Duration;

use firewarden_testkit::RealProvider;
use serde_json::json;
use tempfile::TempDir;

use super::server;

#[tokio::test(flavor = "multi_thread")]
async fn real_provider_keys_go_on_while_its_key_set_fails() {
    let Some(provider) = RealProvider::start().await.unwrap() else { return };
    for mode in ["500", "garbage", "empty", "hang"] {
        let home = TempDir::new().unwrap();
        let server = server(&provider, &home).await;
        let known = provider.client_credentials("urn:jwt:RS256").await.unwrap();
        server.site.bearer(&known, "GET /fhir/Patient").await.is(200);

        provider.answer_jwks(mode).await.unwrap();
        let asked = provider.requests_to("jwks").await.unwrap();
        let unknown = provider.mint("RS256", json!({"kid": "never"}), json!({})).await.unwrap();
        let unknown = server.site.bearer(&unknown, "GET /fhir/Patient").into_future();
        let unknown = tokio::spawn(unknown);
        while provider.requests_to("jwks").await.unwrap() == asked {
            tokio::task::yield_now().await;
        }
        // Tokens that were never seen, by keys that were: also while the fetch is under way.
        for algorithm in ["RS256", "ES256", "EdDSA"] {
            let resource = format!("urn:jwt:{algorithm}");
            let fresh = provider.client_credentials(&resource).await.unwrap();
            server.site.bearer(&fresh, "GET /fhir/Patient").await.is(200);
        }
        assert!(mode != "hang" || !unknown.is_finished(), "who asked with known keys waited");
        let unknown = unknown.await.unwrap().is(503);
        assert!(unknown.header("retry-after").is_some(), "{mode}");
        server.site.bearer(&known, "GET /fhir/Patient").await.is(200);
        provider.answer_jwks("ok").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn real_provider_whose_keys_were_never_had_is_503_and_never_believed() {
    let Some(provider) = RealProvider::start().await.unwrap() else { return };
    for mode in ["500", "garbage", "empty"] {
        provider.answer_jwks(mode).await.unwrap();
        let home = TempDir::new().unwrap();
        let server = server(&provider, &home).await;
        let token = provider.client_credentials("urn:jwt:RS256").await.unwrap();
        let answer = server.site.bearer(&token, "GET /fhir/Patient").await.is(503);
        assert!(answer.header("retry-after").is_some(), "{mode}");
        provider.answer_jwks("ok").await.unwrap();
        loop {
            let answer = server.site.bearer(&token, "GET /fhir/Patient").await;
            match answer.status {
                200 => break,
                status => assert_eq!(status, 503, "{mode}: {answer:?}"),
            }
            // The next attempt is made a second after the one that failed.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
