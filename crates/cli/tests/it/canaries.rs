//! Secrets of every kind go in, and are in no answer, in no line of the log at its most talkative,
//! and in no file.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use firewarden_testkit::{FakeEndpoint, Reply, hmac_token};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::{Answer, Ask, Site, basic};
use crate::running::{ROOT_SECRET, Server, log_text};

const HMAC: &str = "CANARY-hmac-3f1c a shared secret of an issuer";
const STATIC: &str = "CANARY-static-77ab a shared secret in a list";
const ENDPOINT: &str = "CANARY-endpoint-90d2";
const CLIENT: &str = "CANARY-client-5b5b";
const PASSWORD: &str = "CANARY-password-e01a";
const OPAQUE: &str = "CANARY-opaque-c4c4";
const WRONG: &str = "CANARY-wrong-1d1d";
const ISSUER: &str = "https://canary.example.com";
const STATIC_ISSUER: &str = "https://static.example.com";
const FAR: u64 = 4_000_000_000;

/// What must be nowhere, however it is written.
struct Canaries(Vec<String>);

impl Canaries {
    fn of(secrets: &[&str]) -> Self {
        let mut all = Vec::new();
        for secret in secrets {
            // Of base64, what does not depend on what follows.
            let whole = &secret.as_bytes()[..secret.len() / 3 * 3];
            let written = [(*secret).to_owned(), STANDARD.encode(whole), hex(secret)];
            all.extend(written);
        }
        Self(all)
    }

    /// The first one that is there. All of them are ASCII, so that no bytes around hide one.
    fn found(&self, bytes: &[u8]) -> Option<&str> {
        let text = String::from_utf8_lossy(bytes);
        self.0.iter().map(String::as_str).find(|canary| text.contains(canary))
    }

