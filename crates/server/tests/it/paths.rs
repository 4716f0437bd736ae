//! Requests that try to be read in two ways: the gate and the handler see the same one.

use serde_json::json;

use crate::harness::{TestServer, token};

async fn server() -> TestServer {
    let server = TestServer::start().await;
    server.trust().await;
    server.put(json!({"resourceType": "Patient", "id": "Z", "gender": "female"})).await;
    let policy = json!({
        "resourceType": "AccessPolicy", "id": "observations", "engine": "json-schema",
        "schema": {
            "required": ["jwt", "params"],
            "properties": {
                "params": {
                    "required": ["resource/type"],
                    "properties": {"resource/type": {"const": "Observation"}},
                },
            },
        },
    });
    server.put(policy).await;
    server
}

/// The status of a request with this request line and these header fields.
async fn status(server: &TestServer, line: &str, headers: &str) -> u16 {
    let request =
        format!("{line} HTTP/1.1\r\nHost: fhir.example.com\r\nConnection: close\r\n{headers}\r\n");
    let answer = server.raw(request).await;
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

#[tokio::test]
async fn a_path_that_is_not_canonical_names_nothing() {
    let server = server().await;
    let root = format!("Authorization: {}\r\n", server.root);
    let other = format!("Authorization: Bearer {}\r\n", token("someone"));
    assert_eq!(status(&server, "GET /fhir/Patient/Z", &root).await, 200);
    assert_eq!(status(&server, "GET /fhir/Patient/Z", &other).await, 403);
    for (path, expected) in [
        ("/fhir/%41ccessPolicy/observations", 400),
        ("/%41ccessPolicy/observations", 400),
        ("/fhir/Patient%2FZ", 400),
        ("/fhir/Patient/%5a", 400),
        ("/fhir/%50atient/Z", 400),
        ("/fhir/Observation/../Patient/Z", 400),
        ("/fhir/Observation/..%2fPatient/Z", 400),
        ("/fhir/Observation/%2e%2e/Patient/Z", 400),
        ("/fhir/Observation/..;a=b/Patient/Z", 400),
        ("/fhir/./Patient/Z", 400),
        ("/fhir//Patient/Z", 400),
        ("//fhir/Patient/Z", 400),
        ("/fhir/Patient\\Z", 400),
        ("/fhir\\Patient\\Z", 400),
        ("/fhir/Patient/Z/", 400),
        ("/fhir/Patient/", 400),
        ("/fhir/Patient;x/Z", 400),
        ("/fhir/Patient/Z;x", 400),
        ("/fhir/%2541ccessPolicy/observations", 400),
        ("/fhir/%c0%ae%c0%ae/Patient/Z", 400),
        ("/fhir/Patient/Z%00", 400),
        ("/fhir/Patient/Z%0d%0aX-Y:1", 400),
        ("/fhir/Patient/%ff", 400),
        ("/fhir/Patient/Z%20", 400),
        ("/fhir/Patient/%", 400),
        ("/fhir/patient/Z", 404),
        ("/FHIR/Patient/Z", 404),
        ("/fhir/Patient/z", 404),
        ("/Patient/Z", 404),
        ("/accesspolicy/observations", 404),
        ("/fhir/Patient/Z/_history/1/x", 404),
        ("/fhir/Patient/Z/_History", 404),
    ] {
        let line = format!("GET {path}");
        assert_eq!(status(&server, &line, &root).await, expected, "{path}");
        let theirs = status(&server, &line, &other).await;
        // A well-formed id of a type that is denied is refused before it is looked for.
        let expected = if path == "/fhir/Patient/z" { 403 } else { expected };
        assert_eq!(theirs, expected, "{path}");
        let anonymous = status(&server, &line, "").await;
        assert_eq!(anonymous, 401, "{path}");
    }
}

#[tokio::test]
async fn header_fields_never_change_what_is_asked() {
    let server = server().await;
    let other = format!("Authorization: Bearer {}\r\n", token("someone"));
    for field in [
        "X-Original-URL: /fhir/Observation",
        "X-Rewrite-URL: /fhir/Observation",
        "X-Forwarded-Prefix: /fhir/Observation",
        "X-Forwarded-Uri: /fhir/Observation",
        "X-HTTP-Method-Override: OPTIONS",
        "Range: bytes=0-10",
        "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT",
        "If-None-Match: W/\"1\"",
        "If-Match: W/\"7\"",
        "If-Range: W/\"1\"",
        "Accept: text/html",
        "Accept: application/fhir+xml, application/x-ndjson",
    ] {
        let headers = format!("{other}{field}\r\n");
        let found = status(&server, "GET /fhir/Patient/Z", &headers).await;
        let expected = if field.starts_with("Accept") { 406 } else { 403 };
        assert_eq!(found, expected, "{field}");
    }
}

#[tokio::test]
async fn the_target_of_a_request_may_be_absolute_and_is_the_same() {
    let server = server().await;
    let other = format!("Authorization: Bearer {}\r\n", token("someone"));
    for (target, expected) in [
        ("http://evil.example.com/fhir/Patient/Z", 403),
        ("http://evil.example.com/fhir/Observation", 200),
        ("http://fhir.example.com//fhir/Patient/Z", 400),
    ] {
        assert_eq!(status(&server, &format!("GET {target}"), &other).await, expected, "{target}");
    }
    let host = "Host: evil.example.com\r\n";
    let two_hosts = format!("{other}{host}");
    assert_eq!(status(&server, "GET /fhir/Patient/Z", &two_hosts).await, 400);
    assert_eq!(status(&server, "GET /fhir/Observation", &two_hosts).await, 400);
}

#[tokio::test]
async fn a_method_is_not_overridden() {
    let server = server().await;
    let patient = json!({"resourceType": "Patient"});
    for (name, value) in [("x-http-method-override", "DELETE"), ("x-http-method", "PUT")] {
        let ask = server.root("POST /fhir/Patient").header(name, value);
        ask.json(&patient).await.is(201);
    }
    // Not a condition that is served: refused rather than left out.
    server.root("POST /fhir/Patient?_method=PUT").json(&patient).await.is(400);
    for line in ["TRACE /fhir/Patient", "CONNECT /fhir/Patient", "patch /fhir/Patient/Z"] {
        let root = format!("Authorization: {}\r\n", server.root);
        let found = status(&server, line, &root).await;
        assert!(matches!(found, 400 | 405), "{line}: {found}");
    }
    server.root("GET /fhir/Patient/Z").await.is(200);
}

#[tokio::test]
async fn a_message_that_two_parsers_would_cut_differently_is_refused() {
    let server = server().await;
    let root = &server.root;
    let start = format!("POST /fhir/Patient HTTP/1.1\r\nHost: x\r\nAuthorization: {root}\r\n");
    let smuggled = "0\r\n\r\nGET /health/live HTTP/1.1\r\nHost: x\r\n\r\n";
    for (what, rest) in [
        (
            "length and chunks",
            format!("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n{smuggled}"),
        ),
        ("two lengths", "Content-Length: 5\r\nContent-Length: 6\r\n\r\n{   }x".to_owned()),
        ("a list of lengths", "Content-Length: 5, 6\r\n\r\n{   }x".to_owned()),
        ("a signed length", "Content-Length: +5\r\n\r\n{   }".to_owned()),
        ("an unknown encoding", format!("Transfer-Encoding: xchunked\r\n\r\n{smuggled}")),
        ("chunked not last", format!("Transfer-Encoding: chunked, identity\r\n\r\n{smuggled}")),
        ("a folded field", "X-A: b\r\n c\r\nContent-Length: 2\r\n\r\n{}".to_owned()),
        ("a blank before the colon", "Content-Length : 2\r\n\r\n{}".to_owned()),
        ("a field without a name", ": x\r\nContent-Length: 2\r\n\r\n{}".to_owned()),
        ("a NUL in a field", "X-A: b\0c\r\nContent-Length: 2\r\n\r\n{}".to_owned()),
        ("a CR in a field", "X-A: b\rc\r\nContent-Length: 2\r\n\r\n{}".to_owned()),
        ("a CR that ends a line", "X-A: b\rContent-Length: 2\r\n\r\n{}".to_owned()),
        (
            "an LF that ends a line",
            format!("X-A: b\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n{smuggled}"),
        ),
        (
            "an LF that ends a chunk's size",
            format!("Transfer-Encoding: chunked\r\n\r\n2\n{{}}\r\n{smuggled}"),
        ),
        (
            "an LF that ends a chunk",
            format!("Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\n{smuggled}"),
        ),
        (
            "an LF in a chunk's extension",
            format!("Transfer-Encoding: chunked\r\n\r\n2;a=\n\r\n{{}}\r\n{smuggled}"),
        ),
        (
            "a chunk's size that is none",
            format!("Transfer-Encoding: chunked\r\n\r\n0x2\r\n{{}}\r\n{smuggled}"),
        ),
    ] {
        let answer = server.raw(format!("{start}{rest}")).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{what}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{what}: {answer}");
    }
    for target in [
        "GET /fhir/Patient/Z \r\n",
        "GET\t/fhir/Patient/Z HTTP/1.1\r\n",
        "GET /fhir/Pat\u{e4}ient HTTP/1.1\r\n",
    ] {
        let answer = server.raw(format!("{target}Host: x\r\nConnection: close\r\n\r\n")).await;
        assert!(!answer.starts_with("HTTP/1.1 200"), "{target}: {answer}");
    }
}

#[tokio::test]
async fn header_fields_and_targets_have_limits() {
    let server = server().await;
    let long = "x".repeat(40_000);
    assert!(matches!(
        status(&server, "GET /fhir/Patient/Z", &format!("X-A: {long}\r\n")).await,
        431
    ));
    let many = (0..200).map(|n| format!("X-{n}: y\r\n")).collect::<String>();
    assert_eq!(status(&server, "GET /fhir/Patient/Z", &many).await, 431);
    let root = format!("Authorization: {}\r\n", server.root);
    let target = format!("GET /fhir/Patient?name={}", "x".repeat(9_000));
    assert_eq!(status(&server, &target, &root).await, 414);
    let token = format!("Authorization: Bearer {}\r\n", "x".repeat(17_000));
    assert_eq!(status(&server, "GET /fhir/Patient", &token).await, 401);
}
