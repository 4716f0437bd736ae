//! HTTP/2 requests that no client library would send: their frames are written by hand. The gate and
//! the handler see the same request, or there is none.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use serde_json::json;

use crate::harness::{PATIENCE, TestServer, token};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    /// An answer, with its status.
    Status(u16),
    /// None: the stream or the connection was ended as malformed (RFC 9113 section 8.1.1).
    Malformed,
}

/// A field and its value.
type Field = (&'static str, &'static str);

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

/// A text in a block of fields (RFC 7541 section 5.2), as it stands.
fn text(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    match text.len() {
        short @ 0..127 => bytes.push(short as u8),
        long => {
            bytes.push(127);
            let mut rest = long - 127;
            while rest >= 128 {
                bytes.push((rest % 128) as u8 | 128);
                rest /= 128;
            }
            bytes.push(rest as u8);
        }
    }
    [&bytes, text.as_bytes()].concat()
}

/// A request of these fields, in their order.
fn request(fields: &[(&str, &str)]) -> Vec<u8> {
    let block: Vec<u8> = fields
        .iter()
        .flat_map(|(name, value)| [vec![0], text(name), text(value)].concat())
        .collect();
    let headers = frame(HEADERS, END_STREAM | END_HEADERS, 1, &block);
    [PREFACE, &frame(SETTINGS, 0, 0, &[]), &headers].concat()
}

/// The status that a block of fields begins with: of the static table, or three digits in the code
/// of RFC 7541 appendix B.
fn status(block: &[u8]) -> u16 {
    if let Some(index) = block[0].checked_sub(128) {
        return [200, 204, 206, 304, 400, 404, 500][usize::from(index) - 8];
    }
    assert!(matches!(block[0], 0x48 | 0x08 | 0x18), "{block:?}");
    let digits = &block[2..];
    if block[1] & 128 == 0 {
        return std::str::from_utf8(&digits[..3]).unwrap().parse().unwrap();
    }
    let bit = |at: usize| u16::from(digits[at / 8] >> (7 - at % 8) & 1);
    let bits =
        |from: usize, count: usize| (from..from + count).fold(0, |sum, at| sum * 2 + bit(at));
    let mut at = 0;
    let mut digit = || match bits(at, 5) {
        small @ 0..3 => {
            at += 5;
            small
        }
        _ => {
            at += 6;
            bits(at - 6, 6) - 22
        }
    };
    digit() * 100 + digit() * 10 + digit()
}

/// Sends a request of these fields on a connection of its own; the answer and its body.
fn ask(address: SocketAddr, fields: &[(&str, &str)]) -> (Told, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&request(fields)).unwrap();
    let (mut told, mut body) = (Told::Malformed, Vec::new());
    loop {
        let mut head = [0; 9];
        if stream.read_exact(&mut head).is_err() {
            break;
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload).unwrap();
        let (kind, flags) = (head[3], head[4]);
        match kind {
            HEADERS => told = Told::Status(status(&payload)),
            DATA => body.extend(payload),
            _ => {}
        }
        let answered = matches!(kind, HEADERS | DATA) && flags & END_STREAM != 0;
        if answered || matches!(kind, RST_STREAM | GOAWAY) {
            break;
        }
    }
    (told, String::from_utf8(body).unwrap())
}

