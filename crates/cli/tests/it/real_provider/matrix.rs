//! Every asymmetric algorithm of two providers of different code bases: tokens that are sound, and
//! tokens with one fault.

use firewarden_testkit::RealProvider;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{tampered, trusting};
use crate::http::Site;

const ALGORITHMS: [&str; 10] =
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"];
const LONG_AGO: i64 = 1_600_000_000;

/// Asks with each of the tokens of one algorithm, given with what is to be answered.
async fn hold(site: &Site, algorithm: &str, tokens: &[(&str, u16, String)]) {
    for (of, status, token) in tokens {
        let answer = site.bearer(token, "GET /fhir/Patient").await;
        assert_eq!(answer.status, *status, "{algorithm} {of}: {answer:?}");
        if *status == 401 {
            let challenge = answer.header("www-authenticate").unwrap();
            assert!(challenge.contains("error=\"invalid_token\""), "{algorithm} {of}: {challenge}");
        }
    }
}

/// The tokens of one algorithm that a provider signs with the claims it is told.
async fn minted(provider: &RealProvider, algorithm: &str) -> Vec<(&'static str, u16, String)> {
    let mint = async |claims: Value| provider.mint(algorithm, json!({}), claims).await.unwrap();
    let sound = mint(json!({})).await;
    vec![
        ("tampered", 401, tampered(&sound)),
        ("sound", 200, sound),
        ("expired", 401, mint(json!({"exp": LONG_AGO})).await),
        ("endless", 401, mint(json!({"exp": null})).await),
        ("for another", 401, mint(json!({"aud": "urn:another"})).await),
        ("for nobody", 401, mint(json!({"aud": null})).await),
        ("of another", 401, mint(json!({"iss": format!("{}/", provider.issuer())})).await),
    ]
}

fn audiences() -> Vec<String> {
    ALGORITHMS.iter().map(|algorithm| format!("urn:jwt:{algorithm}")).collect()
}

/// The two ways to the keys of a provider.
fn ways(provider: &RealProvider) -> [Value; 2] {
    let jwt = json!({"iss": provider.issuer(), "aud": audiences()});
    [json!({"jwt": jwt, "jwks_uri": provider.jwks_uri()}), json!({"jwt": jwt, "discovery": true})]
}

#[tokio::test(flavor = "multi_thread")]
async fn real_provider_matrix_of_algorithms_and_faults() {
    let Some(provider) = RealProvider::start().await.unwrap() else { return };
    for members in ways(&provider) {
        let home = TempDir::new().unwrap();
        let server = trusting(&provider, &home, members).await;
        for algorithm in ALGORITHMS {
            let resource = format!("urn:jwt:{algorithm}");
            let issued = provider.client_credentials(&resource).await.unwrap();
            let mut tokens = minted(&provider, algorithm).await;
            tokens.push(("tampered as issued", 401, tampered(&issued)));
            tokens.push(("as issued", 200, issued));
            hold(&server.site, algorithm, &tokens).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn real_provider_of_another_code_base_passes_the_same_matrix() {
    let Some(provider) = RealProvider::start_other().await.unwrap() else { return };
    for members in ways(&provider) {
        let home = TempDir::new().unwrap();
        let server = trusting(&provider, &home, members).await;
        for algorithm in ALGORITHMS {
            hold(&server.site, algorithm, &minted(&provider, algorithm).await).await;
        }
        // By its token endpoint, for an audience that is not ours.
        let issued = provider.client_credentials("urn:jwt:RS256").await.unwrap();
        server.site.bearer(&issued, "GET /fhir/Patient").await.is(401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn real_provider_tokens_are_held_to_the_algorithms_of_the_introspector() {
    let Some(provider) = RealProvider::start().await.unwrap() else { return };
    let home = TempDir::new().unwrap();
    let jwt = json!({"iss": provider.issuer(), "algorithms": ["ES256"], "typ": "at+jwt"});
    let members = json!({"jwt": jwt, "discovery": true});
    let server = trusting(&provider, &home, members).await;
    let (es256, rs256) = ("urn:jwt:ES256", "urn:jwt:RS256");
    let allowed = provider.client_credentials(es256).await.unwrap();
    server.site.bearer(&allowed, "GET /fhir/Patient").await.is(200);
    let other = provider.client_credentials(rs256).await.unwrap();
    server.site.bearer(&other, "GET /fhir/Patient").await.is(401);
    let id_token = provider.mint("ES256", json!({"typ": "JWT"}), json!({})).await.unwrap();
    server.site.bearer(&id_token, "GET /fhir/Patient").await.is(401);
}