    fn not_in(&self, answer: &Answer) {
        let headers = answer.headers.iter();
        let headers =
            headers.flat_map(|(name, value)| [name.as_str().as_bytes(), value.as_bytes()]);
        for bytes in headers.chain([answer.text.as_bytes()]) {
            assert_eq!(self.found(bytes), None, "{answer:?}");
        }
    }
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn signed(issuer: &str, secret: &str) -> String {
    let claims = json!({"iss": issuer, "sub": "alice", "exp": FAR});
    hmac_token("HS256", secret.as_bytes(), &json!({}), &claims)
}

/// Everything with a secret in it, put by the root client.
fn resources(endpoint: &FakeEndpoint) -> Vec<Value> {
    vec![
        json!({
            "resourceType": "TokenIntrospector", "id": "hmac", "type": "jwt",
            "jwt": {"iss": ISSUER, "secret": HMAC},
        }),
        json!({
            "resourceType": "TokenIntrospector", "id": "static", "type": "jwt",
            "jwt": {"iss": STATIC_ISSUER, "keys": [{"alg": "HS256", "k": STATIC}]},
        }),
        json!({
            "resourceType": "TokenIntrospector", "id": "asks", "type": "opaque", "cache_ttl": 5,
            "introspection_endpoint": {"url": endpoint.url(), "authorization": format!("Bearer {ENDPOINT}")},
        }),
        json!({
            "resourceType": "Client", "id": "app", "secret": CLIENT,
            "grant_types": ["basic", "client_credentials"],
        }),
        json!({"resourceType": "User", "id": "alice", "password": PASSWORD, "data": {"sub": "alice"}}),
        json!({
            "resourceType": "IdentityProvider", "id": "logs-in",
            "client": {"id": "us", "secret": CLIENT, "private-key": STATIC},
        }),
        json!({"resourceType": "Patient", "id": "x"}),
    ]
}

/// The credentials that count, and some that do not.
fn credentials(session: &str) -> Vec<String> {
    let mut bearers = vec![
        signed(ISSUER, HMAC),
        signed(STATIC_ISSUER, STATIC),
        signed(ISSUER, WRONG),
        OPAQUE.to_owned(),
        WRONG.to_owned(),
        format!("{WRONG}.{WRONG}.{WRONG}"),
        session.to_owned(),
        format!("{session}x"),
    ];
    bearers.iter_mut().for_each(|token| token.insert_str(0, "Bearer "));
    bearers.extend([basic("app", CLIENT), basic("app", WRONG), basic("nobody", CLIENT)]);
    bearers.push(format!("Digest {WRONG}"));
    bearers
}

/// What is asked with every credential, and as the root client.
const LINES: &[&str] = &[
    "GET /fhir/Patient/x",
    "GET /fhir/Patient/never",
    "GET /fhir/Patient?_id=x",
    "GET /auth/userinfo",
    "GET /health/ready",
    "GET /health/live",
    "GET /metrics",
    "GET /fhir/metadata",
    "GET /.well-known/smart-configuration",
    "GET /.well-known/oauth-protected-resource",
    "GET /fhir/_history",
    "GET /TokenIntrospector/hmac",
    "GET /nowhere",
    "PATCH /fhir/Patient/x",
];

/// What the root client asks besides, of what has secrets.
fn root_lines() -> Vec<String> {
    let mut lines = Vec::new();
    for at in ["TokenIntrospector/hmac", "TokenIntrospector/static", "TokenIntrospector/asks"]
        .iter()
        .chain(&["Client/app", "User/alice", "IdentityProvider/logs-in"])
    {
        lines.extend(["", "/_history", "/_history/1"].map(|rest| format!("GET /{at}{rest}")));
        lines.push(format!("GET /fhir/{at}?_format=yaml"));
        lines.push(format!("GET /{at}?_elements=secret,password,jwt,introspection_endpoint"));
    }
    for of in ["TokenIntrospector", "Client", "User", "Session", "IdentityProvider"] {
        lines.extend(
            ["", "/_history", "?_summary=true", "?secret=x"].map(|rest| format!("GET /{of}{rest}")),
        );
    }
    lines
}

/// Requests whose bodies or URLs hold secrets.
fn told(site: &Site, endpoint: &FakeEndpoint) -> Vec<Ask> {
    let token = signed(ISSUER, HMAC);
    let mut asks: Vec<Ask> = [token.as_str(), OPAQUE, WRONG]
        .iter()
        .map(|token| site.root("POST /auth/test-token").json(&json!({"token": token})))
        .collect();
    let policy = json!({"engine": "json-schema", "schema": {"required": ["user"]}});
    let request = json!({"request-method": "get", "uri": "/fhir/Patient", "user": {"id": "alice"}});
    asks.push(
        site.root("POST /auth/test-policy").json(&json!({"request": request, "policy": policy})),
    );
    for query in ["access_token", "_unknown"] {
        asks.push(site.root(&format!("GET /fhir/Patient?{query}={token}")));
        asks.push(site.root("POST /fhir/Patient/_search").form(&format!("{query}={token}")));
    }
    asks.push(
        site.ask("POST /auth/token")
            .form(&format!("grant_type=client_credentials&client_id=app&client_secret={WRONG}")),
    );
    for mut resource in resources(endpoint) {
        let line = format!("PUT /{}/broken", resource["resourceType"].as_str().unwrap());
        resource["id"] = json!("broken");
        resource["active"] = json!("no");
        asks.push(site.root(&line).json(&resource));
        asks.push(site.root(&line).body("application/json", resource.to_string().split_off(1)));
        let cut = resource.to_string();
        asks.push(
            site.root(&line).body("application/json", cut.strip_suffix('}').unwrap().to_owned()),
        );
        let entry = json!({"request": {"method": "PUT", "url": line.strip_prefix("PUT /")}, "resource": resource});
        let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [entry]});
        asks.push(site.root("POST /").json(&bundle));
    }
    asks
}

async fn session(site: &Site) -> String {
    let ask = site.ask("POST /auth/token").form("grant_type=client_credentials");
    let answer = ask.header("authorization", &basic("app", CLIENT)).await.is(200);
    answer.at("/access_token").as_str().unwrap().to_owned()
}

