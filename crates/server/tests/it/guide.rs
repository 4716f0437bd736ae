//! The guide, word for word: an external provider, a policy, a user, and a guarded answer.

use firewarden_testkit::{compact, hmac_token};
use serde_json::json;

use crate::harness::{TestServer, claims, now_s};

const INTROSPECTOR: &str = "\
resourceType: TokenIntrospector
id: external-auth-server
type: jwt
jwt:
  iss: https://auth.example.com
  secret: very-secret
";
const POLICY: &str = "\
resourceType: AccessPolicy
id: external-auth-server
engine: json-schema
schema:
  required: [jwt]
  properties:
    jwt:
      required: [iss]
      properties:
        iss:
          constant: https://auth.example.com
";
const USER: &str = "\
data:
  id: basic
  sub: basic
  email: basic@example.com
";
/// The issuer of the guide.
const ISSUER: &str = "https://auth.example.com";
/// The token that the guide prints; it has expired.
const PRINTED: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJPbmxpbmUgSldUIEJ1aWxkZXIiLCJpYXQiOjE2NTc4ODA4NjMsImV4cCI6MTY4OTQxNjg2MywiYXVkIjoid3d3LmV4YW1wbGUuY29tIiwic3ViIjoianJvY2tldEBleGFtcGxlLmNvbSIsIkdpdmVuTmFtZSI6IkpvaG5ueSIsIlN1cm5hbWUiOiJSb2NrZXQiLCJFbWFpbCI6Impyb2NrZXRAZXhhbXBsZS5jb20iLCJSb2xlIjpbIk1hbmFnZXIiLCJQcm9qZWN0IEFkbWluaXN0cmF0b3IiXX0.TvlrkjPfNAATDW6tHOcgRh3ZNl2tYpUPkFBS_UjU6TY";

async fn guided() -> TestServer {
    let server = TestServer::start().await;
    for (path, text) in [
        ("/TokenIntrospector/external-auth-server", INTROSPECTOR),
        ("/AccessPolicy/external-auth-server", POLICY),
        ("/User/some-user-id", USER),
    ] {
        for status in [201, 200] {
            server.root(&format!("PUT {path}")).yaml(text).await.is(status);
        }
    }
    server
}

fn signed(secret: &str, claims: &serde_json::Value) -> String {
    hmac_token("HS256", secret.as_bytes(), &json!({}), claims)
}

#[tokio::test]
async fn the_guide_ends_in_a_guarded_answer() {
    let server = guided().await;
    let token = signed("very-secret", &claims(ISSUER, "basic"));
    let answer = server.bearer(&token, "GET /fhir/Patient").await.is(200);
    assert_eq!(answer.at("/resourceType"), "Bundle");
    assert_eq!(answer.at("/type"), "searchset");
    let who = server.bearer(&token, "GET /auth/userinfo").await.is(200);
    assert_eq!(who.at("/user/id"), "some-user-id");
    assert_eq!(who.at("/user/data/email"), "basic@example.com");
    assert_eq!(who.at("/introspector/id"), "external-auth-server");
}

#[tokio::test]
async fn a_token_that_is_not_sound_is_refused() {
    let server = guided().await;
    let sound = claims(ISSUER, "basic");
    let expired = json!({"iss": ISSUER, "sub": "basic", "exp": now_s() - 1});
    let unsigned = compact(r#"{"alg":"none","typ":"JWT"}"#, &sound.to_string(), |_| Vec::new());
    let endless = json!({"iss": ISSUER, "sub": "basic"});
    for (what, token) in [
        ("wrong signature", signed("another secret", &sound)),
        ("expired", signed("very-secret", &expired)),
        ("unknown issuer", signed("very-secret", &claims("https://unknown.example.com", "basic"))),
        (
            "another spelling of the issuer",
            signed("very-secret", &claims(&format!("{ISSUER}/"), "basic")),
        ),
        ("algorithm none", unsigned),
        ("no expiry", signed("very-secret", &endless)),
        ("the printed one, its issuer unknown", PRINTED.to_owned()),
        ("nothing", String::new()),
        ("not a token", "a.b.c".to_owned()),
    ] {
        let answer = server.bearer(&token, "GET /fhir/Patient").await;
        assert_eq!(answer.status, 401, "{what}: {answer:?}");
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(challenge.starts_with("Bearer") && challenge.contains("invalid_token"), "{what}");
    }
    let answer = server.ask("GET /fhir/Patient").await.is(401);
    assert!(!answer.header("www-authenticate").unwrap().contains("error"));
}

#[tokio::test]
async fn the_printed_token_has_expired_though_its_issuer_is_trusted() {
    let server = guided().await;
    let printed = "qwertyuiopasdfghjklzxcvbnm123456";
    let trusted = |id: &str| {
        let jwt = json!({"iss": "Online JWT Builder", "secret": printed});
        json!({"resourceType": "TokenIntrospector", "id": id, "type": "jwt", "jwt": jwt})
    };
    server.put(trusted("printed")).await;
    server.bearer(PRINTED, "GET /auth/userinfo").await.is(401);
    // With the same claims and a later end it is another token, and sound.
    let later = signed(printed, &claims("Online JWT Builder", "jrocket@example.com"));
    server.bearer(&later, "GET /auth/userinfo").await.is(200);
}

#[tokio::test]
async fn a_sound_token_of_another_trusted_issuer_is_forbidden() {
    let server = guided().await;
    let jwt = json!({"iss": "https://other.example.com", "secret": "other-secret"});
    let other =
        json!({"resourceType": "TokenIntrospector", "id": "other", "type": "jwt", "jwt": jwt});
    server.put(other).await;
    let token = signed("other-secret", &claims("https://other.example.com", "basic"));
    server.bearer(&token, "GET /fhir/Patient").await.is(403);
    server.bearer(&token, "GET /auth/userinfo").await.is(200);
}

#[tokio::test]
async fn without_its_policy_a_sound_token_is_forbidden() {
    let server = guided().await;
    let token = signed("very-secret", &claims(ISSUER, "basic"));
    server.bearer(&token, "GET /fhir/Patient").await.is(200);
    server.delete("/AccessPolicy/external-auth-server").await;
    server.bearer(&token, "GET /fhir/Patient").await.is(403);
}
