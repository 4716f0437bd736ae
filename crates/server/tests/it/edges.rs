//! The edge of the server: browsers, proxies, TLS, HTTP/2, and the end of its run.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;

use crate::harness::{PATIENCE, ROOT_SECRET, TestServer, token};
use crate::http::Site;

const ORIGIN: &str = "https://app.example.com";

#[tokio::test]
async fn only_the_listed_origins_may_ask_from_a_browser() {
    let server = TestServer::with(&[("CORS_ORIGINS", ORIGIN)]).await;
    for (origin, allowed) in [
        (ORIGIN, true),
        ("https://app.example.com.evil.com", false),
        ("http://app.example.com", false),
        ("https://app.example.com:8443", false),
        ("https://APP.example.com", false),
        ("null", false),
        ("*", false),
    ] {
        for path in ["/fhir/Patient", "/fhir/metadata", "/fhir/Patient/x"] {
            let preflight = server.ask(&format!("OPTIONS {path}")).header("origin", origin);
            let preflight = preflight
                .header("access-control-request-method", "PUT")
                .header("access-control-request-headers", "authorization,content-type,if-match")
                .await;
            let actual = server.ask(&format!("GET {path}")).header("origin", origin).await;
            for answer in [preflight, actual] {
                let told = answer.header("access-control-allow-origin");
                assert_eq!(told, allowed.then_some(ORIGIN), "{answer:?}");
                assert_eq!(answer.header("access-control-allow-credentials"), None);
            }
        }
    }
    let statement = server.ask("GET /fhir/metadata").await.is(200);
    assert_eq!(statement.at("/rest/0/security/cors"), true);
}

#[tokio::test]
async fn without_origins_no_browser_may_ask() {
    let server = TestServer::start().await;
    server.put(json!({"resourceType": "Patient", "id": "x"})).await;
    let mut told = Vec::new();
    for id in ["x", "never"] {
        let ask = server.ask(&format!("OPTIONS /fhir/Patient/{id}")).header("origin", ORIGIN);
        let answer = ask.header("access-control-request-method", "GET").await;
        assert_eq!(answer.header("access-control-allow-origin"), None);
        told.push((answer.status, answer.text));
    }
    assert_eq!(told[0], told[1]);
    let statement = server.ask("GET /fhir/metadata").await.is(200);
    assert_eq!(statement.at("/rest/0/security/cors"), false);
}

async fn by_address(settings: &[(&str, &str)]) -> TestServer {
    let server = TestServer::with(settings).await;
    server.trust().await;
    for (id, name, value) in [("address", "remote-addr", "10.1.2.3"), ("scheme", "scheme", "https")]
    {
        server
            .put(json!({
                "resourceType": "AccessPolicy", "id": id, "engine": "json-schema",
                "schema": {
                    "required": ["params", name],
                    "properties": {
                        name: {"const": value},
                        "params": {
                            "required": ["resource/type"],
                            "properties": {"resource/type": {
                                "const": if id == "address" { "Patient" } else { "Observation" },
                            }},
                        },
                    },
                },
            }))
            .await;
    }
    server
}