/// Asks everything, and looks at every answer; how many there were.
async fn ask_everything(
    site: &Site,
    endpoint: &FakeEndpoint,
    canaries: &Canaries,
    session: &str,
) -> usize {
    let mut asks = told(site, endpoint);
    asks.extend(root_lines().iter().map(|line| site.root(line)));
    for line in LINES {
        asks.push(site.root(line));
        let each = credentials(session).into_iter();
        asks.extend(each.map(|credential| site.ask(line).header("authorization", &credential)));
    }
    let number = asks.len();
    for ask in asks {
        canaries.not_in(&ask.await);
    }
    number
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_in_no_answer_no_log_and_no_file() {
    let endpoint = FakeEndpoint::start().await;
    endpoint.know(OPAQUE, json!({"active": true, "sub": "alice", "exp": FAR}));
    let folder = TempDir::new().unwrap();
    let environment = [("FIREWARDEN_LOG", "trace"), ("FIREWARDEN_OUTBOUND_ALLOW", "127.0.0.1")];
    let server = Server::start(folder.path(), &environment).await;
    let site = &server.site;
    let mut saved = Vec::new();
    for resource in resources(&endpoint) {
        saved.push(site.put(resource).await);
    }
    let session = session(site).await;
    // The proof itself may hold an underscore.
    let proof = session.strip_prefix("fws_").unwrap().split_once('_').unwrap().1.to_owned();
    let tokens = [signed(ISSUER, HMAC), signed(STATIC_ISSUER, STATIC), signed(ISSUER, WRONG)];
    let signatures = tokens.iter().map(|token| token.rsplit_once('.').unwrap().1);
    let credentials = [basic("app", CLIENT), basic("app", WRONG), basic("nobody", CLIENT)];
    let credentials = credentials.iter().map(|credential| credential.split_once(' ').unwrap().1);
    let mut secrets = vec!["CANARY", ROOT_SECRET, &proof, site.root.split_once(' ').unwrap().1];
    secrets.extend([HMAC, STATIC, ENDPOINT, CLIENT, PASSWORD, OPAQUE, WRONG]);
    secrets.extend(signatures.chain(credentials));
    let canaries = Canaries::of(&secrets);
    saved.iter().for_each(|answer| canaries.not_in(answer));

    // The secrets are those that count: what is looked for was really used.
    for token in [&tokens[0], &tokens[1], OPAQUE, &session] {
        site.bearer(token, "GET /auth/userinfo").await.is(200);
    }
    let authorization = endpoint.asked()[0].authorization.clone().unwrap();
    assert_eq!(authorization, format!("Bearer {ENDPOINT}"));
    let before = ask_everything(site, &endpoint, &canaries, &session).await;
    endpoint.reply(Reply::Text(500, format!("{OPAQUE} {ENDPOINT}")));
    let fresh = site.bearer(&format!("{OPAQUE}-2"), "GET /auth/userinfo").await.is(503);
    canaries.not_in(&fresh);
    assert!(before > 200, "{before} requests");

    let files = || std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let look = || {
        for file in files() {
            let bytes = std::fs::read(&file).unwrap();
            assert_eq!(canaries.found(&bytes), None, "{}", file.display());
        }
    };
    // While it runs, with the log of what is not yet in the database; and at the end.
    assert!(files().any(|file| file.to_string_lossy().ends_with("-wal")));
    look();
    server.signal("TERM");
    assert_eq!(server.ended().await.code(), Some(0));
    look();
    let log = log_text(folder.path());
    assert!(log.contains("\"level\":\"TRACE\"") || log.contains("TRACE"), "the log is talkative");
    assert!(log.contains("unauthenticated"), "refusals are logged");
}

#[test]
fn a_canary_is_found_however_it_is_written() {
    let canaries = Canaries::of(&["a secret"]);
    let encoded = URL_SAFE_NO_PAD.encode("a secret");
    for text in ["x a secret x", &encoded, "x61207365637265740"] {
        assert!(canaries.found(text.as_bytes()).is_some(), "{text}");
    }
    assert_eq!(canaries.found(b"a sacred"), None);
}
