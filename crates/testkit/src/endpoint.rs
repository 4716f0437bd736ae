//! A fake introspection endpoint (RFC 7662) on a loopback port.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::provider::{Answered, Stream, text};

/// How the endpoint answers.
#[derive(Clone, Debug)]
pub enum Reply {
    /// By what it knows of the token; of a token that it does not know, that it is not active.
    Known,
    /// With that status and text.
    Text(u16, String),
    /// With a 307 to there.
    Redirect(String),
    /// Never.
    Hang,
    /// With the head of an answer, and no body that ends.
    Stall,
    /// With a body that goes on and on.
    Endless,
}

/// What the endpoint was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The method and the path.
    pub line: String,
    /// The value of `Authorization`.
    pub authorization: Option<String>,
    /// The value of `Content-Type`.
    pub content_type: Option<String>,
    /// The body.
    pub form: String,
}

/// An introspection endpoint on a loopback port. It ends when it is dropped.
pub struct FakeEndpoint {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    reply: Mutex<Reply>,
    known: Mutex<HashMap<String, Value>>,
    asked: Mutex<Vec<Asked>>,
    held: watch::Sender<bool>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FakeEndpoint {
    /// An endpoint that knows no token.
    ///
    /// # Panics
    /// When no loopback port can be had.
    #[expect(clippy::expect_used, reason = "a test without an endpoint is no test")]
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a loopback port");
        let address = listener.local_addr().expect("its address");
        let shared = Arc::new(Shared {
            reply: Mutex::new(Reply::Known),
            known: Mutex::default(),
            asked: Mutex::default(),
            held: watch::Sender::new(false),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { address, shared, accepting }
    }

    /// `127.0.0.1:port`.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}/introspect", self.address)
    }

    /// Answers that of a token, from the next request on.
    pub fn know(&self, token: &str, answer: Value) {
        locked(&self.shared.known).insert(token.to_owned(), answer);
    }

    /// Answers so, from the next request on.
    pub fn reply(&self, reply: Reply) {
        *locked(&self.shared.reply) = reply;
    }

    /// Keeps every answer back while that is so.
    pub fn hold(&self, held: bool) {
        self.shared.held.send_replace(held);
    }

    /// What it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        locked(&self.shared.asked).clone()
    }

    /// How often it was asked.
    pub fn requests(&self) -> usize {
        locked(&self.shared.asked).len()
    }

    /// Comes to its end, as an endpoint that is down.
    pub fn stop(&self) {
        self.accepting.abort();
    }
}

impl Drop for FakeEndpoint {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(move |request| respond(Arc::clone(&shared), request));
            // A client that goes away is not the endpoint's fault.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn respond(shared: Arc<Shared>, request: Request<Incoming>) -> Answered {
    const FORM_BYTES_MAX: usize = 1024 * 1024;
    let header = |name: &str| {
        let value = request.headers().get(name)?;
        Some(value.to_str().unwrap_or_default().to_owned())
    };
    let (authorization, content_type) = (header("authorization"), header("content-type"));
    let line = format!("{} {}", request.method(), request.uri());
    let body = Limited::new(request.into_body(), FORM_BYTES_MAX).collect().await;
    let body = body.map_or_else(|_| Bytes::new(), http_body_util::Collected::to_bytes);
    let form = String::from_utf8_lossy(&body).into_owned();
    let token = form.split('&').find_map(|pair| pair.strip_prefix("token=")).unwrap_or_default();
    let known = locked(&shared.known).get(token).cloned();
    locked(&shared.asked).push(Asked { line, authorization, content_type, form });
    // The sender lives as long as the endpoint.
    let _ = shared.held.subscribe().wait_for(|held| !held).await;
    let reply = locked(&shared.reply).clone();
    match reply {
        Reply::Known => {
            let answer = known.unwrap_or_else(|| serde_json::json!({"active": false}));
            Response::builder().body(text(answer.to_string()))
        }
        Reply::Text(status, body) => Response::builder().status(status).body(text(body)),
        Reply::Redirect(to) => {
            Response::builder().status(307).header("location", to).body(text(String::new()))
        }
        Reply::Hang => std::future::pending().await,
        Reply::Stall => Response::builder().body(Stream::Silent.boxed()),
        Reply::Endless => Response::builder().body(Stream::Endless.boxed()),
    }
}