/// Whoever has a token may search Observations, and whoever comes by TLS may search Encounters.
async fn server() -> TestServer {
    let server = TestServer::start().await;
    server.trust().await;
    server.put(json!({"resourceType": "Patient", "id": "Z", "gender": "female"})).await;
    let encounter = json!({
        "resourceType": "Encounter", "id": "e", "status": "planned", "class": {"code": "AMB"},
    });
    server.put(encounter).await;
    for (of, scheme) in [("Observation", "http"), ("Encounter", "https")] {
        let policy = json!({
            "resourceType": "AccessPolicy", "id": of, "engine": "matcho",
            "matcho": {
                "jwt": "present?", "scheme": scheme, "uri": format!("/fhir/{of}"),
                "request-method": "get",
            },
        });
        server.put(policy).await;
    }
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn pseudo_headers_are_read_in_one_way_or_not_at_all() {
    use Told::{Malformed, Status};
    let server = server().await;
    let address = server.address;
    let bearer = format!("Bearer {}", token("someone"));
    let with = |fields: &[Field]| {
        let mut all: Vec<(&str, &str)> = fields.to_vec();
        // Pseudo-headers stand before the others (RFC 9113 section 8.3).
        let at = all.iter().position(|(name, _)| !name.starts_with(':')).unwrap_or(all.len());
        all.insert(at, ("authorization", &bearer));
        ask(address, &all)
    };
    let get = (":method", "GET");
    let http = (":scheme", "http");
    let here = (":authority", "fhir.example.com");
    let observations = (":path", "/fhir/Observation");
    let patient = (":path", "/fhir/Patient/Z");
    let cases: &[(&str, &[Field], Told)] = &[
        ("what is granted", &[get, http, here, observations], Status(200)),
        ("what is not", &[get, http, here, patient], Status(403)),
        ("no path", &[get, http, here], Malformed),
        ("an empty path", &[get, http, here, (":path", "")], Malformed),
        ("two paths", &[get, http, here, observations, patient], Malformed),
        ("two equal paths", &[get, http, here, observations, observations], Malformed),
        ("two methods", &[get, (":method", "DELETE"), http, here, observations], Malformed),
        ("no method", &[http, here, observations], Malformed),
        (
            "a pseudo-header of answers",
            &[get, http, here, observations, (":status", "200")],
            Malformed,
        ),
        ("one that is unknown", &[get, http, here, observations, (":user", "root")], Malformed),
        ("one after the others", &[get, http, here, ("accept", "*/*"), observations], Malformed),
        ("an asterisk", &[get, http, here, (":path", "*")], Status(400)),
        (
            "an asterisk for OPTIONS",
            &[(":method", "OPTIONS"), http, here, (":path", "*")],
            Status(400),
        ),
        (
            "a path that does not begin",
            &[get, http, here, (":path", "fhir/Observation")],
            Malformed,
        ),
        (
            "a whole URL",
            &[get, http, here, (":path", "http://fhir.example.com/fhir/Observation")],
            Malformed,
        ),
        (
            "a path of another host",
            &[get, http, here, (":path", "//evil.example.com/fhir/Observation")],
            Status(400),
        ),
        (
            "what is not canonical",
            &[get, http, here, (":path", "/fhir/Observation/../Patient/Z")],
            Status(400),
        ),
        ("an encoded path", &[get, http, here, (":path", "/fhir/%4fbservation")], Status(400)),
        // A fragment is no part of what is asked (RFC 3986 section 3.5): it is dropped before.
        (
            "a fragment",
            &[get, http, here, (":path", "/fhir/Observation#/fhir/Patient/Z")],
            Status(200),
        ),
        (
            "a fragment of a granted path",
            &[get, http, here, (":path", "/fhir/Patient/Z#/fhir/Observation")],
            Status(403),
        ),
        ("another host", &[get, http, (":authority", "evil.example.com"), patient], Status(403)),
        (
            "the same host twice",
            &[get, http, here, observations, ("host", "FHIR.example.com")],
            Status(200),
        ),
        ("two hosts", &[get, http, here, observations, ("host", "evil.example.com")], Status(400)),
        (
            "two hosts, as one without a right",
            &[get, http, here, patient, ("host", "evil.example.com")],
            Status(400),
        ),
        ("`Host` twice", &[get, http, observations, ("host", "a"), ("host", "a")], Status(400)),
        (
            "a scheme that it did not come by",
            &[get, (":scheme", "https"), here, (":path", "/fhir/Encounter")],
            Status(403),
        ),
        (
            "a scheme and a policy on the right one",
            &[get, (":scheme", "https"), here, observations],
            Status(200),
        ),
        ("a method that is none", &[(":method", "get"), http, here, observations], Status(405)),
        (
            "an overridden method",
            &[get, http, here, patient, ("x-http-method-override", "OPTIONS")],
            Status(403),
        ),
        ("a tunnel", &[(":method", "CONNECT"), here], Status(400)),
        (
            "a field of one connection",
            &[get, http, here, observations, ("connection", "close")],
            Malformed,
        ),
        ("chunks", &[get, http, here, observations, ("transfer-encoding", "chunked")], Malformed),
        ("a name in upper case", &[get, http, here, observations, ("X-A", "b")], Malformed),
    ];
    let mut others = Vec::new();
    for (what, fields, expected) in cases {
        let (told, body) = with(fields);
        if told != *expected {
            others.push(format!("{what}: {told:?} instead of {expected:?}: {body}"));
        }
        assert!(!body.contains("female"), "{what}: {body}");
        if told == Status(403) {
            assert!(body.contains(r#""id":"forbidden""#), "{what}: {body}");
        }
    }
    assert!(others.is_empty(), "{others:#?}");
    // Without a credential nothing of this is more than a 401.
    let (told, _) = ask(address, &[get, http, here, observations]);
    assert_eq!(told, Status(401));
}
