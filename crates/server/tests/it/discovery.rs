//! What a client learns before it has a token.

use serde_json::{Value, json};

use crate::harness::{SECRET, TestServer};

const PUBLIC_URL: (&str, &str) = ("PUBLIC_URL", "https://fhir.example.com");

async fn server() -> TestServer {
    let allow = ("OUTBOUND_ALLOW", "idp.internal, 127.0.0.1");
    let server = TestServer::with(&[PUBLIC_URL, allow]).await;
    let introspector = |id: &str, more: Value| {
        let mut content = json!({"resourceType": "TokenIntrospector", "id": id, "type": "jwt"});
        content.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        content
    };
    for (id, more) in [
        (
            "keycloak-of-ward-7",
            json!({"jwt": {"iss": "https://id.example.com/realms/a"}, "jwks_uri": "http://idp.internal:8080/jwks"}),
        ),
        ("b", json!({"jwt": {"iss": "https://auth.example.com", "secret": SECRET}})),
        ("c", json!({"jwt": {"iss": "http://10.1.2.3:8080/", "secret": SECRET}})),
        ("d", json!({"jwt": {"iss": "an issuer by name", "secret": SECRET}})),
        (
            "e",
            json!({"jwt": {"iss": "https://old.example.com", "secret": SECRET}, "active": false}),
        ),
    ] {
        server.put(introspector(id, more)).await;
    }
    server
}

const DOCUMENTS: [&str; 4] = [
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-protected-resource/fhir",
    "/.well-known/smart-configuration",
    "/fhir/.well-known/smart-configuration",
];

#[tokio::test]
async fn the_documents_say_whose_tokens_are_trusted() {
    let server = server().await;
    let issuers = json!(["https://auth.example.com", "https://id.example.com/realms/a"]);
    let resource = |below: &str| {
        json!({
            "resource": format!("https://fhir.example.com{below}"),
            "resource_name": "Firewarden",
            "authorization_servers": issuers,
            "bearer_methods_supported": ["header"],
        })
    };
    let smart = json!({
        "token_endpoint": "https://fhir.example.com/auth/token",
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "grant_types_supported": ["client_credentials"],
        "code_challenge_methods_supported": [],
        "capabilities": ["client-confidential-symmetric"],
        "authorization_servers": issuers,
    });
    let expected = [resource(""), resource("/fhir"), smart.clone(), smart];
    for (path, expected) in DOCUMENTS.iter().zip(expected) {
        let ask = server.ask(&format!("GET {path}")).header("accept", "text/yaml");
        let answer = ask.await.is(200);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.json(), expected, "{path}");
    }
}

#[tokio::test]
async fn the_documents_tell_nothing_else() {
    let server = server().await;
    for path in DOCUMENTS {
        let text = server.ask(&format!("GET {path}")).await.is(200).text;
        for hidden in [
            "internal",
            "10.1.2.3",
            "ward-7",
            "old.example",
            "root",
            "127.0.0.1",
            "version",
            "by name",
        ] {
            assert!(!text.contains(hidden), "{path}: {hidden} in {text}");
        }
    }
}

#[tokio::test]
async fn a_change_of_trust_is_told_at_once() {
    let server = server().await;
    server.delete("/TokenIntrospector/b").await;
    let answer = server.ask(&format!("GET {}", DOCUMENTS[1])).await.is(200);
    assert_eq!(answer.at("/authorization_servers"), json!(["https://id.example.com/realms/a"]));
}

#[tokio::test]
async fn a_refused_client_is_pointed_to_them() {
    let server = server().await;
    for (line, below) in
        [("GET /fhir/Patient", "/fhir"), ("POST /fhir", "/fhir"), ("GET /User", ""), ("GET /", "")]
    {
        let answer = server.ask(line).await.is(401);
        let url = format!("https://fhir.example.com/.well-known/oauth-protected-resource{below}");
        let expected = format!("Bearer resource_metadata=\"{url}\"");
        assert_eq!(answer.header("www-authenticate"), Some(expected.as_str()), "{line}");
        let path = url.strip_prefix("https://fhir.example.com").unwrap();
        let metadata = server.ask(&format!("GET {path}")).await.is(200);
        let resource = format!("https://fhir.example.com{below}");
        assert_eq!(metadata.at("/resource"), resource.as_str());
    }
}
