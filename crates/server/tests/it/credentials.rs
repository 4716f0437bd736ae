//! Where a credential is read from, and where it is not.

use serde_json::json;

use crate::harness::{TestServer, allow_user, token};

async fn server() -> TestServer {
    let server = TestServer::start().await;
    server.trust().await;
    server.put(json!({"resourceType": "User", "id": "alice", "data": {"sub": "alice"}})).await;
    server.put(allow_user("alice")).await;
    server
}

#[tokio::test]
async fn a_scheme_is_read_in_any_case() {
    let server = server().await;
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let value = format!("{scheme} {}", token("alice"));
        let ask = server.ask("GET /fhir/Patient").header("authorization", &value);
        ask.await.is(200);
    }
    let basic = server.root.replacen("Basic", "basic", 1);
    server.ask("GET /fhir/Patient").header("authorization", &basic).await.is(200);
}

#[tokio::test]
async fn what_is_no_credential_is_never_taken_for_none() {
    let server = server().await;
    // With this policy everybody may read, but not who sends a bad credential.
    server
        .put(json!({
            "resourceType": "AccessPolicy", "id": "open", "engine": "json-schema",
            "schema": {"required": ["request-method"], "properties": {"request-method": {"const": "get"}}},
        }))
        .await;
    server.ask("GET /fhir/Patient").await.is(200);
    let token = token("alice");
    for value in [
        "",
        "Bearer",
        "Bearer ",
        "Digest x",
        &token,
        &format!("Token {token}"),
        &format!("Bearer {token} x"),
        &format!("Bearer, {token}"),
        "Basic",
        "Basic !",
        "Basic cm9vdDp3cm9uZw==",
        "Basic cm9vdDo=",
    ] {
        let answer = server.ask("GET /fhir/Patient").header("authorization", value).await;
        assert_eq!(answer.status, 401, "{value}: {answer:?}");
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(challenge.contains("error=\"invalid_token\""), "{value}: {challenge}");
    }
}

#[tokio::test]
async fn two_credentials_are_none() {
    let server = server().await;
    let sound = format!("Bearer {}", token("alice"));
    for (first, second) in [(&sound, &sound), (&sound, &server.root), (&server.root, &sound)] {
        let ask = server.ask("GET /fhir/Patient").header("authorization", first);
        ask.header("authorization", second).await.is(400);
    }
}

#[tokio::test]
async fn a_token_in_a_query_or_a_form_is_no_credential() {
    let server = server().await;
    let token = token("alice");
    let in_query = server.ask(&format!("GET /fhir/Patient?access_token={token}")).await.is(401);
    assert!(!in_query.header("www-authenticate").unwrap().contains("error"), "{in_query:?}");
    let form = format!("access_token={token}");
    server.ask("POST /fhir/Patient/_search").form(&form).await.is(401);
    // Beside a credential it is a parameter that means nothing, and is not repeated.
    let answer = server.root("POST /fhir/Patient/_search").form(&form).await.is(200);
    assert!(!answer.text.contains(&token), "{answer:?}");
    let line = format!("GET /fhir/Patient?access_token={token}");
    let answer = server.root(&line).await.is(200);
    assert!(!answer.text.contains(&token), "{answer:?}");
}

#[tokio::test]
async fn a_cookie_is_no_credential() {
    let server = server().await;
    let cookie = format!("access_token={}; session={}", token("alice"), token("alice"));
    server.ask("GET /fhir/Patient").header("cookie", &cookie).await.is(401);
}

#[tokio::test]
async fn a_client_needs_the_grant_type_and_a_secret() {
    let server = server().await;
    let client = |id: &str, more: serde_json::Value| {
        let mut client = json!({"resourceType": "Client", "id": id});
        client.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        client
    };
    let basic = json!(["basic"]);
    server.put(client("good", json!({"secret": "s3cret", "grant_types": basic}))).await;
    server.put(client("grant", json!({"secret": "s3cret", "grant_types": ["password"]}))).await;
    server.put(client("bare", json!({"grant_types": basic}))).await;
    server
        .put(client("off", json!({"secret": "s3cret", "grant_types": basic, "active": false})))
        .await;
    server.put(client("hashed", json!({"secret": "$s0$x", "grant_types": basic}))).await;
    let encoded = |id: &str, secret: &str| {
        use base64::Engine as _;
        let text = format!("{id}:{secret}");
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text))
    };
    for (id, secret, status) in [
        ("good", "s3cret", 200),
        ("good", "wrong", 401),
        ("good", "", 401),
        ("good", "***", 401),
        ("grant", "s3cret", 401),
        ("bare", "", 401),
        ("bare", "***", 401),
        ("off", "s3cret", 401),
        ("hashed", "$s0$x", 401),
        ("never", "s3cret", 401),
    ] {
        let ask = server.ask("GET /auth/userinfo").header("authorization", &encoded(id, secret));
        let answer = ask.await;
        assert_eq!(answer.status, status, "{id}:{secret} {answer:?}");
        if status == 200 {
            assert_eq!(answer.at("/client/id"), id);
            assert!(!answer.text.contains("secret"), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn a_batch_does_not_outlive_a_right_that_was_taken_away() {
    let server = TestServer::start().await;
    server.trust().await;
    server.put(json!({"resourceType": "User", "id": "alice", "data": {"sub": "alice"}})).await;
    let role = json!({"resourceType": "Role", "id": "r", "name": "clerk", "user": {"reference": "User/alice"}});
    server.put(role).await;
    // What rights are made of is deleted by a policy that is meant for it.
    for (id, methods, uri) in [
        ("clerks", json!(["delete"]), "/Role/r"),
        ("late", json!(["get", "put"]), "/fhir/Patient/late"),
    ] {
        let properties = json!({"request-method": {"enum": methods}, "uri": {"const": uri}});
        let schema = json!({"required": ["request-method", "uri"], "properties": properties});
        server
            .put(json!({
                "resourceType": "AccessPolicy", "id": id, "engine": "json-schema",
                "roleName": "clerk", "schema": schema,
            }))
            .await;
    }
    let mut entries = vec![json!({"request": {"method": "DELETE", "url": "Role/r"}})];
    // More than are performed at one time, so that the last begin after the first has ended.
    entries.extend((0..40).map(|_| json!({"request": {"method": "GET", "url": "Patient/other"}})));
    entries.push(json!({"request": {"method": "GET", "url": "Patient/late"}}));
    entries.push(json!({
        "request": {"method": "PUT", "url": "Patient/late"},
        "resource": {"resourceType": "Patient", "id": "late"},
    }));
    let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": entries});
    let answer = server.bearer(&token("alice"), "POST /fhir").json(&batch).await.is(200);
    assert_eq!(answer.at("/entry/0/response/status"), "204 No Content");
    assert_eq!(answer.at("/entry/41/response/status"), "403 Forbidden");
    assert_eq!(answer.at("/entry/42/response/status"), "403 Forbidden");
}