#[tokio::test]
async fn an_address_is_only_believed_of_a_trusted_proxy() {
    let spoofs = [
        ("x-forwarded-for", "10.1.2.3"),
        ("forwarded", "for=10.1.2.3;proto=https"),
        ("x-real-ip", "10.1.2.3"),
        ("client-ip", "10.1.2.3"),
        ("true-client-ip", "10.1.2.3"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-scheme", "https"),
    ];
    let server = by_address(&[]).await;
    let caller = token("x");
    for (name, value) in spoofs {
        for of in ["Patient", "Observation"] {
            let ask = server.bearer(&caller, &format!("GET /fhir/{of}")).header(name, value);
            ask.await.is(403);
        }
    }
    let server = by_address(&[("TRUSTED_PROXIES", "127.0.0.0/8,::1")]).await;
    for (name, value, patient, observation) in [
        ("x-forwarded-for", "10.1.2.3", 200, 403),
        ("x-forwarded-for", "6.6.6.6, 10.1.2.3", 200, 403),
        // What stands to the left of the proxy's word is the client's.
        ("x-forwarded-for", "10.1.2.3, 6.6.6.6", 403, 403),
        ("x-forwarded-for", "10.1.2.3, 127.0.0.1", 200, 403),
        ("x-forwarded-for", "nonsense", 403, 403),
        ("forwarded", "for=10.1.2.3;proto=https", 200, 200),
        ("forwarded", "for=\"10.1.2.3:4711\"", 200, 403),
        ("x-forwarded-proto", "https", 403, 200),
        ("x-real-ip", "10.1.2.3", 403, 403),
    ] {
        for (of, status) in [("Patient", patient), ("Observation", observation)] {
            let ask = server.bearer(&caller, &format!("GET /fhir/{of}")).header(name, value);
            let answer = ask.await;
            assert_eq!(answer.status, status, "{name}: {value} {answer:?}");
        }
    }
}

/// A folder with a certificate for localhost, and the certificate.
fn certificate() -> (Arc<TempDir>, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    (Arc::new(folder), made.cert.pem())
}

#[tokio::test]
async fn with_a_certificate_the_server_speaks_tls_alone() {
    let (folder, pem) = certificate();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (cert, key) = (path("cert.pem"), path("key.pem"));
    let settings = [("TLS_CERT", cert.as_str()), ("TLS_KEY", key.as_str())];
    let server = TestServer::within(Arc::clone(&folder), &settings).await.unwrap();
    let url = format!("https://localhost:{}", server.address.port());
    let trusting = || {
        let certificate = reqwest::Certificate::from_pem(pem.as_bytes()).unwrap();
        let builder = reqwest::Client::builder().no_proxy();
        let resolved = builder.resolve("localhost", server.address);
        resolved.tls_certs_only([certificate])
    };
    for http in [trusting().http1_only().build(), trusting().build()] {
        let site = Site::with_client(&url, ROOT_SECRET, http.unwrap());
        let created = site.root("POST /fhir/Patient").json(&json!({"resourceType": "Patient"}));
        let created = created.await.is(201);
        assert!(created.header("location").unwrap().starts_with("https://"), "{created:?}");
        site.ask("GET /fhir/Patient").await.is(401);
        let self_url = site.root("GET /fhir/Patient").await.at("/link/0/url");
        assert!(self_url.as_str().unwrap().starts_with("https://"), "{self_url}");
    }
    // Nobody is answered in plain text, and nobody else's certificate is taken.
    let plain = server.raw("GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(!plain.contains("HTTP/1.1"), "{plain}");
    assert!(server.ask("GET /health/live").attempt().await.is_err());
    server.close().await;
}

#[tokio::test]
async fn http2_without_tls_is_decided_alike() {
    let server = TestServer::start().await;
    server.trust().await;
    let http = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let site = Site::with_client(&server.url, ROOT_SECRET, http);
    site.ask("GET /fhir/Patient").await.is(401);
    site.bearer(&token("x"), "GET /fhir/Patient").await.is(403);
    site.bearer(&token("x"), "GET /fhir/%50atient").await.is(400);
    site.root("GET /fhir/Patient").await.is(200);
    site.root("POST /fhir/Patient").json(&json!({"resourceType": "Patient"})).await.is(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_in_flight_is_finished_before_the_end() {
    let server = TestServer::start().await;
    let body = json!({"resourceType": "Patient"}).to_string();
    let (head, rest) = body.split_at(5);
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        stream,
        "POST /fhir/Patient HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\
         Expect: 100-continue\r\n\r\n",
        server.root,
        body.len()
    )
    .unwrap();
    // The server asks for the body: the request is being served.
    let mut asked = [0; 25];
    stream.read_exact(&mut asked).unwrap();
    assert!(asked.starts_with(b"HTTP/1.1 100 "), "{asked:?}");
    stream.write_all(head.as_bytes()).unwrap();
    let address = server.address;
    let stopping = server.stop();
    let closed = async {
        while TcpStream::connect(address).is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, closed).await.expect("no new connections");
    assert!(!stopping.running.is_finished());
    stream.write_all(rest.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    tokio::time::timeout(PATIENCE, stopping.running).await.unwrap().unwrap().unwrap();
    // What was answered is there.
    let server = TestServer::within(stopping.folder, &[]).await.unwrap();
    assert_eq!(server.root("GET /fhir/Patient?_summary=count").await.at("/total"), 1);
}

#[tokio::test]
async fn an_answer_is_nobody_elses_to_keep() {
    let server = TestServer::start().await;
    for line in ["GET /fhir/Patient", "GET /fhir/metadata", "GET /fhir/Patient/x", "GET /nowhere"] {
        for ask in [server.root(line), server.ask(line)] {
            let answer = ask.await;
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
            assert!(answer.header("x-request-id").is_some());
        }
    }
    // A request's name is never the client's choice.
    let answer = server.root("GET /fhir/Patient").header("x-request-id", "mine").await;
    assert_ne!(answer.header("x-request-id"), Some("mine"));
}
